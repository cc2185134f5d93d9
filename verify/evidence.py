"""Evidence: what an engine found out about one claim, how strong that is, and what it rests on.

A record that claims more than its basis admits cannot be built. Strengths, in order:

    stated < sampled < searched < enclosed < proved-at-size < proved

Apart from these stand "refuted", a checked witness, and "gap": the claim follows with one more hypothesis, which is named, and
an instance lies within the printed ones and outside of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

STRENGTHS = ("stated", "sampled", "searched", "enclosed", "proved-at-size", "proved")
REFUTED = "refuted"
GAP = "gap"
PIT_FAILURE = 2.0**-50
"""Largest admissible failure probability of an identity test that counts as a proof."""

CEILING = {
    "encoding": "stated",
    "floating point": "searched",
    "statistics": "searched",
    "ball": "enclosed",
    "smt-unchecked": "enclosed",
    "gf(p)": "proved",
    "exact": "proved",
    "certificate": "proved",
    "kernel": "proved",
}
MAY_REFUTE = ("exact", "ball", "certificate", "kernel")


class Overclaim(ValueError):
    """A record that claims more than its basis admits, or lacks what its strength needs."""


@dataclass(frozen=True)
class Evidence:
    """One engine's finding on one claim.

    Attributes:
        statement, part, reading: the claim.
        engine: the engine's name.
        strength: one of STRENGTHS, or "refuted" or "gap".
        basis: what it rests on, a key of CEILING.
        tried: how many instances, samples or sizes were decided.
        seed: of everything drawn, or None.
        detail: figures worth showing (JSON values).
        relies_on: ids of statements whose truth it uses.
        witness: for a refutation, the JSON object of a witness.
        versions: of the tools that it ran on.
        hash: of the statement and of all it builds on, as judged.
        code: of the engine and of all that it imports here.
    """

    statement: str
    part: str
    reading: str
    engine: str
    strength: str
    basis: str
    hash: str
    code: str
    tried: int = 0
    seed: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    relies_on: tuple[str, ...] = ()
    witness: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = f"{self.statement} part {self.part}, {self.engine}"
        if self.basis not in CEILING:
            raise Overclaim(f"{name}: unknown basis {self.basis!r}; use one of {', '.join(CEILING)}")
        if self.statement in self.relies_on:
            raise Overclaim(f"{name}: a proof that relies on what it proves")
        if self.strength == REFUTED:
            if self.basis not in MAY_REFUTE:
                raise Overclaim(f"{name}: {self.basis} cannot refute; confirm in exact or ball arithmetic")
            if not self.witness:
                raise Overclaim(f"{name}: a refutation needs a witness")
        elif self.strength == GAP:
            if self.basis not in MAY_REFUTE:
                raise Overclaim(f"{name}: {self.basis} cannot show a gap")
            if not all(self.detail.get(key) for key in ("missing", "assumed", "instance")):
                raise Overclaim(f"{name}: a gap names the missing hypothesis, what is assumed instead and an instance")
        elif self.strength not in STRENGTHS:
            raise Overclaim(f"{name}: unknown strength {self.strength!r}; use one of {', '.join(STRENGTHS)}")
        elif rank(self.strength) > rank(CEILING[self.basis]):
            raise Overclaim(f"{name}: {self.basis} admits at most {CEILING[self.basis]!r}, not {self.strength!r}")
        if self.strength not in ("stated", REFUTED, GAP) and self.tried < 1:
            raise Overclaim(f"{name}: {self.strength!r} with nothing tried")
        proved = self.strength in ("proved", "proved-at-size")
        if self.basis == "gf(p)" and proved and not self.detail.get("failure", 1.0) < PIT_FAILURE:
            raise Overclaim(f"{name}: an identity test proves only with a failure probability below 2^-50")
        if self.strength == "proved-at-size" and not self.detail.get("sizes"):
            raise Overclaim(f"{name}: 'proved-at-size' must name the sizes")
        if self.basis == "statistics" and not 0 < self.detail.get("confidence", 0) < 1:
            raise Overclaim(f"{name}: statistics must state a confidence")

    @property
    def claim(self) -> tuple[str, str, str]:
        return self.statement, self.part, self.reading

    def to_json(self) -> dict[str, Any]:
        made = asdict(self)
        made["relies_on"] = list(self.relies_on)
        return made

    @property
    def digest(self) -> str:
        """A hash of the whole record."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:24]


def from_json(data: dict[str, Any]) -> Evidence:
    """The record of a ledger row."""
    return Evidence(**{**data, "relies_on": tuple(data["relies_on"])})


def rank(strength: str) -> int:
    """The position of a strength in STRENGTHS."""
    return STRENGTHS.index(strength)
