"""A new site key in the place of another: at every instant one of the key files opens the keyring.

In this order, while no other program can change the keyring: the new key is written beside the file (``.new``), the
file gets a second name (``.old``), the new one takes its place, and the keyring is put under it. An agent that starts
after that was cut off takes the file or ``.old``, whichever proves the keyring; the next rotation goes on from there.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.ports import StoreError
from agent.stores.vault import accounts, months
from agent.stores.vault.errors import explained
from agent.stores.vault.keyfile import write_new
from agent.stores.vault.keyring import Keyring
from agent.stores.vault.memory import shred
from agent.stores.vault.opening import sync_folder
from agent.stores.vault.ring import Ring
from agent.stores.vault.sealed import KEY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """The site key's file, where the one before it stays for a while, and how such a file is read.

    ``read`` gives None where there is no site key that can be taken.
    """

    path: Path
    former: Path
    read: Callable[[Path], bytes | None]

    @property
    def coming(self) -> Path:
        """Where the next site key is until it takes the file's place."""
        return self.path.with_name(self.path.name + ".new")

    @property
    def interrupted(self) -> bool:
        """Whether the second name is still that of the same file."""
        return self.former.exists() and self.path.exists() and self.former.samefile(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did: how many keys are under the new site key, and whether it ended one that was cut off."""

    keys: int
    resumed: bool


def rotate(keyring: Keyring, file: KeyFile, pace: Callable[[], None] = lambda: None) -> Rotated:
    """Put the keyring under a new site key, or end what an earlier rotation began; ``pace`` runs before each step.

    Raises:
        StoreError: it was not; what was there still opens the keyring.
    """
    ring = keyring.ring
    with ring.change() as connection:
        key = file.read(file.path)
        resumed = key is not None and not ring.proves(key)
        if key is None or (resumed and not _opens(ring, file.former, file)):
            raise StoreError(f"the site key in {file.path} does not open the keyring", "put the right one there")
        if not resumed:
            key = _replaced(file, pace)
        try:
            pace()
            count = ring.rewrap(key, _keys(connection))
            pace()
        except (StoreError, sqlite3.Error):
            if not resumed:
                _put_back(file)
            raise
    pace()
    ring.reopen(key)
    return Rotated(keys=count, resumed=resumed)


def retire(keyring: Keyring, file: KeyFile) -> bool:
    """Destroy the site key before this one, once this one opens the keyring; whether there was one.

    Raises:
        StoreError: it may be left.
    """
    ring = keyring.ring
    if not os.path.lexists(file.former):
        return False
    with ring.change():  # No rotation is at work meanwhile.
        if file.interrupted or not _opens(ring, file.path, file):
            return False
        shred(file.former)
    return True


def _opens(ring: Ring, path: Path, file: KeyFile) -> bool:
    key = file.read(path)
    return key is not None and ring.proves(key)


def _replaced(file: KeyFile, pace: Callable[[], None]) -> bytes:
    """Let the file hold a new key, and its second name the one that it held."""
    key = secrets.token_bytes(KEY_BYTES)
    pace()
    _clear(file)
    try:
        pace()
        write_new(file.coming, key.hex() + "\n", like=file.path)
        pace()
        os.link(file.path, file.former)
        sync_folder(file.path.parent)
        pace()
        os.replace(file.coming, file.path)
        sync_folder(file.path.parent)
    except OSError as error:
        _put_back(file)
        raise explained(error, file.path) from None
    return key


def _clear(file: KeyFile) -> None:
    """Destroy what an earlier rotation left: the file itself opens the keyring."""
    try:
        if file.interrupted:
            file.former.unlink()  # A name of the file itself, which must not be overwritten.
    except OSError as error:
        raise explained(error, file.path) from None
    shred(file.former)
    shred(file.coming)


def _put_back(file: KeyFile) -> None:
    """Leave the files as they were before `_replaced`, as far as the disk lets us."""
    try:
        if file.former.exists() and not file.interrupted:
            os.replace(file.former, file.path)
        file.former.unlink(missing_ok=True)
        shred(file.coming)
        sync_folder(file.path.parent)
    except OSError as error:
        raise explained(error, file.path) from None


def _keys(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The slots of the keys under the site key, and what each is wrapped for."""
    of_accounts = connection.execute("SELECT slot, id, account FROM accounts").fetchall()
    of_months = connection.execute("SELECT slot, kind, term, month, id FROM months").fetchall()
    return [
        *((slot, accounts.context(id, hashed)) for slot, id, hashed in of_accounts),
        *((slot, months.context(*of)) for slot, *of in of_months),
    ]
