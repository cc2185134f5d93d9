"""Mutants of a bound that follow from it: the same left side, or one proved equal, under a right side that is surely no smaller.

Such a mutant is no mistake that any instance could show. Norms are compared by |v| <= |v|_row, |v|_col <= |v|_1; functions of a degree
by T_g(x) = T_{g-1}(x) + x^g/g! and by tails that lose terms; the rest is a shifted polynomial or an analysis fact. A left side of one
degree more is compared with the claim of one degree more.

J_{g+1}(b) <= J_g(b) <= J_{g-1}(b) wherever J_g(b) <= 1. For J_g(b) is the integral of v^g e^v/g! over [0, b], and v^k/k! <=
v^{k-1}/(k-1)! for v <= k: so it is enough that J_g(b) <= 1 implies b <= g. J_g grows with b, and J_g(g) is at least the integral of
v^g/g!, which is g^{g+1}/((g + 1) g!) >= 1 for g >= 2; J_1(1) = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import sympy

from almostlinear.theorems.formula import Formula, taylor
from almostlinear.theorems.functions import BesselTail, J, T
from almostlinear.theorems.norms import Norm, is_row_stochastic
from almostlinear.theorems.statement import Bound

from ..analysis import NotProved
from ..analysis_numbers import scalar
from ..engines.norms import certificate, same_matrix
from ..task import Task
from .expressions import with_formula

OUTRIGHT = "true"
"""How a reason begins that needs no other claim."""
BELOW = {"row": ("max",), "col": ("max",), "sum": ("row", "col", "max")}
"""Norms that a norm is never below."""


def implied(task: Task, new: Bound) -> str:
    """Why ``new`` follows from the task's claim, or nothing."""
    true = task.claim
    assert isinstance(true, Bound)
    if true.left != new.left and true.right == new.right and true.given == new.given and _same_left(task, new):
        return "equivalent: the left sides are proved equal"
    if isinstance(new.left, Norm) and new.right.is_nonnegative and _is_zero(task, new.left.formula):
        return f"{OUTRIGHT}: the left side is proved to be zero"
    if _by_signs(true, new):
        return "weaker and true: it follows from the true claim, entry by entry"
    for shifted in (true, *_of_one_degree_more(true)):
        if shifted.left == new.left and _follows(shifted, new):
            return "weaker and true: it follows from the true claim"
    return ""


def _follows(true: Bound, new: Bound) -> bool:
    """Whether the right side of a true claim with this left side is surely at most the new one, and its hypotheses follow."""
    if not all(any(_no_looser(h, known, new) for known in new.given) for h in true.given):
        return False
    old, right = _by_degree(true.right, _by_norms(new.right, true.right), new)
    try:
        return (
            certificate(old, right) is not None
            or _as_fractions(*_by_roots(old, right, new))
            or _as_numbers(replace(true, right=old), right)
        )
    except (ValueError, TypeError, sympy.PolynomialError):
        return False


def _no_looser(needed: Any, known: Any, new: Bound) -> bool:
    """Whether a hypothesis follows from one that is given."""
    if needed == known:
        return True
    return bool(needed.gts == known.gts) and _as_fractions(*_by_degree(needed.lts, known.lts, new))


def _of_one_degree_more(true: Bound) -> Iterator[Bound]:
    """The claim for g + 1 in place of each degree g in it, which is a size: it is claimed for all of them."""
    for g in sorted({node.data[0] for f in true.formulas() for node in f.walk() if node.op == "taylor"}, key=str):
        sides = {x for e in (true.right, *true.given) for x in e.free_symbols if isinstance(x, Norm)}
        if not g.is_Symbol or any(node.op == "taylor" for x in sides for node in x.formula.walk()):
            continue
        norms = {
            x: with_formula(x, x.formula.rebuild(partial(_one_more, g)))
            for x in true.left.free_symbols
            if isinstance(x, Norm)
        }
        yield replace(
            true, left=true.left.subs(norms), right=true.right.subs(g, g + 1),
            given=tuple(relation.subs(g, g + 1) for relation in true.given), via=None,
        )  # fmt: skip


def _one_more(g: sympy.Symbol, node: Formula) -> Formula | None:
    return taylor(node.args[0], g + 1) if node.op == "taylor" and node.data[0] == g else None


def _same_left(task: Task, new: Bound) -> bool:
    """Whether both left sides are one norm of matrices that are proved equal."""
    assert isinstance(task.claim, Bound)
    old, now = task.claim.left, new.left
    if not (isinstance(old, Norm) and isinstance(now, Norm) and old.norm == now.norm):
        return False
    return old.formula.shape == now.formula.shape and same_matrix(task, old.formula, now.formula)


def _is_zero(task: Task, a: Formula) -> bool:
    return same_matrix(task, a, a - a)


def _as_fractions(old: sympy.Expr, new: sympy.Expr) -> bool:
    """new - old as one fraction in square roots, norms and values of functions, all of them nonnegative numbers."""
    calls = {call for call in (new - old).atoms(sympy.Function) if call.is_nonnegative}
    powers = {power for power in (new - old).atoms(sympy.Pow) if power.exp.is_Rational and power.exp.q == 2}
    roots = {power.base for power in powers}
    numbers = {x: sympy.Symbol(f"y_{k}", nonnegative=True) for k, x in enumerate(sorted(calls, key=str))}
    sizes = {x: _root(x, k) for k, x in enumerate(sorted(roots, key=str))}
    numbers |= {power: sizes[power.base] ** (2 * power.exp) for power in powers}
    top, bottom = sympy.fraction(sympy.together((new - old).subs(numbers)))
    return all(certificate(sympy.Integer(0), sympy.expand(part)) is not None for part in (top, bottom))


def _root(base: sympy.Expr, k: int) -> sympy.Expr:
    """The square root of a number, at most 1 where the number is 1 less a square."""
    free = sympy.Symbol(f"root_{k}", nonnegative=True)
    return 1 / (1 + free) if (1 - base).is_nonnegative else free


def _by_roots(old: sympy.Expr, new: sympy.Expr, claim: Bound) -> tuple[sympy.Expr, sympy.Expr]:
    """Both, with a root of the old side as a smaller one of the new side and something nonnegative."""

    def roots(e: sympy.Expr) -> set[sympy.Expr]:
        return {power for power in e.atoms(sympy.Pow) if power.exp == sympy.Rational(1, 2)}

    smaller = sorted(roots(new) - roots(old), key=str)
    for k, larger in enumerate(sorted(roots(old) - roots(new), key=str)):
        own = next((root for root in smaller if _at_least(larger.base, root.base, claim)), None)
        if own is not None:
            old = old.subs(larger, own + sympy.Symbol(f"slack_{k}", nonnegative=True))
    return old, new


def _at_least(more: sympy.Expr, less: sympy.Expr, claim: Bound) -> bool:
    """Whether more >= less surely, where what is given to be at most 1 is."""
    gap = sympy.expand(more - less)
    for k, relation in enumerate(claim.given):
        if relation.gts == 1 and relation.lts.is_nonnegative:
            gap = gap.subs(relation.lts, 1 / (1 + sympy.Symbol(f"k_{k}", nonnegative=True)))
    parts = sympy.fraction(sympy.together(gap))
    return all(certificate(sympy.Integer(0), sympy.expand(part)) is not None for part in parts)


# -- largest entries with a sign ------------------------------------------------------------------------------------------
def _by_signs(true: Bound, new: Bound) -> bool:
    """max of the new sum of nonnegative matrices <= 0: no entry is above the true one's, or the hypothesis lost is not needed."""
    old, now = true.left, new.left
    if not all(isinstance(x, Norm) and x.norm == "top" for x in (old, now)) or true.right != 0 or new.right != 0:
        return False
    before, after = _combination(old.formula), _combination(now.formula)
    if before is None or after is None:
        return False
    lost = [h for h in true.given if h not in new.given]
    if not lost:
        matrices = before.keys() | after.keys()
        return true.given == new.given and all(
            _at_least(before.get(x, sympy.Integer(0)), after.get(x, sympy.Integer(0)), new) for x in matrices
        )
    beyond = {h.lts: h.gts + sympy.Symbol("k", nonnegative=True) for h in lost if h.lts.is_Symbol}
    return (
        len(lost) == 1 == len(beyond)
        and before == after
        and all(
            certificate(sympy.Integer(0), sympy.expand(-factor.subs(beyond))) is not None for factor in after.values()
        )
    )


def _combination(a: Formula, factor: sympy.Expr = sympy.S.One) -> dict[Formula, sympy.Expr] | None:
    """Factors of absolute values and of row-stochastic matrices in a sum of such; None if it has other terms."""
    if a.op == "absolute" or is_row_stochastic(a):
        return {a: factor}
    if a.op == "define":
        return _combination(a.args[0], factor)
    if a.op == "scale":
        return _combination(a.args[0], factor * a.data[0])
    if a.op != "add":
        return None
    parts = [_combination(x, factor) for x in a.args]
    if None in parts:
        return None
    found: dict[Formula, sympy.Expr] = {}
    for part in parts:
        for x, c in (part or {}).items():
            found[x] = sympy.expand(found.get(x, sympy.Integer(0)) + c)
    return found


def _as_numbers(true: Bound, right: sympy.Expr) -> bool:
    """The right sides compared as functions of nonnegative numbers, one for each norm."""
    numbers = {
        x: sympy.Symbol(f"x_{k}", nonnegative=True)
        for k, x in enumerate(sorted(true.right.free_symbols | right.free_symbols, key=str))
        if isinstance(x, Norm) and x.is_nonnegative
    }
    try:
        scalar(replace(true, left=true.right.subs(numbers), right=right.subs(numbers), given=(), via=None))
    except NotProved:
        return False
    return True


def _by_norms(new: sympy.Expr, old: sympy.Expr) -> sympy.Expr:
    """A norm that the true claim does not speak of, as a smaller norm of the same matrix and something nonnegative."""
    spoken = [x for x in old.free_symbols if isinstance(x, Norm)]
    for k, x in enumerate(sorted((x for x in new.free_symbols if isinstance(x, Norm) and x not in spoken), key=str)):
        for y in spoken:
            if y.formula is x.formula and y.norm in BELOW.get(x.norm, ()):
                new = new.subs(x, y + sympy.Symbol(f"slack_{k}", nonnegative=True))
                break
    return new


def _by_degree(old: sympy.Expr, new: sympy.Expr, claim: Bound) -> tuple[sympy.Expr, sympy.Expr]:
    """Both, with T, tails and J of one degree less in terms of those of the true claim and of something nonnegative."""
    for k, call in enumerate(sorted(old.atoms(T, BesselTail, J), key=str)):
        x, g = call.args
        more, root, larger = (sympy.Symbol(f"{name}_{k}", nonnegative=True) for name in ("more", "root", "larger"))
        if isinstance(call, T):
            new = new.subs(T(x, g - 1), call - x**g / sympy.factorial(g))
        elif isinstance(call, BesselTail):
            new = new.subs(BesselTail(x, g - 1), call + more)
        elif any(known.gts == 1 and known.lts in (call, J(x, g - 1)) for known in claim.given):
            new = new.subs(sympy.sqrt(1 - J(x, g - 1) ** 2), root).subs(J(x, g - 1), call + more)
            if new.has(root):
                old = old.subs(sympy.sqrt(1 - call**2), root + larger)
    return old, new
