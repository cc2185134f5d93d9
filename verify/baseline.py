"""The baseline: the verdicts that a run must reproduce, written only when someone asks for it.

A published statement with a repair must be refuted or a gap; any other refutation is unexpected, baseline or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from almostlinear.theorems.registry import Registry

from .evidence import REFUTED
from .status import GAP, OPEN, StatementStatus

PATH = Path(__file__).parent / "baseline.json"


class BaselineError(RuntimeError):
    """The baseline file cannot be read; the message names it and what to do."""


def load(path: Path = PATH) -> dict[str, Any]:
    """The expected verdicts by statement id; empty if there is no baseline.

    Raises:
        BaselineError: if the file is not a baseline.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found["statements"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaselineError(f"{path}: not a baseline ({error}); write it with `check --update-baseline`") from None


def write(statuses: Iterable[StatementStatus], path: Path = PATH) -> None:
    """Make the present verdicts the expected ones."""
    listed = {s.statement.id: expected(s) for s in statuses if s.statement.origin != "own"}
    path.write_text(
        json.dumps({"schema": 1, "statements": listed}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def expected(status: StatementStatus) -> dict[str, Any]:
    """What the baseline says of a statement."""
    claims = {f"{c.part} | {c.reading}": c.verdict for c in status.claims}
    best = status.tightness["best"] if status.tightness else None
    return {"verdict": status.verdict, "claims": claims, "tightness": best}


def complaints(status: StatementStatus, repaired: set[str], known: dict[str, Any]) -> list[str]:
    """What is not as it should be with one statement.

    What rests on statements that were not examined is open, which is no complaint.

    Args:
        repaired: ids of published statements that have a repair.
        known: the baseline.
    """
    made, found = status.statement, []
    if status.verdict == REFUTED and made.id not in repaired:
        found.append(f"{made.id} is refuted, and nothing repairs it: {_short(status.witness)}")
    waiting = bool(status.waits) and status.verdict == OPEN
    if made.id in repaired and status.verdict not in (REFUTED, GAP) and not waiting:
        found.append(f"{made.id} has a repair but is {status.verdict}; it should be refuted or a gap")
    if made.id in known and not waiting:
        now, then = expected(status), known[made.id]
        if status.waits:
            open_now = {k for k, verdict in now["claims"].items() if verdict == OPEN}
            then = {**then, "claims": {k: OPEN if k in open_now else v for k, v in then["claims"].items()}}
        if now["verdict"] != then["verdict"]:
            found.append(f"{made.id} is {now['verdict']}, the baseline has {then['verdict']}")
        elif now["claims"] != then["claims"]:
            changed = [k for k in {**now["claims"], **then["claims"]} if now["claims"].get(k) != then["claims"].get(k)]
            found.append(f"{made.id}: the verdict of {', '.join(sorted(changed))} differs from the baseline")
    return found


def _short(witness: dict[str, Any] | None) -> str:
    if witness is None:
        return "no witness"
    sizes = [f"{k} = {v}" for k, v in witness.items() if isinstance(v, int) and k != "schema"]
    return ", ".join([*sizes, f"claimed {witness['claimed']}", f"true {witness['actual']}"])


def all_complaints(statuses: Iterable[StatementStatus], registry: Registry, known: dict[str, Any]) -> list[str]:
    """`complaints` of every statement."""
    repaired = {s.repairs for s in registry if s.repairs}
    return [text for status in statuses for text in complaints(status, repaired, known)]
