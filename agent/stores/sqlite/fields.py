"""Personal fields, locked on their way into the store and opened on the way out of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from agent.core.personal import PERSONAL, aged_by, class_of, owner_of
from agent.core.records import Alarm, Detail, Emergency, Entry, Record, RetentionClass
from agent.ports import StoreError
from agent.stores.vault import Keyring, Locks, is_locked

#: What stands for a text whose key is not at hand, and, where there must be one, for a text whose key is gone.
LOCKED, ERASED = "locked", "erased"

#: Kinds that wait for no key: what cannot be locked at once is stored as it is, and locked later.
_URGENT = (Emergency, Detail, Entry, Alarm)

Row = dict[str, Any]


class Fields:
    """Locks with the keys of the keyring that ``opening`` gives, which is asked until it gives one; for any thread.

    ``opening`` may raise StoreError. ``clock`` is in ms since 1970.
    """

    def __init__(self, opening: Callable[[], Keyring], clock: Callable[[], int]) -> None:
        self._opening, self._clock = opening, clock
        self._keyring: Keyring | None = None
        self._of_class: dict[RetentionClass, Locks] = {}
        self._opener: Locks | None = None
        self._lock = Lock()

    def lock(self, record: Record, row: Row) -> bool | None:
        """Lock the personal values in the ``row`` of ``record``, waiting for nobody; whether all of them are locked.

        None: a key is not at hand, to be had by `fetch`; of an emergency's records such values stay as they are.
        """
        whole = True
        for field in PERSONAL[type(record)]:
            text = row[field.name]
            if text is None or is_locked(text):  # Locked: it could not be opened when it was read.
                continue
            locked = self._locked_now(record, text, field.place)
            index = self._indexed_now(record, text) if field.indexed else ""
            if locked is None or index is None:
                whole = False
                continue
            row[field.name] = locked
            if field.indexed:
                row[f"{field.name}_index"] = index
        return whole if whole or isinstance(record, _URGENT) else None

    def fetch(self, records: Iterable[Record]) -> None:
        """Have the keys at hand with which ``records`` are locked; a new one waits for the disk.

        Raises:
            StoreError: there are none, or not safely.
        """
        wanted: defaultdict[RetentionClass, set[tuple[str, int]]] = defaultdict(set)
        for record in records:
            if PERSONAL[type(record)]:
                wanted[class_of(record)].add((owner_of(record), self._at(record)))
        for retention, each in wanted.items():
            self._locks(retention).fetch(each)

    def at_hand(self, record: Record) -> bool:
        """Whether `lock` would find every key."""
        fields = PERSONAL[type(record)]
        if not fields:
            return True
        locks = self._of_class.get(class_of(record))
        return locks is not None and locks.at_hand(owner_of(record), self._at(record))

    def open(self, value: str, place: str, unopened: str) -> str | None:
        """The text that was locked as ``value``, None when its key is gone, ``unopened`` when it cannot be opened."""
        opener = self._opener
        try:
            return unopened if opener is None else opener.open(value, field=place)
        except StoreError:
            return unopened  # What else the record holds is of use all the same.

    def indexes(self, text: str, classes: Iterable[RetentionClass]) -> list[str]:
        """What records of these classes may be found by that hold ``text`` in an indexed field.

        Raises:
            StoreError: the keyring cannot be used.
        """
        return [index for retention in classes for index in self._locks(retention).indexes(text)]

    def begin(self) -> bool:
        """Ask for the keyring where there is none yet, which may wait for the disk; whether there is one now."""
        try:
            self._opened()
        except StoreError:
            return False
        return True

    def _locked_now(self, record: Record, text: str, place: str) -> str | None:
        locks = self._of_class.get(class_of(record))
        return None if locks is None else locks.lock_now(owner_of(record), self._at(record), text, field=place)

    def _indexed_now(self, record: Record, text: str) -> str | None:
        locks = self._of_class.get(class_of(record))
        return None if locks is None else locks.index_now(text)

    def _at(self, record: Record) -> int:
        at = aged_by(record)
        return self._clock() if at is None else at

    def _opened(self) -> Locks:
        with self._lock:
            if self._opener is None:
                self._keyring = self._opening()
                self._opener = Locks(self._keyring, self._clock)
            return self._opener

    def _locks(self, retention: RetentionClass) -> Locks:
        self._opened()
        with self._lock:
            if retention not in self._of_class and self._keyring is not None:
                self._of_class[retention] = Locks(self._keyring, self._clock, term=retention)
            return self._of_class[retention]
