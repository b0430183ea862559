"""Keeps the first error raised inside a flow, so that the worker can report it.

With several processes Bytewax ends with a panic of its own and drops the error that caused it. So the methods it calls
record what they raise.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_raised: list[BaseException] = []


def capture_errors(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a method that Bytewax calls: record its first exception and raise it."""

    @wraps(method)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return method(*args, **kwargs)
        except StopIteration:  # how a source ends
            raise
        except BaseException as error:
            if not _raised:
                _raised.append(error)
            raise

    return call


def first_error() -> BaseException | None:
    """The first error in this process; None if it ends for another reason, such as the end of a peer."""
    return _raised[0] if _raised else None
