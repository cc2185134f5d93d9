"""Evidence cannot overclaim, the ledger cannot be changed, verdicts follow from it, and what is stale is exactly what changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sympy

from almostlinear.theorems import Bound, Identity, d, define, load, maxnorm, n, symbol
from almostlinear.verify import campaign, status
from almostlinear.verify.campaign import run
from almostlinear.verify.engines import witness
from almostlinear.verify.evidence import CEILING, MAY_REFUTE, STRENGTHS, Evidence, Overclaim, from_json, rank
from almostlinear.verify.ledger import Ledger, LedgerError
from almostlinear.verify.status import statuses
from tests.helpers import W, X, alone, own, v

ROOT = Path(__file__).resolve().parents[1]
WITNESS = {"statement": "z", "part": "1", "reading": "as printed", "n": 1, "inputs": {"v": [["1"]]}}
NEEDED = {
    "gf(p)": {"failure": 2.0**-60},
    "statistics": {"confidence": 0.999},
}


def record(
    strength="proved", basis="exact", engine="expansion", statement="z", part="1", reading="as printed", **fields
):
    """A record of the least that its strength and basis need; the code hash is that of the engine now."""
    detail = {
        **NEEDED.get(basis, {}),
        **({"sizes": {"n": 2}} if strength == "proved-at-size" else {}),
        **fields.pop("detail", {}),
    }
    code = status.code_hash(status.module_of(engine))
    made = {"hash": "h", "code": code, "tried": 1, "detail": detail, **fields}
    if strength == "refuted":
        made.setdefault("witness", WITNESS)
    return Evidence(statement, part, reading, engine, strength, basis, **made)


# -- overclaims ------------------------------------------------------------------------------------------------------------
def above(basis):
    """The strengths that a basis does not admit."""
    return [s for s in STRENGTHS if rank(s) > rank(CEILING[basis])] + ([] if basis in MAY_REFUTE else ["refuted"])


ABOVE = [(basis, strength) for basis in CEILING for strength in above(basis)]
OVERCLAIMS = {
    "unknown basis": {"basis": "intuition"},
    "unknown strength": {"strength": "certain"},
    "empty strength": {"strength": ""},
    "refuted without a witness": {"strength": "refuted", "witness": None},
    "refuted with an empty witness": {"strength": "refuted", "witness": {}},
    "nothing tried": {"tried": 0},
    "sampled, nothing tried": {"strength": "sampled", "basis": "floating point", "tried": 0},
    "enclosed, nothing tried": {"strength": "enclosed", "basis": "ball", "tried": 0},
    "an identity test with failure 2^-50": {"basis": "gf(p)", "detail": {"failure": 2.0**-50}},
    "an identity test with failure 1": {"basis": "gf(p)", "detail": {"failure": 1.0}},
    "an identity test with failure nan": {"basis": "gf(p)", "detail": {"failure": float("nan")}},
    "an identity test at one size with failure 2^-40":
        {"basis": "gf(p)", "strength": "proved-at-size", "detail": {"failure": 2.0**-40}},
    "at a size that is not named": {"strength": "proved-at-size", "detail": {"sizes": {}}},
    "statistics with confidence 0": {"strength": "searched", "basis": "statistics", "detail": {"confidence": 0}},
    "statistics with confidence 1": {"strength": "searched", "basis": "statistics", "detail": {"confidence": 1}},
    "statistics, certain": {"strength": "sampled", "basis": "statistics", "detail": {"confidence": 1.5}},
}  # fmt: skip


@pytest.mark.parametrize(("basis", "strength"), ABOVE)
def test_no_basis_goes_above_its_ceiling(basis, strength):
    with pytest.raises(Overclaim) as caught:
        record(strength, basis)
    assert "z part 1, expansion" in str(caught.value) and basis in str(caught.value)


@pytest.mark.parametrize("basis", CEILING)
def test_every_basis_reaches_its_ceiling(basis):
    assert record(CEILING[basis], basis).strength == CEILING[basis]
    if basis in MAY_REFUTE:
        assert record("refuted", basis).witness == WITNESS


@pytest.mark.parametrize("name", OVERCLAIMS)
def test_an_overclaim_cannot_be_built(name):
    with pytest.raises(Overclaim, match="z part 1"):
        record(**OVERCLAIMS[name])


def test_the_table_of_ceilings_is_the_agreed_one():
    assert CEILING == {
        "encoding": "stated", "floating point": "searched", "statistics": "searched", "ball": "enclosed",
        "smt-unchecked": "enclosed", "gf(p)": "proved", "exact": "proved", "certificate": "proved", "kernel": "proved",
    }  # fmt: skip
    assert STRENGTHS == ("stated", "sampled", "searched", "enclosed", "proved-at-size", "proved")


def test_a_record_cannot_be_raised_afterwards():
    with pytest.raises(AttributeError):
        record("searched", "floating point").strength = "proved"
    with pytest.raises(Overclaim):
        replace(record("searched", "floating point"), strength="proved")
    with pytest.raises(Overclaim):
        from_json({**record("enclosed", "ball").to_json(), "strength": "proved"})


# -- the ledger ----------------------------------------------------------------------------------------------------------------
def test_records_come_back_as_they_were(tmp_path):
    kept = [record(), record("enclosed", "ball", "enclosure", seed=3), record("refuted", relies_on=("y",))]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.append(kept) == 3
    with Ledger(tmp_path / "l.sqlite", must_exist=True) as ledger:
        assert list(ledger) == kept
        assert [e.digest for e in ledger] == [e.digest for e in kept]


def test_the_same_finding_is_kept_once():
    with Ledger(None) as ledger:
        assert ledger.append([record(), record()]) == 1
        assert ledger.append([record(), record(tried=2)]) == 1
        assert len(list(ledger)) == 2


@pytest.mark.parametrize("table", ["evidence", "examined", "runs"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET rowid = rowid + 100", "DELETE FROM {}"])
def test_nothing_can_be_changed_or_deleted(tmp_path, table, verb):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.append([record()], "key")
        ledger.note_run("now", {})
    connection = sqlite3.connect(tmp_path / "l.sqlite")
    with pytest.raises(sqlite3.DatabaseError, match="append-only"), connection:
        connection.execute(verb.format(table))
    connection.close()
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert len(list(ledger)) == 1 and ledger.examined("key") and ledger.last_run() == {"date": "now"}


@pytest.mark.parametrize(
    "statement",
    ["INSERT OR REPLACE INTO evidence SELECT id, digest, statement, '{}' FROM evidence",
     "REPLACE INTO runs SELECT id, 'never', '{}' FROM runs"],
    ids=["evidence", "runs"],
)  # fmt: skip
def test_nothing_can_be_replaced(tmp_path, statement):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.append([record()])
        ledger.note_run("now", {})
    connection = sqlite3.connect(tmp_path / "l.sqlite")
    with pytest.raises(sqlite3.DatabaseError, match="append-only"), connection:
        connection.execute(statement)
    connection.close()


def test_records_are_kept_all_or_none(tmp_path):
    def broken():
        yield record()
        raise RuntimeError("an engine died")

    with Ledger(tmp_path / "l.sqlite") as ledger:
        with pytest.raises(RuntimeError):
            ledger.append(broken(), "key")
        assert list(ledger) == [] and not ledger.examined("key")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"strength": "proved", "basis": "ball"}, "admits at most"),
        ({"surprise": 1}, "surprise"),
        ({"witness": None, "strength": "refuted"}, "needs a witness"),
    ],
)
def test_a_forged_record_is_refused(tmp_path, change, says):
    """Written past the guards; read, it claims more than it may."""
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        ledger.append([record()])
    connection = sqlite3.connect(path)
    forged = json.dumps({**record().to_json(), **change})
    with connection:
        connection.execute("INSERT INTO evidence (digest, statement, record) VALUES ('x', 'z', ?)", (forged,))
    connection.close()
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=says) as caught:
        list(ledger)
    assert "record 2" in str(caught.value) and str(path) in str(caught.value)


# -- verdicts ------------------------------------------------------------------------------------------------------------------
TRIVIAL = Identity(v, v)


def verdict_of(registry, records, name="z"):
    hashes = registry.hashes()
    with Ledger(None) as ledger:
        ledger.append([replace(r, hash=hashes.get(r.statement, "")) for r in records])
        return next(s for s in statuses(registry, ledger) if s.statement.id == name)


ONE = alone(own("z", TRIVIAL))
CLAIM_VERDICTS = {
    "nothing": ([], "open"),
    "the strongest": (
        [record("searched", "floating point"), record("enclosed", "ball"), record("stated", "encoding")],
        "enclosed",
    ),
    "proved above enclosed": ([record(), record("enclosed", "ball")], "proved"),
    "at a size": ([record("proved-at-size"), record("enclosed", "ball")], "proved-at-size"),
    "a witness above a proof": ([record(), record("refuted")], "refuted"),
    "a repair says nothing of the claim": ([record("stated", "encoding", "repair")], "stated"),
    "of another part": ([record(part="2")], "open"),
    "of another reading": ([record(reading="other")], "open"),
}


@pytest.mark.parametrize("name", CLAIM_VERDICTS)
def test_verdict_of_a_claim(name):
    records, wanted = CLAIM_VERDICTS[name]
    assert verdict_of(ONE, records).verdict == wanted


READINGS = alone(own("z", Identity(v, v, reading="a"), Identity(v * 1, v, reading="b")))
PARTS = alone(own("z", Identity(v, v, part="1"), Identity(v * 1, v, part="2")))


@pytest.mark.parametrize(
    ("registry", "first", "second", "wanted"),
    [
        (READINGS, "refuted", "proved", "proved"),
        (READINGS, "refuted", "enclosed", "enclosed"),
        (READINGS, "refuted", "refuted", "refuted"),
        (READINGS, "refuted", None, "open"),
        (READINGS, "enclosed", "proved", "proved"),
        (PARTS, "proved", "refuted", "refuted"),
        (PARTS, "proved", "enclosed", "enclosed"),
        (PARTS, "proved", None, "open"),
        (PARTS, "refuted", None, "refuted"),
        (PARTS, "proved", "proved", "proved"),
    ],
)
def test_best_reading_and_worst_part(registry, first, second, wanted):
    claims = next(iter(registry)).claims
    records = [
        record(strength, "ball" if strength == "enclosed" else "exact", part=c.part, reading=c.reading)
        for c, strength in zip(claims, (first, second), strict=True)
        if strength
    ]
    found = verdict_of(registry, records)
    assert found.verdict == wanted
    assert (found.witness is not None) == (wanted == "refuted")


def relying(below_records, on=("y",), below_claims=(TRIVIAL,), uses=("y",)):
    """The verdict of a proof of z that relies on y."""
    kind = "identity" if below_claims else "definition"
    registry = alone(own("y", *below_claims, kind=kind), own("z", TRIVIAL, uses=uses))
    return verdict_of(registry, [*below_records, record(relies_on=on)])


def test_a_proof_is_worth_no_more_than_what_it_relies_on():
    assert relying([record(statement="y")]).verdict == "proved"
    assert relying([record("enclosed", "ball", statement="y")]).verdict == "enclosed"
    assert relying([record("proved-at-size", statement="y")]).verdict == "proved-at-size"
    assert relying([record("refuted", statement="y")]).verdict == "gap"
    assert relying([]).verdict == "open"
    assert relying([record(statement="y")], on=("y", "absent")).verdict == "open"


def test_a_definition_caps_nothing():
    stated = record("stated", "encoding", "encoding", statement="y", part=status.NOTHING_CLAIMED, reading="")
    assert relying([stated], below_claims=()).verdict == "proved"


def test_relying_on_what_is_not_among_the_uses_counts_as_that_does():
    assert relying([record(statement="y")], uses=()).verdict == "proved"
    assert relying([record("enclosed", "ball", statement="y")], uses=()).verdict == "enclosed"
    assert relying([], uses=()).verdict == "open"


def test_weaker_evidence_that_relies_on_nothing_still_counts():
    registry = alone(own("y", TRIVIAL), own("z", TRIVIAL, uses=("y",)))
    records = [record("refuted", statement="y"), record(relies_on=("y",)), record("enclosed", "ball")]
    assert verdict_of(registry, records).verdict == "enclosed"


def test_the_argument_of_a_statement_that_uses_a_false_one_is_a_gap():
    registry = alone(own("y", TRIVIAL), own("z", TRIVIAL, uses=("y",)))
    found = verdict_of(registry, [record("refuted", statement="y"), record()])
    assert found.verdict == "proved" and found.claims[0].argument == "gap"
    assert found.gap and "y" in found.gap[0]
    sound = verdict_of(registry, [record(statement="y"), record()])
    assert sound.claims[0].argument == "ok" and not sound.gap


def test_using_a_formula_of_a_false_lemma_is_not_relying_on_it():
    named = Identity(define("Q", v, "y"), v)
    registry = alone(own("y", TRIVIAL), own("z", named))
    found = verdict_of(registry, [record("refuted", statement="y"), record()])
    assert registry.uses("z") == ("y",) and found.claims[0].argument == "ok"


# -- stale: in process ----------------------------------------------------------------------------------------------------------------
def chain(constant=2, bound=3):
    """a <- b <- c by uses, a <- e by a formula, and g apart; one constant stands in b."""
    body = define("Q", X @ W, "a")
    return alone(
        own("a", Identity(X @ W, X @ W)),
        own("b", Identity(X * constant, X + X * (constant - 1)), uses=("a",)),
        own("c", Identity(X, X), uses=("b",)),
        own("e", Identity(body, X @ W)),
        own("g", Bound(maxnorm(X), bound * maxnorm(X)), kind="norm-bound"),
    )


def stale_after(change):
    with Ledger(None) as ledger:
        before = chain()
        run(before, ledger, before)
        assert {s.verdict for s in statuses(before, ledger)} == {"proved"}
        assert not [s for s in statuses(before, ledger) if s.stale]
        return {s.statement.id: s for s in statuses(change, ledger)}


def test_one_changed_constant_makes_its_descendants_stale_and_nothing_else():
    changed = chain(constant=3)
    found = stale_after(changed)
    assert {name for name, s in found.items() if s.stale} == {"b", *changed.descendants("b")} == {"b", "c"}
    assert {name: s.verdict for name, s in found.items()} == {
        "a": "proved", "b": "open", "c": "open", "e": "proved", "g": "proved",
    }  # fmt: skip


def test_a_bound_goes_stale_with_its_constant():
    assert {name for name, s in stale_after(chain(bound=4)).items() if s.stale} == {"g"}


def test_a_definition_reaches_what_is_written_with_it():
    changed = alone(*(replace(s, hypotheses=("n > 1",)) if s.id == "a" else s for s in chain()))
    found = stale_after(changed)
    assert {name for name, s in found.items() if s.stale} == {"a", "b", "c", "e"} == {"a", *changed.descendants("a")}


def test_a_title_makes_nothing_stale():
    changed = alone(*(replace(s, title="other", notes=("n",)) for s in chain()))
    assert not [name for name, s in stale_after(changed).items() if s.stale]


def test_a_changed_engine_makes_its_evidence_stale(monkeypatch):
    registry = chain()
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        real = status.code_hash
        changed = dict.fromkeys(map(status.module_of, ("norms", "steps", "analysis")), "another")
        monkeypatch.setattr(status, "code_hash", lambda module: changed.get(module) or real(module))
        found = {s.statement.id: s for s in statuses(registry, ledger)}
        assert found["g"].verdict == "enclosed", "what other engines found still stands"
        changed |= dict.fromkeys((status.module_of(e.engine) for e in ledger), "another")
        found = statuses(registry, ledger)
        assert {s.verdict for s in found} == {"open"} and all(s.stale for s in found)


def test_circles_are_refused():
    registry = alone(own("a", TRIVIAL, uses=("b",)), own("b", TRIVIAL, uses=("a",)))
    with pytest.raises(ValueError, match="a -> b -> a"):
        registry.hashes()


# -- stale: one constant in one file of theorems/ -------------------------------------------------------------------------------------
PRINT_HASHES = (
    "import json; from almostlinear.theorems import load; r = load();"
    "print(json.dumps([r.hashes(), {s.id: r.descendants(s.id) for s in r}]))"
)
EDITS = {
    "C.9": ("paper/c_preliminaries.py", 'h = define("h", X @ W_V, "C.9")', 'h = define("h", (X @ W_V) * 2, "C.9")'),
    "G.3": ("paper/g_gradient_wv.py", "X.T @ f @ G)", "(X.T @ f @ G) * 3)"),
    "D.16": ("paper/d_matrix_view.py", "Identity(K, (G * s) @ ones(d))", "Identity(K, (G * s) @ (ones(d) * 2))"),
    "C.18": ("paper/c_preliminaries.py", "Bound(printed, n ** (1 + 2 * c), part=\"poly\", given=small)",
             "Bound(printed, n ** (1 + 3 * c), part=\"poly\", given=small)"),
}  # fmt: skip


def hashes_of(folder):
    found = subprocess.run([sys.executable, "-c", PRINT_HASHES], cwd=folder, capture_output=True, text=True, check=True,
                           env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"})  # fmt: skip
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The package with a real copy of theorems/, to be edited."""
    folder = tmp_path_factory.mktemp("edited")
    (folder / "almostlinear").mkdir()
    (folder / "almostlinear" / "__init__.py").write_text("")
    shutil.copytree(
        ROOT / "theorems", folder / "almostlinear" / "theorems", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder, *hashes_of(folder)


@pytest.mark.parametrize("name", EDITS)
def test_editing_one_constant_of_the_paper_changes_exactly_its_descendants(copied, name):
    folder, before, below = copied
    relative, old, new = EDITS[name]
    path = folder / "almostlinear" / "theorems" / relative
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{relative} has changed: adapt this test's edit"
    path.write_text(source.replace(old, new), encoding="utf-8")
    try:
        after, _ = hashes_of(folder)
    finally:
        path.write_text(source, encoding="utf-8")
    changed = {s for s in before if before[s] != after[s]}
    assert set(before) == set(after)
    assert changed == {name, *below[name]}
    assert 1 <= len(changed) < len(before) - 10


def test_these_hashes_are_those_of_the_registry(copied):
    assert copied[1] == load().hashes()


# -- campaigns -------------------------------------------------------------------------------------------------------------------------
def counted(monkeypatch):
    """Counts examinations; the engines run as they are."""
    seen = []
    real = campaign.examine

    def examine(task):
        seen.append(task.statement.id)
        return real(task)

    monkeypatch.setattr(campaign, "examine", examine)
    return seen


def test_an_interrupted_campaign_goes_on_where_it_stopped(monkeypatch, tmp_path):
    seen, registry = counted(monkeypatch), chain()

    def interrupt(made, done):
        if done == 2:
            raise KeyboardInterrupt

    with Ledger(tmp_path / "l.sqlite") as ledger:
        with pytest.raises(KeyboardInterrupt):
            run(registry, ledger, registry, on_claim=interrupt)
        assert seen == ["a", "b"]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert {e.statement for e in ledger} == {"a", "b"}, "what was found is kept"
        progress = run(registry, ledger, registry)
        assert seen == ["a", "b", "c", "e", "g"] and progress.reused == 2 and progress.claims == 5
        assert run(registry, ledger, registry).reused == 5 and len(seen) == 5
        kept = list(ledger)
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        assert list(ledger) == kept, "as if it had never been interrupted"


def test_an_engine_that_dies_leaves_nothing_half_done(monkeypatch):
    registry = chain()
    real = campaign.examine

    def dies(task):
        yield next(real(task))
        raise MemoryError

    with Ledger(None) as ledger:
        monkeypatch.setattr(campaign, "examine", dies)
        errors = run(registry, ledger, registry).errors
        assert set(errors) == {s.id for s in registry} and all("MemoryError" in text for text in errors.values())
        assert not list(ledger)
        monkeypatch.setattr(campaign, "examine", real)
        assert run(registry, ledger, registry).reused == 0


def test_no_budget_begins_nothing(monkeypatch):
    seen, registry = counted(monkeypatch), chain()
    clock = iter(range(100))
    monkeypatch.setattr(campaign.time, "monotonic", lambda: next(clock))
    with Ledger(None) as ledger:
        progress = run(registry, ledger, registry, budget=0)
        assert progress.stopped and progress.claims == 0 and seen == []
        progress = run(registry, ledger, registry, budget=2)
        assert progress.stopped and seen == ["a", "b"]
        progress = run(registry, ledger, registry, budget=1000)
        assert not progress.stopped and seen == ["a", "b", "c", "e", "g"] and progress.reused == 2


@pytest.mark.parametrize("change", ["seed", "profile", "claim", "code"])
def test_what_an_examination_depends_on(monkeypatch, change):
    from almostlinear.verify.task import PROFILES

    seen, registry = counted(monkeypatch), alone(own("z", Identity(v, v)))
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        options = {"seed": {"seed": 1}, "profile": {"profile": replace(PROFILES["quick"], name="other")}}.get(
            change, {}
        )
        if change == "claim":
            registry = alone(own("z", Identity(v * 2, v + v)))
        if change == "code":
            monkeypatch.setattr(campaign, "code_hash", lambda module: "another")
        assert run(registry, ledger, registry, **options).reused == 0
    assert len(seen) == 2


def test_the_same_seed_gives_the_same_evidence():
    false = own("f", Identity(X.T @ symbol("S", n, n) @ X, X.T @ symbol("S", n, n).T @ X))
    bound = own("h", Bound(maxnorm(X @ W), n * maxnorm(X) * maxnorm(W)), kind="norm-bound")
    registry = alone(*chain(), false, bound)
    found = []
    for seed in (0, 0, 1):
        with Ledger(None) as ledger:
            run(registry, ledger, registry, seed=seed)
            found.append([e.to_json() for e in ledger])
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert {e["statement"] for e in found[0]} == {s.id for s in registry}


def test_a_witness_of_a_refutation_is_evidence_with_its_values():
    claim = Identity(X @ W, X @ W.T)
    registry = alone(own("z", claim))
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        (found,) = statuses(registry, ledger)
    assert found.verdict == "refuted"
    assert found.witness["claimed"] != found.witness["actual"] and found.witness["n"] <= 2 and found.witness["d"] == 2
    assert witness.ENGINE in {e.engine for e in found.evidence}


def test_sizes_and_sympy_stay_out_of_records():
    registry = chain()
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        assert all(json.loads(json.dumps(e.to_json())) == e.to_json() for e in ledger)
    assert isinstance(d, sympy.Symbol)
