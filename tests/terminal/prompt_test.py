"""Types at the prompt of ipseckey and reads what the screen shows."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import pexpect

from screen import Case, DEADLINE, IPSECKEY, KEY, MORE, PROMPT, Recorder


class PromptTest(Case):
    def test_banner_names_the_sadb_and_ctrl_d_leaves(self):
        self.assertEqual(self.start(), f"ipseckey 0.1.0, SADB ipsecd:{self.daemon.path}; help lists the commands, quit exits\n")
        self.leave()

    def test_quit_leaves(self):
        self.start()
        self.type("quit\r")
        self.tty.expect(pexpect.EOF)
        self.tty.wait()
        self.assertEqual(self.tty.exitstatus, 0)

    def test_the_eleventh_warning_of_a_kind_is_counted(self):
        self.start()
        line = "add esp spi {} src 192.0.2.1 dst 192.0.2.2 encralg aes-gcm encrkey {:02x}" + "5a" * 35
        screens = [self.run_line(line.format(0x1000 + i, i + 1)) for i in range(12)]
        said = "aes-gcm with a manual key may be insecure: a key must never see the same IV twice"
        self.assertEqual([said in screen for screen in screens], [True] * 10 + [False] * 2)
        self.run_line("fresh")
        self.assertNotIn("warning", self.run_line(line.format(0x2000, 0x20)))
        self.type("quit\r")
        self.tty.expect(pexpect.EOF)
        self.assertIn(f"ipseckey: warning: 2 more like this: {said}; if these keys have never been used, put a line `fresh` above them or give --fresh-keys\n", self.tty.before.replace("\r", ""))
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

    def test_a_question_mark_lists_what_can_follow_and_restores_the_line(self):
        self.start()
        self.type("add ?\r")
        self.until("  ah                        Authentication Header.")
        self.until("  esp                       Encapsulating Security Payload.")
        self.until(PROMPT + "add ")
        self.type("esp state ?\r")
        self.until("state STATE: State of the SA; mature if omitted.")
        self.until(PROMPT + "add esp state ")
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_lines_that_are_pasted_all_run(self):
        self.start()
        self.type("dump ah\rdump esp\rflush ah\rdump\r")
        for kind in ("ah ", "esp ", ""):
            self.until(f"There are no {kind}SAs")
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
        self.until("ipseckey: the command is incomplete and was ignored")
        self.until(PROMPT)
        self.leave()

    def test_history_has_whole_commands_and_none_with_a_key(self):
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
        self.type("\x1b[A\x1b[A\x15")  # There is nothing older; Ctrl-U clears the line.
        self.assertIn("There are no ah SAs", self.run_line("dump ah"))
        self.leave()

    def test_apply(self):
        self.start()
        pathlib.Path(self.folder.name, "keys").write_text(f"add ah spi 0x11 dst 192.0.2.1 authalg md5 authkey {KEY[:32]}\n", encoding="ascii")
        self.assertIn("add    ah SA spi 0x11 dst 192.0.2.1\nkeys: 1 to add, 0 to change", self.run_line("apply --dry-run keys"))
        self.assertIn("keys: 1 added, 0 changed, 0 kept, 0 removed.", self.run_line("apply keys"))
        self.assertIn("keys: 0 added, 0 changed, 1 kept, 0 removed.", self.run_line("apply keys"))
        self.assertIn("keys: 0 added, 0 changed, 0 kept, 1 removed.", self.run_line("unload keys"))
        self.leave()

    def test_a_key_typed_twice_draws_a_warning_for_the_whole_session(self):
        self.start()
        gcm = f"src 192.0.2.1 dst 192.0.2.2 encralg aes-gcm encrkey {KEY[:40]}"
        self.assertNotIn("again", self.run_line(f"add esp spi 0x2001 {gcm}"))
        self.run_line("dump esp")
        # The same SA typed again is not a second one.
        self.assertNotIn("DANGER", self.run_line(f"add esp spi 0x2001 {gcm}"))
        shown = self.run_line(f"add esp spi 0x2002 {gcm}")
        self.assertIn("warning: DANGER: same key and salt as esp spi 0x2001: two aes-gcm SAs with one key and salt let", shown)
        self.assertNotIn(KEY[:8], shown)
        self.assertIn("esp spi 0x2002 ", self.run_line("get esp spi 0x2002 dst 192.0.2.2"))
        self.leave()

    def test_ctrl_r_searches_the_history(self):
        self.start()
        for line in ("dump esp", "dump ah", "flush esp"):
            self.run_line(line)
        # The newest line that contains it, then an older one; there is no third.
        self.type("dump\x12\x12\x12\r")
        self.until("There are no esp SAs")
        self.until(PROMPT)
        self.type("ah\x12\r")
        self.until("There are no ah SAs")
        self.until(PROMPT)
        self.leave()

    def test_resize(self):
        self.start(size=(24, 100))
        self.type("dump ")
        self.until("dump ")
        self.tty.setwinsize(24, 40)
        self.until(PROMPT + "dump ")  # The line is drawn again.
        self.type("\x15add esp \t")
        shown = self.until(PROMPT)
        listed = shown.split("\n")[1:]
        self.assertTrue(listed and all(len(line) <= 40 for line in listed), listed)
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_a_lost_daemon_is_reported_once_and_found_again(self):
        self.start()
        self.run_line("dump")
        self.daemon.kill()
        self.assertEqual(self.run_line("dump").count("ipsecd at"), 1)
        self.daemon.start()
        self.assertEqual(self.run_line("dump"), f"There are no SAs in ipsecd:{self.daemon.path}.\n")
        self.leave()

    def test_without_a_daemon_the_prompt_still_appears(self):
        self.daemon.kill()
        self.assertIn("ipseckey 0.1.0, no SADB yet; help lists the commands, quit exits\n", self.start())
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

    def test_ctrl_c_ends_a_dump_and_the_prompt_returns(self):
        self.fill(3000)
        self.start()
        self.type("dump\r")
        self.until("esp spi")
        self.type("\x03")
        self.until("ipseckey: interrupted; the list is incomplete")
        self.until(PROMPT)
        self.assertIn("esp spi 0x1001 ", self.run_line("get esp spi 0x1001 dst 192.0.2.2"))
        self.leave()

    def test_ctrl_c_ends_a_load_and_the_prompt_returns(self):
        self.start()
        os.mkfifo(f"{self.folder.name}/slow", 0o600)
        self.type("load slow\r")
        with open(f"{self.folder.name}/slow", "w", encoding="ascii") as slow:
            slow.write("".join(self.lines(300)))
            slow.flush()
            end = time.monotonic() + DEADLINE
            while self.daemon.ask("get", "esp", "spi", "0x10ff", "dst", "192.0.2.2") != 0:
                self.assertLess(time.monotonic(), end)
            self.type("\x03")
            self.until("ipseckey: slow: interrupted")
            # The next input might continue the last line, so that one is still waiting.
            self.until("slow: 299 of 299 commands succeeded; the rest was not run.")
        self.until(PROMPT)
        self.assertIn("esp SA spi 0x112c dst 192.0.2.2 does not exist", self.run_line("get esp spi 0x112c dst 192.0.2.2"))
        self.assertIn("esp spi 0x112b ", self.run_line("get esp spi 0x112b dst 192.0.2.2"))
        self.leave()

    def test_a_dumb_terminal(self):
        self.start(term="dumb")
        self.type("dump\r")
        self.until(f"There are no SAs in ipsecd:{self.daemon.path}.")
        self.until(PROMPT)
        self.type("flush\x03")
        self.until(PROMPT)
        self.leave()

    def test_ctrl_z_stops_and_the_line_is_restored(self):
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
