"""What the stages promise one another, as Protocols."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from agent.core.records import Record
from agent.core.wire import Message


class StoreError(Exception):
    """The store cannot be used; the message is one sentence for the operator, ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Store(Protocol):
    """Where records are kept. One writer."""

    async def commit(self, records: Sequence[Record], *, durable: bool) -> None:
        """Insert or replace ``records`` (by kind and id) in one transaction: all of them or none.

        ``durable``: on return they survive a power cut (fsync); else they survive the process.

        Raises:
            StoreError: nothing of ``records`` was written.
        """

    async def open_records(self) -> list[Record]:
        """Records that had not ended when the agent stopped: registrations, emergencies, recordings, blind times."""

    async def delete_before(self, kind: str, before: int, limit: int = 500) -> int:
        """Delete at most ``limit`` ended records of ``kind`` that ended before ``before`` (ms); how many went."""

    async def checkpoint(self) -> bool:
        """Let nothing of what was deleted stand in a log of the store; False: try again later."""

    async def close(self) -> None:
        """Finish, leaving one clean file."""


class Reader(Protocol):
    """Read-only view of the store; never holds up the writer."""

    def read(
        self, kind: str, *, since: int | None = None, line: str | None = None, limit: int | None = None
    ) -> Iterable[Record]:
        """Records of ``kind``, oldest first, begun at or after ``since`` (ms), at most the ``limit`` latest."""


class Listener(Protocol):
    """Who hears a source. Every call is synchronous: nothing un-minimised may wait in a queue."""

    def hear(self, session: str, message: Message, at: int) -> None:
        """One wanted message of ``session`` (``express`` or ``bulk``), arrived at ``at`` (ms)."""

    def lost(self, session: str, cause: str, at: int) -> None:
        """``session`` stopped listening at ``at``; ``cause`` is one word."""

    def regained(self, session: str, at: int) -> None:
        """``session`` listens again, logged in and filtered."""
