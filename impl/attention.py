"""Almost-linear attention of one head, and its exact gradient:

    s_i = sum_j p(S_ij) v_j / D_i,   D_i = sum_j p(S_ij),   S = scale q k^T,   p = T_g,   j <= i if causal,

in time O(n k e) and memory O(chunk k + k d e), k = binom(d+g, g). Source: Definition C.10, Lemma C.13.

The backward pass is the gradient of this very approximant (not of softmax): with u_i = [dO_i, -<dO_i,
s_i>]/D_i and w_j = [v_j, 1],

    dq_i = scale sum_j p'(S_ij) <u_i, w_j> k_j,   dk_j = scale sum_i p'(S_ij) <u_i, w_j> q_i,
    dv_j = sum_i p(S_ij) dO_i / D_i.

Since T_g' = T_{g-1}, the first two have rank binom(d+g-1, g-1) d only (theory/chain.md section 1).
"""

from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from .errors import DegreeError
from .plan import Plan, PlanOptions, plan_attention
from .polynomial import DEFAULT_MAX_DEGREE, derivative
from .streaming import Points, Rows, Term, exact_precision, kernel_products, rows_of
from .validation import check_shape, check_tensors


class AttentionGradients(NamedTuple):
    """Gradients by query, key and value, in their shapes."""

    query: Tensor
    key: Tensor
    value: Tensor


def low_rank_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    degree: int | None = None,
    eps: float | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    chunk: int | None = None,
    max_degree: int = DEFAULT_MAX_DEGREE,
    entry_bound: float | None = None,
) -> Tensor:
    """``scaled_dot_product_attention(query, key, value, is_causal=..., scale=...)`` with exp replaced by its
    Taylor polynomial.

    ``query`` (..., n, d), ``key`` (..., m, d), ``value`` (..., m, e): float32 or float64, CPU or CUDA, equal
    leading dimensions (batch, heads), any strides; m = n under ``is_causal``. Returns (..., n, e).
    Differentiable once, in the same time and memory.

    The result is exactly that of the degree-``degree`` polynomial for every pair of tokens, up to rounding
    (``rounding.py``); within a chunk of tokens under a mask the polynomial is evaluated pair by pair,
    elsewhere from its features.

    ``eps``: the l1 error allowed to each row of attention weights, so each output entry is within eps
    max|value| of softmax attention. ``degree`` is then the smallest that guarantees it on the measured range
    of the scores (``score_bound``), one for the whole batch; give ``degree`` instead to fix it, both to have
    it checked, neither for eps = 1e-3. ``scale`` > 0 defaults to 1/sqrt(d). ``chunk``: tokens held at a time.
    ``entry_bound``: state one to have every entry checked against it.

    Raises InputError (shapes, devices, dtypes, NaN or inf, entries beyond ``entry_bound``); DegreeError where
    no degree up to ``max_degree`` and no number of features up to 2^18 meets eps, the degree given does not,
    or a normaliser may vanish.
    """
    plan = plan_attention(
        query,
        key,
        value,
        degree=degree,
        eps=eps,
        scale=scale,
        is_causal=is_causal,
        chunk=chunk,
        max_degree=max_degree,
        entry_bound=entry_bound,
    )
    return _LowRankAttention.apply(query, key, value, plan)


def low_rank_attention_backward(
    query: Tensor, key: Tensor, value: Tensor, upstream: Tensor, **options: Unpack[PlanOptions]
) -> AttentionGradients:
    """The gradients that ``backward`` gives through ``low_rank_attention(query, key, value, **options)``,
    without autograd.

    ``upstream`` (..., n, e) is the gradient by the output. Raises InputError and DegreeError as well.
    """
    plan = plan_attention(query, key, value, **options)
    check_tensors(None, query=query, upstream=upstream)
    check_shape("upstream", upstream, (*query.shape[:-1], value.shape[-1]), "it is the gradient by the output")
    with torch.no_grad():
        out, inverse = attend(query, key, value, plan)
        return attend_backward(query, key, value, out, inverse, upstream, plan)


def attend(query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """Output (..., n, e) and inverse normaliser 1/sum_j p(S_ij) (..., n, 1), by a plan; nothing is checked."""
    *batch, n, _ = query.shape
    out = query.new_empty(*batch, n, value.shape[-1])
    normaliser = query.new_empty(*batch, n, 1)
    with torch.no_grad(), exact_precision(query.device):
        terms = [Term(plan.coefficients, operand=with_ones(value))]
        for span, (sums,) in kernel_products(_points(query, key, plan), terms, chunk=plan.chunk, mask=plan.mask):
            out[..., span, :], normaliser[..., span, :] = sums[..., :-1], sums[..., -1:]
        inverse = invert(normaliser, plan)
        return out.mul_(inverse), inverse


def attend_backward(
    query: Tensor, key: Tensor, value: Tensor, out: Tensor, inverse: Tensor, upstream: Tensor, plan: Plan
) -> AttentionGradients:
    """Gradients from what ``attend`` returned, in two sweeps: by queries, then (transposed) by keys."""
    gradients = AttentionGradients(*(x.new_empty(x.shape) for x in (query, key, value)))
    slope = derivative(plan.coefficients)
    points, w = _points(query, key, plan), with_ones(value)

    def u(span: slice) -> Tensor:
        g = upstream[..., span, :]
        return torch.cat([g, -(g * out[..., span, :]).sum(-1, keepdim=True)], -1) * inverse[..., span, :]

    def weighted(span: slice) -> Tensor:
        return upstream[..., span, :] * inverse[..., span, :]

    with torch.no_grad(), exact_precision(query.device):
        by_query = [Term(slope, operand=rows_of(key, plan.scale), left=u, right=w)]
        for span, (dq,) in kernel_products(points, by_query, chunk=plan.chunk, mask=plan.mask):
            gradients.query[..., span, :] = dq
        by_key = [
            Term(slope, operand=rows_of(query, plan.scale), left=w, right=u),
            Term(plan.coefficients, operand=weighted),
        ]
        for span, (dk, dv) in kernel_products(points.transposed(), by_key, chunk=plan.chunk, mask=plan.transposed_mask):
            gradients.key[..., span, :], gradients.value[..., span, :] = dk, dv
    return gradients


def with_ones(value: Tensor) -> Rows:
    """Rows [v_j, 1]: the last column sums up the normaliser."""
    return lambda span: pad(value[..., span, :], (0, 1), value=1.0)


def invert(normaliser: Tensor, plan: Plan) -> Tensor:
    """1/normaliser, which an even degree or J_g < 1 makes positive; rounding can still spoil it where the
    scores are huge.
    """
    smallest = normaliser.min().item()
    if not smallest > 0:
        raise DegreeError(
            f"the smallest normaliser of degree {plan.degree} on scores up to {plan.bound:.4g}",
            f"{smallest:.3g}",
            "above 0, and is not because of rounding or overflow",
            "shrink the scores, use a higher degree or float64",
        )
    return normaliser.reciprocal()


def _points(query: Tensor, key: Tensor, plan: Plan) -> Points:
    rows, columns = rows_of(query, plan.row_scale), rows_of(key, plan.column_scale)
    return Points(rows, columns, query.shape[-2], key.shape[-2])


class _LowRankAttention(torch.autograd.Function):
    """Ties ``attend`` and ``attend_backward`` together; keeps the inputs, the output and one number a token."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> Tensor:
        out, inverse = attend(query, key, value, plan)
        ctx.save_for_backward(query, key, value, out, inverse)
        ctx.plan = plan
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, out, inverse = ctx.saved_tensors
        return *attend_backward(query, key, value, out, inverse, upstream, ctx.plan), None
