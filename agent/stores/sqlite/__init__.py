"""The embedded store: SQLite in WAL mode, one writer, any number of readers."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite  # noqa: TID251

from agent.core.instants import from_rfc3339
from agent.core.lanes import Lane, lane_of
from agent.core.personal import ERASED, LOCKED, PERSONAL
from agent.core.records import (
    RECORDS,
    Alarm,
    Detail,
    Emergency,
    Entry,
    Line,
    Notice,
    Record,
    RetentionClass,
    key_of,
    retentions,
)
from agent.ports import GaveWay, NotReady, StoreError
from agent.stores.sqlite.aside import Aside
from agent.stores.sqlite.batches import Batch, batch_of
from agent.stores.sqlite.errors import FAILURES, DiskFailedError, StoreFullError, damaged, explained
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.kept import Kept
from agent.stores.sqlite.last_resort import LastResort, belongs
from agent.stores.sqlite.migrate import MIGRATIONS
from agent.stores.sqlite.opening import BUSY_S, Lock, beside, connect, lengthen, prepare, sync, uri_of
from agent.stores.sqlite.reader import SqliteReader
from agent.stores.sqlite.reserve import Reserve
from agent.stores.sqlite.rows import RECORD_OF_KIND, Unopened, Value, as_stored, from_row, to_row
from agent.stores.sqlite.stand_in import StandIn
from agent.stores.sqlite.statements import STATEMENTS, at_once
from agent.stores.sqlite.texts import storable

__all__ = ["ERASED", "LOCKED", "Fields", "SqliteReader", "SqliteStore", "StandIn"]

# At debug it writes statements with their parameters, and errors with the text that they are about.
logging.getLogger("aiosqlite").addFilter(lambda entry: entry.levelno >= logging.WARNING)

# The empty transaction makes the WAL at once, so that a reader sees that somebody writes.
_CONNECTION = "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE; ROLLBACK;"

#: After so many removed rows what is in the WAL is moved, which would grow with them.
_MOVE_EVERY, _MOVES = 500, 5
#: After so many written rows the WAL is moved into the database, to begin anew; about so long is it then.
MOVE_EVERY, WAL_BYTES = 1_000, 8 << 20
#: So much of that is written before somebody else gets a turn.
_PIECE_BYTES = 1 << 19
#: Less than an emergency takes: who gave way to one comes back soon.
_AFTER_S = 0.001
#: So many rows that had not ended are opened at once: milliseconds, for which a change of the keys waits.
_AT_ONCE = 500
#: How often keys are fetched for one commit: another program may destroy one meanwhile.
_ATTEMPTS = 10

T = TypeVar("T")


class SqliteStore:
    """`agent.ports.Store` in one SQLite file, of which it is the only writer."""

    def __init__(
        self,
        path: Path,
        database: aiosqlite.Connection,
        lock: Lock,
        fields: Fields | None,
        reserve: Reserve,
        last_resort: LastResort,
        wal_bytes: int,
    ) -> None:
        self._path = path
        self._database = database
        self._fields = fields
        self._lock = lock
        #: Room that only emergencies get, and where they go when not even that helps.
        self.reserve = reserve
        self.last_resort = last_resort
        self._aside = Aside(last_resort, fields)
        #: The disk has failed in this run. Linux tells of a page that it could not write once, and drops it: what is
        #: committed behind it may be gone with it, however well it was synced. So emergencies go to both places from
        #: then on, and the next start, which reads the disk anew, brings them in.
        self.suspect = False
        #: What `open_records` found that is not in the store yet, and is to be handed to it.
        self.waiting: list[Record] = []
        self._turn = asyncio.Lock()
        self._closed = False
        self._running: set[asyncio.Task[Any]] = set()
        self._removed = 0
        #: Whether an emergency is about to come, asked between two rows of anything else, from another thread.
        self.urgent: Callable[[], bool] = _never
        #: So many wait for their turn.
        self._emergencies = 0
        self._wal_bytes = wal_bytes
        self._unmoved = 0
        self._moving: asyncio.Task[None] | None = None
        #: Where the WAL is about to begin anew nothing but an emergency writes.
        self._catching_up = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        say: Callable[[str], None] | None = None,
        fields: Fields | None = None,
        reserve_bytes: int = 0,
        last_resort: Path | None = None,
        wal_bytes: int = 0,
    ) -> Self:
        """The store at ``path``, made if it is missing, checked and migrated; ``say`` hears what takes time.

        ``fields`` locks what is personal; without it that is stored as it is. ``reserve_bytes`` are kept free beside it
        for emergencies. What an earlier run has left in the file ``last_resort`` is stored first. The WAL is kept
        at least ``wal_bytes`` long.

        Raises:
            StoreError: it is in use, damaged, another program's, a newer agent's, or cannot be written;
                an existing file has not been changed.
        """
        reserve, elsewhere = Reserve(path, reserve_bytes), LastResort(last_resort, len(MIGRATIONS))
        try:
            lock = await asyncio.to_thread(prepare, path, say)
        except StoreFullError:
            if not await asyncio.to_thread(reserve.give_up):
                raise
            lock = await asyncio.to_thread(prepare, path, say)
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
            lock.release()
            raise explained(error, path) from None
        except BaseException:
            lock.release()
            raise
        store = cls(path, database, lock, fields, reserve, elsewhere, wal_bytes)
        await asyncio.to_thread(elsewhere.prepare)
        await store._lengthen()
        await store.tend()
        return store

    @classmethod
    async def usable(cls, path: Path, every_s: float) -> None:
        """Return when the store at ``path`` can be opened and what goes on read; it is tried every ``every_s`` seconds.

        Nothing is in it by then that was not before.
        """
        while True:
            await asyncio.sleep(every_s)
            with suppress(StoreError):
                store = await cls.open(path)
                try:
                    await store.open_records()
                finally:
                    await store.close()
                return

    def prepare(self, records: Sequence[Record], behind: Iterable[Record] = ()) -> Coroutine[Any, Any, None] | None:
        """What fetches the keys that ``records`` are locked with, None where they are at hand.

        It waits for the disk, or for another program at the keyring; ``behind`` are records that come next, whose keys
        it fetches along with them. It raises StoreError when there are no keys.
        """
        fields = self._fields
        if fields is not None and not all(fields.at_hand(record) for record in records):
            return _fetched(fields, [*records, *behind])
        if self._catching_up and self._moving is not None:
            return _done(self._moving)
        return None

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        """Insert or replace ``records`` in one transaction; cancelling whoever waits for it does not cancel it.

        ``durable``: the WAL is synced to the disk before this returns (``synchronous=FULL``). ``prepared``: keys that
        are not at hand are not waited for.

        Raises:
            NotReady: a key is not at hand any more, perhaps because another program has destroyed one.
            GaveWay: they are no emergency's, and one waits.
            StoreError: nothing of ``records`` was written.
        """
        if not records:
            return
        begin = "begin_durable" if durable else "begin_ordinary"
        self._spare(all(lane_of(record) is Lane.EMERGENCY for record in records))
        if prepared:
            await self._whole(self._committed(records, begin, attempts=0))
        else:
            await self._in_turn(lambda: self._committed(records, begin, attempts=_ATTEMPTS))

    def put_aside(self, records: Sequence[Record]) -> None:
        """Have what is an emergency's of ``records``, which wait for this store, written to the last resort.

        Waits for nothing: a later commit does, so that what it writes is never older than what is stored after it.
        """
        if not self._closed:
            self._aside.put(records)

    async def tend(self) -> None:
        """Take the reserve anew where there is room for it, and bring in what went to the last resort.

        While the reserve is spent it also moves the WAL into the database, which nothing else does meanwhile. What
        cannot be done now is done the next time.
        """
        await asyncio.to_thread(self.reserve.take)
        with suppress(StoreError):
            if self.reserve.spent:
                await self._move()
            if self._aside.any and not self.suspect:
                await self._whole(self._write("begin_durable", [], urgent=True))

    async def retire_lines(self, passed: Mapping[str, int], at: int) -> int:
        """Let each of these lines be somebody else's from ``at`` (ms) on; how many handles that ends.

        What is stored of such a line from now on has another handle, unless the one that stands for it does so only
        since after the instant (ms) at which it ``passed``.

        Raises:
            StoreError: they have the same still.
        """
        fields = self._fields
        if fields is None:
            return 0

        def current() -> dict[str, list[Line]]:
            with closing(connect(self._path, "mode=ro")) as database, SqliteReader(self._path, fields) as reader:
                return {
                    name: [line for held in standing for line in reader.find(Line, held.handle, 1)]
                    for name, passed_at in passed.items()
                    if (
                        standing := [
                            held
                            for held in fields.handles_of(storable(name), database)
                            if held.until_at is None and held.since_at <= passed_at
                        ]
                    )
                }

        try:
            found = await asyncio.to_thread(current)
        except FAILURES as error:
            raise explained(error, self._path) from None
        ended = [replace(line, until_at=at) for lines in found.values() for line in lines]
        await self.commit(ended, durable=True)
        for name in found:
            await asyncio.to_thread(fields.retire, storable(name))
        return len(ended)

    async def lock_some(self, limit: int = 200) -> int:
        """Lock what stands in clear of at most ``limit`` records; how many it was, 0 when nothing is left.

        Raises:
            StoreError: they stay as they are.
        """
        fields = self._fields
        if fields is None:
            return 0
        for kind in RECORD_OF_KIND:
            if f"clear_{kind}" not in STATEMENTS:
                continue
            rows = await self._fetched_rows(f"clear_{kind}", {"limit": limit})
            if not rows:
                continue
            records = [from_row(kind, row, Unopened()) for row in rows]
            await _fetched(fields, records)
            locked = [
                row for record, stored in zip(records, rows, strict=True) if (row := _relocked(fields, record, stored))
            ]
            lines = fields.new_lines(locked)
            batch: Batch = [(STATEMENTS["upsert_line"], lines), (STATEMENTS[f"lock_{kind}"], locked)]
            await self._in_turn(partial(self._write, "begin_ordinary", batch))
            return len(locked)
        return 0

    async def unlocked(self) -> int:
        """How many records have personal fields that stand in clear.

        Raises:
            StoreError: they cannot be counted.
        """
        counts = [name for name in STATEMENTS if name.startswith("unlocked_")]
        return sum([(await self._fetched_rows(name, {}))[0][0] for name in counts])

    async def expire(self, retention: RetentionClass, before: int) -> list[str]:
        """Destroy the keys of the months of ``retention`` that ended by ``before`` (ms), after the purge; those months.

        What was locked with them is unreadable in every copy. A key stays for as long as a record, a held one perhaps,
        was locked with it.

        Raises:
            StoreError: they may be left.
        """
        fields = self._fields
        if fields is None:
            return []
        for record in RECORDS:
            if PERSONAL[record] and retention in retentions(record):
                rows = await self._fetched_rows(f"oldest_{record.KIND}", {"retention": retention})
                living = [from_rfc3339(at) for (at,) in rows if at is not None]
                before = min([before, *living])
        return await asyncio.to_thread(fields.expire, retention, before)

    async def open_records(self, beside: Sequence[Record] = ()) -> list[Record]:
        """Records that had not ended when the agent stopped, and the timelines that go on; in no order.

        As the last resort has them, where that could not be brought in, and then as ``beside`` has them.

        Raises:
            StoreError: they cannot be read.
        """
        found: list[Record] = []
        if self._fields is not None:
            await asyncio.to_thread(self._fields.begin)
        async with self._turn:
            try:
                with closing(Kept(self._fields, self._path)) as opening:
                    for kind in RECORD_OF_KIND:
                        if statement := STATEMENTS.get(f"open_{kind}"):
                            async with self._usable().execute(statement) as cursor:
                                while rows := list(await cursor.fetchmany(_AT_ONCE)):
                                    with opening.still():
                                        found.extend(from_row(kind, row, opening) for row in rows)
            except FAILURES as error:
                raise explained(error, self._path) from None
            except ValueError:
                raise damaged(self._path) from None
        return self._with_waiting(found, beside)

    def _with_waiting(self, found: list[Record], beside: Sequence[Record]) -> list[Record]:
        self.waiting = [*beside]
        if self.last_resort.bytes:
            with closing(Kept(self._fields, self._path)) as opening:
                self.waiting = [*self.last_resort.records(opening), *beside]
        if not self.waiting:
            return found
        newest = {key_of(record): record for record in (*found, *self.waiting)}
        open_calls = {record.id for record in newest.values() if isinstance(record, Emergency) and _is_open(record)}
        open_calls |= {record.subject for record in newest.values() if isinstance(record, Alarm) and _is_open(record)}
        return [
            record
            for record in newest.values()
            if (record.emergency in open_calls if isinstance(record, Entry) else _is_open(record))
        ]

    async def remove(self, kind: str, ids: Sequence[str], *, cut: bool = False, told: Sequence[Record] = ()) -> int:
        """Delete these records of ``kind``, and store ``told``, in one transaction; how many went.

        They go in the order of ``ids``. ``cut``: what they came to is added to the totals first.

        What was deleted is overwritten (``secure_delete``), but its earlier state stands in the WAL until `checkpoint`.

        Raises:
            StoreError: nothing was deleted.
        """
        if kind not in RECORD_OF_KIND:
            raise StoreError(f"no records are of kind {kind!r}", f"kinds: {', '.join(RECORD_OF_KIND)}")
        self._spare(urgent=False)
        batch: Batch = [(STATEMENTS[f"upsert_{record.KIND}"], [to_row(record)]) for record in told]
        if cut:
            batch.append((STATEMENTS[f"cut_{kind}"], [{"ids": json.dumps(list(ids))}]))
        batch.append((STATEMENTS[f"remove_{kind}"], [{"id": id} for id in ids]))
        went = await self._in_turn(partial(self._write, "begin_ordinary", batch))
        self._removed += len(ids)
        if self._removed >= _MOVE_EVERY:
            self._removed = 0
            await self._move()
        return went

    async def checkpoint(self) -> bool:
        """Move the WAL into the database and empty it; False if a reader was in the way, to be tried again.

        Most of it is moved on a connection of its own, which keeps no emergency waiting.

        Raises:
            StoreError: the disk failed; nothing is lost.
        """
        if self._moving is not None:
            await asyncio.shield(self._moving)  # Two at once would be in each other's way.
        await self._move()
        emptied = await self._whole(self._checkpoint())
        if emptied:
            await self._whole(self._lengthen())
        return emptied

    async def close(self) -> None:
        """Finish what runs and leave one clean file; a second time does nothing."""
        await asyncio.gather(*self._running, return_exceptions=True)  # Of it some may still wait for its keys.
        await self._aside.settled()
        await self._whole(self._close())

    async def _fetched_rows(self, name: str, values: dict[str, Value]) -> list[tuple[Any, ...]]:
        async with self._turn:
            try:
                return [tuple(row) for row in await self._usable().execute_fetchall(STATEMENTS[name], values)]
            except FAILURES as error:
                raise explained(error, self._path) from None

    async def _committed(self, records: Sequence[Record], begin: str, attempts: int) -> None:
        try:
            batch = batch_of(records, self._fields)
            while batch is None and self._fields is not None and attempts:
                await _fetched(self._fields, records)
                batch, attempts = batch_of(records, self._fields), attempts - 1
        except OverflowError:
            raise StoreError("a record holds an instant past the year 9999", "look at the PBX's clock") from None
        if batch is None:
            raise NotReady("keys are destroyed faster than they are fetched", "report this", everything=True)
        await self._write(begin, batch, urgent=any(map(belongs, records)))
        if self.suspect:
            self.put_aside(records)

    async def _move(self) -> None:
        try:
            await asyncio.to_thread(_moved, self._path)
        except FAILURES as error:
            raise explained(error, self._path) from None

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end, even when whoever awaits it is cancelled."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` gives, once no emergency waits; to its end, even when whoever awaits it is cancelled."""

        async def until_done() -> T:
            while True:
                try:
                    return await work()
                except GaveWay:
                    await asyncio.sleep(_AFTER_S)

        return await self._whole(until_done())

    @asynccontextmanager
    async def _its_turn(self, urgent: bool) -> AsyncIterator[None]:
        """An emergency's turn comes sooner: who has it gives way meanwhile."""
        self._emergencies += urgent
        try:
            await self._turn.acquire()
        finally:
            self._emergencies -= urgent
        try:
            yield
        finally:
            self._turn.release()

    def _one_waits(self) -> bool:
        return self._emergencies > 0 or self.urgent()

    async def _write(self, begin: str, batch: Batch, *, urgent: bool = False) -> int:
        async with self._its_turn(urgent):
            try:
                changed = await self._after_last_resort(begin, batch, urgent=urgent)
            except DiskFailedError:
                self.suspect = True
                raise
            except StoreFullError:
                if not urgent or not await asyncio.to_thread(self.reserve.give_up):
                    raise
                changed = await self._after_last_resort(begin, batch, urgent=urgent)
        self._unmoved += sum(len(rows) for _, rows in batch)
        if self._unmoved >= MOVE_EVERY and self._moving is None:
            self._unmoved = 0
            self._moving = asyncio.create_task(self._begin_wal_anew())
            self._running.add(self._moving)
            self._moving.add_done_callback(self._running.discard)
        if self._fields is not None:
            self._fields.saved(
                row for statement, rows in batch if statement == STATEMENTS["upsert_line"] for row in rows
            )
        return changed

    async def _after_last_resort(self, begin: str, batch: Batch, *, urgent: bool) -> int:
        """Run ``batch``, but first, in transactions of their own, what was put aside.

        That may be an earlier state of the same records. A kill before the file is cleared has it stored again at the
        next start, before anything else could have been.
        """
        if self._aside.any and not self.suspect:
            found = await self._aside.found()
            for each in found:
                await self._brought_in(each)
            if found:
                await self._aside.clear()
        return await self._transaction(begin, batch, urgent=urgent)

    async def _brought_in(self, batch: Batch) -> None:
        try:
            await self._transaction("begin_durable", batch, urgent=True)
        except StoreError as error:
            if error.everything:
                raise
            # One record that the store will not have must not keep the others out.
            for statement, row in [(statement, row) for statement, rows in batch for row in rows]:
                try:
                    await self._transaction("begin_durable", [(statement, [row])], urgent=True)
                except StoreError as alone:
                    if alone.everything:
                        raise

    def _spare(self, urgent: bool) -> None:
        if self.reserve.spent and not urgent:
            raise StoreFullError(
                f"there is no room left for the store {self._path} but what is kept for emergencies",
                "free some space; what waits in memory is written then",
                everything=True,
            )

    async def _lengthen(self) -> None:
        """Have the WAL be on the disk in its full length, zeros where nothing stands.

        A commit that has to make the file longer waits for the file system's own journal too. SQLite goes by what it
        has written, not by the file's length; and while it is not its turn it writes nothing.
        """
        length = 0
        with suppress(OSError):  # Without room for it commits are slower, and nothing else.
            while length < self._wal_bytes:
                async with self._turn:
                    if self._closed:
                        return
                    length = await asyncio.to_thread(lengthen, beside(self._path, "-wal"), length + _PIECE_BYTES)
                await asyncio.to_thread(sync, beside(self._path, "-wal"))

    async def _begin_wal_anew(self) -> None:
        """Move what is in the WAL beside whoever writes; then the little that came meanwhile, beside emergencies alone.

        SQLite's own checkpoints would be part of somebody's commit, and an emergency behind it would wait for them.
        """
        try:
            with suppress(StoreError):  # It stays whole in the WAL; a disk that fails tells it to the next commit.
                await self._move()
                self._catching_up = True
                await self._move()
        finally:
            self._catching_up, self._moving = False, None

    async def _transaction(self, begin: str, batch: Batch, *, urgent: bool) -> int:
        """Run ``batch`` between ``begin`` and COMMIT; how many rows the last of it changed."""
        database = self._usable()
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

    async def _checkpoint(self) -> bool:
        async with self._turn:
            database = self._usable()
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

    async def _close(self) -> None:
        async with self._turn:
            if self._closed:
                return
            self._closed = True
            try:
                with suppress(*FAILURES):  # What could not be moved stays whole in the WAL for the next start.
                    await self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                await self._database.close()
            except FAILURES as error:
                raise explained(error, self._path) from None
            finally:
                self._aside.close()
                self._lock.release()

    def _usable(self) -> aiosqlite.Connection:
        if self._closed:
            raise StoreError(f"the store {self._path} is closed")
        return self._database


def _relocked(fields: Fields, record: Record, stored: Sequence[Any]) -> dict[str, Any] | None:
    """What `lock_<kind>` puts in the place of the row ``stored`` (``…_was``); None where a key is not at hand."""
    row, was = to_row(record), as_stored(record.KIND, stored)
    if not fields.lock(record, row):
        return None
    for field in PERSONAL[type(record)]:
        if field.indexed and row[field.name] == was[field.name]:
            row[f"{field.name}_index"] = was[f"{field.name}_index"]
    return row | {f"{name}_was": value for name, value in was.items()}


async def _fetched(fields: Fields, records: Sequence[Record]) -> None:
    try:
        await asyncio.to_thread(fields.fetch, records)
    except StoreError as error:
        # Nothing else that is personal would be taken either.
        raise StoreError(str(error), error.hint, everything=True) from None


def _moved(path: Path) -> None:
    """Move what is in the WAL by now, beside whoever reads and writes."""
    with closing(connect(path, "mode=rw")) as database:
        frames = None
        for _ in range(_MOVES):
            was, frames = frames, database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            # Only where nothing has come meanwhile does the WAL begin anew, and grow no more.
            if frames == was:
                break


def _unless(waits: Callable[[], bool], statements: Iterable[T]) -> Iterator[T]:
    for statement in statements:
        if waits():
            raise GaveWay
        yield statement


def _never() -> bool:
    return False


async def _done(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


def _is_open(record: Record) -> bool:
    """Whether the agent has something to do with it still; as the statements ``open_…`` say it of rows."""
    match record:
        case Emergency():
            return record.ended_at is None or bool(record.links)
        case Detail():
            return record.until_at is None
        case Alarm():
            return record.closed_at is None
        case Notice():
            return record.done_at is None
    return True
