"""Proofs of bounds on numbers: no matrix, no norm of a formula.

scalar       right - left >= 0 in nonnegative numbers
quotients    the same by induction on a size: right/left does not decrease from 1 on
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy

from almostlinear.theorems.statement import Bound

from .analysis import NotProved, Proof

EXP = sympy.exp
V = sympy.Symbol("v", nonnegative=True)


def hypotheses(claim: Bound) -> list[sympy.Expr]:
    """What is given, as expressions that are >= 0."""
    return [g.gts - g.lts for g in claim.given]


def scalar(claim: Bound) -> Proof:
    """right - left >= 0 for all nonnegative values of the symbols and of norms of symbols.

    Raises:
        NotProved: if no step shows it, or a norm of more than a symbol stands in the claim.
    """
    if any(x.formula.op != "symbol" for x in claim.norms()):
        raise NotProved("a norm of a formula is no number of its own")
    gap = claim.right - claim.left
    says = f"{claim.left} <= {claim.right}"
    proof = Proof()
    for v in _variables(gap) or [V]:
        for factor, given in _assisted(claim, v):
            try:
                proof.nonnegative(says, gap * factor - given, v)
            except NotProved:
                continue
            if given != 0:
                proof.argument(
                    f"a positive factor {factor} of right - left is at least {given}, which is given to be >= 0"
                )
            return proof
    raise NotProved(f"nothing shows that {says}")


def _variables(expression: sympy.Expr) -> list[sympy.Symbol]:
    return sorted((s for s in expression.free_symbols if s.is_nonnegative and not s.is_integer), key=str)


def _assisted(claim: Bound, v: sympy.Symbol) -> Iterator[tuple[sympy.Expr, sympy.Expr]]:
    """Positive factors of right - left, and a hypothesis that is subtracted; first none."""
    yield sympy.Integer(1), sympy.Integer(0)
    for given in hypotheses(claim):
        for factor in (sympy.Integer(1), EXP(v), EXP(-v)):
            yield factor, given


def quotients(claim: Bound) -> Proof:
    """0 <= left <= right for every size s >= 1: so at s = 1, and from s to s + 1 both grow by factors p <= q.

    Raises:
        NotProved: if no step shows it for any size of the claim, or a norm stands in it.
    """
    if claim.norms():
        raise NotProved("a norm may change with the size")
    sizes = sorted((s for s in claim.left.free_symbols if s.is_integer and s.is_positive), key=str)
    left, right = (side.rewrite(sympy.factorial) for side in (claim.left, claim.right))
    for s in sizes:
        try:
            return _by_quotients(f"{claim.left} <= {claim.right}", left, right, s)
        except NotProved:
            continue
    raise NotProved(f"no induction on a size shows {claim.left} <= {claim.right}")


def _by_quotients(says: str, left: sympy.Expr, right: sympy.Expr, s: sympy.Symbol) -> Proof:
    proof = Proof()
    proof.certify(f"{left} >= 0", left)
    _nonnegative(proof, f"{says} at {s} = 1", (right - left).subs(s, 1))
    p, q = (sympy.combsimp(sympy.powsimp(side.subs(s, s + 1) / side)) for side in (left, right))
    for side, factor in ((left, p), (right, q)):
        proof.identity(f"{side} times {factor}", side.subs(s, s + 1), side * factor)
    _nonnegative(proof, f"{p} <= {q}", q - p)
    proof.certify(f"{q} >= 0", q)
    proof.argument("induction on a size: left p <= left q <= right q where 0 <= left <= right, p <= q and 0 <= q")
    return proof


def _nonnegative(proof: Proof, says: str, expression: sympy.Expr) -> None:
    """A certificate, or the same of a derivative in one of the real letters."""
    try:
        return proof.certify(says, expression)
    except NotProved:
        for v in _variables(expression):
            try:
                return proof.nonnegative(says, expression, v)
            except NotProved:
                continue
    raise NotProved(f"nothing shows {says}")
