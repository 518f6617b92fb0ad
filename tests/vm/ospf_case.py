"""OSPFv3 as RFC 4552 protects it, with real routers (bird) on one link: the shipped keys and rules, three routers that become
adjacent and exchange routes, with ESP alone on the link; a router with another key, or without rules, stays alone."""
import os
import pathlib
import re
import subprocess

from guest import IPSECKEY, contains, expect, finish, load, run
from netns import OSPF, inside, ip_batch, wait
import socket

EXAMPLES = pathlib.Path(__file__).resolve().parent / "examples"
ROUTERS = {"r1": 1, "r2": 2, "r3": 3}
PATIENCE = 120  # Seconds; the dead interval is 8.
BIRD = """
log "/tmp/bird-{name}.log" all;
router id 192.0.2.{number};
protocol device {{ }}
protocol static {{ ipv6; route 2001:db8:{number}::/64 unreachable; }}
protocol ospf v3 {{
  ipv6 {{ import all; export where source = RTS_STATIC; }};
  area 0 {{ interface "eth0" {{ hello 1; dead 8; wait 3; retransmit 2; }}; }};
}}
"""


class Link:
    """A switch, with a tap on all that crosses it."""

    def __init__(self):
        run("ip", "netns", "add", "sw")
        ip_batch("sw", ["link add br0 type bridge mcast_snooping 0", "link set br0 up"])
        for name, number in ROUTERS.items():
            run("ip", "netns", "add", name)
            run("ip", *f"link add eth0 netns {name} type veth peer name to_{name} netns sw".split())
            ip_batch("sw", [f"link set to_{name} master br0 up"])
            ip_batch(name, ["link set lo up", "link set eth0 addrgenmode none", "link set eth0 up",
                            f"addr add fe80::{number}/64 dev eth0 nodad"])
        with inside("sw"):
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
        self.tap.bind(("br0", 0))
        self.tap.setsockopt(263, 1, socket.if_nametoindex("lo").to_bytes(4, "little") + bytes(12)) if False else None
        self.tap.setblocking(False)

    def protocols(self):
        """Of the IPv6 packets since the last call: those of OSPF and ESP, by sender."""
        found = set()
        try:
            while True:
                frame = self.tap.recv(2048)
                if frame[20] in (OSPF, 50):
                    found.add((socket.inet_ntop(socket.AF_INET6, frame[22:38]), frame[20]))
        except BlockingIOError:
            return found


class Router:
    def __init__(self, name):
        self.name, self.control = name, f"/tmp/bird-{name}.ctl"
        config = pathlib.Path(f"/tmp/bird-{name}.conf")
        config.write_text(BIRD.format(name=name, number=ROUTERS[name]))
        self.process = subprocess.Popen(("ip", "netns", "exec", name, "bird", "-f", "-c", config, "-s", self.control))

    def ask(self, *words):
        done = subprocess.run(("birdc", "-r", "-s", self.control, "show", *words), capture_output=True, text=True, check=False)
        return done.stdout

    def full(self):
        """The routers with which it is fully adjacent."""
        return set(re.findall(r"^192\.0\.2\.(\d)\s+\d+\s+Full/", self.ask("ospf", "neighbors"), re.M))

    def routes(self):
        return set(re.findall(r"^2001:db8:(\d)::/64", self.ask("route"), re.M))

    def stop(self):
        self.process.terminate()
        self.process.wait()
