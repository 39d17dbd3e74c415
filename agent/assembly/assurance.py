"""From the configuration to what watches the way of a 999, and from there back to the records and alarms."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any

from agent.config import Config
from agent.core.records import Emergency, Outcome, Record
from agent.duties.assurance import (
    Condition,
    Demands,
    File,
    Handle,
    NoRehearsal,
    NoSuch,
    Phone,
    Rehearsals,
    Subjects,
    Watch,
)
from agent.pipeline import Observer, Pipeline
from agent.ports import Reader, StoreError
from agent.sources.ami import AmiSource, LoginRefused, NotAmi, TlsRefused
from agent.sources.ami import State as SessionState
from agent.sources.ami_inquiry import Inquiry, Unreachable
from agent.views.control import Answer, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """What watches, and what it shows to others."""

    watch: Watch
    probe: Handle
    rehearsals: Rehearsals
    last_rehearsal: Callable[[], Coroutine[Any, Any, int | None]]
    last_answered: Callable[[], Coroutine[Any, Any, int | None]]

    @property
    def observers(self) -> list[Observer]:
        """Who is told of commits."""
        return [self.watch, self.probe, self.rehearsals]

    @property
    def parts(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for as long as the agent does."""
        return {
            "paths": self.watch.run,
            "probe": self.probe.run,
            "rehearsals": self._rehearsals,
        }

    async def _rehearsals(self) -> None:
        # Of an earlier run it is only on record that somebody answered.
        if self.rehearsals.proved_at is None:
            self.rehearsals.proved_at = await self.last_answered()
        await self.rehearsals.run(self.last_rehearsal)

    @property
    def watching(self) -> tuple[Watch, Handle, Rehearsals]:
        """What knows how all of it stands."""
        return self.watch, self.probe, self.rehearsals

    def phones(self) -> list[Answer]:
        """For each registered phone, whether it can reach the emergency services with the right address."""
        return [_shown(phone) for phone in self.watch.phones()]

    async def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[Answer]:
        """Hold a rehearsal; see `agent.duties.assurance.rehearsal.Rehearsals.rehearse`.

        Raises:
            Refusal: none can be held now.
        """
        try:
            async for step in self.rehearsals.rehearse(by, line, trunk):
                yield step
        except NoRehearsal as error:
            raise Refusal(404 if isinstance(error, NoSuch) else 409, str(error)) from None


def assurance(
    config: Config,
    pipeline: Pipeline,
    source: AmiSource,
    *,
    login: Callable[[], AbstractAsyncContextManager[Inquiry]],
    reader: Callable[[], AbstractContextManager[Reader]],
    records: Iterable[Record],
    clock: Callable[[], int],
    new_id: Callable[[], str],
) -> Assurance:
    """``login`` makes one more session; ``records`` are those that were open at the last stop."""
    engine, emergency = pipeline.engine, config.emergency

    def report(condition: Condition) -> None:
        told = condition.cause, condition.subject, condition.what, condition.severity
        pipeline.put(engine.condition(*told, clock()))

    def acknowledge(id: str, by: str) -> None:
        # Somebody may have been quicker, or the alarm be closed.
        with contextlib.suppress(LookupError, ValueError):
            pipeline.put(engine.acknowledge(id, by, clock()))

    watch = Watch(
        connect=lambda: _connected(login),
        subjects=Subjects(
            numbers=emergency.numbers,
            prefixes=emergency.prefixes,
            export=File(emergency.address_export) if emergency.address_export is not None else None,
            demands=Demands(stale_days=emergency.address_stale_days, carrier=emergency.carrier),
        ),
        every_s=config.assurance.paths_every_s,
        sites=lambda: engine.sites,
        registered=engine.registrar.spans.values,
        keep=pipeline.put,
        report=report,
        clock=clock,
        new_id=new_id,
    )
    watch.restore(records)
    return Assurance(
        watch=watch,
        probe=Handle(
            every_s=config.assurance.probe_every_s,
            ask=source.bulk.ask,
            report=report,
            clock=clock,
            why=lambda: _why(pipeline, source),
        ),
        rehearsals=Rehearsals(
            every_h=config.assurance.rehearse_every_h,
            ask=source.bulk.ask,
            registered=engine.registrar.spans.values,
            proof=engine.proofs.get,
            acknowledge=acknowledge,
            report=report,
            passed=watch.tried,
            clock=clock,
        ),
        last_rehearsal=lambda: asyncio.to_thread(_last_rehearsal, reader, tuple(Outcome)),
        last_answered=lambda: asyncio.to_thread(_last_rehearsal, reader, (Outcome.ANSWERED,)),
    )


def _why(pipeline: Pipeline, source: AmiSource) -> str:
    """Where the way of a probe is known to be broken."""
    if not pipeline.storing:
        return "the store takes no records"
    down = [
        session.name for session in source.sessions if session.state in (SessionState.DOWN, SessionState.CONNECTING)
    ]
    return f"AMI session {' and '.join(down)} is not logged in" if down else ""


@contextlib.asynccontextmanager
async def _connected(login: Callable[[], AbstractAsyncContextManager[Inquiry]]) -> AsyncIterator[Inquiry]:
    """A login whose every failure is a ConnectionError: it is tried again, and ends nothing."""
    try:
        async with login() as inquiry:
            yield inquiry
    except (LoginRefused, NotAmi, TlsRefused, Unreachable) as error:
        raise ConnectionError(str(error)) from None


def _last_rehearsal(reader: Callable[[], AbstractContextManager[Reader]], outcomes: Collection[Outcome]) -> int | None:
    """When the last rehearsal was that is on record with one of these outcomes."""
    try:
        with reader() as records:
            kept: Sequence[int] = [
                record.started_at
                for record in records.read(Emergency.KIND)
                if isinstance(record, Emergency) and record.test and record.outcome in outcomes
            ]
    except StoreError:
        return None
    return max(kept, default=None)


def _shown(phone: Phone) -> Answer:
    return {
        "line": phone.line,
        "technology": phone.technology,
        "context": phone.context,
        "site": phone.site,
        "answer": phone.reach.value,
    }
