#!/usr/bin/env python3
"""The commands that README, CONTRIBUTING and doc/ print, and how each is run after ./quickstart.

usage: commands.py quick|all
Runs them one after the other in this checkout, as ./quickstart left it, and reports which failed. `quick` leaves out
those that need a guest or the packages of the tests. Commands that take long as printed get small arguments. The script
installs packages and the program, so run it on a machine that can be thrown away, such as tools/distro creates.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 3600  # Seconds for one command, on a busy machine.


def documents() -> list:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "doc").rglob("*.md"))]


class Row(NamedTuple):
    """A printed command, or the prompt lines of one block that belong together, each on a line of its own."""
    printed: str
    when: str = "quick"  # Or "all"; or "elsewhere": `why` names the place where it is run.
    instead: str = ""  # What is run, if it differs from what is printed...
    why: str = ""  # ...and why.
    before: str = ""  # What the document assumes, as shell commands...
    package: str = ""  # ...and a Debian package that most machines have.


KEYS_OF_TUNNEL = r"""umask 077; sed -n '/^add esp spi 0x100[12] /p' doc/reference/dataplane.md |
  while read -r line; do echo "${line%...}$(od -An -tx1 -N20 /dev/urandom | tr -d ' \n')"; done >keys"""
RULES = "sed -n '/^order file$/,/^END$/p' doc/howto/protect-with-rules.md | sed '$d' >rules"
# A network of its own, with the address of the first host.
HOST = ("ip link set lo up; ip link add cable type veth peer name far; ip link set far up; "
        "ip address add 192.0.2.1/24 dev cable; ip link set cable up")
# The documents assume here that the program is installed.
INSTALLED = "rm -rf /run/ipsecd; mkdir -p /run/ipsecd; PATH=$PWD/build/bin:$PATH"
INSTALL = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "--no-install-recommends", "install")
UNITS = "no service manager runs in such a root, so nothing can be started; tests/boot boots one"
# Waits, like a person: the status socket is the last thing that ipsecd opens.
AWAIT = "daemon=$!; until [ -S {}.status ]; do kill -0 $daemon; sleep 0.1; done"
SERVING = f"{HOST}; {INSTALLED}\nipsecd --tun ipsec0 &\n{AWAIT.format('/run/ipsecd/pfkey.sock')}"

TABLE = (
    Row("./quickstart", "elsewhere", why="tools/distro"),
    Row("./test", "elsewhere", why=".ci/run"),
    Row("tools/distro bookworm", "elsewhere", why="tools/release-check"),
    Row("tools/distro trixie ./test", "elsewhere", why="tools/release-check"),
    Row("tools/cross-arm64", "elsewhere", why="tools/distro"),
    Row("tools/release-check", "elsewhere", why="CONTRIBUTING.md: by hand, before a release"),
    Row("tools/mutants", "elsewhere", why="tools/release-check"),
    Row("tools/draw-folders --update"),
    Row("tools/draw-parts --update"),
    # README: the first five minutes.
    Row("""build/bin/ipsecd --socket ~/pfkey.sock &
export IPSECKEY_SADB=ipsecd:$HOME/pfkey.sock
umask 077; cat > keys <<'END'
build/bin/ipseckey -c keys
build/bin/ipseckey -f keys
build/bin/ipseckey -p dump
build/bin/ipseckey -s saved
build/bin/ipseckey delete-pair esp spi 0x2112 dst 192.0.2.2
build/bin/ipseckey"""),
    # README: install.
    Row("cmake --build build --target installable"),
    Row("cmake --build build --target manual"),
    Row("man -l build/texts/man/ipseckey.8", package="man-db"),
    Row("./package"),
    Row("apt install ./build/package/ipseckey_*.deb", instead="yes | apt install ./build/package/ipseckey_*.deb",
        why="it asks whether to go on"),
    Row("install -m 600 my-keys /etc/inet/secret/ipseckeys", before="cp share/examples/ipseckeys my-keys"),
    Row("systemctl enable --now ipsecd.socket", instead="systemctl enable ipsecd.socket", why=UNITS),
    Row("systemctl enable --now ipsec-manual-key", instead="systemctl enable ipsec-manual-key", why=UNITS),
    Row("man ipseckey", package="man-db"),
    Row("cmake --install build --prefix /usr/local"),  # After the package, whose units it would hide.
    # doc/reference/dataplane.md: one of the two hosts. tests/dataplane and ./quickstart send packets between two of them.
    Row("""ipsecd --tun ipsec0 &
ipseckey -f keys
ip address add 10.1.0.1/32 dev ipsec0
ip route add 10.2.0.0/16 dev ipsec0 src 10.1.0.1""", before=f"{KEYS_OF_TUNNEL}; {HOST}; {INSTALLED}"),
    Row("cat keys", before=KEYS_OF_TUNNEL),
    Row("""ipsecd --tun ipsec0 --mark 0x50 &
ip route add 192.0.2.2 dev ipsec0 table 50
ip rule add not fwmark 0x50 table 50""", before=f"{HOST}; {INSTALLED}"),
    Row("""ipsecd status
curl --unix-socket /run/ipsecd/pfkey.sock.status http://ipsecd/metrics""",
        package="curl", before=SERVING),
    # The tutorials, typed whole.
    Row("doc/tutorial/two-hosts.md", "elsewhere", why="tests/documents/tutorials_test.py"),
    Row("doc/tutorial/ospfv3.md", "elsewhere", why="tests/documents/tutorials_test.py"),
    Row("doc/tutorial/service.md", "elsewhere", why="tests/documents/tutorials_test.py"),
    # doc/howto.
    Row("systemctl enable --now ipsecd.service", instead="systemctl enable ipsecd.service", why=UNITS),
    Row("ipsecd status", before=SERVING),
    Row("journalctl -u ipsecd", "elsewhere", why="tests/boot/case.sh"),
    Row("ipseckey -c /etc/inet/secret/ipseckeys"),  # Installed above.
    Row("ipseckey apply --dry-run /etc/inet/secret/ipseckeys", before=SERVING),
    Row("umask 077; ipseckey genkey sha256 > /etc/inet/secret/west.key"),
    Row("ipseckey -c share/examples/nat-traversal", before=INSTALLED),
    Row("ipsecd --tun ipsec0", instead="ipsecd --tun ipsec0 &", why="it stays in the foreground", before=f"{HOST}; {INSTALLED}"),
    Row("ipseckey doctor", before=SERVING),
    Row("umask 077; ipseckey --json dump > sas.json", before=SERVING),
    Row("ipseckey flush", before=SERVING),
    Row("ipseckey -f sas.json", before=f"{SERVING}; umask 077; ipseckey --json dump > sas.json"),
    Row("ipseckey --sadb=kernel -s saved", "elsewhere", why="tests/vm/save_case.py"),
    Row("""cat > rules <<'END'
ipsecconf -c rules""", before=INSTALLED),
    Row("""ipsecconf --sadb=kernel --dry-run apply rules
ipsecconf --sadb=kernel apply rules
ipsecconf --sadb=kernel -L""", before=f"{HOST}; {INSTALLED}; {RULES}"),
    Row("""ipsecconf --sadb=kernel explain from 192.0.2.1 to 192.0.2.2 proto tcp dport 443 out
ipsecconf --sadb=kernel doctor""", before=f"{HOST}; {INSTALLED}; {RULES}; ipsecconf --sadb=kernel apply rules"),
    Row("ipsecconf prove --respond", "elsewhere", why="tests/dataplane/prove_test.py"),
    Row("ipsecconf prove", "elsewhere", why="tests/dataplane/prove_test.py"),
    Row("ipsecconf prove --rule 3", "elsewhere", why="tests/dataplane/prove_test.py"),
    Row("ipsecconf prove --peer 192.0.2.2", "elsewhere", why="tests/dataplane/prove_test.py"),
    Row("ipsecconf prove /etc/inet/ipsecinit.conf", "elsewhere", why="tests/dataplane/prove_test.py"),
    Row("install -m 644 rules /etc/inet/ipsecinit.conf", before=RULES),
    Row("systemctl enable --now ipsec-policy", instead="systemctl enable ipsec-policy", why=UNITS),
    Row("systemctl disable ipsec-policy"),
    Row("ipsecconf unload", before=f"{INSTALLED}; {RULES}; ipsecconf --sadb=kernel apply rules"),
    # The library. The last row of ./package above built it.
    Row("apt install ./build/package/libipseckey*_*.deb", instead="yes | apt install ./build/package/libipseckey*_*.deb",
        why="it asks whether to go on"),
    Row("""c++ -std=c++23 share/examples/api/push_keys.cc -o push_keys $(pkg-config --cflags --libs ipseckey)
./push_keys share/examples/ipseckeys memory"""),
    # CONTRIBUTING.
    Row("tools/install-deps unit && cmake -S . -B build -DIPSECKEY_TESTS=ON"),
    Row("tools/two-hosts"),
    Row("cmake --build build --target lang_test && build/bin/lang_test --gtest_filter='Keys.*'"),
    Row("export CMAKE_CXX_COMPILER_LAUNCHER=ccache"),
    Row("bench/control", instead="bench/control 2000", why="a million SAs take minutes, and gigabytes of disk"),
    Row("tools/format", "all"),
    Row("tools/tidy build 'src/lang'", "all"),
    Row("bench/kernel", "all", instead="bench/kernel 1000", why="100,000 SAs take minutes"),
    Row("bench/limits", "all", instead="bench/limits --rounds 1 --seconds 1 udp raw pieces datagrams hook", why="an hour, and a million SAs"),
    Row("bench/guard --update", "elsewhere", why="bench/CMakeLists.txt"),
    Row("./test -R guard", "all"),
    Row("bench/ciphers", "all", instead="bench/ciphers 0.001", why="a minute, and other figures only"),
    Row("fuzz/run 60", "all", instead="fuzz/run 1", why="a minute for each target"),
    Row("bench/soak 3600", "all", instead="bench/soak 30", why="two hours"),
    Row("bench/soak --seed 15 --seconds 60", "all"),
    Row("tests/vm/run build/bin/ipseckey tests/vm/load_case.py", "all"),
    Row("./test -R pfkey", "all"),
    Row("./test -R '^boot$'", "all"),
)

# Commands within a sentence begin so. A program name without arguments does not count.
STARTS = ("./", "bench/", "fuzz/", "tools/", "tests/vm/run", "cmake ", "ctest ", "man -l ", "export ")


def is_command(inline: str) -> bool:
    placeholder = re.search(r"[A-Z]{4,}|\.\.\.", inline.replace("CMAKE_CXX_COMPILER_LAUNCHER", ""))
    if not inline.startswith(STARTS) or not re.search(r" [^- ]", inline) or placeholder:
        return False
    path = ROOT / inline.split()[0]
    return not inline.startswith(STARTS[:5]) or (path.is_file() and os.access(path, os.X_OK))


def sessions_of(document: pathlib.Path) -> list:
    """The commands of a document, in the form of rows. The prompts of a tutorial are one session, which another test types."""
    text, name = document.read_text(), document.relative_to(ROOT).as_posix()
    if not name.startswith("doc/tutorial/"):
        return printed(text)
    return [name, *printed(re.sub(r"^```\n[#$] .*?^```$", "", text, flags=re.M | re.S))]


def without_comment(line: str) -> str:
    return re.sub(r"(^|\s{2,})#\s.*$", "", line).rstrip()


def printed(text: str) -> list:
    """The commands of a document, in the form of rows: a block with prompts is one; otherwise each line is one."""
    found, fence = [], None
    for line in text.splitlines():
        if line.strip().startswith("```"):
            if fence is None:
                fence = [] if line.strip() == "```" else ["{"]  # A language other than the shell's.
                continue
            found += commands_of_block(fence)
            fence = None
        elif fence is not None:
            fence.append(line.strip())
        else:
            found += [c for c in re.findall(r"`([^`]+)`", line) if is_command(c)]
    return found


def commands_of_block(lines: list) -> list:
    if not lines or lines[0].startswith(("add ah ", "add esp ")):  # A file of keys.
        return []
    if lines[0].startswith(("$ ", "# ")):
        typed, end = [], None
        for line in lines:
            if end is not None:
                end = None if line == end else end
            elif line.startswith(("$ ", "# ")):
                typed.append(without_comment(line[2:]))
                here = re.search(r"<<'?(\w+)'?$", line)
                end = here and here[1]
        return ["\n".join(typed)]
    if re.match(r"(\./|\w+/)?[\w-]+( |$)", lines[0]) and all(line.isascii() for line in lines):
        return [c for c in map(without_comment, lines) if c]
    return []


def bodies(text: str) -> dict:
    """Each line that opens a here-document, with the whole of it."""
    return {m[1]: m[0][2:] for m in re.finditer(r"^\$ (.*<<'?(\w+)'?).*\n(?:.*\n)*?\2$", text, re.M)}


def script(row: Row) -> str:
    """The input of a shell: the lines as typed."""
    whole = {}
    for document in documents():
        whole.update(bodies(document.read_text()))
    lines = ["set -e", row.before]
    for line in (row.instead or row.printed).splitlines():
        lines.append(whole.get(line, line))
        if line.endswith("&"):
            socket = re.search(r"--socket (\S+)", line)
            lines.append(AWAIT.format(socket[1] if socket else "/run/ipsecd/pfkey.sock"))
    return "\n".join(lines) + "\n"


def run(row: Row) -> bool:
    """Runs the row, in a network of its own if it creates interfaces."""
    apart = ["unshare", "--net"] if HOST in row.before else []
    print(f"\n$ {row.instead or row.printed}", flush=True)
    begin = time.monotonic()
    if row.package:
        subprocess.run([*INSTALL, row.package], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    ended = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        done = subprocess.run([*apart, "bash", "-c", ended + script(row)], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=DEADLINE,
                              stdout=said, stderr=subprocess.STDOUT, check=False)
        said.seek(0)
        lines = said.read().splitlines()
    print("\n".join("  " + line for line in (lines[-4:] if done.returncode == 0 else lines)))
    verdict = "ok" if done.returncode == 0 else f"failed, status {done.returncode}"
    print(f"  {verdict}, {time.monotonic() - begin:.0f} s", flush=True)
    return done.returncode == 0


def main() -> int:
    if sys.argv[1:] not in (["quick"], ["all"]):
        print(__doc__, file=sys.stderr)
        return 2
    rows = [row for row in TABLE if row.when in ("quick", sys.argv[1])]
    failed = [row.printed for row in rows if not run(row)]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} printed commands work." + "".join(f"\n  {command}" for command in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
