"""The adaptive backend against monomials at equal certified error, where data have low dimension or a decaying spectrum, and where they
do not: `python -m benchmarks adaptive`, results in benchmarks/results/adaptive.json.

Both are asked for the same ``eps``, the l1 error that every row of attention weights is guaranteed to keep; ranks and ranges are those
that each certifies itself. Inputs: inputs.py; float32, one thread, forward and backward.
"""

from __future__ import annotations

import statistics
from functools import partial

import torch

from almostlinear import impl

from .inputs import Inputs, inputs
from .measure import Result, Table, Target, in_turns, ratio
from .ours import ours
from .peers import exact, gradients, relative

EPS = 1e-3
CASES = (("flat", 16, True), ("decaying", 16, True), ("spread", 16, False))
"""Kind of inputs, d, and whether the targets speak of it."""


def rank(given: Inputs, backend: str) -> int | None:
    """The rank that a backend is certified with at EPS, None where it is not."""
    return impl.certify(*given[:3], scale=given.scale, eps=EPS, backend=backend).rank


def run(n: int, repeats: int) -> Result:
    """Times, ranks and errors of both backends."""
    torch.set_num_threads(1)
    result = Result("adaptive", {"n": n, "repeats": repeats, "eps": EPS, "seed": 0, "dtype": "float32"})
    table = Table(
        f"adaptive against monomials, n={n}, rows certified within {EPS:g}",
        [
            "inputs",
            "d",
            "monomials s",
            "adaptive s",
            "ratio",
            "monomials rank",
            "adaptive rank",
            "monomials error",
            "adaptive error",
        ],
        note="errors: the largest of output, dQ, dK, dV on 2048 tokens",
    )
    for kind, d, counts in CASES:
        given, few = inputs(kind, n, d), inputs(kind, min(n, 2048), d)
        ranks = {name: rank(given, name) for name in ("monomials", "adaptive")}
        # What is not certified at EPS refuses to run.
        runs = {name: ours(None, given.scale, backend=name, eps=EPS) for name, k in ranks.items() if k is not None}
        times, true = (
            in_turns({name: partial(gradients, run_, given) for name, run_ in runs.items()}, repeats),
            exact(few),
        )
        errors = {name: max(relative(gradients(run_, few), true)) for name, run_ in runs.items()}
        medians = {name: statistics.median(t) for name, t in times.items()}
        found = ratio(times["monomials"], times["adaptive"]) if len(runs) == 2 else None
        columns = [[made.get(name) for name in ranks] for made in (medians, ranks, errors)]
        table.rows.append([kind, d, *columns[0], None if found is None else str(found), *columns[1], *columns[2]])
        if counts and found is not None:
            what = f"adaptive against monomials, {kind}, d={d}"
            result.targets.append(
                Target(f"{what}: time", found.value, 2.0, 5.0, found.low, found.high, error=errors["adaptive"])
            )
            smaller, larger = ranks["adaptive"], ranks["monomials"]
            if smaller is not None and larger is not None:
                result.targets.append(Target(f"{what}: rank", larger / smaller, 8.0, 20.0))
    result.tables.append(table)
    return result
