"""Attention over a sequence whose tokens are spread over the processes of ``torch.distributed``: what they exchange are sums over tokens,
the k x e states, so its volume does not depend on how many tokens there are.
"""

from .attention import sequence_parallel_attention
from .exchange import Exchange, ExchangeError

__all__ = ["Exchange", "ExchangeError", "sequence_parallel_attention"]
