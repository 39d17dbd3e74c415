"""AMI messages to signals: one small function an event, and the only place that knows AMI's header names."""

from agent.core.instants import from_epoch
from agent.core.normalise import calls, journal, registrations, userevents
from agent.core.normalise.identity import Linker, Reader
from agent.core.normalise.registrations import FAILURES
from agent.core.signals import Signal
from agent.core.wire import Message

__all__ = ["FAILURES", "READERS", "WANTED", "Linker", "normalise"]

READERS: dict[str, Reader] = registrations.READERS | calls.READERS | userevents.READERS | journal.READERS

#: The first lines that are worth parsing; everything else is skipped unread.
WANTED = frozenset(name.encode() for name in READERS)


def normalise(message: Message, at: int, link: Linker) -> Signal | None:
    """The signal in ``message``, or None where it holds none.

    Its time is the event's own ``Timestamp`` (``timestampevents=yes``), else ``at``, the arrival in ms.
    """
    reader = READERS.get(message.name)
    if reader is None:
        return None
    return reader(message, from_epoch(message.get("Timestamp")) or at, link)
