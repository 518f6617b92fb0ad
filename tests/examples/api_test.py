#!/usr/bin/env python3
"""share/examples/api/pf_key.py, as shipped, with an ipsecd of the test's own and together with ipseckey."""
import os
import pathlib
import select
import subprocess
import sys
import unittest

from programs import DEADLINE, Case

PF_KEY = pathlib.Path(os.environ["IPSECKEY_EXAMPLES"]) / "api" / "pf_key.py"
ENCRYPT = "00112233445566778899aabbccddeeff"
AUTH = ENCRYPT * 2
NAMES = {"IPv4": ("192.0.2.1", "192.0.2.2"), "IPv6": ("2001:db8::1", "2001:db8::2")}


class PfKey(Case):
    def setUp(self):
        super().setUp()
        self.start_daemon()

    def begin(self, *words):
        process = subprocess.Popen([sys.executable, "-B", PF_KEY, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "PF_KEY_SOCKET": str(self.daemon.socket)})
        self.addCleanup(self.stop, process)
        return process

    def pf_key(self, *words, text=""):
        ended = self.finish(self.begin(*words), text.encode())
        return ended.status, ended.out, ended.err

    def add(self, spi, src, dst):
        return self.pf_key("add", spi, src, dst, text=f"{ENCRYPT}\n{AUTH}\n")

    def test_ipseckey_saves_what_it_adds(self):
        for family, (src, dst) in NAMES.items():
            with self.subTest(family):
                self.assertEqual(self.add("0x2112", src, dst), (0, "added\n", ""))
                saved = self.run_it("save", "esp", "-")
                self.assertEqual(saved.status, 0)
                self.assertEqual(" ".join(saved.out[saved.out.index("add"):].replace("\\", "").split()),
                                 f"add esp spi 0x2112 inbound outbound src {src} dst {dst} encr_alg aes-cbc encrkey {ENCRYPT}/128 "
                                 f"auth_alg hmac-sha256 authkey {AUTH}/256")
                self.run_it("flush")

    def test_it_gets_what_ipseckey_adds(self):
        for src, dst in NAMES.values():
            line = f"add esp spi 5 src {src} dst {dst} encralg aes encrkey {ENCRYPT} authalg sha256 authkey {AUTH}\n"
            self.run_it("-f", "-", text=line)
            self.assertEqual(self.pf_key("get", "5", src, dst),
                             (0, f"esp spi 0x5 src {src} dst {dst} encrkey of 128 bits authkey of 256 bits bytes 0\n", ""))

    def test_it_receives_changes_by_others(self):
        src, dst = NAMES["IPv4"]
        listener = self.begin("listen", "2")
        self.assertTrue(select.select([listener.stdout], [], [], DEADLINE)[0])
        self.assertEqual(listener.stdout.readline(), b"listening\n")
        self.add("0x2112", src, dst)
        self.run_it("delete", "esp", "spi", "0x2112", "dst", dst)
        ended = self.finish(listener)
        self.assertEqual((ended.status, ended.out), (0, f"ADD spi 0x2112 src {src} dst {dst}\nDELETE spi 0x2112 src {src} dst {dst} bytes 0\n"))

    def test_a_refusal_is_printed_without_a_key(self):
        src, dst = NAMES["IPv4"]
        self.assertEqual(self.pf_key("get", "5", src, dst), (1, "", "pf_key.py: No such process (diagnostic 78)\n"))
        self.add("0x2112", src, dst)
        self.assertEqual(self.add("0x2112", src, dst), (1, "", "pf_key.py: File exists (diagnostic 0)\n"))
        status, out, err = self.pf_key("add", "5", src, dst, text=f"{ENCRYPT}xyz\n")
        self.assertEqual((status, out), (1, ""))
        self.assertNotIn(ENCRYPT[:6], err)

    def test_wrong_words_and_no_daemon(self):
        status, out, err = self.pf_key("get", "5")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("pf_key.py get SPI SRC DST", err)
        self.daemon.end()
        self.assertRegex(self.pf_key("get", "5", *NAMES["IPv4"])[2], r"^pf_key\.py: \[Errno \d+\] [\w ]+\n$")


if __name__ == "__main__":
    unittest.main()
