#!/usr/bin/env python3
"""The manual pages: clean roff, everything in them that the programs have, every example runs as it is printed.

The examples run in mount and network namespaces of the test's own, so they may use the names that they print: the
daemon's own socket, /etc/inet/secret, a TUN device.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import session
from programs import BIN, IPSECD, IPSECKEY, UNPRIVILEGED, Daemon, unprivileged

MAN = pathlib.Path(os.environ["IPSECKEY_MAN"])
IPSECCONF = BIN / "ipsecconf"
PAGES = ("ipseckey.8", "ipsecd.8", "ipsecalgs.8", "ipsecconf.8", "ipseckeys.5", "ipsecinit.conf.5")
ROOT = pathlib.Path(__file__).resolve().parents[2]
INSIDE = "IPSECKEY_INSIDE_NAMESPACES"


def output(*words, **how) -> str:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
    return done.stdout


def rendered(page: str) -> str:
    """The page without layout: words with one blank between them."""
    text = output("mandoc", "-Tutf8", "-O", "width=200", MAN / page)
    return " ".join(re.sub(".\b", "", text).split())


def make_room():
    """Private /etc and /run, and a network of our own, in which this is the host of the pages' examples."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory() as copy:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", copy], check=True)
        subprocess.run(["cp", "-a", "/etc/.", copy], check=True)
        shutil.rmtree(pathlib.Path(copy, "inet"), ignore_errors=True)
        subprocess.run(["mount", "--move", copy, "/etc"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)


class Roff(unittest.TestCase):
    def test_mandoc_finds_nothing(self):
        for page in PAGES:
            # Whether other manuals are installed here does not matter for the page.
            found = [line for line in output("mandoc", "-Tlint", MAN / page).splitlines()
                     if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
            self.assertEqual(found, [], page)

    def test_groff_finds_nothing(self):
        for page in PAGES:
            for width in ("60", "80", "132"):
                done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", MAN / page],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, "MANWIDTH": width, "LC_ALL": "C.UTF-8"})
                self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_pages_refer_to_existing_pages(self):
        for page in PAGES:
            for name, section in re.findall(r"^\.Xr (ipsec[\w.]+) (\d)", (MAN / page).read_text(), re.M):
                self.assertIn(f"{name}.{section}", PAGES, page)


class Promises(unittest.TestCase):
    """Taken from the programs' output, not from their tables."""

    maxDiff = None

    def test_every_option_is_there(self):
        for page, program in (("ipseckey.8", IPSECKEY), ("ipsecd.8", IPSECD), ("ipsecconf.8", IPSECCONF)):
            text = rendered(page)
            options = re.findall(r"^ +(?:-\w, )?(--[\w-]+)", output(program, "--help"), re.M)
            self.assertGreater(len(options), 5)
            self.assertEqual([o for o in options if o not in text], [], page)

    def test_every_command_and_extension_is_there(self):
        text = rendered("ipseckey.8")
        names = [line.split("  ")[0].strip() for topic in ((), ("attr",))
                 for line in output(IPSECKEY, "help", *topic).splitlines() if re.match(r"  \S", line)]
        self.assertGreater(len(names), 55)
        self.assertEqual([n for n in names if n not in text], [])

    def test_every_command_and_word_of_ipsecconf_is_there(self):
        text = rendered("ipsecconf.8")
        help_text = output(IPSECCONF, "--help")
        commands = re.findall(r"^  (\w+)", help_text.split("Commands:\n")[1].split("\n\n")[0], re.M)
        words = re.findall(r"\b([a-z_]+) (?:[A-Z]+)", help_text.split("PACKET is any of: ")[1].split("\n\n")[0])
        self.assertGreater(len(commands), 6)
        self.assertGreater(len(words), 6)
        self.assertEqual([n for n in commands + words if n not in text], [])

    def test_every_keyword_of_rules_is_there(self):
        """As the reference lists them."""
        text = rendered("ipsecinit.conf.5")
        reference = (ROOT / "doc/reference/policy-language.md").read_text()
        names = {name for row in re.findall(r"^\| .*", reference.split("## Order")[0], re.M)
                 for cell in row.split("|")[1:3] for name in re.findall(r"`([a-z_]+)", cell)}
        self.assertGreater(len(names), 30)
        self.assertEqual([n for n in names if n not in text], [])

    def test_every_algorithm_is_there(self):
        text = rendered("ipsecalgs.8")
        names = re.findall(r"^ +\d+  (\S+)", output(BIN / "ipsecalgs", "--sadb=memory"), re.M)
        self.assertGreater(len(names), 20)
        self.assertEqual([n for n in names if n not in text], [])

    def test_every_exit_status_is_there(self):
        for page, program in (("ipseckey.8", IPSECKEY), ("ipsecd.8", IPSECD), ("ipsecconf.8", IPSECCONF)):
            told = re.findall(r"^  (\d+ +\S.*)$", output(program, "--help").split("Exit status:\n")[1], re.M)
            self.assertGreater(len(told), 2)
            text = rendered(page)
            self.assertEqual([t for t in told if " ".join(t.split()) not in text], [], page)

    def test_the_reference_has_the_exit_statuses(self):
        """doc/reference/exit-status.md: a section for each program, a row for each status, in its words."""
        sections = (ROOT / "doc/reference/exit-status.md").read_text().split("\n## ")[1:]
        self.assertEqual(len(sections), 2)
        for section, program in zip(sections, (IPSECKEY, IPSECD)):
            told = re.findall(r"^  (\d+) +(\S.*)$", output(program, "--help").split("Exit status:\n")[1], re.M)
            self.assertEqual(re.findall(r"^\| (\d+) \| ([^|]+) \|", section, re.M), told, program)

    def test_every_diagnostic_that_is_listed_is_one_of_the_program(self):
        section = (MAN / "ipseckey.8").read_text().split("\n.Sh DIAGNOSTICS\n")[1].split("\n.Bl -tag -width \"10\"")[0]
        # Some sentences are one piece in the program; others are composed of a language's own words.
        bad = subprocess.run([IPSECKEY, "--sadb=memory", "-c", "-"], input="add ah dpd 1\n", capture_output=True, text=True, check=False).stderr
        program = pathlib.Path(IPSECKEY).read_bytes() + bad.encode()
        items = [re.findall(r'Li (?:"([^"]+)"|(\S+))', line) for line in section.splitlines() if line.startswith(".It")]
        self.assertEqual(len(items), 11)
        for item in items:
            fixed = "".join(item[0])
            self.assertTrue(fixed.encode() in program, fixed)


class Examples(unittest.TestCase):
    maxDiff = None
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="manual."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o777)
        # The examples' user may lack access to the folder of the checkout.
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        self.programs.chmod(0o755)
        for name in ("ipseckey", "ipsecalgs", "ipsecconf", "ipsecd"):
            shutil.copy(BIN / name, self.programs)

    def shell(self, prompt: str) -> session.Shell:
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        if prompt == "# ":
            return session.Shell(self.folder, environment)
        environment.update({k: v for k, v in UNPRIVILEGED.items() if k == "ASAN_OPTIONS"})
        environment.pop("XDG_RUNTIME_DIR", None)
        return session.Shell(self.folder, environment, user=unprivileged)

    def play(self, page: str, least: int):
        shells, count = {}, 0
        try:
            for block in session.blocks((MAN / page).read_text()):
                for step in session.steps(block):
                    if step.prompt not in shells:
                        shells[step.prompt] = self.shell(step.prompt)
                    wrong = shells[step.prompt].run(step)
                    self.assertEqual(wrong, "", f"{page}: {step.command}\nprinted:\n" + "\n".join(step.output))
                    count += 1
        finally:
            for shell in shells.values():
                shell.end()
        self.assertGreaterEqual(count, least, page)

    def start_daemon(self):
        pathlib.Path("/run/ipsecd").mkdir(exist_ok=True)
        self.addCleanup(Daemon(pathlib.Path("/run"), "ipsecd/pfkey.sock").end)

    def test_ipseckey(self):
        self.start_daemon()
        self.play("ipseckey.8", 13)

    def test_ipsecalgs(self):
        self.start_daemon()
        self.play("ipsecalgs.8", 1)

    def test_ipsecconf(self):
        self.play("ipsecconf.8", 3)

    def test_ipsecinit_conf(self):
        self.play("ipsecinit.conf.5", 2)

    def test_ipseckeys(self):
        self.play("ipseckeys.5", 7)
        self.assertEqual(pathlib.Path("/etc/inet/secret/ipseckeys").stat().st_mode & 0o777, 0o600)

    def test_ipsecd(self):
        self.play("ipsecd.8", 14)


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, "-B", *sys.argv])
    make_room()
    unittest.main()
