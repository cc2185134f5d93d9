"""Alman, Song, Fast attention requires bounded entries, 2023: the polynomial method for A = exp(Q K^T / d)."""

from ..formula import define, diag, exp, ones, recip, symbol, taylor
from ..functions import J
from ..norms import maxnorm
from ..paper.i_causal import i_1
from ..repaired.kernel import ONE, E, eps_1, eta, normalised
from ..sizes import d, n, size
from ..statement import Bound, Cost, Identity
from .pack import cited, quoted

Q, K, V = (symbol(name, n, d) for name in "QKV")
g, r = size("g"), size("r")
scores = define("S", (Q @ K.T) * (1 / d), "AS23:3.scores")
LEMMA = "Lemma I.1"

quoted("AS23:3.rank", i_1, LEMMA, (0,), title="Rank of the Taylor kernel: r <= binom(2(g + d), 2g)")
quoted("AS23:3.degree", i_1, LEMMA, (1,), title="Degree O(max{log(1/eps)/log(log(1/eps)/R), R^2})", kind="error-bound")


@cited("AS23:3.scores", "Scores are at most |Q| |K|", LEMMA, kind="norm-bound")
def scores_bounded():
    """|Q K^T / d| <= |Q| |K|: the entry bound R gives scores of R^2."""
    return Bound(maxnorm(scores), maxnorm(Q) * maxnorm(K))


@cited("AS23:3.relative", "The Taylor kernel is an (eps, r)-approximation", LEMMA, kind="error-bound")
def relative():
    """|A~_ij - A_ij| <= eps A_ij for eps = J_g(|S|), J_g of statement T.1."""
    return Bound(maxnorm(taylor(scores, g) * exp(-scores) - ones(n, n)), J(maxnorm(scores), g))


@cited("AS23:3.attention", "From the kernel to attention", "Appendix I", kind="error-bound")
def attention():
    """|D~^{-1} A~ V - D^{-1} A V| <= eps_1 |V| for a kernel within a relative error eta: the published constant is O(eps)."""
    exact = normalised(exp(scores))
    found = normalised(exp(scores) * (ones(n, n) + E * eta))
    return Bound(maxnorm((found - exact) @ V), eps_1 * maxnorm(V), given=ONE, via=(found - exact) @ V)


U0, V0 = symbol("U_0", n, r), symbol("V_0", n, r)


@cited("AS23:3.time", "Attention with low-rank factors", "Appendix I", kind="cost")
def low_rank_attention():
    """D^{-1} (U_0 (V_0^T V)) with D = diag(U_0 (V_0^T 1)) takes O(n r d)."""
    inverse = diag(recip(U0 @ (V0.T @ ones(n))))
    kernel = U0 @ V0.T
    fast = inverse @ (U0 @ (V0.T @ V))
    return [
        Identity(diag(recip(kernel @ ones(n))) @ kernel @ V, fast, part="value"),
        Cost((fast,), n * r * d, part="time"),
    ]
