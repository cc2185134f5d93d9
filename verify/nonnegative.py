"""Certificates that an expression is zero or nonnegative, by exact polynomial algebra over Q.

An expression in sizes, nonnegative symbols and a few functions is rewritten in generators whose sign is known:

    g = 1 + g'              for a size g                    e^{k v} = (1 + e_v)^k        for a symbol v >= 0, k an integer
    x^{g+k} = x^g x^k       x^g one generator               (g+k)! = g! (g+1) ... (g+k)  g! one generator
    J(b, g), tanh(y)        one generator each, >= 0        T(x, g)                      one generator of unknown sign

It is nonnegative if, in lowest terms, every factor of numerator and denominator is an even power or a polynomial whose coefficients
are nonnegative and whose generators of unknown sign have even exponents. Generators are not independent as numbers; that only
weakens a certificate, never falsifies one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import sympy

POSITIVE, NONNEGATIVE, UNKNOWN = "> 0", ">= 0", "real"


class NotRewritten(ValueError):
    """An expression with a part that has no generator."""


@dataclass
class Generators:
    """The generators of one or more expressions: their signs, and a fixed symbol for each."""

    sign: dict[sympy.Symbol, str] = field(default_factory=dict)
    _known: dict[tuple, sympy.Symbol] = field(default_factory=dict)

    def __call__(self, expression: sympy.Expr) -> sympy.Expr:
        """The expression as a rational function of generators.

        Raises:
            NotRewritten: if a part has no rule.
        """
        if expression.is_Rational:
            return expression
        if expression.is_Symbol:
            return self._symbol(expression)
        if expression.is_Add or expression.is_Mul:
            return expression.func(*(self(a) for a in expression.args))
        if expression.is_Pow:
            return self._power(expression.base, expression.exp)
        rule = _RULES.get(type(expression).__name__)
        if rule is None:
            raise NotRewritten(f"no generator stands for {expression}")
        return rule(self, *expression.args)

    def _made(self, name: str, sign: str, *key: object) -> sympy.Symbol:
        if key not in self._known:
            made = sympy.Dummy(name)
            self._known[key], self.sign[made] = made, sign
        return self._known[key]

    def _symbol(self, symbol: sympy.Symbol) -> sympy.Expr:
        if symbol.is_integer and symbol.is_positive:
            return 1 + self._made(f"{symbol.name}'", NONNEGATIVE, symbol)
        sign = POSITIVE if symbol.is_positive else NONNEGATIVE if symbol.is_nonnegative else UNKNOWN
        return self._made(symbol.name, sign, symbol)

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        if exponent.is_Integer:
            return self(base) ** exponent
        if base is sympy.E:
            return self._exp(exponent)
        if base == 1:
            return sympy.Integer(1)
        if base.is_Mul:
            return sympy.Mul(*(self._power(factor, exponent) for factor in base.args))
        if base.is_Rational and not base.is_Integer and base > 0:
            return self._power(sympy.Integer(base.p), exponent) / self._power(sympy.Integer(base.q), exponent)
        whole, rest = exponent.as_coeff_Add()
        if not (whole.is_Integer and rest.is_integer and base.is_nonnegative):
            raise NotRewritten(f"no generator stands for {base}**({exponent})")
        count, letters = rest.as_coeff_Mul()
        sign = POSITIVE if base.is_positive else NONNEGATIVE
        return self(base) ** whole * self._made(f"{base}^{letters}", sign, base, letters) ** count

    def _exp(self, argument: sympy.Expr) -> sympy.Expr:
        value = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(argument)):
            count, v = term.as_coeff_Mul()
            if not count.is_Integer or not (v.is_nonnegative or v == 1):
                raise NotRewritten(f"no generator stands for exp({argument})")
            value *= (1 + self._made(f"(e^{v} - 1)", POSITIVE if v.is_positive else NONNEGATIVE, "exp", v)) ** count
        return value

    def _factorial(self, argument: sympy.Expr) -> sympy.Expr:
        whole, rest = argument.as_coeff_Add()
        if not (whole.is_Integer and rest.is_integer and rest.is_nonnegative):
            raise NotRewritten(f"no generator stands for ({argument})!")
        value = self._made(f"{rest}!", POSITIVE, "factorial", rest)
        for k in range(1, whole + 1):
            value *= self(rest) + k
        for k in range(0, -whole):
            value /= self(rest) - k
        return value

    def _nonnegative_function(self, name: str, *arguments: sympy.Expr) -> sympy.Expr:
        if not arguments[0].is_nonnegative:
            raise NotRewritten(f"{name}({arguments[0]}): the argument is not surely nonnegative")
        return self._made(name, NONNEGATIVE, name, *arguments)

    def _log(self, argument: sympy.Expr) -> sympy.Expr:
        return self._made(f"log({argument})", UNKNOWN, "log", argument)


_RULES: dict[str, Callable[..., sympy.Expr]] = {
    "exp": Generators._exp,
    "factorial": Generators._factorial,
    "log": Generators._log,
    "tanh": lambda made, y: made._nonnegative_function("tanh", y),
    "J": lambda made, b, g: made._nonnegative_function("J", b, g),
    "BesselTail": lambda made, b, g: made._nonnegative_function("BesselTail", b, g),
    "T": lambda made, x, g: made._made("T", UNKNOWN, "T", x, g),
}


def is_zero(expression: sympy.Expr) -> bool:
    """Whether an expression is zero as a rational function of its generators, hence everywhere.

    Raises:
        NotRewritten: if a part has no generator.
    """
    return sympy.cancel(sympy.together(Generators()(sympy.sympify(expression)))) == 0


def certificate(expression: sympy.Expr, split: Iterable[sympy.Symbol] = (), defined: bool = False) -> str | None:
    """The factors that show an expression to be nonnegative, or None.

    Args:
        split: nonnegative symbols; a factor may also be a polynomial in these whose coefficients are nonnegative.
        defined: whether the expression is only spoken of where it is defined; else its denominator must be surely positive.
    """
    generators = Generators()
    try:
        made = sympy.cancel(sympy.together(generators(sympy.sympify(expression))))
        split = [generators(s) for s in split]
    except NotRewritten:
        return None
    if made.has(sympy.zoo, sympy.oo, sympy.nan):
        return None
    if made == 0:
        return "0"
    top, bottom = sympy.fraction(made)
    above = _factors(top, generators.sign, split)
    below = _factors(bottom, generators.sign, ())
    if above is None or below is None or above[0] * below[0] < 0:
        return None
    if not defined and not _surely_nonzero(bottom, generators.sign):
        return None
    return f"({above[1]}) / ({below[1]})" if bottom.free_symbols else above[1]


def _shown(expression: sympy.Expr) -> str:
    return str(expression.xreplace({s: sympy.Symbol(s.name) for s in expression.free_symbols}))


def _factors(polynomial: sympy.Expr, sign: dict, split: Iterable[sympy.Symbol]) -> tuple[int, str] | None:
    """The common sign of a polynomial on the domain and its factors; None if a factor's sign is unknown."""
    if not polynomial.free_symbols:
        return (1 if polynomial >= 0 else -1), str(polynomial)
    constant, factors = sympy.factor_list(polynomial)
    total, shown = (1 if constant > 0 else -1), [str(constant)]
    for factor, power in factors:
        found = 1 if power % 2 == 0 else _sign_of(factor, sign, split)
        if found is None:
            return None
        total *= found
        shown.append(f"({_shown(factor)})" + (f"^{power}" if power > 1 else ""))
    return total, " ".join(shown)


def _sign_of(factor: sympy.Expr, sign: dict, split: Iterable[sympy.Symbol]) -> int | None:
    split = [s for s in split if s in factor.free_symbols]
    if split:
        found = {_factors(c, sign, ()) for c in sympy.Poly(factor, *split).coeffs()}
        signs = {None if f is None else f[0] for f in found}
        return signs.pop() if len(signs) == 1 else None
    made = sympy.Poly(factor, *sorted(factor.free_symbols, key=str))
    unknown = [k for k, g in enumerate(made.gens) if sign.get(g, UNKNOWN) is UNKNOWN]
    signs = {1 if c > 0 else -1 for _, c in made.terms()}
    even = all(powers[k] % 2 == 0 for powers, _ in made.terms() for k in unknown)
    return signs.pop() if even and len(signs) == 1 else None


def _surely_nonzero(polynomial: sympy.Expr, sign: dict) -> bool:
    """Whether every factor, known to be of one sign, has a term that cannot vanish."""
    if not polynomial.free_symbols:
        return True
    for factor, _ in sympy.factor_list(polynomial)[1]:
        made = sympy.Poly(factor, *sorted(factor.free_symbols, key=str))
        lasting = [
            all(p == 0 or sign[g] is POSITIVE for p, g in zip(powers, made.gens, strict=True))
            for powers, _ in made.terms()
        ]
        if _sign_of(factor, sign, ()) is None or not any(lasting):
            return False
    return True
