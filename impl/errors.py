"""The exceptions that this package raises for input it cannot serve: one sentence that names the quantity,
its value, the limit and what to do next, and the same four things as fields for a program to read.
"""


class InputError(ValueError):
    """An argument that cannot be served.

    Fields: ``quantity`` (what was measured), ``value`` (what it is), ``limit`` (what it has to be) and
    ``advice`` (what to do).
    """

    def __init__(self, quantity: str, value: object, limit: str, advice: str) -> None:
        self.quantity = quantity
        self.value = value
        self.limit = limit
        self.advice = advice
        super().__init__(f"{quantity} is {value}, but must be {limit}: {advice}.")

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        # Exception pickles its message alone; workers hand these errors across processes.
        return type(self), (self.quantity, self.value, self.limit, self.advice)


class DegreeError(InputError):
    """No polynomial degree within the caps meets the request, or the degree given cannot meet it."""


class NonFiniteError(InputError):
    """Entries that are NaN or infinite: given so, or made so by earlier layers."""
