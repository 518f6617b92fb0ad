"""The plain parts of an SA: `ip -d xfrm state` shows them as we set them, and those that `ip` set are dumped and saved in our
language."""
from guest import contains, expect, finish, forward, ipseckey, key, load, run, states

forward()
GCM = f"aead rfc4106(gcm(aes)) 0x{key(160)} 128"
TUNNEL = "isrc 10.1.0.0/16 idst 10.2.0.0/16"
# Ours, how `ip` shows it, and how `ip` sets it.
ROWS = (
    ("tfcpad 1400", "tfcpad 1400", "tfcpad 1400"),
    ("df clear", "flag nopmtudisc", "flag nopmtudisc"),
    ("dscp copy", "flag decap-dscp", "flag decap-dscp"),
    ("dscp 0", "extra_flag dont-encap-dscp", "extra-flag dont-encap-dscp"),
    ("output-mark 0x5/0xf", "output-mark 0x5/0xf", "output-mark 0x5 mask 0xf"),
    ("dev lo", "dev lo", None),
)


def of(spi):
    """How `ip` shows it; extra flags only with -s."""
    return " ".join(run("ip", "-d", "-s", "xfrm", "state", "get", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", spi).split())


def ours(n, words, way=""):
    return f"add esp spi {0x1000 + n:#x} {way} src 192.0.2.1 dst 192.0.2.2 {TUNNEL} encr_alg aes-gcm encrkey {key(160)} {words}"


# With each direction, which newer kernels check against the flags.
for way in ("", "inbound", "outbound"):
    run("ip", "xfrm", "state", "flush")
    load("".join(ours(n, words, way) + "\n" for n, (words, _, _) in enumerate(ROWS)))
    for n, (words, shown, _) in enumerate(ROWS):
        contains(f"{words} {way}", of(f"{0x1000 + n:#x}"), shown)

run("ip", "xfrm", "state", "flush")
for n, (_, _, theirs) in enumerate(ROWS):
    selector = "sel src 10.1.0.0/16 dst 10.2.0.0/16" + ("" if theirs else " dev lo")
    run("ip", *f"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi {0x1000 + n:#x} mode tunnel {GCM} {theirs or ''} {selector}".split())
made = sorted(states())
run("rm", "-f", "/tmp/saved")
ipseckey("-s", "/tmp/saved")
with open("/tmp/saved", encoding="ascii") as file:
    saved = file.read()
for words, _, _ in ROWS:
    contains(f"{words}: saved", saved, words)
run("ip", "xfrm", "state", "flush")
ipseckey("-f", "/tmp/saved")
expect("what ip made, saved and loaded", sorted(states()), made)
contains("a device that is not there", ipseckey("-f", "-", stdin=ours(99, "dev nowhere") + "\n", fails=True),
         'there is no network device nowhere')
finish(f"{len(ROWS)} words have their places in the kernel, and come back")
