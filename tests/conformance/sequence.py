"""Sequence numbers, lifetimes, padding, and packets that are not what they should be."""
from plan import P, Pair, SUITES
from steps import Case, Give, Quiet, Take, Until, exchange

ONE, TWO = P("HOST1", "NUT"), P("HOST2", "NUT")
SA1 = Pair("SA1", "HOST1")
ALIVE = exchange(ONE, "SA1")
WRAP = 2**32


def windowed(size):
    return (Pair("SA1", "HOST1", suite="aes sha256", into=f"replay {size}"),)


def numbered(number, **shape):
    return Give(ONE, "SA1", shape={"number": number, **shape}), Take(ONE.turned(), "SA1")


def refused(number, cause, **shape):
    return (Quiet(ONE, "SA1", shape={"number": number, **shape}, cause=cause),)


def over_the_wrap(suite):
    """In and out, from two before the lower half of the number wraps."""
    steps = []
    for n in range(WRAP - 2, WRAP + 2):
        steps += [Give(ONE, "SA1", shape={"number": n, "high": n >> 32}),
                  Take(ONE.turned(), "SA1", number=n % WRAP, high=n >> 32)]
    steps.append(Quiet(ONE, "SA1", shape={"number": WRAP - 1, "high": 0}, cause="replayed"))
    return (Pair("SA1", "HOST1", suite=suite, both=f"replay 64 esn replay_value {WRAP - 3}"),), tuple(steps) + (
        Give(ONE, "SA1", shape={"number": WRAP + 2, "high": 1}), Take(ONE.turned(), "SA1", number=2, high=1))


OTHERS = ("aes sha256", "aes sha384", "aes sha512", "aes cmac", "gcm8", "gcm12", "gcm16", "gcm16 256", "ccm8", "ccm12", "ccm16", "chacha20",
          "gmac")
TAGS = {"aes sha256": "RFC8221-5-3 RFC8221-6-1", "aes sha512": "RFC8221-6-2", "gcm16": "RFC8221-5-3",
        "gcm16 256": "RFC8221-5-3", "ccm8": "RFC8221-5-4", "chacha20": "RFC8221-5-4"}
assert all(suite in SUITES for suite in OTHERS)

CASES = [
    *(Case(f"X-30 {suite}", f"cipher and integrity: {suite}", "E1", (Pair("SA1", "HOST1", suite=suite),), (*ALIVE, *ALIVE), TAGS.get(suite, ""))
      for suite in OTHERS),
    Case("X-31", "wrong encryption key, right authentication", "E1", (SA1,),
         (*ALIVE, Quiet(ONE, "SA1", shape={"wrong_key": True}, cause="padding"), *ALIVE), "RFC4303-2.4-3"),
    Case("X-33", "padding that is all zero", "E1", (SA1,), (*ALIVE, Quiet(ONE, "SA1", shape={"padding": bytes(6)}, cause="padding"), *ALIVE),
         "RFC4303-2.4-3"),
    Case("X-34a", "a padding length beyond the packet", "E1", (SA1,),
         (*ALIVE, Quiet(ONE, "SA1", shape={"pad_length": 200}, cause="padding"), *ALIVE), "RFC4303-2.4-3"),
    *(Case(f"X-34 {n}", f"ESP cut to {n} octets", "E1", (SA1,),
           (*ALIVE, Quiet(ONE, "SA1", shape={"cut_at": n}, cause="short or corrupt"), *ALIVE), "") for n in (9, 15, 20, 27, 29)),
    Case("X-35a", "a number twice", "E1", windowed(64), (*numbered(1), *numbered(2), *refused(2, "replayed"), *refused(1, "replayed"), *numbered(3)),
         "RFC4303-3.4.3-1 RFC4303-3.4.3-4"),
    Case("X-35b", "a number below a window of 32", "E1", windowed(32), (*numbered(1), *numbered(34), *refused(1, "late"), *numbered(3)),
         "RFC4303-3.4.3-5 RFC4303-3.4.3-1"),
    Case("X-35c", "a jump to the end, then the beginning", "E1", windowed(64),
         (*numbered(1), *numbered(WRAP - 2), *refused(2, "late"), *numbered(WRAP - 3)), "RFC4303-3.4.3-1"),
    Case("X-38a", "number 0 with a window", "E1", windowed(64), (*refused(0, "late or replayed"), *numbered(1)),
         "RFC4303-3.4.3-4"),
    Case("X-38b", "a forged number does not move the window", "E1", windowed(64),
         (*numbered(1), *refused(5000, "corrupt", icv=bytes(16)), *numbered(2)), "RFC4303-3.4.3-6"),
    Case("X-38c", "AH: a number twice, below the window, and forged", "E1", (Pair("SA1", "HOST1", suite="ah sha1", into="replay 64"),),
         (*numbered(1), *refused(5000, "corrupt", icv=bytes(12)), *numbered(2), *refused(2, "replayed"), *numbered(100), *refused(3, "late")),
         "RFC4302-3.4.3-1 RFC4302-3.4.3-2 RFC4302-3.4.3-4"),
    Case("X-39", "the counter at its end", "E1", (Pair("SA1", "HOST1", suite="aes sha256", out=f"replay_value {WRAP - 3}"),),
         (Give(ONE, "SA1"), Take(ONE.turned(), "SA1", number=WRAP - 2), Give(ONE, "SA1"), Take(ONE.turned(), "SA1", number=WRAP - 1),
          Quiet(ONE, "SA1", cause="exhausted"), *exchange(TWO)), "RFC4303-3.3.3-2 RFC4303-2.2-2"),
    Case("X-40 cbc", "extended numbers over the wrap, separate integrity", "E1", *over_the_wrap("aes sha256"),
         "RFC4303-2.2.1-1 RFC4303-A2-1 RFC4303-3.3.2.1-1"),
    Case("X-40 gcm", "extended numbers over the wrap, combined mode", "E1", *over_the_wrap("gcm16"), "RFC4303-2.2.1-1 RFC4303-A2-1"),
    Case("X-40 ah", "extended numbers over the wrap, AH", "E1", *over_the_wrap("ah sha1"), "RFC4302-2.5.1-1 RFC4302-3.3.3.2.2-1"),
    Case("X-41", "hard lifetime in seconds, in", "E1", (Pair("SA1", "HOST1", into="hard_addtime 1"),),
         (Until(ONE, "SA1", cause="expired or unknown spi"), Quiet(ONE, "SA1", cause="expired or unknown spi"), *exchange(TWO)),
         "RFC4301-4.4.2.1-4 RFC4301-4.4.2.1-8", alone=True),
    Case("X-42a", "hard lifetime in bytes, in", "E1", (Pair("SA1", "HOST1", into="hard_bytes 300"),),
         (Until(ONE, "SA1", cause="expired or unknown spi"), Quiet(ONE, "SA1", cause="expired or unknown spi"), *exchange(TWO)),
         "RFC4301-4.4.2.1-4", alone=True),
    Case("X-42b", "hard lifetime in bytes, out", "E1", (Pair("SA1", "HOST1", out="hard_bytes 300"),),
         (Until(ONE, "SA1", cause="exhausted or no sa out or expired out"), Quiet(ONE, "SA1", cause="exhausted or no sa out or expired out"),
          *exchange(TWO)), "RFC4301-4.4.2.1-4 RFC4301-4.4.2.1-6 RFC4301-4.4.2.1-8", alone=True),
    Case("X-43", "ESP before the fragment header, in and out", "E1", (SA1,),
         (*ALIVE, Give(P("HOST1", "NUT", size=1600), "SA1", cut=(1232,)), Take(P("NUT", "HOST1", "reply", size=1600), "SA1", pieces=2), *ALIVE),
         "RFC4303-3.3.4-1 RFC4301-4.1-9 RFC4301-5.2-1"),
    Case("X-45a", "ESP: two peers, one SPI value out", "E1", (Pair("SA1", "HOST1", spis=(0x11001, 0x55002)),
                                                              Pair("SA2", "HOST2", spis=(0x22001, 0x55002))),
         (*ALIVE, *exchange(TWO, "SA2"), *ALIVE), ""),
]
