"""Long work in a thread of its own that leaves the interpreter to the event loop."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

#: When the thread has had the interpreter for as long, it rests: else whatever comes for an emergency waits for it, up
#: to 5 ms at each of its turns.
_WORK_S, _REST_S = 0.0005, 0.0001

T = TypeVar("T")


def rested(items: Iterable[T]) -> Iterator[T]:
    """``items``, with a rest now and then: only in a thread of its own."""
    began = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - began >= _WORK_S:
            time.sleep(_REST_S)
            began = time.perf_counter()
