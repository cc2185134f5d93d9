"""Main text, sections 1 and 3: softmax attention, the m-layer model, the loss and its gradients (definitions)."""

from ..formula import define, diag, exp, func, loss, ones, recip, symbol
from ..notation import W_K, W_Q, W_V, G, W_g, X, Z
from ..registry import definition
from ..sizes import d, n

z = symbol("z", n)
softmax = define("Softmax", exp(z) * recip(exp(z).T @ ones(n)), "1.1")
definition("Definition 1.1", "Softmax", softmax)

A = define("A", exp((X @ W_Q @ W_K.T @ X.T) * (1 / d)), "1.2")
f = define("f", diag(recip(A @ ones(n))) @ A, "1.2")
definition("Definition 1.2", "Self-attention", define("Attn", f @ X @ W_V, "1.2"), uses="1.1")

g = define("g", func("phi", Z @ W_g), "1.3")
definition(
    "Definition 1.3",
    "The m-layer model",
    g,
    uses="1.2",
    hypotheses="forward and backward of g_i take time linear in n",
    notes="g_i is everything in a layer but attention; shown is the one-layer network phi(Z W_g) of Lemma 5.4",
)

definition(
    "Definition 3.1",
    "Loss",
    define("L", loss(Z, G), "3.1"),
    notes="a general differentiable loss enters a gradient statement by its gradient at the point alone",
)

definition("Definition 3.3", "Intermediate variables T_i", define("T", g, "3.3"), uses=("1.2", "1.3"))
