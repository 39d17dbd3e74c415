"""Text that a command writes: to standard output, or into a new file of which there is no half."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from agent.cli.common import PROBLEMS, USAGE, fail
from agent.core.printable import printable


@contextmanager
def fresh(to: str) -> Iterator[BinaryIO]:
    """The new file ``to``, for its owner alone; where its end is not reached there is none."""
    try:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        fail(USAGE, f"{printable(to)} cannot be made: {words(error)}")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
    except BaseException:
        os.unlink(to)
        raise


def write(to: str, lines: Iterable[str]) -> None:
    """Write ``lines``, whose ends are in them, to the new file ``to``, or to standard output for ``-``.

    Nothing is made before the first line is there.
    """
    found = iter(lines)
    first = next(found, "")
    if to == "-":
        _pour(sys.stdout.buffer, first, found, "standard output")
        return
    with fresh(to) as file:
        _pour(file, first, found, printable(to))
        os.fsync(file.fileno())


def _pour(file: BinaryIO, first: str, rest: Iterator[str], name: str) -> None:
    try:
        file.write(first.encode())
        for line in rest:
            file.write(line.encode())
        file.flush()
    except OSError as error:
        if file is sys.stdout.buffer:
            # What waits in the buffer would be tried again at the exit, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        fail(PROBLEMS, f"{name} cannot be written: {words(error)}")


def words(error: OSError | ValueError) -> str:
    """What went wrong."""
    return (isinstance(error, OSError) and error.strerror) or "it is no path"
