"""Shared by the cases: programs, key files, and `ip xfrm state` parsed. Keys are for tests: bytes that count up."""
import os
import re
import subprocess
import sys

IPSECKEY = os.environ["IPSECKEY"]

# name, key bits without salt, salt bits, kernel name, ICV bits (combined ciphers)
CIPHERS = (
    ("des-cbc", 64, 0, "cbc(des)", 0),
    ("3des-cbc", 192, 0, "cbc(des3_ede)", 0),
    ("blowfish-cbc", 128, 0, "cbc(blowfish)", 0),
    ("aes-cbc", 128, 0, "cbc(aes)", 0),
    ("aes-cbc", 256, 0, "cbc(aes)", 0),
    ("aes-ctr", 128, 32, "rfc3686(ctr(aes))", 0),
    ("camellia-cbc", 192, 0, "cbc(camellia)", 0),
    ("null", 0, 0, "ecb(cipher_null)", 0),
    ("aes-ccm8", 128, 24, "rfc4309(ccm(aes))", 64),
    ("aes-ccm12", 192, 24, "rfc4309(ccm(aes))", 96),
    ("aes-ccm", 256, 24, "rfc4309(ccm(aes))", 128),
    ("aes-gcm8", 128, 32, "rfc4106(gcm(aes))", 64),
    ("aes-gcm12", 192, 32, "rfc4106(gcm(aes))", 96),
    ("aes-gcm", 256, 32, "rfc4106(gcm(aes))", 128),
    ("null-aes-gmac", 128, 32, "rfc4543(gcm(aes))", 128),
    ("chacha20-poly1305", 256, 32, "rfc7539esp(chacha20,poly1305)", 128),
)
# name, key bits, kernel name, bits of the ICV by its RFC
MACS = (
    ("hmac-md5", 128, "hmac(md5)", 96),
    ("hmac-sha1", 160, "hmac(sha1)", 96),
    ("hmac-sha256", 256, "hmac(sha256)", 128),
    ("hmac-sha384", 384, "hmac(sha384)", 192),
    ("hmac-sha512", 512, "hmac(sha512)", 256),
    ("aes-xcbc", 128, "xcbc(aes)", 96),
    ("aes-cmac", 128, "cmac(aes)", 96),
)

failures = 0


def forward():
    """Acts as a router, for which any SA between other hosts is acceptable."""
    for family in ("ipv4", "ipv6"):
        with open(f"/proc/sys/net/{family}/conf/all/forwarding", "w", encoding="ascii") as setting:
            setting.write("1")


def key(bits, first=1):
    return "".join(f"{(first + 7 * i) % 256:02x}" for i in range(bits // 8))


def run(*command, stdin=None, fails=False):
    done = subprocess.run(command, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if (done.returncode != 0) != fails:
        print("command", " ".join(command), "gave", done.returncode)
        print(done.stdout + done.stderr)
        sys.exit(1)
    return done.stdout if not fails else done.stdout + done.stderr


def ipseckey(*arguments, stdin=None, fails=False, netns=None):
    inside = ("ip", "netns", "exec", netns) if netns else ()
    return run(*inside, IPSECKEY, "--sadb=kernel", *arguments, stdin=stdin, fails=fails)


def load(text, netns=None):
    """Loads commands through a file of mode 0600, like a person."""
    path = f"/tmp/keys-{netns or 'here'}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return ipseckey("-f", path, netns=netns)


def states(netns=None):
    """`ip xfrm state` as blocks of lines, without what changes by itself."""
    inside = ("-n", netns) if netns else ()
    text = run("ip", *inside, "xfrm", "state")
    return ["\n".join(line.strip() for line in block.splitlines())
            for block in re.split(r"\n(?=src )", text.strip()) if block]


def expect(name, got, wanted):
    global failures
    if got == wanted:
        return
    failures += 1
    print(f"FAILED {name}\n--- wanted\n{wanted}\n--- got\n{got}")


def contains(name, text, *parts):
    for part in parts:
        if part not in text:
            expect(name, text, f"... {part} ...")


def finish(what):
    print(f"{'FAILED' if failures else 'ok'}: {what}")
    sys.exit(1 if failures else 0)
