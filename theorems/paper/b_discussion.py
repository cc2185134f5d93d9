"""Appendix B: extensions that the paper discusses: several heads, residual connections, the causal mask, systems, prompt tuning.

They are stated in the setting of Theorem 4.2: d = O(log n), m = n^{o(1)}, numbers of O(log n) bits, factors of n^{o(1)} columns.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, NEGLIGIBLE, POLY, SUBPOLY
from ..claims import error_of, time_of
from ..formula import symbol
from ..norms import maxnorm
from ..notation import W_V, G, W, W_g, X
from ..registry import definition, published
from ..sizes import d, n, size
from ..statement import Asymptotic, Cost, Holds, Within

heads, d_h, m, k, k_H = (size(name) for name in ("h", "d_h", "m", "k", "k_H"))
P = sympy.Symbol("P", positive=True)
SETTING = (Within(d, LOG), *(Within(maxnorm(a), POLY) for a in (X, W, W_V, G, W_g)))


@published(
    "Remark B.1",
    "Several heads",
    kind="cost",
    uses=("E.11", "K.2"),
    hypotheses="the number h of heads is constant; otherwise the setting of Lemma K.2",
    assumes=Within(heads, CONSTANT),
    granted=(Within(d_h, LOG), *SETTING, Holds("G_i is computable in n^{1+o(1)}")),
    notes="f becomes h x n x n, and d_h = d/h takes the place of d; all layers are left to K.2 and an induction",
)
def b_1():
    return Asymptotic(heads * time_of("E.11"), ALMOST_LINEAR, relies_on=("E.11",), part="time")


@published(
    "Remark B.2",
    "Residual connections",
    kind="cost",
    uses=("J.3", "4.2"),
    granted=(
        *SETTING,
        Within(m, SUBPOLY),
        Within(time_of("E.11"), ALMOST_LINEAR),
        Within(error_of("E.11"), NEGLIGIBLE),
    ),
    notes="X and H(X), and the two parts of the gradient, are at hand; points to Lemma J.3 and an induction over layers",
)
def b_2():
    gradients = symbol("dL/dY", n, d) + symbol("G_H", n, d)
    return [
        Cost((X + symbol("H", n, d), gradients), n * d, part="additions of one layer"),
        Asymptotic(m * n * d + time_of("4.2"), ALMOST_LINEAR, relies_on=("4.2",), part="total"),
    ]


definition(
    "Remark B.3",
    "Causal mask",
    kind="remark",
    uses=("I.1", "I.3", "I.5", "I.7", "I.8"),
    granted=(*SETTING, Within(k, SUBPOLY), Within(k_H, SUBPOLY)),
    notes=(
        "replace f(X) H and (f(X) * (U V^T)) H with low-rank H, U, V by the same expression with f^ of Definition I.5",
        "claims no more than Lemmas I.7 and I.8",
    ),
)

definition(
    "Remark B.4",
    "Systems",
    kind="remark",
    notes=(
        "suggests to combine the algorithm with I/O-aware kernels and with block-wise and speculative decoding",
        "lists three coding tasks: new tensor operations, backward functions written anew, CUDA for the causal mask",
    ),
)

definition(
    "Remark B.5",
    "Prompt tuning",
    kind="remark",
    uses="Alg.1",
    granted=(*SETTING, Within(m, SUBPOLY)),
    notes="Algorithm 1 also yields the gradient with respect to soft prompts X_p in almost linear time: no more than its g_t",
)
