"""What a database does differently: databases, cases, IP versions, the outcome, and why. An outcome that is no longer this one fails
the suite, so that an improvement is noticed."""

BOTH = (6, 4)
UNSEEN = ("clear packets that arrive never enter a device, so `--tun` without `--hook` cannot refuse them: a firewall must "
          "(dataplane.md, \"Device or hook\")")
ROUTED = "what is routed into the device never leaves it in clear; a route past the device does what `bypass` says (dataplane.md, \"Outbound\")"
PASSED_ON = "rules for `drop` are about packets that are passed on only as exceptions from a tunnel's rule (policy-language.md)"

DEVIATIONS = (
    (("tun",), ("H-07", "X-48"), BOTH, "step 3: a reply to HOST2 where nothing may come", UNSEEN),
    (("tun",), ("X-55c",), BOTH, "step 5: a reply to HOST3 where nothing may come", UNSEEN),
    (("tun",), ("G-09b",), BOTH, "step 5: a request to HOST1 where nothing may come", UNSEEN),
    (("tun",), ("X-49b", "X-52", "X-55b"), BOTH, "step 3: ESP of SA1 where nothing may come", UNSEEN),
    (("tun",), ("X-49a",), BOTH, "step 4: ESP of SA1, not in clear", ROUTED),
    (("tun",), ("X-55a",), BOTH, "step 2: nothing comes", ROUTED),
    (("tun",), ("X-58",), BOTH, "step 4: nothing comes", ROUTED),
    (("tun",), ("H-04",), (6,), "step 5: nothing comes",
     "the first long packet after a report is answered with packet too big to the host itself, which sends fragments from then on"),
    (("tun", "hook", "kernel"), ("G-09",), BOTH, "step 5: a request to HOST1 where nothing may come", PASSED_ON),
    (("hook", "kernel"), ("X-63",), BOTH, "step 6: unreachable to HOST2",
     "the error is about no rule, and what no rule is about leaves in clear; the device carries it in the tunnel"),
    (("hook", "bare hook"), ("H-25",), BOTH, "step 7: 2 fragments",
     "the hook takes a datagram before the host cuts it for the path behind the tunnel; it is cut outside, where the gateway puts it together"),
    (("kernel",), ("H-25",), (4,), "step 7: 2 fragments", "a reply without DF is cut outside the tunnel, which IPv4 permits"),
    (("hook",), ("G-05",), (6,), "step 4: too big to HOST1",
     "netfilter puts IPv6 fragments together before the hook, which cannot tell that the datagram had come in pieces: use the device "
     "for IPv6 datagrams above the path MTU that are passed on"),
    (("hook",), ("G-06",), (6,), "step 7: too big to HOST1",
     "netfilter puts IPv6 fragments together before the hook, which cannot tell that the datagram had come in pieces: use the device "
     "for IPv6 datagrams above the path MTU that are passed on"),
    (("kernel",), ("X-38a",), BOTH, "step 1: it is counted 2 times", "the kernel counts a packet with the number 0 twice"),
    (("kernel",), ("X-33",), BOTH, "step 3: ESP of SA1 where nothing may come", "the kernel does not check the octets of padding"),
    (("kernel",), ("X-57a",), BOTH, "step 3: ESP of SA1 where nothing may come",
     "the kernel puts the fragments together before it compares the ports"),
    (("kernel",), ("X-61",), BOTH, "step 6: nothing comes", "policies and SAs are without the kernel's flag `icmp`, which looks into errors"),
    (("kernel",), ("X-69a IPv6", "X-69a IPv4"), BOTH, "step 8: tos 2, not 3", "the kernel sends CE as ECT(0) outside (RFC 3168)"),
    (("kernel",), ("X-69b IPv6", "X-69b IPv4"), BOTH, "step 7: a request to HOST1 where nothing may come",
     "the kernel lets a packet without ECN pass that became marked outside"),
    (("kernel",), ("X-66c",), (4,), "refused: Linux can only copy or clear the flag", "`df set` is not possible on the kernel (sadbs.md)"),
    (("kernel",), ("X-70",), (6,), "step 2: flow 74565, not 0", "the kernel copies the flow label"),
    (("kernel",), ("X-74a", "X-74c", "X-74d", "X-74e"), (4,), "step 2: nothing comes",
     "ESP in UDP needs the socket of a key manager"),
    (("kernel",), ("X-74b",), (4,), "step 2: unreachable to SGW1", "ESP in UDP needs the socket of a key manager"),
)
