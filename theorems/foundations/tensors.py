"""Tensor trains and CP decompositions: unfoldings, gradients through them, and the shortcuts that avoid the large tensor.

A tensor T of size n1 x n2 x n3 is kept as an unfolding: T_1 is n1 x (n2 n3) with n2 the faster index for CP (the row-wise Kronecker
product of Fact C.2), and T_12 is (n1 n2) x n3 with n2 the faster index for tensor trains. G is the gradient of a loss in the unfolding.
"""

from ..formula import Formula, eye, grad, kron, ones, rowkron
from ..sizes import size
from ..statement import Bound, Cost, Identity, Rank
from .pack import fact, inner, square, symbol

n1, n2, n3, R = (size(name) for name in ("n1", "n2", "n3", "R"))
r1, r2 = size("r1"), size("r2")
A, B, C = symbol("A", n1, R), symbol("B", n2, R), symbol("C", n3, R)
A2, B2, C2 = symbol("A_2", n1, R), symbol("B_2", n2, R), symbol("C_2", n3, R)
KOLDA = "Kolda, Bader, Tensor decompositions and applications, 2009"
OSELEDETS = "Oseledets, Tensor-train decomposition, 2011"


def khatri_rao(b: Formula, c: Formula) -> Formula:
    """Column by column the Kronecker product, the rows of b running faster."""
    return rowkron(b.T, c.T).T


def cp(a: Formula, b: Formula, c: Formula) -> Formula:
    """The first unfolding of sum_r a_r (x) b_r (x) c_r."""
    return a @ khatri_rao(b, c).T


G = symbol("G", n1, n2 * n3)


@fact("tensor.1", "CP: gradients through the unfolding", KOLDA)
def cp_gradients():
    """dL/dA = G (B . C), the matricised tensor times Khatri-Rao product."""
    return Identity(grad(inner(G, cp(A, B, C)), A), G @ khatri_rao(B, C))


@fact("tensor.2", "CP: the Gram matrix of a Khatri-Rao product", KOLDA)
def cp_gram():
    return [
        Identity(khatri_rao(B, C).T @ khatri_rao(B2, C2), (B.T @ B2) * (C.T @ C2), part="Gram"),
        Cost(((B.T @ B) * (C.T @ C),), (n2 + n3) * R**2, part="time"),
    ]


@fact("tensor.3", "CP: inner products without the tensor", KOLDA)
def cp_inner():
    grams = ((A.T @ A2) * (B.T @ B2)) * (C.T @ C2)
    return Identity(inner(cp(A, B, C), cp(A2, B2, C2)), ones(R).T @ grams @ ones(R))


@fact("tensor.4", "CP: gradient of the squared norm without the tensor", KOLDA, uses="tensor.3")
def cp_least_squares():
    """The part of the gradient of |[[A, B, C]]|_F^2 in A."""
    return Identity(grad(square(cp(A, B, C)), A), (A @ ((B.T @ B) * (C.T @ C))) * 2)


@fact("tensor.5", "CP: unfoldings have rank at most R", KOLDA, kind="rank")
def cp_rank():
    return Rank(cp(A, B, C), R)


G1, G2, G3 = symbol("G_1", n1, r1), symbol("G_2", r1 * n2, r2), symbol("G_3", r2, n3)
E = symbol("E", n1 * n2, n3)
left = kron(G1, eye(n2))
train = (left @ G2) @ G3
"""T_12 of the tensor train with cores G_1, G_2 (rows (a, j), j faster) and G_3."""


@fact("tensor.6", "Tensor train: gradients of the second and third core", OSELEDETS)
def train_gradients():
    return [
        Identity(grad(inner(E, train), G2), (left.T @ E) @ G3.T, part="G_2"),
        Identity(grad(inner(E, train), G3), (left @ G2).T @ E, part="G_3"),
    ]


i, a = symbol("i", n1), symbol("a", r1)


@fact("tensor.7", "Tensor train: gradient of the first core", OSELEDETS)
def first_core():
    """Along a direction i a^T: <dL/dG_1, i a^T> = <E, (i a^T (x) I) G_2 G_3>."""
    moved = (kron(i @ a.T, eye(n2)) @ G2) @ G3
    return Identity(i.T @ grad(inner(E, train), G1) @ a, inner(E, moved))


@fact("tensor.8", "Tensor train: the unfolding has rank at most r2", OSELEDETS, kind="rank")
def train_rank():
    return Rank(train, r2)


@fact("tensor.9", "Tensor train: size of the entries", OSELEDETS, kind="norm-bound")
def train_size():
    from ..norms import maxnorm, rownorm

    return Bound(maxnorm(train), rownorm(G1) * maxnorm(G2) * r2 * maxnorm(G3))
