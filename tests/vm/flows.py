"""The same rules and the same SAs on the kernel's policies and on `ipsecd --hook`: 200 kinds of packets, each sent by the host, and each
arriving at it in clear, with ESP, with AH and with both. The outcome is derived here from the rules, for both databases; where they
differ, `more` says how."""
import os
import random
import select

from guest import IPSECKEY, expect, finish, run
from ipsecd import Daemon
from netns import PATIENCE
from spd import ICMP, ICMP6, TCP, UDP, Cable, Receiver, describe, pair, sas, send, two_hosts

PEERS, FLOWS, MARKER = 6, 200, 8  # Peers 1 to 6; the eighth address of each host is for markers.
ESP_WORDS, AH_WORDS = "encr_algs aes encr_auth_algs sha256", "auth_algs sha256"
DEMANDS = {"esp": f"ipsec {{ {ESP_WORDS} }}", "ah": f"ipsec {{ {AH_WORDS} }}", "ah esp": f"ipsec {{ {AH_WORDS} {ESP_WORDS} }}",
           "clear": "bypass {}", "drop": "drop {}"}
V4, V6 = "10.77.{}.{}", "fd77::{}:{}"


def address(form, side, number):
    return form.format(side if form == V4 else "ab"[side], number)


class Flow:
    """A kind of packet, as this host (a) sees it. For ICMP, `mine` and `its` are type and code."""

    def __init__(self, form, local, remote, protocol, mine, its):
        self.v6, self.host, self.peer = form == V6, local, remote
        self.local, self.remote = address(form, 0, local), address(form, 1, remote)
        self.protocol, self.mine, self.its = protocol, mine, its

    def sent(self, netns):
        """From a, or the mirrored one from b."""
        icmp = self.protocol in (ICMP, ICMP6)
        if netns == "a":
            return self.local, self.remote, self.protocol, self.mine, self.its
        return (self.remote, self.local, self.protocol) + ((self.mine, self.its) if icmp else (self.its, self.mine))

    def __repr__(self):
        return f"{self.local} -> {self.remote} protocol {self.protocol} {self.mine} {self.its}"


# Which packets, in words and as a function; what is demanded; in which directions.
RULES = (
    ("ulp ipv6-icmp type 133-137", lambda f: f.protocol == ICMP6 and 133 <= f.mine <= 137, "clear", ("in", "out")),
    (f"raddr 10.77.1.{MARKER}", lambda f: not f.v6 and f.peer == MARKER, "esp", ("in", "out")),
    ("lport 22 ulp tcp", lambda f: f.protocol == TCP and f.mine == 22, "clear", ("in", "out")),
    ("raddr 10.77.1.1 rport 53", lambda f: not f.v6 and f.peer == 1 and f.protocol in (TCP, UDP) and f.its == 53, "clear",
     ("in", "out")),
    ("raddr 10.77.1.1", lambda f: not f.v6 and f.peer == 1, "esp", ("in", "out")),
    ("raddr 10.77.1.2 ulp tcp", lambda f: not f.v6 and f.peer == 2 and f.protocol == TCP, "esp", ("in", "out")),
    ("raddr 10.77.1.2 ulp udp lport 4000", lambda f: not f.v6 and f.peer == 2 and f.protocol == UDP and f.mine == 4000, "drop",
     ("out",)),
    ("raddr 10.77.1.2/31 ulp icmp type 8", lambda f: not f.v6 and f.peer in (2, 3) and f.protocol == ICMP and f.mine == 8, "ah",
     ("in", "out")),
    ("raddr 10.77.1.3 ulp icmp type 9-14", lambda f: not f.v6 and f.peer == 3 and f.protocol == ICMP and 9 <= f.mine <= 14, "drop",
     ("in", "out")),
    ("raddr 10.77.1.3 ulp udp", lambda f: not f.v6 and f.peer == 3 and f.protocol == UDP, "ah esp", ("in", "out")),
    ("laddr 10.77.0.4 raddr 10.77.1.4", lambda f: not f.v6 and f.peer == 4 and f.host == 4, "ah", ("in", "out")),
    ("raddr 10.77.1.4/31", lambda f: not f.v6 and f.peer in (4, 5), "drop", ("in", "out")),
    ("raddr fd77::b:1 rport 80", lambda f: f.v6 and f.peer == 1 and f.protocol in (TCP, UDP) and f.its == 80, "clear", ("in", "out")),
    ("raddr fd77::b:1", lambda f: f.v6 and f.peer == 1, "esp", ("in", "out")),
    ("raddr fd77::b:2/127 ulp udp", lambda f: f.v6 and f.peer in (2, 3) and f.protocol == UDP, "ah", ("in", "out")),
    ("raddr fd77::b:4", lambda f: f.v6 and f.peer == 4, "drop", ("in",)),
    ("raddr fd77::b:5 ulp ipv6-icmp type 128 code 0", lambda f: f.v6 and f.peer == 5 and f.protocol == ICMP6 and (f.mine, f.its) == (128, 0),
     "drop", ("in", "out")),
)
FILE = ["order file"] + [f"{{ {words}{'' if demand not in ('clear', 'drop') else ' dir ' + ('both' if len(ways) == 2 else ways[0])} }} "
                         f"{DEMANDS[demand]}" for words, _, demand, ways in RULES]
ARRIVALS = {"clear": "", "esp": DEMANDS["esp"], "ah": DEMANDS["ah"], "ah esp": DEMANDS["ah esp"]}
# What is accepted, by what the rule demands; None: no rule is about it.
ACCEPTED = {"clear": {"clear"}, "esp": {"esp"}, "ah": {"ah"}, "ah esp": {"ah esp"}, "drop": set(), None: set(ARRIVALS)}

def demanded(flow, way):
    return next((demand for _, about, demand, ways in RULES if way in ways and about(flow)), None)


def flows():
    """200 of all, the same ones in each run."""
    ports = [(mine, its) for mine in (4000, 22, 4002) for its in (4001, 53, 80)]
    kinds = {V4: [(UDP, ports), (TCP, ports), (ICMP, [(t, 0) for t in (0, 8, 9, 13, 14)])],
             V6: [(UDP, ports), (TCP, ports), (ICMP6, [(128, 0), (128, 1), (129, 0), (140, 0)])]}
    every = [Flow(form, local, remote, protocol, *two) for form in (V4, V6) for remote in range(1, PEERS + 1)
             for local in (remote, remote % PEERS + 1) for protocol, twos in kinds[form] for two in twos]
    return random.Random(18).sample(every, FLOWS)


def keys():
    """Both ways between all: without a source, so that one SA serves each destination."""
    return [pair(kind, base + n + (0x100 if form == V6 else 0), "0.0.0.0" if form == V4 else "::", address(form, side, n))
            for kind, base in (("esp", 0x1000), ("ah", 0x3000)) for form in (V4, V6)
            for side, base in ((1, base), (0, base + 0x1000)) for n in (*range(1, PEERS + 1), MARKER)]


def hold(netns, *lines, sadb="kernel"):
    """These rules and no others."""
    path = f"/tmp/rules-{netns}"
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    run("ip", "netns", "exec", netns, "/tmp/ipsecconf", f"--sadb={sadb}", "-q", "apply", path)


class OnCable:
    """What a has sent, as b's device sees it. A marker, protected like other packets, passes the same queue behind them."""

    def __init__(self):
        self.cable = Cable("a", "b")
        self.ear = self.cable.ear

    def until_marker(self):
        send("a", V4.format(0, MARKER), V4.format(1, MARKER), UDP, 9, 9)
        seen = []
        while True:
            if not select.select([self.ear], [], [], PATIENCE)[0]:
                raise TimeoutError("the marker did not arrive")
            frame, where = self.ear.recvfrom(4096)
            if where[2] == 4 or frame[12:14] not in (b"\x08\0", b"\x86\xdd"):  # PACKET_OUTGOING, or no IP.
                continue
            src, dst, what = describe(frame[14:])
            if dst == V4.format(1, MARKER):
                return seen
            seen.append((src, dst, what))

    def fate(self, flow):
        self.until_marker()
        send("a", *flow.sent("a"))
        name = {UDP: "udp", TCP: "tcp"}.get(flow.protocol, "icmp")
        found = {what for src, dst, what in self.until_marker() if (src, dst) == (flow.local, flow.remote)}
        words = {" ".join(w for w in what.split() if w in ("esp", "ah")) or (what == f"{name} {flow.mine} {flow.its}" and "clear")
                 for what in found}
        return words.pop() if len(words) == 1 else "drop" if not words else str(sorted(found))


class AtSockets:
    """What a's sockets are given. The marker is protected, and so behind the others in the same queue."""

    def __init__(self):
        self.receiver = Receiver("b", "a")

    def accepted(self, flow):
        self.receiver.heard()
        send("b", *flow.sent("b"))
        send("b", V4.format(1, MARKER), V4.format(0, MARKER), UDP, 9, 9)
        seen, marker = set(), (V4.format(1, MARKER), UDP, 9, 9)
        while marker not in seen:
            if not select.select([ear for _, _, ear in self.receiver.ears], [], [], PATIENCE)[0]:
                raise TimeoutError("the marker was not received")
            seen |= self.receiver.heard()
        src, _, protocol, first, second = flow.sent("b")
        return (src, protocol, first, second) in seen


class Kernel:
    name = "kernel"
    ALSO = {"clear": {"esp", "ah", "ah esp"}, "esp": {"ah esp"}, "ah": {"ah esp"}}

    def more(self, _, demand, arrival):
        """A policy is met if its headers are among those of the packet."""
        return arrival in self.ALSO.get(demand, ())

    def __init__(self):
        sas("a", *keys())
        hold("a", *FILE)

    def stop(self):
        sas("a")
        hold("a")


class Hook:
    name = "ipsecd --hook"
    ANSWERS, REQUESTS6 = {(0, 0), (14, 0)}, {4, 128}  # Of the types in flows(): doc/reference/dataplane.md has all.

    def more(self, flow, demand, arrival):
        """ICMP's answers and errors are accepted in clear where protection is demanded, as on Solaris."""
        if arrival != "clear" or demand not in ("esp", "ah", "ah esp"):
            return False
        return (flow.protocol == ICMP and (flow.mine, flow.its) in self.ANSWERS) or \
            (flow.protocol == ICMP6 and flow.mine not in self.REQUESTS6)

    def __init__(self):
        self.daemon = Daemon("a", hook=True)
        self.daemon.load("\n".join(keys()) + "\n")
        hold("a", *FILE, sadb=self.daemon.sadb)

    def stop(self):
        self.daemon.stop()
        run(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ipsecd"), "unhook")


def compare(End):
    """All of it on one database of a, with the kernel of b as the peer."""
    os.symlink(IPSECKEY, "/tmp/ipsecconf")
    two_hosts(MARKER)
    sas("b", *keys())
    out, into, end, counts = OnCable(), AtSockets(), End(), {}
    list_ = flows()
    for flow in list_:
        wanted = demanded(flow, "out") or "clear"
        expect(f"{end.name} sends {flow}", out.fate(flow), wanted)
        counts["out", wanted] = counts.get(("out", wanted), 0) + 1
    markers = f"{{ raddr 10.77.0.{MARKER} }} {DEMANDS['esp']}"
    for arrival, rule in ARRIVALS.items():
        hold("b", "order file", markers, *([f"{{ raddr 10.77.0.0/16 dir out }} {rule}", f"{{ raddr fd77::/16 dir out }} {rule}"]
                                           if rule else []))
        for flow in list_:
            demand = demanded(flow, "in")
            wanted = arrival in ACCEPTED[demand] or end.more(flow, demand, arrival)
            expect(f"{end.name}: {arrival} of {flow} arrives where {demand} is demanded", into.accepted(flow), wanted)
            counts[arrival, wanted] = counts.get((arrival, wanted), 0) + 1
    end.stop()
    expect("each outcome was there", sorted(str(k) for k, n in counts.items() if n < 5), [])
    finish(f"{FLOWS} kinds of packets on {end.name}")
