"""`ipsecconf prove` on a real kernel: what is protected is shown to be, and what only a kernel's IPsec can have wrong is named."""
import json
import os
import signal
import socket
import subprocess
import time

from guest import IPSECKEY, expect, finish, key, run
from netns import cable, inside, ip_batch, wait

IPSECCONF = "/tmp/ipsecconf"
os.symlink(IPSECKEY, IPSECCONF)
A, B = "192.0.2.1", "192.0.2.2"
GCM = "ipsec {{ encr_algs aes-gcm {} }}"


def conf(netns, *words):
    return subprocess.run(["ip", "netns", "exec", netns, IPSECCONF, "--sadb=kernel", *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def add(netns, lines):
    done = subprocess.run(["ip", "netns", "exec", netns, IPSECKEY, "--sadb=kernel", "-f", "-"], input=lines, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    expect(f"SAs of {netns}: {done.stdout}", done.returncode, 0)


def sas(netns, lines):
    add(netns, "flush\n" + lines)


def rules(netns, text):
    path = f"/tmp/{netns}.rules"
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    done = conf(netns, "-q", "-F", *(("-a", path) if text else ()))
    expect(f"rules of {netns}: {done.stderr}", done.returncode, 0)


def pair(first=1, rest=" replay 64", inner=("", "")):
    """The two SAs, with keys of their own."""
    return "".join(f"add esp spi {spi:#x} src {src} dst {dst} {inside_} encr_alg aes-gcm encrkey {key(160, first + i)}{rest}\n"
                   for i, (spi, src, dst, inside_) in enumerate(((0x1000, A, B, inner[0]), (0x1001, B, A, inner[1]))))


def setting(netns, name, value):
    with inside(netns), open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


class Responder:
    def __init__(self):
        self.process = subprocess.Popen(["ip", "netns", "exec", "b", IPSECCONF, "--sadb=kernel", "prove", "--respond"],
                                        stderr=subprocess.PIPE, text=True)
        expect("the responder", "Responding" in self.process.stderr.readline(), True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(100)


class Ear:
    """What this test sees of the cable."""

    def __init__(self):
        with inside("a"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("ethA", 3))
        self.socket.setblocking(False)

    def clear(self):
        """Probes that left in clear. (What comes in is not compared: a capture sees what was opened from a tunnel, too.)"""
        count = 0
        while True:
            try:
                frame, where = self.socket.recvfrom(65536)
            except BlockingIOError:
                return count
            at = frame.find(b"IPSPROVE")
            outward = where[2] == 4
            if outward and at >= 0 and frame[at + 9] in (1, 2) and frame[23] in (1, 17):
                count += 1




def prove(*words):
    EAR.clear()
    done = conf("a", "prove", "--json", *words)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    good = bool(said) and all(one["state"] == "protected" for one in said)
    expect(f"status of prove: {done.stdout}{done.stderr}", done.returncode, 0 if good else 1)
    if EAR.clear():
        expect(f"what left in clear is not called protected: {said}", good, False)
    return said


def fault(what, state, cause, *words):
    said = prove(*words)
    got = [(one["state"], one.get("cause")) for one in said]
    if got != [(state, cause)]:
        print(what, said)
    expect(what, got, [(state, cause)])


def transport(reqid=""):
    return f"{{ laddr {A} raddr {B} }} {GCM.format(reqid)}\n", f"{{ laddr {B} raddr {A} }} {GCM.format(reqid)}\n"


def lay(keys, texts, there=None):
    for netns, lines, text in (("a", keys, texts[0]), ("b", keys if there is None else there, texts[1])):
        sas(netns, lines)
        rules(netns, text)


cable()
ip_batch("a", [f"address add {A}/24 dev ethA", "address add 10.1.0.1/32 dev lo", f"route add 10.2.0.0/16 via {B} src 10.1.0.1"])
ip_batch("b", [f"address add {B}/24 dev ethB", "address add 10.2.0.1/32 dev lo", f"route add 10.1.0.0/16 via {A} src 10.2.0.1"])
EAR = Ear()

# As it should be: with the other end's help, and with a ping.
lay(pair(), transport())
with Responder():
    said = prove()
    expect(f"transport mode: {said}", [(one["state"], one.get("replay"), one.get("changed"), one.get("replay_back"), one.get("clear_back"))
                                        for one in said], [("protected", "refused", "refused", "refused", "refused")])
said = prove()
expect(f"by ping: {said}", [(one["state"], one["responder"], one.get("replay")) for one in said], [("protected", False, "refused")])

INNER = ("isrc 10.1.0.0/16 idst 10.2.0.0/16", "isrc 10.2.0.0/16 idst 10.1.0.0/16")
TUNNELS = tuple(f"{{ laddr 10.{here}.0.0/16 raddr 10.{there}.0.0/16 }} {GCM.format(f'tsrc {ends[0]} tdst {ends[1]}')}\n"
                for here, there, ends in ((1, 2, (A, B)), (2, 1, (B, A))))
lay(pair(inner=INNER), TUNNELS)
with Responder():
    said = prove()
    expect(f"tunnel mode: {said}", [(one["state"], one["peer"], one.get("replay"), one.get("clear_back")) for one in said],
           [("protected", "10.2.0.1", "refused", "refused")])

    # The policies of the other end without those for what comes in, as other programs leave them.
    run("ip", "-n", "b", "xfrm", "policy", "deleteall", "dir", "in")
    fault("no policy for what comes in", "lost", "no-policy-there")
    rules("b", TUNNELS[1])

    # A host behind the other end, and no policy for what is passed on to it: the trap of rules by hand.
    run("ip", "netns", "add", "c")
    run("ip", *"link add toC netns b type veth peer name toB netns c".split())
    ip_batch("b", ["addr add 10.2.8.1/24 dev toC", "link set toC up"])
    ip_batch("c", ["link set lo up", "addr add 10.2.8.9/24 dev toB", "link set toB up", "route add default via 10.2.8.1"])
    setting("b", "ipv4/ip_forward", 1)
    rules("b", "")
    rules("b", TUNNELS[1])
    said = prove("--peer", "10.2.8.9")
    expect(f"a host behind: {said}", [(one["state"], one["peer"]) for one in said], [("protected", "10.2.8.9")])
    run("ip", "-n", "b", "xfrm", "policy", "deleteall", "dir", "fwd")
    fault("no policy for what is passed on", "lost", "no-policy-there", "--peer", "10.2.8.9")
    setting("b", "ipv4/ip_forward", 0)

with Responder():
    lay(pair(), transport("reqid 7"))
    fault("the reqid of the rule and of the SA", "lost", "reqid-here")
    lay(pair(), (transport()[0], transport("reqid 7")[1]))
    fault("the reqid at the other end", "lost", "reqid-there")
    lay(pair(), transport(), pair(first=40))
    fault("wrong keys", "lost", "wrong-key")

    # The newest SA of a pair takes over, whatever its algorithms are. Times of SAs are whole seconds.
    lay(pair(), transport())
    second = int(time.time())
    wait(100, lambda: int(time.time()) > second)
    add("a", f"add esp spi 0x2000 src {A} dst {B} encr_alg aes encrkey {key(128)} auth_alg sha256 authkey {key(256)}\n")
    fault("a second SA that takes over", "weak", "second-sa")

    lay(pair(rest=" replay 64 mark 5"), transport(), pair())
    fault("a mark", "lost", "mark-here")

    # This device's packets meet no policy.
    lay(pair(), transport())
    setting("a", "ipv4/conf/ethA/disable_xfrm", 1)
    fault("disable_xfrm", "in-clear", "no-policy-device")
    setting("a", "ipv4/conf/ethA/disable_xfrm", 0)

    # The rule of the other end is about what it sends only.
    lay(pair(), (transport()[0], transport()[1].replace("} ipsec", "dir in } ipsec")))
    fault("one direction", "in-clear", "answers-clear")
finish("prove")
