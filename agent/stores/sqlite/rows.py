"""Records as rows and back: columns are fields, instants are RFC 3339 text, lists are JSON."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Protocol, get_args, get_type_hints

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.personal import ERASED, HANDLED, LOCKED, PERSONAL, is_locked
from agent.core.records import INSTANTS, RECORDS, Pause, Record
from agent.stores.sqlite.lines import is_handle
from agent.stores.sqlite.texts import storable

RECORD_OF_KIND: dict[str, type[Record]] = {record.KIND: record for record in RECORDS}

Value = str | int | None


class Opening(Protocol):
    """What opens what is personal in a row."""

    def text(self, value: str, place: str) -> str | None:
        """The text that was locked as ``value`` in this place, None when its key is gone."""

    def line(self, handle: str) -> str:
        """The name of the line that ``handle`` stands for."""


class Unopened:
    """An `Opening` that leaves everything as it is: locked values and handles, to be written back as they are."""

    def text(self, value: str, place: str) -> str | None:  # noqa: ARG002
        """``value`` itself."""
        return value

    def line(self, handle: str) -> str:
        """``handle`` itself."""
        return handle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """``place``: of a personal field, where it stands; ``gone``: what stands for such a text whose key is gone;
    ``handled``: it names a line.
    """

    name: str
    write: Callable[[Any], Value]
    read: Callable[[Any], Any]
    place: str = ""
    gone: str | None = None
    handled: bool = False


def to_row(record: Record) -> dict[str, Any]:
    """Column values of ``record``, by name, nothing locked yet; the index of a personal field is the field itself.

    Raises:
        OverflowError: an instant is past the year 9999.
    """
    row: dict[str, Any] = {}
    for column in _COLUMNS[type(record)]:
        value = getattr(record, column.name)
        row[column.name] = None if value is None else column.write(value)
    for index, name in _INDEXES[type(record)]:
        row[index] = row[name]
    return row


def from_row(kind: str, row: Iterable[Any], opening: Opening) -> Record:
    """The record of ``kind`` that ``row``, in the order of the table's columns, was written from.

    Raises:
        ValueError: the row holds something that was never written.
        StoreError, sqlite3.Error: as ``opening``.
    """
    record = RECORD_OF_KIND[kind]
    try:
        values: dict[str, Any] = {}
        for column, value in zip(_IN_TABLE[record], row, strict=True):
            if column is None:
                continue
            if value is not None and column.place and is_locked(value):
                value = opening.text(value, column.place)
                value = column.gone if value is None else value
            elif value is not None and column.handled and is_handle(value):
                value = opening.line(value)
            values[column.name] = None if value is None else column.read(value)
    except (TypeError, KeyError) as error:  # JSON of another shape.
        raise ValueError(f"not a {kind}") from error
    return record(**values)


def from_names(kind: str, row: Mapping[str, Any], opening: Opening) -> Record:
    """As `from_row`, of a row by the names of its columns.

    Raises:
        ValueError: a column is missing, and as `from_row`; StoreError, sqlite3.Error: as ``opening``.
    """
    try:
        values = [row[name] for name in _NAMES[RECORD_OF_KIND[kind]]]
    except KeyError:
        raise ValueError(f"not a {kind}") from None
    return from_row(kind, values, opening)


def as_stored(kind: str, row: Iterable[Any]) -> dict[str, Any]:
    """The columns of ``row``, in the order of the table's columns, by name, as they are stored."""
    record = RECORD_OF_KIND[kind]
    return dict(zip(_NAMES[record], row, strict=True))


def _same(value: Any) -> Any:
    return value


def _write_texts(texts: tuple[str, ...]) -> str:
    # Locked as a whole: it could not be opened when it was read.
    return texts[0] if len(texts) == 1 and is_locked(texts[0]) else json.dumps(texts)


def _read_texts(text: str) -> tuple[str, ...]:
    unopened = is_locked(text) or text in (LOCKED, ERASED)
    return (text,) if unopened else tuple(json.loads(text))


def _write_pauses(pauses: tuple[Pause, ...]) -> str:
    return json.dumps(
        [
            {
                "paused_at": rfc3339(pause.paused_at),
                "resumed_at": None if pause.resumed_at is None else rfc3339(pause.resumed_at),
            }
            for pause in pauses
        ]
    )


def _read_pauses(text: str) -> tuple[Pause, ...]:
    return tuple(
        Pause(
            paused_at=from_rfc3339(pause["paused_at"]),
            resumed_at=None if pause["resumed_at"] is None else from_rfc3339(pause["resumed_at"]),
        )
        for pause in json.loads(text)
    )


def _column(name: str, hint: Any, place: str, *, handled: bool) -> _Column:
    optional = isinstance(hint, UnionType)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if name in INSTANTS:
        return _Column(name=name, write=rfc3339, read=from_rfc3339)
    if hint == tuple[Pause, ...]:
        return _Column(name=name, write=_write_pauses, read=_read_pauses)
    if hint == tuple[str, ...]:
        return _Column(name=name, write=_write_texts, read=_read_texts, place=place, gone=ERASED)
    if hint is bool:
        return _Column(name=name, write=int, read=bool)
    if hint is int:
        return _Column(name=name, write=_same, read=_same)
    if hint is str:
        return _Column(
            name=name, write=storable, read=_same, place=place, gone=None if optional else ERASED, handled=handled
        )
    if issubclass(hint, StrEnum):
        return _Column(name=name, write=str, read=hint)
    raise TypeError(f"no column for {name}: {hint}")


def _columns(record: type[Record]) -> tuple[_Column, ...]:
    hints = get_type_hints(record)
    places = {field.name: field.place for field in PERSONAL[record]}
    return tuple(
        _column(item.name, hints[item.name], places.get(item.name, ""), handled=item.name in HANDLED[record])
        for item in fields(record)
    )


def _in_table(record: type[Record]) -> tuple[_Column | None, ...]:
    """The columns in the table's order; None is the index of the personal field before it."""
    indexed = {name for _, name in _INDEXES[record]}
    return tuple(
        each for column in _COLUMNS[record] for each in ((column, None) if column.name in indexed else (column,))
    )


def _stored_names(record: type[Record]) -> tuple[str, ...]:
    """The names of `_in_table`."""
    index_of = {name: index for index, name in _INDEXES[record]}
    return tuple(
        name for column in _COLUMNS[record] for name in (column.name, index_of.get(column.name)) if name is not None
    )


_COLUMNS = {record: _columns(record) for record in RECORDS}
#: The column of the index of each indexed personal field, and the field.
_INDEXES = {
    record: tuple((f"{field.name}_index", field.name) for field in PERSONAL[record] if field.indexed)
    for record in RECORDS
}
_IN_TABLE = {record: _in_table(record) for record in RECORDS}
_NAMES = {record: _stored_names(record) for record in RECORDS}
