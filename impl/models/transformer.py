"""A transformer of m layers that runs on exact or on almost-linear attention, chosen by one argument.

T_0 = embedding (+ positions),   T_i = layer i of T_{i-1},   logits = (LayerNorm of T_m) E^T
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import InputError
from .config import Attention, TransformerConfig
from .layers import Layer, norm
from .positions import Learned, Sinusoidal


class AlmostLinearTransformer(nn.Module):
    """Tokens (batch, n), or embeddings (batch, n, width), to logits (batch, n, vocabulary).

    Weights are drawn from torch's generator (set ``torch.manual_seed``) in an order that does not depend on the kind of attention:
    two models of one seed that differ in it alone start equal. Weights are normal with standard deviation 0.02, those that end a
    residual branch 0.02/sqrt(2 m) (GPT-2).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.positions: nn.Module = nn.Identity()
        if config.positions == "learned":
            self.positions = Learned(config.max_length, config.width)
        elif config.positions == "sinusoidal":
            self.positions = Sinusoidal(config.max_length, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = norm(config) if config.norm == "pre" else nn.Identity()
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self._draw()
        if config.tied:
            self.head.weight = self.embedding.weight

    @property
    def blocks(self) -> list[Layer]:
        """The layers, the first one first."""
        return [cast(Layer, layer) for layer in self.layers]

    def _draw(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for layer in self.blocks:
            for last in (layer.attention.out, cast(nn.Linear, layer.mlp[-1])):
                nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * self.config.layers))

    def forward(
        self,
        tokens: Tensor | None = None,
        *,
        embeddings: Tensor | None = None,
        prompt: Tensor | None = None,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Logits (batch, n, vocabulary) in the dtype of the weights.

        ``tokens`` (batch, n), integers below ``vocabulary``, or ``embeddings`` (batch, n, width) in their place, to which gradients
        flow. ``prompt`` (p, width) or (batch, p, width): a soft prompt put in front (Remark B.5); its p rows have logits too.
        ``padding`` (batch, n) bool: False where a token is to be ignored as a key (the prompt never is); what such a token gets as a
        query has no meaning. Raises InputError.
        """
        t = self._embedded(tokens, embeddings)
        if padding is not None:
            self._check_padding(padding, t)
        if prompt is not None:
            t, padding = self._prompted(t, prompt, padding)
        length, most = t.shape[1], self.config.max_length
        if length > most:
            raise InputError(
                "the number of tokens", length, f"at most max_length = {most}", "cut the input, or raise it"
            )
        t = self.dropout(self.positions(t))
        for layer in self.blocks:
            t = layer(t, padding)
        return cast(Tensor, self.head(self.norm(t)))

    def with_attention(self, attention: Attention, **options: object) -> AlmostLinearTransformer:
        """A model with the same weights (shared, not copied) and another kind of attention; ``options`` degree, eps, backend."""
        plain = {"degree": None, "eps": None, "backend": "auto"}
        config = replace(self.config, attention=attention, **{**plain, **options})  # type: ignore[arg-type]
        other = copy.deepcopy(self, memo={id(p): p for p in self.parameters()})
        other.config = config
        for layer in other.blocks:
            layer.attention.config = config
        return other

    def _embedded(self, tokens: Tensor | None, embeddings: Tensor | None) -> Tensor:
        if (tokens is None) == (embeddings is None):
            given = "neither" if tokens is None else "both"
            raise InputError("what was passed of tokens and embeddings", given, "exactly one", "pass one of the two")
        if embeddings is not None:
            if embeddings.ndim != 3 or embeddings.shape[-1] != self.config.width or embeddings.numel() == 0:
                raise InputError(
                    "the shape of embeddings",
                    tuple(embeddings.shape),
                    f"(batch, n, {self.config.width})",
                    "reshape them",
                )
            return embeddings
        tokens = cast(Tensor, tokens)
        if tokens.ndim != 2 or tokens.numel() == 0:
            raise InputError("the shape of tokens", tuple(tokens.shape), "(batch, n), n >= 1", "add a batch dimension")
        if tokens.is_floating_point() or tokens.dtype is torch.bool:
            raise InputError("the dtype of tokens", tokens.dtype, "an integer one", "convert them: tokens.long()")
        low, high = (int(x) for x in torch.aminmax(tokens))
        if low < 0 or high >= self.config.vocabulary:
            raise InputError(
                "the range of tokens",
                f"[{low}, {high}]",
                f"within [0, {self.config.vocabulary - 1}]",
                "check the tokeniser",
            )
        return cast(Tensor, self.embedding(tokens))

    def _check_padding(self, padding: Tensor, t: Tensor) -> None:
        if padding.dtype is not torch.bool or padding.shape != t.shape[:2]:
            raise InputError(
                "padding", f"{padding.dtype} {tuple(padding.shape)}", f"bool {tuple(t.shape[:2])}", "True keeps a token"
            )

    def _prompted(self, t: Tensor, prompt: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor | None]:
        batch = t.shape[0]
        if prompt.ndim == 2:
            prompt = prompt.expand(batch, *prompt.shape)
        if prompt.ndim != 3 or prompt.shape[0] != batch or prompt.shape[-1] != self.config.width:
            raise InputError(
                "the shape of prompt",
                tuple(prompt.shape),
                f"(p, {self.config.width}) or ({batch}, p, ...)",
                "reshape it",
            )
        if padding is not None:
            padding = torch.cat([padding.new_ones(batch, prompt.shape[1]), padding], 1)
        return torch.cat([prompt, t], 1), padding
