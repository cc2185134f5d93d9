"""models/: a transformer is what its formula says, is the same model on any attention, and refuses what it cannot be."""

import itertools

import pytest
import torch

from almostlinear.impl.errors import InputError
from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig
from almostlinear.impl.models.config import CHOICES
from almostlinear.impl.models.positions import Rotary, Sinusoidal

F64 = torch.float64
KINDS = ("exact", "almost_linear", "algorithm1")


@pytest.fixture(autouse=True)
def float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(F64)
    yield
    torch.set_default_dtype(before)


def config(**changed):
    plain = dict(vocabulary=23, width=8, heads=2, layers=3, max_length=40, attention="exact")
    return TransformerConfig(**(plain | changed))


def made(seed=0, **changed):
    torch.manual_seed(seed)
    model = AlmostLinearTransformer(config(**changed))
    with torch.no_grad():  # away from the start, where attention hardly matters
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape)
    return model


def tokens(batch=2, n=17):
    return torch.randint(23, (batch, n), generator=torch.Generator().manual_seed(1))


def results(model, prompt):
    """Logits, and gradients of a loss by every weight and by a soft prompt."""
    prompt = prompt.clone().requires_grad_()
    logits = model(tokens(), prompt=prompt)
    loss = torch.nn.functional.cross_entropy(logits[:, 2:].flatten(0, 1), tokens().flatten())
    named = dict(model.named_parameters())
    return {
        "logits": logits.detach(),
        **dict(zip(["prompt", *named], torch.autograd.grad(loss, [prompt, *named.values()]), strict=True)),
    }


@pytest.mark.parametrize(
    "kind",
    [
        dict(zip(("norm", "positions", "residual", "is_causal"), kind, strict=True))
        for kind in itertools.product(("pre", "post", "none"), ("learned", "sinusoidal", "rotary", "none"), (True, False), (True, False))
        if kind[2] or kind[0] != "none"
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_is_the_same_model_on_any_attention(kind):
    model, prompt = made(**kind), torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    expected = results(model, prompt)
    assert expected["prompt"].abs().max() > 1e-8
    for attention in KINDS[1:]:
        other = model.with_attention(attention, eps=1e-12)
        assert other.config.attention == attention
        for name, value in results(other, prompt).items():
            scale = max(float(expected[name].abs().max()), 1e-3)
            assert float((value - expected[name]).abs().max()) <= 1e-9 * scale, (attention, name)


def test_a_coarse_degree_shows():
    """Were the argument ignored, the test above would pass."""
    model, prompt = made(scale=1.5), torch.zeros(2, 8)
    expected = results(model, prompt)
    for attention in KINDS[1:]:
        found = results(model.with_attention(attention, degree=2), prompt)
        assert 1e-7 < float((found["logits"] - expected["logits"]).abs().max()) < 0.1


def test_exact_logits_are_those_of_the_formula():
    """T + Attn(LN T) W_O, then Z + MLP(LN Z), written out with an n x n matrix."""
    model = made(layers=1)
    layer, d_h = model.layers[0], 4
    t = model.embedding.weight[tokens()] + model.positions.table[:17]
    q, k, v = (layer.norms[0](t) @ w.T for w in layer.attention.into_heads.weight.split(8))
    hidden = torch.ones(17, 17, dtype=torch.bool).triu(1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = (q[..., part] @ k[..., part].mT / d_h**0.5).masked_fill(hidden, -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., part])
    z = t + torch.cat(heads, -1) @ layer.attention.out.weight.T
    z = z + layer.mlp(layer.norms[1](z))
    torch.testing.assert_close(model(tokens()), model.norm(z) @ model.embedding.weight.T, rtol=0, atol=1e-13)


def test_a_causal_model_does_not_look_ahead():
    changed = tokens().clone()
    changed[:, 9] = (changed[:, 9] + 1) % 23
    for attention, is_causal in itertools.product(KINDS, (True, False)):
        model = made(is_causal=is_causal).with_attention(attention, **({} if attention == "exact" else {"degree": 8}))
        moved = (model(changed) - model(tokens())).abs().amax((0, 2))
        assert bool((moved[:9] < 1e-12).all()) == is_causal and moved[9] > 1e-3


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("attention", ["exact", "almost_linear"])
def test_padding_is_as_if_it_were_not_there(attention, side, is_causal):
    """Without positions, so that a sequence may be moved."""
    model = made(positions="none", is_causal=is_causal)
    model = model.with_attention(attention, **({} if attention == "exact" else {"eps": 1e-12}))
    alone, rest = tokens()[:1, :11], tokens()[1:, :6]
    parts = [rest, alone] if side == "left" else [alone, rest]
    padding = torch.cat([torch.full_like(x, x is alone, dtype=torch.bool) for x in parts], 1)
    both, kept = torch.cat(parts, 1), padding[0].nonzero().squeeze()
    torch.testing.assert_close(model(both, padding=padding)[:, kept], model(alone), rtol=0, atol=1e-9)
    if not (is_causal and side == "right"):
        assert (model(both)[:, kept] - model(alone)).abs().max() > 1e-3
    prompt = torch.ones(2, 8)
    expected = model(alone, prompt=prompt)[:, 2:]
    torch.testing.assert_close(model(both, prompt=prompt, padding=padding)[:, 2 + kept], expected, rtol=0, atol=1e-9)


def test_algorithm_1_refuses_padding():
    with pytest.raises(InputError, match="padding"):
        made().with_attention("algorithm1")(tokens(), padding=torch.ones(2, 17, dtype=torch.bool))


def test_models_of_one_seed_start_equal():
    one, other = made(seed=4), made(seed=4, attention="almost_linear", degree=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    shared = one.with_attention("algorithm1")
    assert all(a is b for a, b in zip(one.parameters(), shared.parameters(), strict=True))


def test_tied_and_untied_heads():
    tied, untied = made(tied=True), made(tied=False)
    assert tied.head.weight is tied.embedding.weight and untied.head.weight is not untied.embedding.weight
    count = [sum(p.numel() for p in model.parameters()) for model in (tied, untied)]
    assert count[1] - count[0] == 23 * 8


def test_dropout_acts_in_training_alone():
    model = made(dropout=0.5)
    model.eval()
    assert torch.equal(model(tokens()), model(tokens()))
    model.train()
    assert not torch.equal(model(tokens()), model(tokens()))


def test_embeddings_take_the_place_of_tokens():
    model = made()
    torch.testing.assert_close(model(embeddings=model.embedding(tokens())), model(tokens()), rtol=0, atol=0)


def test_rotary_scores_depend_on_differences_of_positions():
    rotary = Rotary(64, 6)
    q, k = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    scores = rotary(q.expand(64, 6)) @ rotary(k.expand(64, 6)).T
    for shift in (0, 1, 17):
        along = scores.diagonal(shift)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=0, atol=1e-13)
    torch.testing.assert_close(rotary(q.expand(64, 6)).norm(dim=-1), q.norm().expand(64))
    assert scores.std() > 0.1


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_a_score_limit_holds_whatever_the_weights(positions):
    """Were it ignored, the scores of these weights would be far beyond it."""
    limit, scores = 0.75, {}
    for given in (limit, None):
        model = made(score_limit=given, positions=positions, scale=0.3)
        with torch.no_grad():
            model.layers[0].attention.into_heads.weight.mul_(300)
        query, key, _ = model.layers[0].attention.heads(model.embedding(tokens()))
        scores[given] = 0.3 * (query @ key.mT).abs().max()
    assert 0.5 * limit < scores[limit] <= limit * (1 + 1e-12) and scores[None] > 5
    expected = results(made(score_limit=limit, positions=positions), torch.zeros(2, 8))
    for attention in KINDS[1:]:
        found = results(
            made(score_limit=limit, positions=positions).with_attention(attention, eps=1e-12), torch.zeros(2, 8)
        )
        assert all(
            float((found[k] - v).abs().max()) <= 1e-9 * max(1e-3, float(v.abs().max())) for k, v in expected.items()
        )


def test_rms_norm_takes_no_mean_away():
    model, x = made(rms=True), 3 + torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    for module in (model.norm, *model.layers[0].norms):
        with torch.no_grad():
            module.weight.fill_(1.0)
        expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=0)
    assert not torch.equal(made(rms=False).norm(x), expected)


def test_sinusoidal_positions_are_those_of_the_page():
    table = Sinusoidal(50, 5).table
    for position, feature in itertools.product((0, 1, 49), range(5)):
        angle = torch.tensor(position / 10_000.0 ** ((feature - feature % 2) / 5))
        expected = angle.cos() if feature % 2 else angle.sin()
        torch.testing.assert_close(table[position, feature], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        *((dict.fromkeys([name], "other"), f"^{name} is 'other'") for name in CHOICES),
        *((dict.fromkeys([name], 0), name) for name in ("vocabulary", "width", "heads", "layers", "max_length")),
        (dict(mlp_width=-1), "mlp_width"),
        (dict(heads=3), "multiple of the 3 heads"),
        (dict(heads=8, positions="rotary"), "even for rotary"),
        (dict(dropout=1.0), "dropout"),
        (dict(residual=1), "True or False"),
        (dict(scale=-1.0), "scale"),
        (dict(score_limit=0.0), "score_limit"),
        (dict(rms=1), "True or False"),
        (dict(degree=3), "left out for exact attention"),
        (dict(eps=1e-3), "left out for exact attention"),
        (dict(attention="algorithm1", backend="adaptive"), "left out for algorithm1 attention"),
        (dict(attention="almost_linear", eps=0.0), "eps"),
        (dict(attention="almost_linear", degree=2.5), "degree"),
    ],
    ids=str,
)
def test_a_model_that_cannot_be_is_refused(changed, words):
    with pytest.raises(InputError, match=words):
        config(**changed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(), "neither"),
        (dict(tokens=tokens(), embeddings=torch.zeros(2, 17, 8)), "both"),
        (dict(tokens=tokens()[0]), "the shape of tokens"),
        (dict(tokens=tokens().double()), "the dtype of tokens"),
        (dict(tokens=tokens() + 1), "within"),
        (dict(tokens=tokens(n=41)), "max_length = 40"),
        (dict(tokens=tokens(n=39), prompt=torch.zeros(2, 8)), "max_length = 40"),
        (dict(tokens=tokens(), prompt=torch.zeros(2, 7)), "the shape of prompt"),
        (dict(embeddings=torch.zeros(2, 17, 7)), "the shape of embeddings"),
        (dict(tokens=tokens(), padding=torch.ones(2, 16, dtype=torch.bool)), "padding"),
        (dict(tokens=tokens(), padding=torch.ones(2, 17)), "padding"),
    ],
    ids=str,
)
def test_input_that_cannot_be_served_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        made()(arguments.pop("tokens", None), **arguments)
