"""The running agent's own purges: one every so many hours, mailboxes that were in use again soon after."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.core.records import Cause, Purge, Record, Severity
from agent.duties.voicemail import files
from agent.duties.voicemail.asterisk import Asterisk, Pbx
from agent.duties.voicemail.lock import left
from agent.duties.voicemail.message import Terms
from agent.duties.voicemail.purge import Box, Order, Report, SpoolError, purge

log = structlog.get_logger()

LOOK_EVERY_S = 60.0
AGAIN_MS = 600_000
_HOUR_MS = 3_600_000
#: There is one spool, so one alarm of it.
SUBJECT = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is purged how often; ``warn``: lines are sent a SIP MESSAGE on what is due."""

    spool: Path
    terms: Terms
    every_h: int
    warn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What the purges need of the running agent.

    ``connect`` logs in (ConnectionError: Asterisk is away), ``keep`` stores, ``report`` raises or, with None in words,
    clears the alarm, ``history`` reads the purges on record, in any order.
    """

    connect: Callable[[], AbstractAsyncContextManager[Pbx]]
    keep: Callable[[Iterable[Record]], None]
    report: Callable[[Cause, str, str | None, Severity], None]
    history: Callable[[], Awaitable[Sequence[Purge]]]
    clock: Callable[[], int]
    new_id: Callable[[], str]


async def run(plan: Plan, agent: Agent) -> None:
    """Purge when it is due, at once when the last purge was interrupted, until cancelled."""
    past = sorted(await agent.history(), key=lambda each: each.at)
    whole = [each.at for each in past if each.done_at is not None]
    warned_at = whole[-1] if whole else 0
    due_at = warned_at + plan.every_h * _HOUR_MS if past and past[-1].done_at is not None else 0
    put_off: list[Box] = []
    before = again_at = 0
    while True:
        now = agent.clock()
        if now >= due_at:
            put_off = await _round(plan, agent, warned_at)
            before, warned_at, due_at, again_at = warned_at, now, now + plan.every_h * _HOUR_MS, now + AGAIN_MS
        elif put_off and now >= again_at:
            put_off = await _round(plan, agent, before, put_off)
            again_at = now + AGAIN_MS
        elif await asyncio.to_thread(_left, plan.spool):
            # Asterisk loses what is left in a mailbox that a killed purge has locked.
            await _round(plan, agent, warned_at, ())
        await asyncio.sleep(LOOK_EVERY_S)


async def _round(plan: Plan, agent: Agent, warned_at: int, boxes: Sequence[Box] | None = None) -> list[Box]:
    """One purge, on record; the mailboxes that were put off."""
    at, id = agent.clock(), agent.new_id()
    wanted = None if boxes is None else frozenset(boxes)
    order = Order(spool=plan.spool, terms=plan.terms, at=at, boxes=wanted, warn=plan.warn, warned_at=warned_at)
    if boxes is None:
        agent.keep([Purge(id=id, at=at)])
    try:
        async with AsyncExitStack() as login:
            report = await purge(order, Asterisk(await connected(agent.connect, login), agent.clock))
    except SpoolError as error:
        log.error("voicemail_purge_failed", reason=str(error))
        agent.report(Cause.VOICEMAIL, SUBJECT, str(error), Severity.WARNING)
        return list(boxes or ())
    log.info("voicemail_purged", **report.counts.document())
    if boxes is None or report.counts.deleted:
        agent.keep([report.counts.record(id, at, agent.clock())])
    if boxes is None:
        agent.report(Cause.VOICEMAIL, SUBJECT, _wrong(report), Severity.WARNING)
    return report.in_use


async def connected(connect: Callable[[], AbstractAsyncContextManager[Pbx]], login: AsyncExitStack) -> Pbx | None:
    """A login for as long as ``login`` is open; None where Asterisk is away: voicemail goes even so."""
    try:
        return await login.enter_async_context(connect())
    except ConnectionError:
        log.info("voicemail_purge_unasked")
        return None


def _wrong(report: Report) -> str | None:
    if not report.counts.failed:
        return None
    return (
        f"{report.counts.failed} voicemail messages or mailboxes could not be purged; telephony-agent check says more"
    )


def _left(spool: Path) -> bool:
    try:
        with files.opened(str(spool)) as within:
            return left(within)
    except OSError:
        return False
