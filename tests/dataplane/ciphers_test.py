#!/usr/bin/env python3
"""An ipsecd that carries packets refuses SAs whose packets it could not protect. Here the library lacks the algorithms in a
provider of its own (Debian 13: openssl-provider-legacy), because its folder of providers is another one."""
import os
import pathlib
import subprocess
import tempfile
import unittest

os.environ["OPENSSL_MODULES"] = "/nonexistent"

from hosts import BIN, DEADLINE, Host  # noqa: E402

CURE = ("this ipsecd's OpenSSL lacks its legacy provider: install it (Debian 13: `apt install openssl-provider-legacy`) and "
        "restart ipsecd")
LACK = f"ipsecd: SAs with blowfish-cbc are refused: {CURE}\n"


def add(spi, cipher, digits):
    return (f"add esp spi {spi} src 192.0.2.1 dst 192.0.2.2 encralg {cipher} encrkey {'0123456789abcdeffedcba98765432101032547698badcfe'[:digits]} "
            f"authalg sha256 authkey {'0123456789abcdef' * 4}\n")


class WithoutLegacyProvider(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.host = Host("c", pathlib.Path(folder.name))
        self.addCleanup(self.host.gone)

    def start(self, *options):
        """What the daemon logs until it serves."""
        self.host.daemon = subprocess.Popen(
            ["ip", "netns", "exec", self.host.netns, BIN / "ipsecd", "--socket", self.host.pfkey, *options],
            stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.host.daemon.stderr:
            if "serving" in line:
                break
            said.append(line)
        return said

    def load(self, *lines):
        done = subprocess.run([BIN / "ipseckey", "--sadb", f"ipsecd:{self.host.pfkey}", "-f", "-"], capture_output=True,
                              input="".join(lines), text=True, timeout=DEADLINE, check=False)
        return done.returncode, [line for line in done.stderr.splitlines() if "error:" in line]

    def here(self):
        """Each cipher, and whether the SADB reports that it supports it."""
        rows = subprocess.run([BIN / "ipsecalgs", f"--sadb=ipsecd:{self.host.pfkey}"], capture_output=True, text=True,
                              timeout=DEADLINE, check=True).stdout.splitlines()
        head = next(row for row in rows if row.startswith("number"))
        at = head.index("here")
        return {row.split()[1]: row[at:at + 4].strip() for row in rows if row[:6].strip().isdigit()}

    def test_with_a_data_plane_it_is_logged_and_refused(self):
        self.assertEqual(self.start("--tun", "ipsec0"), [LACK])
        self.assertEqual(self.load(add(0x1001, "blowfish", 32)), (1, [
            "<stdin>:1:46: error: One of the entered values is incorrect: Diagnostic code 41: "
            f"the encryption algorithm is unknown or cannot be used; {CURE}"]))
        self.assertEqual(self.load(add(0x1002, "aes", 32), add(0x1003, "3des", 48)), (0, []))
        self.assertEqual([name for name, there in self.here().items() if there != "yes"], ["blowfish-cbc"])

    def test_a_service_flushes_nothing_if_it_would_be_refused(self):
        self.start("--tun", "ipsec0")
        self.assertEqual(self.load(add(0x1001, "aes", 32)), (0, []))
        keys = pathlib.Path(self.folder) / "keys"
        keys.write_text(add(0x1002, "aes", 32) + add(0x1003, "blowfish", 32))
        keys.chmod(0o600)
        command = [BIN / "ipseckey", f"--sadb=ipsecd:{self.host.pfkey}"]
        done = subprocess.run([*command, "--service", "-f", keys], capture_output=True, text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 95, done.stderr)
        self.assertIn("nothing was changed", done.stderr)
        held = subprocess.run([*command, "dump"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
        self.assertIn("esp spi 0x1001", held)
        self.assertIn("1 SA in ", held)

    def test_without_a_data_plane_it_is_accepted_for_other_programs(self):
        self.assertEqual(self.start(), [])
        self.assertEqual(self.load(add(0x1001, "blowfish", 32)), (0, []))


if __name__ == "__main__":
    unittest.main()
