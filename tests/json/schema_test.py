#!/usr/bin/env python3
"""Holds our JSON against share/schema/ipseckey.schema.json with an independent validator.

usage: schema_test.py DOCUMENTS    DOCUMENTS: a program that writes lines with members that few sessions have.
"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "share/schema/ipseckey.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KINDS = {row["$ref"].removeprefix("#/$defs/") for row in SCHEMA["oneOf"]}


def printed_by_sessions():
    """What the transcripts show."""
    return [json.loads(line[2:]) for path in sorted((ROOT / "tests/transcripts").glob("*.txt"))
            for line in path.read_text().splitlines() if line.startswith("| {")]


def written():
    lines = subprocess.run([DOCUMENTS], check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines] + printed_by_sessions()


class SchemaTest(unittest.TestCase):
    def test_the_schema_is_one(self):
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
        examples = re.findall(r"```json\n(.*?)```", (ROOT / "doc/json.md").read_text(), re.DOTALL)
        documents = [json.loads(example) for example in examples]
        self.assertEqual({d["kind"] for d in documents}, KINDS)
        for document in documents:
            VALIDATOR.validate(document)

    def test_what_sessions_print_is_valid(self):
        documents = printed_by_sessions()
        self.assertEqual({d["kind"] for d in documents}, KINDS - {"gap"})  # What nobody read in time is in no transcript.
        for document in documents:
            VALIDATOR.validate(document)

    def test_what_is_not_ours_is_refused(self):
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
    DOCUMENTS = sys.argv.pop()
    unittest.main()
