"""What was raised inside a flow, for whoever runs it.

With several processes Bytewax ends with a panic of its own and forgets the error that caused it. So methods that it
calls remember what they raise.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_raised: list[BaseException] = []


def capture_errors(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a method that Bytewax calls."""

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
    """The first error of this process; None if it ends for another reason, such as the end of its peers."""
    return _raised[0] if _raised else None
