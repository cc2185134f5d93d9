"""Ablations: one choice of the implementation at a time is changed; the error of output and gradients, validation loss, stability and time.

A model trained for TRAINED steps with exact attention is at hand (its scores are real ones, sharpened by ``sharper``). Every variant takes
the place of its attention:

error             of the gradient by all weights, beside the exact one in float64, at the same weights
validation loss   with the variant in place of exact attention
after training    validation loss after STEPS steps with the variant, beside exact attention from the same weights and batches
seconds           CPU of one forward and backward pass of attention at n = TIMED, where the variant runs in almost linear time
"""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer
from almostlinear.impl.models.layers import SelfAttention
from benchmarks.measure import Target, cpu_seconds
from benchmarks.peers import Attention

from . import text, training
from .cells import ADAPTIVE, Cell, Experiment, Found, Say
from .coefficients import polynomial_attention
from .watch import PROMISED

PLAIN: dict[str, Any] = {
    "backend": "monomials",
    "coefficients": "taylor",
    "degree": 4,
    "eps": None,
    "shift": True,
    "dtype": "float32",
}
SIZES: training.Plain = {
    **training.SIZES,
    "family": "gpt",
    "kind": "exact",
    "score_limit": None,
    "sharper": 1.0,
    "n": 96,
}
TRAINED, STEPS, TIMED, RATE = 90, 30, 4096, 1e-3
FLOOR = 3e-6
"""Ten times the relative error that float32 alone makes in these gradients."""
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}


class Replaced(nn.Module):
    """A layer's attention with another function of queries, keys and values."""

    def __init__(self, inner: SelfAttention, attention: Attention) -> None:
        super().__init__()
        self.inner, self.attention = inner, attention

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        found = self.attention(*self.inner.heads(x))
        return self.inner.out(found.transpose(-3, -2).flatten(-2))


@contextmanager
def replaced(model: AlmostLinearTransformer, attention: Attention) -> Iterator[None]:
    """Every layer of ``model`` with ``attention``, until the end of the block."""
    kept = [layer.attention for layer in model.blocks]
    for layer in model.blocks:
        layer.register_module("attention", Replaced(layer.attention, attention))
    try:
        yield
    finally:
        for layer, inner in zip(model.blocks, kept, strict=True):
            layer.attention = inner


def variant(given: dict[str, Any], scale: float, is_causal: bool) -> Attention:
    """The attention that a cell's parameters name; narrow dtypes hold queries, keys and values, sums are impl's."""
    kind: dict[str, Any] = {"scale": scale, "is_causal": is_causal}
    if given["backend"] == "exact":
        return lambda q, k, v: scaled_dot_product_attention(q, k, v, **kind)
    if given["coefficients"] != "taylor":
        more = {"kind": given["coefficients"], "degree": given["degree"], "shift": given["shift"]}
        return lambda q, k, v: polynomial_attention(q, k, v, **kind, **more)
    chosen = {"degree": given["degree"]} if given["degree"] is not None else {"eps": given["eps"]}
    dtype = DTYPES[given["dtype"]]
    if not given["shift"]:
        return lambda q, k, v: impl.low_rank_attention(q.to(dtype), k.to(dtype), v.to(dtype), **kind, **chosen).to(
            q.dtype
        )
    more = {**chosen, "backend": given["backend"]}
    return lambda q, k, v: impl.almost_linear_attention(q.to(dtype), k.to(dtype), v.to(dtype), **kind, **more).to(
        q.dtype
    )


@cache
def trained(seed: int, sharper: float) -> AlmostLinearTransformer:
    """A model after TRAINED steps on exact attention, its queries and keys then ``sharper`` times as large."""
    model = training.build({**SIZES, "seed": seed})
    for _ in steps(model, TRAINED, SIZES["rate"], seed):
        pass
    with torch.no_grad():
        for layer in model.blocks:
            layer.attention.into_heads.weight[: 2 * model.config.width] *= math.sqrt(sharper)
    return model


def steps(model: nn.Module, count: int, rate: float, seed: int) -> Iterator[float]:
    """AdamW on batches of SIZES, the rate falling to 0; the gradient norm of every step."""
    make = torch.Generator().manual_seed(2000 + seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1)
    losses, norms = list[float](), list[float]()
    for k in range(count):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - k / count)
        tokens = text.pieces(text.data()[0], SIZES["n"] + 1, SIZES["batch"], make)
        batch = training.task(SIZES["family"], tokens, make)
        training.one_step(model, optimiser, batch, losses, norms)
        yield norms[-1]


def held() -> tuple[Tensor, Tensor]:
    make = torch.Generator().manual_seed(7)
    return training.task("gpt", text.pieces(text.data()[1], SIZES["n"] + 1, training.VALIDATION_PIECES, make), make)


def validation(model: nn.Module) -> float:
    with torch.no_grad():
        return float(training.loss_of(model, *held()))


def all_gradients(model: nn.Module) -> Tensor:
    inputs, targets = held()
    loss = training.loss_of(model, inputs[:8], targets[:8])
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]).double()


def output_error(model: AlmostLinearTransformer, attention: Attention) -> float:
    """Relative error of the attention's outputs in the first and the last layer, on their real queries, keys and values."""
    worst = 0.0
    for layer in (model.blocks[0], model.blocks[-1]):
        kept: list[Tensor] = []
        hook = layer.attention.register_forward_pre_hook(lambda _, given, kept=kept: kept.append(given[0]))
        with torch.no_grad():
            model(held()[0][:8])
            hook.remove()
            q, k, v = layer.attention.heads(kept[0])
            true = scaled_dot_product_attention(
                q.double(), k.double(), v.double(), is_causal=True, scale=model.config.score_scale
            )
            worst = max(worst, float((attention(q, k, v).double() - true).norm() / true.norm()))
    return worst


def run(given: dict[str, Any], say: Say) -> Found:
    """One variant. What is refused is said, and has no numbers."""
    seed = given["seed"]
    model = copy.deepcopy(trained(seed, given["sharper"]))
    attention = variant(given, model.config.score_scale, True)
    double = copy.deepcopy(model).double()
    try:
        with replaced(model, attention):
            say("errors")
            loss, gradient = validation(model), all_gradients(model)
        true = all_gradients(double)
        found: Found = {
            "validation_loss": loss, "exact_loss": validation(model), "output_error": output_error(model, attention),
            "gradient_error": float((gradient - true).norm() / true.norm()),
            "cosine": float(gradient @ true / (gradient.norm() * true.norm())),
        }  # fmt: skip
    except impl.DegreeError as error:
        return {"refused": str(error)}
    say("training")
    found |= continued(model, attention, seed, given["sharper"])
    if given["coefficients"] == "taylor" and given["time"]:
        say("time")
        found |= timed(model, attention, given)
    return found


@cache
def beside(seed: int, sharper: float) -> float:
    """Validation loss after STEPS more steps with exact attention."""
    model = copy.deepcopy(trained(seed, sharper))
    for _ in steps(model, STEPS, RATE, seed):
        pass
    return validation(model)


def continued(model: AlmostLinearTransformer, attention: Attention, seed: int, sharper: float) -> Found:
    """STEPS more steps with the variant, and with exact attention."""
    norms: list[float] = []
    with replaced(model, attention):
        try:
            norms.extend(steps(model, STEPS, RATE, seed))
            after: float | None = validation(model)
        except impl.DegreeError:
            after = None
    stable = after is not None and math.isfinite(after) and max(norms) < 30 * sorted(norms)[len(norms) // 2]
    return {
        "after_training": after,
        "exact_after_training": beside(seed, sharper),
        "stable": stable,
        "steps_done": len(norms),
    }


def timed(model: AlmostLinearTransformer, attention: Attention, given: dict[str, Any]) -> Found:
    """CPU seconds of forward and backward of one layer's heads at n = TIMED, whose tokens repeat real queries, keys and values."""
    kept: list[Tensor] = []
    hook = model.blocks[-1].attention.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        model(held()[0])
        hook.remove()
        q, k, v = (
            x.transpose(0, 1).flatten(1, 2)[None, :, :TIMED].contiguous()
            for x in model.blocks[-1].attention.heads(kept[0])
        )
    leaves = [x.requires_grad_() for x in (q, k, v)]

    def once() -> None:
        torch.autograd.grad(attention(*leaves).sum(), leaves)

    try:
        once()
    except impl.DegreeError:
        return {}
    made: Found = {"seconds": min(cpu_seconds(once) for _ in range(2))}
    if given["backend"] != "exact" and given["shift"]:
        options = {"degree": given["degree"], "eps": given["eps"] or PROMISED}
        with torch.no_grad():
            known = impl.certify(
                *leaves, is_causal=True, scale=model.config.score_scale, backend=given["backend"], **options
            )
        made |= {
            "rank": known.rank,
            "row_error": known.row_error,
            "guaranteed": known.guaranteed,
            "range": known.range_shifted,
        }
    return made


# -- what they show --------------------------------------------------------------------------------------------------------
def by_name(records: list[Found], **wanted: Any) -> dict[Any, Found]:
    """Records with these parameters, by seed and sharpness."""
    return {
        (r["parameters"]["seed"], r["parameters"]["sharper"]): r["found"]
        for r in records
        if all(r["parameters"][k] == v for k, v in wanted.items())
    }


def targets(records: list[Found]) -> list[Target]:
    """What an ablation has to show: that a part which is left out is missed, and that what is guaranteed does not move the loss."""
    made = []
    gains = []
    for degree in (2, 4):
        kind = {**PLAIN, "degree": degree}
        plain, bare = by_name(records, **kind), by_name(records, **{**kind, "shift": False})
        gains += [
            bare[k]["gradient_error"] / plain[k]["gradient_error"]
            for k in plain.keys() & bare.keys()
            if min(plain[k].get("gradient_error", 0), bare[k].get("gradient_error", 0)) > FLOOR
        ]
    if gains:
        note = f"{len(gains)} pairs of degrees 2 and 4 above rounding; from {min(gains):.2g} to {max(gains):.3g}: shifts may hurt"
        made.append(
            Target(
                "gradient error without the shifts / with them, the median",
                statistics.median(gains),
                1.0,
                None,
                note=note,
            )
        )
    moved = [
        abs(f["validation_loss"] - f["exact_loss"]) / f["exact_loss"]
        for r in records
        if (f := r["found"]).get("guaranteed") and "validation_loss" in f and r["parameters"]["dtype"] != "bfloat16"
    ]
    if moved:
        what = "largest relative change of the validation loss by a guaranteed variant"
        made.append(Target(what, max(moved), 1e-2, None, smaller=True, note=f"{len(moved)} variants"))
    return made


def figures(found: Found) -> dict[str, float]:
    names = {"validation_loss": "validation loss", "after_training": "validation loss after training"}
    return {words: found[name] for name, words in names.items() if found.get(name) is not None}


def cells() -> list[Cell]:
    """One choice at a time, at two sharpnesses of the scores; full: more seeds."""
    made = list[Cell]()
    few = {"degree 2", "degree 3", "degree 4", "no shifts", "no shifts, degree 2", "minimax coefficients, degree 2",
           "fitted coefficients, degree 2", "adaptive to eps 0.01", "bfloat16 inputs"}  # fmt: skip
    slow = {
        "adaptive to eps 0.1",
        "adaptive to eps 0.001",
        "monomials to eps 0.1",
        "monomials to eps 0.001",
        "no shifts, degree 6",
    }
    changes: list[tuple[str, dict[str, Any]]] = [
        ("exact attention", {"backend": "exact"}),
        *((f"degree {g}", {"degree": g}) for g in (2, 3, 4, 6)),
        ("no shifts", {"shift": False}),
        ("no shifts, degree 2", {"shift": False, "degree": 2}),
        ("no shifts, degree 6", {"shift": False, "degree": 6}),
        *(
            (f"{kind} coefficients, degree {g}", {"coefficients": kind, "degree": g})
            for kind in ("minimax", "fitted")
            for g in (2, 4)
        ),
        *((f"monomials to eps {e:g}", {"degree": None, "eps": e}) for e in (1e-1, 1e-2, 1e-3)),
        *((f"adaptive to eps {e:g}", {"backend": "adaptive", "degree": None, "eps": e}) for e in (1e-1, 1e-2, 1e-3)),
        ("float64", {"dtype": "float64"}),
        ("bfloat16 inputs", {"dtype": "bfloat16"}),
    ]
    for seed in range(3):
        for sharper in (1.0, 0.1):
            for name, changed in changes:
                given = {
                    **PLAIN,
                    **changed,
                    "sharper": sharper,
                    "seed": seed,
                    "time": seed == 0,
                    "text": text.fingerprint(),
                }
                words = "real scores" if sharper == 1 else "scores a tenth"
                quick = name not in slow if sharper == 1 else name in few
                revision = ADAPTIVE if given["backend"] == "adaptive" else 0
                made.append(Cell(f"{name}; {words}, seed {seed}", given, quick and seed == 0, revision))
    return made


EXPERIMENT = Experiment(
    name="ablations",
    question="What does each part of the method bring?",
    version=3, cells=cells, run=run, figures=figures, targets=targets,
)  # fmt: skip
