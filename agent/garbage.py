"""The garbage collector, kept from holding up an emergency: with 100,000 contacts a full collection takes 0.2 s."""

import gc

#: New objects until a collection, such collections until one of the next generation, and of that until a full one.
_THRESHOLDS = 700, 10, 2


def tame() -> None:
    """From now on look at each object in one full collection at the most; what survives that is left out afterwards.

    What still dies is freed as ever, by its count of references; only what dies as a ring of objects waits for `sweep`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.callbacks.append(_frozen)


def sweep() -> None:
    """Look at everything; it takes as long as it takes."""
    gc.unfreeze()
    gc.collect()


def _frozen(phase: str, about: dict[str, int]) -> None:
    if phase == "stop" and about["generation"] == 2:
        gc.freeze()
