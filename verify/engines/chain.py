"""The theory of m layers on models: the recurrences of `theorems.repaired.layers`, at measured constants, against what models show.

Models of `verify.models` run twice, exactly and as the algorithm computes them, with an adversary's kernel error. For each output

    observed error  <=  value of the recurrences     and     observed error  <=  right side of the claim (the closed form),

with every constant (H, r, r', om, R_X, ...) measured as the larger one of both runs: upper end against lower end, in balls. The 16
combinations are {exact, approximated forward pass} x {plain, residual} x {full, causal} x {1, h heads}; m.4 has those that are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np
from flint import arb

from almostlinear.theorems.statement import Bound

from ..backends.ball import DEFAULT_BITS, precision
from ..drawn_models import COMBINATIONS, FAMILIES, Batch, Combination, batches, combination_name, read
from ..evidence import REFUTED, Evidence
from ..models import RULES, Rules, run
from ..real_numbers import Answer, at_most
from ..recurrences import Bounds, Ends, Measured, Theory, ball, bounds, measure
from ..scatter import Scatter, short
from ..task import Task

ENGINE = "chain"
EXACT_FORWARD = {"m.4": True, "m.5": False}
"""The statements that models are tried on, and whether their forward pass is exact."""
PARTS = {"dL/dT": "dL/dX", "dL/dW_Q": "dL/dW", "dL/dW_K": "dL/dW"}
"""Outputs that belong to the part of another one."""
RATIOS = ("recurrence, observed / bound", "closed form, observed / bound")
ORDER = (Answer.YES, Answer.UNKNOWN, Answer.NO)


@dataclass
class Outcome:
    """One output on one instance: the answer over all layers and heads, observed / bound in the first layer, and the numbers."""

    answer: Answer
    recurrence: float
    closed: float
    observed: str
    bound: str

    def with_(self, other: Outcome) -> Outcome:
        """Both outputs as one: the worse answer with its numbers, and the closer calls."""
        worse = max(self, other, key=lambda outcome: ORDER.index(outcome.answer))
        return replace(worse, recurrence=max(self.recurrence, other.recurrence), closed=max(self.closed, other.closed))


def decide(theory: Theory, batch: Batch, measured: Measured, t: int) -> dict[str, Outcome]:
    """Every output of one instance, by part of the statement."""
    with precision(DEFAULT_BITS):
        made = bounds(theory, batch, measured, t)
        found: dict[str, Outcome] = {}
        for output, listed in measured.errors.items():
            observed = [x for ends in listed for x in (_of_heads(ends, t) if ends[0].ndim > 1 else [ball(ends, t)])]
            by_head = listed[0][0].ndim > 1
            outcome = _outcome(output, observed, made, batch.setting.heads if by_head else 1)
            part = PARTS.get(output, output)
            found[part] = found[part].with_(outcome) if part in found else outcome
        return found


def _of_heads(ends: Ends, t: int) -> list[arb]:
    return [ball(ends, t, k) for k in range(ends[0].shape[1])]


def _outcome(output: str, observed: list[arb], made: Bounds, first: int) -> Outcome:
    """The answer is that of the worst comparison; the ratios are those of the first layer, which all others act upon."""
    by_steps, by_claim = made.recurrence[output], made.closed.get(output, [])
    last = observed[len(observed) - len(by_claim) :]
    pairs = [*zip(observed, by_steps, strict=True), *zip(last, by_claim, strict=True)]
    answer, left, right = max(((at_most(x, y), x, y) for x, y in pairs), key=lambda found: ORDER.index(found[0]))
    ratios = (_ratio(observed[:first], by_steps), _ratio(last[:first], by_claim))
    return Outcome(answer, *ratios, left.str(6, radius=False), right.str(6, radius=False))


def _ratio(observed: list[arb], allowed: list[arb]) -> float:
    return max((float((x / y).mid()) for x, y in zip(observed, allowed, strict=False) if y > 0), default=0.0)


@dataclass
class Tally:
    """What happened on one combination, for one part: models and instances decided, and the closest call of each kind of bound."""

    models: set[str] = field(default_factory=set)
    instances: int = 0
    undecided: int = 0
    recurrence: tuple[float, str] = (0.0, "")
    closed: tuple[float, str] = (0.0, "")
    scatter: Scatter = field(default_factory=lambda: Scatter(RATIOS, "layers"))
    bad: tuple[Batch, int, Outcome] | None = None

    def count(self, batch: Batch, family: str, t: int, outcome: Outcome) -> None:
        text, setting = batch.texts[t], batch.setting
        if outcome.answer is Answer.UNKNOWN:
            self.undecided += 1
            return
        if outcome.answer is Answer.NO:
            self.bad = self.bad or (batch, t, outcome)
            return
        self.models.add(text.rpartition(";")[0])
        self.instances += 1
        self.recurrence = max(self.recurrence, (outcome.recurrence, text))
        self.closed = max(self.closed, (outcome.closed, text))
        place = (family, setting.n, setting.d, None, setting.layers, "causal" if setting.causal else "full")
        self.scatter.add(place, (outcome.recurrence, outcome.closed), text)

    def row(self, combination: str) -> dict[str, Any]:
        return {
            "combination": combination, "models": len(self.models), "instances": self.instances,
            RATIOS[0]: short(self.recurrence[0]), RATIOS[1]: short(self.closed[0]), "instance": self.recurrence[1],
        }  # fmt: skip


Tallies = dict[str, dict[str, Tally]]
"""By combination and part."""


def campaign(
    statement: str,
    claims: tuple[Bound, ...],
    count: int,
    seed: int,
    rules: Rules = RULES,
    steps: Any = None,
    combinations: tuple[Combination, ...] = COMBINATIONS,
) -> Tallies:
    """``count`` models of each combination that the statement is about.

    Args:
        rules: of the algorithm's backward pass; another one plants a mistake in it.
        steps: a stand-in for `theorems.repaired.layers`; it plants a mistake in the recurrences.
    """
    by_part = {claim.part: claim for claim in claims}
    theory_of = cache(lambda heads, g, phi, loss: Theory(by_part, heads, g, phi, loss, steps))
    tallies: Tallies = {}
    for combination in (c for c in combinations if c[0] is EXACT_FORWARD[statement]):
        for batch, family in batches(combination, count, seed):
            s = batch.setting
            by_name = tallies.setdefault(combination_name(s), {part: Tally() for part in by_part})
            for t, outcomes in enumerate(outcomes_of(theory_of(s.heads, s.g, s.phi, s.loss), batch, rules)):
                for part, outcome in outcomes.items():
                    by_name[part].count(batch, family, t, outcome)
    return tallies


def outcomes_of(theory: Theory, batch: Batch, rules: Rules = RULES) -> Iterator[dict[str, Outcome]]:
    """What comes out on every instance of a batch."""
    with np.errstate(all="ignore"):
        first = run(batch.setting, batch.values)
        second = run(batch.setting, batch.instance_values, batch.error, rules)
        measured = measure(batch, first, second)
    for t in range(len(batch.texts)):
        yield decide(theory, batch, measured, t)


def replay(text: str, claims: tuple[Bound, ...]) -> dict[str, Outcome]:
    """The outcomes on the one instance that a text describes, by part.

    Raises:
        BadProblem: if the text describes none.
    """
    batch = read(text)
    s = batch.setting
    theory = Theory({claim.part: claim for claim in claims}, s.heads, s.g, s.phi, s.loss)
    return next(outcomes_of(theory, batch))


_campaign = lru_cache(maxsize=4)(campaign)


def models_each(task: Task) -> int:
    """Models of each combination: two of each family in the quick profile."""
    return len(FAMILIES) * max(1, task.profile.bounds // 15)


def examine(task: Task) -> Evidence | None:
    """``enclosed`` over the drawn models, ``refuted`` if one exceeds a bound, None for other statements."""
    if task.statement.id not in EXACT_FORWARD or not isinstance(task.claim, Bound):
        return None
    claims = tuple(c for c in task.statement.claims if isinstance(c, Bound))
    found = _campaign(task.statement.id, claims, models_each(task), task.seed)
    tallies = {name: by_part[task.claim.part] for name, by_part in found.items()}
    bad = next((tally.bad for tally in tallies.values() if tally.bad is not None), None)
    if bad is not None:
        return _refuted(task, *bad)
    tried = sum(len(tally.models) for tally in tallies.values())
    if not tried:
        return None
    best, scatter = max(tally.recurrence for tally in tallies.values()), Scatter(RATIOS, "layers")
    for tally in tallies.values():
        scatter.rows += tally.scatter.rows
        scatter.texts += tally.scatter.texts
    detail = {
        "combinations": [tally.row(name) for name, tally in tallies.items()],
        "undecided": sum(tally.undecided for tally in tallies.values()),
        RATIOS[1]: max(tally.closed[0] for tally in tallies.values()),
        "points": scatter.detail(),
        "tightness": {"best": best[0], "instance": best[1]},
    }
    return task.found(ENGINE, "enclosed", "ball", ("numpy", "python-flint"), tried=tried, seed=task.seed, detail=detail)


def _refuted(task: Task, batch: Batch, t: int, outcome: Outcome) -> Evidence:
    """The instance with all of its numbers, the matrices of layers and heads one by one."""
    values = {name: value[batch.index[t]] for name, value in batch.values.items()} | {"E": batch.error.E[t]}
    inputs = {}
    for name, value in values.items():
        for where in np.ndindex(value.shape[:-2]):
            label = "_".join([name, *(str(k + 1) for k in where)])
            inputs[label] = [[str(Fraction(x)) for x in row] for row in np.atleast_2d(value[where])]
    witness = {
        "schema": 1, "statement": task.statement.id, "part": task.claim.part, "reading": task.claim.reading,
        "n": batch.setting.n, "d": batch.setting.d, "instance": batch.texts[t], "inputs": inputs,
        "claimed": f"error <= {outcome.bound}", "actual": outcome.observed, "arithmetic": "balls, strict",
        "judges": "the recurrences of m layers on a model",
    }  # fmt: skip
    return task.found(ENGINE, REFUTED, "ball", ("numpy", "python-flint"), tried=1, seed=task.seed, witness=witness)
