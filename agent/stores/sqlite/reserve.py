"""Room on the store's disk that is kept for emergencies: a file that is emptied when nothing else is left."""

import os
from pathlib import Path

#: st_blocks of stat(2) counts these, whatever the file system's own blocks are.
_BLOCK = 512


class Reserve:
    """So many bytes beside the store at ``store``; 0: none are kept. Everything here blocks.

    ``held``: they are there. ``spent``: they were given up, and until they are taken again what is free is for
    emergencies alone. ``alone``: they are there, and less than as much again is free beside them.
    """

    def __init__(self, store: Path, size: int) -> None:
        self.size = size
        self.held = self.spent = self.alone = False
        self._path = store.with_name(store.name + ".reserve")

    def take(self) -> bool:
        """Set the room aside where as much again stays free beside it; whether it is held now."""
        if not self.size:
            return False
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.fchmod(file, 0o600)  # Whatever the umask took.
                missing = self.size - os.fstat(file).st_blocks * _BLOCK
                if missing > 0 and _free(file) - missing >= self.size:
                    os.posix_fallocate(file, 0, self.size)
                # A file system that compresses may have taken less.
                self.held = os.fstat(file).st_blocks * _BLOCK >= self.size
                self.alone = self.held and _free(file) < self.size
            finally:
                os.close(file)
        except OSError:
            self.held = self.alone = False
        self.spent = self.spent and not self.held
        return self.held

    def give_up(self) -> bool:
        """Free the room; whether there was any."""
        try:
            held = os.stat(self._path).st_blocks > 0
            os.truncate(self._path, 0)
        except OSError:
            return False
        self.held = self.alone = False
        self.spent = self.spent or held
        return held


def _free(file: int) -> int:
    state = os.fstatvfs(file)
    return state.f_bavail * state.f_frsize
