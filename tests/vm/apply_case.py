"""`apply` on the kernel, under traffic: an unchanged file changes nothing, an edited one only what differs, and no packet of an
SA that stays is lost; `unload` removes what the file brought and nothing else."""
import contextlib
import os
import re
import socket
import threading

from guest import contains, expect, finish, forward, ipseckey, key, run, states
from netns import PATIENCE, cable, inside, ip_batch, pings

A, B = "10.77.0.1", "10.77.0.2"
OTHER = "10.77.0.9"  # Without traffic; its SAs are there to be changed.
CBC, SHA = f"encr_alg aes encrkey {key(128)}", f"auth_alg sha256 authkey {key(256)}"

cable()
for netns, device, mine in (("a", "ethA", A), ("b", "ethB", B)):
    ip_batch(netns, [f"addr add {mine}/24 dev {device}"])
    ways = ("out", "in") if netns == "a" else ("in", "out")
    ip_batch(netns, [f"xfrm policy add src {src} dst {dst} dir {way} tmpl proto esp mode transport"
                     for way, src, dst in zip(ways, (A, B), (B, A))])

SAS = [f"add esp spi 0x1000 src {A} dst {B} {CBC} {SHA} replay 64", f"add esp spi 0x2000 src {B} dst {A} {CBC} {SHA} replay 64",
       f"add esp spi 0x3000 src {A} dst {OTHER} {CBC} {SHA} hard_addtime 9000", f"add ah spi 0x4000 src {A} dst {OTHER} {SHA}",
       f"add ah spi 0x5000 src {A} dst {OTHER} {SHA}"]
FOREIGN = f"add ah spi 0x999 src {OTHER} dst {A} {SHA}\n"


def apply(netns, *words, lines=None):
    path = f"/tmp/keys-{netns}"
    if lines:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
    return ipseckey(*(words or ("apply",)), path, netns=netns).split(": ", 1)[1].strip()


class Traffic:
    """One datagram after another from a to b; the next is sent when one has arrived, or is lost."""

    def __init__(self):
        self.sent, self.lost, self.ended = 0, 0, threading.Event()
        with inside("b"):
            self.taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taker.bind((B, 0))
        self.taker.settimeout(PATIENCE)
        with inside("a"):
            self.giver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            number = self.sent.to_bytes(4, "big")
            self.giver.sendto(number, self.taker.getsockname())
            self.sent += 1
            try:
                while self.taker.recv(100) != number:
                    pass
            except TimeoutError:
                self.lost += 1

    def more(self):
        """Waits until ten more have arrived."""
        before = self.sent
        while self.sent - self.lost < before + 10:
            os.sched_yield()

    def __enter__(self):
        self.thread.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def sas(netns):
    """What `ip -s xfrm state` reports about each SA by its SPI, in two parts: what only a change changes, and what packets
    advance."""
    found = {}
    for block in run("ip", "-n", netns, "-s", "xfrm", "state").split("\nsrc "):
        if spi := re.search(r"spi 0x([0-9a-f]+)", block):
            moved = [int(n) for n in re.findall(r"(\d+)\(bytes\), (\d+)\(packets\)", block)[-1]]
            lines = [line for line in block.splitlines() if not re.search(r"\(bytes\), \d+\(packets\)|seq 0x|anti-replay context|use |stats|replay-window \d+ replay", line)]
            added = re.search(r"add (\S+ \S+)", block)
            found[int(spi[1], 16)] = ("\n".join(lines), added and added[1], moved)
    return found


ipseckey("-f", "-", stdin=FOREIGN, netns="a")
expect("the first apply", [apply(n, lines=SAS) for n in "ab"], ["5 added, 0 changed, 0 kept, 0 removed."] * 2)
expect("ping", pings([(A, B)]), {(A, B)})

with Traffic() as traffic:
    before = sas("a")
    expect("an unchanged file", [apply(n) for n in "aab"], ["0 added, 0 changed, 5 kept, 0 removed."] * 3)
    traffic.more()
    after = sas("a")
    expect("nothing is touched", {spi: sa[:2] for spi, sa in after.items()}, {spi: sa[:2] for spi, sa in before.items()})
    expect("counters went on", all(a > b for a, b in zip(after[0x1000][2], before[0x1000][2])), True)

    # A limit, a key, one SA less, one more.
    edited = [SAS[0], SAS[1], SAS[2].replace("9000", "8000"), SAS[3].replace(key(256), key(256, 5)),
              f"add ah spi 0x6000 src {A} dst {OTHER} {SHA}"]
    expect("an edited file", [apply(n, lines=edited) for n in "ab"], ["1 added, 2 changed, 2 kept, 1 removed."] * 2)
    traffic.more()
    last = sas("a")
    expect("what is there", sorted(last), [0x999, 0x1000, 0x2000, 0x3000, 0x4000, 0x6000])
    for spi in (0x999, 0x1000, 0x2000):
        expect(f"{spi:#x} is not touched", last[spi][:2], after[spi][:2])
    expect("counters went on again", all(a > b for a, b in zip(last[0x1000][2], after[0x1000][2])), True)
    contains("the limit", run("ip", "-n", "a", "-s", "xfrm", "state", "get", "src", A, "dst", OTHER, "proto", "esp", "spi", "0x3000"),
             "hard 8000(sec)")
    contains("the key", run("ip", "-n", "a", "xfrm", "state", "get", "src", A, "dst", OTHER, "proto", "ah", "spi", "0x4000"),
             key(256, 5))
expect("packets that were lost, while there were some", (traffic.lost, traffic.sent > 20), (0, True))

expect("unload", [apply(n, "unload") for n in "ab"], ["0 added, 0 changed, 0 kept, 5 removed."] * 2)
expect("what is left", ([re.search("spi 0x0*([0-9a-f]+)", sa)[1] for sa in states("a")], states("b")), (["999"], []))

# On Linux a mark is part of an SA's name: two SAs may differ only by it, also in a check and an apply.
marked = [f"add ah spi 0x7000 src {A} dst {OTHER} auth_alg sha256 authkey {key(256, mark)} mark {mark:#x}" for mark in (1, 2)]
with inside("b"):
    forward()
expect("SAs that differ by their mark", apply("b", lines=marked), "2 added, 0 changed, 0 kept, 0 removed.")
expect("a check of them", apply("b", "-c"), "2 of 2 commands valid.")
expect("one of them changes", apply("b", lines=[marked[0], marked[1] + " hard_addtime 9000"]),
       "0 added, 1 changed, 1 kept, 0 removed.")
expect("both go", (apply("b", "unload"), states("b")), ("0 added, 0 changed, 0 kept, 2 removed.", []))
finish(f"apply, refresh and unload on the kernel; {traffic.sent} datagrams, none lost")
