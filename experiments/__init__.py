"""Experiments on training with almost-linear gradients: `python -m experiments [--profile quick|full] [--only NAME]`."""
