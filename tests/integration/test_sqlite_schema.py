"""The schema: one truth in its file, its migrations and the record classes; an upgrade is whole or not at all."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from agent.core.personal import PERSONAL
from agent.core.records import RECORDS, Record
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.sqlite.migrate import APPLICATION_ID, MIGRATIONS, Migration, migrate
from agent.stores.sqlite.statements import STATEMENTS

SCHEMA = files("agent.stores.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
TABLES = {
    "registration": "registrations",
    "emergency": "emergencies",
    "recording": "recordings",
    "failure": "failures",
    "blind": "blind_times",
    "detail": "details",
    "entry": "entries",
    "alarm": "alarms",
    "notice": "notices",
    "look": "looks",
    "path": "paths",
    "probe": "probes",
    "optin": "optins",
    "content": "contents",
    "access": "accesses",
    "purge": "purges",
    "call": "calls",
    "text": "texts",
    "account": "accounts",
    "service": "services",
    "audit": "audits",
    "segment_root": "segment_roots",
    "deletion": "deletions",
    "total": "totals",
    "hold": "holds",
    "request": "requests",
    "consent": "consents",
    "disclosure": "disclosures",
    "leaf": "leaves",
    "traffic": "traffic",
    "devices": "devices",
    "aggregate": "aggregates",
    "line": "lines",
}


def connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def shape(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Everything the database is made of, white space and comments aside."""
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    return [(owner,), *((*row[:3], re.sub(r"\s+", "", row[3] or "")) for row in found)]


def contents(path: Path) -> tuple[int, list[tuple[Any, ...]]]:
    with closing(connected(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version, shape(connection)


def step(number: int, sql: str) -> Migration:
    return Migration(number=number, name=f"step_{number}", sql=sql)


# One truth in three forms


def test_the_schema_file_and_the_migrations_make_the_same_database(tmp_path: Path) -> None:
    with closing(connected(tmp_path / "a.db")) as by_file, closing(connected(tmp_path / "b.db")) as by_steps:
        by_file.executescript(SCHEMA)
        migrate(by_steps, tmp_path / "b.db")
        assert shape(by_file) == shape(by_steps)


def test_a_table_for_each_record_class_and_none_besides() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert list(TABLES) == [record.KIND for record in RECORDS]
    assert tables == {*TABLES.values(), "migrations"}


@pytest.mark.parametrize("record", RECORDS, ids=TABLES)
def test_the_columns_are_the_fields(record: type[Record]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        columns = connection.execute(f"PRAGMA table_xinfo({TABLES[record.KIND]})").fetchall()
    indexed = {field.name for field in PERSONAL[record] if field.indexed}
    expected = [
        name
        for item in fields(record)
        for name in ([item.name, f"{item.name}_index"] if item.name in indexed else [item.name])
    ]
    assert [column[1] for column in columns] == expected
    required = {item.name for item in fields(record) if "None" not in str(item.type)}
    assert {column[1] for column in columns if column[3]} == required


def test_the_mark_in_the_file_is_the_one_looked_for() -> None:
    assert f"PRAGMA application_id = {APPLICATION_ID};" in SCHEMA


def test_migrations_count_from_one() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("name", [name for name in STATEMENTS if not name.startswith(("begin_", "count_", "upsert_"))])
def test_no_statement_reads_a_whole_table(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        values = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]), 1)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", values)]
    # json_each is no table: it is the values that were asked about
    whole = [
        line
        for line in plan
        if line.startswith("SCAN") and not re.search("_open|_clear", line) and "json_each" not in line
    ]
    assert not whole, plan
    if not name.startswith(("cut_", "grouped_")):  # what has to be grouped
        assert not [line for line in plan if "TEMP B-TREE" in line], plan


# Upgrades


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    before = path.read_bytes()
    said: list[str] = []
    await (await SqliteStore.open(path, say=said.append)).close()
    assert path.read_bytes() == before
    assert not [line for line in said if "migration" in line]


def test_a_later_migration_is_applied_once_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    more = (*MIGRATIONS, step(len(MIGRATIONS) + 1, "CREATE TABLE more (a TEXT) STRICT;"))
    with closing(connected(path)) as connection:
        said: list[str] = []
        assert migrate(connection, path) == len(MIGRATIONS)
        assert migrate(connection, path, more, said.append) == 1
        assert migrate(connection, path, more) == 0
        noted = connection.execute("SELECT number, name, checksum FROM migrations ORDER BY number").fetchall()
    assert noted == [(migration.number, migration.name, migration.checksum) for migration in more]
    assert said == [f"store: migration {more[-1].number:04d}_{more[-1].name}"]


def test_tables_that_are_made_anew_keep_every_row(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    emergencies = [row_of("alarms", n) | {"cause": cause} for n, cause in enumerate(("emergency", "channel"))]
    told = [row_of("notices", n) | {"alarm": "alarms-0", "done_at": None if n else "x"} for n in range(3)]
    with closing(connected(path)) as connection:
        migrate(connection, path, MIGRATIONS[:2])
        insert(connection, "alarms", emergencies)
        insert(connection, "notices", told)
        insert(connection, "recordings", [row_of("recordings", 0)])
        before = {table: rows_of(connection, table) for table in ("alarms", "notices", "recordings")}
        assert migrate(connection, path) == len(MIGRATIONS) - 2
        assert rows_of(connection, "alarms") == before["alarms"]
        assert rows_of(connection, "notices") == before["notices"]
        assert rows_of(connection, "recordings") == [(*row, None) for row in before["recordings"]]
        insert(connection, "alarms", [row_of("alarms", 9) | {"cause": "recording"}])
        insert(connection, "notices", [row_of("notices", 9) | {"cause": "voicemail"}])
        with pytest.raises(sqlite3.IntegrityError):
            insert(connection, "alarms", [row_of("alarms", 10) | {"cause": "weather"}])


def test_what_was_sealed_before_is_of_when_its_recording_began(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    spans = {"began": ("1", "2"), "unheard": (None, "3")}
    with closing(connected(path)) as connection:
        migrate(connection, path, MIGRATIONS[:16])
        for id, (started, stopped) in spans.items():
            record = {"id": id, "line": "201", "started_at": started, "stopped_at": stopped, "state": "stopped"}
            insert(
                connection,
                "recordings",
                [record | {"opted_in": 1, "trigger": "button", "pauses": "[]", "links": "[]", "blind": 0}],
            )
        for id in (*spans, "alone"):
            insert(connection, "contents", [{"id": id, "state": "kept", "stored_at": "9", "size_bytes": 7}])
        migrate(connection, path)
        found = connection.execute("SELECT id, began_at, stored_at, size_bytes FROM contents ORDER BY id").fetchall()
    assert found == [("alone", "9", "9", 7), ("began", "1", "9", 7), ("unheard", "3", "9", 7)]


#: What a column that takes certain words only may hold; any other holds its own name, or a number.
WORDS = {
    "cause": "emergency",
    "severity": "critical",
    "news": "raised",
    "state": "pending",
    "trigger": "button",
}


def row_of(table: str, number: int) -> dict[str, object]:
    """A row as the schema of `MIGRATIONS[:2]` takes it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, Path("memory"), MIGRATIONS[:2])
        columns = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    row: dict[str, object] = {
        name: number % 2 if kind == "INTEGER" else WORDS.get(name, f"{name} {number}") for _, name, kind, *_ in columns
    }
    return row | {"id": f"{table}-{number}"} | ({"state": "stopped"} if table == "recordings" else {})


def insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def rows_of(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def test_a_migration_that_fails_is_rolled_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(connected(path)) as connection:
        migrate(connection, path)
    before = contents(path)
    broken = step(
        len(MIGRATIONS) + 1,
        "CREATE TABLE more (a TEXT) STRICT;\nDROP TABLE blind_times;\nINSERT INTO nowhere VALUES (1);",
    )
    with closing(connected(path)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, path, (*MIGRATIONS, broken))
        assert not connection.in_transaction
    assert contents(path) == before


KILLED_AT = """
import os, signal, sqlite3, sys
from pathlib import Path
from agent.stores.sqlite.migrate import migrate
path, left = Path(sys.argv[1]), int(sys.argv[2])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.set_trace_callback(count)
migrate(connection, path)
"""


async def test_an_agent_killed_at_any_statement_of_a_migration_goes_on_at_the_next_start(tmp_path: Path) -> None:
    whole = contents_of_new(tmp_path / "whole.db")
    statement = 0
    while True:
        statement += 3
        path = tmp_path / f"{statement}.db"
        if not killed_at(statement, path):
            break
        await (await SqliteStore.open(path)).close()
        assert contents(path) == whole, f"killed at statement {statement}"
    assert statement > 20


def killed_at(statement: int, path: Path) -> bool:
    """Migrate in a process that dies at its ``statement``; False if there were fewer."""
    command = [sys.executable, "-c", KILLED_AT, str(path), str(statement)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = subprocess.run(command, env=environment, check=False).returncode
    assert code in (0, -signal.SIGKILL)
    return code != 0


def contents_of_new(path: Path) -> tuple[int, list[tuple[Any, ...]]]:
    with closing(connected(path)) as connection:
        migrate(connection, path)
    return contents(path)


# Stores that are not this agent's


async def refused(path: Path, message: str) -> None:
    """Both the agent and the reader say ``message`` and leave the file as it was."""
    before = bytes_of(path)
    with pytest.raises(StoreError, match=message) as refusal:
        await SqliteStore.open(path)
    assert refusal.value.hint
    with pytest.raises(StoreError, match=message):
        SqliteReader(path)
    assert bytes_of(path) == before


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_newer_agents_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    with closing(connected(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    await refused(path, r"newer agent's: its schema is \d+, this agent knows \d+$")


async def test_a_store_made_by_other_migrations_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    with closing(connected(path)) as connection:
        connection.execute("UPDATE migrations SET checksum = 'other'")
    await refused(path, "made by other migrations")


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "astdb.sqlite3"
    with closing(connected(path)) as connection:
        connection.execute("CREATE TABLE astdb (key VARCHAR(256), value VARCHAR(256), PRIMARY KEY (key))")
    await refused(path, "database of another program")


async def test_an_older_agents_store_is_upgraded_by_the_agent_and_not_by_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    more = (*MIGRATIONS, step(len(MIGRATIONS) + 1, "CREATE TABLE more (a TEXT) STRICT;"))
    monkeypatch.setattr("agent.stores.sqlite.reader.MIGRATIONS", more)
    with pytest.raises(StoreError, match="older agent") as refusal:
        SqliteReader(path)
    assert "migrate" in refusal.value.hint
