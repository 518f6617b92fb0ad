#!/usr/bin/env python3
"""What can fail around the programs: files, disks, pipes, daemons. Each failure has a clear error and its exit status; nothing
is half-written, and nothing hangs."""
import contextlib
import errno
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from programs import Case, DEADLINE, Ended, IPSECD, IPSECKEY, NOBODY, UNPRIVILEGED, sa_line, sa_lines, unprivileged

OK, FAILED, USAGE, NO_SADB, FILE = range(5)


class Files(Case):
    """The operands of -f, -c and -s."""

    def test_a_file_that_may_not_be_read(self):
        self.folder.chmod(0o755)
        self.write("keys", sa_line(0x100), mode=0)
        program = shutil.copy(IPSECKEY, self.folder)
        ended = self.finish(subprocess.Popen([program, "-c", "keys"], cwd=self.folder, preexec_fn=unprivileged, env=UNPRIVILEGED,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        self.assertEqual(ended, Ended(FILE, "", "ipseckey: cannot open keys: Permission denied\n"))

    def test_a_check_needs_neither_privilege_nor_sadb(self):
        self.folder.chmod(0o755)
        program = shutil.copy(IPSECKEY, self.folder)
        ended = self.finish(subprocess.Popen([program, "-c", "-"], cwd=self.folder, preexec_fn=unprivileged, env=UNPRIVILEGED,
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE),
                            sa_line(0x100).encode())
        self.assertEqual(ended, Ended(OK, "<stdin>: 1 of 1 command valid.\n", ""))

    def test_a_device(self):
        self.assertEqual(self.run_it("-c", "/dev/null"),
                         Ended(FILE, "", "ipseckey: /dev/null is neither a regular file nor a pipe\n"))

    def test_binary_garbage(self):
        noise = bytes(random.Random(2).choices(range(1, 256), k=200_000))
        self.write("noise", noise)
        ended = self.run_it("-c", "noise")
        self.assertEqual((ended.status, ended.out), (FAILED, ""))
        for line in ended.err.splitlines():
            self.assertRegex(line, r"^noise:\d+(:\d+)?: (error|warning|Parse error|.*Parse error on line)|^noise: 0 of \d+ ")
        self.assertTrue(ended.err.isprintable() or ended.err.replace("\n", "").isprintable())

    def test_nul_bytes(self):
        self.write("nul", sa_line(0x100) + "add ah spi\0 0x101\n" + sa_line(0x102))
        self.start_daemon()
        ended = self.run_it("-f", "nul")
        self.assertEqual(ended, Ended(FAILED, "", "ipseckey: nul: line 2 holds a NUL byte: this is not a file of commands\n"
                                                  "nul: 1 of 1 command succeeded; the rest was not run.\n"))

    def test_a_line_of_100_megabytes(self):
        with open(self.write("long", ""), "wb") as out:
            out.write(b"add ah spi 0x100 ")
            for _ in range(100):
                out.write(b"0123456789abcdef" * 65536)
            out.write(b"\n" + sa_line(0x101).encode())
        ended = self.run_with_memory("-c", "long")
        self.assertEqual(ended, Ended(FAILED, "", "long:1: error: the command is longer than 1048576 bytes\n"
                                                  "long: 1 of 2 commands valid.\n"))

    def test_200_megabytes_behind_a_command(self):
        """The command is kept for messages until others are checked with it; what is skipped behind it is not."""
        object_ = '{"action":"flush","satype":"ah"}\n'
        for start, piece, outcome in (
                (sa_line(0x100) + "add ah spi 0x101 ", b"0123456789abcdef",
                 Ended(FAILED, "", "long:2: error: the command is longer than 1048576 bytes\nlong: 1 of 2 commands valid.\n")),
                (sa_line(0x100) + "# ", b"0123456789abcdef",
                 Ended(FAILED, "", "long:2: error: the command is longer than 1048576 bytes\nlong: 1 of 2 commands valid.\n")),
                (sa_line(0x100), b"# comment 012\\\n", Ended(OK, "long: 1 of 1 command valid.\n", "")),
                (object_ + '{"auth_key":{"hex":"', b"0123456789abcdef",
                 Ended(FAILED, "", "long:2: error: the object is longer than 1048576 bytes; the rest was not read\n"
                                   "long: 1 of 2 commands valid; the rest was not run.\n")),
                (object_ + "[", b" " * 16,
                 Ended(FAILED, "", "long:2: error: the array has no end: ] is missing\nlong: 1 of 2 commands valid.\n")),
                (object_, b"[] [ ]\n[\n]    \n\n", Ended(OK, "long: 1 of 1 command valid.\n", ""))):
            with self.subTest(start=start, piece=piece):
                with open(self.write("long", start), "ab") as out:
                    for _ in range(200):
                        out.write(piece * 65536)
                self.assertEqual(self.run_with_memory("-c", "long"), outcome)

    def test_50_megabytes_of_comments(self):
        with open(self.write("comments", ""), "wb") as out:
            for _ in range(50):
                out.write(b"# Nothing but words, and no command at all in here.....\n# ....\n" * 16384)
            out.write(sa_line(0x101).encode())
        self.assertEqual(self.run_with_memory("-c", "comments"), Ended(OK, "comments: 1 of 1 command valid.\n", ""))

    def run_with_memory(self, *arguments) -> Ended:
        """As run_it; memory must not grow with the file."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        ended = self.run_it(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertLess(after, max(before, 256 * 1024), "kilobytes")
        return ended

    def test_lines_that_end_in_cr_lf(self):
        self.write("dos", "add ah spi 0x100 dst 192.0.2.2 \\\r\n   authalg aes-xcbc \\\r\n   authkey "
                          "112233445566778899aabbccddeeff00\r\n\r\n# end\r\n" + sa_line(0x101).replace("\n", "\r\n"))
        self.assertEqual(self.run_it("-c", "dos"), Ended(OK, "dos: 2 of 2 commands valid.\n", ""))

    def test_a_pipe_instead_of_a_file(self):
        self.write("keys", sa_lines(3))
        shell = f'"{IPSECKEY}" -c <(cat keys) | sed "s#/dev/fd/[0-9]*#PIPE#"'
        ended = self.finish(subprocess.Popen(["bash", "-c", shell], cwd=self.folder, stdout=subprocess.PIPE,
                                             stderr=subprocess.PIPE))
        self.assertEqual(ended, Ended(OK, "PIPE: 3 of 3 commands valid.\n", ""))

    def test_a_file_that_others_can_read(self):
        self.write("keys", sa_line(0x100), mode=0o644)
        ended = self.run_it("-c", "keys")
        self.assertEqual(ended, Ended(
            OK, "keys: 1 of 1 command valid, 1 warning.\n",
            "keys: warning: it holds keys and other users can access it (mode 0644): chmod 600 keys\n"))

    def test_a_file_of_another_user(self):
        self.write("keys", sa_line(0x100))
        warning = ""
        if os.geteuid() == 0:  # Only root can give a file away.
            os.chown(self.folder / "keys", 65534, 65534)
            warning = "keys: warning: it holds keys and belongs to another user (uid 65534)\n"
        ended = self.run_it("-c", "keys")
        self.assertEqual(ended.err, warning)
        self.assertEqual(ended.status, OK)

    def test_a_file_without_keys_may_be_open(self):
        self.write("commands", "flush\n", mode=0o644)
        self.assertEqual(self.run_it("-c", "commands"), Ended(OK, "commands: 1 of 1 command valid.\n", ""))


class Saving(Case):
    """A target is replaced as a whole or not at all."""

    def setUp(self):
        super().setUp()
        self.start_daemon()
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(2000)).status, OK)

    def refused(self, target: str, why: str):
        before = self.listing()
        self.assertEqual(self.run_it("-s", target), Ended(FILE, "", f"ipseckey: cannot save to {target}: {why}\n"))
        self.assertEqual(self.listing(), before)

    def test_a_link_a_folder_a_device(self):
        self.write("other", "precious\n")
        (self.folder / "link").symlink_to("other")
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "pipe")
        only = "keys are written only to regular files"
        self.refused("link", f"it is a symbolic link; {only}")
        self.refused("folder", f"it is a directory; {only}")
        self.refused("pipe", f"it is not a regular file; {only}")
        self.refused("/dev/null", f"it is not a regular file; {only}")
        self.refused("/dev/full", f"it is not a regular file; {only}")
        self.refused("nofolder/file", "No such file or directory")
        self.assertEqual((self.folder / "other").read_text(), "precious\n")

    def test_a_full_disk(self):
        self.write("target", "precious\n")
        small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        ended = self.run_it("-s", "target", preexec_fn=small)
        self.assertEqual(ended, Ended(FILE, "", "ipseckey: cannot write target: File too large; target was not written\n"))
        self.assertEqual(self.listing(), ["target"])
        self.assertEqual((self.folder / "target").read_text(), "precious\n")

    def test_a_new_file_and_a_replaced_one(self):
        self.write("target", "not so precious\n", mode=0o644)
        for name in ("target", "new"):
            self.assertEqual(self.run_it("-s", name), Ended(OK, "", ""))
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.listing(), ["new", "target"])
        self.assertEqual((self.folder / "new").read_text(), (self.folder / "target").read_text())

    def test_ended_by_a_signal_half_way(self):
        self.write("target", "precious\n")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.daemon.send(signal.SIGSTOP)
            saving = self.start("-s", "target")
            self.wait_until_it_holds(saving, signal.SIGTERM)
            saving.send_signal(number)
            # It ends without an answer from the daemon.
            self.assertEqual(self.finish(saving), Ended(-number, "", "ipseckey: interrupted; target was not written\n"))
            self.daemon.send(signal.SIGCONT)
            self.assertEqual(self.listing(), ["target"])
            self.assertEqual((self.folder / "target").read_text(), "precious\n")

    def test_a_signal_that_is_ignored_ends_nothing(self):
        self.daemon.send(signal.SIGSTOP)
        saving = self.start("-s", "target", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_until_it_holds(saving, signal.SIGTERM)
        saving.send_signal(signal.SIGHUP)
        self.daemon.send(signal.SIGCONT)
        self.assertEqual(self.finish(saving), Ended(OK, "", ""))
        self.assertEqual(self.listing(), ["target"])

    def test_killed_half_way(self):
        """Nothing can clean up then, so the new file has no name yet; on file systems without such files, only its owner can
        open it."""
        self.write("target", "precious\n")
        self.daemon.send(signal.SIGSTOP)
        saving = self.start("-s", "target")
        self.wait_until_it_holds(saving, signal.SIGTERM)
        saving.kill()
        self.assertEqual(self.finish(saving), Ended(-signal.SIGKILL, "", ""))
        self.assertEqual((self.folder / "target").read_text(), "precious\n")
        left = [name for name in self.listing() if name != "target"]
        if self.has_unnamed_files():
            self.assertEqual(left, [])
        else:
            self.assertEqual([(self.folder / name).stat().st_mode & 0o777 for name in left], [0o600])

    def has_unnamed_files(self) -> bool:
        try:
            os.close(os.open(self.folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
            return True
        except OSError:
            return False

    def test_standard_output_is_full(self):
        for words in (["-s", "-"], ["save", "all"], ["-p", "dump"]):
            with open("/dev/full", "wb") as full:
                ended = self.run_it(*words, stdout=full)
            self.assertEqual(ended, Ended(
                FILE, "", "ipseckey: cannot write standard output: No space left on device\n"), words)

    def test_the_reader_of_standard_output_goes_away(self):
        """Quietly, like any filter: by SIGPIPE; if that is ignored, only with the exit status."""
        ignoring = {"restore_signals": False, "preexec_fn": lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)}
        for words in (["-p", "dump"], ["save", "all"], ["-s", "-"], ["--json", "dump"], ["monitor"]):
            for how, status in (({}, -signal.SIGPIPE), (ignoring, FILE)):
                process = self.start(*words, **how)
                process.stdout.readline()
                process.stdout.close()
                if words == ["monitor"]:
                    process.stderr.readline()
                    self.assertEqual(self.run_it("flush", "ah").status, OK)
                    self.assertEqual(self.run_it("-f", "-", text=sa_lines(2000)).status, OK)
                err = process.stderr.read().decode()
                self.assertEqual((process.wait(DEADLINE), err), (status, ""), words)


class Closed(Case):
    """Standard descriptors that were closed before the program started: no file of ours gets their numbers."""

    LOST = Ended(FILE, "", "ipseckey: cannot write standard output: Bad file descriptor\n")

    def closed(self, *descriptors) -> dict:
        return {"preexec_fn": lambda: [os.close(fd) for fd in descriptors]}

    def test_a_lost_output_is_an_error(self):
        self.start_daemon()
        self.write("keys", sa_lines(3))
        self.assertEqual(self.run_it("-f", "keys", **self.closed(1)), self.LOST)
        for words in (["-p", "dump"], ["save", "all"], ["-s", "-"], ["-c", "keys"], ["--version"], ["genkey", "aes"]):
            self.assertEqual(self.run_it(*words, **self.closed(0, 1)), self.LOST, words)
        self.assertEqual(self.run_it("-c", "keys", **self.closed(1, 2)).status, FILE)
        self.assertEqual(self.run_it("flush", **self.closed(0, 1, 2)).status, OK)
        self.assertEqual(self.run_it("-f", "keys", **self.closed(0, 1, 2)).status, FILE)
        self.assertEqual(self.count_sas(), 3)
        ended = self.run_it("-f", "-", **self.closed(0))
        self.assertEqual((ended.status, ended.out), (FILE, ""))
        self.assertIn("cannot read <stdin>: Bad file descriptor", ended.err)
        # It received only PF_KEY messages.
        self.assertRegex(self.daemon.end(), r"\Aipsecd: serving \S+\n\Z")

    def test_a_saved_file_contains_only_what_is_saved(self):
        self.start_daemon()
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(3)).status, OK)
        self.assertEqual(self.run_it("-s", "first").status, OK)
        (self.folder / "target").mkdir()
        for descriptors in ((0,), (1,), (2,), (0, 1, 2)):
            # -v writes to standard output.
            self.assertEqual(self.run_it("-v", "-s", "second", **self.closed(*descriptors)).status, FILE if 1 in descriptors else OK)
            saved = [[line for line in (self.folder / name).read_text().splitlines() if not line.startswith("#")]
                     for name in ("first", "second")]
            self.assertEqual(saved[0], saved[1], descriptors)
            self.assertEqual(sum(line.startswith("add ") for line in saved[1]), 3)
            self.assertEqual(self.run_it("-s", "target", **self.closed(*descriptors)).status, FILE)

    def test_ipsecd_without_them(self):
        for descriptors in ((0,), (1,), (2,), (0, 1, 2)):
            socket = self.folder / "sadb.sock"
            process = subprocess.Popen([IPSECD, "--socket", str(socket)], **self.closed(*descriptors))
            self.addCleanup(self.stop, process)
            status = [IPSECD, "status", "--socket", str(socket)]
            end = time.monotonic() + DEADLINE
            while subprocess.run(status, capture_output=True).returncode != OK:
                self.assertLess(time.monotonic(), end)
                self.assertIsNone(process.poll(), descriptors)
            for fd in descriptors:
                self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{fd}"), "/dev/null")
            lost = subprocess.run(status, stderr=subprocess.PIPE, **self.closed(0, 1))
            self.assertEqual((lost.returncode, lost.stderr), (FAILED, b"ipsecd: cannot write standard output: Bad file descriptor\n"))
            process.terminate()
            self.assertEqual(process.wait(DEADLINE), OK)

    def test_a_log_that_cannot_be_written_does_not_end_the_daemon(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.Popen([IPSECD, "--socket", str(self.folder / "sadb.sock")], stderr=full)
        self.addCleanup(self.stop, process)
        end = time.monotonic() + DEADLINE
        while not (self.folder / "sadb.sock").exists():
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(DEADLINE), OK)


    def serve_with_log(self, stderr, **how):
        """A daemon that must log a line for each stranger, with that log."""
        self.folder.chmod(0o755)
        path = self.folder / "sadb.sock"
        process = subprocess.Popen([IPSECD, "--socket", str(path)], stderr=stderr, **how)
        self.addCleanup(self.stop, process)
        end = time.monotonic() + DEADLINE
        while not path.exists():
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
        path.chmod(0o666)
        self.daemon = type("Behind", (), {"socket": path})
        return process

    def assert_outlives(self, process):
        if os.getuid() == 0:  # Only root can act as a stranger, too.
            os.seteuid(NOBODY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
                end = time.monotonic() + DEADLINE
                while (error := one.connect_ex(str(self.daemon.socket))) == errno.ECONNREFUSED and time.monotonic() < end:
                    self.assertIsNone(process.poll())  # The socket has its path a moment before the daemon listens.
                self.assertEqual(error, 0)
                one.settimeout(DEADLINE)
                while os.geteuid() == NOBODY and one.recv(64):
                    pass
        finally:
            os.seteuid(os.getuid())
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(3)).status, OK)
        self.assertEqual(self.count_sas(), 3)
        process.terminate()
        self.assertEqual(process.wait(DEADLINE), OK)

    def test_a_log_whose_reader_is_gone_does_not_end_the_daemon(self):
        reader, writer = os.pipe()
        process = self.serve_with_log(writer)
        os.close(writer)
        os.close(reader)
        self.assert_outlives(process)

    def test_a_log_that_nobody_reads_does_not_delay_the_daemon(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)  # The daemon's own may block.
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, bytes(4096))
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b".")
        os.close(filler)
        process = self.serve_with_log(writer)
        os.close(writer)
        self.assert_outlives(process)

    def test_a_log_at_its_size_limit_does_not_end_the_daemon(self):
        with open(self.folder / "log", "wb") as log:
            process = self.serve_with_log(log, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)))
        self.assert_outlives(process)
        self.assertEqual((self.folder / "log").stat().st_size, 16)


class Interrupted(Case):
    """Ctrl-C during an operation: it ends between two commands, and the SADB and the user have the same state."""

    def setUp(self):
        super().setUp()
        self.start_daemon()

    def test_a_dump_whose_reader_is_slow(self):
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(20_000)).status, OK)
        for words in (["-p", "dump"], ["save", "all"]):
            dump = self.start(*words)
            dump.stdout.readline()
            self.wait_until_it_holds(dump, signal.SIGINT)
            dump.send_signal(signal.SIGINT)
            ended = self.finish(dump)
            self.assertEqual((ended.status, ended.err), (-signal.SIGINT, "ipseckey: interrupted; the list is incomplete\n"))
            self.assertNotIn("SAs in ipsecd", ended.out)
        self.assertEqual(self.count_sas(), 20_000)

    def test_a_dump_that_gets_no_answer(self):
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(10)).status, OK)
        self.daemon.send(signal.SIGSTOP)
        dump = self.start("dump")
        self.wait_until_it_holds(dump, signal.SIGINT)
        dump.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(dump), Ended(-signal.SIGINT, "", "ipseckey: interrupted; the list is incomplete\n"))
        self.daemon.send(signal.SIGCONT)
        self.assertEqual(self.count_sas(), 10)

    def test_a_load_between_two_commands(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.run_it("flush"), Ended(OK, "", ""))
            loading = self.start("-f", "-", stdin=subprocess.PIPE)
            loading.stdin.write(sa_lines(600).encode())
            loading.stdin.flush()
            self.wait_for_sas(256)  # Batches of that many; the last one waits for more input.
            loading.send_signal(number)
            ended = self.finish(loading)
            self.assertEqual((ended.status, ended.out), (-number, ""))
            self.assertRegex(ended.err, r"^ipseckey: <stdin>: interrupted\n"
                                        r"<stdin>: (\d+) of \1 commands succeeded; the rest was not run\.\n$")
            self.assertEqual(self.count_sas(), int(ended.err.split()[4]))

    def test_a_load_that_gets_no_answer(self):
        self.daemon.send(signal.SIGSTOP)
        loading = self.start("-f", "-", stdin=subprocess.PIPE)
        loading.stdin.write(sa_lines(3).encode())
        loading.stdin.close()
        loading.stdin = None
        self.wait_until_it_holds(loading, signal.SIGINT)
        loading.send_signal(signal.SIGINT)
        ended = self.finish(loading)
        self.assertEqual((ended.status, ended.out), (-signal.SIGINT, ""))
        self.assertRegex(ended.err, r"<stdin>: \d of \d commands? succeeded; the rest was not run\.\n$")

    def test_a_load_of_which_nothing_was_read(self):
        loading = self.start("-f", "-", stdin=subprocess.PIPE)
        self.wait_until_it_holds(loading, signal.SIGINT)
        loading.send_signal(signal.SIGINT)
        ended = Ended(loading.wait(DEADLINE), loading.stdout.read().decode(), loading.stderr.read().decode())
        self.assertEqual(ended, Ended(-signal.SIGINT, "", "ipseckey: <stdin>: interrupted\n"
                                                          "<stdin>: 0 of 0 commands succeeded; the rest was not run.\n"))

    def test_a_monitor_ends_cleanly_on_each_terminating_signal(self):
        ignoring = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # As a shell starts its background jobs.
        for number, status, how in ((signal.SIGINT, OK, {}), (signal.SIGTERM, OK, {}), (signal.SIGHUP, -signal.SIGHUP, {}),
                                    (signal.SIGINT, OK, {"preexec_fn": ignoring})):
            monitor = self.start("monitor", **how)
            monitor.stdout.readline()
            monitor.send_signal(number)
            ended = self.finish(monitor)
            self.assertEqual((ended.status, ended.err.count("\n")), (status, 1))

    def wait_for_sas(self, count: int):
        end = time.monotonic() + DEADLINE
        while self.count_sas() < count:
            self.assertLess(time.monotonic(), end)


class Daemons(Case):
    """The SADB does not exist, disappears, or does not answer."""

    def test_there_is_no_sadb(self):
        ended = self.run_it("dump")
        self.assertEqual((ended.status, ended.out), (NO_SADB, ""))
        self.assertRegex(ended.err, r"^ipseckey: .*FOLDER/absent.sock.*`ipsecd --socket FOLDER/absent.sock`\n$")

    def test_a_file_is_not_loaded_without_one(self):
        self.write("keys", sa_lines(1000))
        ended = self.run_it("-f", "keys")
        self.assertEqual((ended.status, ended.out), (NO_SADB, ""))
        self.assertEqual(ended.err.count("absent.sock`"), 1)

    def test_it_is_killed_in_the_middle_of_a_load(self):
        self.start_daemon()
        loading = self.start("-f", "-", stdin=subprocess.PIPE)
        loading.stdin.write(sa_lines(25_000).encode())
        self.daemon.end(signal.SIGKILL)
        ended = self.finish(loading, sa_lines(25_000, first=0x100000).encode())
        self.assertEqual((ended.status, ended.out), (NO_SADB, ""))
        lines = ended.err.splitlines()
        self.assertRegex(lines[-1], r"^<stdin>: \d+ of \d+ commands succeeded; the rest was not run\.$")
        self.assertRegex(lines[-2], r"^ipseckey: .*sadb\.sock")

    def test_it_stops_answering(self):
        self.start_daemon()
        self.daemon.send(signal.SIGSTOP)
        begin = time.monotonic()
        ended = self.run_it("-f", "-", text=sa_lines(3))
        self.assertGreater(time.monotonic() - begin, 9)
        self.assertEqual((ended.status, ended.out), (NO_SADB, ""))
        self.assertRegex(ended.err, r"^<stdin>:1: error: no answer to this command and 2 after it, which may "
                                    r"have been carried out; the rest was not run\nipseckey: .*10 s.*\n"
                                    r"<stdin>: 0 of 3 commands succeeded; the rest was not run\.\n$")

    def test_two_loads_at_once(self):
        self.start_daemon()
        self.write("one", sa_lines(2000, first=0x10000))
        self.write("two", sa_lines(2000, first=0x20000))
        loads = [self.start("-f", name) for name in ("one", "two")]
        self.assertEqual([self.finish(p) for p in loads],
                         [Ended(OK, f"{name}: 2000 of 2000 commands succeeded.\n", "") for name in ("one", "two")])
        self.assertEqual(self.count_sas(), 4000)

    def test_commands_through_a_pipe_report_failure(self):
        self.start_daemon()
        self.assertEqual(self.run_it(text=sa_line(0x100) + "quit\n"), Ended(OK, "", ""))
        ended = self.run_it(text="nonsense\n" + sa_line(0x101))
        self.assertEqual((ended.status, ended.out), (FAILED, ""))
        self.assertEqual(self.count_sas(), 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
