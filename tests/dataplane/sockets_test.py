#!/usr/bin/env python3
"""Faults of ipsecd's device, its sockets and the links below them: the device disappears, a link is too slow, queues overflow,
a port is in use. Two network namespaces, an ipsecd in each."""
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from dataplane_test import Case, GCM, GCM_REST, IN_UDP, V6_ENDS, V6_INNER, both_ways
from hosts import BIN, DEADLINE, datagrams, echo, ip, wait_for


def ticks(pid):
    """The processor time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class DeviceGone(Case):
    """The device disappears: it is created again, which is logged."""
    options = ("--workers", "2")

    def setUp(self):
        super().setUp()
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)

    def is_back(self, times):
        wait_for("the device", lambda: self.a.status().get("device_made_again") == times)
        self.assertEqual(self.a.daemon.stderr.readline(),
                         "ipsecd: the device ipsec0 disappeared and was created again: its addresses, routes and other "
                         "settings are lost; set them again\n")
        self.assertIn("mtu 1380", self.a.ip("link", "show", "ipsec0", "up"))
        before = ticks(self.a.daemon.pid)
        self.pair.give_addresses(self.a)
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5), [100] * 5)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 5), [100] * 5)
        self.assertLess(ticks(self.a.daemon.pid) - before, os.sysconf("SC_CLK_TCK") / 2)

    def test_it_is_deleted(self):
        for times in (1, 2):
            self.a.ip("link", "del", "ipsec0")
            self.is_back(times)
        self.assertNotIn("device_made_again", self.b.status())

    def test_its_namespace_is_deleted(self):
        other = f"{self.a.netns}-other"
        ip("netns", "add", other)
        self.a.ip("link", "set", "ipsec0", "netns", other)
        ip("netns", "del", other)
        self.is_back(1)

    def test_its_name_is_taken(self):
        """Then ipsecd ends, with an error."""
        self.a.ip("link", "set", "ipsec0", "name", "other")
        self.a.ip("link", "add", "ipsec0", "type", "veth")
        self.a.ip("link", "del", "other")
        self.assertEqual(self.a.daemon.wait(60), 1)
        self.assertEqual(self.a.daemon.stderr.read(),
                         "ipsecd: the device ipsec0 disappeared and cannot be created again: cannot create the device ipsec0: Invalid "
                         "argument\n")


class SlowLink(Case):
    """The host's own link is slower than the traffic: ipsecd waits for it, and no protected packet is lost."""

    def tc(self, rate, limit):
        self.a.inside(lambda: subprocess.run(
            ["tc", "qdisc", "replace", "dev", "cable", "root", "tbf", "rate", rate, "burst", "64k", "limit", limit],
            check=True, timeout=DEADLINE))

    def test_tcp(self):
        self.tc("200mbit", "40m")
        for lines, address in ((both_ways(0x1000, GCM_REST), "10.2.0.1"),
                               (both_ways(0x1000, GCM_REST, V6_INNER, V6_ENDS), "fd02::1"),
                               (both_ways(0x1000, GCM_REST + IN_UDP), "10.2.0.1")):
            with self.subTest(lines=lines):
                self.pair.load(lines)
                echo(self.a, self.b, address, 40_000_000)
                self.assertEqual(self.a.status()["out"]["dropped"].get("unsent", 0), 0)
                for host in (self.a, self.b):
                    host.ipseckey("flush")

    def test_more_than_any_buffer_holds(self):
        """Packets that wait for the link also wait in the device's queue; packets in the other direction do not wait. Whole
        datagrams and those that leave in fragments."""
        self.tc("10mbit", "100m")
        for host in (self.a, self.b):
            host.ip("link", "set", "ipsec0", "mtu", "4100")
        ip_mtu_discover = 10
        for lines, size in ((both_ways(0x1000, GCM_REST), 1300), (both_ways(0x1000, GCM_REST), 4000),
                            (both_ways(0x1000, GCM_REST + IN_UDP), 1300)):
            with self.subTest(lines=lines, size=size):
                self.pair.load(lines)
                before = self.a.status()["out"]["packets"], self.b.status()["in"]["packets"]
                with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
                    giver.setsockopt(socket.IPPROTO_IP, ip_mtu_discover, 0)  # They may be fragmented.
                    for _ in range(8_000_000 // size):
                        giver.sendto(bytes(size), ("10.2.0.1", 9))
                wait_for("the link's queue", lambda: self.backlog() > 1_000_000)
                self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 20), [100] * 20)
                self.assertGreater(self.backlog(), 0)
                wait_for("the end of it", lambda: self.backlog() == 0)
                self.assertNotIn("unsent", self.a.status()["out"]["dropped"])
                sent = self.a.status()["out"]["packets"] - before[0]
                wait_for("all that was sent", lambda: self.b.status()["in"]["packets"] - before[1] >= sent)
                for host in (self.a, self.b):
                    host.ipseckey("flush")

    def test_the_queue_of_the_link_is_full(self):
        """No socket reports this: sending is retried after a pause, nothing is lost, and no processor is busy with it."""
        self.tc("10mbit", "60k")
        self.pair.load(both_ways(0x1000, GCM_REST))
        count = 2000
        before, used, began = self.b.status()["in"]["packets"], ticks(self.a.daemon.pid), time.monotonic()
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            for _ in range(count):
                giver.sendto(bytes(1300), ("10.2.0.1", 9))
        wait_for("all of it", lambda: self.b.status()["in"]["packets"] - before >= count)
        share = (ticks(self.a.daemon.pid) - used) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
        self.assertLess(share, 0.4)
        self.assertNotIn("unsent", self.a.status()["out"]["dropped"])

    def test_a_blocked_link(self):
        """ipsecd does not wait without end: packets that the link does not accept are dropped, and counted."""
        self.tc("8kbit", "100m")
        self.pair.load(both_ways(0x1000, GCM_REST))
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            for _ in range(20_000):
                giver.sendto(bytes(1300), ("10.2.0.1", 9))
        wait_for("the drops", lambda: self.a.status()["out"]["dropped"].get("unsent", 0) > 0)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 20), [100] * 20)
        self.a.inside(lambda: subprocess.run(["tc", "qdisc", "del", "dev", "cable", "root"], check=True, timeout=DEADLINE))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 20), [100] * 20)

    def backlog(self):
        """Bytes that wait for the link."""
        shown = self.a.inside(lambda: subprocess.run(["tc", "-s", "-j", "qdisc", "show", "dev", "cable"], check=True,
                                                     capture_output=True, text=True, timeout=DEADLINE).stdout)
        return json.loads(shown)[0]["backlog"]


class Overruns(Case):
    """Losses in a queue before ipsecd reads it are counted, too."""
    options = ("--no-offload",)  # With it the kernel counts a piece of many datagrams as one.

    def give(self, count):
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            for _ in range(count):
                giver.sendto(bytes(1000), ("10.2.0.1", 9))

    def stopped(self, host):
        host.daemon.send_signal(signal.SIGSTOP)
        self.addCleanup(host.daemon.send_signal, signal.SIGCONT)
        wait_for("the end of its work", lambda: "\nState:\tT" in pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text())

    def overrun(self, host, way, before):
        """The number of further such drops, once there are any."""
        def count():
            return host.status()[way]["dropped"].get("overrun", 0) - before
        wait_for("overruns", lambda: count() > 0)
        return count()

    def test_the_queue_of_the_device(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        for times in (1, 2):  # The second device is another one, and its count starts from zero.
            before = self.a.status()["out"]
            self.stopped(self.a)
            self.give(7000)
            self.a.daemon.send_signal(signal.SIGCONT)
            lost = self.overrun(self.a, "out", before["dropped"].get("overrun", 0))
            self.assertIn(lost, range(2000, 2010))  # Now and then the host also looks for IPv6 routers.
            wait_for("the others", lambda: self.a.status()["out"]["packets"] - before["packets"] + lost >= 7000)
            if times == 1:
                self.a.ip("link", "del", "ipsec0")
                wait_for("the device", lambda: self.a.status().get("device_made_again") == 1)
                self.pair.give_addresses(self.a)
                self.assertEqual(self.a.status()["out"]["dropped"]["overrun"], lost)

    def test_the_sockets(self):
        for lines in (both_ways(0x1000, GCM_REST), both_ways(0x1000, GCM_REST, ends=V6_ENDS),
                      both_ways(0x1000, GCM_REST + IN_UDP)):
            with self.subTest(lines=lines):
                self.pair.load(lines)
                echo(self.a, self.b, "10.2.0.1", 1000)  # The hosts have resolved one another on the cable.
                out, into = self.a.status()["out"]["packets"], self.b.status()["in"]
                self.stopped(self.b)
                for sent in range(400, 12001, 400):  # No more at a time than fits in the cable's queue.
                    self.give(400)
                    wait_for("the packets", lambda: self.a.status()["out"]["packets"] - out == sent)
                self.b.daemon.send_signal(signal.SIGCONT)
                lost = self.overrun(self.b, "in", into["dropped"].get("overrun", 0))
                wait_for("the others", lambda: self.b.status()["in"]["packets"] - into["packets"] + lost == 12000)
                for host in (self.a, self.b):
                    host.ipseckey("flush")
                self.assertEqual(self.b.status()["in"]["dropped"]["overrun"], into["dropped"].get("overrun", 0) + lost)


class BusyPort(Case):
    """Another program has the UDP port of an SA: ipsecd receives its ESP alongside it, and takes the port when it is free."""
    options = ("--workers", "2")

    def hold(self, host):
        """Port 4500 of both families."""
        sockets = []
        for family in (socket.AF_INET, socket.AF_INET6):
            sockets.append(host.socket(family, socket.SOCK_DGRAM))
            if family == socket.AF_INET6:
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sockets[-1].bind(("", 4500))
            self.addCleanup(sockets[-1].close)
        return sockets

    def carries(self):
        """TCP, whose long packets cross this cable as blocks of many datagrams, and single datagrams. At a handover a packet
        may arrive both ways: the second is `replayed`, or `late` if the window has advanced meanwhile."""
        for address in ("10.2.0.1", "fd02::1"):
            echo(self.a, self.b, address, 3_000_000)
            self.assertEqual(datagrams(self.b, self.a, address.replace("2", "1"), [1, 100, 1300]), [1, 100, 1300])
        for host in (self.a, self.b):
            self.assertLessEqual(set(host.status()["in"]["dropped"]), {"replayed", "late"})
        self.assertEqual(self.cable.protocols(), {17})

    def test_it_is_used_when_it_becomes_free(self):
        holders = [*self.hold(self.a), *self.hold(self.b)]
        rest = GCM_REST + IN_UDP + " replay 64"
        self.pair.load(both_ways(0x1000, rest) + both_ways(0x2000, rest, V6_INNER, V6_ENDS))
        for host in (self.a, self.b):
            self.assertEqual(host.daemon.stderr.readline(),
                             "ipsecd: cannot listen on UDP port 4500: Address already in use: packets for SAs are received "
                             "alongside the program that has the port, one at a time, until the port is free\n")
            self.assertEqual(host.status()["busy_udp_ports"], [{"port": 4500}])
        self.carries()
        holders.pop().close()  # For one family: not all ports are free yet.
        self.carries()
        self.assertEqual(self.b.status()["busy_udp_ports"], [{"port": 4500}])
        for holder in holders:
            holder.close()
        for host in (self.a, self.b):
            self.assertEqual(host.daemon.stderr.readline(), "ipsecd: UDP port 4500 is free now; ipsecd uses it\n")
            self.assertNotIn("busy_udp_ports", host.status())
            with self.assertRaises(OSError):
                self.hold(host)
        self.carries()
        for host in (self.a, self.b):
            host.ipseckey("flush")
        self.hold(self.a)  # Without an SA it is for neither program.

    def test_the_holder_gets_its_own_packets(self):
        """Packets with the non-ESP marker; none of them reaches an SA."""
        holder = self.hold(self.b)[0]
        self.pair.load(both_ways(0x1000, GCM_REST + IN_UDP))
        before = self.b.status()["in"]
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            giver.sendto(bytes(4) + b"a message of IKE", ("192.0.2.2", 4500))
        self.assertEqual(holder.recv(100), bytes(4) + b"a message of IKE")
        echo(self.a, self.b, "10.2.0.1", 1000)
        self.assertEqual(self.b.status()["in"]["dropped"], before["dropped"])


class Nat:
    """In front of host a, whose namespace it shares: packets to 192.0.2.3, port 4600, leave for b from an address and a port
    that may change, and back."""

    def __init__(self, host):
        self.host, self.ended = host, threading.Event()
        for last in (3, 4, 5):
            host.ip("addr", "add", f"192.0.2.{last}/32", "dev", "cable")
        self.inside = host.socket(kind=socket.SOCK_DGRAM)
        self.inside.bind(("192.0.2.3", 4600))
        self.outside, self.last = None, None
        self.show("192.0.2.4", 40000)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def socket_at(self, *place):
        s = self.host.socket(kind=socket.SOCK_DGRAM)
        s.bind(place)
        return s

    def show(self, *place):
        """Another place from now on. Packets to the old one are lost."""
        old, self.outside = self.outside, self.socket_at(*place)
        if old:
            old.close()

    def replay(self, *place):
        """A copy of the last packet that left, from there."""
        with self.socket_at(*place) as s:
            s.sendto(self.last, ("192.0.2.2", 4500))

    def run(self):
        while not self.ended.is_set():
            outside = self.outside
            try:
                ready, _, _ = select.select([self.inside, outside], [], [], 0.1)
                if self.inside in ready:
                    self.last = self.inside.recv(65536)
                    self.outside.sendto(self.last, ("192.0.2.2", 4500))
                if outside in ready:
                    self.inside.sendto(outside.recv(65536), ("192.0.2.1", 4500))
            except (OSError, ValueError):  # It was closed meanwhile.
                continue

    def close(self):
        self.ended.set()
        self.thread.join()
        self.inside.close()
        self.outside.close()


class NatFollow(Case):
    """The NAT in front of the peer changes its port or address: a listener is notified, and packets follow."""
    options = ("--nat-follow",)
    follows = True
    words = ""

    def setUp(self):
        super().setUp()
        self.nat = Nat(self.a)
        self.addCleanup(self.nat.close)
        way = {"a": "isrc 10.1.0.0/16 idst 10.2.0.0/16", "b": "isrc 10.2.0.0/16 idst 10.1.0.0/16"}
        rest = f"encralg aes-gcm encrkey {GCM}"
        behind, before = "encap udp nat_lport 4500 nat_rport 4600", "encap udp nat_lport 4500 nat_rport 40000"
        self.a.load(f"add esp spi 0x1000 src 192.0.2.1 dst 192.0.2.3 {way['a']} {rest}01 {behind} outbound\n"
                    f"add esp spi 0x1001 src 192.0.2.3 dst 192.0.2.1 {way['b']} {rest}02 {behind} replay 64 inbound\n")
        self.b.load(f"add esp spi 0x1000 src 192.0.2.4 dst 192.0.2.2 {way['a']} {rest}01 {before} replay 64 inbound\n"
                    f"add esp spi 0x1001 src 192.0.2.2 dst 192.0.2.4 {way['b']} {rest}02 {before}{self.words} outbound\n")
        self.monitor = subprocess.Popen([BIN / "ipseckey", "--json", "--sadb", f"ipsecd:{self.b.pfkey}", "monitor"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.monitor.stdout.close)
        self.addCleanup(self.monitor.wait)
        self.addCleanup(self.monitor.kill)
        wait_for("the monitor", lambda: self.b.status()["clients"] == 1)

    def test_it_uses_another_address_or_port(self):
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 3), [100] * 3)
        for place in (("192.0.2.4", 41000), ("192.0.2.5", 42000)):
            self.nat.show(*place)
            self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)
            heard = next(json.loads(line) for line in self.monitor.stdout if "MAPPING" in line)
            self.assertEqual((heard["type"], heard["spi"], heard["src"]["address"], heard["dst"]["address"], heard["nat_rem"]),
                             ("X_NAT_T_NEW_MAPPING", 0x1000, "192.0.2.4", "192.0.2.2",
                              {"address": place[0], "prefix": 0, "proto": 17, "port": place[1]}))
            arrive = 3 if self.follows else 0
            self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 3, arrive), [100] * arrive)
            before = self.b.status()["in"]["dropped"].get("replayed", 0)
            self.nat.replay("192.0.2.3", 43000)
            wait_for("the copy", lambda: self.b.status()["in"]["dropped"].get("replayed", 0) > before)
            self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 3, arrive), [100] * arrive)


class NatToldOnly(NatFollow):
    options = ()
    follows = False


class NatKeepalives(NatFollow):
    """Keepalives for the NAT go to the place that was learnt."""
    words = " keepalive 1"

    def test_it_uses_another_address_or_port(self):
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100]), [100])
        self.nat.show("192.0.2.5", 42000)
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100]), [100])
        before = self.a.status()["in"]["dropped"].get("keep_alive", 0)
        wait_for("a keepalive", lambda: self.a.status()["in"]["dropped"].get("keep_alive", 0) > before)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("sockets_test.py makes network namespaces and needs root")
    unittest.main()
