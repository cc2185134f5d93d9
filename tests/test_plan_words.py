"""The words of a plan: Algorithm 1 in fixed and in floating point of the planned size, one layer, every operation rounded."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from almostlinear.verify.plan import ROUNDING_SHARE, solve, word
from almostlinear.verify.plan_inputs import Inputs, error
from tests.planned import SOME, by_hand, power


class Fixed:
    """Fixed point with ``fraction`` bits, rounded to nearest; ``largest`` is the largest absolute value seen."""

    fraction, largest = 0, Fraction(0)

    def __init__(self, units: int) -> None:
        self.units = units
        Fixed.largest = max(Fixed.largest, abs(Fraction(units, 2**Fixed.fraction)))

    @classmethod
    def of(cls, value: float) -> Fixed:
        return cls(round(Fraction(value) * 2**cls.fraction))

    def __add__(self, other):
        return Fixed(self.units + other.units) if isinstance(other, Fixed) else self

    __radd__ = __add__

    def __sub__(self, other):
        return Fixed(self.units - other.units)

    def __mul__(self, other):
        return Fixed((self.units * other.units + (1 << (Fixed.fraction - 1))) >> Fixed.fraction)

    def inverse(self):
        return Fixed(round(Fraction(4**Fixed.fraction, self.units)))

    def __float__(self):
        return self.units / 2**Fixed.fraction


class Floating:
    """Floating point of a given significand: mpmath at that precision."""

    precision = 53

    def __init__(self, value) -> None:
        with mpmath.workprec(Floating.precision):
            self.value = +mpmath.mpf(value)

    of = classmethod(lambda cls, value: cls(value))

    def _with(self, operation):
        with mpmath.workprec(Floating.precision):
            return Floating(operation())

    def __add__(self, other):
        return self._with(lambda: self.value + other.value) if isinstance(other, Floating) else self

    __radd__ = __add__

    def __sub__(self, other):
        return self._with(lambda: self.value - other.value)

    def __mul__(self, other):
        return self._with(lambda: self.value * other.value)

    def inverse(self):
        return self._with(lambda: 1 / self.value)

    def __float__(self):
        return float(self.value)


def by_features(
    arithmetic, values: dict[str, np.ndarray], tau: float, degree: int, causal: bool
) -> dict[str, np.ndarray]:
    """Algorithm 1, repaired, by features, every operation in the given arithmetic."""
    each = np.vectorize(arithmetic.of, otypes=[object])
    X, W, V, G = (each(values[name]) for name in ("X", "W", "W_V", "G"))
    n, d = X.shape
    one, t = arithmetic.of(1.0), arithmetic.of(tau)
    exponents = [a for a in itertools.product(range(degree + 1), repeat=d) if sum(a) <= degree]
    weights = each(np.array([1 / math.prod(map(math.factorial, a)) for a in exponents]))

    def features(points):
        rows = []
        for x in points:
            row = []
            for a in exponents:
                made = one
                for c, count in enumerate(a):
                    for _ in range(count):
                        made = made * x[c]
                row.append(made)
            rows.append(row)
        return np.array(rows, dtype=object)

    rows, columns = features((X @ W) * t), features(X)

    def kernel(operand, left=None, right=None, transposed=False):
        """sum_j T_g(S_ij) <left_i, right_j> operand_j, or with S transposed."""
        first, second = (columns, rows) if transposed else (rows, columns)
        made = []
        for i in range(n):
            seen = [j for j in range(n) if not causal or (j >= i if transposed else j <= i)]
            pieces = [operand[None, j] if right is None else right[j][:, None] * operand[j][None] for j in seen]
            moment = sum(second[j][:, None, None] * piece[None] for j, piece in zip(seen, pieces, strict=True))
            found = (first[i][:, None, None] * (moment * weights[:, None, None])).sum(0)
            made.append(found.sum(0) if left is None else (left[i][:, None] * found).sum(0))
        return np.array(made, dtype=object)

    invert = np.vectorize(lambda x: x.inverse(), otypes=[object])
    inverse, h = invert(kernel(each(np.ones((n, 1))))), X @ V
    K = (G * (inverse * kernel(h))).sum(1)[:, None]
    p2, p1 = inverse * kernel(X, left=K), inverse * kernel(X, left=G, right=h)
    q2, q1 = kernel(inverse * X, right=K, transposed=True), kernel(inverse * X, left=h, right=G, transposed=True)
    back = kernel(inverse * G, transposed=True)
    dX = ((p1 @ W.T) - (p2 @ W.T)) * t + ((q1 @ W) - (q2 @ W)) * t + back @ V.T
    return {"dL/dX": dX, "dL/dW": (X.T @ (p1 - p2)) * t, "dL/dW_V": X.T @ back}


@dataclass
class Small:
    """One layer small enough for slow arithmetic, within the bounds of its plan."""

    given: Inputs
    values: dict[str, np.ndarray]

    @property
    def tau(self) -> float:
        return float(self.given.tau)

    def exact(self, degree: int | None) -> dict[str, np.ndarray]:
        """The closed form with T_degree in place of exp, or exp itself, with far more digits than any word here."""
        with mpmath.workdps(80):
            X, W, V, G = (np.vectorize(mpmath.mpf, otypes=[object])(self.values[k]) for k in ("X", "W", "W_V", "G"))

            def kernel(s):
                return (
                    mpmath.exp(s)
                    if degree is None
                    else mpmath.fsum(s**j / mpmath.factorial(j) for j in range(degree + 1))
                )

            t = mpmath.mpf(self.given.tau.numerator) / self.given.tau.denominator
            a = np.vectorize(kernel, otypes=[object])((X @ W @ X.T) * t)
            a = a * np.tri(len(X)) if self.given.causal else a
            f = a / a.sum(1)[:, None]
            h = X @ V
            p = f * (G @ h.T) - (G * (f @ h)).sum(1)[:, None] * f
            dX = (p @ X @ W.T + p.T @ X @ W) * t + f.T @ G @ V.T
            return {"dL/dX": dX, "dL/dW": (X.T @ p @ X) * t, "dL/dW_V": (f @ X).T @ G}


def small(seed: int, causal: bool, target: str) -> Small:
    rng = np.random.default_rng([17, seed])
    n, d = 4, 1 + seed % 2
    dyadic = {k: rng.integers(-256, 257, (n if k in "XG" else d, d)) / 256 for k in ("X", "W", "W_V", "G")}
    dyadic["W"], dyadic["W_V"] = dyadic["W"] / d, dyadic["W_V"] / d
    return Small(Inputs(n, d, 1, 1, error(target), scale=Fraction(1), causal=causal), dyadic)


def largest_gap(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    with mpmath.workdps(80):
        return float(
            max(abs(precise(x) - precise(y)) for k in a for x, y in zip(a[k].ravel(), b[k].ravel(), strict=True))
        )


def precise(x):
    if isinstance(x, Fixed):
        return mpmath.mpf(x.units) / mpmath.mpf(2) ** Fixed.fraction
    return x.value if isinstance(x, Floating) else x


@pytest.mark.parametrize(
    ("seed", "causal", "target"), [(0, False, "1e-2"), (1, True, "1e-4"), (2, True, "1e-6"), (3, False, "1e-3")]
)
def test_rounding_of_the_planned_words_keeps_within_its_share(seed, causal, target):
    layer = small(seed, causal, target)
    found = solve(layer.given)
    needed, allowed = word(found), float(ROUNDING_SHARE * layer.given.error.number)
    polynomial, exact = layer.exact(found.degree), layer.exact(None)
    assert largest_gap(polynomial, exact) <= float(layer.given.error.number) - allowed
    observed = {}
    for arithmetic, bits in ((Fixed, needed.fraction), (Floating, needed.significand)):
        for few in (False, True):
            Fixed.largest = Fraction(0)
            Fixed.fraction = Floating.precision = 3 if few else bits
            try:
                made = by_features(arithmetic, layer.values, layer.tau, found.degree, causal)
                observed[arithmetic.__name__, few] = largest_gap(made, polynomial)
            except ZeroDivisionError:
                assert few
                observed[arithmetic.__name__, few] = math.inf
            if arithmetic is Fixed and not few:
                assert Fixed.largest < 2**needed.integer
    assert all(observed[name, False] <= allowed for name in ("Fixed", "Floating"))
    assert all(observed[name, True] > allowed for name in ("Fixed", "Floating")), "three bits would do"


@pytest.mark.parametrize("given", SOME)
def test_the_significand_is_least_by_the_bound_worked_out_by_hand(given):
    """The bound of word_size's docstring in mpmath: within half of rounding's share at p bits, not at p - 1."""
    found = solve(given)
    d, m, sig, g = given.d, given.layers, int(given.residual), found.degree
    R, om, L1og, tau, b = (mpmath.mpf(x.numerator) / x.denominator for x in (
        given.entry_bound, given.value_norm, given.lipschitz * given.mlp_norm, given.tau, given.scores))  # fmt: skip
    rho, total, W = by_hand(given)["rho"], given.n * d * given.gradient, mpmath.mpf(given.weight_norm.numerator)
    rho, total, up, H = (
        mpmath.mpf(rho.numerator) / rho.denominator,
        mpmath.mpf(total.numerator) / total.denominator,
        sig + L1og,
        R * om,
    )

    def bound(p: int) -> mpmath.mpf:
        u = mpmath.mpf(2) ** -p
        length = (3 * (given.n + math.comb(d + g, g) + g * (2 * d + 4) + 4 * d) + 64 + given.heads + d + 16) * u
        gamma = length / (1 - length)
        eps = mpmath.mpf(15) / 16 / mpmath.mpf(given.n) ** int(given.error.power) / max(
            mpmath.mpf(v.numerator) / v.denominator for k, v in by_hand(given).items() if k != "rho")  # fmt: skip
        kappa = mpmath.exp(tau * d * R**2 * W + b) * (1 + eps)
        if length >= 0.5 or gamma * kappa >= 1:
            return mpmath.inf
        F = (1 + gamma) * ((1 + u) / (1 - gamma * kappa)) ** 2 - 1
        step = up * (sig + kappa * om + tau * H * (kappa + kappa**2) * 2 * d * R * W)
        most, before = max(1, rho + F * step), max(1, rho + F * step) ** (m - 1)
        carried = m * F * step * before * total
        upstream, off = up * before * total, up * (carried + F * before * total)
        return max(
            L1og * (carried + F * before * most * total),
            tau * R**2 * H * ((kappa + kappa**2) * F * upstream + off),
            R * (kappa * F * upstream + off),
        )

    with mpmath.workdps(60):
        p, allowed = word(found).significand, mpmath.mpf(given.n) ** -int(given.error.power) / 32
        assert bound(p) <= allowed < bound(p - 1)


def test_words_grow_with_the_precision_asked_for():
    found = [word(solve(Inputs(64, 2, 2, error=power(c)))) for c in (1, 2, 4)]
    for kind in ("fraction", "significand"):
        bits = [getattr(w, kind) for w in found]
        assert bits[0] < bits[1] < bits[2]
        # n^-1 more in the error costs log2(n) = 6 bits, and no more than a few beside for the degree.
        assert 12 <= bits[2] - bits[1] <= 18
    assert found[0].floating == found[0].significand + found[0].exponent and found[0].fits(53, 11)
