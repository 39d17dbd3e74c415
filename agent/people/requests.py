"""Carries out what people do with customers' requests, and tells of one that is not answered in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import structlog

from agent.core import requests
from agent.core.records import (
    Account,
    Asks,
    AuditUse,
    Cause,
    Record,
    Request,
    RequestOutcome,
    Severity,
    Waits,
    document,
)
from agent.pipeline import Pipeline
from agent.ports import Reader
from agent.views.asking import Answer, Refusal

log = structlog.get_logger()

LOOK_EVERY_S = 60.0
#: So long before a request is due it becomes a warning.
_SOON_MS = 7 * 86_400_000
_PAGE = 200


class Audited(Protocol):
    """Where it is written down who used whose data (`agent.people.auditing.Auditing`)."""

    async def note(self, *, by: str, use: AuditUse, subject: str | None = None, reason: str) -> object:
        """It is stored durably on return."""


@dataclass(slots=True, kw_only=True)
class Requests:
    """`agent.views.requests.RequestControls` of one running agent; ``reader`` opens the store for reading.

    ``keep`` returns once records are stored durably, or raises.
    """

    pipeline: Pipeline
    keep: Callable[[Sequence[Record]], Awaitable[None]]
    auditing: Audited
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]
    new_id: Callable[[], str]
    #: Those that wait for an answer, by id.
    waiting: dict[str, Request] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what had not been answered when an earlier run stopped."""
        self.waiting.update((record.id, record) for record in records if isinstance(record, Request))

    async def run(self) -> None:
        """Tell of what is due soon or overdue, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Raise an alarm of each request that is due within a week, worse when it is overdue; clear the others."""
        now = self.clock()
        due = {
            request.id: request
            for request in self.waiting.values()
            if request.due_at is not None and request.due_at <= now + _SOON_MS
        }
        for id in self._told - due.keys():
            self._condition(id, None, Severity.WARNING, now)
        for id, request in due.items():
            if requests.overdue(request, now):
                self._condition(id, "it is overdue: it had to be answered by law", Severity.CRITICAL, now)
            else:
                self._condition(id, "it must be answered within a week", Severity.WARNING, now)
        self._told = set(due)

    def _condition(self, id: str, what: str | None, severity: Severity, now: int) -> None:
        self.pipeline.put(self.pipeline.engine.condition(Cause.REQUEST, id, what, severity, now))

    # -- what people do -------------------------------------------------------------------------------------------

    async def open(self, account: str, asks: Asks, received_at: int | None, identity: str | None, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""

        def made() -> Request:
            at = self.clock()
            fresh = requests.opened(self.new_id(), account, asks, at if received_at is None else received_at, by, at)
            return fresh if identity is None else requests.identified(fresh, identity, by, at)

        await asyncio.to_thread(self._known, account)
        return await self._changed(made, by, f"opened: {asks}")

    async def identify(self, id: str, how: str, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""
        return await self._changed(lambda: requests.identified(self._one(id), how, by, self.clock()), by, "identified")

    async def pause(self, id: str, waits_for: Waits, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""
        return await self._changed(
            lambda: requests.paused(self._one(id), waits_for, self.clock()), by, f"paused for {waits_for}"
        )

    async def resume(self, id: str, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""
        return await self._changed(lambda: requests.resumed(self._one(id), self.clock()), by, "resumed")

    async def extend(self, id: str, why: str, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""
        return await self._changed(lambda: requests.extended(self._one(id), why, self.clock()), by, "extended")

    async def close(self, id: str, outcome: RequestOutcome, answer: str, by: str) -> Request:
        """See `agent.views.requests.RequestControls`."""
        return await self._changed(
            lambda: requests.closed(self._one(id), outcome, answer, by, self.clock()), by, f"closed: {outcome}"
        )

    async def _changed(self, change: Callable[[], Request], by: str, what: str) -> Request:
        async with self._turn:
            try:
                request = change()
            except ValueError as error:
                raise Refusal(409, str(error)) from None
            except OverflowError:
                raise Refusal(422, "no calendar has such a day") from None
            await self.auditing.note(by=by, use=AuditUse.REQUESTED, subject=request.account, reason=what)
            await self.keep([request])
            if request.closed_at is None:
                self.waiting[request.id] = request
            else:
                self.waiting.pop(request.id, None)
        self.look()
        log.info("request_changed", request=request.id, what=what)
        return request

    # -- what is shown --------------------------------------------------------------------------------------------

    async def listed(self, reason: str, by: str, *, closed: bool) -> AsyncIterator[Answer]:
        """See `agent.views.requests.RequestControls`."""
        await self.auditing.note(by=by, use=AuditUse.LISTED, subject=Request.KIND, reason=reason)
        with self.reader() as reader:
            rows = (record for record in reader.read(Request.KIND) if isinstance(record, Request))
            while page := await asyncio.to_thread(lambda: list(islice(rows, _PAGE))):
                for record in page:
                    if closed or record.closed_at is None:
                        yield self.shown(record)

    async def show(self, id: str, reason: str, by: str) -> Answer:
        """See `agent.views.requests.RequestControls`."""
        request = await self.find(id)
        await self.auditing.note(by=by, use=AuditUse.SHOWN, subject=request.account, reason=reason)
        return self.shown(request)

    def shown(self, request: Request) -> Answer:
        """``request``, and whether it is overdue."""
        return document(request) | {"overdue": requests.overdue(request, self.clock())}

    async def find(self, id: str) -> Request:
        """The request with this id, answered or not.

        Raises:
            Refusal: there is none.
        """
        found = self.waiting.get(id) or await asyncio.to_thread(self._stored, id)
        if found is None:
            raise Refusal(404, "no request has this id")
        return found

    def _one(self, id: str) -> Request:
        if id not in self.waiting:
            raise Refusal(404, "no open request has this id")
        return self.waiting[id]

    def _stored(self, id: str) -> Request | None:
        with self.reader() as reader:
            return next((request for request in reader.find(Request, id) if request.id == id), None)

    def _known(self, account: str) -> None:
        with self.reader() as reader:
            if not reader.of(Account, account):
                raise Refusal(404, "no account has this reference")
