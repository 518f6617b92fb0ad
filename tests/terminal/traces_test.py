"""When the prompt returns, whatever was typed at it is gone from the process's memory, whatever was done with it."""
import os
import random
import re
import sys
import time
import unittest

from screen import Case, DEADLINE, MORE, PROMPT

KEY = "".join(random.Random(11).choices("0123456789abcdef", k=64))  # Text that is not in memory by chance.
PIECE = 12  # Consecutive digits that reveal a key.
ADD = "add esp spi {:#x} src 192.0.2.1 dst 192.0.2.2 encralg null authalg sha256 authkey " + KEY


def forms():
    """The key as text, as an editor's wide characters, and as binary."""
    pieces = [KEY[i:i + PIECE] for i in range(0, len(KEY) - PIECE + 1, 4)]
    yield from (piece.encode() for piece in pieces)
    yield from (piece.encode("utf-32-le") for piece in pieces)
    raw = bytes.fromhex(KEY)
    yield from (raw[i:i + PIECE // 2] for i in range(len(raw) - PIECE // 2 + 1))


FORMS = re.compile(b"|".join(re.escape(form) for form in forms()))
AREA = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \S+ *(.*)")


class TracesTest(Case):
    def setUp(self):
        super().setUp()
        # Freed memory in the sanitizer's quarantine is overwritten, as it is without one, and calls have their variables on the
        # stack, which the program wipes.
        options = os.environ.get("ASAN_OPTIONS")
        if options is not None:
            os.environ["ASAN_OPTIONS"] = f"{options}:max_free_fill_size=1048576:free_fill_byte=0:detect_stack_use_after_return=0"
            self.addCleanup(os.environ.__setitem__, "ASAN_OPTIONS", options)

    def traces(self):
        """Where pieces of the key are. Only root may read the memory."""
        if os.geteuid() != 0:
            with self.assertRaises(PermissionError):
                open(f"/proc/{self.tty.pid}/mem", "rb")
            return []
        found = []
        with open(f"/proc/{self.tty.pid}/maps", encoding="ascii") as maps, open(f"/proc/{self.tty.pid}/mem", "rb", 0) as mem:
            for line in maps:
                area = AREA.match(line)
                if not area or area[3] in ("[vvar]", "[vsyscall]"):
                    continue
                begin, end = int(area[1], 16), int(area[2], 16)
                found += [f"{area[3]} {begin + m.start():#x}" for m in FORMS.finditer(self.read(mem, begin, end))]
        return found

    @staticmethod
    def read(mem, begin, end):
        if end - begin > 1 << 30:  # A sanitizer's shadow.
            return b""
        try:
            mem.seek(begin)
            return mem.read(end - begin)
        except OSError:
            return b""

    def clean(self, *typed):
        """Types all of it; when the prompt returns, nothing is left of the key."""
        for keys in typed:
            self.type(keys)
            if keys.endswith("\\\r"):
                self.until(MORE)
        self.until(PROMPT)
        # The prompt is written before the process sleeps again.
        end = time.monotonic() + DEADLINE
        while (found := self.traces()) and time.monotonic() < end:
            pass
        self.assertEqual(found, [], typed)

    def test_text_being_typed_is_found(self):
        """Otherwise the other tests would show nothing."""
        self.start()
        self.type(ADD.format(0x1001))
        self.until(KEY[-8:])
        if os.geteuid() == 0:
            self.assertNotEqual(self.traces(), [])
        self.type("\x03")
        self.until(PROMPT)
        self.leave()

    def test_commands(self):
        self.start()
        for line in (ADD.format(0x1001), ADD.format(0x1001), ADD.format(0x1002) + "zz", ADD.format(0x1003) + " frobnicate 3",
                     ADD.format(0x1004) + " ?", "add esp authkye " + KEY, KEY, "get esp spi 0x1001 dst 192.0.2.2", "dump",
                     "save all -", "save all saved", "flush", "load saved",
                     f"add esp spi 0x1005 dst 192.0.2.2 encralg aes encrkey {KEY} authalg sha256 authkey {KEY}",
                     f"add esp spi 0x1006 dst 192.0.2.2 encralg aes encrkey {KEY} authalg sha256 authkey {KEY}"):
            self.clean(line + "\r")
        self.clean("add esp spi 0x1007 dst 192.0.2.2 encralg null \\\r", f"authalg sha256 authkey {KEY}\r")
        long = "add esp spi 0x1008 dst 192.0.2.2 encralg null srcidtype fqdn " + "x" * 1500
        self.clean(f"{long} authalg sha256 authkey {KEY} dstidtype fqdn {'y' * 800}\r")
        self.leave()

    def test_text_that_was_deleted_dropped_completed_or_searched_for(self):
        self.start()
        self.run_line("dump ah")
        add = ADD.format(0x1001)
        for keys in ("\x15dump ah\r",              # Ctrl-U kills the line,
                     "\x17\x19\x03",              # Ctrl-W a word, which Ctrl-Y restores; Ctrl-C drops it all,
                     "\x7f\x7f\x01\x0bdump ah\r",  # a character, and everything after the beginning.
                     "\x1b[A\x1b[B\x03",          # Up shows another line and keeps this one,
                     "\t\x03", " \t\x03",         # Tab lists the possible next words.
                     "\x12\x12\x03", "\x1bp\x03"):  # Ctrl-R and Meta-P search the history.
            self.clean(add + keys)
        self.clean("\x12" + KEY + "\x07\x03")
        self.leave()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
