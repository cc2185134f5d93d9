"""Witnesses and evidence, from plain data to what is shown; keys that are not known here are shown as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..mathml import exact, matrix, words

COLUMNS = ("engine", "strength", "basis", "tried", "seed", "versions", "hash", "code")
CLAIM = ("statement", "part", "reading")
PLACE = ("index", "entry")
WITNESS = ("inputs", "units", "claimed", "actual", "file", "schema", "arithmetic", *CLAIM, *PLACE)
LONG = 600
SHOWN_ELSEWHERE = (
    "suggested",
    "points",
    "proof",
    "argument",
    "rules",
    "derived",
    "claimed / derived",
    "right - derived",
)
"""Details that have their own place on the page of a statement."""
EXACT = re.compile(r"(?:[-+0-9/. ]|ln2(?:\^\d+)?)+")
"""A value such as 1/2 - 3/4 ln2."""


def witness(found: dict[str, Any] | None, *, parted: bool = True) -> dict[str, Any] | None:
    """The sizes, the inputs as matrices, both sides where they differ, and the file to replay.

    Args:
        parted: whether the statement has several parts, so that the part is worth naming.
    """
    if not found:
        return None
    units = found.get("units") or {}
    others = {k: v for k, v in found.items() if k not in WITNESS}
    sizes = sorted((k for k, v in others.items() if isinstance(v, int)), key=lambda k: (k != "n", k != "d", k))
    inputs = sorted((found.get("inputs") or {}).items(), key=lambda item: (item[0] != "X", item[0]))
    return {
        "sizes": ", ".join(f"{k} = {others[k]}" for k in sizes),
        "matrices": [_matrix(name, value, str(units.get(name, ""))) for name, value in inputs],
        "claim": claim_words(found, parted),
        "place": _place(found),
        "claimed": _value(found.get("claimed")),
        "actual": _value(found.get("actual")),
        "arithmetic": found.get("arithmetic") or "",
        "file": _near(found.get("file")),
        "others": {k: in_words(v, " = ") for k, v in others.items() if not isinstance(v, int)},
    }


def evidence(record: dict[str, Any], *, parted: bool = True) -> dict[str, Any]:
    """One row of the evidence table; figures of ``detail`` stand beside the others."""
    known = (*COLUMNS, *CLAIM, "detail", "witness")
    others = {**(record.get("detail") or {}), **{k: v for k, v in record.items() if k not in known}}
    for name in SHOWN_ELSEWHERE:
        others.pop(name, None)
    return {
        **{key: record.get(key) for key in COLUMNS},
        "claim": claim_words(record, parted),
        "versions": in_words(record.get("versions") or {}),
        "basis": in_words(record.get("basis")),
        "hash": str(record.get("hash") or "")[:8],
        "code": str(record.get("code") or "")[:8],
        "others": {k: in_words(v, " = ") for k, v in others.items() if v not in (None, [], {})},
    }


def suggestions(found: Iterable[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Right sides that a search found for a refuted claim, and whether they were proved."""
    details = [record.get("detail") or {} for record in found]
    return list(
        dict.fromkeys((str(d["suggested"]), d.get("suggestion proved") is True) for d in details if "suggested" in d)
    )


def in_words(value: Any, between: str = " ") -> str:
    """Plain data as a few words; ``between`` stands between a key and its value."""
    if isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values()):
        text = ", ".join(f"{k}{between}{in_words(v)}" for k, v in value.items())
    elif isinstance(value, dict) and all(not isinstance(v, (dict, list)) or _flat(v) for v in value.values()):
        text = "; ".join(f"{k}: {in_words(v)}" for k, v in value.items() if v not in ({}, []))
    elif isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value):
        text = ", ".join(map(in_words, value))
    elif isinstance(value, list) and all(_flat(v) for v in value):
        text = "; ".join(in_words(v, " = ") for v in value)
    elif isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:.3g}"
    else:
        text = "" if value is None else str(value)
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text)} characters)"


def _flat(value: Any) -> bool:
    """Whether it is a dictionary or a list of plain values."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [[]]
    return not any(isinstance(v, (dict, list)) for v in inside)


def claim_words(record: dict[str, Any], parted: bool) -> str:
    """Which part, and in which reading where there are several."""
    part, reading = str(record.get("part") or "") if parted else "", str(record.get("reading") or "")
    named = f"part {part}" if part[:1].isdigit() else part
    return ", ".join(text for text in (named, "" if reading == "as printed" else reading) if text)


def _place(found: dict[str, Any]) -> str:
    index, entry = found.get("index") or {}, found.get("entry")
    letters = (
        {re.sub(r"^([a-z])(\d)$", r"\1_\2", str(k)): v for k, v in index.items()} if isinstance(index, dict) else {}
    )
    place = [f"{k} = {in_words(v)}" for k, v in letters.items()]
    return ", ".join([*place, *([f"entry ({in_words(entry)})"] if entry else [])])


def _matrix(name: str, value: Any, unit: str) -> str:
    if isinstance(value, list) and value and all(isinstance(row, list) and row for row in value):
        return matrix(value, name, unit)
    if isinstance(value, list) and value:
        return matrix([[entry] for entry in value], name, unit)
    return matrix([[in_words(value)]], name, unit)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return _matrix("", value, "")
    return exact(value) if EXACT.fullmatch(value) else words(value)


def _near(file: Any) -> str:
    """The path from the working directory, if it is below that."""
    if not file:
        return ""
    path, here = Path(str(file)), Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
