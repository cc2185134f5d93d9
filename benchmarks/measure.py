"""How everything here is measured and written down.

Times are of the process's own CPU on a stated number of threads, so that a busy machine moves them little. What is compared is run in
turns within one process; a ratio is the median of the ratios of each round, with the smallest and the largest beside it.

A result file, benchmarks/results/NAME.json, is one object:

    schema     1
    name       of the benchmark
    machine    processor, cores, threads, python, torch, system
    settings   what was asked for: sizes, repeats, seed
    seconds    wall time of the whole benchmark
    tables     a list of {title, columns, rows, note}; rows are lists of numbers, texts or null, in the order of columns
    targets    a list of {what, value, low, high, must, reach, smaller, error, met, note}: ``value`` is met where it is at least ``must``,
               or at most where ``smaller`` is true; ``low`` and ``high`` enclose the rounds (or are a 95% interval where note says so)
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mpmath
import torch
from rich.console import Console
from rich.table import Table as RichTable

RESULTS = Path(__file__).parent / "results"
MOST_ROWS = 40


# -- times ---------------------------------------------------------------------------------------------------------------
def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU time of the process for one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def in_turns(jobs: Mapping[str, Callable[[], Any]], repeats: int, warm_up: bool = True) -> dict[str, list[float]]:
    """CPU seconds of every job, round by round; one round more comes first where ``warm_up`` is true, and is not counted."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(repeats + warm_up):
        for name, work in jobs.items():
            seconds = cpu_seconds(work)
            if round_ >= warm_up:
                times[name].append(seconds)
    return times


@dataclass(frozen=True)
class Interval:
    """A value between two others."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{short(self.value)} [{short(self.low)}, {short(self.high)}]"


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Interval:
    """Median, least and largest of slower/faster over the rounds."""
    each = [a / b for a, b in zip(slower, faster, strict=True)]
    return Interval(statistics.median(each), min(each), max(each))


def exponent(sizes: Sequence[int], seconds: Sequence[float], confidence: float = 0.95) -> Interval:
    """Slope of log seconds over log sizes by least squares, with Student's interval of n - 2 degrees of freedom.

    Raises ValueError for fewer than three sizes.
    """
    if len(sizes) < 3:
        raise ValueError(f"{len(sizes)} sizes give no interval; measure at 3 at least")
    x, y = [math.log(n) for n in sizes], [math.log(t) for t in seconds]
    slope, intercept = statistics.linear_regression(x, y)
    rest = sum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    freedom = len(sizes) - 2
    half = student_quantile(0.5 + confidence / 2, freedom) * math.sqrt(rest / freedom / spread)
    return Interval(slope, slope - half, slope + half)


def student_quantile(probability: float, freedom: int) -> float:
    """t with P(T <= t) = ``probability`` > 1/2, by the incomplete beta function."""

    def tail(t: float) -> float:
        return float(mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True)) / 2

    low, high = 0.0, 1.0
    while tail(high) > 1 - probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 1 - probability else (low, middle)
    return high


def crossover(sizes: Sequence[int], ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The n from which on ours is faster, interpolated in logarithms; the least size where it always is, None where it never is."""
    gaps = [math.log(b / a) for a, b in zip(ours, theirs, strict=True)]
    if gaps[-1] <= 0:
        return None
    last = max((k for k, gap in enumerate(gaps) if gap <= 0), default=None)
    if last is None:
        return float(sizes[0])
    share = -gaps[last] / (gaps[last + 1] - gaps[last])
    return math.exp(math.log(sizes[last]) + share * math.log(sizes[last + 1] / sizes[last]))


# -- results -------------------------------------------------------------------------------------------------------------
@dataclass
class Table:
    """Rows under columns."""

    title: str
    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A figure beside what it must reach; see the module's docstring."""

    what: str
    value: float
    must: float
    reach: float | None
    low: float | None = None
    high: float | None = None
    smaller: bool = False
    error: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.must if self.smaller else self.value >= self.must


@dataclass
class Result:
    """What a benchmark found."""

    name: str
    settings: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def write(self, folder: Path = RESULTS) -> Path:
        """The JSON file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        made = {
            "schema": 1, "name": self.name, "machine": machine(), "settings": self.settings,
            "seconds": round(time.monotonic() - self.begun, 1), "tables": [asdict(t) for t in self.tables],
            "targets": [{**asdict(t), "met": t.met} for t in self.targets],
        }  # fmt: skip
        path.write_text(json.dumps(made, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return path

    def show(self, out: Console) -> None:
        """Tables and targets in the terminal; tables of more than MOST_ROWS rows are in the file alone."""
        for table in (t for t in self.tables if len(t.rows) <= MOST_ROWS):
            _print(out, table.title, table.columns, table.rows, table.note)
        if self.targets:
            rows = [
                [t.what, _bounds(t), f"{'<=' if t.smaller else '>='} {short(t.must)}", short(t.reach), short(t.error),
                 "met" if t.met else "MISSED", t.note]
                for t in self.targets
            ]  # fmt: skip
            _print(out, f"{self.name}: targets", ["what", "found", "must", "reach for", "error", "", "note"], rows, "")


def console() -> Console:
    """The terminal, or plain lines of 150 columns into a file."""
    return Console() if sys.stdout.isatty() else Console(width=150)


def _bounds(target: Target) -> str:
    if target.low is None or target.high is None:
        return short(target.value)
    return str(Interval(target.value, target.low, target.high))


def _print(out: Console, title: str, columns: list[str], rows: list[list[Any]], note: str) -> None:
    table = RichTable(title=title, caption=note or None, title_justify="left", caption_justify="left")
    for k, name in enumerate(columns):
        text = any(isinstance(row[k], str) for row in rows)
        table.add_column(name, justify="left" if text else "right")
    for row in rows:
        table.add_row(*(short(x) for x in row))
    out.print(table)


def short(x: Any) -> str:
    """Three digits of a number; texts as they are."""
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, int) or x is None or isinstance(x, str):
        return "-" if x is None else str(x)
    return f"{x:.3g}" if abs(x) < 1e4 else f"{x:.0f}"


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [
            x.split(":", 1)[1].strip()
            for x in Path("/proc/cpuinfo").read_text().splitlines()
            if x.startswith("model name")
        ]
        processor = names[0] if names else processor
    return {
        "processor": processor, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "python": platform.python_version(),
        "torch": torch.__version__, "system": platform.system(),
    }  # fmt: skip
