"""Solvers as a second opinion: z3 (qfnra-nlsat) and cvc5, in a process that can be killed, with a budget.

A query is a list of inequalities between polynomials. A model is evaluated again, exactly, before it counts; an algebraic number is
rounded first. A bare ``unsat`` cannot be checked again: its basis is "smt-unchecked". An answer that does not come in time, or that the
budget (``rlimit``, deterministic) cuts off, is "unknown": the step stays open.

This file is also the program of that process: it reads one JSON request a line and writes one answer a line.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import json
import resource
import selectors
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

SOLVERS = ("z3", "cvc5")
RLIMIT = 2_000_000
SECONDS = 10.0
MEMORY = 4 << 30
"""Bytes of address space of the process."""
DIGITS = 12
"""Decimal digits of the enclosure that an algebraic number of a model is rounded to."""


@dataclass(frozen=True)
class Query:
    """Whether reals in given domains can meet all assertions "left <= right", "left < right" or "left == right".

    Sizes have domain "size": they are reals >= 1 here. ``fixed`` values are put in their place first.
    """

    variables: tuple[tuple[str, str], ...]
    assertions: tuple[str, ...]
    fixed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a solver said: "sat" with a model that was checked, "unsat" or "unknown"."""

    answer: str
    solver: str
    model: dict[str, str] = field(default_factory=dict)
    note: str = ""


# -- SMT-LIB -----------------------------------------------------------------------------------------------------------
def smtlib(query: Query) -> str:
    """The query in SMT-LIB 2.

    Raises:
        ValueError: if an assertion is no relation between polynomials.
    """
    fixed = dict(query.fixed)
    names = [name for name, _ in query.variables if name not in fixed]
    lines = ["(set-logic QF_NRA)", *(f"(declare-const {name} Real)" for name in names)]
    lower = {"size": 1, "nonnegative": 0}
    domains = [(name, lower[domain]) for name, domain in query.variables if name in names and domain in lower]
    lines += [f"(assert (>= {name} {least}.0))" for name, least in domains]
    lines += [f"(assert {_term(ast.parse(text, mode='eval').body, fixed)})" for text in query.assertions]
    return "\n".join(lines)


_MARKS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.LtE: "<=", ast.Lt: "<", ast.Eq: "=",
}  # fmt: skip


def _term(node: ast.AST, fixed: Mapping[str, int]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return f"{node.value}.0"
    if isinstance(node, ast.Name):
        return f"{fixed[node.id]}.0" if node.id in fixed else node.id
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(- {_term(node.operand, fixed)})"
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _MARKS:
        left, right = _term(node.left, fixed), _term(node.comparators[0], fixed)
        return f"({_MARKS[type(node.ops[0])]} {left} {right})"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return f"(* 1.0 {' '.join([_term(node.left, fixed)] * ast.literal_eval(node.right))})"
    if isinstance(node, ast.BinOp) and type(node.op) in _MARKS:
        return f"({_MARKS[type(node.op)]} {_term(node.left, fixed)} {_term(node.right, fixed)})"
    raise ValueError(f"{ast.unparse(node)} is no polynomial")


# -- the process -------------------------------------------------------------------------------------------------------
class Solver:
    """A solver process that is started when needed and killed when it does not answer in time."""

    def __init__(self, name: str = "z3", rlimit: int = RLIMIT, seconds: float = SECONDS) -> None:
        if name not in SOLVERS:
            raise ValueError(f"unknown solver {name!r}; use {' or '.join(SOLVERS)}")
        self.name, self.rlimit, self.seconds = name, rlimit, seconds
        self._process: subprocess.Popen[str] | None = None

    def ask(self, query: Query) -> Answer:
        """The answer to a query; a model counts only if it meets every assertion exactly."""
        found = self.send({"solver": self.name, "text": smtlib(query), "rlimit": self.rlimit})
        if found is None:
            return Answer("unknown", self.name, note=f"no answer within {self.seconds:g} s")
        if found["answer"] != "sat":
            return Answer(found["answer"], self.name, note=found.get("note", ""))
        for model in _roundings(found["model"], query):
            if meets(query, model):
                return Answer("sat", self.name, {k: str(v) for k, v in sorted(model.items())})
        return Answer("unknown", self.name, note="the model, rounded, does not meet the assertions")

    def send(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The process's answer to a request, or None if it does not come in time."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            with selectors.DefaultSelector() as ready:
                ready.register(process.stdout, selectors.EVENT_READ)
                if ready.select(self.seconds) and (line := process.stdout.readline()):
                    return json.loads(line)
        except (BrokenPipeError, ValueError):
            pass
        self.close()
        return None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-I", str(Path(__file__).resolve())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        return self._process

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self._process = None

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()


def _roundings(model: Mapping[str, Any], query: Query) -> Iterable[dict[str, Fraction]]:
    """The model as rationals, an algebraic value at either end of its enclosure; letters without a value are one."""
    named = {**{name: 1 for name, _ in query.variables}, **model, **dict(query.fixed)}
    values = {name: [Fraction(x) for x in (ends if isinstance(ends, list) else [ends])] for name, ends in named.items()}
    for end in (0, -1):
        yield {name: ends[end] for name, ends in values.items()}


def meets(query: Query, model: Mapping[str, Fraction]) -> bool:
    """Whether a model meets the domains and every assertion, by exact arithmetic."""
    from .checker import Rejected, check_smt

    certificate = {
        "answer": "sat", "variables": dict(query.variables), "assertions": list(query.assertions),
        "model": {name: str(x) for name, x in model.items()},
    }  # fmt: skip
    try:
        return check_smt(certificate, {})
    except (Rejected, KeyError):
        return False


def certificate(query: Query, answer: Answer, step: str) -> dict[str, Any]:
    """The query and its answer as a certificate of kind "smt"."""
    return {
        "kind": "smt", "step": step, "solver": answer.solver, "variables": dict(query.variables),
        "assertions": list(query.assertions), "fixed": dict(query.fixed), "answer": answer.answer,
        **({"model": answer.model} if answer.answer == "sat" else {"note": answer.note}),
    }  # fmt: skip


@cache
def shared(name: str) -> Solver:
    """A solver process for the life of this one."""
    made = Solver(name)
    atexit.register(made.close)
    return made


# -- linear programs ---------------------------------------------------------------------------------------------------
Row = tuple[list[tuple[int, Any]], Any]


def linear_program(count: int, rows: list[Row]) -> dict[int, Fraction] | None:
    """Weights w_j >= 0 with sum_j c_j w_j = b for every row ([(j, c_j), ...], b), exact; None if none is found.

    The simplex method of z3 works over Q; the equations are evaluated again.
    """
    lines = ["(set-logic QF_LRA)", *(f"(declare-const w{j} Real)(assert (>= w{j} 0.0))" for j in range(count))]
    exact = [([(j, _fraction(c)) for j, c in row], _fraction(b)) for row, b in rows]
    for row, b in exact:
        terms = " ".join(f"(* {_decimal(c)} w{j})" for j, c in row)
        lines.append(f"(assert (= (+ 0.0 {terms}) {_decimal(b)}))")
    found = shared("z3").send({"solver": "z3", "text": "\n".join(lines), "rlimit": RLIMIT, "linear": True})
    if found is None or found["answer"] != "sat":
        return None
    weights = {j: Fraction(found["model"].get(f"w{j}", 0)) for j in range(count)}
    if any(w < 0 for w in weights.values()) or any(sum(c * weights[j] for j, c in row) != b for row, b in exact):
        return None
    return {j: w for j, w in weights.items() if w}


def _fraction(x: Any) -> Fraction:
    return Fraction(int(x.p), int(x.q)) if hasattr(x, "p") else Fraction(x)


def _decimal(x: Fraction) -> str:
    size = f"{abs(x.numerator)}.0" if x.denominator == 1 else f"(/ {abs(x.numerator)}.0 {x.denominator}.0)"
    return f"(- {size})" if x < 0 else size


# -- the program of the process ----------------------------------------------------------------------------------------
def _ask_z3(request: Mapping[str, Any]) -> dict[str, Any]:
    import z3

    solver = z3.SolverFor("QF_LRA") if request.get("linear") else z3.Tactic("qfnra-nlsat").solver()
    solver.set("rlimit", request["rlimit"])
    solver.add(z3.parse_smt2_string(request["text"]))
    answer = str(solver.check())
    if answer != "sat":
        return {"answer": answer, "note": solver.reason_unknown() if answer == "unknown" else ""}
    model = solver.model()
    return {"answer": answer, "model": {d.name(): _z3_value(model[d]) for d in model.decls()}}


def _z3_value(value: Any) -> Any:
    import z3

    if z3.is_rational_value(value):
        return str(value.as_fraction())
    near = value.approx(DIGITS).as_fraction()
    width = Fraction(1, 10**DIGITS)
    return [str(near - width), str(near + width)]


def _ask_cvc5(request: Mapping[str, Any]) -> dict[str, Any]:
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("produce-models", "true")
    solver.setOption("rlimit-per", str(request["rlimit"]))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, request["text"], "query")
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        command.invoke(solver, symbols)
    result = solver.checkSat()
    if not result.isSat():
        return {"answer": "unsat" if result.isUnsat() else "unknown", "note": ""}
    declared = symbols.getDeclaredTerms()
    return {"answer": "sat", "model": {str(t): _cvc5_value(solver.getValue(t)) for t in declared}}


def _cvc5_value(value: Any) -> Any:
    if value.isRealValue():
        return str(value.getRealValue())
    ends = (value.getRealAlgebraicNumberLowerBound(), value.getRealAlgebraicNumberUpperBound())
    return [str(end.getRealValue()) for end in ends]


def _serve() -> None:
    """Answer requests until the input ends."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            found = (_ask_z3 if request["solver"] == "z3" else _ask_cvc5)(request)
        except Exception as error:
            found = {"answer": "unknown", "note": f"{type(error).__name__}: {error}"}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    _serve()
