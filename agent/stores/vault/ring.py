"""The keyring's file while it is open: the site key that proves it, whole changes, and slots that leave no old key."""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hmac import digest as hmac_digest
from itertools import chain
from pathlib import Path
from threading import RLock

from agent.ports import StoreError
from agent.stores.vault.errors import FAILURES, damaged, explained
from agent.stores.vault.opening import SCHEMA, connect, create, head, make, schema_of, scrub, upgrade
from agent.stores.vault.sealed import KEY_BYTES
from agent.stores.vault.wrapping import SALT_BYTES, SiteKeys, Unwrapped, unwrap, wrap

#: Where SQLite counts the commits of all programs, in the first page.
_COUNTER_AT, _COUNTER_BYTES = 24, 4

OF_HASHING = "hashing"


def _none() -> Iterable[bytes]:
    return ()


class Ring:
    """The file at ``path``, made if it is missing or brought to this schema; for any thread, one at a time.

    ``others`` are site keys to try when the one at hand proves nothing: of a rotation that was interrupted, or that
    another program carries out meanwhile. ``read_only``: it must be there, and is only read.

    Raises:
        StoreError: it cannot be used, or no site key is the one that it was made with; nothing was changed.
    """

    def __init__(
        self, path: Path, site_key: bytes, others: Callable[[], Iterable[bytes]] = _none, *, read_only: bool = False
    ) -> None:
        if len(site_key) != KEY_BYTES:
            raise ValueError(f"a site key has {KEY_BYTES} bytes")
        self.path = path
        self._others = others
        self._lock = RLock()
        self._changing = self._still = False
        self._generation, self._version, self._seen = 0, -1, b""
        self._file = -1
        if not read_only:
            make(path)
        self.connection = connect(path, read_only=read_only)
        try:
            with self._failing():
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                if not read_only:
                    self._make(site_key)
                elif schema_of(self.connection, path) != SCHEMA:
                    raise StoreError(f"the keyring {path} is of an older agent", "start the agent")
                self._enter(chain([site_key], others()))
                if not read_only:
                    scrub(self.connection, path)  # The agent may have died between a change and this.
                self._catch_up()
        except StoreError:
            self.close()
            raise

    @property
    def generation(self) -> int:
        """Another number whenever a key may have been destroyed, here or by another program.

        It waits for nobody, but where another program has changed the file.

        Raises:
            StoreError: the keyring cannot be read, or was given a site key that is not at hand.
        """
        try:
            stale = not self._unchanged()
        except OSError as error:
            raise explained(error, self.path) from None
        if stale:
            with self._lock, self._failing():
                self._catch_up()
        return self._generation

    def generation_at_hand(self) -> int | None:
        """The `generation` where it can be told without waiting for anybody, None where it cannot."""
        try:
            return self._generation if self._unchanged() else None
        except OSError:
            return None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The file as every program has left it.

        Raises:
            StoreError: it cannot be read.
        """
        with self._lock, self._failing():
            self._catch_up()
            yield self.connection

    @contextmanager
    def still(self) -> Iterator[None]:
        """No program changes the file meanwhile, nor is it looked at for that: for milliseconds, and to read alone.

        Raises:
            StoreError: it cannot be read.
        """
        with self.reading() as connection:
            connection.execute("BEGIN")
            try:
                connection.execute("SELECT 1 FROM keyring").fetchall()  # Only this takes SQLite's lock.
                self._catch_up()
                self._still = True
                yield
            finally:
                self._still = False
                connection.execute("ROLLBACK")

    @contextmanager
    def change(self, *, destroys: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, whole or not at all, of which no deleted byte is left.

        Raises:
            StoreError: it may not have been carried out, or something deleted may be left in the journal.
        """
        with self._lock, self._failing():
            self.connection.execute("BEGIN IMMEDIATE")
            self._changing = True
            try:
                try:
                    self._catch_up()
                    yield self.connection
                    self.connection.execute("COMMIT")
                finally:
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
                    self._generation += destroys
                scrub(self.connection, self.path)
                self._catch_up()
            finally:
                self._changing = False

    def hashed(self, account: str) -> bytes:
        """What stands for ``account``, of which nobody without the site key learns who it is."""
        return hmac_digest(self._hashing, account.encode(errors="surrogatepass"), "sha256")

    def proves(self, site_key: bytes) -> bool:
        """Whether the keyring is under ``site_key``; within `reading` or `change`."""
        salt, proof, _ = head(self.connection, self.path)
        return SiteKeys(site_key, salt).proves(proof)

    def put(self, key: bytes, context: str, under: bytes | None = None) -> int:
        """Wrap a key (under the site key, if no other is given) into a free slot, or behind the last one; the slot."""
        wrapped = wrap(key, under if under is not None else self._site.wrapping, context)
        row = self.connection.execute("SELECT slot FROM slots WHERE free LIMIT 1").fetchone()
        slot: int | None = row[0] if row is not None else None
        if slot is None:
            return int(self.connection.execute("INSERT INTO slots VALUES (NULL, 0, ?)", (wrapped,)).lastrowid or 0)
        self.connection.execute("UPDATE slots SET free = 0, wrapped = ? WHERE slot = ?", (wrapped, slot))
        return slot

    def clear(self, delete: str, *values: str) -> int:
        """Carry out ``delete``, and overwrite the keys in the slots that it returns; how many."""
        slots = self.connection.execute(delete, values).fetchall()
        self.connection.executemany("UPDATE slots SET free = 1, wrapped = zeroblob(60) WHERE slot = ?", slots)
        return len(slots)

    def unwrapped(self, wrapped: bytes, context: str, under: bytes | None = None) -> bytes:
        """The key that `put` wrapped.

        Raises:
            StoreError: it was changed, or is another's.
        """
        try:
            return unwrap(wrapped, under if under is not None else self._site.wrapping, context)
        except (Unwrapped, TypeError):  # TypeError: a damaged row has something else there.
            raise damaged(self.path) from None

    def rewrap(self, site_key: bytes, keys: Iterable[tuple[int, str]]) -> int:
        """Put the keys in these slots, each with its context, under another site key; within `change`; how many."""
        salt, _, hashing = head(self.connection, self.path)
        site, count = SiteKeys(site_key, salt), 0
        for slot, context in chain([(hashing, OF_HASHING)], keys):
            new = wrap(self.unwrapped(self._wrapped(slot), context), site.wrapping, context)
            self.connection.execute("UPDATE slots SET wrapped = ? WHERE slot = ?", (new, slot))
            count += 1
        self.connection.execute("UPDATE keyring SET proof = ?, escrowed_at = NULL", (site.proof,))
        return count

    def reopen(self, site_key: bytes) -> None:
        """Go on with another site key, under which the keyring was put.

        Raises:
            StoreError: it was not.
        """
        with self._lock, self._failing():
            self._enter([site_key])

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        with self._lock:
            self.connection.close()
            if self._file >= 0:
                os.close(self._file)  # After SQLite: this would drop the locks that it holds.
            self._file = -1

    def _make(self, site_key: bytes) -> None:
        """Make the tables that are missing."""
        if schema_of(self.connection, self.path) == SCHEMA:
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            # Within the transaction: another program may have made them meanwhile.
            schema = schema_of(self.connection, self.path)
            if schema == 0:
                salt = secrets.token_bytes(SALT_BYTES)
                site, hashing = SiteKeys(site_key, salt), secrets.token_bytes(KEY_BYTES)
                create(self.connection, salt, site.proof)
            if schema == 1:
                salt, proof, _ = head(self.connection, self.path)
                site = self._proven(chain([site_key], self._others()), salt, proof)
                hashing = site.hashing
            if schema != SCHEMA:
                upgrade(self.connection)
                self._site = site
                slot = self.put(hashing, OF_HASHING)
                self.connection.execute("UPDATE keyring SET hashing = ?", (slot,))
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def _enter(self, site_keys: Iterable[bytes]) -> None:
        salt, proof, hashing = head(self.connection, self.path)
        self._site = self._proven(site_keys, salt, proof)
        self._hashing = self.unwrapped(self._wrapped(hashing), OF_HASHING)

    def _proven(self, site_keys: Iterable[bytes], salt: bytes, proof: bytes) -> SiteKeys:
        for keys in (SiteKeys(each, salt) for each in site_keys):
            if keys.proves(proof):
                return keys
        raise StoreError(
            f"the site key is not the one that the keyring {self.path} was made with",
            "give the agent the site key that belongs to it, or its escrow; no other opens what it keeps",
        )

    def _unchanged(self) -> bool:
        """Whether no other program has changed the file since it was looked at."""
        return self._changing or self._still or self._counter() == self._seen

    def _catch_up(self) -> None:
        """Take notice of what another program has changed."""
        if self._still:
            return
        seen = self._counter()
        if seen == self._seen:
            return
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()  # Our own changes do not count in it.
        if version != self._version:
            salt, proof, _ = head(self.connection, self.path)
            if not self._site.proves(proof):
                self._site = self._proven(self._others(), salt, proof)
            self._version = version
            self._generation += 1
        self._seen = seen

    def _counter(self) -> bytes:
        return os.pread(self._file, _COUNTER_BYTES, _COUNTER_AT)

    def _wrapped(self, slot: int | None) -> bytes:
        row = self.connection.execute("SELECT wrapped FROM slots WHERE slot = ?", (slot,)).fetchone()
        if row is None:
            raise damaged(self.path)
        wrapped: bytes = row[0]
        return wrapped

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (*FAILURES, OSError) as error:
            raise explained(error, self.path) from None
