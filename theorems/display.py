"""Formulas and claims as text: LaTeX for papers and notebooks, one Unicode line for the terminal.

    latex(f.row(i0))    f_{i_0,*}                               plain(f.row(i0))    f(i0,·)
    latex(f, 1)         f := \\mathrm{diag}(\\alpha)^{-1} u       plain(f, 1)         f := diag(α)⁻¹ u

Both are written from the tree of `layout`. A named formula is shown by name, with ``expand`` its body too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sympy

from .claim_layout import claim_layout, claim_parts
from .formula import Formula
from .layout import GREEK, Node, expression, layout, tall
from .statement import Claim

__all__ = ["claim_latex", "claim_layout", "claim_parts", "claim_plain", "latex", "layout", "name_latex", "plain"]


def latex(formula: Formula, expand: int = 0) -> str:
    """LaTeX for math mode, without delimiters."""
    return _latex(layout(formula, expand))


def plain(formula: Formula, expand: int = 0) -> str:
    """One Unicode line; an entry is s(i0,j0), a row f(i0,·), a column f(·,j0)."""
    return _plain(layout(formula, expand))


def name_latex(name: str) -> str:
    """LaTeX of the name of a matrix, a size or an index letter, such as W_V and i0."""
    return _latex(expression(sympy.Symbol(name))[1])


def claim_latex(claim: Claim) -> str:
    """What is claimed and for which indices, in LaTeX."""
    return _latex(claim_layout(claim))


def claim_plain(claim: Claim) -> str:
    """What is claimed and for which indices, on one Unicode line."""
    return _plain(claim_layout(claim))


# -- LaTeX -------------------------------------------------------------------------------------------------
_LATEX_OP = {
    "neg": "-", "star": "*", "*": " * ", "juxt": " ", "tight": "", "times": r" \, ", "dot": r" \cdot ",
    "T": r"\top", ",": ",", ", ": r",\ ", "; ": r";\ ", "/": "/",
    "!": "!", "+": " + ", "-": " - ", "⊗": r" \otimes ", "⊘": r" \oslash ",
    "×": r" \times ", "∂": r"\partial ", "=": " = ", "≠": r" \ne ", "<": " < ", ">": " > ", "≤": r" \le ",
    "≥": r" \ge ", "∈": r" \in ", ":=": " := ", "′": r"\prime", "″": r"\prime\prime",
    "‴": r"\prime\prime\prime",
}  # fmt: skip
_LATEX_FENCE = {
    "⟨": r"\langle ", "⟩": r" \rangle", "⌈": r"\lceil ", "⌉": r" \rceil", "⌊": r"\lfloor ", "⌋": r" \rfloor",
}  # fmt: skip
_LATEX_KNOWN = {"exp", "log", "max", "min", "sin", "cos", "tanh"}
_GREEK_WORD = {letter: rf"\{word}" for word, letter in GREEK.items() if word != "eps"}


def _braced(text: str) -> str:
    return text if len(text) == 1 or re.fullmatch(r"\\[A-Za-z]+", text) else f"{{{text}}}"


def _latex_name(name: str) -> str:
    if indexed := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return f"{indexed[1]}_{_braced(indexed[2])}"
    return _GREEK_WORD.get(GREEK.get(name, name)) or _escaped(name)


def _latex_base(base: Node) -> str:
    """What a subscript hangs on: x_1 has one already."""
    text = _latex(base)
    return f"{{{text}}}" if base[0] == "id" and "_" in text else text


def _latex_up(name: str) -> str:
    if name in _LATEX_KNOWN:
        return rf"\{name}"
    return rf"\mathrm{{{_escaped(name)}}}"


def _escaped(text: str) -> str:
    special = {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim "}
    return "".join(special.get(c, f"\\{c}" if c in "{}_&%#$" else c) for c in text)


def _latex_fence(left: str, body: Node, right: str) -> str:
    left, right = _LATEX_FENCE.get(left, left), _LATEX_FENCE.get(right, right)
    return rf"\left{left}{_latex(body)}\right{right}" if tall(body) else f"{left}{_latex(body)}{right}"


_LATEX: dict[str, Callable[..., str]] = {
    "row": lambda *parts: "".join(map(_latex, parts)),
    "id": _latex_name,
    "up": _latex_up,
    "bold": lambda text: rf"\mathbf{{{text}}}",
    "num": lambda text: r"\infty" if text == "∞" else _escaped(text),
    "text": lambda text: rf"\text{{{_escaped(text)}}}",
    "op": lambda key: _LATEX_OP[key],
    "quad": lambda: r" \quad ",
    "sum": lambda under: rf"\sum_{{{_latex(under)}}} ",
    "sub": lambda base, below: f"{_latex_base(base)}_{_braced(_latex(below))}",
    "at": lambda base, *indices: f"{_latex_base(base)}_{{{','.join(map(_latex, indices))}}}",
    "sup": lambda base, above: f"{_latex(base)}^{_braced(_latex(above))}",
    "frac": lambda over, under: rf"\frac{{{_latex(over)}}}{{{_latex(under)}}}",
    "tilde": lambda body: rf"\tilde{{{_latex(body)}}}",
    "sqrt": lambda body: rf"\sqrt{{{_latex(body)}}}",
    "fence": _latex_fence,
}


def _latex(node: Node) -> str:
    return _LATEX[node[0]](*node[1:])


# -- one Unicode line --------------------------------------------------------------------------------------
_PLAIN_OP = {
    "neg": "-", "star": "·", "juxt": " ", "tight": "", "times": "·", "dot": "·", ",": ",", ", ": ", ", "; ": "; ", "/": "/",
    "!": "!", "∂": "∂", "×": "×",
}  # fmt: skip
_SINGLE = ("id", "up", "num", "bold", "sub", "fence")
_RAISED = {"T": "ᵀ", "-1": "⁻¹", "2": "²", "3": "³", "′": "′", "″": "″", "‴": "‴"}


def _plain_op(key: str) -> str:
    return _PLAIN_OP.get(key, key if key in _RAISED else f" {key} ")


def _loose(text: str, marks: str) -> bool:
    """Whether one of the marks stands outside all brackets."""
    depth = 0
    for c in text:
        depth += (c in "([{⟨⌈⌊") - (c in ")]}⟩⌉⌋")
        if not depth and c in marks:
            return True
    return False


def _plain_frac(over: Node, under: Node) -> str:
    top, bottom = _plain(over), _plain(under)
    top = f"({top})" if _loose(top, "+-") else top
    return f"{top}/({bottom})" if _loose(bottom, " ·/+-") else f"{top}/{bottom}"


def _plain_sup(base: Node, above: Node) -> str:
    text = _plain(above)
    return _plain(base) + (_RAISED.get(text) or (f"^{text}" if above[0] in _SINGLE else f"^({text})"))


def _plain_at(base: Node, *indices: Node) -> str:
    name = base[2] if base[0] == "fence" and base[2][0] == "sub" else base
    inside = ",".join(map(_plain, indices))
    return f"{_plain(name)}{inside if indices[0][:2] == ('fence', '[') else f'({inside})'}"


def _plain_sub(base: Node, below: Node) -> str:
    text = _plain(below)
    return f"{_plain(base)}_{text if below[0] in _SINGLE else f'({text})'}"


def _plain_sum(under: Node) -> str:
    text = _plain(under).replace(" ", "")
    return f"Σ_{text if text.isalnum() else f'{{{text}}}'} "


_PLAIN: dict[str, Callable[..., Any]] = {
    "row": lambda *parts: "".join(map(_plain, parts)),
    "id": lambda name: GREEK.get(name, name),
    "up": str,
    "bold": str,
    "num": str,
    "text": str,
    "op": _plain_op,
    "quad": lambda: "   ",
    "sum": _plain_sum,
    "sub": _plain_sub,
    "at": _plain_at,
    "sup": _plain_sup,
    "frac": _plain_frac,
    "tilde": lambda body: f"{_plain(body)}~",
    "sqrt": lambda body: f"sqrt({_plain(body)})",
    "fence": lambda left, body, right: f"{left}{_plain(body)}{right}",
}


def _plain(node: Node) -> str:
    return _PLAIN[node[0]](*node[1:])
