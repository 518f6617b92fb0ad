#!/usr/bin/python3
"""Runs the conformance cases on one database and compares the outcomes with what is expected of it. usage: run.py DATABASE [CASE...]"""
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE), str(HERE.parent / "dataplane"), str(HERE.parent / "oracle")]
import cases  # noqa: E402
from suite import Suite  # noqa: E402


def main(database, names):
    began, wrong, count = time.monotonic(), [], 0
    suite = Suite(database, lambda case, version: cases.expected(database, case.id, version) != "pass")
    try:
        for case in cases.CASES:
            if (names and case.id not in names) or not cases.runs(database, case):
                continue
            before = time.monotonic()
            for version, got in suite.run(case).items():
                wanted = cases.expected(database, case.id, version)
                count += 1
                if got != wanted:
                    wrong.append(f"{case.id} over IPv{version}: {got}; expected: {wanted}")
                if names or os.environ.get("VERBOSE"):
                    print(f"{case.id} IPv{version} {time.monotonic() - before:.2f} s: {got} {suite.counted}", flush=True)
    finally:
        suite.close()
    print("\n".join(wrong))
    print(f"{'FAILED' if wrong else 'ok'}: {count} runs of conformance cases on {database} in {time.monotonic() - began:.0f} s")
    return bool(wrong)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("run.py makes network namespaces and needs root")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
