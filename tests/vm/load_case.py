"""Each algorithm, protocol, family, mode and property, loaded from a key file: `ip xfrm state` shows what was requested."""
import json
import os

from guest import CIPHERS, MACS, contains, expect, finish, ipseckey, key, load, run, states

commands, wanted = [], []


def want(spi, proto, lines, src="192.0.2.1", dst="192.0.2.2", mode="transport", reqid=0, window=0, sel=None,
         flags="", context="anti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000", after=""):
    any_address = "::/0" if ":" in dst else "0.0.0.0/0"
    wanted.append("\n".join(
        [f"src {src} dst {dst}", f"proto {proto} spi 0x{spi:08x} reqid {reqid} mode {mode}",
         f"replay-window {window}" + (f" flag {flags}" if flags else "")] + lines +
        ([context] if context else []) + ([after] if after else []) +
        [f"sel {sel or f'src {any_address} dst {any_address}'}"]))


spi = 0x1000
for src, dst in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")):
    for name, bits, salt, kernel, icv in CIPHERS:
        digits = key(bits + salt)
        line = f"add esp spi {spi:#x} src {src} dst {dst} encr_alg {name}"
        if digits:
            line += f" encrkey {digits}"
        if icv:
            want(spi, "esp", [f"aead {kernel} 0x{digits} {icv}"], src, dst)
        else:
            line += f" auth_alg hmac-sha256 authkey {key(256, 3)}"
            want(spi, "esp", [f"auth-trunc hmac(sha256) 0x{key(256, 3)} 128",
                              f"enc {kernel} {'0x' + digits if digits else ''}".rstrip()], src, dst)
        commands.append(line)
        spi += 1
    # No key length is wrong for HMAC (RFC 2104).
    for name, bits, kernel, icv in (*MACS, ("hmac-sha1", 128, "hmac(sha1)", 96), ("hmac-sha512", 1200, "hmac(sha512)", 256)):
        commands.append(f"add ah spi {spi:#x} src {src} dst {dst} auth_alg {name} authkey {key(bits)}")
        # RFC 4302: a multiple of 4 bytes under IPv4. Linux uses 8 unless the flag is set.
        shorter = "." in src and (96 + icv) % 64 != 0
        want(spi, "ah", [f"auth-trunc {kernel} 0x{key(bits)} {icv}"], src, dst, flags="align4" if shorter else "")
        spi += 1

gcm, gcm_line = f"encr_alg aes-gcm encrkey {key(160)}", f"aead rfc4106(gcm(aes)) 0x{key(160)} 128"
base = "src 192.0.2.1 dst 192.0.2.2"
rows = (
    ("tunnel", "isrc 10.1.0.0/16 idst 10.2.0.0/24 iproto 6 isport 80 idport 443",
     dict(mode="tunnel", sel="src 10.1.0.0/16 dst 10.2.0.0/24 proto tcp sport 80 dport 443")),
    ("tunnel of IPv6", "isrc 2001:db8:1::/48 idst ::/0",
     dict(mode="tunnel", sel="src 2001:db8:1::/48 dst ::/0")),
    ("ports and protocol in transport mode", "proto 17 sport 500 dport 501",
     dict(sel="src 0.0.0.0/0 dst 0.0.0.0/0 proto udp sport 500 dport 501")),
    ("ICMP by type in a tunnel", "isrc 10.1.0.0/16 idst 10.2.0.0/24 iproto 1 icmp-type 8",
     dict(mode="tunnel", sel="src 10.1.0.0/16 dst 10.2.0.0/24 proto icmp type 8")),
    ("ICMPv6 by type and code in transport mode", "proto 58 icmp-type 1 icmp-code 4",
     dict(sel="src 0.0.0.0/0 dst 0.0.0.0/0 proto ipv6-icmp type 1 code 4")),
    ("a small window", "replay 32", dict(window=32)),
    ("a window and a value", "replay 8 replay_value 5 inbound",
     dict(window=8, context="anti-replay context: seq 0x5, oseq 0x0, bitmap 0x0000001f")),
    ("the number sent", "replay_value 7 outbound",
     dict(context="anti-replay context: seq 0x0, oseq 0x7, bitmap 0x00000000")),
    ("a wide window", "replay 64",
     dict(context="anti-replay esn context:\nseq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0\n"
                  "replay_window 64, bitmap-length 2\n00000000 00000000")),
    ("extended sequence numbers", "replay 128 esn",
     dict(flags="esn", context="anti-replay esn context:\nseq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0\n"
                               "replay_window 128, bitmap-length 4\n00000000 00000000 00000000 00000000")),
    ("NAT traversal", "encap udp nat_lport 4500 nat_rport 4501 nat_rem 10.9.9.9",
     dict(lines=["encap type espinudp sport 4500 dport 4501 addr 10.9.9.9"])),
    ("reqid and mark", "reqid 42 mark 0x10/0xff", dict(reqid=42, mark="mark 0x10/0xff")),
    ("an interface's number", "if_id 7", dict(after="if_id 0x7")),
)
for name, words, properties in rows:
    commands.append(f"add esp spi {spi:#x} {base} {gcm} {words}")
    lines = [gcm_line] + properties.pop("lines", [])
    mark = properties.pop("mark", None)
    want(spi, "esp", ([mark] if mark else []) + lines, **properties)
    spi += 1

said = load("\n".join(commands) + "\n")
contains("the load", said, f"{len(commands)} of {len(commands)} commands succeeded")
got = {block.splitlines()[0] + " " + block.splitlines()[1].split(" reqid")[0]: block for block in states()}
for block in wanted:
    name = block.splitlines()[0] + " " + block.splitlines()[1].split(" reqid")[0]
    expect(name, got.pop(name, "(no such SA)"), block)
expect("SAs that nobody asked for", "\n".join(got), "")

# Only `ip -s` shows limits.
load(f"add esp spi 0x9000 {base} {gcm} soft_bytes 1000 hard_bytes 2000 soft_packets 10 hard_packets 20 "
     "soft_addtime 100 hard_addtime 200 soft_usetime 30 hard_usetime 40\n")
limits = run("ip", "-s", "xfrm", "state", "get", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x9000")
contains("limits", limits, "limit: soft 1000(bytes), hard 2000(bytes)", "limit: soft 10(packets), hard 20(packets)",
         "expire add: soft 100(sec), hard 200(sec)", "expire use: soft 30(sec), hard 40(sec)")

# Refusals: each with its subject.
text = ipseckey(fails=True, stdin=f"add esp spi 0x9000 {base} {gcm}\n")
contains("the same SA again", text, "already exists")
contains("no such SA", ipseckey("get", "esp", "spi", "0x9999", "dst", "192.0.2.2", fails=True), "does not exist")
contains("an idle limit", run("sh", "-c", f"echo 'add esp spi 0x9100 {base} {gcm} idle_addtime 5' | "
                              "$IPSECKEY --sadb=kernel 2>&1"), "idle limits will not be enforced")

# Labels are security contexts if the kernel runs SELinux, as this one does (without a policy: any context is valid).
load(f"add esp spi 0x9200 {base} {gcm} label 3:8000000000000001\n")
contains("a label", run("ip", "xfrm", "state", "list", "spi", "0x9200"),
         "security context system_u:object_r:ipsec_spd_t:s3:c0,c63")
contains("a label, read back", ipseckey("get", "esp", "spi", "0x9200", "dst", "192.0.2.2"), "label     level 3")
contains("and saved", ipseckey("save", "esp"), "label 3:8000000000000001")
contains("a label of the protected packets", ipseckey(fails=True, stdin=f"add esp spi 0x9201 {base} {gcm} outer-label 3\n"),
         "the kernel cannot store a label for the protected packets")

# This kernel has no direction of SAs (6.10 has): it accepts the SA and forgets the direction, which is stored beside it.
load(f"add esp spi 0x9300 {base} {gcm} inbound\n")
contains("a direction", ipseckey("get", "esp", "spi", "0x9300", "dst", "192.0.2.2"), "transport, inbound")
for name in os.listdir("/run/ipseckey"):
    os.remove(f"/run/ipseckey/{name}")
expect("a direction that nobody kept", "inbound" in ipseckey("get", "esp", "spi", "0x9300", "dst", "192.0.2.2"), False)

# What an update cannot change.
contains("another reqid", ipseckey(fails=True, stdin="update esp spi 0x9300 dst 192.0.2.2 reqid 9\n"),
         "`reqid` cannot be changed after the SA was added")
contains("a state that Linux has not", ipseckey(fails=True, stdin="update esp spi 0x9300 dst 192.0.2.2 state 4\n"),
         "the kernel's SAs are mature from the start")

# The kernel ignores the source when it searches an SA; a request that names one means it.
for command in ("get", "delete"):
    contains(command + " from elsewhere", ipseckey(command, "esp", "spi", "0x9300", "dst", "192.0.2.2", "src", "192.0.2.9", fails=True),
             "does not exist")
    contains(command + " by a mark that it has not", ipseckey(command, "esp", "spi", "0x9300", "dst", "192.0.2.2", "mark", "9", fails=True),
             "does not exist")
ipseckey("delete", "esp", "spi", "0x9300", "dst", "192.0.2.2", "src", "192.0.2.1")
contains("a number too wide", ipseckey(fails=True, stdin=f"add esp spi 0x9301 {base} {gcm} replay_value 5000000000\n"),
         "without `esn` sequence numbers have 32 bits")

# An SA that a key manager began is completed by hand.
name = ("src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp")
run("ip", "xfrm", "state", "allocspi", *name, "min", "0x9400", "max", "0x9400")
contains("a larval SA", ipseckey("get", "esp", "spi", "0x9400", "dst", "192.0.2.2"), "192.0.2.1 -> 192.0.2.2  larval")
load(f"update esp spi 0x9400 {base} {gcm} outbound\n")
contains("a larval SA that was completed", run("ip", "xfrm", "state", "get", *name, "spi", "0x9400"), gcm_line)
contains("and what stands beside it", ipseckey("get", "esp", "spi", "0x9400", "dst", "192.0.2.2"), "mature", "transport, outbound")

# The kernel filters a dump of one type; it complains about requests that it does not understand.
ipseckey("dump", "ah")
expect("what the kernel did not understand", [line for line in run("dmesg").splitlines() if "leftover" in line], [])

# `count` reports what the kernel has.
states_there = run("ip", "xfrm", "state")
for asked in ("ah", "esp", "all"):
    counted = json.loads(ipseckey("--json", "count", asked))
    there = {proto: states_there.count(f"proto {proto} spi") for proto in ("ah", "esp") if asked in (proto, "all")}
    expect(f"count {asked}: the total", counted["total"], sum(there.values()))
    expect(f"count {asked}: by type", {t: sum(row["sas"] for row in counted["counts"] if row["satype"] == t) for t in there}, there)
finish(f"{len(commands)} SAs are in the kernel as they were asked for")
