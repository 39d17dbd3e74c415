"""What of emergencies waits for the store, on its way into the last resort and out of it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from agent.core.records import Key, Record, key_of
from agent.ports import StoreError
from agent.stores.sqlite.batches import Batch, batch_of
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.last_resort import LastResort, belongs

V = TypeVar("V")


class Aside:
    """Writes into ``file`` in the order in which it is asked to, each state of a record once, locked by ``fields``."""

    def __init__(self, file: LastResort, fields: Fields | None) -> None:
        self._file, self._fields = file, fields
        #: One of its own: of those that the loop has, each may be waiting for a disk that does not answer.
        self._thread = ThreadPoolExecutor(1, "last_resort")
        self._putting: asyncio.Task[None] | None = None
        self._put: dict[Key, Record] = {}
        #: Of both what `found` has read: more may come before that is in the store.
        self._read_bytes = 0
        self._read: dict[Key, Record] = {}

    @property
    def any(self) -> bool:
        """Whether there is something in the file, or on its way."""
        return self._putting is not None or self._file.bytes > 0

    def put(self, records: Sequence[Record]) -> None:
        """Have what is an emergency's of ``records`` written; waits for nothing."""
        if not self._file.configured:
            return
        fresh = [record for record in records if belongs(record) and self._put.get(key_of(record)) is not record]
        if not fresh:
            return
        self._put.update((key_of(record), record) for record in fresh)
        self._putting = asyncio.create_task(self._append(self._putting, fresh))

    async def settled(self) -> None:
        """Return when all that was put aside is in the file, or could not be written there."""
        while (putting := self._putting) is not None:
            await putting
            if self._putting is putting:
                self._putting = None

    async def found(self) -> list[Batch] | None:
        """What is in the file, all that was put aside with it; None where it cannot be read, and is left."""
        await self.settled()
        self._read = dict(self._put)
        try:
            batches, self._read_bytes = await self._elsewhere(lambda: (self._file.batches(), self._file.bytes))
        except StoreError:
            return None  # Its `fault` tells of it.
        return batches

    async def clear(self) -> None:
        """All that was `found` is in the store; what was put aside meanwhile stays."""
        await self._elsewhere(self._file.clear, self._read_bytes)
        for key, record in self._read.items():
            if self._put.get(key) is record:
                del self._put[key]
        self._read.clear()

    def close(self) -> None:
        """Begin nothing any more."""
        self._thread.shutdown(wait=False)

    async def _append(self, before: asyncio.Task[None] | None, records: Sequence[Record]) -> None:
        if before is not None:
            await before
        try:
            batch = batch_of(records, self._fields)
        except OverflowError:
            batch = None  # As the store will not have it.
        if batch is None or not await self._elsewhere(self._file.append, batch):
            for record in records:
                self._put.pop(key_of(record), None)

    async def _elsewhere(self, work: Callable[..., V], *arguments: Any) -> V:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
