#!/usr/bin/env python3
"""Which packets an SA covers between two hosts that are network namespaces, and what happens to the others."""
import os
import socket
import struct
import sys
import unittest

import dataplane_test as base
from dataplane_test import ESP, GCM_REST, IN_UDP, UDP, both_ways
from hosts import LOST, checksum, datagrams, echo, family_of, wait_for

ALL = ("isrc 0.0.0.0/0 idst 0.0.0.0/0",) * 2


class Loops(base.Case):
    """A route returns ipsecd's own packets to its device."""

    def setUp(self):
        super().setUp()
        self.a.ip("route", "add", "192.0.2.2/32", "dev", "ipsec0")

    def send(self, size):
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            giver.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: may be fragmented.
            giver.sendto(bytes(size), ("10.2.0.1", 9))

    def test_one_packet(self):
        for rest, protocol in ((GCM_REST, ESP), (GCM_REST + IN_UDP, UDP)):
            with self.subTest(protocol=protocol):
                before = self.a.status()["out"]
                self.a.load(both_ways(0x1000, rest, ALL))
                self.send(100)
                wait_for("the drop", lambda: self.a.status()["out"]["dropped"].get("looped", 0) > before["dropped"].get(
                    "looped", 0))
                self.send(100)
                wait_for("the drop", lambda: self.a.status()["out"]["packets"] == before["packets"] + 2)
                out = self.a.status()["out"]
                self.assertEqual(out["dropped"]["looped"] - before["dropped"].get("looped", 0), 2)
                self.assertIn("last number 2\n", self.a.ipseckey("get", "esp", "spi", "0x1000", "dst", "192.0.2.2"))
                self.assertEqual(self.cable.protocols(), set())
                self.a.ipseckey("flush")

    def test_fragments(self):
        """A router has reported a path MTU of 1300."""
        self.a.load(both_ways(0x1000, GCM_REST, ALL))
        quote = struct.pack("!BBHHHBBH4s4sLL", 0x45, 0, 1400, 0, 0x4000, 64, ESP, 0, socket.inet_aton("192.0.2.1"),
                            socket.inet_aton("192.0.2.2"), 0x1000, 1)
        body = struct.pack("!HH", 0, 1300) + quote
        report = struct.pack("!BBH", 3, 4, checksum(struct.pack("!BBH", 3, 4, 0) + body)) + body
        self.a.ip("route", "del", "192.0.2.2/32", "dev", "ipsec0")
        with self.b.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as router:
            router.sendto(report, ("192.0.2.1", 0))

        given, left = 0, 0  # Datagrams, and those whose end is on the cable.

        def pieces():
            nonlocal left
            esp = [p for p in self.cable.packets() if p[9] == ESP]
            left += sum(not p[6] & 0x20 for p in esp)  # Fragments with the bit are followed by more.
            return esp

        def cut():
            nonlocal given
            self.send(1300)
            given += 1
            return any(len(p) <= 1300 for p in pieces())

        def all_left():
            pieces()
            return left == given

        wait_for("the smaller path", cut)
        wait_for("what goes by the old route", all_left)
        self.a.ip("route", "add", "192.0.2.2/32", "dev", "ipsec0")
        before = self.a.status()["out"]
        self.send(1300)
        wait_for("the drops", lambda: self.a.status()["out"]["dropped"].get("looped", 0) >= 2)
        out = self.a.status()["out"]
        self.assertEqual((out["packets"] - before["packets"], out["dropped"]["looped"]), (1, 2))


def icmp(src, dst, kind, code, body):
    """A whole packet of ICMP, or of ICMPv6."""
    message = struct.pack("!BBHL", kind, code, 0, 0) + body
    if ":" not in src:
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 1, 0, 64, 1, 0, socket.inet_aton(src),
                           socket.inet_aton(dst)) + message
    ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    total = checksum(ends + struct.pack("!LL", len(message), 58) + message)
    return struct.pack("!LHBB", 6 << 28, len(message), 58, 64) + ends + message[:2] + struct.pack("!H", total) + message[4:]


class IcmpErrors(base.Case):
    """A router that no SA covers answers a packet from the tunnel."""
    NETS = ((socket.AF_INET, "10.2.0.9", "198.51.100.9", (3, 3), ("10.1.0.1", "10.2.0.9"), ()),
            (socket.AF_INET6, "fd02::9", "2001:db8:9::9", (1, 4), ("fd01::1", "fd02::9"), base.V6_INNER))

    def setUp(self):
        super().setUp()
        self.a.ip("route", "add", "198.51.100.0/24", "dev", "ipsec0")  # Linux drops packets from addresses without a route.

    def answered(self, family, to, router, kind, ends, inner):
        """Sends a datagram from a, and from b the router's error about it. Returns a's socket."""
        self.pair.load("flush esp\n" + both_ways(0x1000, GCM_REST, *((inner,) if inner else ())))
        s = self.a.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.connect((to, 9))
        s.send(b"x")
        port = s.getsockname()[1]
        datagram = struct.pack("!HHHH", port, 9, 9, 0) + b"x"
        if family == socket.AF_INET:
            quote = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 29, 1, 0, 63, 17, 0, *map(socket.inet_aton, ends))
        else:
            quote = struct.pack("!LHBB", 6 << 28, 9, 17, 63) + b"".join(socket.inet_pton(family, e) for e in ends)
        with self.b.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(icmp(router, ends[0], *kind, quote + datagram), (ends[0], 0))
        return s

    def test_it_reaches_the_sender_of_the_packet(self):
        for net in self.NETS:
            with self.subTest(to=net[1]):
                self.assertRaises(ConnectionRefusedError, self.answered(*net).recv, 1)
                self.assertEqual(self.a.status()["in"]["dropped"], {})


class IcmpErrorsByTheirOwnHeader(IcmpErrors):
    options = ("--icmp-errors", "own")

    def test_it_reaches_the_sender_of_the_packet(self):
        for net in self.NETS:
            with self.subTest(to=net[1]):
                before = self.b.status()["out"]["dropped"].get("no_sa", 0)
                s = self.answered(*net)
                wait_for("the drop", lambda n=before: self.b.status()["out"]["dropped"].get("no_sa", 0) > n)
                s.settimeout(LOST)
                self.assertRaises(TimeoutError, s.recv, 1)


class IcmpTypes(base.Case):
    """Requests and replies have SAs of their own."""
    NETS = (("10.2.0.1", socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, ("10.1.0.0/16", "10.2.0.0/16")),
            ("fd02::1", socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, ("fd01::/32", "fd02::/32")))

    def test_an_echo(self):
        for address, family, protocol, request, reply, nets in self.NETS:
            with self.subTest(address=address):
                lines = "flush esp\n"
                for spi, kind, key in ((0x1000, request, GCM_REST), (0x2000, reply, GCM_REST.replace("000102", "100102"))):
                    inner = [f"isrc {src} idst {dst} iproto {protocol} icmp-type {kind}" for src, dst in (nets, nets[::-1])]
                    lines += both_ways(spi, key, inner)
                self.pair.load(lines)
                self.cable.packets()
                with self.a.socket(family, socket.SOCK_RAW, protocol) as s:
                    echo_of = struct.pack("!BBHHH", request, 0, 0, 77, 1) + b"there and back"
                    s.sendto(echo_of[:2] + struct.pack("!H", checksum(echo_of)) + echo_of[4:], (address, 0))
                    while (got := s.recv(2000)[20 if family == socket.AF_INET else 0:])[0] != reply:
                        pass
                self.assertEqual(got[4:], echo_of[4:])
                seen = [int.from_bytes(p[20:24], "big") for p in self.cable.packets() if p[0] >> 4 == 4 and p[9] == ESP]
                self.assertEqual(seen, [0x1000, 0x2001])
                saved = self.a.ipseckey("-s", "-")
                self.assertEqual(saved.count(f"icmp-type {reply}"), 2)


class OuterSource(base.Case):
    """Host a's address is not the one that b knows."""

    def load(self):
        self.a.ip("addr", "add", "192.0.2.77/24", "dev", "cable")
        self.a.load(both_ways(0x1000, GCM_REST, ends=("192.0.2.77", "192.0.2.2")))
        self.b.load(both_ways(0x1000, GCM_REST))

    def test_any(self):
        self.load()
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100, 200]), [100, 200])
        self.assertEqual(self.b.status()["in"]["dropped"], {})


class SameOuterSource(OuterSource):
    options = ("--outer-source", "same")

    def test_any(self):
        self.load()
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100, 200], arrive=0), [])
        self.assertEqual(self.b.status()["in"]["dropped"], {"wrong_source": 2})


class SegmentSize(base.Case):
    """The links of both hosts have large MTUs, like those of hosts behind a gateway; ipsecd's do not."""
    options = ("--mss-clamp",)
    NETS = (("10.2.0.1", both_ways(0x1000, GCM_REST), 1380 - 40), ("fd02::1", both_ways(
        0x1000, GCM_REST, base.V6_INNER), 1380 - 60))
    clamped = True

    def size(self, address):
        """The segment size that either end of a connection uses."""
        with self.b.socket(family_of(address)) as listener, self.a.socket(family_of(address)) as client:
            listener.bind((address, 0))
            listener.listen()
            client.connect(listener.getsockname()[:2])
            server, _ = listener.accept()
            with server:
                return [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) for s in (client, server)]

    def test_a_connection_learns_what_fits(self):
        timestamps = 12
        for host in (self.a, self.b):
            host.ip("link", "set", "ipsec0", "mtu", "9000")
        for address, lines, size in self.NETS:
            with self.subTest(address=address):
                self.pair.load("flush esp\n" + lines)
                if self.clamped:
                    self.assertEqual(self.size(address), [size - timestamps] * 2)
                    echo(self.a, self.b, address, 1_000_000)
                else:
                    self.assertGreater(min(self.size(address)), size)
                for host in (self.a, self.b):
                    self.assertNotIn("too_big", host.status()["out"]["dropped"])


class SegmentSizeAsItIs(SegmentSize):
    options = ()
    clamped = False


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("selection_test.py makes network namespaces and needs root")
    unittest.main()
