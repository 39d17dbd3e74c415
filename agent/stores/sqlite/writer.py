"""The one connection that writes: a transaction at a time, whole or not at all, and an emergency's before any other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite  # noqa: TID251

from agent.ports import GaveWay, StoreError
from agent.stores.sqlite.batches import Batch
from agent.stores.sqlite.errors import FAILURES, explained
from agent.stores.sqlite.opening import BUSY_S, uri_of
from agent.stores.sqlite.rows import Value
from agent.stores.sqlite.statements import STATEMENTS, at_once

# At debug it writes statements with their parameters, and errors with the text that they are about.
logging.getLogger("aiosqlite").addFilter(lambda entry: entry.levelno >= logging.WARNING)

#: Less than an emergency takes: who gave way to one comes back soon.
_AFTER_S = 0.001

# The empty transaction makes the WAL at once, so that a reader sees that somebody writes.
_CONNECTION = "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE; ROLLBACK;"

T = TypeVar("T")


async def connected(path: Path) -> aiosqlite.Connection:
    """The connection to the store at ``path`` that a `Writer` takes.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        database = aiosqlite.connect(uri_of(path, "mode=rw"), uri=True, isolation_level=None, timeout=BUSY_S)
        database._thread.daemon = True  # An agent that breaks without closing must end, to be started again.
        await database
        try:
            await database.executescript(_CONNECTION)
        except BaseException:
            await database.close()
            raise
    except FAILURES as error:
        raise explained(error, path) from None
    return database


class Writer:
    """Writes to the store at ``path`` by way of ``database``, which is its own to close."""

    def __init__(self, path: Path, database: aiosqlite.Connection) -> None:
        self._path = path
        self.database = database
        self.closed = False
        #: Whether an emergency is about to come, asked between two rows of anything else, from another thread.
        self.urgent: Callable[[], bool] = _never
        self._turn = asyncio.Lock()
        #: So many wait for their turn.
        self._emergencies = 0
        self._running: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """What is done in it has the connection to itself; for an emergency's who has it meanwhile gives way."""
        self._emergencies += urgent
        try:
            await self._turn.acquire()
        finally:
            self._emergencies -= urgent
        try:
            yield
        finally:
            self._turn.release()

    def usable(self) -> aiosqlite.Connection:
        """The connection, for whose turn it is.

        Raises:
            StoreError: it is closed.
        """
        if self.closed:
            raise StoreError(f"the store {self._path} is closed")
        return self.database

    async def rows(self, name: str, values: dict[str, Value]) -> list[tuple[Any, ...]]:
        """What the statement of this name finds, in a turn of its own.

        Raises:
            StoreError: it cannot be read.
        """
        async with self.turn():
            try:
                return [tuple(row) for row in await self.usable().execute_fetchall(STATEMENTS[name], values)]
            except FAILURES as error:
                raise explained(error, self._path) from None

    async def transaction(self, begin: str, batch: Batch, *, urgent: bool) -> int:
        """Run ``batch`` between ``begin`` and COMMIT, for whose turn it is; how many rows the last of it changed.

        Raises:
            GaveWay: it is no emergency's (``urgent``), and one waits.
            StoreError: nothing of it was written.
        """
        database = self.usable()
        waits = _never if urgent else self._one_waits

        def work() -> int:
            connection = database._conn
            connection.executescript(STATEMENTS[begin])
            changed = 0
            try:
                for statement, rows in batch:
                    some = _unless(waits, at_once(statement, rows))
                    changed = sum(connection.execute(*each).rowcount for each in some)
            except GaveWay:
                connection.rollback()
                raise
            connection.execute("COMMIT")
            return changed

        try:
            try:
                # In one piece on aiosqlite's thread, which has no public way for it: each statement of its own would be
                # two changes of thread more, and behind a busy event loop Python grants one every 5 ms only.
                changed: int = await database._execute(work)  # type: ignore[no-untyped-call]
            except GaveWay:
                raise
            except BaseException:
                await database.rollback()  # Behind whatever the thread still runs; after COMMIT it does nothing.
                raise
        except FAILURES as error:
            raise explained(error, self._path) from None
        except OverflowError:
            raise StoreError("a record holds a number of more than 64 bits", "report this") from None
        return changed

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have ``work`` done beside everything else; `close` waits for its end."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end, even when whoever awaits it is cancelled."""
        return await asyncio.shield(self.begin(work))

    async def in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` gives, once no emergency waits; to its end, even when whoever awaits it is cancelled."""

        async def until_done() -> T:
            while True:
                try:
                    return await work()
                except GaveWay:
                    await asyncio.sleep(_AFTER_S)

        return await self.whole(until_done())

    async def settled(self) -> None:
        """Return when nothing runs any more that had begun."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def close(self) -> None:
        """Leave one clean file; a second time does nothing.

        Raises:
            StoreError: the disk failed; what is committed stands in the WAL.
        """
        async with self.turn():
            if self.closed:
                return
            self.closed = True
            try:
                with suppress(*FAILURES):  # What could not be moved stays whole in the WAL for the next start.
                    await self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                await self.database.close()
            except FAILURES as error:
                raise explained(error, self._path) from None

    def _one_waits(self) -> bool:
        return self._emergencies > 0 or self.urgent()


def _unless(waits: Callable[[], bool], statements: Iterable[T]) -> Iterator[T]:
    for statement in statements:
        if waits():
            raise GaveWay
        yield statement


def _never() -> bool:
    return False
