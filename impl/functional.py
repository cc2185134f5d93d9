"""``almost_linear_attention``: the call of ``torch.nn.functional.scaled_dot_product_attention`` in almost linear time.

Arguments are brought into one shape here (masks into one logarithmic weight a key, grouped heads repeated, narrow dtypes widened); what is
computed is the operator's (operator.py), which also decides how (selection.py).
"""

import math

import torch
from torch import Tensor

from .errors import InputError
from .operator import attention
from .plan import DEFAULT_EPS
from .polynomial import DEFAULT_MAX_DEGREE
from .selection import BACKENDS
from .validation import check_count, check_positive_number

NARROW = (torch.float16, torch.bfloat16)
DTYPES = (*NARROW, torch.float32, torch.float64)


def almost_linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    degree: int | None = None,
    eps: float | None = None,
    backend: str = "auto",
) -> Tensor:
    """``scaled_dot_product_attention(query, key, value, ...)`` within ``eps``, differentiable once, in O(n k e) operations.

    Args:
        query: (..., n, d). key: (..., m, d). value: (..., m, e). Leading dimensions broadcast; any strides; float16 and bfloat16 are
            computed in float32. Under autocast inputs are not narrowed, the result is, as that of torch.
        attn_mask: boolean (True: seen) or added to the scores, the same for all queries: (m,), (..., 1, m), or expanded from it. Also
            with ``is_causal``. Keys of the mask False, -inf or below half of the dtype's lowest number are padding; a row that sees
            none is 0, as in torch.
        dropout_p: 0; dropout inside attention needs every weight.
        is_causal: query i sees keys j <= i (aligned at the first token, as in torch). The shifts and the degree are chosen from all
            tokens, so an output may move, within eps, when a later token changes.
        scale: of the scores, 1/sqrt(d) by default.
        enable_gqa: heads are the dimension -3, those of key and value divide those of query.
        degree: of the polynomial; by default the least that guarantees eps on the measured range, after exact shifts.
        eps: l1 error allowed to every row of weights, so each output is within eps times half the spread of its column of ``value`` of
            softmax attention; 1e-3 by default.
        backend: "monomials", "adaptive", "exact" or "auto", the one predicted to be cheapest. ``certify`` and the log at level DEBUG
        say which.

    Raises:
        InputError: shapes, devices, dtypes, NaN or inf, dense masks, dropout. DegreeError: where the backend asked for cannot meet eps, a
            normaliser may vanish at the degree given, or sums of a row would underflow; "auto" turns to exact attention instead.
    """
    query, key, value, bias, scale, kind = arguments(query, key, value, attn_mask, dropout_p, scale, enable_gqa)
    check_options(degree, eps, backend)
    if not query.numel() or not key.numel() or not value.numel():
        return _nothing(query, key, value).to(kind)
    asked = (scale, -1 if degree is None else degree, DEFAULT_EPS if eps is None else eps, backend)
    n, m = query.shape[-2], key.shape[-2]
    if is_causal and n < m:  # keys that no query sees
        key, value, bias = key[..., :n, :], value[..., :n, :], None if bias is None else bias[..., :n]
    if is_causal and n > m:  # queries that see every key
        parts = (
            attention(x, key, value, bias, causal, *asked)[0]
            for x, causal in zip(query.split([m, n - m], -2), (True, False), strict=True)
        )
        return torch.cat(list(parts), -2).to(kind)
    return attention(query, key, value, bias, is_causal, *asked)[0].to(kind)


def arguments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    scale: float | None,
    enable_gqa: bool,
    *,
    all_keys: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, float, torch.dtype]:
    """Checked arguments of the operator, of one dtype and equal leading dimensions, and the dtype of the result; what a mask adds to every
    key is taken off where ``all_keys`` are here.
    """
    if dropout_p:
        raise InputError("dropout_p", dropout_p, "0", "drop outputs instead, or use exact attention")
    _check_kinds(query=query, key=key, value=value)
    kind, working = _result_dtype(query), _working_dtype(query, key, value)
    query, key, value = (x.to(working) for x in (query, key, value))
    if enable_gqa:
        key, value = _repeated(key, query, "key"), _repeated(value, query, "value")
    query, key, value = _broadcast(query, key, value)
    if query.shape[-1] == 0:
        query, key = (x.new_zeros(*x.shape[:-1], 1) for x in (query, key))
        scale = 1.0 if scale is None else scale
    bias = None if attn_mask is None else _key_bias(attn_mask, query, key, all_keys)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    if not math.isfinite(scale):
        raise InputError("scale", scale, "finite", "pass another, or leave it out for 1/sqrt(d)")
    return query, key, value, bias, scale, kind


def _check_kinds(**tensors: Tensor) -> None:
    first = tensors["query"]
    for name, x in tensors.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name} is a {type(x).__name__}, but must be a torch.Tensor: pass torch.as_tensor({name})."
            )
        if x.dtype not in DTYPES:
            raise InputError(f"the dtype of {name}", x.dtype, "a floating one", f"convert it: {name}.float()")
        if x.dtype != first.dtype and not _autocast(first):
            raise InputError(f"the dtype of {name}", x.dtype, f"that of query, {first.dtype}", "convert one of the two")
        if x.device != first.device:
            raise InputError(f"the device of {name}", x.device, f"that of query, {first.device}", "move one of the two")
        if x.ndim < 2:
            raise InputError(
                f"the number of dimensions of {name}", x.ndim, "at least 2", "see the docstring for the shape"
            )


def _autocast(x: Tensor) -> bool:
    return torch.is_autocast_enabled(x.device.type)


def _result_dtype(query: Tensor) -> torch.dtype:
    """That of torch: the query's, under autocast the autocast one unless it is float64."""
    if _autocast(query) and query.dtype != torch.float64:
        return torch.get_autocast_dtype(query.device.type)
    return query.dtype


def _working_dtype(*tensors: Tensor) -> torch.dtype:
    return torch.float64 if any(x.dtype == torch.float64 for x in tensors) else torch.float32


def _repeated(x: Tensor, query: Tensor, name: str) -> Tensor:
    if x.ndim < 3 or query.ndim < 3 or query.shape[-3] % x.shape[-3]:
        raise InputError(
            f"the shape of {name}",
            tuple(x.shape),
            f"with heads that divide those of query, {tuple(query.shape)}",
            "drop enable_gqa",
        )
    return x.repeat_interleave(query.shape[-3] // x.shape[-3], -3)


def _broadcast(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if key.shape[-1] != query.shape[-1]:
        raise InputError(
            "the width of key", key.shape[-1], f"that of query, {query.shape[-1]}", "project one of the two"
        )
    if value.shape[-2] != key.shape[-2]:
        raise InputError(
            "the tokens of value", value.shape[-2], f"those of key, {key.shape[-2]}", "pad or cut one of the two"
        )
    try:
        batch = torch.broadcast_shapes(*(x.shape[:-2] for x in (query, key, value)))
    except RuntimeError:
        raise InputError(
            "the leading dimensions of key and value",
            f"{tuple(key.shape[:-2])} and {tuple(value.shape[:-2])}",
            f"broadcastable with those of query, {tuple(query.shape[:-2])}",
            "repeat heads, or set enable_gqa",
        ) from None
    query, key, value = (x.expand(*batch, *x.shape[-2:]) for x in (query, key, value))
    return query, key, value


def _key_bias(mask: Tensor, query: Tensor, key: Tensor, all_keys: bool) -> Tensor:
    """The mask as one logarithmic weight a key, (..., m); -inf for padding."""
    n, m = query.shape[-2], key.shape[-2]
    if mask.ndim >= 2 and mask.shape[-2] != 1:
        if mask.stride(-2) != 0 and n != 1:
            raise InputError(
                "the shape of attn_mask",
                tuple(mask.shape),
                f"the same for all queries, (..., 1, {m})",
                "pass key padding as (..., 1, m), a causal mask as is_causal, or use exact attention for other masks",
            )
        mask = mask[..., :1, :]
    mask = mask.unsqueeze(-2) if mask.ndim < 2 else mask
    try:
        mask = mask.expand(*key.shape[:-2], 1, m).squeeze(-2)
    except RuntimeError:
        raise InputError(
            "the shape of attn_mask",
            tuple(mask.shape),
            f"broadcastable to {(*key.shape[:-2], 1, m)}",
            "see scaled_dot_product_attention",
        ) from None
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=key.dtype).masked_fill(~mask, -math.inf)
    if not mask.is_floating_point():
        raise InputError("the dtype of attn_mask", mask.dtype, "bool or a floating one", "convert it: attn_mask.bool()")
    padding = mask <= torch.finfo(mask.dtype).min / 2
    mask = mask.to(torch.promote_types(mask.dtype, key.dtype)).masked_fill(padding, -math.inf)
    if not all_keys:
        return mask.to(key.dtype)
    # What is common to all keys cancels: it is taken off before anything is rounded beside it.
    common = mask.detach().amax(-1, keepdim=True)
    return (mask - torch.where(common > -math.inf, common, 0)).to(key.dtype)


def check_options(degree: int | None, eps: float | None, backend: str) -> None:
    """Raise InputError for options that no call takes."""
    if degree is not None:
        check_count("degree", degree, 0, DEFAULT_MAX_DEGREE)
    if eps is not None:
        check_positive_number("eps", eps)
    if backend not in BACKENDS:
        raise InputError("backend", repr(backend), f"one of {', '.join(BACKENDS)}", "choose one of them")


def _nothing(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention over no keys is 0, as in torch; tied to its inputs for autograd."""
    zero = 0 * (query.sum() + key.sum() + value.sum())
    return query.new_zeros(*query.shape[:-1], value.shape[-1]) + zero
