"""benchmarks/gpu.py at toy size: all of it runs without a GPU, the kernels interpreted, and its errors are those of the torch path."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
ROOT = Path(__file__).resolve().parents[2]


def run(*options):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *options], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def test_toy(tmp_path):
    out = tmp_path / "gpu.json"
    done = run("--toy", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["toy"] and not result["left_out"] and "without meaning" in done.stdout
    assert {row["program"] for row in result["programs"]} == {"moments", "values", "slopes"}
    assert len(result["cases"]) == 2
    for row in result["cases"]:
        fused, plain = (row["jobs"][name]["errors"] for name in ("fused", "torch"))
        assert fused == pytest.approx(plain, rel=1e-3)
        assert all(0 < error < 0.1 for error in fused)


def test_a_spent_budget_is_told(tmp_path):
    out = tmp_path / "gpu.json"
    done = run("--toy", "--budget", "0", "--out", str(out))
    result = json.loads(out.read_text(encoding="utf-8"))
    assert done.returncode == 0 and not result["cases"] and len(result["left_out"]) == 4
    assert done.stdout.count("left out") == 4


def test_without_a_device_it_says_what_to_do():
    import torch

    if torch.cuda.is_available():
        pytest.skip("a CUDA device is there")
    done = run()
    assert done.returncode == 2 and "--toy" in done.stdout
