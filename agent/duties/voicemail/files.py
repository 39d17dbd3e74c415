"""Files below one folder, by descriptor: no name leads out of it, and no symbolic link is ever followed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Of an index that holds more, the rest is not read.
_MOST_BYTES = 1 << 16


@contextmanager
def opened(name: str, within: int | None = None) -> Iterator[int]:
    """The descriptor of a folder: ``name`` in the folder ``within``, where it may be no link, or the path ``name``.

    Raises:
        OSError: there is none, or it may not be read.
    """
    handle = os.open(name, _FOLDER) if within is None else os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield handle
    finally:
        os.close(handle)


def names(folder: int) -> list[tuple[str, bool, bool]]:
    """What is in a folder, sorted: the name, whether it is a folder, whether it is a symbolic link.

    Raises:
        OSError: it may not be read.
    """
    with os.scandir(folder) as entries:
        return sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)


def changed_at(folder: int, name: str | None = None) -> int | None:
    """When the folder, or a plain file in it, was last written to (ms); None for what is no plain file.

    Raises:
        OSError: it is not there.
    """
    if name is None:
        return os.fstat(folder).st_mtime_ns // 1_000_000
    seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return seen.st_mtime_ns // 1_000_000 if stat.S_ISREG(seen.st_mode) else None


def content(folder: int, name: str) -> bytes:
    """The beginning of a plain file, or nothing where it cannot be read."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as file:
        try:
            return file.read(_MOST_BYTES)
        except OSError:
            return b""
