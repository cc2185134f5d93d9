"""Appendix E: the gradient with respect to the layer input, assembled from the five terms of Appendix D."""

from ..formula import define, diag
from ..notation import W_V, G, W, X
from ..registry import published
from .c_preliminaries import both, f, h, loss_gradient
from .d_matrix_view import K

# The terms in the matrix form of Lemma D.17.
D6 = define("D_6", -(f @ diag(K) @ X @ W.T), "D.17")
D7 = define("D_7", (f * (h @ G.T)) @ X @ W.T, "D.17")
D8 = define("D_8", f @ G @ W_V.T, "D.17")
D2 = define("D_2", -(diag(K) @ f @ X @ W), "D.17")
D4 = define("D_4", (f * (G @ h.T)) @ X @ W, "D.17")


@published("Lemma E.11", "Closed form of the gradient in the layer input", uses=("D.9", "D.17"))
def e_11():
    return both(loss_gradient(X), D2 + D4 + D6 + D7 + D8)
