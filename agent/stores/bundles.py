"""What leaves to a third party, as files: each bundle a folder, whole and hashed before it has its name."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent.core.spreadsheet import row
from agent.ports import StoreError
from agent.stores.vault.opening import sync_folder

#: Of a bundle: lines as sha256sum(1) writes and checks them; the hash of the bundle is this file's.
SUMS = "SHA256SUMS"
_PART = ".part"

Row = Mapping[str, Any]


class Bundles:
    """Bundles below the folder ``root``, mode 0700, by id. Every call blocks.

    Raises:
        StoreError: a file cannot be written or read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, id: str, entry: Row, rows: Mapping[str, Iterable[Row]]) -> str:
        """Write the bundle under a name that nobody takes for it, safely on the disk; its hash.

        ``rows`` are the records of each kind; ``entry`` says by what right they leave.
        """
        part = self._part(id)
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700)
            found = {kind: list(each) for kind, each in rows.items()}
            files = {"disclosure.json": json.dumps({"disclosure": entry, "records": found}, indent=1)}
            files |= {f"{kind}.csv": _csv(each) for kind, each in found.items()}
            sums = "".join(f"{_write(part / name, text)}  {name}\n" for name, text in sorted(files.items()))
            hashed = _write(part / SUMS, sums)
            sync_folder(part)
            sync_folder(self.root)
        except OSError as error:
            raise _failed(self.root, error) from None
        return hashed

    def publish(self, id: str) -> Path:
        """Give the bundle its name; where it has it already nothing happens."""
        final = self.root / id
        try:
            if not final.exists():
                self._part(id).rename(final)
                sync_folder(self.root)
        except OSError as error:
            raise _failed(self.root, error) from None
        return final

    def unpublished(self) -> list[str]:
        """The ids of bundles that have no name yet, an earlier run having been cut off."""
        return sorted(path.name.removesuffix(_PART) for path in self.root.glob(f"*{_PART}"))

    def hash_of(self, id: str) -> str:
        """The hash of a bundle that has no name yet; empty where it is not whole."""
        try:
            return sha256((self._part(id) / SUMS).read_bytes()).hexdigest()
        except OSError:
            return ""

    def drop(self, id: str) -> None:
        """Remove a bundle that has no name yet."""
        shutil.rmtree(self._part(id), ignore_errors=True)

    def expire(self, before: float) -> list[str]:
        """Remove the bundles that were written before ``before`` (s since 1970); their ids."""
        try:
            old = [path for path in self.root.glob("*") if path.is_dir() and path.stat().st_mtime < before]
            for path in old:
                shutil.rmtree(path)
        except OSError as error:
            raise _failed(self.root, error) from None
        return [path.name for path in old]

    def _part(self, id: str) -> Path:
        return self.root / (id + _PART)


def _csv(rows: list[Row]) -> str:
    return "".join([row(rows[0]), *(row(map(_cell, each.values())) for each in rows)]) if rows else ""


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _write(path: Path, text: str) -> str:
    content = text.encode("utf-8", "replace")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return sha256(content).hexdigest()


def _failed(root: Path, error: OSError) -> StoreError:
    return StoreError(f"a bundle in {root} cannot be written: {error.strerror}", "check the folder and its disk")
