#!/usr/bin/python3
"""tshark opens a capture of what we protect, with the keys that `ipseckey -s` wrote, and finds the ICVs right.
usage: tshark_test.py ORACLE_PACKETS IPSECD IPSECKEY
"""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = IPSECD = IPSECKEY = ""

# tshark 4.0 does not support ESP with ChaCha20-Poly1305, CCM or GMAC. Our name: wireshark's, the size of the key and of the
# salt in octets.
CIPHERS = {
    "aes-cbc": ("AES-CBC [RFC3602]", 16, 0),
    "3des-cbc": ("TripleDES-CBC [RFC2451]", 24, 0),
    "aes-ctr": ("AES-CTR [RFC3686]", 16, 4),
    "aes-gcm": ("AES-GCM with 16 octet ICV [RFC4106]", 16, 4),
    "null": ("NULL", 0, 0),
}
AUTHS = {"hmac-sha1": ("HMAC-SHA-1-96 [RFC2404]", 20), "hmac-sha256": ("HMAC-SHA-256-128 [RFC4868]", 32),
         "hmac-sha512": ("HMAC-SHA-512-256 [RFC4868]", 64)}
ROWS = [("aes-cbc", "hmac-sha1"), ("aes-cbc", "hmac-sha256"), ("aes-cbc", "hmac-sha512"), ("3des-cbc", "hmac-sha1"),
        ("aes-ctr", "hmac-sha256"), ("null", "hmac-sha256"), ("aes-gcm", None)]


def key_of(size, first):
    octets = [(first + 7 * i) % 255 for i in range(size)]
    return bytes((o & 0xfe) | (1 - bin(o >> 1).count("1") % 2) for o in octets)


def command(spi, cipher, auth):
    words = f"add esp spi {spi:#x} outbound src 192.0.2.1 dst 192.0.2.2 encralg {cipher}"
    _, size, salt = CIPHERS[cipher]
    if size:
        words += f" encrkey {key_of(size + salt, spi).hex()}"
    if auth:
        words += f" authalg {auth} authkey {key_of(AUTHS[auth][1], 91).hex()}"
    return words + f" dport {spi}"


def datagram(port, payload):
    udp = struct.pack("!HHHH", 1000, port, 8 + len(payload), 0) + payload
    head = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, bytes([192, 0, 2, 1]),
                                 bytes([192, 0, 2, 2])))
    total = sum(struct.unpack("!10H", head))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    head[10:12] = struct.pack("!H", ~total & 0xffff)
    return bytes(head) + udp


def saved_by_ipseckey(commands, folder):
    """What `ipseckey -s` writes after an ipsecd was given the commands."""
    socket, keys, saved = folder / "pfkey.sock", folder / "keys", folder / "saved"
    keys.write_text("\n".join(commands) + "\n")
    keys.chmod(0o600)
    daemon = subprocess.Popen([IPSECD, "--socket", str(socket)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True)
    try:
        daemon.stderr.readline()  # It reports that it serves.
        for words in (["-f", str(keys)], ["-s", str(saved)]):
            subprocess.run([IPSECKEY, f"--sadb=ipsecd:{socket}", *words], check=True, timeout=120,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=120)
    return re.sub(r"\\\n\s*", "", saved.read_text())


def uat(line):
    """A line of the saved file in the form of wireshark's table of SAs."""
    words = line.split()
    value = dict(zip(words, words[1:]))
    hexed = lambda word: '"0x' + value[word].split("/")[0] + '"' if word in value else '""'  # noqa: E731
    auth = AUTHS[value["auth_alg"]][0] if "auth_alg" in value else "NULL"
    name = next(n for n in CIPHERS if value.get("encr_alg", "null").startswith(n))
    if name == "aes-gcm":
        auth = "NULL"
    return (f'"IPv4","192.0.2.1","192.0.2.2","{value["spi"]}","{CIPHERS[name][0]}",{hexed("encrkey")},"{auth}",'
            f'{hexed("authkey")}')


class Tshark(unittest.TestCase):
    def test_capture_with_saved_keys(self):
        commands = [command(0x2000 + i, cipher, auth) for i, (cipher, auth) in enumerate(ROWS)]
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            saved = saved_by_ipseckey(commands, folder)
            lines = [line for line in saved.splitlines() if line.startswith("add ")]
            self.assertEqual(len(lines), len(ROWS))
            asked = [f"sa {line}" for line in lines]
            payloads = [f"payload of {cipher} and {auth}".encode() for cipher, auth in ROWS]
            asked += ["protect " + datagram(0x2000 + i, p).hex() for i, p in enumerate(payloads)]
            said = subprocess.run([PROGRAM], input="\n".join(asked) + "\n", capture_output=True, text=True, check=True,
                                  timeout=120).stdout.splitlines()
            packets = [bytes.fromhex(line[5:]) for line in said[len(lines):]]
            capture = folder / "capture.pcap"
            raw_ip = 101
            capture.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, raw_ip) + b"".join(
                struct.pack("<IIII", i, 0, len(p), len(p)) + p for i, p in enumerate(packets)))
            home = folder / "wireshark"
            home.mkdir()
            (home / "esp_sa").write_text("".join(uat(line) + "\n" for line in lines))
            environment = dict(os.environ, WIRESHARK_CONFIG_DIR=str(home), HOME=str(folder))
            shown = subprocess.run(
                ["tshark", "-r", str(capture), "-T", "json", "-x", "-o", "esp.enable_encryption_decode:TRUE",
                 "-o", "esp.enable_authentication_check:TRUE"], capture_output=True, text=True, timeout=120,
                env=environment)
            self.assertEqual(shown.returncode, 0, shown.stderr)
        frames = json.loads(shown.stdout)
        self.assertEqual(len(frames), len(ROWS))
        for frame, row, payload in zip(frames, ROWS, payloads):
            text = json.dumps(frame)
            with self.subTest(row):
                self.assertIn(payload.hex(), text, "tshark did not open it")
                self.assertIn('"udp.dstport"', text)
                self.assertNotIn("[incorrect", text)


if __name__ == "__main__":
    PROGRAM, IPSECD, IPSECKEY = sys.argv[1:4]
    del sys.argv[1:4]
    unittest.main()
