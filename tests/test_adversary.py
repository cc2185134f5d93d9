"""The adversary stack: its lowering agrees with balls, every stage adds power, it breaks false bounds and stores how close it came."""

import json
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

from almostlinear.theorems import (
    Bound,
    Identity,
    colnorm,
    d,
    exp,
    l1norm,
    load,
    maxnorm,
    n,
    ones,
    rownorm,
    symbol,
    taylor,
    top,
)
from almostlinear.verify import baseline, problems
from almostlinear.verify.adversary import maxima
from almostlinear.verify.adversary.confirm import completed, confirm, rounded_up
from almostlinear.verify.adversary.lowering import FUNCTIONS, Sides
from almostlinear.verify.adversary.search import Effort, drawn_points, hunt
from almostlinear.verify.adversary.space import Cell, names_of, space_of
from almostlinear.verify.adversary.stack import PLANS, attack, cells_of, simplified
from almostlinear.verify.backends.ball import Balls, precision
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.engines import adversary, enclosure, witness
from almostlinear.verify.engines.enclosure import closest
from almostlinear.verify.real_numbers import Answer, Evaluator
from almostlinear.verify.shrink import CLEAR, shrink
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import own

REGISTRY = load()
HASHES = REGISTRY.hashes()
X, Y, W, x = symbol("X", n, d), symbol("Y", n, d), symbol("W", d, d), symbol("x", n)
BOUNDS = [(s.id, c) for s in REGISTRY for c in s.claims if isinstance(c, Bound)]
SMALL = {"n": 3, "d": 2, "g": 3}
SHORT = Effort(drawn=2, walkers=4, moves=15, kicks=1, steps=20, powell=0, most=20_000)


def small_cell(claim, **changed):
    return Cell({**{name: SMALL.get(name, 2) for name in names_of(claim)}, **changed})


def name_of(pair):
    return f"{pair[0]}, {pair[1].part}, {pair[1].reading[:20]}"


# -- lowering ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pair", BOUNDS[:: max(1, len(BOUNDS) // 40)], ids=name_of)
def test_torch_and_balls_agree_on_both_sides(pair):
    claim = pair[1]
    space = space_of(claim, small_cell(claim))
    points = drawn_points(space, 1, 3, np.random.default_rng(0))[:6]
    left, right, missed = (part.numpy() for part in Sides(space).parts(torch.from_numpy(points)))
    compared = 0
    for k, point in enumerate(points):
        problem = completed(space, space.problem(point))
        if problem is None or claim.free:
            continue
        with precision(169):
            value = Evaluator(Interpreter(Balls(problem)))
            sides = [float(value(side).mid()) for side in (claim.left, claim.right)]
        if not np.all(np.isfinite(sides)) or missed[k] > 0:
            continue
        size = max(map(abs, sides))
        assert left[k] == pytest.approx(sides[0], rel=1e-6, abs=1e-9 * (1 + size))
        assert right[k] == pytest.approx(sides[1], rel=1e-6, abs=1e-9 * (1 + size))
        compared += 1
    assert compared or claim.free or claim.given


@pytest.mark.parametrize(
    "name", ["J", "T", "BesselTail", "Chebyshev", "Alternation", "Degree", "binomial", "factorial"]
)
def test_functions_of_one_variable_agree_with_balls(name):
    from flint import arb

    from almostlinear.verify.real_numbers import FUNCTIONS as RIGOROUS

    cases = {
        "J": (1.5, 3), "T": (-1.25, 4), "BesselTail": (1.5, 2), "Chebyshev": (0.5, 1.5, 3), "Alternation": (1.5, 3),
        "Degree": (1.5, 7.25), "binomial": (7, 3), "factorial": (5,),
    }  # fmt: skip
    arguments = cases[name]
    found = FUNCTIONS[name](*(torch.tensor(float(a), dtype=torch.float64) for a in arguments))
    with precision(169):
        assert float(found) == pytest.approx(float(RIGOROUS[name](*(arb(a) for a in arguments)).mid()), rel=1e-9)


def test_the_gradient_of_the_taylor_error_is_the_integrand():
    b = torch.tensor([0.7, 2.5], dtype=torch.float64, requires_grad=True)
    g = torch.tensor([2.0, 5.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda b: FUNCTIONS["J"](b, g), (b,))


def test_points_and_problems_are_each_other():
    claim = next(c for i, c in BOUNDS if i == "l1.2")
    space = space_of(claim, small_cell(claim))
    point = space.rounded(drawn_points(space, 1, 0, np.random.default_rng(0)))[3]
    again = space.point(space.problem(point))
    assert all(
        np.allclose(a, b)
        for a, b in zip(space.problem(point).values.values(), space.problem(again).values.values(), strict=True)
    )


# -- power -----------------------------------------------------------------------------------------------------------------
def test_greedy_moves_reach_more_than_the_families():
    claim = next(c for i, c in BOUNDS if i == "l1.3" and c.part == "dL/dW_V")
    found = hunt(Sides(space_of(claim, Cell({"n": 4, "d": 3}))), SHORT, 0).reached
    assert found["families"] < 0.6 < 0.95 < found["greedy"]


def test_the_gradient_reaches_more_than_greedy_moves():
    claim = next(c for i, c in BOUNDS if i == "max.3" and c.part == "dL/dW")
    found = hunt(Sides(space_of(claim, Cell({"n": 4, "d": 3}))), Effort(drawn=4, walkers=8, kicks=0), 0).reached
    assert found["greedy"] < found["gradient"]


FALSE = {
    "one constant halved": Bound(maxnorm(X @ W), d * maxnorm(X) * maxnorm(W) / 2),
    "rows for columns": Bound(colnorm(X), rownorm(X)),
    "a factor n lost": Bound(l1norm(X), d * maxnorm(X)),
    "only for large entries": Bound(maxnorm(exp(x)), 20 + 3 * maxnorm(x)),
    "only at one sign pattern": Bound(l1norm(X.T @ Y), sympy.Rational(99, 100) * n * d**2 * maxnorm(X) * maxnorm(Y)),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_bound_is_broken_and_its_witness_is_small(name):
    claim = FALSE[name]
    found = attack(claim, PLANS["quick"], 0)
    assert found.violation is not None
    assert closest(claim, found.violation)[0] is Answer.NO
    record = witness.of_violation(Task(own(name, claim), claim, "", PROFILES["quick"], 0), found.violation)
    assert record is not None and record.strength == "refuted"
    small = problems.from_json(record.witness)
    assert max(small.sizes.values()) <= 4
    assert all(Fraction(v).denominator <= 8 for m in small.values.values() for v in m.ravel())


TRUE = {
    "inner size": Bound(maxnorm(X @ W), d * maxnorm(X) * maxnorm(W)),
    "columns": Bound(colnorm(X), n * maxnorm(X)),
    "a square": Bound(top(x), (1 + maxnorm(x) ** 2) / 2 + maxnorm(x)),
    "noise at small entries": Bound(maxnorm(taylor(x, 8) * exp(-x) - ones(n)), sympy.exp(maxnorm(x)) * maxnorm(x) ** 9),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_bound_is_not(name):
    found = attack(TRUE[name], PLANS["quick"], 0)
    assert found.violation is None and 0 < found.ratio <= 1


# -- tightness -------------------------------------------------------------------------------------------------------------
ONE_LAYER = [(i, c) for i, c in BOUNDS if i.startswith(("max.", "l1."))]
HALF = Fraction(1, 2) - Fraction(1, 10**6)
"""Rows of P under a kernel error, and dL/dW with them: half of the bound is their supremum, approached as entries become exact."""


@pytest.mark.parametrize("pair", ONE_LAYER, ids=name_of)
def test_every_bound_of_one_layer_comes_within_a_factor_two(pair):
    found = maxima.stored(pair[0], pair[1])
    assert found is not None
    answer, ratio = closest(pair[1], found)
    assert answer is not Answer.NO and ratio >= HALF


@pytest.mark.parametrize("name", ["5.1r", "Alg.1r"])
def test_the_gradient_end_to_end_comes_close(name):
    claim = next(c for i, c in BOUNDS if i == name and (name == "5.1r" or c.part == "dL/dX"))
    found = attack(claim, PLANS["quick"], 0)
    assert found.found >= 0.05


# -- witnesses -------------------------------------------------------------------------------------------------------------
KNOWN = baseline.load()
REFUTED = [
    (s.id, c) for s in REGISTRY for c in s.claims
    if isinstance(c, (Bound, Identity)) and KNOWN.get(s.id, {}).get("claims", {}).get(f"{c.part} | {c.reading}") == "refuted"
]  # fmt: skip


@pytest.mark.parametrize("pair", REFUTED, ids=name_of)
def test_every_witness_is_checked_by_hand_and_no_near_miss(pair, monkeypatch):
    """At most 4 x 4, integers (times ln 2 for W), both sides apart by an eighth, within a second of shrinking."""
    spent = []

    def timed(*arguments):
        begun = time.process_time()
        found = shrink(*arguments)
        spent.append(time.process_time() - begun)
        return found

    monkeypatch.setattr(witness, "shrink", timed)
    name, claim = pair
    record = witness.examine(Task(REGISTRY[name], claim, HASHES[name], PROFILES["quick"], 0))
    problem = problems.from_json(record.witness)
    assert max(problem.sizes.values()) <= 4 and set(problem.units) <= {"W"}
    assert all(Fraction(v).denominator == 1 and abs(v) <= 4 for m in problem.values.values() for v in m.ravel())
    assert sum(spent) <= 1
    assert witness.violation(claim, problem).margin >= CLEAR


def test_shrinking_keeps_the_margin():
    """X = [[1, e]] with e small violates |X|_1 <= |X| by little: what is shrunk from a clear case stays clear."""
    claim = Bound(l1norm(X), maxnorm(X))
    clear = problems.Problem({"n": 2, "d": 2}, {"X": np.array([[0.7, -0.6], [0.5, 0.9]])})
    small = shrink(clear, [X], lambda p: found.margin if (found := witness.violation(claim, p)) else None)
    assert witness.violation(claim, small).margin >= CLEAR
    near = problems.Problem({"n": 2, "d": 2}, {"X": np.array([[1, 2.0**-20], [0, 0]])})
    before = witness.violation(claim, near).margin
    small = shrink(near, [X], lambda p: found.margin if (found := witness.violation(claim, p)) else None)
    assert before < CLEAR and witness.violation(claim, small).margin >= before


# -- evidence --------------------------------------------------------------------------------------------------------------
def task_of(name, part, profile="quick", seed=0):
    made = REGISTRY[name]
    return Task(made, next(c for c in made.claims if c.part == part), HASHES[name], PROFILES[profile], seed)


def test_evidence_has_the_closest_call_with_its_numbers():
    record = adversary.examine(task_of("l1.2", "2 error"))
    assert (record.strength, record.basis) == ("searched", "ball")
    problem = problems.from_json(json.loads(json.dumps(record.detail["maximum"])))
    answer, ratio = closest(task_of("l1.2", "2 error").claim, problem)
    assert answer is not Answer.NO and ratio == record.detail["tightness"]["best"]
    assert record.detail["points"]["rows"] and record.detail["stages"]


def test_the_same_seed_gives_the_same_record():
    first, second = (adversary.examine(task_of("max.3", "dL/dW")) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.to_json() != adversary.examine(task_of("max.3", "dL/dW", seed=1)).to_json()


def test_a_violation_is_raised_for_the_campaign():
    task = task_of("F.5", "gradient")
    false = next(c for c in REGISTRY["F.5"].claims if c.part == "gradient" and "C.3" in c.reading)
    with pytest.raises(enclosure.Violated):
        adversary.examine(replace(task, claim=false))


def test_cells_differ_and_stay_small():
    claim = next(c for i, c in BOUNDS if i == "5.1r")
    found = list(cells_of(claim, 12))
    assert len({str(cell) for cell in found}) == len(found) == 12
    for axis in ("n", "d", "g"):
        assert len({cell.sizes[axis] for cell in found}) >= 3
    assert {cell.full for cell in found} == {True, False} and len({cell.bound for cell in found}) == 3


# -- starts ----------------------------------------------------------------------------------------------------------------
def test_a_search_goes_on_from_a_stored_maximum():
    """With no effort of its own it keeps what was found once."""
    claim = next(c for i, c in BOUNDS if i == "max.3" and c.part == "dL/dW")
    stored = maxima.stored("max.3", claim)
    idle = replace(
        PLANS["quick"], cells=1, effort=Effort(drawn=1, walkers=1, moves=0, kicks=0, steps=0, powell=0), known=None
    )
    with_start, without = attack(claim, idle, 0, stored), attack(claim, idle, 0)
    assert with_start.ratio >= 0.98 > without.ratio


def test_constants_that_a_hypothesis_bounds_from_below_are_taken_least():
    claim = next(c for i, c in BOUNDS if i == "5.1r")
    space = space_of(claim, Cell({"n": 2, "d": 2, "g": 2}))
    assert list(space.least) == ["eps"]
    points = drawn_points(space, 1, 0, np.random.default_rng(0))
    found = next(made for point in points if (made := confirm(space, space.problem(point))) is not None)
    tighter = replace(
        found.problem,
        constants={**found.problem.constants, "eps": found.problem.constants["eps"] * Fraction(999, 1000)},
    )
    assert closest(claim, tighter)[0] is None, "a smaller constant is outside the hypotheses"


@pytest.mark.parametrize("text", ["1/3", "0.1", "123456789.123", "1e-40", "7"])
def test_rounding_up_is_up(text):
    from flint import arb

    with precision(169):
        value = arb(text) if "/" not in text else arb(1) / 3
        found = rounded_up(value)
        assert Fraction(0) < found and not value.lower() > arb(found.numerator) / found.denominator
        assert float(found) == pytest.approx(float(value.mid()), rel=1e-9)


def test_simple_numbers_keep_the_ratio():
    claim = next(c for i, c in BOUNDS if i == "max.3" and c.part == "dL/dW")
    found = attack(claim, PLANS["quick"], 0).best
    small = simplified(claim, found)
    assert small.ratio >= found.ratio * (1 - 1e-5)
    assert max(Fraction(v).denominator for v in small.problem.values["X"].ravel()) <= 2**16


# -- regressions -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def file(tmp_path):
    path = tmp_path / "maxima.json"
    record = adversary.examine(task_of("max.1", "K"))
    assert maxima.write([record], path) == 1
    mark = maxima.load(path)["max.1 | K | as printed"].mark
    return path, replace(record, detail={**record.detail, "compared with": mark})


def test_what_is_as_it_was_is_no_complaint(file):
    path, record = file
    assert (
        maxima.complaints(
            [replace(record, detail={**record.detail, "at the stored maximum": record.detail["tightness"]["best"]})],
            path,
        )
        == []
    )


def test_a_looser_bound_is_a_complaint(file):
    path, record = file
    claim = task_of("max.1", "K").claim
    looser = replace(claim, right=claim.right * sympy.Rational(1001, 1000))
    stored = maxima.load(path)["max.1 | K | as printed"].problem
    again = closest(looser, stored)[1]
    found = maxima.complaints([replace(record, detail={**record.detail, "at the stored maximum": again})], path)
    assert len(found) == 1 and "became looser" in found[0] and "0.999" in found[0]


def test_a_record_that_was_compared_with_another_row_is_no_complaint(file):
    path, record = file
    detail = {**record.detail, "at the stored maximum": None}
    mark = maxima.load(path)["max.1 | K | as printed"].mark
    for other, count in ((mark, 1), ("of an older file", 0), (None, 0)):
        assert len(maxima.complaints([replace(record, detail={**detail, "compared with": other})], path)) == count


def test_a_weaker_adversary_is_a_complaint(file, monkeypatch):
    path, record = file
    weak = {**record.detail, "at the stored maximum": record.detail["tightness"]["best"], "found": 0.7}
    found = maxima.complaints([replace(record, detail=weak)], path)
    assert len(found) == 1 and "adversary became weaker" in found[0]


def test_a_maximum_outside_changed_hypotheses_is_a_complaint(file):
    path, record = file
    found = maxima.complaints([replace(record, detail={**record.detail, "at the stored maximum": None})], path)
    assert "outside the hypotheses" in found[0]


@pytest.mark.parametrize("text", ["", "[]", '{"maxima": 3}', '{"maxima": {"a": {"found": 1}}}'])
def test_what_is_no_file_of_maxima_says_so(tmp_path, text):
    path = tmp_path / "maxima.json"
    path.write_text(text)
    with pytest.raises(maxima.MaximaError, match="update-baseline"):
        maxima.load(path)


def test_the_stored_file_covers_the_bounds_that_have_a_ratio():
    """All but refuted ones and those with a right side of zero."""
    known = maxima.load()
    lacking = [name_of((i, c)) for i, c in BOUNDS if maxima.key_of(i, c.part, c.reading) not in known]
    assert len(lacking) <= 16, lacking


def test_a_stored_maximum_of_other_matrices_is_left_out():
    made = REGISTRY["l1.2"]
    claim = next(c for c in made.claims if c.part == "2 error")
    assert maxima.stored("l1.2", claim) is not None
    renamed = replace(claim, left=maxnorm(symbol("another", n, d)))
    assert maxima.stored("l1.2", renamed) is None
