"""What the sweeps over tokens read, a chunk at a time: shifted and scaled queries and keys, weighted values, and the u_i of the
gradient."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .shifts import Shifted


@dataclass(frozen=True)
class Operands:
    """``block`` 0: chunks come tokens last, (..., p, c). Else under a causal mask they come in blocks, (..., c / block, p, block), the last
    one filled up with zeros. Queries and keys come in the coordinates of ``basis`` (..., d, p) where one is given (subspace.py).
    """

    inputs: Shifted
    row_scale: float
    column_scale: float
    block: int = 0
    out: Tensor | None = None
    inverse: Tensor | None = None
    upstream: Tensor | None = None
    basis: Tensor | None = None

    @property
    def d(self) -> int:
        """Coordinates of queries and keys."""
        return (self.inputs.query if self.basis is None else self.basis).shape[-1]

    @property
    def width(self) -> int:
        """e + 1, the columns of [v_j, 1]."""
        return self.inputs.value.shape[-1] + 1

    def query(self, span: slice | Tensor) -> Tensor:
        """a (q - q0): (..., d, c); of a chunk, or of the tokens at some places."""
        return self.arrange(self._inward((self.inputs.query[..., span, :] - self.inputs.query_centre) * self.row_scale))

    def key(self, span: slice | Tensor) -> Tensor:
        """b (k - k0), 0 for padding: (..., d, c)."""
        shifted = (self.inputs.key[..., span, :] - self.inputs.key_centre) * self.column_scale
        shifted = shifted if self.inputs.keep is None else shifted * self.inputs.keep[..., span, :]
        return self.arrange(self._inward(shifted))

    def _inward(self, rows: Tensor) -> Tensor:
        return rows if self.basis is None else rows @ self.basis

    def outward(self, rows: Tensor) -> Tensor:
        """Rows (..., c, p) of a gradient by queries or keys, by all their entries."""
        return rows if self.basis is None else rows @ self.basis.mT

    def value(self, span: slice) -> Tensor:
        """w_j [v_j, 1]: (..., e + 1, c)."""
        return self.arrange(pad(self.inputs.value[..., span, :], (0, 1), value=1.0) * self.weight(span))

    def weight(self, span: slice) -> Tensor:
        """w_j: (..., c, 1), tokens first."""
        return self.inputs.log_weights[..., span, :].exp()

    def u(self, span: slice) -> Tensor:
        """u_i = [g_i, -<g_i, s_i>] / D_i: (..., e + 1, c). Backward only."""
        assert self.out is not None and self.inverse is not None and self.upstream is not None
        g = self.upstream[..., span, :]
        last = (g * self.out[..., span, :]).sum(-1, keepdim=True).neg_()
        return self.arrange(torch.cat([g, last], -1) * self.inverse[..., span, :])

    def arrange(self, rows: Tensor) -> Tensor:
        """Rows (..., c, p) in the layout of a chunk."""
        if not self.block:
            return rows.mT.contiguous()
        count = math.ceil(rows.shape[-2] / self.block)
        rows = pad(rows, (0, 0, 0, count * self.block - rows.shape[-2]))
        return rows.unflatten(-2, (count, self.block)).mT.contiguous()

    def rows(self, chunk: Tensor, count: int) -> Tensor:
        """The inverse of ``arrange``: (..., count, p)."""
        if not self.block:
            return chunk.mT
        return chunk.mT.flatten(-3, -2)[..., :count, :]
