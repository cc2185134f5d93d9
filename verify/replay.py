"""Witness files: written when a claim is refuted, read again and re-evaluated exactly.

A file is a few lines of JSON: the statement, sizes, small matrices of integers or fractions (times ln 2 where a unit says so), the
index values, and both sides at the entry where they differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Asymptotic, Bound, Claim, Cost, Expectation, Factors, Rank, Statement

from .engines import cost, factors, moments, rank
from .engines.witness import Violation, violation
from .evidence import REFUTED
from .instances import symbols_of
from .ledger import Ledger
from .problems import BadProblem, Problem, from_json, outside
from .status import StatementStatus, witness_path


@dataclass(frozen=True)
class Replay:
    """The outcome of a replay; ``found`` is None if the claim holds on the witness's problem."""

    statement: Statement
    claim: Claim
    found: Violation | None
    agrees: bool


def write_witnesses(ledger: Ledger, statuses: list[StatementStatus]) -> list[Path]:
    """Write the witness of every refuted claim beside the ledger; returns the files."""
    written = []
    for status in statuses:
        for claim in status.claims:
            record = next((e for e in claim.evidence if e.strength == REFUTED), None)
            path = witness_path(ledger, status.statement.id, claim.part, claim.reading)
            if record is not None and path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_pretty(record.witness), encoding="utf-8")
                written.append(path)
    return written


def _pretty(witness: dict[str, Any] | None) -> str:
    """JSON with one matrix row a line."""
    lines = []
    for key, value in (witness or {}).items():
        if key == "inputs":
            inside = ",\n".join(f"    {json.dumps(name)}: {json.dumps(rows)}" for name, rows in value.items())
            lines.append(f'  "inputs": {{\n{inside}\n  }}')
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> dict[str, Any]:
    """The JSON object of a witness file.

    Raises:
        BadProblem: if it cannot be read or is not a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadProblem(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise BadProblem(f"{path}: not JSON ({error})") from None
    if not isinstance(data, dict):
        raise BadProblem(f"{path}: expected a JSON object, got {type(data).__name__}")
    missing = [key for key in ("statement", "part", "reading", "inputs") if key not in data]
    if missing:
        raise BadProblem(f"{path}: lacks {', '.join(missing)}; a witness is what `almostlinear check` writes")
    return data


def _require_inside(claim: Claim, problem: Problem, where: str) -> None:
    """Refuse a problem that the statement does not speak of."""
    strange = outside(problem, symbols_of(claim))
    if strange is not None:
        raise BadProblem(f"{where}: {strange}")
    scalars = (claim.left, claim.right) if isinstance(claim, Bound) else ()
    for symbol in {s for e in scalars for s in e.free_symbols if s.is_positive}:
        if problem.constants.get(symbol.name, 1) <= 0:
            raise BadProblem(f"{where}: the constant {symbol.name} must be positive")


def _by(recheck: Callable[[Any, Problem], tuple[str, str] | None]) -> Callable[[Any, Problem], Violation | None]:
    """An engine's own recheck as a violation."""

    def found(claim: Any, problem: Problem) -> Violation | None:
        values = recheck(claim, problem)
        return None if values is None else Violation(problem, {}, (1, 1), *values, exact=True)

    return found


def _no_witness(claim: Asymptotic, problem: Problem) -> Violation | None:
    raise NotImplementedError("a growth claim has no witness of its own; `almostlinear check` derives its class again")


RECHECK: dict[type, Callable[[Any, Problem], Violation | None]] = {
    Rank: _by(rank.recheck),
    Cost: _by(cost.recheck),
    Factors: _by(factors.recheck),
    Expectation: _by(moments.recheck),
    Asymptotic: _no_witness,
}
"""How a witness of a claim that is neither an identity nor a bound is evaluated again."""


def replay(data: dict[str, Any], registry: Registry, where: str = "witness") -> Replay:
    """Evaluate the claim on the witness's problem, exactly where the numbers admit it.

    Raises:
        BadProblem: if the witness does not fit the statement.
        KeyError: if the statement is unknown.
    """
    made = registry[str(data["statement"])]
    claims = [c for c in made.claims if (c.part, c.reading) == (data["part"], data["reading"])]
    if not claims:
        known = "; ".join(f"part {c.part!r}, reading {c.reading!r}" for c in made.claims)
        raise BadProblem(f"{where}: {made.id} has no part {data['part']!r} in that reading; it has {known}")
    try:
        problem = from_json(data, where)
        _require_inside(claims[0], problem, where)
        found = RECHECK.get(type(claims[0]), violation)(claims[0], problem)
    except NotImplementedError as error:
        raise BadProblem(f"{where}: {error}") from None
    except KeyError as error:
        raise BadProblem(f"{where}: {error.args[0]}") from None
    agrees = found is not None and (found.claimed, found.actual) == (data.get("claimed"), data.get("actual"))
    return Replay(made, claims[0], found, agrees)
