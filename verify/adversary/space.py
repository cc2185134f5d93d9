"""The search space of a claim at given sizes: every entry of its matrices, a scale for each of them, and the constants.

A point is a vector with coordinates in [-1, 1]. A matrix of reals is 2^a times its entries, with the exponent a linear in a
coordinate of its own, so that its largest entry stays within the entry bound; a constant is a power of two with such an exponent.
Rounded points have entries in {-1, 0, 1} and whole exponents: the numbers of a witness that is checked by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import log2
from typing import Any

import numpy as np
import sympy

from almostlinear.theorems.norms import Norm
from almostlinear.theorems.sizes import at
from almostlinear.theorems.statement import Bound

from ..instances import claim_sizes, symbols_of
from ..problems import Problem, draw, size_names

DEPTH = 6
"""A matrix is scaled by 2^-DEPTH at least, relative to the entry bound."""
CONSTANTS = (-10.0, 5.0)
"""Exponents of constants, unless a given relation says less."""
FREE = ("real", "positive", "unit")
"""Domains with entries to choose; masks and one-hot labels are part of the cell."""


@dataclass(frozen=True)
class Cell:
    """Where is searched: sizes, the largest entry of real matrices, and the mask."""

    sizes: dict[str, int]
    bound: float = 1.0
    full: bool = True

    def __str__(self) -> str:
        listed = ",".join(f"{k}={v}" for k, v in sorted(self.sizes.items()))
        return f"{listed};bound={self.bound:g};mask={'full' if self.full else 'causal'}"


@dataclass(frozen=True)
class Space:
    """Coordinates of the points of one claim in one cell: entries first, then scales, then constants.

    Attributes:
        fixed: matrices that are not searched.
        constants: names with their range of exponents.
        least: constants that a given relation bounds from below, each with the expressions that it must reach.
    """

    claim: Bound
    cell: Cell
    free: tuple[tuple[str, str, tuple[int, int]], ...]
    fixed: dict[str, Any]
    constants: dict[str, tuple[float, float]]
    least: dict[str, tuple[sympy.Expr, ...]] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        return sum(rows * columns for _, _, (rows, columns) in self.free)

    @property
    def scaled(self) -> tuple[str, ...]:
        """Matrices with a scale of their own."""
        return tuple(name for name, domain, _ in self.free if domain != "unit")

    @property
    def dimension(self) -> int:
        return self.entries + len(self.scaled) + len(self.constants)

    def exponents(self) -> np.ndarray:
        """Lowest and highest exponent of every scale and constant: shape (2, scales + constants)."""
        top = log2(self.cell.bound)
        ranges = [(top - DEPTH, top)] * len(self.scaled) + list(self.constants.values())
        return np.array(ranges, dtype=float).reshape(-1, 2).T

    def powers(self, points: Any) -> Any:
        """The exponents at points of shape (..., dimension), NumPy or torch."""
        low, high = self.exponents()
        middle, half = (low + high) / 2, (high - low) / 2
        tail = points[..., self.entries :]
        if not isinstance(tail, np.ndarray):
            middle, half = tail.new_tensor(middle), tail.new_tensor(half)
        return middle + half * tail

    def steps(self) -> np.ndarray:
        """What moves each exponent by one."""
        low, high = self.exponents()
        return 2 / np.maximum(high - low, 2.0)

    def matrices(self, points: Any, powers: Any, two_to: Any) -> dict[str, Any]:
        """The matrices at points of shape (..., dimension); ``two_to`` is exp2 of NumPy or torch."""
        found, start = {}, 0
        for name, domain, (rows, columns) in self.free:
            entries = points[..., start : start + rows * columns].reshape((*points.shape[:-1], rows, columns))
            start += rows * columns
            if domain != "unit":
                entries = entries * two_to(powers[..., self.scaled.index(name), None, None])
            found[name] = abs(entries) + 2.0**-30 if domain == "positive" else entries
        return found

    def problem(self, point: np.ndarray) -> Problem:
        """The problem at a point, without the constants of ``least``: see `confirm.completed`."""
        powers = self.powers(point)
        values = {**self.fixed, **self.matrices(point, powers, np.exp2)}
        drawn = powers[len(self.scaled) :]
        constants = {name: Fraction(float(2.0**p)) for name, p in zip(self.constants, drawn, strict=True)}
        return Problem(dict(self.cell.sizes), values, constants=constants, functions={"phi": "tanh"})

    def point(self, problem: Problem) -> np.ndarray:
        """The point of a problem of these sizes; what lies outside the space is moved to its edge."""
        entries, scales = [], []
        for name, domain, _ in self.free:
            value = np.asarray(problem.values[name], dtype=float)
            if problem.units.get(name):
                value = value * np.log(2.0)
            size = 1.0 if domain == "unit" else max(float(np.max(np.abs(value), initial=0.0)), 2.0**-60)
            entries.append(np.ravel(value / size))
            scales += [] if domain == "unit" else [log2(size)]
        drawn = [
            log2(problem.constants[name]) if problem.constants.get(name, 0) > 0 else 0.0 for name in self.constants
        ]
        low, high = self.exponents()
        tail = (2 * np.array(scales + drawn) - low - high) / np.maximum(high - low, 1e-9)
        return np.clip(np.concatenate([*entries, tail]), -1.0, 1.0)

    def rounded(self, points: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """Entries to -1, 0 or 1, exponents to whole numbers (where the range holds one)."""
        made = points.copy()
        head = made[..., : self.entries]
        made[..., : self.entries] = np.sign(head) * (np.abs(head) > threshold)
        low, high = self.exponents()
        whole = np.clip(np.round(self.powers(made)), np.ceil(low), np.floor(high))
        made[..., self.entries :] = (2 * whole - low - high) / np.maximum(high - low, 1e-9)
        return made


def space_of(claim: Bound, cell: Cell) -> Space:
    """The search space of a claim in a cell."""
    named = sorted(symbols_of(claim), key=lambda s: s.data[0])
    drawn = draw([s for s in named if s.data[1] not in FREE], _text(cell))
    free = tuple(
        (s.data[0], s.data[1], (at(s.shape[0], cell.sizes), at(s.shape[1], cell.sizes)))
        for s in named
        if s.data[1] in FREE
    )
    least = _least(claim)
    names = sorted(constants_of(claim) - set(least))
    ranges = {name: _range(claim, name) for name in names}
    return Space(claim, cell, free, dict(drawn.values), ranges, least)


def _text(cell: Cell) -> str:
    listed = ",".join(f"{k}={v}" for k, v in sorted(cell.sizes.items()))
    return f"uniform;{listed};bound=1;seed=0{';mask=full' if cell.full else ''}"


def constants_of(claim: Bound) -> set[str]:
    """Names of the constants of a claim: symbols that are neither norms nor sizes."""
    inside = {s for f in claim.formulas() for node in f.walk() if node.op == "scale" for s in node.data[0].free_symbols}
    outside = {
        s for e in (claim.left, claim.right, *(x for g in claim.given for x in (g.lts, g.gts))) for s in e.free_symbols
    }
    sizes = set(size_names(symbols_of(claim))) | claim_sizes(claim)
    return {s.name for s in inside | outside if not isinstance(s, Norm) and not s.is_integer} - sizes


def scalars_in(expression: sympy.Expr) -> set[str]:
    """Names of all scalars that an expression depends on, those inside its norms' formulas included."""
    found: set[str] = set()
    for s in expression.free_symbols:
        if isinstance(s, Norm):
            found |= {x.name for node in s.formula.walk() if node.op == "scale" for x in node.data[0].free_symbols}
        else:
            found.add(s.name)
    return found


def _least(claim: Bound) -> dict[str, tuple[sympy.Expr, ...]]:
    """Constants c of relations e <= c where e does not depend on c: the adversary takes the smallest that is allowed."""
    found: dict[str, tuple[sympy.Expr, ...]] = {}
    for relation in claim.given:
        c = relation.gts
        plain = c.is_Symbol and not isinstance(c, Norm) and not c.is_integer
        if plain and relation.lts.free_symbols and c.name not in scalars_in(relation.lts):
            found[c.name] = (*found.get(c.name, ()), relation.lts)
    return found


def _range(claim: Bound, name: str) -> tuple[float, float]:
    """Exponents of a constant, within what the given relations say of it alone."""
    low, high = CONSTANTS
    for relation in claim.given:
        left, right = relation.lts, relation.gts
        if left.is_Symbol and left.name == name and right.is_number and right > 0:
            high = min(high, log2(float(right)))
        if right.is_Symbol and right.name == name and left.is_number and left > 0:
            low = max(low, log2(float(left)))
    return low, high


def names_of(claim: Bound) -> tuple[str, ...]:
    """All sizes of a claim."""
    return tuple(sorted(set(size_names(symbols_of(claim))) | claim_sizes(claim)))
