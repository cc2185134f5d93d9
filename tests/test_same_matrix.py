"""Parts of a formula that stand for any matrix while two sides are compared."""

from almostlinear.theorems import Bound, define, diag, exp, maxnorm, n, ones, recip, symbol
from almostlinear.theorems.formula import jvp
from almostlinear.verify.engines.norms import same_matrix
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import own

X, R, D, named = (symbol(x, n, n) for x in ("X", "R", "D", "any 0"))
f = diag(recip(exp(X) @ ones(n))) @ exp(X)
CLAIM = Bound(maxnorm(X), n)
TASK = Task(own("of a test", CLAIM), CLAIM, "", PROFILES["quick"], 0)


def test_different_parts_have_different_names():
    """No matrix commutes with f for its name alone."""
    for other in (define("B", R + D), named):
        assert same_matrix(TASK, other @ f + other, other + other @ f)
        assert not same_matrix(TASK, other @ f, f @ other)


def test_what_is_derived_is_not_any_matrix():
    assert not same_matrix(TASK, jvp(f, X, D) + ones(n, n), ones(n, n))
