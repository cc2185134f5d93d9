"""Shared tables and fixtures of the tests: one row per operation of the formula language drives formula, backend and
derivative tests, and a scratch registry keeps own lemmas of one test out of the next.

The reference value of a row is a plain NumPy lambda written from the definition of the operation, never the interpreter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from almostlinear.theorems import (
    Formula,
    Identity,
    Index,
    Pair,
    Statement,
    absolute,
    block,
    d,
    define,
    diag,
    exp,
    eye,
    features,
    func,
    grad,
    inner,
    jvp,
    kron,
    load,
    loss,
    n,
    ones,
    recip,
    rowkron,
    rows,
    symbol,
    taylor,
    tokens,
    total,
    unit,
)
from almostlinear.theorems.registry import Registry, registry
from almostlinear.verify.problems import Problem

# The statements of the paper's gradient sections that fail as printed, each with a repair that an expansion proves.
REFUTED_IDENTITIES = ("D.1", "D.8", "D.9", "E.11", "G.3")
REFUTED = ("C.18", *REFUTED_IDENTITIES)

i, j = tokens("i j")
k, l = features("k l")
X, Y, G = symbol("X", n, d), symbol("Y", n, d), symbol("G", n, d)
W, V = symbol("W", d, d), symbol("V", d, d)
v = symbol("v", n)
P = symbol("P", n, d, domain="positive")
M = symbol("M", n, n, domain="mask")
U = symbol("U", n, d)  # in multiples of ln 2

SIZES = {"n": 3, "d": 2}
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Operation:
    """A row of the table: a formula that exercises ``op`` and its value in plain NumPy.

    Attributes:
        op: the operation, one of `interpreter.OPERATIONS`.
        formula: with free indices only among those of ``at``.
        expected: from the symbols' values (float64) to the value.
        at: 1-based values of the free indices.
        rational: whether the value is a rational polynomial in ln 2.
        field: whether GF(p) gives the residue of that rational (no free symbol stands for a function).
        smooth: whether the formula may be differentiated in X.
    """

    op: str
    formula: Formula
    expected: Callable[[Values], Any]
    at: dict[Index, int] = field(default_factory=dict)
    rational: bool = True
    field: bool = True
    smooth: bool = True

    def __str__(self) -> str:
        return f"{self.op}: {self.formula!r}"


def _taylor(x: np.ndarray, degree: int) -> np.ndarray:
    return sum(x**p / math.factorial(p) for p in range(degree + 1))


def _grad_softmax(m: Values) -> np.ndarray:
    """d/dX <G, diag(1/alpha) exp(X)> with alpha the row sums, by hand."""
    u = np.exp(m["X"])
    f = u / u.sum(1, keepdims=True)
    return f * m["G"] - f * (f * m["G"]).sum(1, keepdims=True)


SOFTMAX = diag(recip(exp(X) @ ones(d))) @ exp(X)
FREE = {"rational": False, "field": False}

OPERATIONS = (
    Operation("symbol", X, lambda m: m["X"]),
    Operation("ones", ones(n, d), lambda m: np.ones((3, 2)), smooth=False),
    Operation("eye", eye(n), lambda m: np.eye(3), smooth=False),
    Operation("unit", unit(i), lambda m: np.array([[0], [1], [0]]), {i: 2}, smooth=False),
    Operation("unit", unit(Pair(k, l)), lambda m: np.array([[0], [0], [1], [0]]), {k: 2, l: 1}, smooth=False),
    Operation("scale", X.scaled(1 / d), lambda m: m["X"] / 2),
    Operation("scale", X * (n - 2 * d**2), lambda m: -5 * m["X"]),
    Operation("add", X - Y, lambda m: m["X"] - m["Y"]),
    Operation("matmul", X @ W @ Y.T, lambda m: m["X"] @ m["W"] @ m["Y"].T),
    Operation("transpose", X.T, lambda m: m["X"].T),
    Operation("hadamard", X * Y, lambda m: m["X"] * m["Y"]),
    Operation("hadamard", M * (X @ Y.T), lambda m: np.tril(m["X"] @ m["Y"].T)),
    Operation("times", inner(X, Y) * X, lambda m: (m["X"] * m["Y"]).sum() * m["X"]),
    Operation("row", X.row(i), lambda m: m["X"][2:3].T, {i: 3}),
    Operation("col", X.col(k), lambda m: m["X"][:, :1], {k: 1}),
    Operation("entry", X[i, k], lambda m: m["X"][1:2, 1:2], {i: 2, k: 2}),
    Operation("entry", kron(X, Y)[Pair(i, j), Pair(k, l)], lambda m: m["X"][2:, :1] * m["Y"][:1, 1:],
              {i: 3, j: 1, k: 1, l: 2}),
    Operation("exp", exp(X), lambda m: np.exp(m["X"]), **FREE),
    Operation("exp", exp(U), lambda m: np.exp(m["U"]), field=False, smooth=False),
    Operation("recip", recip(P), lambda m: 1 / m["P"], smooth=False),
    Operation("recip", recip(ones(n, d) * 3 + X), lambda m: 1 / (3 + m["X"])),
    Operation("func", func("phi", X), lambda m: np.tanh(m["X"]), **FREE),
    Operation("func", func("phi", X, 1), lambda m: 1 - np.tanh(m["X"]) ** 2, smooth=False, **FREE),
    Operation("func", func("cube", X), lambda m: m["X"] ** 3, field=False),
    Operation("func", func("cube", X, 1), lambda m: 3 * m["X"] ** 2, field=False),
    Operation("taylor", taylor(X, n), lambda m: _taylor(m["X"], 3), field=False),
    Operation("taylor", taylor(X, d - 2), lambda m: np.ones((3, 2)), field=False),
    Operation("absolute", absolute(X), lambda m: np.abs(m["X"]), field=False, smooth=False),
    Operation("diag", diag(v) @ X, lambda m: m["v"] * m["X"]),
    Operation("diag", diag(X.col(k)), lambda m: np.diag(m["X"][:, 1]), {k: 2}),
    Operation("kron", kron(X, W), lambda m: np.kron(m["X"], m["W"])),
    Operation("rowkron", rowkron(X, Y), lambda m: np.array([np.kron(y, x) for x, y in zip(m["X"], m["Y"], strict=True)])),
    Operation("block", block(kron(X, Y), i, n), lambda m: np.kron(m["X"][1:2], m["Y"]), {i: 2}),
    Operation("loss", loss(X @ W, G), lambda m: (m["X"] @ m["W"] * m["G"]).sum().reshape(1, 1)),
    Operation("sum", total(i, j, k, X[i, k] * Y[j, k] * X.row(j)),
              lambda m: np.einsum("ik,jk,jl->l", m["X"], m["Y"], m["X"])[:, None]),
    Operation("sum", total(i, X), lambda m: 3 * m["X"]),
    Operation("stack", rows(i, X.row(i) * Y.row(i)), lambda m: m["X"] * m["Y"]),
    Operation("stack", rows(k, X.col(k)), lambda m: m["X"].T),
    Operation("define", define("Q", X @ W) @ W, lambda m: m["X"] @ m["W"] @ m["W"]),
    Operation("grad", grad(loss(X @ W, G), W), lambda m: m["X"].T @ m["G"], smooth=False),
    Operation("grad", grad(loss(X @ W @ X.T, Y @ Y.T), X),
              lambda m: m["Y"] @ m["Y"].T @ m["X"] @ (m["W"] + m["W"].T), smooth=False),
    Operation("grad", grad(inner(SOFTMAX, G), X), _grad_softmax, smooth=False, **FREE),
    Operation("grad", grad(loss(X, G), W), lambda m: np.zeros((2, 2)), smooth=False),
    Operation("jvp", jvp(X @ W @ X.T, X, Y),
              lambda m: m["Y"] @ m["W"] @ m["X"].T + m["X"] @ m["W"] @ m["Y"].T, smooth=False),
    Operation("jvp", jvp(exp(X @ W), W, V), lambda m: np.exp(m["X"] @ m["W"]) * (m["X"] @ m["V"]), smooth=False, **FREE),
    Operation("jvp", jvp(X, W, unit(k) @ unit(l).T), lambda m: np.zeros((3, 2)), {k: 1, l: 2}, smooth=False),
)  # fmt: skip


# A clash of every operation that checks shapes: what is tried, and the two shapes that the message must show.
CLASHES: tuple[tuple[str, Callable[[], Any], str, str], ...] = (
    ("sum", lambda: X + W, "n x d", "d x d"),
    ("difference", lambda: X - X.T, "n x d", "d x n"),
    ("product", lambda: X @ X, "n x d", "n x d"),
    ("product with a vector", lambda: W @ v, "d x d", "n x 1"),
    ("entrywise product", lambda: X * W, "n x d", "d x d"),
    ("row", lambda: X.row(k), "n x d", "d x 1"),
    ("column", lambda: X.col(i), "n x d", "1 x n"),
    ("entry", lambda: X[k, i], "n x d", "d x n"),
    ("entry of a non-vector", lambda: X[i], "n x d", "n x 1"),
    ("entry at a pair", lambda: X[Pair(i, j), k], "n x d", "n**2 x d"),
    ("diag", lambda: diag(X), "n x d", "n x 1"),
    ("row-wise Kronecker product", lambda: rowkron(X, W), "n x d", "d x d"),
    ("block", lambda: block(kron(X, X), i, d), "n**2 x d**2", "d*n x d**2"),
    ("inner product", lambda: inner(X, W), "n x d", "d x d"),
    ("inner product of vectors", lambda: inner(v, ones(d)), "1 x n", "d x 1"),
    ("stack", lambda: rows(i, X), "n x d", "n x 1"),
    ("loss", lambda: loss(X, W), "n x d", "d x d"),
    ("grad", lambda: grad(X, W), "n x d", "1 x 1"),
    ("jvp", lambda: jvp(X @ W, W, X), "d x d", "n x d"),
)


# -- problems ----------------------------------------------------------------------------------------------------------
def dyadic(shape: tuple[int, ...], rng: np.random.Generator, largest: int = 16) -> np.ndarray:
    """Nonzero multiples of 1/16 in [-1, 1]: exact in every kind of number."""
    return rng.integers(1, largest + 1, shape) * rng.choice([-1, 1], shape) / 16


def table_problem(seed: int = 0) -> Problem:
    """Values of the table's symbols at n = 3, d = 2."""
    rng = np.random.default_rng(seed)
    size = {"n": 3, "d": 2}
    values = {
        s.data[0]: dyadic(tuple(size[str(e)] if str(e) in size else int(e) for e in s.shape), rng)
        for s in (X, Y, G, W, V, v, P)
    }
    values["P"] = np.abs(values["P"])
    values["M"] = np.tri(3)
    values["U"] = rng.integers(-3, 4, (3, 2)).astype(float)
    functions = {"phi": "tanh", "cube": "power:3"}
    return Problem(dict(SIZES), values, units={"U": "ln2"}, functions=functions)


def plain_values(problem: Problem) -> Values:
    """The problem's matrices in float64, units multiplied in."""
    return {k: x * (math.log(2) if problem.units.get(k) else 1.0) for k, x in problem.values.items()}


def without_units(problem: Problem) -> Problem:
    """The problem in plain float64 numbers."""
    return replace(problem, values=plain_values(problem), units={})


def exact(value: Any) -> Fraction:
    """A python-flint rational, integer or constant polynomial as a Fraction."""
    if hasattr(value, "coeffs"):
        assert value.degree() <= 0, value
        value = value[0]
    return Fraction(int(value.p), int(value.q))


# -- statements --------------------------------------------------------------------------------------------------------
@contextmanager
def scratch_registry() -> Iterator[Registry]:
    """The registry, with whatever is added to it forgotten at the end."""
    load()
    before = dict(registry._statements)
    try:
        yield registry
    finally:
        registry._statements = before


def own(id: str, *claims: Any, **fields: Any) -> Statement:
    """A statement of one's own, not registered."""
    return Statement(id=id, title=id, source="tests", **{"kind": "identity", "origin": "own", **fields}, claims=claims)


def alone(*statements: Statement) -> Registry:
    """A registry of these statements and nothing else."""
    made = Registry()
    for one in statements:
        made.add(one)
    return made


def claim_of(id: str, part: str | None = None, reading: int = 0) -> Identity:
    """A claim of a registered statement, by part and by the number of its reading."""
    found = [c for c in load()[id].claims if part in (None, c.part)]
    assert found, f"{id} has no part {part}"
    return found[reading]
