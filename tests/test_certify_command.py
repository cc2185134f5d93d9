"""almostlinear certify: files in, a verdict, errors and an exit code out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.commands import certifying

assert certifying.certify  # registers the command
RUNNER = CliRunner()
RNG = np.random.default_rng(0)


def tensors(size: float = 0.5, n: int = 200, d: int = 4) -> dict[str, np.ndarray]:
    return {name: (RNG.uniform(-1, 1, (n, d)) * size).astype("float32") for name in ("q", "k", "v", "grad")}


def run(*arguments: object) -> tuple[int, str, str]:
    found = RUNNER.invoke(app, ["certify", *map(str, arguments)])
    return found.exit_code, found.stdout, found.stderr


def stored(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "head.npz", **arrays)
    return folder / "head.npz"


def test_inside_the_regime(tmp_path: Path) -> None:
    code, out, _ = run(stored(tmp_path, **tensors()), "--eps", "1e-3", "--json")
    found = json.loads(out)["certify"]
    assert code == 0 and found["guaranteed"] and found["row_error"] <= 1e-3
    assert all(0 < found["truncation"][part] < 1 for part in ("output", "query", "key", "value"))
    code, out, _ = run(stored(tmp_path, **tensors()))
    assert code == 0 and "guaranteed" in out and "dL/dQ" in out and "after exact shifts" in out


def test_outside_the_regime(tmp_path: Path) -> None:
    code, out, _ = run(stored(tmp_path, **tensors(size=8.0, n=300, d=32)), "--json")
    found = json.loads(out)["certify"]
    assert code == 1 and not found["guaranteed"] and found["verdict"].startswith("not guaranteed: ")


def test_without_values_rows_alone_are_certified(tmp_path: Path) -> None:
    arrays = tensors()
    code, out, _ = run(stored(tmp_path, query=arrays["q"], key=arrays["k"]), "--json", "--causal", "--scale", "0.2")
    found = json.loads(out)["certify"]
    assert code == 0 and found["guaranteed"] and found["truncation"] is None


def test_masks(tmp_path: Path) -> None:
    arrays = tensors()
    seen = np.arange(200) < 150
    arrays["k"][150:] = 1e4
    code, _, _ = run(stored(tmp_path, **arrays, mask=seen))
    assert code == 0
    assert run(stored(tmp_path, **arrays))[0] == 1


def test_safetensors(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    save({name: torch.from_numpy(x) for name, x in tensors().items()}, tmp_path / "head.safetensors")
    assert run(tmp_path / "head.safetensors", "--backend", "monomials")[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.npz", None, "no such file"),
        ("head.txt", b"x", "unknown kind of file '.txt'"),
        ("head.npz", b"not an archive", "cannot be read as .npz"),
        ("head.npz", {"k": np.ones((2, 2))}, "no tensor q or query; it has k"),
        (
            "head.npz",
            {"q": np.ones((2, 2)), "query": np.ones((2, 2)), "k": np.ones((2, 2))},
            "q and query are both there",
        ),
        ("head.npz", {"q": np.ones((2, 3)), "k": np.ones((2, 2))}, "width of key is 2"),
        ("head.npz", {"q": np.ones((2, 2), int), "k": np.ones((2, 2), int)}, "dtype of query"),
        ("head.npz", {"q": np.full((2, 2), np.nan), "k": np.ones((2, 2))}, "NaN"),
        ("head.npz", {"q": np.ones((2, 2)), "k": np.ones((2, 2)), "grad": np.ones((2, 2))}, "grad without v"),
    ],
)
def test_bad_files_are_said(tmp_path: Path, name: str, content: object, words: str) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(file, **content)
    code, out, err = run(file)
    assert code == 2 and words in err and not out and "Traceback" not in err
