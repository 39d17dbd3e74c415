"""Carries out what people ask of legal holds and of the purge, and tells of a hold that is overdue for review."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import structlog

from agent.core.accounts.spans import Span, spans
from agent.core.holds import Holds, Order, placed
from agent.core.records import AuditUse, Cause, Content, Deletion, Hold, Record, Service, Severity, document
from agent.duties.retention import Purger
from agent.people.control import Keeping
from agent.pipeline import Pipeline
from agent.ports import Reader, StoreError
from agent.views.asking import BEAT, Answer, Refusal, patiently
from agent.views.metrics import RetentionState

log = structlog.get_logger()

LOOK_EVERY_S = 60.0
#: So long after its review date a hold is no warning any more.
_LOUD_MS = 7 * 86_400_000
_PAGE = 200


class Audited(Protocol):
    """Where it is written down who used whose data (`agent.people.auditing.Auditing`)."""

    async def note(self, *, by: str, use: AuditUse, subject: str | None = None, reason: str) -> object:
        """It is stored durably on return."""


@dataclass(slots=True, kw_only=True)
class Holding:
    """`agent.views.holds.HoldControls` of one running agent; ``reader`` opens the store for reading.

    Nothing of a hold is logged but that something was asked: it may have to stay secret.
    """

    pipeline: Pipeline
    keeping: Keeping
    auditing: Audited
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]
    new_id: Callable[[], str]
    holds: Holds = field(default_factory=Holds)
    #: Who has it may delete, or change the holds.
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Who has it may destroy sound that is not held. A disk of recordings that does not answer keeps it, and must keep
    #: no purge and no erasure waiting, nor a hold from being in force.
    destroying: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told: set[str] = field(default_factory=set)

    async def restore(self, records: Iterable[Record]) -> None:
        """Take up the holds that stood when an earlier run stopped."""
        self.holds = self.holds.taken_up(record for record in records if isinstance(record, Hold))
        await self.locate()

    async def locate(self) -> None:
        """See which lines are the accounts' that are held; as far as that cannot be told, it stays as it was."""
        try:
            if unread := {hold.id for hold in self.holds.unread()}:
                readable = await asyncio.to_thread(self._readable)
                async with self.gate:
                    self.holds = self.holds.taken_up(hold for hold in readable if hold.id in unread)
            accounts = {hold.account for hold in self.holds.standing.values() if hold.account is not None}
            found = await asyncio.to_thread(lambda: {account: self._spans(account) for account in accounts})
            self.holds = self.holds.of(found)
        except StoreError as error:
            log.error("holds_not_located", reason=str(error), hint=error.hint)

    def _readable(self) -> list[Hold]:
        with self.reader() as reader:
            return [hold for hold in reader.open(Hold) if not Holds({hold.id: hold}).unread()]

    def _spans(self, account: str) -> list[Span]:
        with self.reader() as reader:
            return spans(reader.of(Service, account), 0, None)

    def keeps(self, content: Content) -> bool:
        """Whether what was recorded must not be destroyed."""
        return self.holds.keeps(Content.KIND, content.line, content.began_at, content.stored_at)

    async def run(self) -> None:
        """Tell of what is overdue, until cancelled."""
        while True:
            await self.locate()
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Raise an alarm of each hold whose review date has passed, and clear those that were reviewed or lifted."""
        now = self.clock()
        overdue = {hold.id: hold for hold in self.holds.overdue(now)}
        for id in self._told - overdue.keys():
            self._condition(id, None, Severity.WARNING, now)
        for id, hold in overdue.items():
            severity = Severity.CRITICAL if now - hold.review_at >= _LOUD_MS else Severity.WARNING
            what = "its review date has passed, and it is still in force: hold review, or hold lift"
            self._condition(id, what, severity, now)
        self._told = set(overdue)

    def _condition(self, id: str, what: str | None, severity: Severity, now: int) -> None:
        self.pipeline.put(self.pipeline.engine.condition(Cause.HOLD, id, what, severity, now))

    # -- what people ask ------------------------------------------------------------------------------------------

    async def place(self, order: Order, by: str) -> Hold:
        """See `agent.views.holds.HoldControls`."""
        if order.account is not None:
            found = await asyncio.to_thread(self._spans, order.account)
            if not found:
                raise Refusal(404, "no account with a line has this reference")
            self.holds = self.holds.of({**self.holds.accounts, order.account: found})
        hold = await self._changed(lambda: placed(order, self.new_id(), by, self.clock()))
        await self.auditing.note(by=by, use=AuditUse.HELD, subject=hold.id, reason="placed")
        return hold

    async def review(self, id: str, review_at: int, by: str) -> Hold:
        """See `agent.views.holds.HoldControls`."""
        hold = await self._changed(lambda: self.holds.reviewed(id, by, review_at, self.clock()))
        await self.auditing.note(by=by, use=AuditUse.HELD, subject=hold.id, reason="reviewed")
        return hold

    async def lift(self, id: str, why: str, by: str) -> Hold:
        """See `agent.views.holds.HoldControls`."""
        hold = await self._changed(lambda: self.holds.lifted(id, by, why, self.clock()))
        await self.auditing.note(by=by, use=AuditUse.LIFTED, subject=hold.id, reason="lifted")
        return hold

    async def listed(self, reason: str, by: str, *, lifted: bool) -> AsyncIterator[Answer]:
        """See `agent.views.holds.HoldControls`."""
        await self.auditing.note(by=by, use=AuditUse.LISTED, subject=Hold.KIND, reason=reason)
        with self.reader() as reader:
            rows = (record for record in reader.read(Hold.KIND) if isinstance(record, Hold))
            while page := await asyncio.to_thread(lambda: list(islice(rows, _PAGE))):
                for record in page:
                    if lifted or record.lifted_at is None:
                        yield document(record)

    async def _changed(self, change: Callable[[], Hold]) -> Hold:
        async with self.gate:
            try:
                hold = change()
            except LookupError as error:
                raise Refusal(404, str(error)) from None
            except ValueError as error:
                raise Refusal(409, str(error)) from None
            if hold.lifted_at is None:
                # In force from now on, also while the store cannot take it.
                self.holds = self.holds.taken_up([hold])
            await self.keeping.keep([hold])
            self.holds = self.holds.taken_up([hold])
        self.look()
        async with self.destroying:
            pass  # What was being destroyed as it was placed is over.
        log.info("hold_changed")
        return hold


@dataclass(frozen=True, slots=True)
class Purging:
    """`agent.views.holds.PurgeControls` of one running agent."""

    purger: Purger

    async def purge(self, by: str) -> AsyncIterator[Answer]:  # noqa: ARG002
        """See `agent.views.holds.PurgeControls`."""
        async for done in patiently(self._purged()):
            if done is None:
                yield BEAT
                continue
            deletions, emptied = done
            for deletion in deletions:
                yield document(deletion)
            yield {"emptied": emptied}

    async def _purged(self) -> tuple[list[Deletion], bool]:
        deletions = await self.purger.purge()
        log.info("purged_on_request", records=sum(each.count for each in deletions))
        return deletions, await self.purger.checkpoint()


def retention_state(holding: Holding, purger: Purger, at: int) -> RetentionState:
    """What a scrape at ``at`` (ms) shows of the purge and the holds."""
    holds = holding.holds
    return RetentionState(
        gone=dict(purger.gone),
        held=dict(purger.held),
        purged_at=purger.purged_at,
        holds={"standing": len(holds.standing), "overdue": sum(1 for _ in holds.overdue(at))},
    )
