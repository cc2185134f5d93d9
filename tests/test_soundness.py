"""Attempts to fool the engines: false claims that once were proved, true ones that once were refuted, claims that cannot be."""

import time

import pytest
import sympy

from almostlinear.theorems import (
    Bound,
    Condition,
    Identity,
    Index,
    StatementError,
    colnorm,
    d,
    l1norm,
    maxnorm,
    n,
    rownorm,
    tokens,
    top,
)
from almostlinear.theorems.formula import (
    ShapeError,
    causal_rows,
    exp,
    eye,
    grad,
    inner,
    kron,
    loss,
    ones,
    scalar,
    symbol,
)
from almostlinear.verify.campaign import run
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import statuses
from tests.helpers import alone, own

x, X, W, Y, G = symbol("x", n), symbol("X", n, d), symbol("W", d, d), symbol("Y", n, n), symbol("G", n, d)
M, c2 = causal_rows(n), symbol("c", 2)
a, b = Index("a", n * d), Index("b", n * d)
i, j = tokens("i j")
O, Z, E = symbol("O", n, d, domain="onehot"), symbol("Z", d), symbol("E", n, n, domain="unit")

ANY = symbol("M", n, n, domain="mask")
FALSE = {
    "row norm by largest entry": Bound(rownorm(X), maxnorm(X)),
    "sum by inner size": Bound(l1norm(X @ W), d * maxnorm(X) * maxnorm(W)),
    "column norm by row norm": Bound(colnorm(X), rownorm(X)),
    "absolute by signed": Bound(maxnorm(X), top(X)),
    "product of signed": Bound(maxnorm(X @ W), d * top(X) * top(W)),
    "signed hypothesis": Bound(maxnorm(X), 1, given=(top(X) <= 1,)),
    "negative irrational coefficient": Bound(maxnorm(X), maxnorm(X) * (1 + sympy.log(sympy.tanh(1)))),
    "index over a product of sizes": Identity(kron(x, ones(d))[a], kron(x, ones(d))[b]),
    "order of a Kronecker product": Identity(kron(x, c2), kron(c2, x)),
    "zero modulo p": Identity(x * (2**61 - 1), x * 0),
    "true at three": Identity(ones(n).T @ ones(n), scalar(3)),
    "size as a factor": Identity(x * n**2, x * (3 * n)),
    "mask below the diagonal": Identity(M[i, j], scalar(0), where=(Condition(i, "!=", j),)),
    "mask and its transpose": Identity(ANY * ANY.T, eye(n)),
}
TRUE = {
    "one-hot rows pick": Identity(exp(O @ Z) * (O @ ones(d)), exp(O @ Z)),
    "entries within one": Bound(maxnorm(E) * maxnorm(exp(E)), maxnorm(exp(E))),
}
IMPOSSIBLE = {
    "fractional size": (lambda: symbol("s", sympy.sqrt(n)), ShapeError),
    "kept name": (lambda: symbol("V*", n, n), ShapeError),
    "float": (lambda: X * 0.5, ShapeError),
    "value of a loss": (lambda: own("t.loss", Identity(loss(X, G), inner(X, G))), StatementError),
    "two of a name": (
        lambda: own(
            "t.two",
            Identity(grad(inner(symbol("Q", n, domain="positive"), symbol("Q", n)), symbol("Q", n)), symbol("Q", n)),
        ),
        StatementError,
    ),
    "relation": (lambda: Condition(i, "=", j), StatementError),
}


def verdict(claim) -> str:
    registry = alone(own("t.1", claim))
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        return statuses(registry, ledger)[0].verdict


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_refuted(name):
    assert verdict(FALSE[name]) == "refuted"


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_is_not_refuted(name):
    assert verdict(TRUE[name]) in ("enclosed", "proved")


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_is_said_so(name):
    build, error = IMPOSSIBLE[name]
    with pytest.raises(error):
        build()


def test_an_expansion_that_grows_too_large_gives_up_in_time():
    """Without exp, dL/dX has degree 18 and 8 feature letters; the witness says what the expansion cannot."""
    from almostlinear.theorems.paper.d_matrix_view import D6
    from almostlinear.verify.engines import expansion
    from almostlinear.verify.task import PROFILES, Task

    linear = D6.rebuild(lambda node: node.args[0] if node.op == "exp" else None)
    claim = Identity(linear, D6)
    task = Task(own("t.1", claim), claim, "", PROFILES["quick"], 0)
    begun = time.process_time()
    assert expansion.examine(task) is None and not expansion.differs(claim)
    assert time.process_time() - begun < 30
