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
from ..problems import Problem, size_names, to_json
from ..task import Task
from .enclosure import claim_sizes, symbols_of
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
    """Whether found <= claimed for all sizes: the same, by a shifted polynomial, or by binom(k, g) <= binom(2k, 2g).

    The last is Vandermonde's identity: binom(2k, 2g) = sum_j binom(k, j) binom(k, 2g - j) >= binom(k, g)^2.
    """
    if sympy.expand(found - claimed) == 0:
        return True
    if isinstance(found, sympy.binomial) and isinstance(claimed, sympy.binomial):
        return all(sympy.expand(2 * x - y) == 0 for x, y in zip(found.args, claimed.args, strict=True))
    if found.atoms(sympy.binomial) or claimed.atoms(sympy.binomial):
        return False
    return certificate(found, claimed) is not None


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
