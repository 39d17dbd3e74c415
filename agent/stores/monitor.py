"""Asterisk's monitor folder: what it captures, in memory, until it is sealed or destroyed."""

import os
import secrets
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from agent.stores.vault.memory import is_memory, shred

#: Where files that belong to no recording wait for their end; Asterisk's own names begin with no dot.
QUARANTINE = ".quarantine"
SUFFIX = ".wav"
#: How the names of sound end: what the format modules of Asterisk 16 and 22 write, format_mp3 and format_ogg_opus too.
SOUNDS = frozenset(
    (
        *("wav", "wav16", "wav49", "gsm", "alaw", "al", "alw", "pcm", "ulaw", "ul", "mu", "ulw", "au", "raw", "sln"),
        *("sln12", "sln16", "sln24", "sln32", "sln44", "sln48", "sln96", "sln192", "g719", "g722", "g723", "g723sf"),
        *("g726-16", "g726-24", "g726-32", "g726-40", "g729", "ilbc", "siren7", "siren14", "vox", "ogg", "opus"),
        *("spx", "spx16", "spx32", "mp3", "h263", "h264"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A file that is nobody's: ``age_s`` since it was last written, or put into quarantine.

    That is the inode's own time, which nobody can set; a clock that was set back makes nothing young for ever.
    """

    path: Path
    size_bytes: int
    age_s: float

    @property
    def is_sound(self) -> bool:
        """Whether its name ends as a recording's may."""
        _, dot, suffix = self.path.name.rpartition(".")
        return bool(dot) and suffix.lower() in SOUNDS


class Monitor:
    """Blocking; callers use a thread."""

    def __init__(self, folder: Path, *, min_free_bytes: int) -> None:
        self.folder = folder
        self._min_free_bytes = min_free_bytes

    def in_memory(self) -> bool:
        """Whether what is written there reaches no disk."""
        return self.folder.is_dir() and is_memory(self.folder)

    def has_room(self) -> bool:
        """Whether there is room for another recording."""
        return free_bytes(self.folder) >= self._min_free_bytes

    def free_bytes(self) -> int:
        """What may still be written there; 0 where the folder cannot be looked at."""
        return free_bytes(self.folder)

    def path(self, recording: str) -> Path:
        """Where Asterisk captures ``recording`` (its id)."""
        return self.folder / f"{recording}{SUFFIX}"

    def state(self, recording: str) -> tuple[int, int] | None:
        """Size in bytes and time of the last write (ns); None when there is no such file."""
        try:
            found = os.stat(self.path(recording), follow_symlinks=False)
        except FileNotFoundError:
            return None
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None

    def named(self) -> list[str]:
        """The ids in the names of the files that look like a recording's."""
        return [id for path in self._files() if (id := self.id_of(path)) is not None]

    def id_of(self, path: Path) -> str | None:
        """The id in the name of a file, if it looks like a recording's."""
        return path.stem if path == self.path(path.stem) and is_id(path.stem) else None

    def wrote(self, name: str) -> bool:
        """Whether the file that Asterisk calls ``name`` is in the folder, as far as a name tells.

        Asterisk may see the folder by another path (a container): its own name is the same.
        """
        return PurePath(name).parent.name == self.folder.name

    def strays(self, known: Collection[str]) -> list[Stray]:
        """The files that belong to none of ``known`` (ids), at any depth."""
        return [
            self._stray(path) for path in self._files() if not (path.stem in known and path == self.path(path.stem))
        ]

    def isolate(self, stray: Stray) -> None:
        """Put a stray away under a name that says nothing, where Asterisk does not look and only the agent may.

        Raises:
            OSError: it is still where it was.
        """
        place = self.folder / QUARANTINE
        if place.is_symlink():
            place.unlink()
        place.mkdir(mode=0o700, exist_ok=True)
        os.rename(stray.path, place / secrets.token_hex(8))

    def isolated(self) -> list[Stray]:
        """What is in quarantine."""
        place = self.folder / QUARANTINE
        return [] if place.is_symlink() else [self._stray(path) for path in sorted(place.glob("*"))]

    def shred(self, path: Path) -> None:
        """Overwrite and remove one file of the folder; of what is no regular file, the name alone is removed.

        Raises:
            StoreError, OSError: it may be there still.
        """
        try:
            regular = stat.S_ISREG(os.lstat(path).st_mode)
        except FileNotFoundError:
            return
        if regular:
            shred(path)
        else:
            path.unlink(missing_ok=True)

    def find(self, name: str) -> Path | None:
        """The file that Asterisk calls ``name`` (perhaps by a path of its own), if it is in the folder."""
        path = self.folder / Path(name).name
        try:
            return path if stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode) else None
        except (OSError, ValueError):
            return None

    def _files(self) -> Iterator[Path]:
        for place, folders, names in os.walk(self.folder):
            if Path(place) == self.folder:
                folders[:] = [name for name in folders if name != QUARANTINE]
            # What a link names is not walked through, and the link itself is nobody's.
            linked = [name for name in folders if os.path.islink(os.path.join(place, name))]
            yield from (Path(place, name) for name in (*names, *linked))

    def _stray(self, path: Path) -> Stray:
        try:
            found = os.stat(path, follow_symlinks=False)
        except OSError:
            return Stray(path=path, size_bytes=0, age_s=0.0)
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        return Stray(path=path, size_bytes=size, age_s=abs(time.time() - found.st_ctime))


def is_id(text: str) -> bool:
    """Whether it looks like the id of a recording."""
    return len(text) == 16 and all(character in "0123456789abcdef" for character in text)


def free_bytes(folder: Path) -> int:
    """What may still be written there; 0 where the folder cannot be looked at."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
