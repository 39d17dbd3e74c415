"""Files of the operator's that hold a secret alone: made whole and for their owner's eyes, or not at all."""

import os
from pathlib import Path

from agent.stores.vault.opening import sync_folder


def write_new(path: Path, text: str, *, like: Path | None = None) -> None:
    """A new file of mode 0600 with ``text``, safely on the disk or not there; its owner is that of ``like``.

    Raises:
        FileExistsError: something is there already.
        OSError, ValueError: it cannot be made.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    whole = False
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # Whatever the umask took.
            if like is not None and os.geteuid() == 0:
                owner = like.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        whole = True
    finally:
        if not whole:
            path.unlink(missing_ok=True)
