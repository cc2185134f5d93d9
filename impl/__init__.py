"""What is run: almost-linear attention and its gradients in torch, on CPU or GPU, with every error bound
explicit.

- ``low_rank_attention`` (and ``..._backward``): attention by symmetric Taylor features, differentiable,
  causal or not.
- ``algorithm1``: the paper's Algorithm 1 for one layer, ``formulas="repaired"`` or ``"printed"``.
- ``dense_attention``, ``dense_gradients``: the exact ones, with the n x n matrix, to compare with.
- ``degree_for``, ``kernel_error``, ``softmax_error``, ``score_bound``: which degree meets which eps on which
  range.
- ``plan_attention``, ``plan_layer``: what a call decides before it runs; ``forward_rounding``,
  ``gradient_rounding``: what rounding adds; ``count_operations``: what it costs.
"""

if __name__ != "almostlinear.impl":
    raise ImportError(
        f"import almostlinear.impl, not {__name__!r}: under a second name there would be two of every class"
    )

from .algorithm1 import algorithm1, plan_layer
from .attention import AttentionGradients, low_rank_attention, low_rank_attention_backward
from .dense import Gradients, dense_attention, dense_gradients
from .errors import DegreeError, InputError
from .features import feature_count, features
from .operations import Operations, count_operations
from .plan import Plan, plan_attention
from .polynomial import degree_for, kernel_error, softmax_error
from .rounding import (
    GradientBounds,
    LayerNorms,
    forward_rounding,
    gradient_rounding,
    layer_norms,
    unit_roundoff,
)
from .score_range import score_bound

__all__ = [
    "AttentionGradients",
    "DegreeError",
    "GradientBounds",
    "Gradients",
    "InputError",
    "LayerNorms",
    "Operations",
    "Plan",
    "algorithm1",
    "count_operations",
    "degree_for",
    "dense_attention",
    "dense_gradients",
    "feature_count",
    "features",
    "forward_rounding",
    "gradient_rounding",
    "kernel_error",
    "layer_norms",
    "low_rank_attention",
    "low_rank_attention_backward",
    "plan_attention",
    "plan_layer",
    "score_bound",
    "softmax_error",
    "unit_roundoff",
]
