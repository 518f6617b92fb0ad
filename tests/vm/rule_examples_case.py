"""Every file of share/examples/rules, with the keys that it names, on the kernel at both ends: what it protects crosses the
cable as ESP and arrives, what it excepts crosses in clear, and what comes in clear but should not is dropped."""
import contextlib
import json
import os
import pathlib
import re
import socket

from guest import IPSECKEY, expect, finish, ipseckey, load, run
from netns import OSPF, cable, connections, datagrams, hello, inside, ip_batch, ospf_arrives, wait

HERE = pathlib.Path(__file__).resolve().parent / "examples"
CLEAR_WAIT = 2  # Seconds in which a packet that is dropped does not arrive.
ESP, UDP, TCP, GRE = 50, 17, 6, 47
NEIGHBOURS = (0, 58)  # ICMPv6 for neighbours and groups, the latter with hop-by-hop options.
ADDRESSES = {"a": ["192.0.2.1/32", "fe80::1/64", "10.1.0.1/32", "10.9.0.5/32", "2001:db8:1::1/128"],
             "b": ["192.0.2.2/32", "203.0.113.1/32", "fe80::2/64", "10.2.0.1/32", "2001:db8:2::1/128"]}
MIRRORED = (("laddr", "raddr"), ("lport", "rport"), ("tsrc", "tdst"), ("outbound", "inbound"))


def other_side(text):
    """The same file for the host at the other end."""
    for one, other in MIRRORED:
        text = re.sub(rf"\b({one}|{other})\b", lambda m, pair=(one, other): pair[m[1] == pair[0]], text)
    return text


def ipsecconf(netns, *arguments, fails=False):
    return run("ip", "netns", "exec", netns, "/tmp/ipsecconf", "--sadb=kernel", *arguments, fails=fails)


def hold(name, keys, rules):
    """Keys and rules of one host, through files like a person's."""
    ipseckey("flush", "all", netns=name)
    load(keys, netns=name)
    path = pathlib.Path(f"/tmp/rules-{name}")
    path.write_text(rules)
    ipsecconf(name, "apply", str(path))


class Cable:
    """The upper protocols of the packets that the two hosts have sent since the last look: what a tunnel delivers is seen at the
    receiver's device, too, but does not leave it."""

    def __init__(self):
        self.taps = {}
        for name, device in (("a", "ethA"), ("b", "ethB")):
            with inside(name):
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            tap.bind((device, 0))
            tap.setblocking(False)
            self.taps[name] = tap

    def protocols(self, senders="ab"):
        found = set()
        for name, tap in self.taps.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, (_, kind, way, *_) = tap.recvfrom(2048)
                    protocol = {0x0800: 23, 0x86dd: 20}.get(kind)
                    if name in senders and way == socket.PACKET_OUTGOING and protocol and frame[protocol] not in NEIGHBOURS:
                        found.add(frame[protocol])
        return found


def both_ways(src, dst):
    """Datagrams arrive in both directions, and only ESP crosses the cable."""
    cable_.protocols()
    expect(f"datagrams {src} -> {dst}", datagrams("a", "b", src, dst, [100, 1000]), [100, 1000])
    expect(f"datagrams {dst} -> {src}", datagrams("b", "a", dst, src, [100, 1000]), [100, 1000])
    expect(f"the cable between {src} and {dst}", cable_.protocols(), {ESP})


def refused_in_clear(src, dst):
    """Without rules at b its datagrams cross the cable in clear, and a drops them."""
    ipsecconf("b", "unload")
    cable_.protocols()
    expect(f"clear datagrams {dst} -> {src}", datagrams("b", "a", dst, src, [100], seconds=CLEAR_WAIT), [])
    expect("they were on the cable", cable_.protocols("b"), {UDP})


def transport_pair():
    both_ways("192.0.2.1", "192.0.2.2")
    refused_in_clear("192.0.2.1", "192.0.2.2")


def web_server():
    both_ways("192.0.2.1", "192.0.2.2")
    for port, protocol in ((80, TCP), (443, TCP), (8080, ESP)):
        cable_.protocols()
        expect(f"a connection to port {port}", connections([("192.0.2.2", "192.0.2.1")], start="b", end="a", port=port),
               {("192.0.2.2", "192.0.2.1")})
        expect(f"port {port} on the cable", cable_.protocols(), {protocol})
    # Another host, which has no SA: the web answers it, and nothing else does.
    ipsecconf("b", "unload")
    other = [("203.0.113.1", "192.0.2.1")]
    expect("the web for another host", connections(other, start="b", end="a", port=80), set(other))
    expect("all else for another host", connections(other, start="b", end="a", port=8080, seconds=CLEAR_WAIT), set())


def tunnel():
    both_ways("10.1.0.1", "10.2.0.1")
    both_ways("2001:db8:1::1", "2001:db8:2::1")
    refused_in_clear("10.1.0.1", "10.2.0.1")
    refused_in_clear("2001:db8:1::1", "2001:db8:2::1")


def road_warrior():
    both_ways("10.9.0.5", "10.2.0.1")
    refused_in_clear("10.9.0.5", "10.2.0.1")


def gre_links():
    for name, mine, theirs, number in (("a", "192.0.2.1", "192.0.2.2", 1), ("b", "192.0.2.2", "192.0.2.1", 2)):
        ip_batch(name, [f"link add gre1 type gre local {mine} remote {theirs} ttl 64", "link set gre1 up",
                        f"addr add 10.77.0.{number}/24 dev gre1"])


def gre():
    both_ways("10.77.0.1", "10.77.0.2")
    ipsecconf("b", "unload")
    cable_.protocols()
    expect("GRE in clear", datagrams("b", "a", "10.77.0.2", "10.77.0.1", [100], seconds=CLEAR_WAIT), [])
    expect("it was on the cable", cable_.protocols("b"), {GRE})
    for name in ("a", "b"):  # It sends by itself, later, too.
        ip_batch(name, ["link del gre1"])


def ospfv3():
    for dst in ("ff02::5", "ff02::6", "fe80::2"):
        seen, got = ospf_arrives(("a", "ethA"), ("b", "ethB"), "fe80::1", dst)
        expect(f"OSPF to {dst}", [seen, got], [{ESP}, [bytes(44)]])
    ipsecconf("b", "unload")
    cable_.protocols()
    hello("b", "ethB", "fe80::2", "fe80::1")
    wait(CLEAR_WAIT, lambda: False)
    expect("OSPF in clear was on the cable", cable_.protocols("b"), {OSPF})


# The rules, the keys that they need, what is set up before, and the traffic.
EXAMPLES = {"transport-pair": ("transport-pair", None, transport_pair), "web-server": ("transport-pair", None, web_server),
            "tunnel": ("tunnel", None, tunnel), "road-warrior": ("road-warrior", None, road_warrior),
            "gre": ("transport-pair", gre_links, gre), "ospfv3": ("ospfv3", None, ospfv3)}

os.symlink(IPSECKEY, "/tmp/ipsecconf")
cable()
for name_, device in (("a", "ethA"), ("b", "ethB")):
    ip_batch(name_, [f"addr add {address} dev {device}" + (" nodad" if ":" in address else "") for address in ADDRESSES[name_]] +
             [f"route add default dev {device}", f"route add ::/0 dev {device}"])
# Behind gateways neighbours are not looked for; here the rules of the tunnel would take their answers.
mac = json.loads(run("ip", "-n", "a", "-j", "link", "show", "ethA"))[0]["address"]
ip_batch("b", [f"neigh add 2001:db8:1::1 lladdr {mac} dev ethB"])
cable_ = Cable()
expect("every example", sorted(path.name for path in (HERE / "rules").iterdir()), sorted(EXAMPLES))
for name_, (keys_, prepare, traffic) in EXAMPLES.items():
    if prepare:
        prepare()
    key_text, rule_text = (HERE / keys_).read_text(), (HERE / "rules" / name_).read_text()
    expect(f"{name_} names its keys", re.search(r"\bfile\s+(?:#\s+)?" + keys_ + r"\b", rule_text) is not None, True)
    hold("a", key_text, rule_text)
    hold("b", other_side(key_text), other_side(rule_text))
    traffic()
    for host in ("a", "b"):
        ipsecconf(host, "unload")
        expect(f"{name_}: nothing is left at {host}", run("ip", "-n", host, "xfrm", "policy").replace("socket", ""), "")
finish("every example of rules, on the kernel")
