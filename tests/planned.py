"""The theorem behind a plan, worked out by hand in fractions and by quadrature, and some inputs: for the tests of the plan."""

from __future__ import annotations

from fractions import Fraction

import mpmath

from almostlinear.verify.plan_inputs import Error, Inputs


def power(c: int) -> Error:
    return Error(f"n^-{c}", power=Fraction(c))


def kernel_error(b: Fraction, g: int) -> mpmath.mpf:
    """J_g(b) by quadrature."""
    return mpmath.quad(lambda v: v**g * mpmath.e**v / mpmath.factorial(g), [0, mpmath.mpf(b.numerator) / b.denominator])


def by_hand(given: Inputs) -> dict[str, Fraction]:
    """l1.2, l1.3 and H.4r in fractions: rho and the errors divided by eps_1."""
    d, m, sig = given.d, given.layers, int(given.residual)
    R, om, og, L1 = given.entry_bound, given.value_norm, given.mlp_norm, given.lipschitz
    H, tau = R * om, Fraction(given.heads, d) if given.scale is None else given.scale
    Lam = om + tau * H * (d * R + d * R)
    up, total = sig + L1 * og, given.n * d * given.gradient
    rho = up * (sig + Lam)
    # The recurrences, layer by layer.
    carried, size, worst_w, worst_v = Fraction(0), total, Fraction(0), Fraction(0)
    for _ in range(m):
        upstream, upstream_error = up * size, up * carried
        worst_w = max(worst_w, tau * R**2 * H * (upstream + upstream_error))
        worst_v = max(worst_v, R * (upstream + upstream_error))
        carried, size = rho * (carried + size), rho * size
    return {"rho": rho, "dL/dX": L1 * og * carried, "dL/dW": worst_w, "dL/dW_V": worst_v}


SOME = [
    Inputs(64, 3, 4, 1, power(2)),
    Inputs(50, 6, 3, 2, power(1), residual=True),
    Inputs(
        9,
        1,
        1,
        1,
        power(3),
        entry_bound=Fraction(3, 2),
        scale=Fraction(1),
        value_norm=Fraction(2, 3),
        mlp_norm=Fraction(5, 4),
    ),
    Inputs(
        31,
        2,
        6,
        1,
        power(2),
        entry_bound=Fraction(1, 2),
        lipschitz=Fraction(7, 3),
        gradient=Fraction(1, 9),
        residual=True,
    ),
]
