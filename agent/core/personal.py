"""Which fields are personal, whose they are, and with which month and retention class their keys go.

A record class marks its personal fields with `agent.core.records.Locked`, and tells in ``AGED_BY`` by which of its
instants its term counts, the first that it has: as its rows are deleted by. Its owner is its ``line``, unless
``OWNER`` names another field. What an owner's key locked is gone with that key, what a month's key locked with that.
The name of a line is marked with `agent.core.records.Handled`: the store keeps its handle (`agent.core.records.Line`).
"""

import re
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from agent.core.instants import from_rfc3339
from agent.core.records import RECORDS, Audit, Call, Handled, Locked, Record, RetentionClass, Service, Text

#: What stands for a text whose key is not at hand, and, where there must be one, for a text whose key is gone.
LOCKED, ERASED = "locked", "erased"

#: The form of a locked value (`agent.stores.vault.locks`): version, ids of two keys, nonce and ciphertext.
SEALED = re.compile(r"1\.([0-9a-f]{16})\.([0-9a-f]{16})\.([0-9A-Za-z_-]+)")

#: Whose key locks a field of a record that is of no line.
NO_OWNER = "nobody"

#: What an account and a line are called may be the same: each kind of owner has keys of its own. No line has a space in
#: its name.
_CALLED: dict[type[Record], str] = {Service: "account", Audit: "subject"}

#: The month of what stands until somebody ends it, for years perhaps: its key is not to expire. The last year of all
#: is left free for what lasts a year longer.
STANDING = from_rfc3339("9998-12-01T00:00:00Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalField:
    """A field of a kind of record; ``place`` is where it stands (``call.number``), and nowhere else it opens."""

    name: str
    place: str
    indexed: bool


def _marks(record: type[Record]) -> list[tuple[str, Any]]:
    hints = get_type_hints(record, include_extras=True)
    return [(item.name, mark) for item in fields(record) for mark in getattr(hints[item.name], "__metadata__", ())]


#: The personal fields of each kind of record, in order.
PERSONAL: dict[type[Record], tuple[PersonalField, ...]] = {
    record: tuple(
        PersonalField(name=name, place=f"{record.KIND}.{name}", indexed=mark.indexed)
        for name, mark in _marks(record)
        if isinstance(mark, Locked)
    )
    for record in RECORDS
}

#: The fields of each kind of record that hold the name of a line.
HANDLED: dict[type[Record], tuple[str, ...]] = {
    record: tuple(name for name, mark in _marks(record) if isinstance(mark, Handled)) for record in RECORDS
}

#: The field of each kind of record that says whose it is; "": none.
OWNER: dict[type[Record], str] = {
    record: getattr(record, "OWNER", "line" if any(item.name == "line" for item in fields(record)) else "")
    for record in RECORDS
}


def is_locked(value: str) -> bool:
    """Whether ``value`` has the form of a locked one."""
    return value.startswith("1.") and SEALED.fullmatch(value) is not None


def is_hidden(text: str) -> bool:
    """Whether ``text`` cannot be read now."""
    return text == LOCKED or is_locked(text)


def owner_of(record: type[Record], name: str | None) -> str:
    """By what the key is found that locks the personal fields of a record; ``name`` is in its field `OWNER`.

    Of a line's it is found by its handle; recordings alone have keys by the names of lines.
    """
    if not name:
        return NO_OWNER
    return f"{_CALLED[record]} {name}" if record in _CALLED else name


def owners_of_account(account: str) -> tuple[str, str]:
    """By what the keys of an account are found: of its lines and numbers, and of what the audit says of it."""
    return owner_of(Service, account), owner_of(Audit, account)


def aged_by(record: Record) -> int:
    """The instant (ms) from which the record's term counts, as far as is known; `STANDING` while it has none."""
    names: tuple[str, ...] = getattr(record, "AGED_BY", ())
    return next((at for name in names if (at := getattr(record, name)) is not None), STANDING)


def class_of(record: Record) -> RetentionClass:
    """The retention class of this record; see `agent.core.records.retentions`."""
    return RetentionClass.UNBILLED if isinstance(record, Call | Text) and not record.itemised else record.RETENTION
