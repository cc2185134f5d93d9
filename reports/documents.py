"""A document of headings, sentences and formulas, written as Markdown or as LaTeX; what is given as text stays text.

    [Heading(1, "Errata"), Paragraph(("By ", Strong("C.18"), ", ", Math("|h| ≤ 1", r"|h| \\le 1"))), Display((Math(...),))]

Text may hold W_Q, X^T and <=, as hypotheses and notes do. The LaTeX is a whole article that needs amsmath alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from almostlinear.theorems.layout import GREEK


@dataclass(frozen=True)
class Math:
    """A formula: one Unicode line, and LaTeX for math mode."""

    plain: str
    latex: str


@dataclass(frozen=True)
class Strong:
    """Text that stands out."""

    text: str


Inline = str | Math | Strong


@dataclass(frozen=True)
class Heading:
    """A heading; the document has one of level 1."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences; with ``item`` an item of a list."""

    pieces: tuple[Inline, ...]
    item: bool = False


@dataclass(frozen=True)
class Display:
    """Formulas, each on lines of its own."""

    formulas: tuple[Math, ...]


Block = Heading | Paragraph | Display
_SIGNS = {"<=": "≤", ">=": "≥", "!=": "≠", "->": "→"}


def _clean(text: str) -> str:
    """One line without characters that cannot be seen."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def _prose(text: str) -> str:
    return re.sub(r"<=|>=|!=|->", lambda m: _SIGNS[m[0]], re.sub(r" +", " ", _clean(text)))


def enumeration(names: Sequence[str]) -> str:
    """``A, B and C``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """With a capital and a full stop; powers as in mathematics, not as in SymPy."""
    text = str(text).strip().replace("**", "^")
    text = text if text[1:2].isupper() or not text[1:2].isalpha() else text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


# -- Markdown --------------------------------------------------------------------------------------------------
def markdown(blocks: Iterable[Block]) -> str:
    """CommonMark; formulas as Unicode lines in code."""
    written = ""
    before: Block | None = None
    for block in blocks:
        listed = all(isinstance(b, Paragraph) and b.item for b in (before, block))
        written += ("" if before is None else "\n" if listed else "\n\n") + _markdown_block(block)
        before = block
    return f"{written}\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_markdown_text(block.text)}"
    if isinstance(block, Display):
        return "\n".join(["```text", *(_clean(f.plain).replace("```", "'''") for f in block.formulas), "```"])
    text = "".join(map(_markdown_inline, block.pieces)).strip()
    return "- " * block.item + re.sub(r"^(\d*)([-+.)])", r"\1\\\2", text)  # no list by accident


def _markdown_inline(piece: Inline) -> str:
    if isinstance(piece, Strong):
        return f"**{_markdown_text(piece.text.strip())}**"
    return _code(piece.plain) if isinstance(piece, Math) else _markdown_text(piece)


def _code(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{_clean(text)}{space}{fence}"


def _markdown_text(text: str) -> str:
    return re.sub(r"[\\`*_{}\[\]<>#$~&]", r"\\\g<0>", _prose(text))


# -- LaTeX -----------------------------------------------------------------------------------------------------
_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage[margin=25mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{5pt plus 2pt}
\raggedbottom
\emergencystretch=3em
\makeatletter
\@beginparpenalty=10000 % no page ends between a formula and what introduces it
\makeatother
\begin{document}
"""
_SECTIONS = {1: "section*", 2: "section*", 3: "subsection*"}


def latex(blocks: Iterable[Block]) -> str:
    """A whole article."""
    written, in_list = "", False
    for block in blocks:
        item = isinstance(block, Paragraph) and block.item
        if item != in_list:
            written += "\\begin{itemize}\n" if item else "\\end{itemize}\n\n"
            in_list = item
        written += _latex_block(block) + ("\n" if item else "\n\n")
    written += "\\end{itemize}\n\n" if in_list else ""
    return f"{_PREAMBLE}{written}\\end{{document}}\n"


def _latex_block(block: Block) -> str:
    if isinstance(block, Heading):
        size = r"\LARGE " if block.level == 1 else ""
        return f"\\{_SECTIONS[block.level]}{{{size}{latex_text(block.text)}}}"
    if isinstance(block, Display):
        lines = "\n\n".join(f"$\\displaystyle {_latex_math(f)}$" for f in block.formulas)
        return f"\\begin{{quote}}\\raggedright\n{lines}\n\\end{{quote}}"
    return ("\\item " if block.item else "") + "".join(map(_latex_inline, block.pieces)).strip()


def _latex_inline(piece: Inline) -> str:
    if isinstance(piece, Math):
        return f"${_latex_math(piece)}$"
    return rf"\textbf{{{latex_text(piece.text)}}}" if isinstance(piece, Strong) else latex_text(piece)


_MATH = {
    "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "→": r"\to", "∈": r"\in", "·": r"\cdot", "×": r"\times", "⊘": r"\oslash",
    "⊗": r"\otimes", "∂": r"\partial", "Σ": r"\Sigma", "⟨": r"\langle", "⟩": r"\rangle", "⌈": r"\lceil",
    "⌉": r"\rceil", "⌊": r"\lfloor", "⌋": r"\rfloor", "∞": r"\infty", "√": r"\surd", "′": "'", "″": "''", "⊤": r"\top",
    "⁻¹": "^{-1}", "ᵀ": r"^{\top}", "²": "^{2}", "³": "^{3}", "|": "|", "<": "<", ">": ">", " - ": " - ", "±": r"\pm",
    **{letter: rf"\{word}" for word, letter in GREEK.items() if word != "eps"},
}  # fmt: skip
_TEXT = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "–": "--", "—": "---", "…": r"\dots{}", "“": "``",
    "”": "''", "‘": "`", "’": "'", '"': "''", "`": r"\textasciigrave{}",
}  # fmt: skip
_SCRIPT = re.compile(
    r"(?<![\w\\])(?P<name>[A-Za-z]{1,4}~?)_(?P<below>\{[^{}]{1,40}\}|\w{1,8}\b)"
    r"|\|(?P<norm>[^|]{1,30})\|(?!\w)"
    r"|sqrt\((?P<root>[^()]{1,20}(?:\([^()]{1,20}\))?)\)|\^(?P<above>T\b|\{[^{}]{1,40}\}|\([^()]{1,40}\)|-?\w{1,3}\b)"
)
_SIGN = re.compile("|".join(map(re.escape, sorted(_MATH, key=len, reverse=True))) + r"|.", re.DOTALL)


def _latex_math(formula: Math) -> str:
    return re.sub(r"[^ -~]", lambda m: rf"\text{{{_latex_sign(m[0])}}}", _clean(formula.latex))


def latex_text(text: str) -> str:
    """Prose, with W_Q and X^T set as mathematics."""
    text, written, done = _prose(text), "", 0
    for match in _SCRIPT.finditer(text):
        written += _latex_signs(text[done : match.start()]) + _latex_script(match)
        done = match.end()
    return written + _latex_signs(text[done:])


def _latex_script(match: re.Match[str]) -> str:
    name, below, norm, root, above = match.group("name", "below", "norm", "root", "above")
    if norm:
        return rf"\mbox{{{_latex_sign('|')}{latex_text(norm)}{_latex_sign('|')}}}"
    if root:
        return rf"\ensuremath{{\sqrt{{\text{{{latex_text(root)}}}}}}}"
    if above:
        inside = above[1:-1] if above[0] in "{(" else above
        return rf"\textsuperscript{{{latex_text('⊤' if above == 'T' else inside)}}}"
    letters = name.rstrip("~")
    base = letters if len(letters) == 1 else rf"\mathrm{{{letters}}}"
    base = rf"\tilde{{{base}}}" if name.endswith("~") else base
    return rf"\ensuremath{{{base}_{{\text{{{latex_text(below.strip('{}'))}}}}}}}"


def _latex_signs(text: str) -> str:
    return "".join(map(_latex_sign, _SIGN.findall(text)))


def _latex_sign(sign: str) -> str:
    if sign in _MATH:
        return rf"\ensuremath{{{_MATH[sign]}}}" if sign != " - " else r" \ensuremath{-} "
    if sign in _TEXT or sign.isascii() or "À" <= sign <= "ÿ":
        return _TEXT.get(sign, sign)
    return f"[U+{ord(sign):04X}]"
