"""What a failure of the keyring or of the recordings' folder means to the operator."""

import errno
import sqlite3
from pathlib import Path

from agent.ports import StoreError

_MAKE_ROOM = "free some space there; until then no recording is kept"
_RIGHTS = "give the agent's user, and nobody else, read and write rights to it and to its folder"
_RESTORE = "keep a copy of it, then restore its backup; without it no recording can be opened"

_FULL = ("there is no room left for {path}", _MAKE_ROOM)
_FORBIDDEN = ("{path} cannot be used: permission denied", _RIGHTS)
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: ("{path} cannot be written: its disk is read-only", "mount the disk read-write"),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: ("a file is missing in {path}", "see who removed it"),
    errno.EIO: ("the disk failed to read or write {path}", "look at the kernel log and the disk"),
}
_BY_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _BY_ERRNO[errno.EIO],
    sqlite3.SQLITE_CORRUPT: ("the keyring {path} is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("{path} is no keyring", "name another file as keyring_file under [keys], or move it away"),
    sqlite3.SQLITE_READONLY: ("the keyring {path} cannot be written: it is read-only", _RIGHTS),
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_AUTH: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: ("the keyring {path} cannot be opened", _RIGHTS),
    sqlite3.SQLITE_BUSY: ("the keyring {path} is locked by another program", "end that program's transaction"),
    sqlite3.SQLITE_LOCKED: ("the keyring {path} is locked by another program", "end that program's transaction"),
}


#: What a call of SQLite may raise: in a damaged schema even the words of the error may be no UTF-8.
FAILURES = (sqlite3.Error, UnicodeDecodeError)


def damaged(path: Path) -> StoreError:
    """What is read from the keyring at ``path`` is not what was written."""
    return _told(_BY_CODE[sqlite3.SQLITE_CORRUPT], path)


def explained(error: sqlite3.Error | UnicodeDecodeError | OSError, path: Path) -> StoreError:
    """``error`` about the file or folder at ``path`` in one sentence; never its own text, which may hold a value."""
    if isinstance(error, OSError):
        known = _BY_ERRNO.get(error.errno or 0)
        return _told(known or (f"{{path}} cannot be used: {error.strerror}", "look at what is there"), path)
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The sqlite3 module's own errors have no code: text that is not UTF-8, or misuse of the module.
        wrong = isinstance(error, UnicodeDecodeError | sqlite3.OperationalError)
        return damaged(path) if wrong else _unknown(type(error).__name__, path)
    known = _BY_CODE.get(code & 0xFF)  # The low byte is the primary code.
    return _told(known, path) if known else _unknown(error.sqlite_errorname, path)  # type: ignore[union-attr]


def _unknown(name: str, path: Path) -> StoreError:
    return _told((f"the keyring {{path}} failed: {name}", "report this: it should not happen"), path)


def _told(words: tuple[str, str], path: Path) -> StoreError:
    message, hint = words
    return StoreError(message.replace("{path}", str(path)), hint)
