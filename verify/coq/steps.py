"""Steps of certificates as Coq theorems: for all values of the letters, the hypotheses imply the conclusion.

The script is the certificate: right - left is the sum of its terms, each a nonnegative multiplier times nonnegative hypotheses; `ring`
compares. Sizes are real numbers >= 1 here, which says more than of integers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import checker
from .claims import Theorem
from .translate import name_of

HEAD = """From Coq Require Import Reals Lra.
Open Scope R_scope.

Ltac positive := repeat first [apply Rplus_le_le_0_compat | apply Rmult_le_pos | apply pow_le]; lra.
"""
KINDS = ("shifted-polynomial", "handelman")


def theorems(documents: Iterable[dict[str, Any]]) -> Iterator[Theorem]:
    """A theorem for each distinct inequality step of the documents.

    Args:
        documents: contents of certificate files (see `checker`).
    """
    seen: set[str] = set()
    for document in documents:
        for step in document["certificates"]:
            if step["kind"] in KINDS:
                says = proposition(step)
                if says not in seen:
                    seen.add(says)
                    name = f"step_{len(seen)}"
                    about = f"{document['name']}, step {step['step']}"
                    yield Theorem(name, about, f"Theorem {name} :\n  {says}.\nProof.\n{script(step)}\nQed.")


def proposition(step: dict[str, Any]) -> str:
    """The step as a proposition about real numbers."""
    letters = sorted(step["variables"])
    bounds = {"size": "1 <= {} ->", "nonnegative": "0 <= {} ->"}
    return "\n  ".join(
        [
            *([f"forall {' '.join(map(name_of, letters))} : R,"] if letters else []),
            *(bounds[step["variables"][x]].format(name_of(x)) for x in letters if step["variables"][x] in bounds),
            *(f"{term(h)} ->" for h in step["hypotheses"]),
            term(step["conclusion"]),
        ]
    )


def script(step: dict[str, Any]) -> str:
    """The proof that a certificate is."""
    domains = step["variables"]
    sizes = [x for x in sorted(domains) if domains[x] == "size"]
    names = checker.polynomials(domains)
    terms = step["terms"] if step["kind"] == "handelman" else [[_difference(step["conclusion"]), []]]
    shifted = {x: f"(1 + {_shift(x)})" for x in sizes}
    gaps = [term(_difference(h), shifted) for h in step["hypotheses"]]
    lines = ["intros."]
    for x in sizes:
        exists = f"exists t, 0 <= t /\\ {name_of(x)} = 1 + t"
        lines.append(f"assert (shift : {exists}) by (exists ({name_of(x)} - 1); lra).")
        lines.append(f"destruct shift as [{_shift(x)} [{_shift(x)}_nonneg shift]]; subst {name_of(x)}.")
    lines += [f"assert (gap_{k} : 0 <= {gap}) by lra." for k, gap in enumerate(gaps)]
    parts = []
    for k, (multiplier, used) in enumerate(terms):
        factors = [_shifted(multiplier, names, domains), *(gaps[j] for j in used)]
        product = " * ".join(f"({f})" for f in factors)
        parts.append(product)
        nest = "".join(f"apply Rmult_le_pos; [|exact gap_{j}]. " for j in reversed(used))
        lines.append(f"assert (part_{k} : 0 <= {product}). {{ {nest}positive. }}")
    whole = term(_difference(step["conclusion"]), shifted)
    lines.append(f"assert (total : {whole} = {' + '.join(parts) or '0'}) by (first [ring | field]).")
    return "\n".join("  " + line for line in [*lines, "lra."])


def _shift(x: str) -> str:
    return f"{name_of(x)}_from_1"


def _difference(inequality: str) -> str:
    left, right = inequality.split("<=")
    return f"({right.strip()}) - ({left.strip()})"


def _shifted(multiplier: str, names: dict[str, Any], domains: dict[str, str]) -> str:
    """A multiplier as a sum of monomials with nonnegative coefficients in n - 1 for every size n."""
    polynomial = names["0"] + checker.value(multiplier, names)
    listed = [x for x in names if x != "0"]
    if listed:
        polynomial = polynomial.compose(*(names[x] + int(domains[x] == "size") for x in listed))
    letters = [_shift(x) if domains[x] == "size" else name_of(x) for x in listed]
    monomials = []
    for powers, c in polynomial.terms():
        factors = [f"{x} ^ {p}" for x, p in zip(letters, powers, strict=False) if p]
        monomials.append(" * ".join([f"({c.p} / {c.q})" if c.q != 1 else str(c.p), *factors]))
    return " + ".join(monomials) or "0"


# -- the notation of certificates --------------------------------------------------------------------------------------
def term(text: str, letters: Mapping[str, str] | None = None) -> str:
    """A polynomial, or an inequality between two, as a Coq term; ``letters`` are written as given there."""
    if "<=" in text:
        left, right = text.split("<=")
        return f"{term(left, letters)} <= {term(right, letters)}"
    return _term(ast.parse(text.strip(), mode="eval").body, letters or {})


_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _term(node: ast.AST, letters: Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return str(node.value)
    if isinstance(node, ast.Name):
        return letters.get(node.id, name_of(node.id))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(- {_term(node.operand, letters)})"
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return f"({_term(node.left, letters)} {_BINARY[type(node.op)]} {_term(node.right, letters)})"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
        return f"({_term(node.left, letters)} ^ {node.right.value!r})"
    raise ValueError(f"{ast.unparse(node)} is no polynomial")
