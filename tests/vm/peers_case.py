"""The kernel's ESP and AH with ipsecd's, keyed from one file by ipseckey at both ends: namespace a has Linux's IPsec, namespace
b an ipsecd with a TUN device. Every combination has addresses of its own, so all of them run at once."""
import socket

from guest import CIPHERS, MACS, expect, finish, ipseckey, key, load
from ipsecd import Daemon
from netns import cable, connections, datagrams, ip_batch, nat_socket, pings

cbc = f"encr_alg aes encrkey {key(128)}"
esp = [f"encr_alg {name}" + (f" encrkey {key(bits + salt)}" if bits else "") +
       ("" if icv else f" auth_alg hmac-sha256 authkey {key(256)}") for name, bits, salt, _, icv in CIPHERS]
esp += [f"{cbc} auth_alg {name} authkey {key(bits)}" for name, bits, _, _ in MACS]
esp += [f"encr_alg aes-gcm encrkey {key(160)} replay 64 esn",
        f"{cbc} auth_alg sha256 authkey {key(256)} replay 1024 esn"]
# The full result, and the 96 bits that RFC 4868 does not have; the others of each are the same code.
esp += [f"{cbc} auth_alg sha256 authkey {key(256)} icv {bits}" for bits in (96, 256)]
esp += [f"{cbc} auth_alg sha512 authkey {key(512)} icv 512"]
ah = [f"auth_alg {name} authkey {key(bits)}" for name, bits, _, _ in MACS]
ah += [f"auth_alg sha256 authkey {key(256)} replay 64 esn", f"auth_alg sha512 authkey {key(512)} align8",
       f"auth_alg sha512 authkey {key(512)} icv 512",
       f"auth_alg sha256 authkey {key(256)} icv 96", f"auth_alg sha1 authkey {key(160)} icv 160"]
in_udp = [f"{words} encap udp nat_lport 4500 nat_rport 4500" for words in
          (f"encr_alg aes-gcm encrkey {key(160)}", f"{cbc} auth_alg sha256 authkey {key(256)}")]

V4, V6 = (False, False), (True, True)  # Outside, inside.
combinations = [(satype, mode, families, words) for satype, list_ in (("esp", esp), ("ah", ah))
                for mode in ("transport", "tunnel") for families in (V4, V6) for words in list_]
combinations += [(satype, "tunnel", families, list_[-1]) for satype, list_ in (("esp", esp), ("ah", ah))
                 for families in ((False, True), (True, False))]
combinations += [("esp", mode, families, words) for mode in ("transport", "tunnel") for families in (V4, V6) for words in in_udp]
PLACES = (("10.77", "10.177"), ("fd77", "fd78"))  # Of the inner packet, and of outer addresses of another family.


def pair_of(n, six, other):
    start = PLACES[six][other]
    return (f"{start}:{n}::1", f"{start}:{n}::2") if six else (f"{start}.{n}.1", f"{start}.{n}.2")


inner = [pair_of(n, families[1], False) for n, (_, _, families, _) in enumerate(combinations)]
outer = [pair if families[0] == families[1] and (mode, words) not in [("tunnel", w) for w in in_udp]
         else pair_of(n, families[0], True)
         for n, ((_, mode, families, words), pair) in enumerate(zip(combinations, inner))]

cable()
for netns, device, mine in (("a", "ethA", 0), ("b", "ethB", 1)):
    ip_batch(netns, [f"addr add {pair[mine]}/{'64' if ':' in pair[0] else '24'} dev {device}" +
                     (" nodad" if ":" in pair[0] else "") for pair in sorted(set(inner + outer))])
ip_batch("a", [f"xfrm policy add src {src} dst {dst} proto {upper} dir {way} tmpl "
               f"{f'src {ends[0]} dst {ends[1]}' if mode == 'tunnel' else ''} proto {satype} mode {mode}"
               for (satype, mode, _, words), pair, wrap in zip(combinations, inner, outer)
               for way, (src, dst), ends in (("out", pair, wrap), ("in", pair[::-1], wrap[::-1]))
               # Neighbour discovery remains unprotected: without addresses nothing could be protected; and so does UDP with the
               # same outer addresses.
               for upper in (("icmp", "tcp", "udp") if ":" not in src else
                             ("ipv6-icmp type 128", "ipv6-icmp type 129", "tcp", "udp"))
               if upper != "udp" or (mode, words) not in [("transport", w) for w in in_udp]])
daemon = Daemon("b")
daemon.take("10.77.0.0/16", "fd77::/16")
encapsulated = [nat_socket("a", 4500, six) for six in (False, True)]

expect("no ping without an SA", pings(inner, 1), set())
ipseckey("flush", netns="a")  # What the kernel requested meanwhile.
commands = []
for n, ((satype, mode, _, words), (a, b), wrap) in enumerate(zip(combinations, inner, outer)):
    for spi, ends, src, dst in ((0x1000 + n, wrap, a, b), (0x2000 + n, wrap[::-1], b, a)):
        selectors = f"isrc {src} idst {dst}" if mode == "tunnel" else ""
        commands.append(f"add {satype} spi {spi:#x} src {ends[0]} dst {ends[1]} {words} {selectors}")
text = "\n".join(commands) + "\n"
load(text, "a")
daemon.load(text)


def missing(reached):
    return [f"{c[0]} {c[1]} {c[3].split(' encrkey')[0].split(' authkey')[0]} {pair}"
            for c, pair in zip(combinations, inner) if pair not in reached]


expect("ping from the kernel to ipsecd and back", missing(pings(inner)), [])
expect("TCP from the kernel to ipsecd and back", missing(connections(inner)), [])
backwards = [(b, a) for a, b in inner]
expect("ping from ipsecd to the kernel and back", missing({(a, b) for b, a in pings(backwards, start="b")}), [])
expect("TCP from ipsecd to the kernel and back",
       missing({(a, b) for b, a in connections(backwards, start="b", end="a")}), [])
before = daemon.status()
expect("what ipsecd let in it sent back", before["in"]["packets"] > 0 and before["out"]["packets"] > 0, True)
expect("drops of what arrived", {c: n for c, n in before["in"]["dropped"].items() if c != "no_sa"}, {})

# Long datagrams: the kernel fragments its ESP, which is reassembled; ipsecd's tunnels carry fragments.
SIZES = [1, 1300, 1352, 1353, 1400, 1440, 1472, 1473, 3000, 9000]
for (satype, mode, families, words), (a, b) in zip(combinations, inner):
    if words not in (esp[11], in_udp[0], ah[2]) or (words == in_udp[0] and mode == "transport"):
        continue
    name = f"{satype} {mode} {families} {words[:40]}"
    expect("long datagrams to ipsecd, " + name, datagrams("a", "b", a, b, SIZES), SIZES)
    if mode == "tunnel":
        expect("long datagrams to the kernel, " + name, datagrams("b", "a", b, a, SIZES), SIZES)

# The kernel puts a socket's hop-by-hop and destination options before ESP and AH, in each fragment, too.
SOME = bytes([0, 1, 0x1e, 4, 1, 2, 3, 4, 0x3e, 4, 5, 6, 7, 8, 1, 0])  # Unknown ones: the second may change on the way.
sticky = [(socket.IPPROTO_IPV6, name, SOME) for name in (socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS)]
for (satype, mode, families, words), (a, b) in zip(combinations, inner):
    if mode == "transport" and families == V6 and words in (esp[11], ah[2]):
        name = f"options in {satype} {words[:40]}"
        expect(name + " to ipsecd", datagrams("a", "b", a, b, [1, 1000, 3000], options=sticky), [1, 1000, 3000])
        expect(name + " to the kernel", datagrams("b", "a", b, a, [1, 1000], options=sticky), [1, 1000])

daemon.run_ipseckey("flush")
expect("no ping after flush", pings(inner, 1), set())
daemon.stop()
finish(f"{len(combinations)} combinations of algorithm, protocol, mode and family between the kernel and ipsecd")
