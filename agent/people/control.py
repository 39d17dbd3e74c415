"""Carries out what people ask of the running agent: nothing counts as done before it is durably stored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import structlog

from agent.config import ConfigError
from agent.core.lanes import Lane
from agent.core.records import Alarm, AuditUse, Detail, Emergency, Key, Look, Record, key_of
from agent.people import emergencies
from agent.people.auditing import Auditing
from agent.pipeline import Pipeline
from agent.ports import Reader, StoreError
from agent.views import unix
from agent.views.api import Http
from agent.views.control import Answer, Controls, Refusal, Routes, application

log = structlog.get_logger()

#: How long the store may take for one answer.
STORE_S = 10.0
#: One record that the store will not have makes it refuse those beside it, which it then takes one by one.
ALONE_S = 0.5
RETRY_S = 5.0

#: Emergencies read at once.
PAGE = 100

_LATER = "it waits in memory, and is stored as soon as the store takes it"


class Keeping:
    """Puts records on their way, and says when they are stored; an observer of the pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._waiting: dict[asyncio.Future[None], set[Key]] = {}
        pipeline.observers.append(self)
        pipeline.refusals.append(self._refused)

    async def keep(self, records: Sequence[Record]) -> None:
        """Return when ``records``, none of them of the ordinary lane, are stored durably.

        Raises:
            StoreError: the store takes nothing now; they wait in memory for it.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[stored] = {key_of(record) for record in records}
        self._pipeline.put(records)
        try:
            async with asyncio.timeout(STORE_S):
                await stored
        except TimeoutError:
            raise StoreError(f"the store has not answered for {STORE_S:.0f} s", _LATER) from None
        finally:
            del self._waiting[stored]

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed; see `agent.pipeline.Observer`."""
        for stored, keys in self._waiting.items():
            keys.difference_update(key_of(record) for record in records)
            if not keys and not stored.done():
                stored.set_result(None)

    def _refused(self, error: StoreError, records: Sequence[Record]) -> None:
        refusal = StoreError(str(error), _LATER)
        refused = {key_of(record) for record in records}
        for stored, keys in self._waiting.items():
            if not refused.isdisjoint(keys):
                stored.get_loop().call_later(ALONE_S, _fail, stored, refusal)


def _fail(stored: asyncio.Future[None], refusal: StoreError) -> None:
    if not stored.done():
        stored.set_exception(refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """`agent.views.control.Controls` of one running agent.

    ``reader`` opens the store for reading, whose timelines are checked with ``key``; ``tables`` are what reads a table
    of the configuration again, by its name, and says how many entries are in use now.
    """

    pipeline: Pipeline
    keeping: Keeping
    auditing: Auditing
    reader: Callable[[], AbstractContextManager[Reader]]
    key: bytes
    clock: Callable[[], int]
    new_id: Callable[[], str]
    tables: Mapping[str, Callable[[], Awaitable[int]]]
    rehearsing: Callable[[str, str | None, str | None], AsyncIterator[Answer]]
    reachable: Callable[[], list[Answer]]

    async def acknowledge(self, id: str, by: str) -> Alarm:
        """See `agent.views.control.Controls`."""
        return await self._done(id, lambda at: self.pipeline.engine.acknowledge(id, by, at), "acknowledged")

    async def close(self, id: str, by: str, comment: str) -> Alarm:
        """See `agent.views.control.Controls`."""
        return await self._done(id, lambda at: self.pipeline.engine.close(id, by, comment, at), "closed")

    async def _done(self, id: str, do: Callable[[int], list[Record]], what: str) -> Alarm:
        try:
            records = do(self.clock())
        except LookupError as error:
            raise Refusal(404, str(error)) from None
        except ValueError as error:
            raise Refusal(409, str(error)) from None
        # Asked for again, perhaps because the store refused: then it may wait for the store still.
        records = records or [self._alarm(id)]
        await self.keeping.keep(records)
        alarm = next(record for record in records if isinstance(record, Alarm))
        log.info(what, alarm=alarm.id)
        return alarm

    def _alarm(self, id: str) -> Alarm:
        alarms = self.pipeline.engine.alarms.alarms
        return next(alarm for alarm in reversed(alarms.values()) if id in (alarm.id, alarm.subject))

    async def emergencies(self, since: int | None) -> AsyncIterator[Sequence[Answer]]:
        """See `agent.views.control.Controls`."""
        found = self._listed(since)
        while page := await asyncio.to_thread(lambda: list(islice(found, PAGE))):
            yield page

    def _listed(self, since: int | None) -> Iterator[Answer]:
        with self.reader() as reader:
            yield from emergencies.listed(reader, since)

    async def emergency(self, id: str) -> Answer:
        """See `agent.views.control.Controls`."""
        return await asyncio.to_thread(self._kept, id)

    def _kept(self, id: str) -> Answer:
        with self.reader() as reader:
            return emergencies.kept(reader, _emergency(reader, id), self.key)

    async def look(self, id: str, by: str, reason: str) -> Detail:
        """See `agent.views.control.Controls`."""
        await asyncio.to_thread(self._detail, id)
        look = Look(id=self.new_id(), at=self.clock(), by=by, emergency=id, reason=reason)
        # The audit's entry is locked, a look is not: while there are no keys, help does not wait for them.
        self.auditing.note_at_once(by=by, use=AuditUse.VIEWED, subject=id, reason=reason)
        await self.keeping.keep([look])
        log.info("looked", emergency=id, look=look.id)
        return await asyncio.to_thread(self._detail, id)

    def _detail(self, id: str) -> Detail:
        with self.reader() as reader:
            details = reader.of(Detail, _emergency(reader, id).id)
        now = self.clock()
        for detail in details:
            if detail.until_at is None or detail.until_at > now:
                return detail
        raise Refusal(410, "the fuller view of this emergency is gone: its time after the call is up")

    async def reload(self, by: str) -> Answer:  # noqa: ARG002
        """See `agent.views.control.Controls`; a table with a mistake in it stays as it was."""
        found: dict[str, int] = {}
        mistakes: list[str] = []
        for name, read in self.tables.items():
            try:
                found[name] = await read()
            except ConfigError as error:
                log.error("table_refused", table=name, mistakes=len(error.mistakes))
                mistakes.append(str(error))
        log.info("reloaded", **found)
        if mistakes:
            raise Refusal(422, "\n".join(mistakes))
        return found

    def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[Answer]:
        """See `agent.views.control.Controls`."""
        return self.rehearsing(by, line, trunk)

    async def phones(self) -> list[Answer]:
        """See `agent.views.control.Controls`."""
        return self.reachable()


def _emergency(reader: Reader, id: str) -> Emergency:
    for found in reader.find(Emergency, id):
        if found.id == id:
            return found
    raise Refusal(404, "no emergency has this id")


async def serve(controls: Controls, path: Path, *more: Routes) -> None:
    """Serve ``controls`` and ``more`` on the Unix socket ``path`` until cancelled."""
    app = application(controls, *more)
    while True:
        try:
            listening = unix.listen(path)
        except OSError as error:
            # An edge fails alone: without it nobody can acknowledge, but emergencies are still heard, kept and told.
            log.error("control_refused", reason=error.strerror or str(error), hint=f"look at {path}")
            await asyncio.sleep(RETRY_S)
            continue
        log.info("control")
        try:
            await Http(app, listening, protocol=unix.PeerProtocol).run()
        finally:
            unix.remove(path)


async def reloads(control: Control, asked: asyncio.Event) -> None:
    """Reload whenever a signal has ``asked`` for it, until cancelled; what is wrong with a table is in the log."""
    while True:
        await asked.wait()
        asked.clear()
        with suppress(Refusal):
            await control.reload("signal")
