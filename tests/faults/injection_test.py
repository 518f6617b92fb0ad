#!/usr/bin/env python3
"""Every call for memory, and every system call, that a load and a save make fails once: in each case there is one clear error,
nothing is half-done, and nothing hangs."""
import os
import pathlib
import re
import resource
import sys
import unittest

from programs import Case, sa_lines

FAILING = os.environ["FAILING"]  # The library that makes calls fail.
CALLS = ("malloc", "open", "read", "write", "fsync", "linkat", "rename", "socket", "connect", "send", "recv", "poll", "mmap")
COUNT = 3
# An error of the program or of a line, and the counts.
CLEAR = re.compile(r"\A(ipseckey: [^\n]+\n|[^\n]*:\d+: error: [^\n]+\n)+([^\n]*: \d+ of \d+ commands [^\n]+\n)?\Z")


class Injection(Case):
    def setUp(self):
        super().setUp()
        self.start_daemon()

    def failing(self, call: str, at: int, *arguments):
        """How the program ends if its at-th call fails; None: it makes fewer calls."""
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        ended = self.run_it(*arguments, env={**os.environ, "LD_PRELOAD": FAILING, "FAIL_CALL": call, "FAIL_AT": str(at),
                                             "FAIL_TOLD": str(told)})
        return ended if told.exists() else None

    def test_keys_on_a_network_file_system(self):
        warning = "keys: warning: it holds keys and is on a network file system ({}): reading it sends them over the network"
        self.write("keys", sa_lines(COUNT))
        for number, name in (("0x6969", "NFS"), ("0xfe534d42", "SMB"), ("0x01021997", "9P")):
            ended = self.run_it("-c", "keys", env={**os.environ, "LD_PRELOAD": FAILING, "FILE_SYSTEM": number})
            self.assertEqual(ended.status, 0, ended)
            self.assertIn(warning.format(name), ended.err)
        self.assertEqual(self.run_it("-c", "keys", env={**os.environ, "LD_PRELOAD": FAILING}).err, "")

    def each_failure(self, *arguments):
        for call in CALLS:
            at = 1
            while ended := self.failing(call, at, *arguments):
                yield f"{call} {at}", ended
                # Every program starts alike: of the many calls for memory at the start, every fourth fails.
                at += 1 if call != "malloc" or at < 8 else 4

    def clear(self, ended, which: str):
        self.assertIn(ended.status, (1, 3, 4), which)
        # Standard error itself may be what fails.
        if not which.startswith("write"):
            self.assertRegex(ended.err, CLEAR, which)

    def test_save(self):
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(COUNT)).status, 0)
        self.assertEqual(self.run_it("-s", "whole").status, 0)
        whole = re.sub(r"^#.*\n", "", (self.folder / "whole").read_text(), flags=re.M)
        failures = 0
        for which, ended in self.each_failure("-s", self.write("target", "precious\n")):
            (self.folder / "told").unlink()
            text = (self.folder / "target").read_text()
            if ended.status == 0:
                self.assertEqual(re.sub(r"^#.*\n", "", text, flags=re.M), whole, which)
            else:
                self.clear(ended, which)
                failures += 1
                if text != "precious\n":  # The file existed already, and only its folder was not written.
                    self.assertEqual(re.sub(r"^#.*\n", "", text, flags=re.M), whole, which)
            self.assertEqual(self.listing(), ["target", "whole"], which)
            self.write("target", "precious\n")
        self.assertGreater(failures, 20)

    def test_load(self):
        lines = sa_lines(COUNT)
        keys = self.write("keys", lines)
        failures = 0
        for which, ended in self.each_failure("-f", keys):
            held = self.count_sas()
            if ended.status == 0:
                self.assertEqual(held, COUNT, which)
            else:
                self.clear(ended, which)
                failures += 1
            self.assertLessEqual(held, COUNT, which)
            self.assertEqual(self.run_it("flush").status, 0, which)
        self.assertGreater(failures, 20)


class Memory(Case):
    """A daemon with little memory: requests for which there is none are refused, and existing SAs stay."""

    LIMIT = 140 << 20

    def test_an_add_without_memory_is_refused(self):
        daemon = self.start_daemon(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (self.LIMIT, self.LIMIT)))
        many = sa_lines(1_000_000)
        ended = self.run_it("--stop-on-error", "-f", "-", text=many)
        self.assertEqual(ended.status, 1)
        self.assertIn("ENOMEM", ended.err)
        self.assertIn("not enough memory for another SA", ended.err)
        held = int(re.search(r"(\d+) of \d+ commands succeeded", ended.err)[1])
        self.assertGreater(held, 10_000)
        self.assertEqual(self.count_sas(), held)
        again = self.run_it("--stop-on-error", "-f", "-", text=sa_lines(10, first=0x2000000))
        self.assertEqual((again.status, "ENOMEM" in again.err), (1, True))
        # Deleted SAs make room.
        self.assertEqual(self.run_it("delete", "ah", "spi", "0x1000", "dst", "192.0.2.2").status, 0)
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(1, first=0x2000000)).status, 0)
        self.assertEqual(self.count_sas(), held)
        self.assertEqual(self.run_it("flush").status, 0)
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(1000)).status, 0)
        self.assertEqual(self.count_sas(), 1000)
        self.assertIsNone(daemon.process.poll())


if __name__ == "__main__":
    sys.exit(unittest.main())
