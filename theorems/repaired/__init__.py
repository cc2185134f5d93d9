"""True statements in place of those that fail as published, with complete hypotheses and explicit constants."""
