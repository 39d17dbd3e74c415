# ruff: noqa: ARG002 - what it refuses, it does not look at
"""In the place of a store that cannot be opened: it takes nothing, and what is an emergency's goes aside."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from agent.core.records import Record, RetentionClass
from agent.ports import StoreError
from agent.stores.sqlite.aside import Aside
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.kept import Kept
from agent.stores.sqlite.last_resort import LastResort
from agent.stores.sqlite.migrate import MIGRATIONS
from agent.stores.sqlite.reserve import Reserve


class StandIn:
    """An `agent.ports.Store` that refuses everything, because of ``why``.

    What is personal in ``last_resort`` stands there in clear until the store has it: the handles of lines are in the
    store that cannot be read.
    """

    #: Its disk may be whole: nothing of it is written.
    suspect = False

    def __init__(self, path: Path, why: StoreError, *, fields: Fields | None, last_resort: Path | None) -> None:
        self._path, self._why = path, why
        self.reserve = Reserve(path, 0)
        self.last_resort = LastResort(last_resort, len(MIGRATIONS))
        self._aside = Aside(self.last_resort, fields)

    def prepare(self, records: Sequence[Record], behind: Iterable[Record] = ()) -> None:
        """Nothing is to be made ready."""

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        """Refuse them."""
        raise self._refusal()

    async def open_records(self) -> list[Record]:
        """What an earlier one put aside, of emergencies that may go on."""
        await asyncio.to_thread(self.last_resort.prepare)
        with closing(Kept(None, self._path)) as opening:
            return await asyncio.to_thread(self.last_resort.records, opening)

    async def remove(self, kind: str, ids: Sequence[str], *, cut: bool = False, told: Sequence[Record] = ()) -> int:
        """Refuse it."""
        raise self._refusal()

    async def expire(self, retention: RetentionClass, before: int) -> list[str]:
        """Refuse it: whether a record needs a key still cannot be read."""
        raise self._refusal()

    async def checkpoint(self) -> bool:
        """Refuse it."""
        raise self._refusal()

    def put_aside(self, records: Sequence[Record]) -> None:
        """Have what is an emergency's of ``records`` written to the last resort."""
        self._aside.put(records)

    async def tend(self) -> None:
        """There is nothing to look after."""

    async def close(self) -> None:
        """Return when all that was put aside is in the last resort."""
        await self._aside.settled()
        self._aside.close()

    def _refusal(self) -> StoreError:
        return StoreError(str(self._why), self._why.hint, everything=True)
