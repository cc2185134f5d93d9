"""The explicit theorem as a calculator: which degree, rank, operations, memory and word meet an error, or that no rank below n does.

For m layers with an exact forward pass (theorems/repaired/structure.py), row errors eps_1 of the attention weights give

    |err dL/dX| <= |phi'| |W_g|_col m eps_1 rho^m |dL/dT_m|_1,       rho = (sig + L1 og)(sig + Lam),   Lam = om + tau H (r + r'),

and the gradients of the weights of each layer follow by H.4r.weights. These expressions are taken from the registered statements and
evaluated in balls at the bounds that are given; all grow with every one of them. With eps_1 = eta/(1 - eta) (S.1) the degree is the
least g with J_g(b) <= eta, and the rank of f~ is binom(d_h + g, g): of use only below n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

import sympy
from flint import arb

from almostlinear.theorems.norms import l1norm, maxnorm
from almostlinear.theorems.notation import G, g_T
from almostlinear.theorems.paper.h_multilayer import slope_0
from almostlinear.theorems.registry import registry
from almostlinear.theorems.repaired import errors_l1, structure
from almostlinear.theorems.repaired.depth import Delta
from almostlinear.theorems.repaired.kernel import eta as eta_symbol
from almostlinear.theorems.statement import Bound

from . import predicted
from .backends.ball import precision
from .depth import GUARD, Undecided, degree_by_formula, least_degree, rounded_up
from .plan_inputs import BadPlan, Inputs, ball
from .real_numbers import Evaluator
from .word_size import Model, TooWide, Words, words

BITS = 4 * GUARD
ROUNDING_SHARE = Fraction(1, 16)
"""The part of the error that is left to rounding; the rest is for the polynomial."""
LARGEST = 10**6
"""Of a score's range and of L: beyond, a plan is refused."""


# -- the theorem's expressions -------------------------------------------------------------------------------------------
class AtBounds(Evaluator):
    """SymPy expressions at bounds of their norms, constants and sizes."""

    def __init__(self, values: Mapping[sympy.Symbol, arb]) -> None:
        self.values = values

    def __call__(self, expression: sympy.Expr) -> arb:
        return self.values[expression] if expression in self.values else super().__call__(expression)

    def _symbol(self, name: str) -> arb:
        raise KeyError(f"no bound is given for {name}")


def _claim(statement: str, part: str) -> Any:
    return next(c for c in registry[statement].claims if c.part == part)


def _right(statement: str, part: str) -> sympy.Expr:
    claim = _claim(statement, part)
    assert isinstance(claim, Bound)
    return claim.right


@dataclass(frozen=True)
class Factors:
    """What one layer and all layers do to an error: Lam, rho, and the error of each gradient divided by eps_1."""

    Lam: arb
    rho: arb
    by_output: dict[str, arb]

    @property
    def decisive(self) -> str:
        """The output whose error is largest."""
        first, *rest = self.by_output
        for name in rest:
            if self.by_output[name] > self.by_output[first]:
                first = name
        return first


UPSTREAM = l1norm(g_T)


def factors(given: Inputs) -> Factors:
    """The statements' right sides at the given bounds, eps_1 = 1."""
    sig, m, tau = given.sig, given.layers, ball(given.tau)
    values: dict[sympy.Symbol, arb] = {
        structure.tau: tau, errors_l1.om: ball(given.value_norm), errors_l1.H: ball(given.values), errors_l1.R_X: ball(given.entry_bound),
        errors_l1.r: ball(given.row), errors_l1.r_t: ball(given.row), structure.og: ball(given.mlp_norm),
        structure.L1: ball(given.lipschitz), maxnorm(slope_0): ball(given.lipschitz), UPSTREAM: arb(1),
    }  # fmt: skip
    evaluate = AtBounds(values)
    Lam = evaluate(errors_l1.Lam)
    rho = evaluate(_right("J.4r" if sig else "H.4r", "size of one step"))
    total = arb(given.n * given.d) * ball(given.gradient)
    all_layers = {structure.m: arb(m), structure.rho: rho, structure.gamma: total, structure.small: arb(1)}
    by_x = AtBounds({**values, **all_layers})(_claim("J.5r" if sig else "H.4r", "error").expression)
    # In layer m - j the upstream gradient has grown j times and carries j eps_1 rho^j of error; j <= m - 1.
    grown = (sig + ball(given.lipschitz * given.mlp_norm)) * rho.max(arb(1)) ** (m - 1) * total
    # The right sides are linear in eps_1, which is 2/3 at eta = 3/5.
    unit = ball(Fraction(2, 3))
    carried = {
        eta_symbol: ball(Fraction(3, 5)),
        l1norm(G): grown,
        l1norm(Delta): (m - 1) * grown * unit,
    }
    by_w, by_values = (
        AtBounds({**values, **carried})(_right("H.4r.weights", part)) / unit for part in ("dL/dW", "dL/dW_V")
    )
    return Factors(Lam, rho, {"dL/dX": by_x, "dL/dW": by_w, "dL/dW_V": by_values})


# -- a plan --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Solution:
    """The degree that the error asks for and what it follows from, as balls; the rank of f~ as an exact integer."""

    given: Inputs
    factors: Factors
    eps_1: arb
    eta: arb
    L: arb
    b: arb
    degree: int

    @property
    def rank(self) -> int:
        """Of f~: binom(d_h + g, g)."""
        return comb(self.given.width + self.degree, self.degree)

    @property
    def rank_p(self) -> int:
        """Of P~: each feature with each column of the values, and once with K."""
        return (self.given.width + 1) * self.rank

    @property
    def possible(self) -> bool:
        """Whether the rank of f~ is below n."""
        return self.rank < self.given.n


def solve(given: Inputs) -> Solution:
    """The least degree that keeps every gradient's error within (1 - ROUNDING_SHARE) of what is asked for.

    Raises:
        BadPlan: if b or L is beyond LARGEST, or if the error is met with equality as far as can be told.
    """
    with precision(BITS):
        found = factors(given)
        eps_1 = ball(1 - ROUNDING_SHARE) * given.error.at(given.n) / found.by_output[found.decisive]
        eta = eps_1 / (1 + eps_1)
        L, b = -eta.log(), ball(given.scores)
        for name, value in (("the range of the scores b", b), ("L = ln(1/eta)", L)):
            if not value < LARGEST:
                raise BadPlan(
                    f"{name} is {value.str(4, radius=False)}, beyond {LARGEST}: give smaller bounds or a larger error"
                )
        try:
            degree = least_degree(b, L)
        except Undecided as error:
            raise BadPlan(f"{error}: give an error that differs a little") from None
        return Solution(given, found, eps_1, eta, L, b, degree)


def word(found: Solution) -> Words:
    """The word with which rounding keeps within its share of the error."""
    given = found.given
    model = Model(
        n=given.n, d=given.d, values=given.width, degree=found.degree, wide=comb(given.d + found.degree, found.degree),
        layers=given.layers, heads=given.heads, causal=given.causal, sig=given.sig, tau=ball(given.tau), R=ball(given.entry_bound),
        W=ball(given.weight_norm), om=ball(given.value_norm), L1=ball(given.lipschitz), og=ball(given.mlp_norm), Lam=found.factors.Lam,
        total=arb(given.n * given.d) * ball(given.gradient), b=found.b, eta=found.eta,
    )  # fmt: skip
    with precision(BITS):
        return words(model, ball(ROUNDING_SHARE) * given.error.at(given.n))


def one_call(found: Solution) -> predicted.Layer:
    """One head of one layer, as Algorithm 1 runs it: scores of d features, values of d_h columns."""
    given = found.given
    return predicted.Layer(given.n, given.d, found.degree, given.width, given.causal)


def terms(found: Solution) -> dict[str, arb]:
    """What L is made of."""
    given = found.given
    with precision(BITS):
        parts = {
            f"error {given.error.text}": -given.error.at(given.n).log(),
            "size of dL/dT_m, ln(n d gamma)": (given.n * given.d * ball(given.gradient)).log(),
            "depth, m ln(rho)": given.layers * found.factors.rho.log(),
        }
        return {**parts, "constants": found.L - sum(parts.values(), arb(0))}


# -- what is shown -------------------------------------------------------------------------------------------------------
HYPOTHESES = (
    "the forward pass is exact: every T_i is at hand, and its operations are not counted",
    "in every layer |X|, |X W|, |X W^T| <= R; that deeper layers keep such bounds is a hypothesis, not a consequence",
    "for the word, R |W|_1 bounds |X||W| and |X||W^T| as well, and the inputs of a layer are words; it is enough by a bound on rounding, "
    "fewer bits may do",
)
LONGEST = 128
"""Bits of the integers that are written out."""


def whole(value: int) -> int | str:
    """An integer, or its power of ten where it is too long to read."""
    if value.bit_length() <= LONGEST:
        return value
    return f"about 10^{(arb(value).log() / arb(10).log()).str(8, radius=False)}"


def real(value: arb) -> str:
    """A ball as a decimal number with six digits."""
    return value.str(6, radius=False)


def figures(found: Solution) -> dict[str, Any]:
    """The plan as plain data; integers are exact, and strings of the form "about 10^k" beyond 2^LONGEST."""
    given, call = found.given, one_call(found)
    parts = {"range of the scores b": found.b, **terms(found)}
    count = given.layers * given.heads
    counted = predicted.operations(call)
    total, dense = counted.both.at(given.n) * count, predicted.dense_operations(given.n, given.d, given.width) * count
    numbers = predicted.memory(call)
    with precision(BITS):
        formula = rounded_up(degree_by_formula(found.b, found.L))
    return {
        "inputs": {name: given.error.text if name == "error" else _plain(value) for name, value in vars(given).items()},
        "rho": real(found.factors.rho), "Lam": real(found.factors.Lam),
        "error / eps_1": {name: real(value) for name, value in found.factors.by_output.items()}, "decisive": found.factors.decisive,
        "eps_1": real(found.eps_1), "eta": real(found.eta), "L": real(found.L), "score range": real(found.b),
        "degree": found.degree, "degree by formula": formula,
        "rank": whole(found.rank), "rank of P": whole(found.rank_p), "features as run": whole(call.features),
        "terms": {name: real(value) for name, value in parts.items()}, "binding": max(parts, key=lambda name: float(parts[name].mid())),
        "operations": {
            **{name: {"a": whole(c.a), "b": whole(c.b)} for name, c in (("products", counted.products), ("entrywise", counted.entrywise))},
            "chunk": call.chunk(), "layers and heads": count, "total": whole(total), "dense": whole(dense),
            "fewer than dense": total < dense,
        },
        "memory": {"numbers": whole(numbers), "bytes at 8": whole(8 * numbers)},
        "word": _words(found),
        "possible": found.possible, "runs": call.runs, "hypotheses": list(HYPOTHESES),
    }  # fmt: skip


def _words(found: Solution) -> dict[str, Any]:
    try:
        needed = word(found)
    except TooWide as error:
        return {"fixed": None, "floating": None, "float32": False, "float64": False, "why": str(error)}
    return {
        "fixed": {"bits": needed.fixed, "integer": needed.integer, "fraction": needed.fraction},
        "floating": {"bits": needed.floating, "significand": needed.significand, "exponent": needed.exponent},
        "float32": needed.fits(24, 8), "float64": needed.fits(53, 11),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Fraction) else value
