"""What all processes decide alike before they sweep over their own tokens: the means, the range of the scores after the shift, the
degree and its error. Each is a sum or a maximum over tokens.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .. import polynomial, tail
from ..features import feature_count
from ..operands import Operands
from ..plan import checked_rank
from ..score_range import Sizes, balance_of, bound_between
from ..selection import Choice, chunk_sizes
from ..shifts import Shifted, log_weights
from .exchange import Exchange


class Shared(NamedTuple):
    """Of all tokens: ``queries`` and ``keys``, how many; ``kept`` (...) keys that are no padding and ``kept_before`` those before this
    process's (None without a mask); ``query_sizes`` and ``key_sizes``: norms after the shift.
    """

    queries: int
    keys: int
    kept: Tensor | None
    kept_before: Tensor | None
    query_sizes: Sizes
    key_sizes: Sizes


def shift(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float, is_causal: bool, link: Exchange
) -> tuple[Shifted, Shared]:
    """``shifts.shift`` with the means and the largest weight of all tokens; what the mask adds to all keys is taken off first."""
    keep = None if bias is None else (bias > -math.inf).to(key.dtype).unsqueeze(-1)
    seen = key.sum(-2, keepdim=True) if keep is None else keep.mT @ key
    kept = key.new_full(key.shape[:-2], key.shape[-2]) if keep is None else keep.sum((-2, -1))
    largest = torch.zeros_like(kept) if bias is None else bias.amax(-1)
    sizes_here = torch.full_like(kept, query.shape[-2]), torch.full_like(kept, key.shape[-2])
    each = link.gather(torch.stack([*sizes_here, kept, largest]).double(), "the numbers of tokens")
    (queries, keys), kept = each.sum(0)[:2].flatten(1)[:, 0].long().tolist(), each.sum(0)[2]
    sums = link.sum(torch.cat([query.sum(-2, keepdim=True), seen], -1), "the sums of queries and keys")
    query_sum, key_sum = sums.split(query.shape[-1], -1)
    query_centre = query_sum / queries
    key_centre = key_sum / kept.clamp_min(1)[..., None, None].to(key.dtype)
    common = each[:, 3].amax(0)
    common = torch.where(common > -math.inf, common, 0).to(key.dtype).unsqueeze(-1)
    if bias is not None or common.any():
        bias = (key.new_zeros(key.shape[:-1]) if bias is None else bias) - common
    logs = log_weights(key, bias, query_centre, key_centre, scale)
    inputs = Shifted(query, key, value, query_centre, key_centre, logs, keep, scale, is_causal)
    sizes, largest = _ranges(inputs, link)
    logs -= torch.where(largest > -math.inf, largest, 0)
    hidden = (None, None) if keep is None else (kept, each[: link.rank, 2].sum(0))
    return inputs, Shared(queries, keys, *hidden, *sizes)


def _ranges(inputs: Shifted, link: Exchange) -> tuple[list[Sizes], Tensor]:
    """Norms of all shifted queries and keys, and the largest logarithmic weight."""
    sizes = [inputs.query_sizes(), inputs.key_sizes()]
    parts = [x for s in sizes for x in (s.columns, s.ones.unsqueeze(-1), s.twos.unsqueeze(-1))]
    packed = torch.cat([*parts, inputs.log_weights.amax(-2).double()], -1)
    d = inputs.query.shape[-1]
    found = link.max(packed, "the ranges").split([d, 1, 1, d, 1, 1, 1], -1)
    both = [Sizes(found[i], found[i + 1].squeeze(-1), found[i + 2].squeeze(-1)) for i in (0, 3)]
    return both, found[6].unsqueeze(-1).to(inputs.query.dtype)


def choose(inputs: Shifted, shared: Shared, degree: int | None, eps: float, link: Exchange) -> Choice:
    """Monomials of the degree given, or of the least that meets eps for the rows of all processes. Raises DegreeError, on all of them."""
    d, bound = inputs.query.shape[-1], bound_between(shared.query_sizes, shared.key_sizes, inputs.scale)
    scales = balance_of(shared.query_sizes.largest, shared.key_sizes.largest, inputs.scale)
    if degree is not None:
        polynomial.check_positive(degree, bound)
        error = polynomial.softmax_error(polynomial.kernel_error(degree, bound))
    else:
        degree, error = _least_degree(inputs, shared, scales, bound, eps, link)
    rank = checked_rank(d, degree, "gather the keys for exact attention")
    chunks = chunk_sizes(inputs, rank, feature_count(d, max(degree - 1, 0)))
    return Choice("monomials", degree, bound, rank, error, eps, *scales, *chunks, "several processes")


def _least_degree(
    inputs: Shifted, shared: Shared, scales: tuple[float, float], bound: float, eps: float, link: Exchange
) -> tuple[int, float]:
    """That of one process with all tokens (selection.py): the errors of rows are measured, the worst of all processes decides."""
    most = polynomial.degree_for(eps, bound)

    def a_priori(degree: int) -> float:
        return polynomial.softmax_error(polynomial.kernel_error(degree, bound))

    if most < 2:
        return most, a_priori(most)
    operands = Operands(inputs, *scales)
    mine, what = tail.key_moments(operands), "the moments of degree 2"
    elsewhere = link.before(mine, what) if inputs.is_causal else link.sum(mine, what) - mine
    longest = shared.key_sizes.twos * abs(scales[1])
    errors = tail.largest_row_errors(operands, longest, bound, most, elsewhere, shared.keys - inputs.key.shape[-2])
    device = inputs.query.device
    errors = link.max(torch.tensor(errors, dtype=torch.float64, device=device), "the errors of rows").tolist()
    errors = [error if g % 2 == 0 or a_priori(g) < math.inf else math.inf for g, error in enumerate(errors)]
    degree = next(g for g, error in enumerate(errors) if error <= eps)
    return degree, errors[degree]
