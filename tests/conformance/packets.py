"""Packets of the conformance cases as octets: made, taken apart, and named."""
import ipaddress
import struct

from side import Side  # First: it silences warnings of scapy.
from hosts import checksum
from plan import ADDRESSES, AH, ESP, FRAGMENT, ICMP, ICMP6, IN4, IN6, NONE, OPTIONS, OWN, UDP_NUMBER
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

HEADERS = (0, 43, 60)  # Extension headers of IPv6 that every node on the way, or the end, reads before others.
KEPT_OPTIONS = (130, 133, 134, 148, 149)  # Of IPv4, that nobody changes on the way: RFC 4302 appendix A1.
ERROR_QUOTES = {6: 1232, 4: 548}  # Octets of a packet that an error of the tester quotes.


class Datagram:
    """An IP packet taken apart. `pieces`: offset and length of the fragments that it came in."""

    def __init__(self, data):
        self.data, self.pieces = data, []
        self.version = data[0] >> 4
        if self.version == 4:
            size = (data[0] & 15) * 4
            self.total, self.hops, self.protocol = struct.unpack_from("!H", data, 2)[0], data[8], data[9]
            self.src, self.dst = (str(ipaddress.ip_address(data[at:at + 4])) for at in (12, 16))
            self.tos, self.df, self.id = data[1], bool(data[6] & 0x40), data[4:6]
            word = struct.unpack_from("!H", data, 6)[0]
            self.offset, self.more = (word & 0x1fff) * 8, bool(word & 0x2000)
            self.before = data[20:size]
        else:
            size, self.total, self.hops, self.protocol = 40, struct.unpack_from("!H", data, 4)[0] + 40, data[7], data[6]
            self.src, self.dst = (str(ipaddress.ip_address(data[at:at + 16])) for at in (8, 24))
            self.tos, self.df, self.id, self.offset, self.more = (struct.unpack_from("!H", data)[0] >> 4) & 0xff, False, b"", 0, False
            self.flow = struct.unpack_from("!L", data)[0] & 0xfffff
            while self.protocol in HEADERS:
                self.protocol, size = data[size], size + (data[size + 1] + 1) * 8
            self.before = data[40:size]
            if self.protocol == FRAGMENT:
                word, self.id = struct.unpack_from("!H", data, size + 2)[0], data[size + 4:size + 8]
                self.protocol, self.offset, self.more, size = data[size], word & 0xfff8, bool(word & 1), size + 8
        self.content = data[size:self.total]

    @property
    def fragment(self):
        return self.more or self.offset > 0


def joined(pieces):
    """The datagram of these fragments, or None if some are missing."""
    pieces = sorted(pieces, key=lambda p: p.offset)
    content, end = b"", 0
    for piece in pieces:
        if piece.offset != end:
            return None
        content, end = content + piece.content, end + len(piece.content)
    if pieces[-1].more:
        return None
    first = pieces[0]
    whole = Datagram(first.data)
    whole.content, whole.more, whole.offset, whole.pieces = content, False, 0, [(p.offset, len(p.content)) for p in pieces]
    return whole


class World:
    """The names of a case with one IP version."""

    def __init__(self, bench, six):
        self.bench, self.six, self.version = bench, six, 6 if six else 4
        self.sides, self.quoted = {}, b""

    def address(self, name):
        """Of a node, or a network with its length; with an apostrophe that of the other IP version."""
        if name.endswith("'"):
            return World(self.bench, not self.six).address(name[:-1])
        if name == "ALL":
            return "::/0" if self.six else "0.0.0.0/0"
        if name not in ADDRESSES[self.bench]:
            return name
        link, v6, v4 = ADDRESSES[self.bench][name]
        address = IN6.format(v6) if self.six else IN4[link].format(v4)
        return str((ipaddress.ip_network if "/" in address else ipaddress.ip_address)(address))

    def plain(self, name):
        """Without a length."""
        return self.address(name).split("/")[0]

    def words(self):
        names = {name: self.address(name) for name in ADDRESSES[self.bench]}
        icmp = ("ipv6-icmp", "icmp")[not self.six]
        return names | {"ALL": self.address("ALL"), "icmp": icmp, "request": "type " + ("8", "128")[self.six], "reply": "type " + ("0", "129")[self.six]}

    def link(self, address):
        """The link on which the tester has this address."""
        if self.bench == "E":
            return 0
        return 0 if address in [self.address(n) for n in ("HOST1", "IN", "INNER", "HOST1'", "IN'")] else 1

    def own(self, name):
        return name in OWN[self.bench]

    # SAs.

    def add(self, pair):
        base = pair.number * 0x11000
        spis = pair.spis or (base + 1, base + 2)
        self.sides[pair.name, "in"], self.sides[pair.name, "out"] = Side(pair, spis[0]), Side(pair, spis[1])

    def keys(self, pair):
        """Lines of ipseckey."""
        local, peer = self.plain(pair.local), self.plain(pair.peer)
        lines = []
        for way, src, dst, words in (("in", peer, local, pair.into), ("out", local, peer, pair.out)):
            side = self.sides[pair.name, way]
            if words == "absent":
                continue
            inner = [self.address(n) for n in pair.inner]
            if inner:
                mine, its = inner
                words = f"isrc {its if way == 'in' else mine} idst {mine if way == 'in' else its} {words}"
            lines.append(f"add {'ah' if pair.protocol == AH else 'esp'} spi {side.spi:#x} src {src} dst {dst} {side.words}"
                         f"reqid {pair.group or pair.number} {words} {pair.both}".format(**self.words()))
        return lines

    # What the tester makes.

    def content(self, p):
        """Protocol and octets above IP."""
        src, dst = self.plain(p.src), self.plain(p.dst)
        six = ":" in src
        size = p.size if isinstance(p.size, int) else p.size[not self.six]
        data = p.data if p.data is not None else bytes(i % 251 for i in range(size))
        if p.what in ("request", "reply"):
            kind = (128 if p.what == "request" else 129) if six else (8 if p.what == "request" else 0)
            return self.icmp(src, dst, kind, 0, struct.pack("!HH", 0x1234, 1) + data)
        if p.what in ("too big", "unreachable"):
            kind, code = ((2, 0) if six else (3, 4)) if p.what == "too big" else ((1, 4) if six else (3, 3))
            quoted = self.quoted if p.about is None else self.packet(p.about)
            return self.icmp(src, dst, kind, code, struct.pack("!L", p.mtu) + quoted[:ERROR_QUOTES[self.version]])
        if p.what == "udp":
            head = struct.pack("!HHHH", *p.ports, 8 + len(data), 0)
            total = self.pseudo(src, dst, UDP_NUMBER, head + data)
            return UDP_NUMBER, head[:6] + struct.pack("!H", total or 0xffff) + data
        if p.what == "dummy":
            return NONE, data
        return int(p.what), data  # A protocol by its number.

    def pseudo(self, src, dst, protocol, content):
        packed = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
        return checksum(packed + struct.pack("!LL", len(content), protocol) + content)

    def icmp(self, src, dst, kind, code, rest):
        if ":" not in src:
            return ICMP, struct.pack("!BBH", kind, code, checksum(struct.pack("!BBH", kind, code, 0) + rest)) + rest
        total = self.pseudo(src, dst, ICMP6, struct.pack("!BBH", kind, code, 0) + rest)
        return ICMP6, struct.pack("!BBH", kind, code, total) + rest

    def packet(self, p):
        protocol, content = self.content(p)
        src = self.plain(p.src)
        before = last_header(p.before, protocol) if ":" in src else p.before
        return self.ip(src, self.plain(p.dst), protocol, content, before, p.first, **dict(p.fields))

    def ip(self, src, dst, protocol, content, before=b"", first=0, **fields):
        """`before`: options or extension headers; `first`: the protocol of the first of these."""
        if ":" in src:
            return raw(IPv6(src=src, dst=dst, nh=first if before else protocol, plen=len(before) + len(content), **fields)) + before + content
        fields.setdefault("id", 7)
        head = bytearray(raw(IP(src=src, dst=dst, proto=protocol, len=20 + len(before) + len(content), ihl=5 + len(before) // 4, chksum=0,
                                **fields))[:20] + before)
        head[10:12] = struct.pack("!H", checksum(bytes(head)))
        return bytes(head) + content

    def cut(self, packet, *sizes):
        """Fragments with these lengths of content, and the rest."""
        d, at, made = Datagram(packet), 0, []
        for size in (*sizes, None):
            piece = d.content[at:at + size if size else None]
            more = at + len(piece) < len(d.content)
            if d.version == 6:
                head = struct.pack("!BBHL", d.protocol, 0, at | more, 0x77)
                made.append(self.ip(d.src, d.dst, FRAGMENT, head + piece))
            else:
                made.append(self.ip(d.src, d.dst, d.protocol, piece, frag=at // 8, flags="MF" if more else 0,
                                    id=struct.unpack("!H", d.id)[0]))
            at += len(piece)
        return made

    def protect(self, packet, name, number=None, spi=None, outer=(), fields=(), following=None, udp=False, cut_at=None,
                ahead=b"", between=b"", **shape):
        """The packet under the inbound SA of a pair. `outer`: other addresses of the tunnel. `ahead` and `between`: destination options
        of IPv6 before ESP, and between it and the inner packet."""
        side = self.sides[name, "in"]
        side.sent = side.sent + 1 if number is None else number
        pair, d, real = side.pair, Datagram(packet), side.spi
        if pair.protocol == AH:
            return self.authenticate(packet, side, outer, fields, **shape)
        if pair.inner:
            content, protocol = packet, 4 if d.version == 4 else 41
            if between:
                content, protocol = last_header(between, protocol) + packet, OPTIONS
        else:
            content, protocol = d.content, d.protocol
        side.spi = spi or real
        sealed = side.seal(content, protocol if following is None else following, side.sent & 0xffffffff, **shape)[:cut_at]
        side.spi = real
        ends = [self.plain(n) for n in outer] or ([self.plain(pair.peer), self.plain(pair.local)] if pair.inner else [d.src, d.dst])
        if udp:
            sealed = struct.pack("!HHHH", 4500, 4500, 8 + len(sealed), 0) + sealed
        if not pair.inner:
            first = packet[6] if d.version == 6 else 0
            kept = d.before
            return self.ip(*ends, UDP_NUMBER if udp else ESP, sealed, last_header(kept, ESP) if d.version == 6 else kept, first,
                           **dict(fields))
        carrier = UDP_NUMBER if udp else ESP
        return self.ip(*ends, carrier, sealed, last_header(ahead, carrier) if ahead else b"", OPTIONS, **dict(fields))

    def authenticate(self, packet, side, outer, fields, high=None, icv=None, reserved=0):
        """Under AH (RFC 4302 section 3.3.3): what may change on the way is 0 for the ICV."""
        pair, d = side.pair, Datagram(packet)
        if pair.inner:
            ends = [self.plain(n) for n in outer] or [self.plain(pair.peer), self.plain(pair.local)]
            content, before, first, following, fields = packet, b"", 0, 4 if d.version == 4 else 41, dict(fields)
        else:
            ends, content, before, following = [d.src, d.dst], d.content, d.before, d.protocol
            first = packet[6] if self.six and before else 0
            before = last_header(before, AH) if self.six else before
            fields = {"hlim": d.hops, "tc": d.tos, "fl": d.flow} if self.six else {"ttl": d.hops, "tos": d.tos, "flags": 2 * d.df}
        size = 12 + side.icv
        size += -size % (8 if self.six else 4)
        head = struct.pack("!BBHLL", following, size // 4 - 2, reserved, side.spi, side.sent & 0xffffffff)
        still = {"hlim": 0} if self.six else {"ttl": 0}
        mutable = self.ip(*ends, AH, head + bytes(size - 12) + content, unchanging(before, first, self.six), first, **still)
        if not self.six:
            mutable = mutable[:10] + b"\0\0" + mutable[12:]
        value = side.mac(mutable, high) if icv is None else icv
        return self.ip(*ends, AH, head + value.ljust(size - 12, b"\0") + content, before, first, **fields)


def unchanging(headers, first, six):
    """Extension headers, or options of IPv4, with zeros where they may change on the way (RFC 4302 appendix A)."""
    out, at, kind = bytearray(headers), 0, first
    if not six:
        while at < len(out) and out[at] > 1:
            size = out[at + 1]
            if out[at] not in KEPT_OPTIONS:
                out[at:at + size] = bytes(size)
            at += size
        return bytes(out)
    while at < len(out):
        end = at + (out[at + 1] + 1) * 8
        place = at + 2
        while kind in (0, 60) and place < end:
            size = 0 if out[place] == 0 else out[place + 1] + 2
            if out[place] & 0x20:
                out[place + 2:place + size] = bytes(size - 2)
            place += size or 1
        kind, at = out[at], end
    return bytes(out)


def last_header(headers, protocol):
    """These extension headers, the last of which says what follows."""
    if not headers:
        return headers
    at = 0
    while at + (headers[at + 1] + 1) * 8 < len(headers):
        at += (headers[at + 1] + 1) * 8
    return headers[:at] + bytes([protocol]) + headers[at + 1:]
