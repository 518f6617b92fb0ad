"""Every file of share/examples carries traffic, with ipsecd at both ends and with the kernel at both ends; a file about a NAT,
through one. An SA has carried what both ends have counted."""
import contextlib
import ipaddress
import json
import pathlib
import socket

from guest import contains, expect, finish, ipseckey, load, run
from ipsecd import MARK, TABLE, Daemon
from netns import OSPF, cable, datagrams, hello, inside, ip_batch, link_protocols, nat_socket, ospf_arrives, wait

HERE = pathlib.Path(__file__).resolve().parent / "examples"


def other_side(text):
    """The same file for the host at the other end."""
    return text.replace("outbound", "\0").replace("inbound", "outbound").replace("\0", "inbound")


def hosts():
    """Two hosts on one cable, with every address of the files that do not need a NAT."""
    cable()
    mine = {"a": ["192.0.2.1/32", "2001:db8::1/128", "fe80::1/64", "10.1.0.1/32", "10.9.0.5/32",
                  "2001:db8:1::1/128"],
            "b": ["192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32", "198.51.100.7/32", "203.0.113.1/32", "2001:db8::2/128", "fe80::2/64",
                  "10.2.0.1/32", "2001:db8:2::1/128"]}
    for name, device in (("a", "ethA"), ("b", "ethB")):
        ip_batch(name, [f"addr add {address} dev {device}" + (" nodad" if ":" in address else "") for address in mine[name]] +
                 [f"route add default dev {device}", f"route add ::/0 dev {device}"])


def hosts_with_nat():
    """192.0.2.1, a NAT that gives 10.9.0.2 the address 203.0.113.9 and keeps its port, and 10.9.0.2."""
    for name in ("pub", "nat", "priv"):
        run("ip", "netns", "add", name)
        ip_batch(name, ["link set lo up"])
    run("ip", "netns", "exec", "nat", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for name, host, router in (("pub", "192.0.2.1", "192.0.2.254"), ("priv", "10.9.0.2", "10.9.0.254")):
        run("ip", *f"link add name eth0 netns {name} type veth peer name {name} netns nat".split())
        ip_batch(name, [f"addr add {host}/24 dev eth0", "link set eth0 up", f"route add default via {router}"])
        ip_batch("nat", [f"addr add {router}/24 dev {name}", f"link set {name} up"])
    for rule in ("POSTROUTING -o pub -s 10.9.0.2 -j SNAT --to-source 203.0.113.9",
                 "PREROUTING -i pub -d 203.0.113.9 -p udp --dport 4500 -j DNAT --to-destination 10.9.0.2"):
        run("ip", "netns", "exec", "nat", "iptables-legacy", "-t", "nat", "-A", *rule.split())
    ip_batch("nat", ["addr add 203.0.113.9/32 dev pub"])


def network(end):
    """An SA's endpoint in the syntax of `ip`; the wildcard matches everything."""
    address = ipaddress.ip_address(end["address"])
    return f"{address}/{0 if address == address.__class__(0) else end['prefix'] or address.max_prefixlen}"


class Kernel:
    def __init__(self, name):
        self.name = name

    def load(self, text):
        """Loads the keys, and adds policies for the traffic that they protect."""
        load(text, self.name)
        own = {info["local"] for link in json.loads(run("ip", "-n", self.name, "-j", "addr")) for info in link["addr_info"]}
        lines = []
        for sa in self.sas():
            tunnel = "inner_src" in sa
            src, dst = (sa["inner_src"], sa["inner_dst"]) if tunnel else (sa["src"], sa["dst"])
            words = f"src {network(src)} dst {network(dst)}"
            if dst["proto"] or src["proto"]:
                words += f" proto {dst['proto'] or src['proto']}" + (f" dport {dst['port']}" if dst["port"] else "")
            ends = f"src {sa['src']['address']} dst {sa['dst']['address']}" if tunnel else ""
            to_all = ipaddress.ip_address(sa["dst"]["address"]).is_multicast
            for way in ("out", "in"):
                if to_all or (way == "in") == (sa["dst"]["address"] in own):
                    lines.append(f"xfrm policy add {words} dir {way} priority 2 tmpl {ends} proto {sa['satype']} mode "
                                 f"{'tunnel' if tunnel else 'transport'}")
            if "nat_rem" in sa or "nat_loc" in sa:
                lines.append(f"xfrm policy update src {network(sa['src'])} dst {network(sa['dst'])} proto udp dport 4500 dir in priority 1")
        ip_batch(self.name, sorted(set(lines)))

    def sas(self):
        return [json.loads(line) for line in ipseckey("--json", "-p", "dump", netns=self.name).splitlines()]

    def stop(self):
        ipseckey("flush", netns=self.name)
        ip_batch(self.name, ["xfrm policy flush"])


class Ipsecd:
    def __init__(self, name):
        self.name, self.daemon = name, Daemon(name)

    def load(self, text):
        """Loads the keys, and routes the traffic that they protect into the device."""
        self.daemon.load(text)
        ways = set()
        for sa in self.sas():
            dst = ipaddress.ip_address(sa["dst"]["address"])
            if "outbound" in sa["flag_names"] and not (dst.is_multicast or dst.is_link_local):
                ways.add(network(sa.get("inner_dst", sa["dst"])))
        for family in {"-6" if ":" in way else "-4" for way in ways}:
            run("ip", "-n", self.name, family, "rule", "add", "not", "fwmark", MARK, "table", TABLE)
        ip_batch(self.name, [f"route add {way} dev ipsec0 table {TABLE}" for way in sorted(ways)])

    def sas(self):
        return [json.loads(line) for line in self.daemon.run_ipseckey("--json", "-p", "dump").splitlines()]

    def stop(self):
        self.daemon.stop()
        for family in ("-4", "-6"):
            if f"lookup {TABLE}" in run("ip", "-n", self.name, family, "rule"):
                run("ip", "-n", self.name, family, "rule", "del", "not", "fwmark", MARK, "table", TABLE)


def carried(end):
    """SPI and destination of each SA, and whether it has carried something."""
    return {(sa["spi"], sa["dst"]["address"]): sa["current"]["bytes"] > 0 for sa in end.sas()}


def knock(start, src, dst, port):
    """The first packet of a TCP connection."""
    with inside(start):
        s = socket.socket(socket.AF_INET6)
    with contextlib.closing(s):
        s.setblocking(False)
        s.bind((src, 0))
        s.connect_ex((dst, port))


def udp(src, dst, start="a", end="b", at=None):
    expect(f"a datagram from {src} to {dst}", datagrams(start, end, src, dst, [100], at=at), [100])


def both_ways(*pairs):
    for a, b in pairs:
        udp(a, b)
        udp(b, a, "b", "a")


def traffic_ospf():
    """The packets are ESP on the link, and the router at the other end receives their contents."""
    for start, end, src, dst in (("a", "b", "fe80::1", "ff02::5"), ("a", "b", "fe80::1", "ff02::6"), ("a", "b", "fe80::1", "fe80::2"),
                                 ("b", "a", "fe80::2", "fe80::1")):
        seen, got = ospf_arrives(("a", "ethA"), ("b", "ethB"), src, dst) if start == "a" else \
            ospf_arrives(("b", "ethB"), ("a", "ethA"), src, dst)
        expect(f"OSPF to {dst} on the link", seen, {50})
        expect(f"OSPF to {dst}", got, [bytes(44)])


TRAFFIC = {
    "transport-pair": lambda: both_ways(("192.0.2.1", "192.0.2.2")),
    "tunnel": lambda: both_ways(("10.1.0.1", "10.2.0.1"), ("2001:db8:1::1", "2001:db8:2::1")),
    "road-warrior": lambda: both_ways(("10.9.0.5", "10.2.0.1")),
    "aead": lambda: (both_ways(("192.0.2.1", "192.0.2.2")), udp("192.0.2.1", "192.0.2.3"), udp("192.0.2.1", "192.0.2.4")),
    "solaris": lambda: both_ways(("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")),
    "ipseckeys": lambda: (both_ways(("192.0.2.1", "192.0.2.2")), udp("192.0.2.1", "198.51.100.7"), udp("10.1.0.1", "10.2.0.1"),
                          knock("a", "2001:db8::1", "2001:db8::2", 179)),
    "ospfv3": traffic_ospf,
}
BY_NAT = 0x2401  # The SPI in `ipseckeys` of the SA that crosses a NAT.

hosts()
hosts_with_nat()
texts = {path.name: path.read_text() for path in HERE.iterdir() if path.is_file()}
expect("every example", sorted(texts), sorted([*TRAFFIC, "nat-traversal", "nat-traversal-behind"]))

for End in (Kernel, Ipsecd):
    for name, send in TRAFFIC.items():
        ends = [End("a"), End("b")]
        for end, text in zip(ends, (texts[name], other_side(texts[name]))):
            end.load(text)
        if End is Ipsecd and name == "ospfv3":  # As the file says: they bypass the device.
            seen = link_protocols(("b", "ethB"), lambda: hello("a", "ethA", "fe80::1", "ff02::5"), OSPF)
            expect("OSPF past ipsecd, in clear", seen, {OSPF})
        else:
            send()
            for end in ends:
                wait(10, lambda e=end: all(done for (spi, _), done in carried(e).items() if spi != BY_NAT))
                idle = [hex(spi) for (spi, _), done in carried(end).items() if not done and spi != BY_NAT]
                expect(f"{name}, {End.__name__}, {end.name}: SAs that carried nothing", idle, [])
        for end in ends:
            end.stop()

    # A NAT between the two: the file, and the peer's.
    own = texts["ipseckeys"].split("# 4. ")[1].split("# 5. ")[0]
    peers = other_side(own).replace("dst 203.0.113.9", "dst 10.9.0.2").replace("nat_rem 10.9.0.2", "nat_loc 203.0.113.9")
    for name, files in (("nat-traversal", (texts["nat-traversal"], texts["nat-traversal-behind"])),
                        ("ipseckeys, behind a NAT", ("# " + own, "# " + peers))):
        held = [nat_socket("pub", 4500), nat_socket("priv", 4500)] if End is Kernel else []
        ends = [End("pub"), End("priv")]
        for end, text in zip(ends, files):
            end.load(text)
        if name == "nat-traversal":
            udp("10.9.0.2", "192.0.2.1", "priv", "pub")
            udp("192.0.2.1", "203.0.113.9", "pub", "priv", at="10.9.0.2")
        else:
            udp("192.0.2.1", "203.0.113.9", "pub", "priv", at="10.9.0.2")
        for end in ends:
            expect(f"{name}, {End.__name__}, {end.name}", [done for done in carried(end).values() if not done], [])
            end.stop()
        for s in held:
            s.close()

contains("the caution", texts["ospfv3"], "these SAs alone protect nothing")
finish("every example carries traffic, on the kernel and on ipsecd")
