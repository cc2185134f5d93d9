"""What is run: almost-linear attention and its gradients in torch, on CPU or GPU, with every error bound
explicit.

- ``almost_linear_attention``: the call of ``torch.nn.functional.scaled_dot_product_attention`` with exact
  shifts, masks, grouped heads, and the cheapest backend that meets eps; ``certify`` says what it guarantees.
- ``low_rank_attention`` (and ``..._backward``): attention by symmetric Taylor features of the scores as they
  are, the f~ of the paper; what ``algorithm1`` is made of.
- ``algorithm1``: the paper's Algorithm 1 for one layer, ``formulas="repaired"`` or ``"printed"``.
- ``dense_attention``, ``dense_gradients``: the exact ones, with the n x n matrix, to compare with.
- ``degree_for``, ``kernel_error``, ``softmax_error``, ``score_bound``: which degree meets which eps on which
  range.
- ``plan_attention``, ``plan_layer``: what a call decides before it runs; ``forward_rounding``,
  ``gradient_rounding``: what rounding adds; ``count_attention``, ``count_operations``: what it costs.
"""

if __name__ != "almostlinear.impl":
    raise ImportError(
        f"import almostlinear.impl, not {__name__!r}: under a second name there would be two of every class"
    )

from .algorithm1 import algorithm1, plan_layer
from .algorithm_attention import algorithm1_attention
from .algorithm_layers import AttentionLayer, LayerGradients, ModelGradients, multi_gradient
from .attention import AttentionGradients, low_rank_attention, low_rank_attention_backward
from .certify import Certificate, certify
from .dense import Gradients, dense_attention, dense_gradients
from .errors import DegreeError, InputError, NonFiniteError
from .features import feature_count, features
from .functional import almost_linear_attention
from .losses import L2, CrossEntropy, WeightedSum, loss_gradient
from .models import AlmostLinearTransformer, TransformerConfig
from .operations import Operations, Passes, count_attention, count_operations
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
    "L2",
    "AlmostLinearTransformer",
    "AttentionGradients",
    "AttentionLayer",
    "Certificate",
    "CrossEntropy",
    "DegreeError",
    "GradientBounds",
    "Gradients",
    "InputError",
    "LayerGradients",
    "LayerNorms",
    "ModelGradients",
    "NonFiniteError",
    "Operations",
    "Passes",
    "Plan",
    "TransformerConfig",
    "WeightedSum",
    "algorithm1",
    "algorithm1_attention",
    "almost_linear_attention",
    "certify",
    "count_attention",
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
    "loss_gradient",
    "low_rank_attention",
    "low_rank_attention_backward",
    "multi_gradient",
    "plan_attention",
    "plan_layer",
    "score_bound",
    "softmax_error",
    "unit_roundoff",
]
