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
contains("explain of what another program drops", ipsecconf("a", "explain", "from", "203.0.113.1", "to", "203.0.113.2", "out"),
         "(another program's)", "dropped by the rule")
ipsecconf("a", "unload")
expect("what is left", run("ip", "netns", "exec", "a", "ip", "xfrm", "policy").count("dir "), 1)

# One that lets pass what a rule protects: an error, unless it is forced, and doctor says so.
run("ip", "netns", "exec", "a", "ip", *f"xfrm policy add src {A} dst {B} dir out action allow priority 8".split())
text = ipsecconf("a", "apply", "/tmp/rules", status=1)
contains("exposed", text, "another program's policy comes before it, and by that one its packets are not protected: out "
         f"{A}/32 -> {B}/32: clear", "or use --force", "nothing was changed")
contains("exposed, checked", ipsecconf("a", "-c", "/tmp/rules", status=1), "another program's policy comes before it")
expect("nothing is held", ipsecconf("a"), "")
contains("forced", ipsecconf("a", "--force", "apply", "/tmp/rules"), "warning: another program's policy", "2 added")
contains("doctor", ipsecconf("a", "doctor"), "problem: rule #2: another program's policy comes before it")
contains("explain", ipsecconf("a", "explain", "from", A, "to", B, "proto", "udp", "sport", "1", "dport", "2"),
         "(another program's)", "Verdict   clear: it is sent as it is")
run("ip", "netns", "exec", "a", "ip", *f"xfrm policy delete src {A} dst {B} dir out".split())
ipsecconf("a", "unload")

# One for another interface only may be about a packet; nobody can tell.
run("ip", "netns", "exec", "a", "ip", *f"xfrm policy add src {A} dst {B} dev lo dir out action block priority 8".split())
contains("perhaps", ipsecconf("a", "explain", "from", A, "to", B, "proto", "icmp", "type", "8"),
         "Perhaps   #", "it is about the interface with the number 1 only", "Rules     none is about it",
         "Verdict   clear: it is sent as it is; if #")
run("ip", "netns", "exec", "a", "ip", *f"xfrm policy delete src {A} dst {B} dev lo dir out".split())


# ---- what a host sends to itself

def reaches(source, target):
    return subprocess.run(["ip", "netns", "exec", "a", "ping", "-c", "1", "-W", "1", "-I", source, target], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


ip_batch("a", ["address add fd00::1/64 dev ethA nodad", "address add fd01::1/64 dev ethA nodad"])
wait(100, lambda: "fe80" in run("ip", "-n", "a", "-6", "address", "show", "dev", "ethA", "scope", "link", "-tentative"))
LINK = re.search(r"fe80::[0-9a-f:]+", run("ip", "-n", "a", "-6", "address", "show", "dev", "ethA", "scope", "link"))[0]
PAIRS = [("fd00::1", "fd00::1"), ("fd00::1", "fd01::1"), ("fd01::1", "fd00::1"), (f"{LINK}%ethA", f"{LINK}%ethA"), ("::1", "::1"),
         (A, A), ("127.0.0.1", "127.0.0.1")]
with open("/tmp/all", "w", encoding="ascii") as file:
    file.write("{ dir both } drop {}\n")
text = ipsecconf("a", "-c", "/tmp/all")
contains("the guards that are missing", text, "it is also about IPv6 neighbour discovery; --guards", "it is also about what the host "
         "sends to its own IPv6 addresses; --guards")
expect("::1 needs none", "::1; --guards" in text, False)
text = ipsecconf("a", "--guards", "-c", "/tmp/all")
contains("the guards", text, "{ laddr fd00::1 raddr fd00::1 dir both } bypass {}", f"{{ laddr {LINK} raddr {LINK} dir both }} bypass {{}}")
ipsecconf("a", "-q", "apply", "/tmp/all")
expect("without guards", [reaches(*pair) for pair in PAIRS], [False] * 4 + [True] * 3)
contains("doctor", ipsecconf("a", "doctor"), "it is also about what the host sends to its own IPv6 addresses")
text = ipsecconf("a", "explain", "from", A, "to", A, "proto", "icmp", "type", "8")
contains("explain, IPv4 to itself", text, "Rules     none is asked: it does not leave this host, and lo has disable_xfrm set",
         "Verdict   clear: it does not leave this host", "and lo has disable_policy set", "Verdict   accepted in clear")
contains("explain, IPv6 to itself", ipsecconf("a", "explain", "from", "fd00::1", "to", "fd00::1"), "Verdict   dropped by the rule",
         "Kernel    out policy, index")
text = ipsecconf("a", "-q", "--guards", "apply", "/tmp/all")
expect("with guards", [reaches(*pair) for pair in PAIRS], [True] * 7)
expect("doctor finds nothing", "it is also about" in ipsecconf("a", "doctor"), False)
text = ipsecconf("a", "explain", "from", "fd00::1", "to", "fd00::1")
contains("explain with guards", text, "Verdict   clear: it is sent as it is", "Verdict   accepted in clear")
expect("policies of one family", "0.0.0.0/0" in text, False)
ip_batch("a", ["address add fd02::1/64 dev ethA nodad"])
expect("an address that came later", reaches("fd02::1", "fd02::1"), False)
contains("doctor finds it", ipsecconf("a", "doctor"), "it is also about what the host sends to its own IPv6 addresses")
ipsecconf("a", "-q", "--guards", "apply", "/tmp/all")
expect("after another apply", reaches("fd02::1", "fd02::1"), True)
ipsecconf("a", "unload")
expect("what is left", run("ip", "netns", "exec", "a", "ip", "xfrm", "policy").count("dir "), 1)
finish("ipsecconf on the kernel")
