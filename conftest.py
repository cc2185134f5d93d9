"""Lets `pytest verify/` run without a second copy of almostlinear.verify.

pytest names the files of verify/ after their folder, verify.conftest and so on. An empty package of that name
keeps it from loading verify/ again under it; the files there import from almostlinear.verify, and a relative
import in them fails instead of making a second ledger or registry.
"""

import sys
from types import ModuleType

stand_in = ModuleType("verify")
stand_in.__path__ = []
sys.modules["verify"] = stand_in
