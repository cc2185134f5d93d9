"""Trained heads are reported as they are: outside the regime, with the degree that the Taylor error asks for."""

from math import exp, factorial, log, sqrt

from almostlinear.verify.regime import TARGET, heads, needed_degree


def test_every_captured_head_is_outside():
    rows = heads()
    assert len(rows) == 8 and all(row["regime"] == "outside the regime" for row in rows)
    assert all(row["max |score|"] > sqrt(log(row["n"])) for row in rows)


def test_the_degree_is_least():
    for b in (0.5, 2.0, 5.0):
        g = needed_degree(b)
        assert g is not None
        errors = [abs(exp(b) * sum((-b) ** j / factorial(j) for j in range(k + 1)) - 1) for k in (g - 1, g)]
        assert errors[1] <= TARGET < errors[0]
