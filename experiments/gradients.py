"""Gradient quality: exact beside almost-linear gradients, entry by entry, for each layer and weight, with the bounds beside them.

layers         the paper's model, T_i = g_i(Z_i) with g_i(Z) = R tanh(Z W_g / R), exact forward pass and Algorithm 1 backward, in float64.
               Bound: the theorem for m layers (verify/plan.py) at the norms measured here, eps_1 from the range of the scores.
transformer    a transformer with norms, MLPs and a head, almost-linear forward and backward, in float64. Bound: for each layer what
               `certify` says of the output and of dQ, dK, dV, for the upstream gradient that reaches the layer.

An *entry bound* R bounds the inputs of every layer: the larger, the larger the scores, and the higher the degree has to be.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig
from almostlinear.verify import plan
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.plan_inputs import Inputs
from benchmarks.measure import Target
from benchmarks.ours import ours

from . import text
from .cells import Cell, Experiment, Found, Say, number

F64 = torch.float64
SUMS = 1e-9
"""Relative rounding of binary64 sums over all tokens, far above what is seen: bounds are not asked to hold below it."""
COMPARED = 4
"""Degree by which profiles are compared."""


def measures(found: Tensor, true: Tensor) -> dict[str, float]:
    """Largest and relative error and the cosine."""
    off, size = found - true, float(true.norm())
    cosine = float((found * true).sum() / (found.norm() * true.norm()).clamp_min(1e-300))
    return {"max": float(off.abs().max()), "relative": float(off.norm()) / max(size, 1e-300), "cosine": cosine}


# -- the paper's model -----------------------------------------------------------------------------------------------------
class Bounded(nn.Module):
    """g(Z) = R tanh(Z W / R): entries within R, slope at most 1."""

    def __init__(self, weight: Tensor, limit: float) -> None:
        super().__init__()
        self.weight, self.limit = nn.Parameter(weight), limit

    def forward(self, z: Tensor) -> Tensor:
        return self.limit * torch.tanh(z @ self.weight / self.limit)


def orthogonal(make: torch.Generator, *shape: int) -> Tensor:
    """Orthonormal columns, (..., d, c) with c <= d."""
    return torch.linalg.qr(torch.randn(*shape, generator=make, dtype=F64)).Q


def tokens_of(given: dict[str, Any], make: torch.Generator) -> Tensor:
    """X (n, d) with entries within R: uniform, or bytes of real text by a table of random rows."""
    n, d, limit = given["n"], given["d"], given["entry_bound"]
    if given["source"] == "uniform":
        return limit * (2 * torch.rand(n, d, generator=make, dtype=F64) - 1)
    table = limit * (2 * torch.rand(256, d, generator=make, dtype=F64) - 1)
    return table[text.pieces(text.data()[0], n, 1, make)[0]]


def paper_model(given: dict[str, Any]) -> tuple[Tensor, Bounded, list[impl.AttentionLayer], impl.WeightedSum]:
    """X, g_0, the layers and the loss <C, T_m> of a cell."""
    make = torch.Generator().manual_seed(given["seed"])
    d, heads = given["d"], given["heads"]
    x = tokens_of(given, make)

    def weight() -> Tensor:
        return orthogonal(make, heads, d, d // heads)

    def after() -> Bounded:
        return Bounded(orthogonal(make, d, d), given["entry_bound"])

    first = after()
    layers = [impl.AttentionLayer(weight(), weight(), weight(), after()) for _ in range(given["layers"])]
    return x, first, layers, impl.WeightedSum(torch.randn(x.shape, generator=make, dtype=F64) / len(x))


def exact_gradients(
    x: Tensor,
    first: Bounded,
    layers: list[impl.AttentionLayer],
    loss: impl.WeightedSum,
    given: dict[str, Any],
    tau: float,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """By autograd through softmax attention: dL/dX, and for each layer those by its input and weights."""
    x = x.clone().requires_grad_()
    t, leaves = first(x), list[dict[str, Tensor]]()
    for layer in layers:
        named = {"query": layer.query, "key": layer.key, "value": layer.value}
        weights = {name: w.clone().requires_grad_() for name, w in named.items()}
        query, key, value = (t.unsqueeze(-3) @ w for w in weights.values())
        out = scaled_dot_product_attention(query, key, value, is_causal=given["causal"], scale=tau)
        z = out.transpose(-3, -2).flatten(-2)
        z = z + t if given["residual"] else z
        leaves.append({"input": t, **weights, "after": layer.after.get_parameter("weight")})
        t = layer.after(z) + z if given["residual"] else layer.after(z)
    flat = [x, *(leaf for layer in leaves for leaf in layer.values())]
    by_x, *others = torch.autograd.grad(loss(t), flat)
    rest = iter(others)
    return by_x, [{name: next(rest) for name in layer} for layer in leaves]


def norms(
    made: impl.ModelGradients, layers: list[impl.AttentionLayer], first: Bounded, given: dict[str, Any], tau: float
) -> Inputs:
    """What the theorem needs, measured on the model, rounded up."""

    def up(value: float) -> Fraction:
        return Fraction(max(value, 1e-12) * (1 + SUMS))

    entries, maps = [float(first.limit)], (first, *(layer.after for layer in layers))
    for t, layer in zip(made.states, layers, strict=False):
        weight = layer.query @ layer.key.mT
        entries += [float(y.abs().max()) for y in (t, t @ weight, t @ weight.mT)]
    total = float(made.output.abs().sum())
    return Inputs(
        n=given["n"], d=given["d"], layers=len(layers), heads=given["heads"], entry_bound=up(max(entries)), scale=Fraction(tau),
        score_range=up(max(g.plan.bound for g in made.layers)),
        value_norm=up(max(float(layer.value.abs().sum(-2).max()) for layer in layers)),
        mlp_norm=up(max(float(g.get_parameter("weight").detach().abs().sum(0).max()) for g in maps)),
        gradient=up(total / (given["n"] * given["d"])), residual=given["residual"], causal=given["causal"],
    )  # fmt: skip


def explicit_bound(given: Inputs, row_error: float, layers: list[impl.AttentionLayer]) -> dict[str, float]:
    """The theorem's bounds on the largest error of an entry of dL/dX, of each layer's dL/dW_Q, dL/dW_K and dL/dW_V."""
    if math.isinf(row_error):
        return dict.fromkeys(("input", "query", "key", "value"), math.inf)
    with precision(plan.BITS):
        by_output = {name: float(value.upper()) * row_error for name, value in plan.factors(given).by_output.items()}
    # dL/dW_Q = (dL/dW) W_K, dL/dW_K = (dL/dW)^T W_Q.
    key, query = (
        max(float(w.abs().sum(-2).max()) for w in each)
        for each in zip(*((a.key, a.query) for a in layers), strict=True)
    )
    weight = by_output["dL/dW"]
    return {"input": by_output["dL/dX"], "query": weight * key, "key": weight * query, "value": by_output["dL/dW_V"]}


def run_layers(given: dict[str, Any], say: Say) -> Found:
    """Every degree of a cell on the paper's model."""
    x, first, layers, loss = paper_model(given)
    tau = given["heads"] / given["d"]
    by_x, true = exact_gradients(x, first, layers, loss, given, tau)
    found = []
    for degree in given["degrees"]:
        say(f"degree {degree}")
        try:
            made = impl.multi_gradient(
                x, first, layers, loss, residual=given["residual"], forward="exact", degree=degree, scale=tau, is_causal=given["causal"]
            )  # fmt: skip
        except impl.DegreeError as error:
            found.append({"degree": degree, "refused": str(error)})
            continue
        row_error = max(g.plan.row_error for g in made.layers)
        each = [
            {
                name: measures(getattr(g, name) if name != "after" else g.after[0], value.detach())
                for name, value in layer.items()
            }
            for g, layer in zip(made.layers, true, strict=True)
        ]
        bound = explicit_bound(norms(made, layers, first, given, tau), row_error, layers)
        found.append({
            "degree": degree, "rank": made.layers[0].plan.rank, "range": max(g.plan.bound for g in made.layers), "row_error": row_error,
            "dX": measures(made.input, by_x), "size": float(by_x.abs().max()), "layers": each, "bound": bound,
            "largest": {name: max(float(layer[name].abs().max()) for layer in true) for name in ("query", "key", "value")},
        })  # fmt: skip
    return {"degrees": found}


# -- a transformer ---------------------------------------------------------------------------------------------------------
def transformer(given: dict[str, Any]) -> tuple[AlmostLinearTransformer, Tensor]:
    """The exact model with weights ``sharper`` than at the start, in float64, and its tokens."""
    torch.manual_seed(given["seed"])
    make = torch.Generator().manual_seed(given["seed"])
    n = given["n"]
    config = TransformerConfig(
        vocabulary=256,
        width=given["d"],
        heads=given["heads"],
        layers=given["layers"],
        max_length=n,
        attention="exact",
        is_causal=given["causal"],
    )
    model = AlmostLinearTransformer(config).double()
    with torch.no_grad():
        for layer in model.blocks:
            layer.attention.into_heads.weight *= given["sharper"]
            layer.attention.out.weight *= given["sharper"]
    real = given["source"] == "text"
    return model, text.pieces(text.data()[0], n + 1, 1, make) if real else torch.randint(
        256, (1, n + 1), generator=make
    )


def run_transformer(given: dict[str, Any], say: Say) -> Found:
    """Every degree of a cell on a transformer: gradients by all weights, and each layer's attention by itself against its certificate."""
    model, tokens = transformer(given)
    names = [name for name, _ in model.named_parameters()]

    def gradients(of: AlmostLinearTransformer) -> tuple[Tensor, ...]:
        loss = cross_entropy(of(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        return torch.autograd.grad(loss, list(of.parameters()))

    inside = attention_inputs(model, tokens)
    true, found = gradients(model), []
    for degree in given["degrees"]:
        say(f"degree {degree}")
        try:
            made = gradients(model.with_attention("almost_linear", degree=degree, backend="monomials"))
        except impl.DegreeError as error:
            found.append({"degree": degree, "refused": str(error)})
            continue
        flat, flat_true = (torch.cat([g.flatten() for g in side]) for side in (made, true))
        parts = {name: measures(a, b) for name, a, b in zip(names, made, true, strict=True) if ".attention." in name}
        local = [against_certificate(model.config, degree, *each) for each in inside]
        found.append({"degree": degree, "all": measures(flat, flat_true), "weights": parts, "attention": local})
    return {"degrees": found}


def attention_inputs(model: AlmostLinearTransformer, tokens: Tensor) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Queries, keys, values of each layer, and the gradient that reaches its attention's output, of the exact model."""
    kept: list[list[Tensor]] = []

    def before(attention: Any, given: tuple[Tensor, ...]) -> None:
        kept.append([x.detach() for x in attention.heads(given[0])])

    hooks = [layer.attention.register_forward_pre_hook(before) for layer in model.blocks]
    outputs: list[Tensor] = []
    hooks += [
        layer.attention.out.register_forward_pre_hook(lambda _, given: outputs.append(given[0]))
        for layer in model.blocks
    ]
    loss = cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    for hook in hooks:
        hook.remove()
    upstreams = torch.autograd.grad(loss, outputs)
    heads = model.config.heads
    return [
        (q, k, v, g.unflatten(-1, (heads, -1)).transpose(-3, -2)) for (q, k, v), g in zip(kept, upstreams, strict=True)
    ]


def against_certificate(
    config: TransformerConfig, degree: int, query: Tensor, key: Tensor, value: Tensor, upstream: Tensor
) -> dict[str, Any]:
    """Errors of one attention and its gradients beside the bounds of `certify`, truncation and rounding added."""
    causal, scale = config.is_causal, config.score_scale
    leaves = q, k, v = [x.clone().requires_grad_() for x in (query, key, value)]

    def all_of(out: Tensor) -> tuple[Tensor, ...]:
        return (out.detach(), *torch.autograd.grad(out, leaves, upstream))

    true = all_of(scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale))
    made = all_of(ours(degree, scale, causal)(q, k, v))
    known = impl.certify(query, key, value, upstream, is_causal=causal, scale=scale, degree=degree, backend="monomials")
    shown: dict[str, Any] = {
        "range": known.range_shifted,
        "row_error": math.inf if known.row_error is None else known.row_error,
    }
    for name, a, b in zip(("output", "query", "key", "value"), made, true, strict=True):
        bounds = [getattr(part, name) for part in (known.truncation, known.rounding) if part is not None]
        shown[name] = {**measures(a, b), "bound": sum(bounds) if bounds else math.inf, "size": float(b.abs().max())}
    return shown


# -- the experiment --------------------------------------------------------------------------------------------------------
def run(given: dict[str, Any], say: Say) -> Found:
    return (run_layers if given["model"] == "layers" else run_transformer)(given, say)


def ratios(record: Found) -> list[float]:
    """Error over bound, wherever there is a finite bound; errors that rounding of the reference explains count as 0."""
    made = []
    for one in record["found"]["degrees"]:
        if "bound" in one:
            sizes = {"input": one["size"], **one["largest"]}
            errors = {name: max(layer[name]["max"] for layer in one["layers"]) for name in ("query", "key", "value")}
            errors["input"] = one["dX"]["max"]
            made += [ratio(errors[name], number(one["bound"][name]), sizes[name]) for name in errors]
        for layer in one.get("attention", ()):
            made += [
                ratio(layer[k]["max"], number(layer[k]["bound"]), layer[k]["size"])
                for k in ("output", "query", "key", "value")
            ]
    return made


def ratio(error: float, bound: float, size: float) -> float:
    return 0.0 if math.isinf(bound) else max(0.0, error - SUMS * size) / bound


def falls(record: Found) -> bool:
    """Whether the relative error falls with the degree, by 100 at least from the lowest to the highest that was not refused."""
    errors = [(one.get("dX") or one["all"])["relative"] for one in record["found"]["degrees"] if "refused" not in one]
    return len(errors) > 1 and errors[-1] < max(errors[0] / 100, 1e-12)


def targets(records: list[Found]) -> list[Target]:
    found = [x for r in records for x in ratios(r)]
    standing = [r["name"] for r in records if not falls(r)]
    return [
        Target("largest error / bound", max(found), 1.0, None, smaller=True, note=f"{len(found)} bounds in {len(records)} cells"),
        Target("cells whose error does not fall a hundredfold with the degree", len(standing), 0, None, smaller=True,
               note=", ".join(standing)),
    ]  # fmt: skip


def figures(found: Found) -> dict[str, float]:
    one = next((o for o in found["degrees"] if o["degree"] == COMPARED and "refused" not in o), None)
    if one is None:
        return {}
    return {
        f"log10 of the relative error, degree {COMPARED}": math.log10(
            max((one.get("dX") or one["all"])["relative"], 1e-17)
        )
    }


DEGREES = (1, 2, 3, 4, 6, 8)
PLAIN: dict[str, Any] = {
    "n": 128,
    "d": 8,
    "layers": 2,
    "heads": 2,
    "entry_bound": 1.0,
    "causal": False,
    "residual": False,
    "source": "uniform",
}
MODEL: dict[str, Any] = {"n": 128, "d": 16, "layers": 2, "heads": 4, "sharper": 4.0, "causal": True, "source": "text"}


def cells() -> list[Cell]:
    """One quantity at a time is changed from a plain cell; full: more seeds, larger sizes."""
    made = list[Cell]()

    def add(model: str, plain: dict[str, Any], quick: bool, seed: int = 0, **changed: Any) -> None:
        given = {"model": model, **plain, **changed, "degrees": list(DEGREES), "seed": seed, "text": text.fingerprint()}
        words = ", ".join(
            f"{k.replace('_', ' ')} {v:g}" if not isinstance(v, (bool, str)) else str(k if v is True else v)
            for k, v in changed.items()
        )
        made.append(Cell(f"{model}: {words or 'plain'}, seed {seed}", given, quick))

    for seed in range(3):
        for limit in (0.5, 1.0, 1.5, 2.0):
            add("layers", PLAIN, seed == 0, seed, entry_bound=limit)
        add("layers", PLAIN, seed == 0, seed, source="text")
        add("layers", PLAIN, seed == 0, seed, causal=True, residual=True)
        add("layers", PLAIN, seed == 0, seed, layers=4)
        add("layers", PLAIN, seed == 0, seed, heads=1, n=64)
        add("layers", PLAIN, False, seed, layers=8)
        add("layers", PLAIN, False, seed, heads=4, source="text", n=512)
        add("layers", PLAIN, False, seed, d=16, heads=8, layers=4)
        for sharper in (2.0, 4.0, 8.0):
            add("transformer", MODEL, seed == 0, seed, sharper=sharper)
        add("transformer", MODEL, seed == 0, seed, causal=False, source="uniform")
        add("transformer", MODEL, False, seed, layers=8, heads=4)
        add("transformer", MODEL, False, seed, n=512, heads=8, d=32)
    for n in (512, 1024, 2048, 4096):
        add("layers", PLAIN, False, 0, n=n)
        add("transformer", MODEL, False, 0, n=n)
    return made


EXPERIMENT = Experiment(
    name="gradients",
    question="How far are almost-linear gradients from exact ones, and what do the bounds say?",
    version=2, cells=cells, run=run, figures=figures, targets=targets,
)  # fmt: skip
