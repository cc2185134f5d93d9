"""What an ``AlmostLinearTransformer`` is made of: one frozen record, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InputError
from ..validation import check_count, check_positive_number

Attention = Literal["exact", "almost_linear", "algorithm1"]
Norm = Literal["pre", "post", "none"]
Positions = Literal["learned", "sinusoidal", "rotary", "none"]
Activation = Literal["gelu", "silu", "tanh", "relu"]
CHOICES = {"attention": Attention, "norm": Norm, "positions": Positions, "activation": Activation}


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes and kinds of a transformer.

    ``vocabulary`` tokens; ``width`` d, ``heads`` h of d/h features; ``layers`` m >= 1; ``max_length`` tokens at most, soft prompt
    included. ``mlp_width``: hidden features of the MLP, 4 d by default. ``attention``: "exact" (softmax), "almost_linear" or
    "algorithm1" (almost-linear forward, the paper's Algorithm 1 backward). ``norm``: LayerNorm (RMSNorm with ``rms``) before or after each
    half of a layer.
    ``residual``: Z = T + Attn(T), T' = Z + MLP(Z). ``dropout``: of embeddings and of both halves, never of attention weights. ``tied``:
    the output head is the embedding. ``scale`` of the scores, 1/sqrt(d/h) by default. ``score_limit`` b: queries and keys are brought to
    the norm sqrt(b/scale) (query-key normalisation, Henry et al. 2020, with a temperature that is not learned), so that |scores| <= b
    whatever the weights. ``degree``, ``eps``, ``backend`` are passed to almost-linear attention and must be left out for exact attention.

    Raises InputError.
    """

    vocabulary: int
    width: int
    heads: int
    layers: int
    max_length: int
    mlp_width: int | None = None
    attention: Attention = "almost_linear"
    is_causal: bool = True
    norm: Norm = "pre"
    residual: bool = True
    positions: Positions = "learned"
    activation: Activation = "gelu"
    dropout: float = 0.0
    tied: bool = True
    scale: float | None = None
    score_limit: float | None = None
    rms: bool = False
    degree: int | None = None
    eps: float | None = None
    backend: str = "auto"

    def __post_init__(self) -> None:
        for name in ("vocabulary", "width", "heads", "layers", "max_length"):
            check_count(name, getattr(self, name), 1)
        if self.mlp_width is not None:
            check_count("mlp_width", self.mlp_width, 1)
        for name, kind in CHOICES.items():
            value, known = getattr(self, name), get_args(kind)
            if value not in known:
                raise InputError(name, repr(value), f"one of {', '.join(map(repr, known))}", "choose one of them")
        for name in ("is_causal", "residual", "tied", "rms"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(name, repr(getattr(self, name)), "True or False", "pass a bool")
        if self.width % self.heads:
            raise InputError("the width", self.width, f"a multiple of the {self.heads} heads", "change one of the two")
        if self.positions == "rotary" and self.head_width % 2:
            raise InputError(
                "the width of a head", self.head_width, "even for rotary positions", "use an even width / heads"
            )
        if isinstance(self.dropout, bool) or not 0 <= self.dropout < 1:
            raise InputError("dropout", self.dropout, "in [0, 1)", "pass a probability below 1")
        for name in ("scale", "eps", "score_limit"):
            if getattr(self, name) is not None:
                check_positive_number(name, getattr(self, name))
        if self.degree is not None:
            check_count("degree", self.degree, 0, 128)
        self._check_options()

    def _check_options(self) -> None:
        """Options of one kind of attention are refused for another, which would ignore them."""
        given = {"degree": self.degree is not None, "eps": self.eps is not None, "backend": self.backend != "auto"}
        unused = {"exact": ("degree", "eps", "backend"), "algorithm1": ("backend",)}.get(self.attention, ())
        for name in unused:
            if given[name]:
                raise InputError(
                    name,
                    repr(getattr(self, name)),
                    f"left out for {self.attention} attention",
                    "drop it, or change attention",
                )

    @property
    def head_width(self) -> int:
        """d_h = d/h."""
        return self.width // self.heads

    @property
    def score_scale(self) -> float:
        """tau."""
        return 1 / math.sqrt(self.head_width) if self.scale is None else self.scale
