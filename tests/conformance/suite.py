"""Runs cases on a database and says the outcome of each: "pass", or the first step that was not as it should be, in words that are the
same for IPv4 and IPv6."""
import contextlib
import pathlib
import select
import socket
import struct
import tempfile
import threading
import time

from drivers import DRIVERS, Bench
from hosts import checksum
from packets import Datagram, World, joined
from steps import Take
from plan import ADDRESSES, AH, ESP, ICMP, ICMP6, NONE, SUITES, TCP_NUMBER, UDP_NUMBER
from side import ipsec
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

PATIENCE = 30  # Seconds for what must come; a guest on a busy machine is slow.
SOON = 1  # The same, where it is known that it does not come.
ECHO = 7  # The port of the node's UDP echo.


class Deviation(Exception):
    """What came instead."""


class Echo:
    """A program of the node that sends datagrams back to where they came from."""

    def __init__(self, bench):
        self.sockets = []
        for six in (True, False):
            s = bench.node.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((World(bench.name, six).address("NUT"), ECHO))
            s.setblocking(False)
            self.sockets.append(s)
        self.ended = socket.socketpair()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            ready = select.select([*self.sockets, self.ended[0]], [], [])[0]
            if self.ended[0] in ready:
                return
            for s in ready:
                with contextlib.suppress(OSError):  # Without an SA, sending is refused.
                    s.sendto(*s.recvfrom(65536))

    def close(self):
        self.ended[1].send(b"x")
        self.thread.join()
        for s in (*self.sockets, *self.ended):
            s.close()


class Run:
    """One case on one database, over all its IP versions: `outcomes` has the outcome of each."""

    def __init__(self, driver, bench, case, silent):
        self.driver, self.bench, self.case, self.silents, self.silent, self.outcomes = driver, bench, case, silent, False, {}
        # One configuration serves both versions, except where time would pass for both.
        for versions in [(v,) for v in case.versions] if case.alone else [case.versions]:
            self.worlds = {version: World(case.bench[0], version == 6) for version in versions}
            self.outcomes |= self.run()

    def run(self):
        keys, rules, routes = [], [], []
        for self.world in self.worlds.values():
            for pair in self.case.pairs:
                self.world.add(pair)
                keys += self.world.keys(pair)
            rules += self.rules()
            routes += self.routes()
        try:
            self.driver.configure(keys, rules, routes)
        except RuntimeError as error:
            return {version: f"refused: {reason(str(error))}" for version in self.worlds}
        outcomes = {}
        for version, self.world in self.worlds.items():
            while self.bench.observe(0):
                pass
            self.silent = self.silents(version)
            outcomes[version] = self.steps()
        self.driver.flush()
        return outcomes

    def steps(self):
        for number, step in enumerate(self.case.steps, 1):
            try:
                getattr(self, type(step).__name__.lower())(step)
            except Deviation as what:
                return f"step {number}: {what}"
        more = self.bench.observe(0)
        return f"at the end: {self.name(more[1])}" if more else "pass"

    # What is configured.

    def rules(self):
        given = self.case.rules
        if given is None:
            return [self.rule_of(pair) for pair in self.case.pairs]
        return [self.rule(r) for r in given]

    def protection(self, pair):
        w = self.world
        ends = f" tsrc {w.plain(pair.local)} tdst {w.plain(pair.peer)}" if pair.inner else ""
        return f"ipsec {{ {SUITES[pair.suite][3]}{ends} reqid {pair.number} }}"

    def rule_of(self, pair):
        local, remote = pair.inner or (pair.local, pair.peer)
        return f"{{ laddr {self.world.address(local)} raddr {self.world.address(remote)} }} {self.protection(pair)}"

    def rule(self, r):
        pattern = r.pattern.format(**self.world.words())
        if r.action in ("bypass", "discard"):
            return f"{{ {pattern} dir both }} {'drop' if r.action == 'discard' else 'bypass'} {{}}"
        return f"{{ {pattern} }} {self.protection(next(p for p in self.case.pairs if p.name == r.action))}"

    def routes(self):
        names = self.case.routes or tuple(dict.fromkeys((pair.inner or (0, pair.peer))[1] for pair in self.case.pairs))
        return [self.world.address(n) for n in names]

    # Steps.

    def give(self, step):
        for packet in self.made(step):
            self.bench.inject(self.world.link(Datagram(packet).src), packet)
        if step.packet.what == "too big":
            self.bench.reported = True
            for _ in range(2):  # The thread that answers this reads such reports, too.
                self.driver.counters()

    def made(self, step):
        w = self.world
        packets = [w.packet(step.packet)]
        if step.inner_cut:
            packets = w.cut(packets[0], *step.inner_cut)
        if step.under:
            packets = [w.protect(p, step.under, **step.shape) for p in packets]
        if step.edit:
            packets = [edited(p, step.edit[w.six] if isinstance(step.edit, dict) else step.edit) for p in packets]
        if step.cut:
            packets = w.cut(packets[0], *step.cut)
        return packets

    def quiet(self, step):
        before = self.counted(step.cause)
        self.give(step)
        if step.cause and self.causes(step.cause):
            end = time.monotonic() + (SOON if self.silent else PATIENCE)
            while (now := self.counted(step.cause)) == before:
                self.nothing()
                if time.monotonic() > end:
                    raise Deviation("it is not counted")
            if now != before + 1:
                raise Deviation(f"it is counted {now - before} times")
        self.nothing()

    def until(self, step):
        """The same packet again and again, each answered, until one is not. The next one leaves only after this one was answered or counted: on a
        busy machine an answer comes late."""
        before, end = self.counted(step.cause), time.monotonic() + PATIENCE
        while True:
            self.give(step)
            while not (seen := self.bench.observe(0.002)):
                if self.counted(step.cause) != before:
                    return
                if time.monotonic() > end:
                    raise Deviation("it does not end")
            self.opened(Take(step.packet.turned(), step.under), seen[1])

    def nothing(self):
        if seen := self.bench.observe(0.002):
            raise Deviation(f"{self.name(seen[1])} where nothing may come")

    def causes(self, cause):
        return [name for c in cause.split(" or ") for name in self.driver.CAUSES.get(c, "").split()]

    def counted(self, cause):
        counters = self.driver.counters()
        return sum(counters.get(name, 0) for name in self.causes(cause))

    def ping(self, step):
        w = self.world
        self.bench.ping(w, w.plain(step.packet.src), w.plain(step.packet.dst), w.content(step.packet)[1])

    def answered(self, step):
        s, wanted = self.bench.pingers[self.world.six], self.world.content(step.packet)[1]
        end = time.monotonic() + (SOON if self.silent else PATIENCE)
        while time.monotonic() < end:
            if select.select([s], [], [], max(0, end - time.monotonic()))[0]:
                data = s.recv(65536)
                if (data if self.world.six else data[20:]) == wanted:
                    self.bench.pingers.pop(self.world.six).close()
                    return
        raise Deviation("the node's program has no reply")

    def take(self, step):
        if step.inner == 1:
            wire, packet = self.next(step)
        else:
            pieces = []
            while not (pieces and joined(pieces)):
                wire, packet = self.next(step)
                pieces.append(packet)
            packet = joined(pieces)
            self.pieces(packet.pieces, step.inner, "inner ")
        self.same(step, wire, packet)
        if step.packet.before and packet.before != Datagram(self.world.packet(step.packet)).before:
            raise Deviation("other headers inside")
        for name, value in step.check:
            got = getattr(wire, name)
            if got != value:
                raise Deviation(f"{name} {got}, not {value}")

    def next(self, step):
        """The next packet and what it protects."""
        wire, pieces = self.arrived(step), []
        if wire.fragment and not (step.inner != 1 and not step.under):
            pieces = [wire]
            while not (whole := joined(pieces)):
                pieces.append(self.arrived(step))
            self.world.quoted, wire = wire.data, whole
        else:
            self.world.quoted = wire.data
        if not step.under:
            if wire.protocol in (ESP, AH):
                raise Deviation(f"{self.name(wire)}, not in clear")
            self.pieces(wire.pieces, step.pieces)
            return wire, wire
        packet = self.opened(step, wire)
        self.pieces(wire.pieces, step.pieces)
        return wire, packet

    def arrived(self, step):
        seen = self.bench.observe(SOON if self.silent else PATIENCE)
        if not seen:
            raise Deviation("nothing comes")
        link, d = seen
        wanted = self.world.link(d.dst)
        if link != wanted:
            raise Deviation(f"{self.name(d)} on another link")
        return d

    @staticmethod
    def pieces(got, wanted, what=""):
        count = len(got) or 1
        if wanted is not None and count != wanted:
            raise Deviation(f"{count} {what}fragments")

    def opened(self, step, wire):
        side = self.world.sides[step.under, "out"]
        pair, content = side.pair, wire.content
        if pair.both.startswith("encap udp") and wire.protocol == UDP_NUMBER and content[:2] == b"\x11\x94":
            content = content[8:]
        elif wire.protocol != pair.protocol:
            raise Deviation(self.name(wire))
        at = 4 if pair.protocol == AH else 0
        if content[at:at + 4] != struct.pack("!L", side.spi):
            raise Deviation(self.name(wire))
        high = step.high
        if pair.protocol == AH:
            number, packet = self.verified(side, wire, high)
        else:
            result = side.open(content, high)
            if isinstance(result, str):
                raise Deviation(f"{result} under {pair.name}")
            number, text, padding, following = result
            if step.pad is not None and padding % 8 != step.pad:
                raise Deviation(f"padding of {padding}")
            packet = self.inner(pair, wire, text, following)
        wanted = side.seen + 1 if step.number is None else step.number
        if number != wanted:
            raise Deviation(f"number {number}, not {wanted}")
        side.seen = number
        if pair.inner and (wire.src, wire.dst) != (self.world.plain(pair.local), self.world.plain(pair.peer)):
            raise Deviation("outer addresses are wrong")
        return packet

    def inner(self, pair, wire, text, following):
        if not pair.inner:
            d = Datagram(wire.data)
            d.protocol, d.content, d.pieces = following, text, []
            return d
        if following not in (4, 41) or not text or text[0] >> 4 != (4 if following == 4 else 6):
            raise Deviation(f"next header {following} in a tunnel")
        return Datagram(text)

    def verified(self, side, wire, high):
        """AH, by scapy."""
        kind = IPv6 if self.world.six else IP
        tunnel = kind(src=wire.src, dst=wire.dst) if side.pair.inner else None
        sa = ipsec.SecurityAssociation(ipsec.AH, spi=side.spi, auth_algo=side.auth.name, auth_key=side.auth_key, tunnel_header=tunnel)
        head = wire.content
        words = 3 + -(-side.icv // 4)
        words += words % 2 if self.world.six else 0
        if head[1] + 2 != words or head[2:4] != b"\0\0":
            raise Deviation(f"AH of {head[1] + 2} words")
        whole = self.whole(wire)
        try:
            inside = raw(sa.decrypt(kind(whole), esn_en=high is not None, esn=high or 0))
        except ipsec.IPSecIntegrityError:
            raise Deviation(f"wrong ICV under {side.pair.name}") from None
        return struct.unpack_from("!L", head, 8)[0], Datagram(inside)

    def whole(self, wire):
        if not wire.pieces:
            return wire.data
        fields = {"id": struct.unpack("!H", wire.id)[0]} if wire.version == 4 else {}
        return self.world.ip(wire.src, wire.dst, wire.protocol, wire.content, wire.before, **fields)

    def same(self, step, wire, packet):
        """Whether it is the packet of the step."""
        p, w = step.packet, self.world
        src, dst = w.plain(p.src), w.plain(p.dst)
        if p.what == "too big":
            return self.too_big(p, packet, src, dst)
        protocol, content = w.content(p)
        if (packet.src, packet.dst) != (src, dst) or packet.protocol != protocol:
            raise Deviation(self.name(wire) if not step.under else f"{self.name(packet)} under {step.under}")
        if packet.content != content and not (p.what == "unreachable" and packet.content[:2] == content[:2]):
            raise Deviation(f"{self.name(packet)} with other octets")
        hops = dict(p.fields).get("hlim" if w.six else "ttl", 64) - (not (w.own(p.src) or w.own(p.dst)))
        if packet.hops != hops:
            raise Deviation(f"hop limit {packet.hops}, not {hops}")
        return None

    def too_big(self, p, packet, src, dst):
        w = self.world
        if packet.content[:2] != (b"\x02\0" if w.six else b"\x03\x04"):
            raise Deviation(self.name(packet))
        sources = [w.plain(n) for n in p.src.split(" or ")]
        if packet.dst != dst or packet.src not in sources:
            raise Deviation(f"too big from {self.owner(packet.src)}")
        low, high = p.mtu
        mtu = struct.unpack_from("!L", packet.content, 4)[0]
        if not low <= mtu <= high:
            raise Deviation(f"too big with MTU {mtu}")

    # Names.

    def owner(self, address):
        names = ADDRESSES[self.world.bench]
        return next((n for n in names if self.world.address(n) == address), "another address")

    def name(self, d):
        if d.protocol in (ESP, AH):
            spi = struct.unpack_from("!L", d.content, 4 if d.protocol == AH else 0)[0] if len(d.content) >= 8 else 0
            pair = next((side.pair.name for side in self.world.sides.values() if side.spi == spi), "an unknown SPI")
            return f"{'AH' if d.protocol == AH else 'ESP'} of {pair}"
        piece = "a fragment of " if d.fragment else ""
        return piece + f"{what(d)} to {self.owner(d.dst)}"


def what(d):
    if d.protocol in (ICMP, ICMP6) and d.content and not d.offset:
        names = {(ICMP, 0): "a reply", (ICMP, 8): "a request", (ICMP, 3): "unreachable", (ICMP6, 128): "a request", (ICMP6, 129): "a reply",
                 (ICMP6, 1): "unreachable", (ICMP6, 2): "too big", (ICMP6, 4): "a parameter problem", (ICMP, 12): "a parameter problem"}
        if d.content[:2] == b"\x03\x04":
            return "too big"
        return names.get((d.protocol, d.content[0]), f"ICMP {d.content[0]}")
    return {UDP_NUMBER: "UDP", TCP_NUMBER: "TCP", NONE: "no next header", ICMP: "ICMP", ICMP6: "ICMP"}.get(d.protocol, f"protocol {d.protocol}")


def edited(packet, changes):
    """Changed on the way; a router mends the checksum of IPv4's header."""
    changed = bytearray(packet)
    for offset, value in changes:
        if offset < 0:
            offset += len(changed)
        changed[offset:offset + len(value)] = value
    if changed[0] >> 4 == 4:
        size = (changed[0] & 15) * 4
        changed[10:12] = b"\0\0"
        changed[10:12] = struct.pack("!H", checksum(bytes(changed[:size])))
    return bytes(changed)


def reason(text):
    """The first error of a message, without the place."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if "error" in line), lines[-1] if lines else "?")
    return line.split(": ")[-1][:120]


class Suite:
    """All of it on one database."""

    def __init__(self, driver, silent):
        self.kind, self.silent, self.open, self.benches = DRIVERS[driver], silent, {}, []
        self.folder = tempfile.TemporaryDirectory()

    def bench(self, name):
        if name not in self.open:
            bench = Bench(name, pathlib.Path(self.folder.name), World)
            self.benches.append(bench)
            self.open[name] = bench, self.kind(bench), Echo(bench)
        return self.open[name]

    def run(self, case):
        """The outcomes of a case, by IP version. `silent` knows those that deviate, so that nothing that cannot come is waited for;
        `counted` is what the database counted meanwhile."""
        bench, driver, _ = self.bench(case.bench[0])
        before = driver.counters()
        outcomes = Run(driver, bench, case, lambda version: self.silent(case, version)).outcomes
        self.counted = {name: n - before.get(name, 0) for name, n in driver.counters().items() if n != before.get(name, 0)}
        return outcomes

    def close(self):
        for _, driver, echo in self.open.values():
            echo.close()
            driver.close()
        for bench in self.benches:
            bench.close()
        self.folder.cleanup()
