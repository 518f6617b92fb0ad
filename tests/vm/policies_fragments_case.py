"""A router's rules with ports, and fragments that it forwards: nothing that a rule protects or drops passes it in pieces, and where
netfilter joins fragments nothing else is lost."""
import select
import socket

from guest import contains, expect, finish, run
from netns import PATIENCE, inside, ip_batch
from spd import apply, rules

FAMILIES = (("10.1.0", "10.2.0", "10.1.0.1", "10.2.0.1", 24), ("fd01:", "fd02:", "fd01::1", "fd02::1", 64))
PROTECTED, DROPPED, OTHER = 5001, 5002, 5003
LAST = 1  # The size of a datagram that no rule is about, behind all others.

for name in ("a", "r", "b"):
    run("ip", "netns", "add", name)
    ip_batch(name, ["link set lo up"])
run("ip", "netns", "exec", "r", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
for host, side in (("a", 0), ("b", 1)):
    run("ip", *f"link add to_r netns {host} type veth peer name to_{host} netns r".split())
    macs = {name: run("ip", "-n", name, "-o", "link", "show", device).split("link/ether ")[1].split()[0]
            for name, device in ((host, "to_r"), ("r", f"to_{host}"))}
    for nets in FAMILIES:
        net, length = nets[side], nets[4]
        ours, router = (f"{net}.1", f"{net}.2") if length == 24 else (f"{net}:1", f"{net}:2")
        dad = " nodad" if length == 64 else ""
        ip_batch(host, [f"addr add {ours}/{length} dev to_r{dad}", "link set to_r up",
                        f"neigh replace {router} lladdr {macs['r']} dev to_r nud permanent", f"route add default via {router}"])
        ip_batch("r", [f"addr add {router}/{length} dev to_{host}{dad}", f"link set to_{host} up",
                       f"neigh replace {ours} lladdr {macs[host]} dev to_{host} nud permanent"])


def arrive():
    """Of each family the ports and sizes of the datagrams from a that arrive at b, past the router. Nothing overtakes on the way, so
    that when the last one is there, no other will come."""
    found = []
    for *_, source, target, length in FAMILIES:
        family = socket.AF_INET if length == 24 else socket.AF_INET6
        with inside("b"):
            ears = {port: socket.socket(family, socket.SOCK_DGRAM) for port in (PROTECTED, DROPPED, OTHER)}
        with inside("a"):
            mouth = socket.socket(family, socket.SOCK_DGRAM)
        mouth.bind((source, 0))
        for port, ear in ears.items():
            ear.bind((target, port))
            for size in (100, 3000):
                mouth.sendto(b"x" * size, (target, port))
        mouth.sendto(b"x" * LAST, (target, OTHER))
        got, patience = set(), PATIENCE
        while ready := select.select(list(ears.values()), [], [], patience)[0]:
            got |= {(ear.getsockname()[1], len(ear.recv(4000))) for ear in ready}
            if (OTHER, LAST) in got:
                patience = 0
        got.remove((OTHER, LAST))
        for s in (mouth, *ears.values()):
            s.close()
        found.append(sorted(got))
    return found


ALL = [(port, size) for port in (PROTECTED, DROPPED, OTHER) for size in (100, 3000)]
expect("without rules", arrive(), [ALL, ALL])
RULES = [line for near, far, _, target, length in FAMILIES for line in (
    f"{{ raddr {target} ulp 17 rport {DROPPED} dir both }} drop {{}}",
    f"{{ raddr {target} ulp 17 rport {PROTECTED} }} ipsec {{ encr_algs aes encr_auth_algs sha256 "
    + (f"tsrc {far}.2 tdst {target} }}" if length == 24 else f"tsrc {far}:2 tdst {target} }}"))]
apply("r", *RULES)
# There are no SAs: what is protected cannot leave.
expect("no fragment passes that may be of a rule", arrive(), [[(OTHER, 100)]] * 2)
contains("what check says", rules("r", "check", text="\n".join(RULES)), "those that may be about it are dropped, unless they are joined")

# Two rules that need connection tracking, which joins fragments first.
run("modprobe", "-d", "/mnt/base", "-a", "iptable_filter", "ip6table_filter", "xt_conntrack", "nf_defrag_ipv6")
for command in ("iptables-legacy", "ip6tables-legacy"):
    run("ip", "netns", "exec", "r", command, *"-A FORWARD -m conntrack --ctstate INVALID -j DROP".split())
expect("where fragments are joined, ports decide", arrive(), [[(OTHER, 100), (OTHER, 3000)]] * 2)
apply("r")
expect("nothing is left", run("ip", "-n", "r", "xfrm", "policy").strip(), "")
finish("fragments that a router forwards do not slip through rules with ports")
