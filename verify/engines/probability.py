"""Claims about probabilities, by exact binomial tests on independent trials, with the error of the whole suite controlled.

The other matrices are drawn from the families; for each such instance the random ones are drawn many times, and the event is decided in
float64, ties counting for neither side. Statistics neither prove nor refute: the best is ``searched`` at the stated confidence.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from almostlinear.theorems.sizes import at
from almostlinear.theorems.statement import Probability

from ..adversary.lowering import BatchedTorch, TorchEvaluator
from ..backends.ball import DEFAULT_BITS, Balls, precision
from ..backends.interpreter import Interpreter
from ..confidence import Support, judge, lower_limit, share
from ..evidence import Evidence
from ..extent import all_values
from ..instances import claim_sizes, constants_of
from ..problems import Problem, describe, draw, size_names
from ..real_numbers import Evaluator
from ..task import Task

ENGINE = "probability"
TRIALS = {"quick": 400, "ci": 4_000, "thorough": 40_000}
"""Of each instance, by profile."""
FAMILIES = ("uniform", "corners", "onehot", "collinear", "repeated")
SHAPES = ((4, 3), (16, 8))
"""n and d of the instances; every other size is that of OTHER."""
OTHER = (4, 32)
MOST_CLAIMS = 100
"""Claims that share the error of the suite; a test counts them."""
TIE = 1e-9
"""Relative difference of the sides below which a trial counts for neither side."""


@dataclass(frozen=True)
class Trials:
    """One instance: how often the event surely held, surely failed, of how many trials, and what is claimed."""

    instance: str
    held: int
    failed: int
    trials: int
    claimed: Fraction


def drawn(law: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Independent entries of a law."""
    if law == "normal":
        return rng.standard_normal(shape)
    if law == "onehot":
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    return rng.uniform(-1, 1, shape) if law == "uniform" else rng.choice([-1.0, 1.0], shape)


def instances(claim: Probability, seed: int) -> list[Problem]:
    """The other matrices and constants: every family at both sizes."""
    random = {node.data[0] for node, _ in claim.random}
    named = {node.data[0]: node for f in claim.formulas() for node in f.symbols().values()}
    names = set(size_names(named.values())) | claim_sizes(claim.event) | _sizes(claim)
    found = []
    for k, family in enumerate(FAMILIES):
        for (n, d), other in zip(SHAPES, OTHER, strict=True):
            text = describe(family, {x: {"n": n, "d": d}.get(x, other) for x in sorted(names)}, 1.0, seed + k)
            made = draw([node for name, node in named.items() if name not in random], text)
            found.append(replace(made, constants=constants_of(made, np.random.default_rng([seed, k, n]))))
    return found


def _sizes(claim: Probability) -> set[str]:
    return {s.name for s in claim.at_least.free_symbols if s.is_integer}


def run(claim: Probability, problem: Problem, trials: int, seed: int) -> Trials:
    """The event on so many draws of the random matrices; an event with free indices holds if it does for all of their values."""
    values: dict[str, Any] = {k: torch.from_numpy(np.asarray(v, dtype=np.float64)) for k, v in problem.values.items()}
    for node, law in claim.random:
        shape = at(node.shape[0], problem.sizes), at(node.shape[1], problem.sizes)
        rng = np.random.default_rng([seed, zlib.crc32(f"{problem.text}:{node.data[0]}".encode())])
        values[node.data[0]] = torch.from_numpy(drawn(law, (trials, *shape), rng))
    evaluate = Interpreter(BatchedTorch(replace(problem, values=values), {}))
    held, failed = torch.ones(trials, dtype=torch.bool), torch.zeros(trials, dtype=torch.bool)
    for environment in all_values(claim.event, problem.sizes):
        value = TorchEvaluator(evaluate, environment)
        for left, right in [(claim.event.left, claim.event.right), *((g.lts, g.gts) for g in claim.event.given)]:
            a, b = value(left).expand(trials), value(right).expand(trials)
            slack = TIE * torch.maximum(a.abs(), b.abs())
            held &= a <= b - slack
            failed |= (a > b + slack) | ~torch.isfinite(a) | ~torch.isfinite(b)
    return Trials(problem.text, int(held.sum()), int(failed.sum()), trials, _claimed(claim, problem))


def _claimed(claim: Probability, problem: Problem) -> Fraction:
    """The claimed probability at an instance, rounded up."""
    with precision(DEFAULT_BITS):
        value = Evaluator(Interpreter(Balls(problem)))(claim.at_least).upper()
        if not value.is_finite():
            raise ValueError(f"the probability {claim.at_least} is no number at {problem.text}")
        man, exp = value.man_exp()
        return Fraction(int(man)) * Fraction(2) ** int(exp)


def examine(task: Task) -> Evidence | None:
    """``searched`` where every instance supports the claim, ``sampled`` where none contradicts it, ``stated`` where one does."""
    claim = task.claim
    if not isinstance(claim, Probability):
        return None
    trials = TRIALS[task.profile.name]
    found = [run(claim, problem, trials, task.seed) for problem in instances(claim, task.seed)]
    told = [t for t in found if 0 < t.claimed <= 1]
    if not told:
        return None
    error = share(MOST_CLAIMS) / len(told)
    supports = [(t, _support(t, error)) for t in told]
    against = [t for t, support in supports if support is Support.CONTRADICTED]
    detail: dict[str, Any] = {
        "confidence": float(1 - share(MOST_CLAIMS)),
        "error of the suite": f"shared by {MOST_CLAIMS} claims",
        "instances": len(told),
        "trivial": len(found) - len(told),
        "trials each": trials,
        "least share held": min(t.held / t.trials for t in told),
        "least lower limit": float(min(lower_limit(t.held, t.trials, error / 2) for t in told)),
    }
    if against:
        detail["contradicted"] = [
            f"{t.instance}: held {t.held} of {t.trials}, claimed {float(t.claimed):.6g}" for t in against
        ]
        return task.found(
            ENGINE, "stated", "statistics", ("torch", "numpy"), tried=len(told) * trials, seed=task.seed, detail=detail
        )
    strength = "searched" if all(s is Support.SUPPORTED for _, s in supports) else "sampled"
    return task.found(
        ENGINE, strength, "statistics", ("torch", "numpy"), tried=len(told) * trials, seed=task.seed, detail=detail
    )


def _support(t: Trials, error: Fraction) -> Support:
    """Ties count against what would be concluded."""
    supported = judge(t.held, t.trials, t.claimed, error)
    if supported is Support.SUPPORTED:
        return supported
    against = judge(t.trials - t.failed, t.trials, t.claimed, error)
    return against if against is Support.CONTRADICTED else Support.UNDECIDED
