"""The parts of the agent that recordings need, as Protocols; `agent.assembly.recorder` puts them together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from agent.core.records import Content, ContentClass, Record, Recording, Severity


class Stray(Protocol):
    """A file that belongs to no recording."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""

    @property
    def age_s(self) -> float:
        """Since when nobody has written to it."""

    @property
    def is_sound(self) -> bool:
        """Whether its name ends as a recording's may."""


class Folder(Protocol):
    """Asterisk's monitor folder (`agent.stores.monitor.Monitor`). Every call blocks."""

    def in_memory(self) -> bool:
        """Whether what is written there reaches no disk."""

    def has_room(self) -> bool:
        """Whether there is room for another recording."""

    def path(self, recording: str) -> Path:
        """Where Asterisk captures ``recording`` (its id)."""

    def state(self, recording: str) -> tuple[int, int] | None:
        """Size in bytes and time of the last write (ns); None when there is no such file."""

    def named(self) -> list[str]:
        """The ids in the names of the files that look like a recording's."""

    def id_of(self, path: Path) -> str | None:
        """The id in the name of a file, if it looks like a recording's."""

    def wrote(self, name: str) -> bool:
        """Whether the file that Asterisk calls ``name`` is in the folder, as far as a name tells."""

    def strays(self, known: Collection[str]) -> Sequence[Stray]:
        """The files that belong to none of ``known`` (ids)."""

    def isolate(self, stray: Any) -> None:
        """Put a stray away where only the agent may look; raises OSError."""

    def isolated(self) -> Sequence[Stray]:
        """What was put away."""

    def find(self, name: str) -> Path | None:
        """The file that Asterisk calls ``name``, if it is in the folder."""

    def shred(self, path: Path) -> None:
        """Overwrite and remove one file; raises StoreError, OSError."""


class Sealed(Protocol):
    """What became of a file that was encrypted."""

    @property
    def size_bytes(self) -> int:
        """Of the plain file."""

    @property
    def duration_ms(self) -> int | None:
        """Of what was captured; None when it cannot be told."""

    @property
    def sha256(self) -> str:
        """Of the encrypted file."""

    @property
    def key(self) -> str:
        """The id of the account's key."""


class Vault(Protocol):
    """Where recordings are kept (`agent.stores.vault.Vault`). Every call blocks, and raises StoreError."""

    def seal(self, plain: Path, id: str, account: str) -> Sealed:
        """Encrypt a file under a key of its own; again after a crash replaces what was there."""

    def destroy(self, id: str) -> bool:
        """The key, then the file; False when neither was there."""

    def ids(self) -> list[str]:
        """Of whole sealed files."""

    def strays(self) -> list[Path]:
        """Everything else in the folder."""

    def free_bytes(self) -> int:
        """What may still be written there."""


class Sightings(Protocol):
    """Since when something is seen, over restarts (`agent.stores.sightings`). Every call blocks, and raises OSError."""

    def read(self) -> Mapping[str, int]:
        """What was seen last, and since when (ms)."""

    def write(self, seen: Mapping[str, int]) -> None:
        """Keep that in its place."""


class Books(Protocol):
    """What is stored, and the way there. Reading blocks; it raises StoreError."""

    async def keep(self, records: Sequence[Record]) -> None:
        """Return when they are stored durably; raises StoreError."""

    def put(self, outputs: Iterable[Any]) -> None:
        """Have records stored soon, and orders carried out."""

    def condition(self, subject: str, what: str | None, severity: Severity = Severity.WARNING) -> None:
        """Raise an alarm about recordings, change it, or (None) let it go."""

    def recording(self, id: str) -> Recording | None:
        """The recording with this id, as it is stored."""

    def content(self, id: str) -> Content | None:
        """What became of its content, as it is stored."""

    def unsettled(self, since: int) -> Sequence[Recording]:
        """Recordings begun at or after ``since`` (ms) that were granted and are over, and whose fate is not known."""

    def kept(self, kept_as: ContentClass, before: int, limit: int, after: Content | None) -> Sequence[Content]:
        """Contents that are kept, behind ``after``, and were stored before ``before`` (ms), oldest first."""

    def all_kept(self) -> Iterable[Content]:
        """Every content that is kept."""
