#!/usr/bin/python3
"""scapy's IPsec layer against ours: it opens what we protect and we open what it protects, for every algorithm, mode and
family. usage: scapy_test.py ORACLE_PACKETS"""
import socket
import struct
import subprocess
import sys
import unittest

from algorithms import AUTHS, CIPHERS, COMBINED, key_of  # First: it silences warnings of scapy.
from scapy.layers import ipsec
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.packet import Raw, bind_layers, raw, split_layers
from scapy.utils import checksum

PROGRAM = ""


V4, V6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
INNER4, INNER6 = ("10.1.0.1", "10.2.0.1"), ("2001:db8:1::1", "2001:db8:2::1")


def packets(v6, src, dst):
    head = (lambda: IPv6(src=src, dst=dst)) if v6 else (lambda: IP(src=src, dst=dst, id=7, tos=0x28))
    yield head() / UDP(sport=1000, dport=2000) / Raw(bytes(range(33)))
    yield head() / TCP(sport=1000, dport=2000, seq=5) / Raw(b"x" * 1000)
    yield head() / (ICMPv6EchoRequest() if v6 else ICMP()) / Raw(b"ping")


class Engine:
    def __init__(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def combinations():
    """(protocol, our cipher, our auth, octets of the cipher's key)"""
    for cipher, (_, sizes, _) in CIPHERS.items():
        for size in sizes:
            yield "esp", cipher, None if any(c in cipher for c in COMBINED) else "hmac-sha256", size
    for auth in AUTHS:
        yield "esp", "aes-cbc", auth, 16
        yield "esp", "null", auth, 0
        yield "ah", None, auth, 0


class Scapy(unittest.TestCase):
    def setUp(self):
        self.engine = Engine()
        self.addCleanup(self.engine.close)

    def both(self, protocol, cipher, auth, size, outer, inner, esn=False, udp=False):
        """One SA, both directions, a few packets."""
        tunnel = inner is not None
        salt = CIPHERS[cipher][2] if cipher else 0
        crypt_key, auth_key = key_of(size + salt, 3), key_of(AUTHS[auth][1], 91) if auth else b""
        words = f"add {protocol} spi 0x1234 src {outer[0]} dst {outer[1]}"
        if cipher:
            words += f" encralg {cipher}" + (f" encrkey {crypt_key.hex()}" if crypt_key else "")
        if auth:
            name, _, bits = auth.partition("/")
            words += f" authalg {name} authkey {auth_key.hex()}" + (f" icv {bits}" if bits else "")
        if tunnel:
            words += f" isrc {inner[0]} idst {inner[1]}"
        if udp:
            words += " encap udp nat_lport 4500 nat_rport 4500"
        if esn:
            words += " replay 64 esn replay_value 4294967290"
        self.assertEqual(self.engine.ask("new"), "ok")
        self.assertEqual(self.engine.ask("sa " + words), "ok", words)
        outer_header = None
        if tunnel:
            outer_header = (IPv6 if ":" in outer[0] else IP)(src=outer[0], dst=outer[1])
        # scapy itself takes the salt off the key's tail.
        theirs = ipsec.SecurityAssociation(
            ipsec.ESP if protocol == "esp" else ipsec.AH, spi=0x1234,
            seq_num=1 if not esn else 4294967291,
            crypt_algo=CIPHERS[cipher][0] if cipher else None, crypt_key=crypt_key or None,
            auth_algo=AUTHS[auth][0] if auth else None, auth_key=auth_key or None, tunnel_header=outer_header,
            nat_t_header=UDP(sport=4500, dport=4500, chksum=0) if udp else None)
        if cipher and salt:
            theirs.crypt_key, theirs.crypt_salt = crypt_key[:-salt], crypt_key[-salt:]
        src, dst = inner if tunnel else outer
        v6 = ":" in src
        for packet in packets(v6, src, dst):
            plain = raw(packet)
            # Protected by us, opened by scapy.
            answer = self.engine.ask("protect " + plain.hex())
            self.assertTrue(answer.startswith("none "), f"{words}: {answer[:60]}")
            wire = bytes.fromhex(answer[5:])
            arrived = (IPv6 if wire[0] >> 4 == 6 else IP)(wire)
            opened = theirs.decrypt(arrived, esn_en=esn, esn=0)
            self.assertEqual(raw((IPv6 if v6 else IP)(raw(opened))).hex(), plain.hex(), words)
        # Protected by scapy, opened by us: on another host, because the numbers start again.
        self.assertEqual(self.engine.ask("new"), "ok")
        self.assertEqual(self.engine.ask("sa " + words), "ok")
        for packet in packets(v6, src, dst):
            plain = raw(packet)
            sent = theirs.encrypt((IPv6 if v6 else IP)(plain), esn_en=esn, esn=0)
            wire = bytearray(raw(sent))
            if udp:  # scapy leaves the UDP header's length at 8.
                wire[24:26] = struct.pack("!H", len(wire) - 20)
            answer = self.engine.ask("unprotect " + wire.hex())
            self.assertEqual(answer, "none " + plain.hex(), words)

    def test_every_algorithm_mode_and_family(self):
        count = 0
        for protocol, cipher, auth, size in combinations():
            for outer in (V4, V6):
                for inner in (None, INNER4, INNER6):
                    with self.subTest(protocol=protocol, cipher=cipher, auth=auth, size=size, outer=outer, inner=inner):
                        self.both(protocol, cipher, auth, size, outer, inner)
                        count += 1
        self.assertEqual(count, (37 + 21 + 27) * 6)

    def test_extended_sequence_numbers(self):
        # scapy authenticates the upper half only with combined modes and AH.
        for protocol, cipher, auth, size in combinations():
            if protocol == "ah" or (auth is None and cipher):
                with self.subTest(protocol=protocol, cipher=cipher, auth=auth, size=size):
                    self.both(protocol, cipher, auth, size, V4, None, esn=True)

    def test_udp_encapsulation(self):
        for inner in (None, INNER4, INNER6):
            with self.subTest(inner=inner):
                self.both("esp", "aes-gcm16", None, 16, V4, inner, udp=True)

    def ah_opened_by_scapy(self, packet, words, destination=None):
        self.assertEqual(self.engine.ask("new"), "ok")
        self.assertEqual(self.engine.ask("sa " + words), "ok")
        answer = self.engine.ask("protect " + raw(packet).hex())
        self.assertTrue(answer.startswith("none "), answer[:80])
        wire = bytes.fromhex(answer[5:])
        sa = ipsec.SecurityAssociation(ipsec.AH, spi=0x1234, auth_algo="SHA2-256-128", auth_key=key_of(32, 91))
        arrived = packet.__class__(wire)
        if destination:
            arrived = destination(arrived)
        sa.decrypt(arrived)

    def test_ah_over_options_and_extension_headers(self):
        words = "add ah spi 0x1234 src {} dst {} authalg hmac-sha256 authkey " + key_of(32, 91).hex()
        from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert, IPOption_RR, IPOption_Timestamp
        options = [IPOption_RR(pointer=4, routers=["0.0.0.0", "0.0.0.0"]), IPOption_NOP(), IPOption_Router_Alert()]
        packet = IP(src=V4[0], dst=V4[1], options=options) / UDP() / Raw(b"options")
        self.ah_opened_by_scapy(packet, words.format(*V4))
        from scapy.layers.inet6 import PadN, RouterAlert
        packet = (IPv6(src=V6[0], dst=V6[1]) / IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"\0\0")])
                  / UDP() / Raw(b"hop by hop"))
        self.ah_opened_by_scapy(packet, words.format(*V6))

    def test_ah_over_a_routing_header(self):
        """The receiver sees the route used up; scapy computes over what it sees."""
        middle, last = "2001:db8::99", "2001:db8::2"
        packet = (IPv6(src=V6[0], dst=middle) / IPv6ExtHdrRouting(type=0, addresses=[last], segleft=1)
                  / UDP() / Raw(b"routed"))
        words = f"add ah spi 0x1234 src {V6[0]} dst {last} authalg hmac-sha256 authkey " + key_of(32, 91).hex()

        def arrive(p):
            p.dst, p[IPv6ExtHdrRouting].addresses, p[IPv6ExtHdrRouting].segleft = last, [middle], 0
            return p
        self.ah_opened_by_scapy(packet, words, arrive)

    def stream(self, network, size, flags):
        """A long packet whose checksum is only the sum of the pseudo header, and scapy's result for it."""
        data = bytes(n * n % 251 for n in range(10_000))
        options = [("NOP", None), ("NOP", None), ("Timestamp", (123_456, 654_321))]
        segments = []
        for at in range(0, len(data), size):
            last, first = at + size >= len(data), at == 0
            shown = "".join(f for f in flags if (last or f not in "FP") and (first or f != "C"))
            header = network.copy()
            if isinstance(header, IP):
                header.id = (header.id + at // size) % 2**16
            segments.append(raw(header / TCP(sport=1, dport=2, seq=(0xffffff00 + at) % 2**32, ack=9, flags=shown, window=77,
                                             options=options) / Raw(data[at:at + size])))
        tcp = TCP(sport=1, dport=2, seq=0xffffff00, ack=9, flags=flags, window=77, options=options, chksum=0)
        whole = bytearray(raw(network / tcp / Raw(data)))
        at = len(raw(network))
        pseudo = (socket.inet_pton(socket.AF_INET6, network.src) + socket.inet_pton(socket.AF_INET6, network.dst)
                  if isinstance(network, IPv6) else socket.inet_aton(network.src) + socket.inet_aton(network.dst))
        total = checksum(pseudo + struct.pack("!LL", len(whole) - at, 6)) ^ 0xffff
        whole[at + 16:at + 18] = total.to_bytes(2, "big")
        return bytes(whole), at, segments

    NULL = f"encralg null authalg hmac-sha256 authkey {key_of(32, 91).hex()}"

    def null_esp(self, outer, tunnel):
        header = (IPv6 if ":" in outer[0] else IP)(src=outer[0], dst=outer[1]) if tunnel else None
        return ipsec.SecurityAssociation(ipsec.ESP, spi=0x1234, seq_num=1, crypt_algo="NULL", auth_algo="SHA2-256-128",
                                         auth_key=key_of(32, 91), tunnel_header=header)

    def load(self, *lines):
        self.assertEqual(self.engine.ask("new"), "ok")
        for line in lines:
            self.assertEqual(self.engine.ask("sa " + line), "ok", line)

    def protected(self, packet):
        answer = self.engine.ask("protect " + raw(packet).hex())
        self.assertTrue(answer.startswith("none "), answer[:80])
        wire = bytes.fromhex(answer[5:])
        return (IPv6 if wire[0] >> 4 == 6 else IP)(wire)

    def test_a_tunnel_hides_lengths(self):
        """scapy finds the packet and zeros after it; we open packets that scapy pads, with any octets."""
        for outer in (V4, V6):
            for inner in (INNER4, INNER6):
                with self.subTest(outer=outer, inner=inner):
                    line = (f"add esp spi 0x1234 src {outer[0]} dst {outer[1]} isrc {inner[0]} idst {inner[1]} tfcpad 600 "
                            + self.NULL)
                    self.load(line)
                    theirs = self.null_esp(outer, True)
                    sizes = set()
                    for packet in packets(":" in inner[0], *inner):
                        wire = self.protected(packet)
                        sizes.add(len(raw(wire)))
                        plain = raw(packet)
                        text = raw(theirs.decrypt(wire))
                        self.assertEqual(text, plain + bytes(max(0, 600 - len(plain))))
                    self.assertEqual(len(sizes), 2)  # Two of the three were shorter.
                    self.load(line)
                    for packet in packets(":" in inner[0], *inner):
                        sent = theirs.encrypt(packet.__class__(raw(packet)) / Raw(b""))
                        self.assertEqual(self.engine.ask("unprotect " + raw(sent).hex()), "none " + raw(packet).hex())

    def test_the_outer_header_is_as_the_sa_says(self):
        words = f"src {V4[0]} dst {V4[1]} isrc {INNER4[0]} idst {INNER4[1]} "
        for df, inner, outer in (("copy", "", 0), ("copy", "DF", 2), ("set", "", 2), ("set", "DF", 2), ("clear", "", 0),
                                 ("clear", "DF", 0)):
            for dscp, tos in (("keep", 0x28), ("copy", 0x28), ("46", 46 << 2), ("0", 0)):
                with self.subTest(df=df, inner=inner, dscp=dscp):
                    line = f"add esp spi 0x1234 {words} df {df} dscp {dscp} " + self.NULL
                    self.load(line)
                    packet = IP(src=INNER4[0], dst=INNER4[1], id=7, tos=0x29, flags=inner) / UDP() / Raw(b"header")
                    wire = self.protected(packet)
                    self.assertEqual((int(wire.flags), wire.tos), (outer, tos | 1))
                    self.assertEqual(raw(self.null_esp(V4, True).decrypt(wire)), raw(packet))
                    # The network marks it differently.
                    self.load(line)
                    theirs = self.null_esp(V4, True)
                    theirs.tunnel_header.tos = 0x48
                    answer = self.engine.ask("unprotect " + raw(theirs.encrypt(packet)).hex())
                    opened = IP(bytes.fromhex(answer[5:]))
                    self.assertEqual(opened.tos, 0x49 if dscp == "copy" else 0x29)
                    packet.tos = opened.tos
                    self.assertEqual(raw(opened), raw(packet))

    def around(self, ah, packet):
        """scapy would put the ICV of AH into an ESP layer that it sees."""
        layers = ((IP, "proto"), (IPv6, "nh"), (ipsec.AH, "nh"))
        for layer, field in layers:
            split_layers(layer, ipsec.ESP, **{field: socket.IPPROTO_ESP})
        try:
            return ah.encrypt((IPv6 if packet[0] >> 4 == 6 else IP)(packet))
        finally:
            for layer, field in layers:
                bind_layers(layer, ipsec.ESP, **{field: socket.IPPROTO_ESP})

    def test_ah_around_esp(self):
        """Each of the two by scapy, one after the other."""
        for outer, inner in ((V4, None), (V6, None), (V4, INNER4), (V4, INNER6), (V6, INNER4), (V6, INNER6)):
            with self.subTest(outer=outer, inner=inner):
                ends = f"src {outer[0]} dst {outer[1]} bundle 7 "
                networks = f"isrc {inner[0]} idst {inner[1]} " if inner else ""
                lines = (f"add ah spi 0x4321 {ends} authalg hmac-sha512 authkey {key_of(64, 17).hex()}",
                         f"add esp spi 0x1234 {ends} {networks}" + self.NULL)
                self.load(*lines)
                esp = self.null_esp(outer, inner is not None)
                ah = ipsec.SecurityAssociation(ipsec.AH, spi=0x4321, auth_algo="SHA2-512-256", auth_key=key_of(64, 17))
                src, dst = inner or outer
                for packet in packets(":" in src, src, dst):
                    wire = self.protected(packet)
                    inside = ah.decrypt(wire)
                    inside = inside.__class__(raw(inside))
                    self.assertEqual(raw(esp.decrypt(inside)), raw(packet))
                self.load(*lines)
                for packet in packets(":" in src, src, dst):
                    once = esp.encrypt(packet.__class__(raw(packet)))
                    wire = self.around(ah, raw(once))
                    self.assertEqual(self.engine.ask("unprotect " + raw(wire).hex()), "none " + raw(packet).hex())

    def test_long_packets_are_cut_and_joined(self):
        for network in (IP(src="10.1.0.1", dst="10.2.0.1", id=0xfffd, tos=2), IPv6(src="fd01::1", dst="fd02::1", fl=9),
                        IP(src="10.1.0.1", dst="10.2.0.1", flags="DF", id=7)):
            for size in (1347, 1000, 536, 99):
                with self.subTest(network=network, size=size):
                    whole, at, segments = self.stream(network, size, "FPAEC")
                    self.assertEqual(self.engine.ask(f"cut {size} {at} 16 {whole.hex()}").split(),
                                     [segment.hex() for segment in segments])
                    whole, at, segments = self.stream(network, size, "PA")
                    words = " ".join(segment.hex() for segment in segments)
                    self.assertEqual(self.engine.ask(f"join {words}").split(), [str(size), whole.hex()])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
