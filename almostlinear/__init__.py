"""The theory of almost-linear-time transformer gradients, checked by machine, and an implementation of it.

The package has four rooms, each a folder at the top of the repository and linked here, so that one name
serves all:

- `almostlinear.theorems`, what is claimed: statements, their formulas and bounds;
- `almostlinear.impl`, what is run: attention and gradients in torch;
- `almostlinear.verify`, what is checked: backends, engines, evidence and the ledger;
- `almostlinear.reports`, what is shown: from the ledger to a static HTML site.

Importing this package imports none of them.
"""

__version__ = "0.1.0"
