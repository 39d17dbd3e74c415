"""Writes the audit: who uses a person's data, and why, is stored durably before any of it leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

import structlog

from agent.core.audit import Trail
from agent.core.records import Audit, AuditUse, Record, document
from agent.ports import Reader
from agent.views.asking import Answer

log = structlog.get_logger()

#: How often it is looked whether a month is over.
EVERY_S = 3600.0
#: Entries that are read at once for a list.
PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """``trail`` knows where the audit has got to; ``keep`` returns once records are stored durably, or raises.

    It is `agent.views.audit.AuditControls` of one running agent as well; ``reader`` opens the store for reading.
    """

    trail: Trail
    keep: Callable[[Sequence[Record]], Awaitable[None]]
    put: Callable[[Iterable[Record]], None]
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]

    async def note(
        self, *, by: str, use: AuditUse, subject: str | None = None, reason: str, beside: Sequence[Record] = ()
    ) -> Audit:
        """Write down that ``by`` uses what is kept about ``subject`` (account, line or record id); durable on return.

        ``beside``: what is stored with it.

        Raises:
            StoreError: the store takes nothing now: whatever was asked must not be given out.
        """
        records = self.trail.note(at=self.clock(), by=by, use=use, subject=subject, reason=reason)
        await self.keep([*records, *beside])
        return _told(records)

    def note_at_once(self, *, by: str, use: AuditUse, subject: str, reason: str) -> Audit:
        """Write it down and wait for nobody: the store takes it as soon as it can, and its keys are at hand."""
        records = self.trail.note(at=self.clock(), by=by, use=use, subject=subject, reason=reason)
        self.put(records)
        return _told(records)

    async def run(self) -> None:
        """Close each month soon after it is over, also when nobody uses anything any more, until cancelled."""
        while True:
            self.put(self.trail.close(self.clock()))
            await asyncio.sleep(EVERY_S)

    async def listed(self, since: int | None, subject: str | None, reason: str, by: str) -> AsyncIterator[Answer]:
        """See `agent.views.audit.AuditControls`."""
        await self.note(by=by, use=AuditUse.LISTED, subject=subject, reason=reason)
        rows = self._rows(since, subject)
        while page := await asyncio.to_thread(lambda: list(islice(rows, PAGE))):
            for row in page:
                yield row

    def _rows(self, since: int | None, subject: str | None) -> Iterator[Answer]:
        with self.reader() as reader:
            for entry in reader.read(Audit.KIND, since=since):
                if isinstance(entry, Audit) and subject in (None, entry.subject):
                    yield document(entry)


def _told(records: Iterable[Record]) -> Audit:
    (entry,) = (record for record in records if isinstance(record, Audit))
    log.info("audited", use=entry.use, audit=entry.id)
    return entry
