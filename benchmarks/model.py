"""One training step of a causal language model of 4 layers and 4 heads of 8 features, on exact and on almost-linear attention:
`python -m benchmarks.model [--small]`, results in benchmarks/results/model.json.

Both models have the same weights and the same tokens; a step is forward, backward and an optimiser's update, in float32 on one thread.
Exact attention runs on the fastest backend of SDPA.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import torch
from torch.nn.attention import sdpa_kernel

from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig
from almostlinear.impl.models.config import Attention

from .inputs import inputs
from .measure import Result, Table, Target, console, in_turns, ratio
from .peers import fastest_backend

VOCABULARY, HEADS, LAYERS, HEAD_WIDTH, DEGREE = 256, 4, 4, 8, 3
WIDER = 3.0
"""Times the weights of queries, keys and values at the start, where attention would hardly matter to the loss: max |scores| near 1."""


def model(length: int, attention: Attention, degree: int | None = None) -> AlmostLinearTransformer:
    """A model of the benchmark, the same for one seed whatever its attention."""
    torch.manual_seed(0)
    config = TransformerConfig(
        vocabulary=VOCABULARY, width=HEADS * HEAD_WIDTH, heads=HEADS, layers=LAYERS, max_length=length,
        attention=attention, degree=degree, backend="auto" if degree is None else "monomials",
    )  # fmt: skip
    made = AlmostLinearTransformer(config)
    with torch.no_grad():
        for layer in made.blocks:
            layer.attention.into_heads.weight *= WIDER
    return made


def step(trained: AlmostLinearTransformer, optimiser: torch.optim.Optimizer, tokens: torch.Tensor) -> float:
    """One update; the loss before it."""
    logits = trained(tokens[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def run(length: int, repeats: int) -> Result:
    """Times of a step and the losses of both models over the steps taken."""
    torch.set_num_threads(1)
    result = Result("model", {"n": length, "repeats": repeats, "degree": DEGREE, "seed": 0, "dtype": "float32"})
    tokens = torch.randint(VOCABULARY, (1, length + 1), generator=torch.Generator().manual_seed(1))
    backend = fastest_backend(inputs("spread", min(length, 4096), HEAD_WIDTH, heads=HEADS), is_causal=True)
    losses: dict[str, list[float]] = {"exact": [], "almost_linear": []}
    trained = {"exact": model(length, "exact"), "almost_linear": model(length, "almost_linear", DEGREE)}
    logits = {name: m(tokens[:, : min(length, 2048)]).detach() for name, m in trained.items()}
    off = float((logits["exact"] - logits["almost_linear"]).norm() / logits["exact"].norm())
    optimisers = {name: torch.optim.AdamW(m.parameters(), lr=1e-3) for name, m in trained.items()}

    def once(name: str) -> None:
        with sdpa_kernel([backend]):
            losses[name].append(step(trained[name], optimisers[name], tokens))

    times = in_turns({name: partial(once, name) for name in trained}, repeats, warm_up=False)
    found = ratio(times["exact"], times["almost_linear"])
    gap = max(abs(a - b) / a for a, b in zip(losses["exact"], losses["almost_linear"], strict=True))
    table = Table(
        f"a step of a causal model, n={length}",
        ["attention", "s", "losses"],
        note=f"logits at the start differ by {off:.1e}",
    )
    for name in trained:
        table.rows.append([name, statistics.median(times[name]), ", ".join(f"{x:.6f}" for x in losses[name])])
    note = "equal loss to 4 digits" if gap < 5e-5 else "the losses differ in the first 4 digits"
    result.tables.append(table)
    what = f"step of a causal 4-layer, 4-head model, n={length}, against SDPA ({backend.name})"
    result.targets.append(Target(what, found.value, 5.0, 20.0, found.low, found.high, error=gap, note=note))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="512 tokens, nothing is written")
    small, out = parser.parse_args().small, console()
    result = run(512, 1) if small else run(16384, 2)
    result.show(out)
    if not small:
        out.print(f"written to {result.write()}")


if __name__ == "__main__":
    main()
