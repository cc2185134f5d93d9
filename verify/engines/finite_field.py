"""Identities tested at random points of GF(2^61 - 1): a second, independent decision beside the expansion.

A polynomial of degree D that is not zero vanishes at a random point with probability at most D/p (Schwartz-Zippel). Free symbols are
told apart by their arguments' values, so two of them may also collide: with A symbols that adds at most A^2 D / (2p). Without free
reciprocals, clearing R reciprocals of each of N row sums raises the degree to D + N R D.
"""

from __future__ import annotations

from almostlinear.theorems.statement import Identity

from ..backends.finite_field import PRIME, FiniteField
from ..backends.interpreter import Interpreter
from ..contract import contracted, pointwise
from ..evidence import PIT_FAILURE, Evidence
from ..extent import Extent, extent, representatives
from ..problems import Problem
from ..task import Task

ENGINE = "finite-field"
AT_LEAST = 3


def vanishes(claim: Identity, sizes: dict[str, int], seed: int, free: bool) -> tuple[bool, int, FiniteField]:
    """Whether left - right is zero at one random point, over all index patterns; how many there were; the point."""
    scalar = contracted(claim)
    flat = pointwise(scalar)
    point = FiniteField(Problem(sizes), seed, free)
    evaluate = Interpreter(point)
    tried = 0
    for environment in representatives(scalar, sizes):
        tried += 1
        if int((evaluate(flat.left, environment) - evaluate(flat.right, environment))[0, 0]):
            return False, tried, point
    return True, tried, point


def failure(needed: Extent, point: FiniteField, free: bool) -> float:
    """Upper bound on the probability that one random point hides a difference."""
    degree = max(1, needed.degree)
    if not free:
        degree += point.reciprocals * needed.reciprocals * degree
    symbols = sum(1 for key in point.atoms if key[0] not in ("entry", "scalar"))
    return (degree + symbols * symbols * degree / 2) / PRIME


def examine(task: Task) -> Evidence | None:
    """Proof with a stated failure probability, or None if the sides differ at a random point."""
    claim = task.claim
    if not isinstance(claim, Identity):
        return None
    needed = extent(contracted(claim))
    sizes = {k: max(v, AT_LEAST) for k, v in needed.sizes.items()}
    for free in (True, False):
        missed, tried, vanished = 1.0, 0, False
        for sample in range(task.profile.samples):
            try:
                zero, patterns, point = vanishes(claim, sizes, hash_seed(task.seed, sample), free)
            except ZeroDivisionError:
                zero, patterns = True, 0
                continue
            if not zero:
                break
            tried += patterns
            vanished |= point.vanished
            missed *= failure(needed, point, free)
        if zero and tried and missed < PIT_FAILURE:
            everywhere = free and needed.complete and not vanished
            return task.found(
                ENGINE,
                "proved" if everywhere else "proved-at-size",
                "gf(p)",
                ("python-flint",),
                tried=tried,
                seed=task.seed,
                detail={"failure": missed, "sizes": sizes, "all sizes": everywhere, "free reciprocals": free},
            )
    return None


def hash_seed(seed: int, sample: int) -> int:
    """A seed of its own for each sample."""
    return seed * 1_000_003 + sample
