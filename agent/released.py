"""Reads exactly what a disclosure is about, and nothing beside it."""

from collections.abc import Iterable, Iterator
from typing import Any

from agent.core.disclosure import Scope
from agent.core.records import Detail, Emergency, Record, Service, document
from agent.ports import Reader

#: From when to when a record of each kind was; what has no end is still.
_SPANS = {
    "registration": ("first_seen", "ended_at"),
    "emergency": ("started_at", "ended_at"),
    "recording": ("started_at", "stopped_at"),
    "call": ("started_at", "started_at"),
    "text": ("at", "at"),
    "service": ("from_at", "until_at"),
}


def released(reader: Reader, kind: str, scope: Scope, emergency: str) -> Iterator[dict[str, Any]]:
    """The fields in ``scope`` of the records of ``kind`` in it; with an ``emergency``, of no other emergency call."""
    names = [name.partition(".")[2] for name in scope.fields if name.startswith(f"{kind}.")]
    for record in _records(reader, kind, scope, emergency):
        said = document(record)
        yield {name: said[name] for name in names}


def _records(reader: Reader, kind: str, scope: Scope, emergency: str) -> Iterator[Record]:
    if kind == Detail.KIND:
        yield from reader.of(Detail, emergency)
    elif kind == Emergency.KIND and emergency:
        yield from (found for found in reader.find(Emergency, emergency) if found.id == emergency)
    else:
        for line in scope.lines:
            yield from _in_time(reader.read(kind, line=line), kind, scope)


def _in_time(records: Iterable[Record], kind: str, scope: Scope) -> Iterator[Record]:
    began, ended = _SPANS[kind]
    for record in records:
        if isinstance(record, Service) and record.corrected_at is not None:
            continue  # It was never so.
        end = getattr(record, ended)
        begin = getattr(record, began)
        begin = end if begin is None else begin
        if begin is None or (begin < scope.until_at and (end is None or end >= scope.since_at)):
            yield record
