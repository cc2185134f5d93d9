"""A task: one claim of one statement, the effort to spend on it and the seed; engines turn it into evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from almostlinear.theorems.statement import Claim, Statement

from .code_hash import code_hash
from .evidence import Evidence
from .status import module_of


@dataclass(frozen=True)
class Profile:
    """How much to try. Counts are of instances, so that a run depends on no clock.

    Attributes:
        name: quick, ci or thorough.
        samples: random points of an identity test.
        balls: instances of an identity enclosed in balls, for each family.
        bounds: instances of a bound decided in balls, for each family.
        bulk: instances enclosed in float64 midpoint-radius, for each family.
        search: small integer instances tried for a witness, for each size.
    """

    name: str
    samples: int
    balls: int
    bounds: int
    bulk: int
    search: int


PROFILES = {
    "quick": Profile("quick", samples=2, balls=3, bounds=30, bulk=32, search=60),
    "ci": Profile("ci", samples=3, balls=10, bounds=100, bulk=512, search=200),
    "thorough": Profile("thorough", samples=4, balls=40, bounds=400, bulk=4096, search=1000),
}


@cache
def versions(*names: str) -> dict[str, str]:
    """Installed versions of the distributions that an engine ran on."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True)
class Task:
    """What an engine is asked."""

    statement: Statement
    claim: Claim
    hash: str
    profile: Profile
    seed: int
    device: str = "cpu"
    used: tuple[Statement, ...] = ()
    """The statements that it names in its uses."""

    def found(self, engine: str, strength: str, basis: str, tools: tuple[str, ...] = (), **fields: Any) -> Evidence:
        """A record of this claim."""
        return Evidence(
            statement=self.statement.id,
            part=self.claim.part,
            reading=self.claim.reading,
            engine=engine,
            strength=strength,
            basis=basis,
            hash=self.hash,
            code=code_hash(module_of(engine)),
            versions=versions(*tools),
            **fields,
        )
