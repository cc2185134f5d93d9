"""Proofs of bounds on functions of one real variable and on matrices to which such functions are applied entry by entry.

    entrywise    |phi(x)| <= R(|x|) or max phi(x) <= R(|x|) for a vector or matrix x
    degree       J(b, Degree(b, L)) <= R
    tail         c BesselTail(b, g) <= R           alternation    L <= c Alternation(b, g)
    chebyshev    |e^x - Chebyshev(x, b, g)| <= R

Each takes a claim, reads its expressions, and proves what these say: nothing is proved of a claim of another form.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy
from flint import fmpq, fmpq_poly

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.functions import Alternation, BesselTail, Chebyshev, Degree, J, T
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Bound

from .analysis import NotProved, Proof, derivative
from .analysis_numbers import EXP, V, hypotheses
from .nonnegative import certificate

N = sympy.Symbol("N", integer=True, positive=True)
LARGEST_CHECKED = 10
"""Degrees up to which the weights of a divided difference are computed exactly, beside the argument for all degrees."""


def _follows(proof: Proof, says: str, expression: sympy.Expr, claim: Bound) -> None:
    """expression >= 0, by itself or by one hypothesis."""
    for given in (sympy.Integer(0), *hypotheses(claim)):
        if certificate(expression - given) is not None:
            proof.certify(says + (f", as {given} >= 0" if given != 0 else ""), expression - given)
            return
    raise NotProved(f"{says}: {expression} is not surely nonnegative")


# -- entries -----------------------------------------------------------------------------------------------------------
def entrywise(claim: Bound) -> Proof:
    """max |phi(x_i)| <= R(b) or max phi(x_i) <= R(b) with b = max |x_i|.

    With x_i = v or -v, 0 <= v <= b, it is enough that R(v) - (+-)phi(+-v) >= 0 and that R does not decrease.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    norm = claim.left
    if not (isinstance(norm, Norm) and norm.norm in ("max", "top")):
        raise NotProved("the left side is no norm of entries")
    symbols = list(norm.formula.symbols().values())
    if len(symbols) != 1 or symbols[0].data[1] != "real":
        raise NotProved("the left side is no function of one matrix, entry by entry")
    bounds = [x for x in claim.norms() if x is not norm]
    if any(x.norm != "max" or x.formula is not symbols[0] for x in bounds):
        raise NotProved("another norm than that of the matrix")
    at_v = {x: V for x in bounds}
    right, given = claim.right.subs(at_v), [h.subs(at_v) for h in hypotheses(claim)]
    proof = Proof()
    proof.argument("a bound on every entry phi(x_i) in |x_i| that does not decrease is one in b, as |x_i| <= b")
    _rising(proof, "the right side does not decrease in b", right)
    for x in (V, -V):
        value = entry_value(norm.formula, symbols[0], x)
        for part in (value, -value) if norm.norm == "max" else (value,):
            _bounded_entry(proof, f"{part} <= {right}", right - part, given)
    return proof


def _rising(proof: Proof, says: str, function: sympy.Expr) -> None:
    slope = sympy.expand(derivative(function, V))
    try:
        proof.certify(says, slope)
    except NotProved:
        proof.by_degree(says, sympy.expand(derivative(function, V, lower=True)), V)


def _bounded_entry(proof: Proof, says: str, gap: sympy.Expr, given: list[sympy.Expr]) -> None:
    """gap >= 0 at v, by itself, or as a positive factor of it is at least a hypothesis that does not increase in v."""
    try:
        return proof.nonnegative(says, gap, V)
    except NotProved:
        for hypothesis in given:
            for factor in (sympy.Integer(1), EXP(V), EXP(-V)):
                try:
                    proof.nonnegative(f"{says}, as {hypothesis} >= 0", sympy.expand(gap * factor) - hypothesis, V)
                except NotProved:
                    continue
                _rising(
                    proof,
                    f"{hypothesis} does not increase, so it is at least its value at b, which is given to be >= 0",
                    -hypothesis,
                )
                return
    raise NotProved(f"nothing shows {says}")


def entry_value(node: Formula, symbol: Formula, x: sympy.Expr) -> sympy.Expr:
    """The entry of a formula where the entry of ``symbol`` is x.

    Raises:
        NotProved: if an operation mixes entries.
    """
    if node is symbol:
        return x
    arguments = [entry_value(a, symbol, x) for a in node.args]
    if node.op in ("define", "add", "hadamard", "exp", "ones", "scale", "taylor") and not (
        node.op == "ones" and node.args
    ):
        return _ENTRY[node.op](node, *arguments)
    raise NotProved(f"{node.op} is not applied entry by entry")


_ENTRY: dict[str, Callable[..., sympy.Expr]] = {
    "define": lambda node, a: a,
    "add": lambda node, a, b: a + b,
    "hadamard": lambda node, a, b: a * b,
    "exp": lambda node, a: EXP(a),
    "ones": lambda node: sympy.Integer(1),
    "scale": lambda node, a: node.data[0] * a,
    "taylor": lambda node, a: T(a, node.data[0]),
}


# -- the degree formula ------------------------------------------------------------------------------------------------
def degree_of(b: sympy.Expr, target: sympy.Expr) -> sympy.Expr:
    """Degree(b, L) by its definition."""
    whole = b + target
    return sympy.ceiling(whole / sympy.LambertW(whole / (sympy.E * b))) - 1


def degree(claim: Bound) -> Proof:
    """J(b, ceil(m) - 1) <= R for m = Y/W(Y/(e b)), if ln R >= b - Y.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    if not isinstance(claim.left, J):
        raise NotProved("the left side is not J")
    b, chosen = claim.left.args
    chosen = chosen.replace(Degree, degree_of)
    ceilings = [c for c in chosen.atoms(sympy.ceiling) if sympy.expand(c - 1 - chosen) == 0]
    waits = [w for c in ceilings for w in c.atoms(sympy.LambertW)]
    if not (b.is_Symbol and b.is_positive and len(waits) == 1):
        raise NotProved(f"the degree {chosen} is not ceil(m) - 1")
    y = sympy.cancel(waits[0].args[0] * sympy.E * b)
    if not y.is_positive or sympy.cancel(ceilings[0].args[0] - y / waits[0]) != 0:
        raise NotProved(f"the degree {chosen} is not that of Lambert's W")
    w, m, r, log_r = (sympy.Symbol(name, nonnegative=True) for name in ("w", "m", "r", "log(1+r)"))
    proof = Proof()
    proof.nonnegative("J_{N-1}(b) <= e^b b^N/N!", EXP(V) * V**N / sympy.factorial(N) - J(V, N - 1), V)
    proof.by_degree("e^v >= T_N(v)", EXP(V) - T(V, N), V)
    proof.by_degree("T_N(v) - v^N/N! = T_{N-1}(v) >= 0", T(V, N - 1), V)
    proof.argument("at v = N: N! >= N^N e^-N, so ln J_{N-1}(b) <= b - N ln(N/(e b))")
    proof.argument("W(z) > 0 and W(z) e^W(z) = z for z > 0: with w = W(Y/(e b)) and m = Y/w > 0")
    proof.identity("m = e b e^w, that is ln(m/(e b)) = w", sympy.E * b * w * EXP(w), w * (sympy.E * b * EXP(w)))
    proof.certify("N = m(1 + r), r >= 0, as N = ceil(m): N ln(N/(e b)) >= m w", m * (1 + r) * (w + log_r) - m * w)
    proof.certify("ln R >= b - m w = b - Y", _logarithm(claim.right) - b + y)
    return proof


def _logarithm(expression: sympy.Expr) -> sympy.Expr:
    """ln of a product of exponentials and positive numbers.

    Raises:
        NotProved: for anything else.
    """
    if isinstance(expression, sympy.exp):
        return expression.args[0]
    if expression.is_Mul:
        return sympy.Add(*(_logarithm(a) for a in expression.args))
    if expression.is_Rational and expression > 0:
        return sympy.log(expression)
    raise NotProved(f"no logarithm of {expression}")


# -- best approximation ------------------------------------------------------------------------------------------------
_t, _u, _c, _z, _Z = sympy.symbols("t u c z Z", real=True)


def _chebyshev_polynomials(proof: Proof) -> None:
    """C_k((z + 1/z)/2) = (z^k + z^-k)/2, and |C_k| <= 1 on [-1, 1]."""
    mean = (_z + 1 / _z) / 2
    proof.identity(
        "C_k((z + 1/z)/2) = (z^k + z^-k)/2, by the recurrence C_{k+1} = 2t C_k - C_{k-1} (Z = z^k)",
        (_Z * _z + 1 / (_Z * _z)) / 2,
        2 * mean * (_Z + 1 / _Z) / 2 - (_Z / _z + _z / _Z) / 2,
    )


def tail(claim: Bound) -> Proof:
    """A + c BesselTail(b, g) <= R, by sum_{k > g} I_k(b) <= e^b (b/2)^{g+1}/(g+1)!.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    found, b, g = _single(claim.left, BesselTail)
    proof = Proof()
    upper = EXP(b) * (b / 2) ** (g + 1) / sympy.factorial(g + 1)
    proof.argument(
        "with N = g + 1 and y = b/2, sum_{k >= N} I_k(b) = sum_{m <= l} y^m y^l y^N / (m! (l + N)!), l = k + m - N (series of I_k, "
        "nonnegative terms), and e^b y^N/N! = sum_{m, l} y^m y^l y^N / (m! l! N!): compare term by term"
    )
    _binomials(proof)
    return _replaced(proof, f"{claim.left} <= {claim.right}", claim.right - claim.left, found, upper, -1)


def _binomials(proof: Proof) -> None:
    """(l + N)! >= l! N!, by induction on N: the quotient starts at 1 and grows by (l + N + 1)/(N + 1)."""
    ell, count = (sympy.Symbol(name, integer=True, nonnegative=True) for name in ("l", "N"))

    def quotient(at: sympy.Expr) -> sympy.Expr:
        return sympy.factorial(ell + at) / (sympy.factorial(ell) * sympy.factorial(at))

    step = (ell + count + 1) / (count + 1)
    proof.identity("(l + 0)!/(l! 0!) = 1", quotient(sympy.Integer(0)), sympy.Integer(1))
    proof.identity("(l+N+1)!/(l! (N+1)!) = (l+N)!/(l! N!) (l+N+1)/(N+1)", quotient(count + 1), quotient(count) * step)
    proof.certify("(l+N+1)/(N+1) >= 1", step - 1)


def alternation(claim: Bound) -> Proof:
    """L <= A + c Alternation(b, g), by Alternation >= e^{-2b} b^N/(2^{N-1} N!), N = g + 1.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    found, b, g = _single(claim.right, Alternation)
    proof = Proof()
    _chebyshev_polynomials(proof)
    proof.argument(
        "at x_j = cos(j pi/N), z = e^{i j pi/N}: z^N = (-1)^j, so C_N(x_j) = (-1)^j, and C_N has leading coefficient 2^{N-1}"
    )
    proof.argument(
        "the weights mu_j of the divided difference at N + 1 points give sum mu_j p(y_j) = the coefficient of x^N of p, deg p <= N"
    )
    proof.argument("mu_j has the sign of (-1)^j (y_0 > y_1 > ...), so sum |mu_j| = sum mu_j C_N(y_j/b) = 2^{N-1}/b^N")
    for count in range(1, LARGEST_CHECKED + 1):
        _weights_at(proof, count)
    proof.argument("sum mu_j e^{y_j} = e^xi/N! for a xi in [-b, b] (Rolle's theorem), and e^{y_j} <= e^b")
    lower = EXP(-b) / sympy.factorial(g + 1) / (EXP(b) * 2**g / b ** (g + 1))
    return _replaced(proof, f"{claim.left} <= {claim.right}", claim.right - claim.left, found, lower, 1)


def _weights_at(proof: Proof, count: int) -> None:
    """sum_j |mu_j| = 2^{N-1} and the signs (-1)^j at cos(j pi/N), exactly in Q[z]/Phi_{2N}(z)."""
    modulus = fmpq_poly([int(c) for c in reversed(sympy.Poly(sympy.cyclotomic_poly(2 * count, _z), _z).all_coeffs())])
    z = fmpq_poly([0, 1])
    powers = [fmpq_poly([1]) % modulus]
    for _ in range(2 * count - 1):
        powers.append(powers[-1] * z % modulus)
    points = [(powers[j] + powers[-j % (2 * count)]) * fmpq(1, 2) for j in range(count + 1)]
    total = fmpq(0)
    for j, x in enumerate(points):
        product = fmpq_poly([(-1) ** j]) % modulus
        for i, other in enumerate(points):
            if i != j:
                product = product * (x - other) % modulus
        if product.degree() > 0 or product[0] <= 0:
            raise NotProved(f"the weight {j} of {count + 1} points has another sign than (-1)^{j}")
        total += 1 / product[0]
    proof.identity(
        f"N = {count}: sum |mu_j| = 2^(N-1) on [-1, 1]",
        sympy.Rational(int(total.p), int(total.q)),
        sympy.Integer(2) ** (count - 1),
    )


def chebyshev(claim: Bound) -> Proof:
    """|e^x - Chebyshev(x, b, g)| <= R for x in [-b, b], by the expansion of e^x.

    Raises:
        NotProved: if the claim is not of this form, x is not surely in [-b, b], or a step fails.
    """
    calls = list(claim.left.atoms(Chebyshev))
    if not (isinstance(claim.left, sympy.Abs) and len(calls) == 1):
        raise NotProved("the left side is no error of the Chebyshev expansion")
    x, b, g = calls[0].args
    inside = claim.left.args[0]
    if not b.is_positive or all(sympy.expand(inside - s * (EXP(x) - calls[0])) != 0 for s in (1, -1)):
        raise NotProved("the left side is not |e^x - Chebyshev(x, b, g)|")
    proof = Proof()
    place = sympy.cancel(x / b)
    _follows(proof, "x <= b", 1 - place, claim)
    _follows(proof, "x >= -b", 1 + place, claim)
    _chebyshev_polynomials(proof)
    proof.argument(
        "e^{b(z + 1/z)/2} = e^{bz/2} e^{b/(2z)} = sum_k I_k(b) z^k over all integers k, I_{-k} = I_k (product of two absolutely convergent "
        "series), so e^{b t} = I_0(b) + 2 sum_{k >= 1} I_k(b) C_k(t)"
    )
    proof.identity(
        "c = C_k, u = U_{k-1}: c^2 + (1 - t^2) u^2 = 1 passes from k to k + 1",
        (_t * _c - (1 - _t**2) * _u) ** 2 + (1 - _t**2) * (_t * _u + _c) ** 2,
        _c**2 + (1 - _t**2) * _u**2,
    )
    proof.identity(
        "this recurrence is C_{k+1} = 2t C_k - C_{k-1}",
        _t * (_t * _c - (1 - _t**2) * _u) - (1 - _t**2) * (_t * _u + _c),
        2 * _t * (_t * _c - (1 - _t**2) * _u) - _c,
    )
    proof.argument("so |C_k(t)| <= 1 on [-1, 1], and I_k(b) >= 0: the error is at most 2 sum_{k > g} I_k(b)")
    proof.certify("2 BesselTail(b, g) <= the right side", claim.right - 2 * BesselTail(b, g))
    return proof


def _single(expression: sympy.Expr, function: type) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """The only call of a function, and its arguments b > 0 and g.

    Raises:
        NotProved: if there is none or another.
    """
    calls = list(expression.atoms(function))
    if len(calls) != 1 or not (
        calls[0].args[0].is_Symbol and calls[0].args[0].is_positive and calls[0].args[1].is_positive
    ):
        raise NotProved(f"no single {function.__name__}")
    return calls[0], *calls[0].args


def _replaced(proof: Proof, says: str, gap: sympy.Expr, call: sympy.Expr, value: sympy.Expr, sign: int) -> Proof:
    """gap >= 0, where call >= value (sign 1) or call <= value (sign -1): it is linear in call, with that sign, and >= 0 at value."""
    unknown = sympy.Dummy("call", positive=True)
    slope = sympy.diff(gap.subs(call, unknown), unknown)
    proof.identity(f"{says}: linear in {call}", sympy.diff(slope, unknown), sympy.Integer(0))
    proof.certify(f"{says}: the sign of {call}", sign * slope)
    proof.certify(f"{says}, with {value} for {call}", gap.subs(call, value))
    return proof
