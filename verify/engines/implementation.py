"""The implementation against the theory: impl's Algorithm 1 runs in floating point on drawn layers and is decided in balls.

For each output, with "poly" the formula of the degree-g approximant and "exact" that of softmax attention, both in balls:

    |impl - exact| <= |impl - poly| + |poly - exact|,    |impl - poly| <= rounding certificate,    |poly - exact| <= the claim's bound.

The certificate is the absolute program of the formula (`theorems.rounding`), independent of impl. Both inequalities are decided,
upper end against lower end; the first catches a wrong coefficient, mask or normaliser long before the claim's bound does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from flint import arb

from almostlinear.theorems.repaired.algorithm import NORMALISER, OUTPUTS
from almostlinear.theorems.rounding import absolute_program, path_length
from almostlinear.theorems.statement import Bound

from ..backends.ball import DEFAULT_BITS, Balls, precision
from ..backends.interpreter import Interpreter
from ..evidence import REFUTED, Evidence
from ..layers import layers, scores
from ..problems import Problem, to_json
from ..real_numbers import NORM_OF, Answer, Evaluator, at_most
from ..scatter import Row, Scatter
from ..task import Task
from .enclosure import satisfies

ENGINE = "implementation"
STATEMENT = "Alg.1r"
ROUNDOFF = {"float32": arb(2) ** -24, "float64": arb(2) ** -53}
FIELDS = {"dL/dX": "dX", "dL/dW": "dW", "dL/dW_V": "dWV"}
RATIOS = ("truncation, observed / bound", "rounding, observed / certified")
RECIPROCALS = 2
"""Reciprocals of the normaliser in a product, at most: diag(K) f has one in K and one in f."""


@dataclass
class Outcome:
    """One output on one instance: the two observed errors, the certificate and the bound, as balls, and the answers."""

    rounding: arb
    certificate: arb
    truncation: arb
    bound: arb
    total: arb
    within: Answer
    certified: Answer


@dataclass
class Tally:
    """Counts and closest calls over the instances of one output."""

    tried: int = 0
    outside: int = 0
    worst: float = 0.0
    instance: str = ""
    rounding: float = 0.0
    truncation: float = 0.0
    families: set[str] = field(default_factory=set)
    scatter: Scatter = field(default_factory=lambda: Scatter(RATIOS, "largest score"))
    bad: tuple[Problem, str, Outcome] | None = None


# -- one instance ------------------------------------------------------------------------------------------------------
def layer_arguments(problem: Problem, dtype: str, device: str = "cpu") -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    """A layer as impl takes it: the tensors X, W, W_V and G, and the options degree, scale and is_causal."""
    import torch

    x, w, w_v, upstream = (
        torch.from_numpy(problem.values[k]).to(device, getattr(torch, dtype)) for k in ("X", "W", "W_V", "G")
    )
    causal = not bool(np.all(problem.values["M"] == 1))
    scale = float(problem.constants["tau"])
    return x, w, w_v, upstream, {"degree": problem.sizes["g"], "scale": scale, "is_causal": causal}


def run_implementation(problem: Problem, dtype: str, device: str = "cpu", **changed: Any) -> dict[str, np.ndarray]:
    """What impl returns on a layer, by part; ``changed`` options take the place of the layer's, such as eps for its degree.

    Raises:
        almostlinear.impl.DegreeError: if the polynomial may vanish on the layer's range.
    """
    import torch

    from almostlinear import impl

    x, w, w_v, upstream, options = layer_arguments(problem, dtype, device)
    options |= changed
    found = impl.algorithm1(x, w, w_v, upstream, **options)
    output = impl.low_rank_attention(x @ w, x, x @ w_v, **options)
    returned = {part: getattr(found, name) for part, name in FIELDS.items()} | {"output": output}
    return {part: value.to("cpu", torch.float64).numpy() for part, value in returned.items()}


def rounding_factor(problem: Problem, dtype: str, evaluate: Interpreter) -> arb:
    """(1 + gamma_M)((1 + u)/(1 - rho))^r - 1, or infinity where rho >= 1."""
    n, d, g = (problem.sizes[k] for k in "ndg")
    u = ROUNDOFF[dtype]
    length = path_length(n, d, g, comb(d + g, g)) * u
    gamma = length / (1 - length)
    ratio = NORM_OF["max"](evaluate(absolute_program(NORMALISER)) / evaluate(NORMALISER))
    rho = gamma * ratio
    return (1 + gamma) * ((1 + u) / (1 - rho)) ** RECIPROCALS - 1 if rho < 1 else arb("inf")


def decide(
    problem: Problem, dtype: str, returned: dict[str, np.ndarray], claims: dict[str, Bound]
) -> dict[str, Outcome]:
    """Every output of one instance."""
    with precision(DEFAULT_BITS):
        evaluate = Interpreter(Balls(problem))
        value = Evaluator(evaluate)
        factor = rounding_factor(problem, dtype, evaluate)
        outcomes = {}
        for part, (polynomial, exact) in OUTPUTS.items():
            claim = claims[part]
            norm = NORM_OF[next(x.norm for x in claim.left.free_symbols if getattr(x, "norm", "") in ("max", "sum"))]
            computed = Balls.each(arb, returned[part].astype(object))
            poly, true = evaluate(polynomial), evaluate(exact)
            rounding, total = norm(computed - poly), norm(computed - true)
            certificate, bound = norm(evaluate(absolute_program(polynomial))) * factor, value(claim.right)
            outcomes[part] = Outcome(
                rounding,
                certificate,
                norm(poly - true),
                bound,
                total,
                at_most(total, bound + certificate),
                at_most(rounding, certificate),
            )
        return outcomes


@lru_cache(maxsize=4)
def _campaign(count: int, seed: int, claims: tuple[Bound, ...], device: str = "cpu") -> dict[str, Tally]:
    """All outputs on all layers: one run of impl and one evaluation in balls each."""
    from almostlinear.impl import DegreeError

    by_part = {claim.part: claim for claim in claims}
    tallies = {part: Tally() for part in by_part}
    for family, problem, dtype in layers(count, seed):
        try:
            returned = run_implementation(problem, dtype, device) if satisfies(claims[0], problem) else None
        except DegreeError:
            returned = None
        if returned is None:
            for tally in tallies.values():
                tally.outside += 1
            continue
        for part, outcome in decide(problem, dtype, returned, by_part).items():
            _count(tallies[part], family, problem, dtype, outcome)
    return tallies


def _count(tally: Tally, family: str, problem: Problem, dtype: str, outcome: Outcome) -> None:
    if outcome.within is not Answer.YES or outcome.certified is not Answer.YES:
        if tally.bad is None and (outcome.certificate.is_finite()):
            tally.bad = (problem, dtype, outcome)
        tally.outside += 1
        return
    tally.tried += 1
    tally.families.add(family)
    limit = outcome.bound + outcome.certificate
    ratio = _ratio(outcome.total, limit)
    if ratio > tally.worst:
        tally.worst, tally.instance = ratio, f"{problem.text};{dtype}"
    truncation, rounding = _ratio(outcome.truncation, outcome.bound), _ratio(outcome.rounding, outcome.certificate)
    tally.truncation, tally.rounding = max(tally.truncation, truncation), max(tally.rounding, rounding)
    tally.scatter.add(_place(family, problem), (truncation, rounding), f"{problem.text};{dtype}")


def _place(family: str, problem: Problem) -> Row:
    """The layer's values on the axes of a scatter plot, its largest |score| for the range of entries."""
    n, d, g = (problem.sizes[k] for k in "ndg")
    largest = float(problem.constants["tau"]) * float(np.max(np.abs(scores(problem))))
    return family, n, d, g, largest, "full" if bool(np.all(problem.values["M"] == 1)) else "causal"


def _ratio(part: arb, whole: arb) -> float:
    return float((part / whole).mid()) if whole > 0 else 0.0


def examine(task: Task) -> Evidence | None:
    """``enclosed`` over the drawn layers, ``refuted`` if impl leaves its certificate on one, None for other statements."""
    if task.statement.id != STATEMENT or not isinstance(task.claim, Bound):
        return None
    claims = tuple(c for c in task.statement.claims if isinstance(c, Bound))
    tally = _campaign(task.profile.bounds, task.seed, claims, task.device)[task.claim.part]
    if tally.bad is not None:
        return _refuted(task, tally.bad)
    if not tally.tried:
        return None
    detail = {
        "families": sorted(tally.families),
        "outside": tally.outside,
        "device": task.device,
        RATIOS[0]: tally.truncation,
        RATIOS[1]: tally.rounding,
        "points": tally.scatter.detail(),
        "tightness": {"best": tally.worst, "instance": tally.instance},
    }
    return task.found(
        ENGINE, "enclosed", "ball", ("torch", "python-flint"), tried=tally.tried, seed=task.seed, detail=detail
    )


def _refuted(task: Task, bad: tuple[Problem, str, Outcome]) -> Evidence:
    problem, dtype, outcome = bad
    witness = {
        "schema": 1, "statement": task.statement.id, "part": task.claim.part, "reading": task.claim.reading,
        **to_json(problem),
        "claimed": f"|impl - poly| <= {outcome.certificate.str(6, radius=False)} in {dtype}",
        "actual": outcome.rounding.str(6, radius=False),
        "arithmetic": "balls, strict", "judges": "the implementation, not the statement",
    }  # fmt: skip
    return task.found(ENGINE, REFUTED, "ball", ("torch", "python-flint"), tried=1, seed=task.seed, witness=witness)


def algorithm_table(seed: int) -> dict[str, Any]:
    """`printed_against_repaired` as a table of the report, errors with three digits."""
    rows = [
        {k: f"{v:.2e}" if isinstance(v, float) else v for k, v in row.items()}
        for row in printed_against_repaired(6, seed)
    ]
    note = "relative error of each gradient against the exact formula, max norm, float64"
    return {"title": "Algorithm 1, as printed and as repaired", "note": note, "rows": rows}


def printed_against_repaired(count: int, seed: int) -> list[dict[str, Any]]:
    """Algorithm 1 as printed and as repaired against the exact formulas, by layer: relative errors in the max norm (float64)."""
    import torch

    from almostlinear import impl

    from ..backends.torch64 import Torch64

    rows = []
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        n, d, causal, degree = 2 ** (3 + k % 4), 2 + 2 * (k % 3), k % 2 == 1, 8
        shapes = {"X": (n, d), "W": (d, d), "W_V": (d, d), "G": (n, d)}
        values = {name: rng.uniform(-1, 1, shape) / np.sqrt(d) for name, shape in shapes.items()}
        mask = np.tri(n) if causal else np.ones((n, n))
        constants = {"tau": Fraction(1)}
        exact = Interpreter(Torch64(Problem({"n": n, "d": d, "g": degree}, {**values, "M": mask}, constants=constants)))
        layer = [torch.from_numpy(values[name]) for name in ("X", "W", "W_V", "G")]
        row: dict[str, Any] = {"n": n, "d": d, "causal": causal, "degree": degree}
        for formulas in ("printed", "repaired"):
            found = impl.algorithm1(*layer, formulas=formulas, degree=degree, is_causal=causal)
            for part, name in FIELDS.items():
                true = exact(OUTPUTS[part][1])
                row[f"{formulas} {name}"] = float((getattr(found, name) - true).abs().max() / true.abs().max())
        rows.append(row)
    return rows
