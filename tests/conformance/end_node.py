"""The cases of an end node: transport mode, and tunnels whose inner end is the node itself."""
from plan import P, Pair
from steps import Answered, Case, Give, Ping, Quiet, Rule, Take, exchange

ONE, TWO = P("HOST1", "NUT"), P("HOST2", "NUT")
FAR1, FAR2 = P("FAR1", "NUT"), P("FAR2", "NUT")
SA1, SA2 = Pair("SA1", "HOST1"), Pair("SA2", "HOST2")
END, GATEWAY = Pair("SA1", "HOST1", ("NUT", "HOST1")), Pair("SA1", "SGW1", ("NUT", "L2"))
ALIVE = exchange(ONE, "SA1")
ALGORITHMS = (("H-12", "3DES-CBC, HMAC-SHA-1", "3des sha1", "RFC8221-6-1"), ("H-13", "3DES-CBC, AES-XCBC-MAC-96", "3des xcbc", "RFC8221-6-2"),
              ("H-14", "3DES-CBC, no authentication", "3des none", "RFC4303-2.8-1"), ("H-15", "AES-CBC 128, HMAC-SHA-1", "aes sha1", "RFC8221-5-3"),
              ("H-16", "AES-CTR 128, HMAC-SHA-1", "ctr sha1", ""), ("H-17", "NULL, HMAC-SHA-1", "null sha1", "RFC8221-5-3 RFC4303-2.3-1"),
              ("H-18", "Camellia-CBC 128, HMAC-SHA-1", "camellia sha1", ""),
              ("H-19", "3DES-CBC, HMAC-SHA-256-128", "3des sha256", "RFC4303-2.8-1 RFC8221-6-1"))


def padded(one, size=7):
    """Content that needs 7 octets of padding, or 255; so does the reply."""
    short = P(one.src, one.dst, size=size)
    return (Give(short, "SA1", shape={"pad": 7}), Take(short.turned(), "SA1", pad=7),
            Give(short, "SA1", shape={"pad": 255}), Take(short.turned(), "SA1", pad=7))


def dummies(size):
    return (*ALIVE, Quiet(P("HOST1", "NUT", "dummy", size=size), "SA1", cause="dummy"), *ALIVE)


CASES = [
    Case("H-00", "addresses and reachability", "E1", (), exchange(ONE), rules=()),
    Case("H-01", "two peers, each has its SA", "E1", (SA1, SA2), exchange(ONE, "SA1") + exchange(TWO, "SA2"),
         "RFC4301-4.4.1-1 RFC4303-2.1-1 RFC4301-4.1-10"),
    Case("H-02", "SA chosen by ICMP type", "E1", (SA1, Pair("SA2", "HOST1")),
         (Give(ONE, "SA1"), Take(ONE.turned(), "SA2"), Ping(P("NUT", "HOST1")), Take(P("NUT", "HOST1"), "SA1"),
          Give(P("HOST1", "NUT", "reply"), "SA2"), Answered(P("HOST1", "NUT", "reply"))),
         "RFC4301-4.4.1.1-7",
         (Rule("laddr {NUT} raddr {HOST1} ulp {icmp} {request}", "SA1"), Rule("laddr {NUT} raddr {HOST1} ulp {icmp} {reply}", "SA2"))),
    Case("H-03", "numbers begin with 1", "E1", (SA1,), (*ALIVE, *ALIVE), "RFC4303-3.3.3-1 RFC4303-2.2-1"),
    Case("H-05a", "dummy packet, empty", "E1", (SA1,), dummies(0), "RFC4303-2.6-1 RFC4303-2.6-3"),
    Case("H-05b", "dummy packet with random data", "E1", (SA1,), dummies(64), "RFC4303-2.6-1 RFC4303-2.6-3"),
    Case("H-06", "bypass rule", "E1", (SA1,), exchange(P("HOST1", "NUT", size=1400), "SA1") + exchange(TWO),
         "RFC4301-4.4.1-6 RFC4301-4.4.1-1", (Rule("laddr {NUT} raddr {HOST1}", "SA1"), Rule("raddr {HOST2}", "bypass"))),
    Case("H-07", "discard rule", "E1", (SA1,),
         (*exchange(P("HOST1", "NUT", size=1400), "SA1"), Quiet(TWO, cause="discard"), *ALIVE), "RFC4301-4.4.1-6",
         (Rule("laddr {NUT} raddr {HOST1}", "SA1"), Rule("raddr {HOST2}", "discard"))),
    Case("H-08", "padding of 7 and 255 octets", "E1", (SA1,), padded(ONE), "RFC4303-2.4-1 RFC4303-2.4-2"),
    Case("H-09", "TFC padding in transport mode", "E1", (SA1,),
         (Give(P("HOST1", "NUT", "udp"), "SA1", shape={"tfc": bytes(range(8))}), Take(P("NUT", "HOST1", "udp", ports=(7, 10000)), "SA1")),
         "RFC4303-2.7-2"),
    Case("H-10", "unknown SPI", "E1", (SA1,), (*ALIVE, Quiet(ONE, "SA1", shape={"spi": 0x00099099}, cause="unknown spi"), *ALIVE),
         "RFC4303-3.4.2-1"),
    Case("H-11", "wrong ICV", "E1", (SA1,),
         (*ALIVE, Quiet(P("HOST1", "NUT", size=9), "SA1", shape={"icv": b"\xaa" * 12}, cause="corrupt"), *ALIVE), "RFC4303-3.4.4.1-1"),
    *(Case(id_, title, "E1", (Pair("SA1", "HOST1", suite=suite),), (*ALIVE, *ALIVE), tags) for id_, title, suite, tags in ALGORITHMS),
    Case("H-20", "tunnel with an end node", "E1", (END,), exchange(ONE, "SA1"), "RFC4301-4.1-10 RFC4301-5.1.2-1"),
    Case("H-21", "tunnel with a gateway", "E2", (GATEWAY,), exchange(FAR1, "SA1"), "RFC4301-4.1-10 RFC4301-4.5.3-1"),
    Case("H-22", "two hosts behind one gateway, an SA each", "E2",
         (Pair("SA1", "SGW1", ("NUT", "FAR1")), Pair("SA2", "SGW1", ("NUT", "FAR2"))), exchange(FAR1, "SA1") + exchange(FAR2, "SA2"),
         "RFC4301-4.4.1.1-1"),
    Case("H-23", "padding of 7 and 255 octets in a tunnel", "E2", (GATEWAY,), padded(FAR1, (7, 11)), "RFC4303-2.4-1 RFC4303-2.4-2"),
    Case("H-24", "TFC padding in a tunnel", "E2", (GATEWAY,),
         (Give(FAR1, "SA1", shape={"tfc": bytes(range(32))}), Take(FAR1.turned(), "SA1")), "RFC4303-2.7-2"),
]

# Path MTU. The sizes are those of IPv6's least MTU, over both versions.
LONG = P("HOST1", "NUT", size=1278)
INSIDE = P("FAR1", "NUT", size=1452)
CASES += [
    Case("H-04", "path MTU shrinks, transport mode", "E1", (SA1,),
         (Give(LONG, "SA1", cut=(1232,)), Take(LONG.turned(), "SA1"), Give(P("ROUTER", "NUT", "too big", mtu=1280)),
          Give(LONG, "SA1", cut=(1232,)), Take(LONG.turned(), "SA1", pieces=2)),
         "RFC4303-3.3.4-1 RFC4301-5.2-1"),
    Case("H-25", "fragments inside the tunnel", "E2", (GATEWAY,),
         (*exchange(FAR1, "SA1"), Give(INSIDE, "SA1", inner_cut=(1232,)), Take(INSIDE.turned(), "SA1", inner=None, pieces=None),
          Give(P("SGW1FAR", "NUT", "too big", mtu=1280, about=INSIDE.turned()), "SA1"),
          Give(INSIDE, "SA1", inner_cut=(1232,)), Take(INSIDE.turned(), "SA1", inner=2)),
         "RFC4301-7.1-1"),
]
