#!/usr/bin/env python3
"""Every file of share/examples passes the check, loads, and is restored from a save."""
import os
import pathlib
import re
import unittest

from programs import Case

EXAMPLES = pathlib.Path(os.environ["IPSECKEY_EXAMPLES"])
# Files with counter modes, where each SA draws the warning that the file announces.
WARNED = {"aead": 4, "ipseckeys": 1}
# What a file must show, and words that show it.
SHOWN = {
    "transport-pair": ["pair-spi"],
    "tunnel": ["isrc", "idst"],
    "road-warrior": ["isrc 10.9.0.5", "idst 0.0.0.0/0"],
    "nat-traversal": ["encap udp", "dst 203.0.113.9", "nat_rem 10.9.0.2"],
    "nat-traversal-behind": ["encap udp", "dst 10.9.0.2", "nat_loc 203.0.113.9"],
    "aead": ["aes-gcm", "aes-ccm", "chacha20-poly1305"],
    "ospfv3": ["ff02::5", "ff02::6", "encralg null", "proto ospf"],
    "solaris": ["flush esp", "srcaddr", "sha-1"],
    "ipseckeys": ["add esp", "add ah"],
}


class Examples(Case):
    def test_each_does_what_it_claims(self):
        self.assertEqual(sorted(p.name for p in EXAMPLES.iterdir() if p.is_file()), sorted(SHOWN))
        for name, words in SHOWN.items():
            text = (EXAMPLES / name).read_text()
            self.assertEqual([w for w in words if w not in text], [], name)

    def test_each_passes_the_check(self):
        for name in SHOWN:
            text = (EXAMPLES / name).read_text()
            count = len(re.findall(r"^(?:add|flush) ", text, re.M))
            done = self.run_it("--strict", "-c", self.write(name, text)) if name not in WARNED else \
                self.run_it("-c", self.write(name, text))
            warned = WARNED.get(name, 0)
            more = f", {warned} warning{'s' if warned > 1 else ''}" if warned else ""
            self.assertEqual((done.status, done.out), (0, f"FOLDER/{name}: {count} of {count} commands valid{more}.\n"), name)
            self.assertEqual(len(re.findall("may be insecure", done.err)), warned, name)
            self.assertEqual(done.err.count("\n"), warned, name)

    def test_each_loads_and_is_restored_from_a_save(self):
        self.start_daemon()
        for name in SHOWN:
            text = (EXAMPLES / name).read_text()
            self.run_it("flush")
            self.assertEqual(self.run_it("-f", self.write(name, text)).status, 0, name)
            self.assertEqual(self.count_sas(), len(re.findall("^add ", text, re.M)), name)
            first, second = self.folder / "first", self.folder / "second"
            self.assertEqual(self.run_it("-s", first).status, 0, name)
            self.run_it("flush")
            self.assertEqual(self.run_it("-f", first).status, 0, name)
            self.assertEqual(self.run_it("-s", second).status, 0, name)
            self.assertEqual(first.read_text(), second.read_text(), name)

    def test_no_two_sas_have_a_key_in_common(self):
        for name in set(SHOWN) - {"ospfv3"}:  # RFC 4552 requires it there.
            keys = re.findall(r"(?:auth|encr)key (\w+)", (EXAMPLES / name).read_text())
            self.assertEqual(len(keys), len(set(keys)), name)


if __name__ == "__main__":
    unittest.main()
