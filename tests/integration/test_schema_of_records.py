"""The schema says what the record classes say: each column, its type, whether it may be empty, and its words."""

import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from enum import StrEnum
from importlib.resources import files
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

import pytest

from agent.core.personal import PERSONAL
from agent.core.records import INSTANTS, RECORDS, Record
from tests.integration.test_sqlite_schema import TABLES

SCHEMA = files("agent.stores.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")

#: Words to which others are added without a migration; what is none of them is refused as it is read.
OPEN = frozenset((("audit", "use"),))

#: name: (type, may it be NULL, what it may hold; none: anything)
Columns = dict[str, tuple[str, bool, tuple[str, ...]]]


def wanted(record: type[Record]) -> Columns:
    """The columns that a record class asks for."""
    hints = get_type_hints(record)
    indexed = {field.name for field in PERSONAL[record] if field.indexed}
    found: Columns = {}
    for item in fields(record):
        kind, optional, words = _wanted(item.name, hints[item.name])
        found[item.name] = kind, optional, () if (record.KIND, item.name) in OPEN else words
        if item.name in indexed:
            found[f"{item.name}_index"] = "TEXT", True, ()
    return found


def _wanted(name: str, hint: Any) -> tuple[str, bool, tuple[str, ...]]:
    optional = isinstance(hint, UnionType)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if hint is bool:
        return "INTEGER", optional, ("0", "1")
    if hint is int:
        return "TEXT" if name in INSTANTS else "INTEGER", optional, ()
    words = tuple(str(word) for word in hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else ()
    return "TEXT", optional, words


def stored(connection: sqlite3.Connection, table: str) -> Columns:
    """The columns that a table has."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    words = {name: tuple(re.findall(r"\w+", held)) for name, held in re.findall(r"CHECK \((\w+) IN \(([^)]*)\)\)", sql)}
    columns = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    return {name: (kind, not required, words.get(name, ())) for _, name, kind, required, *_ in columns}


def difference(record: type[Record], sql: str) -> str:
    """What of a record class the schema says otherwise, in words; "" where nothing."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(sql)
        ours, theirs = wanted(record), stored(connection, TABLES[record.KIND])
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            return f"{record.__name__}.{name} asks for {ours.get(name)}, the schema has {theirs.get(name)}"
    return "" if list(ours) == list(theirs) else f"{record.__name__}: its fields and columns are in another order"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.KIND)
def test_each_table_is_what_its_record_class_says(record: type[Record]) -> None:
    assert not difference(record, SCHEMA)


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("talk_ms     INTEGER,", "talk_ms     TEXT,"),
        ("trunk       TEXT,", "trunk       TEXT NOT NULL,"),
        ("'abandoned', ", ""),
        ("'in_progress', ", "'in_progress', 'lost', "),
        ("attempts    INTEGER NOT NULL,", "attempts    INTEGER NOT NULL, name TEXT,"),
        ("blind       INTEGER NOT NULL CHECK (blind IN (0, 1)),", "blind       INTEGER NOT NULL,"),
    ],
)
def test_a_difference_is_seen(said: str, instead: str) -> None:
    (emergency,) = (record for record in RECORDS if record.KIND == "emergency")
    begin, end = SCHEMA.split("CREATE TABLE emergencies", 1)
    assert said in end
    assert difference(emergency, f"{begin}CREATE TABLE emergencies{end.replace(said, instead, 1)}")
