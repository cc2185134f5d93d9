"""What almost-linear attention is compared with, each re-implemented from its description.

sdpa       torch's scaled_dot_product_attention, on the fastest of its backends
blocked    softmax attention by blocks of queries, written with torch's plain operations
published  the published code of the paper's authors: all d^j products as features ([1, x, x (x) x / sqrt 2]), forward only, and each
           key's value divided by that key's row sum, as in their exact side
taylor     features of degree 2 with correct normalisation (linear attention of Keles et al. 2023, Arora et al. 2024), by autograd
random     FAVOR+: positive orthogonal random features (Choromanski et al. 2021), by autograd
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from .inputs import Inputs
from .measure import cpu_seconds

BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
QUADRATIC = 1 << 13
"""Tokens up to which a backend that holds the n x n matrix is tried."""
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def sdpa(backend: SDPBackend, scale: float, is_causal: bool = False) -> Attention:
    """Exact attention on one backend."""

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        with sdpa_kernel([backend]):
            return scaled_dot_product_attention(query, key, value, scale=scale, is_causal=is_causal)

    return run


def fastest_backend(given: Inputs, is_causal: bool = False) -> SDPBackend:
    """The backend that takes least CPU time for forward and backward on a part of the inputs of at most 4096 tokens."""
    few = given.each(lambda x: x[..., :4096, :])
    times = {}
    for backend in BACKENDS:
        if backend is SDPBackend.MATH and given.query.shape[-2] > QUADRATIC:
            continue
        run = sdpa(backend, given.scale, is_causal)
        try:
            gradients(run, few)
        except RuntimeError:  # no kernel of this backend for these inputs or this device
            continue
        times[backend] = min(cpu_seconds(partial(gradients, run, few)) for _ in range(3))
    return min(times, key=times.__getitem__)


def gradients(run: Attention, given: Inputs) -> tuple[Tensor, ...]:
    """Output and gradients by query, key and value."""
    leaves = [x.detach().requires_grad_() for x in given[:3]]
    out = run(*leaves)
    return (out.detach(), *torch.autograd.grad(out, leaves, given.upstream))


def exact(given: Inputs, is_causal: bool = False, rows: int = 512) -> tuple[Tensor, ...]:
    """Output and gradients in float64, by blocks of queries with the closed forms of theory/chain.md, section 1."""
    q, k, v, g = (x.double() for x in given[:4])
    out, dq, dk, dv = (torch.zeros_like(x) for x in (q, q, k, v))
    for begin in range(0, q.shape[-2], rows):
        at = slice(begin, begin + rows)
        scores = given.scale * q[..., at, :] @ k.mT
        if is_causal:
            hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(begin + 1)
            scores = scores.masked_fill(hidden, -torch.inf)
        f = scores.softmax(-1)
        out[..., at, :] = f @ v
        p = f * (g[..., at, :] @ v.mT - (g[..., at, :] * out[..., at, :]).sum(-1, keepdim=True))
        dq[..., at, :] = given.scale * p @ k
        dk += given.scale * p.mT @ q[..., at, :]
        dv += f.mT @ g[..., at, :]
    return out, dq, dk, dv


def relative(found: tuple[Tensor, ...], true: tuple[Tensor, ...]) -> list[float]:
    """|found - true| / |true| in the Frobenius norm, tensor by tensor."""
    return [float((a.double() - b).norm() / b.norm()) for a, b in zip(found, true, strict=False)]


def blocked(query: Tensor, key: Tensor, value: Tensor, scale: float, rows: int = 256) -> Tensor:
    """Softmax attention, a block of queries at a time."""
    out = value.new_empty(*query.shape[:-1], value.shape[-1])
    for at in _pieces(query, rows):
        kernel = (scale * query[..., at, :] @ key.mT).exp()
        out[..., at, :] = kernel @ value / kernel.sum(-1, keepdim=True)
    return out


def blocked_by_key(
    query: Tensor, key: Tensor, value: Tensor, scale: float, rows: int = 256, first: int | None = None
) -> Tensor:
    """The exact side of the published code: value j is divided by row sum j. Only the ``first`` rows where that is given."""
    sums = torch.cat([(scale * query[..., at, :] @ key.mT).exp().sum(-1) for at in _pieces(query, rows)], -1)
    value, query = value / sums.unsqueeze(-1), query[..., :first, :]
    return torch.cat([(scale * query[..., at, :] @ key.mT).exp() @ value for at in _pieces(query, rows)], -2)


def _pieces(x: Tensor, rows: int) -> list[slice]:
    return [slice(k, k + rows) for k in range(0, x.shape[-2], rows)]


def all_products(x: Tensor) -> Tensor:
    """[1, x, x (x) x / sqrt 2]: 1 + d + d^2 features."""
    squares = (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2) / math.sqrt(2)
    return torch.cat([torch.ones_like(x[..., :1]), x, squares], -1)


def published(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Forward pass of the published code."""
    u, v = all_products(query * scale), all_products(key)
    sums = u @ v.sum(-2).unsqueeze(-1)
    return u @ (v.mT @ (value / sums))


def published_metric(found: Tensor, true: Tensor) -> float:
    """|x - y| / |x + y|: half of the relative error."""
    return float((found.double() - true).norm() / (found.double() + true).norm())


def taylor(scale: float) -> Attention:
    """Degree 2, normalised by query."""

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        u, v = all_products(query * scale), all_products(key)
        return (u @ (v.mT @ value)) / (u @ v.sum(-2).unsqueeze(-1))

    return run


def random_features(count: int, d: int, scale: float, seed: int = 0) -> Attention:
    """FAVOR+ with ``count`` features exp(w x - |x|^2/2) / sqrt(count), w in orthogonal blocks with lengths of normal vectors."""
    make = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(-(-count // d), d, d, generator=make))
    # Uniform among rotations only with the signs of R's diagonal; without them there is a bias that no number of features removes.
    q = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    directions = q.flatten(0, 1)[:count] * torch.randn(count, d, generator=make).norm(dim=-1, keepdim=True)

    def features(x: Tensor) -> Tensor:
        return (x @ directions.T.to(x) - x.square().sum(-1, keepdim=True) / 2).exp() / math.sqrt(count)

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        u, v = features(query * math.sqrt(scale)), features(key * math.sqrt(scale))
        return (u @ (v.mT @ value)) / (u @ v.sum(-2).unsqueeze(-1))

    return run
