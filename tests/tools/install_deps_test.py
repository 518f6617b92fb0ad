#!/usr/bin/env python3
"""tools/install-deps on simulated machines: what it installs, what it continues without, and what it prints."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/install-deps"
PACKAGES = """# A comment.
build  compiler  compiles
build? engine    packets in a fraction of the time
demo   cable     the two hosts
demo@elsewhere rope  another release has that
"""
UPDATE, WITHOUT = "update", "Going on without engine, {}: packets in a fraction of the time\n"
# Replace Debian's programs: $HAVE is installed, $OFFER is what apt's lists contain, if $LISTS is not empty.
PROGRAMS = {
    "dpkg-query": 'shift 2; for p; do case " $HAVE " in *" $p "*) echo "installed $p";; esac; done',
    "apt-get": 'echo "$*" >>"$FOLDER/asked"; [ "$1" != update ] || : >"$FOLDER/lists"; [ "$1" != "$FAILS" ]',
    "apt-cache": """
        lists=$LISTS; [ ! -e "$FOLDER/lists" ] || lists=yes
        candidate='(none)'; if [ "$lists" ]; then case " $OFFER dpkg " in *" $2 "*) candidate=1.0-1;; esac; fi
        printf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n' "$2" "$candidate"
        [ -z "$lists" ] || printf '        500 http://mirror.invalid stable/main amd64 Packages\\n'""",
    "id": 'echo "$USER_ID"',
}


class InstallDeps(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="install deps."))
        self.addCleanup(shutil.rmtree, self.folder)
        for folder in ("tools", "bin"):
            (self.folder / folder).mkdir()
        shutil.copy(TOOL, self.folder / "tools")
        (self.folder / "tools/packages").write_text(PACKAGES)
        for name, text in PROGRAMS.items():
            (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        # Only the script's own tools from this machine, so no sudo.
        for name in ("bash", "sh", "awk", "sed", "grep", "env", "dirname", "mktemp", "rm", "tail", "sort", "paste"):
            (self.folder / "bin" / name).symlink_to(shutil.which(name))
        for name in PROGRAMS:
            (self.folder / "bin" / name).chmod(0o755)

    def run_it(self, *sets, have="", offer="compiler engine cable", lists="yes", user=0, fails=""):
        """(exit status, output, requests to apt-get)"""
        asked = self.folder / "asked"
        asked.unlink(missing_ok=True)
        (self.folder / "lists").unlink(missing_ok=True)
        done = subprocess.run([self.folder / "tools/install-deps", *sets], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              env={"PATH": str(self.folder / "bin"), "FOLDER": str(self.folder), "HAVE": have, "OFFER": offer,
                                   "LISTS": lists, "USER_ID": str(user), "FAILS": fails, "TMPDIR": str(self.folder)})
        said = done.stdout.replace(str(self.folder), "FOLDER")
        return done.returncode, said, asked.read_text().splitlines() if asked.exists() else []

    @staticmethod
    def install(name):
        return f"install -y --no-install-recommends {name}"

    def test_nothing_is_done_if_all_are_installed(self):
        self.assertEqual(self.run_it("build", "demo", have="compiler engine cable"), (0, "", []))

    def test_missing_and_optional_packages_are_installed(self):
        self.assertEqual(self.run_it("build"), (0, "Installing compiler\nInstalling engine\n",
                                                [UPDATE, self.install("compiler"), self.install("engine")]))
        self.assertEqual(self.run_it("demo"), (0, "Installing cable\n", [UPDATE, self.install("cable")]))

    def test_unavailable_optional_packages_are_named(self):
        why = WITHOUT.format("which apt does not have here")
        self.assertEqual(self.run_it("build", offer="compiler"),
                         (0, f"Installing compiler\n{why}", [UPDATE, self.install("compiler")]))
        # The next time, too, and nothing is downloaded for it.
        self.assertEqual(self.run_it("build", offer="compiler", have="compiler"), (0, why, []))
        # Lists are downloaded if there are none.
        self.assertEqual(self.run_it("build", offer="compiler", have="compiler", lists=""), (0, why, [UPDATE]))

    def test_optional_packages_are_installed_later(self):
        wanted = (0, "Installing engine\n", [UPDATE, self.install("engine")])
        self.assertEqual(self.run_it("build", have="compiler"), wanted)
        self.assertEqual(self.run_it("build", have="compiler", lists=""), wanted)

    def test_a_user_needs_only_the_required_packages(self):
        self.assertEqual(self.run_it("build", have="compiler", user=1000),
                         (0, WITHOUT.format("which only root can install"), []))
        self.assertEqual(self.run_it("build", user=1000),
                         (1, "FOLDER/tools/install-deps: packages are missing and only root can install them; as root, run:\n"
                             "  apt-get install compiler\n", []))

    def test_a_failure_is_reported(self):
        self.assertEqual(self.run_it("build", fails="install")[0], 1)
        self.assertEqual(self.run_it("build", have="compiler", fails="install")[0], 1)

    def test_sets(self):
        self.assertEqual(self.run_it(), (2, "usage: FOLDER/tools/install-deps [--list] SET...   sets: build demo\n", []))
        self.assertEqual(self.run_it("nonsense"), (2, "FOLDER/tools/install-deps: no such set of packages: nonsense\n", []))
        self.assertEqual(self.run_it("--list", "build", "demo"), (0, "compiler\ncable\n", []))


if __name__ == "__main__":
    unittest.main()
