"""The lock that app_voicemail itself takes on a folder, and the one that lets only one purge run.

Asterisk (`ast_lock_path`, 16 and 22) makes a file of a random name and links it to ``.lock``: who succeeds has the
folder, until the link is removed. With ``lockmode=flock`` in asterisk.conf it is flock on a file ``lock`` instead. We
take both, for from outside nobody sees which one it is.

While a folder is locked Asterisk waits for 5 s and then loses the message that somebody has just left. So ours is held
for moments, and after an agent was killed with it, the next one must know and remove it: our ``.lock`` is a link to one
file, the purge's own, which whoever purges has flocked. When nobody has, such a link is stale. Of Asterisk's own locks
none is ever removed.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.duties.voicemail import files

#: In the spool folder itself, where app_voicemail has its contexts.
OURS = ".telephony-agent-purge"
ASTERISKS, ASTERISKS_FLOCK = ".lock", "lock"
#: As long as Asterisk waits for us.
WAIT_S = 5.0
_AGAIN_S = 0.01
_MODE = 0o600
#: As Asterisk makes its own (AST_FILE_MODE); the file is empty, and the folder says who may come near.
_ASTERISKS_MODE = 0o666


class Locked(Exception):
    """A folder could not be had in time."""


class AnotherPurge(Exception):
    """A purge is running already."""


class Lock:
    """Everything that one purge has locked; made by `only`."""

    def __init__(self, spool: int, own: int, wait_s: float) -> None:
        self._spool = spool
        self._own = own
        self._wait_s = wait_s

    @contextmanager
    def folder(self, folder: int) -> Iterator[bool]:
        """Keep Asterisk out of a folder (descriptor); whether it was free at once, so that nobody came between.

        Raises:
            Locked: somebody else has had it for too long.
            OSError: it cannot be locked.
        """
        deadline = time.monotonic() + self._wait_s
        free = _until(lambda: self._linked(folder), deadline)
        try:
            with _flocked(folder, deadline) as free_too:
                yield free and free_too
        finally:
            self.unlock(folder)

    def unlock(self, folder: int) -> bool:
        """Remove our lock from a folder, whichever run set it; whether there was one.

        Raises:
            OSError: it cannot be removed.
        """
        if not _is_at(self._own, folder, ASTERISKS):
            return False
        os.unlink(ASTERISKS, dir_fd=folder)
        return True

    def note(self, place: str) -> None:
        """Write down which folder is about to be locked, for who finds the lock stale."""
        os.pwrite(self._own, place.encode("utf-8", "surrogateescape") + b"\0", 0)

    def noted(self) -> list[str]:
        """Where an earlier run may have left its lock: context, mailbox and folder."""
        place = os.pread(self._own, 4096, 0).partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return place.split("/") if place else []

    def _linked(self, folder: int) -> bool:
        try:
            os.link(OURS, ASTERISKS, src_dir_fd=self._spool, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return self.unlock(folder) and self._linked(folder)
        return True


@contextmanager
def only(spool: int, wait_s: float) -> Iterator[Lock]:
    """Be the one purge of this spool (descriptor); first remove the lock that a killed one has left.

    A locked folder is waited for ``wait_s`` seconds.

    Raises:
        AnotherPurge: there is one already.
        OSError: the spool folder cannot be written to.
    """
    own = os.open(OURS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE, dir_fd=spool)
    try:
        _flock(own)
        if not _is_at(own, spool, OURS):
            raise AnotherPurge
        lock = Lock(spool, own, wait_s)
        recover(spool, lock)
        try:
            yield lock
        finally:
            # The next one may be run by another user.
            os.unlink(OURS, dir_fd=spool)
    finally:
        os.close(own)


def recover(spool: int, lock: Lock) -> None:
    """Remove the lock that a killed purge has left on the folder that it had noted."""
    if len(place := lock.noted()) == 3:
        context, mailbox, folder = place
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), contextlib.ExitStack() as stack:
            within = spool
            for name in (context, mailbox, folder):
                within = stack.enter_context(files.opened(name, within))
            lock.unlock(within)
    lock.note("")


def left(spool: int) -> bool:
    """Whether a purge has been killed with a folder locked, so that `only` is due at once.

    Raises:
        OSError: the spool folder cannot be used.
    """
    try:
        own = os.open(OURS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spool)
    except FileNotFoundError:
        return False
    try:
        _flock(own)
        return os.pread(own, 1, 0) not in (b"", b"\0")
    except AnotherPurge:
        return False
    finally:
        os.close(own)


def _flock(own: int) -> None:
    if not stat.S_ISREG(os.fstat(own).st_mode):
        raise OSError(0, "the purge's own lock is no plain file")
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AnotherPurge from None


@contextmanager
def _flocked(folder: int, deadline: float) -> Iterator[bool]:
    """The other kind of lock (``lockmode=flock``)."""
    handle = -1

    def taken() -> bool:
        nonlocal handle
        handle = os.open(ASTERISKS_FLOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE, dir_fd=folder)
        try:
            with contextlib.suppress(PermissionError):  # it is Asterisk's
                # Asterisk, of another user, opens it to write, and loses a message that it cannot lock for.
                os.fchmod(handle, _ASTERISKS_MODE)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it before us has removed it, and the next one makes another.
            if _is_at(handle, folder, ASTERISKS_FLOCK):
                return True
        except BlockingIOError:
            pass
        os.close(handle)
        return False

    free = _until(taken, deadline)
    try:
        yield free
    finally:
        os.unlink(ASTERISKS_FLOCK, dir_fd=folder)
        os.close(handle)


def _until(taken: Callable[[], bool], deadline: float) -> bool:
    """Ask until it is taken; whether it was at once."""
    free = True
    # Nobody tells when it is free; Asterisk itself asks without a pause.
    while not taken():
        free = False
        if time.monotonic() >= deadline:
            raise Locked
        time.sleep(_AGAIN_S)
    return free


def _is_at(handle: int, folder: int, name: str) -> bool:
    """Whether this open file is the one of that name."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    own = os.fstat(handle)
    return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)
