"""Main text, sections 1 and 3-5: the theorems, Algorithm 1 and the informal lemmas, stated after the appendices that they rest on.

Error and time of a procedure are quantities, ``error(E.11)`` and ``time(E.11)``; a statement concludes how they grow and the ones that
use it rely on that.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, SUBPOLY
from ..formula import define, func, grad, loss, total
from ..notation import W_K, W_Q, W_V, G, W, W_g, X, g_T, i2, j2
from ..registry import definition, published
from ..sizes import d, size
from ..statement import Asymptotic, Cost, Holds, Identity, Within, error_of, time_of
from .c_preliminaries import W_product, bits, both, f, loss_gradient, p, p1, s
from .e_gradient_t import D2, D4, D6, D7, D8
from .h_multilayer import PHI, T, attn

m = size("m")
SMALL = "d = O(log n)"
NUMBERS = "every number in the matrices has O(log n) bits"
LAYERS = "m = n^{o(1)}"
SETTING = {
    "hypotheses": (SMALL, NUMBERS, LAYERS),
    "assumes": (Within(d, LOG), Within(m, SUBPOLY), *bits(X, W, W_V, G, W_g)),
}


definition(
    "Remark 3.2",
    "Cross entropy as a loss",
    kind="remark",
    uses="3.1",
    notes="an instance of Definition 3.1 once the layer d -> d_voc is part of g_m; nothing is claimed",
)


@published("Lemma 3.4", "Chain rule through one attention layer (informal C.4)", uses=("3.1", "1.3", "3.3"))
def lemma_3_4():
    """Part 2 holds W_Q, W_K and W_V; W = W_Q W_K^T is where the first two enter."""

    def chain(variable, output):
        return total(i2, j2, G[i2, j2] * grad(output[i2, j2], variable))

    through = s.rebuild(lambda node: W_product if node is W else None)
    gradient = loss_gradient(X).rebuild(lambda node: W_product if node is W else None)
    of = gradient.args[0]
    return [
        *both(loss_gradient(X), chain(X, s), part="1"),
        *both(grad(of, W_Q), chain(W_Q, through), part="2 W_Q"),
        *both(grad(of, W_K), chain(W_K, through), part="2 W_K"),
        *both(loss_gradient(W_V), chain(W_V, s), part="2 W_V"),
    ]


@published(
    "Lemma 5.1",
    "Gradient in the layer input, fast (informal E.11)",
    kind="error-bound",
    uses=("3.1", "1.3", "3.3", "E.11"),
    granted=(Within(d, LOG), *bits(X, W, W_V, G), Holds("G_i is computable in n^{1+o(1)}")),
    concludes=(Within(error_of("5.1"), NEGLIGIBLE), Within(time_of("5.1"), ALMOST_LINEAR)),
    notes="the hypotheses are those of E.11, which it restates",
)
def lemma_5_1():
    return [
        Asymptotic(error_of("E.11"), NEGLIGIBLE, relies_on=("E.11",), part="error"),
        Asymptotic(time_of("E.11"), ALMOST_LINEAR, relies_on=("E.11",), part="time"),
    ]


@published(
    "Lemma 5.2",
    "Gradient in W, fast (informal F.5)",
    kind="error-bound",
    uses="F.5",
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(Within(error_of("5.2"), NEGLIGIBLE), Within(time_of("5.2"), ALMOST_LINEAR)),
    notes="the hypotheses are those of F.5, which it restates",
)
def lemma_5_2():
    return [
        Asymptotic(error_of("F.5"), NEGLIGIBLE, relies_on=("F.5",), part="error"),
        Asymptotic(time_of("F.5"), ALMOST_LINEAR, relies_on=("F.5",), part="time"),
    ]


@published(
    "Lemma 5.3",
    "Gradient in W_V, fast (informal G.4)",
    kind="error-bound",
    uses="G.4",
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(Within(error_of("5.3"), NEGLIGIBLE), Within(time_of("5.3"), ALMOST_LINEAR)),
    notes="the hypotheses are those of G.4, which it restates",
)
def lemma_5_3():
    return [
        Asymptotic(error_of("G.4"), NEGLIGIBLE, relies_on=("G.4",), part="error"),
        Asymptotic(time_of("G.4"), ALMOST_LINEAR, relies_on=("G.4",), part="time"),
    ]


G_i = (g_T * func("phi", attn @ W_g, 1)) @ W_g.T


@published(
    "Lemma 5.4",
    "G_i, fast (informal H.2)",
    kind="cost",
    uses="H.2",
    hypotheses=(PHI, "dL/dT_i is known"),
    granted=Within(d, LOG),
    concludes=(Holds("G_i is computable in n^{1+o(1)}"), Within(time_of("5.4"), ALMOST_LINEAR)),
    notes="d = O(log n) is the setting of the theorems; the lemma itself does not print it",
)
def lemma_5_4():
    return Cost((G_i,), ALMOST_LINEAR)


@published(
    "Lemma 5.5",
    "All layers, fast (informal H.4)",
    kind="induction",
    uses="H.4",
    **SETTING,
    concludes=(Within(error_of("5.5"), NEGLIGIBLE), Within(time_of("5.5"), ALMOST_LINEAR)),
    notes="the lemma says 'm-layer model'; the hypotheses are those of Theorem 4.2, which uses it",
)
def lemma_5_5():
    return [
        Asymptotic(time_of("H.4"), ALMOST_LINEAR, relies_on=("H.4",), part="i time"),
        Asymptotic(error_of("H.4"), NEGLIGIBLE, relies_on=("H.4",), part="ii error"),
    ]


@published(
    "Algorithm Alg.1",
    "ALTGrad: gradients of all layers",
    kind="algorithm",
    uses=("5.1", "5.2", "5.3", "5.4", "C.13", "E.5", "E.6", "E.8", "E.10"),
    **SETTING,
    notes=(
        "run with exact factors (f~ = f, p~ = p) in exact arithmetic: what its lines return is compared with the gradients that they name",
        "line 19 has U_3, V_3, which approximate p_1 in Lemma C.15 and F.5, where p_2 has factors U_4, V_4; both readings are encoded",
        "line 14 names E.5, E.6, E.8 and E.10; D_6 is from E.3, which is not named",
        "line 27 is annotated O(nd); a one-unit loss l(X)_{j,k} may depend on all of X, and the cost of its gradient is not said",
    ),
)
def algorithm_1():
    times = time_of("5.1") + time_of("5.2") + time_of("5.3") + time_of("5.4")
    return [
        Identity(grad(define("L", loss(T, g_T), "3.1"), attn), G_i, part="line 13, G_i"),
        *both(loss_gradient(X), D6 + D7 + D8 + D2 + D4, part="line 16, g_t"),
        *both(loss_gradient(W), X.T @ p @ X, part="line 19, g_w"),
        Identity(
            loss_gradient(W), X.T @ p1 @ X, part="line 19, g_w", reading="U_3, V_3 of Lemma C.15, factors of p_1 alone"
        ),
        *both(loss_gradient(W_V), X.T @ f @ G, part="line 22, g_v"),
        Asymptotic(times, ALMOST_LINEAR, relies_on=("5.1", "5.2", "5.3", "5.4"), part="time of SingleGrad"),
        Asymptotic(time_of("dL/dT_m"), ALMOST_LINEAR, part="line 27, time of dL/dT_m"),
    ]


@published(
    "Theorem 4.1",
    "One layer in almost linear time",
    kind="error-bound",
    uses=("5.1", "5.2", "5.3"),
    hypotheses=(SMALL, NUMBERS, LAYERS, "the model is one layer (m = 1)"),
    assumes=SETTING["assumes"],
    concludes=(Within(error_of("4.1"), NEGLIGIBLE), Within(time_of("4.1"), ALMOST_LINEAR)),
)
def theorem_4_1():
    used = ("5.1", "5.2", "5.3")
    return [
        Asymptotic(sympy.Max(*map(error_of, used)), NEGLIGIBLE, relies_on=used, part="error"),
        Asymptotic(sum(map(time_of, used)), ALMOST_LINEAR, relies_on=used, part="time"),
    ]


@published(
    "Theorem 4.2",
    "All layers in almost linear time",
    kind="error-bound",
    uses=("4.1", "5.5", "Alg.1"),
    **SETTING,
    concludes=(Within(error_of("4.2"), NEGLIGIBLE), Within(time_of("4.2"), ALMOST_LINEAR)),
)
def theorem_4_2():
    return [
        Asymptotic(error_of("5.5"), NEGLIGIBLE, relies_on=("5.5", "Alg.1"), part="error"),
        Asymptotic(time_of("5.5"), ALMOST_LINEAR, relies_on=("5.5", "Alg.1"), part="time"),
    ]


@published("Theorem 1.4", "All layers in almost linear time (informal 4.2)", kind="error-bound", uses="4.2", **SETTING)
def theorem_1_4():
    return [
        Asymptotic(error_of("4.2"), NEGLIGIBLE, relies_on=("4.2",), part="error"),
        Asymptotic(time_of("4.2"), ALMOST_LINEAR, relies_on=("4.2",), part="time"),
    ]
