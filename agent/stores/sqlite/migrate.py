"""Numbered migrations: each is applied once, whole or not at all, and never changed afterwards."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from agent.ports import StoreError

#: Marks the file as a store of this agent (``PRAGMA application_id``): "TELA".
APPLICATION_ID = int.from_bytes(b"TELA", "big")

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step from the schema ``number - 1`` to ``number``."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()


def shipped() -> tuple[Migration, ...]:
    """The migrations in this package, by number from 1."""
    found = []
    for file in files(__package__).joinpath("migrations").iterdir():
        if match := _FILE.fullmatch(file.name):
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(number=int(match[1]), name=match[2], sql=sql))
    return tuple(sorted(found, key=lambda migration: migration.number))


MIGRATIONS = shipped()


def schema_of(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """The schema number of the store at ``path``; 0 is an empty file.

    Raises:
        StoreError: it is another program's database, a newer agent's, or was made by other migrations.
        sqlite3.Error: it cannot be read.
    """
    owner = _number(connection, "PRAGMA application_id")
    if owner != APPLICATION_ID:
        if owner == 0 and _number(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            return 0
        raise StoreError(f"{path} is the database of another program", "name another file in [store] url")
    schema = _number(connection, "PRAGMA user_version")
    if schema > len(migrations):
        raise StoreError(
            f"the store {path} is a newer agent's: its schema is {schema}, this agent knows {len(migrations)}",
            "run the newer agent, or restore a backup from before the upgrade",
        )
    applied = connection.execute("SELECT number, checksum FROM migrations ORDER BY number").fetchall()
    if applied != [(migration.number, migration.checksum) for migration in migrations[:schema]]:
        raise StoreError(
            f"the store {path} was made by other migrations than this agent's",
            "run the agent that made it, or restore a backup",
        )
    return schema


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    migrations: Sequence[Migration] = MIGRATIONS,
    say: Callable[[str], None] | None = None,
) -> int:
    """Bring the store at ``path`` to the newest schema, one transaction a migration; how many were applied.

    ``connection`` must be in autocommit (``isolation_level=None``).

    Raises:
        StoreError: as in `schema_of`; nothing was changed.
        sqlite3.Error: a migration failed; it was rolled back whole, those before it stay.
    """
    waiting = migrations[schema_of(connection, path, migrations) :]
    for migration in waiting:
        if say:
            say(f"store: migration {migration.number:04d}_{migration.name}")
        _apply(connection, migration)
    return len(waiting)


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(migration.sql):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
            (migration.number, migration.name, migration.checksum),
        )
        connection.execute(f"PRAGMA user_version = {migration.number:d}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """One statement after another; ``executescript`` would commit what the transaction holds so far."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _number(connection: sqlite3.Connection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone()
    return int(number)
