"""True statements in place of those that fail as published, with complete hypotheses and explicit constants."""

from importlib import import_module

from .. import paper
from ..registry import REPAIRED

__all__ = ["paper"]

# All of them, after the paper's, so that the order of definition does not depend on which module somebody imports first.
for module in REPAIRED:
    import_module(f".{module}", __name__)
