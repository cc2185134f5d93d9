"""The same, if the rank is only bounded by some polynomial of n. Expected: gap."""

from almostlinear.theorems import *

k = size("k")


@statement("example.growth-polynomial-rank", "n k d, for any k", kind="cost", assumes=(Within(d, LOG), Within(k, POLY)))
def any_rank():
    return Asymptotic(n * k * d, ALMOST_LINEAR)
