"""Two network namespaces, one key file at both ends: ping and TCP pass with the SA and fail without it. Counters, byte
limits, expiry and monitor are the kernel's."""
import subprocess
import time

from guest import CIPHERS, IPSECKEY, MACS, contains, expect, finish, ipseckey, key, load, run

A4, B4, A6, B6 = "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"


def ip(*words):
    run("ip", *" ".join(words).split())


for name, other in (("a", "b"), ("b", "a")):
    ip("netns add", name)
ip("link add ethA netns a type veth peer name ethB netns b")
for netns, device, v4, v6 in (("a", "ethA", A4, A6), ("b", "ethB", B4, B6)):
    ip("-n", netns, "addr add", v4 + "/24 dev", device)
    ip("-n", netns, "addr add", v6 + "/64 dev", device, "nodad")
    ip("-n", netns, "link set", device, "up")
    ip("-n", netns, "link set lo up")


def policies(proto, mode, a, b):
    for netns, here, there in (("a", a, b), ("b", b, a)):
        ip("-n", netns, "xfrm policy flush")
        for way, src, dst in (("out", here, there), ("in", there, here)):
            ends = f"src {src} dst {dst}" if mode == "tunnel" else ""
            # Neighbour discovery stays outside: without addresses nothing could be protected.
            for upper in ("icmp" if ":" not in a else "ipv6-icmp type 128", "tcp",
                          "" if ":" not in a else "ipv6-icmp type 129"):
                if upper:
                    ip("-n", netns, f"xfrm policy add src {src} dst {dst} proto {upper} dir {way} tmpl {ends} proto {proto}"
                       f" mode {mode}")


def ping(a, b):
    done = subprocess.run(["ip", "netns", "exec", "a", "busybox", "ping", "-c", "1", "-W", "1", "-I", a, b], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


SERVER = "import socket,sys\ns=socket.create_server((sys.argv[1],5001),family=(socket.AF_INET6 if ':' in sys.argv[1] " \
         "else socket.AF_INET))\nprint('ready',flush=True)\nc=s.accept()[0]\nd=c.recv(100,socket.MSG_WAITALL)\nc.sendall(d[::-1])\n"
CLIENT = "import socket,sys\nc=socket.create_connection((sys.argv[1],5001),3)\nc.sendall(bytes(range(100)))\n" \
         "sys.exit(c.recv(100,socket.MSG_WAITALL)!=bytes(range(100))[::-1])\n"


def tcp(b):
    with subprocess.Popen(["ip", "netns", "exec", "b", "/usr/bin/python3", "-c", SERVER, b],
                          stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        client = subprocess.run(["ip", "netns", "exec", "a", "/usr/bin/python3", "-c", CLIENT, b], check=False,
                                stderr=subprocess.DEVNULL)
        server.kill()
    return client.returncode == 0


def pair(satype, a, b, algorithms, mode, extra=""):
    inner = f"isrc {a} idst {b}", f"isrc {b} idst {a}"
    return "\n".join(f"add {satype} spi {spi} src {src} dst {dst} {algorithms} {inner[i] if mode == 'tunnel' else ''} {extra}"
                     for i, (spi, src, dst) in enumerate(((0x501, a, b), (0x502, b, a)))) + "\n"


def flush():
    for netns in ("a", "b"):
        ipseckey("flush", netns=netns)


for end in (B4, B6):
    # The devices have only just come up, and an IPv6 address is looked for twice over before it can be used.
    start, reached = time.monotonic(), False
    while not reached and time.monotonic() < start + 20:
        reached = ping(A4 if end == B4 else A6, end)
    expect("ping without policies", reached, True)
passed = 0
esp = [(name, f"encr_alg {name}" + (f" encrkey {key(bits + salt)}" if bits else "") +
        ("" if icv else f" auth_alg hmac-sha256 authkey {key(256)}")) for name, bits, salt, _, icv in CIPHERS]
ah = [(name, f"auth_alg {name} authkey {key(bits)}") for name, bits, _, _ in MACS]
for satype, algorithms in (("esp", esp), ("ah", ah)):
    for mode in ("transport", "tunnel"):
        for a, b in ((A4, B4), (A6, B6)):
            policies(satype, mode, a, b)
            flush()
            expect(f"{satype} {mode} {b}: no ping without an SA", ping(a, b), False)
            for i, (name, words) in enumerate(algorithms):
                flush()
                for netns in ("a", "b"):
                    load(pair(satype, a, b, words, mode), netns)
                expect(f"{satype} {mode} {b} {name}: ping", ping(a, b), True)
                if i == len(algorithms) - 1:
                    expect(f"{satype} {mode} {b} {name}: tcp", tcp(b), True)
                passed += 1

# Counters and limits are the kernel's.
flush()
policies("esp", "transport", A4, B4)
gcm = dict(esp)["aes-gcm"]
for netns in ("a", "b"):
    load(pair("esp", A4, B4, gcm, "transport", "soft_packets 3 hard_packets 5"), netns)
with open("/tmp/heard", "w", encoding="ascii") as heard, \
        subprocess.Popen(["ip", "netns", "exec", "a", IPSECKEY, "--sadb=kernel", "-n", "monitor"], stdout=heard,
                         stderr=subprocess.PIPE, text=True) as monitor:
    monitor.stderr.readline()  # It says that it listens.
    end = time.monotonic() + 10
    while "X_PROMISC" not in open("/tmp/heard", encoding="ascii").read() and time.monotonic() < end:
        pass
    expect("ping under the limit", [ping(A4, B4) for _ in range(2)], [True, True])
    contains("counters", ipseckey("-v", "get", "esp", "spi", "0x501", "dst", B4, netns="a"), "2 ")
    for _ in range(6):
        ping(A4, B4)
    expect("ping beyond the limit", ping(A4, B4), False)
    ipseckey("flush", "esp", netns="a")
    end = time.monotonic() + 10
    while "FLUSH" not in open("/tmp/heard", encoding="ascii").read() and time.monotonic() < end:
        pass
    monitor.terminate()
heard = open("/tmp/heard", encoding="ascii").read()
contains("what monitor heard", heard, "EXPIRE soft esp spi 0x501", "EXPIRE hard esp spi 0x501", "FLUSH")
finish(f"{passed} combinations of algorithm, protocol, mode and family carry traffic; limits and events are real")
