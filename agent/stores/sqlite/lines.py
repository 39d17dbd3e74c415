"""Handles of lines: what stands in the store in place of each line's name."""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.personal import STANDING, is_locked
from agent.core.records import Line
from agent.stores.sqlite.errors import FAILURES, explained
from agent.stores.sqlite.opening import connect
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.vault import Keyring, Locks

Row = dict[str, Any]

PLACE = f"{Line.KIND}.name"

_HANDLE = re.compile(r"~[0-9a-f]{16}")


def is_handle(text: str) -> bool:
    """Whether ``text`` is a handle, and no name."""
    return text.startswith("~") and _HANDLE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """For how long a handle stood for a line, in ms; ``until_at`` None: it still does."""

    handle: str
    since_at: int
    until_at: int | None


class Lines:
    """The handles in the store at ``path``; in memory those that were asked for, for as long as no key was destroyed.

    `current` and `new` wait for nobody; everything else is for a thread that may wait, one at a time.
    """

    def __init__(self, path: Path, keyring: Keyring, locks: Locks) -> None:
        self._path, self._ring, self._locks = path, keyring.ring, locks
        self._generation = -1
        self._handles: dict[str, str] = {}
        self._names: dict[str, str | None] = {}
        #: Rows of handles that are not in the store yet.
        self._new: dict[str, Row] = {}

    def current(self, name: str) -> str | None:
        """The handle that stands for ``name`` now, None where that is not at hand."""
        return self._handles.get(name) if self._ring.generation_at_hand() == self._generation else None

    def new(self, handles: Iterable[str | None]) -> list[Row]:
        """The rows of those of ``handles`` that are not in the store yet."""
        return [self._new[handle] for handle in {*handles} if handle is not None and handle in self._new]

    def saved(self, rows: Iterable[Row]) -> None:
        """These are in the store now."""
        for row in rows:
            self._new.pop(row["id"], None)

    def ended(self, name: str) -> None:
        """The handle of ``name`` stands for it no more."""
        self._handles.pop(name, None)

    def fetch(self, names: Iterable[str], at: int) -> None:
        """Have at hand what stands for ``names``; a new handle does so since ``at`` (ms).

        Raises:
            StoreError: the store or the keyring cannot be used.
        """
        self._catch_up()
        missing = sorted({*names} - self._handles.keys())
        if not missing:
            return
        found = self._found(missing)
        fresh = {name: "~" + secrets.token_hex(8) for name in missing if name not in found}
        self._locks.fetch((handle, STANDING) for handle in fresh.values())
        for name, handle in fresh.items():
            self._new[handle] = {
                "id": handle,
                "name": self._locks.lock(handle, STANDING, name, field=PLACE),
                "name_index": self._locks.index(name, STANDING),
                "since_at": rfc3339(at),
                "until_at": None,
            }
        self._handles.update(found | fresh)

    def name_of(self, handle: str, database: sqlite3.Connection) -> str | None:
        """The name that ``handle`` stands for, as ``database``, the store, tells; None where its key is gone.

        Raises:
            StoreError: the keyring cannot be read.
            sqlite3.Error: the store cannot.
        """
        self._catch_up()
        if handle not in self._names:
            row = database.execute(STATEMENTS["name_line"], {"id": handle}).fetchone()
            self._names[handle] = None if row is None else self._opened(row[0])
        return self._names[handle]

    def of(self, name: str, database: sqlite3.Connection) -> list[Held]:
        """The handles that have stood for ``name``, as ``database``, the store, tells; the first one first.

        Raises:
            StoreError: the keyring cannot be read.
            sqlite3.Error: the store cannot.
        """
        rows = self._indexed(self._locks.indexes(name), database)
        return sorted(
            (
                Held(
                    handle=handle,
                    since_at=from_rfc3339(since),
                    until_at=None if until is None else from_rfc3339(until),
                )
                for handle, kept, since, until in rows
                # Of one whose key was destroyed there is an index still, but it stands for nobody.
                if self._opened(kept) == name
            ),
            key=lambda held: (held.since_at, held.until_at or STANDING),
        )

    def _found(self, names: Iterable[str]) -> dict[str, str]:
        """Those of ``names`` for which a handle stands now, with it, as the store tells."""
        indexes = {self._locks.index(name, STANDING): name for name in names}
        try:
            with closing(connect(self._path, "mode=ro")) as database:
                rows = self._indexed(list(indexes), database)
        except FAILURES as error:
            raise explained(error, self._path) from None
        standing = [(self._opened(kept), handle) for handle, kept, _, until in rows if until is None]
        return {name: handle for name, handle in reversed(standing) if name is not None}

    def _indexed(self, indexes: list[str], database: sqlite3.Connection) -> list[tuple[str, str, str, str | None]]:
        return database.execute(STATEMENTS["named_line"], {"indexes": json.dumps(indexes)}).fetchall()

    def _opened(self, kept: str) -> str | None:
        return self._locks.open(kept, field=PLACE) if is_locked(kept) else kept

    def _catch_up(self) -> None:
        """Forget what was learnt before a key was destroyed."""
        generation = self._ring.generation
        if generation != self._generation:
            self._names.clear()
            new = set(self._new)  # In one step: the event loop takes from it meanwhile.
            self._handles = {name: handle for name, handle in self._handles.items() if handle in new}
            self._generation = generation
