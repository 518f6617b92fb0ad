#!/usr/bin/env python3
"""tools/two-hosts as root, in a chroot, as a user, and where it cannot run: there it prints why, and that is not a failure.

Runs in a mount namespace of the test's own, in which /dev/net/tun has the mode that the case needs.
"""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from programs import BIN, DEADLINE, unprivileged

SOURCE = pathlib.Path(os.environ["IPSECKEY_SOURCE"])
INSIDE = "IPSECKEY_INSIDE_NAMESPACE"
ESP = re.compile(r"IP 192\.0\.2\.(\d) > 192\.0\.2\.(\d): ESP\(spi=0x0000100(\d),seq=0x(\d)\)")
# Each ping and its answer, in the order in which they crossed the cable.
PINGED = [("1", "2", "1", "1"), ("2", "1", "2", "1"), ("1", "2", "1", "2"), ("2", "1", "2", "2")]


class TwoHosts(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="two hosts."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        # A checkout in a folder that everybody can enter, unlike most users' homes.
        for folder in ("tools", "build/bin"):
            (self.folder / folder).mkdir(parents=True)
        shutil.copy(SOURCE / "tools/two-hosts", self.folder / "tools")
        for name in ("ipseckey", "ipsecd"):
            shutil.copy(BIN / name, self.folder / "build/bin")
        self.set_tun(0o666)

    def set_tun(self, mode):
        """None: there is no such device."""
        tun = pathlib.Path("/dev/net/tun")
        tun.unlink(missing_ok=True)
        if mode is not None:
            os.mknod(tun, mode | stat.S_IFCHR, os.makedev(10, 200))
            tun.chmod(mode)

    def run_it(self, *before, **how) -> str:
        done = subprocess.run([*before, self.folder / "tools/two-hosts"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=DEADLINE, check=False, cwd="/",
                              env={"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}}, **how)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def check_shown(self, said: str):
        self.assertEqual(ESP.findall(said), PINGED, said)
        self.assertIn("2 packets transmitted, 2 received, 0% packet loss", said)
        self.assertNotIn("ICMP", said)  # Nothing crossed in clear.
        self.assertIn("last number 2\n", said)

    def test_as_root(self):
        self.check_shown(self.run_it())

    def test_as_a_user(self):
        self.check_shown(self.run_it(preexec_fn=unprivileged))

    def test_in_a_chroot(self):
        """/sys is missing there, which `ip netns exec` would mount again."""
        root = pathlib.Path(tempfile.mkdtemp(prefix="root."))
        self.addCleanup(root.rmdir)
        mount = lambda *words: subprocess.run(["mount", *map(str, words)], check=True)
        mount("--bind", "/", root)
        self.addCleanup(subprocess.run, ["umount", "--recursive", root], check=True)
        for folder in ("/dev", "/tmp"):
            mount("--rbind", folder, f"{root}{folder}")
        mount("-t", "proc", "proc", root / "proc")
        self.assertFalse((root / "sys/class").exists())
        self.check_shown(self.run_it("chroot", root))

    def test_a_user_without_access_to_the_device(self):
        self.set_tun(0o600)
        self.assertEqual(self.run_it(preexec_fn=unprivileged),
                         "Left out: this user cannot open /dev/net/tun (mode 600, owner root); as root, run tools/two-hosts.\n")

    def test_without_the_device(self):
        self.set_tun(None)
        self.assertEqual(self.run_it(), "Left out: there is no /dev/net/tun here.\n")

    def test_where_user_namespaces_are_forbidden(self):
        # The limit applies to the namespace that the words before create; and creating network namespaces needs a right that
        # they drop.
        self.assertEqual(
            self.run_it("unshare", "--map-root-user", "sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces; '
                        'exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"', "sh"),
            "Left out: only root can create network namespaces here, because users cannot create user namespaces (unshare failed: "
            "No space left on device); as root, run tools/two-hosts.\n")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("two_hosts_test.py needs root: it becomes another user and changes /dev in a mount namespace of its own")
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv])
    os.makedirs("/dev/net", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,dev", "tmpfs", "/dev/net"], check=True)
    unittest.main()
