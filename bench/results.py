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


def title(row, text):
    """The line that a benchmark prints before those of a row."""
    return json.dumps({"of": row, "title": text}, ensure_ascii=False)


def read(text):
    """The titles of the rows in a benchmark's output, and its lines."""
    found = [json.loads(line) for line in text.splitlines()]
    return {one["of"]: one["title"] for one in found if "of" in one}, [Line(**one) for one in found if "row" in one]
