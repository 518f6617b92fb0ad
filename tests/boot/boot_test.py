#!/usr/bin/env python3
"""The package as users meet it: installed in a clean root that systemd has booted as process 1, on a real kernel (user-mode
Linux). case.sh, inside, checks the promises of the units; it writes a line for each one that it checked. Then
doc/tutorial/service.md is typed as printed."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import clean_root
import session
from package_test import packages, run

TUTORIAL = pathlib.Path(os.environ["IPSECKEY_SOURCE"]) / "doc/tutorial/service.md"
HERE = pathlib.Path(__file__).resolve().parent
UML = HERE.parent / "vm/uml"
MODULES = pathlib.Path("/usr/lib/uml/modules")
GUEST_SECONDS = 480
# Runs as soon as the boot's services have started, and ends the guest.
UNIT = """[Unit]
After=ipsec-manual-key.service
FailureAction=poweroff-immediate
SuccessAction=poweroff-immediate
[Service]
Type=oneshot
ExecStart=/bin/bash /case/case.sh
ExecStart=/bin/bash /case/tutorial.sh
StandardOutput=file:/case/log
StandardError=file:/case/errors
"""
# As after the installation of the package.
AFRESH = """export PATH=/usr/sbin:/usr/bin LC_ALL=C
systemctl -q disable --now ipsec-manual-key ipsecd.service ipsecd.socket
rm -rf /etc/default/ipsecd /etc/inet/secret/* /run/systemd/system/ipsec*.service.d
systemctl daemon-reload
cd /root
"""


def typed(steps: list) -> str:
    """A script that types them. The output of step N goes to the file said.N, its status to status.N."""
    return AFRESH + "".join(f"{{ {step.command}\n}} </dev/null >/case/said.{n} 2>&1\necho $? >/case/status.{n}\n"
                            for n, step in enumerate(steps))


class Booted(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="boot."))
        self.root.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.root)

    def inside(self, *words) -> str:
        return run("chroot", self.root, *words, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def prepare(self):
        deb = packages()[-1]  # That of the programs.
        depends = run("dpkg-deb", "-f", deb, "Depends").strip()
        clean_root.make(self.root, f"{depends}, systemd-sysv, iproute2, kmod")
        shutil.copy(deb, self.root / "tmp/it.deb")
        run("mount", "-t", "proc", "proc", self.root / "proc")
        try:
            self.inside("dpkg", "-i", "/tmp/it.deb")
        finally:
            run("umount", self.root / "proc")
        case = self.root / "case"
        shutil.copytree(HERE, case)
        shutil.copy(os.environ["FORCED"], case / "forced.so")
        self.steps = [step for block in session.sessions(TUTORIAL.read_text()) for step in session.steps(block)]
        (case / "tutorial.sh").write_text(typed(self.steps))
        modules = next(MODULES.iterdir())
        tun = pathlib.Path("kernel/drivers/net/tun.ko")
        there = self.root / "lib/modules" / modules.name
        (there / tun).parent.mkdir(parents=True)
        shutil.copy(modules / tun, there / tun)
        run("depmod", "-b", self.root, modules.name)
        (self.root / "etc/systemd/system/case.service").write_text(UNIT)
        for name in ("sys", "root"):
            (self.root / name).mkdir(exist_ok=True)
        (self.root / "etc/tmpfiles.d").mkdir(exist_ok=True)
        (self.root / "etc/tmpfiles.d/tun.conf").write_text("z /dev/net/tun 0666\n")  # As set up by udev's rules.
        (self.root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")  # Not its first boot.
        # Done by the administrator before this boot.
        secret = self.root / "etc/inet/secret"
        shutil.copy(case / "ipseckeys", secret)
        (secret / "ipseckeys").chmod(0o600)
        (self.root / "etc/default/ipsecd").write_text('IPSECD_OPTIONS="--tun ipsec0"\n')
        self.inside("systemctl", "enable", "ipsecd.socket", "ipsec-manual-key.service")
        wanted = self.root / "etc/systemd/system/multi-user.target.wants"
        (wanted / "case.service").symlink_to("/etc/systemd/system/case.service")
        (self.root / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/multi-user.target")

    def boot(self) -> str:
        with tempfile.TemporaryDirectory(prefix="uml.") as folder:
            done = subprocess.run(
                [UML, folder, "mem=512M", "root=/dev/root", "rootfstype=hostfs", f"rootflags={self.root}", "rw",
                 "init=/lib/systemd/systemd", "con=null", "con0=null,fd:1", "con1=null", "ssl=null", "quiet", "panic=-1",
                 "systemd.show_status=no"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", timeout=GUEST_SECONDS, check=False)
        log = self.root / "case/log"
        if not log.exists():
            return f"nothing was tried; the guest's console:\n{done.stdout}"
        self.errors = (self.root / "case/errors").read_text()
        return log.read_text()

    def test_what_the_units_and_the_tutorial_promise(self):
        self.prepare()
        said = self.boot()
        lines = said.splitlines()
        self.assertEqual(lines[-1:], ["all was looked at"], said)
        self.assertEqual([line for line in lines[:-1] if not line.startswith("ok ")], [], self.errors)
        self.assertEqual(len(self.steps), 17)
        for n, step in enumerate(self.steps):
            said, status = ((self.root / f"case/{kind}.{n}").read_text() for kind in ("said", "status"))
            self.assertTrue(status == "0\n" and step.matches(said), f"{step.command}\nstatus {status}{said}")


if __name__ == "__main__":
    sys.exit(unittest.main())
