"""The layout of formulas and of SymPy expressions: one small tree, from which LaTeX, Unicode lines and MathML are written.

The letters are the paper's: `*` entrywise product, ⊘ row-wise Kronecker product, X_{i0,*} a row, <a, b> an
inner product, [..]_{i,j} the matrix with these entries. A named formula is shown by its name. A layout is a
tuple that starts with its kind:

    row nodes... | id name | up name | bold text | num text | text words | op key | sum under | quad | tilde node
    sub base node | at base indices... | sup base node | frac over under | sqrt node | fence open node close
"""

from __future__ import annotations

import re
from typing import Any

import sympy

from .formula import Formula
from .norms import Norm
from .sizes import AnyIndex, Index
from .spectrum import SPECTRAL

Node = tuple[Any, ...]
# How tightly a piece holds together; in a place that needs more, it gets parentheses.
ADD, SUM, ENTRYWISE, SCALE, MUL, FRACTION, SUP, SUB, ATOM = range(9)
Shown = tuple[int, Node]

GREEK = dict(
    alpha="α", beta="β", gamma="γ", delta="δ", eps="ε", epsilon="ε", eta="η", theta="θ", kappa="κ", mu="μ",
    nu="ν", pi="π", rho="ρ", sigma="σ", tau="τ", phi="φ", psi="ψ", omega="ω", Delta="Δ", Phi="Φ", ell="ℓ",
)  # fmt: skip
STAR: Node = ("op", "star")
LOSS: Node = ("id", "L")


# -- formulas ----------------------------------------------------------------------------------------------
def layout(formula: Formula, expand: int = 0) -> Node:
    """The layout tree; with ``expand`` a named formula is shown as ``name := body``."""
    if expand and formula.op == "define":
        return ("row", _show(formula)[1], ("op", ":="), _show(formula.args[0])[1])
    return _show(formula)[1]


def grouped(formula: Formula) -> Formula:
    """A copy for the eye alone, in which a product shows the order that it is taken in: A (B C), and A B C for (A B) C."""

    def mark(node: Formula) -> Formula | None:
        if node.op != "matmul" or inner_sides(node):
            return None
        left, right = node.args
        marked = (_mark(left, left.op == "times"), _mark(right, right.op == "matmul" and not inner_sides(right)))
        return None if marked == node.args else marked[0] @ marked[1]

    return formula.rebuild(mark)


def _mark(a: Formula, needed: bool) -> Formula:
    return Formula("grouped", (a,), (), a.shape) if needed else a


def _show(a: Formula) -> Shown:
    return _SHOW[a.op](a)


def fence(node: Node, left: str = "(", right: str = ")") -> Node:
    return ("fence", left, node, right)


def fit(shown: Shown, needed: int) -> Node:
    return shown[1] if shown[0] >= needed else fence(shown[1])


def _inside(a: Formula, needed: int) -> Node:
    return fit(_show(a), needed)


def joined(key: str, nodes: list[Node]) -> Node:
    spread = [nodes[0]]
    for node in nodes[1:]:
        spread += [("op", key), node]
    return nodes[0] if len(nodes) == 1 else ("row", *spread)


def _name(text: str) -> Shown:
    if derivative := re.fullmatch(r"d(\w+)/d(\w+)", text):
        over, under = (("row", ("up", "d"), _name(part)[1]) for part in derivative.groups())
        return FRACTION, ("frac", over, under)
    if of_statement := re.fullmatch(r"(\w+)\((.+)\)", text):  # time(E.3), error(E.3)
        return ATOM, ("row", _name(of_statement[1])[1], fence(("text", of_statement[2])))
    if " " in text.strip():  # D~^{-1} U_0
        return MUL, joined("juxt", [_name(part)[1] for part in text.split()])
    if len(text) > 5 and text.endswith("^{-1}"):
        return SUP, ("sup", _name(text[:-5])[1], ("row", ("op", "neg"), ("num", "1")))
    if len(text) > 1 and text.endswith("~"):
        return ATOM, ("tilde", _name(text[:-1])[1])
    head, _, below = text.partition("_")
    if below and head:
        return SUB, ("sub", _name(head)[1], _name(below.strip("{}"))[1])
    if text.isdigit():
        return ATOM, ("num", text)
    single = len(text) == 1 or text in GREEK or re.fullmatch(r"[A-Za-z]\d+", text)
    return ATOM, ("id" if single else "up", text)


def index(i: AnyIndex) -> Node:
    if isinstance(i, Index):
        return _name(i.name)[1]
    return fence(("row", index(i.major), ("op", ","), index(i.minor)))


def _at(base: Formula, *indices: Node) -> Shown:
    return SUB, ("at", _inside(base, ATOM), *indices)


def _terms(a: Formula) -> list[tuple[int, Shown]]:
    if a.op == "add":
        return _terms(a.args[0]) + _terms(a.args[1])
    if a.op == "scale" and a.data[0].could_extract_minus_sign():
        return [(-1, _scaled(a.args[0], -a.data[0]))]
    return [(1, _show(a))]


def _signed(terms: list[tuple[int, Shown]]) -> Node:
    nodes: list[Node] = []
    for sign, shown in terms:
        nodes += [("op", "-" if sign < 0 else "+")] if nodes else [("op", "neg")] if sign < 0 else []
        nodes.append(fit(shown, SUM))
    return ("row", *nodes)


def _scaled(body: Formula, factor: sympy.Expr) -> Shown:
    if body.op == "ones" and body.is_scalar:
        return expression(factor)
    if factor == 1:
        return _show(body)
    if factor.could_extract_minus_sign():
        return ADD, _signed([(-1, _scaled(body, -factor))])
    over, under = sympy.fraction(factor)
    if over == 1:
        return SCALE, ("frac", _show(body)[1], expression(under)[1])
    return SCALE, joined("juxt", [fit(expression(factor), SCALE), _inside(body, MUL)])


def inner_sides(a: Formula) -> tuple[Formula, Formula] | None:
    """The x and y of a product that is <x, y>: x^T y of columns, or 1^T (x * y) 1 of matrices."""
    left, right = a.args
    if left.op == "transpose" and left.shape[0] == 1 and right.shape[1] == 1:
        return left.args[0], right
    if right.op == "ones" and right.shape[1] == 1 and left.op == "matmul" and left.args[1].op == "hadamard":
        first = left.args[0]
        if first.op == "transpose" and first.args[0].op == "ones" and first.shape[0] == 1:
            x, y = left.args[1].args
            return x, y
    return None


def _factors(a: Formula) -> list[Formula]:
    if a.op != "matmul" or inner_sides(a):
        return [a]
    return _factors(a.args[0]) + _factors(a.args[1])


def _matmul(a: Formula) -> Shown:
    if pair := inner_sides(a):
        x, y = (_show(side)[1] for side in pair)
        return ATOM, fence(joined(", ", [x, y]), "⟨", "⟩")
    first, *others = _factors(a)
    return MUL, joined("juxt", [_inside(first, MUL), *(_inside(b, FRACTION) for b in others)])


def _times(a: Formula) -> Shown:
    factor, matrix = a.args
    if factor.op == "recip":
        return SCALE, ("frac", _show(matrix)[1], _show(factor.args[0])[1])
    return MUL, joined("times", [_inside(factor, MUL), _inside(matrix, MUL)])


def _entrywise(key: str) -> Any:
    def show(a: Formula) -> Shown:
        return ENTRYWISE, joined(key, [_inside(b, ENTRYWISE if b.op == a.op else FRACTION) for b in a.args])

    return show


def _transpose(a: Formula) -> Shown:
    (body,) = a.args
    if body.op == "stack" and not body.args[0].is_scalar and body.args[0].op != "stack":
        return SUB, ("at", fence(_show(body.args[0])[1], "[", "]"), STAR, index(body.data[0]))
    return SUP, ("sup", _inside(body, SUB), ("op", "T"))


def _stack(a: Formula) -> Shown:
    (body,), indices = a.args, [index(a.data[0])]
    if body.op == "stack":
        indices.append(index(body.data[0]))
        body = body.args[0]
    elif not body.is_scalar:
        indices.append(STAR)
        body = body.args[0] if body.op == "transpose" else body.T
    return SUB, ("at", fence(_show(body)[1], "[", "]"), *indices)


def _row(a: Formula) -> Shown:
    return _at(a.args[0], index(a.data[0]), *([] if a.args[0].shape[1] == 1 else [STAR]))


def _entry(a: Formula) -> Shown:
    (matrix,), indices = a.args, [index(i) for i in a.data]
    if matrix.op != "grad":
        return _at(matrix, *indices)
    scalar, variable = matrix.args
    over = ("row", ("op", "∂"), LOSS if scalar.op == "loss" else _inside(scalar, SUB))
    return FRACTION, ("frac", over, ("row", ("op", "∂"), _at(variable, *indices)[1]))


def _grad(a: Formula) -> Shown:
    of, variable = (LOSS if b.op == "loss" else _inside(b, SUB) for b in a.args)
    return FRACTION, ("frac", ("row", ("up", "d"), of), ("row", ("up", "d"), variable))


def _jvp(a: Formula) -> Shown:
    body, variable, direction = (_show(b)[1] for b in a.args)
    return ATOM, ("row", ("sub", ("id", "D"), variable), fence(body, "[", "]"), fence(direction))


def _sum(a: Formula) -> Shown:
    letters, body = [], a
    while body.op == "sum":
        letters.append(body.data[0])
        body = body.args[0]
    under = index_range(letters) if len({i.size for i in letters}) == 1 else _letters(letters)
    return SUM, ("row", ("sum", under), _inside(body, ENTRYWISE))


def _letters(letters: list[Index]) -> Node:
    return joined(",", [index(i) for i in letters])


def index_range(letters: list[Index]) -> Node:
    return ("row", _letters(letters), ("op", "∈"), fence(expression(letters[0].size)[1], "[", "]"))


def _ones(a: Formula) -> Shown:
    if a.is_scalar:
        return ATOM, ("num", "1")
    rows, columns = (expression(extent)[1] for extent in a.shape)
    return SUB, ("sub", ("bold", "1"), rows if a.shape[1] == 1 else ("row", rows, ("op", "×"), columns))


def _diag(a: Formula) -> Shown:
    if a.args[0].op == "recip":
        return SUP, ("sup", call("diag", _show(a.args[0].args[0])[1]), ("row", ("op", "neg"), ("num", "1")))
    return ATOM, call("diag", _show(a.args[0])[1])


def call(name: str, *arguments: Node) -> Node:
    return ("row", _name(name)[1], fence(joined(",", list(arguments))))


def _func(a: Formula) -> Shown:
    name, order = a.data
    function = _name(name)[1]
    if order:
        mark = ("op", "′″‴"[order - 1]) if order < 4 else fence(("num", str(order)))
        function = ("sup", function, mark)
    return ATOM, ("row", function, fence(_show(a.args[0])[1]))


_SHOW = {
    "symbol": lambda a: _name(a.data[0]),
    "define": lambda a: _name(a.data[0]),
    "ones": _ones,
    "eye": lambda a: (SUB, ("sub", ("id", "I"), expression(a.shape[0])[1])),
    "unit": lambda a: (SUB, ("sub", ("id", "e"), index(a.data[0]))),
    "scale": lambda a: _scaled(a.args[0], a.data[0]),
    "add": lambda a: (ADD, _signed(_terms(a))),
    "matmul": _matmul,
    "transpose": _transpose,
    "hadamard": _entrywise("*"),
    "kron": _entrywise("⊗"),
    "rowkron": _entrywise("⊘"),
    "times": _times,
    "row": _row,
    "col": lambda a: _at(a.args[0], STAR, index(a.data[0])),
    "entry": _entry,
    "block": lambda a: _at(a.args[0], fence(index(a.data[0]), "[", "]")),
    "exp": lambda a: (ATOM, call("exp", _show(a.args[0])[1])),
    "recip": lambda a: (SCALE, ("frac", ("num", "1"), _show(a.args[0])[1])),
    "func": _func,
    "taylor": lambda a: (
        ATOM,
        ("row", ("sub", ("id", "T"), expression(a.data[0])[1]), fence(_show(a.args[0])[1])),
    ),
    "absolute": lambda a: (ATOM, fence(_show(a.args[0])[1], "|", "|")),
    "diag": _diag,
    "sum": _sum,
    "stack": _stack,
    "loss": lambda a: (ATOM, ("row", LOSS, fence(_show(a.args[0])[1]))),
    "grad": _grad,
    "jvp": _jvp,
    "grouped": lambda a: (ATOM, fence(_show(a.args[0])[1])),
}


# -- SymPy expressions: bounds, scalars, sizes -------------------------------------------------------------
_RELATION = {"<=": "≤", ">=": "≥", "<": "<", ">": ">", "==": "=", "!=": "≠"}
_BRACKETS = {"ceiling": "⌈⌉", "floor": "⌊⌋", "Abs": "||"}


def expression(e: Any) -> Shown:
    e = sympy.sympify(e)
    if isinstance(e, Norm):
        return _norm(e)
    if isinstance(e, sympy.core.relational.Relational):
        sides = expression(e.lhs)[1], expression(e.rhs)[1]
        return ADD, ("row", sides[0], ("op", _RELATION[e.rel_op]), sides[1])
    if e.is_Symbol:
        return _name(e.name)
    if e.is_Add:
        terms = [(t.could_extract_minus_sign(), t) for t in e.as_ordered_terms()]
        return ADD, _signed([(-1 if minus else 1, expression(-t if minus else t)) for minus, t in terms])
    if (e.is_Number or e.is_Mul) and e.could_extract_minus_sign():
        return ADD, _signed([(-1, expression(-e))])
    over, under = sympy.fraction(e)
    if under != 1:
        return SCALE, ("frac", expression(over)[1], expression(under)[1])
    if e.is_Mul:
        return MUL, _product(sorted(e.as_ordered_factors(), key=_place))
    if e.is_Pow or isinstance(e, sympy.exp):
        base, power = (sympy.Symbol("e"), e.args[0]) if isinstance(e, sympy.exp) else e.as_base_exp()
        if power == sympy.Rational(1, 2):
            return ATOM, ("sqrt", expression(base)[1])
        return SUP, ("sup", fit(expression(base), SUB), expression(power)[1])
    if isinstance(e, sympy.factorial):
        return SUP, ("row", fit(expression(e.args[0]), ATOM), ("op", "!"))
    if e.args:
        name, arguments = e.func.__name__, [expression(x)[1] for x in e.args]
        if name in ("J", "T"):
            return ATOM, ("row", ("sub", ("id", name), arguments[1]), fence(arguments[0]))
        if name in _BRACKETS:
            return ATOM, fence(arguments[0], *_BRACKETS[name])
        return ATOM, call({"Max": "max", "Min": "min"}.get(name, name), *arguments)
    return ATOM, ("num", {"oo": "∞"}.get(str(e), str(e)))


_NORM_MARK = {"sum": "1", "row": "row", "col": "col"}


def _norm(e: Norm) -> Shown:
    """|A|, with a mark for norms other than the largest entry; max A for the signed one."""
    inside = _show(e.formula)
    if e.norm == "top":
        return SUB, ("row", ("up", "max"), fence(inside[1]))
    if e.norm in SPECTRAL:
        name, number = SPECTRAL[e.norm]
        return SUB, ("row", ("sub", ("id", name), ("num", str(number))), fence(inside[1]))
    fenced = fence(inside[1], "|", "|")
    mark = _NORM_MARK.get(e.norm)
    return (ATOM, fenced) if mark is None else (SUB, ("sub", fenced, _name(mark)[1]))


def _place(factor: sympy.Expr) -> tuple[bool, bool, int]:
    """Numbers and constants stand before n, n before the other sizes, then functions and times; norms last."""
    base, group = factor.as_base_exp()[0], 0
    if base.is_Symbol and base.is_integer:
        group = 1 if base.name == "n" else 2
    elif not (factor.is_Number or (base.is_Symbol and "(" not in base.name)):
        group = 3
    return bool(factor.atoms(Norm)), "_" in str(factor), group


def _product(factors: list[sympy.Expr]) -> Node:
    """Factors side by side, with a dot where two numbers would run together."""
    first = expression(factors[0])
    nodes, number = [fit(first, MUL)], first[1][0] == "num"
    for factor in factors[1:]:
        shown = expression(factor)
        starts = shown[1][1] if shown[1][0] == "sup" else shown[1]
        key = (
            "dot" if starts[0] == "num" else "tight" if number and shown[0] >= SUP and shown[1][0] != "row" else "juxt"
        )
        nodes += [("op", key), fit(shown, MUL)]
        number = False
    return ("row", *nodes)


def tall(node: Node) -> bool:
    """Whether brackets around it must grow."""
    return node[0] in ("frac", "sum") or any(tall(part) for part in node[1:] if isinstance(part, tuple))
