"""Appendix K: several heads. There are h of them, of d_h features each, and d = h d_h; the sizes are those of Theorem 4.2.

X, Q, K, V are n x d; Q_l is the l-th block of d_h columns of Q, and E_l puts such a block back into d columns.
"""

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, NEGLIGIBLE, POLY
from ..claims import error_of, time_of
from ..formula import Formula, block, define, diag, exp, eye, func, grad, loss, ones, recip, symbol, total
from ..norms import maxnorm
from ..registry import definition, published
from ..sizes import Index, n, size, tokens
from ..statement import Asymptotic, Bound, Identity, Within
from .b_discussion import heads
from .h_multilayer import ONE_LAYER, PHI, P, succeeds

d_h = size("d_h")
width = heads * d_h
l, c, j = Index("l", heads), Index("c", d_h), Index("j", width)
(i,) = tokens("i")

X, g_T = (symbol(name, n, width) for name in ("X", "g_T"))
W_Q, W_K, W_V, W_g = (symbol(name, width, width) for name in ("W_Q", "W_K", "W_V", "W_g"))


def head(a: Formula) -> Formula:
    """The columns of head l."""
    return block(a.T, l, d_h).T


def softmax_rows(scores: Formula) -> Formula:
    """Softmax, row by row."""
    return diag(recip(exp(scores) @ ones(n))) @ exp(scores)


Q, K, V = (define(name, X @ W, "K.1") for name, W in (("Q", W_Q), ("K", W_K), ("V", W_V)))
f_l = define("f_l", softmax_rows((head(Q) @ head(K).T) * (1 / d_h)), "K.1")
s_l = define("s_l", f_l @ head(V), "K.1")
s = define("s", total(l, s_l @ block(eye(width), l, d_h)), "K.1")
definition(
    "Definition K.1",
    "Multi-head attention",
    f_l,
    s_l,
    s,
    uses="C.3",
    notes="d_h = d/h; s is the concatenation of the s_l, written as the sum over l of s_l E_l",
)

Y = define("Y", func("phi", s @ W_g), "1.3")
G_s = define("dL/ds", (g_T * func("phi", s @ W_g, 1)) @ W_g.T, "H.2")

e = symbol("e", n * width)
dY, ds = symbol("dY/ds", n * width, n * width), symbol("ds/dX", n * width, n * width)
dY_l, ds_l = define("dY/ds_l", block(dY.T, l, n * d_h).T, "K.2"), define("ds_l/dX", block(ds, l, n * d_h), "K.2")


@published(
    "Lemma K.2",
    "Gradient through several heads",
    kind="error-bound",
    uses=("3.1", "H.2", "E.11", "K.1"),
    hypotheses=("the number h of heads is constant", PHI),
    assumes=Within(heads, CONSTANT),
    granted=(Within(d_h, LOG), *ONE_LAYER["granted"]),
    concludes=succeeds("K.2"),
    notes=(
        "Y_m = phi(s W_g), as in Lemma H.2; e is the error of dL/dY_m as one column, and rows of ds/dX are grouped by heads",
        "the poly of the printed factors is |dY_m/ds| |ds_l/dX|, in the growth claims P",
        "dL/dY_m is said to take nd operations, by Definition 3.1",
        "d = O(log n) and the size of the numbers are the setting of Theorem 4.2; that the argument extends to all layers is a remark",
    ),
)
def k_2():
    chain = total(i, j, G_s[i, j] * grad(s[i, j], X))
    by_heads = total(l, i, c, head(G_s)[i, c] * grad(s_l[i, c], X))
    sizes = maxnorm(dY) * maxnorm(ds) * maxnorm(e)
    times = n * width + time_of("H.2") + heads * time_of("E.11")
    return [
        Identity(grad(define("L", loss(Y, g_T), "3.1"), X), chain, part="chain rule"),
        Identity(chain, by_heads, part="sum over heads"),
        Asymptotic(times, ALMOST_LINEAR, relies_on=("H.2", "E.11"), part="time"),
        Bound(maxnorm(ds_l.T @ (dY_l.T @ e)), n**2 * width * d_h * sizes, part="one head"),
        Bound(maxnorm(ds.T @ (dY.T @ e)), heads * n**2 * width * d_h * sizes, part="all heads"),
        Asymptotic(
            heads * n**2 * width * d_h * P * error_of("E.11"),
            NEGLIGIBLE,
            relies_on=("E.11",),
            granting=(Within(P, POLY),),
            part="error",
        ),
    ]
