"""Published constants beside derived ones: for every error that the paper passes on, what the norm rules give and the ratio."""

from dataclasses import replace

import pytest

from almostlinear.theorems import maxnorm, ones
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


def test_what_is_given_to_be_zero_is_zero_times_anything():
    """The suffix sums of I.6r rest on M + M^T = 1 + I: with one more than zero there, or another matrix, nothing is proved."""
    made = load()["I.6r"]
    claim = next(c for c in made.claims if c.part == "3 suffix sums")
    assert isinstance(claim, Bound) and claim.via is not None
    wrong = claim.given[0].lts

    def examined(altered):
        return norms.examine(Task(made, altered, "h", PROFILES["quick"], 0))

    record = examined(claim)
    assert record is not None and record.detail["derived"] == "0" and record.detail["claimed / derived"] == "1"
    other = maxnorm(wrong.formula + ones(*wrong.formula.shape))
    for given in ((), (wrong <= 1,), (other <= 0,)):
        assert examined(replace(claim, given=given)) is None
