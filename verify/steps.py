"""Proof steps of a bound: every node of its derivation as an inequality between nonnegative reals, its hypotheses and their reasons.

A node of a derivation bounds a norm v = |A| from bounds x <= a, y <= b on norms of the arguments of A. Its step is

    v <= r(x, y)  (a norm rule of `checker.RULES`),  x <= a,  y <= b   (earlier steps)      =>      v <= the node's bound,

where r comes from the checker's own table, not from the code that derived the bound. The last steps go from the derived bound to the
claimed one, by the hypotheses of the claim. Sizes are integers >= 1, norms and constants >= 0; powers and functions of constants are
constants of their own. Nothing is proved here: `certificates.search` looks for the certificate of each step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import Derivation, Norm
from almostlinear.theorems.statement import Bound, Statement
from almostlinear.theorems.weights import Named

from . import checker

SIZE, NONNEGATIVE, REAL = "size", "nonnegative", "real"
Reason = dict[str, Any]


class CannotState(ValueError):
    """A bound whose derivation has no steps here: a part is no polynomial, or the checker has no such norm rule."""


@dataclass(frozen=True)
class Hypothesis:
    """An inequality "left <= right" and the reason why it may be used."""

    text: str
    because: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Step:
    """One implication between inequalities; ``variables`` has the domain of each letter that occurs."""

    name: str
    says: str
    hypotheses: tuple[Hypothesis, ...]
    conclusion: str
    variables: tuple[tuple[str, str], ...]

    @property
    def bare(self) -> Step:
        """The implication alone, without its name and the reasons of its hypotheses."""
        return Step("", "", tuple(Hypothesis(h.text, ()) for h in self.hypotheses), self.conclusion, self.variables)


@dataclass(frozen=True)
class Argument:
    """The steps of one claim, and what they speak of.

    Attributes:
        steps: in order; each rests on earlier ones.
        claim, because: the inequality that is proved, and the step or rule that concludes it.
        given: the hypotheses of the claim.
        lemmas: inequalities that other statements conclude, with their ids.
        names: what the letters stand for.
    """

    steps: tuple[Step, ...]
    claim: str
    because: Reason
    given: tuple[str, ...]
    lemmas: tuple[tuple[str, str], ...]
    names: Letters

    def context(self) -> dict[str, Any]:
        """The derivation of a certificate file: formulas, letters, hypotheses and claim."""
        names = self.names
        texts = [
            self.claim,
            *self.given,
            *dict(self.lemmas),
            *(t for s in self.steps for t in (s.conclusion, *(h.text for h in s.hypotheses))),
        ]
        used = {name for text in texts for name in letters_in(text)} | {
            x for node in names.nodes for x in _sizes_of(node, names)
        }
        return {
            "nodes": names.nodes,
            "derivation": {
                "variables": {name: names.domain[name] for name in sorted(used)},
                "meanings": {name: list(names.meaning[name]) for name in sorted(used & set(names.meaning))},
                "words": {name: names.words[name] for name in sorted(used)},
                "maxima": {name: names.maxima[name] for name in sorted(used & set(names.maxima))},
                "given": list(self.given),
                "lemmas": dict(self.lemmas),
                "claim": self.claim,
                "because": self.because,
            },
        }


def letters_in(text: str) -> set[str]:
    """The letters of a polynomial or inequality in text."""
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _sizes_of(node: list, names: Letters) -> set[str]:
    found = {x for extent in node[3] for x in letters_in(extent)}
    return found | (letters_in(node[2][0]) if node[0] == "scale" else set())


# -- letters -----------------------------------------------------------------------------------------------------------
@dataclass
class Letters:
    """Letters for the sizes, norms and constants of one claim, and the formulas that its norms are of.

    Attributes:
        domain: of each letter: a size, nonnegative or real.
        words: what it stands for, to be read.
        meaning: of a norm: its kind and the number of a node.
        maxima: of a maximum: what it is the largest of.
        nodes: formulas as [operation, arguments, data, shape], arguments first.
    """

    domain: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    meaning: dict[str, tuple[str, int]] = field(default_factory=dict)
    maxima: dict[str, list[str]] = field(default_factory=dict)
    nodes: list[list] = field(default_factory=list)
    _known: dict[Any, str] = field(default_factory=dict)
    _placed: dict[Formula, int] = field(default_factory=dict)

    def _made(self, key: Any, name: str, domain: str, words: str) -> str:
        if key not in self._known:
            name = name if re.fullmatch(r"[A-Za-z]\w*", name) else "c"
            free = (
                name
                if name not in self.domain and name != "c"
                else next(f"{name}{k}" for k in range(len(self.domain) + 1) if f"{name}{k}" not in self.domain)
            )
            self._known[key], self.domain[free], self.words[free] = free, domain, words
        return self._known[key]

    def norm(self, kind: str, formula: Formula) -> str:
        """The letter of a norm of a formula.

        Raises:
            CannotState: for the largest entry with its sign.
        """
        if kind not in ("max", "row", "col", "sum"):
            raise CannotState(f"the norm {kind!r} has no rules")
        key = (kind, formula)
        if key not in self._known:
            mark = {"max": "", "sum": "_1"}.get(kind, f"_{kind}")
            made = self._made(key, f"v{len(self.meaning)}", NONNEGATIVE, f"|{formula!r}|{mark}")
            self.meaning[made] = (kind, self.node(formula))
        return self._known[key]

    def node(self, formula: Formula) -> int:
        """The number of a formula, placed after its arguments."""
        for part in formula.walk():
            if part not in self._placed:
                row = [
                    part.op,
                    [self._placed[a] for a in part.args],
                    self._data(part),
                    [self.text(s) for s in part.shape],
                ]
                self._placed[part] = len(self.nodes)
                self.nodes.append(row)
        return self._placed[formula]

    def _data(self, part: Formula) -> list[str]:
        if part.op == "scale":
            factor = self.text(part.data[0])
            return [factor, *sorted(x for x in letters_in(factor) if self.domain[x] != SIZE)]
        return [str(x) for x in part.data] if part.op in ("symbol", "define", "func") else []

    def text(self, expression: Any) -> str:
        """A SymPy expression as a polynomial in letters.

        Raises:
            CannotState: if a part has no rule.
        """
        return str(self._polynomial(sympy.sympify(expression)))

    def _polynomial(self, e: sympy.Expr) -> sympy.Expr:
        if e.is_Rational:
            return e
        if isinstance(e, Norm):
            return sympy.Symbol(self.norm(e.norm, e.formula))
        if isinstance(e, Named):
            return sympy.Symbol(self._made(e, e.name, NONNEGATIVE, str(e.value)))
        if e.is_Symbol:
            domain = SIZE if e.is_integer and e.is_positive else NONNEGATIVE if e.is_nonnegative else REAL
            return sympy.Symbol(self._made(e, e.name, domain, e.name))
        if e.is_Add or e.is_Mul:
            return e.func(*(self._polynomial(a) for a in e.args))
        if e.is_Pow and e.base is not sympy.E:
            return sympy.prod(self._power(e.base, *t.as_coeff_Mul()) for t in sympy.Add.make_args(sympy.expand(e.exp)))
        return self._constant(e)

    def _power(self, base: sympy.Expr, count: sympy.Rational, rest: sympy.Expr) -> sympy.Expr:
        """base**(count * rest): a power of a letter, or of a constant for base**rest or its inverse."""
        if rest == 1 and count.is_Integer and count > 0:
            return self._polynomial(base) ** count
        if not count.is_Integer or count == 0:
            return self._constant(base ** (count * rest))
        return self._constant(base ** (sympy.sign(count) * rest)) ** abs(count)

    def _constant(self, e: sympy.Expr) -> sympy.Expr:
        """A letter for anything else that is a real number."""
        if any(isinstance(x, Norm) and x.norm == "top" for x in e.free_symbols) or e.has(sympy.I, sympy.zoo, sympy.nan):
            raise CannotState(f"{e} is no constant")
        made = self._made(e, "c", NONNEGATIVE if e.is_nonnegative else REAL, str(e))
        if isinstance(e, sympy.Max):
            self.maxima[made] = [self.text(a) for a in e.args]
        return sympy.Symbol(made)


# -- steps -------------------------------------------------------------------------------------------------------------
def argument(claim: Bound, used: Iterable[Derivation]) -> Argument:
    """The steps from derivations of the norms on a claim's left side to the claim.

    Raises:
        CannotState: if a part cannot be stated.
    """
    made = _Maker()
    letters = made.letters
    left, right = letters.text(claim.left), letters.text(claim.right)
    given = [f"{letters.text(g.lts)} <= {letters.text(g.gts)}" for g in claim.given]
    facts = [made.concluded(d) for d in used]
    return made.conclude(left, right, facts, given)


def chained(claim: Bound, statement: Statement, premise: Bound) -> Argument:
    """The steps from a bound of another statement on the same norm, with the same or weaker hypotheses, to the claim.

    Raises:
        CannotState: if the premise is about something else or assumes more.
    """
    if premise.left != claim.left or not set(premise.given) <= set(claim.given):
        raise CannotState(f"{statement.id} is about {premise.left} or assumes more")
    made = _Maker()
    letters = made.letters
    left, right = letters.text(claim.left), letters.text(claim.right)
    given = [f"{letters.text(g.lts)} <= {letters.text(g.gts)}" for g in claim.given]
    known = f"{left} <= {letters.text(premise.right)}"
    made.lemmas[known] = statement.id
    return made.conclude(left, right, [Hypothesis(known, (("lemma", known),))], given)


class _Maker:
    """Steps in the making."""

    def __init__(self) -> None:
        self.letters = Letters()
        self.steps: list[Step] = []
        self.lemmas: dict[str, str] = {}
        self._concluded: dict[tuple, Hypothesis] = {}

    def concluded(self, d: Derivation) -> Hypothesis:
        """The inequality of a derivation's root, with the step or the rule that it comes from."""
        key = (d.formula, d.norm, d.bound)
        if key not in self._concluded:
            self._concluded[key] = self._conclude(d)
        return self._concluded[key]

    def _conclude(self, d: Derivation) -> Hypothesis:
        v = self.letters.norm(d.norm, d.formula)
        trivial = [p for p in d.premises if _is_own_norm(p)]
        premises = [self.concluded(p) for p in d.premises if p not in trivial]
        rule = self._rule(v, d) if d.error is None else self._lemma(v, d, d.error.lemmas)
        if not premises:
            return rule
        conclusion = f"{v} <= {self.letters.text(d.bound)}"
        return self._add(d.rule, (rule, *dict.fromkeys(premises)), conclusion)

    def _lemma(self, v: str, d: Derivation, ids: Iterable[str]) -> Hypothesis:
        """What other statements say of a norm."""
        text = f"{v} <= {self.letters.text(d.says)}"
        self.lemmas.setdefault(text, ", ".join(ids))
        return Hypothesis(text, (("lemma", text),))

    def _rule(self, v: str, d: Derivation) -> Hypothesis:
        """The norm rule of a node, by the checker's table."""
        letters = self.letters
        premises = [letters.norm(p.norm, p.formula) for p in d.premises]
        names = checker.polynomials(letters.domain)
        meaning = [list(letters.meaning[x]) for x in premises]
        try:
            values, of = [names[x] for x in premises], list(letters.meaning[v])
            bound = checker.rule_bound(letters.nodes, of, meaning, values, names, letters.domain)
        except checker.Rejected as error:
            raise CannotState(f"{d.rule}: {error}") from None
        return Hypothesis(f"{v} <= {str(bound).replace('^', '**')}", (("rule", (v, tuple(premises))),))

    def _add(self, says: str, hypotheses: tuple[Hypothesis, ...], conclusion: str) -> Hypothesis:
        texts = [conclusion, *(h.text for h in hypotheses)]
        used = sorted({x for text in texts for x in letters_in(text)})
        variables = tuple((name, self.letters.domain[name]) for name in used)
        step = Step(str(len(self.steps) + 1), says, hypotheses, conclusion, variables)
        self.steps.append(step)
        return Hypothesis(conclusion, (("step", step.name),))

    def conclude(self, left: str, right: str, facts: list[Hypothesis], given: list[str]) -> Argument:
        """The last step, from facts on the norms and the given relations to left <= right."""
        claim = f"{left} <= {right}"
        facts = [*facts, *(Hypothesis(text, (("given", k),)) for k, text in enumerate(given))]
        maxima = self.letters.maxima.items()
        facts += [Hypothesis(f"{part} <= {name}", (("maximum", name),)) for name, parts in maxima for part in parts]
        last = self._found(claim, facts)
        if last is not None and last.because[0][0] == "given":
            raise CannotState(f"{claim} is among the hypotheses")
        if last is None:
            last = self._compare(left, right, facts)
        return Argument(tuple(self.steps), claim, reason(last), tuple(given), tuple(self.lemmas.items()), self.letters)

    def _found(self, inequality: str, facts: Iterable[Hypothesis]) -> Hypothesis | None:
        """The fact that says the same."""
        letters = checker.polynomials(self.letters.domain)
        wanted = checker.gap(inequality, letters)
        return next((f for f in facts if checker.gap(f.text, letters) == wanted), None)

    def _compare(self, left: str, right: str, facts: list[Hypothesis]) -> Hypothesis:
        """derived <= claimed, and what follows; the derived bound of a norm alone is the right side of its fact."""
        about = [f for f in facts if f.text.startswith(f"{left} <= ")] if re.fullmatch(r"\w+", left) else []
        rest = tuple(f for f in facts if f not in about)
        if not about:
            return self._add("the claimed bound, from the derived one", tuple(facts), f"{left} <= {right}")
        derived = about[0].text.split(" <= ")[1]
        looser = self._found(f"{derived} <= {right}", rest)
        if looser is None:
            looser = self._add("the derived bound is at most the claimed one", rest, f"{derived} <= {right}")
        return self._add("the claimed bound, from the derived one", (about[0], looser), f"{left} <= {right}")


def _is_own_norm(d: Derivation) -> bool:
    """Whether a premise only says |A| <= |A|."""
    return isinstance(d.bound, Norm) and d.bound.formula is d.formula and d.bound.norm == d.norm


def reason(h: Hypothesis) -> Reason:
    """Why a hypothesis holds, as a certificate records it."""
    ((kind, what),) = h.because
    return {"rule": {"of": what[0], "from": list(what[1])}} if kind == "rule" else {kind: what}


def without(step: Step, unused: Iterable[int]) -> Step:
    """The step without hypotheses that its proof does not use, and without the letters that only they have."""
    kept = tuple(h for k, h in enumerate(step.hypotheses) if k not in set(unused))
    texts = [step.conclusion, *(h.text for h in kept)]
    used = {x for text in texts for x in letters_in(text)}
    return replace(step, hypotheses=kept, variables=tuple(v for v in step.variables if v[0] in used))


# -- counting ----------------------------------------------------------------------------------------------------------
def pattern(step: Step) -> str:
    """A form of the step that renaming its letters does not change; steps of different patterns are different up to renaming."""
    names = checker.polynomials(dict(step.variables))
    sides = [checker.gap(step.conclusion, names), *(checker.gap(h.text, names) for h in step.hypotheses)]
    listed = [name for name in names if name != "0"]
    domains = dict(step.variables)
    colour = [domains[name] for name in listed]
    for _ in range(len(listed)):
        colour = list(_refined(sides, colour))
    terms = [sorted(_monomial(c, m, colour) for m, c in p.terms()) for p in sides]
    return repr((terms[0], sorted(terms[1:])))


def _refined(sides: list, colour: list[str]) -> Iterator[str]:
    for k in range(len(colour)):
        seen = [sorted(f"{m[k]}:{_monomial(c, m, colour)}" for m, c in p.terms() if m[k]) for p in sides]
        text = repr((colour[k], seen[0], sorted(seen[1:])))
        yield hashlib.sha256(text.encode()).hexdigest()[:16]


def _monomial(coefficient: Any, powers: tuple[int, ...], colour: list[str]) -> str:
    return f"{coefficient} " + " ".join(sorted(f"{colour[k]}^{p}" for k, p in enumerate(powers) if p))
