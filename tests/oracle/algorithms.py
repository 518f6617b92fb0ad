"""scapy's algorithms of AH and ESP by our names, and those that scapy lacks: AES-XCBC, Camellia, NULL-AES-GMAC and short ICVs of GCM
and CCM are added here, on top of Python's cryptography; AES-XCBC from its own definition."""
import copy
import logging
import struct
import warnings

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes  # noqa: E402
from scapy.layers import ipsec  # noqa: E402


class Xcbc:
    """AES-XCBC-MAC, RFC 3566 section 4."""

    def __init__(self, key):
        block = lambda k: Cipher(algorithms.AES(k), modes.ECB()).encryptor().update  # noqa: E731
        self.keys = [block(key)(bytes([n]) * 16) for n in (1, 2, 3)]
        self.encrypt = block(self.keys[0])
        self.data = b""

    def update(self, data):
        self.data += data

    def finalize(self):
        xor = lambda a, b: bytes(x ^ y for x, y in zip(a, b))  # noqa: E731
        blocks = [self.data[i:i + 16] for i in range(0, len(self.data), 16)] or [b""]
        whole = len(blocks[-1]) == 16
        last = blocks.pop()
        last = xor(last if whole else (last + b"\x80").ljust(16, b"\0"), self.keys[1 if whole else 2])
        state = bytes(16)
        for block in blocks + [last]:
            state = self.encrypt(xor(state, block))
        return state


class XcbcAlgo(ipsec.AuthAlgo):
    def new_mac(self, key):
        return Xcbc(key)


class Gmac(ipsec.CryptAlgo):
    """NULL-AES-GMAC, RFC 4543 section 3."""

    def icv(self, sa, esp, iv, data, key, esn_en, esn):
        head = struct.pack("!LLL", esp.spi, esn, esp.seq) if esn_en else struct.pack("!LL", esp.spi, esp.seq)
        return aead.AESGCM(key).encrypt(sa.crypt_salt + iv, b"", head + iv + data)

    def encrypt(self, sa, esp, key, icv_size=None, esn_en=False, esn=0):
        data = esp.data_for_encryption()
        icv = self.icv(sa, esp, esp.iv, data, key, esn_en, esn)
        return ipsec.ESP(spi=esp.spi, seq=esp.seq, data=esp.iv + data + icv)

    def decrypt(self, sa, esp, key, icv_size=None, esn_en=False, esn=0):
        iv, data, icv = esp.data[:8], esp.data[8:-16], esp.data[-16:]
        if self.icv(sa, esp, iv, data, key, esn_en, esn) != icv:
            raise ipsec.IPSecIntegrityError("GMAC")
        return ipsec._ESPPlain(spi=esp.spi, seq=esp.seq, iv=iv, data=data[:-2 - data[-2]], padlen=data[-2], nh=data[-1])


def short_gcm(size):
    return ipsec.CryptAlgo(f"GCM{size}", cipher=algorithms.AES, mode=modes.GCM, salt_size=4, block_size=1, iv_size=8,
                           icv_size=size, format_mode_iv=ipsec._salt_format_mode_iv)


def short_ccm(size):
    return ipsec.CryptAlgo(f"CCM{size}", cipher=aead.AESCCM, mode=None, key_size=(16, 24, 32), salt_size=3,
                           block_size=1, iv_size=8, icv_size=size, format_mode_iv=ipsec._salt_format_mode_iv)


# Our name: scapy's algorithm, the sizes of the key and of the salt in octets.
CIPHERS = {
    "des-cbc": ("DES", (8,), 0),
    "3des-cbc": ("3DES", (24,), 0),
    "blowfish-cbc": ("Blowfish", (5, 16, 56), 0),
    "null": ("NULL", (0,), 0),
    "aes-cbc": ("AES-CBC", (16, 24, 32), 0),
    "aes-ctr": ("AES-CTR", (16, 24, 32), 4),
    "aes-ccm8": ("CCM8", (16, 24, 32), 3),
    "aes-ccm12": ("CCM12", (16, 24, 32), 3),
    "aes-ccm16": ("AES-CCM", (16, 24, 32), 3),
    "aes-gcm8": ("GCM8", (16, 24, 32), 4),
    "aes-gcm12": ("GCM12", (16, 24, 32), 4),
    "aes-gcm16": ("AES-GCM", (16, 24, 32), 4),
    "camellia-cbc": ("Camellia", (16, 24, 32), 0),
    "null-aes-gmac": ("GMAC", (16, 24, 32), 4),
    "chacha20-poly1305": ("CHACHA20-POLY1305", (32,), 4),
}
COMBINED = ("ccm", "gcm", "gmac", "chacha")
AUTHS = {
    "hmac-md5": ("HMAC-MD5-96", 16),
    "hmac-sha1": ("HMAC-SHA1-96", 20),
    "hmac-sha256": ("SHA2-256-128", 32),
    "hmac-sha384": ("SHA2-384-192", 48),
    "hmac-sha512": ("SHA2-512-256", 64),
    "aes-xcbc": ("XCBC", 16),
    "aes-cmac": ("AES-CMAC-96", 16),
}
# With an ICV length other than the RFC's: our name and the bits.
for theirs, ours, octets, bits in (
        ("HMAC-MD5-96", "hmac-md5", 16, 128), ("HMAC-SHA1-96", "hmac-sha1", 20, 160), ("SHA2-256-128", "hmac-sha256", 32, 96),
        ("SHA2-256-128", "hmac-sha256", 32, 256), ("SHA2-384-192", "hmac-sha384", 48, 96), ("SHA2-384-192", "hmac-sha384", 48, 384),
        ("SHA2-512-256", "hmac-sha512", 64, 96), ("SHA2-512-256", "hmac-sha512", 64, 512), ("AES-CMAC-96", "aes-cmac", 16, 128)):
    cut = copy.copy(ipsec.AUTH_ALGOS[theirs])
    cut.name, cut.icv_size = f"{ours}/{bits}", bits // 8
    ipsec.AUTH_ALGOS[cut.name] = cut
    AUTHS[cut.name] = (cut.name, octets)
ipsec.CRYPT_ALGOS["Camellia"] = ipsec.CryptAlgo("Camellia", cipher=algorithms.Camellia, mode=modes.CBC)
ipsec.CRYPT_ALGOS["GMAC"] = Gmac("GMAC", cipher=algorithms.AES, mode=None, block_size=1, iv_size=8, icv_size=16,
                                 salt_size=4)
ipsec.CRYPT_ALGOS["GMAC"].is_aead = True
for octets in (8, 12):
    ipsec.CRYPT_ALGOS[f"GCM{octets}"] = short_gcm(octets)
    ipsec.CRYPT_ALGOS[f"CCM{octets}"] = short_ccm(octets)
ipsec.AUTH_ALGOS["XCBC"] = XcbcAlgo("XCBC", mac=Xcbc, digestmod=None, icv_size=12)


def odd_parity(octets):
    """These octets with the last bit of each as DES keys have it."""
    return bytes((o & 0xfe) | (1 - bin(o >> 1).count("1") % 2) for o in octets)


def key_of(size, first):
    """No octet of a DES key of this kind is weak; its parity is corrected."""
    return odd_parity((first + 7 * i) % 255 for i in range(size))
