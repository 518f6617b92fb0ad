#!/usr/bin/env python3
"""Speak PF_KEY v2 to ipsecd from Python: add an SA, get one, listen. Nothing but the standard library is needed.

    pf_key.py add SPI SRC DST < KEYS      an ESP SA, AES-CBC with HMAC-SHA-256; KEYS: two lines of hexadecimal digits,
                                          the encryption key and the authentication key
    pf_key.py get SPI SRC DST             print the SA; its keys are replaced by their length
    pf_key.py listen [N]                  print the next N messages (default: all until Ctrl-C)

The socket is /run/ipsecd/pfkey.sock, or the one that the variable PF_KEY_SOCKET names. doc/reference/pf-key.md describes each
message and extension. One packet of the socket is one message. Integers are in the host's byte order; SPIs, ports,
addresses and keys are in network byte order.
"""
import ipaddress
import os
import socket
import struct
import sys

ADD, GET, REGISTER, X_PROMISC = 3, 5, 7, 11
TYPES = {1: "GETSPI", 2: "UPDATE", 3: "ADD", 4: "DELETE", 5: "GET", 6: "ACQUIRE", 7: "REGISTER", 8: "EXPIRE", 9: "FLUSH"}
ESP = 3
SA, CURRENT, ADDRESS_SRC, ADDRESS_DST, KEY_AUTH, KEY_ENCRYPT = 1, 2, 5, 6, 8, 9
AUTH_SHA256, ENCRYPT_AES_CBC, MATURE = 5, 12, 1
LONGEST = 524280  # Bytes of a message.


def extension(kind, body):
    """Length and type in front, zeros behind: a whole number of 64-bit words."""
    words = (4 + len(body) + 7) // 8
    return struct.pack("=HH", words, kind) + body + bytes(words * 8 - 4 - len(body))


def sa(spi, replay=0, auth=0, encrypt=0):
    return extension(SA, struct.pack("!I", spi) + struct.pack("=BBBBI", replay, MATURE, auth, encrypt, 0))


def address(kind, text, port=0):
    ip = ipaddress.ip_address(text)
    if ip.version == 4:
        place = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, ip.packed)
    else:
        place = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, ip.packed, 0)
    return extension(kind, struct.pack("=BBH", 0, 0, 0) + place)


def key(kind, octets):
    return extension(kind, struct.pack("=HH", len(octets) * 8, 0) + octets)


class Refused(Exception):
    """ipsecd refused a request: the error, an errno, and a diagnostic (doc/reference/pf-key.md lists them)."""


class PfKey:
    """A connection to ipsecd. Messages go out and come in whole."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        self.number = 0

    def request(self, kind, satype, *extensions):
        """The extensions of the reply to one request: a dictionary of type and body."""
        self.number += 1
        body = b"".join(extensions)
        header = struct.pack("=BBBBHHII", 2, kind, 0, satype, 2 + len(body) // 8, 0, self.number, os.getpid())
        self.socket.sendall(header + body)
        while True:  # Messages about other clients' requests may come first.
            reply = self.receive()
            if (reply["seq"], reply["pid"]) == (self.number, os.getpid()):
                break
        if reply["error"]:
            raise Refused(f"{os.strerror(reply['error'])} (diagnostic {reply['diagnostic']})")
        return reply["extensions"]

    def receive(self):
        """The next message."""
        message = self.socket.recv(LONGEST)
        if len(message) < 16:
            raise ConnectionError("ipsecd closed the connection")
        _, kind, error, satype, _, diagnostic, seq, pid = struct.unpack_from("=BBBBHHII", message)
        extensions, at = {}, 16
        while at < len(message):
            words, which = struct.unpack_from("=HH", message, at)
            extensions[which] = message[at + 4:at + 8 * words]
            at += 8 * words
        return {"type": kind, "error": error, "satype": satype, "diagnostic": diagnostic, "seq": seq, "pid": pid,
                "extensions": extensions}


def shown(extensions):
    """An SA in words, without its keys."""
    words = []
    if SA in extensions:
        spi, = struct.unpack_from("!I", extensions[SA])
        words.append(f"spi {spi:#x}")
    for name, kind in (("src", ADDRESS_SRC), ("dst", ADDRESS_DST)):
        if kind in extensions:
            family, = struct.unpack_from("=H", extensions[kind], 4)
            octets = extensions[kind][8:12] if family == socket.AF_INET else extensions[kind][12:28]
            words.append(f"{name} {ipaddress.ip_address(octets)}")
    for name, kind in (("encrkey", KEY_ENCRYPT), ("authkey", KEY_AUTH)):
        if kind in extensions:
            words.append(f"{name} of {struct.unpack_from('=H', extensions[kind])[0]} bits")
    if CURRENT in extensions:
        words.append(f"bytes {struct.unpack_from('=Q', extensions[CURRENT], 4)[0]}")
    return " ".join(words)


def main(words):
    pf_key = PfKey(os.environ.get("PF_KEY_SOCKET", "/run/ipsecd/pfkey.sock"))
    if words[:1] == ["add"] and len(words) == 4:
        encrypt, auth = (bytes.fromhex(sys.stdin.readline()) for _ in range(2))  # Never an argument: every user can see those.
        pf_key.request(ADD, ESP, sa(int(words[1], 0), auth=AUTH_SHA256, encrypt=ENCRYPT_AES_CBC),
                       address(ADDRESS_SRC, words[2]), address(ADDRESS_DST, words[3]), key(KEY_ENCRYPT, encrypt),
                       key(KEY_AUTH, auth))
        print("added")
    elif words[:1] == ["get"] and len(words) == 4:
        print("esp", shown(pf_key.request(GET, ESP, sa(int(words[1], 0)), address(ADDRESS_SRC, words[2]),
                                          address(ADDRESS_DST, words[3]))))
    elif words[:1] == ["listen"] and len(words) <= 2:
        print("listening", flush=True)  # ADD, DELETE and others go to every client that is connected.
        for _ in range(int(words[1])) if len(words) == 2 else iter(int, 1):
            message = pf_key.receive()
            print(TYPES.get(message["type"], message["type"]), shown(message["extensions"]), flush=True)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, OSError, ValueError) as wrong:
        sys.exit(f"pf_key.py: {wrong}")
