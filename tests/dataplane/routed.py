"""Two hosts with a router between them, which is a NAT for one of a's addresses: network namespaces, an ipsecd in two of
them, which a service manager restarts.

    a  up1 --- 192.0.2.0/24, 192.168.1.0/24, 2001:db8:1::/64 --- p1  r  p3 --- 198.51.100.0/24, 2001:db8:2::/64 --- up3 b
       up2 --- 203.0.113.0/24, 2001:db8:3::/64 ----------------- p2

a ends in 1, b in 2, r in 254 and fe. ESP in UDP from a's 192.168.1.1 arrives at b from 198.51.100.254."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading

from hosts import BIN, DEADLINE, Host, ip
from manager import Manager

MARK = "0x50"
WIDE = 1500  # The MTU of a link as long as ipsecd assumes.
NAT_PORT = 4500
KEY = "".join(f"{n:02x}" for n in range(64))
FOLLOWS = "--nat-follow" in subprocess.run([BIN / "ipsecd", "--help"], capture_output=True, text=True, check=True).stdout
# Ends as a and as b see them: at a, at b.
PLAIN = (("192.0.2.1", "198.51.100.2"),) * 2
PLAIN6 = (("2001:db8:1::1", "2001:db8:2::2"),) * 2
NATTED = (("192.168.1.1", "198.51.100.2"), ("198.51.100.254", "198.51.100.2"))
IN_UDP = "encap udp nat_lport 4500 nat_rport "


class Kind:
    """A pair of SAs, for every generation of its keys."""

    def __init__(self, number, name, sa_type, ends, inner, algorithms, key_octets, udp=False):
        self.number, self.name, self.sa_type, self.ends, self.inner = number, name, sa_type, ends, inner
        self.algorithms, self.key_octets, self.udp = algorithms, key_octets, udp

    def line(self, host, way, generation, nat_port):
        """The SA of a direction ("ab" or "ba") as a host has it."""
        at_a, at_b = self.ends[host == "b"]
        src, dst = (at_a, at_b) if way == "ab" else (at_b, at_a)
        spi = 0x1000 * (self.number + 1) + 2 * generation + (way == "ba")
        words = [f"add {self.sa_type} spi {spi:#x} src {src} dst {dst}"]
        if self.inner:
            inner = self.inner if way == "ab" else self.inner[::-1]
            words.append(f"isrc {inner[0]} idst {inner[1]}")
        if self.udp:
            words.append(IN_UDP + str(nat_port if (host, way) == ("b", "ba") else NAT_PORT))
            if not self.inner and host == "b":
                words.append(f"nat_rem {self.ends[0][0]}")
        fresh = f"{self.number:02x}{generation:04x}{way == 'ba':02x}"
        for keyword, octets in zip(("encrkey", "authkey"), self.key_octets):
            words += [f"{keyword} {(fresh + KEY)[:2 * octets]}"] if octets else []
        return " ".join(words + [self.algorithms]) + "\n"


CBC = "encralg aes authalg sha256 replay 1024"
KINDS = (
    Kind(0, "tunnel", "esp", PLAIN, ("10.1.0.0/16", "10.2.0.0/16"), "encralg aes-gcm replay 64", (20, 0)),
    Kind(1, "tunnel6", "esp", PLAIN6, ("fd01::/32", "fd02::/32"), CBC, (16, 32)),
    Kind(2, "nat", "esp", NATTED, ("10.11.0.0/16", "10.12.0.0/16"), "encralg aes-gcm replay 64", (20, 0), udp=True),
    Kind(3, "transport", "esp", PLAIN, None, "encralg chacha20-poly1305 replay 64", (36, 0)),
    Kind(4, "transport6", "ah", PLAIN6, None, "authalg sha512 replay 64", (0, 64)),
    Kind(5, "natted", "esp", NATTED, None, CBC, (16, 32), udp=True),
)


def flush_connections():
    """The NAT of this thread's namespace forgets all translations (IPCTNL_MSG_CT_DELETE of all)."""
    netfilter, delete, request_ack = 12, 1 << 8 | 2, 5
    message = struct.pack("=LHHLLBBH", 20, delete, request_ack, 1, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter) as s:
        s.send(message)
        error = struct.unpack_from("=i", s.recv(4096), 16)[0]
    if error:
        raise OSError(-error, "flushing the connections of the NAT")


class KeptHost(Host):
    """Its ipsecd runs under a service manager and with --keep."""

    def __init__(self, name, folder, options):
        super().__init__(name, folder)
        self.own_name, self.options = name, options
        kept = folder / f"{name}.kept"
        kept.mkdir()
        self.pfkey, self.log = kept / "sadb.sock", kept / "log"
        self.manager = Manager(kept)
        self.manager.notify.settimeout(None)
        self.ready = threading.Event()
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        while True:
            try:
                lines = self.manager.take()
            except OSError:
                return
            if "READY=1" in lines:
                self.ready.set()

    def begin(self):
        """Starts another one, without waiting for it."""
        self.ready.clear()
        with open(self.log, "a") as log:
            self.daemon = self.manager.start("--keep", "--tun", "ipsec0", "--mark", MARK, *self.options, stderr=log,
                                             inside=("ip", "netns", "exec", self.netns))

    def start(self, *_):
        self.begin()
        if not self.ready.wait(DEADLINE):
            raise TimeoutError(f"ipsecd is not ready: {self.log.read_text()}")

    def end(self, number):
        self.daemon.send_signal(number)
        self.daemon.wait(DEADLINE)

    def gone(self):
        if self.daemon and self.daemon.poll() is None:
            self.end(signal.SIGTERM)
        self.manager.notify.shutdown(socket.SHUT_RDWR)
        self.manager.close()
        ip("netns", "del", self.netns, check=False)


class Network:
    def __init__(self):
        self.folder_ = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder_.name)
        self.a, self.b = KeptHost("a", folder, ("--workers", "1")), KeptHost("b", folder, (
            "--workers", "2", *(("--nat-follow",) if FOLLOWS else ())))
        self.r = Host("r", folder)
        self.r.own_name = "r"
        self.narrow = {}  # Links, by their ports of the router, and paths, by the host at their end: the MTU.
        self.generation = {kind: 0 for kind in KINDS}
        self.nat_port, self.nat_ports_used, self.uplink = NAT_PORT if FOLLOWS else 20000, 0, 1
        try:
            self.lay()
        except Exception:
            self.close()
            raise

    def lay(self):
        a, r, b = self.a, self.r, self.b
        for host in (a, r, b):
            host.inside(lambda: self.calm(ipv6__conf__default__dad_transmits=0, ipv6__conf__all__keep_addr_on_down=1,
                                          ipv6__conf__default__keep_addr_on_down=1))
        for host, own, port in ((a, "up1", "p1"), (a, "up2", "p2"), (b, "up3", "p3")):
            host.ip("link", "add", own, "type", "veth", "peer", "name", port, "netns", r.netns)
        for host, device, addresses in (
                (a, "up1", "192.0.2.1/24 192.168.1.1/24 2001:db8:1::1/64"), (a, "up2", "203.0.113.1/24 2001:db8:3::1/64"),
                (r, "p1", "192.0.2.254/24 192.168.1.254/24 2001:db8:1::fe/64"), (r, "p2", "203.0.113.254/24 2001:db8:3::fe/64"),
                (r, "p3", "198.51.100.254/24 2001:db8:2::fe/64"), (b, "up3", "198.51.100.2/24 2001:db8:2::2/64")):
            for address in addresses.split():
                host.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
            host.ip("link", "set", device, "up")
        r.inside(lambda: self.calm(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1))
        for host in (a, b):  # ipsecd's device sends no packets of its own.
            host.inside(lambda: self.calm(ipv6__conf__default__router_solicitations=0, ipv6__conf__default__addr_gen_mode=1))
        for port in ("p1", "p2", "p3"):
            self.slow(port, "10gbit")
        # One processor for a link's inbound packets: otherwise the kernel itself would change their order.
        for host, device in ((a, "up1"), (a, "up2"), (b, "up3"), (r, "p1"), (r, "p2"), (r, "p3")):
            subprocess.run(["ip", "netns", "exec", host.netns, "tee", f"/sys/class/net/{device}/queues/rx-0/rps_cpus"],
                           input="1", check=True, capture_output=True, text=True, timeout=DEADLINE)
        b.ip("route", "add", "default", "via", "198.51.100.254")
        b.ip("-6", "route", "add", "default", "via", "2001:db8:2::fe")
        self.route_by(1)
        # Packets that the NAT does not know are dropped; otherwise it would reserve the port for b's use, and refuse it to a.
        self.filter("-A", "INPUT", "-s", "198.51.100.2", "-p", "udp", "-j", "DROP")
        self.translate()
        for host, nets in ((a, ("10.2.0.0/16", "10.12.0.0/16", "fd02::/32")), (b, ("10.1.0.0/16", "10.11.0.0/16", "fd01::/32"))):
            for net in nets:
                host.ip("route", "add", "unreachable", net, "metric", "2000")
        for host, peers in ((a, ("198.51.100.2", "2001:db8:2::2")), (b, ("192.0.2.1", "198.51.100.254", "2001:db8:1::1"))):
            for family in ("-4", "-6"):
                # Packets without a device are dropped, so that they never leave in clear.
                host.ip(family, "rule", "add", "not", "fwmark", MARK, "table", "50")
            for peer in peers:
                host.ip("route", "add", "unreachable", peer, "table", "50", "metric", "2000")

    @staticmethod
    def calm(**settings):
        """The kernel's own settings in this thread's namespace."""
        for name, value in settings.items():
            pathlib.Path("/proc/sys/net", name.replace("__", "/")).write_text(str(value))

    def filter(self, *words, family=""):
        done = subprocess.run(["ip", "netns", "exec", self.r.netns, f"ip{family}tables", "-w", *words], check=True,
                              capture_output=True, text=True, timeout=DEADLINE)
        return done.stdout

    def translate(self):
        """UDP from 192.168.1.1 gets the address that r has towards b, and its current port."""
        there = "SNAT" in self.filter("-t", "nat", "-L", "POSTROUTING", "-n")
        # One step: without a rule there would be no NAT for a moment.
        self.filter("-t", "nat", *(("-R", "POSTROUTING", "1") if there else ("-A", "POSTROUTING")), "-s", "192.168.1.1", "-p", "udp",
                    "-j", "SNAT", "--to-source", f"198.51.100.254:{self.nat_port}")
        self.r.inside(flush_connections)

    def new_nat_port(self):
        self.nat_ports_used += 1
        self.nat_port = 20000 + self.nat_ports_used % 20000
        self.translate()

    def route_by(self, uplink):
        """Both ways."""
        self.uplink = uplink
        net, device = (("192.0.2", "2001:db8:1"), ("203.0.113", "2001:db8:3"))[uplink - 1], f"up{uplink}"
        for address in ("192.0.2.1", "192.168.1.1", "2001:db8:1::1"):
            six = ":" in address
            where = [address + ("/128" if six else "/32")]
            if uplink == 1:
                self.r.ip("route", "del", *where, "dev", "p2", check=False)
            else:
                self.r.ip("route", "replace", *where, "via", f"{net[six]}::1" if six else f"{net[six]}.1", "dev", "p2")
        self.a.ip("route", "replace", "198.51.100.0/24", "via", f"{net[0]}.254", "dev", device, "src", "192.0.2.1")
        self.a.ip("route", "replace", "2001:db8:2::/64", "via", f"{net[1]}::fe", "dev", device, "src", "2001:db8:1::1")

    def slow(self, port, rate):
        """The rate of a link of the router; packets beyond it wait."""
        subprocess.run(["tc", "-n", self.r.netns, "qdisc", "replace", "dev", port, "root", "tbf", "rate", rate, "burst",
                        "128kb", "limit", "16mb"], check=True, timeout=DEADLINE)

    def tell_path(self, towards):
        """Packets that leave by the router's link towards a host have the MTU that is set for that path, or the link's, if
        smaller."""
        port, nets = (("p3", ("198.51.100.0/24", "2001:db8:2::/64")) if towards == "b" else
                      ("p1", ("192.0.2.0/24", "192.168.1.0/24", "2001:db8:1::/64")))
        size = str(min(self.narrow.get(towards, WIDE), self.narrow.get(port, WIDE)))
        for net in nets:
            words = ("metric", "256", "mtu", size) if ":" in net else ("scope", "link", "mtu", "lock", size)
            self.r.ip("route", "replace", net, "dev", port, "proto", "kernel", *words)

    def give_addresses(self, host):
        """Adds addresses to its device, and the routes into it."""
        here, there = (1, 2) if host is self.a else (2, 1)
        for tens in ("", "1"):
            host.ip("addr", "add", f"10.{tens}{here}.0.1/32", "dev", "ipsec0")
            host.ip("route", "add", f"10.{tens}{there}.0.0/16", "dev", "ipsec0", "src", f"10.{tens}{here}.0.1")
        host.ip("addr", "add", f"fd0{here}::1/128", "dev", "ipsec0", "nodad")
        host.ip("route", "add", f"fd0{there}::/32", "dev", "ipsec0", "src", f"fd0{here}::1")
        for ends in (PLAIN, PLAIN6, NATTED):
            own, peer = ends[host is self.b][::1 if host is self.a else -1]
            host.ip("route", "replace", peer, "dev", "ipsec0", "table", "50", "src", own)

    def lines(self, host, newer=(), outbound=True, older=()):
        """The SAs of a host. Those of the kinds `newer` also have the next generation, inbound or both; of the kinds `older`
        the last inbound one exists as well."""
        name, text = host.own_name, ""
        into = {"a": "ba", "b": "ab"}[name]
        for kind in KINDS:
            now = self.generation[kind]
            wanted = [("ab", now), ("ba", now)]
            if kind in newer:
                wanted += [(way, now + 1) for way in ("ab", "ba") if outbound or way == into]
            if kind in older:
                wanted.append((into, now - 1))
            text += "".join(kind.line(name, way, generation, NAT_PORT if FOLLOWS else self.nat_port) for way, generation in wanted)
        return text

    def apply(self, host, **which):
        host.ipseckey("--service", "apply", "-", text=self.lines(host, **which))

    def start(self):
        for host in (self.a, self.b):
            host.start()
            self.give_addresses(host)
            self.apply(host)

    def clear_packets(self):
        """The number of the streams' packets that arrived at the router without protection, from the router's rules for them."""
        found = []
        for family in ("", "6"):
            rows = self.filter("-t", "mangle", "-L", "PREROUTING", "-v", "-n", "-x", family=family).splitlines()[2:]
            found += [" ".join(row.split()) for row in rows if row.split()[0] != "0"]
        return found

    def watch_for_clear(self, ports):
        for family in ("", "6"):
            self.filter("-t", "mangle", "-A", "PREROUTING", "-p", "tcp", family=family)
            self.filter("-t", "mangle", "-A", "PREROUTING", "-p", "udp", "--dport", ports, family=family)

    def close(self):
        for host in (self.a, self.b, self.r):
            host.gone()
        self.folder_.cleanup()
