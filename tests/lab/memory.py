"""File systems of the lab's own: memory for what Asterisk records, small disks that can be filled."""

import os
import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

SHARED_MEMORY = Path("/dev/shm")
_MOUNTS = Path("/proc/self/mountinfo")
_CAP_SYS_ADMIN = 21


def may_mount() -> bool:
    """Whether this process may mount file systems: root's user alone does not say so within a container."""
    found = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.M)
    return found is not None and bool(int(found[1], 16) >> _CAP_SYS_ADMIN & 1)


def mount_memory(folder: Path, megabytes: int) -> None:
    """Puts a tmpfs of this size at `folder`, which its owner alone may enter.

    Raises OSError.
    """
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))


def unmount_below(folder: Path) -> None:
    """Unmounts all that is mounted at `folder` or within it, the innermost first.

    Lazily: a process that was killed may hold a file for a moment.
    """
    for mounted in sorted(_mounted(folder), reverse=True):
        # another run may sweep the same folder
        subprocess.run(["umount", "--lazy", str(mounted)], stderr=subprocess.DEVNULL, check=False)


def _mounted(folder: Path) -> list[Path]:
    """What /proc/self/mountinfo names, with its octal escapes of spaces and the like taken back."""
    wanted = folder.resolve()
    points = (line.split(" ")[4] for line in _MOUNTS.read_text().splitlines())
    paths = (Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), point)) for point in points)
    return [path for path in paths if path.is_relative_to(wanted)]


class Disk:
    """`folder` as a file system of its own of some megabytes, in memory or with ext4 on an image beside it.

        with Disk(tmp_path / "recordings", megabytes=8) as disk:
            disk.fill()
            ...
            disk.free()

    It is unmounted at the end.  A run that is killed leaves it mounted; within a lab's folder the next one clears it.
    `image` holds all that was ever written to ext4, also what was deleted, once `sync` has been called.
    Needs root's rights.
    """

    def __init__(self, folder: Path, *, megabytes: int = 8, kind: Literal["tmpfs", "ext4"] = "tmpfs") -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._kind = kind
        self.image = folder.with_name(f"{folder.name}.image")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._kind == "tmpfs":
            mount_memory(self.folder, self._megabytes)
            return self
        with self.image.open("wb") as image:
            image.truncate(self._megabytes << 20)
        # no journal and no reserve: as much as can be of so little is for files
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(self.image))
        _run("mount", "-o", "loop", str(self.image), str(self.folder))
        self.folder.chmod(0o700)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unmount_below(self.folder)
        self.image.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    @property
    def free_bytes(self) -> int:
        """What is left of it."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self) -> None:
        """Takes every byte that is free."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def sync(self) -> None:
        """Has all that was written to it reach its image."""
        _run("sync", "--file-system", str(self.folder))
        _run("sync", str(self.image))

    def free(self) -> None:
        """Gives back what `fill` took."""
        self._filler.unlink(missing_ok=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
