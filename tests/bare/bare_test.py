#!/usr/bin/env python3
"""The test machine's own kernel: larval SAs, and the messages if it lacks ESP and AH.

usage: unshare --net bare_test.py IPSECKEY
"""
import json
import subprocess
import sys
import unittest

DEADLINE = 120  # Seconds, for anything.
GCM = "encr_alg aes-gcm encrkey 000102030405060708090a0b0c0d0e0fcafebabe"
ENDS = "src 192.0.2.1 dst 192.0.2.2"
NAME = ("esp", "spi", "0x500", "dst", "192.0.2.2")


def ip(*words):
    return subprocess.run(["ip", "xfrm", "state", *" ".join(words).split()], capture_output=True, text=True, timeout=DEADLINE,
                          check=False).returncode == 0


def ipseckey(*words, text=""):
    return subprocess.run([IPSECKEY, "--sadb=kernel", *words], input=text, capture_output=True, text=True, timeout=DEADLINE,
                          check=False)


def has(protocol):
    """Whether this kernel supports it, as `doctor` found out by a request."""
    facts = json.loads(ipseckey("--json", "doctor").stdout)["facts"]
    return next(f["answer"] for f in facts if f["name"] == f"{protocol} over IPv4") == "yes"


class Bare(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not ip("flush"):
            self.assertIn("modprobe xfrm_user", ipseckey("dump").stderr)
            self.fail("this machine's kernel has no XFRM: the test needs one")
        self.addCleanup(ip, "flush")
        self.assertTrue(ip(f"allocspi {ENDS} proto esp min 0x500 max 0x500"))

    def larval(self):
        """The SA, as JSON, or None."""
        found = ipseckey("--json", "get", *NAME)
        return json.loads(found.stdout) if found.returncode == 0 else None

    def test_a_larval_sa_is_shown_and_not_saved(self):
        sa = self.larval()
        self.assertEqual((sa["state"], sa["src"]["address"], sa["dst"]["address"]), ("larval", "192.0.2.1", "192.0.2.2"))
        self.assertNotIn("remark", sa)
        self.assertIn("1 esp SA in kernel.", ipseckey("dump", "esp").stdout)
        self.assertEqual(ipseckey("dump", "ah").stdout, "There are no ah SAs in kernel.\n")
        saved = ipseckey("save", "all")
        self.assertEqual(saved.returncode, 0)
        self.assertIn("# A larval esp SA, spi 0x500 dst 192.0.2.2, has no keys yet and is not saved.\n", saved.stdout)

    def test_it_can_be_deleted_by_its_name(self):
        for words in (("get", *NAME), ("delete", *NAME)):
            other = ipseckey(*words, "src", "192.0.2.9")
            self.assertEqual(other.returncode, 1)
            self.assertIn("esp SA spi 0x500 dst 192.0.2.2 does not exist", other.stderr)
        self.assertIsNotNone(self.larval())
        self.assertEqual(ipseckey("delete", *NAME, "src", "192.0.2.1").returncode, 0)
        self.assertIsNone(self.larval())

    def test_without_a_protocol_the_remedy_is_named(self):
        for protocol, words in (("ESP", f"add esp spi 0x600 {ENDS} {GCM}"), ("ESP", f"update esp spi 0x500 {ENDS} {GCM}"),
                                ("AH", f"add ah spi 0x600 {ENDS} auth_alg sha1 authkey {'000102030405060708090a0b0c0d0e0fcafebabe'}")):
            module = f"{protocol.lower()}4"
            done = ipseckey("-f", "-", text=f"# Two.\n{words}\nflush ah\n")
            if has(protocol):
                self.assertIn("2 of 2 commands succeeded", done.stdout)
                continue
            self.assertEqual(done.returncode, 1)
            self.assertIn("<stdin>:2:", done.stderr)
            self.assertIn(f"; this kernel has no {protocol}: module {module} is missing; `modprobe {module}`\n", done.stderr)
            self.assertIn("1 of 2 commands succeeded", done.stderr)
            self.assertEqual(self.larval()["state"], "larval")
            screen = subprocess.run([IPSECKEY, "doctor"], capture_output=True, text=True, timeout=DEADLINE, check=False)
            self.assertIn(f"{protocol} over IPv4 (`modprobe {module}`)", " ".join(screen.stdout.split()))


if __name__ == "__main__":
    IPSECKEY = sys.argv.pop(1)
    unittest.main()
