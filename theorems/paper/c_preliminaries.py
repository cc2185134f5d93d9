"""Appendix C: facts about products, the functions u, alpha, f, h, s, q, p of one attention layer, and their norms.

Definitions C.3 and C.6-C.8 disagree: f has exp(X W X^T / d) in the first and exp(X W X^T) in the others. Statements about
gradients are encoded for both readings; those of C.6-C.10 come first, as the paper's proofs use them.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, POLY, SUBPOLY, SUBROOT
from ..claims import time_of
from ..formula import Formula, define, diag, exp, grad, inner, loss, ones, recip, rowkron, rows, symbol, total
from ..norms import maxnorm
from ..notation import W_K, W_Q, W_V, G, W, X, Z, i0, i2, j0, j2
from ..registry import definition, published
from ..sizes import d, n, size
from ..statement import Asymptotic, Bound, Claim, Cost, Factors, Identity, Rank, Within

NO_SCALE = "f by Definitions C.6-C.8 (no 1/d)"
WITH_SCALE = "f by Definition C.3 (with 1/d)"

# -- facts -----------------------------------------------------------------------------------------------------------
x, y, z = (symbol(name, n) for name in "xyz")


@published("Fact C.1", "Inner products and diagonal matrices")
def c_1():
    return [
        Identity(inner(x * y, z), x.T @ diag(y) @ z, part="1"),
        Identity(inner(x, y * z), inner(y, x * z), part="2a"),
        Identity(inner(y, x * z), inner(z, y * x), part="2b"),
        Identity(inner(x, y), inner(x * y, ones(n)), part="3"),
    ]


k1, k2 = size("k1"), size("k2")
U1, V1 = symbol("U_1", n, k1), symbol("V_1", n, k1)
U2, V2 = symbol("U_2", n, k2), symbol("V_2", n, k2)


@published(
    "Fact C.2",
    "Entrywise product of low-rank matrices",
    notes="the printed U_{i,l2} has no subscript; read as (U_2)_{i,l2}",
)
def c_2():
    return Identity((U1 @ V1.T) * (U2 @ V2.T), rowkron(U1, U2) @ rowkron(V1, V2).T, typo="U for U_2")


# -- attention -------------------------------------------------------------------------------------------------------
A = define("A", exp((X @ W @ X.T) * (1 / d)), "C.3")
f_scaled = define("f", diag(recip(define("D", A @ ones(n), "C.3"))) @ A, "C.3")
attn = define("Attn", f_scaled @ X @ W_V, "C.3")
definition("Definition C.3", "Self-attention with W = W_Q W_K^T", attn, uses="1.2")

W_product = W_Q @ W_K.T


@published(
    "Note C.3-note",
    "Gradients of W_Q and W_K",
    uses="C.3",
    hypotheses="W = W_Q W_K^T",
    notes="the W_K gradient is said to follow as easily and is not printed; see C.3-note.K",
)
def c_3_note():
    """dL/dW_Q = (dL/dW) W_K. The gradient in W_Q is that of S -> W_Q W_K^T; dL/dW is taken at W = W_Q W_K^T."""
    dW = symbol("dL/dW", d, d)
    return Identity(grad(loss(W_product, dW), W_Q), dW @ W_K)


definition(
    "Definition C.5",
    "Entries, rows and columns",
    Z[i0, j0],
    Z.row(i0),
    Z.col(j0),
)

u = define("u", exp(X @ W @ X.T), "C.6")
definition("Definition C.6", "u(X), attention scores", u, notes="without the 1/d of Definition C.3")

alpha = define("alpha", u @ ones(n), "C.7")
definition("Definition C.7", "alpha(X), row sums", alpha)

f = define("f", diag(recip(alpha)) @ u, "C.8")
definition("Definition C.8", "f(X), attention weights", f)

h = define("h", X @ W_V, "C.9")
definition("Definition C.9", "h(X), values", h)

s = define("s", f @ h, "C.10")
definition("Definition C.10", "s(X), attention output", s)

q = define("q", G @ h.T, "C.11")
definition("Definition C.11", "q(X)", q)


def scaled(formula: Formula) -> Formula:
    """The formula with f by Definition C.3, with 1/d, wherever it has f by Definition C.8."""
    return formula.rebuild(lambda node: f_scaled if node is f else None)


def both(left: Formula, right: Formula, **fields) -> list[Identity]:
    """The identity in both readings of f."""
    return [
        Identity(left, right, reading=NO_SCALE, **fields),
        Identity(scaled(left), scaled(right), reading=WITH_SCALE, **fields),
    ]


def loss_gradient(variable: Formula) -> Formula:
    """dL/d(variable) of a general loss of s(X), with dL/ds = G."""
    return grad(define("L", loss(s, G), "3.1"), variable)


@published("Lemma C.4", "Chain rule through one attention layer", uses=("3.1", "3.3"))
def c_4():
    def chain(variable):
        return total(i2, j2, G[i2, j2] * grad(s[i2, j2], variable))

    return [
        claim
        for part, variable in (("1", X), ("2", W), ("3", W_V))
        for claim in both(loss_gradient(variable), chain(variable), part=part)
    ]


p_row = (diag(f.row(i0)) - f.row(i0) @ f.row(i0).T) @ q.row(i0)
p = define("p", rows(i0, p_row), "C.12")
p1 = define("p_1", f * q, "C.12")
p2 = define("p_2", diag(p1 @ ones(n)) @ f, "C.12")


@published("Definition C.12", "p(X) and its two parts", kind="definition", uses=("C.8", "C.11"))
def c_12():
    return [p, p1, p2, Identity(p, p1 - p2)]


BITS = "every entry of X, W, W_V fits in O(log n) bits"


def bits(*matrices: Formula) -> tuple[Within, ...]:
    """Entries of O(log n) bits: below some polynomial of n."""
    return tuple(Within(maxnorm(a), POLY) for a in matrices)


def near(approximation: Formula, exact: Formula) -> Within:
    """|approximation - exact| <= eps/poly."""
    return Within(maxnorm(approximation - exact), NEGLIGIBLE)


def fast(label: str) -> Within:
    """The procedure of a statement takes time n^{1+o(1)}."""
    return Within(time_of(label), ALMOST_LINEAR)


def printed_chain(gap: Formula, printed: sympy.Expr, via: Formula, *relies_on: str) -> list[Claim]:
    """|gap| <= constant <= eps/poly; ``via`` is the gap as the printed product."""
    return [
        Bound(maxnorm(gap), printed, part="constant", via=via),
        Asymptotic(printed, NEGLIGIBLE, relies_on=relies_on, part="eps/poly"),
    ]


def printed_order(product: Formula, operations: sympy.Expr, given: tuple[Formula, ...], *relies_on: str) -> list[Claim]:
    """A product takes n^{1+o(1)} operations in its printed order; widths of its factors are of the class that others conclude."""
    return [
        Cost((product,), operations, given=given, part="operations"),
        Asymptotic(operations, ALMOST_LINEAR, relies_on=relies_on, part="time"),
    ]


# -- low-rank approximations -----------------------------------------------------------------------------------------
f_low = define("f~", U1 @ V1.T, "C.13")
q_low = define("q~", U2 @ V2.T, "C.15")
f_error, q_error = maxnorm(f_low - f), maxnorm(q_low - q)
F_NEAR, Q_NEAR = "|U_1 V_1^T - f| <= eps/poly", "|U_2 V_2^T - q| <= eps/poly"


@published(
    "Lemma C.13",
    "Low-rank approximation of f",
    kind="rank",
    uses=("C.7", "C.8"),
    hypotheses=("A = o(sqrt(log n))", "|X W| <= R, |X| <= R"),
    assumes=(Within(maxnorm(X @ W), SUBROOT), Within(maxnorm(X), SUBROOT)),
    concludes=(near(f_low, f), Within(k1, SUBPOLY), fast("C.13")),
    notes=(
        "cited from AS23 Section 3 and AS24a Lemma D.1",
        "the printed A = o(sqrt(log n)) has no A in the rest of the lemma; read as R = o(sqrt(log n))",
        "nothing is printed about d; exp(X W X^T) is printed without the 1/d that AS23 has",
        "eps/poly is read as: below any polynomial asked for; a fixed weak one, such as n^{-0.3}, is met by the zero matrix on the family",
        "the construction in time n^{1+o(1)} is concluded, its steps are not printed",
    ),
)
def c_13():
    return Factors(f, SUBPOLY, NEGLIGIBLE, part="factors", typo="A for R")


@published(
    "Lemma C.14",
    "Approximation of s",
    kind="error-bound",
    uses=("C.13", "C.10"),
    hypotheses=("d = O(log n)", "every entry of h fits in O(log n) bits"),
    assumes=(Within(d, LOG), *bits(h)),
    concludes=near(f_low @ h, s),
)
def c_14():
    return printed_chain(f_low @ h - s, n * f_error * maxnorm(h), (f_low - f) @ h, "C.13")


k3, k4 = size("k3"), size("k4")
U3, V3 = symbol("U_3", n, k3), symbol("V_3", n, k3)
U4, V4 = symbol("U_4", n, k4), symbol("V_4", n, k4)
p1_low = define("p~_1", U3 @ V3.T, "C.15")
p2_low = define("p~_2", U4 @ V4.T, "C.16")
f_size = maxnorm(f) + f_error
"""At least |f~|."""
product_gap = f_low * (q_low - q) + (f_low - f) * q
"""f~ * q~ - f * q."""


@published(
    "Lemma C.15",
    "Low-rank approximation of p_1",
    kind="error-bound",
    uses="C.2",
    hypotheses=("k_1, k_2 = n^{o(1)}", "p_1 = f * q", F_NEAR, Q_NEAR),
    assumes=(Within(k1, SUBPOLY), Within(k2, SUBPOLY), near(f_low, f), near(q_low, q)),
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(near(p1_low, p1), Within(k3, SUBPOLY), fast("C.15")),
    notes=(
        "cited from AS24a Lemma D.4; U_3 = U_1 (/) U_2, V_3 = V_1 (/) V_2, k_3 = k_1 k_2 and the constant are of the cited proof",
        "nothing is printed about the size of q = G h^T",
    ),
)
def c_15():
    left, right = rowkron(U1, U2), rowkron(V1, V2)
    gap = left @ right.T - p1
    return [
        Identity(left @ right.T, f_low * q_low, part="factors"),
        Rank(left @ right.T, k1 * k2, part="rank"),
        Asymptotic(k1 * k2, SUBPOLY, part="width"),
        Bound(maxnorm(gap), maxnorm(f_low) * q_error + f_error * maxnorm(q), part="constant", via=product_gap),
        Asymptotic(f_size * q_error + f_error * maxnorm(q), NEGLIGIBLE, part="eps/poly"),
        Cost((left, right), ALMOST_LINEAR, part="time"),
    ]


r = define("r", rows(i0, inner(f.row(i0), q.row(i0))), "C.16")
r_low = define("r~", rows(i0, inner(f_low.row(i0), q_low.row(i0))), "C.16")


@published(
    "Lemma C.16",
    "Low-rank approximation of p_2",
    kind="error-bound",
    hypotheses=("k_1, k_2, k_4 = n^{o(1)}", "row j0 of p_2 is f_{j0} f_{j0}^T q_{j0}", F_NEAR, Q_NEAR),
    assumes=(Within(k1, SUBPOLY), Within(k2, SUBPOLY), near(f_low, f), near(q_low, q)),
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(near(p2_low, p2), Within(k4, SUBPOLY), fast("C.16")),
    notes=(
        "k_4 is the width that is claimed",
        "cited from AS24a Lemma D.5; r, r~, U_4 = U_1, V_4 = diag(r~) V_1 and the constant are of the cited proof",
        "nothing is printed about the size of q = G h^T",
    ),
)
def c_16():
    """r_{j0} = <f_{j0}, q_{j0}>; the approximation of p_2 = diag(r) f is diag(r~) f~."""
    found = diag(r_low) @ f_low
    by_rows = ((U1 @ (V1.T @ V2)) * U2) @ ones(k2)
    weighted = ((r_low - r) @ ones(n).T) * f_low + (r @ ones(n).T) * (f_low - f)
    r_error = n * (f_size * q_error + f_error * maxnorm(q))
    return [
        Identity(U1 @ (diag(r_low) @ V1).T, found, part="printed factors", step=True),
        Rank(found, k1, part="rank"),
        Asymptotic(k1, SUBPOLY, part="width"),
        Bound(
            maxnorm(found - p2),
            maxnorm(f_low) * maxnorm(r_low - r) + f_error * maxnorm(r),
            part="constant",
            reading="of the approximation diag(r~) f~",
            via=weighted,
        ),
        Asymptotic(f_size * r_error + f_error * n * maxnorm(f) * maxnorm(q), NEGLIGIBLE, part="eps/poly"),
        Identity(r_low, by_rows, part="r~", step=True),
        Cost((by_rows,), n * k1 * k2, part="time of r~", step=True),
        Cost((by_rows, diag(by_rows) @ V1), ALMOST_LINEAR, part="time"),
    ]


# -- norms -----------------------------------------------------------------------------------------------------------
c = sympy.Symbol("c", positive=True)


@published("Lemma C.17", "Attention weights are at most one", kind="norm-bound", uses=("C.7", "C.8"))
def c_17():
    return Bound(maxnorm(f), sympy.Integer(1))


@published(
    "Lemma C.18",
    "Size of the values",
    kind="norm-bound",
    uses="C.9",
    hypotheses=BITS,
    assumes=bits(X, W, W_V),
    granted=Within(d, LOG),
    concludes=Within(maxnorm(h), POLY),
    notes="poly is unstated; with |X|, |W_V| <= n^c the printed bound is n^(1 + 2c)",
)
def c_18():
    printed = n * maxnorm(X) * maxnorm(W_V)
    small = (maxnorm(X) <= n**c, maxnorm(W_V) <= n**c)
    return [
        Bound(maxnorm(h), printed, part="1"),
        Bound(printed, n ** (1 + 2 * c), part="poly", given=small),
    ]


@published(
    "Lemma C.19",
    "Size of the attention output",
    kind="norm-bound",
    uses=("C.10", "C.17", "C.18"),
    hypotheses=BITS,
    assumes=bits(X, W, W_V),
    granted=Within(d, LOG),
    concludes=Within(maxnorm(s), POLY),
    notes="poly is unstated; with |h| <= n^c the bound is n^(1 + c)",
)
def c_19():
    printed = n * maxnorm(f) * maxnorm(h)
    return [
        Bound(maxnorm(s), printed, part="1"),
        Bound(printed, n ** (1 + c), part="poly", given=(maxnorm(h) <= n**c,)),
    ]
