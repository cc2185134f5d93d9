"""Own lemmas in a file outside the repository: a true one, a false one and a false bound, checked like the paper's."""

import json
import subprocess
import sys

LEMMAS = """
from almostlinear.theorems import *

X, W = symbol("X", n, d), symbol("W", d, d)
u = exp(X @ W @ X.T)
f = define("f", diag(recip(u @ ones(n))) @ u)

@statement("my.true", "Order of products")
def true_one():
    return Identity((f @ X) @ W, f @ (X @ W))

@statement("my.false", "Transposed weights")
def false_one():
    return Identity((f @ X).T @ X, X.T @ f @ X)

@statement("my.bound", "Inner size forgotten", kind="norm-bound")
def false_bound():
    return Bound(maxnorm(X @ W), maxnorm(X) * maxnorm(W))
"""


def command(*arguments):
    made = subprocess.run([sys.executable, "-m", "almostlinear", *map(str, arguments)], capture_output=True, text=True)
    return made


def test_own_lemmas(tmp_path):
    lemmas, ledger = tmp_path / "lemmas.py", tmp_path / "ledger.sqlite"
    lemmas.write_text(LEMMAS)
    shown = command("check", "--plugin", lemmas, "--ledger", ledger)
    assert shown.returncode == 1 and "true form of my.false" in shown.stdout and "fᵀ" in shown.stdout
    found = command("check", "--plugin", lemmas, "--ledger", ledger, "--json")
    rows = {row["id"]: row for row in json.loads(found.stdout)["statements"]}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "my.true": "proved", "my.false": "refuted", "my.bound": "refuted",
    }  # fmt: skip
    for name in ("my.false", "my.bound"):
        witness = rows[name]["witness"]
        assert max(witness["n"], witness["d"]) <= 3
        assert command("replay", witness["file"], "--plugin", lemmas).returncode == 0
