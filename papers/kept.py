"""Functions whose values are kept, and which can still be sent to another process."""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Kept(Generic[P, R]):
    """A function that works out each value once; sent to another process it leaves the values behind.

    `functools.cache` cannot be sent where it wraps a function that has no name of its own in a module.

    >>> calls = []
    >>> double = Kept(lambda x: calls.append(x) or 2 * x)
    >>> double(3), double(3), calls
    (6, 6, [3])
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.values: dict[Any, R] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (args, tuple(sorted(kwargs.items())))
        if key not in self.values:
            self.values[key] = self.function(*args, **kwargs)
        return self.values[key]

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, (self.function,)
