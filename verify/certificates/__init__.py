"""Certificates: arguments as JSON files, searched for and written here, re-checked by `verify.checker`, which stands alone."""
