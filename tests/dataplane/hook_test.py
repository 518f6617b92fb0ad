#!/usr/bin/env python3
"""ipsecd --hook: netfilter takes the packets that rules concern, between two hosts that are network namespaces, and no route leads
into a device. What arrives, what crosses the cable, what is refused, and that nothing leaves in clear while ipsecd comes and goes."""
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

from dataplane_test import CBC_REST, GCM_REST, V6_ENDS, both_ways
from hosts import DEADLINE, Capture, Pair, Stream, datagrams, echo, ip, protocols, wait_for

ESP, AH, UDP, TCP, OSPF, ICMPV6 = 50, 51, 17, 6, 89, 58
GCM = "ipsec { encr_algs aes-gcm }"
NEIGHBOURS = "{ ulp ipv6-icmp type 133-137 dir both } pass {}\n"


def transport(spi, rest, ends=("192.0.2.1", "192.0.2.2")):
    return both_ways(spi, rest, inner=("", ""), ends=ends)


class Case(unittest.TestCase):
    options = ()
    keys = ""
    rules = ("", "")  # Of a and of b.

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        for host, rules in zip((self.a, self.b), self.rules):
            host.start("--hook", *self.options, device=None)
            if self.keys:
                host.load(self.keys)
            host.rules(rules)
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)

    def dropped(self, host, direction):
        return host.status()[direction].get("dropped", {})


class Transport(Case):
    """Two hosts in transport mode, by rules about each other's address."""
    keys = transport(0x1000, GCM_REST + " replay 64") + transport(0x2000, GCM_REST, V6_ENDS)
    rules = (f"{{ raddr 192.0.2.2 }} {GCM} {{}}\n".replace(" {}", "") +
             f"{NEIGHBOURS}{{ laddr 2001:db8::1 raddr 2001:db8::2 }} {GCM}\n",
             f"{{ raddr 192.0.2.1 }} {GCM}\n{NEIGHBOURS}{{ laddr 2001:db8::2 raddr 2001:db8::1 }} {GCM}\n")

    def test_tcp(self):
        for address in ("192.0.2.2", "2001:db8::2"):
            with self.subTest(address=address):
                self.cable.packets()
                echo(self.a, self.b, address, 3_000_000)
                packets = self.cable.packets()
                self.assertEqual(protocols(packets), {ESP})
                self.assertLessEqual(max(map(len, packets)), 1500)

    def test_datagrams_of_every_size(self):
        sizes = [1, 1300, 1400, 1420, 1440, 1472, 1473, 8000, 60000]
        for address in ("192.0.2.2", "2001:db8::2"):
            with self.subTest(address=address):
                self.cable.packets()
                # Until the sender knows the path MTU, datagrams that just fit the link are lost.
                for size in (1472, 1452):
                    datagrams(self.a, self.b, address, [size], arrive=0)
                self.assertEqual(datagrams(self.a, self.b, address, sizes), sizes)
                self.assertLessEqual(protocols(self.cable.packets()), {ESP, 44})

    def test_other_hosts_are_not_concerned(self):
        self.b.ip("addr", "add", "192.0.2.9/24", "dev", "cable")
        echo(self.a, self.b, "192.0.2.9", 1000)
        self.assertEqual(self.cable.protocols(), {TCP})
        self.assertEqual(self.a.status()["out"]["packets"], 0)

    def test_clear_packets_are_refused(self):
        self.a.rules("")
        self.cable.packets()
        self.assertEqual(datagrams(self.a, self.b, "192.0.2.2", [100] * 3, arrive=0), [])
        self.assertEqual(self.cable.protocols(), {UDP})
        self.assertEqual(self.dropped(self.b, "in"), {"got_clear": 3})

    def test_without_an_sa_nothing_leaves(self):
        self.a.ipseckey("flush")
        self.cable.packets()
        self.assertEqual(datagrams(self.a, self.b, "192.0.2.2", [100] * 3, arrive=0), [])
        self.assertEqual(self.cable.protocols(), set())
        self.assertEqual(self.dropped(self.a, "out"), {"no_sa": 3})

    def test_loopback_is_left_alone(self):
        self.a.rules(f"{{}} {GCM}\n")
        for address in ("127.0.0.1", "::1", "192.0.2.1"):
            self.assertEqual(datagrams(self.a, self.a, address, [100]), [100])


if __name__ == "__main__":
    unittest.main()
