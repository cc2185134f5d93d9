"""Models of transformers at random initialisation with attn_implementation="almost_linear" against the same weights with "sdpa"."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'almostlinear[hf]'")

from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    AttentionInterface,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from almostlinear.impl import InputError, certify
from almostlinear.impl.integrations import huggingface

TINY: dict[str, Any] = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"bos_token_id": 1, "eos_token_id": None, "pad_token_id": 0}
EPS = 1e-6


def llama(**more: Any) -> Any:
    return LlamaForCausalLM(LlamaConfig(**TINY, intermediate_size=48, num_key_value_heads=2, **TOKENS, **more))


def gpt2(**more: Any) -> Any:
    sizes = {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    return GPT2LMHeadModel(GPT2Config(**sizes, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0, **TOKENS, **more))


def bert(**more: Any) -> Any:
    more = {"attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0, **more}
    return BertModel(BertConfig(**TINY, intermediate_size=48, **more))


MODELS = {"bert": bert, "gpt2": gpt2, "llama": llama}


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    huggingface.register()
    huggingface.register("almost_linear_fine", eps=EPS, backend="monomials")


def pair(kind: str, name: str = "almost_linear_fine", **more: Any) -> tuple[Any, Any]:
    """One model with almost-linear attention and its copy with torch's."""
    torch.manual_seed(0)
    model = MODELS[kind](**more).double().eval()
    other = copy.deepcopy(model)
    model.set_attn_implementation(name)
    other.set_attn_implementation("sdpa")
    return model, other


def batch(n: int = 24, side: str = "right") -> dict[str, torch.Tensor]:
    """Two sequences, one of them shorter and padded."""
    ids = torch.randint(2, 50, (2, n), generator=torch.Generator().manual_seed(1))
    seen = torch.ones_like(ids)
    short = slice(n - 7, n) if side == "right" else slice(0, 7)
    ids[1, short], seen[1, short] = 0, 0
    return {"input_ids": ids, "attention_mask": seen}


def first(found: Any) -> torch.Tensor:
    return found[0]


def difference(kind: str, model: Any, other: Any, given: dict[str, torch.Tensor]) -> float:
    kept = given["attention_mask"].bool() if "attention_mask" in given else torch.ones_like(given["input_ids"]).bool()
    return (first(model(**given)) - first(other(**given)))[kept].abs().max().item()


@pytest.mark.parametrize("side", ["right", "left", "none"])
@pytest.mark.parametrize("kind", MODELS)
def test_forward_is_that_of_sdpa(kind: str, side: str) -> None:
    model, other = pair(kind)
    given = batch(side=side)
    if side == "none":
        del given["attention_mask"]
    assert 0 < difference(kind, model, other, given) <= 100 * EPS
    coarse, _ = pair(kind, "almost_linear")
    assert difference(kind, coarse, other, given) <= 1e-2


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", MODELS)
def test_padding_ignored_would_be_seen(kind: str, side: str) -> None:
    """Registered for AttentionInterface alone, as one is tempted to, a model gets no mask."""
    AttentionInterface.register("half_registered", huggingface.attention_function(eps=EPS, backend="monomials"))
    model, other = pair(kind, "half_registered")
    given = batch(side=side)
    if kind != "bert" and side == "right":  # queries never see padding behind them
        assert difference(kind, model, other, given) <= 100 * EPS
    else:
        assert difference(kind, model, other, given) > 1e-3
    given["input_ids"][1, slice(-7, None) if side == "right" else slice(0, 7)] = (
        33  # what stands in padding does not matter
    )
    fine, _ = pair(kind)
    assert difference(kind, fine, other, given) <= 100 * EPS


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", MODELS)
def test_gradients_are_those_of_sdpa(kind: str, checkpointing: bool) -> None:
    model, other = pair(kind)
    given = batch()
    for one in (model, other):
        one.train()  # all dropouts are 0
    if checkpointing:
        model.gradient_checkpointing_enable()
    for one in (model, other):
        out = first(one(**given))
        (out * given["attention_mask"][..., None]).square().sum().backward()
    for (name, a), (_, b) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        if b.grad is None:
            assert a.grad is None, name
            continue
        assert (a.grad - b.grad).abs().max() <= 1e-4 * max(1.0, b.grad.abs().max().item()), name
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.parametrize("kind", MODELS)
def test_every_layer_is_within_its_certificate(kind: str) -> None:
    """What attention is given inside of the model, attended by torch in float64, against the bound of certify for the same tensors."""
    ours, seen = huggingface.attention_function(eps=1e-3, backend="monomials"), []

    def both(module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: Any = None, **kwargs: Any) -> Any:
        out, _ = ours(module, query, key, value, mask, scaling=scaling, **kwargs)
        key_, value_ = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
        padding, causal, exact = huggingface.seen_by(mask, query.shape[-2], key.shape[-2], module.is_causal)
        assert not exact
        found = certify(
            query, key_, value_, attn_mask=padding, is_causal=causal, scale=scaling, eps=1e-3, backend="monomials"
        )
        assert found.guaranteed and found.truncation is not None and found.rounding is not None
        rows = torch.arange(query.shape[-2])
        dense = mask <= rows[:, None]
        q, k, v = (x.double() for x in (query, key_, value_))
        true = scaled_dot_product_attention(q, k, v, dense, scale=scaling).transpose(1, 2)
        real = dense.any(-1).transpose(1, 2).unsqueeze(-1)
        seen.append((((out - true) * real).abs().max().item(), found.truncation.output + found.rounding.output))
        return out, None

    AttentionInterface.register("certified", both)
    from transformers import AttentionMaskInterface

    AttentionMaskInterface.register("certified", huggingface.first_queries)
    model, _ = pair(kind, "certified")
    for side in ("left", "right"):
        model.float()(**batch(side=side))
    assert len(seen) == 4 and all(0 < error <= bound < 1e-2 for error, bound in seen), seen


@pytest.mark.parametrize("how", ["cache", "no cache", "static", "beams"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_generate(kind: str, how: str) -> None:
    """Left padding, so that a decoded token that saw the padding, or only the first keys, would differ."""
    model, other = pair(kind)
    options: dict[str, Any] = {
        "max_new_tokens": 12,
        "do_sample": False,
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    options |= {
        "cache": {},
        "no cache": {"use_cache": False},
        "static": {"cache_implementation": "static", "disable_compile": True},
        "beams": {"num_beams": 3},
    }[how]
    given = batch(side="left")
    found, expected = model.generate(**given, **options), other.generate(**given, **options)
    assert found.sequences.tolist() == expected.sequences.tolist()
    for a, b in zip(found.logits, expected.logits, strict=True):
        assert (a - b).abs().max() <= 100 * EPS


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_cache_filled_in_parts_gives_what_one_call_gives(kind: str) -> None:
    model, other = pair(kind)
    ids = batch()["input_ids"][:1]
    whole = other(input_ids=ids, use_cache=False).logits
    cache, parts = None, []
    for piece in ids.split((10, 1, 8, 5), -1):
        found = model(input_ids=piece, past_key_values=cache, use_cache=True)
        cache = found.past_key_values
        parts.append(found.logits)
    assert (torch.cat(parts, 1) - whole).abs().max() <= 100 * EPS


def test_a_cache_misread_would_be_seen() -> None:
    """As if the queries were the first tokens, which is_causal means in torch: another answer."""
    q, k = torch.rand(1, 1, 3, 4, dtype=torch.float64), torch.rand(1, 1, 9, 4, dtype=torch.float64)
    mask = huggingface.first_queries(1, 3, 9, q_offset=6)
    attend, module = huggingface.attention_function(eps=EPS), torch.nn.Module()
    right, _ = attend(module, q, k, k, mask)
    dense = torch.ones(3, 9, dtype=torch.bool).tril(6)
    assert (right.transpose(1, 2) - scaled_dot_product_attention(q, k, k, dense)).abs().max() < 1e-12
    wrong, _ = attend(module, q, k, k, huggingface.first_queries(1, 3, 9, q_offset=0))
    assert (right - wrong).abs().max() > 1e-3
    with pytest.raises(InputError, match="number of keys of causal attention without a mask is 9"):
        attend(module, q, k, k, None)


@pytest.mark.parametrize(
    ("make", "given", "words"),
    [
        (
            lambda: bert(attention_probs_dropout_prob=0.1).train(),
            {},
            "dropout inside attention of BertSelfAttention is 0.1",
        ),
        (lambda: llama(attention_dropout=0.2).train(), {}, "dropout inside attention of LlamaAttention is 0.2"),
        (
            lambda: MistralForCausalLM(MistralConfig(**TINY, num_key_value_heads=2, sliding_window=8, **TOKENS)),
            {},
            "mask of this model is .*sliding windows",
        ),
        (llama, {"position_ids": torch.tensor([[0, 1, 2, 0, 1, 2, 3, 4]])}, "mask of this model .* packed sequences"),
        (llama, {"attention_mask": torch.ones(1, 1, 8, 8, dtype=torch.bool).tril()}, "shape of attn_mask"),
    ],
)
def test_what_is_not_supported_is_said(make: Any, given: dict[str, Any], words: str) -> None:
    model = make()
    model.set_attn_implementation("almost_linear")
    with pytest.raises(InputError, match=words):
        model(input_ids=torch.arange(2, 10)[None], use_cache=False, **given)


@pytest.mark.parametrize("name", huggingface.UNSUPPORTED)
def test_arguments_that_change_attention_are_refused(name: str) -> None:
    x = torch.rand(1, 1, 4, 4)
    with pytest.raises(InputError, match=f"{name} of Module is 3"):
        huggingface.attention_function()(torch.nn.Module(), x, x, x, None, **{name: 3})


def test_options_are_checked_when_registered() -> None:
    with pytest.raises(InputError, match="backend is 'fast'"):
        huggingface.register(backend="fast")


def test_chosen_at_construction() -> None:
    config = LlamaConfig(**TINY, intermediate_size=48, num_key_value_heads=2, **TOKENS)
    config._attn_implementation = "almost_linear"
    model = LlamaForCausalLM(config)
    assert model.config._attn_implementation == "almost_linear"
    assert first(model(input_ids=torch.arange(5)[None])).isfinite().all()
