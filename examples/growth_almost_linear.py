"""Almost linear time, if rank and width grow slower than every power of n. Expected: proved."""

from almostlinear.theorems import *

k = size("k")


@statement(
    "example.growth-almost-linear", "n k d is almost linear", kind="cost", assumes=(Within(d, LOG), Within(k, SUBPOLY))
)
def almost_linear():
    return Asymptotic(n * k * d, ALMOST_LINEAR)
