"""Tails with explicit constants: Johnson-Lindenstrauss, subspace embedding, Hutchinson, and sums of random matrices.

Tested on drawn instances by exact binomial tests: each trial draws the random matrices again. Failure probabilities that shrink
like a power of n are claimed with the number of rows that they need.
"""

from ..formula import block, kron, total
from ..norms import top
from ..sizes import Index
from ..spectrum import singular
from ..statement import Bound, Expectation, Probability
from .pack import d, eye, fact, inner, m, n, square, symbol, sympy, trace
from .sketches import ACHLIOPTAS, COUNT, JL, PRODUCTS, A, S, bucketed, x
from .traces import AVRON, Z

Rational, exp, log, sqrt = sympy.Rational, sympy.exp, sympy.log, sympy.sqrt
TROPP = "Tropp, User-friendly tail bounds for sums of random matrices, 2012"
CHANCE = {"kind": "probability"}
DELTA = Rational(1, 10)
"""The failure probability of the tails that are given for one."""


def distortion(eps: sympy.Expr) -> Bound:
    """| |S x|^2/m - |x|^2 | <= eps |x|^2, as |.| of one entry."""
    return Bound(abs(top(square(S @ x)) / m - top(square(x))), eps * top(square(x)))


def rate(eps: sympy.Expr) -> sympy.Expr:
    """eps^2/4 - eps^3/6: a row's share of the exponent."""
    return eps**2 / 4 - eps**3 / 6


@fact("tail.1", "Johnson-Lindenstrauss, Gaussian", JL, **CHANCE)
def johnson_lindenstrauss():
    """P >= 1 - 2 exp(-m (eps^2/4 - eps^3/6)): m >= log(2/delta)/(eps^2/4 - eps^3/6) rows fail with probability delta."""
    return [
        Probability(distortion(eps), 1 - 2 * exp(-m * rate(eps)), ((S, "normal"),), part=f"eps = {eps}")
        for eps in (Rational(1, 2), Rational(3, 4))
    ]


@fact("tail.2", "Johnson-Lindenstrauss, signs", ACHLIOPTAS, **CHANCE)
def johnson_lindenstrauss_signs():
    return [
        Probability(distortion(eps), 1 - 2 * exp(-m * rate(eps)), ((S, "sign"),), part=f"eps = {eps}")
        for eps in (Rational(1, 2), Rational(3, 4))
    ]


c = sympy.Symbol("c", positive=True)


@fact("tail.3", "Johnson-Lindenstrauss for n points: failure 1/poly(n)", ACHLIOPTAS, kind="error-bound")
def power_of_n():
    """m >= (4 + 2 c) log n / (eps^2/2 - eps^3/3) rows: n^2 pairs fail with probability at most 2 n^{-c}."""
    eps = Rational(1, 2)
    rows = (4 + 2 * c) * log(n) / (2 * rate(eps))
    return Bound(n**2 * 2 * exp(-rows * rate(eps)), 2 * n ** (-c) * (1 + Rational(1, 2**60)))


def embedding(found, scale) -> Bound:
    """|found * scale - A^T A|_F^2 <= |A|_F^4 / 4."""
    return Bound(top(square(found * scale - A.T @ A)), top(square(A)) ** 2 / 4)


@fact("tail.4", "Subspace embedding, Gaussian", PRODUCTS, uses="sketch.7", **CHANCE)
def embedding_gaussian():
    """By sketch.7 and Markov: with k orthonormal columns and eps = 1/2 the error of A^T A is at most k/2, but for 8/m."""
    return Probability(embedding((S @ A).T @ (S @ A), 1 / m), 1 - 8 / m, ((S, "normal"),))


@fact("tail.5", "Subspace embedding, signs", PRODUCTS, uses="sketch.8", **CHANCE)
def embedding_signs():
    return Probability(embedding((S @ A).T @ (S @ A), 1 / m), 1 - 8 / m, ((S, "sign"),))


@fact("tail.6", "Subspace embedding, count sketch", PRODUCTS, uses="sketch.9", **CHANCE)
def embedding_count():
    return Probability(embedding(bucketed(A).T @ bucketed(A), 1), 1 - 8 / m, COUNT)


K = symbol("K", n, n)


@fact("tail.7", "Hutchinson's estimator with m probes", AVRON, uses="trace.4", **CHANCE)
def hutchinson():
    """By Chebyshev: |mean - tr| <= |K|_F/2 but for 8/m."""
    mean = inner(Z, K @ Z)
    event = Bound(abs(top(mean) / m - top(trace(K))), sqrt(top(square(K))) / 2)
    return Probability(event, 1 - 8 / m, ((Z, "sign"),))


# -- sums of random matrices -----------------------------------------------------------------------------------------------
z = symbol("z", n)
Y = symbol("Y", n * d, d)
i = Index("i", n)
series = kron(z.T, eye(d)) @ Y
"""sum_i z_i B_i, with the d x d blocks B_i of Y."""
B_i = block(Y, i, d)
by_rows = total(i, B_i @ B_i.T)
variance = sympy.Max(singular(Y) ** 2, singular(by_rows))
"""max(|sum B_i B_i^T|, |sum B_i^T B_i|)."""


@fact("tail.8", "Second moment of a matrix series", TROPP)
def series_moment():
    """E M^T M = sum_i B_i^T B_i = Y^T Y."""
    return [
        Expectation(series.T @ series, Y.T @ Y, ((z, "sign"),), part="columns"),
        Expectation(series @ series.T, by_rows, ((z, "sign"),), part="rows"),
    ]


@fact("tail.9", "Matrix Chernoff: signs and Gaussians", TROPP, **CHANCE)
def matrix_chernoff():
    """P(|sum z_i B_i| > t) <= 2 d exp(-t^2/(2 v)), solved for t at the probability 1/10."""
    event = Bound(singular(series) ** 2, 2 * variance * log(2 * d / DELTA))
    return [Probability(event, 1 - DELTA, ((z, law),), part=law) for law in ("sign", "normal")]


@fact("tail.10", "Matrix Bernstein", TROPP, **CHANCE)
def matrix_bernstein():
    """P(|sum z_i B_i| > t) <= 2 d exp(-(t^2/2)/(v + L t/3)) for |z_i| <= 1, v the variance over 3, L >= |B_i|.

    t = sqrt(2 v l) + 2 L l/3, l = log(2 d/delta), suffices.
    """
    length = log(2 * d / DELTA)
    limit = sqrt(2 * variance / 3 * length) + 2 * singular(Y) * length / 3
    return Probability(Bound(singular(series), limit), 1 - DELTA, ((z, "uniform"),))


@fact(
    "tail.11",
    "Hoeffding's inequality",
    "Hoeffding, Probability inequalities for sums of bounded random variables, 1963",
    **CHANCE,
)
def hoeffding():
    """P(|<z, x>| > t) <= 2 exp(-t^2/(2 |x|^2))."""
    event = Bound(top(inner(z, x)) ** 2, 2 * log(2 / DELTA) * top(square(x)))
    return Probability(event, 1 - DELTA, ((z, "sign"),))
