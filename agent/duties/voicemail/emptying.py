"""Erases a mailbox: its messages and its greetings; the mailbox itself stays, as it is Asterisk's configuration."""

import os
from pathlib import Path

from agent.duties.voicemail import files
from agent.duties.voicemail.lock import ASTERISKS, ASTERISKS_FLOCK, WAIT_S, AnotherPurge, Lock, Locked, only
from agent.duties.voicemail.message import FOLDERS
from agent.duties.voicemail.purge import Box, SpoolBusy, SpoolError

_LOCKS = (ASTERISKS, ASTERISKS_FLOCK)


def empty(spool: Path, box: Box, *, dry_run: bool = False, wait_s: float = WAIT_S) -> int:
    """Delete every file of the mailbox ``box`` in ``spool``, folder by folder, each locked; how many. It blocks.

    ``dry_run``: it only counts. A locked folder is waited for ``wait_s`` seconds.

    Raises:
        SpoolError: there is no such mailbox, or some of it is left; another attempt goes on.
    """
    try:
        with (
            files.opened(str(spool)) as whole,
            files.opened(box[0], whole) as context,
            files.opened(box[1], context) as mailbox,
        ):
            if dry_run:
                return _counted(mailbox) + sum(_within(mailbox, name) for name in _folders(mailbox))
            with only(whole, wait_s) as lock:
                gone = sum(_emptied(lock, mailbox, name, f"{box[0]}/{box[1]}/{name}") for name in _folders(mailbox))
                return gone + _deleted(mailbox)
    except AnotherPurge:
        raise SpoolBusy("the voicemail spool is being purged: try again") from None
    except Locked:
        raise SpoolError("somebody is in the mailbox: try again") from None
    except OSError as error:
        raise SpoolError(f"the mailbox cannot be erased: {error.strerror or 'it failed'}") from None


def _folders(mailbox: int) -> list[str]:
    return [name for name, is_folder, _ in files.names(mailbox) if is_folder and name in FOLDERS]


def _emptied(lock: Lock, mailbox: int, name: str, place: str) -> int:
    with files.opened(name, mailbox) as folder:
        lock.note(place)
        with lock.folder(folder):
            gone = _deleted(folder)
        lock.note("")
    return gone


def _within(mailbox: int, name: str) -> int:
    with files.opened(name, mailbox) as folder:
        return _counted(folder)


def _plain(folder: int) -> list[str]:
    """All but folders and locks; a link is deleted, and not what it names."""
    return [name for name, is_folder, _ in files.names(folder) if not is_folder and name not in _LOCKS]


def _counted(folder: int) -> int:
    return len(_plain(folder))


def _deleted(folder: int) -> int:
    names = _plain(folder)
    for name in names:
        os.unlink(name, dir_fd=folder)
    os.fsync(folder)
    return len(names)
