"""Long work in a thread of its own that leaves the interpreter to the event loop."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

#: After so many items the thread rests: else whatever comes for an emergency waits for it, up to 5 ms at each turn.
_STRIDE, _REST_S = 100, 0.0005

T = TypeVar("T")


def rested(items: Iterable[T]) -> Iterator[T]:
    """``items``, with a rest after some: only in a thread of its own."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _STRIDE == 0:
            time.sleep(_REST_S)
