"""The rank of an entrywise product, as if it were a sum. Expected: refuted."""

from almostlinear.theorems import *

k1, k2 = size("k1"), size("k2")
U1, V1, U2, V2 = (symbol(f"{letter}{i}", n, k) for i, k in ((1, k1), (2, k2)) for letter in "UV")


@statement("example.rank-sum", "Rank of an entrywise product, as a sum", kind="rank")
def sum_rank():
    return Rank((U1 @ V1.T) * (U2 @ V2.T), k1 + k2)
