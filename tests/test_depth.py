"""Depth: the exponent of the rank against exact ranks and independent integrals, the limits, and the statements behind them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from flint import arb

from almostlinear.theorems import Asymptotic, Bound, Statement, Within, load
from almostlinear.theorems.asymptotics import LOG, POLYLOG, SUBPOLY
from almostlinear.theorems.norms import l1norm
from almostlinear.theorems.notation import G
from almostlinear.theorems.paper.h_multilayer import m
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.repaired.depth import Delta, rho
from almostlinear.verify import depth
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.campaign import run
from almostlinear.verify.depth import CHAINS, CRITICAL, LOG_SQUARED, LOGLOG, ONE, SUBPOLYNOMIAL, Rate
from almostlinear.verify.depth import LOG as LN
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import statuses

PUBLISHED, L1_POLYLOG, L1_CONSTANT, L1_NEAR_ONE = CHAINS


# -- degree and rank ---------------------------------------------------------------------------------------------------------
def kernel_error(b: float, g: int) -> mpmath.mpf:
    """J_g(b) by quadrature."""
    return mpmath.quad(lambda v: v**g * mpmath.e**v / mpmath.factorial(g), [0, b])


@pytest.mark.parametrize(("b", "g"), [(0.25, 0), (1.0, 3), (2.5, 1), (4.0, 12), (0.5, 40)])
def test_the_two_bounds_hold_the_error(b, g):
    with mpmath.workdps(30), precision(128):
        low, high = (mpmath.mpf(x.str(25, radius=False)) for x in depth.log_error(arb(b), g))
        assert low <= mpmath.log(kernel_error(b, g)) <= high


@pytest.mark.parametrize("b", [0.01, 0.5, 1.0, 3.0, 9.5])
@pytest.mark.parametrize("L", [0.01, 0.7, 5.0, 40.0])
def test_the_degree_is_least(b, L):
    with precision(256):
        found = depth.least_degree(arb(b), arb(L))
    with mpmath.workdps(40):
        first = next(g for g in range(400) if kernel_error(b, g) <= mpmath.e**-L)
    assert found == first


def test_a_tie_is_not_decided_wrongly():
    """e^{-L} = J_g(b) to the last bit known: undecided, or decided by more precision, never by a guess."""
    with precision(200):
        L = -depth.FUNCTIONS["J"](arb(1), arb(5)).log()
        with pytest.raises(depth.Undecided):
            depth.meets(arb(1), 5, L)
        assert depth.meets(arb(1), 5, L - arb("1e-30")) and not depth.meets(arb(1), 5, L + arb("1e-30"))


@pytest.mark.parametrize(("d", "g"), [(1, 1), (3, 10), (17, 19), (400, 7)])
def test_ln_binomial(d, g):
    with precision(200):
        assert depth.log_binomial(arb(d), arb(g)).overlaps(arb(math.comb(d + g, g)).log())
        assert not depth.log_binomial(arb(d), arb(g)).overlaps(arb(math.comb(d + g, g) + 1).log())


@pytest.mark.parametrize(("small", "large"), [(5, 10**60), (1, 10**45), (12, 2**300)])
def test_ln_binomial_of_very_unequal_numbers(small, large):
    exact = arb(math.comb(small + large, small)).log()
    with precision(128):
        for d, g in ((small, large), (large, small)):
            found = depth.log_binomial(arb(d), arb(g))
            assert found.contains(exact) and found.rad() <= small


# -- chain.md's figures --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("chain", "power", "expected"),
    [(PUBLISHED, 3, 1.37), (PUBLISHED, 20, 0.35), (L1_CONSTANT, 3, 1.19), (L1_CONSTANT, 20, 0.29)],
)
def test_exponents_at_one_layer(chain, power, expected):
    """d = log_2 n, R = 1, error n^-2: L = 4 ln n of the published chain, 3 ln n of the other."""
    found = depth.exponents(chain, ONE, arb(10**power), arb(1)).method
    assert abs(float(found.mid()) - expected) <= 0.005 and found.rad() < 1e-6
    expected_L = (4 if chain is PUBLISHED else 3) * 10**power
    assert abs(float(chain.at(ONE, arb(10**power)).mid()) / expected_L - 1) < 1e-2


def test_an_exponent_is_that_of_an_exact_rank():
    """ln n = 60 ln 2: d = 60 exactly, g by exact search, binom(60 + g, g) an integer."""
    with precision(200):
        log_n = 60 * arb.const_log2()
    found = depth.exponents(PUBLISHED, ONE, log_n, arb(1)).method
    with mpmath.workdps(40):
        L = 4 * 60 * mpmath.log(2)
        g = next(g for g in range(400) if kernel_error(1, g) <= mpmath.e**-L)
        exact = mpmath.log(math.comb(60 + g, g)) / (60 * mpmath.log(2))
    assert abs(float(found.mid()) - float(exact)) < 1e-9


def test_n_may_be_beyond_ten_to_the_million():
    with precision(200):
        log_n = 10**6 * arb(10).log()
    found = depth.exponents(L1_CONSTANT, LN, log_n, arb(1))
    assert 0 < found.any <= found.method and found.method < 1


# -- the lower bound -------------------------------------------------------------------------------------------------------------
def weights(d: int, scaled: float) -> np.ndarray:
    points = np.array(list(itertools.product((-1, 1), repeat=d)))
    a = np.exp(scaled * points @ points.T)
    return a / a.sum(1, keepdims=True)


@pytest.mark.parametrize(("d", "scaled"), [(1, 0.3), (4, 0.25), (6, 0.5), (8, 0.125)])
def test_eigenvalues_of_the_cube(d, scaled):
    values = np.linalg.eigvalsh(weights(d, scaled))
    for threshold in (1e-1, 1e-2, 1e-4, 1e-7):
        found = depth.eigenvalues_above(d, arb(scaled), arb(threshold))
        assert found == int((values > threshold).sum())
    assert depth.eigenvalues_above(d, arb(scaled), arb(0)) == 2**d


@pytest.mark.parametrize("d", [4, 6])
def test_fewer_ranks_than_eigenvalues_miss_the_error(d):
    """The best matrices of that rank in the spectral norm, and the Taylor kernel, against the count at their own error."""
    f = weights(d, 1 / d)
    n = len(f)
    values, vectors = np.linalg.eigh(f)
    for rank in range(1, n, 7):
        low = (vectors[:, -rank:] * values[-rank:]) @ vectors[:, -rank:].T
        delta = float(np.abs(low - f).max())
        assert depth.eigenvalues_above(d, arb(1) / d, arb(n) * arb(delta)) <= rank
    points = np.array(list(itertools.product((-1, 1), repeat=d)))
    for g in range(1, 6):
        a = sum((points @ points.T / d) ** j / math.factorial(j) for j in range(g + 1))
        low = a / a.sum(1, keepdims=True)
        delta = float(np.abs(low - f).max())
        assert (
            depth.eigenvalues_above(d, arb(1) / d, arb(n) * arb(delta))
            <= np.linalg.matrix_rank(low, tol=1e-11)
            <= math.comb(d + g, g)
        )


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_the_exponent_below_is_below_the_count(factor):
    d = 40
    with precision(200):
        log_n = d * arb.const_log2() + arb("1e-40")
        L = factor * log_n
        needed = depth.log_rank_needed(log_n, arb(1), L)
        exact = depth.eigenvalues_above(d, arb(1) / d, (log_n - L).exp())
        assert 0 < needed <= arb(exact).log()


# -- rates and limits --------------------------------------------------------------------------------------------------------------
def test_rates_are_ordered_and_add_up_exactly():
    ordered = [ONE, LOGLOG, LN, CRITICAL, LOG_SQUARED, SUBPOLYNOMIAL]
    assert all(a.order < b.order for a, b in itertools.pairwise(ordered))
    assert LN * LOGLOG == CRITICAL and (LN + LN).factor == 2 and (LN + CRITICAL) == CRITICAL
    assert Rate(log=Fraction(1, 2)) * Rate(log=Fraction(1, 2)) == LN
    with precision(200):
        x = arb(10**30)
        assert CRITICAL.at(x).overlaps(x * x.log()) and SUBPOLYNOMIAL.at(x) > x**3


def test_limits_against_values_at_huge_n():
    """At the critical depth the exponents approach the limit; beyond they grow, below they vanish."""
    for chain, unit in ((PUBLISHED, LOGLOG), (L1_POLYLOG, LN), (L1_CONSTANT, CRITICAL)):
        end = float(depth.limit(chain.rate(unit)).mid())
        near = [float(depth.exponents(chain, unit, arb(10**k), arb(1)).method.mid()) for k in (10, 40, 120)]
        assert abs(near[2] - end) < abs(near[1] - end) < abs(near[0] - end) and abs(near[2] / end - 1) < 0.05
    assert depth.limit(LN) == 0 and depth.limit(LOG_SQUARED) == arb.pos_inf()


def test_a_wider_range_of_scores_has_a_larger_limit():
    """b = (ln n)^power: theta = lambda/(1 - power)."""
    ends = [depth.limit(CRITICAL, power) for power in (Fraction(0), Fraction(1, 2), Fraction(9, 10))]
    assert ends[0] < ends[1] < ends[2]
    at = [depth.exponents(PUBLISHED, ONE, arb(10**k), arb(10 ** (k // 2))).method for k in (6, 20, 100)]
    assert at[0] > at[1] > at[2] and at[2] > depth.exponents(PUBLISHED, ONE, arb(10**100), arb(1)).method


def test_critical_depths():
    """m = o(ln ln n), o(ln n), o(ln n ln ln n), any: theory/chain.md, section 5."""
    found = [depth.critical_depth(chain) for chain in CHAINS]
    assert [None if r is None else r.order for r in found] == [LOGLOG.order, LN.order, CRITICAL.order, None]
    for chain, rate in zip(CHAINS, found, strict=True):
        for m_rate in depth.DEPTHS.values():
            inside = rate is None or m_rate.order < rate.order
            assert (depth.limit(chain.rate(m_rate)) == 0) == inside


# -- what is shown -------------------------------------------------------------------------------------------------------------------
def test_the_table():
    shown = depth.table()
    rows = shown["rows"]
    assert depth.table() == shown and json.dumps(shown)
    assert len(rows) == len(CHAINS) * len(depth.DEPTHS) and {"title", "note", "rows"} == set(shown)
    for row in rows:
        values = [float(row[f"ln n = {name}"]) for name in depth.LOGS]
        assert float(row["any method at 10^100"].removeprefix("at least ")) <= min(1, values[-1])
        assert (row["n^{o(1)}"] == "yes") == (row["limit"] == "0")
        if row["limit"] == "0":
            assert values == sorted(values, reverse=True) and values[-1] < 0.11
        if row["limit"] == "infinite":
            assert values == sorted(values) and values[-1] > 100
    yes = {(row["chain"], row["layers m"]) for row in rows if row["n^{o(1)}"] == "yes"}
    assert [sum(chain.name == name for name, _ in yes) for chain in CHAINS] == [1, 2, 3, 5]


def test_the_lower_bound_is_below_the_method_everywhere():
    for chain, m_rate, power in itertools.product(CHAINS, depth.DEPTHS.values(), (2, 5, 30)):
        found = depth.exponents(chain, m_rate, arb(10**power), arb(1))
        assert found.any <= found.method and found.any <= 1


def test_the_ranges_and_the_figure():
    shown = depth.ranges()
    assert [row["d = Theta(log n)"] for row in shown["rows"]] == [
        "m = o(ln ln n)", "m = o(ln n)", "m = o(ln n ln ln n)", "any m = n^{o(1)}",
    ]  # fmt: skip
    assert [row["published m = n^{o(1)}"] for row in shown["rows"]] == ["too deep"] * 3 + ["covered"]
    made = depth.figure()
    assert made["kind"] == "depth" and depth.figure() == made and json.dumps(made)
    for _, curve in itertools.groupby(made["rows"], key=lambda row: row["chain"]):
        limits = [row["limit"] for row in curve]
        assert limits[0] == 0 and limits == sorted(limits) and len(set(limits)) == len(limits)


def test_ranks_needed_on_cubes():
    """Never above the rank of the Taylor kernel, never above n, and growing with the precision."""
    rows = depth.needed()["rows"]
    assert len(rows) == len(depth.CUBES) * len(depth.POWERS)
    for row in rows:
        assert row["rank at least"] <= min(row["rank"], row["n = 2^d"])
        d, c = row["d"], int(row["error"].removeprefix("n^-"))
        k = sum(math.tanh(1 / d) ** j > 2.0 ** (d * (1 - c)) for j in range(d + 1))
        assert row["rank at least"] == sum(math.comb(d, j) for j in range(k))
    for d in depth.CUBES:
        counts = [row["rank at least"] for row in rows if row["d"] == d]
        assert counts == sorted(counts) and counts[0] < counts[-1]


# -- the statements ------------------------------------------------------------------------------------------------------------------
NAMES = ("depth.1", "depth.2", "depth.3", "depth.4", "depth.5", "H.4r.weights")


@pytest.fixture(scope="module")
def found():
    registry = load()
    with Ledger(None) as ledger:
        run(registry, ledger, [registry[name] for name in NAMES])
        return {s.statement.id: s for s in statuses(registry, ledger) if s.statement.id in NAMES}


def verdicts(found, name):
    return {c["part"]: (c["verdict"], c["argument"]) for c in found[name].to_json()["claims"]}


def test_growth_is_proved(found):
    for name in ("depth.1", "depth.3", "depth.4", "depth.5"):
        growing = {
            part: v for part, v in verdicts(found, name).items() if part in ("L", "degree", "rank", "operations")
        }
        assert len(growing) >= 3 and set(growing.values()) == {("proved", "ok")}


def test_numbers_are_proved_by_induction_and_instances_enclosed(found):
    assert set(verdicts(found, "H.4r.weights").values()) == {("enclosed", "ok")}
    assert verdicts(found, "depth.3")["rho^m"][0] == "proved"
    assert verdicts(found, "depth.5")["rank at most (1 + g)^d"][0] == "proved"
    assert {part: v[0] for part, v in verdicts(found, "depth.2").items()} == {
        "product": "proved",
        "two points": "proved-at-size",
    }


def judged(claims, **fields) -> str:
    registry = Registry()
    made = registry.add(Statement("own.1", "own", "here", "error-bound", claims=tuple(claims), **fields))
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        return next(s for s in statuses(registry, ledger) if s.statement is made).verdict


@pytest.mark.parametrize(("growth", "verdict"), [(LOG, "proved"), (POLYLOG, "open"), (SUBPOLY, "open")])
def test_deeper_models_with_a_constant_factor_are_not_covered(growth, verdict):
    """depth.1 with other depths: m = O(log n) is what the classes admit."""
    made = load()["depth.1"]
    assumes = tuple(Within(m, growth) if a.quantity == m else a for a in made.assumes)
    assert judged([c for c in made.claims if c.part == "L"], assumes=assumes) == verdict


def test_a_polynomial_factor_beyond_constant_depth_is_not_covered():
    made = load()["depth.4"]
    assumes = tuple(Within(m, LOG) if a.quantity == m else a for a in made.assumes)
    rank = next(c for c in made.claims if c.part == "rank")
    assert isinstance(rank, Asymptotic) and judged([rank], assumes=assumes) == "open"
    assert judged([rank], assumes=made.assumes) == "proved"


@pytest.mark.parametrize("part", ["dL/dW", "dL/dW_V"])
@pytest.mark.parametrize("left_out", [Delta, G], ids=["upstream", "weights"])
def test_the_errors_of_the_weights_need_both_terms(part, left_out):
    """Without the error of the upstream gradient, or that of the attention weights, the bound is violated."""
    claim = next(c for c in load()["H.4r.weights"].claims if c.part == part)
    assert isinstance(claim, Bound)
    smaller = replace(claim, right=claim.right.subs(l1norm(left_out), 0))
    assert smaller.right != claim.right and judged([smaller]) == "refuted"


def test_the_explicit_length_is_the_bound_of_the_statements():
    """L of depth.1 is ln of 1 and n^c times the error of H.4r over eps_1."""
    error = next(c for c in load()["H.4r"].claims if c.part == "error").expression
    L = next(c for c in load()["depth.1"].claims if c.part == "L").expression
    inside = sympy.expand(L.args[0] - 1)
    symbols = {str(s): s for s in error.free_symbols}
    names = {str(s): s for s in inside.free_symbols}
    scaled = error.subs({symbols["eps_1"]: 1}) * names["n"] ** names["c"]
    assert sympy.simplify(scaled.subs({s: names[k] for k, s in symbols.items() if k in names}) / inside) == 1
    assert rho in inside.free_symbols
