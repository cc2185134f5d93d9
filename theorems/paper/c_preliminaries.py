"""Appendix C: facts about products, the functions u, alpha, f, h, s, q, p of one attention layer, and their norms.

Definitions C.3 and C.6-C.8 disagree: f has exp(X W X^T / d) in the first and exp(X W X^T) in the others. Statements about
gradients are encoded for both readings; those of C.6-C.10 come first, as the paper's proofs use them.
"""

import sympy

from ..formula import Formula, define, diag, exp, grad, inner, loss, ones, recip, rowkron, rows, symbol, total
from ..norms import maxnorm
from ..notation import W_K, W_Q, W_V, G, W, X, Z, i0, i2, j0, j2
from ..registry import definition, published
from ..sizes import d, n, size
from ..statement import Bound, Identity

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


# -- norms -----------------------------------------------------------------------------------------------------------
BITS = "every entry of X, W, W_V fits in O(log n) bits"
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
    notes="poly is unstated; with |h| <= n^c the bound is n^(1 + c)",
)
def c_19():
    printed = n * maxnorm(f) * maxnorm(h)
    return [
        Bound(maxnorm(s), printed, part="1"),
        Bound(printed, n ** (1 + c), part="poly", given=(maxnorm(h) <= n**c,)),
    ]
