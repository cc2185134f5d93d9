"""The errata in sentences, as a careful referee writes them: what is printed, why it fails, what is true, what builds on it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from almostlinear.theorems.display import claim_latex, claim_plain, latex, name_latex, plain
from almostlinear.theorems.registry import ARXIV
from almostlinear.theorems.statement import Claim

from . import documents
from .documents import Block, Display, Heading, Inline, Math, Paragraph, Strong, enumeration, latex_text, sentence
from .errata import FAILED, UNDECIDED, Errata, Erratum, Printed, printed, reasons, rests_on_failure
from .pages.formulas import named
from .pages.records import EXACT, WITNESS, suggestions
from .verdicts import verdict

FORMATS = {"md": documents.markdown, "tex": documents.latex}
PROVED = ("proved", "proved-at-size")
LONG = 600  # characters of a formula that is printed
MOST = 8  # rows and columns of a matrix that are shown


def write(found: Errata, form: str) -> str:
    """The whole list; ``form`` is one of FORMATS."""
    return FORMATS[form](blocks(found))


def blocks(found: Errata) -> list[Block]:
    made: list[Block] = [Heading(1, f"Errata for {ARXIV}"), Paragraph((_summary(found),))]
    for title, listed, sentences in (
        ("Statements that do not hold as printed", found.wrong, _wrong),
        ("Printed arguments with a gap", found.arguments, _argument),
        ("Misprints and readings", found.misprints, _misprints),
    ):
        if listed:
            made += [Heading(2, title), *(block for e in listed for block in sentences(e))]
    return made


def _summary(found: Errata) -> str:
    verdicts = [e.row["verdict"] for e in found.claiming]
    undecided = [e.made.id for e in found.claiming if e.row["verdict"] in UNDECIDED]
    false, lacking, proved = verdicts.count("refuted"), verdicts.count("gap"), sum(v in PROVED for v in verdicts)
    tried = len(verdicts) - false - lacking - proved - len(undecided)
    argued = sum(e.row["verdict"] not in UNDECIDED for e in found.arguments)
    they = "it uses" if lacking == 1 else "they use"
    text = (
        "Every published statement was checked as printed, in every reading that the text admits; it counts as false only "
        f"if all of its readings are. Of {len(verdicts)} statements that claim something, {_count(false, 'is', 'are')} false, "
        f"{_count(lacking, 'does', 'do')} not follow, for want of a hypothesis or through what {they}, "
        f"{_count(proved, 'is', 'are')} proved and {_count(tried, 'was', 'were')} tried without a counterexample; of the "
        f"last two kinds, {_count(argued, 'has', 'have')} a gap in the printed argument."
    )
    stale = [e.made.id for e in found.claiming if e.row["stale"]]
    text += f" Undecided so far: {enumeration(undecided)}." if undecided else ""
    return text + (f" The evidence is of another version for {enumeration(stale)}." if stale else "")


def _state(found: str) -> str:
    if found in UNDECIDED:
        return "is undecided"
    return f"{'holds' if found in PROVED else 'was tried without a counterexample'} ({verdict(found).label})"


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'none'} {one if number == 1 else many}"


# -- the three lists -------------------------------------------------------------------------------------------
def _wrong(e: Erratum) -> list[Block]:
    opening: list[Inline] = [Strong(_judgement(e))]
    if e.made.hypotheses:
        opening.append(f" Printed hypotheses: {'; '.join(e.made.hypotheses)}.")
    made: list[Block] = [Heading(3, f"{e.label}: {e.made.title}"), Paragraph(tuple(opening))]
    for part, listed in e.failing().items():
        made += _printed(e, part, listed)
        if against := e.witness(part):
            made.append(Paragraph((Strong("Witness:"), " ", *witness_words(against))))
    made += _gaps(e)
    if standing := e.standing():
        made.append(Paragraph((sentence("; ".join(f"{_part(part)} {_state(v)}" for part, v in standing.items())),)))
    made += [*_repairs(e), Paragraph((_built_on(e),))]
    return (
        [*made, Paragraph((Strong("Remarks:"), f" {' '.join(map(sentence, e.made.notes))}"))] if e.made.notes else made
    )


def _judgement(e: Erratum) -> str:
    if e.row["verdict"] == "refuted":
        return "False as printed."
    return f"It does not follow: {'a hypothesis is missing' if _lacks(e) else 'what it rests on fails'}."


def _lacks(e: Erratum) -> bool:
    """Whether a hypothesis is missing, and not only what it rests on fails."""
    return e.row["verdict"] == "gap" and any(not rests_on_failure(text) for text in e.row["gap"])


def _argument(e: Erratum) -> list[Block]:
    said = [*([f"It {_state(e.row['verdict'])}."] if e.made.claims else []), *reasons(e.row["gap"])]
    return [Paragraph((Strong(e.label), f" ({e.made.title}): {' '.join(said)} ", *_steps(e)), item=True)]


def _misprints(e: Erratum) -> list[Block]:
    pieces: list[Inline] = [Strong(e.label), f" ({e.made.title}): "]
    if typos := e.misprints():
        pieces.append(f"misprint, {'; '.join(typos)}. ")
    for part, listed in e.divided().items():
        readings = [(c.reading, v) for each in listed for c, v in zip(each.claims, each.verdicts, strict=True)]
        right = [reading for reading, v in readings if v not in (*FAILED, *UNDECIDED)]
        wrong = [reading for reading, v in readings if v in FAILED]
        where = f"{_part(part)} " if len(e.parts()) > 1 else ""
        others = (
            f"if read as {_quoted(wrong)}"
            if len(wrong) == 1 or len(wrong) + len(right) < len(readings)
            else "in every other reading"
        )
        pieces.append(sentence(f"{where}holds if read as {_quoted(right)}, and fails {others}") + " ")
    return [Paragraph(tuple(pieces), item=True)]


def _quoted(readings: list[str]) -> str:
    return enumeration([f"“{reading}”" for reading in readings])


# -- pieces of an entry ----------------------------------------------------------------------------------------
def _part(part: str) -> str:
    return f"part {part}" if part[:1].isdigit() else f"part “{part}”"


def _printed(e: Erratum, part: str, listed: list[Printed]) -> list[Block]:
    notes = [_part(part)] if len(e.parts()) > 1 else []
    if readings := list(dict.fromkeys(reading for each in listed for reading in each.readings)):
        notes.append(f"read as {_quoted(readings)}")
    if e.row["verdict"] == "refuted" and any(v == "gap" for each in listed for v in each.verdicts):
        notes.append("not false, but it does not follow")
    about = f" ({', '.join(notes)}):" if notes else ":"
    return [Paragraph((Strong("Printed"), about)), *_formulas([each.claims[0] for each in listed], e)]


def _formulas(claims: list[Claim], e: Erratum) -> list[Block]:
    """The claims, with the names that lemmas introduce written out."""
    own = {e.made.id, *(made.id for made, _ in e.repairs)}
    names = dict.fromkeys(node for c in claims for f in c.formulas() for node in named(f))
    local = [node for node in names if node.data[1] in e.lemmas | own]
    bodies = tuple(dict.fromkeys(Math(plain(node, 1), latex(node, 1)) for node in local))
    shown = Display(tuple(dict.fromkeys(Math(claim_plain(c), claim_latex(c)) for c in claims)))
    return [shown, Paragraph(("where",)), Display(bodies)] if bodies else [shown]


def _steps(e: Erratum) -> list[Inline]:
    """The steps of the printed proof that fail, each with its witness."""
    pieces: list[Inline] = []
    for part, listed in e.failing(step=True).items():
        claim, against = replace(listed[0].claims[0], step=False), e.witness(part)
        fails = "fails" if "refuted" in listed[0].verdicts else "does not follow"
        pieces += [f"The printed step “{part}”, ", Math(claim_plain(claim), claim_latex(claim)), f", {fails}"]
        pieces += [": ", *witness_words(against), " "] if against else [". "]
    return pieces


def _gaps(e: Erratum) -> list[Block]:
    said, steps = reasons(e.row["gap"]), _steps(e)
    head = "Missing:" if _lacks(e) else "Argument:"
    found: list[Block] = []
    if len(said) == 1:
        found.append(Paragraph((Strong(head), f" {said[0]}")))
    elif said:
        found += [Paragraph((Strong(head),)), *(Paragraph((text,), item=True) for text in said)]
    return [*found, Paragraph((Strong("Steps:"), " ", *steps))] if steps else found


def _repairs(e: Erratum) -> list[Block]:
    made: list[Block] = []
    for repair, row in e.repairs:
        parts = {p.part: p.claims[0] for p in printed(repair, row)}
        chosen = [part for part in parts if part in e.failing()] if set(e.failing()) <= set(parts) else list(parts)
        short = [parts[part] for part in chosen if len(claim_plain(parts[part])) <= LONG]
        long = [_part(part) for part in chosen if len(claim_plain(parts[part])) > LONG]
        under = repair.hypotheses or tuple(map(str, repair.assumed))
        head = f" ({repair.id}, {verdict(row['verdict']).label})" + (f", if {'; '.join(under)}:" if under else ":")
        made += [Paragraph((Strong("True instead"), head)), *(_formulas(short, e) if short else [])]
        if long:
            made.append(
                Paragraph((f"Too long for here is {enumeration(long)}; almostlinear show {repair.id} has it.",))
            )
    if not made:
        made = [
            Paragraph((Strong("Found by search"), f" ({'proved' if proved else 'not proved'}): right side {text}."))
            for text, proved in suggestions(e.row["evidence"])
        ]
    return made or [Paragraph(("No statement repairs it yet.",))]


def _built_on(e: Erratum) -> str:
    if not e.built_on_it:
        return "No other published statement builds on it."
    failing = [name for name, found in e.built_on_it if found in FAILED]
    standing = [name for name, found in e.built_on_it if found not in FAILED]
    groups = [enumeration(standing)] if standing else []
    if failing:
        do = "does" if len(failing) == 1 else "do"
        groups.append(f"{enumeration(failing)}, which {do} not hold as printed either")
    return f"Built on it, directly or not: {'; and '.join(groups)}."


# -- witnesses -------------------------------------------------------------------------------------------------
def witness_words(found: dict[str, Any]) -> list[Inline]:
    """Sizes, matrices, the place, both sides, and what else the witness says."""
    others = {k: v for k, v in found.items() if k not in WITNESS}
    sizes = sorted((k for k, v in others.items() if isinstance(v, int)), key=lambda k: (k != "n", k != "d", k))
    given: list[Math] = [_equation(k, str(others.pop(k))) for k in sizes]
    units = found.get("units") or {}
    given += [
        _matrix(k, v, str(units.get(k, ""))) for k, v in sorted((found.get("inputs") or {}).items(), key=_x_first)
    ]
    index = found.get("index") or {}
    place = [_equation(k, str(v)) for k, v in index.items()] if isinstance(index, dict) else []
    entry = found.get("entry") or ()
    pieces = _listed(given)
    if place:
        pieces += ["; at ", *_listed(place)]
    if entry and set(entry) != {1}:
        pieces.append(f"; entry ({', '.join(map(str, entry))})")
    pieces += [". Printed: ", _value(found.get("claimed")), ". True: ", _value(found.get("actual")), "."]
    for key, value in others.items():
        pieces += [f" {sentence_start(key)}: ", *_figure(value), "."]
    return pieces


def sentence_start(text: str) -> str:
    return text[:1].upper() + text[1:] if text[1:2].islower() else text


def _x_first(item: tuple[str, Any]) -> tuple[bool, str]:
    return item[0] != "X", item[0]


def _listed(maths: Iterable[Math]) -> list[Inline]:
    pieces: list[Inline] = []
    for each in maths:
        pieces += [", ", each] if pieces else [each]
    return pieces


def _figure(value: Any) -> list[Inline]:
    """A figure of a witness: a matrix, a list of cases, words."""
    if isinstance(value, list) and value and all(isinstance(row, list) and row for row in value):
        return [_matrix("", value, "")]
    if isinstance(value, list):
        return ["; ".join(_words(v) for v in value)]
    return [_words(value)]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} = {_words(v)}" for k, v in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value).replace("**", "^")


def _value(text: Any) -> Inline:
    """An exact value such as 1/2 - 3/4 ln2 as mathematics; other words as they are."""
    text = str(text)
    if len(text) > 200 or not EXACT.fullmatch(text):
        return text
    return Math(text.replace("ln2", "ln 2"), _number(text))


def _number(text: str) -> str:
    """LaTeX for an exact value, or the words as text."""
    if not EXACT.fullmatch(text):
        return rf"\text{{{latex_text(text)}}}"
    text = re.sub(r"ln2\^(\d+)", r"(\\ln 2)^{\1}", text)
    return re.sub(r"(\d+)/(\d+)", r"\\tfrac{\1}{\2}", text.replace("ln2", r"\ln 2"))


def _equation(name: str, value: str) -> Math:
    left = (f"{name} = ", f"{name_latex(name)} = ") if name else ("", "")
    return Math(f"{left[0]}{value.replace('ln2', 'ln 2')}", f"{left[1]}{_number(value)}")


def _times(number: str, unit: str) -> str:
    if not unit or number == "0":
        return number
    return f"{number.removesuffix('1')}{unit}" if number in ("1", "-1") else f"{number} {unit}"


def _matrix(name: str, value: Any, unit: str) -> Math:
    if not (isinstance(value, list) and value and all(isinstance(row, list) and row for row in value)):
        value = [[x] for x in value] if isinstance(value, list) and value else [[value]]
    rows = [[str(x) for x in row] for row in value]
    unit_plain, unit_latex = (
        ("ln 2 ", r"\ln 2\,") if unit == "ln2" else (unit, rf"\text{{{latex_text(unit)}}}" if unit else "")
    )
    if len(rows) == len(rows[0]) == 1:
        return _equation(name, _times(rows[0][0], unit))
    else:
        cut = [_cut(row, "…") for row in _cut(rows, ["…"])]
        body = r" \\ ".join(" & ".join(r"\dots" if x == "…" else _number(x) for x in row) for row in cut)
        inside = f"[{'; '.join(' '.join(row) for row in cut)}]", rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
    left = (f"{name} = ", f"{name_latex(name)} = ") if name else ("", "")
    return Math(f"{left[0]}{unit_plain}{inside[0]}", f"{left[1]}{unit_latex}{inside[1]}")


def _cut(items: list[Any], filler: Any) -> list[Any]:
    return items if len(items) <= MOST else [*items[: MOST - 1], filler]
