"""``almostlinear certify --model``: every head of a model in Hugging Face format on a text."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

from .common import bad

TOKENS = 128
KINDS = (".safetensors", ".bin", ".gguf")


def heads_of(
    path: Path, text: Path | None, tokens: int, seed: int, eps: float | None
) -> tuple[list[Any], dict[str, Any]]:
    """The heads of the model at ``path``, and what they were measured on; says what is wrong and exits where they cannot be had."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # the readers' own bars; read when tqdm is imported
    try:
        import transformers
        from transformers.utils import logging

        from almostlinear.impl import InputError
        from almostlinear.impl.integrations.heads import certify_heads
    except ImportError as error:
        bad(f"--model needs transformers: pip install 'almostlinear[hf]' ({error})")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = _place(path)
    model = _load(transformers.AutoModel, path, place, {"dtype": "float32"})
    ids, source = _tokens(transformers, model, path, place, text, tokens, seed)
    from almostlinear import terminal

    total = getattr(model.config, "num_hidden_layers", 0) * getattr(model.config, "num_attention_heads", 0)
    try:
        with terminal.progress("certifying") as bar:
            task = bar.add_task("certifying", total=total or None)
            heads = certify_heads(model, ids, 1e-3 if eps is None else eps, lambda head: bar.update(task, advance=1))
    except InputError as error:
        bad(f"{path}: {error}")
    about = {
        "model": str(path),
        "architecture": type(model).__name__,
        "eps": 1e-3 if eps is None else eps,
        "tokens": ids.shape[1],
        "text": source,
        "weights": "quantised (GGUF), as dequantised by transformers" if place[1] else "as stored, in float32",
    }
    return heads, about


def _place(path: Path) -> tuple[Path, str | None]:
    """The folder of the model, and the name of its GGUF file if it is one."""
    if path.is_file():
        if path.suffix not in KINDS:
            bad(f"{path}: unknown kind of file {path.suffix!r}; use a folder or one of {', '.join(KINDS)}")
        folder, gguf = path.parent, path.name if path.suffix == ".gguf" else None
    elif path.is_dir():
        files = sorted(path.glob("*.gguf"))
        gguf = files[0].name if len(files) == 1 and not (path / "config.json").is_file() else None
        folder = path
    else:
        bad(f"{path}: no such file or folder; models are read from this machine alone")
    if gguf is None and not (folder / "config.json").is_file():
        bad(f"{folder}: no config.json; --model takes a model in Hugging Face format, or a .gguf file")
    return folder, gguf


def _load(kind: Any, path: Path, place: tuple[Path, str | None], options: dict[str, Any]) -> Any:
    folder, gguf = place
    if gguf:
        options = options | {"gguf_file": gguf}
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except ImportError as error:
        bad(f"{path}: {_first_line(error)}; pip install 'almostlinear[hf]'")
    except Exception as error:  # transformers raises whatever its readers do
        bad(f"{path}: transformers cannot read this model: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _tokens(
    transformers: Any, model: Any, path: Path, place: tuple[Path, str | None], text: Path | None, count: int, seed: int
) -> tuple[Any, str]:
    """Token numbers (1, n), n <= count, and where they come from."""
    import torch

    longest = getattr(model.config, "max_position_embeddings", None) or count
    count = min(count, longest)
    if text is not None and not text.is_file():
        bad(f"{text}: no such file")
    if place[1] is None and not any((place[0] / name).is_file() for name in TOKENIZERS):
        if text is not None:
            bad(f"{path}: no tokenizer beside the model, which --text needs; leave it out to have tokens drawn")
        make = torch.Generator().manual_seed(seed)
        return torch.randint(model.config.vocab_size, (1, count), generator=make), f"tokens drawn with seed {seed}"
    tokenizer = _load(transformers.AutoTokenizer, path, place, {})
    default = resources.files("almostlinear") / "commands" / "sample.txt"
    words = (default if text is None else text).read_text(encoding="utf-8")
    ids = tokenizer(" ".join(words.split()), return_tensors="pt", truncation=True, max_length=count)["input_ids"]
    if ids.shape[1] < 2:
        bad(f"{text}: {ids.shape[1]} tokens; give a text of at least 2")
    return ids[:, :count], "Darwin, On the Origin of Species, first paragraph" if text is None else str(text)


TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


def summary(heads: list[Any], about: dict[str, Any]) -> list[str]:
    """What the table says, in sentences."""
    eps, n = about["eps"], about["tokens"]
    good = [h for h in heads if h.guaranteed]
    said = [f"{len(good)} of {len(heads)} heads are guaranteed eps = {eps:g} on {n} tokens ({about['text']})"]
    if any(not h.saves for h in good):
        said.append(
            f"{sum(not h.saves for h in good)} of these take no fewer features than tokens: exact attention is cheaper"
        )
    outside = sorted((h for h in heads if not h.guaranteed), key=lambda h: h.excess)
    if not outside:
        return said
    least, most, middle = outside[0], outside[-1], outside[len(outside) // 2]
    said.append(
        f"{len(outside)} heads are outside the regime: their scores reach {min(h.range_shifted for h in outside):.3g} to "
        f"{max(h.range_shifted for h in outside):.3g} after exact shifts, {least.excess:.3g} to {most.excess:.3g} times (median "
        f"{middle.excess:.3g}) the range {middle.served:.2g} that a polynomial with fewer features than tokens serves"
    )
    ranks = [h.rank for h in outside if h.rank is not None]
    beyond = sum(h.degree is None for h in outside)
    if ranks:
        said.append(
            f"the polynomials that would serve them have degree {min(h.degree for h in outside if h.degree is not None)} or more, "
            f"{min(ranks):.3g} features or more" + (f"; for {beyond} no degree up to 64 does" if beyond else "")
        )
    half = [h.adaptive for h in outside if h.adaptive is not None]
    met = sum(a.eps == eps for a in half)
    needs = [h.adaptive_needs for h in outside if h.adaptive_needs is not None]
    said.append(
        f"the adaptive backend with at most {n // 2} features certifies eps for {met} of these, "
        f"a larger error below 2 for {len(half) - met}, nothing for {len(outside) - len(half)}"
    )
    enough = f"for eps it takes {min(needs)} to {max(needs)} features" if needs else ""
    if len(needs) < len(outside):
        none = f"for {len(outside) - len(needs)} heads not even {2 * n} features, all queries and keys as pivots, certify eps"
        enough = f"{enough}; {none}" if enough else none
    said.append(enough)
    return said


def show(heads: list[Any], about: dict[str, Any]) -> None:
    """A table of the heads, and the summary."""
    from rich.table import Table

    from almostlinear.terminal import out

    table = Table(box=None, pad_edge=False)
    for name in ("layer", "head"):
        table.add_column(name, justify="right")
    for name in ("range", "shifted", "degree", "rank", "excess"):
        table.add_column(name, justify="right")
    table.add_column("adaptive")
    table.add_column("verdict")
    for h in heads:
        table.add_row(
            str(h.layer),
            str(h.head),
            f"{h.range_given:.3g}",
            f"{h.range_shifted:.3g}",
            "> 64" if h.degree is None else str(h.degree),
            "" if h.rank is None else f"{h.rank:.3g}" if h.rank >= 1e6 else str(h.rank),
            f"{h.excess:.3g}",
            _adaptive(h),
            _certified(h),
        )
    out.print(table)
    out.print(f"{about['architecture']}, weights {about['weights']}", markup=False)
    for text in summary(heads, about):
        out.print(text, markup=False)


def _adaptive(head: Any) -> str:
    if head.adaptive is not None:
        return f"{head.adaptive.rank} at {head.adaptive.eps:g}"
    return "none" if head.adaptive_needs is None else f"{head.adaptive_needs} features"


def _certified(head: Any) -> str:
    if not head.guaranteed:
        return "outside"
    return f"{head.verdict} ({head.backend}, rank {head.certified_rank}, row error {head.row_error:.2g})"
