#!/usr/bin/env python3
"""Rules of ipsecd between two hosts that are network namespaces: given in PF_POLICY as doc/reference/pf-policy.md describes it,
written here a second time; what then crosses the cable, what is dropped and how it is counted."""
import errno
import ipaddress
import os
import socket
import struct
import sys
import unittest

import dataplane_test as base
from dataplane_test import CBC_REST, ESP, GCM_REST, both_ways
from hosts import Stream, datagrams, echo, wait_for

FLUSH, ADDRULE, DELETERULE, FLIP, DUMP, CLONE = 1, 2, 3, 4, 6, 7
ACTIVE, STANDBY = 0, 1
IN, OUT, TUNNEL = 1, 2, 4
TYPE, FLAGS, CIPHER, INTEGRITY, END, END_FAMILY, END_LOCAL, END_REMOTE = 0x100, 0x101, 0x103, 0x104, 1, 0x8003, 0x8010, 0x8014
DROP, PASS, IPSEC = 1, 2, 3
AES, GCM, SHA256 = 12, 20, 5
PF_ESP, SELF, PF_ESPA = 2, 4, 0x40
ENDS = ("192.0.2.1", "192.0.2.2")
ALL = struct.pack("=HHL", 1, 10, 0)  # TUN_NAME without a name.


def extension(number, body):
    body += bytes(-(len(body) + 4) % 8)
    return struct.pack("=HH", (len(body) + 4) // 8, number) + body


def prefix(number, network):
    net = ipaddress.ip_network(network)
    family = socket.AF_INET if net.version == 4 else socket.AF_INET6
    return extension(number, struct.pack("=BBH", family, net.prefixlen, 0) + net.network_address.packed)


def action(*attributes):
    return extension(6, struct.pack("=HH", len(attributes), 0) + b"".join(struct.pack("=LL", *a) for a in attributes))


def rule(attributes, remote=None, local=None, port=None, flags=IN | OUT, priority=1, tunnel=None):
    made = extension(7, struct.pack("=LLLQ", priority, flags, 0, 0)) + action(*attributes, (END, 0))
    if local:
        made += prefix(4, local)
    if remote:
        made += prefix(5, remote)
    if port:
        made += extension(2, struct.pack("!HH", port, port))
    if tunnel:
        made += extension(10, tunnel.encode() + b"\0")
    return made


def through(here, there, cipher=GCM, integrity=None):
    """Protection in tunnel mode between two addresses."""
    flags = PF_ESP | SELF | (PF_ESPA if integrity else 0)
    words = [int.from_bytes(socket.inet_aton(a), "big") for a in (here, there)]
    return [(TYPE, IPSEC), (FLAGS, flags), (CIPHER, cipher), *([(INTEGRITY, integrity)] if integrity else []),
            (END_FAMILY, 4), (END_LOCAL, words[0]), (END_REMOTE, words[1])]


class Client:
    """A client of ipsecd's socket."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(str(host.pfkey))
        self.seq = 0

    def close(self):
        self.socket.close()

    def ask(self, kind, body=b"", spd=ACTIVE):
        """The errno and the diagnostic of the reply."""
        self.seq += 1
        self.socket.send(struct.pack("=BBBBHHLL", 1, kind, 0, spd, (16 + len(body)) // 8, 0, self.seq, 7) + body)
        reply = b"\2"
        while reply[0] == 2:  # PF_KEY's notices, before the first request.
            reply = self.socket.recv(65536)
        version, replied, error, _, units, diagnostic, seq, pid = struct.unpack_from("=BBBBHHLL", reply)
        assert (version, replied, units * 8, seq, pid) == (1, kind, len(reply), self.seq, 7), reply
        return error, diagnostic

    def replace(self, *rules):
        requests = [(CLONE, ALL), (FLUSH, ALL), *((ADDRULE, one) for one in rules), (FLIP, ALL)]
        for kind, body in requests:
            if (answer := self.ask(kind, body, STANDBY)) != (0, 0):
                raise RuntimeError(f"request {kind}: {answer}")


class Case(base.Case):
    def setUp(self):
        super().setUp()
        self.clients = [Client(host) for host in (self.a, self.b)]
        for client in self.clients:
            self.addCleanup(client.close)

    def drops(self, host, way):
        """Counts by cause. The kernel's own packets, such as router solicitations, lack an SA, too."""
        return {cause: n for cause, n in host.status()[way]["dropped"].items() if cause != "no_sa"}


class Tunnels(Case):
    """The device, with rules that say more than its routes."""

    def rules(self, *args, **more):
        for client, here, there in ((self.clients[0], 0, 1), (self.clients[1], 1, 0)):
            client.replace(rule(through(ENDS[here], ENDS[there], *args), remote=f"10.{there + 1}.0.0/16",
                                local=f"10.{here + 1}.0.0/16", **more))

    def test_as_demanded(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.rules()
        self.cable.packets()
        echo(self.a, self.b, "10.2.0.1")
        self.assertEqual(self.cable.protocols(), {ESP})
        self.assertEqual(self.a.status()["rules"], 1)

    def test_another_algorithm_is_neither_sent_nor_accepted(self):
        self.pair.load(both_ways(0x1000, CBC_REST))
        self.clients[0].replace(rule(through(*ENDS)))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0), [])
        self.assertGreater(self.a.status()["out"]["dropped"]["no_sa"], 0)
        self.assertEqual(self.cable.protocols(), set())
        self.clients[0].replace()
        self.clients[1].replace(rule(through(*reversed(ENDS))))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0), [])
        wait_for("the drop", lambda: self.drops(self.b, "in").get("bad_espealg", 0) == 1)

    def test_actions_and_their_counters(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.clients[0].replace(rule([(TYPE, DROP)], port=9001, priority=3), rule([(TYPE, PASS)], port=9002, priority=2),
                                rule(through(*ENDS)))
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            for port, times in ((9001, 3), (9002, 2), (9003, 1)):
                for _ in range(times):
                    giver.sendto(b"x", ("10.2.0.1", port))
        wait_for("the packet", lambda: self.a.status()["out"]["packets"] == 1)
        self.assertEqual(self.drops(self.a, "out"), {"explicit": 3, "misrouted": 2})
        self.assertEqual(self.cable.protocols(), {ESP})

    def test_of_the_device_as_a_tunnel(self):
        """What none of its rules is about is dropped."""
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.clients[0].replace(rule(through(*ENDS), remote="10.2.0.0/24", flags=IN | OUT | TUNNEL, tunnel="ipsec0"))
        echo(self.a, self.b, "10.2.0.1", size=1000)
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            giver.sendto(b"x", ("10.2.9.9", 9))
        wait_for("the drop", lambda: self.drops(self.a, "out") == {"no_rule": 1})

    # covers RFC4552-6-6
    def test_replaced_under_traffic_without_a_loss(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.rules()
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            for priority in range(2, 60):
                self.rules(priority=priority)
            stream.wait_for_more(100)
        self.assertEqual(stream.got, list(range(stream.sent)))
        self.assertEqual(self.drops(self.a, "out"), {})
        self.assertEqual(self.drops(self.b, "in"), {})
        self.assertEqual(self.cable.protocols() - {ESP}, set())

    def test_without_rules_as_before(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.rules(AES, SHA256)
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0), [])
        for client in self.clients:
            client.replace()
        echo(self.a, self.b, "10.2.0.1", size=1000)
        self.assertNotIn("rules", self.a.status())


class Dialect(Case):
    """Requests that are refused change nothing."""

    def test_refusals(self):
        client, other = self.clients[0], Client(self.a)
        self.addCleanup(other.close)
        self.assertEqual(client.ask(ADDRULE, rule([(TYPE, PASS)], flags=0)), (errno.EINVAL, 9))
        self.assertEqual(client.ask(ADDRULE, rule([(TYPE, 9)])), (errno.EINVAL, 8))
        self.assertEqual(client.ask(ADDRULE, rule([(TYPE, PASS)], flags=IN | TUNNEL, tunnel="no-such-link")),
                         (errno.ENOENT, 0x8004))
        self.assertEqual(client.ask(5), (errno.EINVAL, 29))
        self.assertEqual(client.ask(ADDRULE, rule([(TYPE, PASS)])), (0, 0))
        self.assertEqual(client.ask(ADDRULE, rule([(TYPE, DROP)])), (errno.EEXIST, 0))
        self.assertEqual(client.ask(CLONE, ALL), (0, 0))
        self.assertEqual(other.ask(CLONE, ALL), (errno.EBUSY, 0x8003))
        self.assertEqual(other.ask(FLUSH, ALL), (errno.EBUSY, 0x8003))
        client.close()
        wait_for("the place", lambda: other.ask(CLONE, ALL) == (0, 0))
        self.assertEqual(self.a.status()["rules"], 1)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("rules_test.py makes network namespaces and needs root")
    unittest.main()
