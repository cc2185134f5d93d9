"""Appendix I: attention with the causal mask in almost linear time, by running sums of low-rank factors.

A = exp(X W X^T / d) ~ U_0 V_0^T; f_M is the paper's f^, with the mask, and f_M~ the same with U_0 V_0^T in place of A. A product M B with
the mask is running sums: n additions a column.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, SUBPOLY
from ..claims import time_of
from ..formula import Formula, causal_rows, define, diag, exp, inner, ones, recip, rowkron, rows, symbol, taylor
from ..functions import Degree
from ..notation import W_V, G, W, X
from ..registry import ARXIV, definition, published, statement
from ..sizes import Index, d, features, n, size, tokens
from ..statement import Asymptotic, Cost, Identity, Rank, Within
from .c_preliminaries import bits, h, q

Q, K_matrix = symbol("Q", n, d), symbol("K", n, d)
g = size("g")


@published(
    "Lemma I.1",
    "Low-rank approximation of the kernel",
    kind="rank",
    hypotheses=("|Q| <= R, |K| <= R", "A = exp(Q K^T / d)", "eps in (0, 1)"),
    notes=(
        "cited from AS23; A~ is the Taylor polynomial of degree g of the exponent",
        "L = log(1/eps); the degree Degree(R^2, L) gives |A~ - A| <= eps A (statement T.3); that it is the printed O(.) is undecided: "
        "for R^2 = L/log L the best polynomial of a constant times the printed degree is worse than eps (statement T.4), "
        "which leaves factors that come from no polynomial",
        "the construction of U_0, V_0 in O(n r) time is not printed: nothing is claimed of it",
    ),
)
def i_1():
    R, L = (sympy.Symbol(name, positive=True) for name in "RL")
    printed = sympy.Max(L / sympy.log(L / R), R**2)
    return [
        Rank(taylor((Q @ K_matrix.T) * (1 / d), g), sympy.binomial(2 * (g + d), 2 * g)),
        Asymptotic(Degree(R**2, L) / printed, CONSTANT, part="degree"),
    ]


M = causal_rows(n)
definition("Definition I.2", "Causal mask", M, notes="M_{i,j} = 1 if i >= j, else 0; cited from LLS+24d")

k, k_H = size("k"), size("k_H")
U0, V0, U, V = (symbol(name, n, k) for name in ("U_0", "V_0", "U", "V"))
v, H = symbol("v", n), symbol("H", n, k_H)
(j,) = tokens("j")
(column,) = features("l", k_H)
(feature,) = features("l")


def running(left: Formula, right: Formula, vector: Formula) -> Formula:
    """(M * (left right^T)) vector as Algorithm 2 computes it."""
    return (left * (M @ (diag(vector) @ right))) @ ones(left.shape[1])


def by_columns(left: Formula, right: Formula, matrix: Formula, l: Index) -> Formula:
    """(M * (left right^T)) matrix, column l for column l (Lemma I.4)."""
    return rows(l, running(left, right, matrix.col(l))).T


b_rows = define("b", diag(v) @ V0, "Alg.2")
c_rows = define("c", M @ b_rows, "Alg.2")
Y = define("Y", (U0 * c_rows) @ ones(k), "Alg.2")


@published(
    "Lemma I.3",
    "Masked product with a vector",
    kind="cost",
    uses=("I.2", "Alg.2"),
    notes="cited from LLS+24d; Algorithm 2 is stated next",
)
def i_3():
    return [Identity((M * (U0 @ V0.T)) @ v, Y, part="value"), Cost((Y,), n * k)]


@statement(
    "Alg.2",
    "Running sums for the causal mask",
    kind="algorithm",
    origin="published",
    source=f"{ARXIV} Algorithm 2",
    uses="I.2",
    notes=(
        "Algorithm 4 of LLS+24d; row j of b, c is b_j, c_j, so that c = M b",
        "(V_0^T)_j and (U_0^T)_j denote row j of V_0 and U_0",
    ),
)
def alg_2():
    return [
        Identity(b_rows.row(j), V0.row(j) * v[j], part="b_j"),
        Identity(Y[j], inner(U0.row(j), c_rows.row(j)), part="Y_j"),
        Cost((b_rows, c_rows, Y), n * k),
    ]


@published(
    "Lemma I.4",
    "Masked product with a matrix",
    kind="cost",
    uses="I.3",
    hypotheses="k, k_H = n^{o(1)}",
    assumes=(Within(k, SUBPOLY), Within(k_H, SUBPOLY)),
    concludes=Within(time_of("I.4"), ALMOST_LINEAR),
)
def i_4():
    masked = (M * (U0 @ V0.T)) @ H
    product = by_columns(U0, V0, H, column)
    return [
        Identity(masked, product, part="value"),
        Cost((product,), n * k * k_H, part="O(n k k_H)"),
        Cost((product,), ALMOST_LINEAR, part="n^{1+o(1)}"),
    ]


# From here on U_0, V_0 are the factors of A of Lemma I.1; their width is called k_0 here.
k_0 = size("k_0")
U0, V0 = (symbol(name, n, k_0) for name in ("U_0", "V_0"))
A = define("A", exp((X @ W @ X.T) * (1 / d)), "I.5")
D_M = define("D", (M * A) @ ones(n), "I.5")
f_M = define("f_M", diag(recip(D_M)) @ (M * A), "I.5")
definition("Definition I.5", "Masked attention weights", f_M, uses="I.2", notes="f_M is the paper's f^")

# The same with U_0 V_0^T in place of A, and how it is computed.
masked_low = M * (U0 @ V0.T)
D_low = define("D~", masked_low @ ones(n), "I.6")
f_low = define("f_M~", diag(recip(D_low)) @ masked_low, "I.6")
D_run = define("D~", running(U0, V0, ones(n)), "I.6")
U_scaled = define("D~^{-1} U_0", diag(recip(D_run)) @ U0, "I.6")


def of_f(matrix: Formula, l: Index) -> Formula:
    """f_M~ matrix, as Lemma I.6 computes it."""
    return diag(recip(D_run)) @ by_columns(U0, V0, matrix, l)


def of_product(left: Formula, right: Formula, matrix: Formula, l: Index) -> Formula:
    """(f_M~ * (left right^T)) matrix, as Lemma I.6 computes it."""
    return by_columns(*factors(left, right), matrix, l)


def factors(left: Formula, right: Formula) -> tuple[Formula, Formula]:
    """U_M and V_M of Lemma I.6 for f_M~ * (left right^T)."""
    return define("U_M", rowkron(U_scaled, left), "I.6"), define("V_M", rowkron(V0, right), "I.6")


@published(
    "Lemma I.6",
    "Products with masked attention weights",
    kind="cost",
    uses=("I.1", "I.3", "I.4", "I.5", "C.2"),
    hypotheses="U, V in R^{n x k}, H in R^{n x k_H}, k, k_H = n^{o(1)}",
    assumes=(Within(k, SUBPOLY), Within(k_H, SUBPOLY)),
    concludes=Within(time_of("I.6"), ALMOST_LINEAR),
    notes=(
        "concludes the running time alone, with U_0, V_0 at hand; nothing about the error of f_M~",
        "U_0, V_0 are those of Lemma I.1, so k_0 = r <= binom(2(g + d), 2g); no bound on entries or d that makes this n^{o(1)} is printed",
        "the cost O(n k^2) of U_M, V_M is n k_0 k with the two widths told apart",
    ),
)
def i_6():
    U_M, V_M = rowkron(diag(recip(D_low)) @ U0, U), rowkron(V0, V)
    return [
        Asymptotic(sympy.binomial(2 * (g + d), 2 * g), SUBPOLY, part="width of U_0, V_0"),
        Identity(f_low @ H, of_f(H, column), part="1 order", step=True),
        Cost((of_f(H, column),), ALMOST_LINEAR, part="1 time"),
        Identity(f_low * (U @ V.T), M * (U_M @ V_M.T), part="2 factors", step=True),
        Cost((U_scaled,), n * k_0, given=(D_run,), part="2 cost of D^{-1} U_0", step=True),
        Cost(factors(U, V), n * k_0 * k, given=(U_scaled,), part="2 cost of U_M, V_M", step=True),
        Cost((of_product(U, V, H, column),), ALMOST_LINEAR, part="2 time"),
    ]


# -- the gradients ---------------------------------------------------------------------------------------------------
K = symbol("K", n)
AS_I_6 = {
    "granted": (Within(k, SUBPOLY), Within(k_H, SUBPOLY), Within(d, LOG), *bits(X, W, W_V, G)),
}
SETTING = "d = O(log n) and the size of the numbers are not printed here; they are the setting of the theorems"


def in_order(part: str, printed: Formula, computed: Formula, given: tuple[Formula, ...] = ()) -> list[Identity | Cost]:
    """The printed expression with f_M~, the order in which it is computed, and its time."""
    return [
        Identity(printed, computed, part=f"{part} order", step=True),
        Cost((computed,), ALMOST_LINEAR, given=given, part=f"{part} time"),
    ]


@published(
    "Lemma I.7",
    "Masked gradients that have f alone",
    kind="cost",
    uses=("D.17", "G.3", "I.6"),
    concludes=Within(time_of("I.7"), ALMOST_LINEAR),
    notes=("K is at hand (Lemma E.1); the running time alone is concluded", SETTING),
    **AS_I_6,
)
def i_7():
    return [
        *in_order("1", -(f_low @ diag(K) @ X @ W.T), -(of_f(diag(K) @ X, feature) @ W.T)),
        *in_order("2", -(diag(K) @ f_low @ X @ W), -(diag(K) @ of_f(X, feature) @ W)),
        *in_order("3", f_low @ G @ W_V.T, of_f(G, feature) @ W_V.T),
        *in_order("4", X.T @ f_low @ G, X.T @ of_f(G, feature)),
    ]


@published(
    "Lemma I.8",
    "Masked gradients that have an entrywise product with f",
    kind="cost",
    uses=("D.17", "F.5", "C.11", "C.12", "I.6"),
    concludes=Within(time_of("I.8"), ALMOST_LINEAR),
    notes=("the running time alone is concluded", SETTING),
    **AS_I_6,
)
def i_8():
    p1 = define("p_1", f_low * q, "I.8")
    p2 = define("p_2", diag(p1 @ ones(n)) @ f_low, "I.8")
    row_sums = running(*factors(G, h), ones(n))
    p_X = of_product(G, h, X, feature) - diag(row_sums) @ of_f(X, feature)
    return [
        *in_order("1", (f_low * (h @ G.T)) @ X @ W.T, of_product(h, G, X, feature) @ W.T),
        *in_order("2", (f_low * (G @ h.T)) @ X @ W, of_product(G, h, X, feature) @ W),
        *in_order("3", X.T @ (p1 - p2) @ X, X.T @ p_X),
    ]
