"""The standard tools behind low-rank approximation, as statements of a registry of their own: PACK.

    almostlinear check --plugin almostlinear.theorems.foundations

`load()` does not read them, so that counts and reports of the paper speak of the paper; as a plugin they are added to it.
"""

from importlib import import_module

from .pack import FOUNDATIONS

MODULES = ("sketches", "traces", "products", "tensors", "residuals", "spectra", "tails")
for _name in MODULES:
    import_module(f".{_name}", __package__)
PACK = FOUNDATIONS
