"""The command line as users' scripts see it: schema, exit codes, one clear message for bad input, nothing half-written."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.theorems import load
from almostlinear.verify import campaign
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import WORST_FIRST
from tests.helpers import REFUTED, scratch_registry

runner = CliRunner()
KEYS = {
    "id", "title", "kind", "origin", "repairs", "uses", "source", "verdict", "stale", "basis", "tightness", "gap", "claims",
    "witness", "evidence",
}  # fmt: skip
CLAIM_KEYS = {"part", "reading", "verdict", "argument"}
WITNESS_KEYS = {"n", "inputs", "units", "claimed", "actual", "file"}
EVIDENCE_KEYS = {"engine", "strength", "basis", "tried", "seed", "versions", "hash"}
MORE = ("C.8", "C.17", "G.1")


@pytest.fixture(autouse=True)
def forgotten():
    """What a plugin of one test defines is not there in the next."""
    with scratch_registry():
        yield


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


def command(*arguments, **options):
    """The same in a process of its own, as a script would call it."""
    return subprocess.run(
        [sys.executable, "-m", "almostlinear", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def is_bad(found):
    """Exit code 2, one message on stderr and nothing else."""
    assert found.exit_code == 2, found.output
    assert found.stdout == "" and "Traceback" not in found.stderr
    assert found.stderr.strip()


def one_message(found):
    """`is_bad`, and the message is a single line that names the program."""
    is_bad(found)
    assert found.stderr.startswith("almostlinear: ") and found.stderr.count("\n") == 1, found.stderr


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger in which the refuted statements, a definition, a bound and an identity are examined."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    found = run("check", *REFUTED, *MORE, "--ledger", path, "--json")
    assert found.exit_code == 0, found.output
    checked = json.loads(found.stdout)
    assert checked["complaints"] == [] and checked["stopped"] is False
    assert {row["id"] for row in checked["statements"]} == {*REFUTED, *MORE}
    return path


@pytest.fixture(scope="module")
def rows(ledger):
    found = run("status", "--json", "--ledger", ledger)
    assert found.exit_code == 0
    data = json.loads(found.stdout)
    assert set(data) == {"schema", "statements"} and data["schema"] == 1
    return {row["id"]: row for row in data["statements"]}


# -- the schema ------------------------------------------------------------------------------------------------------------
def test_status_has_every_statement_with_the_documented_keys(rows):
    assert list(rows) == [s.id for s in load()]
    for row in rows.values():
        assert set(row) == KEYS
        assert row["verdict"] in WORST_FIRST and row["origin"] in ("published", "repair", "own")
        assert isinstance(row["stale"], bool) and isinstance(row["uses"], list) and isinstance(row["gap"], list)
        assert all(
            set(claim) - {"constant"} == CLAIM_KEYS and claim["argument"] in ("ok", "gap") for claim in row["claims"]
        )
        assert all(set(record) >= EVIDENCE_KEYS for record in row["evidence"])
        assert row["tightness"] is None or set(row["tightness"]) == {"best", "instance"}


def test_verdicts_of_what_was_checked(rows):
    assert {name: rows[name]["verdict"] for name in (*REFUTED, *MORE)} == {
        **dict.fromkeys(REFUTED, "refuted"), "C.8": "stated", "C.17": "proved", "G.1": "proved",
    }  # fmt: skip
    assert rows["D.3"]["verdict"] == "open" and rows["D.3"]["evidence"] == []
    assert rows["G.1"]["basis"] and {"exact", "gf(p)"} <= set(rows["G.1"]["basis"])


@pytest.mark.parametrize("name", REFUTED)
def test_witnesses_are_small_strings_and_come_with_a_file(rows, name):
    found = rows[name]["witness"]
    assert set(found) >= WITNESS_KEYS and found["n"] <= 3 and found.get("d", 1) <= 3
    assert all(isinstance(x, str) for matrix in found["inputs"].values() for row in matrix for x in row)
    assert set(found["units"].values()) <= {"ln2"} and found["claimed"] != found["actual"]
    stored = json.loads(Path(found["file"]).read_text(encoding="utf-8"))
    assert stored == {k: v for k, v in found.items() if k != "file"}
    assert len(Path(found["file"]).read_text(encoding="utf-8").splitlines()) < 30, "a person can check it by hand"


JSON_COMMANDS = {
    "list": (("list",), {"schema", "statements"}),
    "list by kind": (("list", "--kind", "norm-bound", "--origin", "repair"), {"schema", "statements"}),
    "show": (("show", "G.3", "LEDGER"), {"schema", "statement", "formulas", "used_by"}),
    "show as latex": (("show", "G.3", "--latex", "LEDGER"), {"schema", "statement", "formulas", "used_by"}),
    "status": (("status", "LEDGER"), {"schema", "statements"}),
    "impact": (("impact", "C.8"), {"schema", "id", "stale"}),
    "check": (("check", "G.1", "LEDGER"), {"schema", "statements", "complaints", "stopped"}),
}


@pytest.mark.parametrize("name", JSON_COMMANDS)
def test_json_is_exactly_one_object(ledger, name):
    arguments, keys = JSON_COMMANDS[name]
    where = [x for a in arguments for x in (("--ledger", ledger) if a == "LEDGER" else (a,))]
    found = run(*where, "--json")
    assert found.exit_code == 0
    data = json.loads(found.stdout)
    assert set(data) == keys and data["schema"] == 1


def test_json_is_exactly_one_object_in_a_process_of_its_own(ledger, tmp_path):
    found = command("check", "G.1", "--json", "--seed", 5, "--ledger", tmp_path / "l.sqlite")
    assert found.returncode == 0 and json.loads(found.stdout)["statements"][0]["verdict"] == "proved"
    found = command("report", "--json", "--ledger", ledger, "--out", tmp_path / "site")
    assert found.returncode == 0, found.stderr
    page = Path(json.loads(found.stdout)["page"])
    assert page.is_file() and page.parent == tmp_path / "site"


def test_tables_for_people(ledger):
    for arguments in (
        ("list",),
        ("show", "G.3", "--ledger", ledger),
        ("status", "--ledger", ledger),
        ("impact", "G.2"),
    ):
        found = run(*arguments)
        assert found.exit_code == 0 and "G.3" in found.stdout
    assert "refuted" in run("show", "D.1", "--ledger", ledger).stdout
    assert r"\top" in run("show", "G.3", "--latex", "--ledger", ledger).stdout
    assert "nothing builds on" in run("impact", "B.4").stdout


@pytest.mark.parametrize("name", ["list", "show", "check", "status", "impact", "replay", "report"])
def test_help_has_an_example(name):
    found = run(name, "--help")
    assert found.exit_code == 0 and f"Example: almostlinear {name}" in found.stdout


def test_impact_is_what_builds_on_a_statement():
    stale = json.loads(run("impact", "D.1", "--json").stdout)["stale"]
    assert {"D.3", "D.8", "E.11"} <= set(stale) and "C.1" not in stale and "D.1" not in stale
    assert stale == list(load().descendants("D.1"))


def test_list_needs_no_torch():
    code = (
        "import sys; from almostlinear.cli import app; app(['list'], standalone_mode=False);"
        "print(*[m for m in ('torch', 'hypothesis', 'z3') if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "G.3" in found.stdout and found.stderr.strip() == ""


# -- exit codes ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", REFUTED)
def test_every_witness_replays(rows, name):
    found = run("replay", rows[name]["witness"]["file"], "--json")
    data = json.loads(found.stdout)
    assert found.exit_code == 0 and data["refutes"] and data["as recorded"]
    shown = run("replay", rows[name]["witness"]["file"])
    assert shown.exit_code == 0 and "refuted by exact arithmetic" in shown.stdout


def test_every_witness_file_replays(ledger):
    """Those of single readings too."""
    files = sorted((ledger.parent / "witnesses").iterdir())
    assert len(files) >= 12
    for path in files:
        assert run("replay", path).exit_code == 0, path


@pytest.mark.parametrize("name", REFUTED)
def test_a_witness_that_no_longer_refutes_exits_one(rows, tmp_path, name):
    """All of its matrices zero: both sides are."""
    data = rows[name]["witness"]
    data = {**data, "inputs": {k: [["0"] * len(row) for row in m] for k, m in data["inputs"].items()}}
    path = tmp_path / "w.json"
    path.write_text(json.dumps(data))
    found = run("replay", path, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout) == {"schema": 1, "refutes": False, "as recorded": False, "witness": None}


def test_a_witness_with_other_values_still_refutes_and_says_so(rows, tmp_path):
    data = {**rows["G.3"]["witness"], "claimed": "17"}
    path = tmp_path / "w.json"
    path.write_text(json.dumps(data))
    found = run("replay", path)
    assert found.exit_code == 0 and "records other values" in found.stdout


def test_a_verdict_that_changed_exits_one(monkeypatch, tmp_path):
    """An engine that finds no proof any more: the identity is enclosed only, and the baseline has proved."""
    monkeypatch.setattr(campaign, "PROOFS", {kind: () for kind in campaign.PROOFS})
    found = run("check", "G.1", "--ledger", tmp_path / "l.sqlite", "--json")
    assert found.exit_code == 1
    (complaint,) = json.loads(found.stdout)["complaints"]
    assert "G.1 is enclosed, the baseline has proved" in complaint


def test_a_budget_stops_early_and_the_same_command_goes_on(tmp_path):
    path = tmp_path / "l.sqlite"
    found = run("check", "G.1", "H.2", "--budget", "0", "--ledger", path, "--json")
    assert found.exit_code == 3 and json.loads(found.stdout)["stopped"] is True
    assert "run the same command again" in found.stderr
    assert run("check", "H.2", "--ledger", path).exit_code == 0
    found = run("check", "G.1", "H.2", "--ledger", path)
    assert found.exit_code == 0 and "4 of them known from before" in found.stderr


def test_an_interrupt_exits_three_and_keeps_what_was_found(monkeypatch, tmp_path):
    real = campaign.examine

    def interrupted(task):
        if task.claim.part != task.statement.claims[0].part:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(campaign, "examine", interrupted)
    found = run("check", "G.1", "--ledger", tmp_path / "l.sqlite")
    assert found.exit_code == 3 and "interrupted" in found.stderr and found.stdout == ""
    with Ledger(tmp_path / "l.sqlite") as kept:
        assert {e.part for e in kept} == {load()["G.1"].claims[0].part}


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_of_the_process_exits_three(tmp_path):
    path = tmp_path / "l.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-m", "almostlinear", "check", "--ledger", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell starts what it runs in the background without interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    for _ in range(300):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        if path.exists() and path.stat().st_size:
            with Ledger(path) as kept:
                if any(True for _ in kept):
                    break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3 and "interrupted" in err and "Traceback" not in err and out == ""
    with Ledger(path) as kept:
        assert list(kept)


# -- bad arguments -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "Q.7"), "'Q.7'"),
        (("show", "g.3"), "G.3"),
        (("check", "Q.7"), "'Q.7'"),
        (("check", "G.3", "Q.7"), "'Q.7'"),
        (("impact", "Q.7"), "'Q.7'"),
        (("check", "G.3", "--profile", "slow"), "quick, ci, thorough"),
        (("check", "G.3", "--device", "tpu"), "cpu or cuda"),
        (("check", "G.3", "--update-baseline"), "leave out ids"),
        (("list", "--kind", "poem"), "norm-bound"),
        (("list", "--origin", "mars"), "published, repair or own"),
        (("check", "--plugin", "nowhere.py"), "nowhere.py"),
        (("check", "--plugin", "no_such_module_at_all"), "no_such_module_at_all"),
        (("replay", "nowhere.json"), "nowhere.json"),
        (("replay", "."), "cannot be read"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_arguments_get_one_message(tmp_path, arguments, says):
    path = tmp_path / "sub" / "l.sqlite"
    found = run(*arguments, *(("--ledger", path) if arguments[0] == "check" else ()))
    one_message(found)
    assert says in found.stderr
    assert not path.exists() and not path.parent.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "G.3", "--seed", "-1"), ("check", "G.3", "--seed", "one"), ("check", "G.3", "--budget", "-1"), ("show",),
        ("nonsense",), ("status", "--nonsense"), ("replay",),
    ],
    ids=str,
)  # fmt: skip
def test_bad_usage(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    is_bad(run(*arguments))
    assert not list(tmp_path.iterdir())


# -- bad witnesses -------------------------------------------------------------------------------------------------------------------
GOOD = {
    "schema": 1, "statement": "G.3", "part": "1", "reading": "f by Definitions C.6-C.8 (no 1/d)", "n": 1, "d": 1,
    "inputs": {"X": [["1"]], "W": [["1"]], "W_V": [["1"]], "G": [["1"]]}, "units": {"W": "ln2"},
}  # fmt: skip
PHI = {
    "statement": "H.2", "part": "closed form", "reading": "as printed", "n": 1, "d": 1,
    "inputs": {"Attn": [["1"]], "W_g": [["1"]], "g_T": [["1"]]},
}  # fmt: skip


def but(**changed):
    return json.dumps({**GOOD, **changed})


def entry(value):
    return but(inputs={**GOOD["inputs"], "X": [[value]]})


def without(key):
    return json.dumps({k: v for k, v in GOOD.items() if k != key})


BAD_WITNESSES = {
    "not JSON": ("{", "not JSON"),
    "empty": ("", "not JSON"),
    "deeply nested": ("[" * 100_000, "not JSON"),
    "a number of 5000 digits": (f'{{"n": {"9" * 5000}}}', "not JSON"),
    "bytes": (b"\xff\xfe\x00", "not JSON"),
    "a list": ("[]", "expected a JSON object"),
    "nothing in it": ("{}", "lacks statement, part, reading, inputs"),
    "no inputs": (without("inputs"), "lacks inputs"),
    "no statement": (without("statement"), "lacks statement"),
    "no size": (without("n"), "no value for size n"),
    "an unknown statement": (but(statement="Q.7"), "'Q.7'"),
    "a statement that is no name": (but(statement=["G.3"]), "no statement"),
    "a definition": (but(statement="C.8"), "has no part"),
    "an unknown part": (but(part="9"), "has no part '9'"),
    "an unknown reading": (but(reading="another"), "it has part"),
    "a part that is no text": (but(part={}), "has no part"),
    "inputs that are a list": (but(inputs=[]), "inputs"),
    "a matrix that is text": (but(inputs={**GOOD["inputs"], "X": "1"}), "input X: expected a list of rows"),
    "a matrix without rows": (but(inputs={**GOOD["inputs"], "X": []}), "input X: expected a list of rows"),
    "a matrix without columns": (but(inputs={**GOOD["inputs"], "X": [[]]}), "X is 1 x 0"),
    "ragged rows": (but(inputs={**GOOD["inputs"], "X": [["1"], ["1", "2"]]}), "rows of equal length"),
    "too wide": (but(inputs={**GOOD["inputs"], "X": [["1", "2"]]}), "X is 1 x 2, but its sizes say 1 x 1"),
    "too long": (but(inputs={**GOOD["inputs"], "X": [["1"], ["2"]]}), "X is 2 x 1, but its sizes say 1 x 1"),
    "a missing matrix": (but(inputs={"X": [["1"]]}), "no value for"),
    "a word": (entry("x"), "input X[1][1]"),
    "nan": (entry("nan"), "input X[1][1]"),
    "infinity": (entry("inf"), "input X[1][1]"),
    "an empty text": (entry(""), "input X[1][1]"),
    "1/0": (entry("1/0"), "input X[1][1]"),
    "a float": (entry(0.5), "input X[1][1]"),
    "true": (entry(True), "input X[1][1]"),
    "null": (entry(None), "input X[1][1]"),
    "a list for a number": (entry(["1"]), "input X[1][1]"),
    "a number of 200 digits": (entry("9" * 200), "input X[1][1]"),
    "ten to the ten million": (entry("1e9999999"), "input X[1][1]"),
    "an unknown unit": (but(units={"W": "metre"}), "the only unit is 'ln2'"),
    "a unit that is no text": (but(units={"W": ["ln2"]}), "the only unit is 'ln2'"),
    "units that are a list": (but(units=["ln2"]), "unit"),
    "a size beyond the limit": (but(n=10**6), "within 1..64"),
    "size zero": (but(n=0), "within 1..64"),
    "a negative size": (but(d=-1), "within 1..64"),
    "a size that is text": (but(n="1"), "no value for size n"),
    "a size that is a fraction": (but(n=1.5), "no value for size n"),
    "constants that are a list": (but(constants=[1]), "constants"),
    "a constant that is a word": (but(constants={"tau": "x"}), "constant tau"),
    "functions that are a list": (but(functions=["tanh"]), "functions"),
    "an unknown function": (json.dumps({**PHI, "functions": {"phi": "sin"}}), "'sin'"),
    "a power that is no number": (json.dumps({**PHI, "functions": {"phi": "power:x"}}), "'power:x'"),
    "a power of ten million": (json.dumps({**PHI, "functions": {"phi": "power:9999999"}}), "'power:9999999'"),
    "a missing constant": (but(statement="E.11r", reading="any scale tau"), "'tau'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_WITNESSES)
def test_a_bad_witness_gets_one_message(tmp_path, name):
    text, says = BAD_WITNESSES[name]
    path = tmp_path / "w.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = run("replay", path)
    one_message(found)
    assert says in found.stderr, found.stderr
    assert len(found.stderr) < 1000


@pytest.mark.parametrize("value", ["1000000000000", "-1000000000000", "9" * 55])
def test_a_huge_number_is_no_crash(tmp_path, value):
    """2^(10^12) does not fit; the claim is decided by other means or not at all, in a process that lives."""
    path = tmp_path / "w.json"
    path.write_text(but(inputs={**GOOD["inputs"], "W": [[value]]}))
    found = command("replay", path, "--json")
    assert found.returncode == 1 and json.loads(found.stdout)["refutes"] is False, found.stderr


@pytest.mark.parametrize(
    ("domain", "value"), [("positive", "-1"), ("unit", "2"), ("mask", "0"), ("mask", "3"), ("onehot", "2")]
)
def test_a_witness_outside_the_domain_of_its_statement_is_refused(tmp_path, domain, value):
    """Else a true claim could be "refuted" by matrices that it does not speak of."""
    plugin, path = tmp_path / "lemma.py", tmp_path / "w.json"
    plugin.write_text(
        HEAD
        + f"A = symbol('A', n, n, domain={domain!r})\n@statement('my.1', 't')\ndef f():\n    return Identity(A, A.T)\n"
    )
    witness = {"statement": "my.1", "part": "1", "reading": "as printed", "n": 1, "inputs": {"A": [[value]]}}
    path.write_text(json.dumps(witness))
    found = run("replay", path, "--plugin", plugin)
    one_message(found)
    assert "A" in found.stderr and domain in found.stderr


# -- bad ledgers -----------------------------------------------------------------------------------------------------------------------
def text_file(path):
    path.write_text("no database at all, but long enough to be looked at as one")


def other_database(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def later_schema(path):
    Ledger(path).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def corrupted_record(path):
    Ledger(path).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO evidence (digest, statement, record) VALUES ('x', 'G.1', '{\"statement\": 1}')")
    connection.close()


def half_a_file(path):
    with Ledger(path) as made:
        made.note_run("now", {"long": "x" * 20_000})
    path.write_bytes(path.read_bytes()[:8192])


def missing(path):
    pass


BAD_LEDGERS = {
    text_file: "not a ledger",
    other_database: "not a ledger",
    later_schema: "schema 99",
    corrupted_record: "record 1 is not valid evidence",
    half_a_file: "ledger",
    missing: "no ledger there",
}


@pytest.mark.parametrize("make", BAD_LEDGERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["status", "report", "check", "show"])
def test_a_bad_ledger_gets_one_message_and_stays_as_it_is(tmp_path, make, name):
    if make is missing and name in ("check", "show"):
        pytest.skip("begins a ledger, or shows the statement without one")
    path = tmp_path / "l.sqlite"
    make(path)
    before = path.read_bytes() if path.exists() else None
    arguments = {"check": ("check", "G.1"), "show": ("show", "G.1"), "report": ("report", "--out", tmp_path / "site")}
    found = run(*arguments.get(name, (name,)), "--ledger", path)
    one_message(found)
    assert BAD_LEDGERS[make] in found.stderr and str(path) in found.stderr
    assert (path.read_bytes() if path.exists() else None) == before
    assert not (tmp_path / "site").exists() and not (tmp_path / "witnesses").exists()


@pytest.mark.parametrize("name", ["status", "check"])
def test_a_ledger_that_is_a_folder(tmp_path, name):
    found = run(*(("check", "G.1") if name == "check" else (name,)), "--ledger", tmp_path)
    one_message(found)
    assert str(tmp_path) in found.stderr and not list(tmp_path.iterdir())


def test_a_ledger_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    one_message(run("check", "G.1", "--ledger", tmp_path / "file" / "l.sqlite"))


def test_show_without_a_ledger_begins_none(tmp_path):
    found = run("show", "G.3", "--ledger", tmp_path / "l.sqlite", "--json")
    assert found.exit_code == 0 and json.loads(found.stdout)["statement"]["verdict"] == "open"
    assert not (tmp_path / "l.sqlite").exists()


# -- bad plugins -------------------------------------------------------------------------------------------------------------------------
HEAD = "from almostlinear.theorems import *\nimport sympy\nX, W, v = symbol('X', n, d), symbol('W', d, d), symbol('v', n)\n"


def lemma(body, id="my.1", **fields):
    more = "".join(f", {k}={v!r}" for k, v in fields.items())
    return HEAD + f"@statement({id!r}, 't'{more})\ndef f():\n    return {body}\n"


FIRST = "@statement('my.0', 't')\ndef g():\n    return Identity(X, X)\n"
BAD_PLUGINS = {
    "a syntax error": ("x = 1\ndef (", "line 2: SyntaxError"),
    "null bytes": ("\0", "cannot contain null bytes"),
    "an exception": ("x = 1\nraise RuntimeError('no')", "line 2: RuntimeError: no"),
    "an exception after a statement": (HEAD + FIRST + "1 / 0\n", "ZeroDivisionError"),
    "a missing import": ("import no_such_module_at_all", "no_such_module_at_all"),
    "an exit": ("raise SystemExit(0)", "SystemExit"),
    "an endless recursion": ("def f(): f()\nf()", "RecursionError"),
    "no statement": ("x = 1", "defines no statement"),
    "an empty file": ("", "defines no statement"),
    "sides that clash": (lemma("Identity(X @ W, X.T)"), "my.1, part 1: the left side is n x d and the right side d x n"),
    "a product that clashes": (lemma("Identity(X @ X, X)"), "my.1: product: shapes n x d and n x d do not fit"),
    "a taken id": (HEAD + FIRST + FIRST, "my.0: already defined"),
    "an id of the paper": (lemma("Identity(X, X)", id="G.3"), "G.3: already defined"),
    "an unknown use": (lemma("Identity(X, X)", uses="Q.9"), "my.1 uses 'Q.9'"),
    "a circle": (lemma("Identity(X, X)", uses="my.0") + "@statement('my.0', 't', uses='my.1')\ndef g():\n    return Identity(X, X)\n",
                 "my.1 -> my.0 -> my.1"),
    "an unknown kind": (lemma("Identity(X, X)", kind="poem"), "my.1: unknown kind 'poem'"),
    "an unknown field": (lemma("Identity(X, X)", colour="red"), "colour"),
    "a function that returns nothing": (lemma("None"), "my.1: f() returned NoneType"),
    "a float": (lemma("Identity(X * 0.5, X)"), "my.1: the scalar 0.5 is a float"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PLUGINS)
def test_a_bad_plugin_gets_one_message_and_leaves_nothing(tmp_path, name):
    text, says = BAD_PLUGINS[name]
    plugin, path = tmp_path / "lemma.py", tmp_path / "sub" / "l.sqlite"
    plugin.write_text(text)
    before = [s.id for s in load()]
    found = run("check", "--plugin", plugin, "--ledger", path)
    one_message(found)
    assert says in found.stderr and str(plugin) in found.stderr, found.stderr
    assert not path.parent.exists()
    assert [s.id for s in load()] == before, "nothing of it is registered"


UNSUPPORTED = {
    "a square root": (lemma("Identity(X * sympy.sqrt(d), X * sympy.sqrt(d))"), "sqrt(d)"),
    "a number that is no fraction": (lemma("Identity(X * sympy.pi, X)"), "pi"),
    "a derivative of a derivative": (lemma("Identity(grad(inner(grad(inner(X @ W, X), W), W), W), W)"), "derivative"),
    "a derivative of |x|": (lemma("Identity(grad(inner(absolute(X), X), X), X)"), "absolute"),
    "a function without a rule": (lemma("Bound(maxnorm(X), sympy.zeta(maxnorm(X)))", kind="norm-bound"), "zeta"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_lemma_that_no_engine_can_evaluate_gets_one_message(tmp_path, name):
    text, says = UNSUPPORTED[name]
    plugin = tmp_path / "lemma.py"
    plugin.write_text(text)
    found = run("check", "--plugin", plugin, "--ledger", tmp_path / "l.sqlite")
    one_message(found)
    assert "my.1, part 1" in found.stderr and says in found.stderr


def test_what_a_plugin_prints_stays_out_of_the_json(tmp_path):
    plugin = tmp_path / "lemma.py"
    plugin.write_text(lemma("Identity(X, X)") + "print('hello')\n")
    found = run("list", "--plugin", plugin, "--origin", "own", "--json")
    assert [row["id"] for row in json.loads(found.stdout)["statements"]] == ["my.1"] and "hello" in found.stderr


def test_a_plugin_by_its_module_name(tmp_path, monkeypatch):
    (tmp_path / "my_lemmas_of_this_test.py").write_text(lemma("Identity(X @ W, X @ W)"))
    monkeypatch.syspath_prepend(tmp_path)
    found = run("list", "--plugin", "my_lemmas_of_this_test", "--origin", "own", "--json")
    assert [row["id"] for row in json.loads(found.stdout)["statements"]] == ["my.1"]


@pytest.mark.skipif(importlib.import_module("torch").cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused_before_anything_is_written(tmp_path):
    found = run("check", "G.1", "--device", "cuda", "--ledger", tmp_path / "l.sqlite")
    assert found.exit_code == 2 and "cuda" in found.stderr.lower() and not (tmp_path / "l.sqlite").exists()
