#!/usr/bin/env python3
"""Links with a smaller MTU than --mtu, and datagrams that the host's stack fragments: nothing is lost."""
import errno
import hmac
import os
import pathlib
import socket
import struct
import sys
import threading
import unittest

from dataplane_test import AH, AH_REST, CBC_REST, Case, ESP, GCM_REST, IN_UDP, V6_ENDS, V6_INNER, both_ways
from hosts import Capture, Host, checksum, echo, family_of, wait_for

NARROW = 1400  # The cable's MTU, from one moment on.


IP_MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}
DONT, WANT, DO = 0, 1, 2  # Whether a program's packets must not be fragmented.
MTU = {socket.AF_INET: 14, socket.AF_INET6: 24}  # The option that reports what the host knows about a path.


def all_arrive(client, server, address, sizes, discover):
    """Sends UDP datagrams of the sizes, each after the previous one has arrived, so that what the hosts learn takes effect."""
    family = family_of(address)
    with server.socket(family, socket.SOCK_DGRAM) as taker, client.socket(family, socket.SOCK_DGRAM) as giver:
        giver.setsockopt(*IP_MTU_DISCOVER[family], discover)
        taker.bind((address, 0))
        for size in sizes:
            data = bytes(i & 0xff for i in range(size))
            giver.sendto(data, taker.getsockname()[:2])
            if taker.recv(65536) != data:
                return False
    return True


def refuses(giver, size):
    """Whether the socket knows that a datagram of the size is too long."""
    try:
        giver.send(bytes(size))
    except OSError as error:
        return error.errno == errno.EMSGSIZE
    return False


def teller(packet):
    """The sender of a packet that reports another as too long; None: it is not such a report."""
    v4, too_big = packet[0] >> 4 == 4, {4: (9, 20, 1, b"\3\4"), 6: (6, 40, 58, b"\2\0")}[packet[0] >> 4]
    at, header, protocol, kind = too_big
    if packet[at] != protocol or packet[header:header + 2] != kind:
        return None
    return socket.inet_ntop(*((socket.AF_INET, packet[12:16]) if v4 else (socket.AF_INET6, packet[8:24])))


class OnACable(Case):
    def load(self, lines):
        for host in (self.a, self.b):
            host.ipseckey("flush")
            host.ip("-4", "route", "flush", "cache")
            host.ip("-6", "route", "flush", "cache")
        self.pair.load(lines)

    def alone(self):
        """Fragments are made before they are captured."""
        for host in (self.a, self.b):
            host.ip("link", "set", "cable", "gso_max_segs", "1")

    def narrow(self, mtu=NARROW):
        for host in (self.a, self.b):
            host.ip("link", "set", "cable", "mtu", str(mtu))

    def learns(self, host, address, size):
        """Sends datagrams that must not be fragmented until the host knows that they are too long; returns the size that it
        says fits."""
        family = family_of(address)
        level, name = IP_MTU_DISCOVER[family]
        with host.socket(family, socket.SOCK_DGRAM) as giver:
            giver.setsockopt(level, name, DO)
            giver.connect((address, 9))
            wait_for("the answer", lambda: refuses(giver, size))
            return giver.getsockopt(level, MTU[family])


class NarrowLink(OnACable):
    """The cable's MTU becomes smaller than --mtu while everything runs."""

    def setUp(self):
        super().setUp()
        self.alone()

    kinds = ((both_ways(0x1000, GCM_REST), "10.2.0.1"),
             (both_ways(0x1000, CBC_REST, V6_INNER), "fd02::1"),
             (both_ways(0x1000, GCM_REST, ends=V6_ENDS), "10.2.0.1"),
             (both_ways(0x1000, CBC_REST, V6_INNER, V6_ENDS), "fd02::1"),
             (both_ways(0x1000, AH_REST, kind="ah"), "10.2.0.1"),
             (both_ways(0x1000, AH_REST, V6_INNER, V6_ENDS, kind="ah"), "fd02::1"),
             (both_ways(0x1000, GCM_REST + IN_UDP), "10.2.0.1"),
             (both_ways(0x1000, GCM_REST + IN_UDP, V6_INNER), "fd02::1"),
             (both_ways(0x1000, GCM_REST + IN_UDP, ends=V6_ENDS), "10.2.0.1"),
             (both_ways(0x1000, CBC_REST + IN_UDP, V6_INNER, V6_ENDS), "fd02::1"))

    def test_nothing_is_lost(self):
        """Datagrams of every size, and TCP, sent before the link's MTU is known and after it."""
        sizes = [1, 1312, 1313, 1340, 1352, 1353, 1372, 1373, 3000, 20_000, 1372, 1340]
        for lines, address in self.kinds:
            with self.subTest(lines=lines):
                self.narrow(1500)
                self.load(lines)
                echo(self.a, self.b, address, 10_000)
                self.narrow()
                self.cable.packets()
                self.assertTrue(all_arrive(self.a, self.b, address, [1320], DO))
                self.learns(self.a, address, 1330)
                self.assertTrue(all_arrive(self.a, self.b, address, sizes, DONT))
                echo(self.a, self.b, address, 1_000_000)
                self.assertLessEqual(max(map(len, self.cable.packets())), NARROW)
                for host in (self.a, self.b):
                    self.assertNotIn("unsent", host.status()["out"]["dropped"])

    def test_many_datagrams_in_one_piece(self):
        """Every datagram that the stack passes in one piece (UDP segmentation offload) arrives."""
        udp_segment, sizes = 103, [1325] * 20 + [700]
        for lines, address in (self.kinds[0], self.kinds[3], self.kinds[6]):
            with self.subTest(lines=lines):
                self.narrow(1500)
                self.load(lines)
                self.narrow()
                family = family_of(address)
                with self.b.socket(family, socket.SOCK_DGRAM) as taker, self.a.socket(family, socket.SOCK_DGRAM) as giver:
                    taker.bind((address, 0))
                    giver.setsockopt(socket.IPPROTO_UDP, udp_segment, sizes[0])
                    giver.sendto(bytes(sum(sizes)), taker.getsockname()[:2])
                    self.assertEqual([len(taker.recv(65536)) for _ in sizes], sizes)

    def test_the_sender_learns_the_size_that_fits(self):
        """The same number as a kernel with IPsec reports: 1400 less outer header, SPI and number, IV, ICV; in fours, less 2."""
        for lines, address, size, fits in ((*self.kinds[0], 1320, 1346), (*self.kinds[2], 1320, 1326),
                                           (*self.kinds[3], 1320, 1310), (*self.kinds[6], 1320, 1338)):
            with self.subTest(lines=lines):
                self.narrow(1500)
                self.load(lines)
                self.narrow()
                self.assertEqual(self.learns(self.a, address, size), fits)


class OtherWords(OnACable):
    """Features of an SA besides protection: df, bundle, keepalive."""

    def test_df_clear_lets_packets_be_fragmented_for_a_small_mtu(self):
        self.alone()
        self.narrow()
        self.load(both_ways(0x1000, GCM_REST + " df clear"))
        self.assertTrue(all_arrive(self.a, self.b, "10.2.0.1", [1, 1310, 1340, 1352, 1352], DO))
        self.assertLessEqual(max(map(len, self.cable.packets())), NARROW)
        self.assertNotIn("too_big", self.a.status()["out"]["dropped"])

    def test_a_bundle_is_ah_around_esp(self):
        ah = both_ways(0x2000, AH_REST + " bundle 1", ("", ""), kind="ah")
        self.load(both_ways(0x1000, GCM_REST + " bundle 1") + ah)
        self.cable.packets()
        echo(self.a, self.b, "10.2.0.1")
        self.assertEqual(self.cable.protocols(), {AH})
        self.load(both_ways(0x1000, GCM_REST + " bundle 1"))
        self.cable.packets()
        with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
            giver.sendto(b"half", ("10.2.0.1", 9))
        wait_for("the drop", lambda: self.a.status()["out"]["dropped"].get("bundle"))
        self.assertEqual(self.cable.protocols(), set())

    def test_keepalives_arrive_and_are_dropped(self):
        self.load(both_ways(0x1000, GCM_REST + IN_UDP + " keepalive 1"))
        wait_for("a keepalive", lambda: self.b.status()["in"]["dropped"].get("keep_alive"))
        self.assertGreater(self.a.status()["keepalives"], 0)
        self.assertEqual(self.a.status()["out"]["packets"], 0)
        # Without a route they are counted, but not as sent.
        self.a.ip("link", "set", "cable", "down")
        wait_for("one that is refused", lambda: self.a.status()["out"]["dropped"].get("unsent"))
        before = self.a.status()
        wait_for("another", lambda: self.a.status()["out"]["dropped"]["unsent"] > before["out"]["dropped"]["unsent"])
        self.assertEqual(self.a.status()["keepalives"], before["keepalives"])


class Gateway(OnACable):
    """A host c behind a: 10.1.5.2 and fd01:0:5::2; a has 10.1.5.1 and fd01:0:5::1 there."""

    def setUp(self):
        super().setUp()
        self.c = Host("c", self.pair.a.folder)
        self.addCleanup(self.c.gone)
        self.a.ip("link", "add", "inside", "type", "veth", "peer", "name", "outside", "netns", self.c.netns)
        for host, device, number in ((self.a, "inside", 1), (self.c, "outside", 2)):
            host.ip("addr", "add", f"10.1.5.{number}/24", "dev", device)
            host.ip("addr", "add", f"fd01:0:5::{number}/64", "dev", device, "nodad")
            host.ip("link", "set", device, "up")
        self.c.ip("route", "add", "default", "via", "10.1.5.1")
        self.c.ip("-6", "route", "add", "default", "via", "fd01:0:5::1")
        self.a.inside(lambda: [pathlib.Path(file).write_text("1") for file in
                               ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")])
        self.narrow()

    # covers RFC4301-5.1.2.2-1
    def test_flow_labels_are_copied_only_for_the_host_itself(self):
        self.narrow(1500)
        self.pair.load(both_ways(0x1000, GCM_REST, ("isrc ::/0 idst fd02::/32", "isrc fd02::/32 idst ::/0"), V6_ENDS))
        for host, source, copied in ((self.c, "fd01:0:5::2", False), (self.a, V6_ENDS[0], True)):
            with self.subTest(source=source), host.socket(socket.AF_INET6, socket.SOCK_DGRAM) as giver:
                autoflowlabel = 70
                giver.setsockopt(socket.IPPROTO_IPV6, autoflowlabel, 1)
                giver.bind((source, 0))
                self.cable.packets()
                giver.sendto(b"label", ("fd02::1", 9))
                labels = []
                wait_for("the packet", lambda: labels.extend(
                    int.from_bytes(p[1:4], "big") & 0xfffff for p in self.cable.packets()
                    if p[0] >> 4 == 6 and p[6] == ESP and p[8:24] == socket.inet_pton(socket.AF_INET6, V6_ENDS[0]))
                    or labels)
                self.assertEqual([label != 0 for label in labels], [copied])

    def test_it_answers_from_its_own_address(self):
        for lines, address, own, fits in ((both_ways(0x1000, GCM_REST), "10.2.0.1", "10.1.5.1", 1346),
                                          (both_ways(0x1000, GCM_REST, V6_INNER), "fd02::1", "fd01:0:5::1", 1346)):
            with self.subTest(address=address):
                self.pair.load(lines)
                family = family_of(address)
                capture = Capture(self.c, "outside")
                self.addCleanup(capture.close)
                with self.c.socket(family, socket.SOCK_DGRAM) as giver:
                    giver.setsockopt(*IP_MTU_DISCOVER[family], DO)
                    giver.connect((address, 9))
                    wait_for("the answer", lambda: refuses(giver, 1325))
                    self.assertEqual(giver.getsockopt(IP_MTU_DISCOVER[family][0], MTU[family]), fits)
                self.assertEqual({teller(p) for p in capture.packets()} - {None}, {own})
                for host in (self.a, self.b):
                    host.ipseckey("flush")


TRANSPORT = (GCM_REST, CBC_REST, AH_REST, GCM_REST + IN_UDP)


class Transport(OnACable):
    """The hosts' own addresses: the stack fragments what exceeds the device's MTU before ipsecd sees it."""
    options = ("--mark", "80")

    def setUp(self):
        super().setUp()
        for host, here, there in ((self.a, 1, 2), (self.b, 2, 1)):
            for family, net in (("-4", "192.0.2."), ("-6", "2001:db8::")):
                host.ip(family, "rule", "add", "not", "fwmark", "80", "table", "50")
                host.ip(family, "route", "add", f"{net}{there}", "dev", "ipsec0", "src", f"{net}{here}", "table", "50")

    def test_datagrams_of_every_size(self):
        sizes = [1, 1352, 1353, 1380, 1400, 1444, 1445, 1472, 3000, 8000, 65_000]
        for ends in (("192.0.2.1", "192.0.2.2"), V6_ENDS):
            for rest in TRANSPORT:
                for more in ("", " proto udp"):
                    with self.subTest(ends=ends, rest=rest + more):
                        kind = "ah" if rest == AH_REST else "esp"
                        self.load(both_ways(0x1000, rest + more, ("", ""), ends, kind))
                        self.cable.packets()
                        self.assertTrue(all_arrive(self.a, self.b, ends[1], sizes, DONT))
                        self.assertTrue(all_arrive(self.b, self.a, ends[0], sizes, WANT))
                        self.assertLessEqual(max(map(len, self.cable.packets())), 1500)
                        self.assertEqual(self.a.status()["out"]["dropped"].get("fragment", 0), 0)

    def test_over_a_narrow_link(self):
        """The smallest MTU that IPv6 allows: datagrams above a lower limit leave in fragments, and nothing is lost."""
        self.alone()
        self.narrow(1280)
        for ends, rest, kind in ((("192.0.2.1", "192.0.2.2"), GCM_REST, "esp"), (V6_ENDS, CBC_REST, "esp"),
                                 (V6_ENDS, AH_REST, "ah"), (("192.0.2.1", "192.0.2.2"), GCM_REST + IN_UDP, "esp")):
            with self.subTest(ends=ends, rest=rest):
                self.load(both_ways(0x1000, rest, ("", ""), ends, kind))
                self.cable.packets()
                self.assertTrue(all_arrive(self.a, self.b, ends[1], [1, 1232], DO))
                self.learns(self.a, ends[1], 1330)
                self.assertTrue(all_arrive(self.a, self.b, ends[1], [1, 1220, 1232, 1240, 1300, 3000, 60_000], DONT))
                echo(self.a, self.b, ends[1], 500_000)
                self.assertLessEqual(max(map(len, self.cable.packets())), 1280)
                self.assertNotIn("unsent", self.a.status()["out"]["dropped"])

    def longest(self, address, size):
        """The longest packet on the cable for a datagram of the size."""
        self.cable.packets()
        self.assertTrue(all_arrive(self.a, self.b, address, [size], DONT))
        return max(map(len, self.cable.packets()))

    def test_after_a_router_reported_1280(self):
        """IPv6: the host then fragments for 1280 bytes, and the protected fragments are longer."""
        spi = 0x1000
        for rest, kind, protocol in ((CBC_REST, "esp", ESP), (AH_REST, "ah", AH)):
            with self.subTest(kind=kind):
                self.load(both_ways(spi, rest, ("", ""), V6_ENDS, kind))
                ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in V6_ENDS)
                quoted = struct.pack("!IHBB", 6 << 28, 1460, protocol, 64) + ends + (
                    struct.pack("!II", spi, 1) if kind == "esp" else struct.pack("!BBHII", 17, 14, 0, spi, 1))
                with self.b.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
                    s.sendto(struct.pack("!BBHI", 2, 0, 0, 1280) + quoted, (V6_ENDS[0], 0))
                self.assertEqual(self.learns(self.a, V6_ENDS[1], 1330), 1280)
                wait_for("ipsecd, which hears of it beside the host", lambda: self.longest(V6_ENDS[1], 1232) <= 1280)
                self.assertTrue(all_arrive(self.a, self.b, V6_ENDS[1], [1, 1200, 1232, 1233, 1352, 3000, 60_000], DONT))
                self.assertLessEqual(max(map(len, self.cable.packets())), 1280)
                self.assertEqual(self.a.status()["out"]["dropped"].get("fragment", 0), 0)

    def test_many_senders_at_once(self):
        self.pair.load(both_ways(0x1000, GCM_REST, ("", ""), ("192.0.2.1", "192.0.2.2")))
        arrived = []
        threads = [threading.Thread(target=lambda: arrived.append(
            all_arrive(self.a, self.b, "192.0.2.2", [3000 + i for i in range(50)], DONT))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(arrived, [True] * 8)


class TransportThreads(Transport):
    options = ("--mark", "80", "--workers", "2")


class Padding(Case):
    def test_padding_after_a_datagram_in_transport_mode_behind_a_nat(self):
        """RFC 4303 section 2.7: the checksum is recomputed without the padding that the peer added against traffic analysis."""
        spi, key = 0x1001, bytes(range(32))
        self.a.load(f"add esp spi {spi} src 192.0.2.2 dst 192.0.2.1 encralg null authalg sha256 authkey {key.hex()}"
                    + IN_UDP + "\n")
        with self.a.socket(kind=socket.SOCK_DGRAM) as taker, self.b.socket(kind=socket.SOCK_DGRAM) as giver:
            taker.bind(("192.0.2.1", 0))
            giver.bind(("192.0.2.2", 4500))
            for number, padding in enumerate((0, 8, 9), 1):
                data = b"datagram" * 4
                inner = struct.pack("!HHHH", 7, taker.getsockname()[1], 8 + len(data), 0x1234) + data + bytes(padding)
                trail = bytes(range(1, 1 + -(len(inner) + 2) % 4))
                packet = struct.pack("!II", spi, number) + inner + trail + bytes((len(trail), socket.IPPROTO_UDP))
                giver.sendto(packet + hmac.digest(key, packet, "sha256")[:16], ("192.0.2.1", 4500))
                self.assertEqual(taker.recvfrom(100), (data, ("192.0.2.2", 7)))


def summed(message):
    """An ICMP message with its checksum."""
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


class ForgedReports(Case):
    """An attacker sends "fragmentation needed" for packets from a to b."""

    def forge(self, spi, mtu):
        """Returns when a's kernel has received it."""
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, 1, 0x4000, 64, ESP, 0, socket.inet_aton("192.0.2.1"),
                             socket.inet_aton("192.0.2.2"))
        before = self.heard()
        with self.b.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_ICMP) as s:
            s.sendto(summed(struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + header + struct.pack("!II", spi, 1)),
                     ("192.0.2.1", 0))
        wait_for("the report", lambda: self.heard() > before)

    def heard(self):
        """The kernel's counter in a of ICMP errors of the type "unreachable"."""
        names, numbers = (line.split() for line in self.a.inside(lambda: pathlib.Path("/proc/thread-self/net/snmp")
                          .read_text()).splitlines() if line.startswith("Icmp:"))
        return int(numbers[names.index("InDestUnreachs")])

    def lengths(self, discover):
        """The number of ESP packets for a datagram of 1300 bytes."""
        self.cable.packets()
        self.assertTrue(all_arrive(self.a, self.b, "10.2.0.1", [1300], discover))
        return [len(p) for p in self.cable.packets() if p[9] == ESP]

    def test_a_report_about_an_unknown_sa(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        whole = self.lengths(DONT)
        self.forge(0x9999, 552)
        self.assertEqual(self.lengths(DONT), whole)
        self.assertEqual(len(whole), 1)

    def test_a_report_about_the_right_sa_has_a_minimum(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.forge(0x1000, 68)
        wait_for("its effect", lambda: len(self.lengths(DONT)) > 1)
        # ESP of 1328 octets: 8 and 8 before, padding and length and next header up to 1332, 16 behind; fragmented for 552.
        self.assertEqual(self.lengths(DONT), [548, 548, 20 + 1364 - 2 * 528])
        echo(self.a, self.b, "10.2.0.1")


class NoReports(ForgedReports):
    options = ("--no-path-reports",)

    def test_a_report_about_the_right_sa_has_a_minimum(self):
        """They are ignored completely."""
        self.pair.load(both_ways(0x1000, GCM_REST))
        whole = self.lengths(DO)
        self.forge(0x1000, 68)
        self.assertEqual(self.lengths(DO), whole)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("links_test.py makes network namespaces and needs root")
    unittest.main()
