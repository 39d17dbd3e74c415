"""Which calls were recorded: remembered until their CDRs come, which is after they have ended."""

from collections.abc import Iterable

from agent.core.records import Record, Recording


class Recorded:
    """The latest calls of which something was captured, by the keyed hash of their Linkedid."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._linked: dict[str, None] = {}

    def add(self, linked: str) -> None:
        """Something of this call is being captured."""
        self._linked[linked] = None
        if len(self._linked) > self._most:
            del self._linked[next(iter(self._linked))]

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what was being captured when an earlier run stopped."""
        for record in records:
            if isinstance(record, Recording) and record.started_at is not None:
                for link in record.links:
                    if link.startswith("linked:"):
                        self.add(link.removeprefix("linked:"))

    def __call__(self, linked: str) -> bool:
        """Whether any of this call was captured, as far as it was heard."""
        return linked in self._linked
