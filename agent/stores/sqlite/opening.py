"""The way to an open store: folder, lock, file, health, schema; a store that is refused is left as it was."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent.ports import StoreError
from agent.stores.sqlite.errors import FAILURES, damaged, explained
from agent.stores.sqlite.migrate import migrate, schema_of

#: How long a statement waits for another program's lock. No reader ever holds one for long.
BUSY_S = 2.0

#: Past this size the start checks only the schema: reading every page would hold up the emergencies of a restart.
QUICK_CHECK_BYTES = 1 << 30

Say = Callable[[str], None]


class Lock:
    """The right to write: held by one agent at a time, on ``<store>.lock``, and given up with the process.

    It is no lock on the database file itself, which SQLite would lose whenever this process closed that file.
    """

    def __init__(self, store: Path) -> None:
        path = store.with_name(store.name + ".lock")
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let another agent write; a second time does nothing."""
        self._file.close()


def prepare(path: Path, say: Say | None = None) -> Lock:
    """Make the store at ``path`` ready for its one writer, making it if it is missing.

    The folder is made if only its last part is missing. Folder 0700, files 0600.

    Raises:
        StoreError: it cannot be used; an existing file has not been changed.
    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        lock = Lock(path)
    except BlockingIOError:
        raise StoreError(
            f"another agent has the store {path} open", "stop it, or give this one its own store"
        ) from None
    except FileNotFoundError:
        raise StoreError(f"there is no folder for the store {path}", f"make it: mkdir -p {path.parent}") from None
    except OSError as error:
        raise explained(error, path) from None
    try:
        _make_ready(path, say)
    except (*FAILURES, OSError) as error:
        lock.release()
        raise explained(error, path) from None
    except StoreError:
        lock.release()
        raise
    return lock


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """``path`` in autocommit, opened with the URI parameters ``mode``; may be used from any one thread at a time."""
    return sqlite3.connect(uri_of(path, mode), uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def uri_of(path: Path, mode: str) -> str:
    """SQLite's name for ``path`` with the URI parameters ``mode``, whatever characters the path holds."""
    return f"{path.absolute().as_uri()}?{mode}"


def beside(path: Path, suffix: str) -> Path:
    """SQLite's own file of that ``suffix`` beside ``path``."""
    return path.with_name(path.name + suffix)


def lengthen(file: Path, length: int) -> int:
    """Fill ``file`` up with zeros to ``length`` bytes, unless it is longer; how long it is.

    Raises:
        OSError: there is no room for it.
    """
    with file.open("r+b", buffering=0) as opened:
        length = max(length, (long := opened.seek(0, os.SEEK_END)))
        if long < length:
            opened.write(bytes(length - long))
        return opened.tell()


def sync(file: Path) -> None:
    """Return when the bytes of ``file`` are on the disk.

    Raises:
        OSError: the disk failed.
    """
    with file.open("rb") as opened:
        os.fdatasync(opened.fileno())


def _make_ready(path: Path, say: Say | None) -> None:
    if not path.exists():
        if say:
            say(f"store: making {path}")
        _create(path)
    elif path.stat().st_size:
        _examine(path, say)
    for file in (path, beside(path, "-wal"), beside(path, "-shm")):
        if file.exists() and file.stat().st_mode & 0o077:
            file.chmod(0o600)
    with closing(connect(path, "mode=rw")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")  # SQLite opens what it may not write, and only tells when asked to.
        connection.execute("ROLLBACK")
        migrate(connection, path, say=say)


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # Whatever the umask took; SQLite gives -wal and -shm the same mode.
    finally:
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # Else a power cut may take the name, and with it every durable record.
    finally:
        os.close(folder)


def _examine(path: Path, say: Say | None) -> None:
    """Refuse a store that is not ours or not whole, through a connection that cannot change it."""
    if beside(path, "-journal").exists():
        mode = "mode=rw"  # Left by a death in the very first moment; only a writer can roll it back.
    elif beside(path, "-wal").exists():
        mode = "mode=ro"
    else:
        mode = "immutable=1"  # Makes no WAL; nobody else writes, for then there would be one.
    with closing(connect(path, mode)) as connection:
        schema_of(connection, path)
        size = path.stat().st_size
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        if mode == "immutable=1" and size % page_bytes:
            raise damaged(path)  # Cut short; SQLite would fill it up with zeros. With a WAL, that mends it.
        if size > QUICK_CHECK_BYTES:
            connection.execute("PRAGMA schema_version").fetchone()
            return
        if say:
            say(f"store: checking {path} ({size / 1e6:.1f} MB)")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise damaged(path)
