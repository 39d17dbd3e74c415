"""Alarms and notices in numbers: what is open, who was told of it, and how soon."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric

from agent.core.records import Alarm, Cause, Delivery, Notice, Severity
from agent.views.metrics.families import gauge, total

_LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

#: Notices remembered, so that a record written again is not counted again.
_REMEMBERED = 10_000


class Alerts:
    """Counts committed alarms and notices; an alarm that the store does not have is not open here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._reached: Counter[tuple[str, str]] = Counter()
        self._latency_s = Histogram(
            "telephony_alert_latency_seconds",
            "Time from the dialling of an emergency until a channel took the first notice of it.",
            ["channel"],
            registry=registry,
            buckets=_LATENCY_S,
        )

    def restore(self, record: Alarm | Notice) -> None:
        """An alarm or a notice that an earlier run left open, and counted."""
        if isinstance(record, Alarm):
            self.alarm(record)
        else:
            self._keep(record)

    def alarm(self, alarm: Alarm) -> None:
        """An alarm as it is now."""
        if alarm.closed_at is None:
            self._alarms[alarm.id] = alarm
        else:
            self._alarms.pop(alarm.id, None)

    def notice(self, notice: Notice) -> None:
        """A notice as it is now: each state that it has come through counts once."""
        before = self._notices.get(notice.id)
        known = frozenset() if before is None else _states(before)
        for state in _states(notice) - known:
            self._reached[notice.channel, state] += 1
        self._keep(notice)

    def handed(self, channel: str, cause: Cause, since_dialled_ms: int | None) -> None:
        """``channel`` took a notice, and it was the emergency's first there, so long after the dialling."""
        if cause is Cause.EMERGENCY and since_dialled_ms is not None:
            self._latency_s.labels(channel).observe(since_dialled_ms / 1000)

    def expect(self, channels: Iterable[str]) -> None:
        """Channels that are configured: each has its zeros before anything happens."""
        for channel in channels:
            self._latency_s.labels(channel)
            for state in Delivery:
                self._reached[channel, state] += 0
            self._waiting[channel] += 0

    def series(self, refusals: Mapping[str, int]) -> Iterator[Metric]:
        """What is made at the scrape; ``refusals`` has every configured channel, and how often it took no notice."""
        opened = Counter((alarm.cause, alarm.severity) for alarm in self._alarms.values())
        rows = [((cause, severity), opened[cause, severity]) for cause in Cause for severity in Severity]
        yield gauge("telephony_alarms_open", "Alarms that are not closed.", ["cause", "severity"], rows)
        yield gauge(
            "telephony_alarm_unacknowledged_timestamp_seconds",
            "When the oldest alarm was raised that nobody has taken on; no series where there is none.",
            ["cause"],
            [((cause,), at / 1000) for cause, at in self._unacknowledged().items()],
        )
        waiting = [((channel,), count) for channel, count in sorted(self._waiting.items())]
        yield gauge("telephony_notices_waiting", "Notices that their channel has not taken yet.", ["channel"], waiting)
        text = "Notices that came to be pending (due), sent (taken by the channel), delivered (received), dropped."
        yield total("telephony_notices", text, ["channel", "state"], sorted(self._reached.items()))
        refused = [((channel,), count) for channel, count in sorted(refusals.items())]
        yield total("telephony_notice_failures", "Attempts that a channel did not take.", ["channel"], refused)

    def _keep(self, notice: Notice) -> None:
        before = self._notices.get(notice.id)
        waited = before is not None and before.state is Delivery.PENDING
        self._waiting[notice.channel] += (notice.state is Delivery.PENDING) - waited
        self._notices[notice.id] = notice
        self._notices.move_to_end(notice.id)
        if len(self._notices) > _REMEMBERED:
            _, oldest = self._notices.popitem(last=False)
            self._waiting[oldest.channel] -= oldest.state is Delivery.PENDING

    def _unacknowledged(self) -> dict[Cause, int]:
        oldest: dict[Cause, int] = {}
        for alarm in self._alarms.values():
            # An emergency is to be seen also when its call is over; anything else only while it stands in the way.
            if alarm.acknowledged_at is None and (alarm.cleared_at is None or alarm.cause is Cause.EMERGENCY):
                oldest[alarm.cause] = min(oldest.get(alarm.cause, alarm.raised_at), alarm.raised_at)
        return oldest


def _states(notice: Notice) -> frozenset[Delivery]:
    """The states that a notice has come through, also those that were over before they were written."""
    found = {Delivery.PENDING, notice.state}
    if notice.sent_at is not None:
        found.add(Delivery.SENT)
    return frozenset(found)
