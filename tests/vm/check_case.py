"""A check by the kernel's rules and the kernel itself: `-c --sadb=kernel` accepts and refuses the same lines as a load does, in
the same words; and a service does not start what it cannot load completely: nothing is flushed."""
import os
import re
import subprocess

from guest import IPSECKEY, contains, expect, finish, ipseckey, key, load, run, states
from netns import ip_batch

HERE, THERE, FAR, BEYOND = "192.0.2.1", "192.0.2.2", "198.51.100.7", "198.51.100.8"
CBC = f"encralg aes encrkey {key(128)} authalg sha256 authkey {key(256)}"
GCM = f"encralg aes-gcm encrkey {key(160)}"
run("ip", *"link add here type dummy".split())
ip_batch_lines = [f"addr add {HERE}/24 dev here", "link set here up"]
run("ip", "-batch", "-", stdin="\n".join(ip_batch_lines) + "\n")


def attempt(text, *words):
    """Exit status and standard error, without the counts."""
    os.makedirs("/tmp/secret", mode=0o700, exist_ok=True)
    path = "/tmp/secret/keys"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    done = subprocess.run([IPSECKEY, "--sadb=kernel", *words, path], capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if not re.search(r" commands? (valid|succeeded)", line)]


def ends(src, dst):
    return f"src {src} dst {dst}"


# Files, and whether they load.
FILES = {
    "a pair of this host's": (True, f"add esp spi 0x2345 {ends(HERE, THERE)} {CBC}\n"
                                    f"add esp spi 0x5432 {ends(THERE, HERE)} {CBC} pair-spi 0x2345\n"),
    "a pair between two others": (True, f"add esp spi 0x2345 {ends(FAR, BEYOND)} {CBC}\n"
                                        f"add esp spi 0x5432 {ends(BEYOND, FAR)} {CBC} pair-spi 0x2345\n"),
    "one half says it": (True, f"add esp spi 0x2345 inbound {ends(FAR, BEYOND)} {CBC}\n"
                               f"add esp spi 0x5432 {ends(BEYOND, FAR)} {CBC} pair-spi 0x2345\n"),
    "both halves the same": (False, f"add esp spi 0x2345 inbound {ends(FAR, BEYOND)} {CBC}\n"
                                    f"add esp spi 0x5432 inbound {ends(BEYOND, FAR)} {CBC} pair-spi 0x2345\n"),
    "against the addresses": (False, f"add esp spi 0x2345 {ends(HERE, THERE)} {CBC}\n"
                                     f"add esp spi 0x5432 outbound {ends(THERE, HERE)} {CBC} pair-spi 0x2345\n"),
    "the same way round": (False, f"add esp spi 0x2345 {ends(HERE, THERE)} {CBC}\n"
                                  f"add esp spi 0x5432 {ends(HERE, THERE)} {CBC} pair-spi 0x2345\n"),
    "a state": (False, f"add esp spi 0x1 {ends(HERE, THERE)} {CBC} state idle\n"),
    "esn without a window": (False, f"add esp spi 0x100 {ends(HERE, THERE)} {CBC} esn\n"),
    "an IV": (False, f"add esp spi 0x100 {ends(HERE, THERE)} encralg aes encrkey {key(128)}{key(128, 9)} reserved_bits 128 "
                     f"authalg sha256 authkey {key(256)}\n"),
    "a device that is not there": (False, f"add esp spi 0x100 {ends(HERE, THERE)} {GCM} offload crypto eth9\n"),
    "a NAT that leaves the address": (True, f"add esp spi 0x100 {ends(HERE, THERE)} {GCM} encap udp nat_loc {HERE}\n"),
    "a new reqid": (False, f"add esp spi 0x100 {ends(HERE, THERE)} {CBC}\nupdate esp spi 0x100 dst {THERE} reqid 7\n"),
    "what differs in the mark": (True, f"add esp spi 0x100 {ends(HERE, THERE)} {CBC} mark 1\n"
                                       f"add esp spi 0x100 {ends(HERE, THERE)} {CBC} mark 2\n"),
}
for name, (loads, text) in FILES.items():
    ipseckey("flush")
    checked = attempt(text, "-c")
    loaded = attempt(text, "-f")
    expect(f"{name}: the check and the load agree", checked, loaded)
    expect(f"{name}: it loads", loaded[0] == 0, loads)

# Directions follow from the host's own addresses, and from the pair if those imply none.
for name, ways in (("a pair of this host's", ["outbound", "inbound"]), ("one half says it", ["inbound", "outbound"])):
    ipseckey("flush")
    load(FILES[name][1])
    saved = ipseckey("save", "esp").replace("\\\n", "")
    expect(f"{name}: directions", re.findall(r"\b(?:in|out)bound\b", saved), ways)

# A service flushes nothing if a command of the file cannot succeed.
ipseckey("flush")
load(f"add esp spi 0x777 {ends(HERE, THERE)} {CBC}\n")
before = states()
for name, (loads, text) in FILES.items():
    if loads:
        continue
    status, said = attempt(text, "--service", "-f")
    expect(f"{name}: a service refuses it", status, 95)
    contains(f"{name}: and says so", "\n".join(said), "nothing was changed")
    expect(f"{name}: nothing was flushed", states(), before)
status, said = attempt(FILES["a pair of this host's"][1], "--service", "-f")
expect("a file that is right replaces all", (status, len(states())), (0, 2))

# A check also finds what this kernel lacks: without the module there is no such cipher.
run("rmmod", "camellia_generic")
lacking = f"add esp spi 0x100 {ends(HERE, THERE)} encralg camellia encrkey {key(128)} authalg sha256 authkey {key(256)}\n"
before = states()
checked = attempt(lacking, "-c")
expect("a cipher that the kernel lacks", checked, attempt(lacking, "-f"))
contains("in the kernel's words", "\n".join(checked[1]), "its crypto API lacks cbc(camellia)")
expect("and a service changes nothing", (attempt(lacking, "--service", "-f")[0], states()), (95, before))
finish("a check by the kernel's rules says what the kernel says")
