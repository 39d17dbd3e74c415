"""From the table of channels to what delivers notices, and from there back to the alarms."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

from agent.config.channel import (
    AlertmanagerChannel,
    AnyChannel,
    AppriseChannel,
    MessageChannel,
    RingChannel,
    WebhookChannel,
)
from agent.core.alarms import AlarmPolicy, ChannelRule, is_call
from agent.core.personal import ERASED, LOCKED
from agent.core.records import Alarm, Cause, Detail, Emergency, Notice
from agent.core.records import Text as Sent
from agent.core.wording import worded
from agent.duties.alerting import Route, Telling
from agent.pipeline import Pipeline
from agent.ports import Asker, Channel, Reader, StoreError
from agent.sinks.alertmanager import Alertmanager
from agent.sinks.asterisk import GRACE_S, Message, Ring
from agent.sinks.webhook import Webhook

#: Who is to be told does not wait for longer than this for what the store knows besides.
READ_S = 2.0

T = TypeVar("T")
Found: TypeAlias = tuple[Alarm, Emergency | None, Detail | None]


def policy(channels: Mapping[str, AnyChannel], escalate_after_s: float) -> AlarmPolicy:
    """Who is told of what, as the core must know it."""
    return AlarmPolicy(
        channels=tuple(_rule(name, channel) for name, channel in channels.items()),
        escalate_after_ms=round(escalate_after_s * 1000),
    )


def routes(channels: Mapping[str, AnyChannel], asterisk: Asker, clock: Callable[[], int]) -> list[Route]:
    """Each channel ready to send; ``clock`` gives ms since 1970."""
    return [
        Route(rule=_rule(name, channel), channel=_channel(channel, asterisk, clock), timeout_s=_timeout_s(channel))
        for name, channel in channels.items()
    ]


def _rule(name: str, channel: AnyChannel) -> ChannelRule:
    return ChannelRule(name=name, level=channel.level, causes=frozenset(channel.causes), news=frozenset(channel.news))


def _timeout_s(channel: AnyChannel) -> float:
    # A phone that rings is given the time to ring.
    return channel.ring_s + 2 * GRACE_S if isinstance(channel, RingChannel) else channel.timeout_s


def _channel(channel: AnyChannel, asterisk: Asker, clock: Callable[[], int]) -> Channel:
    match channel:
        case AppriseChannel():
            # Half a second and 60 MB: only who uses it pays for it.
            from agent.sinks import apprise

            urls = [url.get_secret_value() for url in channel.urls]
            return apprise.AppriseChannel(urls, most_characters=channel.most_characters)
        case WebhookChannel():
            assert channel.secret is not None  # as it was checked
            secret = channel.secret.get_secret_value().encode()
            return Webhook(channel.url.get_secret_value(), secret, clock, ca_file=channel.ca_file)
        case AlertmanagerChannel():
            return Alertmanager(
                channel.url.get_secret_value(),
                every_s=channel.resend_s,
                details=channel.details,
                ca_file=channel.ca_file,
            )
        case MessageChannel():
            return Message(asterisk, channel.endpoint, most_characters=channel.most_characters)
        case RingChannel():
            return Ring(
                asterisk,
                channel.endpoint,
                number=channel.number,
                caller=channel.caller,
                ring_s=channel.ring_s,
                sound=channel.sound,
            )


class Desk:
    """An `agent.duties.alerting.Book`; ``reader`` opens the store for reading, for calls that are forgotten already."""

    def __init__(self, pipeline: Pipeline, reader: Callable[[], AbstractContextManager[Reader]]) -> None:
        self._pipeline = pipeline
        self._reader = reader
        #: One of its own: each reminder would leave another of the loop's waiting for a disk that does not answer.
        self._thread = ThreadPoolExecutor(1, "desk")
        self._reading: asyncio.Future[Any] | None = None
        self._give_up_at = 0.0

    def due(self, at: int) -> list[Notice]:
        """See `agent.core.alarms.Alarms.due`."""
        return self._pipeline.engine.due(at)

    def alarms(self) -> list[Alarm]:
        """Every open alarm."""
        return [alarm for alarm in self._pipeline.engine.alarms.alarms.values() if alarm.closed_at is None]

    async def telling(self, alarm_id: str) -> Telling | None:
        """The alarm, and of a call its emergency and the fuller view, as they are known, or else stored.

        Of a store that does not answer nothing is waited for: then the alarm's own words must do.
        """
        engine = self._pipeline.engine
        alarm = engine.alarms.alarms.get(alarm_id)
        emergency, detail = (None, None) if alarm is None else engine.desk.known(alarm.subject)
        if alarm is None or (is_call(alarm) and (emergency is None or engine.desk.filed(alarm.subject))):
            found = await self._read(partial(_stored, alarm_id=alarm_id))
            if found is not None:
                alarm, emergency, detail = alarm or found[0], emergency or found[1], detail or found[2]
        if alarm is None:
            return None
        lines = engine.alarms.lines(alarm)
        if alarm.cause is Cause.TEXT and not lines:
            lines = await self._read(partial(_sender, id=alarm.subject)) or ()
        return Telling(
            alarm=alarm,
            text=worded(alarm, emergency=emergency, detail=detail, lines=lines),
            dialled_at=None if emergency is None else emergency.started_at,
        )

    async def _read(self, look: Callable[[Reader], T | None]) -> T | None:
        """What ``look`` finds stored; None also where the store does not answer within ``READ_S``.

        It is asked by one at a time, and nobody waits for one that it has left without an answer for so long.
        """
        loop = asyncio.get_running_loop()
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(READ_S):
                while self._reading is not None and not self._reading.done():
                    async with asyncio.timeout_at(self._give_up_at):
                        await asyncio.wait([self._reading])
                self._give_up_at = loop.time() + READ_S
                reading = self._reading = loop.run_in_executor(self._thread, self._looked, look)
                return await asyncio.shield(reading)
        return None

    def _looked(self, look: Callable[[Reader], T | None]) -> T | None:
        with self._reader() as store:
            return look(store)

    def begun(self, notice_id: str) -> None:
        """See `agent.core.alarms.Alarms.begun`."""
        self._pipeline.engine.alarms.begun(notice_id)

    def handed(self, notice_id: str, at: int, *, receipt: bool) -> None:
        """See `agent.core.alarms.Alarms.handed`."""
        self._pipeline.put(self._pipeline.engine.handed(notice_id, at, receipt=receipt))

    def received(self, notice_id: str, at: int) -> None:
        """See `agent.core.alarms.Alarms.received`."""
        self._pipeline.put(self._pipeline.engine.received(notice_id, at))

    def failed(self, notice_id: str, error: str, at: int) -> None:
        """See `agent.core.alarms.Alarms.failed`."""
        self._pipeline.put(self._pipeline.engine.failed(notice_id, error, at))


def _stored(store: Reader, alarm_id: str) -> Found | None:
    """The alarm, and of a call what it is of."""
    alarm = next(iter(store.find(Alarm, alarm_id, 1)), None)
    if alarm is None or not is_call(alarm):
        return None if alarm is None else (alarm, None, None)
    emergency = next(iter(store.find(Emergency, alarm.subject, 1)), None)
    return alarm, emergency, next(iter(store.of(Detail, alarm.subject)), None)


def _sender(store: Reader, id: str) -> tuple[str, ...]:
    """The line that sent the text with this id; none where that cannot be told."""
    sent = next((text for text in store.find(Sent, id) if text.id == id), None)
    return () if sent is None or sent.line in (None, LOCKED, ERASED) else (sent.line,)
