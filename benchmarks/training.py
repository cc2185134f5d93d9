"""A causal language model of 4 layers and 4 heads trained 200 steps on bytes of real text, with exact and with almost-linear attention
from the same seed: `python -m benchmarks.training [--small]`, results in benchmarks/results/training.json (schema: measure.py; the loss
of every step is in its table "losses").

The text is the language reference that comes with Python (`pydoc_data.topics`); its hash is in the settings, as it differs between
versions. Both runs have the same weights, batches and optimiser. Whether the scores have left the range in which the degree guarantees
anything is measured on the way, and shown beside the losses. A third run, of degree 0, in which every token attends to all others
equally, shows that attention matters to these losses.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig

from .measure import Result, Table, Target, console, cpu_seconds

VOCABULARY, WIDTH, HEADS, LAYERS, DEGREE = 256, 32, 4, 4, 4
SCALE = HEADS / WIDTH
"""1 / d_h, as in K.1: the scores grow more slowly than with 1 / sqrt(d_h)."""
LEARNING_RATE, WARM_UP, CLIP = 1e-3, 20, 1.0
TOLERANCE = 1e-3
"""Largest difference of the loss curves."""
PROMISED = 1e-2
"""l1 error of a row of weights up to which the degree counts as guaranteed."""


@dataclass(frozen=True)
class Look:
    """Of all layers: max |scores|, the row error that `certify` gives for the degree, and its verdict, of the worst one."""

    scores: float
    row_error: float
    verdict: str


@dataclass
class Run:
    """What one training run showed: the loss of every step, CPU seconds, and the worst layer at the steps looked at."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    looks: dict[int, Look] = field(default_factory=dict)


def text() -> bytes:
    """Python's language reference, topic by topic."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics)).encode()


def batch(data: Tensor, length: int, size: int, make: torch.Generator) -> Tensor:
    """``size`` pieces of length + 1 bytes, from places drawn."""
    begins = torch.randint(len(data) - length - 1, (size,), generator=make)
    return torch.stack([data[k : k + length + 1] for k in begins.tolist()])


def train(data: Tensor, length: int, size: int, steps: int, look_every: int, seed: int, **attention: Any) -> Run:
    """AdamW with a linear warm-up and clipped gradients."""
    torch.manual_seed(seed)
    model = AlmostLinearTransformer(
        TransformerConfig(
            vocabulary=VOCABULARY, width=WIDTH, heads=HEADS, layers=LAYERS, max_length=length, scale=SCALE, **attention
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: min(1.0, (k + 1) / WARM_UP))
    make, run = torch.Generator().manual_seed(seed + 1), Run()

    def work() -> None:
        for number in range(steps):
            tokens = batch(data, length, size, make)
            if number % look_every == 0 or number == steps - 1:
                run.looks[number] = look_at(model, tokens[:, :-1])
            loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            schedule.step()
            run.losses.append(float(loss.detach()))

    run.seconds = cpu_seconds(work)
    return run


@torch.no_grad()
def look_at(model: AlmostLinearTransformer, tokens: Tensor) -> Look:
    """What the attention of each layer has before it, over batch and heads."""
    scale, found = model.config.score_scale, list[Look]()

    def look(attention: Any, given: tuple[Tensor, ...]) -> None:
        heads = query, key, _ = attention.heads(given[0])
        known = impl.certify(*heads, is_causal=True, scale=scale, degree=DEGREE, eps=PROMISED, backend="monomials")
        row_error = math.inf if known.row_error is None else known.row_error
        found.append(Look(float((scale * query @ key.mT).abs().max()), row_error, known.verdict))

    hooks = [layer.attention.register_forward_pre_hook(look) for layer in model.blocks]
    model(tokens)
    for hook in hooks:
        hook.remove()
    worst = max(found, key=lambda one: one.row_error)
    return Look(max(one.scores for one in found), worst.row_error, worst.verdict)


def run(length: int, size: int, steps: int, seed: int = 0, progress: Callable[[str], None] = lambda _: None) -> Result:
    """The runs, their table and the target."""
    torch.set_num_threads(1)
    source = text()
    data = torch.tensor(list(source), dtype=torch.int64)
    look_every = max(1, steps // 10)
    sizes = {"n": length, "batch": size, "steps": steps, "look_every": look_every, "seed": seed}
    kinds: dict[str, dict[str, Any]] = {
        "exact": {"attention": "exact"},
        "almost-linear": {"attention": "almost_linear", "degree": DEGREE, "backend": "monomials"},
        "degree 0": {"attention": "almost_linear", "degree": 0, "backend": "monomials"},
    }
    model = {"width": WIDTH, "heads": HEADS, "layers": LAYERS, "degree": DEGREE, "scale": SCALE}
    origin = {"text": "pydoc_data.topics", "bytes": len(source), "sha256": hashlib.sha256(source).hexdigest()}
    result = Result("training", {**sizes, **model, **origin, "optimiser": "AdamW", "learning_rate": LEARNING_RATE})
    runs: dict[str, Run] = {}
    for name, kind in kinds.items():
        progress(f"{name}: {steps} steps")
        runs[name] = train(data, length, size, steps, look_every, seed, **kind)
    exact, ours, control = runs.values()
    gaps = [abs(a - b) for a, b in zip(exact.losses, ours.losses, strict=True)]
    off = [abs(a - b) for a, b in zip(exact.losses, control.losses, strict=True)]
    table = Table(
        f"training on {len(source)} bytes of Python's reference, n={length}, batch {size}, degree {DEGREE}",
        [
            "step",
            "exact",
            "almost-linear",
            "difference",
            "degree 0",
            "max |scores|",
            f"certify, rows within {PROMISED:g}",
        ],
        note="; ".join(f"{name}: {r.seconds:.0f} s of CPU time" for name, r in runs.items()),
    )
    for k, look in ours.looks.items():
        table.rows.append(
            [k, exact.losses[k], ours.losses[k], gaps[k], control.losses[k], look.scores, look.verdict.split(" (")[0]]
        )
    every = Table(
        "losses",
        ["step", *kinds],
        [list(row) for row in zip(range(steps), *(r.losses for r in runs.values()), strict=True)],
    )
    result.tables += [table, every]
    note = f"degree 0 is off by {max(off):.3g}; the scores reached {max(x.scores for x in ours.looks.values()):.2f}"
    result.targets.append(
        Target("largest difference of the loss curves", max(gaps), TOLERANCE, None, smaller=True, note=note)
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few steps, nothing is written")
    small, out = parser.parse_args().small, console()
    length, size, steps = (128, 2, 4) if small else (512, 4, 200)
    result = run(length, size, steps, progress=lambda words: out.print(f"... {words}", highlight=False))
    result.show(out)
    if not small:
        out.print(f"written to {result.write()}")


if __name__ == "__main__":
    main()
