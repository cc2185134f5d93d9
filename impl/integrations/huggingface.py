"""``attn_implementation="almost_linear"`` for models of Hugging Face transformers.

Two functions are registered, for without the second a model ignores padding: what makes the mask, and what attends. The mask made here
holds for each key the first query that sees it, (batch, 1, 1, keys) of integers: j under a causal mask, 0 without, ``HIDDEN`` for padding.
So no n x n mask is made, and what a cache shifts is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..errors import InputError
from ..functional import almost_linear_attention, check_options

NAME = "almost_linear"
HIDDEN = torch.iinfo(torch.int32).max
UNSUPPORTED = {
    "softcap": "attention that caps its scores",
    "sliding_window": "a sliding window",
    "s_aux": "attention sinks",
    "position_bias": "a bias for pairs of positions",
    "head_mask": "a mask of heads",
    "output_attentions": "the attention weights as output",
}
"""Arguments of an attention function that change what it computes, and what they ask for."""


def register(name: str = NAME, *, degree: int | None = None, eps: float | None = None, backend: str = "auto") -> None:
    """Make ``attn_implementation=name`` known to transformers: ``almost_linear_attention`` with these options.

    Forward, backward and gradient checkpointing use it; decoding with a cache, where queries are fewer than keys, is exact attention,
    which costs as little there. Dropout inside attention, sliding windows, caps, sinks and masks that differ from query to query otherwise
    than causally raise InputError. Register two names to have two sets of options.

    Raises:
        InputError: for options that no call takes. ImportError: without transformers (``pip install 'almostlinear[hf]'``).
    """
    check_options(degree, eps, backend)
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
    except ImportError as error:
        raise ImportError(
            f"transformers with AttentionMaskInterface is needed: pip install 'almostlinear[hf]' ({error})"
        ) from error
    AttentionInterface.register(name, attention_function(degree=degree, eps=eps, backend=backend))
    AttentionMaskInterface.register(name, first_queries)


def first_queries(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] | None = None,
    attention_mask: Tensor | None = None,
    device: torch.device | str = "cpu",
    **_: Any,
) -> Tensor:
    """For each key the first query that sees it, (batch, 1, 1, keys): what ``AttentionMaskInterface`` asks for.

    ``q_offset`` and ``kv_offset`` are the positions of the first query and key, ``attention_mask`` (batch, positions) is 0 for padding.
    """
    from transformers import masking_utils

    keys = torch.arange(kv_length, device=device, dtype=torch.int32)
    if mask_function is None or mask_function is masking_utils.causal_mask_function:
        first = (keys + kv_offset - q_offset).clamp_min(0).to(torch.int32)
    elif mask_function is masking_utils.bidirectional_mask_function:
        first = torch.zeros_like(keys)
    else:
        raise InputError(
            "the mask of this model",
            getattr(mask_function, "__qualname__", repr(mask_function)),
            "causal or bidirectional, with padding",
            "sliding windows, chunks, packed sequences and overlays need attn_implementation='sdpa'",
        )
    first = first.expand(batch_size, 1, 1, kv_length)
    padding = masking_utils.prepare_padding_mask(attention_mask, kv_length, kv_offset)
    if padding is None:
        return first
    seen = padding[:, None, None, kv_offset : kv_offset + kv_length].to(device=device, dtype=torch.bool)
    return torch.where(seen, first, HIDDEN)


def attention_function(**options: Any) -> Callable[..., tuple[Tensor, None]]:
    """What ``AttentionInterface`` asks for, with the options of ``almost_linear_attention``."""

    def forward(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """query (batch, heads, n, d), key and value (batch, heads of keys, m, ...): (batch, n, heads, e), None."""
        check_arguments(module, dropout, kwargs)
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        mask, causal, exact = seen_by(attention_mask, query.shape[-2], key.shape[-2], causal)
        grouped: dict[str, Any] = {"scale": scaling, "enable_gqa": key.shape[1] != query.shape[1]}
        if exact:
            out = scaled_dot_product_attention(query, key, value, mask, **grouped)
        else:
            out = almost_linear_attention(query, key, value, mask, is_causal=causal, **grouped, **options)
        return out.transpose(1, 2).contiguous(), None

    return forward


def check_arguments(module: torch.nn.Module, dropout: float, kwargs: dict[str, Any]) -> None:
    """Raise InputError for dropout and for arguments that change what attention is."""
    kind = type(module).__name__
    if dropout:
        raise InputError(
            f"the dropout inside attention of {kind}",
            dropout,
            "0",
            "set attention_dropout, attn_pdrop or attention_probs_dropout_prob to 0 in the config",
        )
    for name, what in UNSUPPORTED.items():
        if kwargs.get(name) is not None and kwargs[name] is not False:
            given = "a tensor" if isinstance(kwargs[name], Tensor) else kwargs[name]
            raise InputError(
                f"{name} of {kind}", given, "left out", f"{what} needs attn_implementation='eager' or 'sdpa'"
            )


def seen_by(mask: Tensor | None, n: int, m: int, causal: bool) -> tuple[Tensor | None, bool, bool]:
    """What ``almost_linear_attention`` takes for a mask, whether it is causal, and whether this is for exact attention instead."""
    if mask is None:
        if causal and n > 1 and n != m:
            raise InputError(
                "the number of keys of causal attention without a mask",
                m,
                f"{n}, that of queries",
                "call the model, not its attention alone, so that the mask says which keys a cache holds",
            )
        return None, causal and n > 1, n == 1
    if mask.dtype in (torch.bool, *_FLOATING):  # made by the user: it says all, whatever the module is
        return mask, False, n == 1
    if mask.shape[-1] != m:
        raise InputError(
            "the number of keys of the mask", mask.shape[-1], f"{m}, that of keys", "pass one for all keys"
        )
    seen, places = mask != HIDDEN, torch.arange(m, device=mask.device)
    if n == 1:
        return mask <= 0, False, True
    everything = bool(seen.all())
    if bool(((mask == 0) | ~seen).all()):
        return None if everything else seen, False, False
    if n <= m and bool(((mask == places) | ~seen).all()):  # keys behind the last query are an empty cache
        return None if everything else seen, True, False
    return mask <= torch.arange(n, device=mask.device)[:, None], False, True


_FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
