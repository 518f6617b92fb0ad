"""`ipsecconf` on a real kernel: what it installs protects, what it explains is what happens, and unload leaves nothing."""
import os
import re
import signal
import subprocess

from guest import IPSECKEY, contains, expect, finish, key, run
from netns import cable, ip_batch, wait

IPSECCONF = "/tmp/ipsecconf"
os.symlink(IPSECKEY, IPSECCONF)
A, B = "192.0.2.1", "192.0.2.2"


def ipsecconf(netns, *words, status=0):
    done = subprocess.run(["ip", "netns", "exec", netns, IPSECCONF, "--sadb=kernel", *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != status:
        print("ipsecconf", words, "gave", done.returncode, done.stdout, done.stderr)
    expect(f"status of {words}", done.returncode, status)
    return done.stdout + done.stderr


def sas(netns, lines):
    subprocess.run(["ip", "netns", "exec", netns, IPSECKEY, "--sadb=kernel", "--fresh-keys"], input="".join(lines), text=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def ping(count=1):
    return subprocess.run(["ip", "netns", "exec", "a", "ping", "-c", str(count), "-W", "1", B], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def counter(netns, name):
    text = run("ip", "netns", "exec", netns, "cat", "/proc/net/xfrm_stat")
    return int(re.search(rf"{name}\s+(\d+)", text)[1])


def line(spi, src, dst, first, cipher="aes", bits=128):
    return (f"add esp spi {spi:#x} src {src} dst {dst} encr_alg {cipher} encrkey {key(bits, first)} auth_alg sha256 "
            f"authkey {key(256, first)}\n")


cable()
ip_batch("a", [f"address add {A}/24 dev ethA"])
ip_batch("b", [f"address add {B}/24 dev ethB"])
wait(100, ping)
expect("before", ping(), True)
with open("/tmp/rules", "w", encoding="ascii") as file:
    file.write("order file\n{ ulp ipv6-icmp type 133-137 dir both } bypass {}\n"
               "{ raddr 192.0.2.0/24 } ipsec { encr_algs aes encr_auth_algs sha256 }\n")

# Rules without SAs: a warning that has the line for the file of keys, and nothing leaves.
text = ipsecconf("a", "apply", "/tmp/rules")
contains("the missing SA", text, "no SA protects what it sends", "add esp spi SPI src ADDRESS dst ADDRESS encr_alg aes-cbc "
         "encrkey KEY auth_alg hmac-sha256 authkey KEY")
contains("the change", text, "2 added, 0 removed, 0 kept")
contains("why it is gone", ipsecconf("a", "explain", "from", A, "to", B, "proto", "icmp", "type", "8"),
         "dropped, without a word to its sender: there is no SA that the rule demands", "Kernel    out policy, index")
before = counter("a", "XfrmOutNoStates")
expect("without an SA", ping(), False)
expect("the counter", counter("a", "XfrmOutNoStates") > before, True)
contains("doctor", ipsecconf("a", "doctor"), "XfrmOutNoStates", "rules without an SA for what they send: #")

# An SA whose cipher is not the one demanded: the kernel would use it, so the rules are refused.
ipsecconf("a", "unload")
sas("a", [line(0x1001, A, B, 1, "3des", 192)])
text = ipsecconf("a", "apply", "/tmp/rules", status=1)
contains("the judge", text, f"the database would use the esp SA spi 0x1001 dst {B}", "its cipher is not the one demanded",
         "nothing was changed")
expect("nothing is held", ipsecconf("a"), "")
contains("forced", ipsecconf("a", "--force", "apply", "/tmp/rules"), "2 added")
contains("explained", ipsecconf("a", "explain", "from", A, "to", B, "proto", "icmp", "type", "8"),
         f"Verdict   protected by esp SA spi 0x1001 dst {B}, which is not what the rule demands")

# The right SAs on both hosts: protected, and it is the SA that explain names.
for netns in "ab":
    run("ip", "netns", "exec", netns, "ip", "xfrm", "state", "flush")
    sas(netns, [line(0x2001, A, B, 3), line(0x2002, B, A, 5)])
ipsecconf("a", "apply", "/tmp/rules")
ipsecconf("b", "apply", "/tmp/rules")
expect("with SAs", ping(3), True)
contains("the verdict", ipsecconf("a", "explain", "from", A, "to", B, "proto", "icmp", "type", "8"),
         f"Verdict   protected by esp SA spi 0x2001 dst {B}")
states = run("ip", "netns", "exec", "a", "ip", "-s", "xfrm", "state", "get", "src", A, "dst", B, "proto", "esp", "spi", "0x2001")
expect("it carried the packets", int(re.search(r"(\d+)\(bytes\), (\d+)\(packets\)", states)[2]) >= 3, True)
contains("use times", ipsecconf("a", "-v", "-L"), "last used")
expect("all is kept", "0 added, 0 removed, 2 kept" in ipsecconf("a", "apply", "/tmp/rules"), True)

# monitor prints what others change, and nothing twice.
monitor = subprocess.Popen(["ip", "netns", "exec", "a", IPSECCONF, "--sadb=kernel", "monitor"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
contains("monitor begins", monitor.stderr.readline(), "Monitoring the rules of kernel")
with open("/tmp/one", "w", encoding="ascii") as file:
    file.write("{ raddr 198.51.100.1 dir out } drop {}\n")
ipsecconf("a", "apply", "/tmp/one")
said = [monitor.stdout.readline().split("#")[0] + monitor.stdout.readline().split("#")[0], monitor.stdout.readline()]
expect("two rules go", said[0].split(), ["remove", "remove"])
contains("one comes", said[1], "add    #", "{ raddr 198.51.100.1 dir out } drop {}")
ipsecconf("a", "unload")
contains("it goes", monitor.stdout.readline(), "remove #", "{ raddr 198.51.100.1 dir out } drop {}")
monitor.send_signal(signal.SIGINT)
expect("monitor ends", (monitor.wait(), monitor.stdout.read()), (0, ""))

# Others' policies stay.
ipsecconf("a", "apply", "/tmp/rules")
run("ip", "netns", "exec", "a", "ip", *"xfrm policy add src 203.0.113.1 dst 203.0.113.2 dir out action block priority 7".split())
contains("foreign", ipsecconf("a", "-L"), "(another program's)", "# { laddr 203.0.113.1 raddr 203.0.113.2 dir out } drop {}")
expect("not ours", "203.0.113.1" in ipsecconf("a"), False)
ipsecconf("a", "unload")
expect("what is left", run("ip", "netns", "exec", "a", "ip", "xfrm", "policy").count("dir "), 1)
finish("ipsecconf on the kernel")
