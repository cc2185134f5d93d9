"""Formulas: equal ones are one object, nothing changes them, shapes are checked, and their hash is what they say."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import pytest
import sympy

from almostlinear.theorems import (
    Bound,
    Identity,
    Index,
    Pair,
    Statement,
    StatementError,
    d,
    define,
    diag,
    entries,
    exp,
    features,
    func,
    grad,
    inner,
    jvp,
    kron,
    load,
    maxnorm,
    n,
    ones,
    recip,
    rows,
    scalar,
    statement,
    symbol,
    tokens,
    total,
    unit,
)
from almostlinear.theorems.formula import _BUILD, Formula, ShapeError
from tests.helpers import CLASHES, OPERATIONS, V, W, X, Y, i, j, k, l, own, scratch_registry, v

ROWS = pytest.mark.parametrize("row", OPERATIONS, ids=str)


# -- identity of formulas ------------------------------------------------------------------------------------------------
def softmax(scale=1):
    u = exp((symbol("X", n, d) @ symbol("W", d, d) @ symbol("X", n, d).T) * scale)
    return diag(recip(u @ ones(n))) @ u


def test_equal_formulas_are_one_object():
    assert softmax() is softmax()
    assert softmax() is not softmax(1 / d)
    assert X.T.T is not X, "nothing is rewritten"
    assert symbol("X", n, d) is not symbol("X", n, d, domain="positive")


@ROWS
def test_copies_are_the_same_object(row):
    node = row.formula
    assert pickle.loads(pickle.dumps(node)) is node
    assert copy.deepcopy(node) is node and copy.copy(node) is node


def test_a_pickle_read_in_another_process_has_the_same_hash():
    node = rows(i, softmax().row(i) * v)
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).digest)"
    read = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(node), capture_output=True, check=True)
    assert read.stdout.decode().strip() == node.digest


@pytest.mark.parametrize("name", ["op", "args", "data", "shape", "digest", "anything"])
def test_nothing_can_be_set(name):
    with pytest.raises(AttributeError, match="immutable"):
        setattr(X, name, "other")
    assert X.op == "symbol" and X.shape == (n, d)


# -- indices -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("formula", "free"),
    [
        (X, set()),
        (X[i, k], {i, k}),
        (X.row(i) * X.row(j), {i, j}),
        (total(i, X[i, k]), {k}),
        (total(i, k, X[i, k]), set()),
        (rows(i, X.row(i)), set()),
        (entries(i, k, X[j, l]), {j, l}),
        (unit(Pair(k, l)), {k, l}),
        (kron(X, X)[Pair(i, j), Pair(k, k)], {i, j, k}),
        (total(i, X.row(i)) + X.row(i), {i}),
        (define("Q", X[i, k]), {i, k}),
        (grad(X[i, k], X), {i, k}),
        (jvp(X[i, k], X, X), {i, k}),
    ],
    ids=lambda x: repr(sorted(str(i) for i in x)) if isinstance(x, set) else repr(x),
)
def test_free_indices(formula, free):
    assert formula.free == free


def test_letters_of_one_name_and_two_sizes_are_two_letters():
    (token,), (feature,) = tokens("a"), features("a")
    assert token != feature and X[token, feature].free == {token, feature}
    assert total(token, X[token, feature]).free == {feature}


def test_scalars_from_either_side():
    assert 2 * X is X * 2 is X.scaled(2)
    assert (1 / d) * X is X.scaled(1 / d)
    assert -X is X.scaled(-1)
    assert (X - Y) is X + Y.scaled(-1)
    assert scalar(3).is_scalar and not X.is_scalar
    assert ones(n).T @ X @ ones(d) * X is X * (ones(n).T @ X @ ones(d)), "a 1 x 1 formula is a factor on either side"


# -- shapes --------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "build", "left", "right"), CLASHES, ids=[c[0] for c in CLASHES])
def test_a_clash_names_both_shapes(name, build, left, right):
    with pytest.raises(ShapeError) as caught:
        build()
    text = str(caught.value)
    assert left in text and right in text, text


def test_shapes_are_compared_as_expressions():
    wide = symbol("A", n, d * (d + 1))
    assert (wide + symbol("B", n, d**2 + d)).shape[0] == n
    with pytest.raises(ShapeError, match="product"):
        _ = X @ wide


@pytest.mark.parametrize("build", [lambda: grad(inner(X, Y), X @ W), lambda: jvp(X @ W, X @ W, X)], ids=["grad", "jvp"])
def test_derivatives_are_by_a_named_matrix(build):
    with pytest.raises(ShapeError, match="must be a symbol"):
        build()


CLAIMS_THAT_CLASH = {
    "sides": (lambda: Identity(X, X.T), "n x d", "d x n"),
    "inside": (lambda: Identity(X, X @ X), "n x d", "n x d"),
    "sides of a later claim": (lambda: [Identity(X, X), Identity(W, X, part="2")], "d x d", "n x d"),
    "in a bound": (lambda: Bound(maxnorm(X + W), sympy.Integer(1)), "n x d", "d x d"),
}


@pytest.mark.parametrize("name", CLAIMS_THAT_CLASH)
def test_a_statement_with_a_clash_says_which(name):
    build, left, right = CLAIMS_THAT_CLASH[name]
    with scratch_registry() as registry:
        count = len(registry)
        with pytest.raises(ShapeError) as caught:
            statement("my.7", "Clash")(build)
        text = str(caught.value)
        assert text.startswith("my.7") and text.count("my.7") == 1
        assert left in text and right in text
        assert len(registry) == count and "my.7" not in registry


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: own("z", kind="theorem"), "unknown kind"),
        (lambda: own("z"), "at least one claim"),
        (lambda: own("z", Identity(X, X), Identity(X, Y)), "same part and reading"),
        (lambda: statement("z", "t")(lambda: X @ W == 1), "returned bool"),
        (lambda: statement("z", "t")(lambda: None), "returned NoneType"),
    ],
)
def test_impossible_statements(build, says):
    with scratch_registry(), pytest.raises(StatementError, match=says) as caught:
        build()
    assert str(caught.value).startswith("z")


# -- JSON, hashes, rebuilding ------------------------------------------------------------------------------------------------------
@ROWS
def test_json_lists_each_node_once_and_its_arguments_before_it(row):
    made = json.loads(json.dumps(row.formula.to_json()))["nodes"]
    walked = list(row.formula.walk())
    assert [node[0] for node in made] == [node.op for node in walked]
    assert len(set(walked)) == len(walked) and walked[-1] is row.formula
    for number, (_, arguments, _, shape) in enumerate(made):
        assert all(a < number for a in arguments) and len(shape) == 2


def test_json_of_a_small_formula():
    assert (X[i, k] * (1 / d)).to_json() == {
        "nodes": [
            ["symbol", [], ["X", "real"], ["n", "d"]],
            ["entry", [0], [{"index": "i", "size": "n"}, {"index": "k", "size": "d"}], ["1", "1"]],
            ["scale", [1], [sympy.srepr(1 / d)], ["1", "1"]],
        ]
    }


CHANGES = {
    "a constant": (X * 2, X * 3),
    "a constant's sign": (X * 2, X * -2),
    "a size for another": (X * (1 / d), X * (1 / n)),
    "a name": (X, Y),
    "a domain": (X, symbol("X", n, d, domain="positive")),
    "a shape": (ones(n), ones(d)),
    "an index": (X.row(i), X.row(j)),
    "an index for a pair": (kron(v, v)[Pair(i, j)], kron(v, v)[Pair(j, i)]),
    "a deep constant": (softmax(), softmax(1 / d)),
    "an order": (func("phi", X), func("phi", X, 1)),
    "a function": (func("phi", X), func("psi", X)),
    "the order of a sum": (X + Y, Y + X),
    "row for column": (W.row(k), W.col(k)),
    "a transpose": (W, W.T),
    "a definition": (X @ W, define("Q", X @ W)),
    "a definition's source": (define("Q", X, "A.1"), define("Q", X, "A.2")),
    "the variable": (grad(inner(W, V), W), grad(inner(W, V), V)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_the_hash(name):
    before, after = CHANGES[name]
    assert before is not after and before.digest != after.digest
    assert own("z", Identity(before, before)).content_hash != own("z", Identity(after, after)).content_hash


def test_no_two_formulas_of_the_paper_share_a_hash():
    nodes = {node for s in load() for f in s.formulas() for node in f.walk()}
    assert len({node.digest for node in nodes}) == len(nodes) > 500


CONTENT = {
    "hypotheses": {"hypotheses": ("|X| <= 2",)},
    "kind": {"kind": "error-bound"},
    "repairs": {"repairs": "Z.1"},
}


@pytest.mark.parametrize("name", CONTENT)
def test_a_statement_is_hashed_with_its(name):
    base = {"id": "z", "title": "t", "source": "s", "kind": "identity", "claims": (Identity(X, X),)}
    changed = Statement(**{**base, **CONTENT[name]})
    assert Statement(**base).content_hash != changed.content_hash
    assert Statement(**{**base, "title": "other"}).content_hash == Statement(**base).content_hash


@ROWS
def test_rebuilding_without_a_change_gives_the_same_object(row):
    assert row.formula.rebuild(lambda node: None) is row.formula


def test_every_operation_with_arguments_can_be_rebuilt():
    leaves = {"symbol", "ones", "eye", "unit"}
    assert {row.op for row in OPERATIONS} - leaves <= set(_BUILD)


def test_rebuilding_replaces_wherever_it_stands_and_checks_shapes():
    changed = softmax().rebuild(lambda node: V if node is W else None)
    assert set(changed.symbols()) == {"X", "V"} and "W" in softmax().symbols()
    with pytest.raises(ShapeError, match="n x d"):
        softmax().rebuild(lambda node: X if node is W else None)


def test_rebuilding_reaches_bound_and_derived_places():
    formula = total(i, grad(X[i, k], X)[i, k] * W[k, k])
    changed = formula.rebuild(lambda node: V if node is W else None)
    assert changed is total(i, grad(X[i, k], X)[i, k] * V[k, k])
    assert changed.free == {k}


def test_symbols_and_sources():
    f = define("f", define("u", exp(X @ W @ X.T), "A.1") @ ones(n), "A.2")
    assert set(f.symbols()) == {"X", "W"} and f.sources() == {"A.1", "A.2"}


def test_formulas_show_themselves():
    assert isinstance(Formula.__repr__(softmax()), str) and softmax()._repr_latex_().startswith("$")
    assert isinstance(Index("i", n).size, sympy.Symbol)
