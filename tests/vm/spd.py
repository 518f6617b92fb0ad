"""Rules on the kernels of two namespaces, and what they do with packets: what is on the cable, and what arrives."""
import errno
import os
import select
import socket
import struct
import time

from guest import ipseckey, key, run
from netns import cable, checksum, inside, ip_batch

RULES = "/mnt/case/kernel_rules"
MARKER = 0x88b5  # An Ethernet type for experiments: what is sent before it has been processed when it arrives.
ESP, AH, UDP, TCP, ICMP, ICMP6 = 50, 51, 17, 6, 1, 58
AFTER_MARKER = 0.5  # Seconds after which an opened packet is not delivered any more.
ESP_KEYS = f"encr_alg aes encrkey {key(128)} auth_alg sha256 authkey {key(256)}"
AH_KEYS = f"auth_alg sha256 authkey {key(256)}"


def two_hosts(count=1):
    """a and b with `count` addresses each of both families, 10.77.0.N and 10.77.1.N, fd77::a:N and fd77::b:N, that need neither
    ARP nor neighbour discovery."""
    cable()
    for netns, device, mine in (("a", "ethA", 0), ("b", "ethB", 1)):
        other = "ethB" if mine == 0 else "ethA"
        mac = mac_of(other)
        lines = [f"link set {device} mtu 1400"]
        for n in range(1, count + 1):
            lines += [f"addr add 10.77.{mine}.{n}/16 dev {device}", f"addr add fd77::{'ab'[mine]}:{n}/64 dev {device} nodad",
                      f"neigh replace 10.77.{1 - mine}.{n} lladdr {mac} dev {device} nud permanent",
                      f"neigh replace fd77::{'ba'[mine]}:{n} lladdr {mac} dev {device} nud permanent"]
        ip_batch(netns, lines)


def mac_of(device):
    return run("ip", "-n", "a" if device == "ethA" else "b", "-o", "link", "show", device).split("link/ether ")[1].split()[0]


def rules(netns, *words, text=None, stdin=None, fails=False):
    """Asks the kernel's rules of a namespace; `text` is their file."""
    path = f"/tmp/rules-{netns}"
    if text is not None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
    with inside(netns):
        return run(RULES, *words, *([path] if text is not None else []), stdin=stdin, fails=fails)


def apply(netns, *lines):
    return rules(netns, "apply", text="\n".join(lines))


loaded = {"a": None, "b": None}


def sas(netns, *commands):
    """These are all SAs of the namespace."""
    if loaded[netns] == commands:
        return
    loaded[netns] = commands
    path = f"/tmp/keys-{netns}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(("flush all", *commands)) + "\n")
    with inside(netns):
        ipseckey("-f", path)


def counters(netns):
    """The error counters that are not 0."""
    with inside(netns), open("/proc/thread-self/net/xfrm_stat", encoding="ascii") as file:
        return {name: int(value) for name, value in (line.split() for line in file) if value != "0"}


def counted(netns, before):
    return sorted(name for name, value in counters(netns).items() if value != before.get(name, 0))


class Cable:
    """What a sends, as it arrives at b's device."""

    def __init__(self, sender="a", receiver="b"):
        devices = {"a": "ethA", "b": "ethB"}
        with inside(receiver):
            self.ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.ear.bind((devices[receiver], 3))
            self.ear.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        with inside(sender):
            self.mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.mouth.bind((devices[sender], 0))
        self.number = 0
        self.until_marker()

    def until_marker(self):
        """The IP packets that arrived before a marker that is sent now."""
        self.number += 1
        marker = b"\xff" * 6 + b"\2" + b"\0" * 5 + struct.pack("!HI", MARKER, self.number) + b"\0" * 46
        self.mouth.send(marker)
        packets = []
        while True:
            if not select.select([self.ear], [], [], 100)[0]:
                raise TimeoutError("the marker did not arrive")
            frame, where = self.ear.recvfrom(4096)
            if where[2] == 4:  # PACKET_OUTGOING
                continue
            kind = struct.unpack("!H", frame[12:14])[0]
            if kind == MARKER and frame[14:18] == struct.pack("!I", self.number):
                return packets
            if kind in (0x0800, 0x86dd):
                packets.append(frame[14:])


def describe(packet):
    """(source, destination, what it is): "udp 5 53", "esp 0x1000", "ah 0x2000 esp 0x1000", "icmp 8 0"."""
    if packet[0] >> 4 == 4:
        ends = (socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20]))
        protocol, rest = packet[9], packet[(packet[0] & 15) * 4:]
    else:
        ends = (socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40]))
        protocol, rest = packet[6], packet[40:]
    words = []
    if protocol == AH:
        words.append(f"ah {struct.unpack('!I', rest[4:8])[0]:#x}")
        protocol, rest = rest[0], rest[(rest[1] + 2) * 4:]
        if protocol != ESP:
            return *ends, words[0]
    if protocol == ESP:
        words.append(f"esp {struct.unpack('!I', rest[:4])[0]:#x}")
    elif protocol in (UDP, TCP):
        words.append(f"{'udp' if protocol == UDP else 'tcp'} {struct.unpack('!HH', rest[:4])[0]} {struct.unpack('!HH', rest[:4])[1]}")
    elif protocol in (ICMP, ICMP6):
        words.append(f"icmp {rest[0]} {rest[1]}")
    else:
        words.append(f"protocol {protocol}")
    return *ends, " ".join(words)


def send(netns, src, dst, protocol, first=4000, second=4001):
    """One packet from a socket of its own; "EPERM" or another error, or None."""
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    with inside(netns):
        kind = {UDP: socket.SOCK_DGRAM, TCP: socket.SOCK_STREAM}.get(protocol, socket.SOCK_RAW)
        s = socket.socket(family, kind, protocol if kind == socket.SOCK_RAW else 0)
    with s:
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if protocol in (UDP, TCP):
                s.bind((src, first))
                if protocol == UDP:
                    s.sendto(b"x" * 16, (dst, second))
                else:
                    s.connect((dst, second))
            else:
                s.bind((src, 0))
                head = struct.pack("!BBHI", first, second, 0, 0)
                if family == socket.AF_INET:
                    head = struct.pack("!BBHI", first, second, checksum(head), 0)
                s.sendto(head, (dst, 0))
        except OSError as error:
            return None if error.errno == errno.EINPROGRESS else errno.errorcode[error.errno]
    return None


class Sender:
    """Packets of one namespace, and how each appears on the cable."""

    def __init__(self, sender="a", receiver="b"):
        self.sender, self.cable = sender, Cable(sender, receiver)

    def fate(self, src, dst, protocol=UDP, first=4000, second=4001):
        """"clear", "esp 0x1000" and so on, "EPERM", or "nothing"."""
        self.cable.until_marker()
        error = send(self.sender, src, dst, protocol, first, second)
        seen = [describe(p) for p in self.cable.until_marker()]
        name = {UDP: "udp", TCP: "tcp"}.get(protocol, "icmp")
        found = {"clear" if what == f"{name} {first} {second}" else what for *ends, what in seen if ends == [src, dst]}
        if error:
            found.add(error)
        return ", ".join(sorted(found)) or "nothing"


class Receiver:
    """What a namespace's sockets get."""

    def __init__(self, sender="b", receiver="a"):
        self.sender, self.cable, self.ears = sender, Cable(sender, receiver), []
        with inside(receiver):
            for family, protocols in ((socket.AF_INET, (UDP, TCP, ICMP)), (socket.AF_INET6, (UDP, TCP, ICMP6))):
                for protocol in protocols:
                    ear = socket.socket(family, socket.SOCK_RAW, protocol)
                    ear.setblocking(False)
                    self.ears.append((family, protocol, ear))

    def heard(self):
        found = set()
        for family, protocol, ear in self.ears:
            while True:
                try:
                    packet, where = ear.recvfrom(4096)
                except BlockingIOError:
                    break
                rest = packet[(packet[0] & 15) * 4:] if family == socket.AF_INET else packet
                two = (rest[0], rest[1]) if protocol in (ICMP, ICMP6) else struct.unpack("!HH", rest[:4])
                found.add((where[0], protocol, *two))
        return found

    def arrives(self, src, dst, protocol=UDP, first=4000, second=4001):
        """Whether a packet that the sender sends reaches a socket."""
        self.cable.until_marker()
        self.heard()
        error = send(self.sender, src, dst, protocol, first, second)
        self.cable.until_marker()
        if error:
            raise RuntimeError(f"the packet was not sent: {error}")
        # What transport mode has opened is delivered by a task of its own, after the marker.
        wanted, heard = (src, protocol, first, second), self.heard()
        end = time.monotonic() + AFTER_MARKER
        while wanted not in heard and time.monotonic() < end:
            select.select([ear for _, _, ear in self.ears], [], [], AFTER_MARKER / 10)
            heard |= self.heard()
        return wanted in heard


def pair(satype, spi, src, dst, words=None, more=""):
    """A command for one SA."""
    return f"add {satype} spi {spi:#x} src {src} dst {dst} {words or (ESP_KEYS if satype == 'esp' else AH_KEYS)} {more}".rstrip()
