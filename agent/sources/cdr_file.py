"""The file in which Asterisk writes its CDRs: taken away by its name, read, and destroyed once all of it is stored.

Asterisk opens the file anew for each CDR and makes it where it is gone (`cdr_custom.so`, 16 and 22). So the agent
renames it, waits until nobody has it open any more, and reads what then changes no more. Until the last of its calls is
stored durably it stays beside, under its second name, and is read again by the next run: the records' ids come from
the CDRs, so that what is read twice is kept once.
"""

import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from agent.ports import StoreError

#: So often at the most it is looked at again for what still comes.
LOOKS = 5
#: Where the system cannot say whether Asterisk still has the file open: so long after its renaming it has not.
QUIET_S = 60.0
_OTHER = "it is no regular file: remove it, and let Asterisk make its own"


class CallFileError(Exception):
    """The file cannot be read or removed now; the message is for the operator, with nothing in it of what it holds."""


class CallFile:
    """The file at ``path`` and its second name. Blocking; callers use a thread. ``shred`` overwrites and removes.

    It is taken once nothing more came between two looks, after ``looks`` of them in any case.
    """

    def __init__(self, path: Path, shred: Callable[[Path], object], *, looks: int = LOOKS) -> None:
        self.path = path
        self._looks = looks
        self._seen = (-1, 0)
        self.taken = path.with_name(path.name + ".taken")
        self._shred = shred

    def take(self) -> int | None:
        """A descriptor of the file under its second name, of which nothing changes any more; None: nothing to read yet.

        The folder is locked for as long as it is open, so that two agents never take the same file.

        Raises:
            CallFileError: it is none of ours to read.
        """
        folder = self._locked_folder()
        try:
            if not self._is_file(self.taken):
                if not self._is_file(self.path) or not self._settled():
                    return None
                os.rename(self.path, self.taken)
            descriptor = os.open(self.taken, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(descriptor)
                if stat.S_ISREG(found.st_mode) and found.st_nlink and _closed_by_others(descriptor):
                    # The lock goes on with this one, and with it ends.
                    return os.dup(descriptor)
            finally:
                os.close(descriptor)
        except BlockingIOError:
            raise CallFileError(f"another program reads {self.taken}") from None
        except OSError as error:
            raise CallFileError(f"{self.path} cannot be taken: {error.strerror}") from None
        finally:
            os.close(folder)
        return None

    def remove(self) -> None:
        """Destroy what was taken; of a file that this user may not write to, the name alone.

        Raises:
            CallFileError: it may be there still.
        """
        try:
            if os.access(self.taken, os.W_OK):
                self._shred(self.taken)
            else:
                self.taken.unlink()
        except OSError as error:
            raise CallFileError(f"{self.taken} cannot be removed: {error.strerror}") from None
        except StoreError as error:
            raise CallFileError(f"{self.taken} cannot be removed: {error}") from None

    def waiting_bytes(self) -> int:
        """How much there is to read."""
        return sum(path.lstat().st_size for path in (self.path, self.taken) if path.exists())

    def _locked_folder(self) -> int:
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CallFileError(f"{self.path.parent} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise CallFileError(f"another program has locked {self.path.parent}") from None
        return folder

    def _settled(self) -> bool:
        """Whether nothing came since the last look, so that legs of one call are read together; or it has been long."""
        size, (before, looks) = os.lstat(self.path).st_size, self._seen
        settled = size == before or looks >= self._looks
        self._seen = (-1, 0) if settled else (size, looks + 1)
        return settled

    def _is_file(self, path: Path) -> bool:
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise CallFileError(f"{path} is left alone: {_OTHER}")
        return True


def _closed_by_others(descriptor: int) -> bool:
    """Whether nobody else has the file open, by a lease that is given back at once; the system grants it then only."""
    # Were somebody to open it just now, the signal of that would end the agent.
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    except OSError:
        # Another's file, or a file system without leases.
        return time.time() - os.fstat(descriptor).st_ctime >= QUIET_S
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True
