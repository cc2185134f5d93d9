"""What an entrywise error of n x n weights does to their product with X. Expected: proved."""

import sympy

from almostlinear.theorems import *

f, approximate = symbol("f", n, n), symbol("f'", n, n)
X = symbol("X", n, d)
eps = sympy.Symbol("eps", nonnegative=True)


@statement("example.bound-product", "An error of the weights, in the product", kind="error-bound")
def product_error():
    error = approximate @ X - f @ X
    near = maxnorm(approximate - f) <= eps
    return Bound(maxnorm(error), n * eps * maxnorm(X), given=(near,), via=(approximate - f) @ X)
