"""Guards against verdicts that say nothing: for each a case that trips it, and one that passes.

| guard | where |
|---|---|
| hypotheses that nothing meets, or next to nothing | `guards.objections`, `guards.thin` |
| degenerate draws | `enclosure.examine`, and here a count over all bounds |
| NaN and infinity | `real_numbers.at_most`, `enclosure.residual`, `bulk`, `adversary.lowering` |
| the claim among its hypotheses | `guards.objections`; in certificates `checker` |
| an infinite bound | `guards.objections` |
| precision | `enclosure.compared` |
| shared code of oracle and implementation | the imports, here and in test_architecture |
| a solver's unknown | `certificates.collect.confirmed`, `smt` |
| a tolerance without a certificate | the sources, here |
| evidence for another version of the formula | `status.is_fresh` |
"""

import ast
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch
from flint import arb
from sympy import Le

from almostlinear.theorems import Bound, Identity, d, exp, l1norm, load, maxnorm, n, recip, symbol
from almostlinear.verify import code_hash, guards, smt
from almostlinear.verify.adversary.lowering import Sides
from almostlinear.verify.adversary.space import Cell, space_of
from almostlinear.verify.backends.ball import DEFAULT_BITS
from almostlinear.verify.campaign import examine
from almostlinear.verify.certificates import collect
from almostlinear.verify.engines import bulk, enclosure
from almostlinear.verify.engines.enclosure import compared, is_degenerate, is_fine
from almostlinear.verify.instances import instances
from almostlinear.verify.problems import Problem
from almostlinear.verify.real_numbers import Answer, at_most, integer_power
from almostlinear.verify.status import is_fresh
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import own

X, Y, W, x = symbol("X", n, d), symbol("Y", n, d), symbol("W", d, d), symbol("x", n)
SIZE = maxnorm(X)
TRUE = Bound(maxnorm(X @ W), d * SIZE * maxnorm(W))
BOUNDS = [(s.id, c) for s in load() for c in s.claims if isinstance(c, Bound)]


def task_of(claim):
    return Task(own("guarded", claim), claim, "0", PROFILES["quick"], 0)


# -- empty claims ----------------------------------------------------------------------------------------------------------
EMPTY = {
    "hypotheses that contradict each other": (Bound(SIZE, 1, given=(maxnorm(Y) >= SIZE, Le(maxnorm(Y) + 1, SIZE))), "no instance meets"),
    "a hypothesis that nothing meets": (Bound(SIZE, 1, given=(Le(1 + l1norm(X), SIZE),)), "no instance meets"),
    "the claim among its hypotheses": (Bound(SIZE, maxnorm(Y), given=(maxnorm(Y) >= SIZE,)), "among its own"),
    "the claim in another form": (Bound(SIZE, maxnorm(Y), given=(Le(2 * SIZE - maxnorm(Y), maxnorm(Y)),)), "among its own"),
    "an infinite right side": (Bound(SIZE, sympy.oo), "infinite"),
    "no number on the right": (Bound(SIZE, sympy.nan), "infinite"),
    "an infinite hypothesis": (Bound(SIZE, maxnorm(Y), given=(Le(SIZE, sympy.oo * (1 + maxnorm(Y)), evaluate=False),)), "infinite"),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_claim_is_objected_to(name):
    claim, says = EMPTY[name]
    assert any(says in text for text in guards.objections(claim))


FIT = {
    "no hypotheses": TRUE,
    "met by some": Bound(maxnorm(X * X), SIZE, given=(SIZE <= 1,)),
    "met by few, found by search": Bound(maxnorm(X + Y * 2), 3 * SIZE, given=(Le(l1norm(X - Y * 2), SIZE / 10**6),)),
    "a weaker hypothesis": Bound(SIZE, 2 * maxnorm(Y), given=(maxnorm(Y) >= SIZE,)),
}


@pytest.mark.parametrize("name", FIT)
def test_a_fit_claim_is_not(name):
    assert guards.objections(FIT[name]) == []


def test_no_statement_of_the_theory_is_empty():
    assert not [(i, c.part, text) for i, c in BOUNDS for text in guards.objections(c)]


def test_next_to_no_instances_within_the_hypotheses_is_said():
    claim = FIT["met by few, found by search"]
    assert (
        "drawn past them" in guards.thin(claim)
        and guards.thin(FIT["met by some"]) is None
        and guards.thin(TRUE) is None
    )


def test_what_no_instance_decides_is_not_enclosed():
    assert enclosure.examine(task_of(EMPTY["a hypothesis that nothing meets"][0])) is None


# -- degenerate draws --------------------------------------------------------------------------------------------------------
DEGENERATE = [
    Problem({"n": 1, "d": 3}, {"X": np.ones((1, 3))}),
    Problem({"n": 3, "d": 1}, {"X": np.ones((3, 1))}),
    Problem({"n": 3, "d": 2}, {"X": np.ones((3, 2)), "G": np.zeros((3, 2))}),
]


@pytest.mark.parametrize("problem", DEGENERATE, ids=["one token", "one feature", "no gradient"])
def test_degenerate_problems_are_known(problem):
    assert is_degenerate(problem)
    assert not is_degenerate(Problem({"n": 2, "d": 2}, {"X": np.eye(2)}))


def test_fewer_than_half_of_the_draws_are_degenerate():
    shares = []
    for name, claim in BOUNDS:
        drawn = [problem for _, problem in instances(claim, 4, 0)]
        if {"n", "d"} <= set(drawn[0].sizes):
            shares.append((sum(map(is_degenerate, drawn)) / len(drawn), name))
    assert max(shares)[0] < 0.5, max(shares)


def test_degenerate_instances_alone_enclose_nothing(monkeypatch):
    assert enclosure.examine(task_of(TRUE)) is not None
    monkeypatch.setattr("almostlinear.verify.instances._size", lambda name, rng: 1)
    assert enclosure.examine(task_of(TRUE)) is None


# -- NaN and infinity ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("left", "right"), [("nan", "1"), ("1", "nan"), ("1", "inf"), ("inf", "inf"), ("-inf", "1")])
def test_no_number_decides_nothing(left, right):
    assert at_most(arb(left), arb(right)) is Answer.UNKNOWN


@pytest.mark.parametrize(("exponent", "wanted"), [(0, 1), (1, 0), (2, 0), (3, 0), (8, 0)])
def test_powers_of_what_may_be_zero_are_numbers(exponent, wanted):
    """flint's own power of such a ball is none, and would leave every comparison with it open."""
    assert not (arb(0, 1e-20) ** 2).is_finite()
    found = integer_power(arb(0, 1e-20), exponent)
    assert found.is_finite() and found.contains(wanted)
    assert integer_power(arb(2), -3) == arb("0.125") and integer_power(arb(-2), 5) == -32


def test_a_pole_is_undecided_in_balls_and_worthless_to_the_search():
    claim = Bound(maxnorm(recip(X - X)), 1)
    problem = Problem({"n": 2, "d": 2}, {"X": np.eye(2)})
    assert compared(claim, problem, {})[0] is Answer.UNKNOWN
    space = space_of(claim, Cell({"n": 2, "d": 2}))
    assert np.all(Sides(space)(np.ones((3, space.dimension))) == -np.inf)


def test_an_overflow_is_worthless_to_the_search():
    huge = exp(X * 10**4)
    claim = Bound(maxnorm(huge), maxnorm(huge) / 2)
    space = space_of(claim, Cell({"n": 2, "d": 2}))
    point = np.ones((1, space.dimension))
    assert not torch.isfinite(Sides(space).parts(torch.from_numpy(point))[0]).all()
    assert Sides(space)(point)[0] == -np.inf


def test_an_identity_with_no_numbers_is_not_enclosed():
    pole = recip(X - X)
    assert enclosure.examine(task_of(Identity(pole, pole))) is None
    assert bulk.examine(task_of(Identity(pole, pole))) is None


# -- precision ---------------------------------------------------------------------------------------------------------------
def test_precision_is_doubled_until_radii_are_small_beside_the_margin(monkeypatch):
    """1/3 against 1/3 + 2^-160: decided at 169 bits, but within 10^-3 of the radii; the next precision is clear of them."""
    used = []
    before = enclosure.precision
    monkeypatch.setattr(enclosure, "precision", lambda bits: used.append(bits) or before(bits))
    third = exp(x) * recip(exp(x) * 3)
    near = Bound(maxnorm(third), sympy.Rational(1, 3) + sympy.Rational(1, 2**155))
    problem = Problem({"n": 1}, {"x": np.array([[0.7]])})
    answer, left, right = compared(near, problem, {})
    assert answer is Answer.YES and is_fine(left, right)
    assert max(used) > DEFAULT_BITS
    used.clear()
    assert compared(Bound(maxnorm(third), 1), problem, {})[0] is Answer.YES and max(used) == DEFAULT_BITS


def test_wide_balls_are_not_fine():
    assert not is_fine(arb(1, 1e-3), arb(2)) and is_fine(arb(1, 1e-8), arb(2))


# -- shared code -------------------------------------------------------------------------------------------------------------
ORACLES = ("backends.ball", "backends.rational", "backends.mp", "backends.torch64", "real_numbers", "engines.enclosure",
           "engines.adversary", "engines.witness", "confidence", "counting", "guards")  # fmt: skip


def shares_code(module):
    """Modules that this one reaches and that import the implementation, inside functions too."""
    found = []
    for name in code_hash.reached(module):
        package = name if code_hash._file(name).name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(code_hash._file(name).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                start = ".".join([*base, *([node.module] if node.module else [])])
                names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
            if any(x == "almostlinear.impl" or x.startswith("almostlinear.impl.") for x in names):
                found.append(name)
    return found


@pytest.mark.parametrize("name", ORACLES)
def test_no_oracle_reaches_the_implementation(name):
    assert shares_code(f"almostlinear.verify.{name}") == []


def test_one_that_did_would_be_seen():
    """The engine that judges impl runs it, and is seen to."""
    assert shares_code("almostlinear.verify.engines.implementation")


# -- solvers -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("answer", "counts"), [("unsat", True), ("unknown", False), ("sat", False)])
def test_only_unsat_counts(monkeypatch, answer, counts):
    made = next(
        argument
        for name, claim in BOUNDS
        for argument, _ in collect.arguments(
            load()[name], claim, tuple(load()[u] for u in load()[name].uses if u in load())
        )
        if argument.steps
    )
    monkeypatch.setattr(collect, "search", lambda step: None)
    monkeypatch.setattr(collect, "refuted", lambda step: False)
    monkeypatch.setattr(smt.Solver, "ask", lambda self, query: smt.Answer(answer, "z3"))
    assert (collect.confirmed(made) is not None) is counts


# -- tolerances ----------------------------------------------------------------------------------------------------------------
FORBIDDEN = {"isclose", "allclose", "assert_allclose", "assert_close", "approx"}
ROOT = Path(code_hash.__file__).resolve().parent
TESTS = ("test_", "conftest")


def loose(source):
    """Calls in a source that compare up to a tolerance of somebody's choice."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            module = owner.id if isinstance(owner, ast.Name) else ""
            if called in FORBIDDEN and (called != "approx" or module == "pytest"):
                found.append(called)
            found += [k.arg for k in node.keywords if k.arg in ("rtol", "atol")]
    return found


def test_nothing_that_judges_compares_up_to_a_chosen_tolerance():
    files = [path for path in ROOT.rglob("*.py") if not path.name.startswith(TESTS)]
    assert len(files) > 60
    assert not {
        str(path.relative_to(ROOT)): found for path in files if (found := loose(path.read_text(encoding="utf-8")))
    }


@pytest.mark.parametrize(
    "source",
    ["np.allclose(a, b)", "torch.isclose(a, b)", "pytest.approx(1)", "check(a, b, rtol=1e-3)", "isclose(a, b)"],
)
def test_a_tolerance_would_be_seen(source):
    assert loose(source)


# -- versions --------------------------------------------------------------------------------------------------------------------
def test_evidence_for_another_version_does_not_count():
    registry = load()
    made = registry["max.1"]
    hashes = registry.hashes()
    record = enclosure.examine(Task(made, made.claims[-1], hashes["max.1"], PROFILES["quick"], 0))
    assert is_fresh(record, hashes)
    assert not is_fresh(record, {**hashes, "max.1": "0" * 16})
    assert not is_fresh(
        Task(made, made.claims[-1], hashes["max.1"], PROFILES["quick"], 0)
        .found("enclosure", "stated", "ball")
        .__class__(**{**record.to_json(), "code": "0" * 16, "relies_on": ()}),
        hashes,
    )


# -- in a campaign -----------------------------------------------------------------------------------------------------------------
def test_a_true_bound_is_proved_and_enclosed():
    """What the guards let through still gets its verdict."""
    strengths = {record.strength for record in examine(task_of(TRUE))}
    assert {"proved", "enclosed"} <= strengths
