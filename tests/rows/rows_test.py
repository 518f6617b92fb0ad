#!/usr/bin/env python3
"""Every keyword on the SADBs of user space, with tests/vm/rows.py; tests/vm/rows_case.py does the same on the kernel."""
import os
import subprocess
import tempfile
import unittest

import rows

DEADLINE = 60  # Seconds.


class Rows(unittest.TestCase):
    maxDiff = None

    def test_memory(self):
        self.keeps("memory")

    def test_ipsecd(self):
        with tempfile.TemporaryDirectory() as folder:
            socket = os.path.join(folder, "socket")
            daemon = subprocess.Popen([os.environ["IPSECD"], "--socket", socket], stderr=subprocess.PIPE, text=True)
            try:
                self.assertIn("serving", daemon.stderr.readline())
                self.keeps(f"ipsecd:{socket}")
            finally:
                daemon.terminate()
                daemon.wait(DEADLINE)
                daemon.stderr.close()

    def keeps(self, sadb):
        wrong, kept = rows.check(sadb)
        self.assertEqual(wrong, [])
        # What no SA of user space has: labels need a policy, and no device offloads.
        self.assertGreater(len(kept), len(rows.table()) * 0.8)


if __name__ == "__main__":
    unittest.main()
