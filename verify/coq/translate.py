"""SymPy expressions, formulas and claims as Coq terms over R; sizes are natural numbers.

Matrices are functions of two indices counted from 0 (`Norms.v`). Division by zero is 0 in Coq, so a translated claim also covers
inputs at which the formula is not defined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import sympy

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.functions import Degree, J, T
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.sizes import AnyIndex, Index
from almostlinear.theorems.statement import Bound


class NotTranslated(ValueError):
    """A part that has no Coq term here."""


TAKEN = frozenset(
    re.findall(
        r"\w+",
        "R J T add block col define diag entry exp eye fact forall fun absolute exponential hadamard kron largest mask matmul matrix nat "
        "ones recip row rowkron scale sqrt sum tanh taylor times transpose unit",
    )
)
"""Names that a letter of a claim must not hide."""


def name_of(text: str) -> str:
    """A Coq name: letters, digits and underscores."""
    found = re.sub(r"\W+", "_", text).strip("_")
    found = found if re.match(r"[A-Za-z]", found) else f"x{found}"
    return f"{found}_" if found in TAKEN else found


# -- numbers -----------------------------------------------------------------------------------------------------------
def natural(e: sympy.Expr) -> str:
    """A size or degree as a term of type nat: sums and products of size symbols and nonnegative integers.

    Raises:
        NotTranslated: for anything else.
    """
    e = sympy.sympify(e)
    if e.is_Integer and e >= 0:
        return str(e)
    if e.is_Symbol and e.is_integer and e.is_nonnegative:
        return name_of(e.name)
    if e.is_Add or e.is_Mul:
        sign = " + " if e.is_Add else " * "
        return "(" + sign.join(natural(a) for a in e.args) + ")"
    raise NotTranslated(f"{e} is no natural number")


def real(e: sympy.Expr) -> str:
    """An expression as a term of type R.

    Raises:
        NotTranslated: for a function that has no counterpart.
    """
    e = sympy.sympify(e)
    if e.is_Integer:
        return str(e) if e >= 0 else f"(- {-e})"
    if e.is_Rational:
        return f"({real(sympy.Integer(e.p))} / {e.q})"
    if isinstance(e, Norm):
        return norm(e)
    if e.is_Symbol:
        return f"INR {name_of(e.name)}" if e.is_integer else name_of(e.name)
    if e.is_Add or e.is_Mul:
        return "(" + (" + " if e.is_Add else " * ").join(_argument(a) for a in e.args) + ")"
    if e.is_Pow:
        return _power(e.base, e.exp)
    if e is sympy.E:
        return "exp 1"
    if isinstance(e, (J, T)):
        return f"{type(e).__name__} {_natural_argument(e.args[1])} {_argument(e.args[0])}"
    if isinstance(e, sympy.binomial):
        return real(e.rewrite(sympy.factorial))
    if isinstance(e, sympy.factorial):
        return f"INR (fact {_natural_argument(e.args[0])})"
    if isinstance(e, (sympy.exp, sympy.tanh, sympy.Abs)):
        return f"{_FUNCTIONS[type(e).__name__]} {_argument(e.args[0])}"
    raise NotTranslated(f"{type(e).__name__} has no counterpart in Coq")


_FUNCTIONS = {"exp": "exp", "tanh": "tanh", "Abs": "Rabs"}


def _argument(e: sympy.Expr) -> str:
    text = real(e)
    return text if re.fullmatch(r"\w+|\(.*\)", text) and not text.startswith("INR") else f"({text})"


def _natural_argument(e: sympy.Expr) -> str:
    text = natural(e)
    return text if re.fullmatch(r"\w+|\(.*\)", text) else f"({text})"


def _power(base: sympy.Expr, exponent: sympy.Expr) -> str:
    if exponent == sympy.Rational(1, 2):
        return f"sqrt {_argument(base)}"
    if base is sympy.E:
        return f"exp {_argument(exponent)}"
    if (exponent.is_number and exponent < 0) or exponent.could_extract_minus_sign():
        return f"/ ({_power(base, -exponent)})" if exponent != -1 else f"/ {_argument(base)}"
    return f"{_argument(base)} ^ {_natural_argument(exponent)}"


# -- matrices ----------------------------------------------------------------------------------------------------------
def matrix(a: Formula) -> str:
    """A formula as a term of type matrix.

    Raises:
        NotTranslated: for an operation that has no counterpart.
    """
    rule = _MATRICES.get(a.op)
    if rule is None:
        raise NotTranslated(f"{a.op} has no counterpart in Coq")
    return rule(a, *(matrix(x) for x in a.args))


_MATRICES: dict[str, Callable[..., str]] = {
    "symbol": lambda a: name_of(a.data[0]),
    "ones": lambda a: "ones",
    "eye": lambda a: "eye",
    "define": lambda a, x: x,
    "add": lambda a, x, y: f"(add {x} {y})",
    "scale": lambda a, x: f"(scale {_argument(a.data[0])} {x})",
    "times": lambda a, x, y: f"(times {x} {y})",
    "hadamard": lambda a, x, y: f"(hadamard {x} {y})",
    "matmul": lambda a, x, y: f"(matmul {_natural_argument(a.args[0].shape[1])} {x} {y})",
    "transpose": lambda a, x: f"(transpose {x})",
    "absolute": lambda a, x: f"(absolute {x})",
    "diag": lambda a, x: f"(diag {x})",
    "recip": lambda a, x: f"(recip {x})",
    "exp": lambda a, x: f"(exponential {x})",
    "taylor": lambda a, x: f"(taylor {_natural_argument(a.data[0])} {x})",
    "kron": lambda a, x, y: f"(kron {_size(a.args[1], 0)} {_size(a.args[1], 1)} {x} {y})",
    "rowkron": lambda a, x, y: f"(rowkron {_size(a.args[0], 1)} {x} {y})",
    "unit": lambda a: f"(unit {_index(a.data[0])})",
    "row": lambda a, x: f"(row {_index(a.data[0])} {x})",
    "col": lambda a, x: f"(col {_index(a.data[0])} {x})",
    "entry": lambda a, x: f"(entry {_index(a.data[0])} {_index(a.data[1])} {x})",
    "block": lambda a, x: f"(block {_index(a.data[0])} {_natural_argument(a.data[1])} {x})",
}


def _size(a: Formula, axis: int) -> str:
    return _natural_argument(a.shape[axis])


def _index(i: AnyIndex) -> str:
    """An index letter, counted from 0."""
    if not isinstance(i, Index):
        raise NotTranslated("an index over pairs has no counterpart in Coq")
    return name_of(i.name)


def norm(x: Norm) -> str:
    """A norm of a formula as a term of type R."""
    rows, columns = x.formula.shape
    return f"norm_{x.norm} {_natural_argument(rows)} {_natural_argument(columns)} {matrix(x.formula)}"


# -- claims ------------------------------------------------------------------------------------------------------------
def statement(claim: Bound) -> str:
    """A bound as a proposition: for all sizes, constants and matrices of their domains, under what is given.

    Raises:
        NotTranslated: if a part has no counterpart.
    """
    degrees: list[str] = []
    left, right = (_degrees_named(side, degrees) for side in (claim.left, claim.right))
    named = {s.data[0]: s for f in claim.formulas() for s in f.symbols().values()}
    numbers = {s for e in (left, right, *(x for g in claim.given for x in g.args)) for s in e.free_symbols}
    numbers -= {s for s in numbers if isinstance(s, Norm)}
    inside = {s for f in claim.formulas() for s in _sizes_inside(f)}
    symbols = sorted({*numbers, *inside}, key=lambda s: s.name)
    sizes = [s for s in symbols if s.is_integer]
    constants = [s for s in symbols if not s.is_integer]
    places = sorted({i for f in claim.formulas() for i in f.free}, key=lambda i: i.name)
    text = [f"{real(g.lts)} <= {real(g.gts)}" for g in claim.given]
    before = [
        *_quantified(sizes, "nat"), *_quantified(places, "nat"), *_quantified(constants, "R"),
        *(f"forall {name_of(m)} : matrix," for m in sorted(named)),
        *(f"(0 < {name_of(s.name)})%nat ->" for s in sizes if s.is_positive and not s.name.startswith("degree_")),
        *(f"({_index(i)} < {natural(i.size)})%nat ->" for i in places),
        *(f"0 {'<' if s.is_positive else '<='} {name_of(s.name)} ->" for s in constants if s.is_nonnegative),
        *(f"{x} ->" for m in sorted(named) for x in _domain(named[m])),
        *(f"{x} ->" for x in degrees), *(f"{x} ->" for x in text),
    ]  # fmt: skip
    return "\n  ".join([*before, f"{real(left)} <= {real(right)}"])


def _quantified(symbols: Iterable[sympy.Symbol | Index], kind: str) -> list[str]:
    names = " ".join(name_of(s.name) for s in symbols)
    return [f"forall {names} : {kind},"] if names else []


def _degrees_named(e: sympy.Expr, hypotheses: list[str]) -> sympy.Expr:
    """The expression with a size for every Degree(b, L), and what defines that size."""
    for k, call in enumerate(sorted(e.atoms(Degree), key=str)):
        made = sympy.Symbol(f"degree_{k}", integer=True, nonnegative=True)
        hypotheses.append(f"is_degree {_argument(call.args[0])} {_argument(call.args[1])} {name_of(made.name)}")
        e = e.subs(call, made)
    return e


def _sizes_inside(a: Formula) -> set[sympy.Symbol]:
    found: set[sympy.Symbol] = set()
    for node in a.walk():
        found |= {s for extent in node.shape for s in extent.free_symbols}
        found |= {s for x in node.data if isinstance(x, sympy.Expr) for s in x.free_symbols}
    return {s for s in found if not isinstance(s, Norm)}


def _domain(a: Formula) -> list[str]:
    name, (rows, columns) = name_of(a.data[0]), (_natural_argument(s) for s in a.shape)
    if a.data[1] == "mask":
        return [f"mask {rows} {name}"]
    if a.data[1] == "unit":
        return [f"unit_entries {rows} {columns} {name}"]
    if a.data[1] == "real":
        return []
    raise NotTranslated(f"the domain {a.data[1]} has no counterpart in Coq")
