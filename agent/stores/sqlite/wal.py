"""SQLite's write-ahead log, kept long enough, moved into the database beside whoever writes, and emptied."""

import asyncio
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from agent.ports import StoreError
from agent.stores.sqlite.errors import FAILURES, explained
from agent.stores.sqlite.opening import BUSY_S, beside, connect, lengthen, sync
from agent.stores.sqlite.writer import Writer

#: After so many written rows it is moved into the database, to begin anew; about so long is it then.
MOVE_EVERY, WAL_BYTES = 1_000, 8 << 20
_MOVES = 5
#: So much of that is written before somebody else gets a turn.
_PIECE_BYTES = 1 << 19


class Wal:
    """The log of the store at ``path`` that ``writer`` writes, at least ``length`` bytes long.

    SQLite's own checkpoints are off: they would be part of somebody's commit, and an emergency behind it would wait.
    """

    def __init__(self, path: Path, writer: Writer, length: int) -> None:
        self._path = path
        self._writer = writer
        self._length = length
        self._unmoved = 0
        self._moving: asyncio.Task[None] | None = None
        #: Where it is about to begin anew nothing but an emergency writes.
        self._catching_up = False

    async def lengthen(self) -> None:
        """Have it be on the disk in its full length, zeros where nothing stands.

        A commit that has to make the file longer waits for the file system's own journal too. SQLite goes by what it
        has written, not by the file's length; and while it is not its turn it writes nothing.
        """
        length = 0
        file = beside(self._path, "-wal")
        with suppress(OSError):  # Without room for it commits are slower, and nothing else.
            while length < self._length:
                async with self._writer.turn():
                    if self._writer.closed:
                        return
                    length = await asyncio.to_thread(lengthen, file, length + _PIECE_BYTES)
                await asyncio.to_thread(sync, file)

    def grew(self, rows: int) -> None:
        """So many rows were written: often enough it is begun anew."""
        self._unmoved += rows
        if self._unmoved >= MOVE_EVERY and self._moving is None:
            self._unmoved = 0
            self._moving = self._writer.begin(self._begin_anew())

    def in_the_way(self) -> Coroutine[Any, Any, None] | None:
        """What whoever is no emergency waits for before writing; None where nothing is."""
        return self.begun_anew() if self._catching_up and self._moving is not None else None

    async def begun_anew(self) -> None:
        """Return when it has begun anew, if it is about to."""
        if self._moving is not None:
            await asyncio.shield(self._moving)

    async def move(self) -> None:
        """Move what is in it by now into the database, beside whoever reads and writes.

        Raises:
            StoreError: the disk failed; nothing is lost.
        """
        try:
            await asyncio.to_thread(_moved, self._path)
        except FAILURES as error:
            raise explained(error, self._path) from None

    async def empty(self) -> bool:
        """Move all of it, and empty it; False if a reader was in the way, to be tried again.

        Most of it is moved on a connection of its own, which keeps no emergency waiting.

        Raises:
            StoreError: the disk failed; nothing is lost.
        """
        await self.begun_anew()  # Two at once would be in each other's way.
        await self.move()
        emptied = await self._writer.whole(self._emptied())
        if emptied:
            await self._writer.whole(self.lengthen())
        return emptied

    async def _begin_anew(self) -> None:
        """Move what is in it beside whoever writes; then the little that came meanwhile, beside emergencies alone."""
        try:
            with suppress(StoreError):  # It stays whole in the WAL; a disk that fails tells it to the next commit.
                await self.move()
                self._catching_up = True
                await self.move()
        finally:
            self._catching_up, self._moving = False, None

    async def _emptied(self) -> bool:
        async with self._writer.turn():
            database = self._writer.usable()
            try:
                # Waiting for a reader here would keep an emergency waiting.
                await database.execute("PRAGMA busy_timeout = 0")
                try:
                    rows = list(await database.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
                finally:
                    await database.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000:.0f}")
            except FAILURES as error:
                raise explained(error, self._path) from None
            return bool(rows[0][0] == 0)


def _moved(path: Path) -> None:
    with closing(connect(path, "mode=rw")) as database:
        frames = None
        for _ in range(_MOVES):
            was, frames = frames, database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            # Only where nothing has come meanwhile does the WAL begin anew, and grow no more.
            if frames == was:
                break
