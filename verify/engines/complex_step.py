"""A second opinion on derivatives: the complex step in balls, which shares with the dual numbers the forward evaluation alone.

The truncation error, of order h^2 with h = 2^-400, is not enclosed: no certificate, evidence of strength "searched".
"""

from __future__ import annotations

from flint import arb

from almostlinear.theorems.statement import Identity

from ..backends.ball import STEP_BITS, ComplexStep, precision
from ..backends.interpreter import Interpreter
from ..contract import contracted, pointwise
from ..evidence import Evidence
from ..instances import instances
from ..task import Task
from .enclosure import some_values

ENGINE = "complex-step"
BITS = 3 * STEP_BITS
AGREES = arb(2) ** -300


def examine(task: Task) -> Evidence | None:
    """Agreement of both sides at the drawn problems, for claims that have derivatives; None otherwise."""
    claim = task.claim
    if not isinstance(claim, Identity):
        return None
    flat = pointwise(contracted(claim))
    if not any(node.op == "jvp" for side in flat.formulas() for node in side.walk()):
        return None
    tried, worst = 0, arb(0)
    with precision(BITS):
        for _, problem in instances(flat, 1, task.seed):
            evaluate = Interpreter(ComplexStep(problem))
            for environment in some_values(flat, problem, task.seed, most=2):
                left = evaluate(flat.left, environment)[0, 0].real
                right = evaluate(flat.right, environment)[0, 0].real
                size = abs(left).max(abs(right))
                error = abs(left - right).abs_upper()
                if size > 0:
                    worst = worst.max(error / size)
                elif error > AGREES:
                    return None
                tried += 1
        if not tried or not worst < AGREES:
            return None
        agreement = float(worst.log() / arb.const_log10()) if worst > 0 else 0.0
    detail = {"relative difference, log10": agreement}
    return task.found(
        ENGINE, "searched", "floating point", ("python-flint",), tried=tried, seed=task.seed, detail=detail
    )
