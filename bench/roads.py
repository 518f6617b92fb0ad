"""The ways between two hosts that the benchmarks measure. Each is a context in which packets to the address that it yields cross it."""
import contextlib
import os
import pathlib
import select
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("IPSECKEY_BIN", str(HERE / "build" / "bin"))
sys.path.insert(0, str(HERE / "tests" / "dataplane"))
sys.dont_write_bytecode = True
import hosts  # noqa: E402
from hosts import DEADLINE, Pair, wait_for  # noqa: E402

BEHIND = "10.2.0.1"  # An address of b that is only reached through the tunnel.

CHARON = "/usr/lib/ipsec/charon"
STRONGSWAN_CONF = """
charon {
  load = random nonce openssl kdf kernel-libipsec kernel-netlink socket-default vici
  install_virtual_ip = no
  filelog { stderr { default = -1 } }
  plugins { vici { socket = unix://SOCKET } }
}
swanctl { load = random openssl }
"""
SWANCTL_CONF = """
connections { peer {
  version = 2
  local_addrs = HERE
  remote_addrs = THERE
  proposals = aes128gcm16-prfsha256-x25519
  local { auth = psk
          id = HERE }
  remote { auth = psk
           id = THERE }
  children { inside { local_ts = INSIDE_HERE/32
                      remote_ts = INSIDE_THERE/32
                      esp_proposals = aes128gcm16 } }
} }
secrets { ike { secret = a-secret-of-this-benchmark } }
"""
UDP = " encap udp nat_lport 4500 nat_rport 4500"
GCM = "ipsec { encr_algs aes-gcm"


@contextlib.contextmanager
def program(host, *words, **more):
    """A program inside the host's namespace, ended by its process id."""
    running = subprocess.Popen(["ip", "netns", "exec", host.netns, *map(str, words)], stdout=subprocess.PIPE, text=True, **more)
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=DEADLINE)


def wait_for_line(running, wanted):
    """Until the program has printed a line with that word; an error if it ends first."""
    ready, _, _ = select.select([running.stdout], [], [], DEADLINE)
    while line := running.stdout.readline() if ready else "":
        if wanted in line:
            return
    raise RuntimeError(f"{running.args} did not become ready")


@contextlib.contextmanager
def cable():
    with contextlib.closing(Pair()) as pair:
        yield pair, "192.0.2.2"


@contextlib.contextmanager
def strongswan():
    """ESP in UDP by two charon, with kernel-libipsec. Each has a /run of its own, where it stores its process id."""
    with contextlib.closing(Pair()) as pair, contextlib.ExitStack() as running:
        environments = []
        for host, here, there in ((pair.a, 1, 2), (pair.b, 2, 1)):
            host.ip("addr", "add", f"10.{here}.0.1/32", "dev", "lo")
            socket = host.folder / f"{host.name}.vici"
            (host.folder / f"{host.name}.conf").write_text(STRONGSWAN_CONF.replace("SOCKET", str(socket)))
            text = SWANCTL_CONF.replace("INSIDE_HERE", f"10.{here}.0.1").replace("INSIDE_THERE", f"10.{there}.0.1")
            text = text.replace("THERE", f"192.0.2.{there}").replace("HERE", f"192.0.2.{here}")
            (host.folder / f"{host.name}.swanctl").write_text(text)
            environments.append({**os.environ, "STRONGSWAN_CONF": str(host.folder / f"{host.name}.conf")})
            running.enter_context(program(host, "unshare", "--mount", "sh", "-c", f"mount -t tmpfs none /run && exec {CHARON}",
                                          env=environments[-1], stderr=subprocess.DEVNULL))
            wait_for("charon", socket.exists)

        def swanctl(host, environment, *words):
            ended = subprocess.run(["swanctl", *words, "--uri", f"unix://{host.folder / host.name}.vici"], env=environment,
                                   capture_output=True, text=True, timeout=DEADLINE)
            if ended.returncode != 0:
                raise RuntimeError(f"swanctl {words[0]}: {ended.stdout}{ended.stderr}")
            return ended.stdout

        for host, environment in zip((pair.a, pair.b), environments):
            swanctl(host, environment, "--load-all", "--file", str(host.folder / f"{host.name}.swanctl"))
        swanctl(pair.a, environments[0], "--initiate", "--child", "inside")
        if "TUNNEL-in-UDP, ESP:AES_GCM_16-128" not in (told := swanctl(pair.a, environments[0], "--list-sas")):
            raise RuntimeError(f"strongSwan has another kind of tunnel: {told}")
        yield pair, BEHIND


def tunnel_sas(more="", spare=0):
    """SAs of a tunnel between the two hosts' networks, both ways, and `spare` others that carry nothing."""
    key = "000102030405060708090a0b0c0d0e0f101112"
    yield from (f"add esp spi {0x1000 + n} src 192.0.2.{1 + n} dst 192.0.2.{2 - n} isrc 10.{1 + n}.0.0/16 idst 10.{2 - n}.0.0/16 "
                f"encralg aes-gcm encrkey {key}0{n} replay 64{more}\n" for n in (0, 1))
    yield from (f"add esp spi {0x10000 + n} src 192.0.2.2 dst 198.51.100.{n % 250} isrc 10.9.{n // 250 % 250}.{n % 250} "
                f"idst 10.8.0.0/16 encralg aes-gcm encrkey {n:032x}00000000\n" for n in range(spare))


def tunnel_rules(ends):
    """For each host ten rules, of which the last one protects the tunnel's traffic."""
    for here, there in ((1, 2), (2, 1)):
        others = "".join(f"{{ laddr 10.{here}.0.0/16 raddr 172.16.{n}.0/24 }} {GCM}{ends.format(here=here, there=there)} }}\n" for n in range(9))
        yield others + f"{{ laddr 10.{here}.0.0/16 raddr 10.{there}.0.0/16 }} {GCM}{ends.format(here=here, there=there)} }}\n"


@contextlib.contextmanager
def ipsecd(*options, more="", rules=False, spare=0, build=None):
    """Two ipsecd with a device each. `more`: for the SAs; `rules`: ten are loaded; `spare`: further SAs in each table."""
    hosts.BIN = pathlib.Path(build or HERE / "build") / "bin"
    with contextlib.closing(Pair()) as pair:
        pair.start(*options)
        for host, text in zip((pair.a, pair.b), tunnel_rules(" tsrc 192.0.2.{here} tdst 192.0.2.{there}")):
            host.load("".join(tunnel_sas(more, spare)))
            if rules:
                host.rules(text)
        yield pair, BEHIND


@contextlib.contextmanager
def hook(*options, more=""):
    """Two ipsecd that netfilter passes packets to. Opened packets arrive through ipsecd's device."""
    hosts.BIN = HERE / "build" / "bin"
    with contextlib.closing(Pair()) as pair:
        for number, (host, text) in enumerate(zip((pair.a, pair.b), tunnel_rules(" tsrc 192.0.2.{here} tdst 192.0.2.{there}")), 1):
            host.start("--hook", *options)
            host.ip("addr", "add", f"10.{number}.0.1/32", "dev", "lo")
            host.ip("route", "add", f"10.{3 - number}.0.0/16", "via", f"192.0.2.{3 - number}", "src", f"10.{number}.0.1")
            host.load("".join(tunnel_sas(more)))
            host.rules(text)
        yield pair, BEHIND


@contextlib.contextmanager
def bare(way):
    """The loop without ciphers; `way`: "udp", or "xdp"."""
    with contextlib.closing(Pair()) as pair, contextlib.ExitStack() as running:
        for number, host, other in ((1, pair.a, pair.b), (2, pair.b, pair.a)):
            mac = [word for word in other.ip("-br", "link", "show", "dev", "cable").split() if word.count(":") == 5]
            started = running.enter_context(
                program(host, HERE / "build" / "bin" / "bare_tunnel", way, "ipsec0", f"192.0.2.{number}", f"192.0.2.{3 - number}",
                        *(("cable", *mac) if way == "xdp" else ())))
            wait_for_line(started, "ready")
            host.ip("link", "set", "ipsec0", "mtu", "1400", "up")
            pair.give_addresses(host)
        yield pair, BEHIND
