#!/usr/bin/env python3
"""ipsecd --hook: netfilter takes the packets that rules concern, between two hosts that are network namespaces, and no route leads
into a device. These tests compare
the packets that arrive, that cross the cable and that are refused; nothing leaves in clear while ipsecd comes and goes."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from dataplane_test import AH_REST, CBC_REST, GCM_REST, V6_ENDS, both_ways
from hosts import DEADLINE, Capture, Pair, Stream, datagrams, echo, ip, protocols, wait_for

ESP, AH, UDP, TCP, OSPF, ICMPV6 = 50, 51, 17, 6, 89, 58
GCM = "ipsec { encr_algs aes-gcm }"
NEIGHBOURS = "{ ulp 58 type 133-137 dir both } pass {}\n"


def transport(spi, rest, ends=("192.0.2.1", "192.0.2.2")):
    return both_ways(spi, rest, inner=("", ""), ends=ends)


class Case(unittest.TestCase):
    options = ()
    device = None
    keys = ""
    rules = ("", "")  # Of a and of b.

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        for host, rules in zip((self.a, self.b), self.rules):
            host.start("--hook", *self.options, device=self.device)
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
                # Until the sender knows the path MTU, datagrams that just fit the link are lost.
                for size in (1472, 1452):
                    datagrams(self.a, self.b, address, [size], arrive=0)
                self.assertEqual(datagrams(self.a, self.b, address, sizes), sizes)
                self.assertLessEqual(protocols(self.cable.packets()), {ESP, 44})

    def test_other_hosts_are_not_concerned(self):
        self.b.rules("")
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
        # What the host itself sends into a device is dropped, too.
        before = self.dropped(self.a, "out").get("no_sa", 0)
        self.assertEqual(datagrams(self.a, self.b, "192.0.2.2", [100] * 3, arrive=0), [])
        self.assertEqual(self.cable.protocols(), set())
        self.assertGreaterEqual(self.dropped(self.a, "out")["no_sa"] - before, 3)

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
        self.assertEqual(datagrams(self.a, self.b, "192.0.2.2", [100] * 5), [100] * 5)
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

    def test_a_clear_hello_is_refused(self):
        sender, taker = self.router(self.a, "cable"), self.router(self.b, "cable")
        self.a.rules("")
        sender.sendto(self.HELLO, (self.GROUP, 0))
        sender.sendto(self.HELLO, ("fe80::2", 0, 0, self.index[self.a]["cable"]))
        wait_for("the drops", lambda: self.dropped(self.b, "in").get("got_clear") == 2)
        self.assertIsNone(self.heard(taker, 0.2))

    def test_another_key_is_refused(self):
        sender, taker = self.router(self.a, "cable"), self.router(self.b, "cable")
        self.a.ipseckey("flush")
        self.a.load(ospf_keys().replace("5a5a", "a5a5"))
        sender.sendto(self.HELLO, (self.GROUP, 0))
        wait_for("the drop", lambda: self.dropped(self.b, "in").get("corrupt") == 1)
        self.assertIsNone(self.heard(taker, 0.2))


class Comings(Case):
    """ipsecd and its rules come and go under traffic: never a packet in clear on the cable."""
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
        self.a.start("--hook", device=None)
        self.sends_more()
        self.assertEqual({k for k in self.dropped(self.a, "out")}, {"not_ready"})
        self.assertTrue(self.a.status()["hook"]["waiting"])
        self.a.load(self.keys)
        self.sends_more()
        self.assertEqual(protocols(self.nothing_in_clear()), set())
        self.a.rules(self.RULES[0])
        self.flows()
        self.assertTrue(self.nothing_in_clear())

    def test_unload(self):
        """Only then they leave in clear."""
        self.flows()
        self.nothing_in_clear()
        self.a.rules("")
        wait_for("clear packets", lambda: any(b"never in clear" in p for p in self.cable.packets()))
        self.assertEqual(self.a.status()["hook"]["netfilter_rules"], 0)

    def test_unhook(self):
        self.a.daemon.kill()
        self.a.daemon.wait(DEADLINE)
        self.sends_more()
        self.nothing_in_clear()
        self.a.run("ipsecd", "unhook")
        wait_for("clear packets", lambda: any(b"never in clear" in p for p in self.cable.packets()))


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

    def test_clear_packets_are_refused(self):
        self.a.rules("")
        self.assertEqual(datagrams(self.inner[0], self.inner[1], "10.2.0.1", [100] * 3, arrive=0), [])
        self.assertEqual(self.b.status()["in"]["dropped"], {"got_clear": 3})


if __name__ == "__main__":
    unittest.main()
