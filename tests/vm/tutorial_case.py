"""The OSPFv3 tutorial, typed on two routers as printed: from then on OSPF crosses the link as ESP or not at all."""
import os
import pathlib
import shutil

import session
from guest import IPSECKEY, contains, expect, finish, ipseckey, run
from netns import OSPF, enter, hello, ip_batch, link_protocols, ospf_arrives

HERE = pathlib.Path(__file__).resolve().parent
ROUTERS = {"a": "fe80::1", "b": "fe80::2"}
SECTIONS = (HERE / "tutorial/ospfv3.md").read_text().split("\n## ")[1:]


def router(name):
    """A shell on a router, in a folder that looks like a checkout."""
    folder = pathlib.Path("/tmp", name)
    shutil.copytree(HERE / "examples", folder / "share/examples")
    programs = folder / "programs"
    programs.mkdir()
    shutil.copy(IPSECKEY, programs / "ipseckey")
    os.symlink("ipseckey", programs / "ipsecconf")
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    return session.Shell(folder, environment, user=lambda: enter(name))


def play(shell, section):
    """Types the commands of a section; each must print what the tutorial shows."""
    found = [step for block in session.sessions(section) for step in session.steps(block)]
    for step in found:
        expect(step.command, shell.run(step), "")
    return len(found)


run("ip", "netns", "add", "a")
run("ip", "netns", "add", "b")
run("ip", *"link add eth0 netns a type veth peer name eth0 netns b".split())
for name, address in ROUTERS.items():
    ip_batch(name, ["link set lo up", "link set eth0 up", f"addr add {address}/64 dev eth0 nodad"])
shells = {name: router(name) for name in ROUTERS}

count = 0
for section in SECTIONS:
    if section.startswith("2. "):  # Written on one router, and copied.
        count += play(shells["a"], section)
        shutil.copy("/tmp/a/ospfv3", "/tmp/b/ospfv3")
        os.chmod("/tmp/b/ospfv3", 0o600)
    else:
        count += play(shells["a"], section)
        play(shells["b"], section)
expect("commands of the tutorial", count, 6)

for start, end, dst in (("a", "b", "ff02::5"), ("b", "a", "ff02::6"), ("a", "b", "fe80::2"), ("b", "a", "fe80::1")):
    seen, got = ospf_arrives((start, "eth0"), (end, "eth0"), ROUTERS[start], dst)
    expect(f"the link, OSPF to {dst}", seen, {50})
    expect(f"OSPF to {dst}", got, [bytes(44)])
ip_batch("b", ["xfrm policy flush"])
expect("the link without policies of the sender", link_protocols(("a", "eth0"), lambda: hello("b", "eth0", "fe80::2", "fe80::1"), OSPF),
       {OSPF})
contains("the receiver drops what is unprotected", ipseckey("doctor", netns="a"), "XfrmInTmplMismatch")
for shell in shells.values():
    shell.end()
finish("the tutorial of OSPFv3")
