"""Prompt tuning (Remark B.5): a soft prompt of p rows in front of the input of a frozen model, trained with the gradient of the input that
almost-linear attention gives, beside the exact one; every prompt is judged on the model with exact attention.

The model has learnt lower-cased text and is asked for upper-cased text; its scores are limited, so that degrees can be guaranteed. So small
a model is helped by a prompt whatever the weights of its attention are: the loss hardly tells degree 0, in which every token attends to
all before it equally, from exact attention. The prompts do: how far one ends from the exact one is shown in units of how far that moved.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer
from benchmarks.measure import Target

from . import text, training, watch
from .cells import Cell, Experiment, Found, Say

KINDS: dict[str, training.Kind] = {
    "exact": {"attention": "exact"},
    **{f"degree {g}": {"attention": "almost_linear", "degree": g, "backend": "monomials"} for g in (0, 2, 4, 6)},
}
FROZEN: training.Plain = {
    **training.SIZES,
    "family": "gpt",
    "kind": "exact",
    "score_limit": training.LIMIT,
    "sharper": 1.0,
}
PIECES = 8
TOLERANCE, FAR, APART = 1e-2, 1e-2, 100.0


@cache
def frozen(seed: int, n: int, rows: int, steps: int) -> AlmostLinearTransformer:
    """A model trained on lower-cased text with exact attention; the prompt has to adapt it to upper-cased text."""
    model, rate = training.build({**FROZEN, "seed": seed, "n": n + rows}), FROZEN["rate"]
    source = lowered(text.data()[0])
    make = torch.Generator().manual_seed(3000 + seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1)
    losses, norms = list[float](), list[float]()
    for k in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - k / steps)
        batch = training.task("gpt", text.pieces(source, n + rows + 1, FROZEN["batch"], make), make)
        training.one_step(model, optimiser, batch, losses, norms)
    return model.requires_grad_(False)


def lowered(source: Tensor) -> Tensor:
    """Bytes with A-Z as a-z."""
    return torch.where((source >= 65) & (source <= 90), source + 32, source)


def uppered(source: Tensor) -> Tensor:
    """Bytes with a-z as A-Z."""
    return torch.where((source >= 97) & (source <= 122), source - 32, source)


def loss_of(model: AlmostLinearTransformer, tokens: Tensor, prompt: Tensor | None) -> Tensor:
    """Mean cross entropy of the bytes behind the prompt."""
    logits = model(tokens[:, :-1], prompt=prompt)[:, -(tokens.shape[1] - 1) :]
    return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def run(given: dict[str, Any], say: Say) -> Found:
    """Train one prompt. Its gradient is set beside the exact one of the same prompt every ``every`` steps."""
    n, rows, seed = given["n"], given["rows"], given["seed"]
    exact = frozen(seed, n, rows, given["pretrained"])
    model = exact.with_attention(**KINDS[given["kind"]])
    train, other = (uppered(side) for side in text.data())
    held = text.pieces(other, n + 1, 32, torch.Generator().manual_seed(7))
    make = torch.Generator().manual_seed(4000 + seed)
    prompt = (0.02 * torch.randn(rows, exact.config.width, generator=make)).requires_grad_()
    begun = prompt.detach().clone()
    optimiser = torch.optim.Adam([prompt], lr=given["rate"])
    losses, checks = list[float](), list[dict[str, Any]]()
    with torch.no_grad():
        without = float(loss_of(exact, held, None))
    for step in range(given["steps"] + 1):
        tokens = text.pieces(train, n + 1, PIECES, make)
        if step % given["every"] == 0 or step == given["steps"]:
            checks.append({"step": step, **look(exact, model, prompt, tokens, held)})
            say(f"step {step}, validation loss {checks[-1]['validation_loss']:.4f}")
        if step == given["steps"]:
            break
        for group in optimiser.param_groups:
            group["lr"] = given["rate"] * (1 - step / given["steps"])
        loss = loss_of(model, tokens, prompt)
        (prompt.grad,) = torch.autograd.grad(loss, [prompt])
        optimiser.step()
        losses.append(float(loss.detach()))
    return {
        "losses": losses, "checks": checks, "without": without,
        "begun": begun.flatten().tolist(), "prompt": prompt.detach().flatten().tolist(),
    }  # fmt: skip


def look(
    exact: AlmostLinearTransformer, model: AlmostLinearTransformer, prompt: Tensor, tokens: Tensor, held: Tensor
) -> dict[str, Any]:
    """Validation loss on exact attention, the certificate, and the prompt's gradient beside the exact one."""
    with torch.no_grad():
        seen: dict[str, Any] = {"validation_loss": float(loss_of(exact, held, prompt))}
    if model.config.attention != "exact":
        true, found = (torch.autograd.grad(loss_of(m, tokens, prompt), [prompt])[0].flatten() for m in (exact, model))
        seen |= watch.beside(found, true) | certificate(model, tokens, prompt)
    return seen


def certificate(model: AlmostLinearTransformer, tokens: Tensor, prompt: Tensor) -> dict[str, Any]:
    """Whether the rows of all layers are guaranteed, the prompt included."""
    config, found = model.config, list[impl.Certificate]()

    def at(attention: Any, given: tuple[Tensor, ...]) -> None:
        query, key, value = attention.heads(given[0])
        found.append(impl.certify(
            query, key, value, is_causal=True, scale=config.score_scale, eps=watch.PROMISED, degree=config.degree, backend="monomials"
        ))  # fmt: skip

    hooks = [layer.attention.register_forward_pre_hook(at) for layer in model.blocks]
    with torch.no_grad():
        model(tokens[:, :-1], prompt=prompt)
    for hook in hooks:
        hook.remove()
    return {"guaranteed": all(c.guaranteed for c in found), "row_error": max(watch.row_error(c) for c in found)}


# -- what they show --------------------------------------------------------------------------------------------------------
def beside(records: list[Found]) -> list[tuple[Found, float, float]]:
    """Each run that is not exact, the relative difference of its validation loss from the exact run's, and the distance of its prompt."""
    exact = {
        training.without(r["parameters"], "kind"): r["found"] for r in records if r["parameters"]["kind"] == "exact"
    }
    made = []
    for r in records:
        other = exact.get(training.without(r["parameters"], "kind"))
        if other is not None and r["parameters"]["kind"] != "exact":
            true, own = (f["checks"][-1]["validation_loss"] for f in (other, r["found"]))
            ours, theirs, begun = (torch.tensor(p) for p in (r["found"]["prompt"], other["prompt"], other["begun"]))
            made.append((r, abs(own - true) / true, float((ours - theirs).norm() / (theirs - begun).norm())))
    return made


def targets(records: list[Found]) -> list[Target]:
    """Prompts of guaranteed gradients are as good as those of exact ones, and end where those do; degree 0 is seen to end elsewhere."""
    compared, made = beside(records), list[Target]()
    held = [(gap, far) for r, gap, far in compared if all(c["guaranteed"] for c in r["found"]["checks"])]
    if held:
        note = f"{len(held)} runs guaranteed throughout"
        made += [
            Target("largest relative difference of the validation loss, guaranteed", max(gap for gap, _ in held), TOLERANCE, None,
                   smaller=True, note=note),
            Target("largest distance of a prompt from the exact one, guaranteed", max(far for _, far in held), FAR, None,
                   smaller=True, note=note),
        ]  # fmt: skip
    idle = [far for r, _, far in compared if r["parameters"]["kind"] == "degree 0"]
    if idle and held:
        times = min(idle) / max(max(far for _, far in held), 1e-9)
        what = "distance of the prompt of degree 0 / largest of a guaranteed one"
        made.append(Target(what, times, APART, None, note="degree 0 ignores the scores"))
    gains = [
        r["found"]["without"] - r["found"]["checks"][-1]["validation_loss"]
        for r in records
        if r["parameters"]["kind"] == "exact"
    ]
    if gains:
        made.append(
            Target(
                "validation loss that the prompt takes away, the least",
                min(gains),
                0.01,
                None,
                note="with exact gradients",
            )
        )
    return made


def figures(found: Found) -> dict[str, float]:
    return {"validation loss": found["checks"][-1]["validation_loss"]}


def cells() -> list[Cell]:
    """Quick: one seed; full: three, and a longer training with more tokens."""
    made = list[Cell]()
    small = {"n": 96, "rows": 8, "pretrained": 150, "steps": 80, "every": 20, "rate": 0.02}
    large = {"n": 256, "rows": 16, "pretrained": 400, "steps": 200, "every": 40, "rate": 0.02}
    for sizes in (small, large):
        for seed in range(3):
            for kind in KINDS:
                given = {"kind": kind, "seed": seed, **sizes, "text": text.fingerprint()}
                made.append(
                    Cell(
                        f"{kind}, n {sizes['n']}, {sizes['rows']} rows, seed {seed}",
                        given,
                        sizes is small and seed == 0,
                    )
                )
    return made


EXPERIMENT = Experiment(
    name="prompts",
    question="Can a soft prompt be trained on almost-linear gradients of the input?",
    version=2, cells=cells, run=run, figures=figures, targets=targets,
)  # fmt: skip
