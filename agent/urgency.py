"""Whether an emergency is on its way to the disk or the desk: who can wait lets it go first."""

from collections.abc import Callable


class Urgency:
    """Reasons for which all else waits; ``watchers`` are told each time that one comes, and when the last has gone.

    Each time, because a record that the store will not have, or a desk that hangs, is a reason for long: whoever has
    given up waiting for it waits for the next emergency all the same.
    """

    def __init__(self) -> None:
        self.watchers: list[Callable[[bool], None]] = []
        self._reasons: set[str] = set()

    def because(self, reason: str, holds: bool) -> None:
        """``reason`` holds from now on, or does not any more."""
        before = bool(self._reasons)
        (self._reasons.add if holds else self._reasons.discard)(reason)
        if holds or bool(self._reasons) is not before:
            for watcher in self.watchers:
                watcher(holds)
