"""A line of results, as the benchmarks print it with --json: what was measured, and what it should be."""
import dataclasses
import json
import typing


@dataclasses.dataclass(frozen=True)
class Line:
    """`row`: the benchmark's row; `what`: in words; `goal`: ">= 0.75" or "<= 1.35" or None; `peer`: what `value` is a ratio to, or None."""
    row: str
    what: str
    value: float
    unit: str
    goal: typing.Optional[str] = None
    peer: typing.Optional[str] = None

    def reached(self):
        """Whether the goal is; None: there is none."""
        if self.goal is None:
            return None
        sense, limit = self.goal.split()
        return self.value >= float(limit) if sense == ">=" else self.value <= float(limit)

    def json(self):
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


def read(text):
    """What a text says about the machine and the run, and its lines."""
    about, lines = {}, []
    for line in text.splitlines():
        found = json.loads(line)
        if "row" in found:
            lines.append(Line(**found))
        else:
            about |= found
    return about, lines
