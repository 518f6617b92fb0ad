"""Rules: what they protect, let pass and discard, in which order, and what they compare."""
from plan import P, Pair
from steps import Case, Give, Quiet, Rule, Take, exchange

ONE, TWO, THREE = P("HOST1", "NUT"), P("HOST2", "NUT"), P("HOST3", "NUT")
SA1, SA2 = Pair("SA1", "HOST1"), Pair("SA2", "HOST2")
ALIVE = exchange(ONE, "SA1")
MINE = "laddr {NUT} raddr {HOST1}"
PROTECTED, ALSO = Rule(MINE, "SA1"), Rule("laddr {NUT} raddr {HOST2}", "SA2")


def udp(src, dst, sport, dport, **more):
    return P(src, dst, "udp", ports=(sport, dport), **more)


def echo(under="", port=10000):
    """A datagram to the node's UDP echo, and its answer."""
    return Give(udp("HOST1", "NUT", port, 7), under), Take(udp("NUT", "HOST1", 7, port), under)


CASES = [
    Case("X-48", "three peers: protected, discarded, bypassed", "E1", (SA1,),
         (*ALIVE, Quiet(TWO, cause="discard"), *exchange(THREE), *ALIVE), "RFC4301-4.4.1-6 RFC4301-4.4.1-1",
         (PROTECTED, Rule("raddr {HOST2}", "discard"), Rule("raddr {HOST3}", "bypass"))),
    Case("X-49a", "only one protocol protected, the rest in clear", "E1", (SA1,),
         (*echo("SA1"), *exchange(ONE), Quiet(udp("HOST1", "NUT", 10000, 7), cause="clear"), *exchange(ONE)), "RFC4301-4.4.1.1-2",
         (Rule(MINE + " ulp udp", "SA1"),)),
    Case("X-49b", "only one port protected, the rest in clear", "E1", (SA1,),
         (*echo("SA1"), Quiet(udp("HOST1", "NUT", 10000, 7), cause="clear"),
          Give(udp("HOST1", "NUT", 10000, 9)), Take(P("NUT", "HOST1", "unreachable", about=udp("HOST1", "NUT", 10000, 9))), *exchange(ONE)),
         "RFC4301-4.4.1.1-4", (Rule(MINE + " ulp udp lport 7", "SA1"),)),
    Case("X-51a", "a protocol that is not the SA's", "E1", (Pair("SA1", "HOST1", both="proto {icmp}"),),
         (*ALIVE, Quiet(udp("HOST1", "NUT", 10000, 7), "SA1", cause="selector"), *ALIVE), "RFC4301-5.2-3 RFC4301-4.4.2-1",
         (Rule(MINE + " ulp {icmp}", "SA1"),)),
    Case("X-51b", "an inner source that is not the SA's", "E2", (Pair("SA1", "SGW1", ("NUT", "FAR1")),),
         (*exchange(P("FAR1", "NUT"), "SA1"), Quiet(P("FAR2", "NUT"), "SA1", cause="selector"), *exchange(P("FAR1", "NUT"), "SA1")),
         "RFC4301-5.2-3 RFC4301-4.4.2-1 RFC3948-3.1.1-1"),
    Case("X-52", "a clear packet that a rule says to protect", "E1", (SA1,), (*ALIVE, Quiet(ONE, cause="clear"), *ALIVE),
         "RFC4301-5.2-3"),
    Case("X-53", "a packet under the SA of another rule", "E1", (SA1, Pair("SA2", "HOST1")),
         (*ALIVE, Quiet(ONE, "SA2", cause="wrong sa"), Give(udp("HOST1", "NUT", 10000, 7), "SA2"),
          Take(udp("NUT", "HOST1", 7, 10000), "SA2"), *ALIVE), "RFC4301-5.2-3",
         (Rule(MINE + " ulp {icmp}", "SA1"), Rule(MINE + " ulp udp", "SA2"))),
    Case("X-54", "no SA although a rule protects", "E1", (Pair("SA1", "HOST1", out="absent"),),
         (Quiet(ONE, "SA1", cause="no sa out"), *exchange(TWO))),
    Case("X-55a", "narrow bypass before wide protection", "E1", (SA1,),
         (*exchange(ONE), *echo("SA1"), *exchange(ONE)), "RFC4301-4.4.1-3", (Rule(MINE + " ulp {icmp}", "bypass"), PROTECTED)),
    Case("X-55b", "wide protection before narrow bypass", "E1", (SA1,),
         (*ALIVE, Quiet(ONE, cause="clear"), *ALIVE), "RFC4301-4.4.1-3", (PROTECTED, Rule(MINE + " ulp {icmp}", "bypass"))),
    Case("X-55c", "a last entry that discards everything", "E1", (SA1, SA2),
         (*ALIVE, *exchange(TWO, "SA2"), Quiet(THREE, cause="discard"), *ALIVE), "RFC4301-4.4.1-5 RFC4301-4.4.1-4 RFC4301-5-1",
         (PROTECTED, ALSO, Rule("raddr {ALL}", "discard"))),
    Case("X-56", "a tunnel's outer source is not the SA's", "E2", (Pair("SA1", "SGW1", ("NUT", "L2")),),
         (Give(P("FAR1", "NUT"), "SA1", shape={"outer": ("HOST2", "NUT")}), Take(P("NUT", "FAR1", "reply"), "SA1")), "RFC4301-4.1-1"),
    Case("X-57a", "fragments inside, and an SA with ports", "E2", (Pair("SA1", "SGW1", ("NUT", "L2"), both="iproto udp",
                                                                  into="idport 7", out="isport 7"),),
         (Give(udp("FAR1", "NUT", 10000, 7), "SA1"), Take(udp("NUT", "FAR1", 7, 10000), "SA1"),
          Quiet(udp("FAR1", "NUT", 10000, 7, size=1200), "SA1", inner_cut=(600,), cause=""),
          Give(udp("FAR1", "NUT", 10000, 7), "SA1"), Take(udp("NUT", "FAR1", 7, 10000), "SA1")),
         "RFC4301-4.4.1.1-5 RFC4301-7.3-2", (Rule("laddr {NUT} raddr {L2} ulp udp lport 7", "SA1"),)),
    Case("X-58", "clear fragments, and a bypass rule with ports", "E1", (SA1,),
         (*ALIVE, *echo(), Give(udp("HOST1", "NUT", 10000, 7, size=1200), inner_cut=(600,)),
          Take(udp("NUT", "HOST1", 7, 10000, size=1200)),
          Quiet(udp("HOST1", "NUT", 10000, 9, size=1200), inner_cut=(600,), cause="clear"), *ALIVE),
         "RFC4301-7.4-2 RFC4301-7.4-1", (Rule(MINE + " ulp udp lport 7", "bypass"), PROTECTED)),
]
