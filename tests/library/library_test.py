#!/usr/bin/env python3
"""libipseckey, installed into an empty folder: its headers, its names, and programs of others that use it.

usage: library_test.py [--update]    --update: rewrites exports.txt after an intended change of the interface
"""
import json
import os
import pathlib
import re
import select
import shlex
import subprocess
import sys
import tempfile
import unittest

from programs import DEADLINE, Case

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ["IPSECKEY_BUILD"])
EXAMPLES = pathlib.Path(os.environ["IPSECKEY_EXAMPLES"])
COMPILERS = [os.environ["CXX"], "clang++-19"]
STRICT = ["-std=c++23", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
KEY = "00112233445566778899aabbccddeeff"
LINE = f"add esp spi 0x2112 src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey {KEY} authalg sha256 authkey {KEY}{KEY}\n"


def run(*words, **how) -> str:
    ended = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=DEADLINE, **how)
    if ended.returncode != 0:
        raise AssertionError(f"{words}: status {ended.returncode}\n{ended.stdout}")
    return ended.stdout


def exported(library: pathlib.Path) -> list:
    """What a program can link with: kind and name."""
    lines = run("nm", "--dynamic", "--defined-only", "--demangle", "--without-symbol-versions", library).splitlines()
    return sorted({line[17:] for line in lines} - {"A IPSECKEY_0"})


class Library(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="library.")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = pathlib.Path(folder.name) / "a prefix"
        for component in ("library", "development"):
            run("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", component)
        cls.libraries = next(cls.prefix.rglob("libipseckey.so")).parent
        cls.headers = sorted(p.relative_to(cls.prefix / "include") for p in (cls.prefix / "include").rglob("*.h"))

    def environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libraries), "PKG_CONFIG_PATH": str(self.libraries / "pkgconfig")}

    def flags(self, *wanted) -> list:
        return shlex.split(run("pkg-config", *wanted, "ipseckey", env=self.environment()))

    def build(self, source, compiler=COMPILERS[0]) -> pathlib.Path:
        program = self.folder / f"{source.stem}.{pathlib.Path(compiler).name}"
        run(compiler, *STRICT, source, "-o", program, *self.flags("--cflags", "--libs"))
        return program

    def use(self, program, *words):
        return self.finish(self.begin(program, *words))

    def begin(self, program, *words):
        process = subprocess.Popen([str(w) for w in (program, *words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(self.stop, process)
        return process

    def test_it_shows_what_is_listed_and_nothing_else(self):
        listed = (HERE / "exports.txt").read_text().splitlines()
        self.assertEqual(exported(self.libraries / "libipseckey.so"), listed)
        self.assertEqual([line for line in listed if not line.startswith("T ipseckey::")], [])

    def test_every_name_is_declared_in_a_header_that_is_installed(self):
        text = "".join((self.prefix / "include" / h).read_text() for h in self.headers)
        code = re.sub(r"//.*", "", text)
        for line in (HERE / "exports.txt").read_text().splitlines():
            name = re.match(r"T (?:ipseckey::(?:\w+::)*)(operator==|operator=|~?\w+)", line)[1]
            self.assertRegex(code, re.escape(name) + r"\(")

    def test_the_layout_is_that_of_this_minor_version(self):
        """Programs have these sizes compiled in. A change wants a new minor version, whose library has a new name."""
        source = self.folder / "sizes.cc"
        names = ("Address", "Secret", "SecretBuffer", "Error", "Sadb", "Listener", "SaWriter", "Commands", "TextFault", "pfkey::Message",
                 "pfkey::Sa", "pfkey::Endpoint", "pfkey::Key", "pfkey::Lifetime", "pfkey::Traffic")
        source.write_text("#include <ipseckey/ipseckey.h>\n#include <iostream>\nint main() {\n" + "".join(
            f'std::cout << "{n} " << sizeof(ipseckey::{n}) << "\\n";\n' for n in names) + "}\n")
        self.assertEqual(self.use(self.build(source)).out, (HERE / "sizes.txt").read_text())
        soname = re.search(r"SONAME.*\[(.*)\]", run("readelf", "-d", self.libraries / "libipseckey.so"))[1]
        self.assertEqual(soname, f"libipseckey.so.{'.'.join(self.flags('--modversion')[0].split('.')[:2])}")

    def test_the_example_reports_what_it_cannot_read_or_write(self):
        program = self.build(EXAMPLES / "api" / "push_keys.cc")
        self.assertEqual(self.use(program, self.folder, "memory").status, 1)
        self.assertEqual(self.use(program, "--watch", "x", "memory").status, 1)
        keys = self.write("keys", LINE)
        with open("/dev/full", "w") as full:
            ended = subprocess.run([program, keys, "memory"], stdout=full, stderr=subprocess.PIPE, env=self.environment(), timeout=DEADLINE)
        self.assertEqual((ended.returncode, ended.stderr), (1, b"push_keys: cannot write the list\n"))

    def test_each_header_compiles_by_itself(self):
        """And needs the standard library only, so that the -dev package needs no other."""
        for header in self.headers:
            text = (self.prefix / "include" / header).read_text()
            for name in re.findall(r'#include [<"](.*?)[>"]', text):
                self.assertTrue(name.startswith("ipseckey/") or re.fullmatch(r"\w+", name), f"{header}: {name}")
            for compiler in COMPILERS:
                source = self.folder / "one.cc"
                source.write_text(f"#include <{header}>\n#include <{header}>\n")
                run(compiler, *STRICT, "-fsyntax-only", source, *self.flags("--cflags"))

    def test_strangers_with_the_same_names(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                self.assertEqual(self.use(self.build(HERE / "strangers.cc", compiler)).out,
                                 "Elm Street 127.0.0.1 memory mine 0.5 1 1\n")

    def test_the_version_is_the_same_everywhere(self):
        source = self.folder / "version.cc"
        source.write_text("#include <ipseckey/ipseckey.h>\n#include <iostream>\nint main() { std::cout << ipseckey::version(); }\n")
        self.assertEqual(self.use(self.build(source)).out, self.flags("--modversion")[0])

    def test_the_example_pushes_commands_and_json(self):
        self.start_daemon()
        where = f"ipsecd:{self.daemon.socket}"
        keys = self.folder / "keys"
        for compiler in COMPILERS:
            with self.subTest(compiler):
                program = self.build(EXAMPLES / "api" / "push_keys.cc", compiler)
                keys.write_text(LINE)
                pushed = self.use(program, keys, where)
                self.assertEqual((pushed.status, pushed.err), (0, ""))
                self.assertIn("add esp spi 0x2112", pushed.out)
                self.assertNotIn(KEY[:8], pushed.out)
                saved = self.run_it("save", "esp", "-").out
                self.assertIn(f"encrkey {KEY}/128", saved)
                shown = self.run_it("--json", "dump").out
                self.assertEqual(json.loads(shown)["spi"], 0x2112)

                again = self.use(program, keys, where)
                self.assertEqual((again.status, again.err), (1, "FOLDER/keys:1: esp SA spi 0x2112 dst 192.0.2.2 already exists\n"))
                self.run_it("flush")
                keys.write_text(shown)
                self.assertEqual(self.use(program, keys, where).status, 0)
                self.assertEqual(self.run_it("--json", "dump").out.count(KEY), shown.count(KEY))
                self.run_it("flush")

    def test_the_example_pushes_all_or_nothing(self):
        self.start_daemon()
        keys = self.folder / "keys"
        keys.write_text(LINE + "add esp spi none\n")
        ended = self.use(self.build(EXAMPLES / "api" / "push_keys.cc"), keys, f"ipsecd:{self.daemon.socket}")
        self.assertEqual(ended.status, 1)
        self.assertIn("FOLDER/keys:2: error: ", ended.err)
        self.assertEqual(ended.out, "")

    def test_the_example_watches(self):
        self.start_daemon()
        watcher = self.begin(self.build(EXAMPLES / "api" / "push_keys.cc"), "--watch", "2", f"ipsecd:{self.daemon.socket}")
        self.assertTrue(select.select([watcher.stdout], [], [], DEADLINE)[0])
        self.assertEqual(watcher.stdout.readline().decode(), f"watching ipsecd:{self.daemon.socket}\n")
        self.run_it("-f", "-", text=LINE)
        self.run_it("delete", "esp", "spi", "0x2112", "dst", "192.0.2.2")
        self.assertEqual(self.finish(watcher).out, "type 3 spi 0x2112 dst 192.0.2.2\ntype 4 spi 0x2112 dst 192.0.2.2\n")

    def test_a_project_of_cmake_finds_it(self):
        build = self.folder / "project"
        run("cmake", "-S", HERE / "project", "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DEXAMPLES={EXAMPLES}",
            f"-DCMAKE_CXX_COMPILER={COMPILERS[0]}")
        run("cmake", "--build", build)
        keys = self.folder / "keys"
        keys.write_text(LINE)
        self.assertIn("add esp spi 0x2112", self.use(build / "push_keys", keys, "memory").out)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        (HERE / "exports.txt").write_text("\n".join(exported(BUILD / "lib" / "libipseckey.so")) + "\n")
    else:
        unittest.main()
