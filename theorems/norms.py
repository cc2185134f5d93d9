"""Norms of formulas as SymPy symbols, and upper bounds that follow from a formula's structure.

``maxnorm(A)`` is the nonnegative symbol |A| = max_ij |A_ij|; ``l1norm`` sums all |A_ij|, ``rownorm`` and ``colnorm`` take the largest
sum over a row or column, and ``top`` is the largest entry with its sign. `derivations` derives bounds in all four norms, valid for all
sizes, by the rules below, and keeps those that no other one beats; `upper_bound` is the best one on |A|. Each rule is an
elementary inequality (r, c: rows and columns; q: the inner size of a product):

    |A + B| <= |A| + |B|                 in every norm                  |c A| = |c| |A|          in every norm
    |A B|   <= q |A| |B|, |A|_row |B|, |A| |B|_col                      |A * B| <= |A| |B|
    |A B|_row <= |A|_row |B|_row         |A B|_col <= |A|_col |B|_col   |A * B|_row <= |A| |B|_row, |A|_row |B|   (col, 1 alike)
    |A B|_row <= |A| |B|_1               |A B|_col <= |A|_1 |B|
    |A B|_1 <= |A|_col |B|_1, |A|_1 |B|_row                             |diag(v)| = |diag(v)|_row = |diag(v)|_col = |v|
    |A| <= |A|_row, |A|_col <= |A|_1 <= r |A|_row, c |A|_col            |A|_row <= c |A|,        |A|_col <= r |A|
    diag(1/(u 1)) u with u >= 0 is row-stochastic: |.| <= 1, |.|_row = 1; for attention weights under an error see `weights`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import sympy

from .formula import Formula
from .shapes import no_formula
from .weights import WeightsError, centred, weights_error

NORMS = ("max", "sum", "row", "col", "top")
KINDS = ("max", "row", "col", "sum")
"""The norms that bounds are derived in."""
BOUNDED = ("unit", "mask", "causal", "onehot")
"""Domains of symbols whose entries are at most 1."""
GIVEN = "given"
"""The rule of a norm that a bound may speak of."""
KEPT = 3
"""Bounds that are kept for one formula and norm."""


class Norm(sympy.Symbol):
    """A SymPy symbol that stands for a norm of a formula; ``norm`` is one of NORMS."""

    norm: str
    formula: Formula

    def __new__(cls, kind: str, formula: Formula, label: str):
        # Not Symbol.__new__: its cache would give two norms of one label the same object.
        made = sympy.Symbol.__xnew__(
            cls, label, **({"real": True} if kind.startswith(("top", "eigenvalue")) else {"nonnegative": True})
        )
        made.norm, made.formula = kind, formula
        return made

    def __getnewargs_ex__(self):
        return ((self.norm, self.formula, self.name), {})

    def _hashable_content(self):
        return (*super()._hashable_content(), self.norm, self.formula.digest)


def _norm(kind: str, a: Formula, label: str) -> Norm:
    from .display import plain

    if not isinstance(a, Formula):
        raise no_formula(a, "norm")
    return Norm(kind, a, label.format(plain(a)))


def maxnorm(a: Formula) -> Norm:
    """|a|: the largest absolute value of an entry."""
    return _norm("max", a, "|{}|")


def l1norm(a: Formula) -> Norm:
    """|a|_1: the sum of the absolute values of all entries."""
    return _norm("sum", a, "|{}|_1")


def rownorm(a: Formula) -> Norm:
    """|a|_row: the largest sum of absolute values over a row."""
    return _norm("row", a, "|{}|_row")


def colnorm(a: Formula) -> Norm:
    """|a|_col: the largest sum of absolute values over a column."""
    return _norm("col", a, "|{}|_col")


def top(a: Formula) -> Norm:
    """max a: the largest entry, with its sign."""
    return _norm("top", a, "max {}")


OF_KIND = {"max": maxnorm, "row": rownorm, "col": colnorm, "sum": l1norm}


# -- derivations ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Derivation:
    """A bound on a norm of a formula, with the rule that gave it and the bounds that it used."""

    formula: Formula
    bound: sympy.Expr
    rule: str
    premises: tuple[Derivation, ...] = ()
    norm: str = "max"
    error: WeightsError | None = None
    says: sympy.Expr | None = None
    """What the lemmas of ``error`` say of the norm, in norms of the premises' formulas."""

    def errors(self) -> set[WeightsError]:
        """The perturbations of attention weights that the bound rests on, with their conditions and lemmas."""
        found = {self.error} if self.error else set()
        return found.union(*(p.errors() for p in self.premises))

    def rules(self) -> list[str]:
        """The rules used, innermost first, each once."""
        return list(dict.fromkeys([*(r for p in self.premises for r in p.rules()), self.rule]))


Known = Mapping[Formula, Norm]


def upper_bound(a: Formula, known: Known | Iterable[Norm] | None = None) -> Derivation:
    """The best bound on |a| in the norms of its symbols and the ``known`` norms, valid for all sizes.

    Raises:
        ValueError: if an operation has no rule (exp of an unbounded argument, derivatives, index sums).
    """
    found = derivations(a, "max", known, strict=False)
    if not found:
        strange = next(node.op for node in a.walk() if node.op not in _KNOWN_OPS)
        raise ValueError(f"no rule bounds the operation {strange!r}")
    return found[0]


def derivations(
    a: Formula, norm: str, known: Known | Iterable[Norm] | None = None, *, strict: bool = True
) -> tuple[Derivation, ...]:
    """Bounds on a norm of a formula that no other one found beats, the one with the fewest sizes first; empty if no rule applies.

    Args:
        known: the norms that a bound may speak of; with ``strict`` no others, else the largest entry of every symbol too.
    """
    given = set(known.values() if isinstance(known, Mapping) else known or ())
    if not strict:
        given |= {maxnorm(node) for node in a.symbols().values() if node.data[1] not in BOUNDED}
    return _derive(a, norm, frozenset(given))


@lru_cache(maxsize=4096)
def _derive(a: Formula, norm: str, known: frozenset[Norm]) -> tuple[Derivation, ...]:
    found = [*_direct(a, norm, known), *_by_rules(a, norm, known), *_from_other_norms(a, norm, known)]
    # A lemma before the triangle inequality, which gives 2 for a difference of attention weights.
    return _best([d for d in found if d.error is not None or d.rule == GIVEN] or found)


def _direct(a: Formula, norm: str, known: frozenset[Norm]) -> Iterator[Derivation]:
    """What is given, and the norms of leaves."""
    for x in sorted(known, key=lambda x: x.name):
        if x.formula is a and x.norm == norm:
            yield Derivation(a, x, GIVEN, norm=norm)
    yield from _attention_weights(a, norm, known)
    yield from _centred(a, norm, known)
    rows, columns = a.shape
    if is_row_stochastic(a) and norm in ("max", "row", "sum"):
        bound = rows if norm == "sum" else sympy.Integer(1)
        yield Derivation(a, bound, "row-stochastic: entries are nonnegative and rows sum to one", norm=norm)
    if a.op == "symbol" and a.data[1] in BOUNDED and norm == "max":
        yield Derivation(a, sympy.Integer(1), f"entries of {a.data[1]} symbols are within [-1, 1]", norm=norm)
    if a.op in ("ones", "eye", "unit"):
        sums = {"ones": {"row": columns, "col": rows, "sum": rows * columns}, "eye": {"sum": rows}, "unit": {}}[a.op]
        yield Derivation(a, sums.get(norm, sympy.Integer(1)), f"entries of {a.op} are 0 or 1", norm=norm)


def _attention_weights(a: Formula, norm: str, known: frozenset[Norm]) -> Iterator[Derivation]:
    """Attention weights under an error, and their difference from those without it (S.1, S.4)."""
    error = weights_error(a) if norm in ("max", "row") else None
    if error is None:
        return
    rate = error.bound / 2 if norm == "max" and error.halved else error.bound
    yield from _by_lemma(
        a, norm, error, f"attention weights under a kernel error ({', '.join(error.lemmas)})", rate, (), known
    )


def _centred(a: Formula, norm: str, known: frozenset[Norm]) -> Iterator[Derivation]:
    """Weighted values less their mean, a row of them, or a change of either, by norms of G and V (S.3, S.4)."""
    of_row = a.op == "row"
    found = centred(a.args[0] if of_row else a) if norm == "sum" or (norm == "row" and not of_row) else None
    if found is None:
        return
    form, error = found
    if error.needs is None and error.scores is None and not is_row_stochastic(form.f):
        return
    rule = f"weighted values less their mean ({', '.join(error.lemmas)})"
    upstream = form.G.row(a.data[0]) if of_row else form.G
    yield from _by_lemma(a, norm, error, rule, error.bound, ((norm, upstream), ("max", form.V)), known)


def _as_known(a: Formula, kind: str, known: frozenset[Norm]) -> Formula:
    """The formula by the name that a known norm has for it."""
    return next((x.formula for x in known if x.norm == kind and _bare(x.formula) is _bare(a)), a)


def _by_lemma(
    a: Formula,
    norm: str,
    error: WeightsError,
    rule: str,
    rate: sympy.Expr,
    factors: tuple[tuple[str, Formula], ...],
    known: frozenset[Norm],
) -> Iterator[Derivation]:
    """The norm of ``a`` is at most the rate times norms of other formulas."""
    factors = factors if error.scores is None else (("max", error.scores), *factors)
    factors = tuple((kind, _as_known(x, kind, known)) for kind, x in factors)
    says = rate * sympy.Mul(*(OF_KIND[kind](x) for kind, x in factors))
    for premises in product(*(_derive(x, kind, known) for kind, x in factors)):
        bound = rate * sympy.Mul(*(p.bound for p in premises))
        yield Derivation(a, bound, rule, premises, norm, error, says)


def _by_rules(a: Formula, norm: str, known: frozenset[Norm]) -> Iterator[Derivation]:
    """The rules of the operation at the root."""
    for rule, kinds, combine in RULES.get(a.op, {}).get(norm, ()):
        options = [_derive(x, kind, known) for x, kind in zip(a.args, kinds, strict=True)]
        for premises in product(*options):
            bound = combine(a, *(p.bound for p in premises))
            yield Derivation(a, bound, f"definition of {a.data[0]}" if a.op == "define" else rule, premises, norm)


def _from_other_norms(a: Formula, norm: str, known: frozenset[Norm]) -> Iterator[Derivation]:
    """|A| <= |A|_row and the like, from norms that are given or ruled directly."""
    rows, columns = a.shape
    for other, factor, rule in (
        ("max", {"row": columns, "col": rows, "sum": rows * columns}, "a sum has so many entries"),
        ("row", {"max": sympy.Integer(1), "sum": rows}, "a row sum bounds an entry, r row sums all"),
        ("col", {"max": sympy.Integer(1), "sum": columns}, "a column sum bounds an entry, c column sums all"),
        (
            "sum",
            {"max": sympy.Integer(1), "row": sympy.Integer(1), "col": sympy.Integer(1)},
            "the sum of all bounds a part",
        ),
    ):
        if other != norm and norm in factor:
            if a.op == "diag" and other == "max":
                factor = {"row": sympy.Integer(1), "col": sympy.Integer(1), "sum": rows}
                rule = "a row or column of a diagonal matrix has one entry"
            for x in _best([*_direct(a, other, known), *_by_rules(a, other, known)]):
                yield Derivation(a, factor[norm] * x.bound, rule, (x,), norm)


def _best(found: list[Derivation]) -> tuple[Derivation, ...]:
    """Without bounds that another one beats, the simplest first, at most KEPT."""
    distinct: dict[sympy.Expr, Derivation] = {}
    for d in sorted(found, key=_complexity):
        distinct.setdefault(sympy.expand(d.bound), d)
    kept: list[Derivation] = []
    for bound, d in distinct.items():
        if not any(_at_most(other.bound, bound) for other in kept):
            kept.append(d)
        if len(kept) == KEPT:
            break
    return tuple(kept)


def _complexity(d: Derivation) -> tuple[int, int, str]:
    """Degree in the sizes, then the length of the expression: small bounds first."""
    sizes = [s for s in d.bound.free_symbols if s.is_integer]
    expanded = sympy.expand(d.bound)
    polynomial = expanded.is_polynomial(*sizes)
    degree = sympy.Poly(expanded, *sizes).total_degree() if sizes and polynomial else 0
    return degree, int(sympy.count_ops(d.bound)), str(d.bound)


def _at_most(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Whether left <= right surely: the difference has nonnegative coefficients once sizes are 1 + t."""
    gap = sympy.expand(right - left)
    shifted = sympy.expand(
        gap.subs({s: 1 + sympy.Dummy(f"t_{s.name}", nonnegative=True) for s in gap.free_symbols if s.is_integer})
    )
    if shifted == 0:
        return True
    if not shifted.free_symbols or not shifted.is_polynomial(*shifted.free_symbols):
        return bool(shifted.is_nonnegative)
    return all(c.is_nonnegative for c in sympy.Poly(shifted, *shifted.free_symbols).coeffs())


# -- rules -------------------------------------------------------------------------------------------------------------
Rule = tuple[str, tuple[str, ...], Callable[..., sympy.Expr]]


def _times(a: Formula, *bounds: sympy.Expr) -> sympy.Expr:
    return sympy.prod(bounds)


def _every(
    rule: str, kinds: Callable[[str], tuple[str, ...]], combine: Callable[..., sympy.Expr]
) -> dict[str, tuple[Rule, ...]]:
    return {norm: ((rule, kinds(norm), combine),) for norm in KINDS}


def _same(norm: str) -> tuple[str]:
    return (norm,)


def _part(rule: str, kinds: Mapping[str, str]) -> dict[str, tuple[Rule, ...]]:
    return {norm: ((rule, (kind,), lambda a, x: x),) for norm, kind in kinds.items()}


_PRODUCT: dict[str, tuple[Rule, ...]] = {
    "max": (
        ("|A B| <= (inner size) |A| |B|", ("max", "max"), lambda a, x, y: a.args[0].shape[1] * x * y),
        ("|A B| <= |A|_row |B|", ("row", "max"), _times),
        ("|A B| <= |A| |B|_col", ("max", "col"), _times),
    ),
    "row": (
        ("|A B|_row <= |A|_row |B|_row", ("row", "row"), _times),
        ("|A B|_row <= |A| |B|_1", ("max", "sum"), _times),
    ),
    "col": (
        ("|A B|_col <= |A|_col |B|_col", ("col", "col"), _times),
        ("|A B|_col <= |A|_1 |B|", ("sum", "max"), _times),
    ),
    "sum": (
        ("|A B|_1 <= |A|_col |B|_1", ("col", "sum"), _times),
        ("|A B|_1 <= |A|_1 |B|_row", ("sum", "row"), _times),
    ),
}
_ENTRYWISE: dict[str, tuple[Rule, ...]] = {
    "max": (("|A * B| <= |A| |B|", ("max", "max"), _times),),
    **{
        norm: (
            (f"|A * B|_{mark} <= |A|_{mark} |B|", (norm, "max"), _times),
            (f"|A * B|_{mark} <= |A| |B|_{mark}", ("max", norm), _times),
        )
        for norm, mark in (("row", "row"), ("col", "col"), ("sum", "1"))
    },
}  # fmt: skip
RULES: dict[str, dict[str, tuple[Rule, ...]]] = {
    "define": _every("definition", _same, lambda a, x: x),
    "add": _every("|A + B| <= |A| + |B|", lambda norm: (norm, norm), lambda a, x, y: x + y),
    "scale": _every("|c A| <= |c| |A|", _same, lambda a, x: sympy.Abs(a.data[0]) * x),
    "matmul": _PRODUCT,
    "hadamard": _ENTRYWISE,
    "times": _every("|c A| <= |c| |A|", lambda norm: ("max", norm), _times),
    "kron": _every("|A (x) B| = |A| |B|", lambda norm: (norm, norm), _times),
    "rowkron": {
        "max": (("|A (/) B| <= |A| |B|", ("max", "max"), _times),),
        "row": (("|A (/) B|_row <= |A|_row |B|_row", ("row", "row"), _times),),
        "col": (("|A (/) B|_col <= |A| |B|_col", ("max", "col"), _times), ("|A (/) B|_col <= |A|_col |B|", ("col", "max"), _times)),
        "sum": (("|A (/) B|_1 <= |A|_row |B|_1", ("row", "sum"), _times), ("|A (/) B|_1 <= |A|_1 |B|_row", ("sum", "row"), _times)),
    },
    "transpose": _part("|A^T| = |A|, rows and columns change places", {"max": "max", "row": "col", "col": "row", "sum": "sum"}),
    "absolute": _every("| |A| | = |A|", _same, lambda a, x: x),
    "diag": {
        **{norm: (("|diag(v)| = |v|", ("max",), lambda a, x: x),) for norm in ("max", "row", "col")},
        "sum": (("|diag(v)|_1 = |v|_1", ("sum",), lambda a, x: x),),
    },
    "row": _part("a row is part of the matrix", {"max": "max", "row": "max", "col": "row", "sum": "row"}),
    "col": _part("a column is part of the matrix", {"max": "max", "row": "max", "col": "col", "sum": "col"}),
    "entry": _part("an entry is part of the matrix", dict.fromkeys(KINDS, "max")),
    "block": _part("a block is part of the matrix", {norm: norm for norm in KINDS}),
}  # fmt: skip
"""By operation and norm: the rule in words, the norms of the arguments that it uses, and the bound that it makes of theirs."""
_KNOWN_OPS = (*RULES, "symbol", "ones", "eye", "unit")


def _bare(a: Formula) -> Formula:
    while a.op == "define":
        a = a.args[0]
    return a


def is_row_stochastic(a: Formula) -> bool:
    """Whether ``a`` is diag(1/(u 1)) u with nonnegative u, or has unit vectors as rows, by its form."""
    a = _bare(a)
    if a.op == "symbol" and a.data[1] == "onehot":
        return True
    if a.op != "matmul":
        return False
    scale, u = _bare(a.args[0]), _bare(a.args[1])
    if scale.op != "diag" or not _is_nonnegative(u):
        return False
    inverse = _bare(scale.args[0])
    if inverse.op != "recip":
        return False
    sums = _bare(inverse.args[0])
    return sums.op == "matmul" and _bare(sums.args[0]) is u and _bare(sums.args[1]).op == "ones"


def _is_nonnegative(a: Formula) -> bool:
    a = _bare(a)
    if a.op in ("hadamard", "matmul", "add", "transpose"):
        return all(_is_nonnegative(x) for x in a.args)
    mask_or_onehot = a.op == "symbol" and a.data[1] in ("mask", "causal", "onehot", "positive")
    return a.op in ("exp", "ones", "eye", "unit") or mask_or_onehot
