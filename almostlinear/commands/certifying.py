"""The command certify: what almost-linear attention guarantees for tensors in a file, or for the heads of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .certifying_models import TOKENS
from .common import FAILED, JsonOption, app, bad, emit

NAMES = {
    "query": ("q", "query"),
    "key": ("k", "key"),
    "value": ("v", "value"),
    "upstream": ("grad", "g", "upstream"),
    "attn_mask": ("mask", "attn_mask"),
}
"""What each tensor may be called in a file."""


@app.command(
    epilog="Example: almostlinear certify head.npz --eps 1e-3. Tensors: q (..., n, d), k (..., m, d), and if they are there v (..., m, e), "
    "grad (..., n, e) and mask (..., m). Of a model: almostlinear certify --model FOLDER, every head on a text."
)
def certify(
    file: Annotated[
        Path | None, typer.Argument(help="A .npz or .safetensors file with q, k and, if known, v, grad, mask.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Instead: a folder or file of weights in Hugging Face format, or .gguf.", metavar="PATH"),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(help="What the model reads; a page of English by default.", metavar="FILE")
    ] = None,
    tokens: Annotated[int, typer.Option(help="Of the text, at most.", min=2)] = TOKENS,
    seed: Annotated[int, typer.Option(help="Of the tokens, where the model has no tokenizer.", min=0)] = 0,
    eps: Annotated[
        float | None, typer.Option(help="l1 error allowed to every row of weights; 1e-3 by default.")
    ] = None,
    degree: Annotated[int | None, typer.Option(help="Of the polynomial, instead of the least for eps.", min=0)] = None,
    scale: Annotated[float | None, typer.Option(help="Of the scores; 1/sqrt(d) by default.")] = None,
    causal: Annotated[bool, typer.Option("--causal", help="A causal mask.")] = False,
    backend: Annotated[str, typer.Option(help="auto, monomials or adaptive.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Say which degree and rank the tensors in a file need, and which error is guaranteed, or that none is (exit code 1)."""
    if (file is None) == (model is None):
        bad("certify takes a file of tensors or --model PATH, one of the two")
    if model is not None:
        if degree is not None or scale is not None or causal or backend != "auto":
            bad("--degree, --scale, --causal and --backend are the model's own: leave them out with --model")
        _certify_model(model, text, tokens, seed, eps, as_json)
        return
    assert file is not None
    tensors_of(file, degree, eps, scale, causal, backend, as_json)


def _certify_model(model: Path, text: Path | None, tokens: int, seed: int, eps: float | None, as_json: bool) -> None:
    from . import certifying_models

    if eps is not None and not 0 < eps < 2:
        bad(f"--eps {eps:g}: use a number between 0 and 2, the l1 distance of two rows that have nothing in common")
    heads, about = certifying_models.heads_of(model, text, tokens, seed, eps)
    if as_json:
        said = certifying_models.summary(heads, about)
        emit({"certify": {**about, "summary": said, "heads": [h.to_json() for h in heads]}})
    else:
        certifying_models.show(heads, about)
    if not all(h.guaranteed for h in heads):
        raise typer.Exit(FAILED)


def tensors_of(
    file: Path,
    degree: int | None,
    eps: float | None,
    scale: float | None,
    causal: bool,
    backend: str,
    as_json: bool,
) -> None:
    """Certify the tensors of a file and show what was found."""
    tensors = read(file)
    from almostlinear import impl

    has_value = "value" in tensors
    if not has_value and "upstream" in tensors:
        bad(f"{file}: grad without v; add the values, or leave out grad")
    tensors.setdefault("value", tensors["key"][..., :1] * 0)
    options: dict[str, Any] = {"is_causal": causal, "scale": scale, "degree": degree, "eps": eps, "backend": backend}
    try:
        found = impl.certify(**tensors, **options).to_json()
    except (impl.InputError, TypeError) as error:
        bad(f"{file}: {error}")
    if not has_value:  # nothing is known of the output
        found |= {"truncation": None, "rounding": None}
    if as_json:
        emit({"certify": {"file": str(file), **found}})
    else:
        _show(found)
    if not found["guaranteed"]:
        raise typer.Exit(FAILED)


def read(file: Path) -> dict[str, Any]:
    """The tensors of a file by the names of ``almost_linear_attention``; says what is wrong and exits where it cannot be read."""
    if not file.is_file():
        bad(f"{file}: no such file")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if file.suffix not in readers:
        bad(f"{file}: unknown kind of file {file.suffix!r}; use .npz or .safetensors")
    stored = readers[file.suffix](file)
    found = {}
    for name, called in NAMES.items():
        present = [x for x in called if x in stored]
        if len(present) > 1:
            bad(f"{file}: {' and '.join(present)} are both there; keep one of them")
        if present:
            found[name] = stored[present[0]]
    for name in ("query", "key"):
        if name not in found:
            bad(f"{file}: no tensor {' or '.join(NAMES[name])}; it has {', '.join(sorted(stored)) or 'none'}")
    return found


def _read_npz(file: Path) -> dict[str, Any]:
    import zipfile

    import numpy as np
    import torch

    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        bad(f"{file}: cannot be read as .npz: {error}")


def _read_safetensors(file: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError:
        bad(
            "reading .safetensors needs the package safetensors: pip install 'almostlinear[real]', or store the tensors as .npz"
        )
    try:
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        bad(f"{file}: cannot be read as .safetensors: {error}")


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    from almostlinear.terminal import out

    table = Table(show_header=False, box=None)
    rows = [
        ("verdict", found["verdict"]),
        ("tokens, features", f"{found['n']} queries, {found['m']} keys, {found['d']} features, {found['dtype']}"),
        ("largest entry", f"{found['largest_entry']:.6g}"),
        ("range of scores", f"{found['range_given']:.6g}, after exact shifts {found['range_shifted']:.6g}"),
    ]
    if found["rank"] is not None:
        rows.append(("needs", f"{found['backend']}, degree {found['degree']}, rank {found['rank']}"))
        rows.append(("row error (l1)", f"{float(found['row_error']):.3g}"))
    for part, name in (("output", "output"), ("query", "dL/dQ"), ("key", "dL/dK"), ("value", "dL/dV")):
        if found["truncation"] and found["truncation"][part] is not None:
            parts = [float(found[kind][part]) for kind in ("truncation", "rounding")]
            rows.append((f"error of {name}", f"{parts[0]:.3g} truncation + {parts[1]:.3g} rounding"))
    for row in rows:
        table.add_row(*row)
    out.print(table)
