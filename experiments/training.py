"""Training stability: three kinds of language model on real text, from the same weights and batches, with exact, almost-linear and adaptive
attention; what the loss, the gradient, a probe and the certificate say along the way.

gpt      causal, learned positions, LayerNorm before, gelu, tied head: the next byte
llama    causal, rotary positions, RMSNorm before, silu, untied head (the MLP has no gate): the next byte
bert     every token sees all, learned positions, LayerNorm after, gelu, tied head: the bytes behind a mask, 15 of 100

Runs that are *driven* start from queries and keys that are ``sharper`` times as large, so that the scores leave what a low degree serves:
they must be flagged. With ``score_limit`` scores are kept small by query-key normalisation. A run *nudged* has exact attention and
starts a millionth away: how far its loss goes from the exact run's is what no method can be blamed for, and where that is much, a bound
on the error of each step says little on their sum: the certificate of a run has both parts.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Required, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig
from almostlinear.impl.models.config import Attention
from benchmarks.measure import Target, cpu_seconds

from . import text, watch
from .cells import ADAPTIVE, Cell, Experiment, Found, Say, number


class Kind(TypedDict, total=False):
    """Attention as `TransformerConfig` names it."""

    attention: Required[Attention]
    degree: int
    eps: float
    backend: str


class Sizes(TypedDict):
    """Of a model, its batches and its training; a check is made every ``every`` steps."""

    n: int
    batch: int
    width: int
    heads: int
    layers: int
    steps: int
    every: int
    rate: float


class Plain(Sizes):
    """All that `build` and a training run need but the seed."""

    family: str
    kind: str
    score_limit: float | None
    sharper: float


NUDGED, NUDGE = "exact, nudged", 1e-6
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt": {"is_causal": True, "positions": "learned", "norm": "pre", "activation": "gelu", "tied": True},
    "llama": {
        "is_causal": True,
        "positions": "rotary",
        "norm": "pre",
        "rms": True,
        "activation": "silu",
        "tied": False,
    },
    "bert": {"is_causal": False, "positions": "learned", "norm": "post", "activation": "gelu", "tied": True},
}
KINDS: dict[str, Kind] = {
    "exact": {"attention": "exact"},
    NUDGED: {"attention": "exact"},
    "degree 2": {"attention": "almost_linear", "degree": 2, "backend": "monomials"},
    "degree 4": {"attention": "almost_linear", "degree": 4, "backend": "monomials"},
    "degree 6": {"attention": "almost_linear", "degree": 6, "backend": "monomials"},
    "degree by eps": {"attention": "almost_linear", "eps": watch.PROMISED, "backend": "monomials"},
    "adaptive": {"attention": "almost_linear", "eps": watch.PROMISED, "backend": "adaptive"},
}
SIZES: Sizes = {"n": 96, "batch": 8, "width": 32, "heads": 8, "layers": 2, "steps": 150, "every": 15, "rate": 3e-3}
LONGER: Sizes = {**SIZES, "n": 128, "layers": 4, "steps": 500, "every": 25}
MASK, VOCABULARY, HIDDEN_SHARE, IGNORED = 256, 257, 0.15, -100
WARM_UP, CLIP, VALIDATION_PIECES, PROBE_PIECES, RIDGE = 20, 1.0, 64, 64, 1e-3
CERTIFIED = 4
"""Pieces of the validation text that are certified beside the batch."""


# -- the model and its task ------------------------------------------------------------------------------------------------
def build(given: Mapping[str, Any]) -> AlmostLinearTransformer:
    """The model of a cell, with the weights of its seed."""
    torch.manual_seed(given["seed"])
    sizes = {name: given[name] for name in ("width", "heads", "layers")}
    kind, family = KINDS[given["kind"]], FAMILIES[given["family"]]
    config = TransformerConfig(
        vocabulary=VOCABULARY, max_length=given["n"], score_limit=given["score_limit"], **sizes, **family, **kind
    )
    model = AlmostLinearTransformer(config)
    with torch.no_grad():
        for layer in model.blocks:
            layer.attention.into_heads.weight[: 2 * config.width] *= given["sharper"]
        if given["kind"] == NUDGED:
            for p in model.parameters():
                p.mul_(1 + NUDGE * torch.randn(p.shape))
    return model


def task(family: str, tokens: Tensor, make: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs and targets of pieces (batch, n + 1): the next byte, or bytes behind a mask (others IGNORED)."""
    if FAMILIES[family]["is_causal"]:
        return tokens[:, :-1], tokens[:, 1:]
    tokens = tokens[:, :-1]
    hidden = torch.rand(tokens.shape, generator=make) < HIDDEN_SHARE
    return tokens.masked_fill(hidden, MASK), tokens.masked_fill(~hidden, IGNORED)


def loss_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy, in nats."""
    return cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


# -- a run -----------------------------------------------------------------------------------------------------------------
def run(given: dict[str, Any], say: Say) -> Found:
    """Train one model. A degree that is refused (a normaliser may vanish), or numbers that overflow end the run; the step is kept."""
    train_text, other = text.data()
    model, family, n = build(given), given["family"], given["n"]
    make = torch.Generator().manual_seed(1000 + given["seed"])
    fixed = torch.Generator().manual_seed(7)
    held = task(family, text.pieces(other, n + 1, VALIDATION_PIECES, fixed), fixed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=given["rate"], betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: min(1.0, (k + 1) / WARM_UP, 1 - k / given["steps"])
    )
    losses, norms, checks = list[float](), list[float](), list[watch.Check]()
    refused: dict[str, Any] | None = None
    seconds = 0.0
    for step in range(given["steps"] + 1):
        batch = task(family, text.pieces(train_text, n + 1, given["batch"], make), make)
        try:
            if step % given["every"] == 0 or step == given["steps"]:
                checks.append({"step": step, **watch.certificate(model, (batch[0], held[0][:CERTIFIED]))})
                checks[-1].update(look(model, batch, held))
                say(f"step {step}, validation loss {checks[-1]['validation_loss']:.4f}")
            if step == given["steps"]:
                break
            seconds += cpu_seconds(partial(one_step, model, optimiser, batch, losses, norms))
            schedule.step()
        except (impl.DegreeError, impl.NonFiniteError) as error:
            refused = {"step": step, "why": str(error)}
            break
    found = {"losses": losses, "norms": norms, "checks": checks, "refused": refused, "cpu_seconds": seconds}
    found["signatures"] = watch.signatures(checks, norms, losses)
    if refused is None:
        with contextlib.suppress(impl.DegreeError):  # other text may leave the range, too
            found["probe"] = probe(model, family, n)
    return found


def one_step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    losses: list[float],
    norms: list[float],
) -> None:
    """One step of AdamW with a clipped gradient; the loss and the norm before clipping are kept."""
    loss = loss_of(model, *batch)
    optimiser.zero_grad()
    loss.backward()
    norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
    optimiser.step()
    losses.append(float(loss.detach()))


def look(model: AlmostLinearTransformer, batch: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]) -> watch.Check:
    """Validation loss with the run's own attention, and its gradient on the batch beside the exact one."""
    with torch.no_grad():
        seen: watch.Check = {"validation_loss": float(loss_of(model, *held))}
    if model.config.attention != "exact":
        found = watch.gradient(model, lambda m: loss_of(m, *batch))
        true = watch.gradient(watch.exact(model), lambda m: loss_of(m, *batch))
        seen |= watch.beside(found, true)
    return seen


def hidden_states(model: AlmostLinearTransformer, tokens: Tensor) -> Tensor:
    """What the head gets, (batch, n, width)."""
    kept: list[Tensor] = []
    hook = model.head.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        model(tokens)
    hook.remove()
    return kept[0]


def probe(model: AlmostLinearTransformer, family: str, n: int) -> float:
    """Accuracy of a linear map (ridge regression) from the last hidden states to the class of the byte asked for, on validation text."""
    sides = []
    for source, seed in zip(text.data(), (11, 12), strict=True):
        make = torch.Generator().manual_seed(seed)
        inputs, targets = task(family, text.pieces(source, n + 1, PROBE_PIECES, make), make)
        asked = targets != IGNORED
        states = hidden_states(model, inputs)[asked].double()
        sides.append((torch.cat([states, torch.ones_like(states[:, :1])], -1), text.character_class(targets[asked])))
    (x, y), (x_held, y_held) = sides
    wanted = one_hot(y, len(text.CLASSES)).double()
    normal = x.mT @ x + RIDGE * len(x) * torch.eye(x.shape[-1], dtype=x.dtype)
    weights = torch.linalg.solve(normal, x.mT @ wanted)
    return float(((x_held @ weights).argmax(-1) == y_held).double().mean())


# -- what the runs show ------------------------------------------------------------------------------------------------------
def gaps(found: Found, exact: Found) -> dict[int, float]:
    """The relative difference of the validation loss from the exact run's, at each check of both."""
    true = {c["step"]: c["validation_loss"] for c in exact["checks"] if "validation_loss" in c}
    own = {c["step"]: number(c["validation_loss"]) for c in found["checks"] if "validation_loss" in c}
    both = {step: abs(x - true[step]) / true[step] for step, x in own.items() if step in true}
    return {step: math.inf if math.isnan(gap) else gap for step, gap in both.items()}


def verdict(found: Found, exact: Found, nudged: Found | None) -> dict[str, Any]:
    """A run beside the exact run of the same seed, and beside the one that starts a nudge away from that.

    ``rows_warned``: the first check at which a row of weights was not guaranteed. ``sensitive``: the first at which the nudged run is
    further than SENSITIVE from the exact one (0 without a nudged run): from there training magnifies errors, and a bound on each step says
    nothing on their sum. ``warned``: the earlier of the two. ``departed``: the first check with a validation loss further than DEPARTED
    from the exact run's. A refusal is a warning and a departure. ``while_guaranteed``: the largest difference over the checks before the
    warning; ``in_time`` and ``rows_in_time``: no departure before the warning, or before that of the rows alone.
    """
    apart = gaps(found, exact)
    rows = next((c["step"] for c in found["checks"] if c["guaranteed"] is False), None)
    departed = next((step for step, gap in apart.items() if gap > watch.DEPARTED), None)
    if found["refused"] is not None:
        at = found["refused"]["step"]
        rows, departed = at if rows is None else rows, at if departed is None else departed
    shaken = {0: math.inf} if nudged is None else gaps(nudged, exact)
    sensitive = next((step for step, gap in shaken.items() if gap > watch.SENSITIVE), None)
    warned = min((step for step in (rows, sensitive) if step is not None), default=None)
    held = [gap for step, gap in apart.items() if warned is None or step < warned]
    return {
        "rows_warned": rows, "sensitive": sensitive, "warned": warned, "departed": departed,
        "while_guaranteed": max(held, default=0.0), "guaranteed_checks": len(held), "gap": max(apart.values(), default=math.inf),
        "in_time": departed is None or (warned is not None and warned <= departed),
        "rows_in_time": departed is None or (rows is not None and rows <= departed),
    }  # fmt: skip


def without(parameters: dict[str, Any], *names: str) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((k, v) for k, v in parameters.items() if k not in names))


def judged(records: list[Found]) -> list[tuple[Found, dict[str, Any]]]:
    """Every run that is not of exact attention with its verdict, where the exact run of the same parameters is there."""
    others: dict[str, dict[Any, Found]] = {"exact": {}, NUDGED: {}}
    for r in records:
        if r["parameters"]["kind"] in others:
            others[r["parameters"]["kind"]][without(r["parameters"], "kind")] = r["found"]
    made = []
    for r in records:
        group = without(r["parameters"], "kind")
        if r["parameters"]["kind"] not in others and group in others["exact"]:
            made.append((r, verdict(r["found"], others["exact"][group], others[NUDGED].get(group))))
    return made


def shaken(records: list[Found]) -> list[float]:
    """How far each nudged run went from its exact one."""
    exact = {without(r["parameters"], "kind"): r["found"] for r in records if r["parameters"]["kind"] == "exact"}
    nudged = {without(r["parameters"], "kind"): r["found"] for r in records if r["parameters"]["kind"] == NUDGED}
    return [max(gaps(found, exact[group]).values()) for group, found in nudged.items() if group in exact]


def targets(records: list[Found]) -> list[Target]:
    """What must hold of all runs together."""
    runs = judged(records)
    if not runs:
        return []
    checks = sum(v["guaranteed_checks"] for _, v in runs)
    late = [r["name"] for r, v in runs if not v["in_time"]]
    rows = [r["name"] for r, v in runs if not v["rows_in_time"]]
    made = [
        Target("largest relative difference of the validation loss while guaranteed", max(v["while_guaranteed"] for _, v in runs),
               watch.DEPARTED, None, smaller=True, note=f"over {checks} checks of {len(runs)} runs"),
        Target("runs whose loss departs before the certificate warns", len(late), 0, None, smaller=True,
               note=f"{'; '.join(late)}; by the rows alone, without the nudged run: {len(rows)}: {'; '.join(rows)}".strip("; :")),
    ]  # fmt: skip
    driven = [v for r, v in runs if r["parameters"]["sharper"] != 1 and r["parameters"]["score_limit"] is None]
    if driven:
        missed, departed = (
            sum(test(v) for v in driven) for test in (_not_flagged, lambda v: v["departed"] is not None)
        )
        made += [
            Target(
                "driven runs that are not flagged from the start",
                missed,
                0,
                None,
                smaller=True,
                note=f"of {len(driven)}, by the rows",
            ),
            Target(
                "driven runs that depart",
                departed,
                1,
                None,
                note=f"of {len(driven)}; were there none, the warning would be idle",
            ),
        ]
    moved = shaken(records)
    note = f"of {len(runs)} runs; {len(moved)} nudged runs of exact attention differ by up to {100 * max(moved, default=0.0):.2g}%"
    made.append(Target("checks at which a run is guaranteed", checks, len(runs), None, note=note))
    return made


def _not_flagged(judgement: dict[str, Any]) -> bool:
    return bool(judgement["rows_warned"] != 0)


def figures(found: Found) -> dict[str, float]:
    """The numbers by which profiles are compared."""
    last = next((c for c in reversed(found["checks"]) if "validation_loss" in c), None)
    made = {} if last is None else {"validation loss": last["validation_loss"]}
    return made | ({"probe": found["probe"]} if "probe" in found else {})


# -- the table of cells ------------------------------------------------------------------------------------------------------
SHARPER, LIMIT = 20.0, 0.25


def cells() -> list[Cell]:
    """Quick: every family and kind of one seed. Full: more seeds, and more layers, steps and degrees."""
    made = list[Cell]()

    def add(family: str, kinds: tuple[str, ...], seed: int, sizes: Sizes, quick: bool, **changed: Any) -> None:
        for kind in kinds:
            plain = {"sharper": 1.0, "score_limit": None, "text": text.fingerprint()}
            given = {"family": family, "kind": kind, "seed": seed, **sizes, **plain, **changed}
            driven = "driven, " if given["sharper"] != 1 else ""
            limit = f", limit {given['score_limit']:g}" if given["score_limit"] else ""
            name = f"{driven}{family}{limit}, {kind}, {sizes['layers']} layers, {sizes['steps']} steps, seed {seed}"
            made.append(Cell(name, given, quick, ADAPTIVE if kind == "adaptive" else 0))

    for seed in range(3):
        for family in FAMILIES:
            add(family, ("exact", NUDGED, "degree 2", "degree 4"), seed, SIZES, seed == 0)
            if family != "llama":
                add(family, ("adaptive",), seed, SIZES, seed == 0)
        add("gpt", ("exact", NUDGED, "degree 4", "degree 6"), seed, SIZES, seed == 0, score_limit=LIMIT)
        add("gpt", ("exact", NUDGED, "degree 2", "degree 4"), seed, SIZES, seed == 0, sharper=SHARPER)
        add("gpt", ("exact", NUDGED, "degree 6"), seed, SIZES, seed == 0, sharper=SHARPER, score_limit=LIMIT)
    kinds = ("exact", NUDGED, "degree 2", "degree 4", "degree 6")
    for seed in range(3):
        for family in FAMILIES:
            add(family, kinds, seed, LONGER, False)
            add(family, ("exact", NUDGED, "degree 6"), seed, LONGER, False, score_limit=LIMIT)
    for seed in range(3):
        # Rotary queries and keys fill the range: pivots become many before they are refused, which takes minutes.
        add("llama", ("adaptive",), seed, SIZES, False)
    return made


EXPERIMENT = Experiment(
    name="training",
    question="Does it train as exact attention does, and does the certificate warn before the loss departs?",
    version=2, cells=cells, run=run, figures=figures, targets=targets,
)  # fmt: skip
