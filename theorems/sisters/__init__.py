"""The papers that this one rests on, as it cites them, as statements of a registry of their own: PACK.

    almostlinear check --plugin almostlinear.theorems.sisters

Every statement is encoded as arXiv:2408.13233v2 quotes it and its source says "as cited": none was compared with the cited paper.
Ids carry the paper: AS23 and AS24 (Alman, Song), LLS24d (Liang et al.; the causal mask), AA22 (Aggarwal, Alman), DSXY23 (Deng et al.).
"""

from importlib import import_module

from ..registry import load
from .pack import SISTERS

load()  # first, so that the paper's statements keep their order
MODULES = ("fast_attention", "one_layer_gradient", "causal_mask", "optimal_degree")
for _name in MODULES:
    import_module(f".{_name}", __package__)
PACK = SISTERS
