#!/usr/bin/env python3
"""usage: soak.py [--seed N] [--seconds S | --events N] [--only EVENT,...]
Two hosts, a router and NAT between them, an ipsecd on each, steady traffic of every kind, and events at random that the seed
decides: which, with what, and after how many steps of the traffic. After each one the traffic flows again, and every datagram
that was lost has a cause that is counted or lies in what the event cuts off (events.py). In the end nothing has grown."""
import argparse
import os
import pathlib
import random
import select
import signal
import sys
import time

import routed
from events import EVENTS, TOLD, Expected, MEANWHILE, NOTHING, UNTIL_HEALED
from hosts import BIN, wait_for
from routed import KINDS, WIDE
from traffic import UNDER_WAY, Connection, Flow, Traffic

SANITIZED = b"__asan_init" in (BIN / "ipsecd").read_bytes()  # Freed memory, of which 256 MB are kept for a while.
GROWN = 1 << 18 if SANITIZED else 1 << 12  # KB by which an ipsecd's memory may grow between the first events and the end.
WARM_UP = 4  # Events.
MOST = 2 * UNDER_WAY  # Datagrams that a flow loses until ipsecd, and then its host, knows what fits a link.
IDLE = 1.0  # Seconds without traffic, in which an ipsecd may use at most a tenth of the processor.
# Kernel counters that a row of EVENTS must allow. Other counters are shown with a failure.
JUDGED = {"r": ("ip.FragFails", "ip6.Ip6InTooBigErrors", "ip6.Ip6FragFails", "ip.InDiscards", "ip.OutDiscards"),
          "a": ("udp.RcvbufErrors", "ip6.Udp6RcvbufErrors"), "b": ("udp.RcvbufErrors", "ip6.Udp6RcvbufErrors")}


def kernel_counts():
    """The counters of this thread's namespace for packets that the kernel did not carry: (layer, name)."""
    counts = {}
    v4 = [line.split() for line in pathlib.Path("/proc/thread-self/net/snmp").read_text().splitlines()]
    for heads, values in zip(v4[::2], v4[1::2]):
        counts.update({f"{heads[0].lower()[:-1]}.{name}": int(n) for name, n in zip(heads[1:], values[1:])})
    for line in pathlib.Path("/proc/thread-self/net/snmp6").read_text().splitlines():
        name, n = line.split()
        counts[f"ip6.{name}"] = int(n)
    return {name: n for name, n in counts.items() if name.endswith(("Fails", "Discards", "Errors", "NoRoutes", "ReasmTimeout", "AddrErrors"))}


class Counters:
    """What both ipsecd, their kernels and the router's kernel have dropped, by cause, from the beginning, across restarts."""

    def __init__(self, net):
        self.net, self.earlier, self.base = net, {}, {}

    def of(self, name):
        status = self.net.host(name).status()
        return {f"{name}.{way}.{cause}": n for way in ("out", "in") for cause, n in status[way]["dropped"].items()}

    def end(self, name):
        """Its ipsecd is about to end."""
        self.add(self.earlier, self.of(name))

    def begin(self, name):
        """Another one has begun."""
        self.add(self.earlier, {cause: -n for cause, n in self.of(name).items()})

    @staticmethod
    def add(total, more):
        for cause, n in more.items():
            total[cause] = total.get(cause, 0) + n

    def now(self):
        total = dict(self.earlier)
        for name in ("a", "b"):
            self.add(total, self.of(name))
        for name, counts in self.kernels().items():
            self.add(total, {f"{name}.{what}": counts[what] for what in JUDGED[name]})
        return total

    def kernels(self):
        return {host.own_name: host.inside(kernel_counts) for host in (self.net.a, self.net.b, self.net.r)}


class Losses:
    """A flow's losses since the last call: the numbers, and whether each had been overtaken before the event, was sent before
    the event was complete, or later."""

    def __init__(self, flow, overtaken, complete, healed):
        self.flow, self.all = flow, sorted(number for number in flow.missing if number < healed)
        self.before = [number for number in self.all if number in overtaken]
        self.meanwhile = [number for number in self.all if number not in overtaken and number < complete]
        self.later = [number for number in self.all if number not in overtaken and number >= complete]

    def unexpected(self, expected):
        """Those that only a counter can explain."""
        return self.before + {NOTHING: self.meanwhile + self.later, MEANWHILE: self.later, UNTIL_HEALED: []}[expected.lost(self.flow)]


def judge(expected, losses, moved, disordered, spare=0):
    """Sentences about what is wrong: losses of each flow, counters that have moved (name: by how much; and `spare` packets that
    were counted just before), and numbers that arrived after higher ones (flow: numbers). And how many of the counted packets
    explain no loss yet."""
    known = {cause: n for cause, n in moved.items() if cause in expected.causes}
    faults = [f"{cause} has counted {moved[cause]}, and this event is no reason for it" for cause in sorted(set(moved) - set(known))]
    unexplained = {one.flow.name: numbers for one in losses if (numbers := one.unexpected(expected))}
    left = spare + sum(known.values()) - sum(map(len, unexplained.values()))
    if left < 0:
        faults.append(f"lost: {unexplained}; the counters explain {spare + sum(known.values())} of them: {known}")
    faults += [f"{name} lost {numbers}: more than was under way" for name, numbers in unexplained.items() if len(numbers) > MOST]
    faults += [f"{flow.name} came out of order: {numbers}" for flow, numbers in disordered.items() if numbers and expected.order(flow)]
    return faults, min(left, sum(known.values()))


class Sample:
    """What an ipsecd holds."""

    def __init__(self, host):
        pid = host.daemon.pid
        lines = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        self.memory = int(lines["VmRSS"].split()[0])
        self.counts = {"threads": int(lines["Threads"]), "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                       "SAs": host.status()["sas"], "kept": sorted(name for name, _ in host.manager.store)}
        # Memory that the service manager keeps: growth would show here.
        self.kept = sum(os.fstat(fd).st_blocks // 2 for _, fd in host.manager.store)

    def faults(self, name, later):
        found = [f"{name} had {value} {what} and has {later.counts[what]}" for what, value in self.counts.items()
                 if later.counts[what] != value]
        found += [f"the {what} of {name} have grown from {before} to {after} KB" for what, before, after in
                  (("pages", self.memory, later.memory), ("kept pages", self.kept, later.kept)) if after > before + GROWN]
        return found


def ticks(pid):
    """The processor time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Net(routed.Network):
    """With traffic."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.traffic, self.counters = seed, None, Counters(self)
        self.complete_at = {}
        self.wait_for = wait_for

    def host(self, name):
        return {"a": self.a, "b": self.b}[name]

    def make_traffic(self):
        flows, connections = [], []
        inner = {0: ("10.1.0.1", "10.2.0.1"), 1: ("fd01::1", "fd02::1"), 2: ("10.11.0.1", "10.12.0.1")}
        for kind in KINDS:
            at_a, at_b = ((inner[kind.number],) * 2 if kind.inner else kind.ends)
            for way in ("ab", "ba"):
                # The host's addresses from its own point of view, and from the other one's.
                giver, taker = (self.a, self.b) if way == "ab" else (self.b, self.a)
                own, to, at = (at_a[0], at_a[1], at_b[1]) if way == "ab" else (at_b[1], at_b[0], at_a[0])
                # Packets of several threads are not ordered if some are in fragments and some are not.
                largest = 3000 if way == "ab" else 1200
                sizes = self.sizes(len(flows), largest)
                flow = Flow(f"{kind.name} {way[0]} to {way[1]}", giver, own, to, taker, at, 7000 + len(flows), sizes)
                flow.kind, flow.giver_name = kind, way[0]
                flows.append(flow)
            if kind.number in (0, 1, 2, 5):
                connections.append(Connection(f"TCP by {kind.name}", self.a, at_a[0], at_a[1], self.b, at_b[1], 7100 + kind.number))
        self.watch_for_clear("7000:7199")
        self.traffic = Traffic(flows, connections)

    def sizes(self, number, largest):
        source = random.Random(f"{self.seed} {number}")
        while True:
            yield source.choice((8, 100, largest, source.randint(8, largest)))


class Soak:
    def __init__(self, net, seed):
        self.net, self.traffic, self.random = net, net.traffic, random.Random(seed)
        self.done, self.lost, self.faults, self.doing = 0, 0, [], ""
        self.echoes = set()
        self.first, self.counted, self.noted, self.spare = {}, {}, {}, 0

    def run(self, more, names):
        """Every kind of event once per round, each time in another order."""
        rows, turn = [event for event in EVENTS if event.name in names], []
        self.judged(lambda: iter([Expected()]), "the beginning")
        while more(self.done) and not self.faults:
            turn = turn or self.random.sample(rows, len(rows))
            event, gap = turn.pop(), self.random.randint(10, 100)
            words = event.choose(self.random)
            self.traffic.wait_for_steps(gap)
            self.done += 1
            self.judged(lambda: event.act(self.net, *words), " ".join(map(str, (f"{self.done}:", event.name, *words))))
            if self.done == WARM_UP:
                self.first = {name: Sample(self.net.host(name)) for name in ("a", "b")}

    def judged(self, act, what):
        """Carries it out, a part at a time, and compares what happened to the traffic since the last time with what it expects."""
        self.doing = what
        with self.traffic.changed:
            # If a later one has arrived, a missing one was lost before.
            overtaken = {flow: {number for number in flow.missing if number < flow.highest} for flow in self.traffic.flows}
        for expected in act():
            with self.traffic.changed:
                complete = {flow: flow.sent for flow in self.traffic.flows} | self.net.complete_at
            self.net.complete_at = {}
            if min(self.net.narrow.values(), default=WIDE) < WIDE:  # What is known about a path is forgotten, and learnt again.
                expected.causes += TOLD
            losses_of = lambda: [Losses(flow, overtaken[flow], complete[flow], flow.healed if flow.healed is not None else flow.sent)
                                 for flow in self.traffic.flows]
            still = self.traffic.flow_again(lambda: not any(one.unexpected(expected) for one in losses_of()))
            counted = self.net.counters.now()
            moved = {cause: n - self.counted.get(cause, 0) for cause, n in counted.items() if n != self.counted.get(cause, 0)}
            self.echoes.update(expected.echoes)
            self.counted = counted
            if any(cause.startswith("r.") for cause in moved):
                self.net.narrow["told by the router"] = min(self.net.narrow.values(), default=WIDE - 1)
            with self.traffic.changed:
                losses, disordered = losses_of(), {}
                for one in losses:
                    one.flow.missing.difference_update(one.all)
                    disordered[one.flow], one.flow.disordered = one.flow.disordered, []
                overtaken = {flow: set() for flow in self.traffic.flows}
            faults, self.spare = judge(expected, losses, {cause: n for cause, n in moved.items() if cause not in self.echoes}, disordered, self.spare)
            self.faults += faults + self.strange() + [f"{name} does not flow again" for name in still]
            noted = {f"{name}.{what}": n for name, counts in self.net.counters.kernels().items() for what, n in counts.items()}
            if self.faults:
                self.faults.append(f"the kernels have counted {({what: n - self.noted.get(what, 0) for what, n in noted.items() if n != self.noted.get(what, 0)})}")
            self.noted = noted
            lost = {one.flow.name: len(one.all) for one in losses if one.all}
            self.lost += sum(lost.values())
            print(f"step {self.traffic.steps}, {what}; {self.traffic.said}; lost {lost or 'nothing'}"
                  f"{', counted ' + str(moved) if moved else ''}", flush=True)

    def strange(self):
        """What must never happen."""
        everything = (*self.traffic.flows, *self.traffic.connections)
        with self.traffic.changed:
            faults = [f"{flow.name} got twice, or late: {flow.doubled}" for flow in self.traffic.flows if flow.doubled]
            faults += [f"{one.name} got what was not sent: {one.strange}" for one in everything if one.strange]
        if clear := self.net.clear_packets():
            faults.append(f"packets have come to the router in clear: {clear}")
        return faults

    def grown(self):
        """What has grown, and what is not idle without traffic."""
        self.traffic.stop()
        faults = []
        for name, first in self.first.items():
            host = self.net.host(name)
            wait_for("silence", lambda: self.still(host))
            before = ticks(host.daemon.pid)
            select.select([], [], [], IDLE)
            used = (ticks(host.daemon.pid) - before) / os.sysconf("SC_CLK_TCK")
            if used > IDLE / 10:
                faults.append(f"{name} used the processor for {used} of {IDLE} seconds, without traffic")
            last = Sample(host)
            print(f"{name}: {first.memory} and {last.memory} KB of memory, {first.kept} and {last.kept} KB kept, {last.counts}")
            faults += first.faults(name, last)
        return faults

    @staticmethod
    def still(host):
        """Whether no more packets arrive."""
        count = lambda: [host.status()[way]["packets"] for way in ("in", "out")]
        before = count()
        select.select([], [], [], IDLE / 4)
        return count() == before


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n", maxsplit=1)[0].removeprefix("usage: "), description=__doc__.split("\n", 1)[1])
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--events", type=int)
    parser.add_argument("--only", default=",".join(event.name for event in EVENTS))
    words = parser.parse_args(arguments)
    names = words.only.split(",")
    if unknown := set(names) - {event.name for event in EVENTS}:
        parser.error(f"there is no event {', '.join(sorted(unknown))}")
    print(f"seed {words.seed}", flush=True)
    end = time.monotonic() + words.seconds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Namespaces and daemons go with it.
    net = Net(words.seed)
    try:
        net.start()
        net.make_traffic()
        with net.traffic:
            soak = Soak(net, words.seed)
            try:
                soak.run((lambda done: done < words.events) if words.events else (lambda done: time.monotonic() < end), names)
            except (OSError, RuntimeError) as error:  # A connection that was reset, an ipsecd that does not answer.
                soak.faults.append(f"{soak.doing}: {error!r}")
            sent, got = (sum(getattr(flow, what) for flow in net.traffic.flows) for what in ("sent", "got"))
            faults = soak.faults + ([] if soak.faults else soak.grown())
        if faults:
            logs = "".join(f"The log of ipsecd on {host.own_name}:\n{host.log.read_text()}" for host in (net.a, net.b))
            only = "" if len(names) == len(EVENTS) else f" --only '{words.only}'"
            print("\n".join(faults) + f"\n{logs}Again: bench/soak --seed {words.seed} --events {soak.done}{only}", flush=True)
            return 1
    finally:
        net.close()
    print(f"{soak.done} events; {sent} datagrams sent, {got} came, {soak.lost} were lost for the reasons above; "
          "nothing else was lost, and nothing has grown")
    return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("soak.py makes network namespaces and needs root")
    sys.exit(main(sys.argv[1:]))
