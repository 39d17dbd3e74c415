"""The sound files of one mailbox, for its owner's copy: greetings, names and messages as they lie there."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.duties.voicemail import files
from agent.duties.voicemail.message import FOLDERS
from agent.duties.voicemail.purge import Box, SpoolError

_READ_BYTES = 1 << 20


def sounds(spool: Path, box: Box) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Each plain file of the mailbox ``box`` in ``spool``: its name, with its folder before it, and its content.

    The content is to be read before the next file is asked for. What is no plain file is left out, and so is what went
    meanwhile.

    Raises:
        SpoolError: there is no such mailbox, or it cannot be read.
    """
    try:
        with (
            files.opened(str(spool)) as whole,
            files.opened(box[0], whole) as context,
            files.opened(box[1], context) as mailbox,
        ):
            for name, is_folder, _ in files.names(mailbox):
                if not is_folder:
                    yield from _sound(mailbox, name, name)
                elif name in FOLDERS:
                    with files.opened(name, mailbox) as folder:
                        for message, is_other, _ in files.names(folder):
                            if not is_other:
                                yield from _sound(folder, message, f"{name}/{message}")
    except OSError as error:
        raise SpoolError(f"the mailbox cannot be read: {error.strerror or 'it failed'}") from None


def _sound(folder: int, name: str, shown: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, OSError):
        return
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISREG(os.fstat(handle).st_mode) and not name.startswith("."):
            yield shown, iter(lambda: file.read(_READ_BYTES), b"")
