#!/usr/bin/env python3
"""ipsecd as a service: its units, who may use it and for what."""
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from hosts import Pair, echo, wait_for
from manager import Manager
from programs import Case, DEADLINE, Daemon, Ended, IPSECD, IPSECKEY, UNPRIVILEGED, sa_line, sa_lines

UNITS = pathlib.Path(__file__).resolve().parents[2] / "share" / "systemd"
OK, FAILED, NO_SADB, FILE = 0, 1, 3, 4
WORST = 2.0  # The highest result of `systemd-analyze security` that is allowed.
READERS, MEMBERS, STRANGERS = 54321, 54322, 54323  # Numbers of groups.
KEY = sa_line(0x100).split()[-1]


def run(*words, **how) -> subprocess.CompletedProcess:
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how)


class Units(Case):
    """The files that systemd reads, checked by systemd itself."""

    def test_systemd_understands_the_units(self):
        shutil.copy(IPSECD, self.folder)  # Its path is a word of the unit.
        for name in ("ipsecd.service", "ipsecd.socket"):
            text = (UNITS / name).read_text()
            (self.folder / name).write_text(text.replace("/usr/sbin/ipsecd", str(self.folder / "ipsecd")))
        for name in ("ipsecd.service", "ipsecd.socket"):
            done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(self.folder / name))
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_sandbox_is_tight(self):
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / "ipsecd.service"))
        exposure = re.search(r"exposure level for ipsecd.service: ([0-9.]+)", done.stdout)
        self.assertTrue(exposure, done.stdout)
        self.assertLessEqual(float(exposure[1]), WORST)

    def test_user_groups_and_folder(self):
        root = self.folder / "root"
        (root / "etc").mkdir(parents=True)
        done = run("systemd-sysusers", f"--root={root}", str(UNITS / "ipsecd.sysusers.conf"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex((root / "etc/passwd").read_text(), r"(?m)^ipsecd:")
        self.assertRegex((root / "etc/group").read_text(), r"(?m)^ipsecd-read:")
        done = run("systemd-tmpfiles", f"--root={root}", "--create", str(UNITS / "ipsecd.tmpfiles.conf"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual((root / "run/ipsecd").stat().st_mode & 0o777, 0o755)


class Clients(Case):
    """Root and two groups; everybody else is refused."""

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.program = shutil.copy(IPSECKEY, self.folder)
        shutil.copy(IPSECD, self.folder)
        self.write("keys", sa_line(0x100))

    def serve(self, *options):
        class Serving(Daemon):
            def __init__(self, folder):
                self.socket, self.log = folder / "sadb.sock", ""
                self.process = subprocess.Popen([IPSECD, "--socket", str(self.socket), *options], stdin=subprocess.DEVNULL,
                                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
                self.read_log(until="serving")

        self.daemon = Serving(self.folder)
        self.addCleanup(self.daemon.end)
        self.assertEqual(self.run_it("-f", "keys").status, OK)

    def ask(self, groups, *words, uid=65534, **how) -> Ended:
        """Runs the command as a user of those groups."""
        process = subprocess.Popen([self.program, f"--sadb=ipsecd:{self.daemon.socket}", *words], cwd=self.folder, env=UNPRIVILEGED,
                                   user=uid, group=groups[0], extra_groups=groups[1:], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        return self.finish(process)

    def test_a_reader_gets_no_key(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        for words in (("dump",), ("get", "ah", "spi", "0x100", "dst", "192.0.2.2"), ("--json", "dump")):
            ended = self.ask([STRANGERS, READERS], *words)
            self.assertEqual((ended.status, ended.err), (OK, ""))
            self.assertIn("keys are not shown to members of the read group", ended.out)
            self.assertNotIn(KEY, ended.out)
            self.assertNotIn("authkey", ended.out)

    def test_a_reader_is_refused_changes_with_the_reason(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        for words in (("flush",), ("delete", "ah", "spi", "0x100", "dst", "192.0.2.2"), ("-f", "more"), ("monitor",)):
            more = self.write("more", sa_line(0x200))
            os.chown(more, 65534, READERS)
            ended = self.ask([READERS], *words)
            self.assertEqual((ended.status, ended.out), (FAILED, ""), words)
            self.assertIn("Operation not permitted (EPERM); members of the read group may only get, dump and listen for changes (passive_monitor)",
                          ended.err)
        self.assertEqual(self.count_sas(), 1)

    def test_a_reader_saves_nothing(self):
        self.serve("--read-group", str(READERS))
        place = self.folder / "place"
        place.mkdir()
        os.chown(place, 65534, READERS)
        ended = self.ask([READERS], "-s", str(place / "saved"))
        self.assertEqual((ended.status, ended.err), (FAILED, "ipseckey: keys are not shown to members of the read group: nothing saved\n"))
        self.assertEqual(sorted(place.iterdir()), [])

    def test_a_member_has_full_access(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        self.assertIn(KEY, self.ask([MEMBERS], "dump").out)
        self.assertEqual(self.ask([STRANGERS, MEMBERS, READERS], "flush"), Ended(OK, "", ""))
        self.assertEqual(self.count_sas(), 0)

    # covers RFC2367-1.2-1
    def test_others_are_refused_although_the_socket_is_open_to_all(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        ended = self.ask([STRANGERS], "dump")
        self.assertEqual(ended, Ended(NO_SADB, "", "ipseckey: ipsecd at FOLDER/sadb.sock serves only root, its own user and the groups that it was started with; try again as one of them, for example with sudo; "
                                                  "the list is incomplete\n"))
        self.daemon.read_log(until="only root and user 0 and members of its groups are served\n")

    def test_a_single_group_is_the_files_own(self):
        self.serve("--read-group", str(READERS))
        found = self.daemon.socket.stat()
        self.assertEqual((found.st_mode & 0o777, found.st_gid), (0o660, READERS))
        self.assertEqual(self.ask([READERS], "-n", "dump").status, OK)
        self.assertIn("permission denied for FOLDER/sadb.sock", self.ask([STRANGERS], "dump").err)

    def test_if_the_file_cannot_have_the_group_the_kernel_decides(self):
        """As if the unit's filter forbids chown(2), and for a user who is not a member."""
        os.chown(self.folder, 65534, -1)
        process = subprocess.Popen([self.folder / "ipsecd", "--socket", self.folder / "s", "--read-group", str(READERS)], user=65534,
                                   group=65534, extra_groups=[], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=UNPRIVILEGED)
        self.addCleanup(self.stop, process)
        self.assertTrue(any(b"serving" in line for line in process.stderr))
        self.daemon = type("Serving", (), {"socket": self.folder / "s"})
        for path in (self.folder / "s", self.folder / "s.status"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o666)
        for group, wanted in ((READERS, OK), (STRANGERS, NO_SADB)):
            self.assertEqual(self.ask([group], "-n", "dump", uid=65533).status, wanted)
            done = run(str(self.folder / "ipsecd"), "status", "--socket", str(self.folder / "s"), user=65533, group=group, extra_groups=[])
            self.assertEqual(done.returncode == 0, wanted == OK, done.stdout)

    def test_the_status_is_for_readers_too(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        words = [str(self.folder / "ipsecd"), "status", "--socket", str(self.daemon.socket)]
        reader = run(*words, user=65534, group=READERS, extra_groups=[])
        self.assertEqual((reader.returncode, reader.stdout), (0, f"ipsecd at {self.daemon.socket}: 1 SA, 0 clients\n"
                                                                 "No packets are carried: ipsecd was started without --tun or --hook.\n"))
        stranger = run(*words, user=65534, group=STRANGERS, extra_groups=[])
        self.assertEqual((stranger.returncode, stranger.stdout), (1, f"ipsecd: {self.daemon.socket}.status answers only root, ipsecd's "
                                                                     "own user and the groups that it was started with\n"))

    def test_every_thread_is_confined(self):
        self.serve()
        for status in pathlib.Path(f"/proc/{self.daemon.process.pid}/task").glob("*/status"):
            text = status.read_text()
            self.assertRegex(text, r"(?m)^Seccomp:\t2$")
            self.assertRegex(text, r"(?m)^NoNewPrivs:\t1$")

    def test_a_group_that_does_not_exist(self):
        done = run(IPSECD, "--socket", str(self.folder / "s"), "--group", "no-such-group")
        self.assertEqual((done.returncode, done.stdout), (1, "ipsecd: there is no group no-such-group\n"))

    def test_one_user_cannot_take_all_connections(self):
        self.serve("--read-group", str(READERS), "--max-user-clients", "2")
        held = [self.listen_as_reader() for _ in range(2)]
        ended = self.ask([READERS], "dump")
        self.assertEqual(ended, Ended(NO_SADB, "", "ipseckey: ipsecd at FOLDER/sadb.sock has too many clients; try again later; the list is incomplete\n"))
        self.daemon.read_log(until="--max-user-clients allows 2\n")
        self.assertEqual(self.count_sas(), 1)  # Root is served.
        for process in held:
            self.stop(process)

    def knock(self, times: int, group: int = 0):
        """Connects as a user who is not served, or not once more, and waits for the refusal."""
        os.setegid(group)
        os.seteuid(65534)
        try:
            for _ in range(times):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
                    one.settimeout(DEADLINE)
                    one.connect(str(self.daemon.socket))
                    while one.recv(64):
                        pass
        finally:
            os.seteuid(0)
            os.setegid(0)

    def test_a_stranger_cannot_fill_the_log(self):
        """At most a line per second, and the lines account for all."""
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS))
        count, begin = 3000, time.monotonic()
        self.knock(count)
        told = lambda: [1 + int(more or 0) for more in
                        re.findall(r"refused process \d+ of user 65534: [^\n(]*?(?: \(and (\d+) more like it\))?\n", self.daemon.log)]
        while sum(told()) < count:
            self.assertTrue(select.select([self.daemon.process.stderr], [], [], DEADLINE)[0], self.daemon.log)
            self.daemon.log += os.read(self.daemon.process.stderr.fileno(), 65536).decode()
        self.assertEqual(sum(told()), count)
        self.assertLessEqual(len(told()), time.monotonic() - begin + 1)

    def test_lines_of_two_kinds_wait_for_their_own_second(self):
        self.serve("--group", str(MEMBERS), "--read-group", str(READERS), "--max-user-clients", "1")
        held = self.listen_as_reader()
        count, begin = [0, 300], time.monotonic()
        while time.monotonic() < begin + 0.5:  # So the second kind's second ends later than the timer of the first.
            self.knock(1)
            count[0] += 1
        self.knock(count[1], READERS)
        kinds = ("only root and user", "--max-user-clients allows 1")
        said = lambda kind: [1 + int(more or 0) for more in
                             re.findall(rf"refused process \d+ of user 65534: {kind}[^\n(]*?(?: \(and (\d+) more like it\))?\n", self.daemon.log)]
        while [sum(said(kind)) for kind in kinds] != count:
            self.assertTrue(select.select([self.daemon.process.stderr], [], [], DEADLINE)[0], self.daemon.log)
            self.daemon.log += os.read(self.daemon.process.stderr.fileno(), 65536).decode()
        self.stop(held)

    def test_a_user_unknown_to_the_namespace_is_nobody(self):
        """Outsiders appear as 65534 there, which is the number of a group with access."""
        words = ["unshare", "--user", "--map-root-user", str(self.folder / "ipsecd"), "--socket", str(self.folder / "s"), "--read-group", "65534"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.stop, process)
        self.assertTrue(any(b"serving" in line for line in process.stderr))
        self.daemon = type("Serving", (), {"socket": self.folder / "s"})
        self.assertEqual(self.run_it("-n", "dump").status, OK)
        self.assertEqual(self.ask([STRANGERS], "-n", "dump", uid=54321).status, NO_SADB)
        self.assertEqual(self.ask([65534], "-n", "dump", uid=54321).status, NO_SADB)

    def listen_as_reader(self) -> subprocess.Popen:
        process = subprocess.Popen([self.program, f"--sadb=ipsecd:{self.daemon.socket}", "passive_monitor"], cwd=self.folder,
                                   env=UNPRIVILEGED, user=65534, group=READERS, extra_groups=[], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.stop, process)
        self.assertEqual(self.run_it("-f", self.write("again", f"delete ah spi 0x100 dst 192.0.2.2\n{sa_line(0x100)}")).status, OK)
        self.assertTrue(process.stdout.readline())  # It receives changes: the connection is established.
        return process


class Restart(Case):
    """A new ipsecd continues where the last one ended, however that ended."""

    def setUp(self):
        super().setUp()
        self.manager = Manager(self.folder)
        self.addCleanup(self.manager.close)
        self.daemon = type("Behind", (), {"socket": self.folder / "sadb.sock"})

    def start_service(self, *options, **how) -> subprocess.Popen:
        process = self.manager.start(*options, **how)
        self.addCleanup(self.stop, process)
        self.manager.wait_for("READY=1")
        return process

    def end_service(self, process, number) -> str:
        process.send_signal(number)
        return process.communicate(timeout=DEADLINE)[1].decode()

    def dumped(self) -> str:
        ended = self.run_it("dump")
        self.assertEqual((ended.status, ended.err), (OK, ""))
        without_ages = re.sub(r"since add +[\d.]+ \w+|, in [\d.]+ \w+$", "", ended.out, flags=re.MULTILINE)
        return re.sub(" +", " ", without_ages)

    def load(self, text: str):
        ended = self.run_it("-f", "-", text=text)
        self.assertEqual(ended.status, OK, ended)

    def test_sas_continue_after_a_restart_and_after_a_crash(self):
        service = self.start_service("--keep")
        self.load(sa_lines(50) + sa_line(0x9000).rstrip() + " hard_addtime 1000 soft_addtime 900 replay 64 replay_value 77\n")
        before = self.dumped()
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGABRT):
            self.end_service(service, number)
            service = self.start_service("--keep")
            self.assertEqual(self.dumped(), before, number)
        self.load("delete ah spi 0x9000 dst 192.0.2.2\n")
        log = self.end_service(service, signal.SIGKILL)
        self.assertIn("restored 51 SAs from before the restart\n", log)
        service = self.start_service("--keep")
        self.assertEqual(self.count_sas(), 50)
        self.assertEqual([name for name, _ in self.manager.store], ["ipsecd-sas", "ipsecd-numbers", "ipsecd-key"])

    def test_a_kill_during_a_load_keeps_what_was_answered(self):
        service = self.start_service("--keep")
        many = 30000
        monitor = self.start("--json", "passive_monitor")
        load = self.start("-f", "-", stdin=subprocess.PIPE)
        feeder = threading.Thread(target=self.feed, args=(load, sa_lines(many)))
        feeder.start()
        heard = [monitor.stdout.readline() for _ in range(300)]
        log = self.end_service(service, signal.SIGKILL)
        heard += monitor.stdout.readlines()
        monitor.wait(DEADLINE)
        load.communicate(timeout=DEADLINE)
        feeder.join(DEADLINE)
        told = sum(json.loads(line).get("type") == "ADD" for line in heard)
        self.assertGreaterEqual(told, 300, log)
        self.start_service("--keep")
        held = self.count_sas()
        self.assertGreaterEqual(held, told)
        self.assertLess(held, many)

    @staticmethod
    def feed(process, text: str):
        try:
            process.stdin.write(text.encode())
            process.stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    def test_without_the_option_nothing_is_kept(self):
        service = self.start_service()
        self.load(sa_lines(3))
        self.end_service(service, signal.SIGTERM)
        self.assertEqual(self.manager.store, [])
        self.start_service()
        self.assertEqual(self.count_sas(), 0)

    def test_invalid_held_descriptors_are_replaced(self):
        service = self.start_service("--keep")
        self.load(sa_lines(3))
        self.end_service(service, signal.SIGTERM)
        name, fd = self.manager.store.pop()
        os.close(fd)
        service = self.start_service("--keep")
        self.assertEqual(self.count_sas(), 0)
        self.assertEqual(len(self.manager.store), 3)
        log = self.end_service(service, signal.SIGTERM)
        self.assertIn("parts of what the previous ipsecd kept are missing: starting without SAs\n", log)

    def test_no_held_descriptor_reveals_a_key(self):
        service = self.start_service("--keep")
        self.load(sa_lines(200))
        keys = {bytes.fromhex(line.split()[-1]) for line in sa_lines(200).splitlines()}
        for name, fd in self.manager.store[:2]:
            held = os.pread(fd, os.fstat(fd).st_size, 0)
            for key in keys:
                self.assertNotIn(key[:8], held, name)
                self.assertNotIn(key.hex()[:8].encode(), held, name)
        self.end_service(service, signal.SIGTERM)

    def test_the_device_remains_and_packets_routed_into_it_wait(self):
        pair = Pair()
        self.addCleanup(pair.close)
        a, b = pair.a, pair.b
        b.pfkey = self.folder / "sadb.sock"

        def start_b(*_, workers=2):
            b.daemon = self.start_service("--keep", "--tun", "ipsec0", "--workers", str(workers), inside=("ip", "netns", "exec", b.netns))

        def end_b(number):
            return self.end_service(b.daemon, number)

        b.start = start_b
        pair.start()
        pair.load("".join(f"add esp spi {spi} src 192.0.2.{i} dst 192.0.2.{3 - i} isrc 10.{i}.0.0/16 idst 10.{3 - i}.0.0/16 encralg aes-gcm "
                          f"encrkey {KEY}0000000{i} replay 64\n" for spi, i in ((0x1001, 1), (0x1002, 2))))
        echo(a, b, "10.2.0.1")
        device = lambda: b.ip("-o", "addr", "show", "dev", "ipsec0") + b.ip("route")
        before = device()
        to_a, to_b = (host.socket(kind=socket.SOCK_DGRAM) for host in (a, b))
        self.addCleanup(to_a.close)
        self.addCleanup(to_b.close)
        to_a.bind(("10.1.0.1", 7001))
        to_b.bind(("10.2.0.1", 7002))
        for number in (signal.SIGTERM, signal.SIGKILL):
            end_b(number)
            self.assertEqual(device(), before, number)
            # No ipsecd runs: outbound packets wait in the device, inbound ones are lost.
            for i in range(200):
                to_b.sendto(i.to_bytes(4, "big"), ("10.1.0.1", 7001))
                to_a.sendto(i.to_bytes(4, "big"), ("10.2.0.1", 7002))
            start_b()
            self.assertEqual([int.from_bytes(to_a.recv(4), "big") for _ in range(200)], list(range(200)))
            # From the start on nothing is lost.
            for i in range(1000, 1100):
                to_a.sendto(i.to_bytes(4, "big"), ("10.2.0.1", 7002))
                self.assertEqual(int.from_bytes(to_b.recv(4), "big"), i)
            echo(a, b, "10.2.0.1")
        self.assertEqual(device(), before)

        # A connection does not break.
        echo(a, b, "10.2.0.1", 8_000_000, halfway=lambda: (end_b(signal.SIGKILL), start_b()))
        self.assertGreater(b.status()["in"]["packets"], 0)

        # With another number of queues it is another device; without the option there is none.
        end_b(signal.SIGTERM)
        start_b(workers=1)
        self.assertNotEqual(device(), before)
        self.assertEqual([name for name, _ in self.manager.store].count("ipsecd-tun"), 1)
        self.assertIn("the kept device is not ipsec0 with 1 queues: creating a new one\n", end_b(signal.SIGTERM))
        b.daemon = self.start_service("--keep", inside=("ip", "netns", "exec", b.netns))
        self.assertNotIn("ipsec0", b.ip("link"))
        end_b(signal.SIGTERM)

    def test_it_feeds_the_watchdog(self):
        service = self.start_service(watchdog=200_000)
        self.manager.wait_for("WATCHDOG=1")
        self.manager.wait_for("WATCHDOG=1")
        service.send_signal(signal.SIGTERM)
        self.manager.wait_for("STOPPING=1")


if __name__ == "__main__":
    sys.exit(unittest.main())
