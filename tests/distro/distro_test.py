#!/usr/bin/env python3
"""tools/distro with a debootstrap and an apt of the test's own: what it runs, what it prints, and that it leaves nothing
behind, however it ends. And the packages of each release."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 300
INSIDE = "IPSECKEY_INSIDE_NAMESPACE"
# Puts everything that a command needs into the root; or waits, with a file system mounted in it.
DEBOOTSTRAP = """#!/bin/bash
echo "$*" >>"$ASKED"
for root; do case $root in /*) break ;; esac; done
mkdir -p "$root"/{proc,sys,dev,run,root,etc/apt/apt.conf.d,etc/dpkg/dpkg.cfg.d,var/cache/apt/archives,usr/bin}
if [ -e "$WAIT" ]; then
  mount -t tmpfs tmpfs "$root/proc"
  echo waits >"$WAIT"
  exec tail -f /dev/null
fi
ln -s usr/bin "$root/bin"
ln -s bash "$root/usr/bin/sh"
cp /usr/bin/{bash,env} "$root/usr/bin/"
printf '#!/bin/sh\\necho "apt-get $*"\\n' >"$root/usr/bin/apt-get"
chmod +x "$root/usr/bin/apt-get"
: >"$root/var/cache/apt/archives/a_1_all.deb"
ldd "$root"/usr/bin/{bash,env} | grep -o '/[^ ]*' | grep -v : | sort -u | while read -r library; do
  mkdir -p "$root${library%/*}" && cp "$library" "$root$library"
done
"""


def packages(release: str, *sets: str) -> list:
    """What tools/install-deps would install. This test is in a mount namespace of its own."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"ID=debian\nVERSION_CODENAME={release}\n")
        file.flush()
        subprocess.run(["mount", "--bind", file.name, "/etc/os-release"], check=True)
        try:
            return subprocess.run([SOURCE / "tools/install-deps", "--list", *sets], check=True, capture_output=True,
                                  text=True).stdout.splitlines()
        finally:
            subprocess.run(["umount", "/etc/os-release"], check=True)


class Packages(unittest.TestCase):
    def test_each_release_has_its_own_names_for_packages_that_differ(self):
        sets = ("build", "unit", "test", "guest", "demo", "bench", "package", "peer", "distro")
        bookworm, trixie = (set(packages(release, *sets)) for release in ("bookworm", "trixie"))
        self.assertEqual(bookworm - trixie, {"linux-image-6.12-cloud-amd64"})
        self.assertEqual(trixie - bookworm, {"linux-image-cloud-amd64", "openssl-provider-legacy", "virtiofsd"})

    def test_every_row_has_a_set_a_package_and_a_reason(self):
        for line in (SOURCE / "tools/packages").read_text().splitlines():
            if not line.startswith("#"):
                self.assertRegex(line, r"^[a-z]+\??(@(bookworm|trixie))? +[a-z0-9.+-]+ +\S")


class Distro(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="distro."))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("bin", "var", "cache"):
            (self.folder / name).mkdir()
        self.asked, self.wait = self.folder / "asked", self.folder / "wait"
        self.checkout = self.folder / "checkout"
        (self.checkout / "tools").mkdir(parents=True)
        for name in ("distro", "steps"):
            shutil.copy(SOURCE / "tools" / name, self.checkout / "tools")
        self.program("checkout/tools/install-deps", "#!/bin/sh\n")
        self.program("checkout/greet", '#!/bin/sh\necho "hello from $PWD, $HOME, $(pwd -P), $SECRET"; exit "$1"\n')
        self.program("bin/debootstrap", DEBOOTSTRAP)
        git = ("git", "-c", "user.name=n", "-c", "user.email=n@example.com", "-C", self.checkout)
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "tools: a commit")):
            subprocess.run([*git, *words], check=True)
        # As in continuous integration: root runs what another user owns.
        subprocess.run(["chown", "-R", "65534:65534", self.checkout], check=True)

    def program(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def start(self, *words):
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "TMPDIR": str(self.folder / "var"),
                       "XDG_CACHE_HOME": str(self.folder / "cache"), "ASKED": str(self.asked), "WAIT": str(self.wait),
                       "SECRET": "of the machine"}
        environment.pop("GIT_CONFIG_GLOBAL", None)
        return subprocess.Popen([self.checkout / "tools/distro", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=environment)

    def check_nothing_is_left(self):
        self.assertEqual(list((self.folder / "var").iterdir()), [])
        self.assertNotIn(str(self.folder), pathlib.Path("/proc/mounts").read_text())

    def run_it(self, *words):
        process = self.start(*words)
        said, _ = process.communicate(timeout=DEADLINE)
        self.check_nothing_is_left()
        return process.returncode, said

    def test_wrong_usage(self):
        for words in ((), ("sid",)):
            self.assertEqual(self.run_it(*words), (2, "usage: tools/distro bookworm|trixie|arm64 [COMMAND...]\n"))

    def test_a_command_in_the_clone(self):
        status, said = self.run_it("trixie", "./greet", "0")
        self.assertEqual(status, 0, said)
        self.assertIn("(tools: a commit), in a clean root of trixie\n", said)
        home = "/" + "root"
        self.assertIn(f"\n  hello from {home}/ipseckey, {home}, {home}/ipseckey, \n", said)
        self.assertRegex(said, r"\n +\d+ s  \./greet 0: ok\n")
        self.assertRegex(self.asked.read_text(), r"^--variant=minbase --cache-dir=\S+ trixie \S+/root( \S+)?\n$")
        kept = self.folder / "cache/ipseckey/distro/trixie/debs"
        self.assertEqual([file.name for file in kept.iterdir()], ["a_1_all.deb"])

    def test_a_command_that_fails(self):
        status, said = self.run_it("trixie", "./greet", "7")
        self.assertEqual(status, 1, said)
        self.assertRegex(said, r"\n +\d+ s  \./greet 7: failed, status 7\n")

    def test_nothing_is_left_when_it_is_interrupted(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.mkfifo(self.wait)
            process = self.start("trixie")
            self.assertEqual(self.wait.read_text(), "waits\n")
            self.wait.unlink()
            process.send_signal(number)
            process.communicate(timeout=DEADLINE)
            self.assertEqual(process.returncode, 130 if number == signal.SIGINT else 143)
            self.check_nothing_is_left()


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv])
    unittest.main()
