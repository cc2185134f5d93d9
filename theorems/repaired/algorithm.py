"""Algorithm 1 for one layer, repaired: attention weights from the Taylor polynomial, and the closed forms of the gradients.

With f_g = D_g^{-1} (M * T_g(S)), S = tau X W X^T, b = |S|, eta = J_g(b) and eps_1 = 2 eta/(1 + sqrt(1 - eta^2)), the algorithm returns
s_g = f_g h, dL/dX, dL/dW and dL/dW_V with f_g in place of f and K_g = <G, s_g> in place of K. In low-rank form f_g = U V^T has rank
binom(d + g, g), P_g = U_P V_P^T rank (d + 1) binom(d + g, g).
"""

from ..formula import define, exp, ones, symbol, taylor
from ..functions import J
from ..norms import colnorm, l1norm, maxnorm, rownorm
from ..notation import W_V, G, W, X
from ..registry import statement
from ..sizes import n, size
from ..statement import Bound
from .errors_l1 import terms_of_dX
from .errors_max import core, dX, tau, weighted
from .kernel import eps_1, eta, normalised

g = size("g")
M = symbol("M", n, n, domain="mask")
S = define("S", (X @ W @ X.T) * tau, "Alg.1r")
f = define("f", normalised(M * exp(S)), "Alg.1r")
f_g = define("f_g", normalised(M * taylor(S, g)), "Alg.1r")
h = define("h", X @ W_V, "Alg.1r")
NORMALISER = (M * taylor(S, g)) @ ones(n)
K, K_g = define("K", weighted(f), "Alg.1r"), define("K_g", weighted(f_g), "Alg.1r")

P, P_g = core(f, K), core(f_g, K_g)

OUTPUTS = {
    "output": (f_g @ h, f @ h),
    "dL/dX": (dX(f_g, K_g), dX(f, K)),
    "dL/dW": ((X.T @ P_g @ X) * tau, (X.T @ P @ X) * tau),
    "dL/dW_V": ((f_g @ X).T @ G, (f @ X).T @ G),
}
"""What the algorithm returns, by part: the polynomial's formula and the exact one."""
VIA = {
    "output": (f_g - f) @ h,
    "dL/dX": terms_of_dX(f_g - f, P_g - P),
    "dL/dW": (X.T @ (P_g - P) @ X) * tau,
    "dL/dW_V": ((f_g - f) @ X).T @ G,
}
"""The difference of the two, by the order in which its terms are bounded."""


@statement(
    "Alg.1r",
    "Algorithm 1 for one layer, repaired",
    kind="algorithm",
    origin="repair",
    repairs="Alg.1",
    uses=("l1.1", "l1.2", "l1.3", "T.1"),
)
def algorithm_1():
    b, total, H, R_X = maxnorm(S), l1norm(G), maxnorm(h), maxnorm(X)
    error = eps_1.subs(eta, J(b, g))
    Lam = colnorm(W_V) + tau * H * (rownorm(X @ W) + rownorm(X @ W.T))
    bounds = {
        "output": (maxnorm, error * H),
        "dL/dX": (l1norm, Lam * error * total),
        "dL/dW": (maxnorm, tau * R_X**2 * H * error * total),
        "dL/dW_V": (maxnorm, R_X * error * total),
    }
    return [
        Bound(norm(OUTPUTS[part][0] - OUTPUTS[part][1]), bound, part=part, given=(J(b, g) <= 1,), via=VIA[part])
        for part, (norm, bound) in bounds.items()
    ]
