"""The transcripts (tests/transcripts) on both SADBs: the same commands to ipsecd and to the kernel, whose output must be the
same, except for the differences that doc/reference/sadbs.md lists. Each of those has a row here, and must occur."""
import difflib
import os
import re
import shlex
import shutil
import subprocess

from guest import IPSECKEY, expect, finish, forward, run as must

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = """127.0.0.1 localhost
192.0.2.1 me.example.com me.domain.com
192.0.2.2 you.example.com you.domain.com mypeer
198.51.100.1 twins.example.net
198.51.100.2 twins.example.net
198.51.100.7 both.example.net
2001:db8::7 both.example.net
2001:db8::6 six.example.net
"""

# Output for people, with the SADB's name and the time replaced by what is the same on both.
SAME = ((r"ipsecd:/tmp/pfkey\.sock|\bkernel\b", "SADB"),
        (r"(\"(?:addtime|usetime|time)\": ?)\d+", r"\1N"),
        (r"(added|first use|since add|since use|soft due|hard due|in seconds)( +)\S.*", r"\1\2WHEN"),
        (r"\b\d+ seconds?( ago| left)?\b", "WHEN"),
        (r"\(pid \d+\)|pid +\d+|\"pid\": ?\d+", "PID"))

# The transcripts' steps of the clock and events while somebody monitors are for the engine's own tests; fresh keys are never
# the same.
LEFT_OUT = ("monitor", "passive_monitor", "pmonitor", "doctor", "genkey")


def commands(path):
    """(words, standard input) of each command; files are created on the way. A step of the clock, or something that only the
    transcripts' laboratory can do, ends the session."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    given, n = None, 0

    def block(n):
        end = lines.index("end", n)
        return "".join(line + "\n" for line in lines[n:end]), end

    while n < len(lines):
        line = lines[n]
        if line.startswith("@"):
            return
        if line.startswith("file "):
            text, n = block(n + 1)
            yield "file", line.split()[1], text
        elif line in ("stdin", "meanwhile"):
            text, n = block(n + 1)
            given = text if line == "stdin" else given
        elif line.startswith("$ "):
            words = shlex.split(line[2:])
            if words[0] not in ("ipseckey", "ipsecalgs") and not shutil.which(words[0]):
                return  # It creates packets in ipsecd's memory.
            yield "run", words, given
            given = None
        n += 1


def run(sadb, folder, words, given):
    name = words[0]
    if name in ("ipseckey", "ipsecalgs"):
        words = [f"/tmp/{name}"] + words[1:]
    done = subprocess.run(words, cwd=folder, input=(given or "").encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "IPSECKEY_SADB": sadb}, check=False, timeout=100)
    return f"{done.stdout.decode(errors='replace')}[status {done.returncode}]\n"


# Differences that doc/reference/sadbs.md names, each with what makes them equal.
DIFFERENT = (
    ("a direction that nobody gave: both for ipsecd, none for the kernel",
     r" inbound outbound|, inbound and outbound|inbound, outbound(, )?", ""),
    ("bits of sadb_sa_flags: with the directions", r"^  flags .*\n|\"flags\":\d+,\"flag_names\":\[.*?\],?", ""),
    ("the default of idle_addtime: half of hard_addtime for ipsecd", r"^  idle +after .*: the default, half of hard\n", ""),
    ("an idle limit is kept and not enforced by the kernel", r"^.*idle limits will not be enforced.*\n|, \d+ warnings?", ""),
    ("an update that gives a window: the kernel takes none, whatever the SA",
     r"\d+:\d+: error: (?:One of the entered values is incorrect: Diagnostic code 81: the replay value cannot be accepted; "
     r"a replay window needs integrity: one forged sequence number would disable the SA|the SADB refuses: Operation not supported "
     r"\(EOPNOTSUPP\); Linux cannot change the replay window of an SA)", "error: WINDOW"),
    ("a label: the kernel has one reason more", r"; the SADB cannot store a label for the protected packets", ""),
)
# A saved direction makes lines break elsewhere: messages about a saved file are compared without the position.
OTHER_PLACES = "places in a saved file: where the directions stand"
occurred = set()


def even(match):
    """A DES key without its parity bits: ipsecd corrects them."""
    return re.sub("..", lambda pair: f"{int(pair[0], 16) & 0xfe:02x}", match[1]) + match[2]


def plain(text, saved):
    """The rest after the intended differences are removed; `saved` are names of files that were saved."""
    text = text.replace(" \\\n    ", " ")
    for pattern, instead in SAME:
        text = re.sub(pattern, instead, text)
    for name, pattern, instead in DIFFERENT:
        text, times = re.subn(pattern, instead, text, flags=re.MULTILINE)
        occurred.update([name] if times else [])
    for name in saved:
        text, times = re.subn(rf"^{name}:\d+(:\d+)?: |\bline \d+\b", f"{name}: ", text, flags=re.MULTILINE)
        occurred.update([OTHER_PLACES] if times else [])
    text = re.sub(r"\b((?:[0-9a-f]{16}){1,3})(/64|/192)\b", even, text)
    return re.sub(r"(?<=\S)[ -]*$", "", re.sub(r"(?<=\S) {2,}", " ", text), flags=re.MULTILINE)


def both(path):
    """(what was run, the output for ipsecd's user, the output for the kernel's user) for each command that is compared."""
    sadbs = ("ipsecd:/tmp/pfkey.sock", "kernel")
    folders = [f"/tmp/same/{os.path.basename(path)}-{i}" for i in range(2)]
    for sadb, folder in zip(sadbs, folders):
        os.makedirs(folder)
        run(sadb, folder, ["ipseckey", "flush"], None)
    saved = set()
    for kind, *rest in commands(path):
        if kind == "file":
            for folder in folders:
                with open(os.open(f"{folder}/{rest[0]}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                          encoding="utf-8") as file:
                    file.write(rest[1])
            continue
        words, given = rest
        if any(word in LEFT_OUT for word in words) or "genkey" in (given or ""):
            continue
        if "save" in words or "-s" in words:
            saved.add(words[-1])
        read = saved.intersection(words[1:])
        yield [" ".join(words), *(plain(run(sadb, folder, words, given), read) for sadb, folder in zip(sadbs, folders))]


with open("/tmp/hosts", "w", encoding="ascii") as file:
    file.write(HOSTS)
with open("/tmp/nsswitch", "w", encoding="ascii") as file:
    file.write("hosts: files\n")
forward()
must("mount", "--bind", "/tmp/hosts", "/etc/hosts")
must("mount", "--bind", "/tmp/nsswitch", "/etc/nsswitch.conf")
os.makedirs("/tmp/same")
for name in ("ipseckey", "ipsecalgs"):
    os.symlink(IPSECKEY, f"/tmp/{name}")
compared, different = 0, []
daemon = subprocess.Popen([f"{HERE}/ipsecd", "--socket", "/tmp/pfkey.sock"], stderr=subprocess.DEVNULL)
try:
    for name in sorted(n for n in os.listdir(f"{HERE}/transcripts") if n.endswith(".txt")):
        for what, theirs, ours in both(f"{HERE}/transcripts/{name}"):
            compared += 1
            if theirs != ours:
                different.append((name, what))
                print("\n".join(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), f"{name}: {what} (ipsecd)",
                                                     "kernel", lineterm="", n=0)))
finally:
    daemon.kill()
expect("commands whose answers differ", different, [])
names = [row[0] for row in DIFFERENT] + [OTHER_PLACES]
expect("differences that did not occur", [name for name in names if name not in occurred], [])
finish(f"{compared} commands of the transcripts say the same on both SADBs")
