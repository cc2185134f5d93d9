"""How formulas and claims read: a table of formulas, Unicode lines and LaTeX with every operation in it."""

from __future__ import annotations

from fractions import Fraction
from html.parser import HTMLParser

import pytest
import sympy

from almostlinear import terminal
from almostlinear.reports.mathml import flow, mathml
from almostlinear.theorems import (
    Asymptotic,
    Bound,
    Condition,
    Cost,
    Factors,
    Formula,
    Holds,
    Identity,
    Pair,
    Rank,
    Within,
    absolute,
    block,
    d,
    define,
    diag,
    entries,
    exp,
    eye,
    features,
    func,
    grad,
    inner,
    jvp,
    kron,
    load,
    loss,
    maxnorm,
    n,
    ones,
    recip,
    rowkron,
    rows,
    scalar,
    size,
    symbol,
    taylor,
    tokens,
    total,
    unit,
)  # fmt: skip
from almostlinear.theorems.asymptotics import (
    ALMOST_LINEAR,
    CONSTANT,
    LINEAR,
    LOG,
    NEGLIGIBLE,
    POLY,
    POLYLOG,
    SUBPOLY,
    SUBROOT,
    UNBOUNDED,
    Growth,
)
from almostlinear.theorems.claims import Claim, time_of
from almostlinear.theorems.display import claim_latex, claim_parts, claim_plain, latex, layout, plain
from almostlinear.theorems.formula import _BUILD
from tests.helpers import own

X, W, W_V, G = symbol("X", n, d), symbol("W", d, d), symbol("W_V", d, d), symbol("G", n, d)
x, y = symbol("x", n), symbol("y", n)
F = symbol("F", n, n)
i0, i1 = tokens("i0 i1")
j0, j1 = features("j0 j1")
tau = sympy.Symbol("tau", positive=True)
f = define("f", diag(recip(exp(F) @ ones(n))) @ exp(F), "C.8")
s = define("s", f @ X @ W_V, "C.10")
alpha = define("alpha", exp(F) @ ones(n), "C.7")
A = define("A", kron(X, X), "F.1")
A_j0 = define("A_{j0}", block(A, i0, n), "F.1")

TABLE = [
    # leaves and names
    (W_V, "W_V", "W_V"),
    (symbol("dL/dW", d, d), "dL/dW", r"\frac{\mathrm{d}L}{\mathrm{d}W}"),
    (symbol("Attn", n, d), "Attn", r"\mathrm{Attn}"),
    (alpha, "α", r"\alpha"),
    (A_j0, "A_j0", "A_{j_0}"),
    (symbol("f~", n, n), "f~", r"\tilde{f}"),
    (symbol("D~^{-1} U_0", n, d), "D~⁻¹ U_0", r"\tilde{D}^{-1} U_0"),
    (rowkron(symbol("D^{-1} U", n, d), X), "(D⁻¹ U) ⊘ X", r"(D^{-1} U) \oslash X"),
    (ones(n), "1_n", r"\mathbf{1}_n"),
    (ones(n, d), "1_(n×d)", r"\mathbf{1}_{n \times d}"),
    (ones(1), "1", "1"),
    (eye(d), "I_d", "I_d"),
    (unit(i0), "e_i0", "e_{i_0}"),
    (scalar(0), "0", "0"),
    (scalar(-tau / 2), "-τ/2", r"-\frac{\tau}{2}"),
    # sums and scalars
    (X + G, "X + G", "X + G"),
    (X - G, "X - G", "X - G"),
    (-X - G, "-X - G", "-X - G"),
    (X - (G - X), "X - (G - X)", "X - (G - X)"),
    (X + (G - X), "X + G - X", "X + G - X"),
    (-(X + G), "-(X + G)", "-(X + G)"),
    ((-X).scaled(-1), "-(-X)", "-(-X)"),
    (X * (1 / d), "X/d", r"\frac{X}{d}"),
    ((X + G) * (1 / d), "(X + G)/d", r"\frac{X + G}{d}"),
    (X * (-1 / d), "-X/d", r"-\frac{X}{d}"),
    (X * tau, "τ X", r"\tau X"),
    ((X + G) * (tau + 1), "(τ + 1) (X + G)", r"(\tau + 1) (X + G)"),
    (X - G * sympy.Rational(2, 3), "X - 2/3 G", r"X - \frac{2}{3} G"),
    # products
    (X @ W @ X.T, "X W Xᵀ", r"X W X^\top"),
    (X @ (W @ X.T), "X W Xᵀ", r"X W X^\top"),
    ((X @ W) * G, "(X W) * G", "(X W) * G"),
    (X * G * X, "X * G * X", "X * G * X"),
    ((X * G) @ W, "(X * G) W", "(X * G) W"),
    (X * G + X, "X * G + X", "X * G + X"),
    ((X + G) @ W, "(X + G) W", "(X + G) W"),
    ((X * tau) @ W, "(τ X) W", r"(\tau X) W"),
    ((-X) @ W, "(-X) W", "(-X) W"),
    (X[i0, j0] * G, "X(i0,j0)·G", r"X_{i_0,j_0} \, G"),
    (X[i0, j0] * (X * G), "X(i0,j0)·(X * G)", r"X_{i_0,j_0} \, (X * G)"),
    (-(s[i0, j0] * (f.col(i0) @ (W @ X.row(i0)).T)), "-s(i0,j0)·f(·,i0) (W X(i0,·))ᵀ",
     r"-s_{i_0,j_0} \, f_{*,i_0} (W X_{i_0,*})^\top"),
    (rowkron(X, G), "X ⊘ G", r"X \oslash G"),
    (kron(X, G @ W), "X ⊗ (G W)", r"X \otimes (G W)"),
    # transposes
    ((X @ W).T, "(X W)ᵀ", "(X W)^\\top"),
    (W_V.T, "W_Vᵀ", r"W_V^\top"),
    (X.T.T, "(Xᵀ)ᵀ", r"(X^\top)^\top"),
    (symbol("dL/dW", d, d).T, "(dL/dW)ᵀ", r"\left(\frac{\mathrm{d}L}{\mathrm{d}W}\right)^\top"),
    (exp(F).T, "exp(F)ᵀ", r"\exp(F)^\top"),
    # rows, columns, entries, blocks
    (X.row(i0), "X(i0,·)", "X_{i_0,*}"),
    (X.row(i0).T, "X(i0,·)ᵀ", r"X_{i_0,*}^\top"),
    (W_V.col(j0), "W_V(·,j0)", "(W_V)_{*,j_0}"),
    (X[i0, j0], "X(i0,j0)", "X_{i_0,j_0}"),
    (x[i0], "x(i0)", "x_{i_0}"),
    ((X @ W)[i0, j0], "(X W)(i0,j0)", "(X W)_{i_0,j_0}"),
    (A_j0.col(Pair(j0, j1)), "A_j0(·,(j0,j1))", "(A_{j_0})_{*,(j_0,j_1)}"),
    (block(A, i0, n), "A[i0]", "A_{[i_0]}"),
    (symbol("x1", n)[i0], "x1(i0)", "{x_1}_{i_0}"),
    # entrywise functions
    (exp((X @ W @ X.T) * (1 / d)), "exp(X W Xᵀ/d)", r"\exp\left(\frac{X W X^\top}{d}\right)"),
    (func("phi", X @ W), "φ(X W)", r"\phi(X W)"),
    (func("phi", X, 1), "φ′(X)", r"\phi^\prime(X)"),
    (func("phi", X, 2), "φ″(X)", r"\phi^{\prime\prime}(X)"),
    (func("phi", X, 4), "φ^(4)(X)", r"\phi^{(4)}(X)"),
    (taylor(x, 2 * n), "T_(2n)(x)", "T_{2n}(x)"),
    (absolute(X - G), "|X - G|", "|X - G|"),
    (recip(x), "1/x", r"\frac{1}{x}"),
    (exp(x) * recip(inner(exp(x), ones(n))), "exp(x)/⟨exp(x), 1_n⟩",
     r"\frac{\exp(x)}{\langle \exp(x),\ \mathbf{1}_n \rangle}"),
    (diag(x), "diag(x)", r"\mathrm{diag}(x)"),
    (diag(recip(alpha)) @ F, "diag(α)⁻¹ F", r"\mathrm{diag}(\alpha)^{-1} F"),
    # inner products
    (inner(x, y), "⟨x, y⟩", r"\langle x,\ y \rangle"),
    (inner(X, G), "⟨X, G⟩", r"\langle X,\ G \rangle"),
    (inner(x, y) * x, "⟨x, y⟩·x", r"\langle x,\ y \rangle \, x"),
    (x.T @ F @ y, "xᵀ F y", r"x^\top F y"),
    (x @ y.T, "x yᵀ", r"x y^\top"),
    # index sums and stacks
    (total(i0, X.row(i0)), "Σ_{i0∈[n]} X(i0,·)", r"\sum_{i_0 \in [n]} X_{i_0,*}"),
    (total(i0, i1, F[i0, i1]), "Σ_{i0,i1∈[n]} F(i0,i1)", r"\sum_{i_0,i_1 \in [n]} F_{i_0,i_1}"),
    (total(i0, j0, X[i0, j0] * (X + G)), "Σ_{i0,j0} X(i0,j0)·(X + G)", r"\sum_{i_0,j_0} X_{i_0,j_0} \, (X + G)"),
    (total(i0, X + G), "Σ_{i0∈[n]} (X + G)", r"\sum_{i_0 \in [n]} (X + G)"),
    (total(i0, X) @ W, "(Σ_{i0∈[n]} X) W", r"\left(\sum_{i_0 \in [n]} X\right) W"),
    (G - total(i0, X), "G - Σ_{i0∈[n]} X", r"G - \sum_{i_0 \in [n]} X"),
    (entries(i1, j1, X[i1, j1] * G[i1, j1]), "[X(i1,j1)·G(i1,j1)](i1,j1)", r"[X_{i_1,j_1} \, G_{i_1,j_1}]_{i_1,j_1}"),
    (rows(i0, X.row(i0)), "[X(i0,·)ᵀ](i0,·)", r"[X_{i_0,*}^\top]_{i_0,*}"),
    (rows(i0, X.row(i0)).T, "[X(i0,·)](·,i0)", "[X_{i_0,*}]_{*,i_0}"),
    (rows(i0, x[i0]), "[x(i0)](i0)", "[x_{i_0}]_{i_0}"),
    # derivatives
    (loss(X, G), "L(X)", "L(X)"),
    (grad(loss(X, G), X), "dL/dX", r"\frac{\mathrm{d}L}{\mathrm{d}X}"),
    (grad(s[i0, j0], X), "ds(i0,j0)/dX", r"\frac{\mathrm{d}s_{i_0,j_0}}{\mathrm{d}X}"),
    (grad(s[i0, j0], W_V)[j0, j1], "∂s(i0,j0)/∂W_V(j0,j1)", r"\frac{\partial s_{i_0,j_0}}{\partial (W_V)_{j_0,j_1}}"),
    (grad(inner(x, y) * inner(x, x), x), "d(⟨x, y⟩·⟨x, x⟩)/dx",
     r"\frac{\mathrm{d}(\langle x,\ y \rangle \, \langle x,\ x \rangle)}{\mathrm{d}x}"),
    (jvp(exp(X), X, G), "D_X[exp(X)](G)", r"D_X[\exp(X)](G)"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "line", "tex"), TABLE, ids=[line for _, line, _ in TABLE])
def test_table(formula: Formula, line: str, tex: str) -> None:
    assert (plain(formula), latex(formula)) == (line, tex)


def test_every_operation_is_in_the_table() -> None:
    leaves = {"symbol", "ones", "eye", "unit"}
    assert {node.op for formula, _, _ in TABLE for node in formula.walk()} == leaves | set(_BUILD)


def test_a_definition_is_its_name_until_asked_for() -> None:
    assert plain(f) == "f"
    assert plain(f, expand=1) == "f := diag(exp(F) 1_n)⁻¹ exp(F)"
    assert latex(s, expand=1) == "s := f X W_V"
    assert layout(X, expand=1) == layout(X)


c = sympy.Symbol("c", positive=True)
EXPRESSIONS = [
    (n * maxnorm(W_V) * maxnorm(X), "n |X| |W_V|", "n |X| |W_V|"),
    (maxnorm(s) + 1, "|s| + 1", "|s| + 1"),
    (n ** (1 + 2 * c), "n^(2c + 1)", "n^{2c + 1}"),
    (2 * n - d / 3, "-d/3 + 2n", r"-\frac{d}{3} + 2n"),
    (2 * 3**n, "2·3^n", r"2 \cdot 3^n"),
    (sympy.Rational(3, 4) * maxnorm(X) ** 2, "3|X|²/4", r"\frac{3|X|^2}{4}"),
    (sympy.exp(2 * tau) / sympy.factorial(n), "e^(2τ)/n!", r"\frac{e^{2\tau}}{n!}"),
    (sympy.sqrt(n) * sympy.log(d), "sqrt(n) log(d)", r"\sqrt{n} \log(d)"),
    (sympy.ceiling(c * n), "⌈c n⌉", r"\lceil c n \rceil"),
    (sympy.Abs(sympy.Symbol("a")), "|a|", "|a|"),
    (sympy.Max(n, d), "max(d,n)", r"\max(d,n)"),
    ((n + 1) ** 2 / (d + 1), "(n + 1)²/(d + 1)", r"\frac{(n + 1)^2}{d + 1}"),
    (sympy.oo, "∞", r"\infty"),
    (5 * n * d, "5n d", "5n d"),
    (tau * d * n**2 * maxnorm(X), "τ n² d |X|", r"\tau n^2 d |X|"),
    (sympy.log(n) * d * n * tau, "τ n d log(n)", r"\tau n d \log(n)"),
    (sympy.sqrt(sympy.log(n)), "sqrt(log(n))", r"\sqrt{\log(n)}"),
]


@pytest.mark.parametrize(("value", "line", "tex"), EXPRESSIONS, ids=[line for _, line, _ in EXPRESSIONS])
def test_bounds(value: sympy.Expr, line: str, tex: str) -> None:
    claim = Bound(sympy.sympify(value), sympy.Symbol("b"))
    assert (claim_plain(claim), claim_latex(claim)) == (f"{line} ≤ b", rf"{tex} \le b")


def test_claims() -> None:
    left, right = grad(s[i0, j0], X)[i1, j1], F[i0, i1] * X[i1, j1]
    claim = Identity(left, right, where=(Condition(i0, "!=", i1),))
    expected = "∂s(i0,j0)/∂X(i1,j1) = F(i0,i1)·X(i1,j1)   for all i0,i1 ∈ [n], j0,j1 ∈ [d] with i0 ≠ i1"
    assert claim_plain(claim) == expected
    assert claim_latex(claim).endswith(
        r"\quad \text{for all }i_0,i_1 \in [n],\ j_0,j_1 \in [d]\text{ with }i_0 \ne i_1"
    )
    assert claim_plain(Identity(X, G)) == "X = G"
    assert claim_parts(Identity(X, G))[1] is None
    bound = Bound(maxnorm(X), n**c, given=(maxnorm(G) <= n**c, sympy.Ge(c, 1)))
    assert claim_plain(bound) == "|X| ≤ n^c   if |G| ≤ n^c, c ≥ 1"


def test_a_bound_on_rows_holds_for_all_of_them() -> None:
    claim = Bound(maxnorm(X.row(i0)), maxnorm(X), given=(maxnorm(X) <= 1,))
    assert claim_plain(claim) == "|X(i0,·)| ≤ |X|   for all i0 ∈ [n] if |X| ≤ 1"


# -- ranks, costs, growth, factors -----------------------------------------------------------------------------------------
k = size("k1")
U, V = symbol("U_1", n, k), symbol("V_1", n, k)
K = define("K", (G * s) @ ones(d), "D.16")
inside = V.T @ X
STEP = "step of the printed proof"
CLAIMS = [
    (Rank(U @ V.T, k), "rank(U_1 V_1ᵀ) ≤ k1", r"\mathrm{rank}(U_1 V_1^\top) \le k_1"),
    (Cost((U @ inside,), 5 * n * d, constant=True), "operations(U_1 (V_1ᵀ X)) ≤ 5n d",
     r"\mathrm{operations}(U_1 (V_1^\top X)) \le 5n d"),
    (Cost((inside, U @ inside), d * k * n), "operations(V_1ᵀ X; U_1 (V_1ᵀ X)) = O(n d k1)",
     r"\mathrm{operations}(V_1^\top X;\ U_1 (V_1^\top X)) = O(n d k_1)"),
    (Cost((U @ V.T @ X,), ALMOST_LINEAR), "operations(U_1 V_1ᵀ X) = n^(1 + o(1))",
     r"\mathrm{operations}(U_1 V_1^\top X) = n^{1 + o(1)}"),
    (Cost((K,), d * n, given=(s, X @ W)), "operations(K := (G * s) 1_d) = O(n d)   given s, X W",
     r"\mathrm{operations}(K := (G * s) \mathbf{1}_d) = O(n d) \quad \text{given }s,\ X W"),
    (Asymptotic(n * maxnorm(U @ V.T - f), NEGLIGIBLE), "n |U_1 V_1ᵀ - f| = 1/poly(n)",
     r"n |U_1 V_1^\top - f| = 1/\mathrm{poly}(n)"),
    (Asymptotic(maxnorm(X @ W), SUBROOT, relies_on=("C.13", "C.18")), "|X W| = o(sqrt(log n))   by C.13, C.18",
     r"|X W| = o(\sqrt{\log n}) \quad \text{by }\text{C.13},\ \text{C.18}"),
    (Asymptotic(time_of("E.3") + time_of("C.3-note"), ALMOST_LINEAR), "time(C.3-note) + time(E.3) = n^(1 + o(1))",
     r"\mathrm{time}(\text{C.3-note}) + \mathrm{time}(\text{E.3}) = n^{1 + o(1)}"),
    (Asymptotic(n * sympy.Symbol("error(my_1)"), LOG), "n error(my_1) = O(log n)",
     r"n \mathrm{error}(\text{my\_1}) = O(\log n)"),
    (Asymptotic(time_of("H.3") * d + sympy.Symbol("error(E.11)") * n * maxnorm(X), POLY),
     "n error(E.11) |X| + d time(H.3) = poly(n)",
     r"n \mathrm{error}(\text{E.11}) |X| + d \mathrm{time}(\text{H.3}) = \mathrm{poly}(n)"),
    (Factors(f, SUBPOLY, NEGLIGIBLE), "there are U, V with n^(o(1)) columns and |U Vᵀ - f| ≤ 1/poly(n)",
     r"\text{there are }U,\ V\text{ with }n^{o(1)}\text{ columns and }|U V^\top - f| \le 1/\mathrm{poly}(n)"),
    (Factors(F - f, LOG, POLY), "there are U, V with O(log n) columns and |U Vᵀ - (F - f)| ≤ poly(n)",
     r"\text{there are }U,\ V\text{ with }O(\log n)\text{ columns and }|U V^\top - (F - f)| \le \mathrm{poly}(n)"),
    (Identity(X, G, step=True), f"X = G   {STEP}", rf"X = G \quad \text{{{STEP}}}"),
    (Bound(maxnorm(X), n, given=(maxnorm(G) <= 1,), step=True), f"|X| ≤ n   if |G| ≤ 1; {STEP}",
     rf"|X| \le n \quad \text{{if }}|G| \le 1\text{{; {STEP}}}"),
    (Rank(X, d, step=True), f"rank(X) ≤ d   {STEP}", rf"\mathrm{{rank}}(X) \le d \quad \text{{{STEP}}}"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "line", "tex"), CLAIMS, ids=[line for _, line, _ in CLAIMS])
def test_other_claims(claim: Claim, line: str, tex: str) -> None:
    assert (claim_plain(claim), claim_latex(claim)) == (line, tex)
    relation, condition = claim_parts(claim)
    written = flow(relation) + (mathml(condition) if condition else "")
    assert is_well_formed(written)
    assert not elements_in_tokens(written)
    assert ("<mtext>" in written and STEP in written) == claim.step


def test_every_kind_of_claim_is_shown() -> None:
    assert {type(claim) for claim, _, _ in CLAIMS} == {Identity, Bound, Rank, Cost, Asymptotic, Factors}


def test_a_cost_shows_the_order_of_its_products() -> None:
    a, b = X @ W @ X.T, X @ (W @ X.T)
    assert plain(a) == plain(b)  # the same matrix, elsewhere written alike
    shown = [claim_plain(Cost((formula,), n)) for formula in (a, b, (X @ (W @ W)) @ X.T, X @ (W @ (W @ X.T)))]
    assert shown == [
        f"operations({each}) = O(n)" for each in ("X W Xᵀ", "X (W Xᵀ)", "X (W W) Xᵀ", "X (W (W Xᵀ))")
    ]  # fmt: skip
    scaled, product = (s[i0, j0] * X) @ W, s[i0, j0] * (X @ W)
    assert plain(scaled) == plain(product)
    assert claim_plain(Cost((scaled,), n)) != claim_plain(Cost((product,), n))
    assert "⟨x, F y⟩" in claim_plain(Cost((x.T @ (F @ y),), n))  # an inner product has brackets of its own


GROWTHS = [
    (CONSTANT, "O(1)", "O(1)"),
    (SUBROOT, "o(sqrt(log n))", r"o(\sqrt{\log n})"),
    (LOG, "O(log n)", r"O(\log n)"),
    (Growth(log=Fraction(1), little=True), "o(log n)", r"o(\log n)"),
    (Growth(log=Fraction(3)), "O((log n)³)", r"O((\log n)^3)"),
    (POLYLOG, "polylog(n)", r"\mathrm{polylog}(n)"),
    (SUBPOLY, "n^(o(1))", "n^{o(1)}"),
    (LINEAR, "O(n)", "O(n)"),
    (ALMOST_LINEAR, "n^(1 + o(1))", "n^{1 + o(1)}"),
    (Growth(power=Fraction(2), log=Fraction(1)), "O(n² log n)", r"O(n^2 \log n)"),
    (POLY, "poly(n)", r"\mathrm{poly}(n)"),
    (NEGLIGIBLE, "1/poly(n)", r"1/\mathrm{poly}(n)"),
    (UNBOUNDED, "unbounded", r"\text{unbounded}"),
]


@pytest.mark.parametrize(("growth", "line", "tex"), GROWTHS, ids=[line for _, line, _ in GROWTHS])
def test_growth_classes(growth: Growth, line: str, tex: str) -> None:
    claim = Asymptotic(n, growth)
    assert (claim_plain(claim), claim_latex(claim)) == (f"n = {line}", f"n = {tex}")
    assert is_well_formed(flow(claim_parts(claim)[0]))


class Elements(HTMLParser):
    """The elements of MathML: whether each is closed in its place, and which stand in another's text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.within: set[str] = set()
        self.fits = True
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.open and self.open[-1] in ("mtext", "mi", "mo", "mn"):
            self.within.add(tag)
        if tag != "wbr":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        self.fits &= bool(self.open) and self.open.pop() == tag


def is_well_formed(written: str) -> bool:
    found = Elements(written)
    return bool(written) and found.fits and not found.open


def elements_in_tokens(written: str) -> set[str]:
    return Elements(written).within


def test_the_check_of_well_formedness_can_fail() -> None:
    assert is_well_formed("<math><mi>x</mi></math>") and not is_well_formed("<math><mi>x</math></mi>")
    assert not is_well_formed("<math><mi>x</mi>") and elements_in_tokens("<mtext>a<mi>b</mi></mtext>") == {"mi"}


def test_the_terminal_shows_hypotheses_as_data_gaps_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    made = own(
        "my.1", Identity(X, X, part="1"), Bound(maxnorm(X), n, part="size", step=True),
        assumes=(Within(maxnorm(X @ W), SUBROOT), Holds("s(X) is at hand")), concludes=(Within(time_of("my.1"), LOG),),
    )  # fmt: skip
    claims = [{"verdict": "proved", "argument": "gap"}, {"verdict": "refuted", "argument": "gap"}]
    row = {"verdict": "proved", "stale": False, "claims": claims, "uses": [], "witness": None, "evidence": []}
    gap = "hypothesis of C.13 not implied: |X W| in o(sqrt(log n))"
    terminal.show_statement(made, {**row, "gap": [gap]}, (), as_latex=False)
    lines = capsys.readouterr().out.splitlines()
    assert "assumes: |X W| in o(sqrt(log n)); s(X) is at hand" in lines
    assert "concludes: time(my.1) in O(log n)" in lines
    assert f"gap: {gap}" in lines
    assert f"  |X| ≤ n   {STEP}" in lines
    assert [line.split(" · ")[0] for line in lines if " · as printed" in line] == ["part 1", "step size"]
    terminal.show_statement(own("my.2", Identity(X, X)), {**row, "claims": claims[:1], "gap": []}, (), as_latex=False)
    assert not [w for w in ("assumes", "concludes", "gap:", "step") if w in capsys.readouterr().out]


def test_names_are_not_markup() -> None:
    odd = symbol("a%b_{c#}", n) + symbol("$x$", n) + symbol("_", n) + symbol("%", n)
    assert latex(odd) == r"\mathrm{a\%b}_{\mathrm{c\#}} + \mathrm{\$x\$} + \_ + \%"


def test_the_registry_can_be_shown() -> None:
    for made in load():
        for text in [*map(claim_latex, made.claims), *(latex(f, expand=1) for f in made.shows)]:
            depth = 0
            for sign in text:
                depth += (sign == "{") - (sign == "}")
                assert depth >= 0, f"{made.id}: {text}"
            assert depth == 0, f"{made.id}: {text}"
        assert all(claim_plain(claim).count("\n") == 0 for claim in made.claims)
