"""Low-rank weights times X, the factors one after the other. Expected: proved."""

from almostlinear.theorems import *

k = size("k")
U1, V1, X = symbol("U1", n, k), symbol("V1", n, k), symbol("X", n, d)


@statement("example.cost-factors-first", "Low-rank weights times X, linear in n", kind="cost")
def factors_first():
    return Cost([U1 @ (V1.T @ X)], n * k * d)
