"""Rules as the kernel's policies: what is sent and what is accepted by each kind of rule, with each kind of SA, and what the kernel
counts. The tables are those of the kernel's own behaviour, tried row by row."""
import time

from guest import contains, expect, finish, key, load, run
from netns import wait
from spd import ICMP, TCP, UDP, Receiver, Sender, apply, counted, counters, loaded, pair, rules, sas, two_hosts

A, B = "10.77.0.1", "10.77.1.1"
HERE = f"{{ laddr {A} raddr {B} dir out }}"
THERE = f"{{ laddr {B} raddr {A} dir in }}"
STRONG = "ipsec { encr_algs aes encr_auth_algs sha256 }"
NULL_KEYS = f"encr_alg null auth_alg md5 authkey {key(128)}"

two_hosts()
out = Sender("a", "b")


def next_second():
    """The kernel knows which of two SAs is newer by seconds."""
    now = int(time.time())
    wait(10, lambda: int(time.time()) > now)


# ---- what is sent

def sends(name, rule, wanted, *commands, counts=()):
    sas("a", *commands)
    apply("a", *([rule] if rule else []))
    before = counters("a")
    expect(f"sent: {name}", out.fate(A, B), wanted)
    expect(f"sent: {name}: counters", counted("a", before), sorted(counts))


esp, ah = pair("esp", 0x100, A, B), pair("ah", 0x101, A, B)
sends("without a rule", "", "clear", esp)
sends("pass", f"{HERE} pass {{}}", "clear", esp)
sends("drop", f"{HERE} drop {{}}", "EPERM", esp, counts=["XfrmOutPolBlock"])
sends("ESP", f"{HERE} {STRONG}", "esp 0x100", esp)
sends("ESP without an SA: the sender is told nothing", f"{HERE} {STRONG}", "nothing", counts=["XfrmOutNoStates"])
sends("ESP with AH only", f"{HERE} {STRONG}", "nothing", ah, counts=["XfrmOutNoStates"])
sends("AH", f"{HERE} ipsec {{ auth_algs sha256 }}", "ah 0x101", esp, ah)
sends("AH and ESP: AH outermost", f"{HERE} ipsec {{ auth_algs sha256 encr_algs aes encr_auth_algs sha256 }}", "ah 0x101 esp 0x100",
      esp, ah)
sends("or pass is not clear", f"{HERE} {STRONG} or pass {{}}", "nothing", counts=["XfrmOutNoStates"])
sends("level use, no SA", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 level use }}", "clear")
sends("level use, an SA", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 level use }}", "esp 0x100", esp)
sends("no reqid, SA with one", f"{HERE} {STRONG}", "nothing", pair("esp", 0x102, A, B, more="reqid 7"), counts=["XfrmOutNoStates"])
sends("reqid", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 reqid 7 }}", "esp 0x102", esp,
      pair("esp", 0x102, A, B, more="reqid 7"))
sends("another reqid", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 reqid 8 }}", "nothing",
      pair("esp", 0x102, A, B, more="reqid 7"), counts=["XfrmOutNoStates"])
sends("a mark that the packet lacks", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 mark 5/0xff }}", "clear", esp)
sends("ports of UDP", f"{{ laddr {A} raddr {B} rport 4001 dir out }} drop {{}}", "EPERM", counts=["XfrmOutPolBlock"])
sends("other ports", f"{{ laddr {A} raddr {B} rport 4002 dir out }} drop {{}}", "clear")

# The kernel takes the newest SA, whatever its algorithms are.
sas("a", esp)
next_second()
load(pair("esp", 0x103, A, B, NULL_KEYS) + "\n", "a")
loaded["a"] = None
apply("a", f"{HERE} {STRONG}")
expect("sent: the newest SA, algorithms ignored", out.fate(A, B), "esp 0x103")

# A rule can name the SA by its SPI: then it is that one, or none.
sas("a", esp, pair("esp", 0x104, A, B, more="reqid 7"))
next_second()
load(pair("esp", 0x105, A, B) + "\n", "a")
loaded["a"] = None
fates = []
for words in ("", "spi 0x100", "spi 0x105", "spi 0x999", "spi 0x104", "spi 0x104 reqid 7"):
    apply("a", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 {words} }}")
    fates.append(out.fate(A, B))
expect("sent: the SA that the rule names", fates, ["esp 0x105", "esp 0x100", "esp 0x105", "nothing", "EEXIST", "esp 0x104"])

# Smaller numbers first, whichever is narrower.
sas("a", esp)
wide, narrow = f"{{ raddr 10.77.0.0/16 dir out }} {STRONG}", f"{HERE} pass {{}}"
apply("a", wide, narrow)
expect("the first rule of the file: wide", out.fate(A, B), "esp 0x100")
apply("a", narrow, wide)
expect("the first rule of the file: narrow", out.fate(A, B), "clear")

# ICMP: types, ranges, and ports that do not mean ICMP.
apply("a", f"{{ laddr {A} raddr {B} ulp 1 type 8-11 dir out }} drop {{}}")
expect("ICMP types", [out.fate(A, B, ICMP, t, 0) for t in (7, 8, 11, 12)], ["clear", "EPERM", "EPERM", "clear"])
apply("a", f"{{ laddr {A} raddr {B} ulp 1 type 3 code 4-5 dir out }} drop {{}}")
expect("ICMP codes", [out.fate(A, B, ICMP, 3, c) for c in (3, 4, 5, 6)], ["clear", "EPERM", "EPERM", "clear"])
apply("a", f"{{ laddr {A} raddr {B} lport 8 dir out }} drop {{}}")
expect("a port is no ICMP type", [out.fate(A, B, ICMP, 8, 0), out.fate(A, B, UDP, 8, 9), out.fate(A, B, TCP, 8, 9)],
       ["clear", "EPERM", "EPERM"])

# Everything, in both families; the host still reaches itself.
apply("a", "{ dir both } drop {}")
expect("everything is dropped", [out.fate(A, B), out.fate("fd77::a:1", "fd77::b:1")], ["EPERM", "EPERM"])
run("ip", "netns", "exec", "a", "ping", "-c1", "-W5", "::1")
run("ip", "netns", "exec", "a", "ping", "-c1", "-W5", "127.0.0.1")
apply("a")

# ---- what is accepted: what arrives, by each rule

TABLE = {  # rule of the receiver: what arrives clear, in transport mode, in tunnel mode; "" for accepted
    "": ("", "", "XfrmInNoPols"),
    f"{THERE} pass {{}}": ("", "", "XfrmInTmplMismatch"),
    f"{THERE} {STRONG}": ("XfrmInTmplMismatch", "", "XfrmInTmplMismatch"),
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha256 level use }}": ("", "", "XfrmInTmplMismatch"),
    f"{THERE} {STRONG} or pass {{}}": ("", "", "XfrmInTmplMismatch"),
    f"{THERE} drop {{}}": ("XfrmInPolBlock", "XfrmInPolBlock", "XfrmInPolBlock"),
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha256 tsrc {B} tdst {A} }}": ("XfrmInTmplMismatch", "XfrmInTmplMismatch", ""),
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha256 reqid 9 }}": ("XfrmInTmplMismatch", "XfrmInTmplMismatch",
                                                                       "XfrmInTmplMismatch"),
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha256 spi 0x200 }}": ("XfrmInTmplMismatch", "", "XfrmInTmplMismatch"),
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha256 spi 0x201 }}": ("XfrmInTmplMismatch",) * 3,
    f"{THERE} ipsec {{ encr_algs aes encr_auth_algs sha1 }}": ("XfrmInTmplMismatch",) * 3,
    f"{THERE} ipsec {{ encr_algs 3des encr_auth_algs sha256 }}": ("XfrmInTmplMismatch", "", "XfrmInTmplMismatch"),
    f"{THERE} ipsec {{ encr_algs aes(256) encr_auth_algs sha256 }}": ("XfrmInTmplMismatch", "", "XfrmInTmplMismatch"),
}
into = Receiver("a", "b")
SENDING = (("clear", ""), ("transport", f"{HERE} {STRONG}"),
           ("tunnel", f"{HERE} ipsec {{ encr_algs aes encr_auth_algs sha256 tsrc {A} tdst {B} }}"))
for column, (arrives, rule) in enumerate(SENDING):
    tunnel = f"isrc {A} idst {B}" if arrives == "tunnel" else ""
    for netns in ("a", "b"):
        sas(netns, pair("esp", 0x200, A, B, more=tunnel))
    apply("a", *([rule] if rule else []))
    for demanded, row in TABLE.items():
        apply("b", *([demanded] if demanded else []))
        before = counters("b")
        accepted = into.arrives(A, B)
        counts = counted("b", before)
        expect(f"{arrives} arrives at `{demanded}`", (accepted, counts), (not row[column], [row[column]] if row[column] else []))

# More headers than demanded, and fewer.
both = f"{HERE} ipsec {{ auth_algs sha256 encr_algs aes encr_auth_algs sha256 }}"
for netns in ("a", "b"):
    sas(netns, pair("esp", 0x200, A, B), pair("ah", 0x201, A, B))
apply("a", both)
accepted = []
for demanded in (STRONG, "ipsec { auth_algs sha256 }", "ipsec { auth_algs sha256 encr_algs aes encr_auth_algs sha256 }"):
    apply("b", f"{THERE} {demanded}")
    accepted.append(into.arrives(A, B))
apply("a", f"{HERE} {STRONG}")
accepted.append(into.arrives(A, B))
expect("AH and ESP at a rule for ESP, for AH, for both; ESP at the rule for both", accepted, [True, True, True, False])
apply("a")
apply("b")

# ---- tunnels by their interfaces

run("modprobe", "-d", "/mnt/base", "-a", "ipip", "ip_gre", "ip_vti")
run("ip", "-n", "a", "link", "add", "tun0", "type", "ipip", "local", A, "remote", B)
run("ip", "-n", "a", "link", "add", "gre1", "type", "gre", "local", A, "remote", B)
ESP_WORDS = "{ encr_algs aes encr_auth_algs sha256 }"
run("ip", "-n", "a", "link", "add", "vti1", "type", "vti", "local", A, "remote", B, "ikey", "6", "okey", "5")
apply("a", f"{{ tunnel vti1 negotiate tunnel laddr 10.3.0.0/16 raddr 10.4.0.0/16 }} ipsec {ESP_WORDS}",
      f"{{ tunnel tun0 negotiate tunnel laddr 10.1.0.0/16 raddr 10.2.0.0/16 }} ipsec {ESP_WORDS}",
      f"{{ tunnel gre1 negotiate transport }} ipsec {ESP_WORDS}")
listed = rules("a", "list")
contains("tunnels", listed, f"fwd 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel {B} -> {A}",
         f"out 10.1.0.0/16 -> 10.2.0.0/16: esp tunnel {A} -> {B}", f"out {A}/32 -> {B}/32 protocol 47: esp transport",
         f"out 10.3.0.0/16 -> 10.4.0.0/16, mark 0x5/0xffffffff: esp tunnel {A} -> {B}",
         f"in 10.4.0.0/16 -> 10.3.0.0/16, mark 0x6/0xffffffff: esp tunnel {B} -> {A}")
missing = rules("a", "apply", text=f"{{ tunnel tun7 negotiate tunnel }} ipsec {ESP_WORDS}", fails=True)
contains("a tunnel that does not exist", missing, "line 1: the interface tun7 does not exist", "`tsrc` and `tdst`")
apply("a")
expect("nothing is left", run("ip", "-n", "a", "xfrm", "policy").strip(), "")

# ---- policies of others

run("ip", "-n", "a", *f"xfrm policy add src {A} dst {B} dir out priority 77 tmpl proto esp mode transport level use".split())
refused = rules("a", "apply", text=f"{HERE} {STRONG}", fails=True)
contains("a foreign policy in the way", refused, f"out {A}/32 -> {B}/32", "mark 0x0/0x0", "if_id 0", "priority 77", "ip xfrm policy")
apply("a", f"{{ laddr {A} raddr 10.77.1.9 dir out }} drop {{}}")
contains("a foreign policy as a rule", rules("a", "list"), "foreign { laddr 10.77.0.1 raddr 10.77.1.1 dir out } ipsec { encr_algs any level use }")
apply("a")
contains("it is still there", run("ip", "-n", "a", "xfrm", "policy"), "priority 77")
finish("rules on the kernel: what is sent, what is accepted, tunnels, policies of others")
