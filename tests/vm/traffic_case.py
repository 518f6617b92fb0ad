"""Two network namespaces, one key file at both ends: for every algorithm, protocol, mode and family ping and TCP pass
with the SAs and fail without them. Every combination has addresses of its own, so all of them run at once."""
from guest import CIPHERS, MACS, expect, finish, ipseckey, key, load
from netns import cable, connections, ip_batch, pings

esp = [f"encr_alg {name}" + (f" encrkey {key(bits + salt)}" if bits else "") +
       ("" if icv else f" auth_alg hmac-sha256 authkey {key(256)}") for name, bits, salt, _, icv in CIPHERS]
esp += [f"encr_alg aes auth_alg {name} encrkey {key(128)} authkey {key(bits)}" for name, bits, _, _ in MACS]
esp += [f"encr_alg aes-gcm encrkey {key(160)} replay 64 esn", f"encr_alg aes auth_alg sha256 encrkey {key(128)} "
        f"authkey {key(256)} replay 1024 esn"]
ah = [f"auth_alg {name} authkey {key(bits)}" for name, bits, _, _ in MACS]

combinations = [(satype, mode, six, words) for satype, list_ in (("esp", esp), ("ah", ah))
                for mode in ("transport", "tunnel") for six in (False, True) for words in list_]
addresses = [(f"fd77:{n}::1", f"fd77:{n}::2") if six else (f"10.77.{n}.1", f"10.77.{n}.2")
             for n, (_, _, six, _) in enumerate(combinations)]

cable()
for netns, device, mine in (("a", "ethA", 0), ("b", "ethB", 1)):
    ip_batch(netns, [f"addr add {pair[mine]}/{'64 dev ' + device + ' nodad' if ':' in pair[0] else '24 dev ' + device}"
                     for pair in addresses])
expect("everything answers without policies", set(addresses) - pings(addresses), set())

for netns, here in (("a", 0), ("b", 1)):
    lines = []
    for (satype, mode, six, _), pair in zip(combinations, addresses):
        for way, src, dst in (("out", pair[here], pair[1 - here]), ("in", pair[1 - here], pair[here])):
            ends = f"src {src} dst {dst}" if mode == "tunnel" else ""
            # Neighbour discovery remains unprotected: without addresses nothing could be protected.
            for upper in ("icmp", "tcp") if not six else ("ipv6-icmp type 128", "ipv6-icmp type 129", "tcp"):
                lines.append(f"xfrm policy add src {src} dst {dst} proto {upper} dir {way} tmpl {ends} proto {satype}"
                             f" mode {mode}")
    ip_batch(netns, lines)
expect("no ping without an SA", pings(addresses, 1), set())
expect("no connection without an SA", connections(addresses, 1), set())
for netns in ("a", "b"):
    ipseckey("flush", netns=netns)  # What the kernel requested meanwhile.

commands = []
for n, ((satype, mode, _, words), (a, b)) in enumerate(zip(combinations, addresses)):
    for spi, src, dst in ((0x1000 + n, a, b), (0x2000 + n, b, a)):
        inner = f"isrc {src} idst {dst}" if mode == "tunnel" else ""
        commands.append(f"add {satype} spi {spi:#x} src {src} dst {dst} {words} {inner}")
for netns in ("a", "b"):
    load("\n".join(commands) + "\n", netns)


def missing(reached):
    return [f"{c[0]} {c[1]} {c[3].split(' encrkey')[0].split(' authkey')[0]} {pair}"
            for c, pair in zip(combinations, addresses) if pair not in reached]


expect("ping with the SAs", missing(pings(addresses)), [])
expect("TCP with the SAs", missing(connections(addresses)), [])
for netns in ("a", "b"):
    ipseckey("flush", netns=netns)
expect("no ping after flush", pings(addresses, 1), set())
finish(f"{len(combinations)} combinations of algorithm, protocol, mode and family carry traffic")
