"""Stored maxima: for every bound the closest call ever found, as a problem that the search goes on from and that is evaluated anew.

Two things are noticed on any later run. A bound that became looser has a smaller ratio at its stored maximum; an adversary that became
weaker finds less by itself, with the same effort, than it did. The file is written with the baseline, only when someone asks for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from almostlinear.theorems.statement import Bound

from ..evidence import Evidence
from ..problems import BadProblem, Problem, from_json

PATH = Path(__file__).parent / "maxima.json"
ENGINE = "adversary"
LOOSER = 1e-9
"""Relative fall of the ratio at a stored maximum from which the bound counts as looser: above the rounding of the ratio itself."""
WEAKER = 0.05
"""Relative fall of what the search finds from which it counts as weaker: sums in another order move a search by less."""


@dataclass(frozen=True)
class Maximum:
    """The closest call of one bound: what the search found by itself, the best of all, where, and with which effort."""

    claim: str
    found: float
    best: float
    effort: str
    problem: Problem
    mark: str
    """A hash of the row: a record that was compared with another row says nothing of this one."""


class MaximaError(RuntimeError):
    """The file of maxima cannot be read; the message names it and what to do."""


def key_of(statement: str, part: str, reading: str) -> str:
    return f"{statement} | {part} | {reading}"


def digest_of(claim: Bound) -> str:
    """A hash of what is claimed."""
    return hashlib.sha256(json.dumps(claim.content()).encode()).hexdigest()[:16]


@cache
def load(path: Path = PATH) -> dict[str, Maximum]:
    """Stored maxima by claim; empty if there is no file.

    Raises:
        MaximaError: if the file is none of maxima.
    """
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["maxima"]
        return {
            key: Maximum(
                row["claim"], row["found"], row["best"], row["effort"], from_json(row["problem"], key), _mark(row)
            )
            for key, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadProblem) as error:
        raise MaximaError(
            f"{path}: no file of maxima ({error}); write it with `check --profile ci --update-baseline`"
        ) from None


def _mark(row: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]


def mark_of(statement: str, claim: Bound, path: Path = PATH) -> str | None:
    """The mark of a claim's row, None without one."""
    found = load(path).get(key_of(statement, claim.part, claim.reading))
    return found.mark if found else None


def stored(statement: str, claim: Bound, path: Path = PATH) -> Problem | None:
    """The stored maximum of a claim, if it has one that gives all its matrices: a claim may have got others since."""
    found = load(path).get(key_of(statement, claim.part, claim.reading))
    needed = {name for formula in claim.formulas() for name in formula.symbols()}
    return None if found is None or not needed <= set(found.problem.values) else found.problem


def is_of(statement: str, claim: Bound, path: Path = PATH) -> bool:
    """Whether the stored maximum is that of the claim as it stands now."""
    found = load(path).get(key_of(statement, claim.part, claim.reading))
    return found is not None and found.claim == digest_of(claim)


def write(records: Iterable[Evidence], path: Path = PATH) -> int:
    """Keep what a run found, for claims with a ratio; returns how many are kept."""
    rows = {}
    for record in records:
        if record.engine == ENGINE and record.detail.get("maximum"):
            kept = {k: record.detail[k] for k in ("claim", "found", "effort")}
            row = {**kept, "best": record.detail["tightness"]["best"], "problem": record.detail["maximum"]}
            rows[key_of(*record.claim)] = row
    lines = ",\n".join(f" {json.dumps(k)}: {json.dumps(rows[k], ensure_ascii=False)}" for k in sorted(rows))
    path.write_text(f'{{"schema": 1, "maxima": {{\n{lines}\n}}}}\n', encoding="utf-8")
    load.cache_clear()
    return len(rows)


def complaints(records: Iterable[Evidence], path: Path = PATH) -> list[str]:
    """What is looser or weaker than what is stored, for records that were compared with what is stored."""
    known, found = load(path), []
    for record in records:
        then = known.get(key_of(*record.claim)) if record.engine == ENGINE else None
        if then is not None and record.detail.get("compared with", then.mark) == then.mark:
            found += _compared(record, then)
    return found


def _compared(record: Evidence, then: Maximum) -> list[str]:
    name, now = f"{record.statement}, part {record.part} ({record.reading})", record.detail
    again, reached = now.get("at the stored maximum"), now.get("found", 0.0)
    found = []
    if again is None:
        found.append(
            f"{name}: its stored maximum is outside the hypotheses now; if they changed, `check --profile ci --update-baseline`"
        )
    elif again < then.best * (1 - LOOSER):
        found.append(
            f"{name}: the bound became looser: observed / bound is {again:.6g} at its stored maximum, it was {then.best:.6g}"
        )
    if now.get("effort") == then.effort and now.get("claim") == then.claim and reached < then.found * (1 - WEAKER):
        found.append(
            f"{name}: the adversary became weaker: it finds {reached:.4g} of the bound by itself, it found {then.found:.4g}"
        )
    return found


def table(records: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Observed / bound of every bound, the loosest first, with the cell and how far each stage of the search came."""
    rows = [
        {
            "claim": key_of(*record.claim),
            "observed / bound": record.detail["tightness"]["best"],
            "found by the search": record.detail["found"],
            "instance": record.detail["tightness"]["instance"],
        }
        for record in records
        if record.engine == ENGINE and "tightness" in record.detail
    ]
    return sorted(rows, key=lambda row: row["observed / bound"])
