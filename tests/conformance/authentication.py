"""AH: what it covers, and what may change on the way."""
from plan import P, Pair
from steps import Case, Give, Quiet, Rule, Take, exchange, forwarded

ONE, TWO, FAR, BEHIND = P("HOST1", "NUT"), P("HOST2", "NUT"), P("FAR1", "NUT"), P("HOST2", "HOST1")
AH = Pair("SA1", "HOST1", suite="ah sha1")
ALIVE = exchange(ONE, "SA1")
SOURCE2, ALSO = {True: bytes.fromhex("20010db800c000010000000000000002"), False: bytes((192, 0, 2, 130))}, \
    {True: bytes.fromhex("20010db800c00000000000000000000b"), False: bytes((192, 0, 2, 11))}
ALGORITHMS = (("md5", "HMAC-MD5-96", "ah md5"), ("sha1", "HMAC-SHA-1-96", "ah sha1"), ("sha256", "HMAC-SHA-256-128", "ah sha256"),
              ("sha512", "HMAC-SHA-512-256", "ah sha512"), ("xcbc", "AES-XCBC-MAC-96", "ah xcbc"))
# A hop-by-hop or destination options header of 8 octets: an option that nobody changes (0x1e), or that may change (0x3e).
FIXED, CHANGING = bytes((0, 0, 0x1e, 4, 1, 2, 3, 4)), bytes((0, 0, 0x3e, 4, 1, 2, 3, 4))
USED_UP = bytes((0, 2, 0, 0, 0, 0, 0, 0)) + SOURCE2[True]  # A routing header without hops left.
RECORD, ALERT = bytes((7, 7, 4, 0, 0, 0, 0, 0)), bytes((148, 4, 0, 0))  # IPv4's record route, router alert.


def changed(edit, cause="corrupt", one=ONE, pair=AH):
    """Silence for the packet that was changed on the way, between two good exchanges."""
    good = exchange(P(one.src, one.dst), pair.name)
    return (*good, Quiet(one, pair.name, edit=edit, cause=cause), *good)


def accepted(edit, one=ONE):
    return (*ALIVE, Give(one, "SA1", edit=edit), Take(one.turned(), "SA1"))


def with_headers(headers, first):
    return P("HOST1", "NUT", before=headers, first=first)


CASES = [
    *(Case(f"X-02 {name}", f"AH in and out, {title}", "E1", (Pair("SA1", "HOST1", suite=suite),), (*ALIVE, *ALIVE),
           "RFC4302-2.2-1 RFC4302-2.3-1 RFC4302-2.5-1 RFC4302-2.6-1 RFC4302-3.1.1-1 RFC4302-3.3.2-1 RFC4302-3.3.3.2.1-1")
      for name, title, suite in ALGORITHMS),
    Case("X-03", "AH over fragments in and out", "E1", (AH,),
         (*ALIVE, Give(P("HOST1", "NUT", size=1600), "SA1", cut=(1232,)), Take(P("NUT", "HOST1", "reply", size=1600), "SA1", pieces=2)),
         "RFC4302-3.3.4-1"),
    Case("X-05a", "AH: two peers, an SPI each", "E1", (AH, Pair("SA2", "HOST2", suite="ah sha1")), (*ALIVE, *exchange(TWO, "SA2"))),
    Case("X-05b", "AH: two peers, one SPI value out", "E1",
         (Pair("SA1", "HOST1", suite="ah sha1", spis=(0x11001, 0x55002)), Pair("SA2", "HOST2", suite="ah sha1", spis=(0x22001, 0x55002))),
         (*ALIVE, *exchange(TWO, "SA2"), *ALIVE), ""),
    Case("X-05c", "AH: one peer, two SPIs in", "E1", (AH, Pair("SA2", "HOST1", suite="ah sha1", group=1, out="absent")),
         (*ALIVE, Give(ONE, "SA2"), Take(ONE.turned(), "SA1"), *ALIVE), "RFC4301-4.1-4", (Rule("laddr {NUT} raddr {HOST1}", "SA1"),)),
    Case("X-08", "AH: hop limit or TTL changed on the way", "E1", (AH,), accepted({True: ((7, b"\x09"),), False: ((8, b"\x09"),)}),
         "RFC4302-3.3.3.1-1 RFC4302-3.3.3.1.2.1-1"),
    Case("X-09", "AH: source address changed", "E1", (AH,),
         changed({True: ((8, SOURCE2[True]),), False: ((12, SOURCE2[False]),)}, "source or corrupt"), "RFC4302-3.3.3.1-1"),
    Case("X-10", "AH: destination changed to another address of the node", "E1", (AH,),
         changed({True: ((24, ALSO[True]),), False: ((16, ALSO[False]),)}, "unknown spi"), "RFC4302-3.4.2-1"),
    Case("X-11", "AH: traffic class, flow label, DF changed", "E1", (AH,),
         accepted({True: ((0, b"\x6b\xa1\x23\x45"),), False: ((1, b"\xb8"), (6, b"\x40"))}),
         "RFC4302-3.3.3.1-1 RFC4302-3.3.3.1.2.1-1 RFC4301-4.1-6"),
    Case("X-11b", "AH: reserved field changed on the way, which the ICV covers", "E1", (AH,), changed(
        {True: ((42, b"\1"),), False: ((22, b"\1"),)}, "corrupt"), "RFC4302-2.3-1"),
    Case("X-11c", "AH: the sender's reserved field is not 0, and the ICV covers it", "E1", (AH,),
         (*ALIVE, Give(ONE, "SA1", shape={"reserved": 0x1234}), Take(ONE.turned(), "SA1")), "RFC4302-2.3-1"),
    Case("X-12a", "AH behind a routing header", "E1", (AH,), (*ALIVE, Give(with_headers(USED_UP, 43), "SA1"), Take(ONE.turned(), "SA1")),
         "RFC4302-3.1.1-1", versions=(6,)),
    Case("X-12b", "AH: address in a routing header changed", "E1", (AH,), changed(((60, b"\x07"),), one=with_headers(USED_UP, 43)),
         "RFC4302-3.3.3.1-1", versions=(6,)),
    Case("X-13a", "AH behind destination options", "E1", (AH,), (*ALIVE, Give(with_headers(FIXED, 60), "SA1"), Take(ONE.turned(), "SA1")),
         "RFC4302-3.1.1-1", versions=(6,)),
    Case("X-13b", "AH: data of a destination option changed", "E1", (AH,), changed(((45, b"\x09"),), one=with_headers(FIXED, 60)),
         "RFC4302-3.3.3.1-1", versions=(6,)),
    Case("X-15a", "AH: data of a hop-by-hop option changed", "E1", (AH,), changed(((45, b"\x09"),), one=with_headers(FIXED, 0)),
         "RFC4302-3.3.3.1-1", versions=(6,)),
    Case("X-15b", "AH: type of a hop-by-hop option changed", "E1", (AH,), changed(((42, b"\x1d"),), one=with_headers(FIXED, 0)),
         "RFC4302-3.3.3.1-1", versions=(6,)),
    Case("X-15c", "AH: data of an option that may change", "E1", (AH,), accepted(((45, b"\x09"),), one=with_headers(CHANGING, 0)),
         "RFC4302-3.3.3.1-1", versions=(6,)),
    Case("X-16", "AH: payload changed", "E1", (AH,), changed(((-1, b"\xee"),)), "RFC4302-3.4.4-1"),
    Case("X-17a", "AH tunnel with an end node", "E2", (Pair("SA1", "SGW1", ("NUT", "L2"), "ah sha1"),), exchange(FAR, "SA1"), "RFC4302-3.1.2-1"),
    Case("X-17b", "AH tunnel of a gateway", "G1", (Pair("SA1", "SGW1", ("L0", "L3"), "ah sha1"),), forwarded(BEHIND, "SA1"), "RFC4302-3.1.2-1"),
    Case("X-18a", "AH tunnel: inner hop limit changed", "E2", (Pair("SA1", "SGW1", ("NUT", "L2"), "ah sha1"),),
         changed({True: ((71, b"\x09"),), False: ((52, b"\x09"),)}, one=FAR, pair=Pair("SA1", "SGW1")), "RFC4302-3.1.2-1"),
    Case("X-18b", "AH tunnel: inner payload changed", "E2", (Pair("SA1", "SGW1", ("NUT", "L2"), "ah sha1"),),
         changed(((-1, b"\xee"),), one=FAR, pair=Pair("SA1", "SGW1")), "RFC4302-3.1.2-1"),
    Case("X-20a", "AH: IPv4's record route changed", "E1", (AH,), accepted(((23, b"\x0a\x01\x02\x03"),), one=with_headers(RECORD, 0)),
         "RFC4302-3.3.3.1-1", versions=(4,)),
    Case("X-20b", "AH: IPv4's router alert changed", "E1", (AH,), changed(((22, b"\x09\x09"),), one=with_headers(ALERT, 0)),
         "RFC4302-3.3.3.1-1", versions=(4,)),
    Case("X-22", "AH with extended sequence numbers", "E1", (Pair("SA1", "HOST1", suite="ah sha1", both="replay 64 esn"),),
         (Give(ONE, "SA1", shape={"high": 0}), Take(ONE.turned(), "SA1", high=0)), "RFC4302-2.5.1-1 RFC4302-3.3.3.2.2-1"),
    Case("X-46", "AH and ESP with one SPI value and one peer", "E1",
         (Pair("SA1", "HOST1", spis=(0x55001, 0x55002)), Pair("SA2", "HOST1", suite="ah sha1", spis=(0x55001, 0x55002))),
         (*ALIVE, Give(P("HOST1", "NUT", "udp"), "SA2"), Take(P("NUT", "HOST1", "udp", ports=(7, 10000)), "SA2")), "RFC4303-2.1-1",
         (Rule("laddr {NUT} raddr {HOST1} ulp {icmp}", "SA1"), Rule("laddr {NUT} raddr {HOST1} ulp udp", "SA2"))),
]
