"""Times of the verification: one gradient identity in every backend, as ratios to mpmath measured in the same run.

Each figure is the median of interleaved repeats on one thread (process time). Run it by `make bench`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from almostlinear.theorems import Identity, load
from almostlinear.verify.backends.ball import DEFAULT_BITS, Balls, precision
from almostlinear.verify.backends.finite_field import FiniteField
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.backends.midrad import MidRadBackend
from almostlinear.verify.backends.mp import Points
from almostlinear.verify.backends.torch64 import Torch64
from almostlinear.verify.contract import contracted
from almostlinear.verify.engines.bulk import batch
from almostlinear.verify.engines.expansion import difference_is_zero
from almostlinear.verify.extent import extent
from almostlinear.verify.instances import symbols_of
from almostlinear.verify.problems import Problem, describe, draw

REPEATS = 5
BATCH = 64


def seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def evaluated(claim: Identity, backend: Any) -> None:
    run = Interpreter(backend)
    run(claim.left), run(claim.right)


def balls(claim: Identity, problem: Problem) -> None:
    with precision(DEFAULT_BITS):
        evaluated(claim, Balls(problem))


def jobs_of(claim: Identity, problem: Problem, many: Problem) -> dict[str, tuple[int, Callable[[], None]]]:
    """By backend: how many instances its work takes at once, and the work."""
    return {
        "mpmath": (1, lambda: evaluated(claim, Points(problem))),
        "balls, 169 bits": (1, lambda: balls(claim, problem)),
        "GF(p)": (1, lambda: evaluated(claim, FiniteField(problem, 0))),
        f"midpoint-radius, {BATCH} at once": (BATCH, lambda: evaluated(claim, MidRadBackend(many))),
        f"torch float64, {BATCH} at once": (BATCH, lambda: evaluated(claim, Torch64(many))),
    }


def main() -> None:
    claim = load()["E.11r"].claims[0]
    assert isinstance(claim, Identity)
    scalar, console = contracted(claim), Console()
    table = Table(title="dL/dX of one layer (E.11r), both sides, one direction")
    for name in ("n, d", "backend", "ms an instance", "times faster than mpmath"):
        table.add_column(name, justify="left" if name == "backend" else "right")
    for n, d in ((8, 2), (16, 4), (32, 4)):
        sizes = {"n": n, "d": d}
        problem = draw(symbols_of(scalar), describe("uniform", sizes, 1.0, 0))
        jobs = jobs_of(scalar, problem, batch(scalar, "uniform", sizes, BATCH, 0))
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(REPEATS):
            for name, (count, work) in jobs.items():
                times[name].append(seconds(work) / count)
        median = {name: statistics.median(values) for name, values in times.items()}
        for name, value in median.items():
            table.add_row(f"{n}, {d}", name, f"{1000 * value:.3f}", f"{median['mpmath'] / value:.1f}")
    console.print(table)
    sizes = extent(scalar).sizes
    proof = statistics.median(seconds(lambda: difference_is_zero(claim, sizes)) for _ in range(REPEATS))
    console.print(f"proof for all n, d by expansion at {sizes}: {1000 * proof:.0f} ms")


if __name__ == "__main__":
    main()
