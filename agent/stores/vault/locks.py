"""Fields with two locks: a value opens only while the keys of its account and of its period are both there.

A value is ``1.<id of the account's key>.<id of the period's key>.<nonce and ciphertext>``, the last in base64url (RFC
4648) without padding. Its key is derived from the two (HKDF-SHA256, info ``field 1 <id> <id>``), the cipher is
AES-256-GCM with a random nonce, and the associated data are version, ids and the field's name. The text is filled up to
blocks of 32 bytes (ISO/IEC 7816-4), so that the length of a number does not tell what kind of number it is.

An index is ``<id of the epoch>.<HMAC-SHA256, 128 bits>``: equal texts of one epoch have equal indexes.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from hmac import digest as hmac_digest
from threading import Lock
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.core.personal import SEALED
from agent.ports import StoreError
from agent.stores.vault.keyring import FieldKey, Keyring
from agent.stores.vault.months import month_of
from agent.stores.vault.ring import Ring
from agent.stores.vault.wrapping import derived

_BLOCK_BYTES, _NONCE_BYTES, _INDEX_BYTES = 32, 12, 16
#: Derived keys that are kept at hand to lock, and as many to open, at the most twice as many of each: 0.4 kB each.
#: Their ciphers would be 3 kB each; to make one anew takes 1 µs.
_MOST_KEYS = 4_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cipher:
    ids: str
    key: bytes

    def lock(self, text: bytes, field: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return f"{self.ids}.{_base64(nonce + AESGCM(self.key).encrypt(nonce, text, self._data(field)))}"

    def open(self, sealed: bytes, field: str) -> bytes:
        return AESGCM(self.key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._data(field))

    def _data(self, field: str) -> bytes:
        return f"{self.ids} {field}".encode()


class _AtHand(Generic[T]):
    """What was derived from keys, for as long as none was destroyed; the latest ``most`` used stay."""

    def __init__(self, ring: Ring, most: int) -> None:
        self._ring, self._most = ring, most
        self._lock = Lock()
        self._latest: dict[tuple[str, str], T] = {}
        self._older: dict[tuple[str, str], T] = {}
        self._generation = -1

    def get(self, name: tuple[str, str], make: Callable[[], T]) -> T:
        generation = self._ring.generation
        with self._lock:
            if generation != self._generation:
                self._latest.clear()
                self._older.clear()
                self._generation = generation
            if self._has(name):
                return self._latest[name]
        made = make()
        with self._lock:
            if generation == self._generation:  # Else a key may have been destroyed since it was read.
                self._keep(name, made)
        return made

    def now(self, name: tuple[str, str]) -> T | None:
        """What is at hand, without waiting for anybody; None where there is none, or keys may have changed."""
        generation = self._ring.generation_at_hand()
        with self._lock:
            return self._latest[name] if generation == self._generation and self._has(name) else None

    def _has(self, name: tuple[str, str]) -> bool:
        """Whether it is at hand, among the latest now."""
        if name not in self._latest and name in self._older:
            self._keep(name, self._older[name])
        return name in self._latest

    def _keep(self, name: tuple[str, str], made: T) -> None:
        if len(self._latest) >= self._most:
            self._older, self._latest = self._latest, {}
        self._latest[name] = made


class Locks:
    """Locks and opens fields with the keys of ``keyring``; for any thread.

    Everything takes microseconds, but for the first time of an account or a month, which waits for the disk. ``clock``
    (ms since 1970) tells the month of what is indexed without an instant. A ``field`` is the name of the place where a
    value stands: it opens nowhere else. What is locked with one ``term``, a retention class, expires together.
    """

    def __init__(
        self, keyring: Keyring, clock: Callable[[], int], *, term: str = "", most_keys: int = _MOST_KEYS
    ) -> None:
        self._keyring, self._clock, self._term = keyring, clock, term
        ring = keyring.ring
        self._by_name: _AtHand[_Cipher] = _AtHand(ring, most_keys)
        self._by_ids: _AtHand[_Cipher | None] = _AtHand(ring, most_keys)
        self._epochs: _AtHand[tuple[str, bytes]] = _AtHand(ring, most_keys)

    def lock(self, account: str, at: int, text: str, *, field: str = "") -> str:
        """``text`` locked with the keys of ``account`` and of the month (UTC) of ``at`` (ms since 1970).

        Raises:
            StoreError: there is no key, or not safely; nothing was locked.
            ValueError: no calendar has that instant.
        """
        return self._fetched(account, month_of(at)).lock(_padded(text), field)

    def lock_now(self, account: str, at: int, text: str, *, field: str = "") -> str | None:
        """As `lock`, but it waits for nobody: None where its key is not at hand."""
        cipher = self._by_name.now((account, month_of(at)))
        return None if cipher is None else cipher.lock(_padded(text), field)

    def at_hand(self, account: str, at: int) -> bool:
        """Whether `lock_now` and `index_now` would find their keys."""
        month = month_of(at)
        return self._by_name.now((account, month)) is not None and self._epochs.now(("", month)) is not None

    def fetch(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Have the keys at hand with which ``wanted``, accounts and instants, are locked and indexed.

        Raises:
            StoreError: as `lock`.
        """
        months = {(account, month_of(at)) for account, at in wanted}
        missing = [each for each in months if self._by_name.now(each) is None]
        for each, key in zip(missing, self._keyring.fields(self._term, missing), strict=True):
            self._by_name.get(each, partial(_cipher, key))
        for month in {month for _, month in months}:
            self._epoch(month)

    def open(self, value: str, *, field: str = "") -> str | None:
        """The text that was locked, None when one of its keys is gone.

        Raises:
            StoreError: it was changed, is another field's or no locked value at all, or the keyring cannot be read.
        """
        parts = SEALED.fullmatch(value)
        sealed = _bytes(parts[3]) if parts else None
        if parts is None or sealed is None:
            raise _damaged()
        cipher = self._by_ids.get((parts[1], parts[2]), lambda: self._cipher_of(parts[1], parts[2]))
        if cipher is None:
            return None
        try:
            return _text(cipher.open(sealed, field))
        except (InvalidTag, ValueError):  # ValueError: too short to be one.
            raise _damaged() from None

    def index(self, text: str, at: int | None = None) -> str:
        """What ``text`` is found by, under the key of the epoch that is the month of ``at``, or this month.

        Raises:
            StoreError: there is no key, or not safely.
        """
        return _index(*self._epoch(month_of(self._clock() if at is None else at)), text)

    def index_now(self, text: str, at: int) -> str | None:
        """As `index`, but it waits for nobody: None where the epoch's key is not at hand."""
        epoch = self._epochs.now(("", month_of(at)))
        return None if epoch is None else _index(*epoch, text)

    def indexes(self, text: str) -> list[str]:
        """What ``text`` may be found by: its index under each epoch whose key is alive, the latest first.

        Raises:
            StoreError: the keyring cannot be read.
        """
        return [_index(*_indexing(*each), text) for each in self._keyring.epochs(self._term)]

    def _fetched(self, account: str, month: str) -> _Cipher:
        return self._by_name.get(
            (account, month), lambda: _cipher(*self._keyring.fields(self._term, [(account, month)]))
        )

    def _epoch(self, month: str) -> tuple[str, bytes]:
        return self._epochs.get(("", month), lambda: _indexing(*self._keyring.epoch(self._term, month)))

    def _cipher_of(self, account: str, period: str) -> _Cipher | None:
        found = self._keyring.field_by_ids(account, period)
        return None if found is None else _cipher(found)


def _cipher(found: FieldKey) -> _Cipher:
    return _Cipher(ids=f"1.{found.account}.{found.period}", key=found.key)


def _indexing(id: str, key: bytes) -> tuple[str, bytes]:
    return id, derived(key, f"index 1 {id}")


def _index(id: str, key: bytes, text: str) -> str:
    return f"{id}.{_base64(hmac_digest(key, _encoded(text), 'sha256')[:_INDEX_BYTES])}"


def _padded(text: str) -> bytes:
    content = _encoded(text) + b"\x80"
    return content + bytes(-len(content) % _BLOCK_BYTES)


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").removesuffix(b"\x80").decode(errors="surrogatepass")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # Bytes that were no UTF-8 come as surrogates.


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes | None:
    """What `_base64` made ``text`` of, None if it made no such text."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except NotBase64:
        return None
    return content if _base64(content) == text else None


def _damaged() -> StoreError:
    return StoreError("a locked value was changed, or stands in another field", "restore it from a backup")
