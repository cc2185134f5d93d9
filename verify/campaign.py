"""A campaign: every claim of the chosen statements goes through the engines, and what they find is kept as it is found.

An identity is expanded exactly and tested over GF(p); if neither proves it, a witness and a
repair are sought; what stands is enclosed on drawn
instances. A bound is derived by the norm rules, else a witness is sought; what stands is enclosed. Ranks, costs, growth and
factors have an engine of their own each. A statement is one cell of the campaign: cells are examined here or by worker
processes (`workers`), and kept in the order of the statements, so that the ledger does not depend on who was faster; or on a cluster
(`cluster`), and kept in the order of time. A claim that
was examined with the same seed and profile is not examined again, so an interrupted campaign goes on where it stopped.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import (
    Asymptotic,
    Bound,
    Cost,
    Expectation,
    Factors,
    Identity,
    Probability,
    Rank,
    Statement,
)

from . import guards
from .backends.arrays import NotExact
from .code_hash import code_hash
from .engines import (
    adversary,
    analysis,
    bulk,
    chain,
    complex_step,
    cost,
    enclosure,
    encoding,
    expansion,
    factors,
    finite_field,
    growth,
    implementation,
    moments,
    norms,
    probability,
    rank,
    repair,
    steps,
    witness,
)
from .evidence import Evidence
from .ledger import Ledger
from .task import PROFILES, Profile, Task

PROOFS = {Identity: (expansion, finite_field), Bound: (norms, steps, analysis)}
DECIDED = {Rank: rank, Cost: cost, Asymptotic: growth, Factors: factors, Expectation: moments, Probability: probability}
"""Kinds of claims that one engine decides."""
INSTANCES = {Identity: (enclosure, bulk, complex_step), Bound: (enclosure, adversary, implementation, chain)}


class CannotExamine(ValueError):
    """A claim that no engine can evaluate; the message names the statement, the part, what has no rule and what to do."""


def examine(task: Task) -> Iterator[Evidence]:
    """Everything that the engines find out about one claim."""
    kind = type(task.claim)
    if isinstance(task.claim, Bound) and task.statement.origin == "own":
        empty = guards.objections(task.claim, task.seed)
        if empty:
            raise CannotExamine(f"{task.statement.id}, part {task.claim.part}: says nothing: {empty[0]}")
    if kind in DECIDED:
        record = DECIDED[kind].examine(task)
        if record is not None:
            yield record
        return
    proofs = [record for engine in PROOFS[kind] if (record := engine.examine(task)) is not None]
    if (
        isinstance(task.claim, Identity)
        and proofs
        and proofs[0].engine != expansion.ENGINE
        and expansion.differs(task.claim)
    ):
        # As polynomials the sides differ: a vanishing test with the same free symbols would be chance or height, no proof.
        proofs = [record for record in proofs if not record.detail.get("free reciprocals")]
    yield from proofs
    everywhere = any(record.strength == "proved" for record in proofs)
    if not everywhere:
        refuted = witness.examine(task)
        if refuted is not None:
            yield refuted
            repaired = repair.examine(task)
            if repaired is not None:
                yield repaired
            return
    for engine in INSTANCES[kind]:
        try:
            record = engine.examine(task)
        except enclosure.Violated as violated:
            if everywhere:
                claim = f"{task.statement.id}, part {task.claim.part}"
                raise RuntimeError(
                    f"the checker contradicts itself on {claim}: proved, but violated on {violated}"
                ) from None
            record = witness.of_violation(task, violated.problem)
        if record is not None:
            yield record


@dataclass(frozen=True)
class Cell:
    """What is examined at a time: the claims of a statement that are not known yet.

    Attributes:
        statement: its id.
        claims: positions in its claims; empty for a statement that claims nothing.
        hash: of the statement and all it builds on, as it is to be judged.
    """

    statement: str
    claims: tuple[int, ...]
    hash: str
    profile: Profile = PROFILES["quick"]
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Found:
    """What came of a cell: for each of its claims the key of the examination and the records, or why there are none."""

    records: tuple[tuple[str | None, tuple[Evidence, ...]], ...] = ()
    error: str | None = None
    cannot: str | None = None


@dataclass
class Progress:
    """What a campaign has done; ``stopped`` says that the budget ended it early, ``errors`` has a traceback for each cell that failed."""

    claims: int = 0
    reused: int = 0
    instances: int = 0
    stopped: bool = False
    errors: dict[str, str] = field(default_factory=dict)


def examine_cell(registry: Registry, cell: Cell) -> Found:
    """Examine the claims of a cell; what an engine raises is part of what is found."""
    made = registry[cell.statement]
    records: list[tuple[str | None, tuple[Evidence, ...]]] = []
    used = tuple(registry[name] for name in made.uses if name in registry)
    try:
        if not made.claims:
            records.append((None, (encoding.examine(made, cell.hash),)))
        for number in cell.claims:
            task = Task(made, made.claims[number], cell.hash, cell.profile, cell.seed, cell.device, used)
            records.append((_key(task), _examined(task)))
    except CannotExamine as error:
        return Found(tuple(records), cannot=str(error))
    except Exception:
        return Found(tuple(records), error=traceback.format_exc())
    return Found(tuple(records))


def _examined(task: Task) -> tuple[Evidence, ...]:
    try:
        return tuple(examine(task))
    except CannotExamine:
        raise
    except (NotExact, NotImplementedError, KeyError) as error:
        raise CannotExamine(
            f"{task.statement.id}, part {task.claim.part}: cannot be examined: {error.args[0] if error.args else error}"
        ) from error


Examiner = Callable[[Iterable[Cell]], Iterator[tuple[Cell, Found]]]
"""Examines cells and yields what was found: in their order, or as it comes (`cluster`)."""


def run(
    registry: Registry,
    ledger: Ledger,
    statements: Iterable[Statement],
    *,
    profile: Profile = PROFILES["quick"],
    seed: int = 0,
    budget: float | None = None,
    device: str = "cpu",
    on_claim: Callable[[Statement, int], None] = lambda statement, done: None,
    examiner: Examiner | None = None,
) -> Progress:
    """Examine the statements and append what is found to the ledger.

    Args:
        device: where the implementation runs, "cpu" or "cuda".
        budget: seconds after which no further statement is begun; what was found is kept.
        on_claim: called after each statement with it and the number of claims done.
        examiner: who examines, by default this process; see `workers.Pool`.

    Raises:
        CannotExamine: for a claim that no engine can evaluate.
    """
    progress, begun = Progress(), time.monotonic()
    hashes = registry.hashes()

    def cells() -> Iterator[Cell]:
        for made in statements:
            if budget is not None and time.monotonic() - begun > budget:
                progress.stopped = True
                return
            cell = Cell(made.id, tuple(range(len(made.claims))), hashes[made.id], profile, seed, device)
            unknown = _unknown(registry, ledger, cell)
            known = len(cell.claims) - len(unknown.claims)
            progress.reused += known
            progress.claims += known
            if unknown.claims or not made.claims:
                yield unknown
            else:
                on_claim(made, progress.claims)

    def here(asked: Iterable[Cell]) -> Iterator[tuple[Cell, Found]]:
        for cell in asked:
            for one in [replace(cell, claims=(number,)) for number in cell.claims] or [cell]:
                yield one, examine_cell(registry, one)

    for cell, found in (examiner or here)(cells()):
        for key, records in found.records:
            ledger.append(records, key)
            progress.instances += sum(record.tried for record in records) if key is not None else 0
        if found.cannot is not None:
            raise CannotExamine(found.cannot)
        if found.error is not None:
            progress.errors[cell.statement] = found.error
        progress.claims += max(1, len(cell.claims))
        on_claim(registry[cell.statement], progress.claims)
    return progress


def _unknown(registry: Registry, ledger: Ledger, cell: Cell) -> Cell:
    """The cell without the claims that were examined before."""
    made = registry[cell.statement]
    tasks = (Task(made, made.claims[i], cell.hash, cell.profile, cell.seed, cell.device) for i in cell.claims)
    unknown = tuple(i for i, task in zip(cell.claims, tasks, strict=True) if not ledger.examined(_key(task)))
    return replace(cell, claims=unknown)


def _key(task: Task) -> str:
    """What an examination depends on: the statement, all code that judges, the effort and the seed."""
    claim = (task.statement.id, task.claim.part, task.claim.reading)
    return "|".join([*claim, task.hash, code_hash(__name__), task.profile.name, str(task.seed), task.device])
