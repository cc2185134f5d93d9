"""The same product, the n x n matrix first: its cost is not linear in n. Expected: refuted."""

from almostlinear.theorems import *

k = size("k")
U1, V1, X = symbol("U1", n, k), symbol("V1", n, k), symbol("X", n, d)


@statement("example.cost-product-first", "Low-rank weights times X, bracketed wrongly", kind="cost")
def product_first():
    return Cost([(U1 @ V1.T) @ X], n * k * d)
