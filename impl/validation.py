"""What input must be: every check of an argument, each ending in one sentence with the quantity, its value,
the limit and what to do.
"""

import math
from numbers import Integral, Real

import torch
from torch import Tensor

from .errors import InputError, NonFiniteError
from .score_range import largest_entry

DTYPES = (torch.float32, torch.float64)


def check_tensors(entry_bound: float | None, **tensors: Tensor) -> None:
    """Tensors that can be worked with together: float32 or float64, of one dtype and device, at least two
    dimensions, none empty, finite, and no entry beyond ``entry_bound`` where one is stated. Raises
    InputError, TypeError for what is no tensor.
    """
    first_name, first = next(iter(tensors.items()))
    for name, x in tensors.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name} is a {type(x).__name__}, but must be a torch.Tensor: pass torch.as_tensor({name})."
            )
        if x.dtype not in DTYPES:
            raise InputError(f"the dtype of {name}", x.dtype, "float32 or float64", f"convert it: {name}.float()")
        if x.dtype != first.dtype:
            raise InputError(
                f"the dtype of {name}", x.dtype, f"that of {first_name}, {first.dtype}", "convert one of the two"
            )
        if x.device != first.device:
            raise InputError(
                f"the device of {name}", x.device, f"that of {first_name}, {first.device}", "move one of the two"
            )
        if x.ndim < 2:
            raise InputError(
                f"the number of dimensions of {name}", x.ndim, "at least 2", "see the docstring for the shape"
            )
        if x.numel() == 0:
            raise InputError(
                f"the shape of {name}", tuple(x.shape), "without a zero", "leave out empty sequences and heads"
            )
    for name, x in tensors.items():
        _check_entries(name, x, entry_bound)


def finite_largest(name: str, x: Tensor) -> float:
    """max|x|; raises NonFiniteError where an entry is NaN or infinite."""
    largest = largest_entry(x)
    if not math.isfinite(largest):
        count = int((~torch.isfinite(x)).sum())
        what = f"the number of entries of {name} that are NaN or infinite"
        raise NonFiniteError(what, count, "0", "look where it was made")
    return largest


def _check_entries(name: str, x: Tensor, entry_bound: float | None) -> None:
    largest = finite_largest(name, x)
    if entry_bound is not None and largest > entry_bound:
        raise InputError(
            f"the largest entry of {name}",
            f"{largest:.6g}",
            f"at most entry_bound = {entry_bound:.6g}",
            "clip or rescale the tensor, or state a larger bound",
        )


def check_shape(name: str, x: Tensor, expected: tuple[int, ...], what: str) -> None:
    """``x`` has exactly the shape ``expected``, described by ``what``."""
    if tuple(x.shape) != expected:
        raise InputError(f"the shape of {name}", tuple(x.shape), f"{expected}", what)


def check_attention(query: Tensor, key: Tensor, value: Tensor, is_causal: bool, entry_bound: float | None) -> None:
    """query (..., n, d), key (..., m, d), value (..., m, e), and m = n where a causal mask is asked for."""
    check_tensors(entry_bound, query=query, key=key, value=value)
    *batch, n, d = query.shape
    m = key.shape[-2]
    check_shape("key", key, (*batch, m, d), "give it the leading dimensions and the width of query")
    check_shape("value", value, (*batch, m, value.shape[-1]), "give it the leading dimensions and the tokens of key")
    if is_causal and m != n:
        raise InputError(
            "the number of keys under a causal mask",
            m,
            f"{n}, the number of queries",
            "pad or cut the keys, or drop the mask",
        )


def check_layer(x: Tensor, weight: Tensor, value_weight: Tensor, upstream: Tensor, entry_bound: float | None) -> None:
    """x (..., n, d), weight (d, d), value_weight (d, e), upstream (..., n, e)."""
    check_tensors(entry_bound, x=x, weight=weight, value_weight=value_weight, upstream=upstream)
    *batch, n, d = x.shape
    e = value_weight.shape[-1]
    check_shape("weight", weight, (d, d), "it is W_Q W_K^T, square in the width of x")
    check_shape("value_weight", value_weight, (d, e), "it maps the width of x")
    check_shape("upstream", upstream, (*batch, n, e), "it is the gradient by the output of the layer")


def check_count(name: str, value: object, least: int, most: int | None = None) -> None:
    """``value`` is an integer (not a bool) in [least, most]."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        limit = f"an integer of at least {least}" + ("" if most is None else f" and at most {most}")
        raise InputError(name, repr(value), limit, "pass another, or leave it out for the default")


def check_positive_number(name: str, value: object) -> None:
    """``value`` is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise InputError(name, repr(value), "a finite number above 0", "pass another, or leave it out for the default")
