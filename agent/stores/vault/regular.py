"""Files that somebody else may have put there: opened without following, waiting for or believing anything."""

import errno
import os
import stat
from pathlib import Path

from agent.ports import StoreError

#: What opening something tells when it is a symbolic link, a folder to be written, or a socket.
_OTHER_KINDS = (errno.ELOOP, errno.EISDIR, errno.ENXIO)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """The descriptor of the regular file at ``path``.

    Raises:
        StoreError: it is something else.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _OTHER_KINDS:
            raise _other(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _other(path)
    return descriptor


def _other(path: Path) -> StoreError:
    return StoreError(f"something in {path.parent} is no regular file", "see who put it there")
