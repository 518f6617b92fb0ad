"""NAT traversal, limits and the monitor's events: all of them the kernel's own, between two network namespaces."""
import json
import signal
import subprocess

from guest import IPSECKEY, contains, expect, finish, ipseckey, key, load, run
from netns import PATIENCE, Tap, cable, connections, ip_batch, nat_socket, pings, wait

A, B = "10.78.0.1", "10.78.0.2"
PAIR = [(A, B)]
GCM = f"encr_alg aes-gcm encrkey {key(160)}"


class Monitor:
    """`ipseckey --json monitor` in a namespace."""

    def __init__(self, netns):
        self.path = f"/tmp/heard-{netns}"
        with open(self.path, "w", encoding="ascii") as out:
            self.process = subprocess.Popen(  # Until stop().
                ["ip", "netns", "exec", netns, IPSECKEY, "--sadb=kernel", "-n", "--json", "monitor"], stdout=out,
                stderr=subprocess.DEVNULL)
        self.wait("that the monitor listens", lambda e: e["type"] == "X_PROMISC")

    def events(self):
        with open(self.path, encoding="ascii") as file:
            return [json.loads(line) for line in file.read().splitlines(True) if line.endswith("\n")]

    def wait(self, what, wanted, seconds=PATIENCE):
        """The first event that matches."""
        found = []
        wait(seconds, lambda: found.extend(e for e in self.events() if wanted(e)) or found)
        if not found:
            expect(what, "\n".join(map(json.dumps, self.events())), "an event that was not heard")
            return {}
        return found[0]

    def stop(self):
        self.process.terminate()
        expect("the monitor's exit status", self.process.wait(PATIENCE), 0)


def both(words_a_to_b="", words_b_to_a=None, nat=""):
    """An SA in each direction at both ends. `nat`: words for the end that is the first one's."""
    for netns, out_way in (("a", 0), ("b", 1)):
        ipseckey("flush", netns=netns)
        lines = []
        for way, (spi, src, dst) in enumerate(((0x501, A, B), (0x502, B, A))):
            words = words_a_to_b if way == 0 or words_b_to_a is None else words_b_to_a
            lines.append(f"add esp spi {spi:#x} src {src} dst {dst} {GCM} {words} {nat}"
                         f" {'outbound' if way == out_way else 'inbound'}\n")
        load("".join(lines), netns)


def sa(netns, spi, dst):
    found = ipseckey("--json", "-p", "get", "esp", "spi", hex(spi), "dst", dst, netns=netns)
    return json.loads(found)


def expires(spi, limit):
    return lambda e: e["type"] == "EXPIRE" and e["spi"] == spi and limit in e


cable()
for netns, device, address in (("a", "ethA", A), ("b", "ethB", B)):
    ip_batch(netns, [f"addr add {address}/24 dev {device}"])
expect("ping without policies", pings(PAIR), set(PAIR))
for netns, here, there in (("a", A, B), ("b", B, A)):
    ip_batch(netns, [f"xfrm policy add src {src} dst {dst} proto {proto} dir {way} tmpl proto esp mode transport"
                     for way, src, dst in (("out", here, there), ("in", there, here)) for proto in ("icmp", "tcp")])
monitor_a, monitor_b = Monitor("a"), Monitor("b")

# A policy without an SA: the kernel requests one.
expect("no ping without an SA", pings(PAIR, 0.5), set())
wanted = monitor_a.wait("ACQUIRE", lambda e: e["type"] == "ACQUIRE")
expect("what is wanted", (wanted.get("satype"), wanted["src"]["address"], wanted["dst"]["address"],
                          wanted["dst"]["proto"]), ("esp", A, B, 1))

# Plain ESP, then ESP in UDP: what is on the wire.
both()
tap = Tap("b", "ethB")
expect("ping with the SAs", pings(PAIR), set(PAIR))
expect("on the wire", tap.seen(), {(50, 0, 0)})
sockets = [nat_socket(netns, 4500) for netns in ("a", "b")]
both(nat="encap udp nat_lport 4500 nat_rport 4500")
tap.seen()
expect("ping through UDP", pings(PAIR), set(PAIR))
expect("TCP through UDP", connections(PAIR), set(PAIR))
expect("UDP on the wire", tap.seen(), {(17, 4500, 4500)})
for netns in ("a", "b"):
    ipseckey("flush", netns=netns)
expect("no ping through UDP without the SAs", pings(PAIR, 0.5), set())

# The peer's packets come from a port that differs from the SA's: its NAT has moved.
load(f"add esp spi 0x501 src {A} dst {B} {GCM} encap udp nat_lport 4500 nat_rport 4500 outbound\n"
     f"add esp spi 0x502 src {B} dst {A} {GCM} encap udp nat_lport 4500 nat_rport 4500 inbound\n", "a")
load(f"add esp spi 0x501 src {A} dst {B} {GCM} encap udp nat_lport 4500 nat_rport 31000 inbound\n"
     f"add esp spi 0x502 src {B} dst {A} {GCM} encap udp nat_lport 4500 nat_rport 4500 outbound\n", "b")
pings(PAIR, 5)
moved = monitor_b.wait("a mapping", lambda e: e["type"] == "X_NAT_T_NEW_MAPPING")
expect("the mapping", (moved.get("remark"), moved.get("spi"), moved.get("nat_rem", {}).get("address"),
                        moved.get("nat_rem", {}).get("port")),
       ("the peer's NAT now uses port 4500 instead of 31000", 0x501, A, 4500))

# Counters and limits of bytes and packets.
both()
for _ in range(3):
    pings(PAIR)
for netns in ("a", "b"):
    used = sa(netns, 0x501, B)["current"]
    expect(f"packets counted at {netns}", used["allocations"], 3)
    expect(f"bytes counted at {netns}", used["bytes"] >= 3 * 16, True)
moved = monitor_a.wait("a replay event", lambda e: e.get("remark", "").startswith("replay event"))
expect("the numbers of the replay event", (moved.get("spi") in (0x501, 0x502), moved.get("replay_value", 0) >= 1),
       (True, True))
for name, words in (("bytes", "soft_bytes 100 hard_bytes 300"), ("packets", "soft_packets 2 hard_packets 5")):
    monitors = len(monitor_a.events())
    both(words, "")
    expect(f"ping under the limit of {name}", pings(PAIR), set(PAIR))
    wait(PATIENCE, lambda: not pings(PAIR, 0.5))
    for limit in ("soft", "hard"):
        heard = monitor_a.wait(f"{limit} expiry by {name}",
                               lambda e, n=monitors, l=limit: e in monitor_a.events()[n:] and expires(0x501, l)(e))
        member = "bytes" if name == "bytes" else "allocations"
        passed = heard.get("current", {}).get(member, 0) >= heard.get(limit, {}).get(member, 1)
        expect(f"the {limit} limit of {name} was reached", passed, True)
    expect(f"ping beyond the limit of {name}", pings(PAIR, 0.5), set())

# Limits of time, after the add and after the first use.
for name, words, use in (("addtime", "soft_addtime 1 hard_addtime 2", False),
                         ("usetime", "soft_usetime 1 hard_usetime 2", True)):
    before = len(monitor_b.events())
    both(words, "")
    if use:
        expect("first use", pings(PAIR), set(PAIR))
    for limit in ("soft", "hard"):
        monitor_b.wait(f"{limit} expiry by {name}",
                       lambda e, n=before, l=limit: e in monitor_b.events()[n:] and expires(0x501, l)(e))
    expect(f"{name}: the SA is gone", "does not exist" in
           ipseckey("get", "esp", "spi", "0x501", "dst", B, netns="b", fails=True), True)

# Adding, changing, deleting, flushing, by us and by others.
both()
load(f"update esp spi 0x501 dst {B} hard_bytes 5000\n", "a")
run("ip", "-n", "a", *f"xfrm state delete src {A} dst {B} proto esp spi 0x501".split())
run("ip", "-n", "a", *f"xfrm state add src {A} dst {B} proto esp spi 0x777 mode transport aead rfc4106(gcm(aes)) "
    f"0x{key(160)} 128".split())
ipseckey("flush", "esp", netns="a")
monitor_a.wait("UPDATE", lambda e: e["type"] == "UPDATE" and e.get("hard", {}).get("bytes") == 5000)
monitor_a.wait("DELETE", lambda e: e["type"] == "DELETE" and (e.get("spi"), e.get("state")) == (0x501, "dead"))
monitor_a.wait("ADD by ip", lambda e: e["type"] == "ADD" and e.get("spi") == 0x777)
monitor_a.wait("FLUSH", lambda e: e["type"] == "FLUSH" and e["satype"] == "esp")
for e in monitor_a.events() + monitor_b.events():
    expect("keys that a monitor heard", "encr_key" in e, False)
monitor_a.stop()
monitor_b.stop()

# More events than the socket holds while nobody reads it: a gap is reported, and then the current SAs. The SAs are large ones.
MANY = 5000
LARGE = f"encr_alg aes encrkey {key(256)} auth_alg sha512 authkey {key(512)} replay 4096 label 3:{'a' * 80}"
slow = Monitor("a")
slow.process.send_signal(signal.SIGSTOP)
load("".join(f"add esp spi {0x10000 + n:#x} src {A} dst {B} {LARGE}\n" for n in range(MANY)), "a")
slow.process.send_signal(signal.SIGCONT)
told = []
with open(slow.path, encoding="ascii") as file:
    wait(PATIENCE, lambda: told.append(file.read()) or '"type":"DUMP","satype":"all"' in "".join(told[-2:]))  # Its end.
    slow.stop()
    told.append(file.read())
after = "".join(told).partition('"kind":"gap"')[2].splitlines()[1:]
listed = {e["spi"] for e in map(json.loads, after) if e["type"] == "DUMP" and "spi" in e}
expect("SAs that are told after a gap", len(listed), MANY)
expect("keys among them", any("encr_key" in line for line in after), False)
for s in sockets:
    s.close()
tap.close()
contains("doctor counts the packets without an SA", run("ip", "netns", "exec", "a", IPSECKEY, "doctor"), "XfrmOutNoStates")
finish("NAT traversal, limits, expiry and events are the kernel's")
