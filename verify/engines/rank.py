"""Ranks: bounded for all sizes by the structure of a formula, observed exactly on small rational problems.

    rank(A B) <= min(rank A, rank B)    rank(A + B) <= rank A + rank B    rank(A * B) <= rank A rank B
    rank T_g(A) <= binom(rank A + g, g) (one monomial for each multiset of at most g of the factors' columns)

An observed rank is that of the matrix with ln 2 replaced by a rational number, which never has more than the true rank.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import fmpq, fmpq_mat

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import at
from almostlinear.theorems.statement import Rank

from ..backends.arrays import NotExact
from ..backends.interpreter import Interpreter
from ..backends.rational import Rationals
from ..evidence import REFUTED, Evidence
from ..instances import claim_sizes, symbols_of
from ..problems import Problem, size_names, to_json
from ..task import Task
from .norms import certificate
from .witness import carriers, in_units, small_entries

ENGINE = "rank"
LN2 = fmpq(61, 88)
"""Any rational number would do."""


def bounds(a: Formula) -> set[sympy.Expr]:
    """Upper bounds on the rank of a formula, each valid for all values of its symbols."""
    found = set(a.shape)
    if a.op in _RULES:
        found |= _RULES[a.op](a)
    return found


def _pairs(combine: Callable[[Any, Any], Any]) -> Callable[[Formula], set[sympy.Expr]]:
    return lambda a: {combine(x, y) for x in bounds(a.args[0]) for y in bounds(a.args[1])}


_RULES: dict[str, Callable[[Formula], set[sympy.Expr]]] = {
    "define": lambda a: bounds(a.args[0]),
    "transpose": lambda a: bounds(a.args[0]),
    "scale": lambda a: bounds(a.args[0]),
    "times": lambda a: bounds(a.args[1] if a.args[0].is_scalar else a.args[0]),
    "ones": lambda a: {sympy.Integer(1)},
    "matmul": lambda a: bounds(a.args[0]) | bounds(a.args[1]),
    "add": _pairs(lambda x, y: x + y),
    "hadamard": _pairs(lambda x, y: x * y),
    "kron": _pairs(lambda x, y: x * y),
    "taylor": lambda a: {sympy.binomial(r + a.data[0], a.data[0]) for r in bounds(a.args[0])},
}


def implies(found: sympy.Expr, claimed: sympy.Expr) -> bool:
    """Whether found <= claimed for all sizes: the same, by a shifted polynomial, or between binomials by Pascal's rule."""
    if sympy.expand(found - claimed) == 0:
        return True
    if isinstance(found, sympy.binomial):
        return _between_binomials(found, sympy.expand(claimed))
    if found.atoms(sympy.binomial) or claimed.atoms(sympy.binomial):
        return False
    return certificate(found, claimed) is not None


def _between_binomials(found: sympy.binomial, claimed: sympy.Expr) -> bool:
    """B(p, q) <= B(p', q'), B(p', q') - 1 or B(p', q')/2 for all sizes, where B(p, q) = binom(p + q, q).

    B grows with p and with q. If p, q >= 1 and one of the two grows, then by B(p + 1, q) = B(p, q) + B(p + 1, q - 1) by at least 1; if
    both do, B(p + 1, q + 1) = B(p, q + 1) + B(p + 1, q) >= 2 B(p, q).
    """
    less, rest = claimed.as_coeff_Add()
    factor, larger = rest.as_coeff_Mul()
    if not isinstance(larger, sympy.binomial):
        return False
    (p, q), (p_1, q_1) = ((b.args[0] - b.args[1], b.args[1]) for b in (found, larger))

    def at_most(x: sympy.Expr, y: sympy.Expr) -> bool:
        return certificate(sympy.expand(x), sympy.expand(y)) is not None

    if not (at_most(p, p_1) and at_most(q, q_1)):
        return False
    in_p, in_q = at_most(p + 1, p_1), at_most(q + 1, q_1)
    if less == 0 and (factor == 1 or (factor == sympy.Rational(1, 2) and in_p and in_q)):
        return True
    return (
        less == -1 and factor == 1 and (in_p or in_q) and at_most(sympy.Integer(1), p) and at_most(sympy.Integer(1), q)
    )


def observed(formula: Formula, problem: Problem) -> int:
    """The rank at a problem, by exact elimination.

    Raises:
        NotExact: if the values are not polynomials in ln 2.
    """
    values = Interpreter(Rationals(problem))(formula)
    rows, columns = values.shape
    return int(fmpq_mat(rows, columns, [value(LN2) for value in values.ravel()]).rank())


ROWS = 8
"""Tokens n of the problems tried: enough to show ranks of products of small widths."""


def instances(claim: Rank, count: int, seed: int) -> Iterator[Problem]:
    """Problems with small integer entries, every other size in 1..3, n = 8; under an exp in multiples of ln 2."""
    named = symbols_of(claim)
    names = sorted(set(size_names(named)) | claim_sizes(claim))
    for widths in itertools.product((1, 2, 3), repeat=len(names) - ("n" in names)):
        sizes = dict(zip([x for x in names if x != "n"], widths, strict=True)) | ({"n": ROWS} if "n" in names else {})
        rng = np.random.default_rng([seed, *widths])
        for _ in range(count):
            values = {}
            for node in sorted(named, key=lambda s: s.data[0]):
                shape = at(node.shape[0], sizes), at(node.shape[1], sizes)
                real = node.data[1] == "real"
                values[node.data[0]] = (
                    rng.integers(-3, 4, shape) if real else small_entries(node.data[1], shape, 1.0, rng)
                )
            plain = Problem(sizes, {k: v.astype(object) for k, v in values.items()}, constants={"tau": Fraction(1)})
            yield from (in_units(plain, carrier) for carrier in carriers(claim))


def _largest(claim: Rank, task: Task) -> tuple[int, float, str, tuple[Problem, int, int] | None]:
    """Over the instances: how many, the largest rank / bound, where, and the first excess."""
    tried, best, where = 0, 0.0, ""
    for problem in instances(claim, 1, task.seed):
        limit = _limit(claim, problem)
        try:
            found = observed(claim.formula, problem)
        except (NotExact, ZeroDivisionError, OverflowError):
            continue
        tried += 1
        if found > limit:
            return tried, best, where, (problem, found, limit)
        if limit and found / limit > best:
            sizes = ", ".join(f"{k} = {v}" for k, v in sorted(problem.sizes.items()))
            best, where = found / limit, f"rank {found} of at most {limit} at {sizes}"
    return tried, best, where, None


def _limit(claim: Rank, problem: Problem) -> int:
    """The claimed bound at a problem's sizes.

    Raises:
        KeyError: if it has a symbol that is no size of the problem.
    """
    return int(claim.at_most.subs({s: problem.sizes[s.name] for s in claim.at_most.free_symbols}))


def examine(task: Task) -> Evidence | None:
    """Proved by structure, refuted by an exact rank, or enclosed on the problems tried."""
    claim = task.claim
    if not isinstance(claim, Rank):
        return None
    tried, best, where, excess = _largest(claim, task)
    if excess is not None:
        problem, found, limit = excess
        witness = {
            "schema": 1, "statement": task.statement.id, "part": claim.part, "reading": claim.reading, **to_json(problem),
            "claimed": f"rank at most {limit}", "actual": f"rank {found}", "arithmetic": "exact",
        }  # fmt: skip
        return task.found(ENGINE, REFUTED, "exact", ("python-flint",), tried=tried, seed=task.seed, witness=witness)
    detail: dict[str, Any] = {"tightness": {"best": best, "instance": where}} if best else {}
    found_bound = next((b for b in sorted(bounds(claim.formula), key=str) if implies(b, claim.at_most)), None)
    if found_bound is not None:
        detail |= {"derived": str(found_bound)}
        return task.found(
            ENGINE, "proved", "exact", ("sympy", "python-flint"), tried=max(1, tried), seed=task.seed, detail=detail
        )
    return task.found(ENGINE, "enclosed", "exact", ("python-flint",), tried=tried, detail=detail) if tried else None


def recheck(claim: Rank, problem: Problem) -> tuple[str, str] | None:
    """(claimed, actual) if the rank exceeds the claim on a problem, else None."""
    limit = _limit(claim, problem)
    found = observed(claim.formula, problem)
    return (f"rank at most {limit}", f"rank {found}") if found > limit else None
