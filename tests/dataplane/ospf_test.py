#!/usr/bin/env python3
"""OSPFv3 with real routers (bird) over ipsecd --hook: the shipped keys and rules, on hosts whose kernel needs no IPsec. Routers with
one key are adjacent, and only ESP crosses the cable; another key, or none, ends it."""
import pathlib
import re
import signal
import subprocess
import unittest

from hosts import DEADLINE, Capture, Pair, wait_for

ESP, OSPF = 50, 89
EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "share" / "examples"
KEYS, RULES = (EXAMPLES / "ospfv3").read_text(), (EXAMPLES / "rules" / "ospfv3").read_text()
BIRD = """
router id 192.0.2.{number};
protocol device {{ }}
protocol static {{ ipv6; route 2001:db8:{number}::/64 unreachable; }}
protocol ospf v3 {{
  ipv6 {{ import all; export where source = RTS_STATIC; }};
  area 0 {{ interface "cable" {{ hello 1; dead 4; wait 2; retransmit 2; }}; }};
}}
"""


class Router:
    def __init__(self, host, number):
        self.host, self.number = host, number
        self.control = host.folder / f"{host.name}.ctl"
        config = host.folder / f"{host.name}.conf"
        config.write_text(BIRD.format(number=number))
        host.ip("addr", "add", f"fe80::{number}/64", "dev", "cable", "nodad")
        self.process = subprocess.Popen(["ip", "netns", "exec", host.netns, "bird", "-f", "-c", config, "-s", self.control],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, *words):
        return subprocess.run(["birdc", "-r", "-s", self.control, "show", *words], capture_output=True, text=True,
                              timeout=DEADLINE).stdout

    def full(self):
        """The routers with which it is fully adjacent."""
        return re.findall(r"^192\.0\.2\.(\d)\s+\d+\s+Full/", self.ask("ospf", "neighbors"), re.M)

    def routes(self):
        return set(re.findall(r"^2001:db8:(\d)::/64", self.ask("route"), re.M))

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)


class Ospf(unittest.TestCase):
    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        for number, host in ((1, self.a), (2, self.b)):
            # The addresses that a link gives itself would be used before ours.
            host.ip("link", "set", "cable", "addrgenmode", "none")
            for address in re.findall(r"inet6 (fe80::\S+)", host.ip("addr", "show", "dev", "cable")):
                host.ip("addr", "del", address, "dev", "cable")
            host.start("--hook", device=None)
            host.load(KEYS)
            host.rules(RULES)
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)
        self.routers = [Router(self.a, 1), Router(self.b, 2)]
        for router in self.routers:
            self.addCleanup(router.stop)

    def kinds(self):
        """Of the packets that routers have sent since the last call."""
        return {packet[6] for packet in self.cable.packets() if packet[0] >> 4 == 6} & {ESP, OSPF}

    def are_adjacent(self):
        return [r.full() for r in self.routers] == [["2"], ["1"]]

    def are_alone(self):
        return [r.full() for r in self.routers] == [[], []]

    # covers RFC4552-2-1 RFC4552-6-4 RFC4552-7-1 RFC4301-4.6-1
    def test_adjacency(self):
        wait_for("the adjacency", self.are_adjacent)
        wait_for("the routes", lambda: [r.routes() for r in self.routers] == [{"1", "2"}] * 2)
        self.assertEqual(self.kinds(), {ESP})

        with self.subTest("another key"):
            self.b.ipseckey("flush")
            self.b.load(re.sub(r"authkey fb", "authkey fa", KEYS))
            wait_for("the end of the adjacency", self.are_alone)
            wait_for("the end of the route", lambda: [r.routes() for r in self.routers] == [{"1"}, {"2"}])
            self.assertGreater(self.a.status()["in"]["dropped"]["corrupt"], 0)
            self.assertEqual(self.kinds(), {ESP})

        with self.subTest("the key again"):
            self.b.ipseckey("flush")
            self.b.load(KEYS)
            wait_for("the adjacency", self.are_adjacent)

        with self.subTest("no rules"):
            self.b.rules("")
            wait_for("the end of the adjacency", self.are_alone)
            self.assertGreater(self.a.status()["in"]["dropped"]["got_clear"], 0)
            self.assertEqual(self.kinds(), {ESP, OSPF})

        with self.subTest("rules again"):
            self.b.rules(RULES)
            wait_for("the adjacency", self.are_adjacent)

        with self.subTest("a crash"):
            self.cable.packets()
            self.b.daemon.send_signal(signal.SIGKILL)
            self.b.daemon.wait(DEADLINE)
            wait_for("the end of the adjacency", self.are_alone)
            self.assertEqual(self.kinds(), {ESP})
            self.b.daemon.stderr.close()
            self.b.start("--hook", device=None)
            self.b.load(KEYS)
            self.b.rules(RULES)
            wait_for("the adjacency", self.are_adjacent)
            self.assertEqual(self.kinds(), {ESP})


if __name__ == "__main__":
    unittest.main()
