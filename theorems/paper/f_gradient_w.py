"""Appendix F: the gradient with respect to W = W_Q W_K^T, by the tensor trick."""

from ..formula import block, define, diag, grad, inner, kron, total
from ..notation import G, W, X
from ..registry import definition, published
from ..sizes import Pair, features, n, tokens
from ..statement import Identity
from .c_preliminaries import both, f, h, loss_gradient, p, q, s

(j0,) = tokens("j0")
i0, k, l = features("i0 k l")

A = define("A", kron(X, X), "F.1")
A_j0 = define("A_{j0}", block(A, j0, n), "F.1")
definition("Definition F.1", "A = A_1 (x) A_2 and its blocks", A, A_j0, notes="shown with A_1 = A_2 = X (Remark F.2)")
definition("Remark F.2", "Here A_1 = A_2 = X", A, kind="remark", uses="F.1")


@published(
    "Lemma F.3",
    "Derivative of an entry of s in W",
    uses=("F.1", "C.8", "C.9", "C.10"),
    hypotheses="w in R^{d^2} is the vector form of W",
    notes="cited from AS24a Lemma B.1; the order of the vector form is not printed, both are encoded",
)
def f_3():
    def claims(index, reading):
        a = A_j0.col(Pair(k, l))
        f_j0, h_i0 = f.row(j0), h.col(i0)
        right = inner(a * f_j0, h_i0) - inner(f_j0, h_i0) * inner(a, f_j0)
        return [
            Identity(c.left, c.right, reading=f"{reading}; {c.reading}") for c in both(grad(s[j0, i0], W)[index], right)
        ]

    return [
        *claims((k, l), "w row by row: w_{(k-1)d+l} = W_{k,l}"),
        *claims((l, k), "w column by column: w_{(k-1)d+l} = W_{l,k}"),
    ]


@published("Lemma F.4", "Closed form of the gradient in W", uses=("F.3", "C.1", "C.4", "C.11", "C.12"))
def f_4():
    f_j0 = f.row(j0)
    step_1 = A_j0.T @ (diag(f_j0) - f_j0 @ f_j0.T) @ h.col(i0)
    step_3 = total(j0, A_j0.T @ p.row(j0))
    return [
        *both(grad(s[j0, i0], W)[k, l], step_1[Pair(k, l)], part="step 1"),
        Identity(q.row(j0), total(i0, G[j0, i0] * h.col(i0)), part="step 2"),
        Identity(step_3[Pair(k, l)], (X.T @ p @ X)[k, l], part="step 3"),
        *both(loss_gradient(W), X.T @ p @ X, part="closed form"),
    ]
