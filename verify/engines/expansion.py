"""Identities decided exactly: both sides are expanded to sparse polynomials and compared coefficient by coefficient.

At the sizes of `extent.extent` the expansion covers all sizes, so an equality is a proof for every n, d. An inequality says that
the sides differ as formulas in free symbols; whether they differ in numbers is for `engines.witness` to show.
"""

from __future__ import annotations

from almostlinear.theorems.statement import Identity

from ..backends.interpreter import Interpreter
from ..backends.polynomial import Polynomials
from ..contract import contracted, pointwise
from ..evidence import Evidence
from ..extent import extent, representatives
from ..problems import Problem
from ..task import Task

ENGINE = "expansion"
LARGEST = 8
"""Largest size that is expanded; beyond it the engine has nothing to say."""
AT_LEAST = 2
"""Incomplete extents are expanded at sizes of at least this, since size one is blind to many mistakes."""


def difference_is_zero(claim: Identity, sizes: dict[str, int]) -> tuple[bool, int]:
    """Whether the sides agree as polynomials at these sizes, and how many index assignments were compared."""
    return compare(claim, sizes)[:2]


def compare(claim: Identity, sizes: dict[str, int]) -> tuple[bool, int, bool]:
    """`difference_is_zero`, and whether a function of the zero polynomial stood in a side (see `backends.letters`)."""
    scalar = contracted(claim)
    evaluate = Interpreter(Polynomials(Problem(sizes)))
    flat = pointwise(scalar)
    tried = 0
    for environment in representatives(scalar, sizes):
        tried += 1
        if (evaluate(flat.left, environment) - evaluate(flat.right, environment))[0, 0] != 0:
            return False, tried, evaluate.backend.vanished
    return True, tried, evaluate.backend.vanished


def differs(claim: Identity) -> bool:
    """Whether the sides surely differ as polynomials in free symbols, at the sizes of their extent."""
    needed = extent(contracted(claim))
    if max(needed.sizes.values(), default=1) > LARGEST:
        return False
    try:
        return not difference_is_zero(claim, needed.sizes)[0]
    except OverflowError:
        return False


def examine(task: Task) -> Evidence | None:
    """Proof for all sizes, proof at one size, or None: the sides differ as formulas, or are too large to expand."""
    claim = task.claim
    if not isinstance(claim, Identity):
        return None
    needed = extent(contracted(claim))
    sizes = needed.sizes if needed.complete else {k: max(v, AT_LEAST) for k, v in needed.sizes.items()}
    if max(sizes.values(), default=1) > LARGEST:
        return None
    try:
        equal, tried, vanished = compare(claim, sizes)
    except OverflowError:
        return None
    if not equal or not tried:
        return None
    complete = needed.complete and not vanished
    return task.found(
        ENGINE,
        "proved" if complete else "proved-at-size",
        "exact",
        ("python-flint", "sympy"),
        tried=tried,
        detail={"sizes": sizes, "all sizes": complete, "degree": needed.degree},
    )
