"""Fused kernels for GPUs, in Triton: the monomial features of impl/moments.py and their products with values, forward and backward, in one
program each, so that no feature reaches device memory.

``serve`` says which calls they take (CUDA, float32, the cells of ``DEGREES``); sweeps.py then hands these to ``attention.forward`` and
``attention.backward`` instead of streaming. Triton is imported by the first of them.
"""

from .serving import DEGREES, serve, token_chunks

__all__ = ["DEGREES", "serve", "token_chunks"]
