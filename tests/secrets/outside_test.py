#!/usr/bin/env python3
"""Input from outside is not trusted: whoever chose them, names and texts cannot send commands to a terminal or forge a line;
and a file is checked before it is opened, so that nothing hangs, no device is started, and no key is read from a file whose
owner and mode were not checked."""
import os
import signal
import subprocess
import sys
import threading
import unittest

from programs import BIN, Case, DEADLINE, Ended, sa_line

# Clears the screen in two ways, is not UTF-8, and pretends to be a line of ours.
EVIL = os.fsdecode(b"e\x1b[2J\x9b\xff\nipseckey: all is well\r\"'")
SHOWN = r"""e\x1b[2J\x9b\xff\x0aipseckey: all is well\x0d\"'"""
IN_QUOTES = r"""$"e\x1b[2J\x9b\xff\x0aipseckey: all is well\x0d\"'" """.strip()


class Terminal(Case):
    def said(self, *arguments, **how) -> str:
        """All of its output: printable ASCII in lines."""
        process = self.start(*arguments, **how)
        out, err = process.communicate(timeout=DEADLINE)
        for text in (out, err):
            self.assertEqual([byte for byte in text if byte not in b"\n\t" and not 0x20 <= byte < 0x7f], [], text)
        lines = (out + err).decode().split("\n")
        self.assertEqual([line for line in lines if line.startswith("ipseckey: all")], [], lines)
        return (out + err).decode().replace(str(self.folder), "FOLDER")

    def test_names_of_files(self):
        self.folder.chmod(0o755)
        for words, message in (
                (["-f", EVIL], f"ipseckey: cannot open {SHOWN}: No such file or directory\n"),
                (["-c", EVIL], f"ipseckey: cannot open {SHOWN}: No such file or directory\n"),
                (["apply", EVIL], f"ipseckey: cannot open {SHOWN}: No such file or directory\n"),
                (["--sadb=memory", "-s", f"no/{EVIL}"], f"ipseckey: cannot save to no/{SHOWN}: No such file or directory\n"),
                (["--service", "-f", EVIL], f"ipseckey: {SHOWN} is refused: other users can read or write its folder"),
                (["--sadb=" + EVIL, "dump"], f"ipseckey: Unknown SADB '{SHOWN}'"),
                (["--sadb=ipsecd:" + EVIL, "dump"],
                 f"ipseckey: no ipsecd at {SHOWN}: start it with `ipsecd --socket {SHOWN}`\n"),
                (["--" + EVIL], f"ipseckey: unknown option --{SHOWN}\n"),
                (["-\x1b"], "ipseckey: unknown option -\\x1b\n"),
                (["-c", "x", EVIL], "ipseckey: -f, -c and -s take one FILE and no further words: unexpected (not shown: it may be part of a key)\n"),
                (["-c", "x", "\x9b"], "ipseckey: -f, -c and -s take one FILE and no further words: unexpected \\xc2\\x9b\n"),
                (["-c", "x", "c0ff", "ee1b", "ad4c"],
                 "ipseckey: -f, -c and -s take one FILE and no further words: unexpected (not shown: it may be part of a key)\n")):
            self.assertIn(message, self.said(*words))
        self.said("help", EVIL)
        self.said("genkey", EVIL)
        self.said("get", EVIL)

    def test_names_of_sockets(self):
        for words in (["--socket", f"{self.folder}/no\x1b[2J\u009b/s"], ["status", "--socket", f"{self.folder}/\x1b[2J\u009b"]):
            done = subprocess.run([BIN / "ipsecd", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False)
            self.assertEqual([byte for byte in done.stderr + done.stdout if byte != 0x0a and not 0x20 <= byte < 0x7f], [])
            self.assertIn(rb"\x1b[2J\xc2\x9b", done.stderr)

    def test_messages_about_a_file(self):
        self.write(EVIL, "add ah spi x\n" + sa_line(0x100), mode=0o644)
        text = self.said("-c", EVIL)
        self.assertIn(f"{SHOWN}:1:12: error: spi: ", text)
        self.assertIn(f"{SHOWN}:1: Parse error on line 1. The command was ignored.\n", text)
        self.assertIn(f"{SHOWN}: warning: it holds keys and other users can access it (mode 0644): chmod 600 {SHOWN}\n", text)
        self.assertIn(f"{SHOWN}: 1 of 2 commands valid, 1 warning.\n", text)

    def test_names_of_key_files(self):
        for name in (IN_QUOTES.replace('$"', '$"@'), '"@\x1b[2J\x9b"'):
            self.write("keys", f"add ah spi 1 dst 192.0.2.2 authalg md5 authkey {name}\n".encode("latin-1"))
            self.assertIn("authkey: cannot open ", self.said("-c", "keys"))

    def test_words_of_a_file(self):
        self.start_daemon()
        self.write("keys", b"add ah spi 1 dst \x1b[2J\x9b authalg \x9bmd5 srcidtype \xff \xfe\nd\x9bump\n")
        self.said("-c", "keys")
        self.said("-f", "keys")
        self.said("-v", "--json", "-f", "keys")

    def test_a_save_to_standard_output(self):
        self.start_daemon()
        self.write("keys", sa_line(0x100).encode()[:-1] + b' srcidtype fqdn "gr\xfc\xdf\x9b" dstidtype fqdn "\xc3\xa9 \xff"\n')
        self.assertEqual(self.run_it("-f", "keys").status, 0)
        saved = self.said("-s", "-")
        self.assertIn(r'srcidtype fqdn $"gr\xfc\xdf\x9b"', saved)
        self.assertIn(r'dstidtype fqdn $"\xc3\xa9 \xff"', saved)
        self.said("-v", "dump")
        self.assertEqual(self.run_it("flush").status, 0)
        self.write("again", saved)
        self.assertEqual(self.run_it("-f", "again").status, 0)
        self.assertEqual(self.said("-s", "-"), saved)


class Opening(Case):
    KEY_LINE = "add ah spi 0x100 src 192.0.2.1 dst 192.0.2.2 authalg aes-xcbc authkey @{}\n"

    def refused(self, name: str, why: str, *options):
        self.write("keys", self.KEY_LINE.format(name))
        ended = self.run_it(*options, text="112233445566778899aabbccddeeff00\n")
        self.assertEqual(ended.status, 1 if options[0] == "-c" else 6, ended)
        self.assertIn(why, ended.err)

    def test_a_key_from_a_pipe(self):
        os.mkfifo(self.folder / "pipe", 0o600)
        self.refused("pipe", "keys:1:71: error: authkey: pipe is not a regular file; keys are read only from regular files\n", "-c",
                     "keys")
        self.refused("/dev/stdin", "/dev/stdin is not a regular file", "-c", "keys")

    def test_a_key_from_standard_input(self):
        why = "- does not mean standard input here: keys are read only from regular files (for a file named -, write @./-)"
        self.refused("-", f"keys:1:71: error: authkey: {why}\n", "-c", "keys")
        self.write("-", "112233445566778899aabbccddeeff00\n")
        self.write("keys", self.KEY_LINE.format("./-"))
        self.assertEqual(self.run_it("-c", "keys"), Ended(0, "keys: 1 of 1 command valid.\n", ""))

    def test_a_key_from_standard_input_of_a_service(self):
        self.start_daemon()
        self.folder.chmod(0o700)
        self.write("keys", self.KEY_LINE.format("-"))
        ended = self.run_it("--service", "-f", self.folder / "keys", text="112233445566778899aabbccddeeff00\n")
        self.assertEqual((ended.status != 0, self.run_it("--json", "dump").out), (True, ""))

    def test_a_service_names_no_folder_of_a_key_file(self):
        """It is part of the line's text, and may be part of a key."""
        self.folder.chmod(0o700)
        for folder, shown in (("east", "..."), ("112233445566778899", "a file (name not shown: it may be part of a key)")):
            (self.folder / folder).mkdir()
            (self.folder / folder).chmod(0o755)
            self.write("keys", self.KEY_LINE.format(f"{folder}/northern"))
            ended = self.run_it("--sadb=memory", "--service", "-f", "keys")
            self.assertEqual(ended.status, 95)
            self.assertIn(f"keys:1:71: error: authkey: {shown} is refused: other users can read or write its folder (mode 0755, uid "
                          f"{os.geteuid()}): chmod 700 that folder\n", ended.err)
            self.assertNotIn(folder, ended.out + ended.err)

    def test_a_device_is_not_opened(self):
        device, why = "/dev/null", "is neither a regular file nor a pipe"
        if os.geteuid() == 0:  # Nobody answers at this one: opening it would give another error.
            device = "device"
            os.mknod(self.folder / device, 0o20600, os.makedev(240, 77))
        for option in ("-c", "-f"):
            self.assertEqual(self.run_it("--sadb=memory", option, device), Ended(4, "", f"ipseckey: {device} {why}\n"))
        self.refused(device, f"{device} is not a regular file", "-c", "keys")

    def test_a_fifo_is_only_for_f(self):
        os.mkfifo(self.folder / "pipe", 0o600)
        for words in (["-c", "pipe"], ["apply", "pipe"]):
            self.assertEqual(self.run_it("--sadb=memory", *words),
                             Ended(4, "", "ipseckey: pipe is a FIFO; only -f and load accept one\n"))

    def test_a_fifo(self):
        os.mkfifo(self.folder / "pipe", 0o600)
        load = self.start("--sadb=memory", "-f", "pipe")
        writer = threading.Thread(target=lambda: (self.folder / "pipe").write_text(sa_line(0x100) + sa_line(0x101)))
        writer.start()
        self.assertEqual(self.finish(load), Ended(0, "pipe: 2 of 2 commands succeeded.\n", ""))
        writer.join()

    def test_a_fifo_whose_other_end_nobody_opens(self):
        os.mkfifo(self.folder / "pipe", 0o600)
        load = self.start("--sadb=memory", "-f", "pipe")
        self.wait_until_it_holds(load, signal.SIGINT)
        load.send_signal(signal.SIGINT)
        ended = self.finish(load)
        self.assertEqual(ended.status, -signal.SIGINT)
        self.assertIn("ipseckey: pipe: interrupted\n", ended.err)

    def test_a_fifo_of_others(self):
        os.mkfifo(self.folder / "pipe", 0o600)
        (self.folder / "pipe").chmod(0o620)
        load = self.start("--sadb=memory", "-f", "pipe")
        writer = threading.Thread(target=lambda: (self.folder / "pipe").write_text(sa_line(0x100)))
        writer.start()
        self.assertEqual(self.finish(load).err,
                         "pipe: warning: it holds keys and other users can access it (mode 0620): chmod 600 pipe\n")
        writer.join()


if __name__ == "__main__":
    sys.exit(unittest.main())
