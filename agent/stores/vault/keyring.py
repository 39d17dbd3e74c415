"""The keys, in a file apart from the records: to destroy a key is to destroy the recordings or fields that it opens."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.ports import StoreError
from agent.stores.vault import accounts, months
from agent.stores.vault.examining import Counts, counts
from agent.stores.vault.months import Kind, a_year_after, month_of
from agent.stores.vault.ring import Ring
from agent.stores.vault.sealed import KEY_BYTES
from agent.stores.vault.wrapping import derived

#: Keys at hand by their ids: the fields of one record are mostly of one account, those of many of a month.
_MOST_LATEST = 1_000

__all__ = ["Counts", "FieldKey", "Keyring"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKey:
    """The key of an account's fields of one period, and the ids of the two keys that it is derived from."""

    account: str
    period: str
    key: bytes


class Keyring:
    """The keyring at ``path``, made if it is missing, opened with the site key; for any thread, one at a time.

    A change is on the disk when its method returns, and what it deleted is overwritten where it stood. Neither keys
    nor accounts can be read without the site key. ``others`` are site keys to try when it opens nothing: see `Ring`.
    One process opens a keyring once. ``read_only``: it must be there, and is only read.

    Raises:
        StoreError: it cannot be used, or the site key is not the one that it was made with; nothing was changed.
    """

    def __init__(
        self, path: Path, site_key: bytes, others: Callable[[], Iterable[bytes]] = tuple, *, read_only: bool = False
    ) -> None:
        self._ring = Ring(path, site_key, others, read_only=read_only)
        self._latest: dict[str, bytes] = {}
        self._generation: int | None = None

    @property
    def ring(self) -> Ring:
        """The open file."""
        return self._ring

    def seal(self, recording: str, account: str) -> tuple[bytes, str]:
        """A fresh key for a recording of ``account``, and the id of the account's key; one it had is destroyed.

        Raises:
            StoreError: there is no new key, or not safely; one that it had may be left.
        """
        key = secrets.token_bytes(KEY_BYTES)
        with self._ring.change(destroys=True) as connection:
            self._forget(recording)
            id, account_key, _ = accounts.get(self._ring, account)
            slot = self._ring.put(key, _of_recording(recording, id), account_key)
            connection.execute("INSERT INTO recordings VALUES (?, ?, ?)", (recording, id, slot))
        return key, id

    def open(self, recording: str) -> bytes:
        """The key of a recording.

        Raises:
            StoreError: there is none, it was changed, or the keyring cannot be read.
        """
        with self._ring.reading() as connection:
            row = connection.execute(
                "SELECT account, wrapped FROM recordings JOIN slots USING (slot) WHERE id = ?", (recording,)
            ).fetchone()
            if row is None:
                raise StoreError("there is no key to that recording", "it was deleted, or never kept")
            account_key = accounts.by_id(self._ring, row[0])
            return self._ring.unwrapped(row[1], _of_recording(recording, row[0]), account_key or b"")

    def destroy(self, recording: str) -> bool:
        """Destroy the key of a recording, and that of an account that has nothing else; False when there was none.

        Raises:
            StoreError: it may be left.
        """
        with self._ring.change(destroys=True):
            return self._forget(recording)

    def destroy_account(self, account: str) -> list[str]:
        """Destroy every key of ``account``; the ids of the recordings that nobody can open any more.

        No field that was locked for the account opens any more either.

        Raises:
            StoreError: they may be left, all of them or in the journal.
        """
        hashed = self._ring.hashed(account)
        with self._ring.change(destroys=True) as connection:
            connection.execute("UPDATE accounts SET fields_until = NULL WHERE account = ?", (hashed,))
            found = connection.execute("SELECT id FROM accounts WHERE account = ?", (hashed,)).fetchone()
            if found is None:
                return []
            gone = connection.execute("SELECT id FROM recordings WHERE account = ? ORDER BY id", found).fetchall()
            for (id,) in gone:
                self._forget(id)
            accounts.release(self._ring, found[0])
        return [str(id) for (id,) in gone]

    def fields(self, term: str, wanted: Sequence[tuple[str, str]]) -> list[FieldKey]:
        """The keys of the fields of ``term`` of these accounts and months (2026-11), in their order.

        All that are missing are made in one change, which waits for the disk.

        Raises:
            StoreError: there are none, or not safely.
        """
        with self._ring.reading():
            found = self._found_fields(term, wanted)
        if not all(found):
            with self._ring.change():
                found = self._found_fields(term, wanted, make=True)
        return [key for key in found if key is not None]

    def field_by_ids(self, account: str, period: str) -> FieldKey | None:
        """The key that is derived from the two with these ids; None when one of them is gone.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._ring.reading():
            account_key = self._key_of(account, accounts.by_id)
            period_key = self._key_of(period, _period_by_id)
        if account_key is None or period_key is None:
            return None
        return _field((account, account_key), (period, period_key))

    def epoch(self, term: str, month: str) -> tuple[str, bytes]:
        """The id and the key of the index's epoch of ``term`` that is ``month`` (2026-11), made if there is none.

        Raises:
            StoreError: there is none, or not safely.
        """
        with self._ring.reading():
            found = months.find(self._ring, Kind.EPOCH, term, month)
        if found is None:
            with self._ring.change():
                found = months.get(self._ring, Kind.EPOCH, term, month)
        return found

    def epochs(self, term: str) -> list[tuple[str, bytes]]:
        """The id and the key of every epoch of ``term`` that is alive, the latest first.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._ring.reading():
            return months.every(self._ring, Kind.EPOCH, term)

    def expire_periods(self, before_ms: int, term: str = "") -> list[str]:
        """Destroy the keys of all months of ``term`` that ended by ``before_ms`` (ms since 1970); those, in order.

        No field that was locked for an instant in them opens any more. Accounts that have nothing else go as well.

        Raises:
            StoreError: they may be left, all of them or in the journal.
        """
        month = month_of(before_ms)
        if not self._any_before(Kind.PERIOD, term, month):
            return []
        with self._ring.change(destroys=True):
            gone = months.expire(self._ring, Kind.PERIOD, term, month)
            accounts.unlock_before(self._ring, months.first(self._ring, Kind.PERIOD) or month)
        return gone

    def expire_epochs(self, before_ms: int, term: str = "") -> list[str]:
        """Destroy the keys of all epochs of ``term`` that ended by ``before_ms``: nothing is found by them any more.

        Raises:
            StoreError: they may be left, all of them or in the journal.
        """
        month = month_of(before_ms)
        if not self._any_before(Kind.EPOCH, term, month):
            return []
        with self._ring.change(destroys=True):
            return months.expire(self._ring, Kind.EPOCH, term, month)

    def note_escrow(self, site_key: bytes, at: int) -> None:
        """Remember that ``site_key`` was put in escrow at ``at`` (ms since 1970).

        Raises:
            StoreError: it was not remembered, or it is another site key.
        """
        with self._ring.change() as connection:
            if not self._ring.proves(site_key):
                raise StoreError("the keyring was put under another site key meanwhile", "put that one in escrow")
            connection.execute("UPDATE keyring SET escrowed_at = ?", (at,))

    def ids(self) -> list[str]:
        """The ids of the recordings that have a key, in order.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._ring.reading() as connection:
            return [str(id) for (id,) in connection.execute("SELECT id FROM recordings ORDER BY id")]

    def counts(self) -> Counts:
        """How many keys there are.

        Raises:
            StoreError: the keyring cannot be read.
        """
        with self._ring.reading() as connection:
            return counts(connection)

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        self._ring.close()

    def _key_of(self, id: str, find: Callable[[Ring, str], bytes | None]) -> bytes | None:
        """The key with this id, at hand where it was used lately and none was destroyed since; within `reading`."""
        generation = self._ring.generation_at_hand()
        if generation is None or generation != self._generation or len(self._latest) >= _MOST_LATEST:
            self._latest.clear()
            self._generation = generation
        if id not in self._latest and (key := find(self._ring, id)) is not None:
            self._latest[id] = key
        return self._latest.get(id)

    def _any_before(self, kind: Kind, term: str, month: str) -> bool:
        """Whether anything would expire: a change would have every key derived anew, for everybody."""
        with self._ring.reading():
            return months.any_before(self._ring, kind, term, month) or accounts.any_before(
                self._ring, months.first(self._ring, Kind.PERIOD) or month
            )

    def _found_fields(
        self, term: str, wanted: Sequence[tuple[str, str]], *, make: bool = False
    ) -> list[FieldKey | None]:
        """What there is of the keys, those that are missing made first where that is asked for; within `Ring.change`
        then, else within `Ring.reading`.
        """
        period = months.get if make else months.find
        periods = {month: period(self._ring, Kind.PERIOD, term, month) for month in dict.fromkeys(m for _, m in wanted)}
        return [self._found_field(account, month, periods[month], make=make) for account, month in wanted]

    def _found_field(
        self, account: str, month: str, period: tuple[str, bytes] | None, *, make: bool
    ) -> FieldKey | None:
        its = accounts.get(self._ring, account) if make else accounts.find(self._ring, account)
        if its is None or period is None:
            return None
        id, key, until = its
        if until < month:
            if not make:
                return None
            # A year at once: else the first call of every account in a month would wait for the disk.
            accounts.lock_until(self._ring, id, a_year_after(month))
        return _field((id, key), period)

    def _forget(self, recording: str) -> bool:
        row = self._ring.connection.execute("SELECT account FROM recordings WHERE id = ?", (recording,)).fetchone()
        if row is None:
            return False
        self._ring.clear("DELETE FROM recordings WHERE id = ? RETURNING slot", recording)
        accounts.release(self._ring, row[0])
        return True


def _period_by_id(ring: Ring, id: str) -> bytes | None:
    return months.by_id(ring, Kind.PERIOD, id)


def _field(account: tuple[str, bytes], period: tuple[str, bytes]) -> FieldKey:
    key = derived(account[1] + period[1], f"field 1 {account[0]} {period[0]}")
    return FieldKey(account=account[0], period=period[0], key=key)


def _of_recording(recording: str, account: str) -> str:
    return f"recording {recording} {account}"
