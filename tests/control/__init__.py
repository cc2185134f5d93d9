"""The control set: the published identities and bounds once more, in plain NumPy, from the text of the statements alone.

Nothing here comes from theorems/, verify/ or impl/. Each control evaluates both sides of one claim on drawn instances, by the
sums and loops as printed, with gradients by a complex step. table.py says which claim of the suite each one stands for.
"""
