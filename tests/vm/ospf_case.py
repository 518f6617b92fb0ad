"""OSPFv3 as RFC 4552 protects it, with real routers (bird) on one link: the shipped keys and rules, three routers that become
adjacent and exchange routes, with ESP alone on the link; a router with another key, or without rules, stays alone."""
import os
import pathlib
import re
import socket
import subprocess

from guest import IPSECKEY, contains, expect, finish, ipseckey, load, run
from netns import OSPF, inside, ip_batch, wait

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
        ip_batch("sw", ["link add br0 type bridge mcast_snooping 0", "link set br0 up promisc on"])
        for name, number in ROUTERS.items():
            run("ip", "netns", "add", name)
            run("ip", *f"link add eth0 netns {name} type veth peer name to_{name} netns sw".split())
            ip_batch("sw", [f"link set to_{name} master br0 up"])
            ip_batch(name, ["link set lo up", "link set eth0 addrgenmode none", "link set eth0 up",
                            f"addr add fe80::{number}/64 dev eth0 nodad"])
        with inside("sw"):
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
        self.tap.bind(("br0", 0))
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


def rules(name):
    """The shipped rules, into the kernel's policies of one router."""
    return run("ip", "netns", "exec", name, "/tmp/ipsecconf", "--sadb=kernel", "apply", str(EXAMPLES / "rules/ospfv3"))


def keys(name, text):
    ipseckey("flush", "all", netns=name)
    load(text, netns=name)


def everyone_is_full():
    """The designated router and its backup are adjacent to all, so of three routers each one is adjacent to both others."""
    return all(r.full() == {str(n) for other, n in ROUTERS.items() if other != r.name} for r in routers)


def alone():
    return r3.full() == set() and r1.full() == {"2"} and r2.full() == {"1"}


def report():
    return "\n".join(r.name + ":\n" + r.ask("ospf", "neighbors") for r in routers)


def settles(what, wanted):
    """The routes of all three, once they are as wanted."""
    wait(PATIENCE, lambda: [r.routes() for r in routers] == wanted)
    expect(what, [r.routes() for r in routers], wanted)


SHIPPED = (EXAMPLES / "ospfv3").read_text()
SHIPPED += SHIPPED[SHIPPED.rindex("add esp"):].replace("fe80::2", "fe80::3")  # One more router on the link.
OTHER = re.sub(r"authkey fb", "authkey fa", SHIPPED)

os.symlink(IPSECKEY, "/tmp/ipsecconf")
link = Link()
for name in ROUTERS:
    keys(name, SHIPPED)
    rules(name)
routers = [Router(name) for name in ROUTERS]
r1, r2, r3 = routers

if not wait(PATIENCE, everyone_is_full):
    expect("three routers with one key are fully adjacent", report(), "all Full")
settles("their routes", [{"1", "2", "3"}] * 3)
expect("what crossed the link", link.protocols(), {(f"fe80::{n}", 50) for n in ROUTERS.values()})

# Another key on one router: its hellos are not believed, and the adjacency ends with the dead interval.
keys("r3", OTHER)
if not wait(PATIENCE, alone):
    expect("a router with another key is alone", report(), "r3 without neighbours")
settles("its routes are gone", [{"1", "2"}, {"1", "2"}, {"3"}])
expect("the link still carries only ESP", {kind for _, kind in link.protocols()}, {50})

# The key again: it is adjacent again.
keys("r3", SHIPPED)
if not wait(PATIENCE, everyone_is_full):
    expect("with the key it is adjacent again", report(), "all Full")

# Without rules its OSPF is in clear, and refused.
link.protocols()
run("ip", "netns", "exec", "r3", "/tmp/ipsecconf", "--sadb=kernel", "unload")
if not wait(PATIENCE, alone):
    expect("a router that sends in clear is alone", report(), "r3 without neighbours")
expect("who sends what", link.protocols() >= {("fe80::3", OSPF), ("fe80::1", 50), ("fe80::2", 50)}, True)
contains("its packets are counted", ipseckey("doctor", netns="r1"), "XfrmInTmplMismatch")
for r in routers:
    r.stop()
finish("OSPFv3 with real routers: shipped keys and rules")
