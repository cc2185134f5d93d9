"""The foundations: every statement has a verdict that means something, and a false twin of it does not.

A twin is the statement with one mistake of the kind that is made: a lost term, a constant of another sketch, a missing factor. Exact and
enclosed statements have twins that are refuted by a witness which replays; a twin of a tested probability is contradicted.
"""

import itertools
import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import arb, arb_mat, fmpq

from almostlinear.theorems.claims import Expectation, Probability, StatementError
from almostlinear.theorems.formula import Formula, eye, grad, kron, ones, recip, symbol
from almostlinear.theorems.foundations import PACK, traces
from almostlinear.theorems.foundations import products as kernel
from almostlinear.theorems.foundations import residuals as gram
from almostlinear.theorems.foundations import sketches as sketch
from almostlinear.theorems.foundations import spectra as spectrum
from almostlinear.theorems.foundations import tails as tail
from almostlinear.theorems.foundations import tensors as tensor
from almostlinear.theorems.foundations.pack import fourth, inner, square, trace
from almostlinear.theorems.norms import maxnorm, rownorm, top
from almostlinear.theorems.registry import Registry, load
from almostlinear.theorems.sizes import d, n, size
from almostlinear.theorems.spectrum import eigenvalue, singular
from almostlinear.theorems.spectrum import tail as rest_of
from almostlinear.theorems.statement import Bound, Identity, Rank, Statement
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.campaign import run
from almostlinear.verify.engines import moments
from almostlinear.verify.evidence import CEILING, rank
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.problems import Problem
from almostlinear.verify.replay import replay
from almostlinear.verify.spectra import SPECTRAL_OF, eigenvalues
from almostlinear.verify.status import statuses

m, k = size("m"), size("k")
half = sympy.Rational(1, 2)
STANDING = ("proved", "proved-at-size", "enclosed", "searched")


def judged(*claims, kind="identity"):
    """The status of a statement with these claims, in a registry of its own."""
    registry = Registry()
    made = registry.add(Statement("twin.1", "twin", "here", kind, claims=claims, origin="own"))
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        return next(s for s in statuses(registry, ledger) if s.statement is made), registry


def expectation(left: Formula, right: Formula, *random) -> Expectation:
    return Expectation(left, right, random)


S, z, x, y, A, B = sketch.S, sketch.z, sketch.x, sketch.y, sketch.A, sketch.B
NORMAL, SIGN = (S, "normal"), (S, "sign")
Az, zz, Q = traces.A, traces.z, traces.Q
form = inner(zz, Az @ zz)
length = square(S @ x)
pairs = inner(S @ x, S @ y)
error = (S @ A).T @ (S @ B) - (A.T @ B) * m
buckets = sketch.bucketed
hashed = inner(buckets(x), buckets(y))
u, v = kernel.u, kernel.v
signs = ((u, "sign"), (v, "sign"))
P, R = spectrum.P, spectrum.Q
onto = spectrum.z @ spectrum.z.T

EXACT = {
    "sketch.1": expectation(pairs * pairs, sketch.second("sign"), NORMAL),
    "sketch.2": expectation(pairs * pairs, sketch.second("normal"), SIGN),
    "sketch.3": Expectation(hashed, inner(x, y) * m, sketch.COUNT),
    "sketch.4": expectation(length * length, (square(x) * square(x)) * (m**2 + m), NORMAL),
    "sketch.5": expectation(length * length, (square(x) * square(x)) * (m**2 + 2 * m), SIGN),
    "sketch.6": Expectation(
        square(buckets(x)) * square(buckets(x)), square(x) * square(x) * (1 + 2 / m) - fourth(x) * (1 / m), sketch.COUNT
    ),
    "sketch.7": expectation(square(error), (square(A) * square(B)) * m, NORMAL),
    "sketch.8": expectation(square(error), sketch.product_error("normal").right, SIGN),
    "sketch.9": Expectation(
        square(buckets(A).T @ buckets(x) - A.T @ x), (square(A) * square(x) + square(A.T @ x)) * (1 / m), sketch.COUNT
    ),
    "sketch.10": Expectation(
        (symbol("R", m, n, domain="onehot") @ A).T @ (symbol("R", m, n, domain="onehot") @ B),
        (A.T @ B) * (n / m),
        ((symbol("R", m, n, domain="onehot"), "onehot"),),
    ),
    "sketch.11": expectation(S.T @ S, eye(n) * n, NORMAL),
    "trace.1": expectation(form, trace(Az @ Az), (zz, "sign")),
    "trace.2": expectation(form * form, trace(Az) * trace(Az) + square(Az) + trace(Az @ Az), (zz, "sign")),
    "trace.3": expectation(form * form, trace(Az) * trace(Az) + square(Az) * 2, (zz, "normal")),
    "trace.4": expectation(inner(traces.Z, Az @ traces.Z), trace(Az), (traces.Z, "sign")),
    "trace.5": expectation(inner(traces.rest @ zz, Az @ (traces.rest @ zz)), trace(traces.rest @ Az), (zz, "sign")),
    "trace.6": Identity(trace(Q @ Q.T @ Az) + trace(traces.rest @ Az @ traces.rest), trace(Az)),
    "kernel.1": expectation(kernel.form(u, u), kernel.kernel * kernel.kernel, (u, "sign")),
    "kernel.2": expectation(kernel.form(u) * kernel.form(u), square(x) * square(y) * 3, (u, "normal")),
    "kernel.3": Expectation(kernel.form(u, v) * kernel.form(u, v), kernel.spread * kernel.spread, signs),
    "kernel.4": expectation(
        inner((kernel.U @ x) * (kernel.V @ x), (kernel.U @ y) * (kernel.V @ y)),
        kernel.kernel * kernel.kernel,
        (kernel.U, "sign"),
        (kernel.V, "sign"),
    ),
    "kernel.5": Expectation(
        kernel.tensor_sketch(x)[0] * kernel.tensor_sketch(y)[0], kernel.kernel * kernel.kernel, kernel.BUCKETS
    ),
    "kernel.6": Expectation(
        square(kernel.H.T @ (u * x)) * square(kernel.L.T @ (v * x)) * 2, square(x) * square(x), kernel.BUCKETS
    ),
    "tensor.1": Identity(
        grad(inner(tensor.G, tensor.cp(tensor.A, tensor.B, tensor.C)), tensor.A),
        tensor.G @ tensor.khatri_rao(tensor.C, tensor.B),
    ),
    "tensor.2": Identity(
        tensor.khatri_rao(tensor.B, tensor.C).T @ tensor.khatri_rao(tensor.B2, tensor.C2),
        (tensor.B.T @ tensor.B2) @ (tensor.C.T @ tensor.C2),
    ),
    "tensor.3": Identity(
        inner(tensor.cp(tensor.A, tensor.B, tensor.C), tensor.cp(tensor.A2, tensor.B2, tensor.C2)),
        trace((tensor.A.T @ tensor.A2) * (tensor.B.T @ tensor.B2) * (tensor.C.T @ tensor.C2)),
    ),
    "tensor.4": Identity(
        grad(square(tensor.cp(tensor.A, tensor.B, tensor.C)), tensor.A),
        tensor.A @ ((tensor.B.T @ tensor.B) * (tensor.C.T @ tensor.C)),
    ),
    "tensor.5": Rank(tensor.cp(tensor.A, tensor.B, tensor.C), tensor.R - 1),
    "tensor.6": Identity(
        grad(inner(tensor.E, tensor.train), tensor.G2), (kron(eye(tensor.n2), tensor.G1).T @ tensor.E) @ tensor.G3.T
    ),
    "tensor.7": Identity(
        tensor.i.T @ grad(inner(tensor.E, tensor.train), tensor.G1) @ tensor.a,
        inner(tensor.E, (kron(eye(tensor.n2), tensor.i @ tensor.a.T) @ tensor.G2) @ tensor.G3),
    ),
    "tensor.8": Rank(tensor.train, tensor.r2 - 1),
    "tensor.9": Bound(maxnorm(tensor.train), rownorm(tensor.G1) * maxnorm(tensor.G2) * maxnorm(tensor.G3)),
    "cholesky.1": Identity(trace(gram.step), trace(gram.K) - gram.K[gram.p, gram.p]),
    "cholesky.2": Identity(gram.step @ ones(n), ones(n) * 0),
    "cholesky.3": Identity(gram.step, gram.Y @ (eye(d) - gram.y @ gram.y.T) @ gram.Y.T),
    "cholesky.4": Bound(maxnorm(traces.A), top(trace(traces.A))),
    "nystrom.1": Identity(trace(gram.rest), trace(gram.K) - inner(gram.w, gram.Kw)),
    "nystrom.2": Identity(gram.rest @ ones(n), ones(n) * 0),
    "nystrom.3": Identity(gram.rest, (gram.Y @ gram.other) @ gram.Y.T * 2),
    "spectrum.1": Bound(rest_of(spectrum.A, 0), top(square(spectrum.error(1)))),
    "spectrum.2": Bound(singular(spectrum.A, 1), singular(spectrum.error(1))),
    "spectrum.3": Bound(top(square(spectrum.A)), rest_of(spectrum.A, 1)),
    "spectrum.4": Bound(rest_of(spectrum.A, 1), top(square(spectrum.A)) - 2 * singular(spectrum.A) ** 2),
    "spectrum.5": Bound(eigenvalue(P + R, 2), eigenvalue(P, 2) + eigenvalue(R, 2)),
    "spectrum.6": Bound(abs(eigenvalue(P + R, 1) - eigenvalue(P, 1)), maxnorm(R)),
    "spectrum.7": Bound(singular(spectrum.A), maxnorm(spectrum.A)),
    "spectrum.8": Bound(top(inner(spectrum.z, P @ spectrum.z)), eigenvalue(P, 1)),
    "spectrum.9": Bound(top(trace(P)), eigenvalue(P, 1)),
    "spectrum.10": Identity(
        square(onto @ spectrum.A) + square(spectrum.A - onto @ spectrum.A), square(spectrum.A)
    ),
    "tail.3": Bound(n**2 * 2 * sympy.exp(-2 * sympy.log(n)), 2 * n ** (-tail.c)),
    "tail.8": Expectation(tail.series.T @ tail.series, tail.by_rows, ((tail.z, "sign"),)),
}  # fmt: skip


def sharper(event: Bound, factor) -> Bound:
    """The event with so much less room."""
    return Bound(event.left, event.right * factor)


def first(name: str) -> Probability:
    return PACK[name].claims[0]


def twin(name: str, factor=1, at_least=None) -> Probability:
    """The tested claim with less room, or a larger probability."""
    claim = first(name)
    return Probability(
        sharper(claim.event, factor), claim.at_least if at_least is None else at_least, claim.random, part="twin"
    )


TESTED = {
    "tail.1": twin("tail.1", at_least=1 - 2 * sympy.exp(-m)),
    "tail.2": twin("tail.2", half / 8),
    "tail.4": twin("tail.4", half / 50),
    "tail.5": twin("tail.5", half / 50),
    "tail.6": twin("tail.6", half / 50),
    "tail.7": twin("tail.7", half / 4),
    "tail.9": twin("tail.9", half / 8),
    "tail.10": twin("tail.10", half / 8),
    "tail.11": twin("tail.11", half / 8),
}


@pytest.fixture(scope="module")
def verdicts():
    with Ledger(None) as ledger:
        progress = run(PACK, ledger, PACK)
        assert not progress.errors
        return {s.statement.id: s for s in statuses(PACK, ledger)}


def test_there_are_enough_and_each_has_a_twin():
    assert len(PACK) >= 25
    assert {s.id for s in PACK} == set(EXACT) | set(TESTED)
    assert not set(EXACT) & set(TESTED)


@pytest.mark.parametrize("name", [s.id for s in PACK])
def test_statement_stands(name, verdicts):
    status = verdicts[name]
    assert all(c.verdict in STANDING and c.argument == "ok" for c in status.claims)
    for record in status.evidence:
        assert rank(record.strength) <= rank(CEILING[record.basis])
        if record.basis == "statistics":
            assert record.strength != "proved" and 0.999 <= record.detail["confidence"] < 1


@pytest.mark.parametrize("name", EXACT)
def test_false_twin_is_refuted_and_its_witness_replays(name):
    status, registry = judged(EXACT[name])
    assert status.verdict == "refuted"
    found = replay(json.loads(json.dumps({k: v for k, v in status.witness.items() if k != "file"})), registry)
    assert found.found is not None and found.agrees


@pytest.mark.parametrize("name", TESTED)
def test_false_twin_is_contradicted(name):
    status, _ = judged(TESTED[name], kind="probability")
    assert status.verdict == "stated" and status.evidence[0].detail["contradicted"]


# -- the moments engine ---------------------------------------------------------------------------------------------------
def over_signs(count):
    return (np.array(values) for values in itertools.product((-1, 1), repeat=count))


def test_variance_agrees_with_the_enumeration_of_all_signs():
    """By plain NumPy integers, without formulas: (1/2^n) sum over z of (z^T A z)^2."""
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 4):
        matrix = rng.integers(-3, 4, (count, count))
        mean = Fraction(sum(int(z @ matrix @ z) ** 2 for z in over_signs(count)), 2**count)
        left, right = moments.sides(PACK["trace.2"].claims[0], Problem({"n": count}, {"A": matrix.astype(object)}))
        expected = {(): mean} if mean else {}
        for side in (left, right):
            assert {key: Fraction(int(c.p), int(c.q)) for key, c in side[0].items()} == expected


def test_count_sketch_agrees_with_the_enumeration_of_all_hashes():
    values, count, width = np.array([2, -1, 3]), 3, 2
    total_ = Fraction(0)
    for hashes in itertools.product(range(width), repeat=count):
        for z_ in over_signs(count):
            found = [sum(z_[i] * values[i] for i in range(count) if hashes[i] == b) for b in range(width)]
            total_ += Fraction(int(sum(f * f for f in found)) ** 2, width**count * 2**count)
    problem = Problem({"n": count, "m": width}, {"x": values.reshape(-1, 1).astype(object)})
    left, _ = moments.sides(PACK["sketch.6"].claims[0], problem)
    assert Fraction(int(left[0][()].p), int(left[0][()].q)) == total_


@pytest.mark.parametrize(
    ("law", "wanted"),
    [
        ("normal", [1, 0, 1, 0, 3, 0, 15]),
        ("sign", [1, 0, 1, 0, 1, 0, 1]),
        ("uniform", [1, 0, fmpq(1, 3), 0, fmpq(1, 5)]),
    ],
)
def test_moments_of_one_entry(law, wanted):
    assert [moments.moment(law, power) for power in range(len(wanted))] == wanted


@pytest.mark.parametrize("agreeing", [1, 2, 3])
def test_an_expectation_that_is_right_up_to_some_size_is_refuted(agreeing):
    """E |z|^2 = n + (n-1)...(n-k) is right for n = 1..k alone: the degree of the scalar makes the engine look further."""
    wrong = n + sympy.expand(sympy.prod([n - j for j in range(1, agreeing + 1)]))
    status, _ = judged(expectation(square(zz), ones(1) * wrong, (zz, "sign")))
    assert status.verdict == "refuted" and status.witness["n"] == agreeing + 1


def test_lost_letters_are_counted():
    """E (sum_i z_i)^4 = 3 n^2 - 2 n: no letter of n is left on either side, and n = 1..5 decide."""
    whole = ones(n).T @ zz
    claim = expectation((whole * whole) * (whole * whole), ones(1) * (3 * n**2 - 2 * n), (zz, "sign"))
    assert moments.deciding(claim) == {"n": 5}
    assert judged(claim)[0].verdict == "proved"


def test_what_the_argument_does_not_cover_is_proved_at_sizes_alone():
    scaled = inner(zz, zz) * recip(inner(x, x))
    status, _ = judged(expectation(scaled, recip(inner(x, x)) * n, (zz, "sign")))
    assert status.verdict == "proved-at-size"
    with pytest.raises(moments.Unclear):
        moments.deciding(PACK["tail.8"].claims[0])
    assert moments._scalar(1 / m + n).below == Counter(m=1)


def test_a_random_matrix_under_a_function_is_not_claimed():
    """1/|z|^2 is no polynomial: nothing may come of it but an open or stated verdict."""
    status, _ = judged(expectation(recip(inner(zz, zz)) * inner(x, x), inner(x, x), (zz, "normal")))
    assert status.verdict not in ("proved", "proved-at-size")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: expectation(square(zz), trace(Az), (zz, "cauchy")), "the law of z"),
        (lambda: expectation(square(x), square(x), (zz, "sign")), "no matrix of reals"),
        (lambda: expectation(square(zz), square(zz), (zz, "sign")), "stands on the right"),
        (lambda: expectation(zz, zz.T, (zz, "sign")), "one shape"),
        (lambda: Expectation(square(zz), square(x), ()), "at least one random matrix"),
        (lambda: expectation(square(zz), square(x), (zz, "onehot")), "no matrix of one-hot rows"),
    ],
)
def test_impossible_expectations_are_refused(build, words):
    with pytest.raises(StatementError, match=words):
        build()


# -- spectra -----------------------------------------------------------------------------------------------------------------
def test_eigenvalues_are_enclosed_and_sorted():
    rng = np.random.default_rng(3)
    with precision(169):
        for count in (1, 2, 4):
            half_ = rng.integers(-4, 5, (count, count))
            matrix = half_ + half_.T
            found = eigenvalues(arb_mat(matrix.tolist()))
            wanted = np.linalg.eigvalsh(matrix)[::-1]
            assert all(float(abs(a - float(b)).upper()) < 1e-9 for a, b in zip(found, wanted, strict=True))


def test_equal_eigenvalues_and_zeros():
    with precision(169):
        assert [str(v.mid().unique_fmpz()) for v in eigenvalues(arb_mat([[0, 0], [0, 0]]))] == ["0", "0"]
        twice = eigenvalues(arb_mat([[2, 1, 0], [1, 2, 0], [0, 0, 3]]))
        assert all(v.contains(w) for v, w in zip(twice, (3, 3, 1), strict=True))
        wide = np.array([[arb(3), arb(0), arb(4)]], dtype=object)
        assert SPECTRAL_OF["singular 1"](wide).overlaps(arb(5)) and SPECTRAL_OF["singular 2"](wide) == 0
        assert not SPECTRAL_OF["eigenvalue 2"](np.array([[arb(1)]], dtype=object)).is_finite()


def test_eigenvalues_of_what_is_not_symmetric_are_refused():
    with pytest.raises(ValueError, match="symmetric"):
        eigenvalues(arb_mat([[0, 1], [0, 0]]))
    with pytest.raises(ValueError, match="known are"):
        singular(A, 9)


# -- the pack ------------------------------------------------------------------------------------------------------------------
def test_the_pack_is_not_part_of_the_paper():
    paper = load()
    assert not {s.id for s in PACK} & {s.id for s in paper}
    assert all(s.origin == "own" and s.source for s in PACK)


def test_every_statement_can_be_shown():
    from almostlinear.theorems.display import claim_latex, claim_plain

    for made in PACK:
        for claim in made.claims:
            assert claim_latex(claim) and claim_plain(claim)
