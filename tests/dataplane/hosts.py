"""Two hosts, a and b, that are network namespaces with a cable between them, and an ipsecd in each. Needs root."""
import ctypes
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ["IPSECKEY_BIN"])
DEADLINE = 120  # The most seconds that anything may take.
LOST = 2  # Seconds after which a packet that must not arrive counts as lost.
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True, timeout=DEADLINE).stdout


def wait_for(what, condition):
    """Waits until the condition, which asks a program, holds; with a deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)


class Host:
    """One namespace with an ipsecd."""

    def __init__(self, name, folder):
        self.name = name
        self.netns = f"ipseckey-{os.getpid()}-{name}"
        self.folder = folder
        self.pfkey = folder / name
        self.daemon = None
        ip("netns", "add", self.netns)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words, check=True):
        return ip("-n", self.netns, *words, check=check)

    def device(self, name):
        """The kernel's counters of a device: the packets that it passed to it, and got from it."""
        counts = json.loads(self.ip("-json", "-statistics", "link", "show", "dev", name))[0]["stats64"]
        return counts["tx"]["packets"], counts["rx"]["packets"]

    def inside(self, function):
        """The function's result, called on a thread that is inside the namespace."""
        result = []

        def run():
            with open(f"/run/netns/{self.netns}") as netns:
                if LIBC.setns(netns.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            try:
                result.append((function(), None))
            except Exception as error:
                result.append((None, error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        s = self.inside(lambda: socket.socket(family, kind, protocol))
        s.settimeout(DEADLINE)
        return s

    def start(self, *options, device="ipsec0"):
        self.daemon = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, BIN / "ipsecd", "--socket", self.pfkey,
             *(("--tun", device) if device else ()), *options],
            stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.daemon.stderr], [], [], DEADLINE)
        said = line = self.daemon.stderr.readline() if ready else "nothing"
        while "serving" not in said and line:  # Notices come before it.
            line = self.daemon.stderr.readline()
            said += line
        if "serving" not in said:
            raise RuntimeError(f"ipsecd said {said}")

    def ipseckey(self, *words, text=None, check=True):
        ended = subprocess.run([BIN / "ipseckey", "--sadb", f"ipsecd:{self.pfkey}", *words], input=text,
                               capture_output=True, text=True, timeout=DEADLINE,
                               env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder)})
        if check and ended.returncode != 0:
            raise RuntimeError(ended.stderr)
        return ended.stdout

    def run(self, program, *words):
        return subprocess.run(["ip", "netns", "exec", self.netns, BIN / program, *words], check=True, capture_output=True,
                              text=True, timeout=DEADLINE).stdout

    def nft(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.netns, "nft", *words], check=True, capture_output=True, text=True,
                              timeout=DEADLINE).stdout

    def load(self, lines):
        self.ipseckey("-f", "-", text=lines)

    def ipsecconf(self, *words):
        return subprocess.run([BIN / "ipsecconf", "--sadb", f"ipsecd:{self.pfkey}", *words], capture_output=True, text=True,
                              timeout=DEADLINE, env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder)})

    def rules(self, text):
        """These are the host's rules from now on."""
        file = self.folder / f"{self.name}.rules"
        file.write_text(text)
        words = ("-q", "-F", "-a", file) if text else ("-q", "-F")
        ended = self.ipsecconf(*words)
        if ended.returncode != 0:
            raise RuntimeError(ended.stderr)

    def status(self):
        ended = subprocess.run([BIN / "ipsecd", "status", "--json", "--socket", self.pfkey], check=True,
                               capture_output=True, text=True, timeout=DEADLINE)
        return json.loads(ended.stdout)

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(DEADLINE)

    def gone(self):
        self.stop()
        if self.daemon:
            self.daemon.stderr.close()
        ip("netns", "del", self.netns, check=False)


class Capture:
    """Every IP packet that crosses the cable, as host a sees it."""

    def __init__(self, host, device):
        every = 3  # ETH_P_ALL
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every))
        self.socket.bind((device, every))
        so_rcvbufforce, room = 33, 64 << 20
        self.socket.setsockopt(socket.SOL_SOCKET, so_rcvbufforce, room)
        self.socket.setblocking(False)

    def packets(self):
        found = []
        while True:
            try:
                frame = self.socket.recv(65536)
            except BlockingIOError:
                return found
            kind = struct.unpack_from("!H", frame, 12)[0]
            if kind in (0x0800, 0x86dd):
                found.append(frame[14:])

    def protocols(self):
        return protocols(self.packets())

    def close(self):
        self.socket.close()


def protocols(packets):
    """The protocol numbers of the packets, without IPv6 neighbour discovery."""
    return {packet[9] if packet[0] >> 4 == 4 else packet[6] for packet in packets} - {0, 58}


class Pair:
    """Hosts a and b: 192.0.2.1 and .2, 2001:db8::1 and ::2 on the cable; 10.1.0.1 and 10.2.0.1, fd01::1 and fd02::1 behind."""

    def __init__(self):
        self.folder_ = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder_.name)
        self.a, self.b = Host("a", folder), Host("b", folder)
        self.a.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.b.netns)
        for number, host in ((1, self.a), (2, self.b)):
            host.ip("addr", "add", f"192.0.2.{number}/24", "dev", "cable")
            host.ip("addr", "add", f"2001:db8::{number}/64", "dev", "cable", "nodad")
            host.ip("link", "set", "cable", "up")

    def start(self, *options):
        for host in (self.a, self.b):
            host.start(*options)
            self.give_addresses(host)

    def give_addresses(self, host):
        """Adds addresses to the host's device, and the routes into it."""
        here, there = (1, 2) if host is self.a else (2, 1)
        host.ip("addr", "add", f"10.{here}.0.1/32", "dev", "ipsec0")
        host.ip("addr", "add", f"fd0{here}::1/128", "dev", "ipsec0", "nodad")
        host.ip("route", "add", f"10.{there}.0.0/16", "dev", "ipsec0", "src", f"10.{here}.0.1")
        host.ip("route", "add", f"fd0{there}::/32", "dev", "ipsec0", "src", f"fd0{here}::1")

    def load(self, lines):
        for host in (self.a, self.b):
            host.load(lines)

    def close(self):
        self.a.gone()
        self.b.gone()
        self.folder_.cleanup()


def checksum(data):
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(client, server, address, size=200_000, options=(), halfway=None):
    """Sends `size` bytes by TCP from a host to another and back. Fails if they do not return unchanged. `options` are set on
    both sockets. `halfway` is called when half of the bytes are back, while the others are sent."""
    listener = server.socket(family_of(address))
    for option in options:
        listener.setsockopt(*option)
    listener.bind((address, 0))
    listener.listen()

    def serve():
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(DEADLINE)
            while some := peer.recv(65536):
                peer.sendall(some)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    data = os.urandom(size)
    back = bytearray()
    half_back = threading.Event()
    with client.socket(family_of(address)) as s:
        for option in options:
            s.setsockopt(*option)

        def send():
            s.sendall(data[:size // 2])
            if halfway:
                half_back.wait(DEADLINE)
            s.sendall(data[size // 2:])
            s.shutdown(socket.SHUT_WR)

        s.connect(listener.getsockname()[:2])
        sender = threading.Thread(target=send)
        sender.start()
        while some := s.recv(65536):
            back += some
            if halfway and not half_back.is_set() and len(back) >= size // 2:
                half_back.set()
                halfway()
        sender.join()
    thread.join(DEADLINE)
    listener.close()
    if bytes(back) != data:
        raise AssertionError(f"{len(back)} of {size} bytes came back, or other ones")


def datagrams(client, server, address, sizes, arrive=None):
    """Sends UDP datagrams of the sizes, of which that many (default: all) must arrive; returns the sizes of those that arrived,
    in order."""
    arrive = len(sizes) if arrive is None else arrive
    with server.socket(family_of(address), socket.SOCK_DGRAM) as taker, client.socket(family_of(address),
                                                                                     socket.SOCK_DGRAM) as giver:
        taker.bind((address, 0))
        for size in sizes:
            giver.sendto(bytes(size), taker.getsockname()[:2])
        got = []
        while len(got) < len(sizes):
            ready, _, _ = select.select([taker], [], [], DEADLINE if len(got) < arrive else LOST)
            if not ready:
                break
            got.append(len(taker.recv(65536)))
        return got


class Stream:
    """Numbered datagrams from one host to another, without end, never more than a few in transit."""

    UNDER_WAY = 16

    def __init__(self, client, server, address):
        self.taker = server.socket(family_of(address), socket.SOCK_DGRAM)
        self.giver = client.socket(family_of(address), socket.SOCK_DGRAM)
        self.taker.bind((address, 0))
        self.to = self.taker.getsockname()[:2]
        self.room = threading.Semaphore(self.UNDER_WAY)
        self.more = threading.Condition()
        self.ended = threading.Event()
        self.sent, self.got = 0, []
        self.threads = [threading.Thread(target=self.give), threading.Thread(target=self.take)]

    def give(self):
        while not self.ended.is_set() and self.room.acquire(timeout=DEADLINE):
            self.giver.sendto(self.sent.to_bytes(4, "big"), self.to)
            self.sent += 1

    def take(self):
        while not (self.ended.is_set() and len(self.got) >= self.sent and not self.threads[0].is_alive()):
            ready, _, _ = select.select([self.taker], [], [], DEADLINE)
            if not ready:
                return
            number = int.from_bytes(self.taker.recv(100), "big")
            with self.more:
                self.got.append(number)
                self.more.notify_all()
            self.room.release()

    def wait_for_more(self, count):
        """Waits until that many more have arrived."""
        with self.more:
            wanted = len(self.got) + count
            if not self.more.wait_for(lambda: len(self.got) >= wanted, DEADLINE):
                raise TimeoutError(f"{len(self.got)} of {wanted} datagrams arrived")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(DEADLINE)
        self.giver.close()
        self.taker.close()
