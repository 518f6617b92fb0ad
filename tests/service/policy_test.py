#!/usr/bin/env python3
"""The service for rules: the unit's commands, run by hand in a network namespace, and what they leave in its kernel."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import unittest

from programs import BIN, Case, Ended

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "share" / "systemd" / "ipsec-policy.service"
SAMPLE = ROOT / "share" / "inet" / "ipsecinit.sample"
IPSECCONF = str(BIN / "ipsecconf")
OK, FAILED, BAD_FILE, NO_PRIVILEGE = 0, 1, 95, 100
INSIDE = "IPSECCONF_INSIDE_NAMESPACE"
RULES = """order file
{ lport 80 ulp tcp dir both } bypass {}
{ raddr 192.0.2.2 dir out } drop {}
"""
SHOWN = "FOLDER/etc/ipsecinit.conf"  # As Ended has it.
CAVEAT = f"{SHOWN}:2:1: warning: packets that come protected in transport mode are accepted, too\n"


def tool(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def policies() -> list:
    """Selector and direction of each policy in the kernel, without those of sockets."""
    _, text = tool("ip", "xfrm", "policy")
    return sorted(re.findall(r"^src (\S+) dst (\S+).*\n\s+dir (out|in|fwd) ", text, re.M))


class Unit(Case):
    def test_systemd_understands_it(self):
        text = UNIT.read_text().replace("/usr/sbin/ipsecconf", IPSECCONF)
        here = self.write("ipsec-policy.service", text)
        self.assertEqual(tool("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(here)), (0, ""))

    def test_its_sandbox_is_tight(self):
        _, said = tool("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT))
        self.assertLessEqual(float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]), 2.0)

    def test_it_is_there_before_the_network_and_behind_the_keys(self):
        text = UNIT.read_text()
        self.assertRegex(text, r"(?m)^Before=.*\bnetwork-pre\.target\b")
        self.assertRegex(text, r"(?m)^After=.*\bipsec-manual-key\.service\b.*\bipsecd\.service\b")
        self.assertIn("ConditionPathExists=|/etc/inet/ipsecinit.conf\n", text)
        self.assertRegex(text, r"(?m)^Type=oneshot$")
        self.assertRegex(text, r"(?m)^RemainAfterExit=yes$")

    def test_it_follows_ipsecd(self):
        """Its rules end with its process. Without a command at stop, to follow never removes a rule (tests/boot shows both)."""
        text = UNIT.read_text()
        self.assertRegex(text, r"(?m)^PartOf=ipsecd\.service$")
        self.assertRegex(text, r"(?m)^After=.*\bipsecd\.service\b")
        self.assertRegex(text, r"(?m)^WantedBy=.*\bipsecd\.service\b")
        self.assertNotIn("ExecStop", text)


class Sample(Case):
    def check(self, text: str) -> Ended:
        here = self.write("ipsecinit.conf", text)
        return self.finish(subprocess.Popen([IPSECCONF, "-c", str(here)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE))

    def test_it_has_no_fault(self):
        ended = self.check(SAMPLE.read_text())
        self.assertEqual((ended.status, ended.err), (OK, ""))

    def test_each_entry_in_a_comment_is_one(self):
        entries = re.findall(r"(?m)^#(\{.*)$", SAMPLE.read_text())
        self.assertGreater(len(entries), 8)
        for entry in entries:
            self.assertEqual(self.check(entry + "\n").status, OK, entry)


class Service(Case):
    """Runs the unit's commands as systemd would, except for the path of the program."""

    def setUp(self):
        super().setUp()
        for name in ("etc", "run"):
            (self.folder / name).mkdir(mode=0o755)
        self.file = self.folder / "etc" / "ipsecinit.conf"
        self.addCleanup(tool, "ip", "xfrm", "policy", "flush")
        self.addCleanup(self.unload)

    def put(self, text: str, mode: int = 0o644):
        self.file.write_text(text)
        self.file.chmod(mode)

    def has(self, command: str) -> bool:
        return re.search(rf"(?m)^Exec{command}=", UNIT.read_text()) is not None

    def unload(self) -> Ended:
        return self.finish(subprocess.Popen([IPSECCONF, "--sadb=kernel", "unload"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                                            env=os.environ | {"RUNTIME_DIRECTORY": str(self.folder / "run")}))

    def unit(self, command: str, options: str = "", **how) -> Ended:
        line = re.search(r"(?m)^Environment=(.*)$", UNIT.read_text())[1]
        variables = dict(word.split("=", 1) for word in line.split())
        variables |= {"IPSECINIT": str(self.file), "IPSECKEY_SADB": "kernel", "IPSECCONF_OPTIONS": options,
                      "RUNTIME_DIRECTORY": str(self.folder / "run")}
        words = []
        for word in re.search(rf"(?m)^Exec{command}=(.*)$", UNIT.read_text())[1].split():
            name = re.fullmatch(r"\$\{?(\w+)\}?", word)
            words += [word] if not name else [variables[name[1]]] if word.startswith("${") else variables[name[1]].split()
        self.assertEqual(words[0], "/usr/sbin/ipsecconf")
        return self.finish(subprocess.Popen([IPSECCONF, *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, cwd="/", env=os.environ | variables, **how))

    def restart(self):
        """As systemctl does it."""
        if self.has("Stop"):
            self.assertEqual(self.unit("Stop").status, OK)
        self.assertEqual(self.unit("Start").status, OK)

    def test_start_reload_unload(self):
        tool("ip", "xfrm", "policy", "add", "src", "203.0.113.0/24", "dst", "0.0.0.0/0", "dir", "in", "action", "block", "priority", "9")
        foreign = policies()
        self.put(RULES)
        started = self.unit("Start")
        self.assertEqual((started.status, started.err), (OK, CAVEAT))
        self.assertEqual(started.out, f"{SHOWN}: 2 added, 0 removed, 0 kept.\n")
        self.assertIn(("0.0.0.0/0", "192.0.2.2/32", "out"), policies())
        self.assertIn(("::/0", "::/0", "in"), policies())
        self.put(RULES.replace("192.0.2.2", "192.0.2.3"))
        self.assertEqual(self.unit("Reload").out, f"{SHOWN}: 1 added, 1 removed, 1 kept.\n")
        self.assertIn(("0.0.0.0/0", "192.0.2.3/32", "out"), policies())
        self.assertNotIn(("0.0.0.0/0", "192.0.2.2/32", "out"), policies())
        loaded = policies()
        self.restart()
        self.assertEqual(policies(), loaded)
        self.assertEqual(self.unload().out, "kernel: 0 added, 2 removed, 0 kept.\n")
        self.assertEqual(policies(), foreign)

    def test_a_restart_lets_nothing_out_in_clear(self):
        for words in ("link add d0 type veth peer name d1", "link set d0 up", "link set d1 up",
                      "address add 192.0.2.1/24 dev d0",
                      "neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0"):
            self.assertEqual(tool("ip", *words.split()), (0, ""))
        self.addCleanup(tool, "ip", "link", "delete", "d0")
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.addCleanup(wire.close)
        wire.bind(("d1", 0x0800))  # The other end of the wire.
        wire.setblocking(False)

        def left() -> int:
            count = 0
            while True:
                try:
                    count += b"in clear" in wire.recv(2048)
                except BlockingIOError:
                    return count

        self.put("{ raddr 192.0.2.2 dir out } drop {}\n")
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        sender.sendto(b"in clear", ("192.0.2.2", 9))
        self.assertEqual(left(), 1)
        self.assertEqual(self.unit("Start").status, OK)
        tried, stop = [0], threading.Event()

        def send():
            while not stop.is_set():
                tried[0] += 1
                try:
                    sender.sendto(b"in clear", ("192.0.2.2", 9))
                except OSError:  # The rule drops it.
                    pass

        thread = threading.Thread(target=send)
        thread.start()
        try:
            for _ in range(5):
                self.restart()
        finally:
            stop.set()
            thread.join()
        self.assertGreater(tried[0], 100)
        self.assertEqual(left(), 0)

    def test_a_file_that_is_wrong_changes_nothing(self):
        self.put(RULES)
        self.unit("Start")
        before = policies()
        self.put(RULES + "{ lport 22 } bypass {}\n{ dir in } dorp {}\n")
        ended = self.unit("Reload")
        self.assertEqual(ended.status, BAD_FILE)
        self.assertEqual(ended.err.splitlines(), [
            *CAVEAT.splitlines(),
            f"{SHOWN}:4:14: error: bypass needs a direction: write dir in, dir out or dir both in the pattern",
            f"{SHOWN}:5:12: error: Unknown action; expected ipsec, apply, permit, bypass, pass or drop; did you mean drop?",
            f"ipsecconf: {SHOWN}: 2 errors; nothing was changed"])
        self.assertEqual(policies(), before)

    def test_a_file_that_others_may_write_is_refused(self):
        for mode, folder in ((0o664, 0o755), (0o646, 0o755), (0o644, 0o775)):
            self.put(RULES, mode)
            self.file.parent.chmod(folder)
            ended = self.unit("Start")
            self.assertEqual(ended.status, BAD_FILE, ended.err)
            self.assertIn(" is refused: ", ended.err)
        self.assertEqual(policies(), [])
        self.file.parent.chmod(0o755)
        self.put(RULES, 0o444)
        self.assertEqual(self.unit("Start").status, OK)

    def test_a_file_that_is_not_there(self):
        ended = self.unit("Start")
        self.assertEqual((ended.status, ended.err), (BAD_FILE, f"ipsecconf: cannot open {SHOWN}: No such file or directory\n"))

    def test_guards(self):
        self.put("{ raddr ::/0 } ipsec { encr_algs aes encr_auth_algs sha256 }\n")
        ended = self.unit("Start", "--guards")
        self.assertEqual(ended.status, OK, ended.err)
        self.assertIn(("::1/128", "::1/128", "out"), policies())


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])
    unittest.main()
