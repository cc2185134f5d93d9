"""The experiments: cells that resume, verdicts on training that can fail, small runs of everything, committed results, and their pages."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.nn.functional import scaled_dot_product_attention

from almostlinear import impl
from almostlinear.reports import lines, site
from almostlinear.reports.pages import experiments as page
from benchmarks.inputs import inputs
from benchmarks.measure import Target
from experiments import ablations, cells, coefficients, compare, gradients, prompts, scale, text, training, watch
from experiments.__main__ import main, tell, work
from experiments.table import EXPERIMENTS

QUIET = Console(quiet=True)
F64 = torch.float64


def committed() -> list[dict[str, Any]]:
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted(cells.RESULTS.glob("*.json"))]


def say(_: str) -> None:
    pass


# -- cells -----------------------------------------------------------------------------------------------------------------
def counting(fails_at: int | None = None) -> tuple[cells.Experiment, list[int]]:
    """An experiment that squares a number and remembers what it ran."""
    ran: list[int] = []

    def run(given: dict[str, Any], _: cells.Say) -> cells.Found:
        if given["x"] == fails_at:
            raise KeyboardInterrupt
        ran.append(given["x"])
        return {"square": float(given["x"] ** 2)}

    made = cells.Experiment(
        "counting", "?", 1, lambda: [cells.Cell(f"x {x}", {"x": x}, x < 2) for x in range(4)], run, lambda f: f,
        lambda rs: [Target("most", max(r["found"]["square"] for r in rs), 4.0, None, smaller=True)],
    )  # fmt: skip
    return made, ran


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    store = cells.Store(tmp_path)
    stopped, ran = counting(fails_at=2)
    with pytest.raises(KeyboardInterrupt):
        work(stopped, "full", store, math.inf, False, QUIET)
    assert ran == [0, 1] and cells.collected(stopped, "full", store)["not_run"] == ["x 2", "x 3"]
    whole, ran = counting()
    work(whole, "full", store, math.inf, False, QUIET)
    assert ran == [2, 3]
    work(whole, "full", store, math.inf, True, QUIET)
    assert ran == [2, 3, 0, 1, 2, 3]
    work(whole, "full", cells.Store(tmp_path / "other"), -math.inf, False, QUIET)
    assert len(ran) == 6


def test_what_is_kept_is_of_its_parameters_alone(tmp_path: Path) -> None:
    store, (made, _) = cells.Store(tmp_path), counting()
    work(made, "full", store, math.inf, False, QUIET)
    one = made.of("full")[1]
    newer = cells.Experiment(**{**vars(made), "version": 2})
    assert store.load(made, one) is not None and store.load(newer, one) is None
    path = tmp_path / "counting" / f"{made.key(one)}.json"
    for damage in ("{", json.dumps({"schema": 0}), path.read_text().replace('"x": 1', '"x": 7')):
        path.write_text(damage)
        assert store.load(made, one) is None


def test_a_result_is_written_and_a_missed_target_is_told(tmp_path: Path) -> None:
    store, (made, _) = cells.Store(tmp_path), counting()
    work(made, "quick", store, math.inf, False, QUIET)
    quick = cells.collected(made, "quick", store)
    assert [c["name"] for c in quick["cells"]] == ["x 0", "x 1"] and not quick["not_run"] and tell(quick, QUIET) == 0
    work(made, "full", store, math.inf, False, QUIET)
    full = cells.collected(made, "full", store)
    assert tell(full, QUIET) == 1 and not full["targets"][0]["met"]
    cells.write(full, tmp_path)
    assert (
        cells.read("counting", "full", tmp_path) == json.loads(json.dumps(full))
        and cells.read("counting", "quick", tmp_path) is None
    )
    (tmp_path / "counting.full.json").write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="run the experiment again"):
        cells.read("counting", "full", tmp_path)


def test_numbers_are_rounded_and_infinite_ones_come_back() -> None:
    written = json.loads(json.dumps(cells.rounded({"a": [1 / 3, math.inf], "b": (math.nan, True, 7)}), allow_nan=False))
    assert written == {"a": [0.3333333, "inf"], "b": ["nan", True, 7]}
    assert cells.number("inf") == math.inf and math.isnan(cells.number(None)) and math.isnan(cells.number("nan"))


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=lambda e: e.name)
def test_quick_cells_are_in_the_full_profile(experiment: cells.Experiment) -> None:
    quick, full = experiment.of("quick"), experiment.of("full")
    assert 0 < len(quick) < len(full) and full[: len(quick)] == quick
    assert len({c.name for c in full}) == len(full) == len({experiment.key(c) for c in full})
    assert all(json.loads(json.dumps(c.parameters)) == c.parameters for c in full)


def test_arguments_that_mean_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--only", "nothing"], ["--profile", "slow"], ["--budget", "soon"]):
        with pytest.raises(SystemExit):
            main(arguments, QUIET)
    assert "nothing" in capsys.readouterr().err


# -- text ------------------------------------------------------------------------------------------------------------------
def test_training_and_validation_text_are_apart() -> None:
    train, held = text.data()
    assert len(held) == int(0.1 * (len(train) + len(held))) and len(text.fingerprint()) == 12
    drawn = text.pieces(train, len(train), 2, torch.Generator())
    assert torch.equal(drawn[0], train) and torch.equal(drawn[1], train)


def test_classes_of_characters() -> None:
    asked = torch.tensor(list(b"aZ5 \n;\x07\xc3"))
    assert [text.CLASSES[k] for k in text.character_class(asked)] == [
        "lower", "upper", "digit", "space", "newline", "punctuation", "other", "other",
    ]  # fmt: skip


# -- the watch -------------------------------------------------------------------------------------------------------------
def small(**changed: Any) -> dict[str, Any]:
    plain = {
        "family": "gpt",
        "kind": "exact",
        "seed": 0,
        "sharper": 1.0,
        "score_limit": None,
        "text": text.fingerprint(),
    }
    sizes = {"n": 32, "batch": 4, "width": 16, "heads": 4, "layers": 2, "steps": 20, "every": 10, "rate": 3e-3}
    return {**plain, **sizes, **changed}


def record(**changed: Any) -> dict[str, Any]:
    given = small(**changed)
    found = json.loads(json.dumps(cells.rounded(training.run(given, say))))
    return {
        "name": f"{'driven, ' if given['sharper'] != 1 else ''}{given['kind']}",
        "parameters": given,
        "found": found,
    }


def test_signs_of_failure_are_named() -> None:
    calm = [1.0 + 0.1 * (k % 3) for k in range(30)]
    assert watch.signatures([{"step": 0, "guaranteed": True, "flipped": 0.0}], calm, calm) == []
    for spoiled, name in (
        (100.0, "exploding gradients"),
        (math.nan, "exploding gradients"),
        (1e-5, "vanishing gradients"),
    ):
        assert watch.signatures([], [*calm, spoiled], calm) == [{"sign": name, "step": 30}]
    assert watch.signatures([], calm, [*calm, math.nan]) == [{"sign": "loss not finite", "step": 30}]
    checks = [{"step": 0, "guaranteed": True, "flipped": 0.0}, {"step": 5, "guaranteed": False, "flipped": 0.5}]
    assert {s["sign"] for s in watch.signatures(checks, calm, calm)} == {"range beyond the regime", "sign flips"}


def test_gradients_side_by_side() -> None:
    true = torch.tensor([3.0, -4.0, 0.0])
    assert watch.beside(true, true) == {"gradient_error": 0.0, "cosine": pytest.approx(1.0), "flipped": 0.0}
    seen = watch.beside(torch.tensor([3.0, 4.0, 0.0]), true)
    assert (
        seen["flipped"] == pytest.approx(4 / 7)
        and seen["gradient_error"] == pytest.approx(8 / 5)
        and seen["cosine"] < 0
    )


@pytest.mark.parametrize("kind", ["degree 2", "adaptive"])
def test_the_certificate_of_a_model_follows_its_scores(kind: str) -> None:
    tokens = text.pieces(text.data()[0], 96, 2, torch.Generator().manual_seed(0))
    inside = watch.certificate(training.build(small(kind=kind, n=96)), (tokens,))
    outside = watch.certificate(training.build(small(kind=kind, n=96, sharper=60.0)), (tokens,))
    assert inside["guaranteed"] is True and 0 < inside["row_error"] <= watch.PROMISED
    assert outside["guaranteed"] is False and outside["row_error"] == math.inf and outside["largest_score"] > 20
    assert watch.certificate(training.build(small(n=96)), (tokens,))["guaranteed"] is None


def test_masked_bytes_are_the_ones_asked_for() -> None:
    tokens, make = torch.randint(256, (3, 401)), torch.Generator().manual_seed(0)
    given, asked = training.task("bert", tokens, make)
    hidden = given == training.MASK
    assert torch.equal(asked[hidden], tokens[:, :-1][hidden]) and bool((asked[~hidden] == training.IGNORED).all())
    assert 0.1 < hidden.double().mean() < 0.2
    given, asked = training.task("llama", tokens, make)
    assert torch.equal(given[:, 1:], asked[:, :-1])


# -- training: what must hold ----------------------------------------------------------------------------------------------
def test_a_guaranteed_run_follows_the_exact_one_and_a_driven_run_is_flagged() -> None:
    kinds = ("exact", training.NUDGED)
    exact, nudged, held = (record(kind=k, score_limit=0.1, sharper=10.0) for k in (*kinds, "degree 6"))
    start, moved, out = (record(kind=k, sharper=60.0, rate=1e-2, steps=40) for k in (*kinds, "degree 2"))
    kept = training.verdict(held["found"], exact["found"], nudged["found"])
    assert (
        kept["warned"] is None
        and kept["guaranteed_checks"] == 3
        and kept["while_guaranteed"] < 1e-4
        and kept["in_time"]
    )
    flagged = training.verdict(out["found"], start["found"], moved["found"])
    assert flagged["rows_warned"] == 0 and flagged["departed"] is not None and flagged["in_time"]
    assert "range beyond the regime" in {s["sign"] for s in out["found"]["signatures"]}
    found = training.targets([exact, nudged, held, start, moved, out])
    assert len(found) == 5 and all(t.met for t in found[:4])


def test_a_run_whose_weights_are_lost_ends_there(monkeypatch) -> None:
    """And a request that cannot be served is no such end."""
    before = training.one_step

    def step(model, optimiser, batch, losses, norms):
        before(model, optimiser, batch, losses, norms)
        if len(losses) == 3:
            next(iter(model.blocks)).attention.into_heads.weight.data.fill_(torch.nan)

    monkeypatch.setattr(training, "one_step", step)
    lost = record(kind="degree 6", steps=6)["found"]
    assert lost["refused"]["step"] == 3 and len(lost["losses"]) == 3 and "probe" not in lost
    monkeypatch.setattr(training, "one_step", before)

    def unserved(*_):
        raise impl.InputError("the text", "x", "y", "z")

    monkeypatch.setattr(training, "look", unserved)
    with pytest.raises(impl.InputError, match="the text"):
        record(kind="degree 6", steps=6)


def test_a_loss_that_departs_while_guaranteed_is_not_passed_over() -> None:
    """The negative control of the must-holds: the same records, with a loss moved by 2% behind the back of the certificate."""
    exact, nudged, held = (record(kind=k, score_limit=0.1, steps=10) for k in ("exact", training.NUDGED, "degree 6"))
    spoiled = copy.deepcopy(held)
    spoiled["found"]["checks"][-1]["validation_loss"] *= 1.02
    judged = training.verdict(spoiled["found"], exact["found"], nudged["found"])
    assert judged["departed"] == 10 and judged["warned"] is None and not judged["in_time"]
    assert [t.met for t in training.targets([exact, nudged, held])] == [True, True, True]
    assert [t.met for t in training.targets([exact, nudged, spoiled])] == [False, False, True]
    late = copy.deepcopy(spoiled)
    late["found"]["checks"][0]["guaranteed"] = False
    assert training.verdict(late["found"], exact["found"], nudged["found"])["in_time"]
    nan = copy.deepcopy(held)
    nan["found"]["checks"][-1]["validation_loss"] = "nan"
    assert not training.verdict(nan["found"], exact["found"], nudged["found"])["in_time"]


def test_training_that_magnifies_a_nudge_is_not_guaranteed() -> None:
    """Nor is a run without its nudged one: what was not looked at is not claimed."""
    exact, nudged, held = (record(kind=k, score_limit=0.1, steps=10) for k in ("exact", training.NUDGED, "degree 6"))
    assert training.verdict(held["found"], exact["found"], None)["warned"] == 0
    shaken = copy.deepcopy(nudged)
    shaken["found"]["checks"][-1]["validation_loss"] *= 1.001
    judged = training.verdict(held["found"], exact["found"], shaken["found"])
    assert (
        judged["sensitive"] == judged["warned"] == 10
        and judged["rows_warned"] is None
        and judged["guaranteed_checks"] == 1
    )
    assert training.targets([exact, shaken, held])[-1].met
    shaken["found"]["checks"][0]["validation_loss"] *= 1.001
    assert not training.targets([exact, shaken, held])[-1].met


def test_a_driven_run_that_is_not_flagged_is_not_passed_over() -> None:
    exact, driven = (record(kind=k, sharper=1.5, steps=10) for k in ("exact", "degree 4"))
    found = [t for t in training.targets([exact, driven]) if t.what.startswith("driven")]
    assert [t.met for t in found] == [False, False]


def test_a_refused_degree_ends_a_run() -> None:
    """Adaptive attention that needs more pivots than it may have, or whose sums would underflow."""
    for family, why in (("bert", "pivots"), ("gpt", "the largest weight that a row sees")):
        found = record(kind="adaptive", sharper=100.0, family=family)["found"]
        assert found["refused"]["step"] == 0 and why in found["refused"]["why"]
    assert "probe" not in found and not found["losses"]
    judged = training.verdict(found, record()["found"], None)
    assert judged["warned"] == judged["departed"] == 0


def test_runs_of_one_seed_are_the_same_and_a_nudge_is_small() -> None:
    one, other, nudged = record(steps=5), record(steps=5), record(steps=5, kind=training.NUDGED)
    assert one["found"]["losses"] == other["found"]["losses"]
    assert max(training.shaken([one, nudged])) < 1e-4
    seen = [(r["found"]["losses"], r["found"]["norms"], r["found"]["checks"]) for r in (one, nudged)]
    assert seen[0] != seen[1], "the nudge reaches what is recorded"


def test_the_probe_reads_what_is_there() -> None:
    """Accuracy is that of the commonest class where states hold nothing, and more where the model has been trained."""
    blank, learned = training.build(small()), record(steps=60, rate=1e-2)["found"]["probe"]
    with torch.no_grad():
        blank.embedding.weight.zero_()
    assert learned > training.probe(blank, "gpt", 32) + 0.05


# -- gradients -------------------------------------------------------------------------------------------------------------
def paper_cell(**changed: Any) -> dict[str, Any]:
    return {"model": "layers", **gradients.PLAIN, "n": 20, "degrees": [2, 4, 8], "seed": 0, "text": "", **changed}


@pytest.mark.parametrize(
    "changed", [{}, {"causal": True, "residual": True}, {"heads": 1, "layers": 3}, {"source": "text"}], ids=str
)
def test_errors_of_gradients_fall_and_keep_their_bounds(changed: dict[str, Any]) -> None:
    found = {"name": "", "parameters": paper_cell(**changed), "found": gradients.run(paper_cell(**changed), say)}
    assert gradients.falls(found) and 0 < max(gradients.ratios(found)) < 1
    assert all(t.met for t in gradients.targets([found]))


def test_a_wrong_gradient_or_bound_is_seen() -> None:
    found = {"name": "", "parameters": paper_cell(), "found": gradients.run(paper_cell(), say)}
    small_bound, standing = copy.deepcopy(found), copy.deepcopy(found)
    for one in small_bound["found"]["degrees"]:
        one["bound"] = {name: 1e-12 * value for name, value in one["bound"].items()}
    assert not gradients.targets([small_bound])[0].met
    for one in standing["found"]["degrees"]:
        one["dX"]["relative"] = 1e-3
    assert not gradients.targets([standing])[1].met


def test_the_exact_gradients_are_those_of_a_high_degree() -> None:
    one = gradients.run(paper_cell(degrees=[16], n=9), say)["degrees"][0]
    assert one["dX"]["relative"] < 1e-12 and all(
        m["relative"] < 1e-11 for layer in one["layers"] for m in layer.values()
    )
    assert {"input", "query", "key", "value", "after"} == set(one["layers"][0])


def test_the_bound_is_the_theorems() -> None:
    """Twice the gradient, twice the bound; a deeper model has a larger one; no finite row error, no bound."""
    x, first, layers, loss = gradients.paper_model(paper_cell())
    made = impl.multi_gradient(x, first, layers, loss, residual=False, forward="exact", degree=4, scale=0.25)
    measured = gradients.norms(made, layers, first, paper_cell(), 0.25)
    bounds = gradients.explicit_bound(measured, 1e-3, layers)
    assert gradients.explicit_bound(measured, 2e-3, layers)["input"] == pytest.approx(2 * bounds["input"])
    assert all(math.isinf(b) for b in gradients.explicit_bound(measured, math.inf, layers).values())
    assert float(measured.entry_bound) >= float(x.abs().max()) and float(measured.score_range) > 0


@pytest.mark.parametrize("source", ["text", "uniform"])
def test_attention_keeps_its_certificate(source: str) -> None:
    given = {
        "model": "transformer",
        **gradients.MODEL,
        "n": 24,
        "source": source,
        "degrees": [1, 3, 6],
        "seed": 0,
        "text": "",
    }
    found = {"name": "", "parameters": given, "found": gradients.run(given, say)}
    assert 1e-5 < max(gradients.ratios(found)) < 1 and gradients.falls(found)
    names = found["found"]["degrees"][0]["weights"]
    assert len(names) == 4 and all(".attention." in name for name in names)


# -- ablations -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bound", [0.3, 1.0, 3.0])
def test_minimax_is_the_least_largest_relative_error(bound: float) -> None:
    """By equal errors of alternating sign at degree + 2 points (de la Vallee Poussin): within 1% of the least."""
    for degree in (1, 2, 4):
        found, taylor = (coefficients.coefficients(kind, degree, bound) for kind in ("minimax", "taylor"))
        largest = coefficients.relative_error(found, bound)
        assert largest < coefficients.relative_error(taylor, bound)
        x = torch.linspace(-bound, bound, 20001, dtype=F64)
        error = sum(c * x**j for j, c in enumerate(found)) / x.exp() - 1
        pieces = torch.tensor_split(error, (error.sign().diff() != 0).nonzero().flatten() + 1)
        assert len(pieces) == degree + 2 and min(float(p.abs().max()) for p in pieces) > 0.98 * largest


def test_fitted_coefficients_follow_the_scores() -> None:
    scores = 0.1 * torch.randn(5000, generator=torch.Generator().manual_seed(0), dtype=F64)
    fitted, minimax = coefficients.coefficients("fitted", 2, 2.0, scores), coefficients.coefficients("minimax", 2, 2.0)

    def typical(found: tuple[float, ...]) -> float:
        return float((sum(c * scores**j for j, c in enumerate(found)) / scores.exp() - 1).square().mean())

    assert typical(fitted) < typical(minimax) / 100
    assert coefficients.relative_error(fitted, 2.0) > coefficients.relative_error(minimax, 2.0)
    with pytest.raises(ValueError, match="sample of scores"):
        coefficients.coefficients("fitted", 2, 1.0)
    with pytest.raises(ValueError, match="use taylor"):
        coefficients.coefficients("other", 2, 1.0)


@pytest.mark.parametrize("is_causal", [False, True])
def test_dense_polynomial_attention_is_what_impl_runs(is_causal: bool) -> None:
    given = inputs("spread", 40, 4, bound=1.5).to(F64)
    kind: dict[str, Any] = {"scale": given.scale, "is_causal": is_causal}
    q, k, v = given.query + 0.3, given.key + 0.2, given.value
    for degree in (2, 3):
        dense = coefficients.polynomial_attention(q, k, v, **kind, kind="taylor", degree=degree, shift=True)
        ours = impl.almost_linear_attention(q, k, v, **kind, degree=degree, backend="monomials")
        bare = coefficients.polynomial_attention(q, k, v, **kind, kind="taylor", degree=degree, shift=False)
        if is_causal:  # inside blocks impl is exact in the polynomial as well
            torch.testing.assert_close(ours, dense, rtol=0, atol=1e-12)
        else:
            torch.testing.assert_close(ours, dense, rtol=0, atol=1e-12)
        torch.testing.assert_close(impl.low_rank_attention(q, k, v, **kind, degree=degree), bare, rtol=0, atol=1e-12)
        assert float((dense - bare).abs().max()) > 1e-6
    true = scaled_dot_product_attention(q, k, v, **kind)
    for name in coefficients.KINDS:
        torch.testing.assert_close(
            coefficients.polynomial_attention(q, k, v, **kind, kind=name, degree=10, shift=True),
            true,
            rtol=0,
            atol=1e-7,
        )


def test_attention_is_replaced_for_a_while() -> None:
    model = training.build({**ablations.SIZES, "seed": 0})
    tokens = ablations.held()[0][:2]
    before = model(tokens)
    exact = ablations.variant({**ablations.PLAIN, "backend": "exact"}, model.config.score_scale, True)
    with ablations.replaced(model, exact):
        torch.testing.assert_close(model(tokens), before)
    with ablations.replaced(model, lambda q, k, v: 2 * v):
        assert not torch.allclose(model(tokens), before, atol=1e-3)
    assert torch.equal(model(tokens), before)


def test_shifts_that_are_missed_and_a_guarantee_that_moves_the_loss_are_told() -> None:
    def cell(error: float, loss: float, **changed: Any) -> dict[str, Any]:
        found = {
            "gradient_error": error,
            "validation_loss": loss,
            "exact_loss": 3.0,
            "guaranteed": changed.get("shift", True),
        }
        return {"name": "", "parameters": {**ablations.PLAIN, "sharper": 1.0, "seed": 0, **changed}, "found": found}

    good = [cell(1e-4, 3.0), cell(2e-4, 3.5, shift=False)]
    assert [t.met for t in ablations.targets(good)] == [True, True]
    assert [t.met for t in ablations.targets([cell(3e-4, 3.5), cell(2e-4, 3.0, shift=False)])] == [False, False]


# -- scale and prompts -----------------------------------------------------------------------------------------------------
def test_the_model_of_gpus_is_its_formula() -> None:
    given = next(c.parameters for c in scale.cells() if c.parameters["work"] == "gpus")
    rows = scale.run(given, say)["rows"]
    assert [r["gpus"] for r in rows] == [8, 16, 32, 64, 128, 256, 512, 1024]
    assert (
        rows[0]["compute"] == pytest.approx(128 * rows[-1]["compute"], rel=1e-9)
        and len({r["bytes"] for r in rows}) == 1
    )
    longer = scale.run({**given, "n": 2 * given["n"]}, say)["rows"]
    assert longer[0]["bytes"] == rows[0]["bytes"] and longer[0]["exact seconds"] == pytest.approx(
        4 * rows[0]["exact seconds"], rel=0.1
    )


@pytest.mark.parametrize("kind", ["almost-linear", "exact"])
def test_one_size_in_a_process_of_its_own(kind: str) -> None:
    found = scale.run({"work": "attention", "kind": kind, "n": 2048, "d": 8, "degree": 3, "seed": 0}, say)
    assert found["seconds"] > 0 and (1e-8 < found["error"] < 1e-3 if kind == "almost-linear" else found["error"] < 1e-6)


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="KeyError"):
        scale.run({"work": "attention", "n": 8}, say)


def test_two_processes_are_one() -> None:
    pytest.importorskip("almostlinear.impl.distributed", reason="impl/distributed is not there")
    given = {"work": "processes", "processes": 2, "n": 600, "d": 4, "heads": 1, "degree": 2, "causal": True, "seed": 0}
    found, longer = scale.run(given, say), scale.run({**given, "n": 1200}, say)
    assert found["difference"] < 1e-5 and found["bytes"] == longer["bytes"] > 0


def test_prompts_of_high_degrees_are_the_exact_one() -> None:
    given = {"seed": 0, "n": 24, "rows": 3, "pretrained": 20, "steps": 10, "every": 5, "rate": 0.02, "text": ""}
    found = [
        {"name": kind, "parameters": {**given, "kind": kind}, "found": prompts.run({**given, "kind": kind}, say)}
        for kind in ("exact", "degree 0", "degree 6")
    ]
    far = {r["name"]: distance for r, _, distance in prompts.beside(found)}
    assert far["degree 6"] < 1e-3 < 0.05 < far["degree 0"]
    named = {t.what: t for t in prompts.targets(found)}
    assert named["largest distance of a prompt from the exact one, guaranteed"].met
    spoiled = copy.deepcopy(found)
    spoiled[2]["found"]["prompt"] = found[1]["found"]["prompt"]
    assert max(d for r, _, d in prompts.beside(spoiled) if r["name"] == "degree 6") == far["degree 0"]


def test_only_the_prompt_is_trained() -> None:
    model = prompts.frozen(0, 24, 3, 5)
    assert not any(p.requires_grad for p in model.parameters())
    upper, lower = prompts.uppered(text.data()[1]), prompts.lowered(text.data()[1])
    assert not bool(((upper >= 97) & (upper <= 122)).any()) and not bool(((lower >= 65) & (lower <= 90)).any())


# -- committed results -----------------------------------------------------------------------------------------------------
def test_every_experiment_has_committed_results() -> None:
    assert {r["name"] for r in committed()} == set(EXPERIMENTS)
    assert {(r["name"], r["profile"]) for r in committed()} >= {(name, "quick") for name in EXPERIMENTS}


@pytest.mark.parametrize("result", committed(), ids=lambda r: f"{r['name']}.{r['profile']}")
def test_committed_results_are_those_of_these_cells(result: dict[str, Any]) -> None:
    experiment = EXPERIMENTS[result["name"]]
    listed = {c.name: c for c in experiment.of(result["profile"])}
    assert result["schema"] == cells.SCHEMA and result["version"] == experiment.version
    assert {c["name"] for c in result["cells"]} | set(result["not_run"]) == set(listed)
    for cell in result["cells"]:
        of_text = (
            {**cell["parameters"], "text": listed[cell["name"]].parameters.get("text")}
            if "text" in cell["parameters"]
            else cell["parameters"]
        )
        assert of_text == listed[cell["name"]].parameters, cell["name"]
    assert result["profile"] == "full" or not result["not_run"]
    again = [cells.rounded({**vars(t), "met": t.met}) for t in experiment.targets(result["cells"])]
    assert json.loads(json.dumps(again)) == result["targets"]
    assert all(t["met"] for t in result["targets"]), [t for t in result["targets"] if not t["met"]]


@pytest.mark.parametrize("result", [r for r in committed() if r["name"] == "training"], ids=lambda r: r["profile"])
def test_no_loss_departs_while_the_certificate_says_guaranteed(result: dict[str, Any]) -> None:
    """Of every run in the committed results, check by check, written out again."""
    losses: dict[str, dict[Any, dict[int, float]]] = {"exact": {}, training.NUDGED: {}}
    for r in result["cells"]:
        if r["parameters"]["kind"] in losses:
            group = training.without(r["parameters"], "kind")
            losses[r["parameters"]["kind"]][group] = {c["step"]: c["validation_loss"] for c in r["found"]["checks"]}
    held = runs = 0
    for r in (r for r in result["cells"] if r["parameters"]["kind"] not in losses):
        group = training.without(r["parameters"], "kind")
        true, nudged = losses["exact"][group], losses[training.NUDGED].get(group, {})
        for check in r["found"]["checks"]:
            step = check["step"]
            if check["guaranteed"] is not True or abs(nudged.get(step, math.inf) - true[step]) > 1e-4 * true[step]:
                break
            assert check["row_error"] <= watch.PROMISED
            if "validation_loss" not in check:  # refused on the rest of the validation text
                assert r["found"]["refused"]["step"] == step
                break
            assert abs(check["validation_loss"] - true[step]) <= 0.01 * true[step], (r["name"], step)
            held += 1
        runs += 1
    assert runs >= 10 and held >= 50


# -- comparison ------------------------------------------------------------------------------------------------------------
def drawn(values: list[float], begin: int = 0) -> list[dict[str, Any]]:
    return [
        {"name": f"seed {s}", "parameters": {"a": 1, "seed": s}, "found": {"square": v}}
        for s, v in enumerate(values, begin)
    ]


def test_figures_outside_the_interval_are_told() -> None:
    made, _ = counting()
    full = drawn([1.0, 1.1, 1.2])
    low, high = compare.interval([1.0, 1.1, 1.2])
    assert low < 1.0 < 1.2 < high and (high - low) / 2 == pytest.approx(9.925 * 0.1 * math.sqrt(4 / 3), rel=1e-3)
    assert [c.agrees for c in compare.compare(made, drawn([1.05]), full)] == [True]
    assert [c.agrees for c in compare.compare(made, drawn([5.0]), full)] == [False]
    assert [c.agrees for c in compare.compare(made, drawn([1.03]), drawn([1.0]))] == [False]
    other = [{**c, "parameters": {"a": 2, "seed": 0}} for c in full]
    assert compare.compare(made, drawn([1.05]), other) == []


def test_committed_quick_results_agree_with_the_full_ones() -> None:
    out = Console(width=200, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    assert compare.report(EXPERIMENTS.values(), out) == 0, out.export_text()


# -- pages -----------------------------------------------------------------------------------------------------------------
def rendered(results: list[dict[str, Any]]) -> dict[str, str]:
    templates = site.environment()
    shared = {"cards": {}, "nav": list(page.NAMES.items()), "root": ""}
    return {f: templates.get_template(f).render({**shared, **c, "here": f}) for f, c in page.pages(results).items()}


def test_the_pages_show_every_experiment_and_stay_small() -> None:
    made = rendered(committed())
    assert set(made) == set(page.NAMES)
    for file, html in made.items():
        assert len(html.encode()) <= 400_000, file
        shown = [name for name, (where, _) in page.SHOWN.items() if where == file]
        assert (
            all(f'id="{name}"' in html for name in shown)
            and html.count("<svg") >= 5
            and "nan" not in html.lower().replace("nanog", "")
        )
    assert "A model of many GPUs, not a measurement" in made["experiments.html"]
    assert rendered(committed()) == made


def test_the_pages_are_valid() -> None:
    html5lib = pytest.importorskip("html5lib", reason="html5lib is not installed")
    for file, html in rendered(committed()).items():
        parser = html5lib.HTMLParser()
        parser.parse(html)
        assert not parser.errors, (file, parser.errors[:3])


def test_the_numbers_of_the_page_are_those_of_the_results() -> None:
    """A changed loss and a missed target show."""
    results = [r for r in committed() if r["name"] == "training" and r["profile"] == "quick"]
    changed = copy.deepcopy(results)
    changed[0]["cells"][0]["found"]["checks"][-1]["validation_loss"] = 9.876
    changed[0]["targets"][0]["met"] = False
    before, after = rendered(results)["experiments.html"], rendered(changed)["experiments.html"]
    assert "9.876" in after and "9.876" not in before and "missed" in after and "missed" not in before


def test_hostile_names_are_inert_and_no_results_make_no_page() -> None:
    results = [copy.deepcopy(r) for r in committed() if r["profile"] == "quick"]
    for r in results:
        r["question"] = "<script>x</script>"
        for cell in r["cells"]:
            cell["name"] += "<script>x</script>"
    assert all("<script>x" not in html for html in rendered(results).values())
    assert page.pages([]) == {} and page.pages([{"name": "other", "profile": "quick", "cells": []}]) == {}


def test_curves_leave_out_what_cannot_be_drawn() -> None:
    curve = lines.Curve("a", [(1, 1.0), (2, 0.0), (3, math.inf), (4, math.nan), (10, 1e-3)])
    drawn_ = lines.chart("t", "x", "y", [curve], log_y=True)
    path = re.search(r'class="curve" d="M(\S+ \S+?)L', drawn_)
    assert path and drawn_.count("<title>") == 1 and "nan" not in drawn_ and "inf" not in drawn_.replace("info", "")
    assert lines.chart("t", "x", "y", [lines.Curve("a", [(1, 0.0)])], log_y=True) == ""
    assert lines.bars("t", "u", [("a", None, "refused")]) == ""
    assert "refused" in lines.bars("t", "u", [("a", None, "refused"), ("b", 2.0, "")])


@pytest.mark.parametrize(
    ("values", "log"),
    [((0.0, 7.3), False), ((5.0, 5.0), False), ((3e-9, 4e3), True), ((1.0, 1.0), True), ((-3.0, 2.0), False)],
)
def test_axes_hold_their_values(values: tuple[float, float], log: bool) -> None:
    made = lines.axis(values, 0, 1000, log)
    places = [made.place(v) for v, _ in made.ticks]
    assert 2 <= len(places) <= 9 and places == sorted(places) and places[0] == 0 and places[-1] <= 1000
    assert all(0 <= made.place(v) <= 1000 for v in values)


def test_long_curves_are_thinned_to_their_end() -> None:
    kept = lines._thinned([(k, k) for k in range(1001)])
    assert len(kept) <= lines.MOST_POINTS + 1 and kept[-1] == (1000, 1000)
