"""No collection looks through all that the agent holds, and none of it is held for ever."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from agent import garbage


class Ring:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def tamed() -> Iterator[None]:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    garbage.tame()
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_survived_a_full_collection_is_looked_at_in_no_other() -> None:
    contacts = [[number] for number in range(100_000)]
    gc.collect()
    assert len(gc.get_objects()) < 50_000
    assert gc.get_freeze_count() > len(contacts)


def test_what_dies_before_is_freed() -> None:
    ring = weakref.ref(Ring())
    gc.collect()
    assert ring() is None


def test_what_dies_afterwards_is_freed_when_no_emergency_can_come() -> None:
    ring = Ring()
    gc.collect()
    told = weakref.ref(ring)
    del ring
    gc.collect()
    assert told() is not None
    garbage.sweep()
    assert told() is None
