"""Random rules and random packets: what our model says about each is what the kernel does, out and in."""
import ipaddress
import os
import random

from guest import expect, finish
from spd import ICMP, ICMP6, TCP, UDP, Receiver, Sender, apply, pair, rules, sas, two_hosts

SEED = int(os.environ.get("SEED", "1"))
SETS, FLOWS = 8, 16
random.seed(SEED)
two_hosts(3)
HERE = [f"10.77.0.{n}" for n in (1, 2, 3)], [f"fd77::a:{n}" for n in (1, 2, 3)]
THERE = [f"10.77.1.{n}" for n in (1, 2, 3)], [f"fd77::b:{n}" for n in (1, 2, 3)]
PORTS, TYPES = (7, 8, 53, 4000), (3, 8, 13, 128, 135, 200)
ACTIONS = ("pass {}", "drop {}", "ipsec { encr_algs aes encr_auth_algs sha256 }", "ipsec { auth_algs sha256 }",
           "ipsec { auth_algs sha256 encr_algs aes encr_auth_algs sha256 }", "ipsec { encr_algs aes encr_auth_algs sha256 } or pass {}",
           "ipsec { encr_algs aes encr_auth_algs sha256 level use }")


def address(choices):
    one = random.choice(random.choice(choices))
    cut = random.choice(("", "", "/24", "/31", "/16") if ":" not in one else ("", "", "/112", "/127", "/64"))
    return one + cut if not cut else f"{masked(one, int(cut[1:]))}{cut}"


def masked(one, length):
    return str(ipaddress.ip_network(f"{one}/{length}", strict=False).network_address)


def icmp(words):
    """The protocol for the family of the addresses; without any, one of both."""
    return random.choice((1, 58)) if not words else 58 if ":" in words[0] else 1


def rule():
    words = []
    if random.random() < .5:
        words.append(f"laddr {address(HERE)}")
    if random.random() < .5:
        remote = address(THERE)
        if not words or (":" in words[0]) == (":" in remote):
            words.append(f"raddr {remote}")
    kind = random.randrange(5)
    if kind == 0:
        words.append(f"{random.choice(('lport', 'rport'))} {random.choice(PORTS)}")
    elif kind == 1:
        words.append(f"ulp {random.choice((6, 17))} {random.choice(('lport', 'rport'))} {random.choice(PORTS)}")
    elif kind == 2:
        first = random.choice(TYPES)
        words.append(f"ulp {icmp(words)} type {first}-{random.randrange(first, 256)}")
        if random.random() < .3:
            words[-1] += f" code {random.randrange(3)}-{random.randrange(3, 9)}"
    elif kind == 3:
        words.append(f"ulp {random.choice((6, 17, icmp(words)))}")
    words.append(f"dir {random.choice(('in', 'out', 'both'))}")
    return f"{{ {' '.join(words)} }} {random.choice(ACTIONS)}"


def flow():
    six = random.randrange(2)
    protocol = random.choice((UDP, TCP, ICMP6 if six else ICMP))
    # Answers to what the other kernel asks for itself would be confused with ours; type 8 and the like are only sent.
    numbers = (random.choice(TYPES), random.randrange(5)) if protocol in (ICMP, ICMP6) else (random.choice(PORTS), random.choice(PORTS))
    return random.choice(HERE[six]), random.choice(THERE[six]), protocol, *numbers


def unique(lines):
    """Without rules about the same packets, which the language refuses."""
    seen, kept = set(), []
    for line in lines:
        pattern = line[:line.index("}")].split(" dir ")[0]
        if pattern not in seen:
            seen.add(pattern)
            kept.append(line)
    return kept


commands, spi = [], 0x1000
for six in (0, 1):
    for x in HERE[six]:
        for y in THERE[six]:
            for src, dst in ((x, y), (y, x)):
                commands += [pair("esp", spi, src, dst), pair("ah", spi + 1, src, dst)]
                spi += 2
for netns in ("a", "b"):
    sas(netns, *commands)

out, into = Sender("a", "b"), Receiver("b", "a")
PROTECTING = {"": "", "esp": "{ dir out } ipsec { encr_algs aes encr_auth_algs sha256 }",
              "ah esp": "{ dir out } ipsec { auth_algs sha256 encr_algs aes encr_auth_algs sha256 }"}
met = {}
for turn in range(SETS):
    lines = unique([rule() for _ in range(random.randrange(1, 9))])
    text = "\n".join(lines)
    apply("b")
    rules("a", "apply", text=text)
    flows = [flow() for _ in range(FLOWS)]
    asked = "".join(f"{way} {f[0]} {f[1]} {f[2]} {f[3]} {f[4]}\n" for way in ("out", "in") for f in flows)
    answers = rules("a", "explain", text=text, stdin=asked).splitlines()
    for f, answer in zip(flows, answers[:FLOWS]):
        outcome, *headers = answer.split()
        got = out.fate(*f)
        got = " ".join(word for word in got.split() if not word.startswith("0x"))
        wanted = {"clear": "clear", "discard": "EPERM"}.get(outcome, " ".join(headers))
        met[("out", outcome)] = met.get(("out", outcome), 0) + 1
        expect(f"seed {SEED} set {turn} out {f}\n{text}", got, wanted)
    for arriving, sending in PROTECTING.items():
        apply("b", *([sending] if sending else []))
        for f, answer in zip(flows, answers[FLOWS:]):
            outcome, *headers = answer.split()
            accepted = {"clear": True, "discard": False, "protect_or_clear": True,
                        "protect": set(headers) <= set(arriving.split())}[outcome]
            met[("in " + arriving, outcome)] = met.get(("in " + arriving, outcome), 0) + 1
            here, there, protocol, first, second = f
            numbers = (first, second) if protocol in (ICMP, ICMP6) else (second, first)
            expect(f"seed {SEED} set {turn} in, {arriving or 'clear'}: {f}\n{text}", into.arrives(there, here, protocol, *numbers),
                   accepted)
expect("every outcome was met", {outcome for _, outcome in met}, {"clear", "discard", "protect", "protect_or_clear"})
print(f"{sum(met.values())} packets, {SETS} sets of rules:", ", ".join(f"{way} {what} {n}" for (way, what), n in sorted(met.items())))
finish("the kernel does what the rules say")
