"""MathML from the layout tree of a formula; what is inside is escaped, so a name is never markup.

mathml(layout(f.row(i0)))    <math displaystyle="true"><msub><mi>f</mi>...</msub></math>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape

from jinja2.utils import markupsafe

from almostlinear.theorems.layout import GREEK, Node, tall

LONG = 40  # parts of a sum within brackets, above which it may break
THIN = '<mspace width="0.12em"/>'
# No space around: in subscripts, and signs that belong to what follows.
_CLOSE = ' lspace="0" rspace="0"'
_OP = {
    "neg": f'<mo form="prefix"{_CLOSE}>−</mo>', "star": f"<mo{_CLOSE}>∗</mo>", "*": "<mo>∗</mo>",
    "-": "<mo>−</mo>", "juxt": THIN, "times": THIN, "tight": "", "dot": "<mo>·</mo>",
    "T": '<mi mathvariant="normal">⊤</mi>', ",": f'<mo separator="true"{_CLOSE}>,</mo>',
    ", ": '<mo separator="true" lspace="0" rspace="0.3em">,</mo>', "!": f"<mo{_CLOSE}>!</mo>",
    "/": f"<mo{_CLOSE}>/</mo>", "; ": '<mo separator="true" lspace="0" rspace="0.3em">;</mo>',
    "∂": '<mi mathvariant="normal">∂</mi>', ":=": "<mo>≔</mo>",
}  # fmt: skip


def mathml(node: Node) -> str:
    """One ``math`` element, for use within a line."""
    return f'<math displaystyle="true">{_write(node)}</math>'


def flow(node: Node) -> str:
    """A relation or sum as several ``math`` elements: a long one breaks before = and between its terms."""
    pieces: list[list[Node]] = [[]]
    for part, depth in _flat(node):
        if part[0] == "op" and part[1] in _BREAKS[depth] and pieces[-1]:
            pieces.append([])
        pieces[-1].append(part)
    return "<wbr>".join(f'<math displaystyle="true">{_piece(piece)}</math>' for piece in pieces)


_RELATIONS = frozenset("=≤≥<>≠") | {":="}
_BREAKS = (_RELATIONS, frozenset("+-"))


def _flat(node: Node) -> list[tuple[Node, int]]:
    """The parts of a relation, and of the sums on its sides, with how deep they stand."""
    parts: list[tuple[Node, int]] = []
    for part in node[1:] if node[0] == "row" else (node,):
        if part[0] == "sub" and part[1][0] == "fence" and _opens(part[1]):
            (_, left, body, right), mark = part[1], part[2]
            parts += _opened(left, body, ("sub", ("edge", right, "postfix"), mark))
        elif part[0] == "fence" and _opens(part):
            parts += _opened(part[1], part[2], ("edge", part[3], "postfix"))
        else:
            parts += [(p, 1) for p in part[1:]] if _is_sum(part) else [(part, 0)]
    return parts


def _is_sum(node: Node) -> bool:
    return node[0] == "row" and any(p[0] == "op" and p[1] in _BREAKS[1] for p in node[1:])


def _opens(fence: Node) -> bool:
    """Whether the sum within brackets may break: if it is long, and the brackets need not grow."""
    return _is_sum(fence[2]) and not tall(fence[2]) and _leaves(fence[2]) > LONG


def _opened(left: str, body: Node, closing: Node) -> list[tuple[Node, int]]:
    return [(("edge", left, "prefix"), 0), *((p, 1) for p in body[1:]), (closing, 0)]


def _leaves(node: Node) -> int:
    return sum(_leaves(part) if isinstance(part, tuple) else 1 for part in node[1:])


def _piece(nodes: list[Node]) -> str:
    """A piece that starts with its sign, which keeps the spaces of a sign between two terms."""
    first, rest = nodes[0], "".join(map(_write, nodes[1:]))
    start = _write(first)
    if first[0] == "op" and first[1] in _RELATIONS | _BREAKS[1]:
        start = start.replace("<mo>", '<mo form="infix">', 1)
    return f"<mrow>{start}{rest}</mrow>"


_TERM = re.compile(r"(?P<number>\d{1,12}(/\d{1,12})?)?\s*(?P<unit>ln2(\^(?P<power>\d{1,3}))?)?")


def exact(text: str) -> str:
    """A value such as ``1/2 - 3/4 ln2`` as a ``math`` element; other words are shown as they are."""
    nodes: list[Node] = []
    for k, piece in enumerate(re.split(r"(?:^|\s)([+-])\s?", text.strip()) if len(text) < 200 else ["", text]):
        if k % 2:
            nodes.append(("op", piece if nodes else "neg"))
        elif piece:
            term = _TERM.fullmatch(piece)
            if not term:
                return f"<math><mrow>{_text(_short(text, 200))}</mrow></math>"
            nodes += _term(term)
    return mathml(("row", *nodes))


def _term(term: re.Match[str]) -> list[Node]:
    number, _, under = (term["number"] or "").partition("/")
    value: list[Node] = [("frac", ("num", number), ("num", under)) if under else ("num", number)] if number else []
    if term["unit"]:
        logarithm: Node = ("row", ("up", "ln"), ("op", "juxt"), ("num", "2"))
        power = term["power"]
        unit = ("sup", ("fence", "(", logarithm, ")"), ("num", power)) if power else logarithm
        value += [("op", "juxt"), unit] if value else [unit]
    return value


def matrix(entries: Sequence[Sequence[str]], name: str = "", unit: str = "", most: int = 8) -> str:
    """``name = unit [entries]`` as a ``math`` element; of rows and columns at most ``most`` are shown."""

    def cut(items: Sequence[str], filler: str) -> list[str]:
        return [*items] if len(items) <= most else [*items[: most - 1], filler]

    if len(entries) == 1 and len(entries[0]) == 1:
        value = _scalar(_short(str(entries[0][0])), unit)
    else:
        cells = [
            cut([f"<mtd>{_number(_short(str(x)))}</mtd>" for x in row], "<mtd><mo>⋯</mo></mtd>") for row in entries
        ]
        rows = cut([f"<mtr>{''.join(row)}</mtr>" for row in cells], "<mtr><mtd><mo>⋮</mo></mtd></mtr>")
        value = f'<mtable displaystyle="true" class="matrix">{"".join(rows)}</mtable>'
        value = f"{_text(unit)}{THIN}{value}" if unit else value
    left = f'{_write(name_node(name))}<mo form="infix">=</mo>' if name else ""
    return f'<math displaystyle="true"><mrow>{left}{value}</mrow></math>'


def _scalar(number: str, unit: str) -> str:
    if not unit or number == "0":
        return _number(number)
    if number in ("1", "-1"):
        return f"{_OP['neg'] if number == '-1' else ''}{_text(unit)}"
    return f"{_number(number)}{THIN}{_text(unit)}"


_SCRIPTED = re.compile(
    r"(?<![\w&;])(?P<name>[A-Za-z]{1,4})_(?P<below>\{[^{}]{1,40}\}|\w{1,8}\b)"
    r"|(?<=\|)_(?P<norm>\w{1,8}\b)"
    r"|\^(?P<above>T\b|[A-Za-z]\(\w{1,3}\)|\{[^{}]{1,40}\}|\((?:[^()]|\([^()]{1,20}\)){1,40}\)|-?\w{1,3}\b)|(?P<sign>&lt;=|&gt;=|!=)"
)
_SIGNS = {"&lt;=": "≤", "&gt;=": "≥", "!=": "≠"}


def words(text: str) -> markupsafe.Markup:
    """Prose with W_Q, X_{i0,*}, |X|_row and X^T in it, as markup; the prose itself is escaped."""

    def set_script(match: re.Match[str]) -> str:
        name, below, norm, above, sign = match.group("name", "below", "norm", "above", "sign")
        if name:
            shown = GREEK.get(name, name)
            return f"{shown if len(shown) > 1 else f'<i>{shown}</i>'}<sub>{_SCRIPTED.sub(set_script, below.strip('{}'))}</sub>"
        if norm:
            return f"<sub>{norm}</sub>"
        if sign:
            return _SIGNS[sign]
        inside = above[1:-1] if above[0] in "{(" else above
        return f"<sup>{'⊤' if above == 'T' else GREEK.get(inside) or _SCRIPTED.sub(set_script, inside)}</sup>"

    return markupsafe.Markup(_SCRIPTED.sub(set_script, escape(str(text), quote=True)))


def name_node(name: str) -> Node:
    """The layout of a matrix's name, such as W_Q."""
    head, _, below = name.partition("_")
    kind = "id" if len(head) == 1 or head in GREEK else "up"
    return ("sub", (kind, head), ("up", below)) if head and below else (kind, head or name)


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _number(text: str) -> str:
    if fraction := re.fullmatch(r"(-?)(\d{1,9})/(\d{1,9})", text):
        sign = _OP["neg"] if fraction[1] else ""
        return f"<mrow>{sign}<mfrac><mn>{fraction[2]}</mn><mn>{fraction[3]}</mn></mfrac></mrow>"
    if negative := re.fullmatch(r"-([\d.]+)", text):
        return f"<mrow>{_OP['neg']}<mn>{negative[1]}</mn></mrow>"
    return f"<mn>{escape(text)}</mn>" if re.fullmatch(r"[\d.]+", text) else _text(text)


def _text(text: str) -> str:
    if text in ("ln2", "ln 2"):
        return f"<mrow><mi>ln</mi>{THIN}<mn>2</mn></mrow>"
    kept = re.sub("^ | $", "\u00a0", text)  # mtext drops the spaces at its ends
    return f"<mtext>{escape(kept)}</mtext>"


def _identifier(name: str) -> str:
    if indexed := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return f"<msub><mi>{indexed[1]}</mi><mn>{indexed[2]}</mn></msub>"
    return f"<mi>{escape(GREEK.get(name, name))}</mi>"


def _upright(name: str) -> str:
    return f'<mi mathvariant="normal">{escape(name)}</mi>' if len(name) == 1 else f"<mi>{escape(name)}</mi>"


def _operator(key: str) -> str:
    return _OP.get(key) or ("" if key in _OP else f"<mo>{escape(key)}</mo>")


def _group(*nodes: Node) -> str:
    return f"<mrow>{''.join(map(_write, nodes))}</mrow>"


def _indices(indices: Sequence[Node]) -> str:
    return f"<mrow>{_operator(',').join(map(_write, indices))}</mrow>"


def _raised(base: Node, above: Node) -> str:
    """A base with both scripts has them above each other."""
    if base[0] in ("sub", "at"):
        below = _write(base[2]) if base[0] == "sub" else _indices(base[2:])
        return f"<msubsup>{_group(base[1])}{below}{_group(above)}</msubsup>"
    return f"<msup>{_group(base)}{_group(above)}</msup>"


def _edge(sign: str, form: str, grow: bool = False) -> str:
    return f'<mo form="{form}" stretchy="{"true" if grow else "false"}"{_CLOSE}>{escape(sign)}</mo>'


def _fence(left: str, body: Node, right: str) -> str:
    if left == right == "|" and tall(body):
        return f'<mrow class="bars">{_write(body)}</mrow>'  # not all fonts have a bar that grows
    return f"<mrow>{_edge(left, 'prefix', tall(body))}{_write(body)}{_edge(right, 'postfix', tall(body))}</mrow>"


def _sum(under: Node) -> str:
    return f'<munder><mo movablelimits="false">∑</mo>{_group(under)}</munder>'


_WRITE: dict[str, Callable[..., str]] = {
    "row": _group,
    "id": _identifier,
    "up": _upright,
    "bold": lambda text: "<mn>𝟏</mn>" if text == "1" else f'<mn class="bold">{escape(text)}</mn>',
    "num": _number,
    "text": _text,
    "op": _operator,
    "quad": lambda: '<mspace width="1.5em"/>',
    "sum": _sum,
    "sub": lambda base, below: f"<msub>{_group(base)}{_group(below)}</msub>",
    "at": lambda base, *indices: f"<msub>{_group(base)}{_indices(indices)}</msub>",
    "sup": _raised,
    "frac": lambda over, under: f"<mfrac>{_group(over)}{_group(under)}</mfrac>",
    "tilde": lambda body: f'<mover accent="true">{_group(body)}<mo stretchy="false">˜</mo></mover>',
    "sqrt": lambda body: f"<msqrt>{_write(body)}</msqrt>",
    "fence": _fence,
    "edge": _edge,
}


def _write(node: Node) -> str:
    return _WRITE[node[0]](*node[1:])
