"""What is shown: a static HTML site, made from the statements and the verdicts that were computed for them.

``build(statements, registry, out, run)`` writes it; it takes plain data and decides nothing.
"""

from .site import build

__all__ = ["build"]
