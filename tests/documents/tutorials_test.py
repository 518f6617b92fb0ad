#!/usr/bin/env python3
"""The tutorials, typed as printed, in mount and network namespaces of the test's own: each command prints what the page shows.
Tutorials that need more than this machine's kernel are typed elsewhere: doc/tutorial/ospfv3.md by tests/vm/tutorial_case.py,
doc/tutorial/service.md by tests/boot. And the words of doc/howto/migrate.md."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import session
from programs import BIN, IPSECKEY

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

    def test_the_words_of_other_tools_lead_to_ours(self):
        """Each option of setkey and each hyphenated word of ip xfrm in the table is refused with a keyword of its row."""
        section = (ROOT / "doc/howto/migrate.md").read_text().split("\n## Keywords\n")[1].split("\n## ")[0]
        known = set(re.findall(r"[\w-]+", subprocess.run([IPSECKEY, "help", "attr"], check=True, capture_output=True, text=True).stdout))
        tried = 0
        for row in section.strip().splitlines()[2:-1]:  # The last row is about what has no equivalent.
            cells = [re.findall(r"(?<![\w-])-?[a-z_]+(?:-[a-z]+)*", " ".join(re.findall("`([^`]+)`", cell))) for cell in row.strip("|").split("|")]
            ours = [word for word in cells[2] if word in known]
            self.assertTrue(ours, row)
            for word in cells[0] + cells[1]:
                if "-" not in word or word in {"esp-udp", *ours}:
                    continue
                line = f"add esp spi 0x100 dst 192.0.2.2 {word} 5\n"
                said = subprocess.run([IPSECKEY, "-c", "-"], input=line, capture_output=True, text=True, check=False).stderr
                self.assertRegex(said.splitlines()[0], rf'"{word}".*\b({"|".join(ours)})\b')
                tried += 1
        self.assertEqual(tried, 22)

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
