#!/usr/bin/env python3
"""Validates our JSON against share/schema/ipseckey.schema.json with an independent validator.

usage: schema_test.py DOCUMENTS IPSECKEY    DOCUMENTS: a program that writes lines with members that few sessions have.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "share/schema/ipseckey.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
INPUT = jsonschema.Draft202012Validator({"$ref": "#/$defs/input", "$defs": SCHEMA["$defs"]})
KINDS = {row["$ref"].removeprefix("#/$defs/") for row in SCHEMA["oneOf"]}


def printed_by_sessions():
    """What the transcripts show."""
    return [json.loads(line[2:]) for path in sorted((ROOT / "tests/transcripts").glob("*.txt"))
            for line in path.read_text().splitlines() if line.startswith('| {"')]


def written():
    lines = subprocess.run([DOCUMENTS], check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines] + printed_by_sessions()


def objects_of(text):
    """The JSON documents of a text, one after another."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        document, at = decoder.raw_decode(text, len(text) - len(text[at:].lstrip()))
        yield document


def dumps():
    """The SAs of each dump in the transcripts that shows keys, except larval SAs."""
    for path in sorted((ROOT / "tests/transcripts").glob("*.txt")):
        for block in re.findall(r"(?:^\| \{\".*\n)+", path.read_text(), re.M):
            sas = [sa for sa in (json.loads(line[2:]) for line in block.splitlines()) if sa["kind"] == "sa"]
            if sas and not any("hex" not in sa.get(key, {"hex": ""}) for sa in sas for key in ("auth_key", "encr_key")):
                yield [sa for sa in sas if sa["state"] != "larval" and "remark" not in sa]


def session(*commands):
    """One process's output for the commands, and its complaints."""
    done = subprocess.run([IPSECKEY, "--sadb=memory", "--json"], input="".join(f"{c}\n" for c in commands), capture_output=True,
                          text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def lasting(sa):
    """Without what changes by itself or differs between SADBs."""
    used = "used" in sa["flag_names"]
    flags = {"flags": sa["flags"] & ~0x80000000, "flag_names": [name for name in sa["flag_names"] if name != "used"], "state": "mature"}
    gone = {"sadb", "current", "traffic"} | ({"replay_value"} if used else set())
    return {name: value for name, value in {**sa, **flags}.items() if name not in gone}


def lax(value):
    """What is nearly the value: its text where it is a number, another case where it is a word, blanks."""
    if isinstance(value, bool):
        return str(value).lower(), int(value)
    if isinstance(value, int):
        return str(value), f"0{value}", hex(value)
    if isinstance(value, str):
        return value.upper(), value.capitalize(), f"{value} ", f"0{value}", "1", "03", "200", ""
    return ([value[0].upper()], [value[0], value[0]], ["03"], [3]) if isinstance(value, list) and value and isinstance(value[0], str) else ()


def variants(document):
    """The document with a member less, with a value of each other kind, with an unknown member, in every object of it."""
    for name, value in document.items():
        yield {n: v for n, v in document.items() if n != name}
        for other in (None, True, -1, 1.5, 2**70, "x", [], {}, *lax(value)):
            yield {**document, name: other}
        if isinstance(value, dict):
            yield from ({**document, name: variant} for variant in variants(value))
    yield {**document, "surprise": 1}


class InputTest(unittest.TestCase):
    """Input: its schema, and the program's answer to what does not match it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "file")

    def write(self, documents):
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.writelines(json.dumps(document) + "\n" for document in documents)
        return self.path

    def test_it_has_the_members_of_an_sa(self):
        output, read = (SCHEMA["$defs"][name]["properties"] for name in ("sa", "input"))
        of_messages = {"proposal", "extended_proposal", "supported_auth", "supported_encr", "spi_range", "extended_register", "dump_timeout"}
        self.assertEqual(set(read) - {"action"}, set(output) - of_messages)

    def test_output_can_be_read_and_printed_again(self):
        count = 0
        for sas in dumps():
            for sa in sas:
                INPUT.validate(sa)
            out, err = session("load " + self.write(sas), "dump")
            self.assertEqual((out[0]["succeeded"] >= len(sas), out[0]["failed"]), (True, 0), err)
            key = lambda sa: (sa["satype"], sa["spi"], sa["dst"]["address"])
            self.assertEqual(sorted(map(lasting, out[1:]), key=key), sorted(map(lasting, sas), key=key))
            count += len(sas)
        self.assertGreaterEqual(count, 5)

    def test_the_program_refuses_what_the_schema_refuses(self):
        for whole in [sa for sas in dumps() for sa in sas][:4]:
            documents = [d for d in variants({**whole, "action": "add"})]
            out, _ = session("load " + self.write(documents))
            wrong = {fault["line"] for fault in out[0]["faults"] if fault["severity"] == "error"}
            refused = {line for line, document in enumerate(documents, 1) if not INPUT.is_valid(document)}
            self.assertEqual(refused - wrong, set(), [documents[line - 1] for line in refused - wrong][:1])
            self.assertGreater(len(refused), 100)

    def test_the_kinds_that_are_ignored(self):
        written_kinds = {d["kind"]: d for d in written()}
        for kind, document in written_kinds.items():
            out, _ = session("load " + self.write([document]))
            refused = kind in ("message", "gap", "explain", "proof") or kind.startswith("rule")
            self.assertEqual(out[0]["commands"] == 0, not refused and kind != "sa", kind)
            self.assertEqual([f.get("pointer") for f in out[0]["faults"]] == ["/kind"], refused, kind)

    def test_the_examples_of_the_manual(self):
        examples = re.findall(r"```jsonl\n(.*?)```", (ROOT / "doc/reference/json.md").read_text(), re.DOTALL)
        documents = [document for example in examples for document in objects_of(example)]
        self.assertGreater(len(documents), 2)
        for document in documents:
            INPUT.validate(document)
        out, err = session("load " + self.write(documents))
        self.assertEqual((out[0]["commands"], out[0]["failed"]), (len(documents), 0), err)


class SchemaTest(unittest.TestCase):
    def test_the_schema_is_valid(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_every_kind_is_written_and_valid(self):
        documents = written()
        self.assertEqual({d["kind"] for d in documents}, KINDS)
        self.assertGreater(len(KINDS), 8)
        for document in documents:
            VALIDATOR.validate(document)

    def test_every_member_of_the_schema_is_written(self):
        for kind in KINDS:
            members = set(SCHEMA["$defs"][kind]["properties"])
            found = {m for d in written() if d["kind"] in (kind, "message") for m in d}
            self.assertEqual(members - found, set(), kind)

    def test_the_examples_of_the_manual_are_valid(self):
        examples = re.findall(r"```json\n(.*?)```", (ROOT / "doc/reference/json.md").read_text(), re.DOTALL)
        documents = [json.loads(example) for example in examples]
        self.assertEqual({d["kind"] for d in documents}, KINDS)
        for document in documents:
            VALIDATOR.validate(document)

    def test_the_output_of_sessions_is_valid(self):
        documents = printed_by_sessions()
        # No transcript has a gap, or sends packets: tests/dataplane/prove_test.py compares a proof with the schema.
        self.assertEqual({d["kind"] for d in documents}, KINDS - {"gap", "proof"})
        for document in documents:
            VALIDATOR.validate(document)

    def test_other_documents_are_refused(self):
        for document in written():
            self.assertFalse(VALIDATOR.is_valid({**document, "surprise": 1}), document["kind"])
            for member in document:
                self.assertFalse(VALIDATOR.is_valid({**document, member: None}), f"{member} in {document['kind']}")
            for member in ("kind", "sadb"):
                less = {name: value for name, value in document.items() if name != member}
                self.assertFalse(VALIDATOR.is_valid(less), f"{document['kind']} without {member}")

    def test_numbers_are_numbers(self):
        for document in written():
            if "spi" in document:
                self.assertFalse(VALIDATOR.is_valid({**document, "spi": hex(document["spi"])}))
                self.assertFalse(VALIDATOR.is_valid({**document, "spi": 2**32}))


if __name__ == "__main__":
    IPSECKEY = sys.argv.pop()
    DOCUMENTS = sys.argv.pop()
    unittest.main()
