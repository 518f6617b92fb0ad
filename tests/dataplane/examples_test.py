#!/usr/bin/env python3
"""Every file of share/examples/rules, with the keys that it names, on `ipsecd --hook` at both ends: what it protects crosses the
cable as ESP and arrives, what it excepts crosses in clear, and what comes in clear but should not is dropped. tests/vm does the
same with the kernel."""
import os
import pathlib
import re
import select
import socket
import unittest

from hosts import DEADLINE, Capture, Pair, datagrams, protocols, wait_for

EXAMPLES = pathlib.Path(os.environ["IPSECKEY_SOURCE"]) / "share/examples"
ESP, UDP, TCP, GRE = 50, 17, 6, 47
MIRRORED = (("laddr", "raddr"), ("lport", "rport"), ("tsrc", "tdst"), ("outbound", "inbound"))
# Of each host: its addresses besides the cable's, and where it finds the other's.
ADDRESSES = (("10.1.0.1/32", "10.9.0.5/32", "2001:db8:1::1/128"), ("203.0.113.1/32", "10.2.0.1/32", "2001:db8:2::1/128"))


def other_side(text):
    """The same file for the host at the other end."""
    for one, other in MIRRORED:
        text = re.sub(rf"\b({one}|{other})\b", lambda m, pair=(one, other): pair[m[1] == pair[0]], text)
    return text


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        cls.addClassCleanup(cls.pair.close)
        cls.a, cls.b = cls.pair.a, cls.pair.b
        for host in (cls.a, cls.b):  # As systemd has it: a device of ipsecd must not be filtered.
            host.inside(lambda: pathlib.Path("/proc/sys/net/ipv4/conf/default/rp_filter").write_text("2", encoding="ascii"))
        for number, (host, addresses) in enumerate(zip((cls.a, cls.b), ADDRESSES), 1):
            for address in addresses:
                host.ip("addr", "add", address, "dev", "cable", *(("nodad",) if ":" in address else ()))
            # What is opened for an address other than the outer one arrives through the device.
            host.start("--hook")
            there = f"192.0.2.{3 - number}"
            host.ip("route", "add", f"10.{3 - number}.0.0/16", "via", there, "src", f"10.{number}.0.1")
            host.ip("route", "add", f"2001:db8:{3 - number}::/48", "via", f"2001:db8::{3 - number}", "src", f"2001:db8:{number}::1")
        cls.a.ip("route", "add", "203.0.113.1", "via", "192.0.2.2")
        cls.b.ip("route", "add", "10.9.0.5", "via", "192.0.2.1", "src", "10.2.0.1")
        cls.cable = Capture(cls.a, "cable")
        cls.addClassCleanup(cls.cable.close)

    def load(self, rules, keys=None):
        keys = (EXAMPLES / (keys or rules)).read_text()
        rules = (EXAMPLES / "rules" / rules).read_text()
        # Where the example says what ipsecd takes instead, that is loaded.
        instead = re.search(r"^# For ipsecd:\n#\n#   (\{.*)$", rules, re.M)
        if instead:
            rules = "order file\n" + instead[1] + "\n"
        for host, side in ((self.a, str), (self.b, other_side)):
            host.load("flush\n" + side(keys))
            host.rules(side(rules))
        self.cable.packets()

    def arrives(self, client, server, address):
        """Only as ESP."""
        self.cable.packets()
        self.assertEqual(datagrams(client, server, address, [100, 1000]), [100, 1000])
        self.assertEqual(self.cable.protocols(), {ESP})

    def got_clear(self):
        return self.a.status()["in"].get("dropped", {}).get("got_clear", 0)

    def refused_in_clear(self, address, source):
        """Without rules at b its datagram crosses the cable in clear, and a drops it."""
        self.b.rules("")
        self.cable.packets()
        before = self.got_clear()
        with self.b.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((source, 0))
            s.sendto(b"clear", (address, 9))
        wait_for("the drop", lambda: self.got_clear() == before + 1)
        self.assertEqual(self.cable.protocols(), {UDP})

    def connects(self, port, source="", patience=DEADLINE):
        """Whether b reaches that port of a."""
        with self.a.socket() as listener, self.b.socket() as s:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("192.0.2.1", port))
            listener.listen()
            s.bind((source, 0))
            s.settimeout(patience)
            try:
                s.connect(("192.0.2.1", port))
            except TimeoutError:
                return False
            return True

    def test_transport_pair(self):
        self.load("transport-pair")
        self.arrives(self.a, self.b, "192.0.2.2")
        self.arrives(self.b, self.a, "192.0.2.1")
        self.refused_in_clear("192.0.2.1", "192.0.2.2")

    def test_web_server(self):
        self.load("web-server", "transport-pair")
        self.arrives(self.a, self.b, "192.0.2.2")
        for port, crosses in ((80, TCP), (443, TCP), (8080, ESP)):
            self.cable.packets()
            self.assertTrue(self.connects(port))
            self.assertEqual(self.cable.protocols(), {crosses}, port)
        # Another host, which has no SA: the web answers it, and nothing else does.
        self.b.rules("")
        self.assertTrue(self.connects(80, "203.0.113.1"))
        before = self.got_clear()
        self.assertFalse(self.connects(8080, "203.0.113.1", 0.5))
        wait_for("the drop", lambda: self.got_clear() > before)

    def test_tunnel(self):
        self.load("tunnel")
        for here, there in (("10.1.0.1", "10.2.0.1"), ("2001:db8:1::1", "2001:db8:2::1")):
            self.arrives(self.a, self.b, there)
            self.arrives(self.b, self.a, here)
        self.refused_in_clear("10.1.0.1", "10.2.0.1")

    def test_road_warrior(self):
        self.load("road-warrior")
        self.a.ip("route", "replace", "10.2.0.0/16", "via", "192.0.2.2", "src", "10.9.0.5")
        self.addCleanup(self.a.ip, "route", "replace", "10.2.0.0/16", "via", "192.0.2.2", "src", "10.1.0.1")
        self.arrives(self.a, self.b, "10.2.0.1")
        self.arrives(self.b, self.a, "10.9.0.5")
        self.refused_in_clear("10.9.0.5", "10.2.0.1")

    def test_gre(self):
        """By sockets: not every kernel has the interface."""
        self.load("gre", "transport-pair")
        ends = [host.socket(socket.AF_INET, socket.SOCK_RAW, GRE) for host in (self.a, self.b)]
        for s, address in zip(ends, ("192.0.2.1", "192.0.2.2")):
            self.addCleanup(s.close)
            s.bind((address, 0))
        packet = b"\0\0\x08\0" + b"E" + bytes(40)  # The header of GRE (RFC 2784), and something.
        for giver, taker, to in ((*ends, "192.0.2.2"), (*ends[::-1], "192.0.2.1")):
            giver.sendto(packet, (to, 0))
            self.assertEqual(taker.recv(2000)[20:], packet)
        self.assertEqual(self.cable.protocols(), {ESP})
        self.b.rules("")
        before = self.got_clear()
        ends[1].sendto(packet, ("192.0.2.1", 0))
        wait_for("the drop", lambda: self.got_clear() == before + 1)
        self.assertEqual(protocols(self.cable.packets()), {GRE})
        self.assertEqual(select.select(ends[:1], [], [], 0)[0], [])

    def test_there_are_no_others(self):
        """OSPFv3 has tests of its own (hook_test.py, ospf_test.py)."""
        tests = {name.removeprefix("test_").replace("_", "-") for name in dir(self) if name.startswith("test_")}
        self.assertEqual({path.name for path in (EXAMPLES / "rules").iterdir()} - {"ospfv3"}, tests - {"there-are-no-others"})


if __name__ == "__main__":
    unittest.main()
