"""Every operation in every backend against plain NumPy; enclosures are tested as rigorous functions are.

A rigorous function must overlap across precisions and with a slow independent version, satisfy a functional equation, be accurate,
and its test must fail when it is deliberately broken.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import torch
from flint import arb, fmpq

from almostlinear.theorems import Identity, absolute, d, exp, inner, jvp, n, recip, symbol, tokens
from almostlinear.theorems.sizes import Index
from almostlinear.verify.backends import interpreter, midrad
from almostlinear.verify.backends.arrays import NotExact
from almostlinear.verify.backends.ball import Balls, ComplexStep, precision
from almostlinear.verify.backends.finite_field import PRIME, FiniteField
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.backends.midrad import MidRad, MidRadBackend
from almostlinear.verify.backends.mp import Points
from almostlinear.verify.backends.polynomial import Polynomials
from almostlinear.verify.backends.rational import Rationals, as_ball, as_text
from almostlinear.verify.backends.torch64 import Torch64
from almostlinear.verify.contract import free_direction
from almostlinear.verify.problems import Problem
from tests.helpers import OPERATIONS, V, W, X, Y, dyadic, exact, i, k, plain_values, table_problem, v, without_units

PROBLEM = table_problem()
FLOATS = without_units(PROBLEM)
VALUES = plain_values(PROBLEM)
ALL = pytest.mark.parametrize("row", OPERATIONS, ids=str)


def test_the_table_covers_every_operation():
    assert {row.op for row in OPERATIONS} == set(interpreter.OPERATIONS)


def value(row, backend):
    return Interpreter(backend)(row.formula, row.at)


def expected(row):
    return np.asarray(row.expected(VALUES), dtype=float)


def close(found, wanted, within):
    assert found.shape == wanted.shape, f"{found.shape}, but {wanted.shape} by NumPy"
    assert np.all(np.abs(found - wanted) <= within * (1 + np.abs(wanted))), f"{found}\nby NumPy\n{wanted}"


# -- the table in every backend --------------------------------------------------------------------------------------------
@ALL
def test_torch(row):
    close(value(row, Torch64(PROBLEM)).numpy(), expected(row), 1e-13)


@ALL
def test_mpmath(row):
    close(value(row, Points(PROBLEM)).astype(float), expected(row), 1e-13)


@ALL
def test_balls(row):
    with precision(169):
        found = value(row, Balls(PROBLEM))
        close(np.vectorize(lambda x: float(x.mid()))(found), expected(row), 1e-13)
        assert all(x.rel_accuracy_bits() > 150 or x.rad() < 1e-45 for x in found.ravel())


@ALL
def test_balls_of_two_precisions_overlap(row):
    with precision(500):
        fine = value(row, Balls(PROBLEM))
        with precision(60):
            coarse = value(row, Balls(PROBLEM))
        assert all(a.overlaps(b) for a, b in zip(fine.ravel(), coarse.ravel(), strict=True))


@ALL
def test_midrad_encloses_the_balls(row):
    found = value(row, MidRadBackend(FLOATS))
    close(found.mid, expected(row), 1e-13)
    assert np.all(found.rad <= 1e-12 * (1 + np.abs(found.mid)))
    with precision(300):
        wanted = value(row, Balls(FLOATS))
        for mid, rad, ball in zip(found.mid.ravel(), found.rad.ravel(), wanted.ravel(), strict=True):
            assert abs(ball - arb(mid)) <= arb(rad), f"{ball} is not within {rad} of {mid}"


@ALL
def test_rationals(row):
    if not row.rational:
        with pytest.raises(NotExact):
            value(row, Rationals(PROBLEM))
        return
    found = value(row, Rationals(PROBLEM))
    with precision(300):
        close(np.vectorize(lambda x: float(as_ball(x).mid()))(found), expected(row), 1e-13)
        balls = value(row, Balls(PROBLEM))
        for ball, number in zip(balls.ravel(), found.ravel(), strict=True):
            assert ball.overlaps(as_ball(number)) if number.degree() > 0 else ball.contains(number[0])


@ALL
def test_finite_field(row):
    """At a point whose entries are the problem's, GF(p) has the residues of the rationals."""
    if not row.field:
        pytest.skip("free symbols stand for functions")
    point = FiniteField(PROBLEM, seed=0)
    for name, matrix in PROBLEM.values.items():
        point.atoms |= {("entry", name, where): point.number(Fraction(x)) for where, x in np.ndenumerate(matrix)}
    found = value(row, point)
    wanted = value(row, Rationals(PROBLEM))
    assert [int(x) for x in found.ravel()] == [int(point.number(exact(x))) for x in wanted.ravel()]


@ALL
def test_polynomials(row):
    """Evaluated at the problem's numbers, the expansion is the rational value."""
    if not row.field or "recip" in {node.op for node in row.formula.walk()}:
        pytest.skip("free symbols stand for functions")
    backend = Polynomials(PROBLEM, capacity=40)
    found = value(row, backend)
    point = [fmpq(0)] * backend.capacity
    for key, variable in backend.variables.items():
        number = Fraction(PROBLEM.values[key[1]][key[2]]) if key[0] == "entry" else Fraction(PROBLEM.sizes[key[1]])
        number = number if key[0] == "entry" or key[2] else 1 / number
        point[int(str(variable)[1:])] = fmpq(number.numerator, number.denominator)
    wanted = value(row, Rationals(PROBLEM))
    for polynomial, number in zip(found.ravel(), wanted.ravel(), strict=True):
        assert polynomial(*point) == number[0]


# -- batches -----------------------------------------------------------------------------------------------------------------
def stacked(problems):
    return replace(
        problems[0], values={name: np.stack([p.values[name] for p in problems]) for name in problems[0].values}
    )


BATCH = [without_units(table_problem(seed)) for seed in range(3)]


@ALL
def test_a_batch_of_midrad_is_its_members(row):
    found = value(row, MidRadBackend(stacked(BATCH)))
    for number, problem in enumerate(BATCH):
        alone = value(row, MidRadBackend(problem))
        mid, rad = (np.broadcast_to(x, (3, *alone.shape))[number] for x in (found.mid, found.rad))
        assert np.all(np.abs(mid - alone.mid) <= np.minimum(rad + alone.rad, 1e-13 * (1 + np.abs(mid))))


@ALL
def test_a_batch_of_torch_is_its_members(row):
    found = value(row, Torch64(stacked(BATCH)))
    for number, problem in enumerate(BATCH):
        alone = value(row, Torch64(problem)).numpy()
        close(np.broadcast_to(found.numpy(), (3, *alone.shape))[number], alone, 1e-14)


# -- derivatives, three ways ---------------------------------------------------------------------------------------------------
SMOOTH = [row for row in OPERATIONS if row.smooth and "X" in row.formula.symbols()]


def scalar_of(row):
    """<formula, T> for a fixed T: a 1 x 1 formula, with the symbols and values that it needs."""
    weight = symbol("T", *row.formula.shape)
    shape = value(row, Torch64(FLOATS)).shape
    moved = {"T": dyadic(tuple(shape), np.random.default_rng(7)), "V*": dyadic((3, 2), np.random.default_rng(8))}
    return inner(row.formula, weight), replace(FLOATS, values={**FLOATS.values, **moved})


def test_the_smooth_rows_cover_every_operation_that_has_a_derivative():
    constant = {"ones", "eye", "unit", "absolute", "grad", "jvp"}
    assert {row.op for row in SMOOTH} == set(interpreter.OPERATIONS) - constant


@pytest.mark.parametrize("row", SMOOTH, ids=str)
def test_dual_numbers_complex_step_and_autograd_agree(row):
    scalar, problem = scalar_of(row)
    along = jvp(scalar, X, free_direction(n, d))
    with precision(1200):
        dual = Interpreter(Balls(problem))(along, row.at)[0, 0]
        step = Interpreter(ComplexStep(problem))(along, row.at)[0, 0].real
        assert abs(dual - step) <= arb("1e-90") * (1 + abs(dual))
    point = torch.tensor(problem.values["X"], requires_grad=True)
    moved = replace(problem, values={**problem.values, "X": point})
    (gradient,) = torch.autograd.grad(Interpreter(Torch64(moved))(scalar, row.at).sum(), point)
    slope = float((gradient.numpy() * problem.values["V*"]).sum())
    assert abs(slope - float(dual.mid())) <= 1e-12 * (1 + abs(slope))


@pytest.mark.parametrize("row", SMOOTH, ids=str)
def test_the_whole_gradient_is_its_directional_derivatives(row):
    from almostlinear.theorems import grad

    scalar, problem = scalar_of(row)
    direction = free_direction(n, d)
    evaluate = Interpreter(Balls(problem))
    with precision(169):
        left = evaluate(inner(grad(scalar, X), direction), row.at)[0, 0]
        assert left.overlaps(evaluate(jvp(scalar, X, direction), row.at)[0, 0])


@pytest.mark.parametrize("backend", [lambda p: Balls(p), lambda p: FiniteField(p, 0)], ids=["ball", "gf(p)"])
def test_a_derivative_of_a_derivative_is_refused(backend):
    body = inner(jvp(exp(X), X, Y), Y)
    with pytest.raises(NotImplementedError, match="derivative of a derivative"):
        Interpreter(backend(FLOATS))(jvp(body, X, Y))


def test_constants_and_unknown_symbols():
    from almostlinear.verify.problems import BadProblem

    with pytest.raises(BadProblem, match="no value for S"):
        Interpreter(Balls(PROBLEM))(symbol("S", n, d))
    with pytest.raises(BadProblem, match="is 3 x 2, but its sizes say 2 x 2"):
        Interpreter(Balls(PROBLEM))(symbol("X", d, d))
    import sympy

    with pytest.raises(KeyError, match="no value for the constant 'sigma'"):
        Interpreter(Balls(PROBLEM))(X * sympy.Symbol("sigma"))
    with pytest.raises(NotExact, match="rational function"):
        Interpreter(Balls(PROBLEM))(X * sympy.sqrt(d))


def test_letters_of_one_name_and_two_sizes_are_told_apart():
    (token,), feature = tokens("a"), Index("a", d)
    evaluate = Interpreter(Torch64(PROBLEM))
    for a, b in ((1, 2), (2, 1), (2, 2)):
        found = evaluate(X[token, feature], {token: a, feature: b})
        assert float(found) == PROBLEM.values["X"][a - 1, b - 1]


# -- exact numbers -----------------------------------------------------------------------------------------------------------------
def test_balls_contain_rationals_exactly():
    """Random rational problems, with thirds and sevenths that no binary number is."""
    rng = np.random.default_rng(3)
    formula = recip(X * X * 2 + recip(Y * Y)) @ W @ W.T @ (X - Y).T * (1 / n)
    for bits in (20, 53, 169, 400):
        for _ in range(20):
            values = {
                name: np.array(
                    [[Fraction(int(a), int(b)) for a, b in row] for row in rng.integers(1, 100, (*shape, 2))]
                )
                for name, shape in (("X", (3, 2)), ("Y", (3, 2)), ("W", (2, 2)))
            }
            problem = Problem({"n": 3, "d": 2}, values)
            numbers = Interpreter(Rationals(problem))(formula)
            with precision(bits):
                balls = Interpreter(Balls(problem))(formula)
                assert all(b.contains(x[0]) for b, x in zip(balls.ravel(), numbers.ravel(), strict=True))
                assert all(b.rel_accuracy_bits() > bits - 20 for b in balls.ravel())


def test_powers_of_two_and_polynomials_in_ln_2():
    sizes = {"n": 1, "d": 1}
    values = {name: np.array([[x]], dtype=object) for name, x in (("X", 3), ("Y", -2))}
    problem = Problem(sizes, values, units={"X": "ln2"})
    evaluate = Interpreter(Rationals(problem))
    assert as_text(evaluate(exp(X))[0, 0]) == "8"
    assert as_text(evaluate(exp(-X) * Y + X * Y * (n / 4) - Y)[0, 0]) == "7/4 - 3/2 ln2"
    assert as_text(evaluate(X * X)[0, 0]) == "9 ln2^2"
    assert as_text(evaluate(absolute(X * Y))[0, 0]) == "6 ln2"
    for formula in (exp(Y), exp(X * X), exp(X * (n / 2)), recip(X), exp(X + Y)):
        with pytest.raises(NotExact):
            evaluate(formula)
    with pytest.raises(ZeroDivisionError):
        evaluate(recip(Y + Y.scaled(-1)))


def test_too_large_a_power_of_two_is_refused_at_once():
    problem = Problem({"n": 1, "d": 1}, {"X": np.array([[10**12]], dtype=object)}, units={"X": "ln2"})
    with pytest.raises((NotExact, OverflowError)):
        Interpreter(Rationals(problem))(exp(X))


def test_gf_has_one_free_symbol_for_each_argument():
    point = Interpreter(FiniteField(Problem({"n": 3, "d": 2}), seed=1))
    one = point(exp(X @ W @ X.T))
    assert [int(x) for x in one.ravel()] == [int(x) for x in point(exp(X @ W @ X.T).T.T).ravel()]
    again = point(exp((X @ W) @ X.T + X @ V @ X.T - X @ V @ X.T))
    assert [int(x) for x in one.ravel()] == [int(x) for x in again.ravel()], "equal values, equal exponentials"
    other = Interpreter(FiniteField(Problem({"n": 3, "d": 2}), seed=2))(exp(X @ W @ X.T))
    assert not {int(x) for x in one.ravel()} & {int(x) for x in other.ravel()}
    assert all(0 < int(x) < PRIME for x in one.ravel())


# -- midpoint-radius arithmetic ------------------------------------------------------------------------------------------------------
def held(found, exact_values):
    """How many of the exact values (balls) lie in the enclosures; infinite radii hold everything."""
    inside = 0
    for mid, rad, wanted in zip(found.mid.ravel(), found.rad.ravel(), exact_values, strict=True):
        inside += bool(np.isinf(rad)) or bool(abs(wanted - arb(float(mid))) <= arb(float(rad)))
    return inside


def points(count, seed=0):
    """Doubles from everywhere: ordinary, small, subnormal, large, and the neighbours of multiples of ln 2."""
    rng = np.random.default_rng(seed)
    multiples = rng.integers(-1000, 1000, count // 5) * np.log(2) / 2
    return np.concatenate([
        rng.uniform(-1, 1, count // 5),
        rng.uniform(-700, 700, count // 5),
        multiples + rng.integers(-3, 4, len(multiples)) * np.spacing(multiples),
        10.0 ** rng.uniform(-320, 0, count // 5) * rng.choice([-1, 1], count // 5),
        10.0 ** rng.uniform(0, 3, count // 5) * rng.choice([-1, 1], count // 5),
        [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 700.0, -700.0, 700.1, -745.2, 709.8, 1e4, -1e308],
    ])  # fmt: skip


def exp_held(count):
    x = points(count)
    with precision(200):
        return held(MidRad(x, np.zeros_like(x)).exp(), [arb(float(a)).exp() for a in x]), len(x)


def test_exp_encloses():
    inside, tried = exp_held(6000)
    assert inside == tried


def test_exp_is_accurate():
    x = np.concatenate([np.random.default_rng(1).uniform(-1, 1, 3000), [0.0, 1.0, -1.0, 1e-300]])
    found = MidRad(x, np.zeros_like(x)).exp()
    assert np.all(found.rad <= 100 * np.spacing(found.mid))
    assert np.all(np.abs(found.mid - np.exp(x)) <= 4 * np.spacing(found.mid))


def test_exp_of_a_sum_overlaps_the_product():
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-300, 300, (2, 3000))
    zero = np.zeros_like(a)
    left = MidRad(a, zero).exp() * MidRad(b, zero).exp()
    right = (MidRad(a, zero) + MidRad(b, zero)).exp()
    assert np.all(np.abs(left.mid - right.mid) <= left.rad + right.rad)


def test_exp_of_an_interval_holds_its_ends():
    rng = np.random.default_rng(4)
    x, wide = rng.uniform(-50, 50, 1000), 10.0 ** rng.uniform(-18, 0.3, 1000)
    found = MidRad(x, wide).exp()
    with precision(200):
        for sign in (-1, 1):
            assert (
                held(found, [(arb(float(a)) + sign * arb(float(w))).exp() for a, w in zip(x, wide, strict=True)])
                == 1000
            )


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("LN2_LOW", 0.0),
        ("LN2_LOW", midrad.LN2_LOW * (1 + 2.0**-20)),
        ("LN2_HIGH", midrad.LN2_HIGH * (1 + 2.0**-30)),
        ("factorial", lambda power: factorial(power) + (power == 9)),
    ],
)
def test_a_broken_exp_is_noticed(monkeypatch, name, broken):
    monkeypatch.setattr(midrad, name, broken)
    inside, tried = exp_held(1000)
    assert inside < tried


def test_ln_2_is_split_as_stated():
    with precision(300):
        rest = arb.const_log2() - arb(midrad.LN2_HIGH) - arb(midrad.LN2_LOW)
        assert abs(rest) < arb(midrad.LN2_REST)
    assert float(1000 * Fraction(midrad.LN2_HIGH)) == 1000 * Fraction(midrad.LN2_HIGH), "multiples of it are exact"


ARITHMETIC = {
    "+": (lambda a, b: a + b, lambda x, y: x + y),
    "*": (lambda a, b: a * b, lambda x, y: x * y),
    "1/": (lambda a, b: a.reciprocal(), lambda x, y: 1 / x),
}


@pytest.mark.parametrize("scale", [1, 150, 300], ids=lambda s: f"1e±{s}")
@pytest.mark.parametrize("operation", ARITHMETIC)
def test_arithmetic_encloses_at_every_magnitude(operation, scale):
    """Intervals of relative widths down to zero around numbers of magnitude 1e-scale .. 1e+scale; both ends are held."""
    rounded, in_balls = ARITHMETIC[operation]
    rng = np.random.default_rng(5)
    mids = rng.uniform(1, 2, (2, 2000)) * 10.0 ** rng.uniform(-scale, scale, (2, 2000)) * rng.choice([-1, 1], (2, 2000))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rads = np.abs(mids) * 10.0 ** rng.uniform(-20, -0.1, (2, 2000)) * rng.integers(0, 2, (2, 2000))
        found = rounded(*(MidRad(m, r) for m, r in zip(mids, rads, strict=True)))
    finite = np.isfinite(found.mid) & np.isfinite(found.rad)
    found = found[finite]
    mids, rads = mids[:, finite], rads[:, finite]
    assert np.count_nonzero(finite) > 1000
    with precision(300):
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            x, y = (
                [arb(float(m)) + s * arb(float(r)) for m, r in zip(m_, r_, strict=True)]
                for m_, r_, s in zip(mids, rads, signs, strict=True)
            )
            wanted = [in_balls(a, b) for a, b in zip(x, y, strict=True)]
            assert held(found, wanted) == len(wanted)


def test_a_product_of_matrices_encloses():
    rng = np.random.default_rng(6)
    left, right = rng.uniform(-1, 1, (40, 8, 30)), rng.uniform(-1, 1, (40, 30, 5))
    wide = 1e-9
    found = MidRad(left, np.full(left.shape, wide)) @ MidRad(right, np.full(right.shape, wide))
    moved = (
        left + wide * rng.choice([-1, 0, 1], left.shape) * 0.999,
        right + wide * rng.choice([-1, 0, 1], right.shape) * 0.999,
    )
    with precision(200):
        from flint import arb_mat

        for number in range(40):
            product = arb_mat(moved[0][number].tolist()) * arb_mat(moved[1][number].tolist())
            assert held(found[number], product.entries()) == 40


def test_reciprocals_near_zero_are_unbounded():
    found = MidRad([0.0, 1.0, -1.0, 1e-320], [0.0, 1.0, 2.0, 0.0]).reciprocal()
    assert np.all(np.isinf(found.rad))


def test_midrad_encloses_rationals_that_are_no_floats():
    """Fractions are rounded when loaded: either the radius covers it, or they are refused."""
    values = {"v": np.array([[Fraction(1, 3)], [Fraction(2, 7)], [Fraction(1, 2)]])}
    try:
        found = Interpreter(MidRadBackend(Problem({"n": 3, "d": 1}, values)))(v)
    except (TypeError, ValueError):
        return
    with precision(200):
        assert held(found, [arb(fmpq(x.numerator, x.denominator)) for x in values["v"].ravel()]) == 3


def test_units_are_for_exact_numbers():
    with pytest.raises(ValueError, match="unit"):
        Interpreter(MidRadBackend(PROBLEM))(symbol("U", n, d))


def test_identities_hold_in_balls_at_index_values():
    claim = Identity(X[i, k], X.row(i).T @ symbol("E", d, d).col(k))
    problem = replace(PROBLEM, values={**PROBLEM.values, "E": np.eye(2)})
    evaluate = Interpreter(Balls(problem))
    for a in range(1, 4):
        for b in range(1, 3):
            left, right = (evaluate(side, {i: a, k: b})[0, 0] for side in claim.formulas())
            assert left.contains(right)
