#!/usr/bin/env python3
"""Each requirement has a test or an exception, no test names one that does not exist, and doc/reference/conformance.md is up to date."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("requirements", str(ROOT / "tools/requirements"))
requirements = importlib.util.module_from_spec(importlib.util.spec_from_loader("requirements", LOADER))
LOADER.exec_module(requirements)


class Requirements(unittest.TestCase):
    ROWS = [("RFC1-1-1", "must", "one"), ("RFC1-1-2*", "must", "negotiated")]

    def test_the_data_is_complete(self):
        rows = list(requirements.rows("requirements.txt", 3))
        exceptions = dict(requirements.rows("exceptions.txt", 2))
        found = requirements.tagged()
        self.assertEqual(requirements.check(rows, found, exceptions), [])
        self.assertEqual(requirements.PAGE.read_text(encoding="utf-8"), requirements.page(rows, found, exceptions),
                         "tools/requirements --update writes the page")

    def test_faults_are_found(self):
        check = requirements.check
        self.assertEqual(check(self.ROWS, {"RFC1-1-1": [("", "X")]}, {}), [])
        self.assertEqual(check(self.ROWS, {}, {"RFC1-1-1": "why"}), [])
        self.assertEqual(check(self.ROWS, {}, {}), ["RFC1-1-1: neither a test nor an exception"])
        self.assertEqual(check(self.ROWS, {"RFC1-1-1": [("", "X")], "RFC9-1-1": [("a_test.cc", "A.B")]}, {}),
                         ["RFC9-1-1: unknown, in a_test.cc"])
        self.assertEqual(check(self.ROWS, {"RFC1-1-1": [("", "X")]}, {"RFC9-1-1": "why"}), ["RFC9-1-1: unknown, in exceptions.txt"])

    def test_a_deviation_that_no_run_compares_is_found(self):
        row = ("kernel",), ("X-33",), (6, 4), "step 1: nothing comes", "why"
        self.assertEqual(requirements.unseen([row]), [])
        self.assertEqual(requirements.unseen([row, row]), [f"X-33 on kernel over IPv{v}: twice in deviations.py" for v in (4, 6)])
        for databases, names, versions, run in ((("tun",), ("X-0",), (6,), "X-0 on tun"), (("bare hook",), ("G-01",), (6,), "G-01 on bare hook"),
                                                (("moon",), ("X-33",), (6,), "X-33 on moon"), (("tun",), ("G-05b",), (6,), "G-05b on tun")):
            self.assertEqual(requirements.unseen([(databases, names, versions, "", "")]), [f"{run}: never run, in deviations.py"])

    def test_several_lines_of_tags_count(self):
        tests = requirements.tagged()
        for tag in ("RFC4303-3.2-1", "RFC2367-3.1.2-1"):
            self.assertIn(("src/engine/diagnostics_test.cc", "Diagnostics.EachHasItsRequestAndARefusalChangesNothing"), tests[tag])

    def test_no_case_appears_twice(self):
        names = [case.id for case in requirements.cases.CASES]
        self.assertEqual(sorted(names), sorted(set(names)))


if __name__ == "__main__":
    unittest.main()
