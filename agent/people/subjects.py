"""Carries out what customers ask for: nothing is given out or erased before it is on record who asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import structlog

from agent.core.accounts import Span, spans
from agent.core.copying import OF_CALLS, OF_LINE, copied, hidden, known_calls
from agent.core.erasing import Fate, begun_at
from agent.core.instants import rfc3339
from agent.core.numbering import Plan
from agent.core.records import Account, Asks, AuditUse, Consent, OptIn, Record, Request, Service, document
from agent.core.requests import overdue
from agent.duties.canary import Canary, Unproved
from agent.ports import Reader
from agent.views.asking import BEAT, Answer, Refusal, patiently
from agent.views.metrics import SubjectsState

log = structlog.get_logger()

_PAGE = 200


class Audited(Protocol):
    """Where it is written down who used whose data (`agent.people.auditing.Auditing`)."""

    async def note(self, *, by: str, use: AuditUse, subject: str | None = None, reason: str) -> object:
        """It is stored durably on return."""


class Erasing(Protocol):
    """Erases an account (`agent.duties.erasing.Eraser`); both raise StoreError."""

    def outlook(self, account: str) -> Coroutine[Any, Any, list[Fate]]:
        """What an erasure would do now."""

    def erase(self, account: str) -> Coroutine[Any, Any, list[Fate]]:
        """What went, and what stays."""


class Services(Protocol):
    """Corrects a line or number of an account (`agent.people.importing.Importing`)."""

    async def corrected(self, id: str, cells: dict[str, str], reason: str, by: str) -> Answer:
        """See `agent.views.accounts.ImportControls`."""


def state(waiting: Iterable[Request], canary: Canary | None, at: int) -> SubjectsState:
    """What a scrape at ``at`` (ms) shows."""
    found = list(waiting)
    last = None if canary is None else canary.last
    return SubjectsState(
        counts={
            "open": len(found),
            "paused": sum(request.waits_for is not None for request in found),
            "overdue": sum(overdue(request, at) for request in found),
        },
        canary_every_s=None if canary is None else canary.every_s,
        canary_at=None if last is None else last.at,
        canary_ok=last is not None and last.ok,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """`agent.views.subjects.SubjectControls` of one running agent.

    ``find`` gives a request by its whole id, ``reader`` opens the store for reading, ``plan`` tells what kind of number
    a number is. ``reword`` gives an opt-in in other words, ``keep`` returns once records are stored durably.
    """

    find: Callable[[str], Awaitable[Request]]
    auditing: Audited
    erasing: Erasing
    services: Services
    canary: Canary | None
    reword: Callable[[OptIn, str], OptIn]
    keep: Callable[[Sequence[Record]], Awaitable[None]]
    reader: Callable[[], AbstractContextManager[Reader]]
    plan: Plan
    clock: Callable[[], int]

    async def erase(self, id: str, by: str, *, dry_run: bool) -> AsyncIterator[Answer]:
        """See `agent.views.subjects.SubjectControls`."""
        request = await self._granted(id, Asks.ERASURE)
        use = AuditUse.SHOWN if dry_run else AuditUse.ERASED
        await self.auditing.note(by=by, use=use, subject=request.account, reason=f"request {id}")
        working = self.erasing.outlook(request.account) if dry_run else self.erasing.erase(request.account)
        async for fates in patiently(working):
            if fates is None:
                yield BEAT
                continue
            log.info("outlook" if dry_run else "erased", request=id)
            for fate in fates:
                yield {
                    "kind": fate.kind,
                    "count": fate.count,
                    "stays": fate.why,
                    "until": None if fate.until is None else rfc3339(fate.until),
                }

    async def rectify(self, id: str, record: str, cells: dict[str, str], by: str) -> Answer:
        """See `agent.views.subjects.SubjectControls`."""
        request = await self._granted(id, Asks.RECTIFICATION)
        # By the names of the fields alone: what stood there, and stands there now, is nobody's else.
        reason = f"request {id}: {', '.join(cells)}"
        if "purpose" not in cells:
            await asyncio.to_thread(self._own_service, request.account, record)
            return await self.services.corrected(record, cells, reason, by)
        if len(cells) > 1:
            raise Refusal(422, "an opt-in has a purpose to correct, and no line, number or time")
        given = await asyncio.to_thread(self._own_optin, request.account, record)
        await self.auditing.note(by=by, use=AuditUse.RECTIFIED, subject=request.account, reason=reason)
        changed = self.reword(given, cells["purpose"])
        await self.keep([changed])
        log.info("rectified", request=id, optin=record)
        return document(changed)

    def _own_service(self, account: str, id: str) -> None:
        with self.reader() as reader:
            if not any(service.id == id for service in reader.of(Service, account)):
                raise Refusal(404, "the account of this request has no service with this id")

    def _own_optin(self, account: str, id: str) -> OptIn:
        with self.reader() as reader:
            own = spans(reader.of(Service, account), 0, self.clock() + 1)
            for given in reader.find(OptIn, id):
                if given.id == id and any(_within(given, span) for span in own):
                    return given
        raise Refusal(404, "the account of this request has no opt-in with this id")

    async def fly(self) -> AsyncIterator[Answer]:
        """See `agent.views.subjects.SubjectControls`."""
        if self.canary is None:
            raise Refusal(409, "there is no canary: it takes a site key, and [subjects] canary_every_h above 0")
        try:
            async for result in patiently(self.canary.fly()):
                if result is None:
                    yield BEAT
                    continue
                found = [str(path) for path in result.found]
                yield {"at": rfc3339(result.at), "ok": result.ok, "found": found}
        except Unproved as error:
            raise Refusal(409, str(error)) from None

    async def copied(self, id: str, by: str, *, sole_user: bool) -> AsyncIterator[Answer]:
        """See `agent.views.subjects.SubjectControls`."""
        request = await self._granted(id, Asks.ACCESS)
        reason = f"request {id}" + (", the customer alone uses the lines" if sole_user else "")
        await self.auditing.note(by=by, use=AuditUse.EXPORTED, subject=request.account, reason=reason)
        log.info("copied", request=id)
        yield {"request": id, "account": request.account, "made_at": rfc3339(self.clock())}
        rows = self._rows(request.account, sole_user=sole_user)
        while page := await asyncio.to_thread(lambda: list(islice(rows, _PAGE))):
            for row in page:
                yield row

    def _rows(self, account: str, *, sole_user: bool) -> Iterator[Answer]:
        with self.reader() as reader:
            known = frozenset[str]() if sole_user else self._known_calls(reader, account)
            for record in self._records(reader, account):
                if sole_user or not hidden(record, self.plan, known):
                    yield {"kind": record.KIND, "record": copied(record)}

    def _records(self, reader: Reader, account: str) -> Iterator[Record]:
        """All that is the account's, kind by kind."""
        yield from reader.of(Account, account)
        # One that was wrong is a line or number of somebody else's.
        yield from (service for service in reader.of(Service, account) if service.corrected_at is None)
        yield from reader.of(Request, account)
        for record in reader.read(Consent.KIND):
            if isinstance(record, Consent) and record.account == account:
                yield record
        lines = self._spans(reader, account)
        for kind in OF_LINE:
            for span in lines:
                yield from _of_line(reader, kind, span)

    def _known_calls(self, reader: Reader, account: str) -> frozenset[str]:
        """What was recorded of the account's lines, and is known to be of no call for help."""
        return frozenset[str]().union(
            *(
                known_calls((record for kind in OF_CALLS for record in _of_line(reader, kind, span)), self.plan)
                for span in self._spans(reader, account)
            )
        )

    def _spans(self, reader: Reader, account: str) -> list[Span]:
        return spans(reader.of(Service, account), 0, self.clock() + 1)

    async def _granted(self, id: str, asks: Asks) -> Request:
        request = await self.find(id)
        if request.closed_at is not None:
            raise Refusal(409, "this request is closed")
        if request.asks is not asks:
            raise Refusal(409, f"this request asks for {request.asks}, not {asks}")
        if request.identity is None:
            raise Refusal(409, "nobody has checked who asks: telephony-agent subject identify")
        return request


def _of_line(reader: Reader, kind: type[Record], span: Span) -> Iterator[Record]:
    for record in reader.read(kind.KIND, since=span.begin, line=span.line):
        if span.end is None or begun_at(record) < span.end:
            yield record


def _within(given: OptIn, span: Span) -> bool:
    return span.line == given.line and span.begin <= given.given_at and (span.end is None or given.given_at < span.end)
