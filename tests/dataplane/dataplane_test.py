#!/usr/bin/env python3
"""ipsecd carries packets between two hosts that are network namespaces: which packets arrive, what crosses the cable, what is
counted. The host's kernel needs TUN and namespaces but no IPsec."""
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import unittest

from hosts import BIN, Capture, DEADLINE, Pair, Stream, datagrams, echo, family_of, protocols, wait_for

GCM = "000102030405060708090a0b0c0d0e0f101112"
ESP, AH, UDP = 50, 51, 17


def both_ways(spi, rest, inner=("isrc 10.1.0.0/16 idst 10.2.0.0/16", "isrc 10.2.0.0/16 idst 10.1.0.0/16"),
              ends=("192.0.2.1", "192.0.2.2"), kind="esp", keys=True):
    """A pair of SAs between a and b. `rest` has KEY as the last octet of a key, so that the two differ."""
    lines = ""
    for number, (src, dst, inside) in enumerate(((*ends, inner[0]), (*reversed(ends), inner[1]))):
        lines += f"add {kind} spi {spi + number} src {src} dst {dst} {inside} {rest.replace('KEY', f'{number:02x}')}\n"
    return lines


GCM_REST = f"encralg aes-gcm encrkey {GCM}KEY"
CBC_REST = ("encralg aes encrkey 000102030405060708090a0b0c0d0eKEY "
            "authalg sha256 authkey 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eKEY")
AH_REST = "authalg sha512 authkey " + "ab" * 63 + "KEY"
V6_INNER = ("isrc fd01::/32 idst fd02::/32", "isrc fd02::/32 idst fd01::/32")
V6_ENDS = ("2001:db8::1", "2001:db8::2")


class Case(unittest.TestCase):
    options = ()

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.pair.start(*self.options)
        self.a, self.b = self.pair.a, self.pair.b
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)


class Tunnels(Case):
    """Each kind of SA: TCP both ways, only its protocol on the cable, nothing without it."""

    def carries(self, lines, address, protocol):
        self.pair.load(lines)
        self.cable.packets()
        echo(self.a, self.b, address)
        self.assertEqual(self.cable.protocols(), {protocol})
        for host in (self.a, self.b):
            status = host.status()
            self.assertGreater(status["out"]["packets"], 100)
            self.assertGreater(status["in"]["packets"], 100)
            host.ipseckey("flush")

    # covers RFC4301-4.1-10
    def test_every_kind(self):
        for lines, address, protocol in (
                (both_ways(0x1000, GCM_REST), "10.2.0.1", ESP),
                (both_ways(0x1000, CBC_REST + " replay 64"), "10.2.0.1", ESP),
                (both_ways(0x1000, GCM_REST, V6_INNER), "fd02::1", ESP),
                (both_ways(0x1000, GCM_REST, ends=V6_ENDS), "10.2.0.1", ESP),
                (both_ways(0x1000, CBC_REST, V6_INNER, V6_ENDS), "fd02::1", ESP),
                (both_ways(0x1000, AH_REST, kind="ah"), "10.2.0.1", AH),
                (both_ways(0x1000, AH_REST, V6_INNER, V6_ENDS, kind="ah"), "fd02::1", AH),
                (both_ways(0x1000, GCM_REST + IN_UDP), "10.2.0.1", UDP),
                (both_ways(0x1000, GCM_REST + IN_UDP, ends=V6_ENDS), "10.2.0.1", UDP),
                (both_ways(0x1000, CBC_REST + IN_UDP, V6_INNER, V6_ENDS), "fd02::1", UDP),
        ):
            with self.subTest(lines=lines):
                self.carries(lines, address, protocol)

    def test_a_key_manager_is_notified_of_packets_without_an_sa(self):
        monitor = subprocess.Popen([BIN / "ipseckey", "--json", "--sadb", f"ipsecd:{self.a.pfkey}", "monitor"],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(monitor.stdout.close)
        self.addCleanup(monitor.wait)
        self.addCleanup(monitor.kill)
        wait_for("the monitor", lambda: self.a.status()["clients"] == 1)
        datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0)
        heard = next(json.loads(line) for line in monitor.stdout if "acquire" in line.lower())
        self.assertIn("10.2.0.1", json.dumps(heard))

    def test_nothing_leaves_without_an_sa(self):
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0), [])
        self.assertEqual(self.cable.protocols(), set())
        self.assertGreaterEqual(self.a.status()["out"]["dropped"]["no_sa"], 1)

    def test_a_flush_ends_it(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        echo(self.a, self.b, "10.2.0.1", 1000)
        self.a.ipseckey("flush")
        self.cable.packets()
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100], arrive=0), [])
        self.assertEqual(self.cable.protocols(), set())

    def test_a_port_that_is_released_and_used_again_at_once(self):
        """One load deletes the only SAs in UDP and adds new ones."""
        lines = both_ways(0x1000, GCM_REST + IN_UDP)
        for _ in range(20):
            self.pair.load("flush esp\n" + lines)
            self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100]), [100])

    def test_large_datagrams(self):
        self.pair.load(both_ways(0x1000, GCM_REST))
        sizes = [1, 1300, 1372, 1373, 1400, 1472, 1473, 8000, 60000]
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", sizes), sizes)
        self.assertEqual(self.cable.protocols(), {ESP})


IN_UDP = " encap udp nat_lport 4500 nat_rport 4500"


class Offload(Case):
    """The stack sends and receives long packets; on the cable, no packet exceeds its MTU."""
    joined = True

    def test_long_packets(self):
        self.a.ip("link", "set", "cable", "gso_max_segs", "1")  # Fragments are made before they are captured.
        self.b.ip("link", "set", "cable", "gso_max_segs", "1")
        for lines, address, protocol in ((both_ways(0x1000, GCM_REST + " replay 64"), "10.2.0.1", ESP),
                                         (both_ways(0x1000, CBC_REST, V6_INNER), "fd02::1", ESP),
                                         (both_ways(0x1000, GCM_REST, V6_INNER, V6_ENDS), "fd02::1", ESP),
                                         (both_ways(0x1000, GCM_REST + IN_UDP), "10.2.0.1", UDP),
                                         (both_ways(0x1000, GCM_REST + IN_UDP, V6_INNER), "fd02::1", UDP)):
            with self.subTest(lines=lines):
                self.pair.load(lines)
                self.cable.packets()
                before = self.counts()
                echo(self.a, self.b, address, 3_000_000)
                handed, got, out, into = (after - earlier for after, earlier in zip(self.counts(), before))
                packets = self.cable.packets()
                self.assertEqual(protocols(packets), {protocol})
                self.assertGreater(len(packets), 2 * 3_000_000 / 1400)
                self.assertLessEqual(max(map(len, packets)), 1500)
                self.assertGreater(min(out, into), 3_000_000 / 1400)
                if self.joined:
                    self.assertLess(handed, out / 2)
                    self.assertLess(got, into * 0.9)
                else:
                    self.assertEqual((handed, got), (out, into))
                for host in (self.a, self.b):
                    host.ipseckey("flush")

    def counts(self):
        """Packets of host a: from the stack and to it, and those of the SAs."""
        status = self.a.status()
        dropped = sum(status["out"]["dropped"].values())
        return *self.a.device("ipsec0"), status["out"]["packets"] + dropped, status["in"]["packets"]

    def test_long_datagrams(self):
        """UDP segmentation offload: one send, many datagrams. They arrive one by one, or in pieces if the program takes them."""
        data = os.urandom(20_500)
        for inner, address in (("", "10.2.0.1"), (V6_INNER, "fd02::1")):
            self.pair.load(both_ways(0x1000, GCM_REST + IN_UDP, inner) if inner else both_ways(0x1000, GCM_REST + IN_UDP))
            for pieces in (False, True):
                with self.subTest(address=address, pieces=pieces):
                    before = self.b.device("ipsec0")[1]
                    self.assertEqual(self.taken(address, data, pieces), [data[at:at + 1000] for at in range(0, 20_500, 1000)])
                    written = self.b.device("ipsec0")[1] - before
                    if self.joined and joins_datagrams():
                        self.assertLess(written, 10)
                    else:
                        self.assertEqual(written, 21)
            for host in (self.a, self.b):
                host.ipseckey("flush")

    def taken(self, address, data, pieces):
        """The datagrams that a program at b gets, of those that one at a sends as one of 20,500 bytes."""
        udp_segment, udp_gro = 103, 104
        family, got = family_of(address), []
        with self.b.socket(family, socket.SOCK_DGRAM) as taker, self.a.socket(family, socket.SOCK_DGRAM) as giver:
            taker.bind((address, 0))
            taker.setsockopt(socket.IPPROTO_UDP, udp_gro, int(pieces))
            giver.setsockopt(socket.IPPROTO_UDP, udp_segment, 1000)
            giver.sendto(data, taker.getsockname()[:2])
            while sum(map(len, got)) < len(data):
                piece, told, _, _ = taker.recvmsg(65536, 100)
                each = next((struct.unpack("i", value)[0] for _, name, value in told if name == udp_gro), len(piece))
                got += [piece[at:at + each] for at in range(0, len(piece), each)]
        return got

    def test_datagrams_without_a_checksum_arrive_without_one(self):
        self.pair.load(both_ways(0x1000, GCM_REST + IN_UDP))
        so_no_check = 11
        every = 3  # ETH_P_ALL
        with self.b.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(every)) as device, \
                self.b.socket(kind=socket.SOCK_DGRAM) as taker:
            device.bind(("ipsec0", every))
            taker.bind(("10.2.0.1", 0))
            with self.a.socket(kind=socket.SOCK_DGRAM) as giver:
                giver.setsockopt(socket.SOL_SOCKET, so_no_check, 1)
                for number in range(40):
                    giver.sendto(bytes([number]) * 100, taker.getsockname())
            self.assertEqual([taker.recv(1000) for _ in range(40)], [bytes([number]) * 100 for number in range(40)])
            self.assertEqual([device.recv(1000)[26:28] for _ in range(40)], [bytes(2)] * 40)


def joins_datagrams():
    """Linux 6.2 is the first that takes joined datagrams from a device."""
    return tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)


class NoOffload(Offload):
    options = ("--no-offload",)
    joined = False


class ManyThreads(Offload):
    options = ("--workers", "2")


MARK = 0x50


def options(number, size):
    """A header of that many octets: options that receivers ignore if they do not know them, and padding."""
    body = b""
    while size - 2 - len(body) > 7:
        data = min(size - 4 - len(body), 255)
        body += bytes([0x1e, data]) + bytes([number]) * data
    if left := size - 2 - len(body):
        body += bytes([1, left - 2]) + bytes(left - 2) if left > 1 else b"\0"
    return bytes([0, size // 8 - 1]) + body


class ExtensionHeaders(Case):
    """Transport mode over IPv6: headers before ESP and AH arrive, too."""
    options = ("--mark", str(MARK), "--mtu", "4000")
    HOPS, ROUTE, DESTINATION, PLAIN = 0, 43, 60, 253  # The last is for experiments (RFC 3692).
    KINDS = (("esp", GCM_REST, ESP), ("ah", AH_REST, AH), ("esp", GCM_REST + IN_UDP, UDP))

    def setUp(self):
        super().setUp()
        for host, own, peer in ((self.a, *V6_ENDS), (self.b, *reversed(V6_ENDS))):
            host.ip("link", "set", "cable", "mtu", "4000")
            host.ip("-6", "route", "add", peer, "dev", "ipsec0", "table", "50", "src", own)
            host.ip("-6", "rule", "add", "not", "fwmark", str(MARK), "table", "50")

    def packet(self, headers, last, payload):
        """A whole one, and its headers as the receiver sees them."""
        kinds = [kind for kind, _ in headers] + [last]
        chained = [(kind, bytes([following]) + data[1:]) for (kind, data), following in zip(headers, kinds[1:])]
        rest = b"".join(data for _, data in chained) + payload
        ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in V6_ENDS)
        return struct.pack("!LHBB", 6 << 28, len(rest), kinds[0], 64) + ends + rest, chained

    def send(self, packet, mark=0):
        with self.a.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            raw.sendto(packet, (V6_ENDS[1], 0))

    def test_they_reach_the_listener(self):
        headers = [(self.HOPS, options(1, 264)), (self.DESTINATION, options(2, 1600)),
                   (self.ROUTE, bytes([0, 0, 253, 0, 0, 0, 0, 0])),  # The hop limit is used up.
                   (self.DESTINATION, options(3, 24))]
        names = {socket.IPV6_HOPOPTS: self.HOPS, socket.IPV6_RTHDR: self.ROUTE, socket.IPV6_DSTOPTS: self.DESTINATION}
        payload = b"what nobody shall see"
        packet, chained = self.packet(headers, self.PLAIN, payload)
        for kind, rest, _ in self.KINDS:
            with self.subTest(kind=kind, rest=rest):
                self.pair.load(both_ways(0x1000, rest, ("", ""), V6_ENDS, kind))
                self.cable.packets()
                with self.b.socket(socket.AF_INET6, socket.SOCK_RAW, self.PLAIN) as taker:
                    for option in (socket.IPV6_RECVHOPOPTS, socket.IPV6_RECVRTHDR, socket.IPV6_RECVDSTOPTS):
                        taker.setsockopt(socket.IPPROTO_IPV6, option, 1)
                    arrived = self.b.status()["in"]["packets"]
                    self.send(packet)
                    wait_for("the packet", lambda: self.b.status()["in"]["packets"] > arrived)
                    got, told, _, _ = taker.recvmsg(4096, 4096)
                self.assertEqual((got, [(names[number], data) for _, number, data in told]), (payload, chained))
                seen = [p for p in self.cable.packets() if chained[0][1] in p]
                self.assertEqual([payload in p for p in seen], [kind == "ah"])
                for host in (self.a, self.b):
                    host.ipseckey("flush")

    def test_tcp_with_options(self):
        sticky = ((socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, options(1, 16)),
                  (socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, options(2, 24)))
        for kind, rest, protocol in self.KINDS:
            with self.subTest(kind=kind, rest=rest):
                self.pair.load(both_ways(0x1000, rest, ("", ""), V6_ENDS, kind))
                self.cable.packets()
                echo(self.a, self.b, V6_ENDS[1], options=sticky)
                behind = {p[40] for p in self.cable.packets() if p[0] >> 4 == 6 and p[6] == self.HOPS} - {58}
                self.assertEqual(behind, {protocol})
                self.assertEqual([host.status()["in"]["dropped"] for host in (self.a, self.b)], [{}, {}])
                for host in (self.a, self.b):
                    host.ipseckey("flush")

    def test_more_of_them_than_can_be_stored(self):
        headers = [(self.HOPS, options(1, 264)), (self.DESTINATION, options(2, 2048))]
        self.send(self.packet(headers, ESP, bytes(40))[0], MARK)
        wait_for("the drop", lambda: self.b.status()["in"]["dropped"] == {"malformed": 1})


class Ipv4Options(Case):
    """Transport mode: the header's options arrive, too."""
    options = ("--mark", str(MARK))
    KINDS = (("esp", GCM_REST, ESP), ("ah", AH_REST, AH), ("esp", GCM_REST + IN_UDP, UDP))

    def test_they_reach_the_listener(self):
        ends = ("192.0.2.1", "192.0.2.2")
        for host, own, peer in ((self.a, *ends), (self.b, *reversed(ends))):
            host.ip("route", "add", peer, "dev", "ipsec0", "table", "50", "src", own)
            host.ip("rule", "add", "not", "fwmark", str(MARK), "table", "50")
        some = bytes([0x94, 4, 0, 0, 0x88, 4, 1, 2] + [1] * 32)  # Router alert, a stream, and padding, of the maximum length.
        for kind, rest, protocol in self.KINDS:
            with self.subTest(kind=kind, rest=rest):
                self.pair.load(both_ways(0x1000, rest, ("", ""), kind=kind))
                self.cable.packets()
                with self.a.socket(socket.AF_INET, socket.SOCK_RAW, 253) as giver, \
                        self.b.socket(socket.AF_INET, socket.SOCK_RAW, 253) as taker:
                    giver.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, some)
                    giver.sendto(b"what nobody shall see", (ends[1], 0))
                    got = taker.recv(2000)
                self.assertEqual((got[0], got[20:60], got[60:]), (0x4f, some, b"what nobody shall see"))
                self.assertEqual(self.cable.protocols(), {protocol})
                for host in (self.a, self.b):
                    host.ipseckey("flush")


class Counts(Case):
    def test_what_an_sa_has_carried(self):
        self.pair.load(both_ways(0x1000, GCM_REST + " replay 64"))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 10), [100] * 10)
        text = self.a.ipseckey("get", "esp", "spi", "0x1000", "dst", "192.0.2.2")
        self.assertIn("bytes            1.25 KiB\n", text)  # With IP and UDP headers.
        self.assertIn("last number 10\n", text)
        self.assertNotIn("first use not yet", text)
        self.assertIn("first use not yet", self.a.ipseckey("get", "esp", "spi", "0x1001", "dst", "192.0.2.1"))

    def test_a_hard_limit_of_bytes_acts_while_packets_flow(self):
        self.pair.load(both_ways(0x1000, GCM_REST + " hard_bytes 1000"))
        got = datagrams(self.a, self.b, "10.2.0.1", [100] * 20, arrive=7)
        self.assertEqual(got, [100] * 7)  # 128 bytes with their headers: the eighth would pass the limit.
        wait_for("the end of the SA", lambda: "0x1000" not in self.a.ipseckey("dump"))

    def test_status_in_every_form(self):
        text = subprocess.run([BIN / "ipsecd", "status", "--socket", self.a.pfkey], check=True, capture_output=True,
                              text=True, timeout=DEADLINE).stdout
        self.assertIn("Packets through ipsec0, 1 thread:", text)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(f"{self.a.pfkey}.status")
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            reply = b""
            while some := s.recv(4096):
                reply += some
        head, body = reply.decode().split("\r\n\r\n", 1)
        self.assertTrue(head.startswith("HTTP/1.0 200 OK\r\n"), head)
        self.assertIn("text/plain; version=0.0.4", head)
        self.assertIn('ipsecd_dropped_packets_total{direction="in",cause="corrupt"} 0\n', body)

    def test_packets_that_the_kernel_refuses_are_counted(self):
        self.pair.load(both_ways(0x1000, GCM_REST, ends=("192.0.2.1", "198.51.100.2")))  # There is no route to it.
        datagrams(self.a, self.b, "10.2.0.1", [100] * 3, arrive=0)
        self.assertEqual(self.a.status()["out"]["dropped"].get("unsent"), 3)
        self.pair.load("flush esp\n" + both_ways(0x1000, GCM_REST))
        self.b.ip("link", "set", "ipsec0", "down")
        datagrams(self.a, self.b, "10.2.0.1", [100] * 3, arrive=0)
        wait_for("the drops", lambda: self.b.status()["in"]["dropped"] == {"unsent": 3})

    # covers RFC4303-3.4.3-1
    def test_forged_and_replayed_packets(self):
        self.pair.load(both_ways(0x1000, GCM_REST + " replay 64"))
        datagrams(self.a, self.b, "10.2.0.1", [100] * 3)
        sent = [p for p in self.cable.packets() if p[0] >> 4 == 4 and p[9] == ESP]
        with self.a.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(sent[0], ("192.0.2.2", 0))
            forged = bytearray(sent[-1])
            forged[24:28] = (1_000_000).to_bytes(4, "big")
            raw.sendto(bytes(forged), ("192.0.2.2", 0))
            wait_for("both drops", lambda: len(self.b.status()["in"]["dropped"]) >= 2)
        self.assertEqual(self.b.status()["in"]["dropped"], {"replayed": 1, "corrupt": 1})
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100]), [100])


class Rekeying(Case):
    options = ("--workers", "2")

    # covers RFC4552-10.1-1
    def test_no_packet_is_lost_if_the_new_sa_is_added_before_the_old_one_is_deleted(self):
        self.pair.load(both_ways(0x1000, GCM_REST + " replay 64"))
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            old = 0x1000
            for new in range(0x2000, 0x2100, 0x10):
                rest = GCM_REST.replace(GCM, f"{new:04x}" + GCM[4:]) + " replay 64"
                for host in (self.b, self.a):  # The receiver gets it first.
                    host.load(both_ways(new, rest))
                stream.wait_for_more(50)
                self.a.ipseckey("delete", "esp", "spi", str(old), "dst", "192.0.2.2")
                old = new
        self.assertGreater(stream.sent, 16 * 50)
        self.assertEqual(stream.got, list(range(stream.sent)))
        self.assertEqual(self.cable.protocols(), {ESP})


class Refreshing(Case):
    def test_no_packet_of_an_unchanged_sa_is_lost(self):
        """The file is applied repeatedly, unchanged and with edits beside the SAs that carry the traffic; finally they are
        changed themselves: a limit in place, then another SPI."""
        tunnel = both_ways(0x1000, GCM_REST + " replay 64")
        limited = both_ways(0x1000, GCM_REST + " replay 64 hard_addtime 28800")
        moved = both_ways(0x2000, GCM_REST.replace(GCM, "ff" + GCM[2:]) + " replay 64")
        others = [both_ways(0x3000 + n, CBC_REST, ("isrc 10.9.0.0/16", "isrc 10.8.0.0/16")) for n in range(0, 40, 2)]

        def apply(lines, said):
            for host in (self.b, self.a):  # The receiver gets it first.
                self.assertIn(said, host.ipseckey("--service", "apply", "-", text=lines))

        apply(tunnel + others[0], "4 added")
        with Stream(self.a, self.b, "10.2.0.1") as stream:
            for n in range(1, len(others)):
                apply(tunnel + others[n - 1], "0 added, 0 changed, 4 kept, 0 removed.")
                apply(tunnel + others[n], "2 added, 0 changed, 2 kept, 2 removed.")
                stream.wait_for_more(20)
            apply(limited, "0 added, 2 changed, 0 kept, 2 removed.")
            stream.wait_for_more(50)
            apply(limited + moved, "2 added, 0 changed, 2 kept, 0 removed.")
            stream.wait_for_more(50)
            apply(moved, "0 added, 0 changed, 2 kept, 2 removed.")
            stream.wait_for_more(50)
        self.assertEqual(stream.got, list(range(stream.sent)))
        self.assertEqual(self.cable.protocols(), {ESP})

    def test_a_replaced_sa_continues_its_numbers(self):
        """Removing a limit creates another SA with the same keys: the peer, which does not know, accepts its packets."""
        lines = both_ways(0x1000, GCM_REST + " replay 64")
        for host in (self.b, self.a):
            host.ipseckey("apply", "-", text=lines.replace(" replay", " hard_bytes 99999999 replay"))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 200), [100] * 200)
        self.assertIn("2 changed", self.a.ipseckey("apply", "-", text=lines))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)


class Privileges(Case):
    options = ("--user", "nobody")
    user = 65534

    def test_two_capabilities_and_no_more(self):
        lines = pathlib.Path(f"/proc/{self.a.daemon.pid}/status").read_text().splitlines()
        daemon = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        net_admin_and_raw = f"{1 << 12 | 1 << 13 | self.report_of_leaks():016x}"
        self.assertEqual((daemon["CapEff"], daemon["CapPrm"], daemon["CapBnd"], daemon["CapInh"]),
                         (net_admin_and_raw, net_admin_and_raw, "0" * 16, "0" * 16))
        self.assertEqual(daemon["Uid"].split(), [str(self.user)] * 4)
        self.assertEqual(daemon["NoNewPrivs"], "1")
        if self.user != 0:
            self.assertEqual(daemon["Groups"].strip(), "")
        self.pair.load(both_ways(0x1000, GCM_REST))
        echo(self.a, self.b, "10.2.0.1", 10_000)

    def report_of_leaks(self):
        return 0


class RootsPrivileges(Privileges):
    options = ()
    user = 0

    def report_of_leaks(self):
        return 1 << 19 if b"__asan_init" in (BIN / "ipsecd").read_bytes() else 0  # CAP_SYS_PTRACE


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("dataplane_test.py makes network namespaces and needs root")
    unittest.main()
