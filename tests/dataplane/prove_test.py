#!/usr/bin/env python3
"""`ipsecconf prove` between two hosts that are network namespaces: what is protected is shown to be, and each fault that is sown
between them is named. A capture of this test sees the cable, too: where it saw a probe in clear, nothing may say "protected"."""
import json
import os
import select
import signal
import subprocess
import sys
import unittest

from dataplane_test import AH_REST, CBC_REST, GCM_REST, V6_ENDS, both_ways
from hosts import BIN, DEADLINE, Capture, Pair, wait_for

A, B = "192.0.2.1", "192.0.2.2"
GCM, CBC = "ipsec { encr_algs aes-gcm }", "ipsec { encr_algs aes encr_auth_algs sha256 }"
RULES = (f"{{ laddr {A} raddr {B} }} {GCM}\n", f"{{ laddr {B} raddr {A} }} {GCM}\n")
CBC_RULES = tuple(rules.replace(GCM, CBC) for rules in RULES)
ON = " replay 64"
OFFICIAL = b"IPSPROVE"  # What each datagram of a proof begins with: version, kind, run, marker follow.
PROBE, ECHO = 1, 2


def transport(spi, rest, ends=(A, B)):
    return both_ways(spi, rest, inner=("", ""), ends=ends)


def in_clear(packets, ports=()):
    """Those that are probes, or answers to them, and that neither AH nor ESP protects: found by their contents, or by ports."""
    found = []
    for packet in packets:
        protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
        at = packet.find(OFFICIAL)
        if protocol in (1, 6, 17, 58) and at >= 0 and packet[at + 9] in (PROBE, ECHO):
            found.append(packet)
        head = 20 if packet[0] >> 4 == 4 else 40
        if protocol == 6 and any(int.from_bytes(packet[head + i:head + i + 2], "big") in ports for i in (0, 2)):
            found.append(packet)
    return found


class Responder:
    """`ipsecconf prove --respond` on a host."""

    def __init__(self, host):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.netns, BIN / "ipsecconf", "--sadb", f"ipsecd:{host.pfkey}", "prove", "--respond"],
            stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stderr], [], [], DEADLINE)
        said = self.process.stderr.readline() if ready else "nothing"
        if "Responding" not in said:
            self.close()
            raise RuntimeError(f"the responder said {said}")

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)
        self.process.stderr.close()


class Case(unittest.TestCase):
    """Two hosts that stay for all tests of a class; each test has rules and keys of its own."""
    options, device = ("--hook",), None

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        cls.addClassCleanup(cls.pair.close)
        cls.a, cls.b = cls.pair.a, cls.pair.b
        for host in (cls.a, cls.b):
            host.start(*cls.options, device=cls.device)
        cls.routes()

    @classmethod
    def routes(cls):
        pass

    def setUp(self):
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)

    def lay(self, keys, rules=RULES, keys_there=None):
        """Keys and rules of both hosts."""
        for host, lines, text in ((self.a, keys, rules[0]), (self.b, keys if keys_there is None else keys_there, rules[1])):
            host.load("flush\n" + lines)
            host.rules(text)

    def prove(self, *words, ports=()):
        """What prove says: its lines as objects. Never "protected" where this test saw a probe in clear."""
        self.cable.packets()
        ended = subprocess.run(["ip", "netns", "exec", self.a.netns, BIN / "ipsecconf", "--sadb", f"ipsecd:{self.a.pfkey}", "prove",
                                "--json", *words], capture_output=True, text=True, timeout=DEADLINE)
        said = [json.loads(line) for line in ended.stdout.splitlines()]
        clear = in_clear(self.cable.packets(), ports)
        good = bool(said) and all(one["state"] == "protected" for one in said)
        self.assertEqual(ended.returncode, 0 if good else 1, ended.stderr)
        if clear:
            self.assertFalse(good, f"{len(clear)} packets in clear, and {said}")
        for one in said:
            self.assertEqual("cause" in one, one["state"] != "protected", one)
            self.assertEqual("cure" in one, one["state"] != "protected", one)
        return said

    def responder(self):
        responder = Responder(self.b)
        self.addCleanup(responder.close)

    def fault(self, cause, state="lost", *words):
        """The one line names it."""
        said = self.prove(*words)
        self.assertEqual([(one["state"], one.get("cause")) for one in said], [(state, cause)], said)
        return said[0]


class Protected(Case):
    """What is as it should be is shown to be."""

    def shown(self, said, **facts):
        self.assertEqual(len(said), 1, said)
        self.assertEqual({name: said[0].get(name) for name in ("state", *facts)}, {"state": "protected", **facts}, said)

    def test_with_the_other_end(self):
        self.lay(transport(0x1000, GCM_REST + ON))
        self.responder()
        self.shown(self.prove(), responder=True, replay="refused", changed="refused", replay_back="refused", clear_back="refused",
                   out_spi=0x1000, in_spi=0x1001, fragments=True)

    def test_with_a_ping(self):
        self.lay(transport(0x1000, GCM_REST + ON))
        self.shown(self.prove(), responder=False, replay="refused", changed="refused", fragments=True)

    def test_kinds(self):
        ah = "ipsec { auth_algs sha512 }"
        for keys, rules in ((transport(0x1000, CBC_REST + ON), CBC_RULES),
                            (both_ways(0x1000, AH_REST + ON, ("", ""), kind="ah"), tuple(r.replace(GCM, ah) for r in RULES)),
                            (transport(0x1000, GCM_REST + ON + " encap udp nat_lport 4500 nat_rport 4500"), RULES),
                            (transport(0x1000, GCM_REST + ON, V6_ENDS),
                             tuple("{ ulp 58 type 133-137 dir both } pass {}\n" + r.replace(A, V6_ENDS[0]).replace(B, V6_ENDS[1])
                                   for r in RULES))):
            with self.subTest(keys=keys):
                self.lay(keys, rules)
                responder = Responder(self.b)
                try:
                    self.shown(self.prove(), responder=True, replay="refused", changed="refused", clear_back="refused")
                finally:
                    responder.close()

    def test_a_port(self):
        """A rule about one service is proved by a connection to it, whether it is there or not."""
        self.lay(transport(0x1000, GCM_REST + ON), tuple(r.replace("}", port + " }", 1) for r, port in zip(RULES, ("ulp tcp rport 7", "ulp tcp lport 7"))))
        self.shown(self.prove(ports=(7,)), answers=1)


class Faults(Case):
    """Each fault is named."""

    def test_wrong_key(self):
        good = transport(0x1000, GCM_REST + ON)
        self.lay(good, keys_there=good.replace("1200", "1299"))
        self.responder()
        self.fault("wrong-key")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this test needs root, for network namespaces")
    unittest.main(verbosity=2)
