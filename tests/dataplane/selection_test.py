#!/usr/bin/env python3
"""Which packets an SA takes between two hosts that are network namespaces, and what becomes of the others."""
import os
import socket
import struct
import sys
import unittest

import dataplane_test as base
from dataplane_test import ESP, GCM_REST, IN_UDP, UDP, both_ways
from hosts import wait_for

ALL = ("isrc 0.0.0.0/0 idst 0.0.0.0/0",) * 2


def checksum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data + bytes(len(data) % 2)) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


class Loops(base.Case):
    """A route leads what ipsecd sends back into its device."""

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
        """A router has said that the path takes 1300 bytes."""
        self.a.load(both_ways(0x1000, GCM_REST, ALL))
        quote = struct.pack("!BBHHHBBH4s4sLL", 0x45, 0, 1400, 0, 0x4000, 64, ESP, 0, socket.inet_aton("192.0.2.1"),
                            socket.inet_aton("192.0.2.2"), 0x1000, 1)
        body = struct.pack("!HH", 0, 1300) + quote
        report = struct.pack("!BBH", 3, 4, checksum(struct.pack("!BBH", 3, 4, 0) + body)) + body
        self.a.ip("route", "del", "192.0.2.2/32", "dev", "ipsec0")
        with self.b.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as router:
            router.sendto(report, ("192.0.2.1", 0))

        def cut():
            self.send(1300)
            return any(p[9] == ESP and len(p) <= 1300 for p in self.cable.packets())

        wait_for("the smaller path", cut)
        self.a.ip("route", "add", "192.0.2.2/32", "dev", "ipsec0")
        before = self.a.status()["out"]
        self.send(1300)
        wait_for("the drops", lambda: self.a.status()["out"]["dropped"].get("looped", 0) >= 2)
        out = self.a.status()["out"]
        self.assertEqual((out["packets"] - before["packets"], out["dropped"]["looped"]), (1, 2))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("selection_test.py makes network namespaces and needs root")
    unittest.main()
