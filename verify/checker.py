"""Re-checks certificates: JSON files that carry arguments in steps. It stands alone: python-flint and the standard library.

    python -m almostlinear.verify.checker FILE...       0 all check, 1 a step does not, 2 a file holds no certificates

A file is {"schema": 1, "name": ..., "certificates": [...], "sha256": of the rest}. Every certificate has a "step", its name, and a "kind":

    shifted-polynomial   right - left has nonnegative coefficients once every size n >= 1 is written 1 + t
    handelman            right - left = sum of m_k * (products of hypotheses), every m_k such a polynomial; expanded and compared
    expansion            two formulas are the same polynomials in their entries, functions of entries being free symbols
    finite-field         two formulas have the recorded values at a point of GF(2^61 - 1)
    box                  a function is nonnegative on boxes that cover its domain: evaluated on each in ball arithmetic
    smt                  a solver's model meets every assertion of its query, exactly; a bare `unsat` stays "unchecked"

The first two carry a point that meets their hypotheses and one at which the conclusion, tightened, fails. In a file with a "derivation"
each hypothesis is given, concluded by an earlier step, or a norm rule of `RULES` about a node of its formulas, and the claim is concluded.
Trusted are these rules and that constants are declared with their sign.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from operator import add, eq, le, lt, mul, sub
from pathlib import Path
from typing import Any

from flint import Ordering, arb, ctx, fmpq, fmpq_mpoly_ctx

SCHEMA = 1
LARGEST_POWER, LARGEST_TEXT, MOST_SYMBOLS = 64, 1_000_000, 160
PRIME = 2**61 - 1
WITHIN_0_1 = ("mask", "causal", "onehot")
Json = dict[str, Any]
Names = Mapping[str, Any]


class Rejected(Exception):
    """A certificate that does not hold; ``step`` names it."""

    def __init__(self, reason: str, step: str = "") -> None:
        super().__init__(f"step {step}: {reason}" if step else reason)
        self.reason, self.step = reason, step


class BadInput(ValueError):
    """Not a file of certificates."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Rejected(reason)


def _named(step: str, act: Callable, *arguments: Any) -> Any:
    """Run a check so that whatever goes wrong carries the name of the step."""
    try:
        return act(*arguments)
    except Rejected as error:
        raise Rejected(error.reason, error.step or step) from None
    except Exception as error:
        raise Rejected(f"malformed ({type(error).__name__}: {error})", step) from None


# -- numbers and expressions -------------------------------------------------------------------------------------------
def number(text: Any) -> fmpq:
    """An exact rational: an integer, or text such as "-3/2"."""
    if type(text) is not int and not (isinstance(text, str) and re.fullmatch("-?[0-9]{1,2000}(/[0-9]{1,2000})?", text)):
        raise ValueError(f"{text!r} is no exact number")
    found = Fraction(text)
    return fmpq(found.numerator, found.denominator)


_BINARY = {ast.Add: add, ast.Sub: sub, ast.Mult: mul}


def value(text: str, names: Names, functions: Mapping[str, Callable] | None = None) -> Any:
    """The value of an expression in +, -, *, /, ** and function calls, where names stand for ``names``."""
    require(len(text) <= LARGEST_TEXT, "an expression is too long")
    return _value(ast.parse(text.strip(), mode="eval").body, names, functions or {})


def _value(node: ast.AST, names: Names, functions: Mapping[str, Callable]) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return fmpq(node.value)
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names, functions)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return functions[node.func.id](*(_value(a, names, functions) for a in node.args))
    if isinstance(node, ast.BinOp):
        left, right = (_value(side, names, functions) for side in (node.left, node.right))
        if type(node.op) in _BINARY:
            return _BINARY[type(node.op)](left, right)
        if isinstance(node.op, ast.Div):
            return left * (1 / right)
        if isinstance(node.op, ast.Pow) and isinstance(right, fmpq) and right.q == 1 and 0 <= right.p <= LARGEST_POWER:
            return left ** int(right.p)
    raise ValueError(f"{ast.unparse(node)} is no expression of certificates")


def polynomials(names: Iterable[str]) -> dict[str, Any]:
    """The generators of a polynomial ring over Q by name, and its zero under "0"."""
    known = sorted(names)
    ring = fmpq_mpoly_ctx.get(known or ["unused"], Ordering.lex)
    return {**dict(zip(known, ring.gens(), strict=False)), "0": ring.constant(0)}


def gap(inequality: str, names: Names) -> Any:
    """right - left of "left <= right"."""
    left, right = inequality.split("<=")
    return names["0"] + value(right, names) - value(left, names)


def is_nonnegative(p: Any, names: Names, domains: Mapping[str, str]) -> bool:
    """Whether a polynomial has nonnegative coefficients with sizes n written 1 + n, and no variable of unknown sign."""
    listed = [name for name in names if name != "0"]
    if listed:
        p = p.compose(*(names[name] + int(domains[name] == "size") for name in listed))
    signed = [k for k, name in enumerate(listed) if domains[name] == "real"]
    return all(c >= 0 for c in p.coeffs()) and not any(powers[k] for powers in p.monoms() for k in signed)


def _scaled(p: Any) -> Any:
    return p if p == 0 else p * (1 / abs(p.leading_coefficient()))


def check_inequality(step: Json, document: Json) -> bool:
    """A shifted-polynomial or Handelman certificate, its point and its tightened twin."""
    domains, hypotheses, conclusion = step["variables"], step["hypotheses"], step["conclusion"]
    require(set(domains.values()) <= {"size", "nonnegative", "real"}, "a variable has an unknown domain")
    names = polynomials(domains)
    gaps, wanted = [gap(h, names) for h in hypotheses], gap(conclusion, names)
    for text, h in zip(hypotheses, gaps, strict=True):
        require(_scaled(h) != _scaled(wanted), f"the conclusion {conclusion} is the hypothesis {text}")
    if step["kind"] == "shifted-polynomial":
        require(is_nonnegative(wanted, names, domains), f"{conclusion}: right - left has a negative coefficient")
    else:
        total = names["0"]
        for multiplier, used in step["terms"]:
            term = names["0"] + value(multiplier, names)
            require(is_nonnegative(term, names, domains), f"the multiplier {multiplier} is not surely nonnegative")
            for k in used:
                require(type(k) is int and 0 <= k < len(gaps), f"there is no hypothesis {k}")
                term = term * gaps[k]
            total += term
        require(total == wanted, f"{conclusion}: the terms add up to {total}, right - left is {wanted}")
    meets(step["witness"], hypotheses, domains, "witness")
    twin = step["twin"]
    point = meets(twin["point"], hypotheses, domains, "twin")
    left, right = (value(side, point) for side in conclusion.split("<="))
    tightened = number(twin["factor"]) * right - number(twin["less"])
    require(tightened < right, f"the twin {twin['factor']} * right - {twin['less']} is not tighter")
    require(left > tightened, f"the twin holds at its point: {left} <= {tightened}")
    return True


def meets(point: Json, hypotheses: list[str], domains: Mapping[str, str], what: str) -> dict[str, fmpq]:
    names = {name: number(point[name]) for name in domains} | {"0": fmpq(0)}
    for name, domain in domains.items():
        x = names[name]
        require(domain != "size" or (x.q == 1 and x >= 1), f"{what}: the size {name} is {x}")
        require(domain == "real" or x >= 0, f"{what}: {name} is {x}")
    for h in hypotheses:
        require(gap(h, names) >= 0, f"the {what} does not meet {h}")
    return names


# -- derivations -------------------------------------------------------------------------------------------------------
def _each(rule: Callable[[str], dict[str, str]]) -> dict[str, dict[str, str]]:
    return {norm: rule(norm) for norm in ("max", "row", "col", "sum")}


RULES: dict[str, dict[str, dict[str, str]]] = {
    "matmul": {"max": {"max max": "inner*x*y", "row max": "x*y", "max col": "x*y"}, "row": {"row row": "x*y", "max sum": "x*y"},
               "col": {"col col": "x*y", "sum max": "x*y"}, "sum": {"col sum": "x*y", "sum row": "x*y"}},
    "hadamard": _each(lambda norm: {f"{norm} max": "x*y", f"max {norm}": "x*y"}),
    "times": _each(lambda norm: {f"max {norm}": "x*y"}),
    "add": _each(lambda norm: {f"{norm} {norm}": "x + y"}),
    "scale": _each(lambda norm: {norm: "factor*x"}),
    "kron": _each(lambda norm: {f"{norm} {norm}": "x*y"}),
    "rowkron": {"max": {"max max": "x*y"}, "row": {"row row": "x*y"}, "col": {"max col": "x*y", "col max": "x*y"},
                "sum": {"row sum": "x*y", "sum row": "x*y"}},
    "transpose": {"max": {"max": "x"}, "row": {"col": "x"}, "col": {"row": "x"}, "sum": {"sum": "x"}},
    "diag": _each(lambda norm: {"sum": "x"} if norm == "sum" else {"max": "x"}),
    "row": {"max": {"max": "x"}, "row": {"max": "x"}, "col": {"row": "x"}, "sum": {"row": "x"}},
    "col": {"max": {"max": "x"}, "row": {"max": "x"}, "col": {"col": "x"}, "sum": {"col": "x"}},
    "entry": _each(lambda norm: {"max": "x"}),
    **{op: _each(lambda norm: {norm: "x"}) for op in ("define", "absolute", "block")},
    "ones": {"max": {"": "1"}, "row": {"": "columns"}, "col": {"": "rows"}, "sum": {"": "rows*columns"}},
    "eye": {"max": {"": "1"}, "row": {"": "1"}, "col": {"": "1"}, "sum": {"": "rows"}},
    "unit": _each(lambda norm: {"": "1"}), "bounded": {"max": {"": "1"}},
    "stochastic": {"max": {"": "1"}, "row": {"": "1"}, "sum": {"": "rows"}},
    "itself": {"max": {"row": "x", "col": "x", "sum": "x"}, "row": {"max": "columns*x", "sum": "x"},
               "col": {"max": "rows*x", "sum": "x"}, "sum": {"max": "rows*columns*x", "row": "rows*x", "col": "columns*x"}},
    "diagonal": {"row": {"max": "x"}, "col": {"max": "x"}, "sum": {"max": "rows*x"}},
}  # fmt: skip
"""By operation, norm of the result and norms x, y of the arguments: a bound. Norms are of absolute values: the largest entry, the largest
sum over a row, over a column, and the sum of all. "itself" relates two norms of one matrix, "diagonal" those of a diagonal one; "bounded"
is a symbol with entries in [-1, 1], "stochastic" D^{-1} u with u >= 0 and D = diag(u 1)."""


def _bare(nodes: list, k: int) -> int:
    while nodes[k][0] == "define":
        k = nodes[k][1][0]
    return k


def _has_no_negative_entry(nodes: list, k: int) -> bool:
    op, args, data, _ = nodes[_bare(nodes, k)]
    if op in ("hadamard", "matmul", "add", "transpose"):
        return all(_has_no_negative_entry(nodes, a) for a in args)
    return op in ("exp", "ones", "eye", "unit") or (op == "symbol" and data[1] in (*WITHIN_0_1, "positive"))


def _is_stochastic(nodes: list, k: int) -> bool:
    """Whether node k is diag(1/(u 1)) u with u >= 0, or a symbol whose rows are unit vectors, by its form."""
    path, at = [], _bare(nodes, k)
    if nodes[at][0] == "symbol":
        return nodes[at][2][1] == "onehot"
    for op in ("matmul", "diag", "recip", "matmul"):
        if nodes[at][0] != op:
            return False
        path.append(nodes[at][1])
        at = _bare(nodes, nodes[at][1][0])
    is_sum = at == _bare(nodes, path[0][1]) and nodes[_bare(nodes, path[3][1])][0] == "ones"
    return is_sum and _has_no_negative_entry(nodes, at)


def rule_bound(nodes: list, of: list, premises: list[list], values: list[Any], names: Names, domains: Names) -> Any:
    """The bound of a norm rule on ``of`` = [norm, node] from norms of its arguments or of itself; `Rejected` if there is none."""
    norm, k = of
    op, args, data, (rows, columns) = nodes[k]
    kinds, where = " ".join(p[0] for p in premises), [p[1] for p in premises]
    families = [op] if where == list(args) else []
    if where == [k]:
        families = ["diagonal", "itself"] if nodes[_bare(nodes, k)][0] == "diag" else ["itself"]
    elif not where:
        families += ["stochastic"] if _is_stochastic(nodes, k) else []
        families += ["bounded"] if op == "symbol" and data[1] in ("unit", *WITHIN_0_1) else []
    found = [RULES[f][norm][kinds] for f in families if kinds in RULES.get(f, {}).get(norm, {})]
    require(bool(found), f"no norm rule bounds the {norm} norm of node {k} ({op}) by {kinds or 'nothing'} of {where}")
    known = {"rows": value(rows, names), "columns": value(columns, names), **dict(zip("xy", values, strict=False))}
    if op == "matmul":
        known["inner"], other = (value(text, names) for text in (nodes[args[0]][3][1], nodes[args[1]][3][0]))
        require(known["inner"] == other, f"node {k} multiplies matrices that do not fit")
    if op == "scale":
        factor = names["0"] + value(data[0], names)
        known["factor"] = factor if is_nonnegative(factor, names, domains) else -factor
        require(is_nonnegative(known["factor"], names, domains), f"the sign of the factor {data[0]} is not known")
    return names["0"] + value(found[0], known)


def check_derivation(document: Json) -> None:
    """Every hypothesis of every step is given, concluded before, or a norm rule; the claim is concluded."""
    made, nodes = document["derivation"], document["nodes"]
    meanings, given, domains = made["meanings"], made["given"], dict(made["variables"])
    for k, node in enumerate(nodes):
        require(all(type(a) is int and 0 <= a < k for a in node[1]), f"node {k} must come after its arguments")
        require(node[0] not in ("itself", "diagonal", "bounded", "stochastic"), f"node {k} is no formula")
    names, concluded = polynomials(domains), dict[str, str]()
    require(all(domains[name] == "nonnegative" and name not in made["maxima"] for name in meanings), "norms are >= 0")

    def holds(text: str, because: Json) -> None:
        if "rule" in because:
            of, premises = because["rule"]["of"], because["rule"]["from"]
            values = [names[x] for x in premises]
            bound = rule_bound(nodes, meanings[of], [meanings[x] for x in premises], values, names, domains)
            agrees = gap(text, names) == bound - names[of]
        elif "lemma" in because:
            agrees = text == because["lemma"] and text in made["lemmas"]
        elif "maximum" in because:
            largest = because["maximum"]
            agrees = text in [f"{part} <= {largest}" for part in made["maxima"][largest]]
        else:
            known = given[because["given"]] if "given" in because else concluded[because["step"]]
            agrees = text == known or gap(text, names) == gap(known, names)
        require(agrees, f"{text} is not what its reason {json.dumps(because)} says")

    for step in document["certificates"]:
        if CHECKS[step["kind"]] is check_inequality:
            label, declared = str(step["step"]), step["variables"].items()
            _named(label, require, declared <= domains.items(), "the derivation declares its variables otherwise")
            for text, because in zip(step["hypotheses"], step["because"], strict=True):
                _named(label, holds, text, because)
            concluded[label] = step["conclusion"]
    _named("claim", require, "given" not in made["because"], "the claim is a hypothesis")
    _named("claim", holds, made["claim"], made["because"])


class Entries:
    """Entries as polynomials over Q; a function of an entry is a free symbol, the same for equal arguments."""

    def __init__(self) -> None:
        self.ring = fmpq_mpoly_ctx.get([f"x{k}" for k in range(MOST_SYMBOLS)], Ordering.lex)
        self.known: dict[tuple, Any] = {}

    def number(self, x: fmpq) -> Any:
        return self.ring.constant(x)

    def free(self, *key: Any) -> Any:
        if key not in self.known:
            require(len(self.known) < MOST_SYMBOLS, "too many entries and functions to expand")
            self.known[key] = self.ring.gen(len(self.known))
        return self.known[key]

    def function(self, op: str, x: Any) -> Any:
        return self.free(op, str(x))


class Residues:
    """Entries modulo the prime, as a certificate records them."""

    def __init__(self, step: Json) -> None:
        self.points, self.functions = step["points"], {(op, int(x)): int(y) for op, x, y in step["functions"]}
        require(len(self.functions) == len(step["functions"]), "a function has two values at one argument")

    def number(self, x: fmpq) -> int:
        return int(x.p) * pow(int(x.q), -1, PRIME) % PRIME

    def free(self, name: str, i: int, j: int) -> int:
        return int(self.points[name][i][j]) % PRIME

    def function(self, op: str, x: int) -> int:
        return pow(x, -1, PRIME) if op == "recip" else self.functions[(op, x % PRIME)]


def evaluate(nodes: list, sizes: Mapping[str, int], ring: Any) -> list:
    """The matrix of every node, as rows of entries in a ring; scalar constants are 1 x 1 symbols."""
    counts = {name: number(count) for name, count in sizes.items()}
    made: list[Any] = []
    for op, args, data, shape in nodes:
        a = [made[k] for k in args]
        rows, columns = (int(value(s, counts).p) for s in shape)
        if op in ("symbol", "ones", "eye"):
            free = partial(ring.free, data[0]) if op == "symbol" else lambda i, j: ring.number(fmpq(1))
            zero = ring.number(fmpq(0))
            entry = [[zero if op == "eye" and i != j else free(i, j) for j in range(columns)] for i in range(rows)]
        elif op == "scale":
            factor = value(data[0], {**counts, **{c: ring.free(f"constant {c}", 0, 0) for c in data[1:]}})
            factor = ring.number(fmpq(factor)) if isinstance(factor, (int, fmpq)) else factor
            entry = [[factor * x for x in row] for row in a[0]]
        elif op in ("exp", "recip", "func"):
            entry = [[ring.function(" ".join([op, *map(str, data)]), x) for x in row] for row in a[0]]
        else:
            entry = ENTRIES[op](*a)
        require([len(row) for row in entry] == [columns] * rows, f"{op} of another shape than {shape}")
        made.append(entry)
    return made


def _pairwise(act: Callable, a: list, b: list) -> list:
    return [[act(x, y) for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


ENTRIES: dict[str, Callable[..., list]] = {
    "define": lambda a: a,
    "transpose": lambda a: [list(column) for column in zip(*a, strict=True)],
    "diag": lambda a: [[x * int(i == j) for j in range(len(a))] for i, (x,) in enumerate(a)],
    "add": partial(_pairwise, add),
    "hadamard": partial(_pairwise, mul),
    "times": lambda a, b: ENTRIES["kron"](a, b),
    "matmul": lambda a, b: [[sum(_pairwise(mul, [r], [c])[0], 0 * r[0]) for c in zip(*b, strict=True)] for r in a],
    "kron": lambda a, b: [[x * y for x in left for y in right] for left in a for right in b],
    "rowkron": lambda a, b: [[x * y for y in right for x in left] for left, right in zip(a, b, strict=True)],
}


def check_identity(step: Json, document: Json) -> bool:
    """Two nodes are equal as polynomials, or have the recorded values at a point modulo the prime."""
    ring = Entries() if step["kind"] == "expansion" else Residues(step)
    made = evaluate(step["nodes"], step["sizes"], ring)
    left, right = made[step["left"]], made[step["right"]]
    if step["kind"] == "finite-field":
        left, right, wanted = ([[x % PRIME for x in row] for row in side] for side in (left, right, step["values"]))
        require(left == wanted, f"the values are {left}")
    require(left == right, "the two sides differ")
    return True


def _taylor(x: Any, degree: fmpq) -> arb:
    return sum((arb(x) ** k / arb.fac_ui(k) for k in range(int(str(degree)) + 1)), arb(0))


def _relative_error(b: Any, degree: fmpq) -> arb:
    """J_g(b) = |e^b T_g(-b) - 1|, which increases on b >= 0; for b < 0 it stands for zero."""
    ends = [abs(x.exp() * _taylor(-x, degree) - 1) for x in (arb(b).lower().max(arb(0)), arb(b).upper().max(arb(0)))]
    return ends[0].union(ends[1])


_METHODS = ("exp", "log", "sqrt", "tanh", "cosh", "sinh", "lambertw", "gamma")
FUNCTIONS: dict[str, Callable] = {name: lambda x, name=name: getattr(arb(x), name)() for name in _METHODS}
FUNCTIONS |= {"abs": abs, "T": _taylor, "J": _relative_error}
"""What the function of a box certificate may call: T(x, g) and J(b, g) take an integer degree."""


def check_box(step: Json, document: Json) -> bool:
    """The function is >= 0 (or > 0) on every box, and the boxes cover the domain."""
    variables, strict = step["variables"], {">= 0": False, "> 0": True}[step["inequality"]]
    domain, *boxes = ([(number(low), number(high)) for low, high in box] for box in (step["domain"], *step["boxes"]))
    require(all(low < high for low, high in domain) and step["precision"] <= 4096, "an empty domain or too many bits")
    with ctx.workprec(step["precision"]):
        for k, box in enumerate(boxes):
            names = {v: arb(low).union(arb(high)) for v, (low, high) in zip(variables, box, strict=True)}
            found = arb(0) + value(step["function"], names, FUNCTIONS)
            require(found > 0 if strict else found >= 0, f"on box {k}, {step['boxes'][k]}, it is within {found}")
    require(_covered(domain, boxes), "the boxes do not cover the domain")
    return True


def _covered(part: list, boxes: list) -> bool:
    """Whether the boxes cover a part of the domain: it is cut at their ends until one box holds each piece."""
    near = [b for b in boxes if all(p[0] < q[1] and q[0] < p[1] for p, q in zip(part, b, strict=True))]
    if any(all(q[0] <= p[0] and p[1] <= q[1] for p, q in zip(part, b, strict=True)) for b in near):
        return True
    cuts = sorted({(k, end) for b in near for k, q in enumerate(b) for end in q if part[k][0] < end < part[k][1]})
    if not cuts:
        return False
    k, end = cuts[len(cuts) // 2]
    return all(_covered([*part[:k], half, *part[k + 1 :]], near) for half in ((part[k][0], end), (end, part[k][1])))


_COMPARED = {"<=": le, "<": lt, "==": eq}


def check_smt(step: Json, document: Json) -> bool:
    """Whether the answer could be checked: a model is evaluated exactly, `unsat` and `unknown` are words alone."""
    require(step["answer"] in ("sat", "unsat", "unknown"), f"{step['answer']!r} is no answer of a solver")
    if step["answer"] == "sat":
        names = meets(step["model"], [], step["variables"], "model")
        for text in step["assertions"]:
            left, relation, right = re.split(r"(<=|==|<)", text)
            require(_COMPARED[relation](value(left, names), value(right, names)), f"the model does not meet {text}")
    return step["answer"] == "sat"


# -- files -------------------------------------------------------------------------------------------------------------
def content_hash(document: Json) -> str:
    """The sha256 of a document without its own hash."""
    rest = {key: part for key, part in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


CHECKS: dict[str, Callable[[Json, Json], bool]] = {
    "shifted-polynomial": check_inequality, "handelman": check_inequality, "expansion": check_identity,
    "finite-field": check_identity, "box": check_box, "smt": check_smt,
}  # fmt: skip
"""By kind: raises `Rejected`, or says whether there was anything to check (not in a bare answer of a solver)."""


def check(document: Json) -> dict[str, int]:
    """How many certificates of each kind hold, bare answers under "unchecked"; `Rejected` at the first that does not hold."""
    _named("sha256", require, content_hash(document) == document.get("sha256"), "the content has another hash")
    counted: dict[str, int] = {}
    for k, step in enumerate(document["certificates"]):
        label = str(step["step"]) if isinstance(step, dict) and "step" in step else f"number {k}"
        kind = _named(label, lambda s: s["kind"] if CHECKS[s["kind"]](s, document) else "unchecked", step)
        counted[kind] = counted.get(kind, 0) + 1
    if "derivation" in document:
        _named("derivation", check_derivation, document)
    return counted


def read(path: Path) -> Json:
    """The document of a file; `BadInput` if it is not one of this schema."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"cannot be read as JSON ({error})") from None
    listed = isinstance(document, dict) and isinstance(document.get("certificates"), list)
    if not listed or document.get("schema") != SCHEMA:
        raise BadInput(f"not a list of certificates of schema {SCHEMA}")
    return document


def main(paths: list[str]) -> int:
    """Check files and print one line for each; 0, 1 or 2 (see above)."""
    outcome = 0 if paths else 2
    for path in paths:
        try:
            counted = check(read(Path(path)))
            print(f"{path}: ok ({', '.join(f'{n} {kind}' for kind, n in sorted(counted.items())) or 'no steps'})")
        except Rejected as error:
            print(f"{path}: rejected, {error}")
            outcome = 1
        except BadInput as error:
            print(f"{path}: {error}", file=sys.stderr)
            outcome = outcome or 2
    return outcome


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
