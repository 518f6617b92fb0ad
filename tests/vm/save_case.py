"""SAs that `ip` added are dumped and saved; loading the save restores the same `ip xfrm state`. Pairs, identities and
directions that ipseckey added are kept, too."""
import os

from guest import CIPHERS, MACS, contains, expect, finish, ipseckey, key, load, run, states


def add(*words):
    run("ip", "xfrm", "state", "add", *" ".join(words).split())


def round_trip(name):
    before = states()
    if os.path.exists("/tmp/saved"):
        os.remove("/tmp/saved")
    ipseckey("-s", "/tmp/saved")
    run("ip", "xfrm", "state", "flush")
    expect(name + ": flushed", states(), [])
    with open("/tmp/saved", encoding="ascii") as file:
        saved = file.read()
    ipseckey("-f", "/tmp/saved")
    expect(name, "\n".join(sorted(states())), "\n".join(sorted(before)))
    return saved


spi = 0x100
for ends in ("src 192.0.2.1 dst 192.0.2.2", "src 2001:db8::1 dst 2001:db8::2"):
    for mode in ("transport", "tunnel"):
        for _, bits, salt, kernel, icv in CIPHERS:
            digits = "0x" + key(bits + salt, spi % 200) if bits else '""'
            if icv:
                algorithms = f"aead {kernel} {digits} {icv}"
            elif bits:
                algorithms = f"enc {kernel} {digits} auth-trunc hmac(sha256) 0x{key(256)} 128"
            else:
                continue
            add("", ends, "proto esp spi", hex(spi), "mode", mode, algorithms)
            spi += 1
        # No key length is wrong for HMAC (RFC 2104).
        for _, bits, kernel, icv in (*MACS, ("", 128, "hmac(sha1)", 96), ("", 176, "hmac(sha1)", 96)):
            add("", ends, "proto ah spi", hex(spi), "mode", mode, f"auth-trunc {kernel} 0x{key(bits)} {icv}")
            spi += 1
gcm = f"aead rfc4106(gcm(aes)) 0x{key(160)} 128"
ends = "src 192.0.2.1 dst 192.0.2.2 proto esp"
for words in ("reqid 7 replay-window 32", "replay-window 100", "flag esn replay-window 200", "mark 0x1 mask 0xff",
              "if_id 9", "encap espinudp 4500 4501 10.0.0.9", "sel proto tcp sport 80 dport 90",
              "limit byte-soft 10 limit byte-hard 20 limit packet-soft 30 limit packet-hard 40 limit time-soft 500 "
              "limit time-hard 600 limit time-use-soft 700 limit time-use-hard 800"):
    add(ends, "spi", hex(spi), gcm, "mode transport", words)
    spi += 1
add(ends, "spi", hex(spi), gcm, "mode tunnel sel src 10.1.0.0/16 dst 10.2.3.0/24 proto udp sport 5 dport 6")
contains("dump", ipseckey("dump"), f"{len(states())} SAs in kernel")
round_trip("what ip added")

# What the kernel cannot store.
run("ip", "xfrm", "state", "flush")
alg = f"encr_alg aes-gcm encrkey {key(160)}"
load(f"add esp spi 0x1 outbound src 10.0.0.1 dst 10.0.0.2 {alg} srcidtype fqdn east.example dstidtype fqdn west.example\n"
     f"add esp spi 0x2 inbound src 10.0.0.2 dst 10.0.0.1 {alg} pair-spi 0x1 idle_addtime 60\n")
saved = round_trip("a pair")
contains("a pair", saved, "pair-spi 0x", "outbound", "inbound", "srcidtype fqdn east.example", "idle_addtime 60")
with open("/run/ipseckey/" + os.listdir("/run/ipseckey")[0], "rb") as file:
    kept = file.read()
expect("keys in the file beside the kernel", bytes.fromhex(key(160)) in kept or key(160).encode() in kept, False)
expect("its mode", oct(os.stat("/run/ipseckey").st_mode & 0o777), "0o700")
run("ip", "xfrm", "state", "delete", *"src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x1".split())
text = ipseckey("get", "esp", "spi", "2", "dst", "10.0.0.1")
expect("a pair whose half is gone", "pair " in text, False)
load(f"add esp spi 0x1 outbound src 10.0.0.1 dst 10.0.0.2 {alg}\nupdate esp spi 2 dst 10.0.0.1 pair-spi 1\n"
     "update-pair esp spi 1 dst 10.0.0.2 hard_bytes 5000 replay_value 9\n")
expect("numbers are each half's own", ["replay_value" in ipseckey("--json", "-p", "get", "esp", "spi", spi, "dst", dst)
                                       for spi, dst in (("1", "10.0.0.2"), ("2", "10.0.0.1"))], [True, False])
load("update esp spi 1 dst 10.0.0.2 srcidtype fqdn north.example\n")
contains("an identity that an update changes", round_trip("an updated identity"), "srcidtype fqdn north.example")
both = ipseckey("dump")
expect("update-pair changes both", both.count("4.88 KiB"), 4)  # Allowed and left, of each.
ipseckey("delete-pair", "esp", "spi", "1", "dst", "10.0.0.2")
expect("delete-pair deletes both", states(), [])

# An update does not change limits that it does not name; those that would exceed others are adjusted, or the save would not
# load.
name = "src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x3"
load(f"add esp spi 3 src 10.0.0.1 dst 10.0.0.2 {alg} outbound soft_packets 10 hard_packets 20 soft_bytes 900 hard_addtime 1000"
     " idle_addtime 500\nupdate esp spi 3 dst 10.0.0.2 hard_packets 5\nupdate esp spi 3 dst 10.0.0.2 soft_addtime 2000\n"
     "update esp spi 3 dst 10.0.0.2 hard_addtime 400\n")
contains("limits after updates", run("ip", "-s", *f"xfrm state get {name}".split()), "limit: soft 5(packets), hard 5(packets)",
         "limit: soft 900(bytes), hard (INF)(bytes)", "expire add: soft 400(sec), hard 400(sec)")
contains("and an idle one", round_trip("limits after updates"), "idle_addtime 400")

# An SA with a part that the language cannot express, or that no load would accept, is left out completely: the rest would be
# another SA.
run("ip", "xfrm", "state", "flush")
add(ends, "spi 0x76", gcm, "mode transport")
# Plain `auth` means the kernel's own length of 96 bits, which RFC 4868 does not have.
add(ends, "spi 0x75", f"enc cbc(aes) 0x{key(128)} auth hmac(sha256) 0x{key(256)}", "mode transport")
good = states()
contains("96 bits", ipseckey("dump"), "  icv       96 bits")
cbc = f"enc cbc(aes) 0x{key(128)} auth-trunc hmac(sha256) 0x{key(256)} 128"
LEFT_OUT = (
    ("192.0.2.2", "0x77", f"{gcm} mode transport flag noecn", "it has the flag noecn"),
    ("192.0.2.2", "0x78", f"enc cbc(aes) 0x{key(128)} auth-trunc hmac(sha256) 0x{key(256)} 80 mode transport",
     "its authentication algorithm hmac(sha256) with an ICV of 80 bits has no PF_KEY number"),
    ("192.0.2.2", "0x79", f"{cbc} mode beet", "its mode is 4, neither transport nor tunnel"),
    ("0.0.0.0", "0x7a", f"{cbc} mode transport", "such an SA cannot be added: "),
    ("192.0.2.2", "0x7b", f"{cbc} mode transport sel src 10.1.0.0/16 dst 10.2.0.0/16", "the addresses of its selector are not shown"),
    ("192.0.2.2", "0x7c", f"{cbc} mode transport extra-flag oseq-may-wrap", "it has the flag oseq-may-wrap"),
    ("192.0.2.2", "0x7d", f"enc cbc(des) 0x0101010101010101 auth-trunc hmac(sha256) 0x{key(256)} 128 mode transport",
     "such an SA cannot be added: "),
)
for dst, spi, words, _ in LEFT_OUT:
    add("src 192.0.2.1 dst", dst, "proto esp spi", spi, words)
everything = states()
os.remove("/tmp/saved")
told = ipseckey("-s", "/tmp/saved", fails=True)
expect("left out", told, f"ipseckey: {len(LEFT_OUT)} of {len(LEFT_OUT) + 2} SAs were not saved; a comment in the output gives the reason for each\n")
with open("/tmp/saved", encoding="ascii") as file:
    saved = file.read()
for dst, spi, _, why in LEFT_OUT:
    contains(f"why {spi} is left out", saved, f"# The esp SA spi {spi} dst {dst} is not saved: {why}")
expect("nothing else is done", states(), everything)
run("ip", "xfrm", "state", "flush")
ipseckey("-f", "/tmp/saved")
expect("what was not left out", states(), good)

# An extended number is handled like any other.
run("ip", "xfrm", "state", "flush")
load(f"add esp spi 0x9 src 10.0.0.1 dst 10.0.0.2 {alg} inbound replay 64 esn replay_value 0x500000000\n")
contains("a number of more than 32 bits", round_trip("an extended number"), "replay_value 21474836480")
expect("is no remark", "remark" in ipseckey("--json", "-p", "get", "esp", "spi", "9", "dst", "10.0.0.2"), False)
finish("what the kernel has is saved and comes back the same")
