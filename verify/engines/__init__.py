"""Engines: each takes a claim and a budget and returns evidence, with a ceiling on what it may claim."""
