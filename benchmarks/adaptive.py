"""The adaptive backend against monomials at equal certified error, where data have low dimension or a decaying spectrum, and where they
do not: `python -m benchmarks adaptive`, results in benchmarks/results/adaptive.json.

Both are asked for the same ``eps``, the l1 error that every row of attention weights is guaranteed to keep; ranks and ranges are those
that each certifies itself. Exact attention, on the fastest backend of torch, runs in the same turns. Inputs: inputs.py; float32, one
thread, forward and backward.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from almostlinear import impl

from .inputs import Inputs, inputs
from .measure import Result, Table, Target, in_turns, ratio
from .ours import ours
from .peers import Attention, exact, fastest_backend, gradients, relative, sdpa

EPS = (1e-2, 1e-3)
CASES = (("flat", 16, True), ("decaying", 16, True), ("spread", 16, False))
"""Kind of inputs, d, and whether the targets speak of it."""
COLUMNS = [
    *("inputs", "d", "eps", "exact s", "monomials s", "adaptive s", "exact / adaptive", "monomials / adaptive"),
    *("monomials rank", "adaptive rank", "adaptive by", "monomials certified", "adaptive certified"),
    *("monomials error", "adaptive error"),
]


def run(n: int, repeats: int) -> Result:
    """Times, ranks, certified row errors and true errors of both backends."""
    torch.set_num_threads(1)
    result = Result("adaptive", {"n": n, "repeats": repeats, "eps": list(EPS), "seed": 0, "dtype": "float32"})
    note = "certified: of the worst row; errors: the largest of output, dQ, dK, dV on 2048 tokens"
    table = Table(f"adaptive against monomials, n={n}", COLUMNS, note=note)
    for kind, d, counts in CASES:
        given, few = inputs(kind, n, d), inputs(kind, min(n, 2048), d)
        plain, true = sdpa(fastest_backend(given), given.scale), exact(few)
        for eps in EPS:
            _compare(Case(kind, d, eps, given, few, true, counts), plain, repeats, table, result)
    result.tables.append(table)
    return result


class Case(NamedTuple):
    """One kind of inputs at one eps: what is timed, what errors are taken on and their true values."""

    kind: str
    d: int
    eps: float
    given: Inputs
    few: Inputs
    true: tuple[Tensor, ...]
    counts: bool


def _compare(case: Case, plain: Attention, repeats: int, table: Table, result: Result) -> None:
    given, eps = case.given, case.eps
    certified = {
        name: impl.certify(*given[:3], scale=given.scale, eps=eps, backend=name) for name in ("monomials", "adaptive")
    }
    # What is not certified refuses to run.
    runs = {name: ours(None, given.scale, backend=name, eps=eps) for name, found in certified.items() if found.rank}
    times = in_turns(
        {name: partial(gradients, run_, given) for name, run_ in ({"exact": plain} | runs).items()}, repeats
    )
    errors = {name: max(relative(gradients(run_, case.few), case.true)) for name, run_ in runs.items()}
    medians = {name: statistics.median(t) for name, t in times.items()}
    against = {name: ratio(t, times["adaptive"]) if "adaptive" in runs else None for name, t in times.items()}
    monomials, adaptive = certified.values()
    by = None if adaptive.rank is None else f"degree {adaptive.degree}" if adaptive.degree else "pivots"
    shown = [None if (found := against.get(name)) is None else str(found) for name in ("exact", "monomials")]
    timed = [medians.get(name) for name in ("exact", "monomials", "adaptive")]
    true = [errors.get(name) for name in certified]
    rows = [monomials.rank, adaptive.rank, by, monomials.row_error, adaptive.row_error]
    table.rows.append([case.kind, case.d, eps, *timed, *shown, *rows, *true])
    found = against.get("monomials")
    if not case.counts or found is None or monomials.rank is None or adaptive.rank is None:
        return
    what = f"adaptive against monomials, {case.kind}, d={case.d}, eps={eps:g}"
    result.targets.append(
        Target(f"{what}: time", found.value, 2.0, 5.0, found.low, found.high, error=errors["adaptive"])
    )
    result.targets.append(Target(f"{what}: rank", monomials.rank / adaptive.rank, 8.0, 20.0))
