#!/usr/bin/env python3
"""No digit of a key is printed by accident: keys with a pattern go through every kind of error, and all output of the programs
is searched for pieces of them."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import unittest

from programs import BIN, Case, Daemon, IPSECD, Ended, UNPRIVILEGED, unprivileged

PIECE = 8  # Consecutive digits that reveal a key.


def canary(digits: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("0123456789abcdef", k=digits))


AUTH = canary(64, 1)   # hmac-sha256
ENCR = canary(32, 2)   # aes, 128 bits
SALTED = canary(40, 3)  # aes-gcm, 128 bits and a salt of 32
DES = canary(16, 4)
PIECES = {key[i:i + PIECE] for key in (AUTH, ENCR, SALTED, DES) for i in range(len(key) - PIECE + 1)}

GOOD = [
    f"add esp spi 0x1001 src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey {ENCR} authalg sha256 authkey {AUTH}",
    f"add esp spi 0x1002 src 192.0.2.1 dst 192.0.2.2 encralg aes-gcm encrkey {SALTED.upper()}/160",
    f"add ah spi 0x1003 src 192.0.2.1 dst 192.0.2.2 authalg sha256 authkey 0x{AUTH}",
    f"add esp spi 0x1004 src 192.0.2.1 dst 192.0.2.2 encralg des encrkey {DES}",
]

# A valid command, to be spoilt in each of its words.
WORDS = GOOD[0].split()


def spoilt():
    """Lines that are wrong, each with a key in it somewhere."""
    for i, word in enumerate(WORDS):
        yield WORDS[:i] + WORDS[i + 1:]                  # A word is missing,
        yield WORDS[:i + 1] + [word] + WORDS[i + 1:]     # appears twice,
        yield WORDS[:i] + [word + "x"] + WORDS[i + 1:]   # is misspelt at its end,
        yield WORDS[:i] + [word[1:]] + WORDS[i + 1:]     # or at its beginning,
        yield WORDS[:i] + [AUTH] + WORDS[i + 1:]         # is a key,
        yield WORDS[:i] + [word + AUTH] + WORDS[i + 1:]  # a key is glued to it,
        yield WORDS[:i] + [AUTH + word] + WORDS[i + 1:]
        yield WORDS[:i] + [word, AUTH] + WORDS[i + 1:]   # or is next to it.
        yield WORDS[:i] + [f'"{word} {AUTH}'] + WORDS[i + 1:]
        yield WORDS[:i]
        yield WORDS[:i + 1] + ["\\"]


def odd_keys():
    """Values of authkey and encrkey that are wrong in themselves, in both cases of the digits."""
    shapes = ("{}g", "{}/", "{}/12x", "{}/0", "{}/9999", "/{}", "0x{}/256/", "{},", "{}:", "{}-{}", "{} {}", '"{}"', "'{}'",
              "x{}", "0X{}", "{}/{}", "key={}", "{}\\", "{}\t{}", "{}#", "{}/-1", "0o{}", "\u00e9{}", "@{}",
              "@cred:{}", "@/{}/x", '$"@{}"')
    for shape in shapes:
        for key in (AUTH, AUTH.upper(), ENCR, DES, AUTH[:31]):
            yield shape.format(key, key)


def lines():
    yield from (" ".join(words) for words in spoilt())
    for value in odd_keys():
        yield f"add ah spi 0x2000 dst 192.0.2.2 authalg sha256 authkey {value}"
        yield f"add esp spi 0x2001 dst 192.0.2.2 encralg aes encrkey {value}"
        yield f"add ah spi 0x2002 dst 192.0.2.2 authalg sha256 authkye {value}"
        yield f"add ah spi 0x2003 dst 192.0.2.2 authalg sha256 key {value}"
        yield f"add ah authalg sha256 {value}"
        yield f"{value}"
    for keyword in ("spi", "src", "dst6", "isrc", "sport", "proto", "replay", "state", "hard_bytes", "encap", "srcidtype",
                    "label", "reserved_bits", "pair-spi", "nat_rem", "encr_alg"):
        yield f"add esp {keyword} {AUTH}"
        yield f"add esp {keyword} {AUTH}/12 authkey {AUTH}"
        yield f"update esp spi 0x1001 dst 192.0.2.2 {keyword} {AUTH[:15]}"
        yield f"delete esp {keyword} {AUTH}"
        yield f"get esp spi 0x1001 dst 192.0.2.2 {keyword} {AUTH}"
    for command in ("flush", "dump", "help", "monitor", "get", "update", "?", "quit", "load", "save"):
        yield f"{command}x {AUTH}"
        yield f"{command} all {AUTH} {AUTH}"
    # Refused by the SADB.
    yield from GOOD + GOOD
    yield f"update esp spi 0x1001 dst 192.0.2.2 encrkey {ENCR} encralg aes"
    yield f"update-pair esp spi 0x1001 dst 192.0.2.2 authkey {AUTH} authalg sha256"
    yield f"add esp spi 0x2010 pair-spi 0x99 src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey {ENCR}"
    yield f"add esp spi 0x2011 dst 192.0.2.2 encralg aes-gcm encrkey {SALTED} label x"
    yield f"add esp spi 0x2012 dst 192.0.2.2 encralg aes-gcm encrkey {SALTED}00"
    yield f"add esp spi 0x2013 dst no.such.host.invalid. encralg aes encrkey {ENCR}"


# Every member that an object of JSON can have: each is spoilt below.
OBJECT = {
    "satype": "esp", "spi": 300, "state": "mature", "mode": "tunnel", "flags": 131072, "flag_names": ["outbound"],
    "encr_alg": {"name": "aes-gcm", "number": 20}, "replay_window": 64, "replay_value": 17, "icv_bits": 128,
    "encr_key": {"bits": 128, "hex": SALTED[:32], "salt_bits": 32, "salt": SALTED[32:]},
    "auth_alg": {"name": "hmac-sha256"}, "auth_key": {"hex": AUTH}, "initial_iv": {"hex": DES}, "esn": True,
    **{end: {"address": "192.0.2.2", "prefix": 32, "proto": 4, "port": 0} for end in (
        "src", "dst", "inner_src", "inner_dst", "nat_loc", "nat_rem")},
    **{life: {"allocations": 0, "bytes": 9, "addtime": 0, "usetime": 0} for life in ("current", "soft", "hard", "idle")},
    "src_identity": {"type": "fqdn", "text": "x.example.com", "id": 0, "hex": "78"}, "pair": {"spi": 301},
    "label": {"domain": 1, "level": 2, "integrity": 0, "flags": 0, "compartments": [5], "integrity_compartments": []},
    "km_cookie": {"protocol": 1, "name": "ike", "cookie": 7}, "mark": {"value": 1, "mask": 1},
    "offload": {"mode": "crypto", "device": "eth0"}, "traffic": {"packets": 1, "late": 0}, "action": "add",
}


def spoilt_objects(value, marker: str):
    """Texts of JSON that differ from that of the value in one place, where the marker is a name or a value, or appears twice."""
    own = json.dumps(value)
    yield from (f'"{marker}"', f'["{marker}"]', f'{{"{marker}":1}}', f'{{"{marker}":1,"{marker}":2}}')
    if isinstance(value, list):
        yield own[:-1] + f',"{marker}"]'
    if not isinstance(value, dict):
        return
    for extra in (f'"{marker}":1', f'"{marker}":1,"{marker}":2', f'"{marker}":{{"{marker}":[]}},"{marker}":{{}}'):
        yield f"{own[:-1]},{extra}}}"
        yield f"{{{extra},{own[1:]}"
    for name, inner in value.items():
        before = json.dumps({n: v for n, v in value.items() if n != name})[1:-1]
        for text in spoilt_objects(inner, marker):
            yield f'{{{before}{"," if before else ""}"{name}":{text}}}'
        yield f'{{{before}{"," if before else ""}"{name}":"{marker}","{name}":"{marker}"}}'


class Secrets(Case):
    def search(self, *texts: str):
        for text in texts:
            low = text.lower()
            for i in range(len(low) - PIECE + 1):
                if low[i:i + PIECE] in PIECES:
                    start, end = low.rfind("\n", 0, i) + 1, low.find("\n", i)
                    self.fail(f"a piece of a key is said: {text[start:end]}")

    def said(self, ended: Ended, keys_in_output: bool = False):
        self.search(ended.err, "" if keys_in_output else ended.out)
        return ended

    def test_every_wrong_line_of_a_file(self):
        text = "".join(line + "\n" for line in lines())
        self.write("wrong", text)
        for options in ([], ["-v"], ["-p"], ["-n"], ["--json"], ["--strict"]):
            self.said(self.run_it(*options, "-c", "wrong"))
        self.start_daemon()
        for options in (["-p"], ["-pv"], ["-p", "--json"]):
            self.assertEqual(self.said(self.run_it(*options, "-f", "wrong")).status, 1)
        self.said(self.run_it("-p", text=text))
        # Without -p, `get` shows them to the user who requests them; only on standard output.
        for options in ([], ["-n"], ["-v"], ["--json"]):
            self.assertEqual(self.said(self.run_it(*options, "-f", "wrong"), keys_in_output=True).status, 1)
        self.search(self.daemon.end())

    def test_the_service_never_echoes_line_text(self):
        """Each word here is not in the language; it is in the file and never in the output about it."""
        odd = ["".join(random.Random(number).choices("ghjkvwxz", k=9)) for number in range(40)]  # Unlike a key.
        shapes = ("{}", "add ah {} 1", "add {} spi 1", "add ah spi {} dst {}", "add ah spi 1 dst {} authalg {} authkey {}",
                  "add esp spi 1 dst 192.0.2.1 encralg aes encrkey {}/12", "add esp srcidtype {} {}", "load {}", "flush {} {}",
                  "add esp spi 1 dst 192.0.2.1/{} isrc {}/24", "update esp spi 1 dst {} {} {}", '"{}', "get esp {}={}",
                  "add esp spi 1 dst 192.0.2.1 label {}:{} state {}", "delete esp spi 1 dst 192.0.2.1 mark {}/{}")
        text = "".join(shape.format(*odd[i:]) + "\n" for i, shape in enumerate(shapes)) + "".join(f"{l}\n" for l in lines())
        self.folder.chmod(0o700)
        wrong = self.write("wrong", text)
        self.start_daemon()
        for words in (["-f", wrong], ["apply", wrong], ["--strict", "-f", wrong]):
            ended = self.said(self.run_it("--service", *words))
            self.assertEqual(ended.status, 95)
            self.assertIn("wrong:1:1: error: Unknown command", ended.err)
            self.assertEqual([word for word in odd if word in ended.err + ended.out], [])
        self.search(self.daemon.end())

    def test_every_wrong_object_of_json(self):
        """A marker in each position of an object, as a name, as a value, and twice. No output contains it, whole or in pieces."""
        self.folder.chmod(0o700)
        objects = [text for marker in (AUTH, DES, "deadbeef") for text in spoilt_objects(OBJECT, marker) if text[0] == "{"]
        self.assertGreater(len(objects), 1500)
        self.write("wrong", "".join(text + "\n" for text in objects))
        for options in (["-c"], ["--json", "-c"], ["--strict", "-c"], ["--service", "-f"], ["--service", "--json", "-f"]):
            ended = self.said(self.run_it("--sadb=memory", *options, "wrong"))
            self.assertIn(ended.status, (1, 95))
            self.assertIn(f" of {len(objects)} commands valid", ended.err)  # None was ignored.
            self.assertEqual((ended.err + ended.out).count("deadbeef"), 0)

    def test_rules_with_keys_in_them(self):
        """A file of keys instead of one of rules, and a key in each position of an entry and of the arguments."""
        entry = ["{", "laddr", "192.0.2.1", "raddr", "192.0.2.2", "dir", "both", "}", "ipsec", "{", "encr_algs", "aes(128)", "sa",
                 "shared", "}", "or", "ipsec", "{", "auth_algs", "sha1", "}"]
        text = "".join(line + "\n" for line in lines())
        for key in (AUTH, ENCR, DES, SALTED.upper(), f"0x{AUTH}", f"{AUTH[:15]}"):
            for i, word in enumerate(entry):
                for spoilt in ([key], [word, key], [word + key], [key + word], [f"{key}/24"], [f"#{word}"]):
                    text += " ".join(entry[:i] + spoilt + entry[i + 1:]) + "\n"
            text += f"order {key}\n"
        self.folder.chmod(0o755)
        wrong = self.write("wrong", text, 0o644)
        order = self.write("order", f"order {AUTH}\n", 0o644)
        for file in (wrong, order):
            for options in ([], ["--json"], ["--strict"], ["--service"]):
                self.assertIn(self.said(self.rules(*options, "-c", file)).status, (1, 95))
            self.assertEqual(self.said(self.rules("-c", file, terminal=True)).status, 1)
        for key in (AUTH, ENCR, DES):
            for words in ([key], [f"--{key}"], ["-d", key], ["-d", f"t0,{key}"], ["-d", "1", "-i", key], ["apply", "x", key], ["help", key],
                          ["explain", "from", key, "to", key], ["explain", key], ["explain", "from", "::1", "to", "::1", "proto", key],
                          ["prove", "--rule", key], ["prove", "--peer", key], ["prove", "x", key], ["prove", wrong]):
                self.said(self.rules("--sadb=memory", *words))

    def rules(self, *arguments, terminal=False):
        """Runs ipsecconf; on a terminal it marks the place of a fault in its line."""
        ours, theirs = os.openpty() if terminal else (None, None)
        words = [BIN / "ipsecconf", *arguments]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=self.folder,
                                   stderr=theirs if terminal else subprocess.PIPE)
        if not terminal:
            return self.finish(process)
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # The last writer has gone.
            while piece := os.read(ours, 65536):
                said += piece
        os.close(ours)
        out = process.stdout.read().decode()
        process.stdout.close()
        return Ended(process.wait(), out, said.decode())

    def test_key_files_that_hold_no_key(self):
        contents = [shape.format(*[key] * 99) for shape in ("{}g", "{}/", "{}/9999", " {} {}", "{}zz\n{}", "x{}", "{}\0", "@{}",
                                                         "{}" * 2, "{}" * 9, "{}" * 99, "authkey {}", "# {}", "{}/3", "\n{}")
                    for key in (AUTH, ENCR, SALTED.upper())]
        text = ""
        for number, content in enumerate(contents):
            self.write(f"k{number}", content)
            text += f"add ah spi {number + 1} dst 192.0.2.2 authalg md5 authkey @k{number}\n"
        self.write("wrong", text)
        for options in ([], ["-v"], ["--json"]):
            ended = self.said(self.run_it(*options, "-c", "wrong"))
            self.assertIn(f"wrong:{len(contents)}: Parse error", ended.err)
        self.start_daemon()
        self.assertEqual(self.said(self.run_it("-p", "-f", "wrong")).status, 1)
        self.search(self.daemon.end())

    def test_each_wrong_line_by_itself_and_on_a_terminal(self):
        """Standard error is a terminal here, so the lines are shown with marks."""
        controller, terminal = os.openpty()
        os.set_blocking(controller, False)
        self.write("wrong", "".join(line + "\n" for line in lines()))
        process = self.start("-c", "wrong", stderr=terminal)
        os.close(terminal)
        said = bytearray()
        while True:
            try:
                piece = os.read(controller, 65536)
            except BlockingIOError:
                if process.poll() is None:
                    os.sched_yield()
                    continue
                break
            except OSError:
                break  # The other end is closed.
            said += piece
        os.close(controller)
        self.assertIn(b"^", said)
        self.search(said.decode(errors="replace"))

    def test_words_of_the_shell(self):
        self.start_daemon()
        for words in ([*WORDS], ["esp", "authkey", AUTH], [AUTH], ["get", AUTH], ["get", "esp", "authkey", AUTH],
                      ["flush", AUTH], ["dump", "esp", AUTH], ["help", AUTH], ["save", AUTH], [f"--{AUTH}"], [f"-{AUTH}"],
                      [f"--authkey={AUTH}"], [f"--numeric={AUTH}"], ["-c", "keys", AUTH], ["-c", "keys", "authkey", AUTH],
                      [f"--sadb={AUTH}", "dump"], [f"--sadb=0x{AUTH}/256", "dump"], ["update", "esp", "encrkey", ENCR],
                      ["delete", "esp", "spi", AUTH, "dst", "192.0.2.2"], ["delete", "esp", "spi", "1", "dst", AUTH],
                      ["get", "esp", "spi", AUTH[:8], "dst", AUTH], [f"add esp authkey {AUTH}"]):
            self.assertNotEqual(self.said(self.run_it(*words)).status, 0, words)
        self.search(self.daemon.end())

    def test_words_of_the_environment(self):
        ended = self.finish(subprocess.Popen(
            [self.words([])[0], "dump"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "IPSECKEY_SADB": AUTH, "AUTHKEY": AUTH}))
        self.assertNotEqual(self.said(ended).status, 0)

    def test_paranoid_output_has_no_digit_of_a_key(self):
        self.start_daemon()
        text = "".join(line + "\n" for line in GOOD)
        self.assertEqual(self.said(self.run_it("-pv", "-f", "-", text=text)).status, 0)
        for words in (["dump"], ["save", "all"], ["-s", "-"], ["-v", "dump"], ["--json", "dump"],
                      ["get", "esp", "spi", "0x1002", "dst", "192.0.2.2"]):
            self.assertEqual(self.said(self.run_it("-p", *words)).status, 0, words)
        self.assertEqual(self.run_it("-p", "-s", "hidden").status, 0)
        self.search((self.folder / "hidden").read_text())
        # Without it the owner sees them, which shows that the search works.
        with self.assertRaisesRegex(AssertionError, "a piece of a key is said"):
            self.search(self.run_it("dump").out)
        self.search(self.daemon.end())

    def test_a_monitor_sees_no_keys(self):
        self.start_daemon()
        for words in (["monitor"], ["-v", "monitor"], ["--json", "monitor"], ["pmonitor"]):
            monitor = self.start(*words)
            monitor.stderr.readline()
            self.assertEqual(self.run_it("-f", "-", text="".join(line + "\n" for line in GOOD)).status, 0)
            self.run_it("dump")
            self.assertEqual(self.run_it("flush").status, 0)
            monitor.send_signal(signal.SIGINT)
            ended = self.said(self.finish(monitor))
            self.assertIn("192.0.2.2", ended.out)

    def test_no_core_dump_and_no_debugger(self):
        self.folder.chmod(0o777)
        program = shutil.copy(IPSECD, self.folder)
        daemon = Daemon(self.folder, program=program, preexec_fn=unprivileged, env=UNPRIVILEGED)
        self.addCleanup(daemon.end)
        limits = pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text(encoding="utf-8")
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        peep = subprocess.run(["cat", f"/proc/{daemon.process.pid}/maps"], preexec_fn=unprivileged, capture_output=True)
        self.assertEqual((peep.returncode, peep.stdout), (1, b""))
        daemon.send(signal.SIGABRT)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(daemon.process.pid, 0)[1]), -signal.SIGABRT)
        daemon.process.returncode = -signal.SIGABRT
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["ipsecd", "sadb.sock", "sadb.sock.status"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
