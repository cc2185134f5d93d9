"""Benchmarks: `python -m benchmarks` runs them all; results go to benchmarks/results/NAME.json (schema: measure.py)."""
