"""A bad cable between the kernel and ipsecd, and frequent new keys: packets get lost, duplicated, late and out of order, and
IPsec loses none of its own. A packet that one end protected and that arrived at the other is delivered exactly once; the second
copy is a replay, there is no other drop, and nothing crosses the cable in clear. SOAK_SECONDS is the duration (bench/soak);
ipsecd's memory does not grow."""
import os
import select
import socket
import threading
import time

from guest import expect, finish, ipseckey, load
from ipsecd import Daemon
from netns import PATIENCE, Tap, cable, inside, ip_batch, run, wait

SECONDS = float(os.environ.get("SOAK_SECONDS", "4"))
KEYS_FOR = float(os.environ.get("SOAK_KEYS_FOR", "0.5"))  # Seconds.
NETEM = "delay 5ms 3ms loss 2% duplicate 2% reorder 25%"
A, B = "192.0.2.1", "192.0.2.2"
INNER_A, INNER_B = "10.1.0.1", "10.2.0.1"
UNDER_WAY = 4  # Datagrams in one direction.


def keys(generation):
    """The SAs of a generation, with keys of their own."""
    text = ""
    for way, src, dst, isrc, idst in ((0, A, B, INNER_A, INNER_B), (1, B, A, INNER_B, INNER_A)):
        digits = f"{generation:08x}{way:02x}" + "5a" * 15
        text += (f"add esp spi {spi(generation, way):#x} src {src} dst {dst} isrc {isrc} idst {idst} encr_alg aes-gcm "
                 f"encrkey {digits} replay 1024\n")
    return text


def spi(generation, way):
    return 0x1000 + 2 * generation + way


class Stream:
    """Numbered datagrams in one direction, a few in transit; one that does not arrive in time is lost and another replaces it."""

    def __init__(self, start, end, src, dst):
        with inside(end):
            self.taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taker.bind((dst, 0))
        self.taker.setblocking(False)
        with inside(start):
            self.giver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.giver.bind((src, 0))
        self.giver.connect(self.taker.getsockname())
        self.sent, self.got, self.waiting = 0, 0, {}

    def step(self, more=True):
        while True:
            try:
                number = int.from_bytes(self.taker.recv(100), "big")
            except BlockingIOError:
                break
            self.got += 1
            self.waiting.pop(number, None)
        late = time.monotonic() - 0.2
        for number in [n for n, at in self.waiting.items() if at < late]:
            del self.waiting[number]
        while more and len(self.waiting) < UNDER_WAY:
            self.giver.send(self.sent.to_bytes(8, "big"))
            self.waiting[self.sent] = time.monotonic()
            self.sent += 1


def memory(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


cable()
for name, device, mine in (("a", "ethA", A), ("b", "ethB", B)):
    ip_batch(name, [f"addr add {mine}/24 dev {device}"])
ip_batch("a", [f"addr add {INNER_A}/32 dev lo", f"route add {INNER_B}/32 dev ethA src {INNER_A}"] +
         [f"xfrm policy add src {src} dst {dst} dir {way} tmpl src {ends[0]} dst {ends[1]} proto esp mode tunnel"
          for src, dst, way, ends in ((INNER_A, INNER_B, "out", (A, B)), (INNER_B, INNER_A, "in", (B, A)))])
daemon = Daemon("b")
ip_batch("b", [f"addr add {INNER_B}/32 dev ipsec0", f"route add {INNER_A}/32 dev ipsec0 src {INNER_B}"])


def add(generation):
    """First where nothing is sent by them yet: Linux sends by the newer one, and so does ipsecd."""
    receives = keys(generation).splitlines(True)
    load(receives[1], "a")
    daemon.load(receives[0])
    load(receives[0], "a")
    daemon.load(receives[1])


def delete_from_kernel(generation, way):
    ipseckey("delete", "esp", "spi", hex(spi(generation, way)), "dst", (B, A)[way], netns="a")


def delete_from_ipsecd(generation, way):
    daemon.run_ipseckey("delete", "esp", "spi", hex(spi(generation, way)), "dst", (B, A)[way])


def both_go_on():
    """Waits until more has arrived in both directions than was in transit."""
    marks = forth.got + 8 * UNDER_WAY, back.got + 8 * UNDER_WAY
    wait(PATIENCE, lambda: forth.got >= marks[0] and back.got >= marks[1])


def pump():
    """Traffic, whatever else happens, and a record of what crosses the cable."""
    while not ended.is_set():
        forth.step()
        back.step()
        crossed.update(tap.seen())
        select.select([forth.taker, back.taker], [], [], 0.01)


add(0)
forth, back = Stream("a", "b", INNER_A, INNER_B), Stream("b", "a", INNER_B, INNER_A)
for stream in (forth, back):  # Neighbours are resolved before the cable gets bad.
    wait(PATIENCE, lambda: (stream.step(stream.sent == 0), stream.got)[1])
for name, device in (("a", "ethA"), ("b", "ethB")):
    run("tc", "-n", name, *f"qdisc add dev {device} root netem".split(), *NETEM.split())

tap, crossed = Tap("b", "ethB"), set()
ended = threading.Event()
traffic = threading.Thread(target=pump)
traffic.start()
began, generation, first_memory = time.monotonic(), 0, 0
while time.monotonic() < began + SECONDS or generation < 4:
    ended.wait(KEYS_FOR)
    # Make before break: the sender drops the old SA first, the receiver when what was sent through it must have arrived.
    add(generation + 1)
    both_go_on()
    delete_from_kernel(generation, 0)
    delete_from_ipsecd(generation, 1)
    both_go_on()
    delete_from_kernel(generation, 1)
    delete_from_ipsecd(generation, 0)
    generation += 1
    if generation == 2:
        first_memory = memory(daemon)
ended.set()
traffic.join()
wait(5, lambda: (forth.step(False), back.step(False), not forth.waiting and not back.waiting)[2])

crossed.update(tap.seen())
tap.close()
esp = 50
expect("protocols on the cable", {protocol for protocol, *_ in crossed}, {esp})
status = daemon.status()
dropped = status["in"]["dropped"]
expect("drops of what arrived, but for what came twice", {c for c in dropped if c != "replayed"}, set())
expect("the cable was bad", dropped.get("replayed", 0) > 0 and forth.got < forth.sent, True)
expect("drops of what was to leave", {c: n for c, n in status["out"]["dropped"].items() if c != "no_sa"}, {})
expect("all that ipsecd let in came out", forth.got, status["in"]["packets"])
expect("all that was to leave left", back.sent, status["out"]["packets"])
with inside("a"), open("/proc/net/xfrm_stat", encoding="ascii") as file:
    counters = {line.split()[0]: int(line.split()[1]) for line in file}
expect("drops of the kernel, but for what came twice",
       {name: n for name, n in counters.items() if n and name not in ("XfrmInStateSeqError",)}, {})
grown = memory(daemon) - first_memory
expect("memory that ipsecd took more, KB", grown if grown > 1024 else 0, 0)
daemon.stop()
print(f"{forth.sent} and {back.sent} datagrams, {forth.got} and {back.got} came; {generation} rekeyings, {grown} KB more memory")
finish("IPsec lost no packet on a bad cable while keys changed")
