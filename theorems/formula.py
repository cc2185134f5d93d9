"""Formulas: small immutable trees over named matrices, written once and evaluated by every backend.

A node is an operation, its arguments, some data (a name, an index, a SymPy scalar) and a shape (rows, columns), both
SymPy expressions. Vectors are n x 1 and scalars 1 x 1. Equal formulas are the same object. Nothing is rewritten when a
formula is built; shapes must be provably equal. `define` names a formula after the statement that introduces it.

    X, W = symbol("X", n, d), symbol("W", d, d)
    u = exp(X @ W @ X.T)                      # entrywise
    f = diag(recip(u @ ones(n))) @ u          # row softmax
    K = total(j, f[i, j] * h[j, k])           # index sums
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import sympy

from .shapes import (
    ONE,
    OperandError,
    Refusals,
    Shape,
    ShapeError,
    check_name,
    exact_scalar,
    extent,
    fits,
    index_name,
    no_formula,
    require,
    same,
)
from .sizes import AnyIndex, Index, Pair

__all__ = [
    "Formula", "ShapeError", "absolute", "block", "causal_rows", "define", "diag", "entries", "exp", "eye", "func", "grad",
    "inner", "jvp", "kron", "loss", "ones", "recip", "rowkron", "rows", "scalar", "symbol", "taylor", "total", "unit",
]  # fmt: skip
_interned: dict[tuple, Formula] = {}


def _checked(value: Any, where: str) -> Formula:
    if not isinstance(value, Formula):
        raise no_formula(value, where)
    return value


class Formula(Refusals):
    """One node: ``op`` applied to ``args`` with ``data``; ``shape`` is (rows, columns), ``free`` the unbound indices."""

    __slots__ = ("args", "data", "digest", "free", "op", "shape")
    op: str
    args: tuple[Formula, ...]
    data: tuple
    shape: Shape
    free: frozenset[Index]
    digest: str

    def __new__(cls, op: str, args: tuple[Formula, ...], data: tuple, shape: Shape, bound: Index | None = None):
        shape = (extent(shape[0]), extent(shape[1]))
        key = (op, args, data, shape)
        found = _interned.get(key)
        if found is not None:
            return found
        node = object.__new__(cls)
        free = frozenset().union(*(a.free for a in args), *(x.letters for x in data if isinstance(x, (Index, Pair))))
        values = {
            "op": op, "args": args, "data": data, "shape": shape,
            "free": free - {bound} if bound is not None else free,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(node, name, value)
        text = json.dumps([op, [a.digest for a in args], [_plain(x) for x in data], [str(s) for s in shape]])
        object.__setattr__(node, "digest", hashlib.sha256(text.encode()).hexdigest()[:16])
        _interned[key] = node
        return node

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a formula is immutable: cannot set {name!r}")

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self):
        bound = self.data[0] if self.op in ("sum", "stack") else None
        return (Formula, (self.op, self.args, self.data, self.shape, bound))

    def __repr__(self) -> str:
        from .display import plain

        return plain(self)

    def _repr_latex_(self) -> str:
        from .display import latex

        return f"${latex(self)}$"

    # -- algebra ---------------------------------------------------------------------------------------------------
    @property
    def is_scalar(self) -> bool:
        return self.shape == (1, 1)

    @property
    def T(self) -> Formula:
        return Formula("transpose", (self,), (), (self.shape[1], self.shape[0]))

    def __add__(self, other: Formula) -> Formula:
        _checked(other, "sum")
        require(fits(self.shape, other.shape), "sum", self.shape, other.shape)
        return Formula("add", (self, other), (), self.shape)

    def __sub__(self, other: Formula) -> Formula:
        _checked(other, "difference")
        require(fits(self.shape, other.shape), "difference", self.shape, other.shape)
        return self + (-other)

    def __neg__(self) -> Formula:
        return self.scaled(-1)

    def scaled(self, factor: Any) -> Formula:
        """The formula times a SymPy scalar in sizes and constants (such as 1/d); a float is no exact scalar."""
        return Formula("scale", (self,), (exact_scalar(factor),), self.shape)

    def __mul__(self, other: Any) -> Formula:
        """Entrywise product; a 1 x 1 formula or a SymPy scalar multiplies every entry."""
        if not isinstance(other, Formula):
            return self.scaled(other)
        if self.is_scalar or other.is_scalar:
            factor, matrix = (self, other) if self.is_scalar else (other, self)
            return Formula("times", (factor, matrix), (), matrix.shape)
        require(fits(self.shape, other.shape), "entrywise product", self.shape, other.shape)
        return Formula("hadamard", (self, other), (), self.shape)

    def __rmul__(self, other: Any) -> Formula:
        return self.scaled(other)

    def __matmul__(self, other: Formula) -> Formula:
        _checked(other, "product")
        require(same(self.shape[1], other.shape[0]), "product", self.shape, other.shape)
        return Formula("matmul", (self, other), (), (self.shape[0], other.shape[1]))

    def row(self, i: AnyIndex) -> Formula:
        """Row i written as a column vector (the paper's A_{i,*})."""
        named = f"row {index_name(i)}"
        require(same(i.size, self.shape[0]), named, self.shape, (i.size, ONE))
        return Formula("row", (self,), (i,), (self.shape[1], ONE))

    def col(self, j: AnyIndex) -> Formula:
        """Column j (the paper's A_{*,j})."""
        named = f"column {index_name(j)}"
        require(same(j.size, self.shape[1]), named, self.shape, (ONE, j.size))
        return Formula("col", (self,), (j,), (self.shape[0], ONE))

    def __getitem__(self, where: Any) -> Formula:
        """An entry: ``A[i, j]`` of a matrix, ``v[i]`` of a column vector."""
        if isinstance(where, (Index, Pair)):
            require(self.shape[1] == 1, f"entry {index_name(where)}", self.shape, (where.size, ONE))
            return self.row(where)
        i, j = where if isinstance(where, tuple) and len(where) == 2 else (where, where)
        named = f"entry ({index_name(i)}, {index_name(j)})"
        wanted = (i.size, j.size)
        require(fits(self.shape, wanted), named, self.shape, wanted)
        return Formula("entry", (self,), (i, j), (ONE, ONE))

    def walk(self):
        """Every distinct node below this one, arguments first."""
        seen: set[Formula] = set()
        stack: list[tuple[Formula, bool]] = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                yield node
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))

    def rebuild(self, change: Callable[[Formula], Formula | None]) -> Formula:
        """A copy in which ``change(node)`` replaces a node wherever it returns one (checked from the leaves up)."""
        made: dict[Formula, Formula] = {}
        for node in self.walk():
            args = tuple(made[a] for a in node.args)
            new = node if args == node.args else rebuilt(node, args)
            made[node] = change(new) or new
        return made[self]

    def symbols(self) -> dict[str, Formula]:
        """The named matrices below this node, by name."""
        return {node.data[0]: node for node in self.walk() if node.op == "symbol"}

    def sources(self) -> set[str]:
        """Ids of the statements whose definitions stand in this formula."""
        return {node.data[1] for node in self.walk() if node.op == "define" and node.data[1]}

    def to_json(self) -> Any:
        """The tree as nested lists; shared nodes are listed once: {"nodes": [[op, args, data, shape], ...]}."""
        order = {node: k for k, node in enumerate(self.walk())}
        return {
            "nodes": [
                [node.op, [order[a] for a in node.args], [_plain(x) for x in node.data], [str(s) for s in node.shape]]
                for node in order
            ]
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Index):
        return {"index": value.name, "size": str(value.size)}
    if isinstance(value, Pair):
        return {"pair": [_plain(value.major), _plain(value.minor)]}
    return value if isinstance(value, (str, int)) else sympy.srepr(value)


def rebuilt(node: Formula, args: tuple[Formula, ...]) -> Formula:
    """The node's operation on other arguments, with shapes checked again."""
    if node.op in _BUILD:
        return _BUILD[node.op](*args, *node.data)
    raise ValueError(f"{node.op} takes no arguments")


# -- leaves --------------------------------------------------------------------------------------------------------
def symbol(name: str, rows: Any, columns: Any = 1, *, domain: str = "real") -> Formula:
    """A named matrix. ``domain`` is "real", "positive", "unit" (entries in [-1, 1]), "mask" (entries 0 or 1, ones on the
    diagonal), "causal" (M_{i,j} = 1 if i >= j, else 0) or "onehot" (rows are unit vectors)."""
    check_name(name, domain)
    if name.endswith("*"):
        raise ShapeError(f"the symbol {name!r}: names that end in * are kept for directions")
    return Formula("symbol", (), (name, domain), (rows, columns))


def ones(rows: Any, columns: Any = 1) -> Formula:
    """The all-ones matrix (a column vector by default)."""
    return Formula("ones", (), (), (rows, columns))


def eye(count: Any) -> Formula:
    """The identity matrix."""
    return Formula("eye", (), (), (count, count))


def unit(i: AnyIndex) -> Formula:
    """The unit vector e_i."""
    return Formula("unit", (), (i,), (i.size, 1))


def scalar(value: Any) -> Formula:
    """A SymPy scalar as a 1 x 1 formula."""
    return ones(1).scaled(value)


def causal_rows(count: Any, name: str = "M") -> Formula:
    """The causal mask as a symbol: M_{i,j} = 1 if i >= j, else 0."""
    return symbol(name, count, count, domain="causal")


# -- entrywise and structural operations ------------------------------------------------------------------------------
def exp(a: Formula) -> Formula:
    """exp, entrywise."""
    return Formula("exp", (_checked(a, "exp"),), (), a.shape)


def recip(a: Formula) -> Formula:
    """1/a, entrywise; diag(recip(v)) is the inverse of diag(v)."""
    return Formula("recip", (_checked(a, "recip"),), (), a.shape)


def func(name: str, a: Formula, order: int = 0) -> Formula:
    """An entrywise function phi (any differentiable one), or its derivative of the given order."""
    return Formula("func", (_checked(a, "func"),), (name, order), a.shape)


def taylor(a: Formula, degree: Any) -> Formula:
    """T_g(a) = sum of a^j / j! for j = 0..degree, entrywise; the degree is a SymPy expression in sizes."""
    return Formula("taylor", (_checked(a, "taylor"),), (sympy.sympify(degree),), a.shape)


def absolute(a: Formula) -> Formula:
    """|a|, entrywise."""
    return Formula("absolute", (_checked(a, "absolute"),), (), a.shape)


def diag(v: Formula) -> Formula:
    """The diagonal matrix of a column vector."""
    require(_checked(v, "diag").shape[1] == 1, "diag", v.shape, (v.shape[0], ONE))
    return Formula("diag", (v,), (), (v.shape[0], v.shape[0]))


def kron(a: Formula, b: Formula) -> Formula:
    """Kronecker product; row (i-1) * rows(b) + k of the result belongs to row i of a and row k of b."""
    return Formula("kron", (a, b), (), (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]))


def rowkron(a: Formula, b: Formula) -> Formula:
    """Row-wise Kronecker product of Fact C.2: entry (i, l1 + (l2-1) * columns(a)) is a_{i,l1} b_{i,l2}."""
    require(same(a.shape[0], b.shape[0]), "row-wise Kronecker product", a.shape, b.shape)
    return Formula("rowkron", (a, b), (), (a.shape[0], a.shape[1] * b.shape[1]))


def block(a: Formula, i: Index, height: Any) -> Formula:
    """The i-th block of ``height`` rows of a matrix with i.size * height rows."""
    height = sympy.sympify(height)
    require(same(a.shape[0], i.size * height), f"block {i.name}", a.shape, (i.size * height, a.shape[1]))
    return Formula("block", (a,), (i, height), (height, a.shape[1]))


def inner(a: Formula, b: Formula) -> Formula:
    """<a, b>, the sum of the entrywise product, for vectors and matrices of equal shape."""
    return a.T @ b if _checked(a, "inner").shape[1] == 1 else ones(a.shape[0]).T @ (a * b) @ ones(a.shape[1])


# -- indices -------------------------------------------------------------------------------------------------------
def total(*indices_and_body: Any) -> Formula:
    """The sum over one or more indices: ``total(i, j, body)``."""
    *indices, body = indices_and_body
    for index in reversed(indices):
        body = _sum(body, index)
    return body


def _sum(body: Formula, index: Index) -> Formula:
    return Formula("sum", (body,), (index,), body.shape, index)


def rows(i: Index, body: Formula) -> Formula:
    """The matrix whose row i is the column vector ``body``; its transpose has them as columns."""
    require(body.shape[1] == 1, f"rows over {i.name}", body.shape, (body.shape[0], ONE))
    return Formula("stack", (body,), (i,), (i.size, body.shape[0]), i)


def entries(i: Index, j: Index, body: Formula) -> Formula:
    """The matrix whose entry (i, j) is the scalar ``body``."""
    return rows(i, rows(j, body))


# -- derivatives ---------------------------------------------------------------------------------------------------
def loss(y: Formula, upstream: Formula) -> Formula:
    """A general differentiable loss of y, known by its gradient ``upstream`` = dL/dy at that point."""
    require(fits(_checked(y, "loss").shape, _checked(upstream, "loss").shape), "loss", y.shape, upstream.shape)
    return Formula("loss", (y, upstream), (), (1, 1))


def grad(scalar_formula: Formula, variable: Formula) -> Formula:
    """The gradient of a 1 x 1 formula with respect to a named matrix: same shape as the matrix."""
    require(
        _checked(scalar_formula, "grad").is_scalar, "grad(loss(...), X): its first", scalar_formula.shape, (ONE, ONE)
    )
    if _checked(variable, "grad").op != "symbol":
        raise ShapeError(f"grad: the variable must be a symbol, not {variable!r}")
    return Formula("grad", (scalar_formula, variable), (), variable.shape)


def jvp(body: Formula, variable: Formula, direction: Formula) -> Formula:
    """The derivative of ``body`` along ``direction`` in ``variable``: same shape as the body."""
    _checked(variable, "jvp"), _checked(direction, "jvp")
    require(fits(variable.shape, direction.shape), "direction", variable.shape, direction.shape)
    if variable.op != "symbol":
        raise ShapeError(f"jvp: the variable must be a symbol, not {variable!r}")
    return Formula("jvp", (body, variable, direction), (), body.shape)


def define(name: str, body: Formula, source: str = "") -> Formula:
    """``body`` under a name, shown by the name; ``source`` is the id of the statement that introduces it."""
    if not isinstance(name, str):
        raise OperandError('define: first the name, then the formula: define("f", diag(recip(u @ ones(n))) @ u)')
    return Formula("define", (_checked(body, f"define {name!r}"),), (name, source), body.shape)


_BUILD: dict[str, Callable[..., Formula]] = {
    "scale": lambda a, c: a.scaled(c),
    "add": lambda a, b: a + b,
    "matmul": lambda a, b: a @ b,
    "transpose": lambda a: a.T,
    "hadamard": lambda a, b: a * b,
    "times": lambda a, b: a * b,
    "row": lambda a, i: a.row(i),
    "col": lambda a, j: a.col(j),
    "entry": lambda a, i, j: a[i, j],
    "exp": exp,
    "recip": recip,
    "func": lambda a, name, order: func(name, a, order),
    "taylor": taylor,
    "absolute": absolute,
    "diag": diag,
    "kron": kron,
    "rowkron": rowkron,
    "block": block,
    "sum": _sum,
    "stack": lambda body, i: rows(i, body),
    "loss": loss,
    "grad": grad,
    "jvp": jvp,
    "define": lambda body, name, source: define(name, body, source),
}
