#!/usr/bin/env python3
"""`ipsecconf prove` between two hosts that are network namespaces: what is protected is shown to be, and each fault that is sown
between them is named. A capture of this test sees the cable, too: where it saw a probe in clear, nothing may say "protected"."""
import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import jsonschema

from dataplane_test import AH_REST, CBC_REST, GCM_REST, V6_ENDS, both_ways
from hosts import BIN, DEADLINE, Capture, Host, Pair, wait_for

A, B = "192.0.2.1", "192.0.2.2"
GCM, CBC = "ipsec { encr_algs aes-gcm }", "ipsec { encr_algs aes encr_auth_algs sha256 }"
RULES = (f"{{ laddr {A} raddr {B} }} {GCM}\n", f"{{ laddr {B} raddr {A} }} {GCM}\n")
CBC_RULES = tuple(rules.replace(GCM, CBC) for rules in RULES)
ON = " replay 64"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(
    (pathlib.Path(__file__).resolve().parents[2] / "share/schema/ipseckey.schema.json").read_text()))
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

    def __init__(self, host, *words):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.netns, BIN / "ipsecconf", "--sadb", f"ipsecd:{host.pfkey}", "prove", "--respond", *words],
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

    def prove(self, *words, ports=(), busy=False):
        """What prove says: its lines as objects. Never "protected" where this test saw a probe in clear."""
        self.cable.packets()
        ended = subprocess.run(["ip", "netns", "exec", self.a.netns, BIN / "ipsecconf", "--sadb", f"ipsecd:{self.a.pfkey}", "prove",
                                "--json", *words], capture_output=True, text=True, timeout=DEADLINE)
        said = [json.loads(line) for line in ended.stdout.splitlines()]
        packets = self.cable.packets()
        clear = in_clear(packets, ports)
        # Of one rule, at most 50 packets leave. (A cable offers a packet that it cannot take again and again.)
        mine = {p for p in packets if p[:1] != b"\x60" and p[12:16] == socket.inet_aton(A)}
        if not busy:
            self.assertLessEqual(len(mine), 50 * max(len({one.get("index") for one in said}), 1))
        # All keys here begin so, or with one octet that is repeated.
        for key in (bytes(range(12)), b"\xab" * 12):
            self.assertNotIn(key.hex(), ended.stdout + ended.stderr)
            self.assertFalse(any(key in packet for packet in packets))
        good = bool(said) and all(one["state"] == "protected" for one in said)
        self.assertEqual(ended.returncode, 0 if good else 1, ended.stderr)
        if clear:
            self.assertFalse(good, f"{len(clear)} packets in clear, and {said}")
        for one in said:
            VALIDATOR.validate(one)
            self.assertEqual("cause" in one, one["state"] != "protected", one)
            self.assertEqual("cure" in one, one["state"] != "protected", one)
        return said

    def responder(self):
        responder = Responder(self.b)
        self.addCleanup(responder.close)
        return responder

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

    def test_for_people(self):
        """A line for each rule; what is wrong has a second one, with the cure."""
        self.lay(transport(0x1000, GCM_REST + ON))
        text = self.text()
        self.assertRegex(text, r"^rule #\d+ with 192\.0\.2\.2: protected both ways, by SA 0x1000 and 0x1001, replay on there, and here by "
                               r"its window, changed packets refused, MTU 14\d\d\n$")
        self.a.ipseckey("flush")
        self.assertRegex(self.text(1), r"^rule #\d+ with 192\.0\.2\.2: lost: no SA protects what is sent: packets are dropped, or wait for one\n"
                                       r"         load the keys: ipseckey -f FILE; an SA that was there may have expired\n$")

    def text(self, status=0):
        ended = subprocess.run(["ip", "netns", "exec", self.a.netns, BIN / "ipsecconf", "--sadb", f"ipsecd:{self.a.pfkey}", "prove"],
                               capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((ended.returncode, ended.stderr), (status, ""))
        return ended.stdout

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
        self.lay(transport(0x1000, GCM_REST + ON), tuple(r.replace("}", port + " }", 1) for r, port in zip(RULES, ("ulp udp rport 9007", "ulp udp lport 9007"))))
        self.responder()
        self.shown(self.prove(), responder=True, replay="refused", changed="refused", clear_back="refused")

    def test_which(self):
        """One rule of several, one peer of several, and words that are wrong."""
        other = f"{{ laddr {A} raddr 192.0.2.9 }} {GCM}\n"
        self.lay(transport(0x1000, GCM_REST + ON), (RULES[0] + other, RULES[1]))
        index = next(h["index"] for h in map(json.loads, self.a.ipsecconf("--json", "-L").stdout.splitlines()) if B in h["entry"])
        self.shown(self.prove("--rule", str(index)), index=index, peer=B)
        self.shown(self.prove("--peer", B), index=index)
        said = self.prove()
        self.assertEqual(sorted((one["peer"], one["state"]) for one in said), [(B, "protected"), ("192.0.2.9", "lost")])
        for words, wrong in ((("--rule", "x"), "is not the index of a rule"), (("--peer", "x"), "is not an address"),
                             (("--respond", "--json"), "it takes no FILE"), (("a", "b"), "unexpected word b")):
            ended = self.a.ipsecconf("prove", *words)
            self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
            self.assertIn(wrong, ended.stderr)
        self.a.rules("")
        ended = self.a.ipsecconf("prove")
        self.assertEqual((ended.returncode, ended.stderr), (1, "ipsecconf: there is no rule that demands protection: nothing is proved\n"))
        ended = self.a.ipsecconf("prove", "--rule", "999")
        self.assertEqual((ended.returncode, ended.stderr),
                         (1, "ipsecconf: --rule 999: no rule with this index demands protection: nothing is proved\n"))

    def test_two_pairs_of_sas(self):
        """Prove's own questions, and what other programs send, leave under the other rule's SA."""
        rules = tuple(f"{{ laddr {here} raddr {there} ulp tcp {port} 7 }} {CBC}\n{{ laddr {here} raddr {there} }} {GCM}\n"
                      for here, there, port in ((A, B, "rport"), (B, A, "lport")))
        self.lay(GOOD + transport(0x2000, CBC_REST + ON), rules)
        for responder in (False, True):
            if responder:
                self.responder()
            said = self.prove(ports=(7,))
            self.assertEqual(sorted((one["state"], one["out_spi"]) for one in said), [("protected", 0x1000), ("protected", 0x2000)], said)

    def test_pings_in_clear(self):
        """Another kind of probe is sent if a rule before it lets pings pass."""
        self.lay(GOOD, tuple("order file\n{ ulp icmp dir both } pass {}\n" + r for r in RULES))
        self.shown(self.prove(), replay=None)

    def test_limits(self):
        """What is left of an SA, in the line and as a remark."""
        self.lay(transport(0x1000, GCM_REST + ON + " hard_addtime 1800"))
        said = self.prove()
        self.shown(said)
        self.assertTrue(1000 < said[0]["seconds_left"] <= 1800, said)
        self.assertEqual(len(said[0]["remarks"]), 2)


GOOD = transport(0x1000, GCM_REST + ON)
CBC_GOOD = transport(0x1000, CBC_REST + ON)
REAL = RULES[1].replace(GCM, "ipsec {{ encr_algs aes-gcm {} }}")


def swapped(lines):
    return lines.replace("0x1000", "X").replace("4096", "X").replace("4097", "4096").replace("X", "4097")


class Faults(Case):
    """Each fault between two hosts with --hook is named, with the other end's help."""

    def sown(self, cause, state="lost", keys=GOOD, there=None, rules=RULES, words=()):
        self.lay(keys, rules, there)
        responder = Responder(self.b)
        try:
            return self.fault(cause, state, *words)
        finally:
            responder.close()

    def test_keys_and_algorithms(self):
        self.sown("wrong-key", there=GOOD.replace("1200", "1299"))
        self.sown("wrong-key-back", there=GOOD.replace("1201", "1299"))
        self.sown("icv-differs", keys=CBC_GOOD, rules=CBC_RULES,
                  there=CBC_GOOD.replace("authalg sha256", "authalg sha256 icv 96", 1))
        self.sown("icv-differs-back", keys=CBC_GOOD, rules=CBC_RULES,
                  there="".join(line + "\n" if i == 0 else line.replace("authalg sha256", "authalg sha256 icv 96") + "\n"
                                for i, line in enumerate(CBC_GOOD.splitlines())))
        other = GOOD.splitlines()[0].replace("encralg aes-gcm", "encralg chacha20-poly1305").replace("encrkey ", "encrkey " + "ab" * 16)
        any_cipher = (RULES[0], RULES[1].replace("encr_algs aes-gcm", "encr_algs any"))
        self.sown("algorithms-differ", there=other + "\n" + GOOD.splitlines()[1] + "\n", rules=any_cipher)

    def test_numbers(self):
        self.sown("spi-swapped", there=swapped(GOOD))
        self.sown("missing-there", there=GOOD.splitlines()[1] + "\n")
        self.sown("one-way", there=GOOD.splitlines()[0] + "\n")
        self.sown("unknown-back", there=GOOD + GOOD.splitlines()[1].replace("4097", "0x3000") + "\n")
        far = "replay_value 5000"
        self.sown("numbers-restarted", there=GOOD.replace(ON, f"{ON} {far}", 1))

    def test_properties(self):
        here, there = RULES[0].replace(GCM, "ipsec { encr_algs aes-gcm reqid 7 }"), RULES[1].replace(GCM, "ipsec { encr_algs aes-gcm reqid 7 }")
        self.sown("reqid-here", rules=(here, RULES[1]))
        self.sown("reqid-there", rules=(RULES[0], there))
        marked = GOOD.replace(ON, ON + " mark 5")
        self.sown("mark-here", keys=marked, there=GOOD)
        self.sown("mode-here", keys=both_ways(0x1000, GCM_REST + ON), there=GOOD)
        self.sown("algorithm-here", rules=(CBC_RULES[0], RULES[1]))
        self.sown("rule-differs", rules=(RULES[0], CBC_RULES[1]))
        self.sown("encapsulation-differs", there=GOOD.replace(ON, ON + " encap udp nat_lport 4500 nat_rport 4500"))
        self.sown("no-sa", keys="", there=GOOD)
        self.sown("sa-direction", keys=GOOD.replace(ON, ON + " inbound", 1), there=GOOD)

    def test_nat(self):
        """Connections and datagrams that NAT of this host sends elsewhere, in clear, or to a proxy: the SA is busy all the same."""
        self.b.ip("addr", "add", "192.0.2.3/24", "dev", "cable")
        self.addCleanup(self.b.ip, "addr", "del", "192.0.2.3/24", "dev", "cable")
        self.a.nft("add", "table", "ip", "sown")
        self.addCleanup(self.a.nft, "delete", "table", "ip", "sown")
        self.a.nft("add", "chain", "ip", "sown", "c", "{ type nat hook output priority -100; }")
        for protocol, verdict, expected in (("tcp", "dnat to 192.0.2.3", ("in-clear", "destination-nat")),
                                            ("udp", "dnat to 192.0.2.3", ("in-clear", "destination-nat")),
                                            ("tcp", "redirect to :7", ("not-shown", "unseen"))):
            rules = tuple(f"{{ laddr {here} raddr {there} ulp {protocol} {port} 7 }} {GCM}\n{rest}"
                          for here, there, port, rest in ((A, B, "rport", RULES[0]), (B, A, "lport", RULES[1])))
            for responder in (False, True):
                with self.subTest(protocol=protocol, verdict=verdict, responder=responder):
                    self.lay(GOOD, rules)
                    self.a.nft("add", "rule", "ip", "sown", "c", "ip", "daddr", B, protocol, "dport", "7", *verdict.split())
                    self.addCleanup(self.a.nft, "flush", "chain", "ip", "sown", "c")
                    index = next(h["index"] for h in map(json.loads, self.a.ipsecconf("--json", "-L").stdout.splitlines())
                                 if "port 7" in h["entry"])
                    there = Responder(self.b) if responder else None
                    try:
                        self.fault(expected[1], expected[0], "--rule", str(index))
                    finally:
                        if there:
                            there.close()
                        self.a.nft("flush", "chain", "ip", "sown", "c")

    def test_other_traffic(self):
        """Of another program, under the same SA: its packets are not sent again, so none arrives twice."""
        self.lay(GOOD, keys_there=GOOD.replace(ON, " replay 0"))
        taker = self.b.socket(kind=socket.SOCK_DGRAM)
        taker.bind((B, 7777))
        taker.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: nothing is lost here.
        giver = self.a.socket(kind=socket.SOCK_DGRAM)
        with taker, giver, contextlib.ExitStack() as ended:
            stop, sizes = threading.Event(), (200, 230, 300, 412)

            def give():
                number = 0
                while not stop.wait(0.0005):
                    number += 1
                    giver.sendto(number.to_bytes(4, "big") + bytes(sizes[number % 4]), (B, 7777))
            thread = threading.Thread(target=give)
            thread.start()
            ended.callback(thread.join)
            ended.callback(stop.set)
            select.select([taker], [], [], DEADLINE)
            said = self.prove(busy=True)
            self.assertEqual([(one["state"], one["cause"]) for one in said], [("weak", "replay-there")], said)
            stop.set()
            thread.join()
            taker.settimeout(1)
            seen = []
            with contextlib.suppress(TimeoutError):
                while True:
                    seen.append(taker.recv(1000)[:4])
            self.assertEqual(len(seen), len(set(seen)))

    def test_copies_that_are_lost(self):
        """Something before the other end drops what has been there before: that is not its refusal."""
        self.lay(GOOD)
        self.responder()
        self.b.nft("add", "table", "ip", "sown")
        self.addCleanup(self.b.nft, "delete", "table", "ip", "sown")
        self.b.nft("add", "chain", "ip", "sown", "c", "{ type filter hook prerouting priority -400; }")
        self.b.nft("add", "set", "ip", "sown", "s", "{ typeof esp sequence; size 65535; flags dynamic; }")
        self.b.nft("add", "rule", "ip", "sown", "c", "esp", "spi", "0x1000", "esp", "sequence", "@s", "drop")
        self.b.nft("add", "rule", "ip", "sown", "c", "esp", "spi", "0x1000", "add", "@s", "{ esp sequence }")
        said = self.prove()
        self.assertEqual([(one["state"], one.get("replay"), one["changed"]) for one in said], [("protected", None, "refused")], said)

    def test_a_closed_port(self):
        """Nobody listens, and the ICMP error that says so is about another rule; a port of ESP's, too."""
        for port in (9007, 4500):
            self.lay(GOOD, tuple(r.replace("}", f"ulp udp {side} {port} }}", 1) for r, side in zip(RULES, ("rport", "lport"))))
            self.fault("closed-port", "not-shown")
        self.lay(GOOD)
        self.b.nft("add", "table", "ip", "sown")
        self.addCleanup(self.b.nft, "delete", "table", "ip", "sown")
        self.b.nft("add", "chain", "ip", "sown", "c", "{ type filter hook input priority 10; }")
        self.b.nft("add", "rule", "ip", "sown", "c", "ip", "protocol", "icmp", "drop")
        self.fault("no-answer")

    def test_many_peers(self):
        """They share what a rule may spend, and those that were not tried are named."""
        peers = [f"192.0.2.{i}" for i in range(2, 12)]
        keys = "".join(transport(0x1000 + 2 * i, GCM_REST + ON, (A, peer)) for i, peer in enumerate(peers))
        self.lay(keys, (f"{{ laddr {A} raddr 192.0.2.0/24 }} {GCM}\n", RULES[1]), GOOD)
        said = self.prove()
        self.assertEqual((said[0]["peer"], said[0]["state"]), (B, "protected"), said)
        self.assertEqual(said[-1]["cause"], "more-peers", said)
        tried = {one["peer"] for one in said if "peer" in one}
        self.assertTrue(1 < len(tried) < len(peers))
        self.assertEqual([peer for peer in peers if peer not in tried], said[-1]["text"].split(": ")[1].split(", "))

    def test_rules(self):
        bypass = f"order file\n{{ raddr {B} dir both }} pass {{}}\n"
        self.sown("rule-order", "in-clear", rules=(bypass + RULES[0], RULES[1]), words=("--peer", B))
        self.sown("not-loaded", rules=(f"{{ raddr 192.0.2.77 }} {GCM}\n", RULES[1]), words=(self.file(RULES[0]),))
        self.sown("rule-there-drops", rules=(RULES[0], f"{{ raddr {A} dir both }} drop {{}}\n"))
        self.sown("answers-clear", "in-clear", rules=(RULES[0], f"{{ raddr {A} dir in }} {GCM}\n"))
        self.sown("may-be-clear", "in-clear", keys="", rules=(RULES[0].replace(" }\n", " level use }\n"), f"{{ raddr {A} rport 1 }} {GCM}\n"))

    def file(self, text):
        path = self.a.folder / "wanted.rules"
        path.write_text(text)
        return path

    def test_what_is_accepted(self):
        no_window = GOOD.replace(ON, " replay 0")
        self.sown("replay-there", "weak", there=no_window)
        self.assertEqual(self.sown("replay-here", "weak", keys=no_window, there=GOOD)["replay_back"], "accepted")
        bare = transport(0x1000, "encralg aes encrkey 000102030405060708090a0b0c0d0eKEY")
        cipher_only = tuple(r.replace(GCM, "ipsec { encr_algs aes }") for r in RULES)
        said = self.sown("no-integrity", "weak", keys=bare, rules=cipher_only)
        self.assertEqual(said["changed"], "accepted")
        use = f"{{ laddr {A} raddr {B} }} {GCM} or pass {{}}\n"
        self.sown("clear-accepted", "weak", rules=(use, RULES[1]))

    def test_filters(self):
        """Of either host, for what is in clear and for what is protected."""
        for host, hook, priority, match, cause in (
                (self.a, "output", -10, f"ip daddr {B} ip protocol {{ udp, icmp }}", "firewall-here"),
                (self.a, "output", -10, "ip protocol esp", "esp-stopped-here"),
                (self.b, "prerouting", -300, "ip protocol esp", "firewall-there"),
                (self.b, "input", 10, "udp dport 50505", "firewall-there"),
                (self.a, "input", 10, f"ip saddr {B} udp sport 50505", "firewall-here-back")):
            with self.subTest(hook=hook, match=match):
                host.nft("add", "table", "ip", "sown")
                host.nft("add", "chain", "ip", "sown", "c", f"{{ type filter hook {hook} priority {priority}; }}")
                host.nft("add", "rule", "ip", "sown", "c", match, "drop")
                try:
                    self.sown(cause)
                finally:
                    host.nft("delete", "table", "ip", "sown")

    def test_the_link(self):
        """Packets longer than the other end takes vanish; then nobody is there; then no route leads there."""
        self.lay(GOOD)
        responder = Responder(self.b)
        try:
            self.b.ip("link", "set", "cable", "mtu", "1300")
            said = self.fault("mtu", "weak")
            self.assertTrue(1200 < said["mtu"] < 1300, said)
        finally:
            self.b.ip("link", "set", "cable", "mtu", "1500")
            responder.close()
        self.b.ip("addr", "del", f"{B}/24", "dev", "cable")
        try:
            self.a.ip("neigh", "flush", "dev", "cable")
            self.fault("no-neighbour")
            self.a.ip("neigh", "replace", B, "lladdr", "02:00:00:00:00:01", "dev", "cable", "nud", "permanent")
            self.fault("dead-peer")
            self.a.ip("neigh", "del", B, "dev", "cable")
        finally:
            self.b.ip("addr", "add", f"{B}/24", "dev", "cable")
        far = "198.51.100.9"
        self.a.rules(f"{{ laddr {A} raddr {far} }} {GCM}\n")
        self.a.load(GOOD.replace(B, far).replace("4096", "8192").replace("4097", "8193"))
        self.fault("no-route")

    def test_without_the_other_end(self):
        """It says less, and nothing that is wrong."""
        self.lay(GOOD, keys_there=GOOD.replace("1200", "1299"))
        self.fault("no-answer")
        self.lay(GOOD, keys_there=GOOD.replace("1201", "1299"))
        self.fault("wrong-key-back")

    def test_expired_there(self):
        self.lay(GOOD)
        self.responder()
        self.assertEqual(self.prove()[0]["state"], "protected")
        self.b.ipseckey("delete", "esp", "spi", "0x1000", "dst", B)
        self.fault("expired-there")


class Tunnel(Case):
    """Networks behind both ends, by routes into ipsecd's device (--tun)."""
    options, device = (), "ipsec0"
    INNER = ("isrc 10.1.0.0/16 idst 10.2.0.0/16", "isrc 10.2.0.0/16 idst 10.1.0.0/16")
    RULES = tuple(f"{{ laddr 10.{here}.0.0/16 raddr 10.{there}.0.0/16 }} ipsec {{ encr_algs aes-gcm tsrc {ends[0]} tdst {ends[1]} }}\n"
                  for here, there, ends in ((1, 2, (A, B)), (2, 1, (B, A))))

    @classmethod
    def routes(cls):
        for host in (cls.a, cls.b):
            cls.pair.give_addresses(host)
            # What comes past the device in clear; prove's own questions come with other addresses.
            host.nft("add", "table", "ip", "guard")
            host.nft("add", "chain", "ip", "guard", "c", "{ type filter hook input priority -10; }")
            host.nft("add", "rule", "ip", "guard", "c", "iifname", "cable", "ip", "saddr", "10.0.0.0/8", "drop")

    def setUp(self):
        super().setUp()
        self.lay(both_ways(0x1000, GCM_REST + ON), self.RULES)
        self.responder()

    def test_protected(self):
        said = self.prove()
        self.assertEqual([(one["state"], one.get("peer"), one.get("replay"), one.get("clear_back")) for one in said],
                         [("protected", "10.2.0.1", "refused", "refused")], said)

    def test_what_comes_past_the_device(self):
        self.a.nft("flush", "chain", "ip", "guard", "c")
        self.addCleanup(self.a.nft, "add", "rule", "ip", "guard", "c", "iifname", "cable", "ip", "saddr", "10.0.0.0/8", "drop")
        self.fault("clear-accepted", "weak")

    def test_a_route_past_the_device(self):
        self.a.ip("route", "replace", "10.2.0.0/16", "via", B, "dev", "cable", "src", "10.1.0.1")
        self.addCleanup(self.a.ip, "route", "replace", "10.2.0.0/16", "dev", "ipsec0", "src", "10.1.0.1")
        self.fault("clear-route", "in-clear")

    def test_selectors(self):
        narrow = both_ways(0x1000, GCM_REST + ON, (self.INNER[0].replace("10.1.0.0/16", "10.1.9.0/24"), self.INNER[1]))
        self.b.load("flush\n" + narrow)
        self.fault("selector-there")
        self.lay(narrow, self.RULES, both_ways(0x1000, GCM_REST + ON))
        self.fault("selector-here")

    def test_reverse_path_filter(self):
        """What was opened seems to come by the wrong interface."""
        def setting(value):
            with open("/proc/sys/net/ipv4/conf/ipsec0/rp_filter", "w") as file:
                file.write(str(value))
        self.b.inside(lambda: setting(1))
        self.addCleanup(self.b.inside, lambda: setting(0))
        self.b.ip("route", "replace", "10.1.0.0/16", "via", A, "dev", "cable", "src", "10.2.0.1")
        self.addCleanup(self.b.ip, "route", "replace", "10.1.0.0/16", "dev", "ipsec0", "src", "10.2.0.1")
        self.fault("rp-filter-there")


class Neighbours(Case):
    """IPv6: rules that protect neighbour discovery, too."""

    def test_protected_neighbour_discovery(self):
        keys = transport(0x1000, GCM_REST + ON, V6_ENDS)
        rules = tuple(f"{{ laddr {end}/64 }} {GCM}\n" for end in ("2001:db8::", "2001:db8::"))
        for host in (self.a, self.b):
            host.ip("-6", "neigh", "flush", "dev", "cable")
        self.lay(keys, rules)
        self.fault("neighbours-protected", "lost", "--peer", V6_ENDS[1])


class Stranger(Case):
    """What the responder tells whom, by questions that this test makes."""
    OTHER = "192.0.2.77"  # Of no rule.
    ASK, TELL, AGAIN, CLEAR = 3, 4, 5, 6

    @classmethod
    def routes(cls):
        cls.a.ip("addr", "add", f"{cls.OTHER}/24", "dev", "cable")
        cls.b.ip("addr", "add", "10.77.0.1/32", "dev", "lo")

    def message(self, kind, run=b"R" * 16, marker=b"M" * 16):
        return OFFICIAL + bytes((1, kind)) + run + marker

    def question(self, kind=ASK, run=b"R" * 16, marker=b"M" * 16, wanted=("203.0.113.0", 24), ends=(A, B), protocol=17, ports=(1000, 50505)):
        def field(address):
            return b"\0" + socket.inet_aton(address) + bytes(12)
        text = self.message(kind, run, marker) + struct.pack("!II", 0x1000, 0x1001) + field(wanted[0]) + bytes([wanted[1]])
        text += field(ends[0]) + field(ends[1]) + field("0.0.0.0") + bytes([protocol]) + struct.pack("!HH", *ports)
        return text.ljust(1000, b"\0")

    def speaker(self, address=A):
        speaker = self.a.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(speaker.close)
        speaker.bind((address, 0))
        return speaker

    def answer(self, speaker, text, patience=DEADLINE, port=50505):
        """None: none came in time."""
        speaker.settimeout(patience)
        speaker.sendto(text, (B, port))
        try:
            return speaker.recv(2000)
        except TimeoutError:
            return None

    def told(self, answer):
        """What is asserted of a tell: the address, whether the SAs are held, what the rules do, the SPI of the way back."""
        self.assertEqual(answer[9], self.TELL)
        at = 42 + 17
        mine = socket.inet_ntoa(answer[at + 2:at + 6]) if answer[at] else None
        time, at = struct.unpack_from("!Q", answer, at + 18)[0], at + 26
        size = struct.calcsize("!BBBBBBHBBIBI")
        to_you, to_me, at = answer[at], answer[at + size], at + 2 * size
        return {"mine": mine, "time": time != 0, "to_you": to_you, "to_me": to_me, "rules": (answer[at], answer[at + 1]),
                "out_spi": struct.unpack_from("!I", answer, at + 2)[0]}

    NOTHING = {"mine": None, "to_you": 0, "to_me": 0, "rules": (0, 0), "out_spi": 0}
    ALL = {"mine": None, "to_you": 1, "to_me": 1, "rules": (3, 3), "out_spi": 0x1001}  # 3: served.

    def silent(self, speaker, text):
        """Not answered; that the responder got it is known when a later question is answered."""
        speaker.settimeout(0.3)
        speaker.sendto(text, (B, 50505))
        self.assertTrue(self.answer(self.speaker(), self.question(run=b"Q" * 16)))
        self.assertRaises(TimeoutError, speaker.recv, 2000)

    def forge(self, spi):
        raw = self.a.socket(socket.AF_INET, socket.SOCK_RAW, 50)
        self.addCleanup(raw.close)
        raw.bind((self.OTHER, 0))
        raw.sendto(struct.pack("!II", spi, 1) + bytes(60), (B, 0))

    def test_a_stranger_gets_no_answer(self):
        """Whatever SPI it wrote into a packet that nobody opened."""
        self.lay(GOOD)
        self.responder()
        stranger = self.speaker(self.OTHER)
        self.silent(stranger, self.question(ends=(self.OTHER, B)))
        for spi in (0x9999, 0x1000):
            self.forge(spi)
            self.silent(stranger, self.question(ends=(self.OTHER, B)))
        self.assertEqual(self.told(self.answer(self.speaker(), self.question())), {**self.ALL, "time": True})

    def test_a_rule_about_everybody_names_nobody(self):
        self.lay(GOOD, (f"{{ ulp tcp lport 22 }} {GCM}\n",) * 2)
        responder = Responder(self.b)
        try:
            self.assertIsNone(self.answer(self.speaker(), self.question(), 0.5))
        finally:
            responder.close()
        responder = Responder(self.b, "--peer", A)
        self.addCleanup(responder.close)
        self.assertEqual(self.told(self.answer(self.speaker(), self.question()))["time"], False)
        self.assertIsNone(self.answer(self.speaker(self.OTHER), self.question(), 0.5))

    def test_only_what_is_the_askers(self):
        """No other addresses of the host, no other SAs, nothing about other hosts' packets."""
        self.lay(GOOD)
        self.responder()
        speaker = self.speaker()
        self.assertIsNone(self.told(self.answer(speaker, self.question(wanted=("10.0.0.0", 8))))["mine"])
        self.assertEqual(self.told(self.answer(speaker, self.question(wanted=("192.0.2.0", 24))))["mine"], B)
        others = self.told(self.answer(speaker, self.question(ends=("203.0.113.9", "10.77.0.1"), protocol=6, ports=(1, 22))))
        self.assertEqual((others["rules"], others["out_spi"]), ((0, 0), 0))
        self.b.load("flush\n" + transport(0x1000, GCM_REST + ON, ("192.0.2.50", B)))
        for host, rules, peer in ((self.b, RULES[1], A), (self.a, RULES[0], B)):
            host.rules(rules.replace(f"raddr {peer} }}", f"raddr {peer} ulp tcp }}"))
        # In clear now, of a host that the rule names; SAs are not listed for every question.
        def asked():
            answer = self.answer(self.speaker(), self.question(), 0.3)
            return answer is not None and self.told(answer) == {**self.NOTHING, "time": False}
        wait_for("an answer without SAs", asked)

    def test_it_follows_the_rules(self):
        """Those that are loaded later, and none."""
        self.lay(GOOD, (RULES[0], RULES[1].replace(A, "192.0.2.9")))
        self.responder()
        self.b.rules(RULES[1])
        speaker = self.speaker()
        wait_for("an answer by the new rule", lambda: self.answer(speaker, self.question(), 0.3))
        for host in (self.a, self.b):
            host.rules("")
        wait_for("silence without rules", lambda: self.answer(self.speaker(), self.question(), 0.5) is None)

    def sent_by(self, address):
        return [packet for packet in self.cable.packets() if packet[12:16] == socket.inet_aton(address)]

    def test_nothing_is_amplified(self):
        """All that one question causes, on the cable; and only an echo is ever sent again."""
        self.lay(GOOD)
        self.responder()
        speaker = self.speaker()
        port = speaker.getsockname()[1]
        self.assertEqual(self.answer(speaker, self.message(PROBE).ljust(150, b"\0"))[9], ECHO)
        echoes = [p for p in self.sent_by(B) if p[9] == 50]
        self.assertEqual(len(echoes), 1)
        fence = self.message(PROBE, marker=b"F" * 16).ljust(150, b"\0")
        self.assertEqual(self.answer(speaker, fence)[9], ECHO)
        self.cable.packets()
        for asked in range(4):
            self.assertEqual(self.answer(speaker, self.question(self.AGAIN, ports=(53, 53)))[9], self.TELL)
            packets = self.cable.packets()
            question = sum(len(p) for p in packets if p[12:16] == socket.inet_aton(A))
            caused = [p for p in packets if p[12:16] == socket.inet_aton(B)]
            self.assertLessEqual(sum(map(len, caused)), question)
            self.assertEqual(echoes[0] in caused, asked < 2)  # Of the probe that was named, not of the fence after it.
            for clear in (p for p in caused if p[9] == 17):
                self.assertEqual(struct.unpack_from("!HH", clear, 20), (50505, port))

    def test_other_programs_packets_are_not_sent_again(self):
        self.lay(GOOD)
        self.responder()
        speaker, other = self.speaker(), self.b.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        self.answer(speaker, self.question())
        # As long as an echo: nobody can tell them apart.
        for _ in range(20):
            other.sendto(bytes(150), (A, 9))
        speaker.sendto(self.message(PROBE).ljust(150, b"\0"), (B, 50505))
        for _ in range(20):
            other.sendto(bytes(150), (A, 9))
        self.assertEqual(speaker.recv(2000)[9], ECHO)
        before = {bytes(p) for p in self.sent_by(B) if p[9] == 50}
        self.answer(speaker, self.question(self.AGAIN))
        again = {bytes(p) for p in self.sent_by(B)} & before
        self.assertLessEqual(len(again), 1)
        for packet in again:  # The system sent them far apart: it is the echo.
            self.assertEqual(len(packet), len(min(before, key=len)))

    def test_strangers_probes_and_forged_questions(self):
        """They neither displace a run nor use up its answers."""
        self.lay(GOOD, keys_there=GOOD.replace("1200", "1299"))
        self.responder()
        stranger = self.speaker(self.OTHER)
        stop = threading.Event()

        def flood():
            while not stop.is_set():
                for _ in range(20):
                    stranger.sendto(self.message(PROBE, run=os.urandom(16)), (B, 50505))
                stop.wait(0.005)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            self.fault("wrong-key")
        finally:
            stop.set()
            thread.join()

    def test_forged_questions(self):
        """Those that somebody sends in clear under the peer's address, past the rules."""
        self.lay(GOOD)
        self.responder()
        mac = {host: bytes.fromhex(json.loads(host.ip("-json", "link", "show", "cable"))[0]["address"].replace(":", ""))
               for host in (self.a, self.b)}
        link = self.a.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.addCleanup(link.close)
        link.bind(("cable", 0))
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1028, 0, 0, 64, 17, 0, socket.inet_aton(A), socket.inet_aton(B))
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:]
        frame = mac[self.b] + mac[self.a] + b"\x08\0" + head + struct.pack("!HHHH", 4000, 50505, 1008, 0) + self.question()
        stop = threading.Event()

        def flood():
            while not stop.is_set():
                for _ in range(20):
                    link.send(frame)
                stop.wait(0.004)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            answered = sum(self.answer(self.speaker(), self.question(run=os.urandom(16)), 1) is not None for _ in range(20))
        finally:
            stop.set()
            thread.join()
        self.assertGreater(answered, 15)

    def test_many_ports(self):
        """Each is answered."""
        ports = range(20000, 20200)
        self.lay(GOOD, ("".join(f"{{ laddr {A} raddr {B} ulp udp rport {port} }} {GCM}\n" for port in ports),
                        "".join(f"{{ laddr {B} raddr {A} ulp udp lport {port} }} {GCM}\n" for port in ports)))
        self.responder()
        speaker = self.speaker()
        for port in (20000, 20100, 20199):
            self.assertEqual(self.answer(speaker, self.message(PROBE).ljust(150, b"\0"), port=port)[9], ECHO)

    def test_too_many_ports(self):
        self.lay(GOOD, (RULES[0], "".join(f"{{ laddr {B} raddr {A} ulp udp lport {port} }} {GCM}\n" for port in range(20000, 20200))))
        crowded = subprocess.Popen(["ip", "netns", "exec", self.b.netns, "prlimit", "--nofile=100:100", BIN / "ipsecconf", "--sadb",
                                    f"ipsecd:{self.b.pfkey}", "prove", "--respond"], stderr=subprocess.PIPE, text=True)
        try:
            said = crowded.stderr.readline()
            self.assertIn("Responding", crowded.stderr.readline())
        finally:
            crowded.send_signal(signal.SIGTERM)
            crowded.wait(DEADLINE)
            crowded.stderr.close()
        self.assertRegex(said, r"^ipsecconf: probes of 1\d\d UDP ports that rules name, from 200\d\d to 20199, are not answered: too many ports\n$")


class Router:
    """The network between: a namespace m with two cables, whose filter is an nft chain."""

    def __init__(self, folder):
        self.a, self.m, self.b = (Host(name, folder) for name in "amb")
        for host, there, number in ((self.a, "left", "192.0.2"), (self.b, "right", "198.51.100")):
            host.ip("link", "add", "cable", "type", "veth", "peer", "name", there, "netns", self.m.netns)
            self.m.ip("addr", "add", f"{number}.254/24", "dev", there)
            self.m.ip("link", "set", there, "up")
            host.ip("addr", "add", f"{number}.{1 if host is self.a else 2}/24", "dev", "cable")
            host.ip("link", "set", "cable", "up")
            host.ip("route", "add", "default", "via", f"{number}.254")
        self.m.inside(lambda: pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        self.m.nft("add", "table", "ip", "sown")

    def close(self):
        for host in (self.a, self.m, self.b):
            host.gone()


class Between(Case):
    """What a router on the way does to packets."""
    B, NAT = "198.51.100.2", "198.51.100.254"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        router = Router(pathlib.Path(folder.name))
        cls.addClassCleanup(router.close)
        cls.a, cls.b, cls.m = router.a, router.b, router.m
        for host in (cls.a, cls.b):
            host.start("--hook", device=None)

    def sown(self, cause, rule, keys, hook="type filter hook forward priority 0"):
        rules = tuple(r.replace(B, self.B) for r in RULES)
        self.lay(keys, rules)
        self.m.nft("add", "chain", "ip", "sown", "c", f"{{ {hook}; }}")
        if rule:
            self.m.nft("add", "rule", "ip", "sown", "c", *rule.split())
        responder = Responder(self.b, "--peer", self.NAT)
        try:
            if cause:
                return self.fault(cause)
            return self.prove()[0]
        finally:
            responder.close()
            self.m.nft("delete", "chain", "ip", "sown", "c")

    def test_the_way(self):
        keys = transport(0x1000, GCM_REST + ON, (A, self.B))
        in_udp = transport(0x1000, GCM_REST + ON + " encap udp nat_lport 4500 nat_rport 4500", (A, self.B))
        self.assertEqual(self.sown(None, "", keys)["state"], "protected")
        self.sown("path-drops-esp", "ip protocol esp drop", keys)
        self.sown("path-drops-udp", "udp dport 4500 drop", in_udp)
        self.sown("answers-lost", f"ip saddr {self.B} ip protocol esp drop", keys)
        self.sown("nat-between", "oifname right masquerade", keys, "type nat hook postrouting priority 100")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this test needs root, for network namespaces")
    unittest.main(verbosity=2)
