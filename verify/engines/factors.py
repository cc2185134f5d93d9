"""Existence of low-rank factors, refuted by the corners of a cube: a family with a proof for every size.

X holds all n = 2^d points of {-1, 1}^d, W = ln(2) I, and the target is f = D^{-1} u, D = diag(u 1). If u is the d-fold Kronecker power of
its 2 x 2 value A, whose rows have one sum c, then f is that of B = A / c, and |f^{-1}|_row = |B^{-1}|_row^d. Any f~ with
|f~ - f| <= delta is f (I + f^{-1}(f~ - f)), so it has full rank n as soon as

    n delta |f^{-1}|_row < 1,    for delta = n^{-2} and every d:    |B^{-1}|_row < 2.

That u is a Kronecker power for every d follows from exp(a + b) = exp(a) exp(b), that its row sums are c^d from statement L.1, which
is proved here first; both are compared with exact values at d = 1, 2, 3. All numbers are rational: exp(ln 2) = 2.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq_mat

from almostlinear.theorems.asymptotics import CONSTANT, LOG, NEGLIGIBLE, SUBPOLY
from almostlinear.theorems.formula import Formula, exp
from almostlinear.theorems.norms import maxnorm
from almostlinear.theorems.registry import registry
from almostlinear.theorems.sizes import d as WIDTH
from almostlinear.theorems.statement import Factors, Within

from ..backends.arrays import NotExact
from ..backends.interpreter import Interpreter
from ..backends.rational import LN2, Rationals
from ..evidence import REFUTED, Evidence
from ..problems import Problem, to_json
from ..task import Task
from . import expansion

ENGINE = "factors"
PRODUCT = "L.1"
"""The statement that the attention weights of a product of point sets are a Kronecker product."""
LARGEST = 3


def cube(d: int) -> Problem:
    """All corners of {-1, 1}^d as rows of X, and W = ln(2) I."""
    corners = np.array(list(itertools.product([1, -1], repeat=d)), dtype=object)
    return Problem({"n": 2**d, "d": d}, {"X": corners, "W": np.eye(d, dtype=int).astype(object)}, {"W": LN2})


def kernel_of(target: Formula) -> Formula | None:
    """u of a target diag(1/(u 1)) u with u = exp(X W X^T), or None if it is not of that form.

    Only there is it known, by exp(a + b) = exp(a) exp(b), that one more coordinate is one more Kronecker factor.
    """
    bare = _bare(target)
    if bare.op != "matmul" or _bare(bare.args[0]).op != "diag":
        return None
    u, inverse = _bare(bare.args[1]), _bare(_bare(bare.args[0]).args[0])
    sums = _bare(inverse.args[0]) if inverse.op == "recip" else inverse
    fits = inverse.op == "recip" and sums.op == "matmul" and _bare(sums.args[0]) is u and sums.args[1].op == "ones"
    symbols = u.symbols()
    if not fits or set(symbols) != {"X", "W"}:
        return None
    X, W = symbols["X"], symbols["W"]
    return u if u is exp(X @ W @ X.T) else None


def _bare(node: Formula) -> Formula:
    while node.op == "define":
        node = node.args[0]
    return node


def value_at(formula: Formula, problem: Problem) -> fmpq_mat:
    """A formula's value, exactly.

    Raises:
        NotExact: if it is not rational there.
    """
    values = Interpreter(Rationals(problem))(formula)
    if any(v.degree() > 0 for v in values.ravel()):
        raise NotExact("not rational on the corners")
    return fmpq_mat([[v[0] for v in row] for row in values])


def kronecker(a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
    """The Kronecker product."""
    (m, n), (p, q) = (a.nrows(), a.ncols()), (b.nrows(), b.ncols())
    return fmpq_mat(m * p, n * q, [a[i // p, j // q] * b[i % p, j % q] for i in range(m * p) for j in range(n * q)])


def row_norm(a: fmpq_mat) -> Fraction:
    """The largest row sum of absolute values."""
    sums = (sum((abs(a[i, j]) for j in range(a.ncols())), a[0, 0] * 0) for i in range(a.nrows()))
    return max(Fraction(int(s.p), int(s.q)) for s in sums)


def inside(task: Task) -> list[str] | None:
    """The statement's hypotheses, each as it holds on the family; None if one does not or is not of a known kind.

    On the family |X| = 1, |W| = |X W| = |X W^T| = ln 2 and d = log2(n).
    """
    claim = task.claim
    assert isinstance(claim, Factors)
    X, W = (claim.target.symbols()[name] for name in "XW")
    reached = {WIDTH: LOG, **dict.fromkeys(map(maxnorm, (X, W, X @ W, X @ W.T)), CONSTANT)}
    found = []
    for a in task.statement.assumed:
        if not (isinstance(a, Within) and a.quantity in reached and reached[a.quantity] <= a.growth):
            return None
        found.append(str(a))
    return found


def excess(claim: Factors) -> dict[str, Any] | None:
    """The exact figures of the refutation, or None where it does not go through."""
    if set(claim.target.symbols()) != {"X", "W"} or claim.width > SUBPOLY or claim.error != NEGLIGIBLE:
        return None
    kernel = kernel_of(claim.target)
    if kernel is None:
        return None
    try:
        kernels = [value_at(kernel, cube(d)) for d in range(1, LARGEST + 1)]
        values = [value_at(claim.target, cube(d)) for d in range(1, LARGEST + 1)]
    except (NotExact, ZeroDivisionError):
        return None
    one, factor = kernels[0], values[0]
    if sum(one[0, j] for j in range(2)) != sum(one[1, j] for j in range(2)):
        return None
    for powers, found in ((one, kernels), (factor, values)):
        power = powers
        for value in found[1:]:
            power = kronecker(power, powers)
            if power != value:
                return None
    norm = row_norm(factor.inv()) if factor.det() != 0 else None
    if norm is None or norm >= 2:
        return None
    checked = [
        {"n": 2**d, "d": d, "n^-2 * n * |f^-1|_row": str(Fraction(1, 2**d) * row_norm(v.inv())), "rank": v.rank()}
        for d, v in enumerate(values, start=1)
    ]
    return {"B": [[str(factor[i, j]) for j in range(2)] for i in range(2)], "|B^-1|_row": str(norm), "sizes": checked}


def examine(task: Task) -> Evidence | None:
    """Refuted by the family, or None: nothing is known of the existence of factors."""
    claim = task.claim
    if not isinstance(claim, Factors):
        return None
    found, hypotheses = excess(claim), inside(task)
    if found is None or hypotheses is None or not _product_rule_holds(task):
        return None
    corner = cube(2)
    witness = {
        "schema": 1, "statement": task.statement.id, "part": claim.part, "reading": claim.reading, **to_json(corner),
        "claimed": f"factors of width {claim.width} within n^-2 of the target", "actual": "every matrix within n^-2 of it has rank n",
        "family": "X = all corners of {-1, 1}^d, n = 2^d, W = ln(2) I, every d; the target is a Kronecker power of B",
        "arithmetic": "exact", "hypotheses on the family": hypotheses, **found,
    }  # fmt: skip
    return task.found(
        ENGINE, REFUTED, "exact", ("python-flint",), tried=LARGEST, witness=witness,
        detail={"|B^-1|_row": found["|B^-1|_row"], "delta": "n^-2"},
    )  # fmt: skip


def _product_rule_holds(task: Task) -> bool:
    """Whether the expansion proves L.1."""
    records = [expansion.examine(replace(task, claim=claim)) for claim in registry[PRODUCT].claims]
    return all(record is not None and record.strength == "proved" for record in records)


def recheck(claim: Factors, problem: Problem) -> tuple[str, str] | None:
    """(claimed, actual) if every matrix within n^-2 of the target has full rank on a problem, else None."""
    value = value_at(claim.target, problem)
    n = value.nrows()
    if value.det() == 0 or Fraction(1, n) * row_norm(value.inv()) >= 1:
        return None
    return f"factors of width {claim.width} within n^-2 of the target", "every matrix within n^-2 of it has rank n"
