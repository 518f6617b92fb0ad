#!/usr/bin/env python3
"""Keys are only in memory that is locked, excluded from core dumps and wiped: both programs are searched while they hold keys,
in what the kernel would write into a core and in everything outside locked memory."""
import ctypes
import fcntl
import json
import os
import pathlib
import platform
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import unittest

from hosts import Pair, datagrams, echo, wait_for
from programs import Case, DEADLINE, IPSECD, NOBODY, unprivileged

LIBC = ctypes.CDLL(None, use_errno=True)
POLL, WRITE = {"7", "271", "73"}, {"1", "64"}  # System calls of x86-64 and of Arm; poll() is ppoll() there.
PIECE = 8  # Consecutive octets, or digits, that reveal a key.
COUNT = 6
KEYS = [key for i in range(COUNT) for key in (random.Random(i).randbytes(16), random.Random(1000 + i).randbytes(32))]
LINES = [f"add esp spi {0x1000 + i:#x} src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey {KEYS[2 * i].hex()} "
         f"authalg sha256 authkey {KEYS[2 * i + 1].hex()}\n" for i in range(COUNT)]
# The same SAs as a program writes them.
OBJECTS = [json.dumps({"satype": "esp", "spi": 0x1000 + i, "src": {"address": "192.0.2.1"}, "dst": {"address": "192.0.2.2"},
                       "encr_alg": {"name": "aes-cbc"}, "encr_key": {"hex": KEYS[2 * i].hex()},
                       "auth_alg": {"name": "hmac-sha256"}, "auth_key": {"hex": KEYS[2 * i + 1].hex()}}) + "\n" for i in range(COUNT)]
# Keys where a key must not be.
ASTRAY = [json.dumps({"satype": KEYS[0].hex(), "src": {"address": KEYS[1].hex()}, KEYS[2].hex(): 1, "state": KEYS[3].hex(),
                      "encr_alg": {"name": KEYS[4].hex()}, "auth_key": {"hex": KEYS[5].hex() + "0"}, "flag_names": [KEYS[6].hex()]}) + "\n",
          '{"spi" ' + KEYS[7].hex() + "}\n"]
# Each way in which packets are encrypted or authenticated; the words, and the octets of the keys in them.
KINDS = [(words, [random.Random(f"{words} {i}").randbytes(size) for i, size in enumerate(sizes)]) for words, sizes in (
    ("encralg aes encrkey {} authalg sha256 authkey {}", (16, 32)), ("encralg aes-gcm encrkey {}", (20,)),
    ("encralg aes-gcm encrkey {}", (36,)), ("encralg aes-ctr encrkey {} authalg sha1 authkey {}", (20, 20)),
    ("encralg aes-ccm encrkey {}", (35,)), ("encralg chacha20-poly1305 encrkey {}", (36,)),
    ("encralg 3des encrkey {} authalg sha512 authkey {}", (24, 64)), ("encralg aes encrkey {} authalg aes-xcbc authkey {}", (32, 16)),
    ("encralg aes encrkey {} authalg aes-cmac authkey {}", (24, 16)))]
# Consecutive ones, and the last ones: any remaining part of a key of twice the length contains one of them.
PIECES = {form[min(i, len(form) - PIECE):][:PIECE] for forms in (
    [form for key in KEYS for form in (key, key.hex().encode(), key.hex().upper().encode())], [key for _, keys in KINDS for key in keys])
    for form in forms for i in range(0, len(form), PIECE)}


def mappings(pid: int):
    """(begin, end, flags, name) of each mapping, as /proc/PID/smaps has them."""
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line):
            begin, end, rights, name = int(head[1], 16), int(head[2], 16), head[3], head[4]
        elif line.startswith("VmFlags:"):
            yield begin, end, rights, set(line.split()[1:]), name


def finds(pid: int, wanted) -> list:
    """Names of the mappings that `wanted` selects and that contain a piece of a key."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, rights, flags, name in mappings(pid):
            if not rights.startswith("rw") or name in ("[vvar]", "[vsyscall]") or "io" in flags or not wanted(flags):
                continue
            if end - begin > 1 << 32:  # Reserved address space of sanitizers and the vault.
                continue
            try:
                memory.seek(begin)
                held = memory.read(end - begin)
            except OSError:
                continue
            found += [f"{name or 'anonymous'} +{at:#x}" for piece in PIECES if (at := held.find(piece)) >= 0]
    return found


class Room(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def ptrace(request: int, task: int, what: int, data):
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if LIBC.ptrace(request, task, what, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def registers(pid: int) -> bytes:
    """The vector registers of each thread, which the kernel writes into a core beside the memory."""
    seize, interrupt, detach, get_registers = 0x4206, 0x4207, 17, 0x4204  # linux/ptrace.h
    wide = 0x202 if platform.machine() == "x86_64" else 2  # NT_X86_XSTATE, NT_PRFPREG: linux/elf.h
    held = b""
    for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
        task, buffer = int(path.name), ctypes.create_string_buffer(1 << 14)
        ptrace(seize, task, 0, None)
        ptrace(interrupt, task, 0, None)
        os.waitpid(task, 0x40000000)  # __WALL
        room = Room(ctypes.addressof(buffer), len(buffer))
        ptrace(get_registers, task, wide, ctypes.addressof(room))
        ptrace(detach, task, 0, None)
        held += buffer.raw[:room.size]
    return held


def in_a_core(flags) -> bool:
    return "dd" not in flags


def unlocked(flags) -> bool:
    return "lo" not in flags


class Memory(Case):
    def check(self, pid: int):
        self.assertEqual(finds(pid, in_a_core), [])
        self.assertEqual(finds(pid, unlocked), [])
        held = registers(pid)
        self.assertGreater(len(held), 500)
        self.assertEqual([piece for piece in PIECES if piece in held], [])

    def test_the_search_finds_a_key_in_memory(self):
        holder = subprocess.Popen([sys.executable, "-c", "import sys; line = sys.stdin.readline(); print('held', flush=True); "
                                   "sys.stdin.readline()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.stop, holder)
        holder.stdin.write(LINES[0].encode())
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), b"held\n")
        self.assertNotEqual(finds(holder.pid, in_a_core), [])

    def test_ipsecd(self):
        daemon = self.start_daemon()
        self.assertEqual(self.run_it("-f", self.write("keys", "".join(LINES))).status, 0)
        self.assertEqual(self.run_it("dump").status, 0)
        self.assertEqual(self.run_it("get", "esp", "spi", "0x1001", "dst", "192.0.2.2").status, 0)
        self.assertEqual(self.run_it("-s", self.folder / "saved").status, 0)
        self.assertEqual(self.count_sas(), COUNT)
        self.check(daemon.process.pid)
        # Afterwards nothing is left anywhere.
        self.assertEqual(self.run_it("flush").status, 0)
        self.assertEqual(self.count_sas(), 0)
        self.assertEqual(finds(daemon.process.pid, lambda flags: True), [])

    def test_ipsecd_with_sas_that_carried_packets(self):
        pair = Pair()
        self.addCleanup(pair.close)
        pair.start()
        lines = [f"add esp spi {0x2000 + 2 * i + way:#x} src 192.0.2.{1 + way} dst 192.0.2.{2 - way} isrc 10.{1 + way}.0.0/16 "
                 f"idst 10.{2 - way}.0.0/16 {words.format(*(key.hex() for key in keys))}\n"
                 for i, (words, keys) in enumerate(KINDS) for way in (0, 1)]
        for i in range(len(KINDS)):  # The newest SA carries.
            pair.load("".join(lines[2 * i:2 * i + 2]))
            echo(pair.a, pair.b, "10.2.0.1", 10_000)
        for host in (pair.a, pair.b):
            used = [json.loads(line)["current"]["bytes"] for line in host.ipseckey("-p", "--json", "dump").splitlines()]
            self.assertEqual((len(used), 0 in used), (2 * len(KINDS), False))
            self.check(host.daemon.pid)
            self.assertNotEqual(finds(host.daemon.pid, lambda flags: True), [])
            host.ipseckey("flush")
        # Keys that a packet thread still held are released with the next packets.
        for host in (pair.a, pair.b):
            wait_for("keys are wiped", lambda: datagrams(pair.a, pair.b, "192.0.2.2", [100]) and
                     not finds(host.daemon.pid, lambda flags: True))

    def test_memory_that_cannot_be_locked_is_reported(self):
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)  # Keys are shown to root, to the user itself and to the owner of the folder.

        def few():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
            unprivileged()

        daemon = self.start_daemon(program=shutil.copy(IPSECD, self.folder), preexec_fn=few)
        self.assertEqual(self.run_it("-f", self.write("keys", "".join(LINES))).status, 0)
        self.assertEqual(self.count_sas(), COUNT)
        self.assertEqual(finds(daemon.process.pid, in_a_core), [])
        self.assertEqual(daemon.end().count("some memory that holds keys cannot be locked and may be written to swap: raise RLIMIT_MEMLOCK"), 1)

    def test_ipseckey_while_it_loads(self):
        """It has read everything and waits for a stopped daemon."""
        daemon = self.start_daemon()
        daemon.send(signal.SIGSTOP)
        for what, lines, status in (("commands", LINES, 0), ("JSON", OBJECTS, 1), ("JSON astray", ASTRAY + OBJECTS, 1)):
            with self.subTest(what):
                load = self.start("-f", self.write("keys", "".join(lines)))
                self.until_it_waits(load)
                self.check(load.pid)
                daemon.send(signal.SIGCONT)
                self.assertEqual(load.wait(DEADLINE), status)  # 1: each SA exists already.
                daemon.send(signal.SIGSTOP)
        daemon.send(signal.SIGCONT)

    def test_ipseckey_while_it_saves(self):
        """It has written some SAs, and waits for a reader of the next one: to standard output, and to an equally slow file
        system."""
        self.start_daemon()
        self.assertEqual(self.run_it("-f", self.write("keys", "".join(LINES))).status, 0)
        for options in (["-s", "-"], ["dump"], ["--json", "dump"], ["-v", "dump"]):
            for room in (64, 700, 1200):
                reading, writing = os.pipe()
                self.addCleanup(os.close, reading)
                size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
                os.write(writing, bytes(size - room))
                save = self.start(*options, stdout=writing)
                os.close(writing)
                self.until_it_waits(save, WRITE)
                with self.subTest(options=options, room=room):
                    self.check(save.pid)
                while os.read(reading, 4096):
                    pass
                self.assertEqual(save.wait(DEADLINE), 0)

    def until_it_waits(self, process, calls=POLL):
        """Waits until it is in poll() with its requests sent, or in another call, as the state of a sleeping process shows."""
        end = time.monotonic() + DEADLINE
        call = pathlib.Path(f"/proc/{process.pid}/syscall")
        while call.read_text().split()[0] not in calls:
            self.assertLess(time.monotonic(), end, "it does not wait")
            os.sched_yield()


if __name__ == "__main__":
    sys.exit(unittest.main())
