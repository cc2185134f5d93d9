"""Drawn instances of claims: problems of every family with a free direction and constants where the claim needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.statement import Bound, Claim, Identity, Rank

from .contract import DIRECTION, contracted
from .extent import extent
from .problems import FAMILIES, HEAD_WIDTH, Problem, describe, draw, real_attention, real_heads, size_names

BOUNDS = (1.0, 0.5, 0.25, 4.0)
ATTENTION = frozenset({"X", "W", "W_V", "G"})


def symbols_of(claim: Claim) -> list[Formula]:
    """The named matrices of a claim."""
    return list({node.data[0]: node for f in claim.formulas() for node in f.symbols().values()}.values())


def instances(claim: Identity | Bound, count: int, seed: int) -> Iterator[tuple[str, Problem]]:
    """``count`` drawn problems of every family, with a free direction and constants where the claim needs them.

    Of a trained head all 32 features are taken, unless the claim runs over single entries: then four.
    """
    named = symbols_of(claim)
    names = sorted(set(size_names(named)) | claim_sizes(claim))
    attention = isinstance(claim, Identity) and bool(named) and {s.data[0] for s in named} <= ATTENTION | {DIRECTION}
    width = 4 if _by_entries(claim) else HEAD_WIDTH
    masked, wide = is_masked(named), _says_nothing_of_eta(claim)
    for family in FAMILIES:
        for k in range(count):
            rng = np.random.default_rng([seed, k, len(family)])
            if family == "real" and attention:
                if 3 * k >= count:
                    break
                found = real_attention(_short_head(), int(rng.integers(3, 6)), width)
                yield family, _finished(found, rng, wide, named, seed + k)
                continue
            sizes = {name: _size(name, rng) for name in names}
            text = describe(family, sizes, BOUNDS[k % len(BOUNDS)], seed + k, full=masked and k % 2 == 1)
            found = draw([s for s in named if s.data[0] != DIRECTION], text)
            yield family, _finished(found, rng, wide, named, seed + k)


def _finished(problem: Problem, rng: np.random.Generator, wide: bool, named: list[Formula], seed: int) -> Problem:
    """The problem with constants and a free direction."""
    return _with_direction(replace(problem, constants=constants_of(problem, rng, wide)), named, seed)


def is_masked(named: Iterable[Formula]) -> bool:
    """Whether a mask is among the matrices, so that it is drawn full as well as causal."""
    return any(s.data[1] == "mask" for s in named)


def _by_entries(claim: Identity | Bound) -> bool:
    """Whether the claim has free indices, index sums or matrices built from entries."""
    nodes = (node for side in claim.formulas() for node in side.walk())
    return any(side.free for side in claim.formulas()) or any(node.op in ("sum", "stack") for node in nodes)


def _size(name: str, rng: np.random.Generator) -> int:
    """Mostly 2..4, sometimes 1; a degree g up to 8, k up to 3 (for g = 2k and 2k + 1)."""
    if name in ("g", "k"):
        return int(rng.integers(1, 9 if name == "g" else 4))
    return int(rng.integers(2, 5)) if rng.random() < 0.85 else 1


def _says_nothing_of_eta(claim: Identity | Bound) -> bool:
    """Whether a bound speaks of eta under no hypothesis about it, nor a root that needs one: then it may exceed 1."""
    if not isinstance(claim, Bound):
        return False
    about = {s.name for relation in claim.given for s in relation.free_symbols}
    return "eta" not in about and not any(p.exp == sympy.Rational(1, 2) for p in claim.right.atoms(sympy.Pow))


def constants_of(problem: Problem, rng: np.random.Generator, wide: bool = False) -> dict[str, Fraction]:
    """The problem's constants and those of the statements: c of poly(n) = n^c, eta in (0, 1), in (0, 2) if ``wide``, eps, b, L, s."""
    drawn = {
        "c": Fraction(int(rng.integers(1, 5)), 2),
        "eta": Fraction(int(rng.integers(1, 64)), 32 if wide else 64),
        "eps": Fraction(1, 2 ** int(rng.integers(0, 12))),
        "b": Fraction(int(rng.integers(1, 49)), 16),
        "L": Fraction(int(rng.integers(1, 161)), 8),
        "s": Fraction(int(rng.integers(0, 33)), 16),
    }
    return {**problem.constants, **drawn}


def _short_head() -> str:
    return next(head for head in real_heads() if head.startswith("n16."))


def claim_sizes(claim: Identity | Bound | Rank) -> set[str]:
    """The sizes that a claim speaks of, degrees included."""
    if isinstance(claim, Identity):
        return set(extent(contracted(claim)).sizes)
    if isinstance(claim, Rank):
        named = {s.name for s in claim.at_most.free_symbols}
    else:
        named = {s.name for e in (claim.left, claim.right, *claim.given) for s in e.free_symbols if s.is_integer}
    inside = (node.data[0] for f in claim.formulas() for node in f.walk() if node.op in ("taylor", "scale"))
    return named | {s.name for e in inside for s in sympy.sympify(e).free_symbols if s.is_integer}


def _with_direction(problem: Problem, named: list[Formula], seed: int) -> Problem:
    node = next((s for s in named if s.data[0] == DIRECTION), None)
    if node is None:
        return problem
    sizes = ",".join(f"{k}={v}" for k, v in sorted(problem.sizes.items()))
    moved = draw([node], f"uniform;{sizes};bound=1;seed={seed}")
    return replace(problem, values={**problem.values, **moved.values})
