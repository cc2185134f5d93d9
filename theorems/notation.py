"""The paper's letters: named matrices and the index letters that its statements share.

X in R^{n x d} is the layer input T_{i-1}; W = W_Q W_K^T, W_V, W_g in R^{d x d}; G = dL/dAttn_i(T_{i-1}) in R^{n x d};
`*` between equal shapes is entrywise; A.row(i) is row i as a column vector and A.col(j) is column j.
"""

from .formula import symbol
from .sizes import d, features, n, tokens

X = symbol("X", n, d)
W = symbol("W", d, d)
W_Q, W_K, W_V, W_g = (symbol(name, d, d) for name in ("W_Q", "W_K", "W_V", "W_g"))
G = symbol("G", n, d)
g_T = symbol("g_T", n, d)
Z = symbol("Z", n, d)

i0, i1, i2, i4, i5 = tokens("i0 i1 i2 i4 i5")
j0, j1, j2, j4, j5 = features("j0 j1 j2 j4 j5")
