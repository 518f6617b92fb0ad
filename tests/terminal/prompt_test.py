"""Types at the prompt of ipseckey through a pseudo-terminal and reads what the screen shows.

usage: prompt_test.py IPSECKEY IPSECD [TEST...]
Every wait is for something that the program says, with a deadline.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pexpect

IPSECKEY, IPSECD = map(os.path.abspath, sys.argv[1:3])
DEADLINE = 30  # Seconds, for anything.
PROMPT = "ipseckey> "
MORE = "       -> "
KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
# What an editor sends to move about and to change colours.
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
    """In place of an ipsecd: agrees to every request and keeps the type and the SA type of each (bytes 1 and 3)."""

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


class PromptTest(unittest.TestCase):
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
            environment["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
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
        """Types a line; what it prints up to the next prompt, without the line itself."""
        self.type(line + "\r")
        return self.until(PROMPT).split("\n", 1)[1]

    def leave(self):
        self.type("\x04")
        self.tty.expect(pexpect.EOF)
        self.tty.wait()
        self.assertEqual((self.tty.exitstatus, self.tty.signalstatus), (0, None))

    def test_banner_names_the_sadb_and_ctrl_d_leaves(self):
        self.assertEqual(self.start(), f"ipseckey 0.1.0, SADB ipsecd:{self.daemon.path}; help tells more, quit leaves\n")
        self.leave()

    def test_quit_leaves(self):
        self.start()
        self.type("quit\r")
        self.tty.expect(pexpect.EOF)
        self.tty.wait()
        self.assertEqual(self.tty.exitstatus, 0)

    def test_a_failed_command_does_not_end_the_session(self):
        self.start()
        self.assertIn("Unknown command \"fluhs\"; did you mean flush?", self.run_line("fluhs"))
        self.assertIn("esp SA spi 0x1 dst 192.0.2.1 does not exist", self.run_line("get esp spi 1 dst 192.0.2.1"))
        self.assertEqual(self.run_line("dump"), f"There are no SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_tab_completes_and_lists(self):
        self.start()
        self.type("du\t")
        self.until("mp ")
        self.type("e\t")
        self.until("sp ")
        self.type("\r")
        self.until(f"There are no esp SAs in ipsecd:{self.daemon.path}.")
        self.until(PROMPT)
        self.type("update\t")
        self.assertEqual(self.until(PROMPT), "update\nupdate       update-pair\n")
        self.until("update")
        self.type(" esp spi \t")
        self.until("spi NUMBER: Security parameters index of the SA.")
        self.until(PROMPT + "update esp spi ")
        self.type("1 sta\t")
        self.until("te ")
        self.type("dy\t")
        self.until("ing ")
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_tab_completes_file_names(self):
        self.start()
        pathlib.Path(self.folder.name, "keys of mine").write_text("flush\n", encoding="ascii")
        self.type("load ke\t")
        self.until('"keys of mine" ')
        self.type("\r")
        self.until("1 of 1 command succeeded.")
        self.until(PROMPT)
        self.leave()

    def test_a_question_mark_lists_what_can_follow_and_gives_the_line_back(self):
        self.start()
        self.type("add ?\r")
        self.until("  ah                        Authentication Header.")
        self.until("  esp                       Encapsulating Security Payload.")
        self.until(PROMPT + "add ")
        self.type("esp state ?\r")
        self.until("state STATE: State of the SA; mature if left out.")
        self.until(PROMPT + "add esp state ")
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_ctrl_c_drops_the_line(self):
        self.start()
        self.type("flush al")
        self.until("flush al")
        self.type("\x03")
        self.until("^C")
        self.until(PROMPT)
        self.type("dump \\\r")
        self.until(MORE)
        self.type("esp")
        self.until("esp")
        self.type("\x03")
        self.until(PROMPT)
        self.assertEqual(self.run_line("dump ah"), f"There are no ah SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_ctrl_d_in_a_continued_command_drops_it(self):
        self.start()
        self.type("dump \\\r")
        self.until(MORE)
        self.type("\x04")
        self.until("ipseckey: the command ends in the middle; it was not used")
        self.until(PROMPT)
        self.leave()

    def test_history_has_commands_whole_and_none_with_a_key(self):
        self.start()
        self.type("dump \\\r")
        self.until(MORE)
        self.type("esp\r")
        self.until("There are no esp SAs")
        self.until(PROMPT)
        self.type("add esp spi 0x2345 dst 192.0.2.1 src 192.0.2.2 auth_alg hmac-sha256 \\\r")
        self.until(MORE)
        self.type(f"encr_alg null authkey {KEY}\r")
        self.until(PROMPT)
        self.assertEqual(self.daemon.ask("get", "esp", "spi", "0x2345", "dst", "192.0.2.1"), 0)
        self.run_line(f"add esp autkey {KEY}")
        self.run_line(KEY)
        self.type("\x1b[A")  # Up.
        self.until("dump esp")
        self.type("\x1b[A\x1b[A\x15")  # There is nothing older; Ctrl-U takes the line away.
        self.assertIn("There are no ah SAs", self.run_line("dump ah"))
        self.leave()

    def test_a_key_typed_twice_is_warned_of_for_the_whole_session(self):
        self.start()
        gcm = f"src 192.0.2.1 dst 192.0.2.2 encralg aes-gcm encrkey {KEY[:40]}"
        self.assertNotIn("again", self.run_line(f"add esp spi 0x2001 {gcm}"))
        self.run_line("dump esp")
        # The same SA typed again is no second one.
        self.assertNotIn("DANGER", self.run_line(f"add esp spi 0x2001 {gcm}"))
        shown = self.run_line(f"add esp spi 0x2002 {gcm}")
        self.assertIn("warning: DANGER: key and salt of esp spi 0x2001 again: two aes-gcm SAs under one key and salt give", shown)
        self.assertNotIn(KEY[:8], shown)
        self.assertIn("esp spi 0x2002 ", self.run_line("get esp spi 0x2002 dst 192.0.2.2"))
        self.leave()

    def test_resize(self):
        self.start(size=(24, 100))
        self.type("dump ")
        self.until("dump ")
        self.tty.setwinsize(24, 40)
        self.until(PROMPT + "dump ")  # The line is drawn anew.
        self.type("\x15add esp \t")
        shown = self.until(PROMPT)
        listed = shown.split("\n")[1:]
        self.assertTrue(listed and all(len(line) <= 40 for line in listed), listed)
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_a_lost_daemon_is_said_once_and_found_again(self):
        self.start()
        self.run_line("dump")
        self.daemon.kill()
        self.assertEqual(self.run_line("dump").count("ipsecd at"), 1)
        self.daemon.start()
        self.assertEqual(self.run_line("dump"), f"There are no SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_without_a_daemon_the_prompt_comes_all_the_same(self):
        self.daemon.kill()
        self.assertIn("ipseckey 0.1.0, no SADB yet; help tells more, quit leaves\n", self.start())
        self.daemon.start()
        self.assertEqual(self.run_line("dump"), f"There are no SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_monitor_ends_by_ctrl_c(self):
        self.start()
        for _ in range(2):
            self.type("monitor\r")
            self.until("Active monitoring")
            self.until("PROMISC")
            self.assertEqual(self.daemon.ask("flush"), 0)
            self.until("FLUSH")
            self.type("\x03")
            self.until(PROMPT)
            self.assertEqual(self.run_line("dump ah"), f"There are no ah SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_promiscuity_ends_with_the_monitor(self):
        promisc, flush = 11, 9
        for words, requests in (("monitor", [(promisc, 1), (promisc, 0)]), ("pmonitor", [(promisc, 0)])):
            recorder = Recorder(f"{self.folder.name}/{words}")
            self.start(sadb=recorder.path)
            self.type(f"{words}\r")
            self.until("PROMISC")
            self.type("\x03")
            self.until(PROMPT)
            self.run_line("flush")
            self.leave()
            self.assertEqual(recorder.end(), requests + [(flush, 0)])

            recorder = Recorder(f"{self.folder.name}/{words}-of-the-shell")
            monitor = subprocess.Popen([IPSECKEY, f"--sadb=ipsecd:{recorder.path}", words], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
            monitor.stdout.readline()
            monitor.send_signal(signal.SIGINT)
            monitor.communicate(timeout=DEADLINE)
            self.assertEqual((monitor.returncode, recorder.end()), (0, requests))

    def test_ctrl_c_ends_a_dump_and_the_prompt_comes_back(self):
        self.fill(3000)
        self.start()
        self.type("dump\r")
        self.until("esp spi")
        self.type("\x03")
        self.until("ipseckey: interrupted; the list is not complete")
        self.until(PROMPT)
        self.assertIn("esp spi 0x1001 ", self.run_line("get esp spi 0x1001 dst 192.0.2.2"))
        self.leave()

    def test_ctrl_c_ends_a_load_and_the_prompt_comes_back(self):
        self.start()
        os.mkfifo(f"{self.folder.name}/slow")
        self.type("load slow\r")
        with open(f"{self.folder.name}/slow", "w", encoding="ascii") as slow:
            slow.write("".join(self.lines(300)))
            slow.flush()
            end = time.monotonic() + DEADLINE
            while self.daemon.ask("get", "esp", "spi", "0x10ff", "dst", "192.0.2.2") != 0:
                self.assertLess(time.monotonic(), end)
            self.type("\x03")
            self.until("ipseckey: slow: interrupted")
            # What comes next might go on with the last line, so that one is still waiting.
            self.until("slow: 299 of 299 commands succeeded; what follows was not run.")
        self.until(PROMPT)
        self.assertIn("esp SA spi 0x112c dst 192.0.2.2 does not exist", self.run_line("get esp spi 0x112c dst 192.0.2.2"))
        self.assertIn("esp spi 0x112b ", self.run_line("get esp spi 0x112b dst 192.0.2.2"))
        self.leave()

    @staticmethod
    def lines(count):
        return [f"add esp spi {0x1000 + i:#x} src 192.0.2.1 dst 192.0.2.2 encralg null authalg sha256 authkey {i:064x}\n"
                for i in range(1, count + 1)]

    def fill(self, count):
        subprocess.run([IPSECKEY, f"--sadb=ipsecd:{self.daemon.path}", "-f", "-"], input="".join(self.lines(count)).encode(),
                       stdout=subprocess.DEVNULL, timeout=DEADLINE, check=True)

    def test_a_dumb_terminal(self):
        self.start(term="dumb")
        self.type("dump\r")
        self.until(f"There are no SAs in ipsecd:{self.daemon.path}.")
        self.until(PROMPT)
        self.type("flush\x03")
        self.until(PROMPT)
        self.leave()

    def test_ctrl_z_stops_and_the_line_is_there_again(self):
        # Only a shell with jobs can stop one.
        self.start(shell='set -m; "$@"; echo stopped; read -r _; fg')
        self.type("dump a")
        self.until("dump a")
        self.type("\x1a")
        self.until("stopped\r\n")
        self.type("\r")
        self.until(PROMPT + "dump a")
        self.type("h\r")
        self.until("There are no ah SAs")
        self.until(PROMPT)
        self.leave()

    def test_sigterm_ends_it_and_leaves_the_terminal_in_order(self):
        self.start()
        self.type("dump")
        self.until("dump")
        self.tty.kill(signal.SIGTERM)
        self.tty.expect(pexpect.EOF)
        self.tty.wait()
        self.assertEqual(self.tty.signalstatus, signal.SIGTERM)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
