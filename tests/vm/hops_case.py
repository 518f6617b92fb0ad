"""Between the kernel and ipsecd as on real networks: a hop with a small MTU, and a NAT that changes ports. Namespaces in a row:
a, a NAT r1, a link of 1300 bytes, a router r2, b."""
import contextlib
import errno
import socket

from guest import expect, finish, ipseckey, key, load, run
from ipsecd import Daemon
from netns import PATIENCE, Tap, datagrams, drop_connections, echo, inside, ip_batch, nat_socket, wait

MTU = 1300
LINKS = (("a", "r1", "10.91.0", "fd91:", 1500), ("r1", "r2", "198.51.100", "fd92:", MTU), ("r2", "b", "203.0.113", "fd93:", 1500))
A, B, A6, B6 = "10.91.0.1", "203.0.113.2", "fd91::1", "fd93::2"  # What the ends are called.
NAT = "198.51.100.1"                                              # What a is called beyond r1.
INNER_A, INNER_B = "10.1.0.1", "10.2.0.1"
GCM = f"encr_alg aes-gcm encrkey {key(160)}"


def row_of_hosts():
    for name in ("a", "r1", "r2", "b"):
        run("ip", "netns", "add", name)
        run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        ip_batch(name, ["link set lo up"])
    for left, right, v4, v6, mtu in LINKS:
        run("ip", *f"link add to_{right} netns {left} type veth peer name to_{left} netns {right}".split())
        for name, device, number in ((left, f"to_{right}", 1), (right, f"to_{left}", 2)):
            ip_batch(name, [f"addr add {v4}.{number}/24 dev {device}", f"addr add {v6}:{number}/64 dev {device} nodad",
                            f"link set {device} up mtu {mtu}"])
    for name, v4, v6 in (("a", "10.91.0.2", "fd91::2"), ("r1", "198.51.100.2", "fd92::2"), ("b", "203.0.113.1", "fd93::1")):
        ip_batch(name, [f"route add default via {v4}", f"route add default via {v6}"])
    ip_batch("r2", ["route add 10.91.0.0/24 via 198.51.100.1", "route add fd91::/64 via fd92::1"])


def linux_end(name, inside_, outside, gateway):
    """Policies for the tunnel between the addresses `inside_`, this end's first, and the address inside it."""
    mine, theirs = inside_
    ip_batch(name, [f"addr replace {mine}/32 dev lo", f"route replace {theirs}/32 via {gateway} src {mine}"] +
             [f"xfrm policy update src {src} dst {dst} dir {way} tmpl src {ends[0]} dst {ends[1]} proto esp mode tunnel"
              for src, dst, way, ends in ((mine, theirs, "out", outside), (theirs, mine, "in", outside[::-1]))])


def ipsecd_end(name, mine, theirs):
    daemon = Daemon(name)
    ip_batch(name, [f"addr replace {mine}/32 dev ipsec0", f"route replace {theirs}/32 dev ipsec0 src {mine}"])
    return daemon


def keys(a, b, words="", ways=("", "")):
    """The SAs of the tunnel, with the addresses that the two have from one's point of view."""
    return (f"add esp spi 0x501 src {a} dst {b} {GCM} isrc {INNER_A} idst {INNER_B} {words} {ways[0]}\n"
            f"add esp spi 0x502 src {b} dst {a} {GCM} isrc {INNER_B} idst {INNER_A} {words} {ways[1]}\n")


def behind_nat():
    return keys(A, B, "encap udp nat_lport 4500 nat_rport 4500", ("outbound", "inbound"))


def beyond_nat(port):
    return keys(NAT, B, f"encap udp nat_lport 4500 nat_rport {port}", ("inbound", "outbound"))


def translate(port):
    """r1 gives connections that begin from now on another port, and forgets the existing ones."""
    run("ip", "netns", "exec", "r1", "iptables-legacy", "-t", "nat", "-F")
    run("ip", "netns", "exec", "r1", "iptables-legacy", "-t", "nat", "-A", *"POSTROUTING -o to_r2 -s 10.91.0.0/24 -p udp"
        " --sport 4500 -j MASQUERADE --to-ports".split(), str(port))
    drop_connections("r1")


def through_nat(port, there=(INNER_A, INNER_B), back=(INNER_B, INNER_A)):
    """Traffic that a begins, then traffic that b begins; packets that leave r1 have the port of the NAT."""
    tap = Tap("r2", "to_r1")
    expect(f"through the NAT at port {port}", [echo("a", "b", *there, 50_000), echo("b", "a", *back[:2], 50_000, *back[2:])], [50_000, 50_000])
    expect("what leaves the NAT", tap.seen(), {(17, port, 4500)})
    tap.close()


def change_port(reload):
    """Packets from another port are still accepted; the other direction follows the new SAs."""
    translate(6000)
    through_nat(6000)
    translate(6001)
    expect("from another port", datagrams("a", "b", INNER_A, INNER_B, [100]), [100])
    expect("to the port that was", datagrams("b", "a", INNER_B, INNER_A, [100], 1), [])
    reload(beyond_nat(6001))
    through_nat(6001)


def transport(start):
    """Transport mode: TCP and UDP computed their checksums with other addresses than they arrive with (RFC 3948 section 3.1.2).
    `start`: sets up both ends, with SAs of these words."""
    translate(6000)
    start(*(f"add esp spi 0x501 src {a} dst {B} {GCM} encap udp nat_lport 4500 nat_rport {port} {ways[0]}\n"
            f"add esp spi 0x502 src {B} dst {a} {GCM} encap udp nat_lport 4500 nat_rport {port} {ways[1]}\n"
            for a, port, ways in ((A, 4500, ("outbound", "inbound")), (NAT, 6000, ("inbound", "outbound")))))
    through_nat(6000, (A, B), (B, NAT, A))
    expect("datagrams through the NAT", [datagrams("a", "b", A, B, [100, 101]), datagrams("b", "a", B, NAT, [100, 101], at=A)],
           [[100, 101]] * 2)


def host_policies(name, mine, theirs):
    """Traffic between the two hosts is protected, but not the packets in which it is carried."""
    ip_batch(name, [f"xfrm policy add src {theirs} dst {mine} proto udp dport 4500 dir in priority 1"] +
             [f"xfrm policy add src {src} dst {dst} dir {way} priority 2 tmpl proto esp mode transport"
              for src, dst, way in ((mine, theirs, "out"), (theirs, mine, "in"))])


def narrowest(name, mine, theirs, outer):
    """Sends until the path MTU is known inside the tunnel; returns the longest datagram that then passes."""
    ip_mtu = 14  # IP_MTU of linux/in.h
    with inside(name):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.closing(s):
        s.bind((mine, 0))
        s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
        s.connect((theirs, 9))
        found = []

        def told():
            try:
                s.send(bytes(1340))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    found.append(s.getsockopt(socket.IPPROTO_IP, ip_mtu))
            return bool(found)

        wait(PATIENCE, told)
    # ESP of AES-GCM: 8 and 8 octets before, at least 2 of padding and 16 behind, a multiple of 4.
    expect(f"the path's MTU inside, over {outer}", found[:1], [(MTU - outer - 32) // 4 * 4 - 2])


row_of_hosts()
daemon = ipsecd_end("b", INNER_B, INNER_A)

for ends, header in (((A, B), 20), ((A6, B6), 40)):
    linux_end("a", (INNER_A, INNER_B), ends, "10.91.0.2")
    for loader in (lambda text: load(text, "a"), daemon.load):
        loader(keys(*ends))
    narrowest("b", INNER_B, INNER_A, header)
    expect(f"TCP through the narrow hop, {ends}", [echo("a", "b", INNER_A, INNER_B, 200_000), echo("b", "a", INNER_B, INNER_A, 200_000)],
           [200_000, 200_000])
    sizes = [1, 1200, 1218, 1352, 1400, 3000, 9000]
    datagrams("a", "b", INNER_A, INNER_B, [1300], 1)  # From which the kernel learns.
    expect(f"datagrams to ipsecd, {ends}", datagrams("a", "b", INNER_A, INNER_B, sizes), sizes)
    expect(f"datagrams to the kernel, {ends}", datagrams("b", "a", INNER_B, INNER_A, sizes), sizes)
    ipseckey("flush", netns="a")
    daemon.run_ipseckey("flush")
    run("ip", "netns", "exec", "b", "ip", "route", "flush", "cache")

# The kernel behind a NAT, ipsecd beyond it; then the reverse.
linux_end("a", (INNER_A, INNER_B), (A, B), "10.91.0.2")
encapsulated = nat_socket("a", 4500)
load(behind_nat(), "a")
daemon.load(beyond_nat(6000))


def again(text):
    daemon.run_ipseckey("flush")
    daemon.load(text)


change_port(again)
with inside("a"):
    keep_alive = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
with contextlib.closing(keep_alive):
    keep_alive.sendto(b"\xff", (B, 4500))
daemon.wait("the keep-alive", lambda: daemon.status()["in"]["dropped"] == {"keep_alive": 1})
ipseckey("flush", netns="a")
ip_batch("a", ["xfrm policy flush"])


def kernel_behind(mine, theirs):
    daemon.run_ipseckey("flush")
    load(mine, "a")
    daemon.load(theirs)


daemon.take(f"{NAT}/32")
host_policies("a", A, B)
transport(kernel_behind)
daemon.stop()
encapsulated.close()
ipseckey("flush", netns="a")
ip_batch("a", ["xfrm policy flush", f"addr del {INNER_A}/32 dev lo"])
run("ip", "-n", "b", "rule", "del", "not", "fwmark", "0x50", "table", "50")

daemon = ipsecd_end("a", INNER_A, INNER_B)
linux_end("b", (INNER_B, INNER_A), (B, NAT), "203.0.113.1")
encapsulated = nat_socket("b", 4500)
daemon.load(behind_nat())
load(beyond_nat(6000), "b")


def again_in_the_kernel(text):
    ipseckey("flush", netns="b")
    load(text, "b")


change_port(again_in_the_kernel)
ipseckey("flush", netns="b")
ip_batch("b", ["xfrm policy flush"])


def kernel_beyond(mine, theirs):
    daemon.run_ipseckey("flush")
    load(theirs, "b")
    daemon.load(mine)


daemon.take(f"{B}/32")
host_policies("b", B, NAT)
transport(kernel_beyond)
daemon.stop()
encapsulated.close()
finish("a narrow hop and a NAT lie between the kernel and ipsecd")
