"""Bounds hunted: the adversary stack of `adversary.stack` tries to break a bound and reports how close it comes, confirmed in balls."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from almostlinear.theorems.statement import Bound

from ..adversary import maxima
from ..adversary.space import constants_of, names_of
from ..adversary.stack import PLANS, Closest, attack, simplified
from ..backends.arrays import NotExact
from ..evidence import Evidence
from ..instances import symbols_of
from ..problems import to_json
from ..scatter import Scatter
from ..task import Task
from .enclosure import Violated

ENGINE = maxima.ENGINE


def examine(task: Task) -> Evidence | None:
    """``searched`` with the closest call, or None where nothing meets the hypotheses or torch has no rule for the claim.

    Raises:
        Violated: if the claim surely fails on what was found.
    """
    claim = task.claim
    if not isinstance(claim, Bound) or not (symbols_of(claim) or names_of(claim) or constants_of(claim)):
        return None
    plan = PLANS[task.profile.name]
    if not maxima.is_of(task.statement.id, claim):
        plan = replace(plan, known=None)  # a changed claim may fail elsewhere, however close it comes there
    try:
        found = attack(claim, plan, task.seed, maxima.stored(task.statement.id, claim))
    except (NotExact, NotImplementedError):
        return None
    if found.violation is not None:
        raise Violated(found.violation)
    if not found.tried or found.best is None:
        return None
    detail = {**_detail(claim, found), "effort": plan.name, "claim": maxima.digest_of(claim)}
    detail["compared with"] = maxima.mark_of(task.statement.id, claim)
    return task.found(
        ENGINE, "searched", "ball", ("torch", "python-flint", "scipy"), tried=found.tried, seed=task.seed, detail=detail
    )


def _detail(claim: Bound, found: Closest) -> dict[str, Any]:
    """The closest call with its problem, every cell as a point of a scatter plot, and the stages."""
    assert found.best is not None
    made: dict[str, Any] = {"found": found.found, "at the stored maximum": found.again}
    if not found.ratio > 0:
        return made
    best = simplified(claim, found.best)
    scatter = Scatter()
    for searched in found.cells:
        cell, sizes = searched.cell, searched.cell.sizes
        mask = "full" if cell.full else "causal"
        place = ("adversary", *(sizes.get(name) for name in ("n", "d", "g")), cell.bound, mask)
        scatter.add(place, (searched.ratio,), f"adversary;{cell}")
    sizes_text = ", ".join(f"{k} = {v}" for k, v in sorted(best.problem.sizes.items()))
    made["maximum"] = json.loads(json.dumps(to_json(best.problem)))
    made["tightness"] = {
        "best": best.ratio,
        "instance": f"found by search, {sizes_text}" if sizes_text else "found by search",
    }
    made["points"] = scatter.detail()
    stages = {
        str(searched.cell): {k: float(f"{v:.4g}") for k, v in searched.stages.items() if v > 0}
        for searched in found.cells
    }
    return made | {"stages": stages}
