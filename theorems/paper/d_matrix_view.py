"""Appendix D: the gradient of one attention layer with respect to its input, from entries to matrices.

ds_{i0,j0}/dX_{i1,j1} is split into C1..C8 (D.1); collected over (i1, j1) they become B_2, B_4, B_6, B_7, B_8 (D.3-D.7); summed
with G they become D_2, D_4, D_6, D_7, D_8 (D.10-D.17). Formulas of a lemma are used by the next ones as definitions,
whether or not the lemma itself holds.
"""

from ..formula import define, diag, entries, grad, inner, ones, rows, total, unit
from ..notation import W_V, G, W, X, i0, i1, j0, j1
from ..registry import definition, published
from ..sizes import d
from ..statement import Condition, Identity
from .c_preliminaries import both, f, h, loss_gradient, s

# C1..C8 of Lemma D.1, at (i0, j0), (i1, j1).
w_x = inner(W.row(j1), X.row(i0))
C1 = define("C_1", -(s[i0, j0] * f[i0, i0] * w_x), "D.1")
C2 = define("C_2", -(s[i0, j0] * inner(f.row(i0), X @ W.col(j1))), "D.1")
C3 = define("C_3", f[i0, i0] * h[i0, j0] * w_x, "D.1")
C4 = define("C_4", inner(f.row(i0) * (X @ W.col(j1)), h.col(j0)), "D.1")
C5 = define("C_5", f[i0, i0] * W_V[j1, j0], "D.1")
C6 = define("C_6", -(s[i0, j0] * f[i1, i0] * w_x), "D.1")
C7 = define("C_7", f[i1, i0] * h[i1, j0] * w_x, "D.1")
C8 = define("C_8", f[i1, i0] * W_V[j1, j0], "D.1")
ds_entry = grad(s[i0, j0], X)[i1, j1]


@published("Lemma D.1", "Derivative of an entry of s", uses="C.10", notes="cited from DSXY23 Lemma B.16")
def d_1():
    same, other = (Condition(i0, "==", i1),), (Condition(i0, "!=", i1),)
    return [
        *both(ds_entry, C1 + C2 + C3 + C4 + C5, part="1 (i0 = i1)", where=same),
        *both(ds_entry, C6 + C7 + C8, part="2 (i0 != i1)", where=other),
    ]


@published("Lemma D.2", "Gradient of the loss, entrywise", uses=("C.4", "C.3", "C.10", "3.3"))
def d_2():
    return both(loss_gradient(X)[i1, j1], total(i0, j0, G[i0, j0] * ds_entry))


B6 = define("B_6", entries(i1, j1, C6), "D.3")
B7 = define("B_7", entries(i1, j1, C7), "D.4")
B8 = define("B_8", entries(i1, j1, C8), "D.5")
B2 = define("B_2", rows(j1, C2), "D.6")
B4 = define("B_4", rows(j1, C4), "D.7")


@published("Lemma D.3", "Matrix view of C_6", uses="D.1")
def d_3():
    return Identity(B6, -(s[i0, j0] * (f.col(i0) @ (W @ X.row(i0)).T)))


@published(
    "Lemma D.4",
    "Matrix view of C_7",
    uses="D.1",
    notes="the hypotheses print h_{j0,i1}, which cannot be (h is n x d); read as h_{i1,j0}, as the proof has it",
)
def d_4():
    return Identity(B7, (f.col(i0) * h.col(j0)) @ (W @ X.row(i0)).T, typo="h_{j0,i1} for h_{i1,j0}")


@published("Lemma D.5", "Matrix view of C_8", uses="D.1")
def d_5():
    return Identity(B8, f.col(i0) @ W_V.col(j0).T)


@published("Lemma D.6", "Matrix view of C_2", uses="D.1")
def d_6():
    return Identity(B2, -(s[i0, j0] * (W.T @ X.T @ f.row(i0))))


@published("Lemma D.7", "Matrix view of C_4", uses=("D.1", "C.1"))
def d_7():
    return Identity(B4, W.T @ X.T @ (f.row(i0) * h.col(j0)))


all_B = B6 + B7 + B8 + unit(i0) @ (B2 + B4).T


@published("Lemma D.8", "One term of the gradient", uses=("D.1", "D.3", "D.4", "D.5", "D.6", "D.7"))
def d_8():
    return both(G[i0, j0] * grad(s[i0, j0], X), G[i0, j0] * all_B)


@published("Lemma D.9", "The gradient as a sum of terms", uses=("D.8", "C.4"))
def d_9():
    return both(loss_gradient(X), total(i0, j0, G[i0, j0] * all_B))


# The sums D_k of Definition D.15 and the matrices z_k of Lemmas D.10-D.14.
D6, D7, D8 = (define(f"D_{k}", total(i0, j0, G[i0, j0] * B), "D.15") for k, B in ((6, B6), (7, B7), (8, B8)))
D2, D4 = (define(f"D_{k}", total(i0, j0, G[i0, j0] * (unit(i0) @ B.T)), "D.15") for k, B in ((2, B2), (4, B4)))
z6 = define("z_6", rows(i0, inner(G.row(i0), s.row(i0)) * f.col(i0)).T, "D.10")
z7 = define("z_7", rows(i0, f.col(i0) * (h @ G.row(i0))).T, "D.11")
z2 = define("z_2", rows(i0, inner(G.row(i0), s.row(i0)) * f.row(i0)), "D.13")
z4 = define("z_4", rows(i0, f.row(i0) * (h @ G.row(i0))), "D.14")


@published("Lemma D.10", "Sum of the B_6", uses="D.3")
def d_10():
    return Identity(total(i0, j0, G[i0, j0] * B6), -(z6 @ X @ W.T))


@published("Lemma D.11", "Sum of the B_7", uses="D.4")
def d_11():
    return Identity(total(i0, j0, G[i0, j0] * B7), z7 @ X @ W.T)


@published("Lemma D.12", "Sum of the B_8", uses="D.5")
def d_12():
    return Identity(total(i0, j0, G[i0, j0] * B8), f @ G @ W_V.T)


@published("Lemma D.13", "Sum of the B_2", uses="D.6")
def d_13():
    return Identity(total(i0, j0, G[i0, j0] * (unit(i0) @ B2.T)), -(z2 @ X @ W))


@published("Lemma D.14", "Sum of the B_4", uses="D.7")
def d_14():
    return Identity(total(i0, j0, G[i0, j0] * (unit(i0) @ B4.T)), z4 @ X @ W)


definition("Definition D.15", "The sums D_k", D6, D7, D8, D2, D4, uses=("D.3", "D.4", "D.5", "D.6", "D.7"))

K = define("K", rows(i0, inner(G.row(i0), s.row(i0))), "D.16")


@published("Definition D.16", "The vector K", kind="definition", uses="C.10")
def d_16():
    return [K, Identity(K, (G * s) @ ones(d))]


@published("Lemma D.17", "Matrix view of all terms", uses=("D.10", "D.11", "D.12", "D.13", "D.14", "D.15", "D.16"))
def d_17():
    return [
        Identity(z6, f @ diag(K), part="z_6"),
        Identity(z7, f * (h @ G.T), part="z_7"),
        Identity(z2, diag(K) @ f, part="z_2"),
        Identity(z4, f * (G @ h.T), part="z_4"),
        Identity(D6, -(z6 @ X @ W.T), part="D_6"),
        Identity(D7, z7 @ X @ W.T, part="D_7"),
        Identity(D8, f @ G @ W_V.T, part="D_8"),
        Identity(D2, -(z2 @ X @ W), part="D_2"),
        Identity(D4, z4 @ X @ W, part="D_4"),
    ]
