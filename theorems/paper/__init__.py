"""The paper's statements exactly as published, one module a section, in the order of the paper."""

from importlib import import_module

from ..registry import PAPER

# All of them, so that the order of definition does not depend on which module somebody imports first.
for module in PAPER:
    import_module(f".{module}", __name__)
