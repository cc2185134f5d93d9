"""Bounds on numbers: what an induction on a size proves, and false bounds that it does not."""

import pytest
import sympy

from almostlinear.theorems.sizes import size
from almostlinear.theorems.statement import Bound
from almostlinear.verify.analysis import NotProved
from almostlinear.verify.analysis_numbers import quotients

m, eps = size("m"), sympy.Symbol("eps", nonnegative=True)
two = sympy.Integer(2) ** m


@pytest.mark.parametrize(("left", "right"), [(m, two), (1 + m * eps, (1 + eps) ** m), (two, 2 * sympy.factorial(m))])
def test_an_induction_on_a_size_by_quotients(left, right):
    assert quotients(Bound(left, right)).is_checked


FALSE = [(two, sympy.factorial(m)), (two, m + 1), (-two, -m), ((1 + eps) ** m, 1 + m * eps), (m, m - eps)]


@pytest.mark.parametrize(("left", "right"), FALSE)
def test_what_is_false_or_negative_is_not_proved(left, right):
    with pytest.raises(NotProved):
        quotients(Bound(left, right))
