"""Emergencies with what became of their alarms, and all that is kept of one put together, for the desk's eyes."""

from collections.abc import Iterator
from typing import Any

from agent.core import timeline
from agent.core.alarms import is_call
from agent.core.records import Alarm, Emergency, Entry, Look, Notice, document
from agent.ports import Reader


def listed(reader: Reader, since: int | None) -> Iterator[dict[str, Any]]:
    """Each emergency that began at or after ``since`` (ms), oldest first, with its ``alarm``, None where it has none.

    Raises:
        StoreError: while iterating, the store cannot be read.
    """
    for found in reader.read(Emergency.KIND, since=since):
        if isinstance(found, Emergency):
            yield document(found) | {"alarm": _alarm(reader.of(Alarm, found.id))}


def kept(reader: Reader, emergency: Emergency, key: bytes) -> dict[str, Any]:
    """All that is kept of one emergency but its fuller view; its timeline is checked with the ``key`` of the store.

    Raises:
        StoreError: it cannot be read.
    """
    # The lines last: what the others tell has a line by then, however much happens meanwhile.
    alarms = reader.of(Alarm, emergency.id)
    notices = [notice for alarm in alarms for notice in reader.of(Notice, alarm.id)]
    entries = reader.of(Entry, emergency.id)
    problems = timeline.verify(entries, key, emergency=emergency, alarms=alarms, notices=notices)
    return {
        "emergency": document(emergency),
        "alarm": _alarm(alarms),
        "timeline": {
            "whole": not problems,
            "problems": problems,
            "entries": [document(entry) for entry in entries],
        },
        "notices": [
            document(notice) for notice in sorted(notices, key=lambda notice: (notice.channel, notice.raised_at))
        ],
        "looks": [document(look) for look in reader.of(Look, emergency.id)],
    }


def _alarm(alarms: list[Alarm]) -> dict[str, Any] | None:
    """The alarm of an emergency, the latest if it was raised anew."""
    return next((document(alarm) for alarm in reversed(alarms) if is_call(alarm)), None)
