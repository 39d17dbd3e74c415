"""The ledger of erasures: what was erased must stay so, whatever older copy of the store is put back.

A text file beside the keyring, of which a line is JSON: ``{"of": a keyed hash of an account or a line, "from": …,
"until": …, "at": …}``, instants in RFC 3339. No name is in it, and without the key (`agent.world.read_key`) no line of
it can be told to be anybody's. It only grows, by lines that are on the disk before anything is erased.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import digest
from pathlib import Path

from agent.core.accounts import Span
from agent.core.instants import from_rfc3339, rfc3339
from agent.ports import StoreError

_PURPOSE = b"erasure 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """An account, or a line, of which all that began at or after ``begin`` and before ``end`` (ms) was erased."""

    of: str
    begin: int
    end: int


class Erasures:
    """The ledger at ``path``, made with the first erasure; ``key`` hashes. Blocking; one writer at a time."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key

    def account(self, reference: str) -> str:
        """What stands for an account."""
        return self._hashed("account", reference)

    def line(self, name: str) -> str:
        """What stands for a line."""
        return self._hashed("line", name)

    def read(self) -> list[Erased]:
        """Everything that was erased, in the order in which it was.

        Raises:
            StoreError: the ledger cannot be read, or was damaged.
        """
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(error) from None
        # What a crash left of a last line was followed by no erasure.
        return [self._parsed(line) for line in lines[:-1] if line]

    def write(self, accounts: Iterable[str], lines: Iterable[Span], at: int) -> None:
        """Write down what is going to be erased at ``at`` (ms); on return it is on the disk. Nothing is written twice.

        Raises:
            StoreError: it may not be there: nothing must be erased.
        """
        erased = [
            *(Erased(of=self.account(reference), begin=0, end=at) for reference in accounts),
            *(
                Erased(of=self.line(span.line), begin=span.begin, end=at if span.end is None else span.end)
                for span in lines
            ),
        ]
        known = set(self.read())
        fresh = [each for each in dict.fromkeys(erased) if each not in known]
        if not fresh:
            return
        try:
            made = not self._path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
                if torn:
                    os.ftruncate(file.fileno(), _whole(file.fileno(), size))
                written = b"".join(_line(each, at) for each in fresh)
                if file.write(written) != len(written):
                    raise OSError(0, "it was cut short")
                os.fsync(file.fileno())
            if made:
                folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            raise self._unusable(error) from None

    def _hashed(self, kind: str, name: str) -> str:
        return digest(
            self._key, b"%s %s %s" % (_PURPOSE, kind.encode(), name.encode(errors="surrogatepass")), "sha256"
        ).hex()

    def _parsed(self, line: bytes) -> Erased:
        try:
            found = json.loads(line)
            return Erased(of=str(found["of"]), begin=from_rfc3339(found["from"]), end=from_rfc3339(found["until"]))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise StoreError(
                f"the ledger of erasures {self._path} is damaged",
                "restore it: without it an older copy of the store brings back what was erased",
            ) from None

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the ledger of erasures {self._path} cannot be used: {error.strerror}", "check its owner, mode and disk"
        )


def _line(erased: Erased, at: int) -> bytes:
    line = {"of": erased.of, "from": rfc3339(erased.begin), "until": rfc3339(erased.end), "at": rfc3339(at)}
    return json.dumps(line).encode() + b"\n"


def _whole(file: int, size: int) -> int:
    """The length of the whole lines."""
    return os.pread(file, size, 0).rfind(b"\n") + 1
