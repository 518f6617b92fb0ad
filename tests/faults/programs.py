"""The real programs, for tests that need them: each is started by its path, waited for with a deadline, ended by its id."""
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

DEADLINE = 120  # Seconds for anything that a test waits for; sanitizers and busy machines are slow.
NOBODY = 65534

BIN = pathlib.Path(os.environ["IPSECKEY_BIN"])  # The folder of both programs.
IPSECKEY = str(BIN / "ipseckey")
IPSECD = str(BIN / "ipsecd")

KEY = "112233445566778899aabbccddeeff0{:x}"


def sa_line(spi: int, dst: str = "192.0.2.2") -> str:
    """An AH SA that any SADB accepts, without a warning."""
    return f"add ah spi {spi:#x} src 192.0.2.1 dst {dst} authalg aes-xcbc authkey {KEY.format(spi % 15 + 1)}\n"


def sa_lines(count: int, first: int = 0x1000) -> str:
    return "".join(sa_line(first + i) for i in range(count))


def unprivileged():
    """Makes the child a user without rights, if the test itself has them."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


# A program that nobody may trace cannot check for leaks, unless root runs it.
UNPRIVILEGED = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}


class Ended:
    """How a program ended: `status` as in the shell (a signal is negative), and all of its output."""

    def __init__(self, status: int, out: str, err: str):
        self.status, self.out, self.err = status, out, err

    def __eq__(self, other):
        return (self.status, self.out, self.err) == (other.status, other.out, other.err)

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}--- stderr\n{self.err}---"


class Daemon:
    """An ipsecd of the test's own."""

    def __init__(self, folder: pathlib.Path, name: str = "sadb.sock", **how):
        self.socket = folder / name
        self.log = ""
        words = [how.pop("program", IPSECD), "--socket", str(self.socket), *how.pop("options", [])]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, **how)
        self.read_log(until="serving")

    def read_log(self, until: str):
        end = time.monotonic() + DEADLINE
        while until not in self.log:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stderr.fileno(), 4096).decode() if ready else ""
            if not piece:
                raise AssertionError(f"ipsecd does not say \"{until}\": {self.log}")
            self.log += piece

    def send(self, number: int):
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> str:
        """Ends it and returns everything that it logged."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.log += self.process.communicate(timeout=DEADLINE)[1].decode()
        return self.log


class Case(unittest.TestCase):
    """A test with a folder, and an ipsecd on request."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="faults."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = None

    def start_daemon(self, **how) -> Daemon:
        self.daemon = Daemon(self.folder, **how)
        self.addCleanup(self.daemon.end)
        return self.daemon

    def words(self, arguments) -> list:
        where = f"ipsecd:{self.daemon.socket}" if self.daemon else f"ipsecd:{self.folder}/absent.sock"
        return [IPSECKEY, f"--sadb={where}", *map(str, arguments)]

    def start(self, *arguments, **how) -> subprocess.Popen:
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.folder,
               **how}
        process = subprocess.Popen(self.words(arguments), **how)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process: subprocess.Popen):
        """Removes everything that a failed test left behind."""
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process: subprocess.Popen, text: bytes = None) -> Ended:
        out, err = process.communicate(text, timeout=DEADLINE)
        name = str(self.folder)
        read = lambda piece: (piece or b"").decode(errors="replace").replace(name, "FOLDER")
        return Ended(process.returncode, read(out), read(err))

    def run_it(self, *arguments, text=None, **how) -> Ended:
        """Runs ipseckey to its end; `text` is its standard input."""
        if text is None:
            return self.finish(self.start(*arguments, **how))
        data = text if isinstance(text, bytes) else text.encode()
        return self.finish(self.start(*arguments, stdin=subprocess.PIPE, **how), data)

    def wait_until_it_holds(self, process: subprocess.Popen, number: int):
        """Waits until the program has begun the part that the signal must not interrupt."""
        status = pathlib.Path(f"/proc/{process.pid}/status")
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            blocked = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk:"))
            if int(blocked.split()[1], 16) >> (number - 1) & 1:
                return
            os.sched_yield()
        self.fail("the program does not hold the signal back")

    def write(self, name: str, text, mode: int = 0o600) -> pathlib.Path:
        file = self.folder / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
        return file

    def listing(self) -> list:
        return sorted(p.name for p in self.folder.iterdir() if not p.is_socket())

    def count_sas(self) -> int:
        last = self.run_it("-p", "dump").out.splitlines()[-1]
        return 0 if last.startswith("There are no") else int(last.split()[0])
