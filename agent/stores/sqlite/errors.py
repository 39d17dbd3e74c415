"""What a failure of SQLite or of the file system means to the operator."""

import errno
import sqlite3
from pathlib import Path

from agent.ports import StoreError

_MAKE_ROOM = "free some space; what waits in memory is written then"
_RESTORE = "keep a copy of it, then restore a backup, or move it away and the agent begins a new one"
_LOOK = "look at the kernel log and the disk, and restart the agent when it is mended"
_RIGHTS = "give the agent's user read and write rights to the file and to its folder"

_DAMAGED = ("the store {path} is damaged", _RESTORE)
_BY_CODE = {
    sqlite3.SQLITE_FULL: ("there is no room left for the store {path}", _MAKE_ROOM),
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write the store {path}", _LOOK),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: (
        "{path} is not an SQLite database",
        "name another file in [store] url, or move this one away",
    ),
    sqlite3.SQLITE_READONLY: ("the store {path} cannot be written: it is read-only", _RIGHTS),
    sqlite3.SQLITE_PERM: ("the store {path} cannot be opened: permission denied", _RIGHTS),
    sqlite3.SQLITE_AUTH: ("the store {path} cannot be opened: permission denied", _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: ("the store {path} cannot be opened", _RIGHTS),
    sqlite3.SQLITE_BUSY: ("the store {path} is locked by another program", "end that program's transaction"),
    sqlite3.SQLITE_LOCKED: ("the store {path} is locked by another program", "end that program's transaction"),
}
_BY_ERRNO = {
    errno.EROFS: ("the store {path} cannot be written: its disk is read-only", "mount the disk read-write"),
    errno.ENOSPC: _BY_CODE[sqlite3.SQLITE_FULL],
    errno.EDQUOT: _BY_CODE[sqlite3.SQLITE_FULL],
    errno.EACCES: _BY_CODE[sqlite3.SQLITE_PERM],
    errno.EPERM: _BY_CODE[sqlite3.SQLITE_PERM],
}


class StoreFullError(StoreError):
    """There is no room left."""


class DiskFailedError(StoreError):
    """The disk failed to read, write or sync."""


#: What a call of SQLite may raise: in a damaged schema even the words of the error may be no UTF-8.
FAILURES = (sqlite3.Error, UnicodeDecodeError)


def damaged(path: Path) -> StoreError:
    """What is read from ``path`` is not what was written."""
    return _told(_DAMAGED, path)


def explained(error: sqlite3.Error | UnicodeDecodeError | OSError, path: Path) -> StoreError:
    """``error`` about the store at ``path`` in one sentence; never its own text, which may hold a stored value."""
    if isinstance(error, OSError):
        known = _BY_ERRNO.get(error.errno or 0)
        return _told(known or (f"the store {{path}} cannot be opened: {error.strerror}", "check [store] url"), path)
    if isinstance(error, UnicodeDecodeError):
        return damaged(path)
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The sqlite3 module's own errors have no code; in reading, it is text that is not UTF-8.
        return damaged(path) if isinstance(error, sqlite3.OperationalError) else _unknown(type(error).__name__, path)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:
        code = sqlite3.SQLITE_FULL  # The index of the WAL did not fit on the disk.
    known = _BY_CODE.get(code & 0xFF)  # The low byte is the primary code.
    return _told(known, path) if known else _unknown(error.sqlite_errorname, path)


def _unknown(name: str, path: Path) -> StoreError:
    return _told((f"the store {{path}} failed: {name}", "report this: it should not happen"), path, everything=False)


def _told(words: tuple[str, str], path: Path, *, everything: bool = True) -> StoreError:
    message, hint = words
    kind = {_MAKE_ROOM: StoreFullError, _LOOK: DiskFailedError}.get(hint, StoreError)
    return kind(message.replace("{path}", str(path)), hint, everything=everything)
