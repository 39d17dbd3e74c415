"""Which fields are personal, whose they are, and with which month and retention class their keys go.

A record class marks its personal fields with `agent.core.records.Locked`, and tells in ``AGED_BY`` by which of its
instants its term counts, the first that it has: as its rows are deleted by. Its owner is its ``line``, unless
``OWNER`` names another field. What an owner's key locked is gone with that key, what a month's key locked with that.
"""

from dataclasses import dataclass, fields
from typing import get_type_hints

from agent.core.records import RECORDS, Call, Locked, Record, RetentionClass, Text

#: Whose key locks a field of a record that is of no line.
NO_OWNER = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalField:
    """A field of a kind of record; ``place`` is where it stands (``call.number``), and nowhere else it opens."""

    name: str
    place: str
    indexed: bool


def _personal(record: type[Record]) -> tuple[PersonalField, ...]:
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        PersonalField(name=item.name, place=f"{record.KIND}.{item.name}", indexed=mark.indexed)
        for item in fields(record)
        for mark in getattr(hints[item.name], "__metadata__", ())
        if isinstance(mark, Locked)
    )


#: The personal fields of each kind of record, in order.
PERSONAL: dict[type[Record], tuple[PersonalField, ...]] = {record: _personal(record) for record in RECORDS}


def owner_of(record: Record) -> str:
    """Whose key locks the record's personal fields."""
    owner: str | None = getattr(record, getattr(record, "OWNER", "line"), None)
    return owner or NO_OWNER


def aged_by(record: Record) -> int | None:
    """The instant (ms) from which the record's term counts, as far as is known; None while it has none."""
    names: tuple[str, ...] = getattr(record, "AGED_BY", ())
    return next((at for name in names if (at := getattr(record, name)) is not None), None)


def class_of(record: Record) -> RetentionClass:
    """The retention class of this record; see `agent.core.records.retentions`."""
    return RetentionClass.UNBILLED if isinstance(record, Call | Text) and not record.itemised else record.RETENTION
