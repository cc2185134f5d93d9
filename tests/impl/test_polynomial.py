"""polynomial.py: every bound is at least the real number it names, and hardly more (mpmath at 60 digits is
the other opinion).
"""

import math

import mpmath
import pytest
import torch

from almostlinear.impl import DegreeError, degree_for, kernel_error, softmax_error
from almostlinear.impl.polynomial import check_positive, derivative, evaluate, taylor_coefficients

BOUNDS = [1e-9, 1e-3, 0.1, 0.5, 1.0, 2.5, 7.0, 30.0, 200.0]


def largest_relative_error(degree, bound):
    """J_g(b) = |1 - T_g(-b) e^b|, from the definition, not from the series."""
    with mpmath.workdps(400):
        b = mpmath.mpf(bound)
        return abs(1 - mpmath.fsum((-b) ** j / mpmath.factorial(j) for j in range(degree + 1)) * mpmath.exp(b))


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 7, 20, 64])
def test_kernel_error_is_a_tight_upper_bound(degree, bound):
    exact = largest_relative_error(degree, bound)
    ours = kernel_error(degree, bound)
    assert mpmath.mpf(ours) >= exact
    if exact > 1e-300:
        assert ours <= exact * (1 + mpmath.mpf("1e-11"))


def test_kernel_error_at_the_ends():
    assert kernel_error(3, 0.0) == 0.0
    assert kernel_error(3, 1e9) == kernel_error(3, math.inf) == kernel_error(3, math.nan) == math.inf
    assert kernel_error(60, 1e-9) > 0  # underflow must not make a bound of zero


@pytest.mark.parametrize("eta", [1e-300, 1e-17, 1e-9, 1e-3, 0.3, 0.9, 1 - 1e-12])
def test_softmax_error(eta):
    with mpmath.workdps(700):
        exact = 2 * (1 - mpmath.sqrt(1 - mpmath.mpf(eta) ** 2)) / mpmath.mpf(eta)
        assert exact <= softmax_error(eta) <= exact * (1 + mpmath.mpf("1e-11"))


def test_softmax_error_guarantees_nothing_from_one_on():
    assert softmax_error(1.0) == softmax_error(math.inf) == softmax_error(math.nan) == math.inf


@pytest.mark.parametrize("bound", [0.0, *BOUNDS[:-1]])
@pytest.mark.parametrize("eps", [0.5, 1e-3, 1e-9, 1e-13])
def test_degree_for_is_the_smallest(eps, bound):
    degree = degree_for(eps, bound, max_degree=128)
    assert softmax_error(kernel_error(degree, bound)) <= eps
    assert all(softmax_error(kernel_error(g, bound)) > eps for g in range(degree))


def test_degree_for_within_its_cap():
    with pytest.raises(DegreeError, match="degree 5") as caught:
        degree_for(1e-6, 3.0, max_degree=5)
    assert "at most 5" in caught.value.limit


def test_odd_degrees_may_vanish():
    check_positive(2, 50.0)
    check_positive(3, 1.5)  # the zero of T_3 is at -1.596
    with pytest.raises(DegreeError, match="even degree 4"):
        check_positive(3, 1.6)


def test_coefficients_and_evaluation():
    assert taylor_coefficients(4) == (1, 1, 1 / 2, 1 / 6, 1 / 24)
    assert derivative(taylor_coefficients(4)) == pytest.approx(taylor_coefficients(3))
    assert derivative((1.0,)) == (0.0,)
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    torch.testing.assert_close(evaluate((1.0, -2.0, 0.5), x), 1 - 2 * x + 0.5 * x**2)
    assert evaluate((3.0,), x).tolist() == [3.0] * 7
