#!/usr/bin/env python3
"""The service for manual keys: the unit's commands, run by hand; what they change, refuse and print."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import unittest

from programs import Case, Daemon, DEADLINE, IPSECKEY, UNPRIVILEGED, sa_line, sa_lines, unprivileged

UNIT = pathlib.Path(__file__).resolve().parents[2] / "share" / "systemd" / "ipsec-manual-key.service"
OK, FAILED, NO_SADB, BUSY, BAD_FILE, NO_PRIVILEGE = 0, 1, 3, 75, 95, 100
FOREIGN = sa_line(0x999, "192.0.2.9")


def systemd(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


class Refusing:
    """Relays between a client and a daemon, and refuses each ADD that contains these octets as if memory had run out."""

    ADD, ENOMEM = 3, 12

    def __init__(self, path, behind, octets):
        self.path, self.behind, self.octets, self.refused = path, behind, octets, 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        self.daemon = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.daemon.connect(str(behind))
        self.thread = threading.Thread(target=self.relay)
        self.thread.start()

    def relay(self):
        with contextlib.suppress(OSError):  # The listener is closed.
            client, _ = self.listener.accept()
            with client:
                while True:
                    for ready in select.select([client, self.daemon], [], [])[0]:
                        packet = ready.recv(1 << 17)
                        if not packet:
                            return
                        while packet:  # It may have several messages.
                            size = struct.unpack("=H", packet[4:6])[0] * 8
                            self.pass_on(client, packet[:size], ready is client)
                            packet = packet[size:]

    def pass_on(self, client, message, from_client):
        if from_client and message[1] == self.ADD and self.octets in message:
            self.refused += 1
            client.send(message[:2] + bytes([self.ENOMEM]) + message[3:4] + struct.pack("=HH", 2, 0) + message[8:16])
        else:
            (self.daemon if from_client else client).send(message)

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(DEADLINE)
        self.listener.close()
        self.daemon.close()


class Unit(Case):
    def test_systemd_understands_it(self):
        program = shutil.copy(IPSECKEY, self.folder)  # Its path is a word of the unit.
        here = self.write("ipsec-manual-key.service", UNIT.read_text().replace("/usr/sbin/ipseckey", program))
        self.assertEqual(systemd("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(here)), (0, ""))

    def test_its_sandbox_is_tight(self):
        _, said = systemd("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT))
        self.assertLessEqual(float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]), 2.0)

    def test_it_is_shipped_disabled_and_waits_for_its_file(self):
        text = UNIT.read_text()
        self.assertIn("ConditionPathExists=|/etc/inet/secret/ipseckeys\n", text)
        self.assertRegex(text, r"(?m)^Type=oneshot$")
        self.assertRegex(text, r"(?m)^RemainAfterExit=yes$")
        self.assertFalse(list(UNIT.parent.glob("*.preset")))


class Service(Case):
    """Runs the unit's commands as systemd would, except for the path of the program."""

    def setUp(self):
        super().setUp()
        (self.folder / "secret").mkdir(mode=0o700)
        (self.folder / "run").mkdir(mode=0o700)
        self.keys = self.folder / "secret" / "ipseckeys"
        self.start_daemon()
        self.set_environment()

    def set_environment(self, **more):
        """The unit's own, then those of /etc/default/ipsec-manual-key."""
        line = re.search(r"(?m)^Environment=(.*)$", UNIT.read_text())[1]
        self.variables = dict(word.split("=", 1) for word in line.split())
        self.variables |= {"IPSECKEYS": str(self.keys), "IPSECKEY_SADB": f"ipsecd:{self.daemon.socket}",
                           "RUNTIME_DIRECTORY": str(self.folder / "run")} | more

    def words_of(self, command):
        words = []
        for word in re.search(rf"(?m)^Exec{command}=(.*)$", UNIT.read_text())[1].split():
            name = re.fullmatch(r"\$\{?(\w+)\}?", word)
            if not name:
                words.append(word)
            elif word.startswith("${"):
                words.append(self.variables[name[1]])
            else:  # Like systemd: the value is split into words.
                words += self.variables[name[1]].split()
        self.assertEqual(words[0], "/usr/sbin/ipseckey")
        return [IPSECKEY, *words[1:]]

    def unit(self, command, **how):
        environment = how.pop("env", os.environ) | self.variables
        words = [how.pop("program", IPSECKEY), *self.words_of(command)[1:]]
        return self.finish(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, cwd="/", env=environment, **how))

    def write_keys(self, *lines):
        self.write("secret/ipseckeys", "".join(lines))

    def sas(self):
        """Everything that the SADB reports about each SA."""
        dump = self.run_it("--json", "-p", "dump").out
        return {json.loads(line)["spi"]: line for line in dump.splitlines()}

    def assert_said(self, ended, status, *pieces):
        self.assertEqual(ended.status, status, ended)
        for piece in pieces:
            self.assertIn(piece, ended.out + ended.err)

    def test_start_refresh_and_stop(self):
        self.assertEqual(self.run_it(text=FOREIGN).status, OK)
        self.write_keys("# Keys.\n", sa_lines(3))
        self.assert_said(self.unit("Start"), OK, "3 added", "all others flushed")
        self.assertEqual(sorted(self.sas()), [0x1000, 0x1001, 0x1002])
        self.assertEqual(self.run_it(text=FOREIGN).status, OK)
        before = self.sas()

        # Nothing has changed, and nothing happens.
        self.assert_said(self.unit("Reload"), OK, "0 added, 0 changed, 3 kept, 0 removed.")
        self.assertEqual(self.sas(), before)

        # One limit, one key, one SA more, one less.
        lines = sa_lines(4).splitlines(keepends=True)
        lines[0] = lines[0].replace("\n", " hard_addtime 9999\n")
        lines[1] = lines[1].replace("authkey 1", "authkey 2")
        del lines[2]
        self.write_keys(*lines)
        self.assert_said(self.unit("Reload"), OK, "1 added, 2 changed, 0 kept, 1 removed.")
        after = self.sas()
        self.assertEqual(sorted(after), [0x999, 0x1000, 0x1001, 0x1003])
        self.assertEqual(after[0x999], before[0x999])
        self.assertEqual(json.loads(after[0x1000])["current"], json.loads(before[0x1000])["current"])
        self.assertEqual(json.loads(after[0x1000])["hard"]["addtime"], 9999)

        # Another file: the SAs of the old one are deleted.
        self.write("secret/other", sa_lines(2, first=0x1003))
        self.set_environment(IPSECKEYS=str(self.folder / "secret/other"))
        self.assert_said(self.unit("Reload"), OK, "1 added, 0 changed, 1 kept, 2 removed.")
        self.assertEqual(self.sas()[0x1003], after[0x1003])

        # The file may be gone when the unit stops.
        (self.folder / "secret/other").unlink()
        self.assert_said(self.unit("Stop"), OK, "2 removed.")
        self.assertEqual(self.sas(), {0x999: before[0x999]})
        owned = (self.folder / "run/owned.db")
        self.assertEqual(owned.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(sa_line(0x1000).split()[-1].encode(), owned.read_bytes())

    def test_a_wrong_file_changes_nothing_and_its_text_is_not_printed(self):
        self.write_keys(sa_lines(2))
        self.unit("Start")
        before = self.sas()
        self.write_keys(sa_line(0x1000), "# A remark.\n", "add ah spi 0x1005 dst 192.0.2.77 authalg md5 authkey 99887766zz\n",
                        "add ah zebra 0x1006 dst 192.0.2.78 authalg md5 authkey 00112233445566778899aabbccddeeff\n",
                        "add ah spi 0x1007 dst giraffe.invalid authalg wombat authkey 00112233445566778899aabbccddeeff\n",
                        "gnu esp\n", "add esp spi 1x7 dst 192.0.2.79/24 soft_bytes koala\n")
        for command in ("Start", "Reload"):
            ended = self.unit(command)
            self.assert_said(ended, BAD_FILE, "ipseckeys:3:", "ipseckeys:4:8: error: Unknown extension", "ipseckeys:5:",
                             "ipseckeys:6:1: error: Unknown command", "ipseckeys:7:", "1 of 6 commands valid",
                             "ipseckey -c FOLDER/secret/ipseckeys")
            for word in ("9988", "zz", "zebra", "giraffe", "wombat", "gnu", "1x7", "192.0.2", "koala", "0011", "0x100"):
                self.assertNotIn(word, (ended.out + ended.err).lower())
            self.assertEqual(self.sas(), before)
        self.assertIn("wombat", self.run_it("-c", "secret/ipseckeys").err)

    def test_files_that_others_can_access_are_refused(self):
        self.write_keys(sa_line(0x1000), "add ah spi 0x1001 dst 192.0.2.2 authalg md5 authkey @apart/key\n")
        (self.folder / "secret/apart").mkdir(mode=0o700)
        key = self.write("secret/apart/key", "00112233445566778899aabbccddeeff\n")
        self.assert_said(self.unit("Start"), OK, "2 added")
        before = self.sas()
        for path in (self.keys, self.keys.parent, key, key.parent):
            mode = path.stat().st_mode & 0o777
            for more in (0o040, 0o004, 0o020, 0o002):
                path.chmod(mode | more)
                for command in ("Start", "Reload"):
                    self.assert_said(self.unit(command), BAD_FILE, "is refused")
            path.chmod(mode)
            os.chown(path, 12345, 0)
            self.assert_said(self.unit("Reload"), BAD_FILE, "is refused")
            os.chown(path, 0, 0)
        key.rename(key.with_name("moved"))
        key.symlink_to("moved")
        self.assert_said(self.unit("Reload"), BAD_FILE, "symbolic link")
        self.assertEqual(self.sas(), before)

    def test_credentials(self):
        self.write_keys("add ah spi 0x1001 dst 192.0.2.2 authalg md5 authkey @cred:west\n")
        self.assert_said(self.unit("Start"), BAD_FILE, "CREDENTIALS_DIRECTORY")
        (self.folder / "cred").mkdir(mode=0o500)
        self.write("cred/west", "00112233445566778899aabbccddeeff\n", mode=0o400)
        self.set_environment(CREDENTIALS_DIRECTORY=str(self.folder / "cred"))
        self.assert_said(self.unit("Start"), OK, "1 added")

    def test_strict(self):
        self.write_keys(sa_line(0x1000).replace("\n", " replay 32\n"))
        self.assert_said(self.unit("Start"), OK, "considered harmful")
        self.set_environment(IPSECKEY_OPTIONS="--strict")
        self.assert_said(self.unit("Reload"), BAD_FILE, "considered harmful")

    def test_without_privileges(self):
        self.write_keys(sa_line(0x1000))
        self.assertEqual(self.unit("Start").status, OK)
        self.folder.chmod(0o755)
        how = {"env": UNPRIVILEGED, "preexec_fn": unprivileged, "program": shutil.copy(IPSECKEY, self.folder)}
        # The file is not readable;
        self.assert_said(self.unit("Reload", **how), NO_PRIVILEGE, "Permission denied")
        # nor is the SADB reachable.
        (self.folder / "nobody").mkdir(mode=0o700)
        self.write("nobody/ipseckeys", sa_line(0x1000))
        for path in (self.folder / "nobody", self.folder / "nobody/ipseckeys"):
            os.chown(path, 65534, 65534)
        self.set_environment(IPSECKEYS=str(self.folder / "nobody/ipseckeys"))
        self.assert_said(self.unit("Reload", **how), NO_PRIVILEGE, "denied")

    def test_no_sadb(self):
        self.write_keys(sa_line(0x1000))
        self.set_environment(IPSECKEY_SADB=f"ipsecd:{self.folder}/absent")
        for command in ("Start", "Reload", "Stop"):
            self.assertEqual(self.unit(command).status, NO_SADB)

    def test_commands_without_an_answer_are_not_counted(self):
        """It closes after the first request (which algorithms it has), or after that many answers."""
        self.write_keys(sa_lines(3))
        for answers, flushed in ((0, "nothing"), (1, "nothing"), (2, "all others")):
            counts = f"0 added, 0 changed, 0 kept, {flushed} flushed"
            path = self.folder / f"going{answers}.sock"
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as going:
                going.bind(str(path))
                going.listen()
                going.settimeout(DEADLINE)

                def serve():
                    client, _ = going.accept()
                    with client:
                        for n in range(answers + 1):
                            request = client.recv(1 << 17)
                            if n < answers:
                                client.send(request)  # A reply repeats the request.

                serving = threading.Thread(target=serve)
                serving.start()
                self.set_environment(IPSECKEY_SADB=f"ipsecd:{path}")
                self.assert_said(self.unit("Start"), NO_SADB, f": {counts}; the rest was not done.\n")
                serving.join(DEADLINE)

    def test_the_sas_of_a_killed_start_are_known(self):
        self.write_keys(sa_lines(30_000))
        process = subprocess.Popen(self.words_of("Reload"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=os.environ | self.variables)
        self.addCleanup(self.stop, process)
        while self.count_sas() == 0 and process.poll() is None:
            pass  # Each check asks the daemon.
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)
        self.assertGreater(self.count_sas(), 0)
        self.assert_said(self.unit("Stop"), OK)
        self.assertEqual(self.count_sas(), 0)

    def lock(self):
        """Holds the lock that an apply holds while it runs."""
        held = open(self.folder / "run/owned.db.lock", "a", encoding="utf-8")
        fcntl.lockf(held, fcntl.LOCK_EX)
        return held

    def test_one_at_a_time(self):
        self.write_keys(sa_lines(5000))
        words = self.words_of("Reload")
        many = [subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=os.environ | self.variables) for _ in range(6)]
        ended = [self.finish(process) for process in many]
        self.assertEqual([(e.status, e.err) for e in ended], [(OK, "")] * 6)
        self.assertEqual(sorted("5000 added" in e.out for e in ended), [False] * 5 + [True])
        self.assertEqual(sum("0 added, 0 changed, 5000 kept, 0 removed." in e.out for e in ended), 5)

    @staticmethod
    def open_files(pid):
        names = []
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # It is closed by now.
                names.append(os.readlink(fd))
        return names

    def test_it_waits_for_another_and_then_reads_the_file(self):
        self.write_keys(sa_lines(2))
        held = self.lock()
        waiting = subprocess.Popen(self.words_of("Reload"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=os.environ | self.variables)
        self.addCleanup(self.stop, waiting)
        lock = f"{self.folder}/run/owned.db.lock"
        end = time.monotonic() + DEADLINE
        while lock not in self.open_files(waiting.pid):
            self.assertLess(time.monotonic(), end)
        self.write_keys(sa_lines(3))
        held.close()
        self.assert_said(self.finish(waiting), OK, "3 added")

    def test_it_names_the_process_at_work(self):
        self.write_keys(sa_lines(2))
        with self.lock():
            self.assert_said(self.unit("Reload"), BUSY, f"another apply is running (process {os.getpid()}); nothing was changed")
            self.assertEqual(self.sas(), {})
            self.assert_said(self.run_it("apply", "--dry-run", self.keys), OK, "2 to add")

    def frozen(self, lock: str):
        """An apply that holds its lock and does nothing more, until it is ended."""
        process = subprocess.Popen(self.words_of("Reload"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=os.environ | self.variables)
        self.addCleanup(self.stop, process)
        end = time.monotonic() + DEADLINE
        while True:
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
            with contextlib.suppress(FileNotFoundError), open(lock, "a", encoding="ascii") as file:
                anywhere = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                kind, _, _, _, holder = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, anywhere))
                if kind != fcntl.F_UNLCK and holder == process.pid:
                    process.send_signal(signal.SIGSTOP)
                    return process

    def test_applies_to_two_sadbs_do_not_wait_for_one_another(self):
        self.write_keys(sa_lines(30_000))
        process = self.frozen(f"{self.folder}/run/owned.db.lock")
        other = Daemon(self.folder, "other.sock")
        self.addCleanup(other.end)
        self.write_keys(sa_lines(2))
        self.set_environment(IPSECKEY_SADB=f"ipsecd:{other.socket}")
        self.assert_said(self.unit("Reload"), OK, "2 added, 0 changed")
        os.symlink(self.daemon.socket, self.folder / "the same.sock")
        self.set_environment(IPSECKEY_SADB=f"ipsecd:{self.folder}/the same.sock")
        self.assert_said(self.unit("Reload"), BUSY, f"another apply is running (process {process.pid})")

    def rows(self):
        with contextlib.closing(sqlite3.connect(self.folder / "run/owned.db")) as rows:
            return rows.execute("SELECT count(*) FROM owned").fetchone()[0]

    def test_rows_of_a_sadb_end_with_it(self):
        self.write_keys(sa_lines(50))
        for n in range(3):
            one = Daemon(self.folder, f"one{n}.sock")
            self.addCleanup(one.end)
            self.set_environment(IPSECKEY_SADB=f"ipsecd:{one.socket}")
            self.assert_said(self.unit("Reload"), OK, "50 added")
            self.assertEqual(self.rows(), 50)
            one.end(signal.SIGKILL)

    def test_rows_of_a_running_sadb_are_kept(self):
        self.write_keys(sa_lines(50))
        self.assert_said(self.unit("Reload"), OK, "50 added")
        other = Daemon(self.folder, "other.sock")
        self.addCleanup(other.end)
        self.set_environment(IPSECKEY_SADB=f"ipsecd:{other.socket}")
        self.assert_said(self.unit("Reload"), OK, "50 added")
        self.assertEqual(self.rows(), 100)

    def test_pipes_have_the_owner_that_they_name(self):
        def apply(*words, text):
            return self.run_it(*words, text=text, env=os.environ | self.variables)

        self.assert_said(apply("apply", "--owner=one", "-", text=sa_lines(2)), OK, "2 added, 0 changed, 0 kept, 0 removed")
        self.assert_said(apply("apply", "--owner", "two", "-", text=sa_lines(2, 0x2000)), OK, "2 added", "0 removed")
        self.assert_said(apply("apply", "-", text=sa_lines(2, 0x3000)), OK, "2 added", "0 removed")
        self.assert_said(apply("apply", "--owner=two", "-", text=sa_lines(1, 0x2001)), OK, "0 added", "1 kept, 1 removed")
        self.assert_said(apply("unload", "--owner=one", "-", text=""), OK, "2 removed")
        self.assertEqual(list(self.sas()), [0x2001, 0x3000, 0x3001])

    def test_a_refused_replacement_keeps_the_old_one(self):
        self.write_keys(sa_lines(2))
        self.assert_said(self.unit("Start"), OK, "2 added")
        keys = self.run_it("get", "ah", "spi", "0x1001", "dst", "192.0.2.2").out.split("auth key")[1].splitlines()[0]
        between = Refusing(self.folder / "between.sock", self.daemon.socket, bytes.fromhex("aa55" * 8))
        self.addCleanup(between.end)
        self.write_keys(sa_line(0x1000), re.sub("authkey .*", "authkey " + "aa55" * 8, sa_line(0x1001)))
        # As its owner knows it: by the name of the daemon's socket.
        self.daemon.socket.rename(self.folder / "behind.sock")
        between.path.rename(self.daemon.socket)
        ended = self.unit("Reload")
        self.daemon.socket.rename(between.path)
        (self.folder / "behind.sock").rename(self.daemon.socket)
        self.assert_said(ended, FAILED, "error: ah SA spi 0x1001 dst 192.0.2.2: ", "the old ah SA spi 0x1001 dst 192.0.2.2 was restored")
        self.assertEqual(between.refused, 1)
        self.assertIn(keys, self.run_it("get", "ah", "spi", "0x1001", "dst", "192.0.2.2").out)
        # It still belongs to the file, and the next refresh does what this one could not.
        self.assert_said(self.unit("Reload"), OK, "0 added, 1 changed, 1 kept, 0 removed.")
        self.assert_said(self.unit("Stop"), OK, "2 removed.")

    def test_without_a_file_it_is_wrong_usage(self):
        self.assertEqual(self.run_it("--service", text="flush\n").status, 2)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("service_test.py gives files to others and needs root")
    unittest.main()
