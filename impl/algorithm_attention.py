"""Attention whose backward pass is the paper's Algorithm 1, in the letters of one head: Q, K, V in place of X W_Q, X W_K, X W_V.

    dL/dQ = tau P K,   dL/dK = tau P^T Q,   dL/dV = f^T G,   P = f * (G V^T) - diag((G * s) 1) f,   f = f~ of degree g

Its lines 14-22 without the last factors, which autograd applies: dL/dX = (dL/dQ) W_Q^T + (dL/dK) W_K^T + (dL/dV) W_V^T is D_6 + D_7 +
D_8 + D_2 + D_4, and X^T dL/dQ is (dL/dW) W_K. So a whole model takes MultiGrad's backward pass, whatever lies between its layers
(``AlmostLinearTransformer(attention="algorithm1")``). For the repaired formulas only; see ``algorithm1``.
"""

from __future__ import annotations

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .algorithm1 import REPAIRED, Line
from .attention import AttentionGradients, attend
from .plan import Plan, PlanOptions, plan_attention
from .streaming import Points, Term, exact_precision, kernel_products, rows_of


def algorithm1_attention(query: Tensor, key: Tensor, value: Tensor, **options: Unpack[PlanOptions]) -> Tensor:
    """The output of ``low_rank_attention``, with the gradients of Algorithm 1 in place of the approximant's own.

    ``query``, ``key`` (..., n, d), ``value`` (..., n, e): self-attention, so all of n tokens. Time O(n k d e), against O(n k e) with
    features of one degree less for the approximant's own gradient. Raises InputError and DegreeError as ``low_rank_attention`` does.
    """
    plan = plan_attention(query, key, value, **options)
    return _Algorithm1.apply(query, key, value, plan)


def head_gradients(query: Tensor, key: Tensor, value: Tensor, upstream: Tensor, plan: Plan) -> AttentionGradients:
    """Gradients by Q, K and V, given ``upstream`` G (..., n, e); nothing is checked."""
    with torch.no_grad(), exact_precision(query.device):
        s, inverse = attend(query, key, value, plan)
        matrices = {"K": (upstream * s).sum(-1, keepdim=True), "h": value, "G": upstream}
        # What multiplies from the queries' side is a gradient by queries: D_4 and D_2 end in X W^T = K W_Q^T.
        operands = {"W^T": key, "W": query, "W_V^T": upstream}
        totals = {factor: torch.zeros_like(x) for factor, x in zip(operands, (query, key, value), strict=True)}
        points = Points(rows_of(query, plan.row_scale), rows_of(key, plan.column_scale), query.shape[-2], key.shape[-2])
        for matrix, where, mask in (("f", points, plan.mask), ("f^T", points.transposed(), plan.transposed_mask)):
            lines = [line for line in REPAIRED if line.matrix == matrix]
            terms = [_term(line, matrices, operands[line.factor], inverse, plan) for line in lines]
            for span, products in kernel_products(where, terms, chunk=plan.chunk, mask=mask):
                for line, product in zip(lines, products, strict=True):
                    product = inverse[..., span, :] * product if matrix == "f" else product
                    totals[line.factor][..., span, :] += line.sign * (plan.scale if line.scaled else 1.0) * product
    return AttentionGradients(totals["W^T"], totals["W"], totals["W_V^T"])


def _term(line: Line, matrices: dict[str, Tensor], operand: Tensor, inverse: Tensor, plan: Plan) -> Term:
    """The streamed product of a line; D^{-1} belongs to the rows of f."""

    def scaled(span: slice) -> Tensor:
        return inverse[..., span, :] * operand[..., span, :]

    return Term(
        plan.coefficients,
        operand=scaled if line.matrix == "f^T" else rows_of(operand),
        left=None if line.left == "1" else rows_of(matrices[line.left]),
        right=None if line.right == "1" else rows_of(matrices[line.right]),
    )


class _Algorithm1(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> Tensor:
        out, _ = attend(query, key, value, plan)
        ctx.save_for_backward(query, key, value)
        ctx.plan = plan
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value = ctx.saved_tensors
        return *head_gradients(query, key, value, upstream, ctx.plan), None
