"""One layer of a transformer, Z = T + Attn(T), T' = Z + MLP(Z) (J.1, J.2), with LayerNorm before or after each half, or none."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

from ..algorithm_attention import algorithm1_attention
from ..errors import InputError
from ..functional import almost_linear_attention
from .config import TransformerConfig
from .positions import Rotary

ACTIVATIONS = {"gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "relu": nn.ReLU}


def attention(config: TransformerConfig, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None) -> Tensor:
    """The attention that ``config`` names, (batch, h, n, d_h) each; ``padding`` (batch, n) is False where a token is to be ignored."""
    scale, is_causal = config.score_scale, config.is_causal
    if config.attention == "exact":
        mask = None if padding is None else exact_mask(padding, is_causal)
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=is_causal and mask is None, scale=scale
        )
    if config.attention == "algorithm1":
        if padding is not None:
            raise InputError(
                "padding", tuple(padding.shape), "None for algorithm1 attention", "use almost_linear or exact attention"
            )
        return algorithm1_attention(
            query, key, value, degree=config.degree, eps=config.eps, scale=scale, is_causal=is_causal
        )
    return almost_linear_attention(
        query,
        key,
        value,
        attn_mask=None if padding is None else padding[:, None, None, :],
        is_causal=is_causal,
        scale=scale,
        degree=config.degree,
        eps=config.eps,
        backend=config.backend,
    )


def norm(config: TransformerConfig) -> nn.Module:
    """LayerNorm or RMSNorm of the width."""
    return nn.RMSNorm(config.width, eps=1e-5) if config.rms else nn.LayerNorm(config.width)


def exact_mask(padding: Tensor, is_causal: bool) -> Tensor:
    """What each query sees, (batch, 1, n or 1, n): keys that are no padding, under the causal mask where asked for."""
    seen = padding[:, None, None, :]
    if not is_causal:
        return seen
    n = padding.shape[-1]
    return seen & torch.ones(n, n, dtype=torch.bool, device=padding.device).tril()


class SelfAttention(nn.Module):
    """W_Q, W_K, W_V of all heads in one product, the attention of ``config``, and the last product over the heads side by side."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.into_heads = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.rotary = Rotary(config.max_length, config.head_width) if config.positions == "rotary" else None

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """(batch, n, width)."""
        found = attention(self.config, *self.heads(x), padding)
        return cast(Tensor, self.out(found.transpose(-3, -2).flatten(-2)))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values as attention gets them, each (batch, h, n, d_h)."""
        parts = self.into_heads(x).unflatten(-1, (3, self.config.heads, -1)).movedim(-3, 0).transpose(-3, -2)
        query, key, value = parts.unbind(0)
        if self.config.score_limit is not None:
            length = math.sqrt(self.config.score_limit / self.config.score_scale)
            query, key = length * normalize(query, dim=-1), length * normalize(key, dim=-1)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        return query, key, value


class Layer(nn.Module):
    """Attention and MLP, each with the norm, the dropout and the residual connection of ``config``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        hidden = 4 * config.width if config.mlp_width is None else config.mlp_width
        self.norm, self.residual = config.norm, config.residual
        self.attention = SelfAttention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, hidden), ACTIVATIONS[config.activation](), nn.Linear(hidden, config.width)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norms = nn.ModuleList(nn.Identity() if config.norm == "none" else norm(config) for _ in range(2))

    def forward(self, t: Tensor, padding: Tensor | None = None) -> Tensor:
        """(batch, n, width)."""
        before, after = self.norms if self.norm != "post" else (nn.Identity(), nn.Identity())
        z = self._join(t, self.attention(before(t), padding))
        z = self.norms[0](z) if self.norm == "post" else z
        z = self._join(z, self.mlp(after(z)))
        return cast(Tensor, self.norms[1](z) if self.norm == "post" else z)

    def _join(self, x: Tensor, y: Tensor) -> Tensor:
        y = self.dropout(y)
        return x + y if self.residual else y
