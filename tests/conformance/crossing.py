"""What crosses a gateway's boundary: errors, path MTU, and fields that are copied between inner and outer headers."""
from authentication import FIXED
from plan import P, Pair
from steps import Case, Give, Quiet, Rule, Take, exchange, forwarded

IN, OUT = P("HOST2", "HOST1"), P("HOST1", "HOST2")
ONE = Pair("SA1", "SGW1", ("L0", "L3"))
OTHER = Pair("SA2", "SGW2", ("L0", "L4"))
ALIVE = forwarded(IN, "SA1")
TOS = {6: "tc", 4: "tos"}


def marked(inner, version):
    return P("HOST2", "HOST1", fields=((TOS[version], inner),))


def ecn_in(version):
    """RFC 6040 section 4.2: the inner field by the inner and the outer one; None: dropped."""
    not_ect, ect1, ect0, ce = range(4)
    table = {(not_ect, not_ect): not_ect, (not_ect, ect0): not_ect, (not_ect, ect1): not_ect, (not_ect, ce): None,
             (ect0, not_ect): ect0, (ect0, ect0): ect0, (ect0, ect1): ect1, (ect0, ce): ce,
             (ect1, not_ect): ect1, (ect1, ect0): ect1, (ect1, ect1): ect1, (ect1, ce): ce,
             (ce, not_ect): ce, (ce, ect0): ce, (ce, ect1): ce, (ce, ce): ce}
    steps = []
    for (inner, outer), result in table.items():
        give = {"packet": marked(inner, version), "under": "SA1", "shape": {"fields": ((TOS[version], outer),)}}
        if result is None:
            steps.append(Quiet(**give, cause="congested"))
        else:
            steps += [Give(**give), Take(IN, check=(("tos", result),))]
    return tuple(steps)


def out_with(fields, *check, **more):
    packet = P("HOST1", "HOST2", fields=fields, **more)
    return Give(packet), Take(packet, "SA1", check=check)


CASES = [
    Case("X-60", "an ICMP error in the tunnel that fits the SA", "G1", (ONE,),
         (*forwarded(IN, "SA1"), Give(P("HOST3", "HOST1", "unreachable", about=OUT), "SA1"), Take(P("HOST3", "HOST1", "unreachable", about=OUT))),
         "RFC4301-6.2-1"),
    Case("X-61", "an ICMP error from a router outside the selector", "G1", (ONE,),
         (*ALIVE, Give(P("HOST4", "HOST1", "unreachable", about=OUT), "SA1"), Take(P("HOST4", "HOST1", "unreachable", about=OUT))),
         "RFC4301-6.2-3 RFC4301-6.2-1"),
    Case("X-62", "the same, about a packet of another SA", "G1", (ONE, OTHER),
         (*ALIVE, Quiet(P("HOST4", "HOST1", "unreachable", about=P("HOST1", "HOST4")), "SA1", cause="selector"), *ALIVE), "RFC4301-6.2-4"),
    Case("X-63", "an error about a packet that came by the SA, from outside its selector", "G1", (Pair("SA1", "SGW1", ("HOST1", "L3")),),
         (*ALIVE, Give(P("INNER", "HOST2", "unreachable", about=IN)), Take(P("INNER", "HOST2", "unreachable", about=IN), "SA1"), *ALIVE),
         "RFC4301-6.2-2"),
    Case("X-19a", "tunnel: destination options before ESP", "E2", (Pair("SA1", "SGW1", ("NUT", "L2")),),
         (*exchange(P("FAR1", "NUT"), "SA1"), Give(P("FAR1", "NUT"), "SA1", shape={"ahead": FIXED}), Take(P("NUT", "FAR1", "reply"), "SA1")),
         "RFC4301-4.1-10", versions=(6,)),
    Case("X-19b", "tunnel: destination options between ESP and the inner packet", "E2", (Pair("SA1", "SGW1", ("NUT", "L2")),),
         (*exchange(P("FAR1", "NUT"), "SA1"), Quiet(P("FAR1", "NUT"), "SA1", shape={"between": FIXED}, cause="inner"),
          *exchange(P("FAR1", "NUT"), "SA1")), "RFC4301-4.1-10", versions=(6,)),
    Case("X-64", "an error that reports a path MTU of unknown ESP", "E1", (Pair("SA1", "HOST1"),),
         (*exchange(P("HOST1", "NUT", size=1278), "SA1"), Give(P("ROUTER", "NUT", "too big", mtu=1280, about=P("NUT", "HOST3", "50"))),
          *exchange(P("HOST1", "NUT", size=1278), "SA1")), "RFC4301-6.1.1-2"),
    Case("X-66a", "DF inside is copied", "G1", (ONE,), out_with((("flags", "DF"),), ("df", True)) + out_with((), ("df", False)),
         "RFC4301-8.1-1", versions=(4,)),
    Case("X-66b", "DF outside is never set", "G1", (Pair("SA1", "SGW1", ("L0", "L3"), both="df clear"),),
         out_with((("flags", "DF"),), ("df", False)), "RFC4301-8.1-2 RFC4301-4.4.2.1-2", versions=(4,)),
    Case("X-66c", "DF outside is always set", "G1", (Pair("SA1", "SGW1", ("L0", "L3"), both="df set"),), out_with((), ("df", True)),
         "RFC4301-8.1-2 RFC4301-4.4.2.1-2", versions=(4,)),
    Case("X-67", "IPv4: too long without DF, and with it", "G1", (ONE,),
         (Give(P("HOST1", "HOST2", size=1452)), Take(P("HOST1", "HOST2", size=1452), "SA1", pieces=None, inner=None),
          Give(P("HOST1", "HOST2", size=1452, fields=(("flags", "DF"),))), Take(P("IN", "HOST1", "too big", mtu=(576, 1446))), *ALIVE),
         "RFC4301-8.2.1-1", versions=(4,)),
    *(Case(f"X-68a IPv{v}", "DSCP is copied out", "G1", (ONE,), out_with(((TOS[v], 0xb8),), ("tos", 0xb8)),
           "RFC4301-5.1.2.1-1", versions=(v,)) for v in (6, 4)),
    *(Case(f"X-68b IPv{v}", "another DSCP outside does not change that inside", "G1", (ONE,),
           (Give(marked(0xb8, v), "SA1", shape={"fields": ((TOS[v], 0x20),)}), Take(IN, check=(("tos", 0xb8),))),
           "RFC4301-5.1.2.1-1", versions=(v,)) for v in (6, 4)),
    *(Case(f"X-69a IPv{v}", "ECN is copied out", "G1", (ONE,),
           sum((out_with(((TOS[v], e),), ("tos", e)) for e in range(4)), ()), "RFC6040-4.1-1 RFC6040-4.3-2", versions=(v,)) for v in (6, 4)),
    *(Case(f"X-69b IPv{v}", "ECN in, every combination", "G1", (ONE,), ecn_in(v) + ALIVE, "RFC6040-4.2-1 RFC6040-4.2-2 RFC6040-4.4-1",
           versions=(v,)) for v in (6, 4)),
    Case("X-70", "a gateway does not copy the flow label", "G1", (ONE,), out_with((("fl", 0x12345),), ("flow", 0)), "RFC4301-5.1.2.2-1",
         versions=(6,)),
    Case("X-71", "hop limits: one less for each side, and the tunnel's own outside", "G1", (ONE,),
         (Give(P("HOST2", "HOST1", fields=(("hlim", 33),)), "SA1"), Take(P("HOST2", "HOST1", fields=(("hlim", 33),))),
          *out_with((("hlim", 33),), ("hops", 64))), "RFC4301-5.1.2.1-2", versions=(6,)),
    Case("X-72", "extension headers and options stay inside", "G1", (ONE,),
         (Give(P("HOST1", "HOST2", before=bytes((0, 0, 0x1e, 4, 1, 2, 3, 4)), first=60)),
          Take(P("HOST1", "HOST2", before=bytes((0, 0, 0x1e, 4, 1, 2, 3, 4)), first=60), "SA1", check=(("before", b""),))),
         "RFC4301-5.1.2-1", versions=(6,)),
    Case("X-73a", "one IP version in the other", "G1", (Pair("SA1", "SGW1", ("L0'", "L3'")),),
         (Give(P("HOST2'", "HOST1'"), "SA1"), Take(P("HOST2'", "HOST1'")), Give(P("HOST1'", "HOST2'")), Take(P("HOST1'", "HOST2'"), "SA1")),
         "RFC4301-5.1.2-2"),
    Case("X-73b", "a next header that does not say what is inside", "G1", (ONE,),
         (*ALIVE, Quiet(IN, "SA1", shape={"following": 47}, cause="inner"), *ALIVE), ""),
]

IN_UDP = "encap udp nat_lport 4500 nat_rport 4500"
HOSTS = P("HOST1", "NUT")
NATTED = Pair("SA1", "HOST1", both=IN_UDP)
TUNNELLED = Pair("SA1", "SGW1", ("NUT", "L2"), both=IN_UDP)


def carried(one):
    return Give(one, "SA1", shape={"udp": True}), Take(one.turned(), "SA1")


def port(data):
    return P("HOST1", "NUT", "udp", ports=(4500, 4500), data=data)


CASES += [
    Case("X-74a", "ESP in UDP, transport mode", "E1", (NATTED,), (*carried(HOSTS), *carried(HOSTS)), "RFC3948-3.2-1", versions=(4,)),
    Case("X-74b", "ESP in UDP, tunnel mode", "E2", (TUNNELLED,), (*carried(P("FAR1", "NUT")), *carried(P("FAR1", "NUT"))), "RFC3948-3.2-1",
         versions=(4,)),
    Case("X-74c", "plain ESP for an SA in UDP", "E1", (NATTED,),
         (*carried(HOSTS), Quiet(HOSTS, "SA1", cause="encapsulation"), *carried(HOSTS)), "", versions=(4,)),
    Case("X-74d", "a keepalive", "E1", (NATTED,), (*carried(HOSTS), Quiet(port(b"\xff"), cause="keep alive or clear"), *carried(HOSTS)),
         "RFC3948-2.3-1 RFC3948-4-1", versions=(4,)),
    Case("X-74e", "four zero octets mark what is not ESP", "E1", (NATTED,),
         (*carried(HOSTS), Quiet(port(bytes(4) + b"IKE message " * 3), cause="ike or clear"), *carried(HOSTS)), "RFC3948-2.2-1", versions=(4,)),
]
