"""features.py: phi(x).phi(y) is the polynomial of x.y, with no monomial twice."""

import math

import pytest
import torch

from almostlinear.impl import feature_count, features
from almostlinear.impl.features import feature_weights, monomials
from almostlinear.impl.polynomial import evaluate, taylor_coefficients


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 6])
def test_inner_products_are_the_polynomial(d, degree):
    x, y = torch.randn(2, 3, 7, d, dtype=torch.float64, generator=torch.Generator().manual_seed(d + degree)) * 0.5
    phi = features(x, degree)
    assert phi.shape == (3, 7, feature_count(d, degree))
    expected = evaluate(taylor_coefficients(degree), x @ y.mT)
    torch.testing.assert_close(phi @ features(y, degree).mT, expected, rtol=1e-13, atol=1e-13)


def test_any_coefficients_by_the_weights():
    x, y = torch.randn(2, 4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coefficients = (0.3, -1.0, 2.0, -0.7)
    products = (feature_weights(4, coefficients)[:, None] * monomials(x, 3) * monomials(y, 3)).sum(0)
    torch.testing.assert_close(products, evaluate(coefficients, (x * y).sum(0)))


def test_every_monomial_once_and_lower_degrees_first():
    primes = torch.tensor([[2.0], [3.0], [5.0], [7.0]], dtype=torch.float64)  # unique factorisation
    values = monomials(primes, 5).squeeze(-1).tolist()
    assert len(set(values)) == feature_count(4, 5) == len(values)
    assert values[: feature_count(4, 3)] == monomials(primes, 3).squeeze(-1).tolist()


def test_weights_are_inverse_factorials():
    assert feature_weights(1, taylor_coefficients(5)).tolist() == pytest.approx(
        [1 / math.factorial(j) for j in range(6)], rel=1e-15
    )
