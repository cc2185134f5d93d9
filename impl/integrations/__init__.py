"""Almost-linear attention inside other frameworks, each imported by its own module alone."""
