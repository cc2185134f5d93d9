"""Automatic repair: a true right side for a false identity, as a linear combination of variants of its printed terms.

The printed side is split into terms; in each term every square matrix may stand transposed, and a scalar of the
claim be put in. Over GF(p) each candidate and
the left side become columns of numbers, one row for each random point, and the left side is solved for. A solution
with small rational coefficients is a suggestion; it counts for nothing until an engine has proved it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import sympy
from flint import nmod, nmod_mat

from almostlinear.theorems.display import plain
from almostlinear.theorems.formula import Formula, rebuilt, total
from almostlinear.theorems.statement import Identity

from ..backends.finite_field import PRIME, FiniteField
from ..backends.interpreter import Interpreter
from ..contract import contracted, pointwise
from ..evidence import Evidence
from ..extent import extent, representatives
from ..problems import Problem
from ..task import Task
from . import expansion

ENGINE = "repair"
MOST_CANDIDATES = 160
SPARE = 4
"""Points beyond the number of candidates: a solution must hold at those too."""
SMALL = 1000


@dataclass(frozen=True)
class Repair:
    """A suggested right side: terms with their coefficients."""

    claim: Identity
    terms: tuple[tuple[Fraction, Formula], ...]
    candidates: int

    @property
    def repaired(self) -> Identity:
        """The claim with the suggested right side."""
        first, *rest = (term if c == 1 else term.scaled(sympy.Rational(str(c))) for c, term in self.terms)
        for term in rest:
            first = first + term
        return replace(self.claim, right=first, reading="repaired")


def suggest(claim: Identity, seed: int = 0) -> Repair | None:
    """A repair of a false identity, or None if no combination of the candidates equals the left side."""
    printed = dict.fromkeys(v for term in terms(claim.right) for v in variants(term))
    candidates = [*printed, *(t.scaled(factor) for factor in _factors(claim) for t in printed)]
    if not candidates or len(candidates) > MOST_CANDIDATES:
        return None
    columns = _columns(claim, candidates, len(candidates) + SPARE, seed)
    kept = _independent(columns[1:])
    solution = _solve([columns[1 + k] for k in kept], columns[0])
    if solution is None:
        return None
    coefficients = [_small(c) for c in solution]
    if any(c is None for c in coefficients):
        return None
    found = tuple((c, candidates[k]) for c, k in zip(coefficients, kept, strict=True) if c)
    return Repair(claim, found, len(candidates)) if found else None


def examine(task: Task) -> Evidence | None:
    """A suggested true form of a refuted identity, with what the expansion says of it; it says nothing of the claim itself."""
    if not isinstance(task.claim, Identity):
        return None
    found = suggest(task.claim, task.seed)
    if found is None:
        return None
    needed = extent(contracted(found.repaired))
    equal, _, vanished = expansion.compare(found.repaired, needed.sizes)
    proved = needed.complete and equal and not vanished
    detail = {
        "suggested": plain(found.repaired.right),
        "suggestion proved": proved,
        "terms": len(found.terms),
        "candidates": found.candidates,
    }
    return task.found(ENGINE, "stated", "encoding", ("python-flint",), tried=1, seed=task.seed, detail=detail)


def _factors(claim: Identity) -> list[sympy.Expr]:
    """Scalars such as 1/d that stand in the claim: a term may lack one."""
    found = {node.data[0] for side in claim.formulas() for node in side.walk() if node.op == "scale"}
    return sorted((f for f in found if not f.is_Rational), key=str)


# -- candidates --------------------------------------------------------------------------------------------------------
def terms(node: Formula) -> list[Formula]:
    """The summands of a formula, products distributed over sums, numeric factors dropped."""
    if node.op == "add":
        return [t for a in node.args for t in terms(a)]
    if node.op == "scale":
        factor = node.data[0]
        inside = terms(node.args[0])
        return inside if factor.is_Rational else [t.scaled(factor) for t in inside]
    if node.op == "define" and (_is_sum(node.args[0]) or node.free):
        return terms(node.args[0])
    if node.op in ("matmul", "times"):
        pairs = itertools.product(terms(node.args[0]), terms(node.args[1]))
        return [a @ b if node.op == "matmul" else a * b for a, b in pairs]
    if node.op == "transpose":
        return [t.T for t in terms(node.args[0])]
    if node.op == "sum":
        return [total(node.data[0], t) for t in terms(node.args[0])]
    if node.op == "define" and node.args[0].op in ("matmul", "scale", "times"):
        return _opened(node)
    return [node]


def _is_sum(node: Formula) -> bool:
    return node.op in ("add", "sum")


def _opened(node: Formula) -> list[Formula]:
    """A named product is opened once if it is not square (f stays f, D_6 becomes its product)."""
    return [node] if node.shape[0] == node.shape[1] or not _has_square(node.args[0]) else terms(node.args[0])


def _has_square(node: Formula) -> bool:
    return any(_is_square(below) for below in node.walk())


def _is_square(node: Formula) -> bool:
    return node.op in ("symbol", "define") and node.shape[0] == node.shape[1] and not node.is_scalar


def variants(node: Formula) -> list[Formula]:
    """The formula with each square matrix in it as it stands or transposed."""
    return list(itertools.islice(dict.fromkeys(_variants(node)), 64))


def _variants(node: Formula) -> Iterator[Formula]:
    if _is_square(node):
        yield node
        yield node.T
    elif node.op in ("symbol", "ones", "eye", "unit", "exp", "recip", "func", "diag", "grad", "jvp", "loss") or (
        node.op == "define" and not node.free
    ):
        yield node
    elif node.op == "hadamard":
        for a, b in itertools.product(*(variants(x) for x in node.args)):
            yield a * b
            if node.shape[0] == node.shape[1] and not node.is_scalar:
                yield a.T * b
                yield a * b.T
    elif node.op == "transpose" and _is_square(node.args[0]):
        yield node
        yield node.args[0]
    else:
        for arguments in itertools.product(*(variants(x) for x in node.args)):
            yield _with(node, arguments)


def _with(node: Formula, arguments: tuple[Formula, ...]) -> Formula:
    if node.op == "define":
        return arguments[0]
    return rebuilt(node, arguments)


# -- linear algebra over GF(p) --------------------------------------------------------------------------------------------
def _columns(claim: Identity, candidates: list[Formula], points: int, seed: int) -> list[list[nmod]]:
    """The left side and each candidate at random points, as columns."""
    columns: list[list[nmod]] = [[] for _ in range(1 + len(candidates))]
    scalar = contracted(claim)
    sizes = {k: min(max(v, 2), 3) for k, v in extent(scalar).sizes.items()}
    sides = [claim.left, *candidates]
    flat = [pointwise(contracted(replace(claim, left=side, right=side))).left for side in sides]
    for point in range(points):
        evaluate = Interpreter(FiniteField(Problem(sizes), seed * 7919 + point, free=True))
        environments = list(representatives(scalar, sizes))
        environment = environments[point % len(environments)]
        for column, side in zip(columns, flat, strict=True):
            column.append(evaluate(side, environment)[0, 0])
    return columns


def _independent(columns: list[list[nmod]]) -> list[int]:
    """Indices of columns that are not combinations of earlier ones."""
    if not columns:
        return []
    table = nmod_mat(len(columns[0]), len(columns), [x for row in zip(*columns, strict=True) for x in row], PRIME)
    reduced, rank = table.rref()
    return [next(j for j in range(reduced.ncols()) if int(reduced[i, j])) for i in range(rank)]


def _solve(columns: list[list[nmod]], target: list[nmod]) -> list[nmod] | None:
    """The coefficients that give the target at every point, if they are unique."""
    width, height = len(columns), len(target)
    flat = [x for row in zip(*columns, target, strict=True) for x in row]
    reduced, rank = nmod_mat(height, width + 1, flat, PRIME).rref()
    if rank != width or any(int(reduced[i, width]) for i in range(width, height)):
        return None
    return [reduced[i, width] for i in range(width)]


def _small(value: nmod) -> Fraction | None:
    """The rational with small numerator and denominator that this residue stands for."""
    for denominator in (1, 2, 3, 4, 6, 8):
        scaled = int(value * denominator)
        signed = scaled - PRIME if scaled > PRIME // 2 else scaled
        if abs(signed) <= SMALL:
            return Fraction(signed, denominator)
    return None
