"""SAs of the conformance cases as the tester has them: what it protects, and what it finds in what is protected."""
import hashlib
import struct

from algorithms import AUTHS, CIPHERS, COMBINED, aead, ipsec, odd_parity  # First: it silences warnings of scapy.
from cryptography.exceptions import InvalidTag
from plan import SUITES
from scapy.packet import raw


class Side:
    """One SA as the tester has it."""

    def __init__(self, pair, spi):
        self.pair, self.spi, self.sent, self.seen = pair, spi, 0, 0
        cipher, octets, auth, _ = SUITES[pair.suite]
        salt = CIPHERS[cipher][2] if cipher else 0
        self.key = self.octets(b"E", octets + salt)
        self.auth_key = self.octets(b"A", AUTHS[auth][1]) if auth else b""
        self.crypt = ipsec.CRYPT_ALGOS[CIPHERS[cipher][0]] if cipher else None
        self.auth = ipsec.AUTH_ALGOS[AUTHS[auth][0]] if auth else None
        self.crypt_key, self.crypt_salt = self.key[:octets], self.key[octets:]
        combined = cipher and any(c in cipher for c in COMBINED)
        self.icv = self.auth.icv_size if auth else self.crypt.icv_size if combined else 0
        self.words = (f"encralg {cipher} " + (f"encrkey {self.key.hex()} " if self.key else "") if cipher else "") + \
            (f"authalg {auth} authkey {self.auth_key.hex()} " if auth else "")

    def octets(self, kind, count):
        """Made from the SPI, so that another SA has another key. DES wants odd parity, which the others do not mind."""
        stream = hashlib.shake_256(b"conformance\0" + kind + struct.pack("!L", self.spi)).digest(count)
        return odd_parity(stream)

    def mac(self, data, high):
        made = self.auth.new_mac(self.auth_key)
        made.update(data + (struct.pack("!L", high) if high is not None else b""))
        return made.finalize()[:self.icv]

    def seal(self, content, following, number, pad=None, tfc=b"", padding=None, high=None, icv=None, pad_length=None, wrong_key=False):
        """An ESP packet from its header on. `pad`: the length of the padding; `tfc`: what follows the content; `high`: the upper
        half of an extended number."""
        content += tfc
        block = max(4, self.crypt.block_size)
        length = -(len(content) + 2) % block if pad is None else pad
        filling = bytes(range(1, length + 1)) if padding is None else padding
        plain = ipsec._ESPPlain(spi=self.spi, seq=number, data=content, padding=filling, nh=following,
                                padlen=len(filling) if pad_length is None else pad_length, iv=self.crypt.generate_iv())
        key = self.crypt_key
        if wrong_key:  # With a fixed IV, so that what the receiver finds is the same each time.
            plain.iv, key = bytes(len(plain.iv)), key[8:] + key[:8]
        sealed = raw(self.crypt.encrypt(self, plain, key, esn_en=high is not None, esn=high or 0))
        if self.auth:
            sealed += self.mac(sealed, high)
        return sealed if icv is None else sealed[:len(sealed) - self.icv] + icv[:self.icv]

    def open(self, sealed, high=None):
        """Number, content, length of the padding and next header, or the name of a fault."""
        data, number = sealed[8:], struct.unpack_from("!L", sealed, 4)[0]
        if self.auth:
            if self.mac(sealed[:-self.icv], high) != sealed[-self.icv:]:
                return "wrong ICV"
            data = data[:-self.icv]
        try:
            plain = self.clear(data, struct.pack("!LL", self.spi, number) if high is None else
                               struct.pack("!LLL", self.spi, high, number))
        except (InvalidTag, ipsec.IPSecIntegrityError):
            return "wrong ICV"
        if len(plain) < 2 or len(plain) % 4 or len(plain) < plain[-2] + 2:
            return "trailer not aligned"
        length, following = plain[-2:]
        end = len(plain) - 2 - length
        if plain[end:-2] != bytes(range(1, length + 1)):
            return "wrong padding"
        return number, plain[:end], length, following

    def clear(self, data, head):
        """The plaintext with its trailer."""
        crypt, iv, data = self.crypt, data[:self.crypt.iv_size], data[self.crypt.iv_size:]
        if crypt.cipher is None:
            return data
        if crypt.name == "GMAC":
            if crypt.icv(self, ipsec.ESP(head), iv, data[:-16], self.crypt_key, len(head) == 12, int.from_bytes(head[4:8], "big")) != \
                    data[-16:]:
                raise InvalidTag
            return data[:-16]
        mode = crypt._format_mode_iv(algo=crypt, sa=self, iv=iv)
        if crypt.ciphers_aead_api:
            cipher = crypt.cipher(self.crypt_key, *([crypt.icv_size] if crypt.cipher is aead.AESCCM else []))
            return cipher.decrypt(mode, data, head)
        size = crypt.icv_size if crypt.is_aead else 0
        tag, data = data[len(data) - size:], data[:len(data) - size]
        decryptor = crypt.new_cipher(self.crypt_key, mode, tag if crypt.is_aead else None).decryptor()
        if crypt.is_aead:
            decryptor.authenticate_additional_data(head)
        return decryptor.update(data) + decryptor.finalize()
