"""Status: verdicts computed from the ledger and the dependency graph; never stored, never typed.

For each claim the strongest fresh evidence counts, a refutation above all. A part of a statement fails only if every reading of it
does; a statement shows the worst of its parts, steps of its proof apart. The printed argument of a statement is a gap if it
relies on the truth of a refuted one (using a formula that a refuted lemma introduces is not relying on its truth), if a hypothesis of
what it uses does not follow, or if a printed step is refuted. A claim is a gap if it follows with one more hypothesis, or
if it rests on the conclusion of a statement that is refuted, a gap, or used without its hypotheses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Asymptotic, Statement

from .code_hash import code_hash
from .discharge import Undischarged, undischarged
from .evidence import GAP, REFUTED, STRENGTHS, Evidence
from .ledger import Ledger

OPEN = "open"
WORST_FIRST = (REFUTED, GAP, OPEN, *STRENGTHS)
"""Verdicts from worst to best."""
NOTHING_CLAIMED = "definition"


@dataclass(frozen=True)
class ClaimStatus:
    """The verdict of one claim: a part of a statement in one reading."""

    part: str
    reading: str
    verdict: str
    argument: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def basis(self) -> tuple[str, ...]:
        """What the verdict rests on: the bases of the evidence of that strength."""
        return tuple(dict.fromkeys(e.basis for e in self.evidence if e.strength == self.verdict))

    def to_json(self) -> dict[str, Any]:
        """The claim's object in `almostlinear status --json`; a bound that was derived has both constants and their ratio."""
        made: dict[str, Any] = {
            "part": self.part, "reading": self.reading, "verdict": self.verdict, "argument": self.argument,
        }  # fmt: skip
        for record in self.evidence:
            if "derived" in record.detail and "claimed / derived" in record.detail:
                made["constant"] = {k: record.detail[k] for k in ("derived", "claimed / derived")}
        return made


@dataclass(frozen=True)
class StatementStatus:
    """The verdict of a statement, its claims, the records behind them and whether any went stale."""

    statement: Statement
    uses: tuple[str, ...]
    verdict: str
    stale: bool
    claims: tuple[ClaimStatus, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    gap: tuple[str, ...] = ()
    tightness: dict[str, Any] | None = None
    waits: tuple[str, ...] = ()
    """Statements that its claims rely on and that were not examined, directly or not: what rests on them is open."""
    files: dict[tuple[str, str], str | None] = field(default_factory=dict)
    error: str | None = None
    """Why the last examination of it failed, while a claim of it is open."""

    @property
    def witness(self) -> dict[str, Any] | None:
        """The witness of the first refuted claim of a refuted part."""
        failed = {c.part for c in self.claims} - {c.part for c in self.claims if c.verdict != REFUTED}
        failed -= {c.part for c in self.statement.claims if c.step and self.verdict != REFUTED}
        for claim in self.claims:
            for record in claim.evidence:
                if claim.part in failed and record.strength == REFUTED and record.witness is not None:
                    return {**record.witness, "file": self.files.get((claim.part, claim.reading))}
        return None

    def to_json(self) -> dict[str, Any]:
        """The statement's object in `almostlinear status --json`."""
        made = self.statement
        return {
            "id": made.id,
            "title": made.title,
            "kind": made.kind,
            "origin": made.origin,
            "repairs": made.repairs,
            "uses": list(self.uses),
            "source": made.source,
            "verdict": self.verdict,
            "stale": self.stale,
            "basis": list(dict.fromkeys(b for c in self.claims for b in c.basis)),
            "tightness": self.tightness,
            "gap": list(self.gap),
            "claims": [c.to_json() for c in self.claims],
            "witness": self.witness,
            "evidence": [e.to_json() for e in self.evidence],
            **({"error": self.error} if self.error else {}),
        }


def is_fresh(record: Evidence, hashes: dict[str, str]) -> bool:
    """Whether a record speaks of the statement, and comes from the code, as they are now."""
    return record.hash == hashes.get(record.statement) and record.code == code_hash(module_of(record.engine))


def module_of(engine: str) -> str:
    """The module of an engine."""
    return f"almostlinear.verify.engines.{engine.replace('-', '_')}"


def witness_path(ledger: Ledger, statement: str, part: str, reading: str) -> Path | None:
    """Where the witness of a claim is kept: beside the ledger; None for a ledger in memory."""
    if ledger.path is None:
        return None
    label = hashlib.sha256(f"{part}|{reading}".encode()).hexdigest()[:6]
    return ledger.path.parent / "witnesses" / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', statement)}-{label}.json"


def statuses(registry: Registry, ledger: Ledger) -> list[StatementStatus]:
    """The verdict of every statement, in the order of definition."""
    hashes = registry.hashes()
    records: dict[str, list[Evidence]] = {}
    for record in ledger:
        records.setdefault(record.statement, []).append(record)
    errors = ledger.errors()
    verdicts: dict[str, StatementStatus] = {}
    active: set[str] = set()
    """Statements that are being judged: what relies on one of them would be reasoning in a circle, and stays open."""

    def judge(name: str) -> StatementStatus:
        if name not in verdicts:
            cited = {used for record in records.get(name, []) for used in record.relies_on}
            active.add(name)
            below = {used: judge(used) for used in (*registry.uses(name), *sorted(cited - active)) if used in registry}
            active.discard(name)
            files = {
                (c.part, c.reading): _existing(witness_path(ledger, name, c.part, c.reading))
                for c in registry[name].claims
            }
            failed = frozenset(used for used, status in below.items() if status.verdict in (REFUTED, GAP))
            lacking = undischarged(registry[name], registry, failed)
            made = _judge(registry[name], registry.uses(name), records.get(name, []), hashes, below, lacking)
            unknown = not made.evidence or any(not c.evidence for c in made.claims)
            verdicts[name] = replace(made, files=files, error=errors.get((name, hashes[name])) if unknown else None)
        return verdicts[name]

    return [judge(made.id) for made in registry]


def _existing(path: Path | None) -> str | None:
    return str(path) if path is not None and path.is_file() else None


def _judge(
    made: Statement,
    uses: tuple[str, ...],
    records: list[Evidence],
    hashes: dict[str, str],
    below: dict[str, StatementStatus],
    lacking: list[Undischarged],
) -> StatementStatus:
    fresh = [r for r in records if is_fresh(r, hashes)]
    by_formula = made.sources()
    relied = {used for c in made.claims if isinstance(c, Asymptotic) for used in c.relies_on}
    failed = {used for used, status in below.items() if status.verdict in (REFUTED, GAP)}
    gaps = [
        f"the printed argument relies on {used}, which is {below[used].verdict}"
        for used in uses
        if used in failed and (used in relied or used not in by_formula)
    ]
    gaps += [str(hypothesis) for hypothesis in lacking]
    unusable = failed | {hypothesis.used for hypothesis in lacking}
    steps = {(c.part, c.reading) for c in made.claims if c.step}
    judged = {(c.part, c.reading): _judge_claim(c.part, c.reading, fresh, below, unusable) for c in made.claims}
    gaps += [f"the printed step {part!r} is refuted" for part in _refuted_parts(judged[key] for key in steps)]
    gaps += [text for claim in judged.values() for text in _missing(claim)]
    argument = GAP if gaps else "ok"
    claims = tuple(replace(claim, argument=argument) for claim in judged.values())
    counted = [claim for key, claim in judged.items() if key not in steps]
    stale = _is_stale(made, records, fresh)
    verdict = _worst(_part_verdicts(counted)) if counted else ("stated" if fresh else OPEN)
    waits = {w for used in relied if used in below for w in (below[used].waits if below[used].evidence else (used,))}
    return StatementStatus(
        made, uses, verdict, stale, claims, tuple(fresh), tuple(gaps), _tightness(fresh), tuple(sorted(waits))
    )


def _judge_claim(
    part: str, reading: str, fresh: list[Evidence], below: dict[str, StatementStatus], unusable: set[str]
) -> ClaimStatus:
    own = tuple(r for r in fresh if (r.part, r.reading) == (part, reading))
    if any(r.strength == REFUTED for r in own):
        verdict = REFUTED
    else:
        reached = [_capped(r, below, unusable) for r in own]
        verdict = max(reached, key=WORST_FIRST.index) if reached else OPEN
    return ClaimStatus(part, reading, verdict, "ok", own)


def _capped(record: Evidence, below: dict[str, StatementStatus], unusable: set[str]) -> str:
    """A record is worth no more than what it relies on; what rests on a statement that cannot be used is a gap."""
    verdicts = [record.strength]
    for used in record.relies_on:
        known = below.get(used)
        if known is None or known.verdict == OPEN:
            return OPEN
        if used in unusable:
            verdicts.append(GAP)
        elif known.claims:
            verdicts.append(known.verdict)
    return _worst(verdicts)


def _missing(claim: ClaimStatus) -> list[str]:
    """What a gap of one claim lacks."""
    return [
        f"part {claim.part!r} needs {e.detail['missing']}; assumed is {e.detail['assumed']}, "
        f"for instance {e.detail['instance']}"
        for e in claim.evidence
        if e.strength == GAP and claim.verdict == GAP
    ]


def _refuted_parts(claims: Iterable[ClaimStatus]) -> list[str]:
    """Parts of which every reading is refuted."""
    readings: dict[str, list[str]] = {}
    for claim in claims:
        readings.setdefault(claim.part, []).append(claim.verdict)
    return [part for part, verdicts in readings.items() if set(verdicts) == {REFUTED}]


def _part_verdicts(claims: Iterable[ClaimStatus]) -> list[str]:
    """The best reading of each part."""
    parts: dict[str, list[str]] = {}
    for claim in claims:
        parts.setdefault(claim.part, []).append(claim.verdict)
    return [max(readings, key=WORST_FIRST.index) for readings in parts.values()]


def _worst(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=WORST_FIRST.index)


def _is_stale(made: Statement, records: list[Evidence], fresh: list[Evidence]) -> bool:
    """There is evidence, and for some claim (or the definition itself) none of what there was is fresh."""
    claims = [(c.part, c.reading) for c in made.claims] or [(NOTHING_CLAIMED, "")]
    had, covered = ({(r.part, r.reading) for r in listed} for listed in (records, fresh))
    return bool(records) and (not fresh or any(c in had and c not in covered for c in claims))


def _tightness(fresh: list[Evidence]) -> dict[str, Any] | None:
    """The largest observed / bound among the records, with its instance."""
    found = [r.detail["tightness"] for r in fresh if r.detail.get("tightness")]
    return max(found, key=lambda t: t["best"]) if found else None
