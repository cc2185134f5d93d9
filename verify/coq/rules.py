"""The rules of the norm calculus as Coq theorems: each is read from `theorems.norms`, with sizes, matrices and bounds that are letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import sympy

from almostlinear.theorems import norms
from almostlinear.theorems.formula import (
    Formula,
    absolute,
    block,
    define,
    diag,
    eye,
    kron,
    ones,
    recip,
    rowkron,
    symbol,
    unit,
)
from almostlinear.theorems.norms import OF_KIND
from almostlinear.theorems.sizes import Index, size

from .claims import Theorem
from .translate import matrix, name_of, natural, real

HEAD = """From Coq Require Import Reals Lra Lia Bool Arith.
From Almostlinear Require Import Sums Norms NormRules Structure.
Open Scope R_scope.
"""
r, c, p, q, b, h = (size(name) for name in "mcpqbh")
"""Named so that products of sizes, which SymPy sorts by name, stand in the order of the lemmas."""
A, B = symbol("A", r, c), symbol("B", r, c)
k = sympy.Symbol("k", real=True)
ROW, COLUMN, PLACE = Index("i", r), Index("j", c), Index("i", b)
GENERIC: dict[str, Formula] = {
    "define": define("D", A), "add": A + B, "scale": A * k, "hadamard": A * B, "absolute": absolute(A), "transpose": A.T,
    "matmul": symbol("A", r, q) @ symbol("B", q, c), "times": symbol("A", 1) * B, "kron": kron(A, symbol("B", p, q)),
    "rowkron": rowkron(A, symbol("B", r, p)), "diag": diag(symbol("A", r)), "row": A.row(ROW),
    "col": A.col(COLUMN), "entry": A[ROW, COLUMN], "block": block(symbol("A", b * h, c), PLACE, h),
}  # fmt: skip
"""A formula for every operation that has rules."""
U = symbol("U", r, c, domain="positive")
CONSTANT = {
    "ones": ones(r, c), "eye": eye(r), "unit": unit(ROW), "bounded": symbol("A", r, c, domain="unit"),
    "normalised": diag(recip(U @ ones(c))) @ U,
}  # fmt: skip
"""Matrices of which norms are known without premises."""


def lemmas() -> frozenset[str]:
    """The names of the lemmas in Norms.v, NormRules.v and Structure.v."""
    text = "".join(
        Path(__file__).with_name(f).read_text(encoding="utf-8") for f in ("Norms.v", "NormRules.v", "Structure.v")
    )
    return frozenset(re.findall(r"^(?:Lemma|Theorem) (\w+)", text, re.MULTILINE))


def theorems() -> Iterator[Theorem]:
    """A theorem for each rule: by operation, from another norm of the same matrix, and of constant matrices."""
    for op, by_norm in norms.RULES.items():
        for kind, rules in by_norm.items():
            for words, kinds, combine in rules:
                bounds = [sympy.Symbol(x, nonnegative=True) for x in ("x", "y")][: len(kinds)]
                node = GENERIC[op]
                name = f"rule_{op}_{kind}__{'_'.join(kinds)}"
                yield _theorem(
                    name, f"{words} ({kind})", node, kind, kinds, bounds, combine(node, *bounds), (op, kind, kinds)
                )
    yield from _same_matrix()
    for what, node in CONSTANT.items():
        for kind in norms.KINDS:
            for found in [d for d in norms.derivations(node, kind, []) if not d.premises]:
                yield _theorem(
                    f"rule_{what}_{kind}", f"{found.rule} ({kind})", node, kind, (), (), found.bound, (what, kind, ())
                )


def _same_matrix() -> Iterator[Theorem]:
    """Every norm from every other one."""
    x = sympy.Symbol("x", nonnegative=True)
    for node in (A, diag(symbol("A", r))):
        for other in norms.KINDS:
            known = OF_KIND[other](node)
            for kind in norms.KINDS:
                for found in norms.derivations(node, kind, [known]):
                    direct = kind != other and [d.rule for d in found.premises] == ["given"]
                    if direct and (node is A or other == "max"):
                        bound, key = found.bound.subs(known, x), ("diagonal" if node is not A else "", kind, (other,))
                        name = f"rule_{'diagonal_' if node is not A else ''}{kind}_from_{other}"
                        yield _theorem(name, f"{found.rule} ({kind})", node, kind, (other,), (x,), bound, key)


def _theorem(
    name: str, about: str, node: Formula, kind: str, kinds: tuple, bounds: object, bound: sympy.Expr, key: tuple
) -> Theorem:
    arguments = list(node.args) if len(node.args) == len(kinds) and key[0] not in ("", "diagonal") else [node]
    letters = list(bounds)  # type: ignore[call-overload]
    premises = [f"{_norm(k, a)} <= {x} ->" for k, a, x in zip(kinds, arguments, letters, strict=False)]
    sizes = sorted({s.name for e in node.walk() for extent in e.shape for s in extent.free_symbols})
    numbers = [*(["k"] if key[0] == "scale" else []), *map(str, letters)]
    indices = sorted({i.name: i for e in node.walk() for d in e.data if isinstance(d, Index) for i in [d]}.items())
    before = [
        f"forall {' '.join(sizes)} : nat,",
        *([f"forall {' '.join(i for i, _ in indices)} : nat,"] if indices else []),
        f"forall {' '.join(sorted(node.symbols())) or '_'} : matrix," if node.symbols() else "",
        f"forall {' '.join(numbers)} : R," if numbers else "",
        *(f"(0 < {s})%nat ->" for s in sizes),
        *(f"({i} < {natural(where.size)})%nat ->" for i, where in indices),
        *(_bounded(s) for s in node.symbols().values() if s.data[1] != "real"),
        *premises,
    ]
    conclusion = f"{_norm(kind, node)} <= {real(bound)}"
    text = "\n  ".join(line for line in [*before, conclusion] if line)
    return Theorem(name, about, f"Theorem {name} :\n  {text}.\nProof. {_script(key)} Qed.")


def _bounded(a: Formula) -> str:
    rows, columns = (natural(s) for s in a.shape)
    entry = f"{name_of(a.data[0])} i j"
    says = f"-1 <= {entry} <= 1" if a.data[1] == "unit" else f"0 <= {entry}"
    return f"(forall i j, (i < {rows})%nat -> (j < {columns})%nat -> {says}) ->"


def _norm(kind: str, a: Formula) -> str:
    rows, columns = (natural(s) for s in a.shape)
    return f"norm_{kind} {rows} {columns} {matrix(a)}"


def _script(key: tuple[str, str, tuple[str, ...]]) -> str:
    op, kind, kinds = key
    if op == "define":
        return "intros; assumption."
    if op == "normalised":
        return f"intros; eapply Rle_trans; [apply normalised_{kind}; assumption|right; ring]."
    if op in ("", "diagonal"):
        names = [f"{kind}_from_{kinds[0]}"]
        if op:
            return f"intros; eapply Rle_trans; [eapply diagonal_{kind}; revgoals; eassumption|right; ring]."
    else:
        names = [*([f"{op}_{'_'.join(kinds)}"] if len(kinds) == 2 else []), f"{op}_{kind}"]
    found = next((name for name in names if name in lemmas()), names[-1])
    return f"intros; eapply Rle_trans; [eapply {found}; revgoals; eassumption|right; ring]."
