"""Records as rows and back: columns are fields, instants are RFC 3339 text, lists are JSON."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.records import INSTANTS, RECORDS, Pause, Record

RECORD_OF_KIND: dict[str, type[Record]] = {record.KIND: record for record in RECORDS}

Value = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    write: Callable[[Any], Value]
    read: Callable[[Any], Any]


def to_row(record: Record) -> dict[str, Value]:
    """Column values of ``record``, by name.

    Raises:
        OverflowError: an instant is past the year 9999.
    """
    row: dict[str, Value] = {}
    for column in _COLUMNS[type(record)]:
        value = getattr(record, column.name)
        row[column.name] = None if value is None else column.write(value)
    return row


def from_row(kind: str, row: Iterable[Any]) -> Record:
    """The record of ``kind`` that ``row``, in the order of the table's columns, was written from.

    Raises:
        ValueError: the row holds something that was never written.
    """
    record = RECORD_OF_KIND[kind]
    try:
        values: dict[str, Any] = {
            column.name: None if value is None else column.read(value)
            for column, value in zip(_COLUMNS[record], row, strict=True)
        }
    except (TypeError, KeyError) as error:  # JSON of another shape.
        raise ValueError(f"not a {kind}") from error
    return record(**values)


def storable(value: str) -> str:
    """``value`` as it is stored: a header that is no UTF-8 may arrive as lone surrogates, which SQLite refuses."""
    # better a "?" than no record
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _same(value: Any) -> Any:
    return value


def _write_links(links: tuple[str, ...]) -> str:
    return json.dumps(links)


def _read_links(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


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


def _column(name: str, hint: Any) -> _Column:
    if isinstance(hint, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if name in INSTANTS:
        return _Column(name=name, write=rfc3339, read=from_rfc3339)
    if hint == tuple[Pause, ...]:
        return _Column(name=name, write=_write_pauses, read=_read_pauses)
    if hint == tuple[str, ...]:
        return _Column(name=name, write=_write_links, read=_read_links)
    if hint is bool:
        return _Column(name=name, write=int, read=bool)
    if hint is int:
        return _Column(name=name, write=_same, read=_same)
    if hint is str:
        return _Column(name=name, write=storable, read=_same)
    if issubclass(hint, StrEnum):
        return _Column(name=name, write=str, read=hint)
    raise TypeError(f"no column for {name}: {hint}")


def _columns(record: type[Record]) -> tuple[_Column, ...]:
    hints = get_type_hints(record)
    return tuple(_column(item.name, hints[item.name]) for item in fields(record))


_COLUMNS = {record: _columns(record) for record in RECORDS}
