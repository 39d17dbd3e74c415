"""Personal fields, locked on their way into the store and opened on the way out of it."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any

from agent.core.personal import HANDLED, OWNER, PERSONAL, aged_by, class_of, is_locked, owner_of
from agent.core.records import Alarm, Detail, Emergency, Entry, Line, Record, RetentionClass
from agent.ports import StoreError
from agent.stores.sqlite.lines import Held, Lines, is_handle
from agent.stores.sqlite.texts import storable
from agent.stores.vault import Keyring, Locks

#: Kinds that wait for no key: what cannot be locked at once is stored as it is, and locked later.
URGENT = (Emergency, Detail, Entry, Alarm)

Row = dict[str, Any]


class Fields:
    """Locks and opens for the store at ``path``, with the keys of the keyring that ``opening`` gives; for any thread.

    ``opening`` may raise StoreError, and is asked until it does not. ``clock`` is in ms since 1970.
    """

    def __init__(self, path: Path, opening: Callable[[], Keyring], clock: Callable[[], int]) -> None:
        self._path, self._opening, self._clock = path, opening, clock
        self._keyring: Keyring | None = None
        self._of_class: dict[RetentionClass, Locks] = {}
        self._lines: Lines | None = None
        self._lock = RLock()

    # -- on the way in: nothing here waits for anybody ---------------------------------------------------------

    def lock(self, record: Record, row: Row) -> bool | None:
        """Lock the personal values in the ``row`` of ``record``, waiting for nobody; whether all of them are locked.

        None: a key is not at hand, to be had by `fetch`; of an emergency's records such values stay as they are.
        """
        kind = type(record)
        known = self._handled(kind, row)
        if PERSONAL[kind]:
            owner = row[OWNER[kind]] if OWNER[kind] else None
            named = OWNER[kind] in HANDLED[kind] and owner is not None and not is_handle(owner)
            known = known and not named and self._locked(record, row, owner_of(kind, owner))
        return known if known or isinstance(record, URGENT) else None

    def at_hand(self, record: Record) -> bool:
        """Whether `lock` would find every key."""
        kind = type(record)
        row: Row = {name: _text(record, name) for name in HANDLED[kind]}
        if not self._handled(kind, row):
            return False
        if not PERSONAL[kind]:
            return True
        owner = row[OWNER[kind]] if OWNER[kind] in row else _text(record, OWNER[kind])
        locks = self._of_class.get(class_of(record))
        return locks is not None and locks.at_hand(owner_of(kind, owner), aged_by(record))

    def new_lines(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of lines that these ``rows`` name, and that are not in the store yet."""
        return [] if self._lines is None else self._lines.new(row.get("line") for row in rows)

    def saved(self, rows: Iterable[Row]) -> None:
        """These rows of lines are in the store now."""
        if self._lines is not None:
            self._lines.saved(rows)

    # -- what may wait for the disk, or for another program at the keyring ---------------------------------------

    def begin(self) -> bool:
        """Ask for the keyring where there is none yet; whether there is one now."""
        try:
            self._opened()
        except StoreError:
            return False
        return True

    def fetch(self, records: Iterable[Record]) -> None:
        """Have at hand what ``records`` are locked with.

        Raises:
            StoreError: it is not to be had, or not safely.
        """
        with self._lock:
            lines = self._opened()
            names = {name for record in records for name in _names(record)}
            lines.fetch(names, self._clock())
            wanted: defaultdict[RetentionClass, set[tuple[str, int]]] = defaultdict(set)
            for record in records:
                if not PERSONAL[type(record)]:
                    continue
                owner = _text(record, OWNER[type(record)])
                if owner is not None and OWNER[type(record)] in HANDLED[type(record)]:
                    owner = lines.current(owner) or owner
                wanted[class_of(record)].add((owner_of(type(record), owner), aged_by(record)))
            for retention, each in wanted.items():
                self._locks(retention).fetch(each)

    def retire(self, name: str) -> None:
        """What comes of the line ``name`` from now on has another handle."""
        with self._lock:
            self._opened().ended(name)

    # -- on the way out ------------------------------------------------------------------------------------------

    def open(self, value: str, place: str, unopened: str) -> str | None:
        """The text that was locked as ``value``, None when its key is gone, ``unopened`` when it cannot be opened."""
        locks = self._of_class.get(RetentionClass.CONSENT)
        try:
            return unopened if locks is None else locks.open(value, field=place)
        except StoreError:
            return unopened  # What else the record holds is of use all the same.

    @contextmanager
    def still(self) -> Iterator[None]:
        """What is opened meanwhile is opened with the keys as they are now; no other program changes one.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with nullcontext() if self._keyring is None else self._keyring.ring.still():
            yield

    def name_of(self, handle: str, database: sqlite3.Connection, unopened: str) -> str | None:
        """The name of the line that ``handle`` stands for, otherwise as `open`; ``database`` is the store.

        Raises:
            sqlite3.Error: the store cannot be read.
        """
        with self._lock:
            try:
                return unopened if self._lines is None else self._lines.name_of(handle, database)
            except StoreError:
                return unopened

    def handles_of(self, name: str, database: sqlite3.Connection) -> list[Held]:
        """The handles that have stood for the line ``name``, the first one first; ``database`` is the store.

        Raises:
            StoreError: the keyring cannot be used.
            sqlite3.Error: the store cannot be read.
        """
        with self._lock:
            return self._opened().of(name, database)

    def indexes(self, text: str, classes: Iterable[RetentionClass]) -> list[str]:
        """What records of these classes may be found by that hold ``text`` in an indexed field.

        Raises:
            StoreError: the keyring cannot be used.
        """
        return [index for retention in classes for index in self._locks(retention).indexes(text)]

    def expire(self, retention: RetentionClass, before: int) -> list[str]:
        """Destroy the keys of all months of ``retention`` that ended by ``before`` (ms); those months.

        Raises:
            StoreError: they may be left.
        """
        with self._lock:
            self._opened()
            assert self._keyring is not None
            self._keyring.expire_epochs(before, retention)
            return self._keyring.expire_periods(before, retention)

    # -- within ----------------------------------------------------------------------------------------------------

    def _handled(self, kind: type[Record], row: Row) -> bool:
        """Put handles in place of names; whether every one is at hand."""
        known = True
        for field in HANDLED[kind]:
            name = row[field]
            if name is None or is_handle(name):  # A handle: its name could not be told when it was read.
                continue
            handle = None if self._lines is None else self._lines.current(name)
            if handle is None:
                known = False
            else:
                row[field] = handle
        return known

    def _locked(self, record: Record, row: Row, owner: str) -> bool:
        locks, at = self._of_class.get(class_of(record)), aged_by(record)
        whole = True
        for field in PERSONAL[type(record)]:
            text = row[field.name]
            if text is None or is_locked(text):  # Locked: it could not be opened when it was read.
                continue
            locked = None if locks is None else locks.lock_now(owner, at, text, field=field.place)
            index = "" if not field.indexed else None if locks is None else locks.index_now(text, at)
            if locked is None or index is None:
                whole = False
                continue
            row[field.name] = locked
            if field.indexed:
                row[f"{field.name}_index"] = index
        return whole

    def _opened(self) -> Lines:
        with self._lock:
            if self._lines is None:
                self._keyring = self._opening()
                self._lines = Lines(self._path, self._keyring, self._locks(Line.RETENTION))
            return self._lines

    def _locks(self, retention: RetentionClass) -> Locks:
        with self._lock:
            if self._keyring is None:
                self._opened()
            assert self._keyring is not None
            if retention not in self._of_class:
                self._of_class[retention] = Locks(self._keyring, self._clock, term=retention)
            return self._of_class[retention]


def _names(record: Record) -> Iterable[str]:
    """The names of lines in it."""
    for field in HANDLED[type(record)]:
        name = _text(record, field)
        if name is not None and not is_handle(name):
            yield name


def _text(record: Record, field: str) -> str | None:
    """The text in a field as it is stored; None where there is none, or no field."""
    text: str | None = getattr(record, field) if field else None
    return None if text is None else storable(text)
