"""The benchmarks: statistics against known answers, peers against their formulas, and small runs of everything against the schema."""

import json
import math

import pytest
import torch
from rich.console import Console

from benchmarks import attention, measure, model, peers, training
from benchmarks.inputs import inputs
from benchmarks.measure import Result, Table, Target
from benchmarks.ours import ours


# -- statistics ----------------------------------------------------------------------------------------------------------
def test_students_quantiles_are_those_of_the_tables():
    for freedom, value in ((1, 12.706), (4, 2.776), (6, 2.447), (30, 2.042)):
        assert abs(measure.student_quantile(0.975, freedom) - value) < 1e-3


def test_an_exponent_and_its_interval():
    sizes = [2**k for k in range(8, 15)]
    exact = measure.exponent(sizes, [3e-9 * n**1.5 for n in sizes])
    assert abs(exact.value - 1.5) < 1e-12 and exact.high - exact.low < 1e-9
    noisy = measure.exponent(sizes, [3e-9 * n * (1.1 if k % 2 else 0.9) for k, n in enumerate(sizes)])
    assert noisy.low < 1 < noisy.high and 0.01 < noisy.high - noisy.low < 0.3
    with pytest.raises(ValueError, match="3 at least"):
        measure.exponent(sizes[:2], [1.0, 2.0])


def test_the_interval_covers_as_often_as_it_says():
    make, sizes = torch.Generator().manual_seed(0), [2**k for k in range(8, 15)]
    inside = 0
    for _ in range(120):
        noise = torch.randn(len(sizes), generator=make, dtype=torch.float64) / 10
        found = measure.exponent(sizes, [n * math.exp(e) for n, e in zip(sizes, noise.tolist(), strict=True)])
        inside += found.low <= 1 <= found.high
    assert 0.88 <= inside / 120 <= 0.99


def test_where_two_curves_cross():
    sizes = [64, 128, 256, 512]
    linear, square = [n * 1e-6 for n in sizes], [n * n * 5e-9 for n in sizes]
    assert abs(measure.crossover(sizes, linear, square) - 200) < 1e-6
    assert measure.crossover(sizes, square, [1.0] * 4) == 64 and measure.crossover(sizes, [1.0] * 4, square) is None


def test_ratios_are_taken_round_by_round():
    found = measure.ratio([2.0, 40.0, 6.0], [1.0, 10.0, 2.0])
    assert (found.value, found.low, found.high) == (3.0, 2.0, 4.0)


def test_jobs_run_in_turns():
    order: list[str] = []
    times = measure.in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 2)
    assert "".join(order) == "ababab" and {name: len(t) for name, t in times.items()} == {"a": 2, "b": 2}


def test_a_missed_target_is_said(tmp_path):
    result = Result("tried", {"seed": 0}, [Table("t", ["a", "b"], [[1, None]])], [Target("fast", 2.0, 3.0, None)])
    result.targets.append(Target("small", 2.0, 3.0, 1.0, smaller=True))
    written = json.loads(result.write(tmp_path).read_text())
    assert [t["met"] for t in written["targets"]] == [False, True] and written["schema"] == 1
    out = Console(width=150, record=True)
    result.show(out)
    assert "MISSED" in out.export_text()


# -- inputs and peers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["spread", "filled", "flat", "decaying"])
@pytest.mark.parametrize("d", [3, 8])
def test_scores_keep_their_bound(kind, d):
    given = inputs(kind, 300, d, bound=1.5).to(torch.float64)
    scores = given.scale * given.query @ given.key.mT
    assert scores.abs().max() <= 1.5 * (1 + 1e-5) and scores.abs().max() > 0.2
    if kind == "filled":
        assert scores.min() < -1.2 and scores.max() > 1.2
    if kind == "flat":
        assert torch.linalg.matrix_rank(scores[0, 0], atol=1e-5) == min(4, d)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="use spread"):
        inputs("other", 4, 2)


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_reference_is_autograd_through_softmax(is_causal):
    given = inputs("spread", 70, 4).to(torch.float64)
    expected = peers.gradients(peers.sdpa(peers.SDPBackend.MATH, given.scale, is_causal), given)
    for a, b in zip(peers.exact(given, is_causal, rows=16), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_blocked_attention_by_query_and_by_key():
    given = inputs("authors", 50, 4).to(torch.float64)
    kernel = (given.scale * given.query @ given.key.mT).exp()
    sums = kernel.sum(-1, keepdim=True)
    torch.testing.assert_close(
        peers.blocked(*given[:3], given.scale, rows=16), kernel / sums @ given.value, rtol=0, atol=1e-12
    )
    wrong = peers.blocked_by_key(*given[:3], given.scale, rows=16)
    torch.testing.assert_close(peers.blocked_by_key(*given[:3], given.scale, rows=16, first=20), wrong[..., :20, :])
    torch.testing.assert_close(wrong, kernel @ (given.value / sums), rtol=0, atol=1e-12)


def test_the_published_algorithm_is_its_polynomial_divided_by_key():
    given = inputs("authors", 50, 4).to(torch.float64)
    scores = given.scale * given.query @ given.key.mT
    kernel = 1 + scores + scores**2 / 2
    found = peers.published(*given[:3], given.scale)
    torch.testing.assert_close(found, kernel @ (given.value / kernel.sum(-1, keepdim=True)), rtol=0, atol=1e-12)
    right = peers.taylor(given.scale)(*given[:3])
    torch.testing.assert_close(right, kernel / kernel.sum(-1, keepdim=True) @ given.value, rtol=0, atol=1e-12)
    assert peers.published_metric(found, found) == 0
    assert abs(peers.published_metric(1.02 * found, found) / 0.02 - 1 / 2.02) < 1e-12


def test_random_features_come_closer_with_their_number():
    given = inputs("spread", 100, 4)
    true = peers.exact(given)[:1]
    errors = [peers.relative((peers.random_features(m, 4, given.scale)(*given[:3]),), true)[0] for m in (16, 256, 4096)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2], errors


# -- small runs ----------------------------------------------------------------------------------------------------------
def check(result, tmp_path, targets):
    written = json.loads(result.write(tmp_path).read_text())
    assert set(written) == {"schema", "name", "machine", "settings", "seconds", "tables", "targets"}
    assert all(len(row) == len(table["columns"]) for table in written["tables"] for row in table["rows"])
    assert all(table["rows"] for table in written["tables"]) and len(written["targets"]) == targets
    return written


def test_small_runs_of_attention(tmp_path):
    written = check(attention.run(attention.SMALL), tmp_path, 8 if attention.sys.platform != "linux" else 9)
    errors = {t["what"]: t["error"] for t in written["targets"]}
    assert all(e is None or e < 0.05 for e in errors.values()), errors
    assert next(t for t in written["targets"] if "float32" in t["what"])["met"]


def test_a_small_step_of_the_model(tmp_path):
    written = check(model.run(300, 1), tmp_path, 1)
    assert written["targets"][0]["error"] < 5e-5


def test_a_few_steps_of_training(tmp_path):
    written = check(training.run(300, 2, 3), tmp_path, 1)
    assert written["targets"][0]["met"] and len(written["tables"][1]["rows"]) == 3


def test_what_is_guaranteed_is_looked_at():
    """Small scores are inside the regime of the degree, large ones are said to be outside."""
    torch.manual_seed(0)
    tokens = torch.randint(256, (1, 64))
    few = training.TransformerConfig(vocabulary=256, width=16, heads=2, layers=2, max_length=64, attention="exact")
    inside = training.AlmostLinearTransformer(few)
    look = training.look_at(inside, tokens)
    assert look.verdict.startswith("guaranteed") and look.scores < 0.5
    with torch.no_grad():
        inside.blocks[1].attention.into_heads.weight *= 100
    look = training.look_at(inside, tokens)
    assert look.verdict.startswith("not guaranteed") and look.scores > 3 and look.row_error > training.PROMISED


def test_ours_is_the_polynomial_of_its_degree():
    """A change of the backend that runs the exact softmax would make every comparison idle."""
    given = inputs("spread", 600, 4, bound=3.0)
    errors = [max(peers.relative(peers.gradients(ours(g, given.scale), given), peers.exact(given))) for g in (2, 4)]
    assert errors[0] > 4 * errors[1] > 1e-3
