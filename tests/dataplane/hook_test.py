#!/usr/bin/env python3
"""ipsecd --hook: netfilter takes the packets that rules concern, between two hosts that are network namespaces, and no route leads
into a device. These tests compare
the packets that arrive, that cross the cable and that are refused; nothing leaves in clear while ipsecd comes and goes."""
import hmac
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from dataplane_test import AH_REST, CBC_REST, GCM_REST, V6_ENDS, both_ways
from hosts import BIN, DEADLINE, LOST, Capture, Pair, Stream, checksum, datagrams, echo, ip, protocols, wait_for

ESP, AH, UDP, TCP, OSPF, ICMPV6 = 50, 51, 17, 6, 89, 58
GCM = "ipsec { encr_algs aes-gcm }"
# Since this release of Linux, a table can have an owner and outlive it.
OWNED = tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups()) >= (6, 10)
NEIGHBOURS = "{ ulp 58 type 133-137 dir both } pass {}\n"


def transport(spi, rest, ends=("192.0.2.1", "192.0.2.2")):
    return both_ways(spi, rest, inner=("", ""), ends=ends)


def refused(client, server, address, count, drops):
    """Sends datagrams, each of which must be counted by `drops`, and not arrive. The device may bring others, of the host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with server.socket(family, socket.SOCK_DGRAM) as taker, client.socket(family, socket.SOCK_DGRAM) as giver:
        taker.bind((address, 0))
        before = drops()
        for _ in range(count):
            giver.sendto(bytes(100), taker.getsockname()[:2])
        wait_for("the drops", lambda: drops() >= before + count)
        if select.select([taker], [], [], 0)[0]:
            raise AssertionError("a datagram arrived that must be refused")


class Case(unittest.TestCase):
    options = ()
    device = None
    keys = ""
    rules = ("", "")  # Of a and of b.
    owned = OWNED  # The tables in netfilter.

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        for host, rules in zip((self.a, self.b), self.rules):
            self.start(host)
            if self.keys:
                host.load(self.keys)
            host.rules(rules)
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)

    def start(self, host):
        """With the tables of an older kernel, if needed: a table in the way of the trial whether they can have an owner."""
        if not self.owned:
            host.nft("add", "table", "ip", "ipsecd-50-trial")
        host.start("--hook", *self.options, device=self.device)

    def dropped(self, host, direction):
        return host.status()[direction].get("dropped", {})


class Transport(Case):
    """Two hosts in transport mode, by rules about each other's address."""
    keys = transport(0x1000, GCM_REST + " replay 64") + transport(0x2000, GCM_REST, V6_ENDS)
    rules = (f"{{ raddr 192.0.2.2 }} {GCM}\n"
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
                if "." in address:  # Those of IPv6 are cut instead.
                    self.learn_the_path(address)
                self.assertEqual(datagrams(self.a, self.b, address, sizes), sizes)
                self.assertLessEqual(protocols(self.cable.packets()), {ESP, 44})

    def learn_the_path(self, address):
        """Until the sender knows the path MTU, datagrams that just fit the link are lost."""
        ip_mtu = 14  # A socket option.

        def known():
            with self.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(bytes(1472), (address, 9))
                s.connect((address, 9))
                return s.getsockopt(socket.IPPROTO_IP, ip_mtu) < 1500

        wait_for("the path MTU", known)

    def test_other_hosts_are_not_concerned(self):
        self.b.rules("")
        self.b.ip("addr", "add", "192.0.2.9/24", "dev", "cable")
        echo(self.a, self.b, "192.0.2.9", 1000)
        self.assertEqual(self.cable.protocols(), {TCP})
        self.assertEqual(self.a.status()["out"]["packets"], 0)

    def test_clear_packets_are_refused(self):
        self.a.rules("")
        self.cable.packets()
        refused(self.a, self.b, "192.0.2.2", 3, lambda: self.dropped(self.b, "in").get("got_clear", 0))
        self.assertEqual(self.cable.protocols(), {UDP})
        self.assertEqual(self.dropped(self.b, "in"), {"got_clear": 3})

    def test_without_an_sa_nothing_leaves(self):
        self.a.ipseckey("flush")
        self.cable.packets()
        refused(self.a, self.b, "192.0.2.2", 3, lambda: self.dropped(self.a, "out").get("no_sa", 0))
        self.assertEqual(self.cable.protocols(), set())

    def test_drops_are_counted_by_rule(self):
        """By doctor, by monitor, and in the metrics."""
        told = subprocess.Popen([BIN / "ipsecconf", "--sadb", f"ipsecd:{self.b.pfkey}", "monitor"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(told.communicate)
        self.addCleanup(told.kill)
        self.assertIn("Monitoring", told.stderr.readline())
        index = int(re.search(r"#INDEX (\d+)[^#]*\{ raddr 192\.0\.2\.1 \}", self.b.ipsecconf("-l").stdout)[1])
        self.a.rules("")
        refused(self.a, self.b, "192.0.2.2", 3, lambda: self.dropped(self.b, "in").get("got_clear", 0))
        why = "in clear, and its rule demands protection (got_clear)"
        packets = 0
        while packets < 3:  # Monitor may need several lines for them.
            line = told.stdout.readline()
            self.assertRegex(line, rf"^drop   #{index} \d in: {re.escape(why)}\n$")
            packets += int(line.split()[2])
        self.b.rules(self.rules[1] + "{ raddr 198.51.100.1 dir out } drop {}\n")
        self.assertRegex(told.stdout.readline(), r"add    #\d+ \{ raddr 198.51.100.1 dir out \} drop \{\}\n")
        found = self.b.ipsecconf("doctor").stdout
        self.assertIn(f"problem: rule #{index}: 3 packets that came in were dropped; the last one: {why}\n", found)
        self.assertRegex(found, rf"remark: ipsecd:\S+: of all packets, 3 packets that came in were dropped: 3: {re.escape(why)}\n")
        self.assertEqual(self.b.status()["dropped_by_rules"], [{"rule": index, "out": 0, "in": 3}])

    def test_loopback_is_left_alone(self):
        self.a.rules(f"{{}} {GCM}\n")
        for address in ("127.0.0.1", "::1", "192.0.2.1"):
            self.assertEqual(datagrams(self.a, self.a, address, [100]), [100])



class Threads(Transport):
    """The same with two packet threads: netfilter spreads pairs of addresses over their queues."""
    options = ("--workers", "2")

    def test_queues(self):
        hook = self.a.status()["hook"]
        self.assertEqual((hook["first_queue"], hook["queues"], hook["waiting"]), (50, 6, False))


class WithDevice(Transport):
    """The same with a device: what was opened arrives through it, joined."""
    device = "ipsec0"

    def test_the_device_is_used(self):
        _, before = self.b.device("ipsec0")
        sizes = [100, 101, 102, 103, 104]  # A longer one is not joined.
        self.assertEqual(datagrams(self.a, self.b, "192.0.2.2", sizes), sizes)
        _, after = self.b.device("ipsec0")
        self.assertEqual(after - before, 5)


class Uncut(Transport):
    """The same without offload: TCP is cut by the kernel before it is queued."""
    options = ("--no-offload",)


class Kinds(Case):
    """Each kind of SA that rules can demand."""

    def test_every_kind(self):
        in_udp = " encap udp nat_lport 4500 nat_rport 4500"
        gcm, cbc = "ipsec { encr_algs aes-gcm }", "ipsec { encr_algs aes encr_auth_algs sha256 }"
        ah = "ipsec { auth_algs sha512 }"
        both = "ipsec { auth_algs sha512 encr_algs aes encr_auth_algs sha256 }"
        v4, v6 = ("192.0.2.1", "192.0.2.2"), V6_ENDS
        for keys, rule, ends, protocol in (
                (transport(0x1000, CBC_REST, v4), cbc, v4, ESP),
                (both_ways(0x1000, AH_REST, ("", ""), v4, "ah"), ah, v4, AH),
                (both_ways(0x1000, AH_REST, ("", ""), v6, "ah"), ah, v6, AH),
                (transport(0x1000, GCM_REST + in_udp, v4), gcm, v4, UDP),
                (transport(0x1000, GCM_REST + in_udp, v6), gcm, v6, UDP),
                (both_ways(0x1000, AH_REST + " bundle 1", ("", ""), v4, "ah") + transport(0x2000, CBC_REST + " bundle 1", v4),
                 both, v4, AH),
                (both_ways(0x1000, GCM_REST, (f"isrc {v4[0]} idst {v4[1]}", f"isrc {v4[1]} idst {v4[0]}")),
                 "ipsec {{ encr_algs aes-gcm tsrc {} tdst {} }}", v4, ESP)):
            with self.subTest(rule=rule, keys=keys):
                for host, (here, there) in ((self.a, ends), (self.b, ends[::-1])):
                    host.load("flush\n" + keys)
                    host.rules(NEIGHBOURS + f"{{ laddr {here} raddr {there} }} " +
                               (rule.format(here, there) if "tsrc" in rule else rule) + "\n")
                self.cable.packets()
                echo(self.a, self.b, ends[1], 300_000)
                self.assertEqual(protocols(self.cable.packets()), {protocol})
                for host in (self.a, self.b):
                    self.assertEqual(host.status()["in"].get("dropped", {}), {})


def ospf_keys(kind="7001"):
    return "".join(f"add esp spi 0x{kind} dst6 {address} proto ospf encralg null authalg hmac-sha1 authkey {'5a' * 20}\n"
                   for address in ("ff02::5", "ff02::6", "fe80::1", "fe80::2"))


class Ospf(Case):
    """What routers with OSPFv3 exchange: multicast and link-local packets, whose senders choose the interface."""
    keys = ospf_keys()
    rules = ("{ ulp 89 } ipsec { encr_auth_algs hmac-sha1 }\n",) * 2
    GROUP = "ff02::5"
    HELLO = bytes(range(36))

    def setUp(self):
        super().setUp()
        # A second cable, on which nothing is sent.
        self.a.ip("link", "add", "other", "type", "veth", "peer", "name", "other", "netns", self.b.netns)
        for number, host in ((1, self.a), (2, self.b)):
            host.ip("link", "set", "other", "up")
            for device in ("cable", "other"):
                host.ip("addr", "add", f"fe80::{number}/64", "dev", device, "nodad")
        self.index = {host: {device: host.inside(lambda d=device: socket.if_nametoindex(d)) for device in ("cable", "other")}
                      for host in (self.a, self.b)}

    def router(self, host, device):
        s = host.socket(socket.AF_INET6, socket.SOCK_RAW, OSPF)
        self.addCleanup(s.close)
        index = self.index[host][device]
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, self.GROUP) +
                     struct.pack("I", index))
        return s

    def heard(self, router, patience=DEADLINE):
        """Content, source, destination and interface of the next packet."""
        router.settimeout(patience)
        try:
            data, details, _, source = router.recvmsg(65536, 256)
        except TimeoutError:
            return None
        for _, kind, value in details:
            if kind == socket.IPV6_PKTINFO:
                return data, source[0].split("%")[0], socket.inet_ntop(socket.AF_INET6, value[:16]), struct.unpack("I", value[16:])[0]
        return None

    # covers RFC4552-6-3 RFC4552-6-7 RFC4552-8-1
    def test_a_hello_arrives_on_its_interface(self):
        for device in ("cable", "other"):
            with self.subTest(device=device):
                sender, taker = self.router(self.a, device), self.router(self.b, device)
                self.cable.packets()
                sender.sendto(self.HELLO, (self.GROUP, 0))
                self.assertEqual(self.heard(taker), (self.HELLO, "fe80::1", self.GROUP, self.index[self.b][device]))
                self.assertEqual(protocols(self.cable.packets()), {ESP} if device == "cable" else set())

    def test_unicast_to_a_neighbour(self):
        """Also longer than the link's MTU, and as a fragment of it after ESP was added."""
        for device in ("cable", "other"):
            sender, taker = self.router(self.a, device), self.router(self.b, device)
            for size in (100, 1400, 1452):
                with self.subTest(device=device, size=size):
                    data = os.urandom(size)
                    sender.sendto(data, ("fe80::2", 0, 0, self.index[self.a][device]))
                    self.assertEqual(self.heard(taker), (data, "fe80::1", "fe80::2", self.index[self.b][device]))

    # covers RFC4552-3-1
    def test_a_clear_hello_is_refused(self):
        sender, taker = self.router(self.a, "cable"), self.router(self.b, "cable")
        self.a.rules("")
        sender.sendto(self.HELLO, (self.GROUP, 0))
        sender.sendto(self.HELLO, ("fe80::2", 0, 0, self.index[self.a]["cable"]))
        wait_for("the drops", lambda: self.dropped(self.b, "in").get("got_clear") == 2)
        self.assertIsNone(self.heard(taker, 0.2))

    # covers RFC4552-4-1
    def test_encrypted_hellos(self):
        sender, taker = self.router(self.a, "cable"), self.router(self.b, "cable")
        keys = "flush\n" + ospf_keys().replace("encralg null", f"encralg aes-cbc encrkey {'3c' * 16}")
        for host in (self.a, self.b):
            host.load(keys)
            host.rules("{ ulp 89 } ipsec { encr_algs aes encr_auth_algs hmac-sha1 }\n")
        self.cable.packets()
        sender.sendto(self.HELLO, (self.GROUP, 0))
        self.assertEqual(self.heard(taker)[0], self.HELLO)
        packets = self.cable.packets()
        self.assertEqual((protocols(packets), [p for p in packets if self.HELLO in p]), ({ESP}, []))
        self.a.load(keys.replace("3c3c", "c3c3").replace("5a5a", "a5a5"))
        sender.sendto(self.HELLO, (self.GROUP, 0))
        wait_for("the wrong one", lambda: self.dropped(self.b, "in").get("corrupt") == 1)
        self.a.rules("")
        sender.sendto(self.HELLO, (self.GROUP, 0))
        wait_for("the clear one", lambda: self.dropped(self.b, "in").get("got_clear") == 1)
        self.assertIsNone(self.heard(taker, 0.2))

    # covers RFC4552-3-1
    def test_another_key_is_refused(self):
        sender, taker = self.router(self.a, "cable"), self.router(self.b, "cable")
        self.a.ipseckey("flush")
        self.a.load(ospf_keys().replace("5a5a", "a5a5"))
        sender.sendto(self.HELLO, (self.GROUP, 0))
        wait_for("the drop", lambda: self.dropped(self.b, "in").get("corrupt") == 1)
        self.assertIsNone(self.heard(taker, 0.2))


AUTH_KEY = "11" * 32


class Opened(Case):
    """What is inside ESP reaches its socket whatever its headers look like, or nobody. The sender is this test: ESP without a
    cipher in a tunnel between the hosts."""
    PORT = 4000
    keys = "".join(f"add esp spi 0x100 src {here} dst {there} isrc {here} idst {there} encr_alg null "
                   f"auth_alg hmac-sha256 authkey {AUTH_KEY}\n" for here, there in (("192.0.2.1", "192.0.2.2"), V6_ENDS))
    PROTECTED = "ipsec {{ encr_auth_algs sha256 tsrc {} tdst {} }}"
    rules = ("", "{ laddr 192.0.2.2 raddr 192.0.2.1 dir in } " + PROTECTED.format("192.0.2.2", "192.0.2.1") + "\n" +
             NEIGHBOURS + "{ laddr 2001:db8::2 raddr 2001:db8::1 dir in } " + PROTECTED.format(*V6_ENDS[::-1]) + "\n")

    def setUp(self):
        super().setUp()
        self.sequence = 0
        self.takers = []
        for family, address in ((socket.AF_INET, "192.0.2.2"), (socket.AF_INET6, "2001:db8::2")):
            for port in (self.PORT, 257):
                s = self.b.socket(family, socket.SOCK_DGRAM)
                self.addCleanup(s.close)
                s.bind((address, port))
                self.takers.append(s)

    def send(self, inner):
        """The packet in ESP (RFC 4303), with an outer header without options."""
        v4 = inner[0] >> 4 == 4
        self.sequence += 1
        pad = -(len(inner) + 2) % 4
        esp = struct.pack("!II", 0x100, self.sequence) + inner + bytes(range(1, pad + 1)) + bytes([pad, 4 if v4 else 41])
        esp += hmac.digest(bytes.fromhex(AUTH_KEY), esp, "sha256")[:16]
        with self.a.socket(socket.AF_INET if v4 else socket.AF_INET6, socket.SOCK_RAW, ESP) as s:
            s.sendto(esp, ("192.0.2.2" if v4 else "2001:db8::2", 0))

    def v4(self, payload, options=b"", piece=0, number=7):
        size = 20 + len(options)
        head = struct.pack("!BBHHHBBH4s4s", 0x40 | size // 4, 0, size + len(payload), number, piece, 64, UDP, 0,
                           socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")) + options
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload

    def v6(self, payload, following=UDP):
        return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + b"".join(
            socket.inet_pton(socket.AF_INET6, a) for a in V6_ENDS) + payload

    def udp(self, port, data, v6=False):
        """With its checksum, which IPv6 demands."""
        head = struct.pack("!HHHH", 5, port, 8 + len(data), 0)
        ends = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in V6_ENDS) if v6 else b"".join(
            socket.inet_aton(a) for a in ("192.0.2.1", "192.0.2.2"))
        whole = ends + struct.pack("!IHBB", len(head + data), 0, 0, UDP) + head + data
        return head[:6] + struct.pack("!H", checksum(whole)) + data

    def arrives(self, *expected):
        """Those datagrams, each a (port, data), and no others."""
        found = []
        while ready := select.select(self.takers, [], [], LOST / 4 if len(found) >= len(expected) else DEADLINE)[0]:
            found += [(s.getsockname()[1], s.recv(2000)) for s in ready]
        self.assertEqual(found, list(expected))

    def others(self, datagrams):
        """What arrives of packets that cannot take the place of those that they came in."""
        self.arrives(*([(self.PORT, data) for data in datagrams] if self.device else []))

    def lost(self, count):
        """They are counted if there is no device."""
        expected = {} if self.device or not count else {"unsent": count}
        wait_for("the counters", lambda: len(self.dropped(self.b, "in")) >= len(expected))
        self.assertEqual(self.dropped(self.b, "in"), expected)

    def test_plain(self):
        for packet in (self.v4(self.udp(self.PORT, b"four")), self.v6(self.udp(self.PORT, b"six", True))):
            self.send(packet)
        self.arrives((self.PORT, b"four"), (self.PORT, b"six"))

    def test_options_of_the_inner_header(self):
        """A host that took the outer header's length would find port 257."""
        misread = struct.pack("!HHHH", 257, 257, 20, 0)
        self.send(self.v4(self.udp(self.PORT, b"data"), options=misread[:8]))
        self.others([b"data"])
        self.lost(1)

    def test_hop_by_hop_options_of_the_inner_header(self):
        padding = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
        self.send(self.v6(padding + self.udp(self.PORT, b"data", True), following=0))
        self.others([b"data"])
        self.lost(1)

    def test_destination_options(self):
        padding = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
        self.send(self.v6(padding + self.udp(self.PORT, b"data", True), following=60))
        self.arrives((self.PORT, b"data"))

    def test_fragments(self):
        datagram = self.udp(self.PORT, bytes(64))
        self.send(self.v4(datagram[:40], piece=0x2000))
        self.send(self.v4(datagram[40:], piece=5))
        self.arrives((self.PORT, bytes(64)))
        self.lost(0)

    def test_a_lone_fragment_does_not_count_as_a_datagram(self):
        self.send(self.v4(self.udp(257, b"data"), piece=0x100))
        self.arrives()
        self.lost(0)  # It waits for the others.

    def test_fragments_of_ipv6(self):
        datagram = self.udp(self.PORT, bytes(64), True)
        for at, piece in ((0, datagram[:40]), (40, datagram[40:])):
            self.send(self.v6(struct.pack("!BBHI", UDP, 0, at | (at == 0), 9) + piece, following=44))
        self.arrives((self.PORT, bytes(64)))
        self.lost(0)


class OpenedByDevice(Opened):
    """The same with a device, which delivers what cannot take the place."""
    device = "ipsec0"


class Flowing(Case):
    """What traffic needs that must never be in clear on the cable."""
    keys = transport(0x1000, GCM_REST)
    RULES = (f"{{ raddr 192.0.2.2 }} {GCM}\n", f"{{ raddr 192.0.2.1 }} {GCM}\n")
    rules = RULES

    def setUp(self):
        super().setUp()
        self.ended = threading.Event()
        sender = self.a.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taker = self.b.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taker.bind(("192.0.2.2", 4000))
        self.sent = 0

        def send():
            while not self.ended.is_set():
                try:
                    sender.sendto(b"never in clear", ("192.0.2.2", 4000))
                    self.sent += 1
                except PermissionError:  # netfilter dropped it
                    pass
                self.ended.wait(0.0005)

        self.thread = threading.Thread(target=send)
        self.thread.start()
        self.addCleanup(sender.close)
        self.addCleanup(self.taker.close)
        self.addCleanup(self.thread.join)
        self.addCleanup(self.ended.set)

    def flows(self):
        self.taker.setblocking(False)
        while True:
            try:
                self.taker.recv(100)
            except BlockingIOError:
                break
        self.taker.settimeout(DEADLINE)
        for _ in range(20):
            self.assertEqual(self.taker.recv(100), b"never in clear")

    def sends_more(self, count=50):
        wanted = self.sent + count
        wait_for("the sender", lambda: self.sent >= wanted)

    def nothing_in_clear(self):
        packets = self.cable.packets()
        self.assertLessEqual({p[9] for p in packets if p[0] >> 4 == 4} - {1}, {ESP})
        self.assertFalse(any(b"never in clear" in p for p in packets))
        return packets

    def crashes(self):
        self.flows()
        self.a.daemon.kill()
        self.a.daemon.wait(DEADLINE)
        self.a.daemon.stderr.close()
        self.start(self.a)
        self.a.load(self.keys)


class Comings(Flowing):
    """ipsecd and its rules come and go under traffic: never a packet in clear on the cable."""

    def test_other_rules(self):
        self.flows()
        for number in range(10):
            self.a.rules(f"{{ raddr 198.51.100.{number} }} {GCM}\n" + self.RULES[0])
        self.flows()
        self.assertTrue(self.nothing_in_clear())
        self.assertEqual(self.dropped(self.a, "out"), {})

    def test_a_restart(self):
        self.comes_again(signal.SIGTERM)

    def test_a_crash(self):
        self.comes_again(signal.SIGKILL)

    def comes_again(self, how):
        self.flows()
        self.a.daemon.send_signal(how)
        self.a.daemon.wait(DEADLINE)
        self.sends_more()
        self.nothing_in_clear()
        self.a.daemon.stderr.close()
        self.start(self.a)
        self.sends_more()
        self.assertEqual({k for k in self.dropped(self.a, "out")}, {"not_ready"})
        self.assertTrue(self.a.status()["hook"]["waiting"])
        self.a.load(self.keys)
        self.sends_more()
        self.assertEqual(protocols(self.nothing_in_clear()), set())
        self.a.rules(self.RULES[0])
        self.flows()
        self.assertTrue(self.nothing_in_clear())

    def test_after_a_crash_only_a_replacement_is_taken(self):
        self.crashes()
        file = self.a.folder / "more.rules"
        file.write_text("{ raddr 198.51.100.1 dir out } drop {}\n")
        for words in (("-a", file), ("-r", file), ("-f", "-a", file), ("-f",), ("-d", "1")):
            with self.subTest(words=words):
                refused = self.a.ipsecconf("-q", *words)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("rules of before the restart are still in force", refused.stderr)
        self.sends_more()
        self.assertTrue(self.a.status()["hook"]["waiting"])
        self.nothing_in_clear()
        file.write_text(self.RULES[0])
        self.assertEqual(self.a.ipsecconf("-q", "apply", file).returncode, 0)
        self.flows()
        self.nothing_in_clear()

    def test_after_a_crash_unload_unblocks(self):
        self.crashes()
        self.assertEqual(self.a.ipsecconf("-q", "unload").returncode, 0)
        wait_for("clear packets", lambda: any(b"never in clear" in p for p in self.cable.packets()))
        self.assertEqual(self.a.status()["hook"], {"first_queue": 50, "queues": 3, "netfilter_rules": 0, "owned": self.owned,
                                                   "waiting": False})

    def test_unload(self):
        """Only then they leave in clear."""
        self.flows()
        self.nothing_in_clear()
        self.a.rules("")
        wait_for("clear packets", lambda: any(b"never in clear" in p for p in self.cable.packets()))
        self.assertEqual(self.a.status()["hook"]["netfilter_rules"], 0)

    def test_unhook_beside_a_running_ipsecd_is_refused(self):
        self.flows()
        with self.assertRaises(subprocess.CalledProcessError) as refused:
            self.a.run("ipsecd", "unhook")
        self.assertEqual(refused.exception.stderr, "ipsecd: a program reads netfilter's queue 50: an ipsecd runs, and its "
                         "rules stay in force; unload them (ipsecconf unload), or end it first\n")
        self.flows()
        self.assertTrue(self.nothing_in_clear())

    def test_unhook(self):
        self.a.daemon.kill()
        self.a.daemon.wait(DEADLINE)
        self.sends_more()
        self.nothing_in_clear()
        self.a.run("ipsecd", "unhook")
        wait_for("clear packets", lambda: any(b"never in clear" in p for p in self.cable.packets()))


class Disturbed(Flowing):
    """Other programs change the tables in netfilter."""

    def tables(self):
        return self.a.nft("list", "table", "ip", "ipsecd-50")

    def others_do(self, *words):
        """Whether another program's command to netfilter succeeds."""
        try:
            self.a.nft(*words)
        except subprocess.CalledProcessError as refused:
            self.assertIn("Operation not permitted", refused.stderr)
            return False
        return True

    def test_another_program_removes_the_tables(self):
        """As the file of a firewall does when it is loaded, or by hand: it cannot, or they are there again."""
        self.assertEqual(self.a.status()["hook"]["owned"], self.owned)
        for words in (("flush", "ruleset"), ("delete", "table", "ip", "ipsecd-50"), ("flush", "chain", "ip", "ipsecd-50", "output"),
                      ("insert", "rule", "ip", "ipsecd-50", "output", "accept")):
            with self.subTest(words=words):
                self.flows()
                before = self.tables()
                if self.owned:  # No packet leaves in clear, not even while the command is carried out.
                    self.assertEqual(self.others_do(*words), words == ("flush", "ruleset"))
                    self.assertEqual(self.tables(), before)
                else:
                    self.assertTrue(self.others_do(*words))
                    wait_for("the tables", lambda: self.tables_again() == before)
                    self.cable.packets()
                self.sends_more()
                self.flows()
                self.assertTrue(self.nothing_in_clear())

    def tables_again(self):
        try:
            return self.tables()
        except subprocess.CalledProcessError:
            return None

    def test_the_tables_of_a_crashed_ipsecd_belong_to_the_next_one(self):
        """Also before it has rules."""
        self.crashes()
        self.assertEqual(self.others_do("delete", "table", "ip", "ipsecd-50"), not self.owned)
        self.assertEqual(self.others_do("flush", "ruleset"), True)
        self.assertEqual(self.tables_again() is not None, self.owned)
        if self.owned:
            self.sends_more()
            self.assertTrue(self.a.status()["hook"]["waiting"])
            self.nothing_in_clear()

    def test_a_table_of_another_owner_ends_the_start(self):
        """Also on kernels where ipsecd's tables have none: rules that netfilter refuses would leave packets in clear."""
        self.a.stop()
        self.a.run("ipsecd", "unhook")
        other = subprocess.Popen(["ip", "netns", "exec", self.a.netns, "nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.addCleanup(other.wait, DEADLINE)
        self.addCleanup(other.kill)
        other.stdin.write(b"add table ip ipsecd-50 { flags owner; }\n")
        other.stdin.flush()
        wait_for("the table", self.tables_again)
        with self.assertRaises(RuntimeError) as failed:
            self.start(self.a)
        self.assertIn("another program owns netfilter's table ipsecd-50: end it, or choose another queue with --hook=NUMBER",
                      str(failed.exception))


class WithoutOwner(Disturbed):
    """The same on kernels whose tables cannot have an owner that they outlive."""
    owned = False

    def test_the_tables_of_an_older_ipsecd_get_an_owner_with_the_next_rules(self):
        self.owned = OWNED
        self.crashes()
        self.assertTrue(self.a.status()["hook"]["waiting"])
        self.nothing_in_clear()
        self.a.rules(self.RULES[0])
        self.flows()
        self.assertEqual(self.others_do("delete", "table", "ip", "ipsecd-50"), not OWNED)


class SourceNat(Case):
    """What gets a protected address by source NAT is protected, too, whoever sent it."""
    keys = transport(0x1000, GCM_REST + " replay 64")
    rules = tuple(f"{{ laddr 192.0.2.{here} raddr 192.0.2.{3 - here} }} {GCM}\n" for here in (1, 2))

    def setUp(self):
        super().setUp()
        self.a.ip("addr", "add", "198.51.100.1/32", "dev", "cable")
        self.b.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1")
        self.taker = self.b.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.taker.close)
        self.taker.bind(("192.0.2.2", 4000))

    def translate(self):
        self.a.nft("add", "table", "ip", "nat")
        self.a.nft("add chain ip nat post { type nat hook postrouting priority 100; }")
        self.a.nft("add", "rule", "ip", "nat", "post", "ip", "saddr", "198.51.100.0/24", "snat", "to", "192.0.2.1")

    def send(self, host, source, count=3):
        with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((source, 0))
            for _ in range(count):
                s.sendto(b"translated", ("192.0.2.2", 4000))
        return {self.taker.recvfrom(100)[1][0] for _ in range(count)}

    def test_of_the_host(self):
        self.assertEqual(self.send(self.a, "198.51.100.1"), {"198.51.100.1"})
        self.assertEqual(self.cable.protocols(), {UDP})
        self.translate()
        self.assertEqual(self.send(self.a, "198.51.100.1"), {"192.0.2.1"})
        self.assertEqual(self.send(self.a, "192.0.2.1"), {"192.0.2.1"})
        self.assertEqual(self.cable.protocols(), {ESP})

    def test_forwarded(self):
        """Without NAT, rules in transport mode are not about forwarded packets."""
        netns = f"{self.a.netns}-inner"
        ip("netns", "add", netns)
        self.addCleanup(ip, "netns", "del", netns)
        inside = type(self.a).__new__(type(self.a))
        inside.netns, inside.daemon = netns, None
        self.a.ip("link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", netns)
        self.a.ip("addr", "add", "198.51.100.254/24", "dev", "lan")
        self.a.ip("link", "set", "lan", "up")
        inside.ip("addr", "add", "198.51.100.7/24", "dev", "lan")
        inside.ip("link", "set", "lan", "up")
        inside.ip("route", "add", "default", "via", "198.51.100.254")
        self.a.inside(lambda: pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        self.a.rules(f"{{ raddr 192.0.2.2 }} {GCM}\n")
        self.assertEqual(self.send(inside, "198.51.100.7"), {"198.51.100.7"})
        self.assertEqual(self.cable.protocols(), {UDP})
        self.translate()
        self.assertEqual(self.send(inside, "198.51.100.7"), {"192.0.2.1"})
        self.assertEqual(self.cable.protocols(), {ESP})


class Gateways(unittest.TestCase):
    """Two gateways between networks: forwarded packets enter the tunnel by rules, and leave it by the device."""

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        self.inner = []
        for number, host in ((1, self.a), (2, self.b)):
            other = 3 - number
            netns = f"{host.netns}-inner"
            ip("netns", "add", netns)
            self.addCleanup(ip, "netns", "del", netns)
            inside = type(host).__new__(type(host))
            inside.netns, inside.daemon = netns, None
            inside.ip("link", "set", "lo", "up")
            host.ip("link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", netns)
            host.ip("addr", "add", f"10.{number}.0.254/16", "dev", "lan")
            host.ip("link", "set", "lan", "up")
            inside.ip("addr", "add", f"10.{number}.0.1/16", "dev", "lan")
            inside.ip("link", "set", "lan", "up")
            inside.ip("route", "add", "default", "via", f"10.{number}.0.254")
            host.ip("route", "add", f"10.{other}.0.0/16", "via", f"192.0.2.{other}")
            host.inside(lambda: pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
            host.start("--hook")
            host.load(both_ways(0x1000, GCM_REST))
            host.rules(f"{{ laddr 10.{number}.0.0/16 raddr 10.{other}.0.0/16 }} "
                       f"ipsec {{ encr_algs aes-gcm tsrc 192.0.2.{number} tdst 192.0.2.{other} }}\n")
            self.inner.append(inside)
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)

    def test_tcp_through_the_tunnel(self):
        echo(self.inner[0], self.inner[1], "10.2.0.1", 2_000_000)
        packets = self.cable.packets()
        self.assertEqual(protocols(packets), {ESP})
        self.assertLessEqual(max(map(len, packets)), 1500)

    def test_exceptions(self):
        """What pass and drop rules in front of a tunnel rule except is forwarded in clear, or dropped."""
        for what, arrives, crosses in (("pass", 3, {UDP}), ("drop", 0, set())):
            with self.subTest(what=what):
                for number, host in ((1, self.a), (2, self.b)):
                    other = 3 - number
                    host.rules(f"order file\n{{ laddr 10.{number}.0.1 raddr 10.{other}.0.1 ulp udp dir both }} {what} {{}}\n"
                               f"{{ laddr 10.{number}.0.0/16 raddr 10.{other}.0.0/16 }} "
                               f"ipsec {{ encr_algs aes-gcm tsrc 192.0.2.{number} tdst 192.0.2.{other} }}\n")
                self.cable.packets()
                if arrives:
                    self.assertEqual(datagrams(self.inner[0], self.inner[1], "10.2.0.1", [100] * 3), [100] * 3)
                else:
                    refused(self.inner[0], self.inner[1], "10.2.0.1", 3,
                            lambda: self.a.status()["out"].get("dropped", {}).get("explicit", 0) +
                            self.a.status()["in"].get("dropped", {}).get("explicit", 0))
                self.assertEqual(self.cable.protocols(), crosses)
                echo(self.inner[0], self.inner[1], "10.2.0.1", 1000)
                self.assertEqual(self.cable.protocols(), {ESP})

    def test_clear_packets_are_refused(self):
        self.a.rules("")
        refused(self.inner[0], self.inner[1], "10.2.0.1", 3, lambda: self.b.status()["in"]["dropped"].get("got_clear", 0))
        self.assertEqual(self.b.status()["in"]["dropped"], {"got_clear": 3})


if __name__ == "__main__":
    unittest.main()
