"""The databases that the cases are run on, by five verbs: configure, inject, observe, counters, flush. The node is a namespace; the
tester's is on the other side of its links, without addresses: whatever answers is the tester itself."""
import array
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess

from hosts import BIN, DEADLINE, Host
from packets import Datagram

MAC = "02:00:00:00:0{}:{}"  # Link, and 0a for the node, 0f for the tester.
QUIET_ICMP6 = (130, 131, 132, 133, 134, 135, 136, 143)  # Neighbour discovery and MLD.
LATE = ((1, b"\x0b\1"), (58, b"\3\1"))  # Fragments were not complete in time, which are of an earlier case.
SYSCTL = {"net.ipv6.conf.all.forwarding": 1, "net.ipv4.ip_forward": 1, "net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0,
          "net.ipv6.auto_flowlabels": 0, "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
          "net.ipv6.conf.default.accept_dad": 0, "net.ipv6.conf.all.accept_dad": 0, "net.ipv4.conf.all.accept_source_route": 0}
OUTGOING = 4  # PACKET_OUTGOING


class Bench:
    """A node with its links, and what a tester sees and sends on them."""

    def __init__(self, name, folder, world):
        self.name, self.folder = name, folder
        self.node, self.tester = Host(f"n{name}", folder), Host(f"t{name}", folder)
        self.sockets, links = [], range(2 if name == "G" else 1)
        for number in links:
            self.node.ip("link", "add", f"nut{number}", "type", "veth", "peer", "name", f"tn{number}", "netns", self.tester.netns)
        self.sysctl(self.tester, {"net.ipv6.conf.all.disable_ipv6": 1})
        self.sysctl(self.node, SYSCTL)
        for number in links:
            self.tester.ip("link", "set", f"tn{number}", "address", MAC.format(number, "0f"), "arp", "off", "up")
            self.node.ip("link", "set", f"nut{number}", "address", MAC.format(number, "0a"), "up")
            self.node.inside(lambda n=number: finish_checksums(f"nut{n}"))
        for six in (True, False):
            self.address(world(name, six))
        for number in links:
            s = self.tester.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
            s.bind((f"tn{number}", 3))
            s.setblocking(False)
            self.sockets.append(s)
        self.pingers, self.reported = {}, False

    def address(self, w):
        length = "64" if w.six else "25"
        lines = []
        for number, names in enumerate(((("NUT", "ALSO"), "ROUTER"),) if w.bench == "E" else ((("IN",), "HOST1"), (("NUT",), "ROUTER"))):
            own, neighbour = names
            lines += [f"addr add {w.address(n)}/{length} dev nut{number}" + (" nodad" if w.six else "") for n in own]
            lines.append(f"neigh replace {w.address(neighbour)} lladdr {MAC.format(number, '0f')} dev nut{number} nud permanent")
        lines += [f"{'-6 ' if w.six else ''}route add default via {w.address('ROUTER')}"]
        self.batch(lines)

    def batch(self, lines):
        for six in (False, True):
            mine = [line.removeprefix("-6 ") for line in lines if (line.startswith("-6 ")) == six]
            if mine:
                done = subprocess.run(["ip", *(["-6"] if six else []), "-n", self.node.netns, "-force", "-batch", "-"],
                                      input="\n".join(mine) + "\n", capture_output=True, text=True, timeout=DEADLINE, check=False)
                if done.returncode:
                    raise RuntimeError(done.stderr)

    def forget_paths(self):
        """The node's kernel has learnt path MTUs only from reports."""
        if self.reported:
            self.batch(["route flush cache", "-6 route flush cache"])
            self.reported = False

    @staticmethod
    def sysctl(host, settings):
        def write():
            for name, value in settings.items():
                path = pathlib.Path("/proc/sys", *name.split("."))
                if path.exists():
                    path.write_text(f"{value}\n", encoding="ascii")
        host.inside(write)

    def inject(self, link, packet):
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
        mac = [bytes.fromhex(MAC.format(link, end).replace(":", "")) for end in ("0a", "0f")]
        self.sockets[link].send(mac[0] + mac[1] + kind + packet)

    def observe(self, seconds):
        """The next packet of the node on any link, with the link, or None."""
        while True:
            for link, s in enumerate(self.sockets):
                try:
                    frame, where = s.recvfrom(65536)
                except BlockingIOError:
                    continue
                if where[2] == OUTGOING or frame[12:14] not in (b"\x86\xdd", b"\x08\0"):
                    break
                d = Datagram(frame[14:])
                if d.protocol == 2 or d.dst.startswith("ff02::") and d.protocol in (0, 58, 17) or \
                        d.protocol == 58 and not d.offset and d.content[:1] and d.content[0] in QUIET_ICMP6 or \
                        (d.protocol, d.content[:2]) in LATE:
                    break
                return link, d
            else:
                if not select.select(self.sockets, [], [], seconds)[0]:
                    return None

    def ping(self, w, source, destination, packet):
        """The node sends an ICMP message."""
        family = socket.AF_INET6 if w.six else socket.AF_INET
        s = self.node.socket(family, socket.SOCK_RAW, 58 if w.six else 1)
        s.bind((source, 0))
        s.sendto(packet, (destination, 0))
        self.pingers[w.six] = s

    def close(self):
        for s in (*self.sockets, *self.pingers.values()):
            s.close()
        self.node.gone()
        self.tester.gone()


def finish_checksums(device):
    """Else the checksums of clear packets are left to the other end of the cable."""
    siocethtool, stxcsum = 0x8946, 0x17
    value = array.array("I", [stxcsum, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, siocethtool, struct.pack("16sP16x", device.encode(), value.buffer_info()[0]))


class Ipsecd:
    """ipsecd in the node's namespace. Its device, if it has one, protects what is routed there."""
    hook = device = False
    table = "50"
    CAUSES = {"unknown spi": "no_sa", "dummy": "dummy", "corrupt": "corrupt", "padding": "padding", "replayed": "replayed",
              "late": "late", "clear": "got_clear", "discard": "explicit", "discard out": "out:explicit", "selector": "selector", "short": "truncated",
              "inner": "inner", "congested": "congested", "wrong sa": "bad_sa", "source": "wrong_source",
              "encapsulation": "wrong_encapsulation", "no sa out": "out:no_sa", "exhausted": "out:exhausted",
              "expired": "exhausted", "expired out": "out:exhausted", "keep alive": "keep_alive", "ike": "ike"}

    def __init__(self, bench):
        self.bench, self.node = bench, bench.node
        options = ["--mark", "80"] + (["--hook"] if self.hook else [])
        self.node.start(*options, device="ipsec0" if self.device else None)
        if self.device:
            bench.batch([f"{family}rule add not fwmark 80 table {self.table}" for family in ("", "-6 ")])
        self.rules, self.routes = "", ()

    def configure(self, keys, rules, routes):
        text = "order file\n" + "\n".join(rules) + "\n" if rules else ""
        self.node.load("flush\n" + "\n".join(keys) + "\n")
        if text != self.rules:
            self.node.rules(text)
            self.rules = text
        if self.device and not self.hook:
            self.routes = routes
            self.bench.batch([f"{'-6 ' if ':' in r else ''}route replace {r} dev ipsec0 table {self.table}" for r in routes])

    def flush(self):
        self.bench.forget_paths()
        if self.routes:
            self.bench.batch([f"{f}route flush table {self.table}" for f in ("", "-6 ")])
            self.routes = ()

    def counters(self):
        status = self.node.status()
        return {f"{'out:' if way == 'out' else ''}{cause}": n for way in ("in", "out")
                for cause, n in status[way].get("dropped", {}).items()}

    def close(self):
        self.node.stop()


class Tun(Ipsecd):
    name, device = "tun", True


class Hook(Ipsecd):
    name, hook, device = "hook", True, True


class BareHook(Ipsecd):
    """Without a device, as on a host that only protects itself."""
    name, hook = "bare hook", True


class Kernel:
    """The kernel's SADB and policies."""
    name = "kernel"
    CAUSES = {"unknown spi": "XfrmInNoStates", "dummy": "XfrmInStateProtoError", "corrupt": "XfrmInStateProtoError",
              "padding": "XfrmInStateProtoError", "replayed": "XfrmInStateSeqError", "late": "XfrmInStateSeqError",
              "clear": "XfrmInTmplMismatch", "discard": "XfrmInPolBlock", "discard out": "XfrmInPolBlock XfrmOutPolBlock", "selector": "XfrmInStateMismatch", "short": "XfrmInHdrError",
              "inner": "XfrmInStateModeError", "wrong sa": "XfrmInTmplMismatch", "source": "XfrmInStateMismatch",
              "no sa out": "XfrmOutNoStates", "exhausted": "XfrmOutStateSeqError", "expired": "XfrmInStateExpired", "expired out": "XfrmOutStateExpired",
              "encapsulation": "XfrmInStateMismatch"}

    def __init__(self, bench):
        self.bench, self.node, self.rules = bench, bench.node, ""

    def program(self, name, *words):
        env = {**os.environ, "RUNTIME_DIRECTORY": str(self.bench.folder)}
        done = self.node.inside(lambda: subprocess.run([BIN / name, "--sadb=kernel", *words], capture_output=True, text=True, check=False,
                                                       timeout=DEADLINE, env=env))
        if done.returncode:
            raise RuntimeError(done.stderr)

    def configure(self, keys, rules, routes):
        folder = pathlib.Path(self.bench.folder)
        file = folder / "keys"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write("flush all\n" + "\n".join(keys) + "\n")
        self.program("ipseckey", "-f", str(file))
        text = "order file\n" + "\n".join(rules) + "\n" if rules else ""
        if text != self.rules:
            (folder / "rules").write_text(text, encoding="ascii")
            self.program("ipsecconf", "-q", *(("-F", "-a", str(folder / "rules")) if text else ("-F",)))
            self.rules = text

    def flush(self):
        self.bench.forget_paths()

    def counters(self):
        def read():
            with open("/proc/thread-self/net/xfrm_stat", encoding="ascii") as file:
                return {name: int(value) for name, value in (line.split() for line in file)}
        return self.node.inside(read)

    def close(self):
        pass


DRIVERS = {d.name: d for d in (Tun, Hook, BareHook, Kernel)}

