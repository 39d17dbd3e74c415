"""The embedded store: SQLite in WAL mode, one writer, any number of readers."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

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
from agent.ports import NotReady, StoreError
from agent.stores.sqlite.aside import Aside
from agent.stores.sqlite.batches import Batch, batch_of
from agent.stores.sqlite.errors import FAILURES, DiskFailedError, StoreFullError, damaged, explained
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.kept import Kept
from agent.stores.sqlite.last_resort import LastResort, belongs
from agent.stores.sqlite.migrate import MIGRATIONS
from agent.stores.sqlite.opening import Lock, connect, prepare
from agent.stores.sqlite.reader import SqliteReader
from agent.stores.sqlite.reserve import Reserve
from agent.stores.sqlite.rows import RECORD_OF_KIND, Unopened, as_stored, from_row, to_row
from agent.stores.sqlite.stand_in import StandIn
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.sqlite.texts import storable
from agent.stores.sqlite.wal import WAL_BYTES, Wal
from agent.stores.sqlite.writer import Writer, connected

__all__ = ["ERASED", "LOCKED", "WAL_BYTES", "Fields", "SqliteReader", "SqliteStore", "StandIn"]

#: After so many removed rows what is in the WAL is moved, which would grow with them.
_MOVE_EVERY = 500
#: So many rows that had not ended are opened at once: milliseconds, for which a change of the keys waits.
_AT_ONCE = 500
#: How often keys are fetched for one commit: another program may destroy one meanwhile.
_ATTEMPTS = 10


class SqliteStore:
    """`agent.ports.Store` in one SQLite file, of which it is the only writer."""

    def __init__(
        self,
        path: Path,
        writer: Writer,
        lock: Lock,
        fields: Fields | None,
        reserve: Reserve,
        last_resort: LastResort,
        wal_bytes: int,
    ) -> None:
        self._path = path
        self._fields = fields
        self._lock = lock
        #: What writes, to be told when an emergency is about to come.
        self.writer = writer
        self._wal = Wal(path, writer, wal_bytes)
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
        self._removed = 0

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
            writer = Writer(path, await connected(path))
        except BaseException:
            lock.release()
            raise
        store = cls(path, writer, lock, fields, reserve, elsewhere, wal_bytes)
        await asyncio.to_thread(elsewhere.prepare)
        await store._wal.lengthen()
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
        return self._wal.in_the_way()

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
            await self.writer.whole(self._committed(records, begin, attempts=0))
        else:
            await self.writer.in_turn(lambda: self._committed(records, begin, attempts=_ATTEMPTS))

    def put_aside(self, records: Sequence[Record]) -> None:
        """Have what is an emergency's of ``records``, which wait for this store, written to the last resort.

        Waits for nothing: a later commit does, so that what it writes is never older than what is stored after it.
        """
        if not self.writer.closed:
            self._aside.put(records)

    async def tend(self) -> None:
        """Take the reserve anew where there is room for it, and bring in what went to the last resort.

        While the reserve is spent it also moves the WAL into the database, which nothing else does meanwhile. What
        cannot be done now is done the next time.
        """
        await asyncio.to_thread(self.reserve.take)
        with suppress(StoreError):
            if self.reserve.spent:
                await self._wal.move()
            if self._aside.any and not self.suspect:
                await self.writer.whole(self._write("begin_durable", [], urgent=True))

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
            rows = await self.writer.rows(f"clear_{kind}", {"limit": limit})
            if not rows:
                continue
            records = [from_row(kind, row, Unopened()) for row in rows]
            await _fetched(fields, records)
            locked = [
                row for record, stored in zip(records, rows, strict=True) if (row := _relocked(fields, record, stored))
            ]
            lines = fields.new_lines(locked)
            batch: Batch = [(STATEMENTS["upsert_line"], lines), (STATEMENTS[f"lock_{kind}"], locked)]
            await self.writer.in_turn(partial(self._write, "begin_ordinary", batch))
            return len(locked)
        return 0

    async def unlocked(self) -> int:
        """How many records have personal fields that stand in clear.

        Raises:
            StoreError: they cannot be counted.
        """
        counts = [name for name in STATEMENTS if name.startswith("unlocked_")]
        return sum([(await self.writer.rows(name, {}))[0][0] for name in counts])

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
                rows = await self.writer.rows(f"oldest_{record.KIND}", {"retention": retention})
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
        async with self.writer.turn():
            try:
                with closing(Kept(self._fields, self._path)) as opening:
                    for kind in RECORD_OF_KIND:
                        if statement := STATEMENTS.get(f"open_{kind}"):
                            async with self.writer.usable().execute(statement) as cursor:
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
        went = await self.writer.in_turn(partial(self._write, "begin_ordinary", batch))
        self._removed += len(ids)
        if self._removed >= _MOVE_EVERY:
            self._removed = 0
            await self._wal.move()
        return went

    async def checkpoint(self) -> bool:
        """Move the WAL into the database and empty it; False if a reader was in the way, to be tried again.

        Raises:
            StoreError: the disk failed; nothing is lost.
        """
        return await self._wal.empty()

    async def close(self) -> None:
        """Finish what runs and leave one clean file; a second time does nothing."""
        await self.writer.settled()  # Of it some may still wait for its keys.
        await self._aside.settled()
        await self.writer.whole(self._close())

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

    async def _write(self, begin: str, batch: Batch, *, urgent: bool = False) -> int:
        async with self.writer.turn(urgent=urgent):
            try:
                changed = await self._after_last_resort(begin, batch, urgent=urgent)
            except DiskFailedError:
                self.suspect = True
                raise
            except StoreFullError:
                if not urgent or not await asyncio.to_thread(self.reserve.give_up):
                    raise
                changed = await self._after_last_resort(begin, batch, urgent=urgent)
        self._wal.grew(sum(len(rows) for _, rows in batch))
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
            for each in found or []:
                await self._brought_in(each)
            if found is not None:
                await self._aside.clear()
        return await self.writer.transaction(begin, batch, urgent=urgent)

    async def _brought_in(self, batch: Batch) -> None:
        try:
            await self.writer.transaction("begin_durable", batch, urgent=True)
        except StoreError as error:
            if error.everything:
                raise
            # One record that the store will not have must not keep the others out.
            for statement, row in [(statement, row) for statement, rows in batch for row in rows]:
                try:
                    await self.writer.transaction("begin_durable", [(statement, [row])], urgent=True)
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

    async def _close(self) -> None:
        try:
            await self.writer.close()
        finally:
            self._aside.close()
            self._lock.release()


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
