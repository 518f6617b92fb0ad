#!/usr/bin/env python3
"""Does house.py see what it must see? Made-up trees; the forbidden words are put together here, not written."""
import pathlib
import tempfile
import unittest

import house


def finds(files: dict) -> list:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return [line.replace(str(root), "ROOT") for line in house.check_tree(root)]


def function(lines: int, indent: str = "") -> str:
    body = f"{indent}  work();\n" * (lines - 2)
    return f"{indent}void f(int a) {{\n{body}{indent}}}\n"


class House(unittest.TestCase):
    def test_an_orderly_tree_has_no_finds(self):
        files = {
            "src/a.cc": "namespace {\n" + "\n\n".join([function(70)] * 3) + "}\n",
            "src/a_test.cc": function(300) * 2,
            "tools/run": "#!/bin/sh\nexec true\n",
            "build/x.cc": "// TO" + "DO\n",
            ".git/x": "TO" + "DO\n",
        }
        self.assertEqual(finds(files), [])

    def test_a_sentence_stands_in_one_place(self):
        sentence = "without integrity there is no replay window: "
        files = {
            "src/a.cc": f'int x;\nconst char* a = "{sentence}a"\n    " forged number";\n',
            "src/b/b.cc": f'const char* b = "{sentence}a forged number";\n',
            "src/c_test.cc": f'const char* c = "{sentence}a forged number";\n',
            "src/d.h": f'/// "{sentence}a forged number"\nconst char* d = "a forged number";\n',
            "src/e.cc": 'const char* e = "a forged number";\n',
        }
        self.assertEqual(finds(files), [f'src/b/b.cc:1: src/a.cc says the same: "{sentence[:40]}..."'])

    def test_a_document_names_only_sources_that_exist(self):
        files = {
            "src/a/detail/flow.h": "\n",
            "fuzz/sealed.cc": "\n",
            "doc/design.md": "`flow.h`, `detail/flow.h`, `src/a/detail/flow.h`, `fuzz/sealed.cc`, `fuzz/NAME.cc`\n"
                             "`low.h`, `a/flow.h`,\n`flow.cc`, flaw.h\n",
            "README.md": "`sealed.h`\n",
            "CONTRIBUTING.md": "\n`src/sealed.cc`\n",
            "share/a.md": "`gone.h`\n",
        }
        self.assertEqual(sorted(finds(files)),
                         ["CONTRIBUTING.md:2: there is no src/sealed.cc", "README.md:1: there is no sealed.h",
                          "doc/design.md:2: there is no a/flow.h", "doc/design.md:2: there is no low.h",
                          "doc/design.md:3: there is no flow.cc"])

    def test_each_rule_finds_its_line(self):
        left_open = "left open: finish it or write an issue"
        check_off = "a check is switched off: mend the place"
        test_off = "a test is switched off"
        rows = (
            ("src/a.cc", "\n// TO" + "DO\n", f"src/a.cc:2: {left_open}"),
            ("doc/a.md", "FIX" + "ME\n", f"doc/a.md:1: {left_open}"),
            ("src/a.cc", "f();  // NO" + "LINT\n", f"src/a.cc:1: {check_off}"),
            ("src/a_test.cc", "  GTEST_" + "SKIP();\n", f"src/a_test.cc:1: {test_off}"),
            ("src/a_test.cc", "TEST(A, DISABLED" + "_B) {}\n", f"src/a_test.cc:1: {test_off}"),
            ("src/a.cc", "#if " + "0\n", "src/a.cc:1: code is switched off: delete it"),
            ("src/a.cc", "reinterpret_" + "cast<int*>(p);\n",
             "src/a.cc:1: bytes go through Reader and Writer, or std::bit_cast"),
            ("src/a.cc", "auto* a = static_" + "cast<const int*>(static_cast<const void*>(p));\n",
             "src/a.cc:1: a cast through void: base/cast.h has those that are sound, by name"),
            ("src/a.cc", "const void* const a = b.bytes().data();\n",
             "src/a.cc:1: a cast through void: base/cast.h has those that are sound, by name"),
            ("src/a.cc", "void* a = &b;\n",
             "src/a.cc:1: a cast through void: base/cast.h has those that are sound, by name"),
            ("tests/a.cc", "std::this_thread::sleep_" + "for(1s);\n",
             "tests/a.cc:1: nothing sleeps: step time, or wait on the thing itself with a deadline"),
            ("tests/a.sh", "sl" + "eep 1\n", "tests/a.sh:1: no test sleeps"),
            ("src/a.cc", "#if" + "def __SSE2__\n",
             "src/a.cc:1: a branch for one processor wants another, which -DIPSECKEY_PORTABLE=ON takes"),
            ("README.md", "/wo" + "rk/here\n", "README.md:1: a path of one machine"),
            ("src/CMakeLists.txt", "a() \n", "src/CMakeLists.txt:1: blanks at the end of the line"),
            ("src/a.cc", "int a;", "src/a.cc:1: the last line has no end"),
            ("src/a.cc", "int a;\n" * 401, "src/a.cc:1: 401 lines: a file is about one idea"),
            ("src/a.cc", "int a;\n" + function(71), "src/a.cc:2: a function of 71 lines does not fit a screen"),
            ("src/a.h", "class A {\n" + function(71, "  ") + "};\n",
             "src/a.h:2: a function of 71 lines does not fit a screen"),
        )
        for path, text, expected in rows:
            with self.subTest(expected):
                self.assertEqual(finds({path: text}), [expected])

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(finds({}), ["ROOT: no file here"])


if __name__ == "__main__":
    unittest.main()
