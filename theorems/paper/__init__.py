"""The paper's statements exactly as published, one module a section, in the order of the paper."""
