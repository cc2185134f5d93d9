"""Alman, Song, The fine-grained complexity of gradient computation for training large language models, 2024: one layer.

Its Lemmas B.1, D.1, D.4 and D.5 carry their numbers in this paper's citations; the functions f, q, p, p_1, p_2 are quoted without.
"""

from ..formula import diag, kron, symbol, total
from ..norms import maxnorm
from ..notation import G, W, X, i0
from ..paper.c_preliminaries import c_13, c_15, c_16, f, h, p, p1, p1_low, p2, p2_low, q
from ..paper.f_gradient_w import f_3, f_4
from ..repaired.approximation import c_13r
from ..sizes import Pair, d, features, n, tokens
from ..statement import Bound, Cost, Identity, Rank
from .pack import cited, quoted

quoted("AS24:B.1", f_3, "Lemma F.3", (0,), title="Derivative of an entry of s in the vector form of W")
quoted("AS24:D.1", c_13, "Lemma C.13", title="Low-rank approximation of f, as quoted")
quoted(
    "AS24:D.1r",
    c_13r,
    "Lemma C.13",
    (0, 1, 3),
    title="Low-rank approximation of f, with the hypotheses that it needs",
    repairs="AS24:D.1",
)
quoted("AS24:D.4", c_15, "Lemma C.15", title="Low-rank approximation of p_1")
quoted("AS24:D.5", c_16, "Lemma C.16", title="Low-rank approximation of p_2")
quoted("AS24:gradient", f_4, "Lemma F.4", (0, 2, 3, 4), title="Closed form of the gradient in W")

A1, A2 = symbol("A_1", n, d), symbol("A_2", n, d)
a, b = tokens("a b")
k, l = features("k l")


@cited("AS24:trick", "Tensor trick: (A_1 (x) A_2) vec(W) = vec(A_1 W A_2^T)", "Definition F.1, Lemma F.4")
def tensor_trick():
    """The vector form of W row by row."""
    product = kron(A1, A2)
    return Identity(total(k, l, product[Pair(a, b), Pair(k, l)] * W[k, l]), (A1 @ W @ A2.T)[a, b])


@cited("AS24:q", "q = G h^T has rank d and is computed by its factors", "Definition C.11", kind="rank")
def q_factors():
    return [Rank(q, d), Cost((G @ (h.T @ X),), n * d**2, given=(h,), part="time of q X")]


@cited("AS24:p", "p = p_1 - p_2", "Definition C.12", uses=("AS24:p1", "AS24:p2"))
def p_parts():
    row = (diag(f.row(i0)) - f.row(i0) @ f.row(i0).T) @ q.row(i0)
    return [Identity(p, p1 - p2, part="parts"), Identity(p.row(i0), row, part="rows")]


@cited("AS24:p1", "Rows of p_1: diag(f_j) q_j", "Definition C.12")
def p_1():
    return Identity(p1.row(i0), diag(f.row(i0)) @ q.row(i0))


@cited("AS24:p2", "Rows of p_2: f_j f_j^T q_j", "Lemma C.16")
def p_2():
    return Identity(p2.row(i0), f.row(i0) @ (f.row(i0).T @ q.row(i0)))


@cited("AS24:p.error", "Error of p from those of p_1 and p_2", "Lemma F.5", kind="error-bound")
def p_error():
    gap = (p1_low - p2_low) - (p1 - p2)
    via = (p1_low - p1) - (p2_low - p2)
    return Bound(maxnorm(gap), maxnorm(p1_low - p1) + maxnorm(p2_low - p2), via=via)


@cited("AS24:p.sums", "Row sums of p_1 are r_j = <f_j, q_j>", "Lemma C.16", uses="AS24:p1")
def p_sums():
    return Identity(total(b, p1[i0, b]), f.row(i0).T @ q.row(i0))
