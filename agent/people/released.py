"""Reads exactly what a disclosure is about, and nothing beside it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from agent.core.copying import OF_CALLS, hidden, known_calls
from agent.core.disclosure import Window, Windows
from agent.core.numbering import Plan
from agent.core.records import Detail, Emergency, Record, Recording, Service, document
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


def released(
    reader: Reader, kind: str, fields: Sequence[str], times: Windows, emergency: str
) -> Iterator[dict[str, Any]]:
    """These ``fields`` (``kind.field``) of a ``kind`` in ``times``; of an ``emergency``, where there is one, alone."""
    return _told(_records(reader, kind, times, emergency), kind, fields)


def consented(reader: Reader, kind: str, fields: Sequence[str], times: Windows, plan: Plan) -> Iterator[dict[str, Any]]:
    """The same by a consent, which lets go no more than its customer may see: no call for help, as in a copy."""
    for line, spans in times.items() if kind != Detail.KIND else ():
        known = frozenset[str]()
        if kind == Recording.KIND:
            since = min(span.own_at for span in spans)
            of_calls = (record for each in OF_CALLS for record in reader.read(each.KIND, since=since, line=line))
            known = known_calls(of_calls, plan)
        found = _in_time(reader.read(kind, line=line), kind, spans)
        yield from _told((record for record in found if not hidden(record, plan, known)), kind, fields)


def _told(records: Iterable[Record], kind: str, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    names = [name.partition(".")[2] for name in fields if name.startswith(f"{kind}.")]
    for record in records:
        said = document(record)
        yield {name: said[name] for name in names}


def _records(reader: Reader, kind: str, times: Windows, emergency: str) -> Iterator[Record]:
    if kind == Detail.KIND:
        yield from reader.of(Detail, emergency)
    elif kind == Emergency.KIND and emergency:
        yield from (found for found in reader.find(Emergency, emergency) if found.id == emergency)
    else:
        for line, spans in times.items():
            yield from _in_time(reader.read(kind, line=line), kind, spans)


def _in_time(records: Iterable[Record], kind: str, spans: Sequence[Window]) -> Iterator[Record]:
    began, ended = _SPANS[kind]
    for record in records:
        if isinstance(record, Service) and record.corrected_at is not None:
            continue  # It was never so.
        end = getattr(record, ended)
        begin = getattr(record, began)
        begin = end if begin is None else begin
        if begin is not None and any(_meets(begin, end, window) for window in spans):
            yield record


def _meets(begin: int, end: int | None, window: Window) -> bool:
    # A record is of who had the line when it began, however far it reaches into the time of the next.
    reaches = begin >= window.since_at or end is None or end > window.since_at
    return window.own_at <= begin < window.until_at and reaches
