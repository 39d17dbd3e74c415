"""A read-only view of the store, for the commands and the pages; it never holds up the writer."""

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from heapq import merge
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from agent.core.aggregates import Calls
from agent.core.instants import from_rfc3339, rfc3339
from agent.core.personal import ERASED, LOCKED
from agent.core.records import (
    Content,
    ContentClass,
    Direction,
    NumberClass,
    Record,
    RetentionClass,
    Service,
    retentions,
)
from agent.ports import Due, StoreError
from agent.stores.sqlite.errors import FAILURES, damaged, explained
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.lines import Held, is_handle
from agent.stores.sqlite.migrate import MIGRATIONS, schema_of
from agent.stores.sqlite.opening import beside, connect
from agent.stores.sqlite.rows import RECORD_OF_KIND, from_row
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.sqlite.texts import storable

#: Rows fetched at once. Each chunk is its own short transaction, so that a slow consumer never pins the WAL.
CHUNK = 500

#: Sorts behind whatever follows the beginning of an id.
_LAST = "\U0010ffff"

T = TypeVar("T", bound=Record)
#: A record behind its begin, as it is stored, and its id.
Begun = tuple[str, str, Record]


class SqliteReader:
    """`agent.ports.Reader` of the store at ``path``, whether its agent runs or not; a context manager.

    ``fields`` opens what is personal; where that is locked and cannot be opened, the text is `LOCKED`.

    Raises:
        StoreError: there is no store, it cannot be read, or its schema is not this agent's.
    """

    def __init__(self, path: Path, fields: Fields | None = None) -> None:
        self._path = path
        self._fields = fields
        if fields is not None:
            fields.begin()
        try:
            if not path.is_file() or path.stat().st_size == 0:
                raise StoreError(f"no store at {path}: has the agent run yet?", "start it once, or check [store] url")
            self._database = self._connect()
        except (*FAILURES, OSError) as error:
            raise explained(error, path) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        self._database.close()

    def read(
        self, kind: str, *, since: int | None = None, line: str | None = None, limit: int | None = None
    ) -> Iterator[Record]:
        """Records of ``kind``, oldest first, begun at or after ``since`` (ms), at most the ``limit`` latest.

        They are fetched as they are asked for. A kind without lines has none of any ``line``.

        Raises:
            StoreError: there is no such kind; or, while iterating, the store cannot be read.
        """
        self._known(kind)
        of_line = "" if line is None else "_of_line"
        if f"read_{kind}{of_line}" not in STATEMENTS or (limit is not None and limit < 1):
            return iter(())
        begin = "" if since is None else rfc3339(since)
        if line is None:
            return (record for _, _, record in self._begun(kind, "", {"begin": begin}, limit))
        if kind == Service.KIND:
            keys = self._indexes(kind, line)
        else:
            # A line has had other handles before, and its name itself stands where nothing is locked.
            keys = [storable(line), *(held.handle for held in self.handles_of(line))]
        streams = [self._begun(kind, of_line, {"begin": begin, "line": key}, limit) for key in keys]
        # Whose key is gone is nobody's any more, though its index stands.
        found = (
            record
            for _, _, record in merge(*streams, key=itemgetter(0, 1))
            if not isinstance(record, Service) or record.line == line
        )
        return found if limit is None else iter(deque(found, maxlen=limit))

    def handles_of(self, line: str) -> list[Held]:
        """The handles that have stood for ``line``, the first one first; none where the site key cannot be had.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._fields is None:
            return []
        try:
            return self._fields.handles_of(storable(line), self._database)
        except StoreError:
            return []  # What stands in clear is found all the same.
        except FAILURES as error:
            raise explained(error, self._path) from None

    def having(self, kind: type[T], text: str) -> Iterator[T]:
        """Records of ``kind`` of which an indexed field, as a call's number, holds ``text``; in no order.

        Raises:
            StoreError: the store cannot be read.
        """
        return iter(self._records(kind, "having", {"indexes": json.dumps(self._indexes(kind.KIND, text))}))

    def _indexes(self, kind: str, text: str) -> list[str]:
        text = storable(text)
        indexes = [text]  # What is not locked is its own index.
        if self._fields is not None:
            with suppress(StoreError):
                indexes += self._fields.indexes(text, retentions(RECORD_OF_KIND[kind]))
        return indexes

    def find(self, kind: type[T], prefix: str, limit: int = 2) -> list[T]:
        """At most ``limit`` emergencies, alarms, recordings, opt-ins or contents whose id begins with ``prefix``.

        Raises:
            StoreError: the store cannot be read.
        """
        prefix = storable(prefix)
        return self._records(kind, "find", {"id": prefix, "behind": prefix + _LAST, "limit": limit})

    def of(self, kind: type[T], owner: str) -> list[T]:
        """What belongs to one emergency, alarm, recording (its accesses) or account (by its reference); oldest first.

        Raises:
            StoreError: the store cannot be read, or not the lines of the account.
        """
        found = self._records(kind, "of", {"of": storable(owner)})
        if any(isinstance(each, Service) and each.line == LOCKED for each in found):
            # Beside lines that cannot be read nobody can tell what is the account's, or is not.
            raise StoreError("the lines of this account cannot be read now", "see telephony-agent keys status")
        return found

    def services(self, *, line: str | None = None, number: str | None = None) -> list[Service]:
        """What is or was this line, or else this number, of any account; oldest first.

        Raises:
            StoreError: the store cannot be read, or not whose lines and numbers are.
        """
        name, text = ("having", number or "") if line is None else ("of_line", line)
        indexes = [storable(text)]
        if self._fields is not None:
            # That it is nobody's can only be told where lines and numbers can be read.
            indexes += self._fields.indexes(storable(text), retentions(Service))
        found = self._records(Service, name, {"indexes": json.dumps(indexes)})
        if any(LOCKED in (each.line, each.number) for each in found):
            raise StoreError(
                "the lines and numbers that are stored cannot be read now", "see telephony-agent keys status"
            )
        # Whose key is gone is nobody's any more, though its index stands.
        theirs = [each for each in found if text in (each.line, each.number)]
        return sorted(theirs, key=lambda service: service.from_at)

    def ended(self, since: int, until: int) -> Iterator[Service]:
        """Services, also wrong ones, that came to their end from ``since`` to ``until`` (ms), in the order of that.

        Raises:
            StoreError: while iterating, the store cannot be read.
        """
        values = {"until": rfc3339(until), "chunk": CHUNK}
        rows = self._rows(STATEMENTS["ended_service"], {"since": rfc3339(since), "id": "", **values})
        while rows:
            yield from (cast(Service, self._record(Service.KIND, row)) for _, *row in rows)
            ended, id, *_ = rows[-1]
            rows = self._rows(STATEMENTS["ended_service"], {"since": ended, "id": id, **values})

    def open(self, kind: type[T]) -> list[T]:
        """Records that have not ended, of a kind that ends, in no order.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._records(kind, "open", {})

    def kept(self, kept_as: ContentClass, before: int, limit: int, after: Content | None = None) -> list[Content]:
        """At most ``limit`` contents of this class that are kept since before ``before`` (ms), oldest first, those
        behind ``after``.

        Raises:
            StoreError: the store cannot be read.
        """
        begin = (
            {"after": rfc3339(0), "id": ""} if after is None else {"after": rfc3339(after.stored_at), "id": after.id}
        )
        return self._records(Content, "kept", {**begin, "kept_as": kept_as, "before": rfc3339(before), "limit": limit})

    def due(
        self, kind: str, before: int, limit: int, *, after: Due | None = None, retention: RetentionClass | None = None
    ) -> list[Due]:
        """At most ``limit`` records of ``kind`` behind ``after`` that ended before ``before`` (ms), oldest first.

        An open record is none, however old. ``retention``: of calls, which class of them.

        Raises:
            StoreError: there is no such kind, or the store cannot be read.
        """
        self._known(kind)
        name = f"due_{kind}" if retention is None else f"due_{kind}_of_class"
        begin = {"after": rfc3339(0), "id": ""} if after is None else {"after": rfc3339(after.ended_at), "id": after.id}
        rows = self._rows(
            STATEMENTS[name], {**begin, "before": rfc3339(before), "limit": limit, "retention": retention}
        )
        try:
            return [self._due(*row) for row in rows]
        except (TypeError, ValueError):
            raise damaged(self._path) from None

    def calls_of(self, begin: int, end: int) -> Iterator[Calls]:
        """The calls placed from ``begin`` to ``end`` (ms, less than a day behind it), counted by line and hour.

        Raises:
            StoreError: the store cannot be read.
        """
        rows = self._rows(STATEMENTS["grouped_call"], {"begin": rfc3339(begin), "end": rfc3339(end)})
        return (
            Calls(
                hour=hour,
                direction=Direction(direction),
                number_class=NumberClass(kind),
                line=line,
                attempts=attempts,
                answered=answered,
                carried_s=carried_s,
            )
            for hour, direction, kind, line, attempts, answered, carried_s in rows
        )

    def makes_of(self, begin: int, end: int) -> Iterator[tuple[str, str, str, str]]:
        """Vendor, model, firmware and line of each phone that was registered between ``begin`` and ``end`` (ms).

        Raises:
            StoreError: the store cannot be read.
        """
        rows = self._rows(STATEMENTS["grouped_registration"], {"begin": rfc3339(begin), "end": rfc3339(end)})
        return ((vendor, model, firmware, line) for vendor, model, firmware, line in rows)

    def contents_of(self, ids: Sequence[str]) -> set[str]:
        """Which of these recordings have content that is kept.

        Raises:
            StoreError: the store cannot be read.
        """
        found: set[str] = set()
        for start in range(0, len(ids), CHUNK):
            chunk = json.dumps([storable(id) for id in ids[start : start + CHUNK]])
            found.update(id for (id,) in self._rows(STATEMENTS["among_content"], {"ids": chunk}))
        return found

    def lines(self, kind: str) -> Iterator[str]:
        """Each line of which there are records of ``kind``, in no order; its handle where its name cannot be read.

        Raises:
            StoreError: while iterating, the store cannot be read.
        """
        after: str | None = ""
        told: set[str] = set()
        while after is not None:
            ((after,),) = self._rows(STATEMENTS[f"lines_{kind}"], {"after": after})
            if after is not None and (name := self._name(after)) not in told:
                if name in (ERASED, LOCKED):
                    name = after  # By its handle it can be told from others still.
                told.add(name)
                yield name

    def count(self, kind: str) -> int:
        """How many records of ``kind`` are kept.

        Raises:
            StoreError: there is no such kind, or the store cannot be read.
        """
        self._known(kind)
        return int(self._rows(STATEMENTS[f"count_{kind}"])[0][0])

    def changes(self) -> int:
        """A number that is another one whenever the store has changed in between; cheap enough to poll.

        Raises:
            StoreError: the store cannot be read.
        """
        return int(self._rows("PRAGMA data_version")[0][0])

    def _due(self, ended: str, id: str, line: str | None, begun: str, account: str | None = None) -> Due:
        name = None if line is None else self._name(line)
        return Due(
            id=id,
            line=name,
            begun_at=from_rfc3339(begun),
            ended_at=from_rfc3339(ended),
            hidden=name == LOCKED and name != line,
            account=account,
        )

    def _name(self, line: str) -> str:
        return self.line(line) if is_handle(line) else line

    def text(self, value: str, place: str) -> str | None:
        """See `agent.stores.sqlite.rows.Opening`."""
        return LOCKED if self._fields is None else self._fields.open(value, place, LOCKED)

    def line(self, handle: str) -> str:
        """See `agent.stores.sqlite.rows.Opening`."""
        name = LOCKED if self._fields is None else self._fields.name_of(handle, self._database, LOCKED)
        return ERASED if name is None else name

    def _begun(self, kind: str, of_line: str, start: dict[str, Any], limit: int | None) -> Iterator[Begun]:
        """The latest ``limit`` records behind ``start``, each behind its begin and its id, the oldest first."""
        position = {"id": "", **start}
        if limit is not None:
            position.update(self._just_before_the_latest(f"seek_{kind}{of_line}", position, limit))
        return self._stream(kind, f"read_{kind}{of_line}", position, limit)

    def _stream(self, kind: str, name: str, position: dict[str, Any], limit: int | None) -> Iterator[Begun]:
        left = limit
        while left is None or left > 0:
            chunk = CHUNK if left is None else min(CHUNK, left)
            rows = self._rows(STATEMENTS[name], {**position, "chunk": chunk})
            for begin, *row in rows:
                yield begin, row[0], self._record(kind, row)
                position.update(begin=begin, id=row[0])
            if len(rows) < chunk:
                return
            if left is not None:
                left -= len(rows)

    def _records(self, kind: type[T], statement: str, values: dict[str, Any]) -> list[T]:
        rows = self._rows(STATEMENTS[f"{statement}_{kind.KIND}"], values)
        return [cast(T, self._record(kind.KIND, row)) for row in rows]

    def _record(self, kind: str, row: Iterable[Any]) -> Record:
        try:
            return from_row(kind, row, self)
        except ValueError:
            raise damaged(self._path) from None
        except FAILURES as error:
            raise explained(error, self._path) from None

    def _just_before_the_latest(self, name: str, start: dict[str, Any], limit: int) -> dict[str, Any]:
        rows = self._rows(STATEMENTS[name], {**start, "limit": limit})
        return {"begin": rows[0][0], "id": rows[0][1]} if rows else {}

    def _rows(self, statement: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(statement, values or {}).fetchall()
        except FAILURES as error:
            raise explained(error, self._path) from None

    def _known(self, kind: str) -> None:
        if kind not in RECORD_OF_KIND:
            raise StoreError(f"no records are of kind {kind!r}", f"kinds: {', '.join(RECORD_OF_KIND)}")

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._opened("mode=ro")
        except sqlite3.OperationalError:
            # Reading a WAL database takes the right to make files beside it. Without a WAL no agent writes, and
            # SQLite may be told that nothing changes.
            if beside(self._path, "-wal").exists():
                raise
            return self._opened("immutable=1")

    def _opened(self, mode: str) -> sqlite3.Connection:
        database = connect(self._path, mode)
        try:
            database.execute("PRAGMA query_only = ON")
            schema = schema_of(database, self._path)
            if schema < len(MIGRATIONS):
                raise StoreError(
                    f"the store {self._path} is of an older agent: its schema is {schema}, not {len(MIGRATIONS)}",
                    "start the agent, or run: telephony-agent migrate",
                )
        except (*FAILURES, StoreError):
            database.close()
            raise
        return database
