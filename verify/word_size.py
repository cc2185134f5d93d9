"""How many bits a word needs so that rounding stays within a given part of the error: fixed and floating point.

One layer of Algorithm 1, repaired, in floating point of significand p, u = 2^-p (`theorems.rounding`): with M the longest path of
roundings, gamma = M u/(1 - M u), kappa = e^{b' + b}/(1 - eta), b' = tau d R^2 |W|_1 a bound on the scores of absolute values,

    |computed - exact| <= F * (the same formula of absolute values),    F = (1 + gamma) ((1 + u)/(1 - gamma kappa))^2 - 1.

In l1 the formula of absolute values is at most rho' |upstream|_1, where rho' has kappa om + tau H (kappa + kappa^2)(r + r') in place of
Lam. So a step adds F rho' times the l1 norm that is carried, and m steps m F rho' (rho + F rho')^{m-1} |dL/dT_m|_1: no power of n.

In fixed point with step 2^-q every operation is off by half a step at most; `Machine` carries a bound on the size and on the error of each
quantity of a layer through the program. The l1 error of a step is n d times that of an entry, and m steps add up. Underflow of
floating point is the same with the smallest number as the step, which gives the exponent's bits.

Inputs of a layer are words; phi' is correct to a rounding. R bounds |X|, and |W|_1 the row and column sums of |W|.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb

from almostlinear.theorems.rounding import path_length

from .depth import integer

MOST_BITS = 1 << 24
BESIDE = 16
"""Roundings beside the paths of a layer and its sums: phi', the residual, the scale, the sign and the last of each product."""


class TooWide(ArithmeticError):
    """No word of MOST_BITS bits is enough."""


@dataclass(frozen=True)
class Model:
    """What a model is assumed to be, all as balls or integers: the letters of `plan`; ``wide`` is the number of features of a score."""

    n: int
    d: int
    values: int
    degree: int
    wide: int
    layers: int
    heads: int
    causal: bool
    sig: int
    tau: arb
    R: arb
    W: arb
    om: arb
    L1: arb
    og: arb
    Lam: arb
    total: arb
    """|dL/dT_m|_1."""
    b: arb
    eta: arb

    @property
    def H(self) -> arb:
        return self.R * self.om

    @property
    def through(self) -> arb:
        """What phi' and W_g magnify by."""
        return self.L1 * self.og

    @property
    def up(self) -> arb:
        """What dL/dT_i grows by on the way to dL/dZ_i."""
        return self.sig + self.through

    @property
    def absolute_scores(self) -> arb:
        return self.tau * self.d * self.R**2 * self.W

    @property
    def rho(self) -> arb:
        return self.up * (self.sig + self.Lam)


# -- floating point ------------------------------------------------------------------------------------------------------
def floating_error(model: Model, p: int) -> arb:
    """The largest rounding error of an entry of any gradient, significand of p bits; infinite where nothing is guaranteed."""
    u = arb(2) ** -p
    length = path_length(model.n, model.d, model.degree, model.wide) + model.heads + model.d + BESIDE
    if not length * u < 0.5:
        return arb.pos_inf()
    gamma = length * u / (1 - length * u)
    kappa = (model.absolute_scores + model.b).exp() / (1 - model.eta)
    if not gamma * kappa < 1:
        return arb.pos_inf()
    F = (gamma.log1p() + 2 * (u.log1p() - (-gamma * kappa).log1p())).expm1()
    both = kappa + kappa**2
    rows = 2 * model.d * model.R * model.W
    carried_size = model.up * (model.sig + kappa * model.om + model.tau * model.H * both * rows)
    growth = (model.rho + F * carried_size).max(arb(1)) ** (model.layers - 1)
    carried = model.layers * F * carried_size * growth * model.total
    upstream, upstream_error = model.up * growth * model.total, model.up * (carried + F * growth * model.total)
    squared = model.tau * model.R**2 * model.H
    return _largest(
        model.through * (carried + F * growth * (model.rho + F * carried_size).max(arb(1)) * model.total),
        squared * (both * F * upstream + upstream_error),
        model.R * (kappa * F * upstream + upstream_error),
    )


def _largest(*values: arb) -> arb:
    found = values[0]
    for value in values[1:]:
        found = found.max(value)
    return found


# -- fixed point ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Number:
    """A bound on the absolute value of a quantity and on the error with which it is computed."""

    size: arb
    error: arb


class Machine:
    """Fixed point: every operation adds at most half a step; ``largest`` is the largest absolute value that occurs."""

    def __init__(self, step: arb) -> None:
        self.half, self.largest = step / 2, arb(0)

    def given(self, size: arb | int) -> Number:
        """A number that is a word."""
        return self._seen(Number(arb(size), arb(0)))

    def rounded(self, size: arb | int) -> Number:
        """A number that is correct to a rounding."""
        return self._seen(Number(arb(size), self.half))

    def _seen(self, a: Number) -> Number:
        self.largest = self.largest.max(a.size + a.error)
        return a

    def product(self, a: Number, b: Number, size: arb | None = None) -> Number:
        """a b; ``size`` is a bound on it that is known otherwise."""
        error = a.size * b.error + b.size * a.error + a.error * b.error + self.half
        return self._seen(Number(a.size * b.size if size is None else size, error))

    def total(self, a: Number, count: int, size: arb | None = None) -> Number:
        """The sum of so many numbers like a, in any order; ``size`` is a bound on its partial sums that is known otherwise."""
        return self._seen(Number(count * a.size if size is None else size, count * (a.error + self.half)))

    def inverse(self, a: Number, least: arb) -> Number:
        """1/a for a >= least."""
        if not a.error < least:
            return Number(1 / least, arb.pos_inf())
        return self._seen(Number(1 / least, a.error / (least * (least - a.error)) + self.half))

    def monomial(self, a: Number, degree: int) -> Number:
        """A product of at most ``degree`` numbers like a, one after the other; all are at most max(1, |a| + error) in size."""
        top = (a.size + a.error).max(arb(1)) ** degree
        return self._seen(Number(top, degree * top * (a.error + self.half)))


def _worst(*numbers: Number) -> Number:
    """The larger bounds of all."""
    return Number(_largest(*(a.size for a in numbers)), _largest(*(a.error for a in numbers)))


@dataclass(frozen=True)
class Entries:
    """Errors of an entry of dL/dZ, dL/dX, dL/dW and dL/dW_V of one layer whose upstream gradient is a word, and what was largest."""

    upstream: arb
    inputs: arb
    weights: arb
    values: arb
    largest: arb


def layer(model: Model, step: arb, size: arb) -> Entries:
    """Algorithm 1, repaired, in fixed point: the lines of impl's table, by features; entries of the upstream gradient up to ``size``."""
    n, d, e = model.n, model.d, model.values
    machine = Machine(step)
    given, product, total = machine.given, machine.product, machine.total
    X, W, W_V, G, tau = given(model.R), given(model.W), given(model.om), given(size), machine.rounded(model.tau)
    y = product(total(product(X, W), d, model.R * model.W), tau)
    h = total(product(X, W_V), d, model.H)
    phi = machine.monomial(Number(y.size.max(X.size), y.error), model.degree)
    weight = machine.rounded(1)
    kernel_size = n * model.absolute_scores.exp()

    def kernel(operand: Number, left: Number | None = None, right: Number | None = None, count: int = 1) -> Number:
        """sum_j T_g(S_ij) <left_i, right_j> operand_j, by moments of the features."""
        piece = operand if right is None else product(right, operand)
        moment = product(total(product(phi, piece), n), weight)
        found = total(product(phi, moment), model.wide, kernel_size * piece.size)
        return found if left is None else total(product(left, found), count)

    least = (1 - model.eta) * (-model.b).exp() * (1 if model.causal else n)
    inverse = machine.inverse(kernel(given(1)), least)
    s = product(inverse, kernel(h), model.H)
    K = total(product(G, s), e)
    scaled = product(inverse, X)
    by_row = [product(inverse, found, K.size * X.size) for found in (kernel(X, K), kernel(X, left=G, right=h, count=e))]
    by_column = [kernel(scaled, right=K), kernel(scaled, left=h, right=G, count=e), kernel(product(inverse, G))]
    worst = _worst(*by_row, *by_column)
    factor, scale = Number(W.size.max(W_V.size), arb(0)), machine.rounded(model.tau.max(arb(1)))
    lines = total(product(total(product(worst, factor), d), scale), 5 * model.heads)
    through = total(product(product(G, machine.rounded(model.L1)), given(model.og)), d + 1)
    return Entries(
        upstream=through.error,
        inputs=total(lines, 2).error,
        weights=product(total(product(X, total(_worst(*by_row), 2)), n), tau).error,
        values=total(product(X, by_column[2]), n).error,
        largest=machine.largest,
    )


def fixed_error(model: Model, q: int) -> tuple[arb, arb]:
    """The largest rounding error of an entry of any gradient with step 2^-q, and the largest number that occurs."""
    steep = model.rho.max(arb(1))
    size = 2 * model.up.max(arb(1)) * steep**model.layers * model.total
    found = layer(model, arb(2) ** -q, size)
    entries = model.n * model.d
    step = entries * (found.inputs + (model.sig + model.Lam) * found.upstream)
    carried = model.layers * steep ** (model.layers - 1) * step
    upstream = model.up * carried + entries * found.upstream
    worst = _largest(
        model.through * carried + entries * found.upstream,
        model.tau * model.R**2 * model.H * upstream + found.weights,
        model.R * upstream + found.values,
    )
    if not model.up * carried < size / 2:  # else the gradients may be larger than assumed
        return arb.pos_inf(), found.largest
    return worst, found.largest


# -- words -----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Words:
    """Bits of a word in both kinds, sign included."""

    integer: int
    fraction: int
    significand: int
    exponent: int

    @property
    def fixed(self) -> int:
        return 1 + self.integer + self.fraction

    @property
    def floating(self) -> int:
        """Sign, exponent, and the significand without its leading bit."""
        return self.exponent + self.significand

    def fits(self, significand: int, exponent: int) -> bool:
        """Whether a floating point format has enough of both."""
        return self.significand <= significand and self.exponent <= exponent


def words(model: Model, allowed: arb) -> Words:
    """The words with which rounding stays within ``allowed``: all of it in fixed point; half for rounding, half for underflow in floating.

    Raises:
        TooWide: if no word up to MOST_BITS is enough.
    """
    fraction = _least_bits(lambda q: fixed_error(model, q)[0], allowed)
    significand = _least_bits(lambda p: floating_error(model, p), allowed / 2)
    smallest = _least_bits(lambda q: fixed_error(model, q)[0], allowed / 2)
    integer = _bits(fixed_error(model, fraction)[1])
    exponents = _bits(fixed_error(model, smallest)[1]) + smallest + 2
    return Words(integer, fraction, significand, exponents.bit_length())


def _bits(value: arb) -> int:
    """Bits before the point of numbers up to this."""
    return max(0, integer((value.log() / arb.const_log2()).upper().floor()) + 1)


def _least_bits(error: Callable[[int], arb], allowed: arb) -> int:
    """The least number of bits, at least 1, whose error is surely within what is allowed; the error decreases."""
    high = 1
    while not error(high) <= allowed:
        high *= 2
        if high > MOST_BITS:
            raise TooWide(f"words of {MOST_BITS} bits are not enough")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= allowed else (middle, high)
    return high
