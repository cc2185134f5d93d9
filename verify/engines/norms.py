"""Norm bounds proved for all sizes: the left side is bounded by the rules of `theorems.norms` and compared with the right side.

The comparison is a shifted-polynomial certificate: with every size written 1 + t, t >= 0, and norms nonnegative, right - derived must
expand to a polynomial with nonnegative coefficients.
"""

from __future__ import annotations

import sympy

from almostlinear.theorems.norms import Derivation, Norm, upper_bound
from almostlinear.theorems.statement import Bound

from ..evidence import Evidence
from ..task import Task

ENGINE = "norms"


def derive(claim: Bound) -> tuple[sympy.Expr, tuple[Derivation, ...]]:
    """A bound on the claim's left side in sizes and in the norms that its right side and hypotheses speak of.

    Raises:
        ValueError: if a rule is missing or the left side is not monotone in its norms.
    """
    known = {
        x.formula: x
        for e in (claim.right, *(g.lts for g in claim.given))
        for x in e.free_symbols
        if isinstance(x, Norm) and x.norm == "max"
    }
    left, used = claim.left, []
    for norm in sorted(left.free_symbols, key=str):
        if isinstance(norm, Norm) and norm not in known.values():
            if norm in claim.right.free_symbols or any(norm is g.lts for g in claim.given):
                continue
            if norm.norm != "max":
                raise ValueError(f"no rule bounds {norm}: the rules are about the largest entry")
            _require_monotone(left, norm)
            step = upper_bound(norm.formula, known)
            used.append(step)
            left = left.subs(norm, step.bound)
    for relation in claim.given:
        if isinstance(relation.lts, Norm) and relation.lts in left.free_symbols:
            _require_monotone(left, relation.lts)
            left = left.subs(relation.lts, relation.gts)
    return left, tuple(used)


def _require_monotone(expression: sympy.Expr, norm: Norm) -> None:
    slope = sympy.diff(expression, norm)
    if not slope.is_nonnegative:
        raise ValueError(f"{expression} is not surely increasing in {norm}")


def certificate(derived: sympy.Expr, right: sympy.Expr) -> sympy.Expr | None:
    """right - derived in shifted sizes if all its coefficients are nonnegative, else None."""
    gap = sympy.powsimp(sympy.expand(right - derived))
    gap = sympy.expand(sympy.simplify(gap)) if not gap.is_polynomial(*gap.free_symbols) else gap
    sizes = [s for s in gap.free_symbols if s.is_integer and s.is_positive]
    shifted = sympy.expand(gap.subs({s: 1 + sympy.Symbol(f"t_{s.name}", nonnegative=True) for s in sizes}))
    if shifted == 0:
        return shifted
    if not shifted.is_polynomial(*shifted.free_symbols):
        return None
    if not all(s.is_nonnegative for s in shifted.free_symbols):
        return None
    symbols = sorted(shifted.free_symbols, key=str)
    coefficients = sympy.Poly(shifted, *symbols).coeffs() if symbols else [shifted]
    return shifted if all(c.is_Rational and c >= 0 for c in coefficients) else None


def examine(task: Task) -> Evidence | None:
    """Proof for all sizes, or None if the derived bound does not imply the claimed one."""
    claim = task.claim
    if not isinstance(claim, Bound):
        return None
    try:
        derived, used = derive(claim)
    except ValueError:
        return None
    found = certificate(derived, claim.right)
    if found is None:
        return None
    return task.found(
        ENGINE,
        "proved",
        "exact",
        ("sympy",),
        tried=1,
        detail={"derived": str(derived), "rules": [r for d in used for r in d.rules()], "right - derived": str(found)},
    )
