"""The cases of a gateway: tunnels for the nodes behind it."""
import dataclasses

from plan import P, Pair
from steps import Case, Give, Quiet, Rule, Take, forwarded

TWO, THREE, FOUR, PEER = (P(src, "HOST1") for src in ("HOST2", "HOST3", "HOST4", "PEER"))
ONE, OTHER = Pair("SA1", "SGW1", ("L0", "L3")), Pair("SA2", "SGW2", ("L0", "L4"))
RULE = Rule("laddr {L0} raddr {L3}", "SA1")
ALIVE = forwarded(TWO, "SA1")
ALGORITHMS = (("G-15", "3DES-CBC, HMAC-SHA-1", "3des sha1"), ("G-16", "3DES-CBC, AES-XCBC-MAC-96", "3des xcbc"),
              ("G-17", "3DES-CBC, no authentication", "3des none"), ("G-18", "AES-CBC 128, HMAC-SHA-1", "aes sha1"),
              ("G-19", "AES-CTR 128, HMAC-SHA-1", "ctr sha1"), ("G-20", "NULL, HMAC-SHA-1", "null sha1"),
              ("G-21", "Camellia-CBC 128, HMAC-SHA-1", "camellia sha1"), ("G-22", "3DES-CBC, HMAC-SHA-256-128", "3des sha256"))
LONG, FITS = P("HOST1", "HOST2", size=1452), P("HOST1", "HOST2", size=1328)  # The second fits a device of ipsecd.


def dummies(size):
    return (*ALIVE, Quiet(P("HOST2", "HOST1", "dummy", size=size), "SA1", shape={"following": 59}, cause="dummy"), *ALIVE)


def padded(pad):
    short = P("HOST2", "HOST1", size=(7, 11))
    return Give(short, "SA1", shape={"pad": pad}), Take(short), Give(short.turned()), Take(short.turned(), "SA1", pad=7)


def whole(packet):
    """The same with DF, over IPv4."""
    return dataclasses.replace(packet, fields=(("flags", "DF"),))


CASES = [
    Case("G-00", "addresses and forwarding", "G1", (), (Give(TWO), Take(TWO), Give(TWO.turned()), Take(TWO.turned())), rules=()),
    Case("G-01", "two gateways, an SA each", "G1", (ONE, OTHER), forwarded(TWO, "SA1") + forwarded(FOUR, "SA2"),
         "RFC4301-4.1-11 RFC4301-4.4.1-1 RFC4301-5.1.2.1-2 RFC4301-4.5.3-1"),
    Case("G-02", "SA by ICMP type", "G1", (ONE, Pair("SA2", "SGW1", ("L0", "L3"))),
         (Give(TWO, "SA1"), Take(TWO), Give(TWO.turned()), Take(TWO.turned(), "SA2"), Give(P("HOST1", "HOST2")),
          Take(P("HOST1", "HOST2"), "SA1"), Give(P("HOST2", "HOST1", "reply"), "SA2"), Take(P("HOST2", "HOST1", "reply"))),
         "RFC4301-4.4.1.1-7",
         (Rule("laddr {L0} raddr {L3} ulp {icmp} {request}", "SA1"), Rule("laddr {L0} raddr {L3} ulp {icmp} {reply}", "SA2"))),
    Case("G-03", "two hosts behind one gateway", "G1", (Pair("SA1", "SGW1", ("L0", "HOST2")), Pair("SA2", "SGW1", ("L0", "HOST3"))),
         forwarded(TWO, "SA1") + forwarded(THREE, "SA2"), "RFC4301-4.4.1.1-1"),
    Case("G-04", "numbers begin with 1", "G1", (ONE,),
         (Give(TWO.turned()), Take(TWO.turned(), "SA1"), Give(TWO.turned()), Take(TWO.turned(), "SA1")), "RFC4303-3.3.3-1 RFC4303-2.2-1"),
    Case("G-05", "too long for the link: the sender learns what fits", "G1", (ONE,),
         (Give(LONG), Take(P("IN", "HOST1", "too big", mtu=(1280, 1430))), Give(LONG, inner_cut=(1232,)),
          Take(LONG, "SA1", inner=2)), "RFC4301-8.2.1-1", versions=(6,)),
    Case("G-05b", "too long for the link, with DF: the sender learns what fits", "G1", (ONE,),
         (Give(whole(LONG)), Take(P("IN", "HOST1", "too big", mtu=(576, 1446))), Give(LONG, inner_cut=(1232,)),
          Take(LONG, "SA1", inner=2)), "RFC4301-8.2.1-1", versions=(4,)),
    Case("G-06", "packet too big from the way", "G1", (ONE,),
         (Give(FITS), Take(FITS, "SA1"), Give(P("ROUTER", "NUT", "too big", mtu=1356)), Give(FITS),
          Take(P("ROUTER or NUT or IN", "HOST1", "too big", mtu=(1280, 1286))), Give(FITS, inner_cut=(1232,)), Take(FITS, "SA1", inner=2)),
         "RFC4301-8.2.1-1 RFC4303-3.3.4-2", versions=(6,)),
    Case("G-06b", "fragmentation needed from the way, with DF", "G1", (ONE,),
         (Give(whole(FITS)), Take(whole(FITS), "SA1", check=(("df", True),)), Give(P("ROUTER", "NUT", "too big", mtu=1356)), Give(whole(FITS)),
          Take(P("ROUTER or NUT or IN", "HOST1", "too big", mtu=(576, 1310))), Give(FITS, inner_cut=(1232,)), Take(FITS, "SA1", inner=2)),
         "RFC4301-8.2.1-1 RFC4303-3.3.4-2", versions=(4,)),
    Case("G-07a", "dummy packet, empty", "G1", (ONE,), dummies(0), "RFC4303-2.6-1 RFC4303-2.6-3"),
    Case("G-07b", "dummy packet with random data", "G1", (ONE,), dummies(64), "RFC4303-2.6-1 RFC4303-2.6-3"),
    Case("G-08", "bypass rule", "G1", (ONE,), (*ALIVE, Give(FOUR), Take(FOUR)), "RFC4301-4.4.1-6 RFC4301-6-1",
         (Rule("laddr {L0} raddr {L4}", "bypass"), RULE)),
    Case("G-09", "discard rule", "G1", (ONE,), (*ALIVE, Quiet(FOUR, cause="discard"), *ALIVE), "RFC4301-4.4.1-6",
         (Rule("laddr {L0} raddr {L4}", "discard"), RULE)),
    Case("G-09b", "discard rule, an exception from a wider tunnel", "G1", (Pair("SA1", "SGW1", ("L0", "ALL")),),
         (*ALIVE, Quiet(FOUR, cause="discard"), Quiet(FOUR.turned(), cause="discard out"), *ALIVE), "RFC4301-4.4.1-3 RFC4301-4.4.1-6 RFC4301-6-1",
         (Rule("laddr {L0} raddr {L4}", "discard"), Rule("laddr {L0}", "SA1")), routes=("L3", "L4")),
    Case("G-10", "padding of 7 and 255 octets", "G1", (ONE,), padded(7) + padded(255), "RFC4303-2.4-1 RFC4303-2.4-2"),
    Case("G-11", "TFC padding", "G1", (ONE,), (Give(TWO, "SA1", shape={"tfc": bytes(range(32))}), Take(TWO)), "RFC4303-2.7-2"),
    Case("G-12", "unknown SPI", "G1", (ONE,), (*ALIVE, Quiet(TWO, "SA1", shape={"spi": 0x00099099}, cause="unknown spi"), *ALIVE),
         "RFC4303-3.4.2-1"),
    Case("G-13", "wrong ICV", "G1", (ONE,),
         (*ALIVE, Quiet(P("HOST2", "HOST1", size=9), "SA1", shape={"icv": b"\xaa" * 12}, cause="corrupt"), *ALIVE), "RFC4303-3.4.4.1-1"),
    Case("G-14", "tunnel with an end node", "G2", (Pair("SA1", "PEER", ("HOST1", "PEER")),), forwarded(PEER, "SA1"), "RFC4301-4.1-8"),
    *(Case(id_, title, "G1", (Pair("SA1", "SGW1", ("L0", "L3"), suite),), ALIVE + ALIVE) for id_, title, suite in ALGORITHMS),
]
