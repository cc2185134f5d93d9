"""Why entries of constant size need the scale 1/d: the kernel of a product of point sets is a Kronecker product.

The scores of pairs (x, y) of points are S_x + S_y, as in X W X^T with one more block of coordinates, so exp(S_x + S_y) = A (x) B. On all
corners of {-1, 1}^d with W = ln(2) I every row sums to (5/2)^d, so the attention weights are a d-fold Kronecker power of a 2 x 2 matrix B,
whose inverse has row sums (5/3)^d < 2^d = n: every matrix within n^{-2} of them has full rank.
"""

from ..formula import kron, ones, symbol
from ..registry import statement
from ..sizes import n, size
from ..statement import Identity

k = size("k")
A, B = symbol("A", n, n, domain="positive"), symbol("B", k, k, domain="positive")


@statement("L.1", "Row sums of a product kernel", origin="repair", source="theory of the lower bound")
def l_1():
    """A = exp(S_x), B = exp(S_y); rows of the product are indexed by pairs of points."""
    return Identity(kron(A, B) @ ones(n * k), kron(A @ ones(n), B @ ones(k)))
