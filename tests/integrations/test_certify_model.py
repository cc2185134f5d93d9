"""almostlinear certify --model: tiny models saved here, inside the regime at random initialisation and outside of it when scaled up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'almostlinear[hf]'")

from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    MistralConfig,
    MistralModel,
)

from almostlinear.cli import app
from almostlinear.impl import InputError, almost_linear_attention, feature_count, kernel_error, softmax_error
from almostlinear.impl.integrations.heads import certify_heads, served_range

SIZES: dict[str, Any] = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}


def model(kind: str, scale: float = 1.0) -> Any:
    """Queries and keys of random weights, times ``scale``."""
    torch.manual_seed(0)
    if kind == "bert":
        made = BertModel(BertConfig(**SIZES, intermediate_size=24))
        layers = [x for layer in made.encoder.layer for x in (layer.attention.self.query, layer.attention.self.key)]
    elif kind == "llama":
        made = LlamaModel(LlamaConfig(**SIZES, intermediate_size=24, num_key_value_heads=2))
        layers = [x for layer in made.layers for x in (layer.self_attn.q_proj, layer.self_attn.k_proj)]
    else:
        made = GPT2Model(GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=4))
        layers = [layer.attn.c_attn for layer in made.h]
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(scale)
    return made


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["certify", *map(str, arguments)])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_inside_and_outside(tmp_path: Path, kind: str) -> None:
    model(kind).save_pretrained(tmp_path / "small")
    found = run("--model", tmp_path / "small", "--json", "--tokens", 96)
    assert found.exit_code == 0, found.output
    data = json.loads(found.stdout)["certify"]
    heads = data["heads"]
    assert [(h["layer"], h["head"]) for h in heads] == [(i, j) for i in range(2) for j in range(4)]
    assert all(
        h["guaranteed"] and h["saves"] and h["row_error"] <= 1e-3 and h["verdict"] == "guaranteed" for h in heads
    )
    assert all(h["is_causal"] == (kind != "bert") and h["tokens"] == 96 and h["d"] == 4 for h in heads)
    assert "8 of 8 heads are guaranteed" in data["summary"][0] and data["text"] == "tokens drawn with seed 0"

    model(kind, 60.0 if kind == "gpt2" else 500.0).save_pretrained(tmp_path / "large")
    found = run("--model", tmp_path / "large", "--json", "--tokens", 96)
    assert found.exit_code == 1, found.output
    data = json.loads(found.stdout)["certify"]
    outside = [h for h in data["heads"] if not h["guaranteed"]]
    assert outside and all(h["excess"] > 1 and h["verdict"].startswith("outside the regime") for h in outside)
    assert any("outside the regime" in said for said in data["summary"])
    shown = run("--model", tmp_path / "large", "--tokens", 96)
    assert shown.exit_code == 1 and "outside the regime" in " ".join(shown.stdout.split()), shown.stdout


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_what_is_reported_holds(kind: str) -> None:
    """Ranges and row errors against the attention weights themselves, in float64."""
    made, ids, scores = model(kind, 8.0), torch.arange(40)[None] % 64, []
    from almostlinear.impl.integrations import heads as module

    honest = module._head

    def kept(layer: int, head: int, q: Any, k: Any, v: Any, causal: bool, scale: Any, eps: float) -> Any:
        scores.append((q.double(), k.double(), causal, scale))
        return honest(layer, head, q, k, v, causal, scale, eps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_head", kept)
        found = certify_heads(made, ids)
    assert len(found) == len(scores) == 8 and any(h.guaranteed for h in found)
    identity = torch.eye(40, dtype=torch.float64)[None]
    for head, (q, k, causal, scale) in zip(found, scores, strict=True):
        assert (q @ k.mT * scale).abs().max() <= head.range_given
        shifted = (q - q.mean(-2, keepdim=True)) @ (k - k.mean(-2, keepdim=True)).mT * scale
        assert shifted.abs().max() <= head.range_shifted
        if head.guaranteed and head.backend is not None and head.row_error is not None:
            options = {"is_causal": causal, "scale": scale}
            true = scaled_dot_product_attention(q, k, identity, **options)
            ours = almost_linear_attention(q, k, identity, eps=1e-3, backend=head.backend, **options)
            assert (true - ours).abs().sum(-1).max() <= head.row_error + 1e-9


def test_the_model_keeps_its_attention_and_its_output() -> None:
    made, ids = model("llama").eval(), torch.arange(12)[None]
    before, name = made(ids)[0], made.config._attn_implementation
    certify_heads(made, ids)
    assert made.config._attn_implementation == name and (made(ids)[0] - before).abs().max() < 1e-6


@pytest.mark.parametrize(("d", "tokens"), [(4, 20), (32, 128), (64, 600)])
def test_the_range_served(d: int, tokens: int) -> None:
    """A polynomial with fewer features than tokens serves it, and none serves a little more."""
    b = served_range(1e-3, d, tokens)

    def serves(range_: float) -> bool:
        fit = [g for g in range(64) if feature_count(d, g) < tokens]
        return any(softmax_error(kernel_error(g, range_)) <= 1e-3 for g in fit)

    assert serves(b) and not serves(b * 1.001)


def test_a_model_that_cannot_be_served_is_said(tmp_path: Path) -> None:
    sliding = MistralModel(MistralConfig(**SIZES, intermediate_size=24, num_key_value_heads=2, sliding_window=8))
    sliding.save_pretrained(tmp_path)
    found = run("--model", tmp_path)
    assert found.exit_code == 2 and "sliding windows" in found.stderr and "Traceback" not in found.stderr
    with pytest.raises(InputError, match="shape of input_ids"):
        certify_heads(model("bert"), torch.zeros(2, 5, dtype=torch.long))


def test_bad_paths_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"x")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    (tmp_path / "x.gguf").write_bytes(b"GGUFnothing")
    model("bert").save_pretrained(tmp_path / "good")
    text = tmp_path / "text.txt"
    text.write_text("some words")
    for arguments, words in (
        (["--model", tmp_path / "nowhere"], "no such file or folder"),
        (["--model", tmp_path / "empty"], "no config.json"),
        (["--model", tmp_path / "model.onnx"], "unknown kind of file '.onnx'"),
        (["--model", broken], "transformers cannot read this model"),
        (["--model", tmp_path / "x.gguf"], "x.gguf: "),
        (["--model", tmp_path / "good", "--text", text], "no tokenizer beside the model"),
        (["--model", tmp_path / "good", "--text", tmp_path / "none.txt"], "none.txt: no such file"),
        (["--model", tmp_path / "good", "--causal"], "leave them out with --model"),
        (["--model", tmp_path / "good", "--eps", "3"], "between 0 and 2"),
        (["--model", tmp_path / "good", text], "one of the two"),
        ([], "one of the two"),
    ):
        found = run(*arguments)
        assert found.exit_code == 2 and words in found.stderr, (arguments, found.output)
        assert not found.stdout and "Traceback" not in found.stderr


def test_text_is_read_where_there_is_a_tokenizer(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model("bert").save_pretrained(tmp_path)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "of": 2, "origin": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(tmp_path)
    data = json.loads(run("--model", tmp_path, "--json").stdout)["certify"]
    assert data["tokens"] == 128 and "Darwin" in data["text"]
    (tmp_path / "own.txt").write_text("the origin of the species")
    data = json.loads(run("--model", tmp_path, "--json", "--text", tmp_path / "own.txt").stdout)["certify"]
    assert data["tokens"] == 5 and data["text"].endswith("own.txt")
