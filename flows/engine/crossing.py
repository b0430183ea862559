"""What crosses from one process to another is pickled once: Bytewax asks twice, for its size and for itself."""

import pickle
from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")


class PickledOnceList(list[Item]):
    """A list not changed any more once it is sent. It arrives as a plain list."""

    _pickled: bytes | None = None

    def __reduce__(self) -> tuple[Callable[[bytes], list[Item]], tuple[bytes]]:
        if self._pickled is None:
            self._pickled = pickle.dumps(list(self), pickle.HIGHEST_PROTOCOL)
        return pickle.loads, (self._pickled,)
