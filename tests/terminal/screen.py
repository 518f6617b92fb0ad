"""A person at the prompt of ipseckey: types through a pseudo-terminal and reads what the screen shows.

The tests that use it are run as X_test.py IPSECKEY IPSECD [TEST...].
Every wait is for something that the program says, with a deadline.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pexpect

IPSECKEY, IPSECD = map(os.path.abspath, sys.argv[1:3])
DEADLINE = 120  # Seconds, for anything.
PROMPT = "ipseckey> "
MORE = "       -> "
KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
# What an editor sends to move the cursor and to change colours.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>()][B0]?|[\x07\x08]")


class Daemon:
    """An ipsecd on a socket of its own."""

    def __init__(self, path):
        self.path = path
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([IPSECD, "--socket", self.path], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while self.ask("dump") != 0:
            if time.monotonic() > end:
                raise AssertionError("ipsecd does not answer")

    def ask(self, *words):
        return subprocess.run([IPSECKEY, f"--sadb=ipsecd:{self.path}", *words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=DEADLINE, check=False).returncode

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)


class Recorder:
    """Instead of an ipsecd: agrees to every request and records the type and the SA type of each (bytes 1 and 3)."""

    def __init__(self, path):
        self.path = path
        self.seen = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(path)
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.socket.accept()
        with connection:
            while message := connection.recv(65536):
                self.seen.append((message[1], message[3]))
                connection.send(message)

    def end(self):
        self.thread.join(DEADLINE)
        self.socket.close()
        return self.seen


class Case(unittest.TestCase):
    """A test with an ipsecd and a terminal of its own."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.daemon = Daemon(f"{self.folder.name}/pfkey.sock")
        self.addCleanup(lambda: self.daemon.kill())

    def start(self, term="xterm", size=(24, 100), shell="", sadb=""):
        environment = {"TERM": term, "PATH": os.environ["PATH"], "HOME": self.folder.name, "LC_ALL": "C.UTF-8"}
        if "ASAN_OPTIONS" in os.environ:
            environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
            suppressions = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp")
            environment["LSAN_OPTIONS"] = f"suppressions='{suppressions}':print_suppressions=0"
        command = [IPSECKEY, f"--sadb=ipsecd:{sadb or self.daemon.path}"]
        if shell:
            command = ["/bin/bash", "-c", shell, "bash", *command]
        self.tty = pexpect.spawn(command[0], command[1:], env=environment, cwd=self.folder.name, dimensions=size,
                                 timeout=DEADLINE, encoding="utf-8")
        self.addCleanup(lambda: self.tty.close(force=True))
        return self.until(PROMPT)

    def until(self, what):
        """What the screen shows before `what`, without the editor's control characters."""
        self.tty.expect_exact(what)
        return CONTROL.sub("", self.tty.before).replace("\r", "")

    def type(self, text):
        self.tty.send(text)

    def run_line(self, line):
        """Types a line; returns what it prints up to the next prompt, without the line itself."""
        self.type(line + "\r")
        return self.until(PROMPT).split("\n", 1)[1]

    def leave(self):
        self.type("\x04")
        self.tty.expect(pexpect.EOF)
        self.tty.wait()
        self.assertEqual((self.tty.exitstatus, self.tty.signalstatus), (0, None))

    @staticmethod
    def lines(count):
        return [f"add esp spi {0x1000 + i:#x} src 192.0.2.1 dst 192.0.2.2 encralg null authalg sha256 authkey {i:064x}\n"
                for i in range(1, count + 1)]

    def fill(self, count):
        subprocess.run([IPSECKEY, f"--sadb=ipsecd:{self.daemon.path}", "-f", "-"], input="".join(self.lines(count)).encode(),
                       stdout=subprocess.DEVNULL, timeout=DEADLINE, check=True)
