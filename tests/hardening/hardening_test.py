#!/usr/bin/env python3
"""The flags of cmake/hardening.cmake: each source of this build is compiled with all of them, and the programs show their
effect. A flag that the compiler silently ignores has no effect in the programs."""
import json
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["IPSECKEY_SOURCE"])
BUILD = pathlib.Path(os.environ["IPSECKEY_BUILD"])
OPTIMIZED = os.environ["CONFIG"] in ("Release", "RelWithDebInfo", "MinSizeRel")
X86 = re.fullmatch("x86_64|AMD64|i[3-6]86", os.environ["PROCESSOR"])
PROGRAMS = [BUILD / "bin" / name for name in ("ipseckey", "ipsecd")]

EVERYWHERE = {"-fstack-protector-strong", "-fstack-clash-protection", "-Wformat-security", "-Werror",
              "-fcf-protection" if X86 else "-mbranch-protection=standard",
              *(["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"] if OPTIMIZED else [])}
# Code that no packet passes; doc/explanation/benchmarks.md has the cost per packet.
CHECKED = {"-ftrivial-auto-var-init=zero", "-D_GLIBCXX_ASSERTIONS"}
PACKET_PATH = re.compile(r"(traffic|crypto)/.*|ipsecd/packets/(packet_thread|inlet|outlet|ways|tun|tun_queue|queue|hook)\.cc")


def in_force(words: list) -> set:
    """The words of a command, without those that a later one overrides."""
    chosen = {}
    for word in words:
        name = re.sub(r"^-[DU]([^=]*).*|^(-f(?:no-)?(?:[a-z]+-)*[a-z]+)=.*", r"\1\2", word)
        chosen[name] = word
    return set(chosen.values()) | set(w for w in words if w.startswith("-U_FORTIFY"))


def readelf(program: pathlib.Path, *words) -> str:
    return subprocess.run(["readelf", "-W", *words, program], stdout=subprocess.PIPE, text=True, check=True).stdout


class Sources(unittest.TestCase):
    def test_every_source_is_compiled_with_every_flag(self):
        rows = json.loads((BUILD / "compile_commands.json").read_text())
        seen = set()
        for row in rows:
            file = pathlib.Path(row["file"])
            if not file.is_relative_to(SOURCE / "src") or file.name.endswith("_test.cc"):
                continue
            path = str(file.relative_to(SOURCE / "src"))
            words = row["command"].split()
            self.assertEqual(EVERYWHERE - in_force(words), set(), path)
            self.assertTrue({"-fPIE", "-fPIC"} & in_force(words), path)
            self.assertEqual(in_force(words) & CHECKED, set() if PACKET_PATH.fullmatch(path) else CHECKED, path)
            for flag in ("-fno-stack-protector", "-fno-pie", "-no-pie", "-fno-pic"):
                self.assertNotIn(flag, words, path)
            seen.add(path)
        self.assertEqual({str(f.relative_to(SOURCE / "src")) for f in (SOURCE / "src").rglob("*.cc")
                          if not f.name.endswith("_test.cc")} - seen, set())


class Programs(unittest.TestCase):
    def test_they_are_position_independent_and_read_only_after_loading(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                self.assertRegex(readelf(program, "-h"), r"Type: +DYN ")
                self.assertRegex(readelf(program, "-d"), r"\(FLAGS\) +BIND_NOW\n")
                self.assertRegex(readelf(program, "-d"), r"\(FLAGS_1\) +Flags: NOW PIE\n")
                self.assertIn(" GNU_RELRO ", readelf(program, "-l"))
                self.assertRegex(readelf(program, "-l"), r" GNU_STACK +(0x0+ +){3}0x0+ 0x0+ RW ")

    def test_they_have_the_checks(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                symbols = readelf(program, "--dyn-syms")
                self.assertIn(" __stack_chk_fail@", symbols)
                self.assertRegex(symbols, r" std::__glibcxx_assert_fail|_ZSt21__glibcxx_assert_fail")
                if OPTIMIZED:
                    self.assertRegex(symbols, r" __(mem|str|v?s?n?printf|recv|read|poll)\w*_chk@")

    def test_an_indirect_call_ends_at_the_start_of_a_function(self):
        for program in PROGRAMS:
            code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertGreater(len(re.findall(r"\t(endbr64|endbr32|paciasp|bti)\b", code)), 1000, program.name)


if __name__ == "__main__":
    unittest.main()
