"""Directions of SAs in a kernel that supports them (Linux 6.10): it stores and enforces them, and reports them without the side
table. `ip` of Debian 12 does not show them yet, so the kernel's messages are parsed here."""
import contextlib
import json
import os
import re
import socket
import struct

from guest import contains, expect, finish, ipseckey, key, load, run, states
from netns import cable, connections, ip_batch, pings

XFRM_MSG_GETSA, XFRM_MSG_NEWSA, XFRMA_SA_DIR = 0x12, 0x10, 33  # linux/xfrm.h
INFO, SPI = 224, 72  # Of struct xfrm_usersa_info: its size, where its SPI is.
WAYS = {None: "", 1: "in", 2: "out"}


def directions():
    """The kernel's report: SPI and "in", "out" or ""."""
    found = {}
    with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_XFRM)) as s:
        s.send(struct.pack("=IHHII24x", 40, XFRM_MSG_GETSA, 0x301, 1, 0))  # NLM_F_REQUEST | NLM_F_DUMP
        while True:
            data = s.recv(1 << 20)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                message, data = data[16:size], data[(size + 3) & ~3:]
                if kind != XFRM_MSG_NEWSA:
                    return found
                attributes, way = message[INFO:], None
                while attributes:
                    length, name = struct.unpack_from("=HH", attributes)
                    way = attributes[4] if name == XFRMA_SA_DIR else way
                    attributes = attributes[(length + 3) & ~3:]
                found[struct.unpack_from("!I", message, SPI)[0]] = WAYS[way]


def shown():
    """The same from `ipseckey --json dump`."""
    lines = [json.loads(line) for line in ipseckey("--json", "-p", "dump").splitlines()]
    return {sa["spi"]: "".join(f[:-len("bound")] for f in sa["flag_names"] if f.endswith("bound"))
            for sa in lines if sa["kind"] == "sa"}


GCM = f"encr_alg aes-gcm encrkey {key(160)}"
MAC = f"auth_alg sha256 authkey {key(256)}"
FOUR, SIX = "src 192.0.2.1 dst 192.0.2.2", "src 2001:db8::1 dst 2001:db8::2"
BACK = "src 192.0.2.2 dst 192.0.2.1"
# What is requested, what the kernel stores, and what is shown.
rows = [(f"esp {FOUR} {GCM} {words}", kernel, way) for words, kernel, way in (
    ("inbound", "in", "in"),
    ("outbound", "out", "out"),
    ("", "", ""),
    ("inbound replay 32", "in", "in"),
    ("outbound replay 32", "", "out"),  # The kernel has no window on an SA for sending, but the file may specify one.
    ("inbound replay 64 esn replay_value 5", "in", "in"),
    ("outbound replay 64 esn replay_value 5", "", "out"),
    ("outbound replay_value 7", "out", "out"),
    ("inbound replay 8 replay_value 7", "in", "in"),
    ("inbound encap udp nat_lport 4500 nat_rport 4501 nat_rem 10.9.9.9", "in", "in"),
    ("outbound encap udp nat_lport 4500 nat_rport 4501 nat_rem 10.9.9.9", "out", "out"),
    ("inbound isrc 10.1.0.0/16 idst 10.2.0.0/16", "in", "in"),
    ("outbound isrc 10.1.0.0/16 idst 10.2.0.0/16 reqid 4 if_id 9 mark 3", "out", "out"),
)] + [(f"{satype} {ends} {words} {way}bound", way, way) for satype, words in (("esp", GCM), ("ah", MAC))
      for ends in (FOUR, SIX) for way in ("in", "out")]
rows = [(0x1000 + n, *row) for n, row in enumerate(rows)]
load("".join(f"add {words.split(' ', 1)[0]} spi {spi:#x} {words.split(' ', 1)[1]}\n" for spi, words, *_ in rows))
in_kernel = {spi: kernel for spi, _, kernel, _ in rows}
expect("directions in the kernel", directions(), in_kernel)
expect("directions in a dump", shown(), {spi: way for spi, *_, way in rows})
contains("in text", ipseckey("get", "esp", "spi", "0x1000", "dst", "192.0.2.2"), "transport, inbound")

# Saved and loaded, the kernel's SAs are the same; and what it holds needs no side table.
before = sorted(states())
ipseckey("-s", "/tmp/saved")
run("ip", "xfrm", "state", "flush")
for name in os.listdir("/run/ipseckey"):
    os.remove(f"/run/ipseckey/{name}")
ipseckey("-f", "/tmp/saved")
expect("SAs that were saved and loaded", "\n".join(sorted(states())), "\n".join(before))
expect("their directions", (directions(), shown()), (in_kernel, {spi: way for spi, *_, way in rows}))
for name in os.listdir("/run/ipseckey"):
    os.remove(f"/run/ipseckey/{name}")
expect("directions without the file beside the kernel", shown(), in_kernel)

# Limits and numbers change, but the direction never does.
load("update esp spi 0x1000 dst 192.0.2.2 hard_bytes 5000\nupdate esp spi 0x1001 dst 192.0.2.2 hard_bytes 5000\n"
     "update esp spi 0x1007 dst 192.0.2.2 replay_value 90\nupdate esp spi 0x1008 dst 192.0.2.2 replay_value 90\n")
expect("directions after updates", directions(), in_kernel)
numbers = {line["spi"]: line.get("replay_value") for line in map(json.loads, ipseckey("--json", "-p", "dump", "esp")
                                                                 .splitlines()) if line["kind"] == "sa"}
expect("numbers after updates", (numbers[0x1007], numbers[0x1008]), (90, 90))
NO_PAIR = "One of the entered values is incorrect: Diagnostic code 73: these two SAs cannot be a pair"
text = ipseckey("-f", "-", fails=True, stdin="update esp spi 0x1000 dst 192.0.2.2 outbound\n"
                f"add esp spi 0x3001 {BACK} {GCM} inbound pair-spi 0x1000\n"
                f"add esp spi 0x3002 {BACK} {GCM} outbound pair-spi 0x1001\n"
                f"add esp spi 0x3003 {BACK} {GCM} inbound pair-spi 0x1001\n"
                f"add esp spi 0x1000 {FOUR} {GCM} outbound\n")
expect("which lines were refused, and why", [tuple(re.search(r"^<stdin>:(\d+):\d+: error: (.*)", line).groups())
                                             for line in text.splitlines() if ": error: " in line], [
    ("1", "One of the entered values is incorrect: Diagnostic code 42: SA flags are set that must not be set here"),
    ("2", f"{NO_PAIR}; both SAs have the same direction: one must be inbound, the other outbound"),
    ("3", f"{NO_PAIR}; both SAs have the same direction: one must be inbound, the other outbound"),
    ("5", "esp SA spi 0x1000 dst 192.0.2.2 already exists")])
expect("and are not there", directions(), {**in_kernel, 0x3003: "in"})

# Packets: with the directions as they are they pass; with those of one end reversed they are dropped and counted.
run("ip", "xfrm", "state", "flush")
A, B = "10.78.0.1", "10.78.0.2"
cable()
for netns, device, here, there in (("a", "ethA", A, B), ("b", "ethB", B, A)):
    ip_batch(netns, [f"addr add {here}/24 dev {device}"] +
             [f"xfrm policy add src {src} dst {dst} proto {proto} dir {way} tmpl proto esp mode transport"
              for way, src, dst in (("out", here, there), ("in", there, here)) for proto in ("icmp", "tcp")])
    sends, takes = (0x501, 0x502) if netns == "a" else (0x502, 0x501)
    load(f"add esp spi {sends:#x} src {here} dst {there} {GCM} outbound\n"
         f"add esp spi {takes:#x} src {there} dst {here} {GCM} inbound\n", netns)
expect("ping", pings([(A, B)]), {(A, B)})
expect("TCP", connections([(A, B)]), {(A, B)})
load(f"delete esp spi 0x501 dst {B}\nadd esp spi 0x501 src {A} dst {B} {GCM} outbound\n", "b")
expect("no ping by an SA that is for sending", pings([(A, B)], 1), set())
contains("doctor knows why", ipseckey("doctor", netns="b"), "XfrmInStateDirError", "the SA is for sending")
load(f"delete esp spi 0x501 dst {B}\nadd esp spi 0x501 src {A} dst {B} {GCM} inbound\n", "a")
pings([(A, B)], 1)
contains("and the other way", ipseckey("doctor", netns="a"), "XfrmOutStateDirError", "the SA is for receiving")
facts = json.loads(ipseckey("--json", "doctor"))
expect("this kernel has everything", [f["name"] for f in facts["facts"] if f["answer"] != "yes"], [])
expect("every counter has a meaning", [c["name"] for c in facts["counters"] if not c["meaning"]], [])
finish(f"{len(rows)} SAs have their directions in the kernel, which holds to them")
