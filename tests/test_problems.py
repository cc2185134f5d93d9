"""Problems: drawn from a short text and replayable from it, mostly of real size, with numbers that a file keeps; and shrinking."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from almostlinear.theorems import (
    Bound,
    Identity,
    d,
    diag,
    exp,
    grad,
    inner,
    load,
    maxnorm,
    n,
    ones,
    recip,
    rows,
    symbol,
    taylor,
)
from almostlinear.verify.backends.ball import Balls, precision
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.backends.torch64 import Torch64
from almostlinear.verify.engines.witness import from_instances, violation
from almostlinear.verify.instances import instances, symbols_of
from almostlinear.verify.problems import (
    FAMILIES,
    HEAD_WIDTH,
    LARGEST_ENTRY,
    BadProblem,
    Problem,
    describe,
    draw,
    from_json,
    parse,
    real_attention,
    real_head,
    real_heads,
    size_names,
    to_json,
)
from almostlinear.verify.shrink import shrink
from tests.helpers import M, P, W, X, Y, claim_of, i, v

H = symbol("H", n, d, domain="onehot")
E = symbol("E", n, n, domain="unit")
SYMBOLS = (X, Y, W, v, P, M, H, E)
TEXT = "{};d=5,n=8;bound=2;seed={}"


def values(family, seed=3, symbols=SYMBOLS):
    return draw(symbols, TEXT.format(family, seed)).values


# -- families ----------------------------------------------------------------------------------------------------------------
FAMILY = pytest.mark.parametrize("family", FAMILIES)


@FAMILY
def test_the_text_gives_the_problem_again(family):
    first = draw(SYMBOLS, TEXT.format(family, 3))
    again = draw(SYMBOLS, first.text)
    assert again.text == first.text and again.sizes == {"n": 8, "d": 5} and again.constants == first.constants
    assert all(np.array_equal(first.values[k], again.values[k]) for k in first.values)
    assert first.values.keys() == {s.data[0] for s in SYMBOLS}


@FAMILY
def test_a_matrix_does_not_depend_on_what_else_is_drawn(family):
    whole, alone = values(family), values(family, symbols=(W,))
    assert np.array_equal(whole["W"], alone["W"])


@FAMILY
def test_seeds_matrices_and_families_differ(family):
    base = values(family)
    assert any(not np.array_equal(base["X"], values(family, seed)["X"]) for seed in range(4, 9))
    assert family == "onehot" or not np.array_equal(base["X"], base["Y"])
    others = [values(other)["X"] for other in FAMILIES if other != family]
    assert not any(np.array_equal(base["X"], other) for other in others)


@FAMILY
def test_numbers_are_finite_float64_of_the_domain(family):
    for seed in range(20):
        found = values(family, seed)
        assert all(x.dtype == np.float64 and np.all(np.isfinite(x)) for x in found.values())
        assert np.all(found["P"] > 0)
        assert np.array_equal(found["M"], np.tri(8))
        assert np.all(np.sort(found["H"])[:, :-1] == 0) and np.all(found["H"].sum(1) == 1)
        assert np.all(np.abs(found["E"]) <= 1)


@pytest.mark.parametrize(
    ("family", "holds"),
    [
        ("uniform", lambda x: np.all(np.abs(x) <= 2) and len(np.unique(x)) == x.size),
        ("corners", lambda x: set(np.unique(x)) == {-2.0, 2.0}),
        ("onehot", lambda x: np.all((x != 0).sum(1) == 1) and set(np.unique(x)) <= {0.0, 2.0}),
        ("collinear", lambda x: np.linalg.svd(x)[1][1] < 0.02 * np.linalg.svd(x)[1][0] and np.all(np.abs(x) <= 2)),
        ("repeated", lambda x: len(np.unique(x, axis=0)) <= 4),
        ("tiny", lambda x: 0 < np.abs(x).max() <= 2.0**-19),
        ("huge", lambda x: 2 < np.abs(x).max() <= 8),
        ("real", lambda x: 0 < np.abs(x).max() < 50 and len(np.unique(x)) > 20),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_what_makes_a_family(family, holds):
    assert all(holds(values(family, seed)["X"]) for seed in range(10))


def test_a_full_mask_on_request():
    problem = draw([M], describe("uniform", {"n": 4}, 1.0, 0, full=True))
    assert np.array_equal(problem.values["M"], np.ones((4, 4)))
    assert np.array_equal(draw([M], problem.text).values["M"], np.ones((4, 4)))


def test_texts_are_read_and_written():
    text = describe("corners", {"n": 4, "d": 3}, 0.25, 7)
    assert text == "corners;d=3,n=4;bound=0.25;seed=7" and parse(text) == ("corners", {"d": 3, "n": 4}, 0.25, 7)


@pytest.mark.parametrize(
    "text",
    ["", "uniform", "uniform;n=4;bound=1", "uniform;n=4;bound=1;seed=x", "uniform;n;bound=1;seed=0", "uniform;n=4;bound=x;seed=0",
     "poem;n=4;bound=1;seed=0", "uniform;n=0;bound=1;seed=0", "uniform;n=-1;bound=1;seed=0", "uniform;n=4;bound=0;seed=0",
     "uniform;n=4;bound=-1;seed=0", "uniform;n=4;bound=nan;seed=0", "uniform;n=1.5;bound=1;seed=0"],
)  # fmt: skip
def test_bad_texts(text):
    with pytest.raises(BadProblem):
        draw([X], text)


def test_size_names():
    assert size_names(SYMBOLS) == ("d", "n")
    assert size_names([symbol("B", n * d**2, symbol("W", d, d).shape[0])]) == ("d", "n")


# -- how the engines draw --------------------------------------------------------------------------------------------------------
CLAIMS = {"dX": claim_of("D.12"), "a bound": Bound(maxnorm(X @ W), d * maxnorm(X) * maxnorm(W))}


@pytest.mark.parametrize("name", CLAIMS)
def test_most_instances_are_of_real_size_and_every_family_is_there(name):
    """n = 1 and d = 1 are blind to many mistakes: at most a third has one of them."""
    drawn = list(instances(CLAIMS[name], 30, seed=0))
    assert {family for family, _ in drawn} == set(FAMILIES)
    sizes = [problem.sizes for _, problem in drawn]
    real = sum(min(s["n"], s["d"]) >= 2 for s in sizes)
    assert real / len(sizes) > 0.66
    assert any(s["n"] == 1 for s in sizes) and any(s["d"] == 1 for s in sizes), "degenerate sizes are tried too"
    assert len({(s["n"], s["d"]) for s in sizes}) >= 9


def test_few_instances_are_degenerate():
    """A vanishing gradient, or matrices of one value, test nothing."""
    claim = claim_of("D.12")
    counts = Counter()
    for _, problem in instances(claim, 20, seed=0):
        x = problem.values["X"]
        counts["all"] += 1
        counts["zero"] += any(not np.any(problem.values[k]) for k in ("X", "W_V", "G") if k in problem.values)
        counts["equal rows"] += x.shape[0] > 1 and len(np.unique(x, axis=0)) == 1
    assert counts["zero"] == 0 and counts["equal rows"] <= 0.2 * counts["all"]


def test_instances_replay():
    claim = claim_of("D.12")
    for family, problem in instances(claim, 4, seed=5):
        if not problem.text.startswith("real-head"):
            again = draw([s for s in symbols_of(claim) if s.data[0] != "V*"], problem.text)
            assert family == problem.text.split(";")[0]
            assert all(np.array_equal(again.values[k], problem.values[k]) for k in again.values)
    first, again = ([p.text for _, p in instances(claim, 4, seed=5)] for _ in range(2))
    assert first == again != [p.text for _, p in instances(claim, 4, seed=6)]


# -- witness files ------------------------------------------------------------------------------------------------------------------
def small_problem():
    entries = [["1", "-2/3"], ["0", "123456789012345678901234567890/9973"]]
    made = np.array([[Fraction(x) for x in row] for row in entries], dtype=object)
    return Problem(
        {"n": 2, "d": 2}, {"X": made, "W": made.T}, {"W": "ln2"}, {"tau": Fraction(3, 4)}, {"phi": "power:2"}
    )


def test_a_file_keeps_every_number():
    problem = small_problem()
    data = json.loads(json.dumps(to_json(problem)))
    again = from_json(data)
    assert data["inputs"]["X"] == [["1", "-2/3"], ["0", "123456789012345678901234567890/9973"]]
    assert again.sizes == problem.sizes and again.units == problem.units
    assert again.constants == problem.constants and again.functions == problem.functions
    assert all(np.array_equal(again.values[k], problem.values[k]) for k in problem.values)
    assert to_json(again) == data


@FAMILY
def test_drawn_floats_become_exact_fractions(family):
    problem = draw([X, W], f"{family};d=2,n=3;bound=1;seed=1")
    data = to_json(problem)
    for name, matrix in problem.values.items():
        assert [[float(Fraction(x)) for x in row] for row in data["inputs"][name]] == matrix.tolist()


def test_a_problem_without_a_matrix_or_of_another_shape_says_so():
    problem = small_problem()
    with pytest.raises(BadProblem, match="no value for Y; it has W, X"):
        problem.matrix("Y", (2, 2))
    with pytest.raises(BadProblem, match="X is 2 x 2, but its sizes say 2 x 3"):
        problem.matrix("X", (2, 3))


# -- activations of a trained model ---------------------------------------------------------------------------------------------------
MAX_LOGIT = {
    "n64.l0.h0": 3.31, "n64.l0.h2": 38.99, "n64.l2.h2": 6.27, "n64.l2.h11": 14.49, "n64.l5.h6": 4.56, "n64.l5.h10": 6.96,
    "n128.l2.h2": 7.70, "n16.l2.h2": 4.79,
}  # fmt: skip
HEADS = pytest.mark.parametrize("head", MAX_LOGIT)


def test_the_captured_heads_are_those_of_the_readme():
    assert set(real_heads()) == set(MAX_LOGIT) and HEAD_WIDTH == 32


@HEADS
def test_ranges_are_those_of_the_readme_and_outside_the_regime(head):
    found = real_head(head)
    count = int(head.split(".")[0][1:])
    assert all(found[k].shape == (count, 32) and np.all(np.isfinite(found[k])) for k in "qkvg")
    largest = np.abs(found["scale"] * found["q"] @ found["k"].T).max()
    assert abs(largest - MAX_LOGIT[head]) < 0.006
    assert largest > math.sqrt(math.log(count)), "outside the bounded-entry regime"
    assert abs(found["scale"] - 1 / math.sqrt(32)) < 1e-15


def softmax(logits):
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


@HEADS
@pytest.mark.parametrize("width", [32, 4])
def test_real_attention_is_the_head_in_the_papers_form(head, width):
    """Plain NumPy: softmax(X W X^T) X W_V is softmax(scale q k^T) v, and the statements' f gives the same."""
    count = 12
    problem = real_attention(head, count, width)
    m, found = problem.values, real_head(head, count)
    q, k, val = (found[name][:, :width] for name in "qkv")
    wanted = softmax(found["scale"] * q @ k.T) @ val
    ours = softmax(m["X"] @ m["W"] @ m["X"].T) @ m["X"] @ m["W_V"]
    assert problem.sizes == {"n": count, "d": 3 * width} == {"n": m["X"].shape[0], "d": m["X"].shape[1]}
    assert np.abs(ours[:, :width] - wanted).max() <= 1e-12 * np.abs(wanted).max()
    assert not ours[:, width:].any() and np.array_equal(m["G"][:, :width], found["g"][:, :width])
    f = diag(recip(exp(X @ W @ X.T) @ ones(n))) @ exp(X @ W @ X.T)
    by_formula = Interpreter(Torch64(problem))(f @ X @ symbol("W_V", d, d)).numpy()
    assert np.abs(by_formula - ours).max() <= 1e-12 * np.abs(wanted).max()


def test_the_stored_layer_input_gives_the_queries_and_keys():
    from almostlinear.verify.problems import DATA

    with np.load(DATA) as stored:
        for name in "qkv":
            x, w, b = (stored[f"n16.l2.h2.{part}"].astype(float) for part in ("x", f"w_{name}", f"b_{name}"))
            assert np.abs(x @ w + b - stored[f"n16.l2.h2.{name}"]).max() < 1e-5
    assert DATA.stat().st_size <= 500_000


def test_the_gradient_of_a_real_head_holds_in_balls():
    problem = real_attention("n16.l2.h2", 4, 3)
    claim = load()["E.11r"].claims[0]
    from almostlinear.theorems.paper.c_preliminaries import f, h, s

    P_ = f * (symbol("G", n, d) @ h.T) - diag(rows(i, inner(symbol("G", n, d).row(i), s.row(i)))) @ f
    right = P_ @ X @ W.T + P_.T @ X @ W + f.T @ symbol("G", n, d) @ symbol("W_V", d, d).T
    with precision(169):
        evaluate = Interpreter(Balls(problem))
        left = evaluate(claim.left)
        assert all(a.overlaps(b) for a, b in zip(left.ravel(), evaluate(right).ravel(), strict=True))
        assert any(abs(a) > 1e-3 for a in left.ravel())


# -- shrinking --------------------------------------------------------------------------------------------------------------------------
def counted(claim, problem, **options):
    """The shrunk problem and how often the violation was tested."""
    calls = 0

    def violates(candidate):
        nonlocal calls
        calls += 1
        return violation(claim, candidate) is not None

    assert violation(claim, problem) is not None
    return shrink(problem, symbols_of(claim), violates, **options), calls


PLANTED = {
    "a transpose": Identity(X.T @ X @ W, X.T @ X @ W.T),
    "a product the other way": Identity(X @ W @ symbol("V", d, d), X @ symbol("V", d, d) @ W),
    "a gradient": Identity(grad(inner(X @ W, Y), W), X.T @ Y * 2),
    "one entry": Identity((X @ X.T) * (Y @ Y.T), (X @ Y.T) * (Y @ X.T)),
    "a size": Identity(X * n, X),
    "a bound": Bound(maxnorm(X @ W), maxnorm(X) * maxnorm(W) / 100),
    "a Taylor polynomial": Identity(taylor(X, 3), taylor(X, 4)),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("family", ["uniform", "huge", "real"])
def test_a_violation_at_n_12_and_d_5_shrinks_to_a_few_small_integers(name, family):
    claim = PLANTED[name]
    problem = draw(symbols_of(claim), f"{family};d=5,n=12;bound=1;seed=2")
    small, calls = counted(claim, problem)
    assert max(small.sizes.values()) <= 3
    assert violation(claim, small) is not None
    numbers = [Fraction(x) for matrix in small.values.values() for x in np.asarray(matrix).ravel()]
    assert all(x.denominator == 1 and abs(x) <= 2 for x in numbers), numbers
    assert sum(x != 0 for x in numbers) <= 6
    assert calls <= 700, calls
    assert small.text == ""


def test_shrinking_ends_at_a_local_minimum():
    claim = PLANTED["a transpose"]
    small, _ = counted(claim, draw([X, W], "uniform;d=4,n=6;bound=1;seed=0"))
    again, _ = counted(claim, small)
    assert all(np.array_equal(again.values[k], small.values[k]) for k in small.values) and again.sizes == small.sizes
    assert small.sizes == {"n": 1, "d": 2}
    assert sum(np.count_nonzero(x) for x in small.values.values()) <= 3


def test_shrinking_keeps_to_its_budget_and_still_violates():
    claim = PLANTED["a transpose"]
    problem = draw([X, W], "uniform;d=5,n=12;bound=1;seed=2")
    for most in (0, 1, 10, 50):
        small, calls = counted(claim, problem, most_calls=most)
        assert calls <= most and violation(claim, small) is not None


def test_shrinking_leaves_domains_alone():
    """A mask stays a mask and a positive matrix positive, though zeros would be smaller."""
    claim = Identity(M @ P, P)
    small, _ = counted(claim, draw([M, P], "uniform;d=2,n=4;bound=1;seed=0"))
    assert np.array_equal(small.values["M"], np.tri(small.sizes["n"])) and np.all(small.values["P"] > 0)


def test_a_size_that_stands_in_a_product_is_not_dropped_alone():
    B = symbol("B", n * d, 1)
    claim = Identity(B, B * 2)
    small, _ = counted(claim, draw([B], "uniform;d=2,n=3;bound=1;seed=0"))
    assert small.values["B"].shape == (small.sizes["n"] * small.sizes["d"], 1)


def test_a_violation_far_from_integers_is_found_on_the_families_and_shrunk():
    """No unit of ln 2 makes this exact: it is shown by balls, strictly."""
    claim = Identity(exp(X) * exp(X), exp(X))
    found = from_instances(claim, 3, seed=0)
    assert found is not None and not found.exact
    assert found.problem.sizes == {"n": 1, "d": 1} and violation(claim, found.problem) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_satisfies_what_it_declares(family):
    largest = LARGEST_ENTRY[family]
    if largest is None:
        return
    for bound in (0.25, 1.0, 3.0):
        text = describe(family, {"n": 5, "d": 4}, bound, 3)
        entries = np.abs(np.asarray(draw([symbol("X", n, d)], text).values["X"]))
        assert entries.max() <= largest * bound
        assert entries.max() > largest * bound / 64
