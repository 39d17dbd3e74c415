"""The keys of the recordings, in a file apart from the records: to destroy a key is to destroy what it opens."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from agent.ports import StoreError
from agent.stores.vault.errors import FAILURES, damaged, explained
from agent.stores.vault.opening import connect, create, head, make, schema_of, scrub
from agent.stores.vault.sealed import KEY_BYTES
from agent.stores.vault.wrapping import SALT_BYTES, SiteKeys, Unwrapped, unwrap, wrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many keys there are."""

    accounts: int
    recordings: int


class Keyring:
    """The keyring at ``path``, made if it is missing, opened with the site key; for any thread, one at a time.

    A change is on the disk when its method returns, and what it deleted is overwritten where it stood. Neither keys
    nor accounts can be read without the site key.

    Raises:
        StoreError: it cannot be used, or the site key is not the one that it was made with; nothing was changed.
    """

    def __init__(self, path: Path, site_key: bytes) -> None:
        if len(site_key) != KEY_BYTES:
            raise ValueError(f"a site key has {KEY_BYTES} bytes")
        self._path = path
        self._lock = Lock()
        make(path)
        self._connection = connect(path)
        try:
            with self._failing():
                if schema_of(self._connection, path) == 0:
                    salt = secrets.token_bytes(SALT_BYTES)
                    create(self._connection, salt, SiteKeys(site_key, salt).proof)
                salt, proof = head(self._connection, path)
                self._site = SiteKeys(site_key, salt)
                if not self._site.proves(proof):
                    raise StoreError(
                        f"the site key is not the one that the keyring {path} was made with",
                        "give the agent the site key that belongs to it, or its backup; no other opens the recordings",
                    )
                scrub(self._connection, path)  # The agent may have died between a change and this.
        except StoreError:
            self._connection.close()
            raise

    def seal(self, recording: str, account: str) -> tuple[bytes, str]:
        """A fresh key for a recording of ``account``, and the id of the account's key; one it had is destroyed.

        Raises:
            StoreError: there is no new key, or not safely; one that it had may be left.
        """
        key = secrets.token_bytes(KEY_BYTES)
        with self._change():
            self._forget(recording)
            id, account_key = self._account(account)
            slot = self._put(wrap(key, account_key, _of_recording(recording, id)))
            self._connection.execute("INSERT INTO recordings VALUES (?, ?, ?)", (recording, id, slot))
        return key, id

    def open(self, recording: str) -> bytes:
        """The key of a recording.

        Raises:
            StoreError: there is none, it was changed, or the keyring cannot be read.
        """
        with self._lock, self._failing():
            row = self._connection.execute(
                "SELECT a.id, a.account, theirs.wrapped, its.wrapped FROM recordings r"
                " JOIN accounts a ON a.id = r.account"
                " JOIN slots theirs ON theirs.slot = a.slot JOIN slots its ON its.slot = r.slot WHERE r.id = ?",
                (recording,),
            ).fetchone()
            if row is None:
                raise StoreError("there is no key to that recording", "it was deleted, or never kept")
            id, hashed, account_wrapped, wrapped = row
            account_key = self._unwrapped(account_wrapped, self._site.wrapping, _of_account(id, hashed))
            return self._unwrapped(wrapped, account_key, _of_recording(recording, id))

    def destroy(self, recording: str) -> bool:
        """Destroy the key of a recording, and that of an account that has no other; False when there was none.

        Raises:
            StoreError: it may be left.
        """
        with self._change():
            return self._forget(recording)

    def destroy_account(self, account: str) -> list[str]:
        """Destroy every key of ``account``; the ids of the recordings that nobody can open any more.

        Raises:
            StoreError: they may be left, all of them or in the journal.
        """
        hashed = self._site.hashed(account)
        with self._change() as connection:
            gone = connection.execute(
                "SELECT r.id FROM recordings r JOIN accounts a ON a.id = r.account WHERE a.account = ? ORDER BY r.id",
                (hashed,),
            )
            ids = [str(id) for (id,) in gone]
            for id in ids:
                self._forget(id)
        return ids

    def ids(self) -> list[str]:
        """The ids of the recordings that have a key, in order.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._lock, self._failing():
            return [str(id) for (id,) in self._connection.execute("SELECT id FROM recordings ORDER BY id")]

    def counts(self) -> Counts:
        """How many keys there are.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._lock, self._failing():
            return _counts(self._connection)

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        with self._lock:
            self._connection.close()

    def _account(self, account: str) -> tuple[str, bytes]:
        """The id and the key of ``account``, made if it has none."""
        hashed = self._site.hashed(account)
        row = self._connection.execute(
            "SELECT id, wrapped FROM accounts JOIN slots USING (slot) WHERE account = ?", (hashed,)
        ).fetchone()
        if row is not None:
            id, wrapped = row
            return id, self._unwrapped(wrapped, self._site.wrapping, _of_account(id, hashed))
        id, key = secrets.token_hex(8), secrets.token_bytes(KEY_BYTES)
        slot = self._put(wrap(key, self._site.wrapping, _of_account(id, hashed)))
        self._connection.execute("INSERT INTO accounts VALUES (?, ?, ?)", (id, hashed, slot))
        return id, key

    def _forget(self, recording: str) -> bool:
        row = self._connection.execute("SELECT account FROM recordings WHERE id = ?", (recording,)).fetchone()
        if row is None:
            return False
        self._clear("DELETE FROM recordings WHERE id = ? RETURNING slot", recording)
        self._clear(
            "DELETE FROM accounts WHERE id = ? AND id NOT IN (SELECT account FROM recordings) RETURNING slot", row[0]
        )
        return True

    def _put(self, wrapped: bytes) -> int:
        """Write a key into a free slot, or behind the last one; the slot."""
        row = self._connection.execute("SELECT slot FROM slots WHERE free LIMIT 1").fetchone()
        slot: int | None = row[0] if row is not None else None
        if slot is None:
            return int(self._connection.execute("INSERT INTO slots VALUES (NULL, 0, ?)", (wrapped,)).lastrowid or 0)
        self._connection.execute("UPDATE slots SET free = 0, wrapped = ? WHERE slot = ?", (wrapped, slot))
        return slot

    def _clear(self, delete: str, id: str) -> None:
        """Carry out ``delete``, and overwrite the keys in the slots that it returns."""
        slots = self._connection.execute(delete, (id,)).fetchall()
        self._connection.executemany("UPDATE slots SET free = 1, wrapped = zeroblob(60) WHERE slot = ?", slots)

    def _unwrapped(self, wrapped: bytes, under: bytes, context: str) -> bytes:
        try:
            return unwrap(wrapped, under, context)
        except (Unwrapped, TypeError):  # TypeError: a damaged row has something else there.
            raise damaged(self._path) from None

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, whole or not at all, of which no deleted byte is left."""
        with self._lock, self._failing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            scrub(self._connection, self._path)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (*FAILURES, OSError) as error:
            raise explained(error, self._path) from None


def examine(path: Path, site_key: bytes | None) -> tuple[Counts, bool] | None:
    """How many keys the keyring at ``path`` holds, and whether ``site_key`` opens it; None when there is no keyring.

    Raises:
        StoreError: it cannot be read, or is none.
    """
    if not path.exists():
        return None
    connection = connect(path)
    try:
        if schema_of(connection, path) == 0:
            return None
        salt, proof = head(connection, path)
        return _counts(connection), site_key is not None and SiteKeys(site_key, salt).proves(proof)
    except FAILURES as error:
        raise explained(error, path) from None
    finally:
        connection.close()


def _of_account(id: str, hashed: bytes) -> str:
    return f"account {id} {hashed.hex()}"


def _of_recording(recording: str, account: str) -> str:
    return f"recording {recording} {account}"


def _counts(connection: sqlite3.Connection) -> Counts:
    accounts, recordings = connection.execute(
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM recordings)"
    ).fetchone()
    return Counts(accounts=accounts, recordings=recordings)
