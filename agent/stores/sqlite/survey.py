"""The raw rows of the store, as a thief of the disk would read them: nothing is opened, nothing is changed."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from importlib.resources import files
from typing import Any

from agent.core.instants import rfc3339
from agent.ports import StoreError
from agent.stores.sqlite.reader import CHUNK, SqliteReader
from agent.stores.sqlite.rows import Value
from agent.stores.sqlite.statements import STATEMENTS

_COLUMNS = (
    "SELECT schema.name, info.name FROM sqlite_schema AS schema, pragma_table_xinfo(schema.name) AS info"
    " WHERE schema.type IN ('table', 'view') ORDER BY schema.name, info.cid"
)
_INTO = re.compile(r"INSERT INTO (\w+)")


class SqliteSurvey(SqliteReader):
    """`agent.duties.promises.Survey` of the store at a path.

    The names of tables and columns in its statements are those of the schema itself; values are bound.
    """

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Every table and view with its columns."""
        return _columns(self._rows(_COLUMNS))

    def declared(self) -> dict[str, tuple[str, ...]]:
        """What `columns` of a new store of this version are."""
        script = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(script)
            return _columns(connection.execute(_COLUMNS).fetchall())

    def table(self, kind: str) -> str:
        """The table of a kind of record.

        Raises:
            StoreError: there is no such kind.
        """
        self._known(kind)
        match = _INTO.search(STATEMENTS[f"upsert_{kind}"])
        assert match is not None
        return match[1]

    def raw(self, kind: str, *names: str) -> Iterator[tuple[Value, ...]]:
        """These columns of every row of a kind, in the order of the ids, fetched as they are asked for.

        Raises:
            StoreError: there is no such kind or column; or, while iterating, the store cannot be read.
        """
        columns = ", ".join(("id", *self._checked(kind, names)))
        statement = f"SELECT {columns} FROM {self.table(kind)} WHERE id > :id ORDER BY id LIMIT {CHUNK}"  # noqa: S608
        last = ""
        while rows := self._rows(statement, {"id": last}):
            yield from (tuple(values) for _, *values in rows)
            last = rows[-1][0]

    def older(self, kind: str, name: str, before: int, **equal: str | int) -> tuple[int, str | None]:
        """How many rows of a kind have an instant ``name`` before ``before`` (ms), and the oldest of these.

        Raises:
            StoreError: there is no such kind or column, or the store cannot be read.
        """
        _, *others = self._checked(kind, (name, *equal))
        where = "".join(f" AND {other} = :{other}" for other in others)
        statement = f"SELECT count(*), min({name}) FROM {self.table(kind)} WHERE {name} < :_before{where}"  # noqa: S608
        ((count, oldest),) = self._rows(statement, {**equal, "_before": rfc3339(before)})
        return int(count), oldest

    def _checked(self, kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
        known = self.columns()[self.table(kind)]
        for name in names:
            if name not in known:
                raise StoreError(f"records of kind {kind!r} have no column {name!r}")
        return names


def _columns(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for table, column in rows:
        found[table] = (*found.get(table, ()), column)
    return found
