"""Liang et al. 2024 (LLS+24d of this paper): attention with a causal mask by running sums of low-rank factors."""

from ..formula import rowkron
from ..paper.i_causal import U0, V0, M, U, V, alg_2, i_3, i_4
from ..statement import Identity
from .pack import cited, quoted

quoted("LLS24d:Alg.4", alg_2, "Algorithm 2", title="Running sums for the causal mask", uses=("I.2",))
quoted("LLS24d:vector", i_3, "Lemma I.3", title="Masked product with a vector in O(n k)", uses=("LLS24d:Alg.4",))
quoted(
    "LLS24d:matrix", i_4, "Lemma I.4", title="Masked product with a matrix, column by column", uses=("LLS24d:vector",)
)


@cited("LLS24d:product", "A masked entrywise product of low-rank matrices is a masked low-rank matrix", "Lemma I.6")
def masked_product():
    """(M * (U_0 V_0^T)) * (U V^T) = M * ((U_0 (/) U)(V_0 (/) V)^T)."""
    return Identity((M * (U0 @ V0.T)) * (U @ V.T), M * (rowkron(U0, U) @ rowkron(V0, V).T))
