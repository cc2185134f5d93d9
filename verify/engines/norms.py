"""Norm bounds proved for all sizes: the left side is bounded by the rules of `theorems.norms` and compared with the right side.

The comparison is a shifted-polynomial certificate: with every size written 1 + t, t >= 0, and norms nonnegative, right - derived must
expand to a polynomial with nonnegative coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count, product

import sympy

from almostlinear.theorems.display import plain
from almostlinear.theorems.formula import Formula, symbol
from almostlinear.theorems.norms import KINDS, Derivation, Norm, derivations, maxnorm
from almostlinear.theorems.statement import Bound, Identity
from almostlinear.theorems.weights import Named, WeightsError, kernel_of

from ..evidence import Evidence
from ..task import Task
from . import expansion

ENGINE = "norms"
DERIVED = ("grad", "jvp", "loss")
"""Operations under which a part is not any matrix: it depends on a variable."""


def derive(claim: Bound) -> tuple[sympy.Expr, tuple[Derivation, ...]]:
    """The best bound on the claim's left side, in sizes and in the norms that its right side and hypotheses speak of.

    Raises:
        ValueError: if a rule is missing or the left side is not monotone in its norms.
    """
    return next(all_derived(claim))


def all_derived(claim: Bound) -> Iterator[tuple[sympy.Expr, tuple[Derivation, ...]]]:
    """Bounds on the left side, the best first; see `derive`."""
    spoken = {x for e in (claim.right, *(g.lts for g in claim.given)) for x in e.free_symbols if isinstance(x, Norm)}
    asked = [x for x in sorted(claim.left.free_symbols, key=str) if isinstance(x, Norm) and x not in spoken]
    if any(g.gts == 0 for g in claim.given):  # what is multiplied by zero need not be spoken of
        spoken |= {maxnorm(a) for x in asked for a in x.formula.symbols().values()}
    options = []
    for norm in asked:
        if norm.norm not in KINDS:
            raise ValueError(f"no rule bounds {norm}: the rules are about absolute values")
        _require_monotone(claim.left, norm)
        found = derivations(norm.formula, norm.norm, spoken)
        if not found:
            raise ValueError(f"no rule bounds {norm} by {', '.join(sorted(map(str, spoken))) or 'sizes alone'}")
        options.append(found)
    for used in product(*options):
        errors = set().union(*(step.errors() for step in used))
        if not all(error.needs is None or error.needs in claim.given for error in errors):
            continue
        left = claim.left.subs({norm: step.bound for norm, step in zip(asked, used, strict=True)})
        for relation in claim.given:
            least = named(relation.lts, errors)
            if isinstance(least, (Norm, Named)) and least in left.free_symbols:
                _require_monotone(left, least)
                left = left.subs(least, relation.gts)
        yield left, used


def named(expression: sympy.Expr, errors: set[WeightsError]) -> sympy.Expr:
    """The expression with eps_1 = 2 eta/(1 + sqrt(1 - eta^2)) by name wherever it stands, by sqrt(1 - eta^2) = 2 eta/eps_1 - 1."""
    for error in errors:
        if not isinstance(error.bound, Named) or error.needs is None:
            continue
        eta = error.needs.lts
        root = sympy.sqrt(1 - eta**2)
        if expression.has(root):
            expression = sympy.cancel(expression.subs(root, 2 * eta / error.bound - 1))
    return expression


def _require_monotone(expression: sympy.Expr, norm: Norm | Named) -> None:
    slope = sympy.expand(sympy.diff(expression, norm))
    if not slope.is_nonnegative:
        raise ValueError(f"{expression} is not surely increasing in {norm}")


def certificate(derived: sympy.Expr, right: sympy.Expr) -> sympy.Expr | None:
    """right - derived in shifted sizes if all its coefficients are nonnegative, else None."""
    gap = sympy.powsimp(sympy.expand(right - derived))
    gap = sympy.expand(sympy.simplify(gap)) if not gap.is_polynomial(*gap.free_symbols) else gap
    sizes = [s for s in gap.free_symbols if s.is_integer and s.is_positive]
    # Dummies, as a claim may have a symbol of any name.
    more = {s: sympy.Dummy(f"t_{s.name}", nonnegative=True) for s in sizes}
    shifted = sympy.expand(gap.subs({s: 1 + t for s, t in more.items()}))
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
    detail: dict[str, str] = {}
    if claim.via is not None and isinstance(claim.left, Norm):
        if not same_matrix(task, claim.left.formula, claim.via):
            return None
        detail["the same matrix, proved by expansion"] = plain(claim.via)
        claim = replace(claim, left=Norm(claim.left.norm, claim.via, "|via|"), via=None)
    try:
        candidates = list(all_derived(claim))
    except ValueError:
        return None
    proved = (
        (derived, used, found)
        for derived, used in candidates
        if (found := certificate(derived, named(claim.right, _errors(used)))) is not None
    )
    derived, used, found = next(proved, (None, (), None))
    lemmas = {lemma for error in _errors(used) for lemma in error.lemmas}
    if found is None or task.statement.id in lemmas:
        return None
    return task.found(
        ENGINE,
        "proved",
        "exact",
        ("sympy",),
        tried=1,
        relies_on=tuple(sorted(lemmas)),
        detail={
            **detail,
            "derived": str(derived),
            "claimed / derived": str(ratio(named(claim.right, _errors(used)), derived)),
            "rules": [r for d in used for r in d.rules()],
            "right - derived": str(found),
        },
    )


def _errors(used: tuple[Derivation, ...]) -> set[WeightsError]:
    return set().union(*(step.errors() for step in used))


def ratio(claimed: sympy.Expr, derived: sympy.Expr) -> sympy.Expr:
    """How much looser the claimed bound is: 1, or an expression that is at least 1 for all sizes."""
    if derived == 0:
        return sympy.Integer(1) if claimed == 0 else sympy.oo
    return sympy.factor(sympy.cancel(sympy.powsimp(claimed) / sympy.powsimp(derived)))


def same_matrix(task: Task, left: Formula, right: Formula) -> bool:
    """Whether the two are proved equal for all sizes, attention weights being any matrices, or else as they are."""
    for claim in general_forms(left, right):
        try:
            record = expansion.examine(replace(task, claim=claim))
        except KeyError:  # a polynomial's degree has no value
            continue
        if record is not None and record.strength == "proved":
            return True
    return False


def general_forms(left: Formula, right: Formula) -> Iterator[Identity]:
    """left = right for any matrices in place of some parts, the most general first: what holds for any matrices holds for these.

    Such parts are the matrices that both sides have a name for, and every diag(1/(u 1)) u.
    """
    if any(node.op in DERIVED for side in (left, right) for node in side.walk()):
        yield Identity(left, right)
        return
    any_left, any_right = with_any_weights(left, right)
    shared = _named_parts(any_left) & _named_parts(any_right)
    wider_left, wider_right = _with_any((any_left, any_right), lambda node: node in shared)
    yield Identity(wider_left, wider_right)
    yield Identity(any_left, any_right)
    yield Identity(left, right)


def with_any_weights(*formulas: Formula) -> tuple[Formula, ...]:
    """The formulas with a matrix of its own in place of every diag(1/(u 1)) u."""
    return _with_any(formulas, lambda node: node.op != "define" and not node.free and kernel_of(node) is not None)


def _named_parts(a: Formula) -> set[Formula]:
    return {node for node in a.walk() if node.op == "define" and not node.free and node is not a}


def _with_any(formulas: Iterable[Formula], chosen: Callable[[Formula], bool]) -> tuple[Formula, ...]:
    made: dict[Formula, Formula] = {}
    taken = {name for f in formulas for name in f.symbols()}

    def change(node: Formula) -> Formula | None:
        if not chosen(node):
            return None
        if node not in made:
            name = next(x for k in count() if (x := f"any {k}") not in taken)
            taken.add(name)
            made[node] = symbol(name, *node.shape)
        return made[node]

    return tuple(f.rebuild(change) for f in formulas)
