"""What a newcomer gets wrong in a lemma file: one message with file, line, what is wrong and what to write, and no traceback."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.theorems.plugins import PluginError, load_plugin
from tests.helpers import scratch_registry

HEAD = """from almostlinear.theorems import *
import math, numpy, sympy
Q, K, V, G = (symbol(name, n, d) for name in "QKVG")
u = exp(Q @ K.T)
f = define("f", diag(recip(u @ ones(n))) @ u)
eps = sympy.Symbol("eps", nonnegative=True)
i, j = tokens("i j")
"""
BEFORE = len(HEAD.splitlines())


def lemma(claim: str, head: str = HEAD, given: str = '"my.1", "A lemma"') -> str:
    return f"{head}@statement({given})\ndef lemma():\n    return {claim}\n"


CLAIM, ABOVE, FIRST = BEFORE + 3, BEFORE + 1, 1
"""Lines of a lemma: where it claims, where its decorator stands, and the first of the file."""

WRONG: dict[str, tuple[str, int, tuple[str, ...]]] = {
    # shapes
    "a product that clashes": (lemma("Identity(Q @ K, V)"), CLAIM, ("my.1: product: shapes n x d and n x d", ".T")),
    "a sum that clashes": (lemma("Identity(Q + K.T, V)"), CLAIM, ("my.1: sum: shapes n x d and d x n", ".T")),
    "sides that clash": (lemma("Identity(f @ V, f)"), ABOVE, ("left side is n x d and the right side n x n",)),
    "a size as text": (lemma("Identity(Q, Q)", HEAD + 'U = symbol("U", n, "k")\n'), ABOVE, ("'k' is text", "size('k')")),
    "a size of zero": (lemma("Identity(Q, Q)", HEAD + 'U = symbol("U", 0, d)\n'), ABOVE, ("0 is no positive integer",)),
    "a symbol without a shape": (lemma("Identity(Q, Q)", HEAD + 'U = symbol("U")\n'), ABOVE, ("called as symbol(name, rows",)),
    "an unknown domain": (lemma("Identity(Q, Q)", HEAD + 'U = symbol("U", n, d, domain="big")\n'), ABOVE, ("positive, unit",)),
    # names
    "a symbol that was not declared": (lemma("Identity(f @ X, X)"), CLAIM, ("name 'X' is not defined", 'X = symbol("X", n, d)')),
    "a norm misspelt": (lemma("Bound(maxnrom(V), 1)"), CLAIM, ("did you mean maxnorm?",)),
    "a constant misspelt in a hypothesis": (lemma("Bound(maxnorm(V), eps, given=maxnorm(V) <= esp)"), CLAIM, ("mean eps?",)),
    "a function of SymPy": (lemma("Bound(maxnorm(V), sqrt(n))"), CLAIM, ("import sympy", "sympy.sqrt")),
    "no import": (lemma("Identity(Q, Q)", ""), FIRST, ("from almostlinear.theorems import *",)),
    "a wrong import": ("from almostlinear.theorem import *\n", FIRST, ("from almostlinear.theorems import *",)),
    "a bracket not closed": (lemma("Identity(Q, (Q)"), CLAIM, ("SyntaxError", "never closed")),
    # what is no formula
    "text for a formula": (lemma('Identity("f @ V", f @ V)'), CLAIM, ("'f @ V' is text", "symbol(")),
    "a tensor for a symbol": (lemma("Identity(f @ X, f @ X)", HEAD + "X = numpy.ones((3, 2))\n"), CLAIM + 1, ("ndarray holds",)),
    "a tensor on the left": (lemma("Identity(X @ f, f)", HEAD + "X = numpy.ones((3, 3))\n"), CLAIM + 1, ("ndarray holds",)),
    "numpy's exp": (lemma("Identity(numpy.exp(Q), Q)"), CLAIM, ("not those of numpy",)),
    "Python's exp": (lemma("Identity(math.exp(Q), Q)"), CLAIM, ("not those of numpy, torch or math",)),
    "a number added": (lemma("Identity(Q + 1, Q)"), CLAIM, ("1 is a number", "c * ones(n, d)")),
    "a norm of a norm": (lemma("Bound(maxnorm(maxnorm(f)), 1)"), CLAIM, ("|f| is a number",)),
    "an identity of norms": (lemma("Identity(maxnorm(f), maxnorm(f))"), CLAIM, ("Identity, left side: |f| is a number",)),
    "exp of a norm": (lemma("Bound(maxnorm(f), exp(maxnorm(Q)))"), CLAIM, ("sympy.exp",)),
    "an entry at a number": (lemma("Identity(Q[0, 0], Q[0, 0])"), CLAIM, ("0 is no index", 'tokens("i j")')),
    "division by a matrix": (lemma("Identity(Q / K, Q)"), CLAIM, ("recip(A)",)),
    "a power": (lemma("Identity(Q ** 2, Q * Q)"), CLAIM, ("A * A", "A @ A")),
    "a method of numpy": (lemma("Identity(Q.transpose(), Q.T)"), CLAIM, ("the transpose is A.T",)),
    "define without a name": (lemma("Identity(define(Q, Q), Q)"), CLAIM, ("first the name",)),
    "the gradient of a matrix": (lemma("Identity(grad(f @ V, V), G)"), CLAIM, ("grad(loss(...), X)",)),
    "a loss for its value": (lemma("Identity(loss(V, G), inner(V, G))"), ABOVE, ("known by its derivative alone",)),
    # what is no exact number
    "a float in a formula": (lemma("Identity(0.1 * Q, Q)"), CLAIM, ("0.1 is a float", "sympy.Rational(1, 10)")),
    "a float in a bound": (lemma("Bound(maxnorm(V), 1.5 * maxnorm(V))"), CLAIM, ("is a float", "sympy.Rational(3, 2)")),
    "a float alone": (lemma("Bound(maxnorm(f), 1.5)"), CLAIM, ("1.5 is a float", "sympy.Rational(3, 2)")),
    "a matrix in a bound": (lemma("Bound(f @ V, maxnorm(V))"), CLAIM, ("Bound, left side: f V is a matrix (n x d)", "maxnorm")),
    "a matrix on the right": (lemma("Bound(maxnorm(f @ V), V)"), CLAIM, ("Bound, right side: V is a matrix",)),
    "text in a bound": (lemma('Bound(maxnorm(f), "n")'), CLAIM, ("'n' is text, which is never evaluated",)),
    "a norm as a rank": (lemma("Rank(f, maxnorm(f))"), CLAIM, ("|f| is a norm",)),
    "text as a cost": (lemma("Cost([f @ V], 'n')"), CLAIM, ("Cost, at most: 'n' is text",)),
    "text as a growth class": (lemma('Asymptotic(n * d, "n^2")'), CLAIM, ("no growth class", "ALMOST_LINEAR")),
    "a probability above 1": (lemma('Probability(Bound(maxnorm(Q), 3), 2, ((Q, "normal"),))'), CLAIM, ("2 is not between 0 and 1",)),
    "an unknown law": (lemma('Probability(Bound(maxnorm(Q), 3), 1, ((Q, "gauss"),))'), CLAIM, ("'gauss'", "normal, sign")),
    # claims
    "a bound that is missing": (lemma("Bound(maxnorm(f))"), CLAIM, ("it is called as Bound(left, right",)),
    "a relation for a bound": (lemma("Bound(maxnorm(f) <= 1)"), CLAIM, ("it is called as Bound(left, right",)),
    "== for Identity": (lemma("f @ V == f @ V"), ABOVE, ("return Identity(left, right)",)),
    "<= for Bound": (lemma("maxnorm(f @ V) <= maxnorm(V)"), ABOVE, ("return Bound(left, right)",)),
    "no claim": (lemma("None"), ABOVE, ("returned NoneType", "return Identity(left, right)")),
    "formulas for a claim": (lemma("f @ V, f @ V"), ABOVE, ("formulas alone", "return Identity(a, b)")),
    "text for a claim": (lemma("'f V = V'"), ABOVE, ("never evaluated",)),
    "two claims of one part": (lemma("[Identity(f, f), Identity(V, V)]"), ABOVE, ('part="2"',)),
    # hypotheses
    "a hypothesis that never holds": (lemma("Bound(maxnorm(f), 1, given=maxnorm(V) <= -1)"), CLAIM, ("anything would follow",)),
    "a hypothesis that always holds": (lemma("Bound(maxnorm(f), 1, given=maxnorm(V) >= 0)"), CLAIM, ("leave it out",)),
    "a hypothesis as text": (lemma('Bound(maxnorm(f), 1, given="|V| <= 1")'), CLAIM, ("is text", "without quotes")),
    "a strict hypothesis": (lemma("Bound(maxnorm(f), 1, given=maxnorm(V) < 1)"), CLAIM, ("a <= b",)),
    "an assumption as text": (lemma("Rank(f, n)", given='"my.1", "A", assumes="d small"'), ABOVE, ("Within(d, LOG)", "Holds(")),
    # the decorator
    "a field misspelt": (lemma("Identity(f, f)", given='"my.1", "A", hypothesis="x"'), ABOVE, ("did you mean 'hypotheses'?",)),
    "an unknown kind": (lemma("Identity(f, f)", given='"my.1", "A", kind="equality"'), ABOVE, ("'equality'", "norm-bound")),
    "a kind that is another's": (lemma("Rank(f, n)", given='"my.1", "A", kind="identity"'), ABOVE, ("claims Rank", "use rank")),
    "an id of the paper": (lemma("Identity(f, f)", given='"D.9", "A"'), ABOVE, ("already defined in", "choose another id")),
    "id and title exchanged": (lemma("Identity(f, f)", given='"A lemma", "my.1"'), ABOVE, ("without blanks",)),
    "an id that is a number": (lemma("Identity(f, f)", given='1, "A"'), ABOVE, ("the id 1 is no text",)),
    "no title": (lemma("Identity(f, f)", given='"my.1"'), ABOVE, ("called as statement(id, title)",)),
    "a decorator without brackets": (HEAD + "@statement\ndef lemma():\n    return Identity(f, f)\n", ABOVE, ("statement(id, title)",)),
    "a function with an argument": (HEAD + '@statement("my.1", "A")\ndef lemma(n):\n    return Rank(f, n)\n', ABOVE, ("no arguments",)),
    "a use that nobody defines": (lemma("Identity(f, f)", given='"my.1", "A", uses="D.99"'), ABOVE, ("'D.99'", "almostlinear list")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, name):
    text, line, says = WRONG[name]
    path = tmp_path / "lemma.py"
    path.write_text(text, encoding="utf-8")
    with scratch_registry() as registry:
        before = len(registry)
        with pytest.raises(PluginError) as caught:
            load_plugin(str(path))
        assert len(registry) == before
    message = str(caught.value)
    assert re.search(rf"lemma\.py, line {line}: ", message), message
    assert all(piece in message for piece in says), message
    assert len(message.splitlines()) == 1 and len(message) < 700 and "Traceback" not in message


def test_two_statements_of_one_id_say_where_the_first_is(tmp_path):
    (tmp_path / "lemma.py").write_text(lemma("Identity(f, f)") + lemma("Identity(f, f)", ""))
    with (
        scratch_registry(),
        pytest.raises(PluginError, match=rf"line {BEFORE + 4}: my.1: already defined in lemma.py, line {ABOVE}"),
    ):
        load_plugin(str(tmp_path / "lemma.py"))


def test_a_file_without_a_statement(tmp_path):
    (tmp_path / "lemma.py").write_text(HEAD + "def lemma():\n    return Identity(f, f)\n")
    with scratch_registry(), pytest.raises(PluginError, match=r"lemma\.py: defines no statement; decorate"):
        load_plugin(str(tmp_path / "lemma.py"))


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("Bound(maxnorm(Q @ K.T), d, given=(maxnorm(Q) <= 1, maxnorm(Q) >= 2))", "no instance meets the hypotheses"),
        ("Bound(maxnorm(f), sympy.oo)", "state a finite bound"),
    ],
)
def test_a_claim_that_says_nothing_is_refused_before_it_is_judged(tmp_path, claim, says):
    path = tmp_path / "lemma.py"
    path.write_text(lemma(claim))
    with scratch_registry():
        found = CliRunner().invoke(app, ["check", "--plugin", str(path), "--ledger", str(tmp_path / "l.sqlite")])
    assert found.exit_code == 2 and f"lemma.py, line {ABOVE}: my.1" in found.stderr and says in found.stderr


def test_text_is_never_evaluated(tmp_path):
    """SymPy would run it."""
    for claim in ("Bound(maxnorm(f), {0})", "Rank(f, {0})", "Identity(f * {0}, f)", "Identity(symbol('U', {0}, d), Q)"):
        path = tmp_path / "lemma.py"
        path.write_text(lemma(claim.format(repr(f"open({str(tmp_path / 'ran')!r}, 'w')"))))
        with scratch_registry(), pytest.raises(PluginError, match="text"):
            load_plugin(str(path))
    assert not (tmp_path / "ran").exists()


def test_what_is_meant_well_is_understood(tmp_path):
    """A single hypothesis without a tuple, division by a size, and no kind: that of the claim."""
    path = tmp_path / "lemma.py"
    path.write_text(
        lemma("[Bound(maxnorm(f @ V), eps, given=maxnorm(V) <= eps), Bound(maxnorm(V / d), maxnorm(V), part='2')]")
    )
    with scratch_registry():
        (made,) = load_plugin(str(path))
    assert made.kind == "norm-bound" and len(made.claims[0].given) == 1 and made.source == f"lemma.py, line {ABOVE}"
