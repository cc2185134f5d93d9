"""Bounds at numbers and on boxes, proved by interval arithmetic inside Coq; the numbers come from ball arithmetic.

They compare two evaluations that share nothing: `real_numbers` proposes an enclosure, Interval proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial

from flint import arb, fmpq

from ..real_numbers import FUNCTIONS
from .claims import Theorem

HEAD = """From Coq Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Interval Require Import Tactic.
From Almostlinear Require Import Taylor.
Open Scope R_scope.

Lemma J_with : forall g b F, INR (fact g) = F -> J g b = RInt (fun v => v ^ g * exp v / F) 0 b.
Proof. intros g b F H. unfold J. rewrite H. reflexivity. Qed.
Ltac factorials := repeat match goal with |- context [INR (fact ?n)] =>
  let z := eval vm_compute in (Z.of_nat (fact n)) in replace (INR (fact n)) with (IZR z) by (rewrite INR_IZR_INZ; reflexivity) end.
"""
POINTS = (
    (1, Fraction(1, 2)),
    (2, Fraction(1)),
    (3, Fraction(1)),
    (4, Fraction(3, 2)),
    (5, Fraction(2)),
    (6, Fraction(1)),
)
"""Degrees and half-widths b."""
SLACK = Fraction(1, 10**4)
"""Relative width of the enclosures."""


def _number(x: Fraction) -> str:
    return f"({x.numerator} / {x.denominator})"


def around(value: arb) -> tuple[Fraction, Fraction]:
    """Rational numbers a little below and above a positive ball."""
    low, high = (Fraction(float(end)) for end in (value.lower(), value.upper()))
    digits = 10**12
    return Fraction(int(low * (1 - SLACK) * digits), digits), Fraction(int(high * (1 + SLACK) * digits) + 1, digits)


def ball(x: Fraction) -> arb:
    return arb(fmpq(x.numerator, x.denominator))


def _polynomial(g: int) -> str:
    return " + ".join(["1", *(f"x ^ {k} / {factorial(k)}" for k in range(1, g + 1))])


def theorems() -> Iterator[Theorem]:
    """J at numbers, the relative error and the sign of T on boxes, exp, eps_1 and tanh on boxes."""
    for g, b in POINTS:
        low, high = around(FUNCTIONS["J"](ball(b), arb(g)))
        yield _theorem(
            f"J_{g}", f"J_{g}({b})", f"{_number(low)} <= J {g} {_number(b)} <= {_number(high)}",
            f"rewrite (J_with {g} {_number(b)} {factorial(g)}) by (rewrite INR_IZR_INZ; reflexivity). split; integral.",
        )  # fmt: skip
        yield _theorem(
            f"relative_{g}", f"the relative error of T_{g} on [-{b}, {b}] is at most J_{g}({b}), and as enclosed",
            f"forall x, - {_number(b)} <= x <= {_number(b)} -> Rabs (T {g} x * exp (- x) - 1) <= {_number(high)}",
            f"intros x H. replace (T {g} x) with ({_polynomial(g)}) by (unfold T; factorials; field). "
            "interval with (i_bisect x, i_taylor x, i_degree 8, i_prec 60, i_depth 30).",
        )  # fmt: skip
    low, high = around(arb(1).exp())
    yield _theorem("exp", "e", f"{_number(low)} <= exp 1 <= {_number(high)}", "split; interval.")
    for k in (1, 2):
        yield _theorem(
            f"even_{2 * k}", f"T_{2 * k} > 0 on [-4, 4]", f"forall x, -4 <= x <= 4 -> 0 < T {2 * k} x",
            f"intros x H. replace (T {2 * k} x) with ({_polynomial(2 * k)}) by (unfold T; factorials; field). "
            "interval with (i_bisect x, i_taylor x, i_depth 30).",
        )  # fmt: skip
    yield _theorem(
        "eps", "eps_1 <= eta/(1 - eta) on [1/100, 99/100]",
        "forall x, 1 / 100 <= x <= 99 / 100 -> 2 * x / (1 + sqrt (1 - x ^ 2)) - x / (1 - x) <= 0",
        "intros x H. interval with (i_bisect x, i_prec 60, i_depth 30).",
    )  # fmt: skip
    yield _theorem(
        "tanh", "tanh(y) <= y on [1/10, 8]",
        "forall y, 1 / 10 <= y <= 8 -> (exp (2 * y) - 1) / (exp (2 * y) + 1) - y <= 0",
        "intros y H. interval with (i_bisect y, i_taylor y, i_prec 60, i_depth 30).",
    )  # fmt: skip


def _theorem(name: str, about: str, says: str, script: str) -> Theorem:
    return Theorem(f"box_{name}", about, f"Theorem box_{name} :\n  {says}.\nProof. {script} Qed.")
