"""Where a certificate could say too much: features of degree 0, numbers that underflow or overflow, masks with an offset, shared heads."""

import math

import pytest
import torch

from almostlinear.impl import DegreeError, NonFiniteError, almost_linear_attention, certify

F64 = torch.float64
ROUNDING = 1e-12
"""Of the reference in binary64, relative to 1 + its size."""


def uniform(seed: int):
    make = torch.Generator().manual_seed(seed)
    return lambda *shape: 2 * torch.rand(*shape, generator=make, dtype=F64) - 1


def exact(q, k, v, attn_mask=None, is_causal=False, scale=1.0, enable_gqa=False):
    """Softmax attention in binary64, keys less their mean."""
    if enable_gqa:
        k, v = (x.repeat_interleave(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = scale * (q @ (k - k.detach().mean(-2, keepdim=True)).mT)
    if attn_mask is not None:
        scores = scores + (attn_mask.double() - attn_mask.double().max())
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    return scores.softmax(-1) @ v


def rounded(dtype, largest_score, d):
    """What rounding of scores up to this size moves outputs of softmax attention by, for values in [-1, 1]: a row moves by at most the
    change of its scores in l1 on either side, d + 8 units of rounding relative to them.
    """
    return 2 * (d + 8) * torch.finfo(dtype).eps * (1 + largest_score)


def compared(tensors, upstream, options, asked):
    """(observed, guaranteed) for output, dQ, dK, dV."""
    known = certify(*tensors, upstream, **options, **asked)
    assert known.guaranteed and known.truncation is not None and known.rounding is not None
    made, true = ([x.to(t).clone().requires_grad_() for x in tensors] for t in (tensors[0].dtype, F64))
    out, wanted = almost_linear_attention(*made, **options, **asked), exact(*true, **options)
    found = [out, *torch.autograd.grad(out, made, upstream)]
    wanted = [wanted, *torch.autograd.grad(wanted, true, upstream.double())]
    names = ("output", "query", "key", "value")
    bounds = [getattr(known.truncation, name) + getattr(known.rounding, name) for name in names]
    return [
        ((a.double() - b).abs().max().item(), bound + ROUNDING * (1 + b.abs().max().item()))
        for a, b, bound in zip(found, wanted, bounds, strict=True)
    ]


@pytest.mark.parametrize("is_causal", [False, True])
def test_monomials_of_degree_0_in_a_subspace_are_no_pivots(is_causal):
    draw = uniform(0)
    basis = torch.linalg.qr(draw(8, 2))[0]
    tensors = draw(300, 2) @ basis.mT * 3e-4, draw(300, 2) @ basis.mT, draw(300, 2)
    options, asked = {"scale": 1.0, "is_causal": is_causal}, {"eps": 1e-2, "backend": "adaptive"}
    known = certify(*tensors, **options, **asked)
    assert known.degree == 0 and "degree 0 in 2 directions" in known.verdict
    for observed, bound in compared(tensors, draw(300, 2), options, asked):
        assert observed <= bound


@pytest.mark.parametrize(("dtype", "lowest"), [(torch.float32, 90.0), (F64, 720.0)])
def test_rows_whose_sums_would_underflow_are_not_served(dtype, lowest):
    """The first rows see keys whose weight beside the largest of all is no normal number."""
    draw, n = uniform(1), 64
    q, k = torch.zeros(n, 2, dtype=dtype), torch.zeros(n, 2, dtype=dtype)
    q[:, 0], k[:, 0], v = 10, torch.linspace(-lowest / 10, 0, n), draw(n, 2).to(dtype)
    known = certify(q, k, v, is_causal=True, scale=1.0)
    assert not known.guaranteed and "largest weight that a row sees" in known.verdict
    with pytest.raises(DegreeError, match="largest weight that a row sees"):
        almost_linear_attention(q, k, v, is_causal=True, scale=1.0, backend="monomials")
    out = almost_linear_attention(q, k, v, is_causal=True, scale=1.0)
    assert (out.double() - exact(*(x.double() for x in (q, k, v)), is_causal=True)).abs().max() <= rounded(
        dtype, lowest, 2
    )
    assert certify(q / 10, k, v, is_causal=True, scale=1.0).guaranteed, "a tenth of the drift is served"


def test_rows_that_see_keys_of_weight_nearly_zero_alone_are_not_hidden():
    """-10000 is no padding: rows that see nothing else have softmax weights."""
    draw, n = uniform(2), 16
    q, k, v = (draw(n, 2).float() for _ in range(3))
    mask = torch.zeros(n).index_fill(0, torch.arange(4), -1e4)
    assert not certify(q, k, v, attn_mask=mask, is_causal=True).guaranteed
    out = almost_linear_attention(q, k, v, attn_mask=mask, is_causal=True)
    true = exact(*(x.double() for x in (q, k, v)), attn_mask=mask, is_causal=True, scale=1 / math.sqrt(2))
    assert (out.double() - true).abs().max() <= rounded(torch.float32, 1e4, 2) < 0.03 < true[0].abs().max()


@pytest.mark.parametrize("backend", ["monomials", "adaptive"])
@pytest.mark.parametrize("offset", [1e4, -1e4, 1e6])
def test_what_a_mask_adds_to_all_keys_is_taken_off_first(backend, offset):
    draw, n = uniform(3), 12
    tensors = [x.float() for x in (draw(n, 3) * 0.3, draw(n, 3) * 0.3, draw(n, 3))]
    options = {"attn_mask": (offset + draw(n)).float(), "scale": 1.0}
    for observed, bound in compared(tensors, draw(n, 3).float(), options, {"eps": 1e-3, "backend": backend}):
        assert observed <= bound


def test_a_mask_of_float64_is_not_rounded_before():
    draw, n = uniform(4), 12
    q, k, v = (draw(n, 3).float() for _ in range(3))
    mask = draw(n)
    options = {"eps": 1e-4, "backend": "monomials"}
    found, moved = (almost_linear_attention(q, k, v, attn_mask=m, **options) for m in (mask, mask + 1e6))
    known = certify(q, k, v, attn_mask=mask, **options)
    assert known.guaranteed and known.truncation is not None and known.rounding is not None
    # Both are within this of the same output, for masks that differ by the rounding of 1e6 in binary64.
    within = known.truncation.output + known.rounding.output
    assert within < 1e-3 and (found - moved).abs().max() <= 2 * within + 1e6 * torch.finfo(F64).eps


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_entries_of_a_mask_that_are_no_numbers(wrong):
    draw = uniform(5)
    mask = torch.zeros(8).index_fill(0, torch.tensor([3]), wrong)
    for backend in ("monomials", "auto", "exact"):
        with pytest.raises(NonFiniteError, match="attn_mask"):
            almost_linear_attention(draw(8, 2).float(), draw(8, 2).float(), draw(8, 2).float(), mask, backend=backend)
    with pytest.raises(NonFiniteError, match="attn_mask"):
        certify(draw(8, 2).float(), draw(8, 2).float(), draw(8, 2).float(), attn_mask=mask)


@pytest.mark.parametrize("heads", [4, 64])
def test_gradients_of_shared_heads_are_sums(heads):
    draw, n = uniform(6), 16
    q, upstream = draw(1, n, 2).expand(heads, n, 2), draw(1, n, 1).expand(heads, n, 1)
    tensors, options = (q, draw(1, n, 2), draw(1, n, 1)), {"scale": 1.0, "enable_gqa": True}
    by_group = compared(tensors, upstream, options, {"eps": 1e-2, "backend": "adaptive"})
    assert all(observed <= bound for observed, bound in by_group)
    alone = compared([x[:1] for x in tensors], upstream[:1], {"scale": 1.0}, {"eps": 1e-2, "backend": "adaptive"})
    assert by_group[2][0] > 0.9 * heads * alone[2][0], "all heads err alike here"


def test_scores_that_overflow_are_said():
    draw = uniform(7)
    q, k, v = (draw(40, 3).sign() * 3e38).float(), draw(40, 3).float(), draw(40, 3).float()
    assert not certify(q, k, v).guaranteed
    for scale, degree in ((1e3, 0), (1e9, 2)):
        known = certify(draw(32, 4), draw(32, 4), draw(32, 4), scale=scale, degree=degree)
        assert not known.guaranteed and known.row_error == math.inf


def test_what_vanishes_below_the_normal_numbers_is_counted():
    draw, n = uniform(8), 24
    q, k, v = torch.zeros(n, 2), torch.zeros(n, 2), draw(n, 1).float()
    q[:, 0], k[:, 0] = 3e18 * draw(n).float(), 1e-23 * draw(n).float()
    q[:, 1], k[:, 1] = 1e-23 * draw(n).float(), 3e18 * draw(n).float()
    scores = q.double() @ k.double().mT
    centred = scores - scores.mean(-1, keepdim=True)
    first = 1 + (q.double() - q.double().mean(-2)) @ (k.double() - k.double().mean(-2)).mT
    weights = (torch.log(first) + centred - (first - 1)).softmax(-1)
    known = certify(q, k, v, scale=1.0, degree=1)
    assert known.row_error is not None and known.row_error >= (weights - scores.softmax(-1)).abs().sum(-1).max()


def test_pivots_and_a_basis_of_many_coordinates_are_kept_for_the_gradient():
    draw = uniform(9)
    basis = torch.linalg.qr(draw(256, 140))[0]
    q, k = ((draw(700, 140) @ basis.mT).float().requires_grad_() for _ in range(2))
    almost_linear_attention(q, k, draw(700, 4).float(), scale=1e-4, eps=1e-2, backend="adaptive").sum().backward()
    assert q.grad is not None and k.grad is not None and q.grad.isfinite().all() and k.grad.isfinite().all()


def test_an_upstream_gradient_of_zeros_is_no_nan():
    draw = uniform(10)
    known = certify(draw(32, 4), draw(32, 4), draw(32, 4), torch.zeros(32, 4, dtype=F64), scale=1e3, degree=2)
    assert known.truncation is not None and not any(math.isnan(x) for x in vars(known.truncation).values())


def test_a_degree_that_was_given_runs_without_a_promise():
    draw, n = uniform(11), 32
    q, k, v = 8 * draw(n, 4).float(), 8 * draw(n, 4).float(), draw(n, 2).float()
    known = certify(q, k, v, is_causal=True, scale=1.0, degree=4)
    assert known.range_shifted > 44 and not known.guaranteed
    assert almost_linear_attention(q, k, v, is_causal=True, scale=1.0, degree=4).isfinite().all()
