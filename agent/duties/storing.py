"""Sees to it that emergencies have room in the store, and says so in an alarm when the store takes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.core.records import Record, Severity
from agent.ports import StoreError

EVERY_S = 1.0
#: The room is looked after so often; while it is being used, as often as the rest.
TEND_EVERY_S = 15.0
#: An emergency that waits as long as this for an answer is told of; well above what a busy disk takes.
SLOW_S = 5.0

Condition = Callable[[str, str | None, Severity], None]

_TAKES, _ROOM, _RESERVE, _LAST_RESORT = "store", "room", "reserve", "last resort"


class Reserve(Protocol):
    """See `agent.stores.sqlite.reserve.Reserve`."""

    size: int
    held: bool
    spent: bool
    alone: bool


class LastResort(Protocol):
    """See `agent.stores.sqlite.last_resort.LastResort`."""

    fault: str
    bytes: int

    @property
    def configured(self) -> bool:
        """Whether there is one."""


class Store(Protocol):
    """A store that keeps room for emergencies."""

    @property
    def reserve(self) -> Reserve:
        """The room."""

    @property
    def suspect(self) -> bool:
        """Whether the disk has failed in this run."""

    @property
    def last_resort(self) -> LastResort:
        """Where they go when it takes nothing."""

    def put_aside(self, records: Sequence[Record]) -> None:
        """Have them written there."""

    async def tend(self) -> None:
        """Take the room again, and bring in what went elsewhere."""


class Writing(Protocol):
    """The pipeline, as far as this looks at it."""

    @property
    def storing(self) -> bool:
        """Whether the store took the last commit."""

    @property
    def emergency_waits_s(self) -> float:
        """For how long the oldest record of an emergency has waited."""


class Storing:
    """Looks after ``store`` as ``writing`` fills it; ``condition`` is told what stands in the way, by subject."""

    def __init__(self, store: Store, writing: Writing, condition: Condition) -> None:
        self._store = store
        self._writing = writing
        self._condition = condition
        self._reason = ""

    @property
    def reserve_held(self) -> bool | None:
        """Whether there is room for emergencies alone; None where none is wanted."""
        return self._store.reserve.held if self._store.reserve.size else None

    @property
    def last_resort_bytes(self) -> int | None:
        """What went there and is not in the store yet; None where there is none."""
        return self._store.last_resort.bytes if self._store.last_resort.configured else None

    def refused(self, error: StoreError, records: Sequence[Record]) -> None:
        """Records that the store will not have now; see `agent.pipeline.Pipeline.refusals`."""
        self._reason = str(error)
        self._store.put_aside(records)

    def delayed(self, records: Sequence[Record]) -> None:
        """Records that the store does not answer to; see `agent.pipeline.Pipeline.delays`."""
        self._store.put_aside(records)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tend())
            # Beside it: a disk that does not answer must not keep the alarm waiting.
            group.create_task(self._tell())

    async def _tend(self) -> None:
        while True:
            await self._store.tend()
            await asyncio.sleep(EVERY_S if self._store.reserve.spent else TEND_EVERY_S)

    async def _tell(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Tell how it stands."""
        reserve, last = self._store.reserve, self._store.last_resort
        waits_s = self._writing.emergency_waits_s
        what = None
        if self._store.suspect:
            what = f"the disk has failed, and may lose what is stored; {self._meanwhile(last)}; mend it and restart"
        elif reserve.spent:
            what = "the disk is full: emergencies go into their reserve, and nothing else is stored; free some space"
        elif not self._writing.storing:
            what = f"{self._reason}; {self._meanwhile(last)}"
        elif waits_s >= SLOW_S:
            what = f"the disk does not answer; {self._meanwhile(last)}"
        self._condition(_TAKES, what, Severity.CRITICAL)
        # SQLite writes into its WAL for a while after the last free byte is gone: that is the time to free some.
        little = f"less than {reserve.size >> 20} MB are free on the store's disk beside the emergencies' reserve"
        self._condition(_ROOM, little if reserve.alone else None, Severity.WARNING)
        missing = reserve.size > 0 and not reserve.held and not reserve.spent
        room = f"there is no room beside the store for the emergencies' reserve of {reserve.size >> 20} MB"
        self._condition(_RESERVE, room if missing else None, Severity.WARNING)
        fault = f"the last resort for emergencies cannot be used: {last.fault}" if last.fault else None
        self._condition(_LAST_RESORT, fault, Severity.WARNING)

    def _meanwhile(self, last: LastResort) -> str:
        return "emergencies are in the last resort" if last.bytes else "emergencies wait in memory"
