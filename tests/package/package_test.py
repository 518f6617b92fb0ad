#!/usr/bin/env python3
"""The packages: what is in them, what lintian says, the life of ipseckey (install, run, upgrade, remove, purge) and a
program that is compiled with libipseckey-dev, in clean roots."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import clean_root

SOURCE = pathlib.Path(os.environ["IPSECKEY_SOURCE"])
BUILD = pathlib.Path(os.environ["IPSECKEY_BUILD"])
INSIDE = "IPSECKEY_INSIDE_NAMESPACE"
DEADLINE = 240
UNITS = sorted(p.name for p in (SOURCE / "share/systemd").iterdir() if p.suffix in (".service", ".socket"))
# Replaces the service manager, which does not run here, and records requests to it.
RECORDER = '#!/bin/sh\necho "${0##*/} $*" >> /asked\n'


def run(*words, **how) -> str:
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=DEADLINE, **how)
    if done.returncode != 0:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def packages() -> list:
    """What to compile with, the library, and, last, the programs."""
    return [pathlib.Path(line) for line in run(SOURCE / "package", BUILD).splitlines()[-3:]]


def contents(deb: pathlib.Path) -> list:
    return [re.split(r" +", line, maxsplit=5)[5].split(" -> ")[0].rstrip("/") for line in run("dpkg-deb", "-c", deb).splitlines()]


class Archive(unittest.TestCase):
    maxDiff = None

    def test_same_tree_same_bytes(self):
        before = [deb.read_bytes() for deb in DEBS]
        shutil.rmtree(BUILD / "_CPack_Packages")
        self.assertEqual(packages(), DEBS)
        for deb, was in zip(DEBS, before):
            self.assertTrue(was == deb.read_bytes(), f"{deb.name} differs from itself")

    def test_lintian_finds_nothing(self):
        for deb in DEBS:
            self.assertEqual(run("lintian", "--allow-root", "--fail-on", "error,warning", deb), "")

    def test_an_install_is_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            run("cmake", "--install", BUILD, "--prefix", "/usr", env={**os.environ, "DESTDIR": folder})
            installed = sorted(f"./{p.relative_to(folder)}" for p in pathlib.Path(folder).rglob("*"))
        self.assertEqual(installed, sorted({name for deb in DEBS for name in contents(deb)}))

    def test_no_file_is_in_two_of_them(self):
        files = [line.split("./", 1)[1] for deb in DEBS for line in run("dpkg-deb", "-c", deb).splitlines() if line[0] != "d"]
        self.assertEqual(sorted(files), sorted(set(files)))

    def test_the_library_for_short_packets_is_a_dependency_if_available(self):
        self.assertEqual(re.findall(r"libipsec-mb\d+", run("dpkg-deb", "-f", DEB, "Depends")) != [],
                         run("dpkg", "--print-architecture") == "amd64\n")

    def test_the_programs_are_hardened(self):
        """Checked by Debian's own tool. It reports "unknown" for checks that do not apply to the programs. For control flow it
        reads a note that the linker omits, because bookworm's own start files lack it: tests/hardening inspects the code
        instead."""
        with tempfile.TemporaryDirectory() as folder:
            run("dpkg-deb", "-x", DEB, folder)
            for program in ("ipseckey", "ipsecd"):
                said = run("hardening-check", "--nocolor", "--nocfprotection", f"{folder}/usr/sbin/{program}")
                found = dict(re.findall(r"^ ([^:]+): (\w+)", said, re.M))
                self.assertEqual({what for what, how in found.items() if how == "no"} - {"Control flow integrity"}, set(), said)
                for what in ("Position Independent Executable", "Stack protected", "Fortify Source functions",
                             "Read-only relocations", "Immediate binding"):
                    self.assertEqual(found[what], "yes", said)

    def test_every_unit_is_in_it(self):
        packed = run("dpkg-deb", "-c", DEB)
        self.assertEqual(UNITS, ["ipsec-manual-key.service", "ipsec-policy.service", "ipsecd.service", "ipsecd.socket"])
        self.assertEqual([u for u in UNITS if f"/lib/systemd/system/{u}\n" not in packed], [])


class InACleanRoot(unittest.TestCase):
    maxDiff = None

    def make(self, dependencies: str):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="package."))
        self.addCleanup(shutil.rmtree, self.root)
        clean_root.make(self.root, dependencies)
        for kind, at in (("proc", "proc"), ("tmpfs", "run"), ("tmpfs", "dev")):
            run("mount", "-t", kind, "-o", "nosuid", kind, self.root / at)
            self.addCleanup(run, "umount", self.root / at)
        for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
            os.mknod(self.root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))

    @staticmethod
    def dependencies(deb: pathlib.Path) -> str:
        return run("dpkg-deb", "-f", deb, "Depends").strip()

    def inside(self, *words) -> str:
        return run("chroot", self.root, *words, env={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"})

    def dpkg(self, *words) -> str:
        return self.inside("dpkg", *words)

    def install(self, deb: pathlib.Path) -> str:
        shutil.copy(deb, self.root / "tmp/it.deb")
        return self.dpkg("-i", "/tmp/it.deb")


class Library(InACleanRoot):
    def test_a_program_is_compiled_and_run(self):
        development, library, _ = DEBS
        self.make(self.dependencies(library) + ", g++, pkg-config")
        for deb in (library, development):
            self.install(deb)
        shutil.copy(SOURCE / "share/examples/api/push_keys.cc", self.root / "tmp")
        self.inside("sh", "-c", "g++ -std=c++23 /tmp/push_keys.cc -o /tmp/push_keys $(pkg-config --cflags --libs ipseckey)")
        key = "00112233445566778899aabbccddeeff"
        (self.root / "tmp/keys").write_text(f"add ah spi 0x2112 dst 192.0.2.2 authalg aes-xcbc authkey {key}\n")
        self.assertIn("add ah spi 0x2112", self.inside("/tmp/push_keys", "/tmp/keys", "memory"))
        self.dpkg("-r", "libipseckey-dev", self.name(library))
        self.assertEqual(list((self.root / "usr").rglob("*ipseckey*")), [])

    @staticmethod
    def name(deb: pathlib.Path) -> str:
        return run("dpkg-deb", "-f", deb, "Package").strip()


class Life(InACleanRoot):
    def setUp(self):
        self.make(self.dependencies(DEB))

    def newer(self) -> pathlib.Path:
        """The same package, of a later version."""
        tree = pathlib.Path(tempfile.mkdtemp(prefix="newer."))
        self.addCleanup(shutil.rmtree, tree)
        run("dpkg-deb", "-R", DEB, tree / "tree")
        control = tree / "tree/DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*", "Version: 99.0", control.read_text(), flags=re.M))
        run("dpkg-deb", "-Zgzip", "-b", tree / "tree", tree / "newer.deb")
        return tree / "newer.deb"

    def path(self, name: str) -> pathlib.Path:
        return self.root / name.lstrip("/")

    def users(self) -> list:
        return sorted(line.split(":")[0] for table in ("passwd", "group")
                      for line in self.path(f"/etc/{table}").read_text().splitlines() if line.startswith("ipsec"))

    def links(self) -> list:
        return sorted(p.name for p in self.path("/etc/systemd/system").rglob("*")
                      if p.is_symlink() and p.name.startswith("ipsec"))

    def record_what_is_asked(self):
        for name in ("systemctl", "deb-systemd-invoke"):
            self.path("/usr/local/sbin").mkdir(parents=True, exist_ok=True)
            self.path(f"/usr/local/sbin/{name}").write_text(RECORDER)
            self.path(f"/usr/local/sbin/{name}").chmod(0o755)
        self.path("/run/systemd/system").mkdir(parents=True)

    def asked(self) -> list:
        """The requests to the service manager since the last call, except to reload its files."""
        file = self.path("/asked")
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line.removeprefix("deb-systemd-invoke ") for line in lines if "daemon-reload" not in line]

    def use(self):
        """The installed programs, as installed."""
        self.inside("ipseckey", "-c", "/usr/share/doc/ipseckey/examples/ipseckeys")
        daemon = subprocess.Popen(["chroot", self.root, "/usr/sbin/ipsecd", "--user", "ipsecd"], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        try:
            for line in daemon.stderr:
                if "serving" in line:
                    break
            self.inside("ipseckey", "-f", "/usr/share/doc/ipseckey/examples/ipseckeys")
            self.assertIn("esp spi 0x2101", self.inside("ipseckey", "-p", "dump"))
            self.assertIn("Here: ipsecd:/run/ipsecd/pfkey.sock.", self.inside("ipsecalgs"))
            self.assertIn("SAs", self.inside("ipsecd", "status"))
        finally:
            daemon.terminate()
            daemon.communicate(timeout=DEADLINE)

    def test_install_use_upgrade_remove_purge(self):
        self.install(DEB)
        self.assertEqual(self.dpkg("--verify", "ipseckey"), "")
        self.assertIn("install ok installed", self.dpkg("-s", "ipseckey"))
        secret = self.path("/etc/inet/secret")
        self.assertEqual((secret.stat().st_mode & 0o7777, secret.stat().st_uid), (0o700, 0))
        self.assertEqual(self.users(), ["ipsecd", "ipsecd", "ipsecd-read"])
        self.assertEqual(self.links(), [])
        self.assertEqual(self.path("/run/ipsecd").stat().st_mode & 0o7777, 0o755)
        self.assertEqual(self.inside("systemd-analyze", "verify", "--man=no", *UNITS), "")
        self.use()

        # What the administrator does.
        (secret / "ipseckeys").write_text("flush\n")
        self.path("/etc/default/ipsecd").write_text('IPSECD_OPTIONS="--tun ipsec0"\n')
        self.inside("systemctl", "enable", "ipsecd.socket")
        passwd = self.path("/etc/passwd").read_text()

        self.record_what_is_asked()
        self.install(self.newer())
        self.assertIn("Version: 99.0", self.dpkg("-s", "ipseckey"))
        self.assertEqual((secret / "ipseckeys").read_text(), "flush\n")
        self.assertEqual(self.path("/etc/default/ipsecd").read_text(), 'IPSECD_OPTIONS="--tun ipsec0"\n')
        self.assertEqual(self.links(), ["ipsecd.socket"])
        self.assertEqual(self.path("/etc/passwd").read_text(), passwd)
        self.assertEqual(self.asked(), ["try-restart ipsecd.service"])

        self.dpkg("-r", "ipseckey")
        asked = self.asked()
        self.assertEqual([w for line in asked for w in line.split()[:1]], ["stop"])
        self.assertEqual(sorted(asked[0].split()[1:]), UNITS)
        self.assertFalse(self.path("/usr/sbin/ipseckey").exists())
        self.assertEqual((secret / "ipseckeys").read_text(), "flush\n")
        self.assertTrue(self.path("/etc/default/ipsecd").exists())

        said = self.dpkg("--purge", "ipseckey")
        self.assertIn("/etc/inet/secret is left with its files", said)
        self.assertEqual((secret / "ipseckeys").read_text(), "flush\n")
        self.assertFalse(self.path("/etc/default/ipsecd").exists())
        self.assertEqual(self.users(), [])
        self.assertEqual(self.links(), [])
        self.assertFalse(self.path("/run/ipsecd").exists())

    def tree(self) -> list:
        """Every file except dpkg's records, and the copies that programs keep when they change the user tables."""
        found = []
        for folder, folders, files in os.walk(self.root):
            at = pathlib.Path(folder).relative_to(self.root)
            if str(at) in (".", "var", "var/lib"):
                folders[:] = [f for f in folders if f not in ("proc", "dev", "tmp", "dpkg", "log", "cache")]
            found += [str(at / name) for name in folders + files]
        return sorted(p for p in found if not re.fullmatch(r"etc/(\.pwd\.lock|(g?shadow|passwd|group)-?)", p))

    def test_a_purge_leaves_nothing_behind(self):
        before = self.tree()
        self.install(DEB)
        self.dpkg("--purge", "ipseckey")
        self.assertEqual(self.tree(), before)


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv])
    DEBS = packages()
    DEB = DEBS[-1]
    unittest.main()
