"""Every statement's verdict is the expected one; a refutation that nobody repaired fails with its witness."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from almostlinear.theorems import Identity, load
from almostlinear.verify import baseline
from almostlinear.verify.contract import contracted, pointwise
from almostlinear.verify.engines.enclosure import Answer, decide_identity
from almostlinear.verify.examples import drawing
from almostlinear.verify.extent import all_values, extent
from almostlinear.verify.instances import symbols_of
from almostlinear.verify.problems import FAMILIES, describe, draw

REGISTRY = load()
REPAIRED = {s.repairs for s in REGISTRY if s.repairs}
KNOWN = baseline.load()


def test_the_baseline_covers_exactly_the_statements():
    assert set(KNOWN) == {s.id for s in REGISTRY if s.origin != "own"}


@pytest.mark.parametrize("name", [s.id for s in REGISTRY])
def test_statement(name, verdicts):
    wrong = baseline.complaints(verdicts[name], REPAIRED, KNOWN)
    assert not wrong, "\n".join([*wrong, f"again: almostlinear check {name}; almostlinear show {name}"])
    assert not verdicts[name].stale


SOUND = [
    (s, c) for s in REGISTRY if s.id not in REPAIRED for c in s.claims
    if isinstance(c, Identity) and KNOWN.get(s.id, {}).get("claims", {}).get(f"{c.part} | {c.reading}") == "proved"
]  # fmt: skip


@settings(max_examples=150, deadline=None, **drawing(), suppress_health_check=list(HealthCheck))
@given(
    which=st.integers(0, len(SOUND) - 1),
    family=st.sampled_from(sorted(FAMILIES)),
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    bound=st.sampled_from([0.25, 1.0, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_drawn_problem_contradicts_a_proof(which, family, sizes, bound, seed):
    made, claim = SOUND[which]
    scalar = contracted(claim)
    names = sorted(extent(scalar).sizes)
    text = describe(family, dict(zip(names, sizes, strict=False)), bound, seed)
    problem = draw(symbols_of(scalar), text)
    environment = next(iter(all_values(scalar, problem.sizes)), None)
    if environment is not None:
        answer, _ = decide_identity(pointwise(scalar), problem, environment)
        assert answer is not Answer.NO, f"{made.id} part {claim.part} ({claim.reading}) fails on {text}"
