"""Solvers in a process of their own: models are evaluated again, `unsat` is a word, and a time-out is open."""

from __future__ import annotations

import os
import time
from fractions import Fraction

import pytest

from almostlinear.verify import checker, smt
from almostlinear.verify.certificates import write
from almostlinear.verify.evidence import Evidence, Overclaim

XY = (("x", "nonnegative"), ("y", "nonnegative"))
REAL = (("r", "real"),)
both = pytest.mark.parametrize("name", smt.SOLVERS)
HARD = smt.Query(
    tuple((f"x{k}", "real") for k in range(9)),
    tuple(f"x{k}**7 + x{(k + 1) % 9}**5*x{(k + 4) % 9} - 3*x{(k + 2) % 9}*x{(k + 5) % 9} == {k + 2}" for k in range(9)),
)
"""Far beyond the budgets used here."""


@both
def test_a_model_is_found_and_meets_the_assertions(name):
    query = smt.Query((("n", "size"), *XY), ("n*x <= y", "y <= 7", "2 < x*x", "n == 2"), (("n", 2),))
    with smt.Solver(name) as solver:
        answer = solver.ask(query)
    assert answer.answer == "sat" and answer.model["n"] == "2"
    assert smt.meets(query, {k: Fraction(v) for k, v in answer.model.items()})


@both
@pytest.mark.parametrize("assertions", [("x*y <= 1", "2 <= x", "1 <= y"), ("x < 0",), ("x + y < 2*x", "x <= y")])
def test_what_cannot_be_met_is_unsat(name, assertions):
    with smt.Solver(name) as solver:
        assert solver.ask(smt.Query(XY, assertions)).answer == "unsat"


@both
def test_sizes_are_at_least_one(name):
    with smt.Solver(name) as solver:
        assert solver.ask(smt.Query((("n", "size"),), ("2*n < 2",))).answer == "unsat"
        assert solver.ask(smt.Query((("n", "nonnegative"),), ("2*n < 2",))).answer == "sat"


@both
def test_an_algebraic_model_is_rounded_and_evaluated_again(name):
    """The cube root of 2 is no rational, but some rational near it meets strict inequalities; the equation none."""
    with smt.Solver(name) as solver:
        near = solver.ask(smt.Query(REAL, ("2 <= r**3", "1000000*r**3 < 2000001")))
        exact = solver.ask(smt.Query(REAL, ("r**3 == 2",)))
    assert near.answer == "sat" and 2 <= Fraction(near.model["r"]) ** 3 < Fraction(2000001, 1000000)
    assert exact.answer == "unknown" and "rounded" in exact.note


def test_a_wrong_model_does_not_count(monkeypatch):
    monkeypatch.setattr(smt.Solver, "send", lambda self, request: {"answer": "sat", "model": {"x": "3", "y": "1"}})
    answer = smt.Solver("z3").ask(smt.Query(XY, ("x <= y",)))
    assert answer.answer == "unknown" and not answer.model


# -- budgets -----------------------------------------------------------------------------------------------------------
def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@both
def test_a_time_out_kills_the_process_and_leaves_the_question_open(name):
    with smt.Solver(name, rlimit=2**31 - 1, seconds=1.5) as solver:
        pid = solver._started().pid
        begun = time.monotonic()
        answer = solver.ask(HARD)
        assert time.monotonic() - begun < 10
        assert answer.answer == "unknown" and "no answer within" in answer.note
        assert not is_running(pid)
        solver.seconds = 10.0
        assert solver.ask(smt.Query(XY, ("x < 0",))).answer == "unsat"  # a new process serves the next question


@both
def test_the_budget_is_a_count_and_not_a_clock(name):
    with smt.Solver(name, rlimit=2000, seconds=60) as solver:
        assert solver.ask(HARD).answer == "unknown"


def test_a_closed_solver_has_no_process():
    solver = smt.Solver("z3")
    pid = solver._started().pid
    solver.close()
    assert not is_running(pid)


def test_an_unknown_solver_is_refused():
    with pytest.raises(ValueError, match="unknown solver"):
        smt.Solver("yices")


@both
def test_a_text_that_cannot_be_read_is_unknown(name):
    with smt.Solver(name) as solver:
        found = solver.send({"solver": name, "text": "(assert (< x 1))", "rlimit": 1000})
    assert found is not None and found["answer"] == "unknown" and found["note"]


# -- texts and certificates --------------------------------------------------------------------------------------------
def test_smtlib_text():
    query = smt.Query((("n", "size"), ("x", "nonnegative"), ("r", "real")), ("n*x**2 - 3/2 <= -r",), (("n", 4),))
    assert smt.smtlib(query).splitlines() == [
        "(set-logic QF_NRA)",
        "(declare-const x Real)",
        "(declare-const r Real)",
        "(assert (>= x 0.0))",
        "(assert (<= (- (* 4.0 (* 1.0 x x)) (/ 3.0 2.0)) (- r)))",
    ]
    with pytest.raises(ValueError):
        smt.smtlib(smt.Query(XY, ("x % y <= 1",)))


@both
def test_answers_as_certificates(name):
    queries = {"met": smt.Query(XY, ("x <= y", "1 <= x")), "not met": smt.Query(XY, ("x < 0",))}
    with smt.Solver(name) as solver:
        made = [smt.certificate(query, solver.ask(query), step) for step, query in queries.items()]
    assert checker.check(write.document("answers", made)) == {"smt": 1, "unchecked": 1}
    made[0]["model"]["x"] = "1/2"
    with pytest.raises(checker.Rejected, match="step met: the model does not meet"):
        checker.check(write.document("answers", made))


def test_a_word_is_no_proof():
    fields = {"statement": "a", "part": "1", "reading": "", "engine": "steps", "hash": "", "code": "", "tried": 1}
    Evidence(strength="enclosed", basis="smt-unchecked", **fields)
    with pytest.raises(Overclaim, match="admits at most"):
        Evidence(strength="proved", basis="smt-unchecked", **fields)


# -- linear programs ---------------------------------------------------------------------------------------------------
def test_a_linear_program_is_solved_exactly():
    rows = [([(0, 3), (1, Fraction(1, 7))], 1), ([(0, 1), (2, -1)], Fraction(1, 9))]
    found = smt.linear_program(3, rows)
    assert found is not None and all(w > 0 for w in found.values())
    assert all(sum(c * found.get(j, 0) for j, c in row) == b for row, b in rows)


def test_an_infeasible_linear_program_has_no_solution():
    assert smt.linear_program(2, [([(0, 1), (1, 1)], -1)]) is None
    assert smt.linear_program(1, [([(0, 1)], 1), ([(0, 1)], 2)]) is None


def test_a_wrong_solution_does_not_count(monkeypatch):
    monkeypatch.setattr(smt.Solver, "send", lambda self, request: {"answer": "sat", "model": {"w0": "2"}})
    assert smt.linear_program(1, [([(0, 1)], 1)]) is None
    monkeypatch.setattr(smt.Solver, "send", lambda self, request: {"answer": "sat", "model": {"w0": "-1"}})
    assert smt.linear_program(1, [([(0, 1)], -1)]) is None
