"""Rules change under traffic, and nothing that they protect is on the cable in clear; nothing that other rules are about is lost.
Then the program is killed before each of its requests: what was protected is protected or blocked, guards are there, and the next change
cleans up."""
import socket
import subprocess

from guest import expect, finish, run
from netns import inside
from spd import RULES, Cable, apply, describe, pair, rules, sas, two_hosts
from steps import run_until

A, B = "10.77.0.1", "10.77.1.1"
STRONG = "ipsec { encr_algs aes encr_auth_algs sha256 }"
ALWAYS, CLEAR, CHANGING = 5001, 5002, 5003  # Ports: of a rule that stays, of one that passes, and of those that change.
SIZES = {ALWAYS: 32, CLEAR: 32, CHANGING: 96}  # Bytes: under ESP only their lengths tell them apart.
STAY = [f"{{ laddr {A} raddr {B} rport {CLEAR} ulp 17 dir out }} pass {{}}",
        f"{{ laddr {A} raddr {B} rport {ALWAYS} ulp 17 dir out }} {STRONG}"]
# Each protects what is sent to CHANGING, each by another rule; a pass is in front in between, which would let it go in clear.
SETS = ([f"{{ laddr {A} raddr {B} rport {CHANGING} dir out }} {STRONG}"],
        [f"{{ raddr {B} dir out }} {STRONG}", f"{{ raddr 10.77.0.0/16 rport {CHANGING} dir out }} pass {{}}"],
        [f"{{ raddr 10.77.1.0/24 dir out }} {STRONG}", f"{{ dir out rport {CHANGING} }} pass {{}}"],
        [f"{{ laddr {A} raddr 10.77.1.0/25 dir out }} {STRONG}", f"{{ raddr {B} dir out }} drop {{}}"])
GUARD = "uid 1768975207"  # As `ip -s xfrm policy` shows a guard.
FILLER = [f"{{ laddr {A} raddr 10.78.{n // 250}.{n % 250 + 1} dir out }} {STRONG}" for n in range(200)]


class Traffic:
    """Datagrams from a to b, to each of the three ports."""

    def __init__(self):
        with inside("a"):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((A, 5000))
        self.cable = Cable()
        self.sent, self.refused, self.clear, self.protected = ({port: 0 for port in SIZES} for _ in range(4))

    def send(self):
        for port, size in SIZES.items():
            try:
                self.socket.sendto(b"x" * size, (B, port))
                self.sent[port] += 1
            except PermissionError:
                self.refused[port] += 1

    def look(self):
        for packet in self.cable.until_marker():
            source, _, what = describe(packet)
            if source == A and what.startswith("udp 5000 "):
                self.clear[int(what.split()[2])] += 1
            elif source == A and what == "esp 0x100":
                self.protected[ALWAYS if len(packet) < 140 else CHANGING] += 1

    def during(self, process):
        while process.poll() is None:
            for _ in range(20):
                self.send()
            self.look()


def write(lines):
    with open("/tmp/rules-a", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def start(lines):
    write(lines)
    with inside("a"):
        return subprocess.Popen((RULES, "apply", "/tmp/rules-a"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


two_hosts()
sas("a", pair("esp", 0x100, A, B))
apply("a", *STAY, *SETS[0])

traffic = Traffic()
for turn in range(8):
    change = SETS[(turn + 1) % 4]
    process = start(STAY + change + FILLER[:: turn % 3 + 1])
    traffic.during(process)
    expect(f"change {turn}", process.wait(), 0)
traffic.send()
traffic.look()
expect("in clear on the cable: only what passes, all of it", traffic.clear, {ALWAYS: 0, CLEAR: traffic.sent[CLEAR], CHANGING: 0})
expect("protected: all of the rule that stayed", traffic.protected[ALWAYS], traffic.sent[ALWAYS])
expect("refused: nothing of the rules that stayed", (traffic.refused[ALWAYS], traffic.refused[CLEAR]), (0, 0))
expect("something was sent meanwhile", traffic.sent[ALWAYS] > 500 and traffic.protected[CHANGING] > 500, True)
print(f"{traffic.sent[ALWAYS]} packets to each port while rules changed; of the rule that changed {traffic.protected[CHANGING]} arrived")
traffic.socket.close()

# Killed before each request to the kernel. From the second on guards are there: what a protection that goes was about is blocked.
traffic = Traffic()
for turn, (before, after) in enumerate(zip(SETS, SETS[1:] + SETS[:1])):
    step, killed = 0, True
    while killed:
        step += 1
        apply("a", *STAY, *before)
        write(STAY + after)
        killed = run_until("a", [RULES, "apply", "/tmp/rules-a"], step, traffic.send)
        traffic.send()
        traffic.look()
        expect(f"guards: turn {turn}, killed before request {step}", GUARD in run("ip", "-n", "a", "-s", "xfrm", "policy"),
               killed and step > 1)
        apply("a", *STAY, *after)
        traffic.send()
        traffic.look()
        expect("no guard is left", GUARD in run("ip", "-n", "a", "-s", "xfrm", "policy"), False)
    expect(f"turn {turn}: all is as the file says", rules("a", "apply", "/tmp/rules-a"), f"{len(STAY + after)} kept\n")
    print(f"turn {turn}: killed before each of {step - 1} requests")
    expect(f"turn {turn}: guards come, rules change, guards go", step > 3, True)
expect("in clear after kills: only what passes, all of it", traffic.clear, {ALWAYS: 0, CLEAR: traffic.sent[CLEAR], CHANGING: 0})
expect("protected after kills: all of the rule that stayed", traffic.protected[ALWAYS], traffic.sent[ALWAYS])
apply("a")
expect("nothing is left", run("ip", "-n", "a", "xfrm", "policy").strip(), "")
expect("nothing is listed", rules("a", "list"), "")
finish("no protected packet in clear while rules change, and none of other rules lost")
