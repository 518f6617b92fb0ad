"""Addresses, algorithms, SAs and packets of the conformance cases, as data. Keys, SPIs and addresses are the project's own."""
import dataclasses

ESP, AH, ICMP, ICMP6, UDP_NUMBER, TCP_NUMBER, NONE, FRAGMENT, OPTIONS = 50, 51, 1, 58, 17, 6, 59, 44, 60  # Protocols.
IN6, IN4 = "2001:db8:c0:{}", ("192.0.2.{}", "192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "203.0.113.{}")

# Name: link, last part over IPv6, last octet over IPv4. A bench has its own HOST1 and HOST2.
COMMON = {"L0": (0, "0::/64", "0/25"), "L1": (1, "1::/64", "128/25"), "L2": (2, "2::/64", "0/24"), "L3": (3, "3::/64", "0/25"),
          "L4": (4, "4::/64", "128/25")}
ADDRESSES = {
    "E": COMMON | {"NUT": (0, "0::a", 10), "ALSO": (0, "0::b", 11), "ROUTER": (0, "0::f", 15), "HOST1": (1, "1::1", 129),
                   "HOST2": (1, "1::2", 130), "HOST3": (1, "1::3", 131), "SGW1": (1, "1::e", 142), "FAR1": (2, "2::1", 1),
                   "FAR2": (2, "2::2", 2), "SGW1FAR": (2, "2::e", 14)},
    "G": COMMON | {"HOST1": (0, "0::1", 1), "INNER": (0, "0::77", 77), "IN": (0, "0::f", 15), "NUT": (1, "1::f", 143), "ROUTER": (1, "1::e", 142),
                   "PEER": (2, "2::1", 1), "SGW1": (2, "2::d", 13), "SGW2": (2, "2::c", 12), "HOST2": (3, "3::1", 1),
                   "HOST3": (3, "3::2", 2), "STRANGER": (3, "3::99", 99), "HOST4": (4, "4::3", 131)},
}
OWN = {"E": ("NUT", "ALSO"), "G": ("NUT", "IN")}

# Cipher, octets of its key, integrity, and the words of rules.
SUITES = {
    "3des sha1": ("3des-cbc", 24, "hmac-sha1", "encr_algs 3des encr_auth_algs sha1"),
    "3des xcbc": ("3des-cbc", 24, "aes-xcbc", "encr_algs 3des encr_auth_algs aes-xcbc"),
    "3des none": ("3des-cbc", 24, None, "encr_algs 3des"),
    "3des sha256": ("3des-cbc", 24, "hmac-sha256", "encr_algs 3des encr_auth_algs sha256"),
    "aes sha1": ("aes-cbc", 16, "hmac-sha1", "encr_algs aes encr_auth_algs sha1"),
    "aes sha256": ("aes-cbc", 32, "hmac-sha256", "encr_algs aes encr_auth_algs sha256"),
    "aes sha384": ("aes-cbc", 16, "hmac-sha384", "encr_algs aes encr_auth_algs sha384"),
    "aes sha512": ("aes-cbc", 16, "hmac-sha512", "encr_algs aes encr_auth_algs sha512"),
    "aes cmac": ("aes-cbc", 16, "aes-cmac", "encr_algs aes encr_auth_algs aes-cmac"),
    "ctr sha1": ("aes-ctr", 16, "hmac-sha1", "encr_algs aes-ctr encr_auth_algs sha1"),
    "null sha1": ("null", 0, "hmac-sha1", "encr_auth_algs sha1"),
    "camellia sha1": ("camellia-cbc", 16, "hmac-sha1", "encr_algs camellia-cbc encr_auth_algs sha1"),
    "gcm8": ("aes-gcm8", 16, None, "encr_algs aes-gcm8"),
    "gcm12": ("aes-gcm12", 16, None, "encr_algs aes-gcm12"),
    "gcm16": ("aes-gcm16", 16, None, "encr_algs aes-gcm16"),
    "gcm16 256": ("aes-gcm16", 32, None, "encr_algs aes-gcm16"),
    "ccm8": ("aes-ccm8", 16, None, "encr_algs aes-ccm8"),
    "ccm12": ("aes-ccm12", 16, None, "encr_algs aes-ccm12"),
    "ccm16": ("aes-ccm16", 16, None, "encr_algs aes-ccm16"),
    "chacha20": ("chacha20-poly1305", 32, None, "encr_algs chacha20-poly1305"),
    "gmac": ("null-aes-gmac", 16, None, "encr_algs null-aes-gmac"),
    "ah sha1": (None, 0, "hmac-sha1", "auth_algs sha1"),
    "ah md5": (None, 0, "hmac-md5", "auth_algs md5"),
    "ah sha256": (None, 0, "hmac-sha256", "auth_algs sha256"),
    "ah sha512": (None, 0, "hmac-sha512", "auth_algs sha512"),
    "ah xcbc": (None, 0, "aes-xcbc", "auth_algs aes-xcbc"),
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two SAs, one for each direction, between this node and a peer. `inner`: the networks of a tunnel, this node's first. `into`
    and `out` are more words for the inbound and the outbound SA, `both` for both."""
    name: str
    peer: str
    inner: tuple = ()
    suite: str = "3des sha1"
    local: str = "NUT"
    into: str = ""
    out: str = ""
    both: str = ""
    spis: tuple = ()
    group: int = 0  # Its reqid, by which rules name SAs; 0: the number in the name.

    @property
    def number(self):
        return int(self.name[2:])

    @property
    def protocol(self):
        return AH if self.suite.startswith("ah ") else ESP


@dataclasses.dataclass(frozen=True)
class P:
    """A packet without IPsec. `what`: request, reply, udp, too big, unreachable, dummy, or a protocol's number."""
    src: str
    dst: str
    what: str = "request"
    size: object = 8  # Octets of data, or those over IPv6 and over IPv4.
    ports: tuple = (10000, 7)
    mtu: int = 0
    about: object = None  # For errors: the packet that they quote; default: the last one that was taken.
    fields: tuple = ()  # More fields of scapy's IP header.
    before: bytes = b""  # Extension headers of IPv6 or options of IPv4, ready made.
    first: int = 0  # The protocol of `before`.
    data: object = None  # Octets, instead of `size` that count up.

    def turned(self):
        return dataclasses.replace(self, src=self.dst, dst=self.src, what="reply", fields=(), before=b"", first=0)
