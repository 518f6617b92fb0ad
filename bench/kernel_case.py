"""COUNT SAs into the kernel of this guest, by three programs one after another: messages prepared beforehand (bare_xfrm),
`ipseckey -f`, `ip -batch`. Prints the rows of doc/explanation/benchmarks.md."""
import os
import subprocess
import sys
import time

from guest import IPSECKEY, run

COUNT = int(os.environ.get("COUNT", "100000"))
BATCH = 50000  # Lines per call: with many more, `ip -batch` was killed here.
HERE = os.path.dirname(os.path.abspath(__file__))


def sas(kind):
    """In the form of make_keys: SPI, destination, algorithms for ipseckey and for ip."""
    for n in range(COUNT):
        dst = f"10.{1 + (n >> 16 & 0xff) % 254}.{n >> 8 & 0xff}.{n & 0xff}"
        key = n + 1  # A key of zeros is not allowed.
        auth, aes = f"{key:08x}" * 8, f"{key * 2654435761 % 2**32:08x}" * (4 if n % 2 == 0 else 8)
        if kind == "gcm":
            yield 0x1000 + n, dst, f"encr_alg aes-gcm encrkey {auth[:40]}", f"aead rfc4106(gcm(aes)) 0x{auth[:40]} 128"
        else:
            yield (0x1000 + n, dst, f"encralg aes-cbc encrkey {aes} authalg sha256 authkey {auth}",
                   f"enc cbc(aes) 0x{aes} auth-trunc hmac(sha256) 0x{auth} 128")


def timed(*command):
    run("ip", "xfrm", "state", "flush")
    start = time.monotonic()
    said = run(*command)
    seconds = time.monotonic() - start
    got = run("ip", "xfrm", "state", "count").split()[2]
    if got != str(COUNT):
        print(command, "left", got, "SAs")
        sys.exit(1)
    return seconds, said


def files(kind):
    """/tmp/keys for ipseckey, /tmp/directed with a direction in each line, /tmp/part-* for ip."""
    handles = [os.fdopen(os.open(f"/tmp/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w")
               for name in ("keys", "directed")]
    for first in range(0, COUNT, BATCH):
        handles.append(open(f"/tmp/part-{first // BATCH}", "w", encoding="ascii"))
    for n, (spi, dst, ours, theirs) in enumerate(sas(kind)):
        line = f"add esp spi 0x{spi:08x} src 10.0.0.1 dst {dst} {ours} hard_addtime 28800"
        print(line, file=handles[0])
        print(line, "outbound", file=handles[1])
        print(f"xfrm state add src 10.0.0.1 dst {dst} proto esp spi 0x{spi:08x} mode transport {theirs}"
              " limit time-hard 28800", file=handles[2 + n // BATCH])
    for handle in handles:
        handle.close()


def measure(kind, what):
    files(kind)
    rows = [("ready-made messages", min(float(timed(f"{HERE}/bare_xfrm", str(COUNT), kind)[1]) for _ in range(2)))]
    for name, path in (("`ipseckey -f`", "/tmp/keys"), ("the same, each line with `outbound`", "/tmp/directed")):
        rows.append((name, min(timed(IPSECKEY, "--sadb=kernel", "-f", path)[0] for _ in range(2))))
    parts = " ".join(f"/tmp/part-{n // BATCH}" for n in range(0, COUNT, BATCH))
    rows.append(("`ip -batch`", timed("sh", "-c", f"for f in {parts}; do ip -batch $f || exit 1; done")[0]))
    for name, seconds in rows:
        print(f"| {what}: {name} | {seconds:.2f} | {COUNT / seconds:.0f} | {rows[0][1] / seconds:.2f} | "
              f"{rows[-1][1] / seconds:.1f} |", flush=True)


print(f"{COUNT} SAs, Linux {os.uname().release}\n")
print("| what | s | SAs a second | of the rate of ready-made messages | times `ip -batch` |\n|---|---|---|---|---|")
for row in (("cbc", "AES-CBC + HMAC-SHA-256"), ("gcm", "AES-GCM, a warning for each line")):
    measure(*row)
