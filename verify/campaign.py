"""A campaign: every claim of the chosen statements goes through the engines, and what they find is kept as it is found.

An identity is expanded exactly and tested over GF(p); if neither proves it, a witness and a
repair are sought; what stands is enclosed on drawn
instances. A bound is derived by the norm rules, else a witness is sought; what stands is enclosed. Ranks, costs, growth and
factors have an engine of their own each. A claim with fresh evidence for
the same seed and profile is not examined again, so an interrupted campaign goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Asymptotic, Bound, Cost, Factors, Identity, Rank, Statement

from .backends.arrays import NotExact
from .code_hash import code_hash
from .engines import (
    bulk,
    complex_step,
    cost,
    enclosure,
    encoding,
    expansion,
    factors,
    finite_field,
    growth,
    implementation,
    norms,
    rank,
    repair,
    witness,
)
from .evidence import Evidence
from .ledger import Ledger
from .task import PROFILES, Profile, Task

PROOFS = {Identity: (expansion, finite_field), Bound: (norms,)}
DECIDED = {Rank: rank, Cost: cost, Asymptotic: growth, Factors: factors}
"""Kinds of claims that one engine decides."""
INSTANCES = {Identity: (enclosure, bulk, complex_step), Bound: (enclosure, implementation)}


class CannotExamine(ValueError):
    """A claim that no engine can evaluate; the message names the statement, the part, what has no rule and what to do."""


def examine(task: Task) -> Iterator[Evidence]:
    """Everything that the engines find out about one claim."""
    kind = type(task.claim)
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


@dataclass
class Progress:
    """What a campaign has done; ``stopped`` says that the budget ended it early."""

    claims: int = 0
    reused: int = 0
    instances: int = 0
    stopped: bool = False


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
) -> Progress:
    """Examine the statements and append what is found to the ledger.

    Args:
        device: where the implementation runs, "cpu" or "cuda".
        budget: seconds after which no further claim is begun; what was found is kept.
        on_claim: called after each claim with its statement and the number of claims done.
    """
    hashes, progress = registry.hashes(), Progress()
    begun = time.monotonic()
    for made in statements:
        for claim in made.claims or (None,):
            if budget is not None and time.monotonic() - begun > budget:
                progress.stopped = True
                return progress
            if claim is None:
                ledger.append([encoding.examine(made, hashes[made.id])])
            else:
                used = tuple(registry[name] for name in made.uses if name in registry)
                _examine_once(Task(made, claim, hashes[made.id], profile, seed, device, used), ledger, progress)
            progress.claims += 1
            on_claim(made, progress.claims)
    return progress


def _examine_once(task: Task, ledger: Ledger, progress: Progress) -> None:
    """Examine a claim and keep all of its evidence in one step, or none of it."""
    key = _key(task)
    if ledger.examined(key):
        progress.reused += 1
        return
    try:
        found = list(examine(task))
    except (NotExact, NotImplementedError, KeyError) as error:
        raise CannotExamine(
            f"{task.statement.id}, part {task.claim.part}: cannot be examined: {error.args[0] if error.args else error}"
        ) from error
    ledger.append(found, key)
    progress.instances += sum(record.tried for record in found)


def _key(task: Task) -> str:
    """What an examination depends on: the statement, all code that judges, the effort and the seed."""
    claim = (task.statement.id, task.claim.part, task.claim.reading)
    return "|".join([*claim, task.hash, code_hash(__name__), task.profile.name, str(task.seed), task.device])
