"""`apply` that replaces an SA under the same keys while its packets flow: the new one continues where the old one ended, so
that nothing is accepted or sent twice. The kernel itself reports both numbers."""
import os
import re
import socket
import subprocess
import threading
import time

from guest import expect, finish, ipseckey, key, run
from netns import PATIENCE, cable, inside, ip_batch

A, B = "10.77.0.1", "10.77.0.2"
CBC, SHA = f"encr_alg aes encrkey {key(128)}", f"auth_alg sha256 authkey {key(256)}"
ROUNDS = 20

cable()
for netns, device, mine in (("a", "ethA", A), ("b", "ethB", B)):
    ip_batch(netns, [f"addr add {mine}/24 dev {device}"])
    ways = ("out", "in") if netns == "a" else ("in", "out")
    ip_batch(netns, [f"xfrm policy add src {src} dst {dst} dir {way} tmpl proto esp mode transport"
                     for way, src, dst in zip(ways, (A, B), (B, A))])


def lines(reqid):
    """A policy without a reqid accepts packets of any SA, but sends only by those without one."""
    return [f"add esp spi {spi} src {src} dst {dst} {CBC} {SHA} replay 64 reqid {reqid}" for spi, src, dst in
            (("0x1000", A, B), ("0x2000", B, A))]


def apply(netns, reqid):
    path = f"/tmp/keys-{netns}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines(reqid)) + "\n")
    return ipseckey("apply", path, netns=netns).split(": ", 1)[1].strip()


expect("the first apply", [apply("a", 0), apply("b", 1)], ["2 added, 0 changed, 0 kept, 0 removed."] * 2)
with inside("b"):
    taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard = open("/tmp/heard", "w", encoding="ascii")
    monitor = subprocess.Popen(["ip", "-s", "xfrm", "monitor", "SA"], stdout=heard)
taker.bind((B, 0))
with inside("a"):
    giver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ended = threading.Event()


trouble = set()


def flood():
    while not ended.is_set():
        try:
            giver.sendto(b"x", taker.getsockname())
        except OSError as error:
            trouble.add(str(error))


def numbers():
    """The monitor's report: whether an SA was deleted, its SPI, the number that it had accepted."""
    found = []
    for block in re.split(r"^(?=Deleted src|src)", open("/tmp/heard", encoding="ascii").read(), flags=re.M):
        spi = re.search(r"spi 0x([0-9a-f]+)", block)
        seq = re.search(r"anti-replay (?:esn )?context:\s+(?:seq-hi 0x[0-9a-f]+, )?seq 0x([0-9a-f]+)", block)
        if spi and seq:
            found.append((block.startswith("Deleted"), int(spi[1], 16), int(seq[1], 16)))
    return found


flooding = threading.Thread(target=flood)
flooding.start()
expect("each apply", {apply("b", 2 + i) for i in range(ROUNDS)}, {"0 added, 2 changed, 0 kept, 0 removed."})
ended.set()
flooding.join()
until = time.monotonic() + PATIENCE
while len(numbers()) < 4 * ROUNDS and time.monotonic() < until:
    os.sched_yield()
monitor.terminate()
monitor.wait()
of_one = [(went, seq) for went, spi, seq in numbers() if spi == 0x1000]
expect("what the monitor heard", [went for went, _ in of_one], [True, False] * ROUNDS)
went, came = [seq for gone, seq in of_one if gone], [seq for gone, seq in of_one if not gone]
expect("packets came in", (went[-1] > 100, trouble), (True, set()))
expect("each new SA begins where the old one ended", came, went)
finish(f"{ROUNDS} replacements under {went[-1]} packets")
