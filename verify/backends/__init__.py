"""Backends that evaluate a formula: one interpreter, one table of operations, many kinds of number."""
