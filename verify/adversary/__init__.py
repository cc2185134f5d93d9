"""Adversaries: searches that try to break a bound, and measure how close they come to it (observed / bound).

The stack is: drawn families, greedy moves to corners, gradient ascent in batched torch float64 with rounding to corners, multistart
Powell for claims of few coordinates, and confirmation in ball arithmetic. A search is budgeted in evaluations and seeded.
"""
