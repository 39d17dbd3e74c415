"""Delivers notices: each channel by itself and in order, an emergency's first, only what is durably stored."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from agent.core.alarms import ChannelRule
from agent.core.notices import is_due
from agent.core.records import Alarm, Cause, Delivery, News, Notice, Record
from agent.ports import Channel, ChannelError, Receipt, Reminded, StoreError, Text

log = structlog.get_logger()

_EVER = 1 << 62

#: What is told also when it is not stored: help cannot wait, nor can word of a store that takes nothing.
_UNSTORED = frozenset((Cause.EMERGENCY, Cause.STORE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """An alarm, and it in words; when the emergency that it is about was dialled (ms), None of anything else."""

    alarm: Alarm
    text: Text
    dialled_at: int | None = None


class Book(Protocol):
    """The alarms and notices that are open, and what is told of a notice's fate: what follows from it is stored."""

    def due(self, at: int) -> list[Notice]:
        """Notices to be sent at ``at`` (ms), in the order of `agent.core.notices.turn`."""

    def alarms(self) -> list[Alarm]:
        """Every open alarm."""

    async def telling(self, alarm_id: str) -> Telling | None:
        """The alarm as it is stored now; None where there is none."""

    def begun(self, notice_id: str) -> None:
        """It is put into words now, and sent: what becomes of its alarm from here on is told after it."""

    def handed(self, notice_id: str, at: int, *, receipt: bool) -> None:
        """The channel took it; ``receipt``: and `received` follows."""

    def received(self, notice_id: str, at: int) -> None:
        """It has arrived."""

    def failed(self, notice_id: str, error: str, at: int) -> None:
        """The channel did not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A channel with its rule, and how long one attempt may take."""

    rule: ChannelRule
    channel: Channel
    timeout_s: float

    @property
    def name(self) -> str:
        """The channel's name in the configuration."""
        return self.rule.name

    def has_been_told(self, alarm: Alarm) -> bool:
        """Whether an alarm that has come this far is told here."""
        itself = alarm.cause is Cause.CHANNEL and alarm.subject == self.name
        return alarm.cause in self.rule.causes and self.rule.level <= alarm.level and not itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A notice that a channel took: after so many attempts, so long (ms) after it was raised, and after the dialling of
    the emergency whose first notice it is (else None).
    """

    channel: str
    cause: Cause
    news: News
    attempts: int
    since_raised_ms: int
    since_dialled_ms: int | None


class Alerting:
    """The delivery of notices, and an observer of `agent.pipeline.Pipeline`, which tells it what is stored.

    A notice is sent only after its row has been stored durably, and marked as sent after that: killed in between, the
    agent sends it again after the restart (at least once; ``notice.id`` is the same). An emergency's is sent also when
    the store does not take it, and what is told of the store itself: a full disk must not keep a 999 from the desk, nor
    word of the full disk. A channel that hangs, fails or is dead holds up itself alone, and an operational notice under
    way never holds up an emergency's.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        book: Book,
        clock: Callable[[], int],
        urgent: Callable[[bool], None] = lambda _: None,
    ) -> None:
        #: Told whether an emergency is being told.
        self._urgent = urgent
        self._telling: set[str] = set()
        self._routes = list(routes)
        self._changed = asyncio.Event()
        self._book = book
        self._clock = clock
        #: Told of each notice that was handed over.
        self.watchers: list[Callable[[Handed], None]] = []
        #: Refusals by channel and kind.
        self.refusals: Counter[tuple[str, str]] = Counter()
        #: Of watchers.
        self.failures = 0
        self._wake: dict[tuple[str, bool], asyncio.Event] = {}
        # What was open at the start came out of the store.
        self._stored = {notice.id for notice in book.due(_EVER)}
        self._standing = {alarm.id: alarm for alarm in book.alarms()}

    @property
    def refused(self) -> dict[str, int]:
        """How often each channel took no notice; zero for one that has taken all."""
        found = dict.fromkeys((route.name for route in self._routes), 0)
        for (channel, _), count in self.refusals.items():
            found[channel] = found.get(channel, 0) + count
        return found

    def __call__(self, lane: object, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed; see `agent.pipeline.Observer`."""
        for record in records:
            if isinstance(record, Notice):
                if record.state is Delivery.PENDING:
                    self._stored.add(record.id)
                else:
                    self._stored.discard(record.id)
                if (wake := self._wake.get((record.channel, _urgent(record)))) is not None:
                    wake.set()
            elif isinstance(record, Alarm):
                self._standing[record.id] = record
                if record.closed_at is not None:
                    del self._standing[record.id]

    def refused_by_store(self, error: StoreError, records: Sequence[Record]) -> None:  # noqa: ARG002
        """Records that the store will not have now; see `agent.pipeline.Pipeline.refusals`."""
        self.unstored(records)

    def unstored(self, records: Sequence[Record]) -> None:
        """Records that the store does not take now; see `agent.pipeline.Pipeline.delays`."""
        for record in records:
            if isinstance(record, Alarm) and record.cause in _UNSTORED and record.closed_at is None:
                self._standing[record.id] = record
            elif isinstance(record, Notice) and record.state is Delivery.PENDING and record.cause in _UNSTORED:
                self._stored.add(record.id)
                if (wake := self._wake.get((record.channel, _urgent(record)))) is not None:
                    wake.set()

    def take(self, routes: Sequence[Route]) -> None:
        """Go on with these channels; what is under way is begun anew."""
        self._routes = list(routes)
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._changed.clear()
            self._wake = {(route.name, urgent): asyncio.Event() for route in self._routes for urgent in (True, False)}
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in self._parts()]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    def _parts(self) -> Iterator[Coroutine[Any, Any, None]]:
        for route in self._routes:
            for urgent in (True, False):
                yield self._deliver(route, self._wake[route.name, urgent], urgent=urgent)
            if isinstance(route.channel, Reminded):
                yield self._remind(route, route.channel)

    async def _deliver(self, route: Route, wake: asyncio.Event, *, urgent: bool) -> None:
        while True:
            wake.clear()
            now = self._clock()
            waiting = [
                notice
                for notice in self._book.due(_EVER)
                if notice.channel == route.name and _urgent(notice) is urgent and notice.id in self._stored
            ]
            ready = next((notice for notice in waiting if is_due(notice, now)), None)
            if ready is not None:
                with self._hurried(route) if urgent else nullcontext():
                    await self._tell(route, ready)
                continue
            first_at = min((notice.try_at for notice in waiting), default=None)
            try:
                async with asyncio.timeout(None if first_at is None else (first_at - now) / 1000):
                    await wake.wait()
            except TimeoutError:
                continue

    @contextmanager
    def _hurried(self, route: Route) -> Iterator[None]:
        self._telling.add(route.name)
        self._urgent(True)
        try:
            yield
        finally:
            self._telling.discard(route.name)
            if not self._telling:
                self._urgent(False)

    async def _tell(self, route: Route, notice: Notice) -> None:
        receipt: Receipt | None = None
        dialled_at: int | None = None
        async with self._attempt(route, partial(self._refused, route, notice)):
            self._book.begun(notice.id)
            telling = await self._book.telling(notice.alarm)
            if telling is None:
                raise ChannelError("no_alarm")
            receipt = await route.channel.send(telling.text, telling.alarm, notice)
            dialled_at = telling.dialled_at if notice.news is News.RAISED else None
        if receipt is not None:
            self._handed(route, notice, receipt, dialled_at)

    @asynccontextmanager
    async def _attempt(self, route: Route, refused: Callable[[str], None]) -> AsyncIterator[None]:
        """What is done in it has the channel's time; of what goes wrong the kind is handed to ``refused``."""
        try:
            async with asyncio.timeout(route.timeout_s):
                yield
        except ChannelError as error:
            refused(error.kind)
        except TimeoutError:
            refused("timeout")
        except Exception as error:  # a fault in one channel costs this attempt, and is told like any other failure
            log.exception("channel_broken", channel=route.name)
            refused(type(error).__name__)

    def _handed(self, route: Route, notice: Notice, receipt: Receipt, dialled_at: int | None) -> None:
        at = self._clock()
        self._book.handed(notice.id, at, receipt=receipt is Receipt.DELIVERED)
        if receipt is Receipt.DELIVERED:
            self._book.received(notice.id, at)
        handed = Handed(
            channel=route.name,
            cause=notice.cause,
            news=notice.news,
            attempts=notice.attempts + 1,
            since_raised_ms=max(0, at - notice.raised_at),
            since_dialled_ms=None if dialled_at is None else max(0, at - dialled_at),
        )
        log.info(
            "notice_handed",
            channel=route.name,
            notice=notice.id,
            alarm=notice.alarm,
            news=notice.news,
            attempts=handed.attempts,
            ms=handed.since_raised_ms,
        )
        for watcher in self.watchers:
            try:
                watcher(handed)
            except Exception:  # who only counts must not cost anybody an alert, whatever breaks in it
                self.failures += 1
                log.exception("watcher_failed", watcher=type(watcher).__name__)

    def _refused(self, route: Route, notice: Notice, kind: str) -> None:
        self.refusals[route.name, kind] += 1
        log.warning("notice_refused", channel=route.name, notice=notice.id, attempts=notice.attempts + 1, reason=kind)
        self._book.failed(notice.id, kind, self._clock())

    async def _remind(self, route: Route, channel: Reminded) -> None:
        while True:
            await asyncio.sleep(channel.every_s)
            async with self._attempt(route, partial(self._forgotten, route)):
                told = [id for id, alarm in self._standing.items() if route.has_been_told(alarm)]
                tellings = [telling for id in told if (telling := await self._book.telling(id)) is not None]
                if tellings:
                    await channel.remind([(telling.text, telling.alarm) for telling in tellings])

    def _forgotten(self, route: Route, kind: str) -> None:
        self.refusals[route.name, kind] += 1
        log.warning("reminder_refused", channel=route.name, reason=kind)


def _urgent(notice: Notice) -> bool:
    return notice.cause is Cause.EMERGENCY
