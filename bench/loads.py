"""What the benchmarks send over a road (roads.py), and what it cost the machine."""
import dataclasses
import json
import pathlib
import subprocess
import time

from roads import DEADLINE, HERE, program, wait_for_line

DATAGRAMS = HERE / "build" / "bin" / "bare_datagrams"
PIECE = 65536  # Octets, for which processor time is given.
TICKS = 100.0  # A second, in /proc/stat.
OMITTED = 1  # Seconds at the start of a flow, while TCP finds its speed.


@dataclasses.dataclass(frozen=True)
class Figures:
    """`rate`: Gbit/s or 1,000 datagrams a second. `cost`: microseconds of processor time for 64 KB of payload, or for a datagram.
    `idle`: the share of the processors' time."""
    rate: float
    cost: float
    idle: float


class Machine:
    """The time of all processors, since this was made."""

    def __init__(self):
        self.began, self.start = time.monotonic(), self.read()

    @staticmethod
    def read():
        words = pathlib.Path("/proc/stat").read_text().split()[1:9]
        user, nice, system, idle, iowait, irq, softirq, _ = map(int, words)
        return user + nice + system + irq + softirq, idle + iowait

    def spent(self):
        """Seconds busy, and the idle share."""
        busy, idle = (now - then for now, then in zip(self.read(), self.start))
        return busy / TICKS, idle / max(1, busy + idle)


def tcp(pair, address, seconds):
    """One flow from a to the address of b, by iperf3."""
    with program(pair.b, "iperf3", "--server", "--one-off", "--forceflush", "--bind", address) as server:
        wait_for_line(server, "listening")
        machine = Machine()
        told = subprocess.run(["ip", "netns", "exec", pair.a.netns, "iperf3", "--client", address, "--json", "--omit", str(OMITTED),
                               "--time", str(seconds)], capture_output=True, text=True, timeout=DEADLINE + seconds).stdout
        busy, idle = machine.spent()
    told = json.loads(told)
    if "error" in told:
        raise RuntimeError(f"iperf3: {told['error']}")
    received = told["end"]["sum_received"]
    carried = received["bits_per_second"] / 8 * (seconds + OMITTED)  # The omitted second is assumed to be as fast.
    return Figures(received["bits_per_second"] / 1e9, busy * 1e6 / (carried / PIECE), idle)


def datagrams(pair, address, seconds, size=64, rate=0, pieces=False):
    """Sends `rate` a second (0: the most possible) and counts those that arrive. `pieces`: the programs pass many at once."""
    receiver = subprocess.Popen(["ip", "netns", "exec", pair.b.netns, DATAGRAMS, "receive", address, str(size), *(("gro",) if pieces else ())],
                                stdout=subprocess.PIPE, text=True)
    try:
        wait_for_line(receiver, "ready")
        machine = Machine()
        subprocess.run(["ip", "netns", "exec", pair.a.netns, DATAGRAMS, "send", address, str(size), str(seconds), str(rate),
                        *(("gso",) if pieces else ())], check=True, capture_output=True, timeout=DEADLINE + seconds)
        busy, idle = machine.spent()
    finally:
        receiver.terminate()
        arrived = int(receiver.communicate(timeout=DEADLINE)[0].split()[-1])
    return Figures(arrived / seconds / 1e3, busy * 1e6 / max(1, arrived), idle)


def plain_datagrams(pair, address, seconds, size=64):
    """The best over several offered rates: above its best a receiver gets less."""
    return max((datagrams(pair, address, seconds / 4, size, rate) for rate in (100e3, 150e3, 200e3, 250e3, 350e3, 450e3, 600e3, 0)), key=lambda f: f.rate)
