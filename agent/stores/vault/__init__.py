"""The recordings that are kept: each encrypted in a file of its own, under a key of its own in the keyring."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256 as sha256_of
from hmac import compare_digest
from itertools import chain
from pathlib import Path

from agent.ports import StoreError
from agent.stores.vault import sealed
from agent.stores.vault.errors import explained
from agent.stores.vault.examining import Counts, Examined, examine
from agent.stores.vault.keyring import Keyring
from agent.stores.vault.locks import Locks
from agent.stores.vault.memory import is_memory, never_swapped, shred, swap_in_use
from agent.stores.vault.opening import sync_folder
from agent.stores.vault.regular import open_regular
from agent.stores.vault.wave import duration_ms, wave_ms

__all__ = [
    "Counts",
    "Examined",
    "Keyring",
    "Locks",
    "Sealed",
    "Vault",
    "examine",
    "is_memory",
    "never_swapped",
    "shred",
    "swap_in_use",
    "wave_ms",
]

#: The shape of a recording's id: letters and digits alone, so that no id leads out of the folder.
_ID = re.compile(r"[0-9a-f]{8,64}")
_SEALED, _PART = ".sealed", ".part"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What is to be known of a recording that was sealed.

    ``size_bytes`` and ``duration_ms`` (None: no wave file) are of what was captured, ``sha256`` (hexadecimal) is of the
    encrypted file, ``key`` is the id of the account's key.
    """

    size_bytes: int
    duration_ms: int | None
    sha256: str
    key: str


class Vault:
    """The recordings in ``folder``; blocking, for any thread, but one thread at a time for one recording.

    Raises:
        StoreError: the folder cannot be made or used, or others than its owner may use it.
    """

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            mode = stat.S_IMODE(folder.stat().st_mode)
        except FileNotFoundError:
            raise StoreError(f"there is no folder for the recordings {folder}", f"make it: mkdir -p {folder}") from None
        except FileExistsError:
            raise StoreError(f"{folder} is no folder", "name another as store_dir under [recording]") from None
        except OSError as error:
            raise explained(error, folder) from None
        if mode & 0o077:
            raise StoreError(f"{folder} has mode {mode:04o}: others than its owner may use it", f"chmod 700 {folder}")
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StoreError(f"{folder} cannot be written", "give the agent's user read and write rights to it")

    def seal(self, plain: Path, id: str, account: str) -> Sealed:
        """Encrypt the file ``plain``, which stays as it is, as the recording ``id`` of ``account``, in place of any.

        On return it is on the disk, file, name and key.

        Raises:
            StoreError: it is not kept; neither file nor key of ``id`` is left, unless ``plain`` could not even be read.
        """
        part = self._path(id, _PART)
        try:
            source = open(open_regular(plain), "rb")  # noqa: SIM115
        except OSError as error:
            raise explained(error, plain.parent) from None
        with source:
            whole = False
            try:
                part.unlink(missing_ok=True)  # Left by a crash.
                key, account_key = self._keyring.seal(id, account)
                duration = duration_ms(source)
                with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as sink:
                    size, digest = sealed.seal(source, sink, key, id)
                    sink.flush()
                    os.fsync(sink.fileno())
                part.rename(self._path(id))
                sync_folder(self._folder)
                whole = True
            except OSError as error:
                raise explained(error, self._folder) from None
            finally:
                if not whole:
                    self._abandon(id)
        return Sealed(size_bytes=size, duration_ms=duration, sha256=digest, key=account_key)

    def read(self, id: str) -> Iterator[bytes]:
        """The bytes that were sealed, chunk by chunk, each of them proved right; the first before this returns.

        Raises:
            StoreError: it is not there, it was changed, or its key was destroyed; in mid-stream too.
        """
        chunks = self._chunks(id, self._keyring.open(id))
        first = next(chunks, None)
        return iter(()) if first is None else chain([first], chunks)

    def destroy(self, id: str) -> bool:
        """Destroy the key of a recording, then its file; False when neither was there.

        Raises:
            StoreError: one of them may be left; another attempt goes on.
        """
        file, part = self._path(id), self._path(id, _PART)
        had_key = self._keyring.destroy(id)
        try:
            there = [each for each in (file, part) if os.path.lexists(each)]
            for each in there:
                each.unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise explained(error, self._folder) from None
        return had_key or bool(there)

    def ids(self) -> list[str]:
        """The recordings of which a whole file is there, in order.

        Raises:
            StoreError: the folder cannot be read.
        """
        return [path.stem for path, ours in self._entries() if ours]

    def strays(self) -> list[Path]:
        """What else is in the folder, in order: parts of files that a crash left, and what others put there.

        Raises:
            StoreError: the folder cannot be read.
        """
        return [path for path, ours in self._entries() if not ours]

    def free_bytes(self) -> int:
        """How much room there is for the agent's user.

        Raises:
            StoreError: that cannot be told.
        """
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise explained(error, self._folder) from None
        return disk.f_bavail * disk.f_frsize

    def verify(self, id: str, sha256: str) -> bool:
        """Whether the encrypted file is there with this SHA-256 (hexadecimal); it takes no key.

        Raises:
            StoreError: the disk failed.
        """
        digest = sha256_of()
        try:
            with open(open_regular(self._path(id)), "rb") as file:
                while data := file.read(_READ_BYTES):
                    digest.update(data)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise explained(error, self._folder) from None
        return compare_digest(digest.hexdigest().encode(), sha256.encode())

    def _chunks(self, id: str, key: bytes) -> Iterator[bytes]:
        try:
            with open(open_regular(self._path(id)), "rb") as file:
                yield from sealed.unseal(file, key, id)
        except FileNotFoundError:
            raise StoreError("the file of that recording is gone", "restore it from a backup") from None
        except OSError as error:
            raise explained(error, self._folder) from None
        except sealed.Damaged:
            raise StoreError("the file of that recording is damaged", "restore it from a backup") from None

    def _entries(self) -> list[tuple[Path, bool]]:
        """What is in the folder, and whether it is the file of a recording."""
        try:
            with os.scandir(self._folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            return [(self._folder / entry.name, _ours(entry)) for entry in entries]
        except OSError as error:
            raise explained(error, self._folder) from None

    def _path(self, id: str, suffix: str = _SEALED) -> Path:
        if not _ID.fullmatch(id):
            raise StoreError("no recording has such an id", "an id is 16 hexadecimal digits")
        return self._folder / (id + suffix)

    def _abandon(self, id: str) -> None:
        """Leave nothing of what could not be sealed, as far as the disk lets us; the failure itself is told."""
        with suppress(StoreError):
            self._keyring.destroy(id)
        with suppress(OSError):
            for suffix in (_PART, _SEALED):  # The latter: one before this, whose key is gone.
                self._path(id, suffix).unlink(missing_ok=True)
            sync_folder(self._folder)


def _ours(entry: os.DirEntry[str]) -> bool:
    id, suffix = os.path.splitext(entry.name)
    return suffix == _SEALED and _ID.fullmatch(id) is not None and entry.is_file(follow_symlinks=False)
