"""Transformers of m layers on exact or almost-linear attention: ``AlmostLinearTransformer(TransformerConfig(...))``."""

from .config import TransformerConfig
from .transformer import AlmostLinearTransformer

__all__ = ["AlmostLinearTransformer", "TransformerConfig"]
