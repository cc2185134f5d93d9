"""Sequence parallelism. Rank r holds the queries I_r and the keys J_r. As

    sum_j p(S_ij) z_j = phi(x_i) . sum_j y_j^a z_j,

the sum over keys is one k x (e + 1) state, and the states of all processes add up: one all-reduce of the keys' states forward and one of
the queries' states backward; under a causal mask the sum over the processes before (forward) and behind (backward) this one. What means
and weights pass on takes one more sum, of 3 d numbers a head. Source: sweeps.py, with the sums over tokens split; Lemma I.1, Algorithm 2.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .. import causal, sweeps
from ..errors import InputError
from ..functional import arguments, check_options
from ..gradients import Gradients
from ..moments import Monomials
from ..operands import Operands
from ..plan import DEFAULT_EPS
from ..selection import Choice
from ..shifts import Shifted, inverse_of
from ..streaming import exact_precision, spans
from ..validation import check_tensors
from .agreement import Shared, choose, shift
from .exchange import Exchange, agreed

MOST_LEADING = 6


def sequence_parallel_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    group: dist.ProcessGroup | None = None,
    degree: int | None = None,
    eps: float | None = None,
) -> Tensor:
    """``almost_linear_attention(..., backend="monomials")`` over the tokens of all processes of ``group``, each with its own part.

    Every process makes the same calls, and the same backward passes, in the same order; a process that does not leaves the others waiting
    until the timeout of the group. Two calls with one group must not overlap in time.

    Args:
        query: (..., n_r, d). key: (..., m_r, d). value: (..., m_r, e): the tokens of this process, at least one, in the order of the ranks.
            How many may differ between processes; leading dimensions, widths and dtypes may not.
        attn_mask: of this process's keys, as in ``almost_linear_attention``, (m_r,) or (..., 1, m_r).
        is_causal: a query sees the keys of all ranks before its own and, of its own, those up to its place; n_r = m_r.
        scale, enable_gqa, degree, eps: as in ``almost_linear_attention``, the same on all processes.
        group: of processes, all by default.

    Returns:
        (..., n_r, e): the output of this process's queries. Gradients are those by this process's tensors, of the sum of all processes'
        losses.

    Raises:
        InputError: on every process, where one of them has tensors that cannot be served or they disagree. DegreeError: on every process,
        where no degree meets eps. ExchangeError: where another process died or hangs, within the timeout of the group.
    """
    link = Exchange(group)
    problem: Exception | None = None
    facts, found = dict.fromkeys(_FACTS, 0.0), None
    try:
        found = _checked(query, key, value, attn_mask, is_causal, scale, enable_gqa, degree, eps)
        facts = _facts(*found[:3], found[4], is_causal, degree, eps)
    except (InputError, TypeError) as error:
        problem = error
    like = query if isinstance(query, Tensor) else None
    agreed(link, facts, problem, like)
    assert found is not None
    query, key, value, bias, scale, kind = found
    masked = link.max(torch.tensor(float(bias is not None), device=query.device), "whether there is a mask").item()
    if masked and bias is None:
        bias = key.new_zeros(key.shape[:-1])
    out: Tensor = _Attention.apply(query, key, value, bias, scale, is_causal, degree, eps, link)
    return out.to(kind)


_FACTS = (
    "width",
    "width of values",
    "dtype",
    "causal mask",
    "scale",
    "degree",
    "eps",
    "number of leading dimensions",
    *(f"leading dimension {i}" for i in range(MOST_LEADING)),
)


def _checked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
    degree: int | None,
    eps: float | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, float, torch.dtype]:
    found = arguments(query, key, value, attn_mask, 0.0, scale, enable_gqa, all_keys=False)
    check_options(degree, eps, "monomials")
    check_tensors(None, query=found[0], key=found[1], value=found[2])
    n, m = found[0].shape[-2], found[1].shape[-2]
    if is_causal and n != m:
        raise InputError(
            "the number of keys under a causal mask", m, f"{n}, that of queries", "split both alike over the processes"
        )
    if found[0].ndim - 2 > MOST_LEADING:
        raise InputError(
            "the number of leading dimensions", found[0].ndim - 2, f"at most {MOST_LEADING}", "flatten some"
        )
    return found


def _facts(
    query: Tensor, key: Tensor, value: Tensor, scale: float, is_causal: bool, degree: int | None, eps: float | None
) -> dict[str, float]:
    batch = query.shape[:-2]
    numbers = (query.shape[-1], value.shape[-1], torch.finfo(query.dtype).bits, is_causal, scale)
    asked = (-1 if degree is None else degree, DEFAULT_EPS if eps is None else eps, len(batch))
    leading = (*batch, *(0 for _ in range(MOST_LEADING - len(batch))))
    return dict(zip(_FACTS, map(float, (*numbers, *asked, *leading)), strict=True))


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        scale: float,
        is_causal: bool,
        degree: int | None,
        eps: float | None,
        link: Exchange,
    ) -> Tensor:
        with torch.no_grad(), exact_precision(query.device):
            inputs, shared = shift(query, key, value, bias, scale, is_causal, link)
            choice = choose(inputs, shared, degree, DEFAULT_EPS if eps is None else eps, link)
            sweep = _Sweep(inputs, shared, choice, link)
            state = sweep.key_state()
            out, inverse = sweep.forward(state)
        ctx.known, ctx.by_bias = (shared, choice, link, scale, is_causal), ctx.needs_input_grad[3]
        ctx.save_for_backward(*inputs[:7], out, inverse, state)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        *tensors, out, inverse, state = ctx.saved_tensors
        shared, choice, link, scale, is_causal = ctx.known
        with torch.no_grad(), exact_precision(upstream.device):
            sweep = _Sweep(Shifted._make([*tensors, scale, is_causal]), shared, choice, link)
            made = sweep.backward(state, out, inverse, upstream)
        by_bias = made.log_weights.squeeze(-1) if ctx.by_bias else None
        return made.query, made.key, made.value, by_bias, None, None, None, None, None


class _Sweep:
    """The sweeps of one process over its tokens, a group of the batch at a time, and what they exchange."""

    def __init__(self, inputs: Shifted, shared: Shared, choice: Choice, link: Exchange) -> None:
        self.inputs, self.shared, self.choice, self.link = inputs, shared, choice, link
        self.features = Monomials(inputs.query.shape[-1], choice.degree, inputs.query)
        lead = inputs.query.shape[0]
        self.groups: list[Any] = spans(lead, choice.group) if inputs.query.ndim > 2 else [slice(None)]

    def key_state(self) -> Tensor:
        """Moments of the keys that all queries here see on other processes (causal), or of all keys, (..., e + 1, k)."""
        what = "the states of keys"
        if not self.inputs.is_causal:
            return self.link.sum(self._moments(), what)
        last = self.link.rank == self.link.size - 1
        return self.link.before(self._no_moments() if last else self._moments(), what)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Output (..., n, e) and inverse normaliser (..., n, 1)."""
        *batch, n, _ = self.inputs.query.shape
        made = self.inputs.query.new_empty(*batch, n, self.inputs.value.shape[-1] + 1)
        for span in self.groups:
            operands = self._operands(span, self.choice.block)
            sweep = (
                causal.forward(operands, self.features, self.choice.chunk, state[span].unsqueeze(-3))
                if self.inputs.is_causal
                else sweeps.by_moments(operands, self.features, self.choice.chunk, state[span])
            )
            for rows, part in sweep:
                made[span][..., rows, :] = operands.rows(part, rows.stop - rows.start)
        inverse = self._inverse(made[..., -1:].clone())
        return made[..., :-1] * inverse, inverse

    def backward(self, state: Tensor, out: Tensor, inverse: Tensor, upstream: Tensor) -> Gradients:
        """Gradients by the tensors of this process."""
        query, key, value = (x.new_empty(x.shape) for x in self.inputs[:3])
        made = Gradients(query, key, value, key.new_empty(*key.shape[:-1], 1))
        parts = [self._operands(span, self.choice.block, out, inverse, upstream) for span in self.groups]
        views = [Gradients(*(x[span] for x in made)) for span in self.groups]
        both = list(zip(self.groups, parts, views, strict=True))
        if self.inputs.is_causal:
            self._causal_backward(both, state, out, inverse, upstream)
        else:
            totals = [
                sweeps.by_query(operands, self.features, self.choice.chunk, state[span], view)
                for span, operands, view in both
            ]
            total = self.link.sum(self._joined(totals), "the states of queries")
            for span, operands, view in both:
                sweeps.by_key(operands, self.features, self.choice.chunk, total[span], view)
        return self._finish(made)

    def _causal_backward(
        self, both: list[tuple[Any, Operands, Gradients]], state: Tensor, out: Tensor, inverse: Tensor, upstream: Tensor
    ) -> None:
        chunk, mine = self.choice.chunk, self._no_moments()
        if self.link.rank > 0:
            mine = self._joined(
                [self._query_moments(self._operands(s, 0, out, inverse, upstream)) for s in self.groups]
            )
        after = self.link.behind(mine, "the states of queries")
        for span, operands, view in both:
            causal.by_query(operands, self.features, chunk, view, state[span].unsqueeze(-3))
            causal.by_key(operands, self.features, chunk, view, after[span].unsqueeze(-3))

    def _operands(self, span: Any, block: int, *after: Tensor) -> Operands:
        inputs = self.inputs if span == slice(None) else self.inputs.part(span)
        return Operands(inputs, self.choice.row_scale, self.choice.column_scale, block, *(x[span] for x in after))

    def _moments(self) -> Tensor:
        return self._joined(
            [
                sweeps.key_moments(self._operands(span, 0), self.features, self.choice.chunk, slopes=False)
                for span in self.groups
            ]
        )

    def _query_moments(self, operands: Operands) -> Tensor:
        total = None
        for span in spans(operands.inputs.query.shape[-2], self.choice.chunk):
            x = operands.query(span)
            part = self.features.moments(x, operands.u(span), self.features.features(x), slopes=True)
            total = part if total is None else total.add_(part)
        assert total is not None
        return total

    def _no_moments(self) -> Tensor:
        batch = self.inputs.query.shape[:-2]
        return self.inputs.query.new_zeros(*batch, self.inputs.value.shape[-1] + 1, self.choice.rank)

    @staticmethod
    def _joined(parts: list[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _inverse(self, normaliser: Tensor) -> Tensor:
        """``shifts.inverse_normaliser`` with the smallest of all processes and the padding before this one."""
        hidden, shared = None, self.shared
        if self.inputs.keep is not None and shared.kept is not None and shared.kept_before is not None:
            if self.inputs.is_causal:
                hidden = (shared.kept_before[..., None, None] + self.inputs.keep.cumsum(-2)) == 0
            else:
                hidden = (shared.kept[..., None, None] == 0).expand_as(normaliser)
            normaliser.masked_fill_(hidden, 1)
        # Negated: a NaN is the largest in torch, and must not be passed over.
        smallest = -self.link.max(-normaliser.amin().nan_to_num(nan=-torch.inf), "the smallest normaliser").item()
        return inverse_of(normaliser, hidden, smallest, f"of {self.choice}")

    def _finish(self, made: Gradients) -> Gradients:
        """``gradients.finish`` with the sums over the tokens of all processes."""
        inputs, shared = self.inputs, self.shared
        made.key.addcmul_(made.log_weights, inputs.scale * inputs.query_centre)
        through = made.log_weights.mT @ inputs.key - made.log_weights.sum(-2, keepdim=True) * inputs.key_centre
        sums = torch.cat([made.key.sum(-2, keepdim=True), made.query.sum(-2, keepdim=True), through], -1)
        by_key, by_query, through = self.link.sum(sums, "what means pass on").split(inputs.query.shape[-1], -1)
        if inputs.keep is None or shared.kept is None:
            made.key.sub_(by_key / shared.keys)
        else:
            made.key.sub_(inputs.keep * (by_key / shared.kept.clamp_min(1)[..., None, None].to(by_key.dtype)))
        made.query.sub_((by_query - inputs.scale * through) / shared.queries)
        return made
