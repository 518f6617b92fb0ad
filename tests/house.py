#!/usr/bin/env python3
"""House rules that a program can check: nothing left open, nothing switched off, nothing too long to read.

usage: house.py [ROOT]    Prints each find as file:line: reason, and fails if there is one.
"""
import os
import pathlib
import re
import sys

import phrases

SOURCES = ("src", "tests", "fuzz", "bench", "tools")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_LINES_WITHOUT_MAP = 150
MAP_LINES = 3

# Files that are longer, and why they should stay in one piece.
LONG_FILES: dict = {}

SLEEPS = "nothing sleeps: step time, or wait on the thing itself with a deadline"
# Only these may, with the reason.
SLEEPERS = {
    "bench/bare/datagrams.cc": "sends at a rate",
    "bench/bare/xdp.h": "waits for longer batches, as part of what it measures",
    "bench/control": "measures a second in which nothing happens",
}

# (pattern, suffixes or None for all, folders or None for all, why). A letter in brackets keeps a row from finding itself.
RULES = (
    (r"\bT[O]DO\b|\bF[I]XME\b|\bX[X]X:", None, None, "left open: finish it or write an issue"),
    (r"NO[L]INT|clang-format [o]ff", None, None, "a check is switched off: mend the place"),
    (r"GTEST_[S]KIP|\bDISABLED[_]", None, None, "a test is switched off"),
    (r"^\s*#\s*if [0]\b", None, None, "code is switched off: delete it"),
    (r"\breinterpret_[c]ast\b", (".cc", ".h"), ("src",), "bytes go through Reader and Writer, or std::bit_cast"),
    (r"static_[c]ast<[^;()]*>\(static_cast<(const )?void ?\*>|\bvoid ?\* ?(const )?\w+ = (&|[^;]*\.data\(\);)", (".cc", ".h"),
     ("src",), "a cast through void: base/cast.h has those that are sound, by name"),
    (r"\b(sleep_(for|until)|usleep|nanosleep|sleep)\s*\(", (".cc", ".h", ".py", ""), ("src", "tests", "fuzz", "bench"), SLEEPS),
    (r"^\s*s[l]eep\s", (".sh", ""), ("tests",), "no test sleeps"),
    (r"^\s*#.*__(SSE|AVX|x86_64|aarch64|ARM)(?!.*IPSECKEY_PORTABLE)", (".cc", ".h"), ("src",),
     "a branch for one processor wants another, which -DIPSECKEY_PORTABLE=ON takes"),
    (r"/(w[o]rk|r[o]ot|home/[a-z]+)/", None, None, "a path of one machine"),
    (r"[ \t]+$", (".py", ".txt", ".cmake", ""), ("src", "tools", "bench", "cmake"), "blanks at the end of the line"),
)

# text::hex_digit() uses time and memory that depend on the digit: keys are read by base/hex.h. Only these may use it where keys
# are read, with the reason.
HEX_DIGIT = re.compile(r"\bhex_digit\b")
READERS_OF_KEYS = ("src/pfkey/", "src/lang/")
HEX_DIGIT_USERS = {
    "src/lang/json_commands.cc": "asks whether a word may be a key, so that it is not shown",
}

# Each message of a program is in one place. A sentence is a literal with blanks in it; its pieces are joined first.
SENTENCE = re.compile(r'"((?:[^"\\\n]|\\.){40,})"')
PIECES = re.compile(r'"[ \t]*\n\s*"')

# Documents, besides those in doc/, and a source that one names.
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
NAMED_FILE = re.compile(r"`([a-z0-9_./-]+\.(?:cc|h))`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)

KEYWORDS = re.compile(r"^\s*(namespace|class|struct|enum|union|extern|constexpr \w+ k[A-Z]|using)\b")


def project_files(root: pathlib.Path):
    """Every text file of the project; build folders and hidden ones (except .ci) are not part of it."""
    for folder, names, files in os.walk(root):
        files = [name for name in files if name != ".git"]  # A worktree has a file there.
        names[:] = sorted(n for n in names if n == ".ci" or not n.startswith((".", "build", "__pycache__")))
        for name in sorted(files):
            file = pathlib.Path(folder) / name
            try:
                yield file.relative_to(root).as_posix(), file.read_text()
            except (UnicodeDecodeError, FileNotFoundError):
                continue


def map_lines(lines: list) -> int:
    """The number of comment lines before everything else."""
    return next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))


def functions(lines: list):
    """(first line, number of lines) of each function body, by clang-format's indentation."""
    for start, line in enumerate(lines):
        if not line.rstrip().endswith("{") or "(" not in line + "".join(lines[max(0, start - 2):start]):
            continue
        indent = len(line) - len(line.lstrip())
        if indent > 2 or KEYWORDS.match(line):
            continue
        close = " " * indent + "}"
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(close):
                yield start + 1, end - start + 1
                break


def may_read_keys(path: str) -> bool:
    """Whether a source may read keys; tests and their helpers read only their own."""
    name = path.rsplit("/", 1)[-1]
    return (path.startswith(READERS_OF_KEYS) and path.endswith((".cc", ".h")) and path not in HEX_DIGIT_USERS
            and not path.endswith("_test.cc") and not name.startswith("test"))


def check_file(path: str, text: str):
    lines = text.splitlines()
    top, suffix = path.split("/")[0], pathlib.PurePosixPath(path).suffix
    for number, line in enumerate(lines, 1):
        for pattern, suffixes, folders, why in RULES:
            if suffixes is not None and suffix not in suffixes:
                continue
            if folders is not None and top not in folders:
                continue
            if re.search(pattern, line) and not (why == SLEEPS and path in SLEEPERS):
                yield number, why
        if may_read_keys(path) and HEX_DIGIT.search(line):
            yield number, "digits of keys are read by base/hex.h"
    if suffix in (".cc", ".h") and top in SOURCES and not path.endswith("_test.cc"):
        if len(lines) > MAX_FILE_LINES and path not in LONG_FILES:
            yield 1, f"{len(lines)} lines: a file is about one idea"
        if top == "src" and suffix == ".cc" and len(lines) > MAX_LINES_WITHOUT_MAP and map_lines(lines) < MAP_LINES:
            yield 1, f"{len(lines)} lines without a map: begin with a comment that says in about five steps how it works"
        for number, length in functions(lines):
            if top == "src" and length > MAX_FUNCTION_LINES:
                yield number, f"a function of {length} lines does not fit a screen"
    if text and not text.endswith("\n"):
        yield len(lines), "the last line has no end"


def sentences(path: str, text: str):
    """(line, sentence) of each long literal of a source in src/ that is not a test, outside comments."""
    if not path.startswith("src/") or not path.endswith((".cc", ".h")) or path.endswith("_test.cc"):
        return
    text = re.sub(r"//.*", "", PIECES.sub("", text))
    for match in SENTENCE.finditer(text):
        if " " in match[1]:
            yield text.count("\n", 0, match.start()) + 1, match[1]


def is_document(path: str) -> bool:
    return path in DOCUMENTS or re.fullmatch(r"doc/.+\.md", path) is not None


def anchors(text: str) -> set:
    """The names by which GitHub finds the headings of a document."""
    headings = HEADING.findall(phrases.MARKDOWN_FENCE.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(root: pathlib.Path, path: str, text: str):
    """(line, link) of each link of a document to a file or a heading that does not exist."""
    if not is_document(path):
        return
    for match in LINK.finditer(text):
        if "://" in match[1]:
            continue
        file = (root / path).parent / match[1] if match[1] else root / path
        found = file.exists()
        if found and match[2] and file.suffix == ".md":
            found = match[2] in anchors(file.read_text())
        if not found:
            yield text.count("\n", 0, match.start()) + 1, match[1] + (f"#{match[2]}" if match[2] else "")


def foreign(path: str, text: str):
    """(line, why) of each phrase that reads foreign."""
    for number, phrase, instead in phrases.found(path, text):
        yield number, f'"{phrase}": {instead}'


def names_of_files(path: str, text: str):
    """(line, name) of each source that a document names; a name in capitals (NAME.cc) means any."""
    if is_document(path):
        for match in NAMED_FILE.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match[1]


def check_tree(root: pathlib.Path):
    count = 0
    named: list = []
    places: set = set()  # Each source's path, and its endings: "src/a/b.cc", "a/b.cc", "b.cc".
    said: dict = {}
    for path, text in project_files(root):
        if path.startswith(("fuzz/corpus", "tests/corpus")):
            continue
        count += 1
        for number, why in [*check_file(path, text), *foreign(path, text)]:
            yield f"{path}:{number}: {why}"
        for number, link in broken_links(root, path, text):
            yield f"{path}:{number}: there is no {link}"
        for number, sentence in sentences(path, text):
            first = said.setdefault(sentence, path)
            if first != path:
                yield f"{path}:{number}: {first} says the same: \"{sentence[:40]}...\""
        named += [(path, number, name) for number, name in names_of_files(path, text)]
        if path.split("/")[0] in (*SOURCES, "share") and path.endswith((".cc", ".h")):
            parts = path.split("/")
            places.update("/".join(parts[i:]) for i in range(len(parts)))
    for path, number, name in named:
        if name not in places:
            yield f"{path}:{number}: there is no {name}"
    for path in HEX_DIGIT_USERS:
        if (root / path).is_file() and not HEX_DIGIT.search((root / path).read_text()):
            yield f"tests/house.py: {path} is named as a user of hex_digit and is none"
    if count == 0:
        yield f"{root}: no file here"
    for path in LONG_FILES:
        if not (root / path).is_file() and count and (root / "CMakeLists.txt").is_file():
            yield f"tests/house.py: {path} is named as a long file and is not there"


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    finds = list(check_tree(root))
    print("\n".join(finds) if finds else "the house is in order")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
