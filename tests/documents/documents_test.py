#!/usr/bin/env python3
"""Each command that a document prints is run somewhere, and its targets exist in build/ as ./quickstart leaves it."""
import pathlib
import re
import subprocess
import tempfile
import unittest

from commands import ROOT, TABLE, documents, printed, sessions_of

# As in ./quickstart; test_quickstart_is_as_here compares.
QUICKSTART = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DIPSECKEY_TESTS=OFF", "-DIPSECKEY_BENCH=OFF")
SAMPLE = """
Run `bench/tcp 3 3`, not `bench/tcp`, nor `fuzz/run SECONDS`, nor `pf-key.md`.

```
$ build/bin/one --socket s &     # a comment
said by it
# cat > f <<'END'
$ no command
END
```

```
./two '# no comment'             # a comment
three/four
```

```json
{"five": 5}
```
"""


def scripts() -> list:
    """Scripts that build something in a folder that they did not configure."""
    found = []
    for path in filter(pathlib.Path.is_file, [ROOT / "package", ROOT / "quickstart", *(ROOT / "bench").iterdir(), *(ROOT / "tools").iterdir()]):
        text = path.read_text()
        if text.startswith("#!") and "cmake --build" in text and not re.search(r"^ *cmake -S", text, re.M):
            found.append(path)
    return found


def first_column(document: str, heading: str) -> list:
    """The words in backticks that begin the first cell of each row of the table below a heading."""
    section = re.split(r"^## ", (ROOT / document).read_text(), flags=re.M)
    rows = next(part for part in section if part.startswith(heading + "\n"))
    return re.findall(r"^\| `([\w-]+)", rows, re.M)


def options_of_packets() -> list:
    """The options of ipsecd that need --tun or --hook, as src/ipsecd/options.cc marks them."""
    text = (ROOT / "src/ipsecd/options.cc").read_text()
    rows = re.findall(r"^    (?:Row|Word)\{\"(--[\w-]+)(.*?)\},?\n(?=    (?:Row|Word)\{|\};)", text, re.M | re.S)
    return [name for name, row in rows if re.search(r"\btrue\b", row)]


class Documents(unittest.TestCase):
    maxDiff = None

    def test_commands_are_recognised(self):
        self.assertEqual(printed(SAMPLE), ["bench/tcp 3 3", "build/bin/one --socket s &\ncat > f <<'END'",
                                           "./two '# no comment'", "three/four"])

    def test_each_printed_command_has_one_row(self):
        there = {command for document in documents() for command in sessions_of(document)}
        self.assertEqual(sorted(there), sorted(row.printed for row in TABLE))

    def test_each_row_defines_how_it_is_run(self):
        for row in TABLE:
            self.assertIn(row.when, ("quick", "all", "elsewhere"), row.printed)
            if row.when == "elsewhere":
                where, _, by_hand = row.why.partition(": ")
                name = row.printed.split()[0].removeprefix("./")
                self.assertTrue(by_hand or name in (ROOT / where).read_text(), row)
            if row.instead:  # The same program, with other words, and a reason.
                self.assertIn(row.printed.split()[0], row.instead.split())
                self.assertTrue(row.why, row.printed)

    def test_targets_exist_after_quickstart(self):
        self.assertIn(ROOT / "bench/kernel", scripts())
        with tempfile.TemporaryDirectory() as build:
            subprocess.run(["cmake", "-S", ROOT, "-B", build, *QUICKSTART], check=True, stdout=subprocess.DEVNULL)
            listed = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], check=True, capture_output=True, text=True)
        targets = {line.split(": ")[0] for line in listed.stdout.splitlines()}
        wanted = {(path.name, target) for path in [*scripts(), *documents()]
                  for words in re.findall(r"cmake --build .*?--target((?: [a-z_]+)+)", path.read_text())
                  for target in words.split()}
        self.assertIn(("kernel", "bare_xfrm"), wanted)
        # CONTRIBUTING configures with tests before it builds this one.
        self.assertEqual({(name, target) for name, target in wanted if target not in targets}, {("CONTRIBUTING.md", "lang_test")})

    def test_quickstart_is_as_here(self):
        text = (ROOT / "quickstart").read_text()
        self.assertEqual([word for word in QUICKSTART if word not in text], [])

    def test_the_reference_of_packets_has_each_cause_and_option(self):
        document = "doc/reference/dataplane.md"
        causes = re.findall(r'^    \{"(\w+)",', (ROOT / "src/traffic/cause.cc").read_text(), re.M)
        self.assertGreater(len(causes), 20)
        not_dropped = {"none", "held", "clear"}
        self.assertEqual(first_column(document, "Causes of drops"), [cause for cause in causes if cause not in not_dropped])
        options = options_of_packets()
        self.assertIn("--no-path-reports", options)
        self.assertEqual(sorted(first_column(document, "Options")), sorted([*options, "--hook", "--queue", "--tun", "--user"]))


if __name__ == "__main__":
    unittest.main()
