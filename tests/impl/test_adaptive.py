"""adaptive.py and selection.py: the residual bounds every pair, ranks follow the data, and the cheapest backend that meets eps is
picked."""

import pytest
import torch

from almostlinear.impl import DegreeError, cost, feature_count
from almostlinear.impl import adaptive as module
from almostlinear.impl.adaptive import PivotFeatures, measure, pivoted_cholesky, residuals, select
from almostlinear.impl.operands import Operands
from almostlinear.impl.selection import choose
from almostlinear.impl.shifts import shift

F64 = torch.float64
MOST = 256


def uniform(*shape, seed=0):
    return torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def tokens(kind, n, d=16, bound=1.0):
    """Queries, keys and values; |S| <= bound, attained by the longest."""
    make = {
        "uniform": lambda seed: uniform(n, d, seed=seed),
        "four dimensions": lambda seed: uniform(n, 4, seed=seed) @ torch.linalg.qr(uniform(d, 4, seed=9))[0].mT,
        "decaying": lambda seed: uniform(n, d, seed=seed) * 0.5 ** torch.arange(d),
    }[kind]
    q, k = make(0), make(1)
    q, k = (x * (bound**0.5 / x.norm(dim=-1).max()) for x in (q, k))
    return q, k, uniform(n, d, seed=2)


def operands(kind="four dimensions", n=300, is_causal=False, **options):
    return Operands(shift(*tokens(kind, n, **options), None, 1.0, is_causal), 1.0, 1.0)


@pytest.mark.parametrize("kind", ["uniform", "four dimensions", "decaying"])
@pytest.mark.parametrize("eps", [1e-1, 1e-3])
def test_the_residual_bounds_every_pair(kind, eps):
    made = operands(kind, d=6)
    pivots = select(made, 1.0, eps, MOST).pivots
    found = residuals(made, pivots, 1.0, eps)
    features = PivotFeatures(pivots, eps, pivots)
    x, y = made.query(slice(0, 300)), made.key(slice(0, 300))
    off = (torch.exp(x.mT @ y) - features.features(x).mT @ features.features(y)).abs()
    assert (off <= found.query.sqrt().unsqueeze(-1) * found.key.sqrt()).all()
    assert off.max() >= found.query.sqrt().max() * found.key.sqrt().max() / 100


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_row_errors_bound_the_weights(is_causal):
    made = operands(n=150, is_causal=is_causal)
    for eps in (1e-1, 1e-3):
        certificate = select(made, 1.0, eps, MOST)
        features = PivotFeatures(certificate.pivots, eps, certificate.pivots)
        x, y = made.query(slice(0, 150)), made.key(slice(0, 150))
        weights = made.weight(slice(0, 150)).mT
        exact, low_rank = torch.exp(x.mT @ y) * weights, features.features(x).mT @ features.features(y) * weights
        if is_causal:
            blocks = torch.arange(150) // module.SMALLEST_BLOCK
            low_rank = torch.where(blocks.unsqueeze(-1) == blocks, exact, low_rank).tril()
            exact = exact.tril()
        off = low_rank / low_rank.sum(-1, keepdim=True) - exact / exact.sum(-1, keepdim=True)
        assert off.abs().sum(-1).max() <= certificate.row_error <= eps


def test_pivots_of_a_sample_are_measured_on_all_tokens():
    """An outlier that the sample lacks is found by the measure and taken in."""
    q, k, v = tokens("four dimensions", 4000)
    q[1234] = -uniform(16, seed=5)
    made = Operands(shift(q, k, v, None, 1.0, False), 1.0, 1.0)
    alone = Operands(shift(q[:100], k[:100], v[:100], None, 1.0, False), 1.0, 1.0)
    narrow = pivoted_cholesky(torch.cat([alone.query(slice(0, 100)).mT, alone.key(slice(0, 100)).mT]), 1e-2, MOST)
    assert measure(made, narrow, 5.0, 1e-2).row_error > 1e-2
    assert select(made, 5.0, 1e-2, MOST).row_error <= 1e-2


def test_a_residual_that_is_understated_is_caught(monkeypatch):
    monkeypatch.setattr(module, "_residuals", lambda load, count, features: torch.full((count,), 1e-9, dtype=F64))
    with pytest.raises(AssertionError):
        test_the_residual_bounds_every_pair("uniform", 1e-1)


def choice(kind, n, eps, backend="auto", **options):
    return choose(shift(*(x.float() for x in tokens(kind, n, **options)), None, 1.0, False), None, eps, backend, MOST)[
        0
    ]


@pytest.mark.parametrize("kind", ["four dimensions", "decaying"])
@pytest.mark.parametrize("eps", [1e-2, 1e-3])
def test_low_dimensional_and_decaying_data_need_an_eighth_of_the_rank(kind, eps):
    found, monomials = (choice(kind, 3000, eps, backend) for backend in ("adaptive", "monomials"))
    assert found.row_error <= eps and monomials.row_error <= eps
    assert 8 * found.rank <= monomials.rank


def test_auto_picks_each_backend_where_it_is_cheapest():
    assert choice("uniform", 100, 1e-2).backend == "exact"
    assert choice("uniform", 20000, 1e-2, d=4).backend == "monomials"
    assert choice("four dimensions", 20000, 1e-3).backend == "adaptive"
    assert choice("uniform", 3000, 1e-2, bound=40.0).backend == "exact"
    reason = choice("four dimensions", 20000, 1e-3).reason
    assert all(name in reason for name in ("adaptive", "monomials", "exact"))


def test_more_pivots_than_allowed():
    with pytest.raises(DegreeError, match="number of pivots that certify eps = 1e-06"):
        choice("uniform", 3000, 1e-6, "adaptive")


def test_predicted_costs_grow_as_they_should():
    small, large = (cost.Sizes(1, n, n, 8, 8, False) for n in (1000, 100_000))
    rank, lower = feature_count(8, 3), feature_count(8, 2)
    assert cost.exact(large) > 5000 * cost.exact(small)
    assert cost.monomials(large, rank, lower, 2000) < 200 * cost.monomials(small, rank, lower, 2000)
    assert cost.monomials(small, rank, lower, 2000) < cost.monomials(small, 4 * rank, 4 * lower, 2000)
