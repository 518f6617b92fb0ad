#!/usr/bin/env python3
"""How raw ESP leaves: by the packet socket of a link, or by the raw socket, and what happens when that changes under traffic.
Two network namespaces, an ipsecd in each."""
import itertools
import os
import pathlib
import select
import socket
import subprocess
import sys
import time
import unittest

from dataplane_test import Case, GCM_REST, V6_ENDS, V6_INNER, both_ways
from hosts import DEADLINE, Stream, datagrams, wait_for

MANY = 500  # Datagrams between two changes.


class Sized(Stream):
    """A stream of datagrams of these sizes, again and again."""

    def __init__(self, client, server, address, sizes):
        super().__init__(client, server, address)
        self.sizes = itertools.cycle(sizes)
        ip_mtu_discover, dont = 10, 0
        self.giver.setsockopt(socket.IPPROTO_IP, ip_mtu_discover, dont)

    def give(self):
        while not self.ended.is_set() and self.room.acquire(timeout=DEADLINE):
            size = next(self.sizes)
            self.giver.sendto(self.sent.to_bytes(min(size, 100), "big") + bytes(size - min(size, 100)), self.to)
            self.sent += 1


class Roads(Case):
    """The road from a to b."""
    peer = "192.0.2.2"

    def setUp(self):
        super().setUp()
        self.pair.load(both_ways(0x1000, GCM_REST) + both_ways(0x2000, GCM_REST, V6_INNER, V6_ENDS))

    def way(self, to=None):
        """The link by whose packet socket packets to the address leave, or why they leave by the raw socket."""
        rows = {row["to"]: row for row in self.a.status().get("destinations", ())}
        row = rows.get(to or self.peer, {"detour": "unasked"})
        return row.get("link") or row["detour"]

    def wait_for_way(self, way, to=None):
        wait_for(f"the way {way}", lambda: self.way(to) == way)

    def open(self):
        """Packets leave by the packet socket."""
        datagrams(self.a, self.b, "10.2.0.1", [100])
        self.wait_for_way("cable")

    def iptables(self, *words, program="iptables-nft"):
        self.a.inside(lambda: subprocess.run([program, *words], check=True, capture_output=True, timeout=DEADLINE))

    def spare(self):
        """A second cable, 198.51.100.1 and .2."""
        self.a.ip("link", "add", "spare", "type", "veth", "peer", "name", "spare", "netns", self.b.netns)
        for number, host in ((1, self.a), (2, self.b)):
            host.ip("addr", "add", f"198.51.100.{number}/24", "dev", "spare")
            host.ip("link", "set", "spare", "up")

    def intact(self, stream):
        """Ends the stream, and fails if a datagram arrived twice or overtook another, or more than a few are missing: the kernel
        drops some of those that wait for a neighbour or in a queue while these change, whoever sent them."""
        few = 5
        stream.wait_for_more(MANY)
        stream.ended.set()
        giving, taking = stream.threads
        giving.join(DEADLINE)
        count = stream.sent
        for _ in range(few):  # The taker may wait for some more, or not.
            stream.giver.sendto(count.to_bytes(4, "big"), stream.to)
        taking.join(DEADLINE)
        got = [number for number in stream.got if number < count]
        self.assertEqual(got, sorted(set(got)))
        self.assertGreaterEqual(len(got), count - few, sorted(set(range(count)) - set(got)))
        dropped = {**self.a.status()["out"]["dropped"], **self.b.status()["in"]["dropped"]}
        self.assertEqual({cause: count for cause, count in dropped.items() if cause in ("replayed", "late", "unsent")}, {})


class Changes(Roads):
    def steps(self, stream, steps):
        """Each is something to do, and the way after it."""
        for act, way in steps:
            act()
            self.wait_for_way(way)
            stream.wait_for_more(MANY)

    def test_the_packet_socket_is_used(self):
        self.open()
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            stream.wait_for_more(MANY)
            before = self.a.status().get("framed", 0)
            stream.wait_for_more(MANY)
            self.assertGreaterEqual(self.a.status()["framed"] - before, MANY - 2 * stream.UNDER_WAY)
            self.intact(stream)
        self.assertIn("To 1 address packets leave by a packet socket.", self.a.run("ipsecd", "status", "--socket", self.a.pfkey))

    def test_ipv6(self):
        with Stream(self.a, self.b, "fd02::1") as stream:
            self.wait_for_way("cable", V6_ENDS[1])
            before = self.a.status().get("framed", 0)
            stream.wait_for_more(MANY)
            self.assertGreater(self.a.status()["framed"], before)
            self.intact(stream)

    def test_neighbours_links_and_mtus(self):
        self.open()
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            for _ in range(5):
                self.steps(stream, [
                    # Not `flush`: it repeats, and so removes packets that wait for the address, whoever sent them.
                    (lambda: self.a.ip("neigh", "del", self.peer, "dev", "cable"), "cable"),
                    (lambda: self.a.ip("link", "set", "cable", "mtu", "1400"), "cable"),
                    (lambda: self.a.ip("link", "set", "cable", "mtu", "1500"), "cable"),
                    (lambda: self.a.ip("link", "set", "cable", "alias", "news"), "cable"),  # Another length of the queue loses packets.
                ])
            self.intact(stream)

    def test_a_firewall(self):
        """Rules for packets that leave, of both kinds; the tables of iptables-legacy are read once a second."""
        self.open()
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            for program in ("iptables-nft", "iptables-legacy"):
                for _ in range(3):
                    self.steps(stream, [
                        (lambda: self.iptables("-A", "OUTPUT", "-p", "esp", "-j", "ACCEPT", program=program), "firewall"),
                        (lambda: self.iptables("-F", "OUTPUT", program=program), "cable"),
                    ])
            self.steps(stream, [
                (lambda: self.iptables("-t", "nat", "-A", "POSTROUTING", "-p", "tcp", "-j", "MASQUERADE"), "firewall"),
                (lambda: self.iptables("-t", "nat", "-F"), "cable"),
                (lambda: self.iptables("-A", "INPUT", "-p", "tcp", "-j", "ACCEPT"), "cable"),
                (lambda: self.iptables("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"), "firewall"),
                (lambda: self.iptables("-F"), "cable"),
            ])
            self.intact(stream)

    def test_policies_of_the_kernel(self):
        """They are counted once a second; this one is about other packets."""
        self.open()
        policy = ("src", "203.0.113.1", "dst", "203.0.113.2", "dir", "out")
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            self.steps(stream, [(lambda: self.a.ip("xfrm", "policy", "add", *policy, "action", "block"), "kernel_policies"),
                                (lambda: self.a.ip("xfrm", "policy", "delete", *policy), "cable")])
            self.intact(stream)

    def test_routes_and_rules(self):
        self.spare()
        self.open()
        datagrams(self.b, self.a, "10.1.0.1", [100])
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            for _ in range(3):
                self.steps(stream, [
                    (lambda: self.a.ip("route", "add", "192.0.2.2/32", "via", "198.51.100.2"), "spare"),
                    (lambda: self.a.ip("route", "del", "192.0.2.2/32"), "cable"),
                    (lambda: (self.a.ip("route", "add", "192.0.2.2/32", "via", "198.51.100.2", "table", "77"),
                              self.a.ip("rule", "add", "to", "192.0.2.2", "table", "77")), "spare"),
                    (lambda: self.a.ip("rule", "del", "to", "192.0.2.2", "table", "77"), "cable"),
                    (lambda: self.a.ip("route", "flush", "table", "77"), "cable"),
                ])
            self.intact(stream)

    def test_fragments_among_other_packets(self):
        """They need the raw socket; nothing overtakes them."""
        for host in (self.a, self.b):
            host.ipseckey("flush")
            host.ip("link", "set", "ipsec0", "mtu", "4100")
        self.pair.load(both_ways(0x1000, GCM_REST + " df clear"))
        self.open()
        with Sized(self.a, self.b, "10.2.0.1", [10] * 400 + [3000] + [10] * 7 + [2000, 3000]) as stream:
            for _ in range(8):
                stream.wait_for_more(MANY)
            self.intact(stream)

    def test_a_link_with_a_queue(self):
        """Packets of the one way wait in the queue of the link when the other way is taken."""
        self.a.inside(lambda: subprocess.run(["tc", "qdisc", "replace", "dev", "cable", "root", "tbf", "rate", "20mbit", "burst",
                                              "10k", "limit", "1m"], check=True, timeout=DEADLINE))
        self.open()
        with Sized(self.a, self.b, "10.2.0.1", [1300]) as stream:
            for _ in range(5):
                self.steps(stream, [
                    (lambda: self.iptables("-A", "OUTPUT", "-p", "esp", "-j", "ACCEPT"), "firewall"),
                    (lambda: self.iptables("-F", "OUTPUT"), "cable"),
                ])
            self.intact(stream)


class Losses(Roads):
    """Changes with which packets are lost, whatever the way: none twice, order kept, and the stream continues."""

    def test_a_link_that_goes_down_and_up(self):
        self.open()
        got, sent = [], 0
        with self.b.socket(kind=socket.SOCK_DGRAM) as taker, self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            taker.bind(("10.2.0.1", 0))
            taker.setblocking(False)

            def move(count, until=None):
                nonlocal sent
                end = time.monotonic() + DEADLINE
                for _ in itertools.count() if until else range(count):
                    giver.sendto(sent.to_bytes(4, "big"), taker.getsockname()[:2])
                    sent += 1
                    select.select([taker], [], [], 0.001)
                    while True:
                        try:
                            got.append(int.from_bytes(taker.recv(100), "big"))
                        except BlockingIOError:
                            break
                    if until and until():
                        return
                    self.assertLess(time.monotonic(), end)

            for _ in range(3):
                move(100)
                self.a.ip("link", "set", "cable", "down")
                move(100)
                self.a.ip("link", "set", "cable", "up")
                mark = sent
                move(0, until=lambda: got and got[-1] >= mark)
                self.wait_for_way("cable")
                move(200)
        self.assertEqual(got, sorted(set(got)))
        self.assertEqual(self.b.status()["in"]["dropped"].get("replayed", 0), 0)

    def test_a_link_that_is_created_again(self):
        self.open()
        for host in (self.a, self.b):
            host.ip("neigh", "flush", "dev", "cable")
        self.a.ip("link", "del", "cable")
        self.a.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.b.netns)
        for number, host in ((1, self.a), (2, self.b)):
            host.ip("addr", "add", f"192.0.2.{number}/24", "dev", "cable")
            host.ip("link", "set", "cable", "up")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)
        self.wait_for_way("cable")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 100), [100] * 100)

    def test_the_address_of_a_neighbour(self):
        """Frames have the address that the kernel would use."""
        self.open()
        right = self.b.ip("link", "show", "cable").split("link/ether ")[1].split()[0]
        self.a.ip("neigh", "replace", self.peer, "lladdr", "02:00:00:00:00:99", "dev", "cable")
        before = self.b.status()["in"]["packets"]
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5, 0), [])
        self.assertEqual(self.b.status()["in"]["packets"], before)
        self.a.ip("neigh", "replace", self.peer, "lladdr", right, "dev", "cable")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5), [100] * 5)

    def test_a_neighbour_is_confirmed_while_packets_leave(self):
        """There are no answers, and the kernel sends nothing itself: ipsecd lets it ask the neighbour again and again."""
        self.a.inside(lambda: [pathlib.Path(f"/proc/sys/net/ipv4/neigh/cable/{name}").write_text(value) for name, value in
                               (("base_reachable_time_ms", "1000"), ("delay_first_probe_time", "1"))])
        self.open()
        states, questions, arp = set(), 0, 0x0806
        asked = self.b.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp))
        self.addCleanup(asked.close)
        asked.bind(("cable", arp))
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            while questions < 3:
                frame = asked.recv(64)
                to_all, request = frame[:6] == b"\xff" * 6, frame[20:22] == b"\0\1"
                questions += request and not to_all
                states.add(self.way())
                stream.wait_for_more(1)
            self.intact(stream)
        self.assertEqual(states, {"cable"})


class Reasons(Roads):
    def test_why_packets_leave_by_the_raw_socket(self):
        self.a.ip("tuntap", "add", "dev", "other", "mode", "tun")
        self.a.ip("link", "set", "other", "up")
        self.a.ip("route", "add", "203.0.113.0/25", "dev", "other")
        self.a.ip("route", "add", "unreachable", "203.0.113.192/26")
        peers = {"203.0.113.1": "no_ethernet", "203.0.113.200": "no_route", "192.0.2.77": "no_neighbour"}
        for number, (peer, why) in enumerate(peers.items(), 1):
            self.a.load(f"add esp spi {0x3000 + number} src 192.0.2.1 dst {peer} isrc 10.1.0.0/16 idst 10.9.{number}.0/24 "
                        f"encralg aes-gcm encrkey 000102030405060708090a0b0c0d0e0f101112{number:02} outbound\n")
            self.a.ip("route", "add", f"10.9.{number}.0/24", "dev", "ipsec0", "src", "10.1.0.1")
            with self.subTest(why=why), self.a.socket(kind=socket.SOCK_DGRAM) as giver:
                giver.sendto(b"one", (f"10.9.{number}.1", 9))
                self.wait_for_way(why, peer)

    def test_packets_that_a_firewall_drops_do_not_leave(self):
        self.open()
        self.iptables("-A", "OUTPUT", "-p", "esp", "-j", "DROP")
        self.wait_for_way("firewall")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5, 0), [])
        self.iptables("-F", "OUTPUT")
        self.wait_for_way("cable")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5), [100] * 5)

    def test_answers_are_let_in_only_because_connections_are_followed(self):
        """ESP of the peer is accepted because the kernel saw ours."""
        self.open()
        self.iptables("-A", "INPUT", "-p", "esp", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
        self.iptables("-A", "INPUT", "-p", "esp", "-j", "DROP")
        self.wait_for_way("firewall")
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5), [100] * 5)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 5), [100] * 5)


class PastFirewall(Roads):
    options = ("--raw-way", "packet")

    def test_netfilter_closes_no_road(self):
        self.open()
        self.iptables("-A", "OUTPUT", "-p", "esp", "-j", "DROP")
        before = self.a.status().get("framed", 0)
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 50), [100] * 50)
        self.assertEqual(self.way(), "cable")
        self.assertEqual(self.a.status()["framed"] - before, 50)


class BySocket(Roads):
    options = ("--raw-way", "socket")

    def test_nothing_leaves_otherwise(self):
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 50), [100] * 50)
        self.assertEqual([key for key in self.a.status() if key in ("destinations", "framed")], [])


class Marked(Roads):
    """Rules of routing that name the mark of protected packets."""
    options = ("--mark", "80")

    def test_the_route_is_that_of_the_mark(self):
        self.spare()
        self.a.ip("route", "add", "192.0.2.2/32", "via", "198.51.100.2", "table", "80")
        self.open()
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            self.a.ip("rule", "add", "fwmark", "80", "table", "80")
            self.wait_for_way("spare")
            stream.wait_for_more(MANY)
            self.a.ip("rule", "del", "fwmark", "80", "table", "80")
            self.wait_for_way("cable")
            self.intact(stream)


class Threads(Changes):
    options = ("--workers", "2")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("roads_test.py makes network namespaces and needs root")
    unittest.main()
