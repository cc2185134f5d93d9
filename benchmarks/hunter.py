"""The adversary against suprema that are known: which share of each it reaches, confirmed in balls, and how fast.

Every problem asks for the largest value of left / right over a box; what is found is a lower bound that balls confirm, so a share above
one would mean that the supremum or the search is wrong. Run it by `python benchmarks/hunter.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy
from rich.console import Console
from rich.table import Table
from scipy.linalg import hadamard

from almostlinear.theorems import d, diag, exp, inner, maxnorm, n, ones, recip, symbol, taylor, top
from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import l1norm, rownorm
from almostlinear.theorems.registry import load
from almostlinear.theorems.statement import Bound
from almostlinear.verify.adversary.confirm import confirm
from almostlinear.verify.adversary.lowering import Sides
from almostlinear.verify.adversary.search import Effort, hunt
from almostlinear.verify.adversary.space import Cell, Space, space_of

EFFORT = Effort(drawn=4, walkers=8, moves=60, steps=100, powell=4, most=60_000)
ENOUGH = 0.95
"""Share of a supremum that counts as reached."""
SECONDS = 60
"""For all problems together."""
WANTED = 18
"""Problems of the twenty that must be reached."""


@dataclass(frozen=True)
class Known:
    """The supremum of left / right in a cell, some matrices being given."""

    name: str
    left: Any
    right: Any
    supremum: sympy.Expr
    cell: Cell
    given: dict[str, Any] = field(default_factory=dict)

    def space(self) -> Space:
        """The search space, without the matrices that are given."""
        made = space_of(Bound(self.left, self.right), self.cell)
        free = tuple(row for row in made.free if row[0] not in self.given)
        return replace(made, free=free, fixed={**made.fixed, **self.given})


@dataclass(frozen=True)
class Reached:
    """What was reached of one supremum."""

    name: str
    supremum: float
    found: float
    share: float
    evaluations: int
    seconds: float


def rows_of(a: Formula) -> Formula:
    """Row softmax."""
    return diag(recip(exp(a) @ ones(a.shape[1]))) @ exp(a)


def softmax(v: Formula) -> Formula:
    """Softmax of a column vector."""
    return exp(v) * recip(inner(exp(v), ones(n)))


def of_statement(name: str, statement: str, part: str, sizes: dict[str, int], supremum: Any = 1) -> Known:
    """A bound of the theory whose supremum is known."""
    claim = next(c for c in load()[statement].claims if c.part == part)
    assert isinstance(claim, Bound)
    return Known(name, claim.left, claim.right, sympy.sympify(supremum), Cell(sizes))


def hypercube(width: int) -> np.ndarray:
    """All points of {-1, 1}^width, one a row."""
    return np.array(np.meshgrid(*[[-1.0, 1.0]] * width, indexing="ij")).reshape(width, -1).T


def problems() -> list[Known]:
    """Twenty suprema with a proof: of softmax, Taylor polynomials, stochastic matrices, spectra, cut norms and gradients."""
    z, w, v, x, y = (symbol(name, n) for name in "zwvxy")
    S, R = symbol("S", n, n), symbol("R", n, n)
    X, A = symbol("X", n, d), symbol("A", n, n)
    b, L = sympy.Symbol("b", positive=True), sympy.Symbol("L", positive=True)
    one, e = sympy.Integer(1), sympy.exp
    f, h = softmax(z), softmax(w)
    centred = v - ones(n) @ (ones(n).T @ v) * (1 / n)
    spread = top(v) + top(-v)
    twice = rows_of(S) @ rows_of(R) @ v
    heaviest, lightest = 1 / (1 + 4 * e(-2)), 1 / (1 + 4 * e(2))
    return [
        Known("softmax, l1 change by the largest change", l1norm(f - h), maxnorm(z - w), one, vector(6)),
        Known("softmax, largest change of a weight", maxnorm(f - h), maxnorm(z - w), one / 2, vector(6)),
        Known("softmax, l1 change in a box", l1norm(f - h), one, 2 * sympy.tanh(1), vector(4)),
        Known("softmax, largest weight", maxnorm(f), one, heaviest, vector(5)),
        Known("softmax, difference of weights", top(f - h), one, heaviest - lightest, vector(5)),
        Known("softmax, f (1 - f)", maxnorm(f - f * f), one, one / 4, vector(4, 2.0)),
        Known(
            "variance of values under weights", inner_norm(f, v * v) - inner_norm(f, v) ** 2, one, one, vector(6, 1.0)
        ),
        Known("relative error of T_4 on [-2, 2]", maxnorm(taylor(x, 4) * exp(-x) - ones(n)), one,
              abs(e(2) * taylor_at(-2, 4) - 1), vector(2, 2.0)),
        Known("absolute error of T_3 on [-2, 2]", maxnorm(taylor(x, 3) - exp(x)), one, e(2) - taylor_at(2, 3),
              vector(3, 2.0)),
        Known("one stochastic matrix, contraction", oscillation(rows_of(S) @ v), spread, sympy.tanh(1), vector(4)),
        Known("two stochastic matrices, contraction", oscillation(twice), spread, sympy.tanh(1) ** 2, vector(4)),
        Known("stochastic matrices, |f g - f|_row", rownorm(rows_of(S) @ rows_of(A) - rows_of(S)), one,
              2 * sympy.tanh(sympy.Rational(1)), Cell({"n": 2}, 1.0)),
        Known("spectrum of the hypercube, d = 3", maxnorm(inner(centred, rows_of(X @ X.T) @ centred)),
              maxnorm(inner(centred, centred)), sympy.tanh(1), Cell({"n": 8, "d": 3}), {"X": hypercube(3)}),
        Known("cut norm of Hadamard's matrix, n = 4", maxnorm(inner(x, A @ y)), one, sympy.Integer(8), vector(4),
              {"A": hadamard(4).astype(float)}),
        Known("cut norm of Hadamard's matrix, n = 16", maxnorm(inner(x, A @ y)), one, sympy.Integer(64), vector(16),
              {"A": hadamard(16).astype(float)}),
        Known("one constant, b^3 e^-b", b**3 * e(-b), one, 27 * e(-3), Cell({})),
        Known("two constants, b^2 L e^(-b-2L)", b**2 * L * e(-b - 2 * L), one, 2 * e(-3), Cell({})),
        of_statement("attention weights under a kernel error, row l1", "S.1", "3 row l1", {"n": 4}),
        of_statement("dL/dX of one layer, l1", "l1.2", "2 error", {"n": 4, "d": 2}),
        of_statement("attention, Lipschitz in the max norm", "l1.4", "1", {"n": 4, "d": 3}),
    ]  # fmt: skip


def vector(count: int, bound: float = 1.0) -> Cell:
    """A cell for vectors of so many entries, and square matrices."""
    return Cell({"n": count}, bound)


def taylor_at(x: int, degree: int) -> sympy.Expr:
    return sum((sympy.Rational(x**k, sympy.factorial(k)) for k in range(degree + 1)), sympy.Integer(0))


def inner_norm(a: Formula, b: Formula) -> sympy.Expr:
    """<a, b> with its sign."""
    return top(inner(a, b))


def oscillation(a: Formula) -> sympy.Expr:
    """Largest entry less smallest entry."""
    return top(a) + top(-a)


def attack(known: Known, seed: int = 0, effort: Effort = EFFORT) -> Reached:
    """Hunt one supremum."""
    begun = time.perf_counter()
    space = known.space()
    sides = Sides(space)
    found = hunt(sides, effort, seed)
    confirmed = [confirm(space, space.problem(point)) for point in found.points[:3]]
    best = max((c.ratio for c in confirmed if c is not None), default=0.0)
    supremum = float(known.supremum)
    return Reached(known.name, supremum, best, best / supremum, sides.tried, time.perf_counter() - begun)


def main() -> None:
    console, table = Console(), Table(title="suprema that are known")
    for name in ("problem", "supremum", "found", "share", "evaluations", "seconds"):
        table.add_column(name, justify="left" if name == "problem" else "right")
    begun, reached = time.perf_counter(), []
    for known in problems():
        row = attack(known)
        reached.append(row)
        table.add_row(
            row.name,
            f"{row.supremum:.6g}",
            f"{row.found:.6g}",
            f"{row.share:.4f}",
            f"{row.evaluations:,}",
            f"{row.seconds:.2f}",
        )
    console.print(table)
    good = sum(row.share >= ENOUGH for row in reached)
    console.print(
        f"{good} of {len(reached)} within {ENOUGH:g} of the supremum, {time.perf_counter() - begun:.1f} s in all"
    )


if __name__ == "__main__":
    main()
