"""Carries out what customers ask for: nothing is given out or erased before it is on record who asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from agent.core.erasing import Fate
from agent.core.instants import rfc3339
from agent.core.records import Asks, AuditUse, Request
from agent.views.asking import Answer, Refusal

log = structlog.get_logger()


class Audited(Protocol):
    """Where it is written down who used whose data (`agent.auditing.Auditing`)."""

    async def note(self, *, by: str, use: AuditUse, subject: str | None = None, reason: str) -> object:
        """It is stored durably on return."""


class Erasing(Protocol):
    """Erases an account (`agent.duties.erasing.Eraser`); both raise StoreError."""

    async def outlook(self, account: str) -> list[Fate]:
        """What an erasure would do now."""

    async def erase(self, account: str) -> list[Fate]:
        """What went, and what stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """`agent.views.subjects.SubjectControls` of one running agent; ``find`` gives a request by its whole id."""

    find: Callable[[str], Awaitable[Request]]
    auditing: Audited
    erasing: Erasing

    async def erase(self, id: str, by: str, *, dry_run: bool) -> AsyncIterator[Answer]:
        """See `agent.views.subjects.SubjectControls`."""
        request = await self._granted(id, Asks.ERASURE)
        if dry_run:
            await self.auditing.note(by=by, use=AuditUse.SHOWN, subject=request.account, reason=f"request {id}")
            fates = await self.erasing.outlook(request.account)
        else:
            await self.auditing.note(by=by, use=AuditUse.ERASED, subject=request.account, reason=f"request {id}")
            fates = await self.erasing.erase(request.account)
            log.info("erased", request=id, records=sum(fate.count for fate in fates if fate.why is None))
        for fate in fates:
            yield {
                "kind": fate.kind,
                "count": fate.count,
                "stays": fate.why,
                "until": None if fate.until is None else rfc3339(fate.until),
            }

    async def _granted(self, id: str, asks: Asks) -> Request:
        request = await self.find(id)
        if request.closed_at is not None:
            raise Refusal(409, "this request is closed")
        if request.asks is not asks:
            raise Refusal(409, f"this request asks for {request.asks}, not {asks}")
        if request.identity is None:
            raise Refusal(409, "nobody has checked who asks: telephony-agent subject identify")
        return request
