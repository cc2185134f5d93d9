"""Which mutants are tried: of every claim that the baseline calls true, drawn from all kinds of claims and mistakes in turn."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from almostlinear.theorems.formula import ShapeError
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Claim, Statement, StatementError

from .claims import Mutant, mutants

BASELINE = Path(__file__).parents[1] / "baseline.json"
TRUE = ("proved", "enclosed")
GROWTH = "Asymptotic"


SURVIVORS = Path(__file__).parent / "survivors.json"
"""Mutants that were neither killed nor proved when all were last examined, each with the reason; a test draws from the others."""


@dataclass
class Population:
    """All mutants of the true claims, and how many were refused when they were made."""

    registry: Registry
    mutants: list[Mutant] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def sample(
        self, count: int, seed: int, kinds: Collection[str] | None = None, without: Collection[str] = ()
    ) -> list[Mutant]:
        """``count`` mutants, one of each kind and operator in turn until there are enough, from as many claims as possible.

        Args:
            kinds: of claims, all by default.
            without: digests of mutants that are left out.
        """
        rng = random.Random(seed)
        strata: dict[tuple[str, str], dict[tuple[str, str, str], list[Mutant]]] = defaultdict(lambda: defaultdict(list))
        for one in self.mutants:
            if kinds is None or one.kind in kinds:
                strata[one.kind, one.operator][one.of, one.part, one.reading].append(one)
        queues = [_in_turn(by_claim.values(), rng) for _, by_claim in sorted(strata.items())]
        chosen: list[Mutant] = []
        while queues and len(chosen) < count:
            for queue in list(queues):
                found = next(
                    (m for m in queue if self._is_written(m) and (not without or m.digest not in without)), None
                )
                if found is None:
                    queues.remove(queue)
                elif len(chosen) < count:
                    chosen.append(found)
        return chosen

    def _is_written(self, mutant: Mutant) -> bool:
        """Whether there is such a statement; one whose sides clash is counted as refused."""
        try:
            mutant.within(self.registry[mutant.of])
        except (ShapeError, StatementError):
            self.refused[f"{mutant.kind}: {mutant.operator}"] += 1
            return False
        return True


def known_survivors() -> dict[str, dict[str, str]]:
    """The kept survivors by digest."""
    return {one["digest"]: one for one in json.loads(SURVIVORS.read_text(encoding="utf-8"))}


def _in_turn(groups: Iterable[list[Mutant]], rng: random.Random) -> Iterator[Mutant]:
    """One mutant of each claim, then another one of each, in a random order of both."""
    shuffled = [rng.sample(group, len(group)) for group in groups]
    rng.shuffle(shuffled)
    for k in range(max(map(len, shuffled), default=0)):
        yield from (group[k] for group in shuffled if k < len(group))


def is_proved(claim: Claim, made: Statement) -> bool:
    """Whether the baseline calls a claim proved."""
    known = json.loads(BASELINE.read_text(encoding="utf-8"))["statements"]
    return bool(known.get(made.id, {}).get("claims", {}).get(f"{claim.part} | {claim.reading}") == "proved")


def true_claims(registry: Registry, without: Iterable[str] = ()) -> Iterator[tuple[Statement, Claim]]:
    """Claims whose verdict in the baseline is proved or enclosed."""
    known = json.loads(BASELINE.read_text(encoding="utf-8"))["statements"]
    for made in registry:
        verdicts = known.get(made.id, {}).get("claims", {})
        if made.id not in without:
            yield from ((made, c) for c in made.claims if verdicts.get(f"{c.part} | {c.reading}") in TRUE)


def population(registry: Registry, without: Iterable[str] = ()) -> Population:
    """Every mutant of every true claim."""
    made = Population(registry)
    for statement, claim in true_claims(registry, without):
        for one in mutants(statement, claim):
            if one.changed is None:
                made.refused[f"{one.kind}: {one.operator}"] += 1
            else:
                made.mutants.append(one)
    return made
