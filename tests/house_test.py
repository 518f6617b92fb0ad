#!/usr/bin/env python3
"""Tests that house.py finds what it must find, on made-up trees; the forbidden words are put together here, not written out."""
import pathlib
import tempfile
import unittest

import house
import phrases


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


MAP = "// How it works:\n// 1. It begins.\n// 2. It ends.\n"


class House(unittest.TestCase):
    def test_a_long_source_begins_with_a_map(self):
        wrong = "151 lines without a map: begin with a comment that says in about five steps how it works"
        files = {
            "src/a.cc": "int a;\n" * 151,
            "src/b.cc": "// About b.\n\n// 1. Not here.\n" + "int b;\n" * 148,
            "src/c.cc": MAP + "int c;\n" * 148,
            "src/d.cc": "int d;\n" * 150,
            "src/a.h": "int a;\n" * 151,
            "src/a_test.cc": "int a;\n" * 151,
            "fuzz/a.cc": "int a;\n" * 151,
        }
        self.assertEqual(sorted(finds(files)), [f"src/a.cc:1: {wrong}", f"src/b.cc:1: {wrong}"])

    def test_an_orderly_tree_has_no_finds(self):
        files = {
            "src/a.cc": MAP + "namespace {\n" + "\n\n".join([function(70)] * 3) + "}\n",
            "src/a_test.cc": function(300) * 2,
            "tools/run": "#!/bin/sh\nexec true\n",
            "build/x.cc": "// TO" + "DO\n",
            ".git/x": "TO" + "DO\n",
        }
        self.assertEqual(finds(files), [])

    def test_a_sentence_is_in_one_place(self):
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
            "doc/explanation/design.md": "`flow.h`, `detail/flow.h`, `src/a/detail/flow.h`, `fuzz/sealed.cc`, `fuzz/NAME.cc`\n"
                             "`low.h`, `a/flow.h`,\n`flow.cc`, flaw.h\n",
            "README.md": "`sealed.h`\n",
            "CONTRIBUTING.md": "\n`src/sealed.cc`\n",
            "share/a.md": "`gone.h`\n",
        }
        self.assertEqual(sorted(finds(files)),
                         ["CONTRIBUTING.md:2: there is no src/sealed.cc", "README.md:1: there is no sealed.h",
                          "doc/explanation/design.md:2: there is no a/flow.h", "doc/explanation/design.md:2: there is no low.h",
                          "doc/explanation/design.md:3: there is no flow.cc"])

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
            ("bench/a", "time.sle" + "ep(1)\n",
             "bench/a:1: nothing sleeps: step time, or wait on the thing itself with a deadline"),
            ("tests/a.sh", "sl" + "eep 1\n", "tests/a.sh:1: no test sleeps"),
            ("src/a.cc", "#if" + "def __SSE2__\n",
             "src/a.cc:1: a branch for one processor wants another, which -DIPSECKEY_PORTABLE=ON takes"),
            ("README.md", "/wo" + "rk/here\n", "README.md:1: a path of one machine"),
            ("src/CMakeLists.txt", "a() \n", "src/CMakeLists.txt:1: blanks at the end of the line"),
            ("src/a.cc", "int a;", "src/a.cc:1: the last line has no end"),
            ("src/a.cc", MAP + "int a;\n" * 398, "src/a.cc:1: 401 lines: a file is about one idea"),
            ("src/a.cc", "int a;\n" + function(71), "src/a.cc:2: a function of 71 lines does not fit a screen"),
            ("src/a.h", "class A {\n" + function(71, "  ") + "};\n",
             "src/a.h:2: a function of 71 lines does not fit a screen"),
        )
        for path, text, expected in rows:
            with self.subTest(expected):
                self.assertEqual(finds({path: text}), [expected])

    def test_digits_of_keys_are_read_by_one_function(self):
        use = "int i = text::hex_digit(c);\n"
        files = {path: use for path in (
            "src/pfkey/a.cc", "src/lang/deep/a.h", "src/lang/a_test.cc", "src/pfkey/test_samples.h", "src/table/a.cc",
            "src/lang/json_commands.cc")}
        why = "digits of keys are read by base/hex.h"
        self.assertEqual(sorted(finds(files)), [f"src/lang/deep/a.h:1: {why}", f"src/pfkey/a.cc:1: {why}"])
        self.assertEqual(finds({"src/lang/json_commands.cc": "int i;\n"}),
                         ["tests/house.py: src/lang/json_commands.cc is named as a user of hex_digit and is none"])

    def test_each_phrase_is_found_and_plain_words_are_not(self):
        """A row for each of phrases.PHRASES: what it finds, all of that and nothing else, and a sentence that is fine."""
        rows = (
            ("the key stands in a file", "stands", "SA stands for security association; bits that stand in for others"),
            ("the SA is told to be dying", "is told", "it tells one from the other"),
            ("nothing of it is said", "is said", "the text says so"),
            ("for those tests alone.", "for those tests alone", "SAs alone protect nothing; it leaves the file alone."),
            ("such a name is passed over", "passed over", "a message is passed on"),
            ("it lets go of the keys", "lets go", "let it go through"),
            ("numbers begin anew", "anew", "a new number"),
            ("an SA is no pair of itself", "is no", "there is no SA; it is no longer there"),
            ("another appears in its place", "in its place", "it is changed in place"),
            ("It ends. Who waits is served.", "Who waits is served.", "It ends. Who waits? A client, who waits."),
            ("the memory is given back", "given back", "the memory is released"),
            ("it hands out SPIs", "hands out", "it is in our hands"),
            ("it makes a new socket", "makes a new socket", "it makes a difference"),
            ("a device that was made again", "made again", "a choice that was made against advice"),
            ("look at the file", "look at", "look up the name"),
            ("it has to end", "has to", "it has two ends"),
            ("all are to be added", "are to be", "they are too big"),
            ("or the other way round", "the other way round", "on the other way"),
            ("served in turn", "in turn", "it turns"),
            ("so many seconds later", "so many", "many seconds later"),
            ("no other was asked for", "was asked for", "the algorithm that it asked us for"),
            ("the rest goes on", "goes on", "the rest continues"),
            ("each SA comes back", "comes back", "each SA is restored"),
            ("Say that the SA is dying", "Say that the SA", "it says that an address is missing"),
            ("lost, nobody knows how many", "nobody knows", "an unknown number was lost"),
            ("/dev/null takes its place", "takes its place", "it takes place"),
            ("with keys in hand", "in hand", "on the other hand"),
            ("what belongs into such a file", "belongs into", "what belongs in it"),
            ("made if need be", "if need be", "made if needed"),
            ("traffic shall not leave", "shall", "shallow"),
            ("it lists what there is.", "what there is", "it reports that there are too many"),
            ("nothing is known; the text says more of one", "says more of", "it says more about one"),
            ("listeners hear of changes", "hear of", "listeners hear changes"),
            ("a report is heeded", "heeded", "it needed a report"),
            ("the packet, turned round", "turned round", "rounds"),
            ("it waits for ever", "for ever", "it waits forever; for every SA"),
            ("so this is no other case", "is no other case", "in no other case"),
            ("it works, also if the peer restarts", "also if", "it also works if the peer restarts"),
            ("from another source than the SA's", "another source than", "from a source other than the SA's"),
            ("nothing of the packet is left", "nothing of the", "nothing is left of the packet"),
            ("it differs from the one of the RFC", "the one of", "the one that the RFC has; the one of these two"),
            ("the packet goes by the tunnel", "goes by", "the packet goes through the tunnel"),
            ("what comes of it is written", "comes of", "it comes from the peer"),
            ("a test holds the page against them", "holds the page against", "rules against forged numbers hold"),
            ("a table not to be shared by threads", "not to be shared", "that is not to be confused with ESP"),
            ("it has no whole number of blocks", "no whole", "it is not a whole number of blocks"),
            ("where more of them ought to be had", "to be had", "to be handled"),
            ("it says what became of each command", "what became of", "it became dying"),
            ("if one direction is wanted", "is wanted", "an unwanted packet"),
        )
        self.assertEqual(len(rows), len(phrases.PHRASES))
        for (pattern, instead), (bad, phrase, fine) in zip(phrases.COMPILED, rows):
            with self.subTest(bad):
                self.assertEqual([m[0].rstrip() for m in pattern.finditer(bad)], [phrase])
                self.assertIsNone(pattern.search(fine), fine)
                self.assertEqual(
                    [line for line in finds({"README.md": f"\n{bad}\n", "src/system/a.cc": f"\n// {bad}\n"}) if phrase in line],
                    [f'{path}:2: "{phrase}": {instead}' for path in ("README.md", "src/system/a.cc")])

    def test_phrases_are_searched_for_in_prose(self):
        again = '"anew": again, from scratch'
        files = {
            "README.md": "begins `anew`\n```\nanew\n```\nbegins\nanew.\n",
            "man/a.8.in": ".\\\" anew\n.Bd -literal\nanew\n.Ed\nIt begins\n.Cm anew\n",
            "src/system/a.cc": "int anew;  // It begins\n// anew.\nfail(\"it begins \"\n     \"anew\");\nchar c = '\"'; // it\n",
            "src/system/a_test.cc": "TEST(A, BeginsAnew) {}\n",
            "tools/a": "#!/usr/bin/env python3\n\"\"\"It begins\nanew.\"\"\"\nanew = 'anew'  # anew\n",
            "share/a": "# It begins anew.\nanew\n",
            "tests/transcripts/a.txt": "# It begins\n# anew.\n$ ipseckey anew # anew\n| anew\n",
            "tests/transcripts/manual_a.txt": "# It begins anew.\n",
        }
        self.assertEqual(sorted(finds(files)), [
            f"README.md:6: {again}", f"man/a.8.in:6: {again}", f"share/a:1: {again}", f"src/system/a.cc:2: {again}",
            f"src/system/a.cc:4: {again}", f"src/system/a_test.cc:1: {again}", f"tests/transcripts/a.txt:2: {again}", f"tools/a:3: {again}",
            f"tools/a:4: {again}"])

    def test_a_phrase_may_continue_on_the_next_line(self):
        files = {"src/system/a.cc": "// It looks\n// at it.\n/// It is\n/// told.\nf(\"it looks \"\n  \"at\");\n"}
        self.assertEqual([line.split(":")[1] for line in finds(files)], ["3", "1", "5"])

    def test_links_of_documents_lead_to_files_and_headings(self):
        files = {
            "README.md": "# The x, or `y`\n[a](doc/a.md), [b](doc/b.md#part), [c](https://example.net/c#d), ![p](p.svg), [l](LICENSE)\n",
            "LICENSE": "text\n",
            "doc/a.md": "[r](../README.md#the-x-or-y)\n\n[b](b.md)\n## Part 2\n[here](#part-2), [there](#part-3)\n"
                        "```\n# Part 3\n```\n[no](../README.md#x)\n",
        }
        self.assertEqual(sorted(finds(files)),
                         ["README.md:2: there is no doc/b.md#part", "README.md:2: there is no p.svg",
                          "doc/a.md:3: there is no b.md", "doc/a.md:5: there is no #part-3",
                          "doc/a.md:9: there is no ../README.md#x"])

    def test_an_empty_tree_is_a_failure(self):
        self.assertEqual(finds({}), ["ROOT: no file here"])


if __name__ == "__main__":
    unittest.main()
