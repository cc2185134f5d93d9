"""The size of attention scores, with the factor d forgotten. Expected: refuted."""

from almostlinear.theorems import *

Q, K = symbol("Q", n, d), symbol("K", n, d)


@statement("example.bound-scores", "Size of the scores", kind="norm-bound")
def scores():
    return Bound(maxnorm(Q @ K.T), maxnorm(Q) * maxnorm(K))
