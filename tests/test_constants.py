"""Published constants beside derived ones: for every error that the paper passes on, what the norm rules give and the ratio."""

import pytest

from almostlinear.theorems.registry import load
from almostlinear.theorems.statement import Bound
from almostlinear.verify.engines import norms, witness
from almostlinear.verify.task import PROFILES, Task

PASSED_ON = (*(f"E.{k}" for k in range(2, 11)), "F.5", "G.4", "H.3", "H.4", "J.3", "J.4", "J.5", "K.2")
"""E.1 prints a time alone; J.1 and J.2 are definitions."""


def found(id, engine):
    registry = load()
    made = registry[id]
    hash = registry.hashes()[id]
    for claim in made.claims:
        if isinstance(claim, Bound):
            record = engine.examine(Task(made, claim, hash, PROFILES["quick"], 0, "cpu"))
            if record is not None and "claimed / derived" in record.detail:
                yield claim, record


@pytest.mark.parametrize("id", PASSED_ON)
def test_the_published_constant_stands_beside_the_derived_one(id):
    constants = list(found(id, norms))
    assert constants
    for _, record in constants:
        assert record.strength == "proved" and record.detail["derived"] and record.detail["claimed / derived"]


def test_what_is_derived_for_one_layer_with_residuals_is_what_is_printed():
    ratios = {id: [r.detail["claimed / derived"] for _, r in found(id, norms)] for id in ("J.4", "J.5")}
    assert ratios == {"J.4": ["1"], "J.5": ["1"]}


def test_a_constant_that_is_too_small_is_said_to_be():
    constants = list(found("E.11", witness))
    assert constants
    for claim, record in constants:
        assert claim.part == "errors" and record.strength == "refuted" and "too small" in record.detail["derived"]
        assert 0 < float(record.detail["claimed / derived"].removeprefix("at most ")) < 1
