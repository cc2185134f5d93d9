"""The experiments, in the order in which they are run and shown."""

from __future__ import annotations

from . import ablations, gradients, prompts, scale, training
from .cells import Experiment

ALL = (gradients, training, ablations, scale, prompts)
EXPERIMENTS: dict[str, Experiment] = {module.EXPERIMENT.name: module.EXPERIMENT for module in ALL}
