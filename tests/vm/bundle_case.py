"""AH around ESP, and padding against the analysis of traffic, between the kernel and ipsecd: namespace a has Linux' IPsec, where
the templates of a policy say that the two go together, namespace b an ipsecd, where `bundle` says it. The SAs are of one file
but for that word, and for `proto esp`, by which Linux would look for AH by the packet inside."""
import contextlib
import re
import socket
import struct

from guest import expect, finish, ipseckey, key, load
from ipsecd import Daemon
from netns import PATIENCE, cable, connections, datagrams, inside, ip_batch, pings, wait

GCM = f"encr_alg aes-gcm encrkey {key(160)}"
CBC = f"encr_alg aes encrkey {key(128)} auth_alg sha256 authkey {key(256)}"
ESN = "replay 64 esn"
AHS = (f"auth_alg sha256 authkey {key(256, 3)}", f"auth_alg sha512 authkey {key(512, 3)} align8", f"auth_alg sha1 authkey {key(160, 3)} {ESN}")
V4, V6 = (False, False), (True, True)  # Outside, inside.
bundles = [(mode, families, esp, ah) for mode in ("transport", "tunnel") for families in (V4, V6)
           for esp, ah in ((GCM, AHS[0]), (CBC, AHS[1]), (f"{GCM} {ESN}", AHS[2]))]
PAD = 600
# What is encrypted is the inner packet, made PAD octets long, and 2 octets, up to a whole block; with SPI, number, IV and ICV.
padded = [("tunnel", V4, f"{words} tfcpad {PAD}", ah, length) for words, around, block in ((GCM, 8 + 8 + 16, 4), (CBC, 8 + 16 + 16, 16))
          # AH in transport mode: 12 octets and 16 of the ICV, which is a multiple of 4 octets already.
          for ah, more in ((None, 0), (AHS[0], 28))
          for length in [lambda inner, around=around, block=block, more=more: 20 + more + around + -(-(inner + 2) // block) * block]]
combinations = bundles + [c[:4] for c in padded]


def pair_of(n, six):
    return (f"fd77:{n}::1", f"fd77:{n}::2") if six else (f"10.77.{n}.1", f"10.77.{n}.2")


# Of tunnels that end at the hosts whose traffic they have; others are not covered here.
inner = outer = [pair_of(n, families[1]) for n, (_, families, _, _) in enumerate(combinations)]

cable()
for netns, device, mine in (("a", "ethA", 0), ("b", "ethB", 1)):
    ip_batch(netns, [f"addr add {pair[mine]}/{'64' if ':' in pair[0] else '24'} dev {device}" + (" nodad" if ":" in pair[0] else "")
                     for pair in sorted(set(inner + outer))])


def templates(mode, ends, ah):
    esp = f"tmpl src {ends[0]} dst {ends[1]} proto esp mode tunnel" if mode == "tunnel" else "tmpl proto esp mode transport"
    return esp + (f" tmpl src {ends[0]} dst {ends[1]} proto ah mode transport" if ah else "")


def policies(verb, n, with_ah=True):
    (mode, _, _, ah), pair, wrap = combinations[n], inner[n], outer[n]
    return [f"xfrm policy {verb} src {src} dst {dst} proto {upper} dir {way} {templates(mode, ends, ah and with_ah)}"
            for way, (src, dst), ends in (("out", pair, wrap), ("in", pair[::-1], wrap[::-1]))
            # Neighbour discovery stays outside: without addresses nothing could be protected.
            for upper in (("icmp", "tcp", "udp") if ":" not in src else ("ipv6-icmp type 128", "ipv6-icmp type 129", "tcp", "udp"))]


ip_batch("a", [line for n in range(len(combinations)) for line in policies("add", n)])
daemon = Daemon("b")
daemon.take("10.77.0.0/16", "fd77::/16")
expect("no ping without an SA", pings(inner, 1), set())
ipseckey("flush", netns="a")  # What the kernel wanted meanwhile.

commands = []
for n, ((mode, _, esp, ah), (a, b), ends) in enumerate(zip(combinations, inner, outer)):
    for first, (src, dst), (here, there) in ((0x1000, ends, (a, b)), (0x2000, ends[::-1], (b, a))):
        selectors = f"isrc {here} idst {there}" if mode == "tunnel" else ""
        number = f"bundle {n + 1}" if ah else ""
        commands.append(f"add esp spi {first + n:#x} src {src} dst {dst} {esp} {selectors} {number}")
        if ah:
            commands.append(f"add ah spi {first + 0x2000 + n:#x} src {src} dst {dst} {ah} {'proto esp' if mode == 'tunnel' else ''} {number}")
text = "\n".join(commands) + "\n"
load(re.sub(r" (bundle \d+|proto esp)", "", text), "a")
daemon.load(text)


def missing(reached):
    return [f"{mode} {families} {re.sub(r' (encr|auth)key [0-9a-f]+', '', f'{esp} and {ah}')} {pair}"
            for (mode, families, esp, ah), pair in zip(combinations, inner) if pair not in reached]


backwards = [(b, a) for a, b in inner]
expect("ping from the kernel to ipsecd and back", missing(pings(inner)), [])
expect("TCP from the kernel to ipsecd and back", missing(connections(inner)), [])
expect("ping from ipsecd to the kernel and back", missing({(a, b) for b, a in pings(backwards, start="b")}), [])
expect("TCP from ipsecd to the kernel and back", missing({(a, b) for b, a in connections(backwards, start="b", end="a")}), [])
before = daemon.status()
expect("drops of what arrived", {c: n for c, n in before["in"]["dropped"].items() if c != "no_sa"}, {})

# Long datagrams: what does not fit into both is cut, by the kernel after its IPsec.
SIZES = [1, 1300, 1352, 1400, 1440, 1473, 3000]
for n in range(0, len(bundles), 3):
    a, b = inner[n]
    expect(f"long datagrams to ipsecd, {bundles[n][:2]}", datagrams("a", "b", a, b, SIZES), SIZES)
    if bundles[n][0] == "tunnel":
        expect(f"long datagrams to the kernel, {bundles[n][:2]}", datagrams("b", "a", b, a, SIZES), SIZES)


class Lengths:
    """The lengths of the IPv4 packets with AH or ESP that go from one address to another by a cable."""

    def __init__(self, src, dst):
        self.ends = socket.inet_aton(src) + socket.inet_aton(dst)
        with inside("b"):
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))  # Also what is sent.
        self.tap.bind(("ethB", 0x0003))
        self.tap.setblocking(False)
        self.seen = []

    def look(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.tap.recv(2048)
                if frame[12:14] == b"\x08\x00" and frame[26:34] == self.ends and frame[23] in (50, 51):
                    self.seen.append(struct.unpack("!H", frame[16:18])[0])
        return self.seen


# Up to PAD octets with IP and UDP all packets are alike; the next are as they are without it.
SIZES = [0, 1, 100, PAD - 29, PAD - 28, PAD - 27, 1000]
for n, (_, _, words, ah, length) in enumerate(padded, len(bundles)):
    a, b = inner[n]
    wanted = [length(max(PAD, size + 28)) for size in SIZES]
    for start, end, src, dst in (("a", "b", a, b), ("b", "a", b, a)):
        lengths = Lengths(src, dst)
        name = f"from {'the kernel' if start == 'a' else 'ipsecd'}, {words.split()[1]}{' in AH' if ah else ''}"
        expect(f"datagrams {name}", datagrams(start, end, src, dst, SIZES), SIZES)
        wait(PATIENCE, lambda: len(lengths.look()) >= len(SIZES))
        expect(f"their lengths {name}", lengths.seen, wanted)
        lengths.tap.close()

# Half of a bundle: the kernel sends only ESP, and ipsecd drops all of it.
ip_batch("a", [line for n in range(len(bundles)) for line in
               [re.sub(r" tmpl .*", "", line) for line in policies("delete", n)] + policies("add", n, with_ah=False)])
expect("no ping under half of a bundle", pings(inner[:len(bundles)], 2), set())
dropped = daemon.status()["in"]["dropped"]
expect("it is dropped as half of a bundle", dropped.get("bundle", 0) >= len(bundles), True)
expect("and as nothing else", {c for c in dropped if c != "no_sa"}, {"bundle"})
daemon.stop()
finish(f"{len(bundles)} bundles of AH and ESP, and {len(padded)} with padded lengths, between the kernel and ipsecd")
