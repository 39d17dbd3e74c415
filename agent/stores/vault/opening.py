"""The keyring's file: made, opened, told from another program's, and cleared of what was deleted."""

import os
import sqlite3
from importlib.resources import files
from pathlib import Path

from agent.ports import StoreError
from agent.stores.vault.errors import FAILURES, damaged, explained

#: Marks the file as a keyring of this agent (``PRAGMA application_id``): "TELK".
APPLICATION_ID = int.from_bytes(b"TELK", "big")
SCHEMA = 2

#: How long a statement waits for another program's lock; only the commands about keys ever hold one.
_BUSY_S = 2.0
_PRAGMAS = (
    "journal_mode = PERSIST",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "synchronous = FULL",
    "foreign_keys = ON",
)
_SCRUBBED_BYTES = 1 << 16
#: More of the journal is not kept: a new schema or a rotation would let every later change overwrite as much as it did.
_JOURNAL_BYTES = 1 << 15


def make(path: Path) -> None:
    """An empty file of mode 0600 where there is none, its name on the disk.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        else:
            sync_folder(path.parent)
        for file in (path, _journal(path)):
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
    except FileNotFoundError:
        raise StoreError(f"there is no folder for the keyring {path}", f"make it: mkdir -p {path.parent}") from None
    except OSError as error:
        raise explained(error, path) from None


def sync_folder(folder: Path) -> None:
    """Let the names in ``folder`` be on the disk: else a power cut may take one, or bring one back.

    Raises:
        OSError: they are not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """The existing keyring at ``path`` in autocommit; may be used from any one thread at a time.

    What is deleted is overwritten in the file; the journal stays where it is, so that `scrub` can overwrite it too.

    Raises:
        StoreError: it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except FAILURES as error:
        raise explained(error, path) from None
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except FAILURES as error:
        connection.close()
        raise explained(error, path) from None
    return connection


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """The schema number; 0 is an empty file.

    Raises:
        StoreError: it is another program's database, or a newer agent's.
        sqlite3.Error: it cannot be read.
    """
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if owner != APPLICATION_ID:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if owner == 0 and tables == 0:
            return 0
        raise StoreError(f"{path} is the database of another program", "name another file as keyring_file under [keys]")
    if not 1 <= schema <= SCHEMA:
        raise StoreError(
            f"the keyring {path} is a newer agent's: its schema is {schema}, this agent knows {SCHEMA}",
            "run the newer agent, or restore a backup from before the upgrade",
        )
    return int(schema)


def create(connection: sqlite3.Connection, salt: bytes, proof: bytes) -> None:
    """Make the first tables of a new keyring, within a transaction; `upgrade` makes the others.

    Raises:
        sqlite3.Error: there are none.
    """
    _execute(connection, "keyring.sql")
    connection.execute("INSERT INTO keyring VALUES (?, ?)", (salt, proof))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a keyring of schema 1 to this one, within a transaction.

    Raises:
        sqlite3.Error: it was not brought.
    """
    _execute(connection, "keyring_2.sql")
    connection.execute(f"PRAGMA user_version = {SCHEMA:d}")


def _execute(connection: sqlite3.Connection, script: str) -> None:
    for statement in files(__package__).joinpath(script).read_text(encoding="utf-8").split(";\n"):
        connection.execute(statement)


def head(connection: sqlite3.Connection, path: Path) -> tuple[bytes, bytes, int | None]:
    """The salt, what proves the site key, and the slot of the key that accounts are hashed with (None in schema 1).

    Raises:
        StoreError: they are not there.
        sqlite3.Error: they cannot be read.
    """
    rows = connection.execute("SELECT * FROM keyring").fetchall()
    if len(rows) != 1 or not all(isinstance(value, bytes) for value in rows[0][:2]):
        raise damaged(path)
    salt, proof, *rest = rows[0]
    return salt, proof, rest[0] if rest else None


def scrub(connection: sqlite3.Connection, path: Path) -> None:
    """Overwrite the journal, which holds what the latest change deleted.

    An unlinked journal would leave that to whoever reads the free blocks of the disk.

    Raises:
        OSError, sqlite3.Error: it was not overwritten.
    """
    connection.execute("BEGIN IMMEDIATE")  # No other program can be using the journal within a transaction of nothing.
    try:
        _zero(_journal(path))
    finally:
        connection.execute("ROLLBACK")


def _journal(path: Path) -> Path:
    return path.with_name(path.name + "-journal")


def _zero(journal: Path) -> None:
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, "r+b", buffering=0) as file:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= file.write(bytes(min(left, _SCRUBBED_BYTES)))
        os.fsync(descriptor)
        if os.fstat(descriptor).st_size > _JOURNAL_BYTES:
            os.ftruncate(descriptor, _JOURNAL_BYTES)
