#!/usr/bin/env python3
"""The tutorials, typed as they are printed, in mount and network namespaces of the test's own: each command prints what the
page says. Those that need more than this machine's kernel are typed elsewhere: doc/tutorial/ospfv3.md by
tests/vm/tutorial_case.py, doc/tutorial/service.md by tests/boot."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import session
from programs import BIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
INSIDE = "IPSECKEY_INSIDE_NAMESPACES"


class Tutorials(unittest.TestCase):
    maxDiff = None

    def test_two_hosts(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tutorial."))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "build").mkdir()
        (folder / "build/bin").symlink_to(BIN)
        shell = session.Shell(folder, {**os.environ, "LC_ALL": "C.UTF-8"})
        self.addCleanup(shell.end)
        count = 0
        for block in session.sessions((ROOT / "doc/tutorial/two-hosts.md").read_text()):
            for step in session.steps(block):
                wrong = shell.run(step)
                self.assertEqual(wrong, "", f"{step.command}\nprinted:\n" + "\n".join(step.output))
                count += 1
        self.assertEqual(count, 36)

    def test_the_others_are_typed_elsewhere(self):
        elsewhere = {"ospfv3.md": "tests/vm/tutorial_case.py", "service.md": "tests/boot/boot_test.py"}
        self.assertEqual(sorted(p.name for p in (ROOT / "doc/tutorial").iterdir()), sorted([*elsewhere, "two-hosts.md"]))
        for name, test in elsewhere.items():
            self.assertIn(f"tutorial/{name}", (ROOT / test).read_text())


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, "-B", *sys.argv])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    unittest.main()
