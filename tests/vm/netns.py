"""Two network namespaces, joined by a cable, and packets between them: all from this one process, without a program for each."""
import contextlib
import ctypes
import select
import socket
import struct
import time

from guest import run

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
OSPF = 89
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2  # linux/udp.h, RFC 3948


def enter(netns):
    """Moves this thread to a namespace."""
    with open(f"/run/netns/{netns}", encoding="ascii") as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(netns):
    """Whatever is opened inside belongs to that namespace permanently."""
    with open("/proc/self/ns/net", encoding="ascii") as here:
        enter(netns)
        try:
            yield
        finally:
            LIBC.setns(here.fileno(), CLONE_NEWNET)


def ip_batch(netns, lines):
    run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


def cable():
    """Namespaces a and b, a device each, up."""
    for name in ("a", "b"):
        run("ip", "netns", "add", name)
    run("ip", *"link add ethA netns a type veth peer name ethB netns b".split())
    for name, device in (("a", "ethA"), ("b", "ethB")):
        ip_batch(name, ["link set lo up", f"link set {device} up"])


PATIENCE = 100  # Seconds for what must arrive; a guest on a busy machine is slow.


def wait(seconds, done):
    """Waits until done() or that long."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        select.select([], [], [], 0.01)
    return done()


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def pings(pairs, seconds=PATIENCE, start="a"):
    """The (source, destination) pairs, the sources in `start`, whose echo returns within that many seconds."""
    answered, waiting = set(), {}
    with contextlib.ExitStack() as stack:
        with inside(start):
            for n, (src, dst) in enumerate(pairs):
                six = ":" in src
                s = stack.enter_context(socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                                                      socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP))
                s.setblocking(False)
                s.bind((src, 0))
                body = struct.pack("!HH8s", n, 1, b"ipseckey")
                kind = 128 if six else 8
                packet = struct.pack("!BBH", kind, 0, 0 if six else checksum(struct.pack("!BBH", kind, 0, 0) + body)) + body
                with contextlib.suppress(OSError):  # Without an SA, sending itself may be refused.
                    s.sendto(packet, (dst, 0))
                waiting[s] = ((src, dst), n, six)

        def look():
            for s in select.select(list(waiting), [], [], 0)[0]:
                packet, sender = s.recvfrom(2048)
                pair, n, six = waiting[s]
                answer = packet if six else packet[(packet[0] & 15) * 4:]
                if sender[0] == pair[1] and answer[0] == (129 if six else 0) and answer[4:6] == struct.pack("!H", n):
                    answered.add(pair)
            return len(answered) == len(set(pairs))

        wait(seconds, look)
    return answered


def connections(pairs, seconds=PATIENCE, start="a", end="b", port=5001):
    """The (source, destination) pairs, the sources in `start`, between which a TCP connection to that port carries 100 octets in
    both directions."""
    data, done = bytes(range(100)), set()
    with contextlib.ExitStack() as stack:
        open_, clients = {}, {}
        with inside(end):
            for six in {":" in dst for _, dst in pairs}:
                server = stack.enter_context(socket.socket(socket.AF_INET6 if six else socket.AF_INET))
                if six:
                    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("::" if six else "0.0.0.0", port))
                server.listen(len(pairs))
                server.setblocking(False)
                open_[server] = None
        with inside(start):
            for src, dst in pairs:
                client = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in src else socket.AF_INET))
                client.setblocking(False)
                client.bind((src, 0))
                with contextlib.suppress(OSError):
                    client.connect_ex((dst, port))
                clients[client] = [(src, dst), b"", False]

        def look():
            for s in select.select(list(open_), [], [], 0)[0]:
                if open_[s] is None:
                    peer = stack.enter_context(s.accept()[0])
                    peer.setblocking(False)
                    open_[peer] = b""
                    continue
                got = s.recv(200)
                open_[s] += got
                if len(open_[s]) == len(data) and got:
                    s.sendall(open_[s][::-1])
                if not got:
                    open_.pop(s)
            readable, writable, _ = select.select(list(clients), [c for c in clients if not clients[c][2]], [], 0)
            for c in writable:
                if c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    with contextlib.suppress(OSError):
                        c.send(data)
                        clients[c][2] = True
            for c in readable:
                with contextlib.suppress(OSError):
                    clients[c][1] += c.recv(200)
                if clients[c][1] == data[::-1]:
                    done.add(clients[c][0])
            return len(done) == len(set(pairs))

        wait(seconds, look)
    return done


def datagrams(start, end, src, dst, sizes, seconds=PATIENCE, at=None, options=()):
    """Sends UDP datagrams of these sizes; returns the sizes of those that arrived, in order. `at`: `end`'s own name for `dst`;
    `options` are for the sending socket."""
    family, got = socket.AF_INET6 if ":" in src else socket.AF_INET, []
    with contextlib.ExitStack() as stack:
        with inside(end):
            taker = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        taker.bind((at or dst, 0))
        taker.setblocking(False)
        with inside(start):
            giver = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        giver.bind((src, 0))
        for option in options:
            giver.setsockopt(*option)
        for size in sizes:
            giver.sendto(bytes(size), (dst, taker.getsockname()[1]))

        def look():
            with contextlib.suppress(BlockingIOError):
                while True:
                    got.append(len(taker.recv(65536)))
            return len(got) == len(sizes)

        wait(seconds, look)
    return got


def echo(start, end, src, dst, size, at=None, seconds=PATIENCE):
    """`size` octets by TCP from `start` to `end`, whose own name for `dst` is `at`; they must return unchanged."""
    data, back, returned = bytes(range(251)) * (size // 251 + 1), bytearray(), 0
    data = data[:size]
    with contextlib.ExitStack() as stack:
        with inside(end):
            server = stack.enter_context(socket.socket())
        server.bind((at or dst, 0))
        server.listen()
        server.setblocking(False)
        with inside(start):
            client = stack.enter_context(socket.socket())
        client.bind((src, 0))
        client.setblocking(False)
        client.connect_ex((dst, server.getsockname()[1]))
        sent, peers, mirrored = 0, [], bytearray()

        def step():
            nonlocal sent, returned
            with contextlib.suppress(BlockingIOError):
                if not peers:
                    peers.append(stack.enter_context(server.accept()[0]))
                    peers[0].setblocking(False)
            with contextlib.suppress(BlockingIOError, OSError):
                sent += client.send(data[sent:sent + 65536]) if sent < size else 0
            with contextlib.suppress(BlockingIOError, OSError):
                mirrored.extend(peers[0].recv(65536) if peers else b"")
            with contextlib.suppress(BlockingIOError, OSError):
                returned += peers[0].send(mirrored[returned:returned + 65536]) if returned < len(mirrored) else 0
            with contextlib.suppress(BlockingIOError, OSError):
                back.extend(client.recv(65536))
            return len(back) >= size

        wait(seconds, step)
    return len(back) if bytes(back) == data[:len(back)] else -1


def drop_connections(netns):
    """Makes a NAT forget everything, including the ports that it assigned."""
    delete_all = (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
    with inside(netns):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
    with contextlib.closing(s):
        s.send(struct.pack("=IHHIIBBH", 20, delete_all, 5, 1, 0, socket.AF_INET, 0, 0))  # NLM_F_REQUEST | NLM_F_ACK
        answer = s.recv(4096)
        if struct.unpack_from("=i", answer, 16)[0] != 0:
            raise OSError(-struct.unpack_from("=i", answer, 16)[0], "conntrack")


def nat_socket(netns, port, six=False):
    """The UDP socket that lets the kernel take ESP out of UDP. It must stay open."""
    with inside(netns):
        s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if six else "0.0.0.0", port))
    s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    return s


class Tap:
    """Every IPv4 packet that a namespace's device sees: (protocol, UDP source port, UDP destination port)."""

    def __init__(self, netns, device):
        with inside(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind((device, 0x0800))
        self.socket.setblocking(False)

    def seen(self):
        kinds = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.socket.recv(2048)[14:]
                ports = struct.unpack("!HH", packet[20:24]) if packet[9] == 17 else (0, 0)
                kinds.add((packet[9],) + ports)
        return kinds

    def close(self):
        self.socket.close()


def hello(start, device, src, dst):
    """A packet of OSPF, by the interface that the sender names, as routers do."""
    with inside(start):
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, OSPF)
        index = socket.if_nametoindex(device)
    with contextlib.closing(s):
        s.bind((src, 0, 0, index))
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        with contextlib.suppress(OSError):
            s.sendto(bytes(44), (dst, 0, 0, index))


def link_protocols(device_of, send, wanted):
    """Upper protocols of the IPv6 packets that a cable carries while `send` sends, until `wanted` is among them."""
    with inside(device_of[0]):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
    found = set()
    with contextlib.closing(tap):
        tap.bind((device_of[1], 0x86dd))
        tap.setblocking(False)
        send()

        def look():
            with contextlib.suppress(BlockingIOError):
                while True:
                    found.add(tap.recv(2048)[20])
            return wanted in found

        wait(10, look)
    return found & {OSPF, 50}


def ospf_arrives(start, end, src, dst):
    """Sends one OSPF packet from (namespace, device) to another: returns the protocols on the link, and what the receiver gets."""
    with inside(end[0]):
        router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, OSPF)
        index = socket.if_nametoindex(end[1])
    got = []
    with contextlib.closing(router):
        router.setblocking(False)
        if dst.startswith("ff"):
            group = socket.inet_pton(socket.AF_INET6, dst) + struct.pack("=I", index)
            router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        seen = link_protocols(end, lambda: hello(*start, src, dst), 50)

        def came():
            with contextlib.suppress(BlockingIOError):
                got.append(router.recv(2048))
            return bool(got)

        wait(10, came)
    return seen, got
