"""How deep a model may be: log(rank)/log(n) evaluated from ln n alone, and its limit by exact arithmetic of exponents.

d = log_2 n, scores within b = R^2 (scale 1/d), the error of a row of attention weights e^{-L}. By Taylor the rank is binom(d + g, g) with g
the least degree, J_g(b) <= e^{-L}; by the eigenvalues on the cube R{-1, 1}^d (depth.2) no matrix within delta of the weights has rank below

    #{k : tanh(tau R^2)^k > n delta}   counted with multiplicity binom(d, k).

rank n^{o(1)} <=> L = o(ln n ln(ln n / b)), by these two. L is what a chain of m layers asks for:

    published chain, a factor n^k a layer:   L = (c + k m) ln n
    l1 chain, a factor rho a layer:          L = (c + 1) ln n + ln(m) + m ln(rho)

for the error n^{-c}, the gradient of the last layer having n entries of constant size. Everything is in balls; n itself never occurs, so
it may be 10^(10^6) and beyond.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, inf
from typing import Any, NamedTuple

from flint import arb, ctx, fmpq

from .backends.ball import precision
from .real_numbers import FUNCTIONS, Answer, at_most

GUARD = 128
"""Bits beyond the size of the numbers."""
LARGEST_SEARCH = 1 << 512
"""Degrees above are left at the formula of statement T.3."""


class Undecided(ArithmeticError):
    """A comparison that no precision tried could decide."""


def integer(value: arb) -> int:
    """The integer that a ball holds.

    Raises:
        Undecided: if it may hold another.
    """
    found = value.unique_fmpz()
    if found is None:
        raise Undecided(f"{value} is not surely one integer")
    return int(found)


def rounded_up(value: arb) -> int:
    """The least integer that is surely not below."""
    return integer(value.upper().ceil())


def rounded_down(value: arb) -> int:
    """The largest integer that is surely not above."""
    return integer(value.lower().floor())


def bits_for(*sizes: arb) -> int:
    """A working precision for lgamma of numbers of this size, with GUARD correct bits after the point."""
    return GUARD + 4 * max(rounded_up(abs(s).log().max(arb(1))) for s in sizes)


# -- degree and rank -----------------------------------------------------------------------------------------------------
def log_error(b: arb, g: int | arb) -> tuple[arb, arb]:
    """A lower and an upper bound on ln J_g(b), b > 0: chain (2.1), statement T.1 parts 4 and 2; for g >> b they nearly meet."""
    shared = b + (g + 1) * b.log() - arb(g + 2).lgamma()
    return shared - (b / (g + 1)).log1p(), shared - (b / (g + 2)).log1p()


def meets(b: arb, g: int, L: arb) -> bool:
    """Whether J_g(b) <= e^{-L}.

    Raises:
        Undecided: if the two are too close to be told apart.
    """
    low, high = log_error(b, g)
    if at_most(high, -L) is Answer.YES:
        return True
    if at_most(low, -L) is Answer.NO:
        return False
    if b < 10**4 and L < 10**5:
        for doubling in range(4):
            with precision((GUARD + 4 * rounded_up(b) + 2 * rounded_up(L)) << doubling):
                answer = at_most(FUNCTIONS["J"](b, arb(g)), (-L).exp())
            if answer is not Answer.UNKNOWN:
                return answer is Answer.YES
    raise Undecided(f"whether J_{g}({b.str(6)}) <= e^-{L.str(6)} is undecided")


def degree_by_formula(b: arb, L: arb) -> arb:
    """(b + L)/W((b + L)/(e b)) - 1, before rounding up: a degree by statement T.3."""
    whole = b + L
    return whole / (whole / (arb.const_e() * b)).lambertw() - 1


def least_degree(b: arb, L: arb) -> int:
    """The least g with J_g(b) <= e^{-L}, for L > 0, by bisection.

    Such g form an upper set: J decreases where g + 1 >= b, and for g + 1 <= b it is at least e^b b^g/(2 g!) > 1 by T.1 part 4.
    """
    high = max(0, rounded_up(degree_by_formula(b, L)))
    low = min(high, max(-1, rounded_down(b) - 2))
    if not meets(b, high, L):
        raise ArithmeticError(f"the degree {high} of statement T.3 does not meet e^-{L.str(6)} for b = {b.str(6)}")
    while high - low > 1:
        middle = (high + low) // 2
        low, high = (low, middle) if meets(b, middle, L) else (middle, high)
    return high


def log_binomial(d: arb, g: arb) -> arb:
    """ln binom(d + g, g) for real d, g >= 0; where one is far larger, s ln(1 + t/s) + [0, s] for s <= t."""
    small, large = (d, g) if d < g else (g, d)
    if small > 0 and (large / small).log() > ctx.prec / 8:
        least = small * (large / small).log1p()
        return least.union(least + small)
    return (d + g + 1).lgamma() - (g + 1).lgamma() - (d + 1).lgamma()


# -- the lower bound -----------------------------------------------------------------------------------------------------
def eigenvalues_above(d: int, scaled: arb, threshold: arb) -> int:
    """How many eigenvalues tanh(scaled)^k, multiplicity binom(d, k), surely exceed the threshold: the rank that is needed.

    Args:
        d: n = 2^d points.
        scaled: tau R^2.
        threshold: n delta.
    """
    t, power, multiplicity, count = scaled.tanh(), arb(1), 1, 0
    for k in range(d + 1):
        if not power > threshold:
            break
        count += multiplicity
        power, multiplicity = power * t, multiplicity * (d - k) // (k + 1)
    return count


def log_rank_needed(log_n: arb, b: arb, L: arb) -> arb:
    """A lower bound on ln(rank) of any matrix within e^{-L} of the weights on the cube, d = log_2 n, tau = 1/d, delta = e^{-L}."""
    d = rounded_down(log_n / arb.const_log2())
    last = (L - log_n) / -(b / d).tanh().log()
    k = d // 2 if last > d // 2 else max(0, rounded_down(last))
    return log_binomial(arb(d - k), arb(k)) if k > 0 else arb(0)


# -- chains --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Rate:
    """factor (ln n)^log (ln ln n)^loglog; ``log`` may be infinite, for what exceeds every power of ln n, such as exp(sqrt(ln n))."""

    log: Fraction | float = Fraction(0)
    loglog: Fraction = Fraction(0)
    factor: arb = field(default_factory=lambda: arb(1))

    @property
    def order(self) -> tuple[Fraction | float, Fraction]:
        return self.log, self.loglog

    def __mul__(self, other: Rate) -> Rate:
        return Rate(self.log + other.log, self.loglog + other.loglog, self.factor * other.factor)

    def __add__(self, other: Rate) -> Rate:
        """The larger one; equal orders add up."""
        if self.order == other.order:
            return Rate(*self.order, self.factor + other.factor)
        return max(self, other, key=lambda rate: rate.order)

    def at(self, log_n: arb) -> arb:
        """The value; the representative of an infinite order is exp(sqrt(ln n))."""
        if self.log == inf:
            return log_n.sqrt().exp()
        return self.factor * _power(log_n, Fraction(self.log)) * _power(log_n.log(), self.loglog)


def _power(base: arb, exponent: Fraction) -> arb:
    return base ** fmpq(exponent.numerator, exponent.denominator) if exponent else arb(1)


ONE, LOGLOG, LOG, LOG_SQUARED, SUBPOLYNOMIAL = (
    Rate(),
    Rate(loglog=Fraction(1)),
    Rate(log=Fraction(1)),
    Rate(log=Fraction(2)),
    Rate(log=inf),
)
DEPTHS = {
    "1": ONE,
    "ln ln n": LOGLOG,
    "ln n": LOG,
    "(ln n)^2": LOG_SQUARED,
    "exp(sqrt(ln n)) = n^{o(1)}": SUBPOLYNOMIAL,
}
CRITICAL = Rate(log=Fraction(1), loglog=Fraction(1))
"""ln n ln ln n: L below it gives rank n^{o(1)}, for b at most a power of ln n below one."""


class Chain(NamedTuple):
    """A chain of error bounds.

    Attributes:
        name: what is shown.
        start: L = start ln n for no layer.
        layer: ln of the factor of one layer, as a rate; None where rho^m is n in all, whatever m.
        proved: the statement that shows almost linear time, and for which m.
    """

    name: str
    start: int
    layer: Rate | None
    proved: str

    def rate(self, m: Rate) -> Rate:
        """The order of L."""
        if self.layer is None:
            return Rate(log=Fraction(1), factor=arb(self.start + 1))
        return Rate(log=Fraction(1), factor=arb(self.start)) + m * self.layer

    def at(self, m: Rate, log_n: arb) -> arb:
        """L; the l1 chains have ln(m) beside."""
        layers = m.at(log_n)
        if self.layer is None:
            return (self.start + 1) * log_n + layers.log()
        if self.layer.log == 1:
            return self.start * log_n + layers * self.layer.at(log_n)
        return self.start * log_n + layers.log() + layers * self.layer.at(log_n)


EXPONENT, POWER, RHO = 2, 2, 3
"""c of the error n^{-c}; k of the published factor n^k; rho of the l1 chain with constant factor."""
with precision(16 * GUARD):
    LN_RHO = arb(RHO).log()
CHAINS = (
    Chain(
        f"published, factor n^{POWER} a layer", EXPONENT, Rate(log=Fraction(1), factor=arb(POWER)), "depth.4, m = O(1)"
    ),
    Chain("l1, rho = ln n", EXPONENT + 1, LOGLOG, ""),
    Chain(f"l1, rho = {RHO}", EXPONENT + 1, Rate(factor=LN_RHO), "depth.1, m = O(log n)"),
    Chain("l1, rho = 1 + ln n/m", EXPONENT + 1, None, "depth.3, m = n^{o(1)}"),
)


class Exponents(NamedTuple):
    """log(rank)/log(n): of the method, and at least of any matrix within the error on the cube (at most 1, the full rank)."""

    method: arb
    any: arb


def exponents(chain: Chain, m: Rate, log_n: arb, b: arb) -> Exponents:
    """Both exponents at one ln n, d = log_2 n."""
    with precision(4 * GUARD):
        size = chain.at(m, log_n)
    with precision(bits_for(size.min(arb(LARGEST_SEARCH)), log_n)):
        L = chain.at(m, log_n)
        formula = degree_by_formula(b, L)
        g = arb(least_degree(b, L)) if formula < LARGEST_SEARCH else formula.union(formula + 1)
        method = log_binomial(log_n / arb.const_log2(), g) / log_n
        return Exponents(method, log_rank_needed(log_n, b, L) / log_n)


def limit(L: Rate, power: Fraction = Fraction(0)) -> arb:
    """The limit of log(rank)/log(n) of the method for d = log_2 n and b = (ln n)^power, power < 1.

    For L = o(ln n ln ln n) it is 0, beyond infinite. For L ~ lambda ln n ln ln n the degree is ~ theta ln n, theta = lambda/(1 - power),
    and with d = delta ln n the limit is (delta + theta) ln(delta + theta) - delta ln(delta) - theta ln(theta).
    """
    if L.order != CRITICAL.order:
        return arb(0) if L.order < CRITICAL.order else arb.pos_inf()
    rest = 1 - power
    theta, delta = L.factor / arb(fmpq(rest.numerator, rest.denominator)), 1 / arb.const_log2()
    both = delta + theta
    return both * both.log() - delta * delta.log() - theta * theta.log()


# -- what is shown -------------------------------------------------------------------------------------------------------
LOGS = {"10^3": 3, "10^6": 6, "10^20": 20, "10^100": 100}
"""Powers of ten of ln n."""


def short(value: arb) -> str:
    """A ball as a decimal number with three digits, two where it is wide."""
    if value == arb.pos_inf():
        return "infinite"
    return f"{float(value.mid()):.{3 if value.rel_accuracy_bits() > 12 else 2}g}"


def at_least(value: arb) -> str:
    """A lower end, three digits after the point, rounded down."""
    return f"at least {rounded_down(1000 * value) / 1000:g}"


def rows(b: int = 1) -> list[dict[str, Any]]:
    """One row for each chain and depth: the exponents at growing n, the limit, and whether the rank stays n^{o(1)}."""
    made = []
    for chain in CHAINS:
        for depth, m in DEPTHS.items():
            at = {f"ln n = {name}": exponents(chain, m, arb(10**k), arb(b)) for name, k in LOGS.items()}
            end = limit(chain.rate(m))
            made.append({
                "chain": chain.name, "layers m": depth, **{name: short(found.method) for name, found in at.items()},
                "any method at 10^100": at_least(at["ln n = 10^100"].any), "limit": short(end),
                "n^{o(1)}": "yes" if end == 0 else "no",
            })  # fmt: skip
    return made


def table() -> dict[str, Any]:
    """`rows` as a table of the report."""
    note = (
        f"log(rank)/log(n) from ln n alone, in balls: d = log_2 n, R = 1, scale 1/d, error n^-{EXPONENT}. Above 1 the method is of no use; "
        "convergence to the limit is slow. The lower bound holds for every matrix within the error asked for of the weights on {-1, 1}^d."
    )
    return {"title": "Depth and the exponent of the rank", "note": note, "rows": rows()}


CUBES, POWERS = (8, 12, 17, 24, 32), (2, 3, 4)
"""d of the cubes, and c of the errors n^-c of the attention weights, of `needed`."""


def needed() -> dict[str, Any]:
    """A table of the report: on the cube {-1, 1}^d, the rank that any matrix within n^-c needs, beside that of the Taylor kernel."""
    made = []
    for d, c in itertools.product(CUBES, POWERS):
        with precision(4 * GUARD):
            n = 2**d
            L = c * d * arb.const_log2()
            count = eigenvalues_above(d, 1 / arb(d), arb(n) ** (1 - c))
            g = least_degree(arb(1), L)
            made.append(
                {
                    "d": d,
                    "n = 2^d": n,
                    "error": f"n^-{c}",
                    "rank at least": count,
                    "Taylor, degree": g,
                    "rank": comb(d + g, g),
                }
            )
    note = (
        "Weights of the 2^d points with W = I and scale 1/d: eigenvalues tanh(1/d)^k of multiplicity binom(d, k), counted above n^{1-c} in "
        "balls; a matrix within n^-c, entry by entry, has no smaller rank. The Taylor kernel of that relative error serves every input."
    )
    return {"title": "Ranks that an error needs", "note": note, "rows": made}


def critical_depth(chain: Chain) -> Rate | None:
    """The rate below which m must stay for rank n^{o(1)} at d = Theta(log n); None where any m = n^{o(1)} will do."""
    if chain.layer is None:
        return None
    return Rate(CRITICAL.log - chain.layer.log, CRITICAL.loglog - chain.layer.loglog)


def ranges() -> dict[str, Any]:
    """A table of the report: for which m each chain keeps almost linear time, beside the published m = n^{o(1)}."""
    made = []
    for chain in CHAINS:
        found = critical_depth(chain)
        made.append({
            "chain": chain.name, "d = Theta(log n)": "any m = n^{o(1)}" if found is None else f"m = o({name_of(found)})",
            "published m = n^{o(1)}": "covered" if found is None or found.log == inf else "too deep",
            "proved": chain.proved or "computed only", "d = O(1)": "any m = n^{o(1)} (depth.5)",
        })  # fmt: skip
    note = (
        f"R^2 at most a power of ln n below one, error n^-{EXPONENT}. The condition L = o(ln n ln(ln n/R^2)) is sufficient by Taylor and, "
        "for matrices that close to the attention weights, necessary by the eigenvalues on the cube; what lies between the proved range "
        "and the condition needs growth classes with ln ln n."
    )
    return {"title": "Depths with rank n^{o(1)}", "note": note, "rows": made}


def curves(count: int = 24) -> list[dict[str, Any]]:
    """The limit exponent where m is mu times the critical depth, for mu up to 2: ln ln n for the published chain, ln n ln ln n for l1."""
    made = []
    for chain, m in ((CHAINS[0], LOGLOG), (CHAINS[1], LOG), (CHAINS[2], CRITICAL)):
        for j in range(count + 1):
            mu = 2 * j / count
            end = limit(chain.rate(Rate(*m.order, arb(mu)))) if mu else arb(0)
            made.append({"chain": chain.name, "unit of m": name_of(m), "m / unit": mu, "limit": float(end.mid())})
    return made


def name_of(m: Rate) -> str:
    """A rate in words."""
    named = [(word, power) for word, power in (("ln n", m.log), ("ln ln n", m.loglog)) if power]
    return " ".join(word if power == 1 else f"({word})^{power}" for word, power in named) or "1"


def figure() -> dict[str, Any]:
    """`curves` as a figure of the report: m, in units of the critical depth, against the limit exponent."""
    note = (
        "Where m is mu times the critical depth, log(rank)/log(n) tends to a constant that vanishes with mu: the rank is n^(o(1)) where m "
        f"is below every multiple of that depth, and at none of them. d = log_2 n, R = 1, error n^-{EXPONENT}."
    )
    return {"kind": "depth", "title": "The depth against the exponent of the rank", "note": note, "rows": curves()}
