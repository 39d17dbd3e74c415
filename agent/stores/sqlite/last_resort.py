"""A file elsewhere for emergencies that the store does not take: the same rows, as JSON lines, until it takes them."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from agent.core.lanes import Lane, lane_of
from agent.core.records import RECORDS, Key, Probe, Record, key_of
from agent.ports import StoreError
from agent.stores.sqlite.batches import Batch
from agent.stores.sqlite.rows import Opening, from_names
from agent.stores.sqlite.statements import STATEMENTS

#: More than this is not written: an outage of days must not fill the memory that the file may lie in.
MOST_BYTES = 32 << 20

#: What may stand in the file: nothing but writing a kind of record, or the handle of a line.
_NAMES = {STATEMENTS[name]: name for name in STATEMENTS if name.startswith("upsert_")}
_SCHEMA = "schema"


def belongs(record: Record) -> bool:
    """Whether it is one of an emergency's, which are written here."""
    return lane_of(record) is Lane.EMERGENCY and not isinstance(record, Probe)


class LastResort:
    """The file at ``path`` (None: there is none), for rows of the schema ``schema``; everything here blocks.

    ``bytes`` is how much is in it. What is in it is whole up to the last line: `append` syncs each.
    """

    def __init__(self, path: Path | None, schema: int) -> None:
        self._path, self._schema = path, schema
        #: Why the last `append` or `batches` failed; "" where it did not.
        self.fault = ""
        self.bytes = self._size()

    @property
    def configured(self) -> bool:
        """Whether there is one."""
        return self._path is not None

    def prepare(self) -> None:
        """Make the file where it is missing, so that `fault` tells now, and not when it is needed."""
        if self._path is None:
            return
        try:
            os.close(self._opened())
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)  # Else a power cut may take the name.
            finally:
                os.close(folder)
        except OSError as error:
            self.fault = error.strerror or type(error).__name__

    def append(self, batch: Batch) -> bool:
        """Add one transaction's rows, and sync them; whether they are in."""
        if self._path is None:
            return False
        rows = {_NAMES[statement]: rows for statement, rows in batch if rows}
        line = json.dumps({_SCHEMA: self._schema, **rows}).encode() + b"\n"
        if self.bytes + len(line) > MOST_BYTES:
            self.fault = "it is full"
            return False
        try:
            file = self._opened()
            try:
                begin = os.fstat(file).st_size
                whole = not begin or os.pread(file, 1, begin - 1) == b"\n"  # A kill may have torn the last one.
                line = line if whole else b"\n" + line
                if os.write(file, line) < len(line):
                    os.ftruncate(file, begin)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            self.fault = error.strerror or type(error).__name__
            return False
        finally:
            self.bytes = self._size()
        self.fault = ""
        return True

    def batches(self) -> list[Batch]:
        """What is in it, in the order in which it came.

        Raises:
            StoreError: it is not the agent's alone, or of another version; it stays as it is.
        """
        if self._path is None or not self.bytes:
            return []
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(file, "rb") as lines:
                state = os.fstat(file)
                if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
                    raise self._unusable("it is not the agent's alone")
                return [self._batch(rows) for line in lines if (rows := _read(line)) is not None]
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None
        except (ValueError, KeyError):
            raise self._unusable("it is damaged") from None

    def records(self, opening: Opening) -> list[Record]:
        """The last state of each record in it; none where it cannot be read."""
        found: dict[Key, Record] = {}
        try:
            for statement, rows in (part for batch in self.batches() for part in batch):
                kind = _NAMES[statement].removeprefix("upsert_")
                found.update((key_of(record), record) for row in rows for record in [from_names(kind, row, opening)])
        except (StoreError, ValueError):
            return []
        return [record for record in found.values() if belongs(record)]

    def clear(self, read_bytes: int) -> None:
        """The first ``read_bytes`` of it are in the store: overwrite them, and begin anew if that is all."""
        if self._path is None or not read_bytes:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.pwrite(file, b" " * (read_bytes - 1) + b"\n", 0)  # One line that holds nothing.
                os.fsync(file)
                if os.fstat(file).st_size == read_bytes:
                    os.ftruncate(file, 0)
                    os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            self.fault = error.strerror or type(error).__name__
        self.bytes = self._size()

    def _batch(self, line: dict[str, Any]) -> Batch:
        if line.pop(_SCHEMA) != self._schema:
            raise self._unusable("another version of the agent wrote it: start that once")
        allowed = {f"upsert_{record.KIND}" for record in RECORDS}
        if not line.keys() <= allowed:
            raise ValueError
        return [(STATEMENTS[name], rows) for name, rows in line.items()]

    def _opened(self) -> int:
        assert self._path is not None
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.fchmod(file, 0o600)  # Whatever the umask took.
        return file

    def _unusable(self, why: str) -> StoreError:
        self.fault = why
        return StoreError(f"the last resort {self._path} cannot be read: {why}", "move it away once it is looked at")

    def _size(self) -> int:
        try:
            return 0 if self._path is None else os.stat(self._path, follow_symlinks=False).st_size
        except OSError:
            return 0


def _read(line: bytes) -> dict[str, Any] | None:
    """The rows in one line; None where a kill tore it: whoever wrote it was not told that it was in."""
    try:
        rows = json.loads(line)
    except ValueError:
        return None
    return rows if isinstance(rows, dict) else None
