"""The certificate checker: it stands alone, accepts what holds, and rejects every corrupted certificate by the name of its step."""

from __future__ import annotations

import ast
import copy
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import fmpq

from almostlinear.theorems import load
from almostlinear.theorems.statement import Bound
from almostlinear.verify import checker
from almostlinear.verify.certificates import collect, write

SOURCE = Path(checker.__file__)
CORRUPTED = 50


# -- it stands alone ---------------------------------------------------------------------------------------------------
def test_it_imports_flint_and_the_standard_library_only():
    names = set()
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module)
        elif isinstance(node, ast.Name):
            assert node.id not in ("__import__", "eval", "exec", "importlib")
    assert {name.split(".")[0] for name in names} <= {"flint", *sys.stdlib_module_names}


def test_it_is_short():
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) <= 500


def test_it_runs_without_the_package(tmp_path):
    """The file alone, in another folder, in a process that cannot find almostlinear."""
    alone = tmp_path / "checker.py"
    alone.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    path = write.write(tmp_path, "boxes.json", document("boxes"))
    program = (
        "import runpy, sys; sys.modules['almostlinear'] = None; "
        f"sys.argv = ['checker', {str(path)!r}]; runpy.run_path({str(alone)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-P", "-c", program]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, f"{path}: ok (2 box)")


# -- documents ---------------------------------------------------------------------------------------------------------
@cache
def _document(name: str) -> dict[str, Any]:
    registry = load()
    if name in registry:
        made = registry[name]
        claim = next(c for c in made.claims if isinstance(c, Bound) and collect.certified(made, c) is not None)
        found = collect.certified(made, claim)
        assert found is not None
        return found.document
    return write.document(name, OTHERS[name]())


def document(name: str) -> dict[str, Any]:
    """A valid document: of a bound's statement, or one of OTHERS."""
    return copy.deepcopy(_document(name))


def _boxes() -> list[dict[str, Any]]:
    plane = [["0", "1"], ["1", "2"], ["2", "3"]]
    return [
        {
            "kind": "box", "step": "exp above its tangent", "function": "exp(x) - 1 - x", "variables": ["x"], "inequality": "> 0",
            "domain": [["1/2", "2"]], "precision": 64,
            "boxes": [[[f"{k}/16", f"{k + 1}/16"]] for k in range(8, 32)],
        },
        {
            "kind": "box", "step": "in the plane", "function": "5 + x*y - x - T(y, 1)", "variables": ["x", "y"], "inequality": ">= 0",
            "domain": [["0", "2"], ["0", "2"]], "precision": 53,
            "boxes": [list(box) for box in itertools.product(plane[:2], plane[:2])],
        },
    ]  # fmt: skip


def _smt() -> list[dict[str, Any]]:
    asked = {"kind": "smt", "solver": "z3", "variables": {"n": "size", "x": "nonnegative"}}
    return [
        {**asked, "step": "a model", "assertions": ["n*x <= 3", "2 < x*x + n", "n == 2"], "answer": "sat", "model": {"n": "2", "x": "3/2"}},
        {**asked, "step": "a bare answer", "assertions": ["x < 0"], "answer": "unsat"},
    ]  # fmt: skip


def _products() -> list[dict[str, Any]]:
    step = {
        "kind": "handelman", "step": "a product of hypotheses", "variables": {"x": "nonnegative", "y": "nonnegative"},
        "hypotheses": ["x <= 1", "y <= 1"], "conclusion": "x + y <= 1 + x*y", "terms": [["1", [0, 1]]],
        "witness": {"x": "1", "y": "1/2"}, "twin": {"factor": "999/1000", "less": "0", "point": {"x": "1", "y": "1"}},
    }  # fmt: skip
    shifted = {
        "kind": "shifted-polynomial", "step": "shifted", "variables": {"n": "size", "x": "nonnegative"}, "hypotheses": [],
        "conclusion": "2*n*x <= n**2*x + x", "witness": {"n": "3", "x": "1"},
        "twin": {"factor": "9/10", "less": "0", "point": {"n": "1", "x": "1"}},
    }  # fmt: skip
    return [step, shifted]


OTHERS: dict[str, Callable[[], list[dict[str, Any]]]] = {"boxes": _boxes, "smt": _smt, "products": _products}
NAMES = ("E.7r", "E.1r", "C.16r", "F.5r", "H.3r", "H.4r", "boxes", "smt", "products")


@pytest.mark.parametrize("name", NAMES)
def test_valid_certificates_are_accepted(name):
    counted = checker.check(document(name))
    assert sum(counted.values()) == len(document(name)["certificates"])
    assert ("unchecked" in counted) == (name == "smt")


# -- corruption --------------------------------------------------------------------------------------------------------
def rehashed(made: dict[str, Any]) -> dict[str, Any]:
    return {**made, "sha256": checker.content_hash(made)}


Corruption = tuple[str, Callable[[dict[str, Any]], None]]
"""The step that must be named, and what is altered."""


def in_step(k: int, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    return lambda made: change(made["certificates"][k])


def _set(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        *above, last = path
        for key in above:
            made = made[key]
        assert made[last] != to
        made[last] = to

    return change


def _left(k: int, by: str = "2") -> Callable[[dict[str, Any]], None]:
    """One number in an inequality: twice the left side."""

    def change(step: dict[str, Any]) -> None:
        if k < 0:
            left, right = step["conclusion"].split(" <= ")
            step["conclusion"] = f"{by}*({left}) <= {right}"
        else:
            left, right = step["hypotheses"][k].split(" <= ")
            step["hypotheses"][k] = f"{by}*({left}) <= {right}"

    return change


def of_inequalities(name: str) -> Iterator[Corruption]:
    for k, step in enumerate(document(name)["certificates"]):
        if "twin" not in step:
            continue
        label, letter = str(step["step"]), min(step["variables"])
        changes = [
            _left(-1),
            _set("witness", letter, to="-1"),
            _set("twin", "point", letter, to="-1"),
            _set("twin", "factor", to="1"),
        ]
        for j, (multiplier, _) in enumerate(step.get("terms", ())):
            changes.append(_set("terms", j, 0, to=f"2*({multiplier})"))
        if step["hypotheses"]:
            changes += [_left(0, by="1/2"), _set("terms", 0, 1, to=[len(step["hypotheses"])])]
        yield from ((label, in_step(k, change)) for change in changes)


def of_identities(name: str) -> Iterator[Corruption]:
    for k, step in enumerate(document(name)["certificates"]):
        changes = []
        if step["kind"] == "finite-field":
            changes = [
                _set("values", 0, 0, to=step["values"][0][0] + 1),
                _set("points", min(step["points"]), 0, 0, to=12345),
                _set("left", to=0),
                _set("sizes", "n", to=1 + step["sizes"]["n"]),
            ]
        elif step["kind"] == "expansion":
            changes = [_set("left", to=step["left"] - 1), _set("sizes", "n", to=0)]
        yield from ((step["step"], in_step(k, change)) for change in changes)


def of_boxes(name: str) -> Iterator[Corruption]:
    tangent, plane = (step["step"] for step in document(name)["certificates"])
    yield tangent, in_step(0, _set("boxes", 3, 0, 0, to="23/32"))  # a gap
    yield tangent, in_step(0, _set("boxes", 0, 0, 0, to="-1"))  # too wide to be decided
    yield tangent, in_step(0, _set("domain", 0, 1, to="3"))
    yield tangent, in_step(0, _set("domain", 0, 1, to="1/2"))
    yield tangent, in_step(0, _set("function", to="exp(x) - 2 - x"))
    yield plane, in_step(1, _set("boxes", 3, 1, 1, to="3/2"))
    yield plane, in_step(1, _set("domain", 1, 0, to="-1/2"))
    yield plane, in_step(1, _set("function", to="1 + x*y - x - T(y, 1)"))
    yield plane, in_step(1, _set("precision", to=10**6))


def of_models(name: str) -> Iterator[Corruption]:
    yield "a model", in_step(0, _set("model", "x", to="2"))
    yield "a model", in_step(0, _set("model", "n", to="3/2"))
    yield "a model", in_step(0, _set("assertions", 1, to="5 < x*x + n"))
    yield "a model", in_step(0, _set("assertions", 2, to="n == 1"))


CORRUPTIONS: dict[str, tuple[Callable[[str], Iterator[Corruption]], ...]] = {
    **dict.fromkeys(("E.7r", "E.1r", "C.16r"), (of_inequalities, of_identities)),
    **dict.fromkeys(("F.5r", "H.4r", "products"), (of_inequalities,)),
    "boxes": (of_boxes,),
    "smt": (of_models,),
}


def corruptions(name: str) -> list[Corruption]:
    """One number altered in each, so that the argument is false."""
    return [found for kind in CORRUPTIONS[name] for found in kind(name)]


def test_there_are_enough_corruptions():
    counted = {name: len(corruptions(name)) for name in CORRUPTIONS}
    assert min(counted.values()) >= 4 and sum(counted.values()) >= CORRUPTED


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_certificate_is_rejected_by_the_name_of_its_step(name):
    for label, change in corruptions(name):
        made = document(name)
        change(made)
        found = _rejected(made)
        assert found.step == label and f"step {label}: " in str(found)


def test_an_altered_file_without_a_new_hash_is_rejected():
    made = document("E.7r")
    made["name"] += " "
    with pytest.raises(checker.Rejected, match="another hash"):
        checker.check(made)


# -- derivations -------------------------------------------------------------------------------------------------------
def _inequalities(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in made["certificates"] if "because" in s]


def _rejected(made: dict[str, Any]) -> checker.Rejected:
    with pytest.raises(checker.Rejected) as caught:
        checker.check(rehashed(made))
    return caught.value


def test_the_claim_must_be_what_the_steps_conclude():
    made = document("E.7r")
    left, right = made["derivation"]["claim"].split(" <= ")
    made["derivation"]["claim"] = f"2*{left} <= {right}"
    assert _rejected(made).step == "claim"


def test_the_claim_must_not_be_given():
    made = document("E.7r")
    made["derivation"]["given"].append(made["derivation"]["claim"])
    made["derivation"]["because"] = {"given": len(made["derivation"]["given"]) - 1}
    assert _rejected(made).step == "claim"


def test_a_step_cannot_cite_a_later_one():
    made = document("E.7r")
    made["certificates"].reverse()
    assert "malformed (KeyError" in str(_rejected(made))


def test_only_proved_steps_can_be_cited():
    """A solver's answer that claims to conclude something is none."""
    made = document("E.7r")
    last = made["derivation"]["because"]["step"]
    for step in made["certificates"]:
        if step["step"] == last:
            step |= {"kind": "smt", "answer": "unsat"}
    assert _rejected(made).step == "claim"


def test_a_norm_rule_must_be_about_the_node():
    made = document("E.7r")
    rules = [(s, k) for s in _inequalities(made) for k, why in enumerate(s["because"]) if "rule" in why]
    step, k = next((s, k) for s, k in rules if len(s["because"][k]["rule"]["from"]) == 2)
    step["because"][k]["rule"]["from"].reverse()
    assert _rejected(made).step == step["step"]


def test_a_size_in_a_formula_counts():
    """A formula with another inner size admits another bound."""
    made = document("E.1r")
    nodes, meanings = made["nodes"], made["derivation"]["meanings"]
    rules = [(s, why["rule"]) for s in _inequalities(made) for why in s["because"] if "rule" in why]
    step, product = next(
        (s, nodes[meanings[r["of"]][1]]) for s, r in rules if nodes[meanings[r["of"]][1]][0] == "matmul"
    )
    nodes[product[1][0]][3][1] = "1"
    found = _rejected(made)
    assert found.step == step["step"] and "do not fit" in found.reason
    nodes[product[1][1]][3][0] = "1"
    assert _rejected(made).step


def test_an_operation_cannot_pass_for_a_form():
    made = document("E.7r")
    made["nodes"][0][0] = "stochastic"
    assert "is no formula" in str(_rejected(made))


def test_letters_keep_their_domain():
    made = document("E.7r")
    made["derivation"]["variables"]["n"] = "nonnegative"
    assert "otherwise" in str(_rejected(made))


def test_a_norm_is_no_maximum():
    made = document("E.7r")
    made["derivation"]["maxima"][min(made["derivation"]["meanings"])] = ["1"]
    assert _rejected(made).step == "derivation"


def test_a_factor_of_unknown_sign_has_no_rule():
    nodes = [["symbol", [], ["A", "real"], ["n", "n"]], ["scale", [0], ["c", "c"], ["n", "n"]]]
    names = checker.polynomials(["c", "n", "x"])
    arguments = (nodes, ["max", 1], [["max", 0]], [names["x"]], names)
    domains = {"n": "size", "x": "nonnegative"}
    assert checker.rule_bound(*arguments, {**domains, "c": "nonnegative"}) == names["c"] * names["x"]
    with pytest.raises(checker.Rejected, match="sign"):
        checker.rule_bound(*arguments, {**domains, "c": "real"})


# -- the norm rules ----------------------------------------------------------------------------------------------------
NORM: dict[str, Callable[[np.ndarray], int]] = {
    "max": lambda a: int(abs(a).max()),
    "row": lambda a: int(abs(a).sum(axis=1).max()),
    "col": lambda a: int(abs(a).sum(axis=0).max()),
    "sum": lambda a: int(abs(a).sum()),
}
OPERATION: dict[str, Callable[..., np.ndarray]] = {
    "matmul": lambda a, b: a @ b.T,
    "hadamard": lambda a, b: a * b,
    "times": lambda a, b: a[0, 0] * b,
    "add": lambda a, b: a + b,
    "scale": lambda a: -3 * a,
    "kron": np.kron,
    "rowkron": lambda a, b: np.stack([np.kron(y, x) for x, y in zip(a, b, strict=True)]),
    "transpose": lambda a: a.T,
    "diag": lambda a: np.diag(a[:, 0]),
    "row": lambda a: a[:1].T,
    "col": lambda a: a[:, :1],
    "entry": lambda a: a[:1, :1],
    "define": lambda a: a,
    "absolute": abs,
    "block": lambda a: a[1:],
    "itself": lambda a: a,
    "diagonal": lambda a: np.diag(a[:, 0]),
}
"""An instance of each operation on matrices of one shape; of `matmul` the second factor is transposed, to fit."""
ARGUMENT: dict[str, Callable[..., tuple[np.ndarray, ...]]] = {
    "matmul": lambda a, b: (a, b.T),
    "times": lambda a, b: (a[:1, :1], b),
    "diag": lambda a: (a[:, :1],),
    "diagonal": lambda a: (np.diag(a[:, 0]),),
}
WITH_ARGUMENTS = [
    (op, norm, kinds)
    for op, norms in checker.RULES.items()
    for norm, rules in norms.items()
    for kinds in rules
    if kinds
]


def ratios(op: str, norm: str, kinds: str, bound: str, tries: int = 200) -> Iterator[float]:
    """norm / bound on small matrices of integers."""
    rng = np.random.default_rng([len(op), len(norm), len(kinds)])
    count = len(kinds.split())
    for _ in range(tries):
        shape = tuple(rng.integers(1, 4, 2))
        shape = (max(2, shape[0]), shape[1])
        matrices = [rng.integers(-2, 3, shape) * rng.integers(0, 2, shape) for _ in range(count)]
        result = OPERATION[op](*matrices)
        arguments = ARGUMENT.get(op, lambda *a: a)(*matrices)
        known = {"rows": result.shape[0], "columns": result.shape[1], "inner": shape[1], "factor": 3}
        values = [NORM[kind](a) for kind, a in zip(kinds.split(), arguments, strict=True)]
        names = {x: fmpq(int(v)) for x, v in [*known.items(), *zip("xy", values, strict=False)]}
        limit, found = checker.value(bound, names), NORM[norm](result)
        if limit or found:
            yield float(fmpq(found) / limit) if limit else float("inf")


@pytest.mark.parametrize(("op", "norm", "kinds"), WITH_ARGUMENTS)
def test_a_norm_rule_holds_and_is_attained(op, norm, kinds):
    """Attained, so a smaller factor would fail."""
    found = list(ratios(op, norm, kinds, checker.RULES[op][norm][kinds]))
    assert max(found) == 1.0


@pytest.mark.parametrize(
    ("op", "norm", "kinds", "wrong"),
    [
        ("matmul", "max", "max max", "x*y"),
        ("itself", "sum", "row", "columns*x"),
        ("add", "row", "row row", "x"),
        ("matmul", "sum", "sum max", "x*y"),
    ],
)  # fmt: skip
def test_a_wrong_rule_would_be_noticed(op, norm, kinds, wrong):
    assert max(ratios(op, norm, kinds, wrong)) > 1.0


def test_rules_of_leaves():
    shapes = {"ones": np.ones((3, 2), int), "eye": np.eye(3, dtype=int), "unit": np.eye(3, dtype=int)[:, :1]}
    for op, a in shapes.items():
        for norm, rules in checker.RULES[op].items():
            names = {"rows": fmpq(a.shape[0]), "columns": fmpq(a.shape[1])}
            assert checker.value(rules[""], names) == NORM[norm](a)


# -- input -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"certificates": 3}', '{"schema": 2, "certificates": []}', "[" * 100_000]
)
def test_what_is_no_certificate_file_is_bad_input(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(checker.BadInput):
        checker.read(path)


@pytest.mark.parametrize("text", ["1.5", "1e3", "x", "", "1/0", None, 1.5, True, "١"])
def test_only_exact_numbers_are_numbers(text):
    with pytest.raises((ValueError, ZeroDivisionError)):
        checker.number(text)


@pytest.mark.parametrize(
    "text", ["1.5*x", "x**y", "x**65", "x if x else y", "[x]", "lambda: x", "f(x)", "x@y", "x.p", "'a'"]
)
def test_only_polynomials_are_expressions(text):
    with pytest.raises((ValueError, KeyError, AttributeError)):
        checker.value(text, checker.polynomials(["x", "y"]))


@pytest.mark.parametrize(
    "step", [3, None, {}, {"step": "1"}, {"step": "1", "kind": "poem"}, {"step": "1", "kind": "handelman"}]
)
def test_a_malformed_certificate_is_rejected(step):
    made = rehashed({"schema": 1, "name": "x", "certificates": [step]})
    with pytest.raises(checker.Rejected):
        checker.check(made)


def test_j_is_enclosed_from_below_too():
    found = checker.FUNCTIONS["J"](checker.arb(0).union(checker.arb(1)), fmpq(2))
    assert found.contains(checker.arb(0)) and found.upper() < 1
    with pytest.raises(ValueError):
        checker.FUNCTIONS["T"](checker.arb(1), fmpq(1, 2))


# -- commands ----------------------------------------------------------------------------------------------------------
def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("command", [("almostlinear.verify.checker",), ("almostlinear.cli", "certificate", "check")])
def test_exit_codes_of_the_commands(tmp_path, command):
    good = write.write(tmp_path, "good.json", document("products"))
    made = document("products")
    made["certificates"][1]["conclusion"] = "3*n*x <= n**2*x + x"
    bad = write.write(tmp_path, "bad.json", rehashed(made))
    run = _run(*command, str(good))
    assert run.returncode == 0 and run.stdout.splitlines()[-1] == f"{good}: ok (1 handelman, 1 shifted-polynomial)"
    run = _run(*command, str(good), str(bad))
    assert run.returncode == 1 and f"{bad}: rejected, step shifted: " in run.stdout
    assert _run(*command, str(tmp_path / "none.json")).returncode == 2
    assert _run(*command).returncode == 2


def test_the_command_prints_json(tmp_path):
    path = write.write(tmp_path, "smt.json", document("smt"))
    run = _run("almostlinear.cli", "certificate", "check", str(path), "--json")
    (row,) = json.loads(run.stdout)["certificates"]
    assert row == {"file": str(path), "ok": True, "kinds": {"smt": 1, "unchecked": 1}}
