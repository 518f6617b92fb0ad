"""The steps of a case. They are data: what the tester sends, and what must come then."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Give:
    """The tester sends a packet; `under` a pair's inbound SA, or in clear. `cut`: in fragments, with these lengths of content, after
    protection; `inner_cut`: before. `edit`: octets of the finished packet that are changed on the way, as (offset, value); `shape`: how
    protection differs from the usual."""
    packet: object
    under: str = ""
    cut: tuple = ()
    inner_cut: tuple = ()
    edit: tuple = ()
    shape: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Quiet(Give):
    """The same, and nothing follows. `cause`: how the database counts it (drivers.py has the names of each)."""
    cause: str = ""


@dataclasses.dataclass(frozen=True)
class Until(Quiet):
    """Packets that are answered, until one counts as `cause`."""


@dataclasses.dataclass(frozen=True)
class Take:
    """This is the next packet that comes; `under` a pair's outbound SA, or in clear. `number`: its sequence number, instead of the next.
    `pieces`: the number of outer fragments, or None: any; `inner`: the same for fragments inside. `pad`:
    the length of padding modulo 8. `check`: further demands on the outer header, as (attribute, value)."""
    packet: object
    under: str = ""
    number: object = None
    pieces: object = 1
    inner: object = 1
    pad: object = None
    check: tuple = ()
    high: object = None


@dataclasses.dataclass(frozen=True)
class Ping:
    """The node itself sends this request."""
    packet: object


@dataclasses.dataclass(frozen=True)
class Answered:
    """The node's program has got this reply."""
    packet: object


@dataclasses.dataclass(frozen=True)
class Rule:
    """`pattern` in the policy language, with names for addresses. `action`: the name of a pair, "bypass" or "discard"."""
    pattern: str
    action: str


@dataclasses.dataclass(frozen=True)
class Case:
    id: str
    title: str
    bench: str  # E1, E2, G1 or G2, as in doc/reference/conformance.md.
    pairs: tuple
    steps: tuple
    covers: str = ""  # Tags of requirements.
    rules: object = None  # None: what the pairs say.
    versions: tuple = (6, 4)
    alone: bool = False  # Each IP version by itself.
    routes: tuple = ()  # Further destinations that a device must protect.


def exchange(packet, pair="", **how):
    """A request under the pair's inbound SA, and its reply under the outbound one."""
    return Give(packet, pair, **how), Take(packet.turned(), pair)


def forwarded(packet, pair, back=True):
    """Through a gateway: a request arrives protected and leaves in clear, and the reply the other way."""
    steps = (Give(packet, pair), Take(packet))
    return steps + ((Give(packet.turned()), Take(packet.turned(), pair)) if back else ())
