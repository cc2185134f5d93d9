"""The paper's Algorithm 1 (ALTGrad) for one layer, as printed and as repaired, on low-rank factors f~ = U_1
V_1^T, U_1 = D^{-1} phi(tau X W), V_1 = phi(X), phi the features of degree g. s~ = U_1 (V_1^T h), K~ = (G *
s~)1 (D.16); then as printed (D.17, F.4, G.3)

    dL/dX = D_6 + D_7 + D_8 + D_2 + D_4,     dL/dW = X^T (p_1 - p_2) X,     dL/dW_V = X^T f G.

Every D is one line of a table: sign * (f * (left right^T)) operand factor; z_7 = f * (h G^T), z_6 = f diag(K)
= f * (1 K^T). f * (left right^T) = (U_1 (/) left)(V_1 (/) right)^T (Fact C.2; E.2, E.4, E.7, E.9) is applied
as in E.3-E.10, state first: states are k x (d d), tokens are streamed. Causal: every f H becomes f^ H (B.3,
I.7, I.8).

The repair (theory/chain.md section 1) transposes what multiplies from the keys' side and restores tau, with P
= p_1 - p_2:

    dL/dX = tau (P X W^T + P^T X W) + f^T G W_V^T,     dL/dW = tau X^T P X,     dL/dW_V = X^T f^T G.
"""

from typing import Literal, NamedTuple, Unpack

import torch
from torch import Tensor

from .attention import attend
from .dense import Gradients
from .errors import InputError
from .plan import Plan, PlanOptions, make_plan
from .polynomial import DEFAULT_MAX_DEGREE
from .rounding import gamma
from .score_range import largest_entry
from .streaming import Points, Term, exact_precision, kernel_products, rows_of
from .validation import check_layer, check_positive_number

Formulas = Literal["repaired", "printed"]


class Line(NamedTuple):
    """name = sign * tau^scaled * (f * (left right^T)) operand factor, with f or its transpose."""

    name: str
    sign: int
    matrix: Literal["f", "f^T"]
    left: Literal["1", "K", "h", "G"]
    right: Literal["1", "K", "h", "G"]
    operand: Literal["X", "G"]
    factor: Literal["W", "W^T", "W_V^T"]
    scaled: bool


# D.17 with E.3, E.5, E.6, E.8, E.10. The paper's u = exp(X W X^T) has no scale (C.6), nor has any D: where
# tau != 1, f has it alone.
PRINTED = (
    Line("D_6", -1, "f", "1", "K", "X", "W^T", scaled=False),  # -z_6 X W^T,  z_6 = f diag(K)
    Line("D_7", +1, "f", "h", "G", "X", "W^T", scaled=False),  #  z_7 X W^T,  z_7 = f * (h G^T)
    Line("D_8", +1, "f", "1", "1", "G", "W_V^T", scaled=False),  #  f G W_V^T
    Line("D_2", -1, "f", "K", "1", "X", "W", scaled=False),  # -z_2 X W,    z_2 = diag(K) f
    Line("D_4", +1, "f", "G", "h", "X", "W", scaled=False),  #  z_4 X W,    z_4 = f * (G h^T)
)

REPAIRED = (
    Line("D_6", -1, "f^T", "1", "K", "X", "W", scaled=True),  # -tau (f^T diag(K)) X W
    Line("D_7", +1, "f^T", "h", "G", "X", "W", scaled=True),  #  tau (f^T * (h G^T)) X W
    Line("D_8", +1, "f^T", "1", "1", "G", "W_V^T", scaled=False),  #  f^T G W_V^T
    Line("D_2", -1, "f", "K", "1", "X", "W^T", scaled=True),  # -tau (diag(K) f) X W^T
    Line("D_4", +1, "f", "G", "h", "X", "W^T", scaled=True),  #  tau (f * (G h^T)) X W^T
)

TABLES: dict[str, tuple[Line, ...]] = {"printed": PRINTED, "repaired": REPAIRED}


def algorithm1(
    x: Tensor,
    weight: Tensor,
    value_weight: Tensor,
    upstream: Tensor,
    *,
    formulas: Formulas = "repaired",
    degree: int | None = None,
    eps: float | None = None,
    scale: float = 1.0,
    is_causal: bool = False,
    chunk: int | None = None,
    max_degree: int = DEFAULT_MAX_DEGREE,
    entry_bound: float | None = None,
) -> Gradients:
    """Approximate gradients of a loss by X, W = W_Q W_K^T and W_V through s = f h, given ``upstream`` =
    dL/ds.

    ``x`` (..., n, d), ``weight`` (d, d), ``value_weight`` (d, e), ``upstream`` (..., n, e), ``scale`` tau > 0
    (1 as in C.6; C.3 has 1/d). Returns (dX, dW, dWV), the latter two per batch element. ``formulas``:
    "repaired", or "printed" with the paper's mistakes. ``degree``, ``eps``, ``chunk``, ``max_degree``,
    ``entry_bound`` as in ``low_rank_attention``: eps bounds |f~ - f|_1 row by row.

    Time O(n k d^2), memory O(chunk (k + d^2) + k d^2 + n d). Under a mask the chunk's own block is exact, as
    in ``attention``. dW and dWV reuse the products of D_4, D_2 and D_8, which F.5 and G.4 associate the other
    way: X^T (U_3 (V_3^T X)) for (X^T U_3)(V_3^T X); only this order carries over to a mask. p_2 = diag(r) f
    is taken as C.12 and C.16 state it (the construction cited under C.16, V_4 = diag(r~) V_1, is f diag(r)).

    Raises InputError and DegreeError as ``low_rank_attention`` does.
    """
    if formulas not in TABLES:
        raise InputError("formulas", repr(formulas), "'repaired' or 'printed'", "choose one of the two")
    check_layer(x, weight, value_weight, upstream, entry_bound)
    with torch.no_grad(), exact_precision(x.device):
        xw = x @ weight
        plan = _plan(
            x,
            xw,
            weight,
            value_weight.shape[-1],
            degree=degree,
            eps=eps,
            scale=scale,
            is_causal=is_causal,
            chunk=chunk,
            max_degree=max_degree,
        )
        return single_gradient(x, xw, x, weight, value_weight, upstream, plan, TABLES[formulas])


def plan_layer(
    x: Tensor, weight: Tensor, value_weight: Tensor, upstream: Tensor, **options: Unpack[PlanOptions]
) -> Plan:
    """The plan that ``algorithm1`` follows for the same arguments; raises what it raises."""
    check_layer(x, weight, value_weight, upstream, options.pop("entry_bound", None))
    with torch.no_grad(), exact_precision(x.device):
        return _plan(x, x @ weight, weight, value_weight.shape[-1], **options)


def _plan(x: Tensor, xw: Tensor, weight: Tensor, width: int, **options: Unpack[PlanOptions]) -> Plan:
    scale = options.setdefault("scale", 1.0)
    check_positive_number("scale", scale)
    # X W is rounded before its range is measured: the exact scores may lie this much outside it.
    largest = largest_entry(x)
    slack = gamma(x.shape[-1] + 1, x.dtype) * largest**2 * weight.double().abs().sum().item()
    return make_plan(xw, x, width, slack=slack, **options)


def single_gradient(
    x: Tensor,
    query: Tensor,
    key: Tensor,
    weight: Tensor,
    value_weight: Tensor,
    upstream: Tensor,
    plan: Plan,
    table: tuple[Line, ...] = REPAIRED,
) -> Gradients:
    """Lines 14-22 of SingleGrad: forward factors, then the table's lines in one sweep over f and one over
    f^T; nothing is checked.

    The features are those of ``query`` and ``key`` with query key^T = x weight x^T: x weight and x, or for a
    head of K.1 x W_Q and x W_K. The weights may have the leading dimensions of x.
    """
    h = x @ value_weight
    s, inverse = attend(query, key, h, plan)
    matrices = {"K": (upstream * s).sum(-1, keepdim=True), "h": h, "G": upstream, "X": x}
    del s
    factors = {"W": weight, "W^T": weight.mT, "W_V^T": value_weight.mT}
    *batch, _, d = x.shape
    totals = Gradients(torch.zeros_like(x), x.new_zeros(*batch, d, d), x.new_zeros(*batch, d, value_weight.shape[-1]))
    for transposed in (False, True):
        lines = [line for line in table if (line.matrix == "f^T") == transposed]
        if not lines:
            continue
        points = Points(rows_of(query, plan.row_scale), rows_of(key, plan.column_scale), x.shape[-2], x.shape[-2])
        if transposed:
            points = points.transposed()
        terms = [_term(line, matrices, inverse, plan) for line in lines]
        mask = plan.transposed_mask if transposed else plan.mask
        for span, products in kernel_products(points, terms, chunk=plan.chunk, mask=mask):
            if not transposed:
                products = [inverse[..., span, :] * y for y in products]
            _add(totals, span, dict(zip(lines, products, strict=True)), x[..., span, :], factors, plan.scale)
    return totals


def _term(line: Line, matrices: dict[str, Tensor], inverse: Tensor, plan: Plan) -> Term:
    """The streamed product of a line. D^{-1} belongs to the rows of f: to f^T's operand, to f's result."""
    operand = matrices[line.operand]

    def scaled(span: slice) -> Tensor:
        return inverse[..., span, :] * operand[..., span, :]

    return Term(
        plan.coefficients,
        operand=scaled if line.matrix == "f^T" else rows_of(operand),
        left=None if line.left == "1" else rows_of(matrices[line.left]),
        right=None if line.right == "1" else rows_of(matrices[line.right]),
    )


def _add(
    totals: Gradients,
    span: slice,
    products: dict[Line, Tensor],
    x: Tensor,
    factors: dict[str, Tensor],
    scale: float,
) -> None:
    """Add one chunk of every line to dX, and to dW = tau X^T (p_1 X - p_2 X) and dWV = X^T (D_8's product)."""
    for line, product in products.items():
        totals.dX[..., span, :] += (line.sign * (scale if line.scaled else 1.0)) * (product @ factors[line.factor])
    named = {line.name: (line, product) for line, product in products.items()}
    if "D_4" in named:
        line, p1 = named["D_4"]
        p2 = named["D_2"][1]
        totals.dW.add_(x.mT @ (p1 - p2), alpha=scale if line.scaled else 1.0)
    if "D_8" in named:
        totals.dWV.add_(x.mT @ named["D_8"][1])
