"""Quick results beside the committed full ones: `python -m experiments --compare`.

Every figure of a quick cell is set against the figures of the full cells that differ from it in the seed alone. With k >= 2 seeds the
stated interval is the one in which a further seed lies with 99%, mean +- t(k - 1) s sqrt(1 + 1/k), no narrower than ROUNDING of the mean;
with one seed it is that value +- ALONE. Times are not compared: they belong to a machine.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console

from benchmarks.measure import student_quantile

from .cells import Experiment, Found, read

CONFIDENCE, ROUNDING, ALONE = 0.99, 1e-3, 0.02
APART = ("seed", "text", "time")
"""Parameters in which cells that are compared may differ: another version of Python has another text."""


@dataclass(frozen=True)
class Comparison:
    """One figure of one quick cell, the interval of the full ones, and of how many seeds it is."""

    cell: str
    figure: str
    value: float
    low: float
    high: float
    seeds: int

    @property
    def agrees(self) -> bool:
        return self.low <= self.value <= self.high


def interval(values: list[float]) -> tuple[float, float]:
    """Where a further value is expected."""
    middle = statistics.fmean(values)
    if len(values) == 1:
        half = ALONE * abs(middle)
    else:
        spread = statistics.stdev(values) * math.sqrt(1 + 1 / len(values))
        half = max(student_quantile(0.5 + CONFIDENCE / 2, len(values) - 1) * spread, ROUNDING * abs(middle))
    return middle - half, middle + half


def group(cell: Found) -> str:
    return repr(sorted((k, v) for k, v in cell["parameters"].items() if k not in APART))


def compare(experiment: Experiment, quick: Iterable[Found], full: Iterable[Found]) -> list[Comparison]:
    """All figures that both profiles have."""
    known: dict[str, dict[str, list[float]]] = {}
    for cell in full:
        for name, value in experiment.figures(cell["found"]).items():
            known.setdefault(group(cell), {}).setdefault(name, []).append(value)
    return [
        Comparison(cell["name"], name, value, *interval(values), len(values))
        for cell in quick
        for name, value in experiment.figures(cell["found"]).items()
        if (values := known.get(group(cell), {}).get(name))
    ]


def report(experiments: Iterable[Experiment], out: Console) -> int:
    """What agrees and what does not; 1 where something does not or nothing could be compared."""
    bad = compared = 0
    for experiment in experiments:
        quick, full = (read(experiment.name, profile) for profile in ("quick", "full"))
        if quick is None or full is None:
            out.print(f"{experiment.name}: no {'quick' if quick is None else 'full'} results: nothing to compare")
            continue
        found = compare(experiment, quick["cells"], full["cells"])
        compared += len(found)
        alone = sum(c.seeds == 1 for c in found)
        out.print(
            f"{experiment.name}: {sum(c.agrees for c in found)} of {len(found)} quick figures lie in the interval of the full ones "
            f"({CONFIDENCE:.0%} over seeds; {alone} with one seed: within {ALONE:.0%}); {len(full['not_run'])} full cells not run",
            highlight=False,
        )  # fmt: skip
        for c in (c for c in found if not c.agrees):
            bad += 1
            out.print(
                f"  {c.cell}: {c.figure} is {c.value:.5g}, but [{c.low:.5g}, {c.high:.5g}] is expected of {c.seeds} seeds",
                highlight=False,
            )
    return int(bad > 0 or compared == 0)
