"""Sound that is not yet to be kept: in memory, off the disk, and overwritten before it goes."""

import os
from dataclasses import dataclass
from pathlib import Path

from agent.ports import StoreError
from agent.stores.vault.errors import explained
from agent.stores.vault.regular import open_regular

_MOUNTS = Path("/proc/self/mountinfo")
_SWAPS = Path("/proc/swaps")
_ZEROS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    kind: str
    options: frozenset[str]  # of the file system, wherever it is mounted


def is_memory(path: Path) -> bool:
    """Whether the folder ``path`` is on tmpfs or ramfs; False when that cannot be known."""
    mount = _mount_of(path)
    return mount is not None and mount.kind in ("tmpfs", "ramfs")


def swap_in_use() -> bool:
    """Whether this machine swaps, so that what is on tmpfs may reach a disk; True when that cannot be known."""
    try:
        return len(_SWAPS.read_bytes().splitlines()) > 1  # The first line names the columns.
    except OSError:
        return True


def never_swapped(path: Path) -> bool:
    """Whether the folder ``path`` is in memory and no swap can take it: ramfs, tmpfs with noswap, or no swap at all."""
    mount = _mount_of(path)
    if mount is None or mount.kind not in ("tmpfs", "ramfs"):
        return False
    return mount.kind == "ramfs" or "noswap" in mount.options or not swap_in_use()


def shred(path: Path) -> int:
    """Overwrite the file at ``path`` with zeros and remove its name; one that is not there is gone already.

    Returns:
        How many other names (hard links) it still has; what they name is overwritten too.

    Raises:
        StoreError: it is no regular file, which is left as it is, or it may still be there.
    """
    try:
        with open(open_regular(path, os.O_RDWR), "r+b", buffering=0) as file:
            found = os.fstat(file.fileno())
            left = found.st_size
            while left > 0:
                left -= file.write(bytes(min(left, _ZEROS_BYTES)))
            os.fsync(file.fileno())
            now = os.lstat(path)
            if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):
                raise StoreError(f"a file in {path.parent} was exchanged for another", "see who did that")
            path.unlink()
            return os.fstat(file.fileno()).st_nlink
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise explained(error, path.parent) from None


def _mount_of(path: Path) -> _Mount | None:
    """By the number of its device, which no other mount over or beside it can be mistaken for."""
    try:
        device = path.stat().st_dev
        lines = _MOUNTS.read_bytes().decode(errors="replace").splitlines()
    except (OSError, ValueError):  # ValueError: no path at all.
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) > 2 and left[2] == number and len(right) > 2:
            return _Mount(kind=right[0], options=frozenset(right[2].split(",")))
    return None
