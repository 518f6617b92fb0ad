#!/usr/bin/env python3
"""What bash, zsh and fish offer at the end of a line. The expected offers come from the programs' own help."""
import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import pexpect

BIN = pathlib.Path(os.environ["IPSECKEY_BIN"])
SCRIPTS = pathlib.Path(os.environ["IPSECKEY_COMPLETIONS"])
DEADLINE = 120  # Seconds, for anything.


def output(*words, **how) -> str:
    return subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=DEADLINE, check=True, **how).stdout


def quoted(path: pathlib.Path) -> str:
    return shlex.quote(str(path))  # The checkout may be in any folder.


def options_of(program: str) -> set:
    return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", output(BIN / program, "--help"), re.M))


@functools.cache
def commands() -> set:
    """The programs that the shell may run, by their first names."""
    names = {re.split(r"[ ,]", line.strip())[0] for line in output(BIN / "ipseckey", "help").splitlines()
             if re.match(r"  \S", line)}
    return {n for n in names if "from the shell" in output(BIN / "ipseckey", "help", n)
            and "not from the shell" not in output(BIN / "ipseckey", "help", n)}


def algorithms() -> set:
    return set(re.findall(r"^ +\d+  (\S+)", output(BIN / "ipsecalgs", "--sadb=memory"), re.M))


class Shells(unittest.TestCase):
    """Cases that each shell passes; `offered(line)` is the set of words that it offers at the line's end."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="completions."))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "keys").write_text("")
        (self.folder / "keyring").write_text("")

    def check(self, line: str, words, least: int = 1):
        self.assertEqual(self.offered(line), set(words), line)
        self.assertGreaterEqual(len(set(words)), least, line)


class Cases:
    def test_options(self):
        for program in ("ipseckey", "ipsecalgs", "ipsecconf", "ipsecd"):
            found = {o.rstrip("=") for o in self.offered(f"{program} --")}
            expected = options_of("ipseckey" if program == "ipsecalgs" else program)
            self.assertEqual({o for o in found if o.startswith("--")}, expected, program)
            self.assertGreater(len(expected), 8)

    def test_commands(self):
        self.check("ipseckey ", commands(), 10)
        self.check("ipseckey fl", {"flush"})
        self.check("ipseckey -n -p du", {"dump"})
        self.check("ipseckey --sadb kernel du", {"dump"})

    def test_sa_types(self):
        self.check("ipseckey flush ", {"all", "ah", "esp"})
        self.check("ipseckey get ", {"ah", "esp"})

    def test_extensions_once_each(self):
        every = self.offered("ipseckey delete esp ")
        self.assertTrue({"spi", "dst", "src", "proto"} <= every)
        self.assertNotIn("authkey", every)
        self.check("ipseckey delete esp spi 0x1 dst 192.0.2.1 ", every - {"spi", "dst"}, 4)
        self.check("ipseckey delete esp spi 0x1 inbound dst 192.0.2.1 ", every - {"spi", "dst", "inbound"}, 4)
        self.check("ipseckey delete esp daddr 192.0.2.1 sp", {"spi", "sport"})
        self.check("ipseckey delete esp spi ", set(), 0)

    def test_algorithms(self):
        self.check("ipseckey genkey ", algorithms(), 20)
        self.check("ipseckey genkey aes-gcm1", {"aes-gcm12"})

    def test_topics(self):
        self.check("ipseckey help nat_l", {"nat_loc", "nat_lport"})
        self.check("ipseckey help at", {"attr"})

    def test_options_of_a_command(self):
        own = {"--dry-run", "--all", "--flush-first"}
        self.assertTrue(own <= self.offered("ipseckey apply --"))
        self.assertTrue({"--dry-run"} <= self.offered("ipseckey apply --all --d"))
        self.assertTrue({"keys", "keyring"} <= self.offered("ipseckey apply --all key"))
        self.assertTrue({"--owner="} <= self.offered("ipseckey apply --o"))
        self.assertTrue({"keys", "keyring"} <= self.offered("ipseckey apply --owner mine key"))
        self.assertTrue({"--dry-run"} <= self.offered("ipseckey unload --owner=mine --d"))

    def test_files(self):
        for line in ("ipseckey -f key", "ipseckey -s key", "ipseckey load key", "ipseckey save esp key"):
            self.check(line, {"keys", "keyring"})

    def test_databases(self):
        found = self.offered("ipseckey --sadb ")
        self.assertTrue({"ipsecd", "kernel", "memory", "auto"} <= {w.rstrip(":") for w in found}, found)
        self.check("ipseckey --sadb ker", {"kernel"})

    def test_rules(self):
        commands = re.findall(r"^  (\w+)", output(BIN / "ipsecconf", "--help").split("Commands:\n")[1].split("\n\n")[0], re.M)
        self.check("ipsecconf ", commands, 6)
        self.check("ipsecconf --sadb kernel ap", {"apply"})
        for line in ("ipsecconf -a key", "ipsecconf --check key", "ipsecconf apply key", "ipsecconf apply --dry-run key", "ipsecconf prove key"):
            self.assertTrue({"keys", "keyring"} <= self.offered(line), line)
        self.assertTrue({"--dry-run"} <= self.offered("ipsecconf apply --d"))
        every = self.offered("ipsecconf explain ") - self.offered("ipsecconf explain --")
        self.assertTrue({"from", "to", "proto", "dport", "in", "out"} <= every, every)
        left = self.offered("ipsecconf explain from 192.0.2.1 out ") - self.offered("ipsecconf explain --")
        self.assertEqual(left, every - {"from", "out"})

    def test_daemon(self):
        self.check("ipsecd st", {"status"})
        self.check("ipsecd --socket key", {"keys", "keyring"})


class Bash(Cases, Shells):
    def offered(self, line: str) -> set:
        words = re.split(" +", line)
        script = f'source {quoted(SCRIPTS / "ipseckey.bash")}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; ' \
                 'COMP_POINT=${#COMP_LINE}; _"${1/ipsecalgs/ipseckey}"; printf "%s\\n" "${COMPREPLY[@]}"'
        return set(output("bash", "--norc", "-c", script, "bash", *words, cwd=self.folder).split())

    def test_words_that_readline_cuts(self):
        self.assertEqual(self.offered("ipseckey --sadb = ker"), {"kernel"})
        self.assertEqual(self.offered("ipseckey --sadb = ipsecd : key"), {"keys", "keyring"})
        self.assertEqual(self.offered("ipseckey --file = key"), {"keys", "keyring"})


class Fish(Cases, Shells):
    def offered(self, line: str) -> set:
        script = f"source {quoted(SCRIPTS / 'ipseckey.fish')}; complete -C '{line}'"
        found = output("fish", "--no-config", "-c", script, cwd=self.folder, env={**os.environ, "HOME": str(self.folder)})
        return {text.split("\t")[0] for text in found.splitlines()}


class Zsh(Cases, Shells):
    """An interactive zsh; its offers are what its scripts pass to the builtin compadd."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="zsh."))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.note = cls.home / "offered"
        shutil.copy(SCRIPTS / "ipseckey.zsh", cls.home / "_ipseckey")
        (cls.home / "rc").write_text(f"""
PS1='ready> '; KEYTIMEOUT=1; unsetopt prompt_cr prompt_sp beep auto_list auto_menu; unset zle_bracketed_paste
fpath=({cls.home} $fpath); autoload -U compinit; compinit -u -D
compadd() {{
  local -a offered; local a
  for a in "$@"; do [[ $a == -[OAD] ]] && {{ builtin compadd "$@"; return }}; done
  builtin compadd -O offered "$@"
  print -rl -- "offered=${{(@)^offered}}" >> {cls.note}
  builtin compadd "$@"
}}
done-now() {{ print -r -- complete >> {cls.note}; zle send-break }}
zle -N done-now; bindkey '^X' done-now; bindkey '^I' complete-word
""")
        cls.shell = pexpect.spawn("zsh", ["-f", "-i"], timeout=DEADLINE, encoding="utf-8", dimensions=(50, 200),
                                  env={**os.environ, "TERM": "dumb", "HOME": str(cls.home)})
        cls.shell.delaybeforesend = None
        cls.addClassCleanup(cls.shell.close, force=True)
        cls.shell.sendline(f"source {cls.home}/rc")
        cls.shell.expect("\nready> ")

    def offered(self, line: str) -> set:
        self.note.write_text("")
        self.shell.sendline(f"cd {self.folder}")
        self.shell.expect("\nready> ")
        self.shell.send(line + "\t\x18")
        self.shell.expect("ready> ")
        text = self.note.read_text()
        self.assertIn("complete\n", text)
        return {t.removeprefix("offered=") for t in text.splitlines() if t.startswith("offered=")} - {""}


if __name__ == "__main__":
    unittest.main()
