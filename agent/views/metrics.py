"""Prometheus metrics: folds over committed records, and gauges read at the scrape; never a personal label."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client import Counter as Total
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.core.lanes import LANE_OF, Lane
from agent.core.normalise import FAILURES
from agent.core.records import Blind, Emergency, Failure, Outcome, Record, Recording, RecordingState, SeenBy, Trigger

# A second series for every counter, of which Prometheus makes nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]

_RING_S = (0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60)
_COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)

#: Kinds that overload may shed.
_SHEDDABLE = sorted(record.KIND for record, lane in LANE_OF.items() if lane is Lane.ORDINARY)

#: Calls remembered so that a record written again is not counted again.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """One AMI session as a scrape sees it."""

    name: str
    in_step: bool
    filtered: bool
    messages: int
    wanted: int
    bytes: int
    oversized: int
    faults: int
    reconnects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The running agent as a scrape sees it; ``registered`` counts open spans by vendor,
    ``recordings_running`` captures by trigger.
    """

    version: str
    ready: bool
    storing: bool
    sessions: Sequence[SessionState]
    lane_depths: dict[Lane, int]
    shed: dict[str, int]
    store_errors: int
    failures: int
    registered: dict[str, int]
    emergencies_in_progress: int
    recordings_running: dict[str, int]


class Metrics:
    """An observer of commits, and the text of ``/metrics``."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._registry = CollectorRegistry()
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._failures: Counter[str] = Counter()
        self._committed = Total(
            "telephony_records_committed", "Records written, each state counted.", ["kind"], registry=self._registry
        )
        self._commit_s = Histogram(
            "telephony_commit_duration_seconds",
            "Time to commit one transaction.",
            ["lane"],
            registry=self._registry,
            buckets=_COMMIT_S,
        )
        self._emergencies = Total(
            "telephony_emergencies",
            "Emergency calls that are over.",
            ["outcome", "seen_by", "test"],
            registry=self._registry,
        )
        self._attempts = Total(
            "telephony_emergency_attempts", "Trunks tried by emergency calls that are over.", registry=self._registry
        )
        self._ring_s = Histogram(
            "telephony_emergency_ring_seconds",
            "Time from dialling to answer of emergency calls.",
            registry=self._registry,
            buckets=_RING_S,
        )
        self._recordings = Total(
            "telephony_recordings",
            "Recordings and opt-ins that are over.",
            ["trigger", "opted_in", "state"],
            registry=self._registry,
        )
        self._failed = Total(
            "telephony_authentication_failures",
            "Refused authentication attempts.",
            ["cause"],
            registry=self._registry,
        )
        self._blind_s = Total(
            "telephony_ami_blind_seconds", "Time without this AMI session.", ["session"], registry=self._registry
        )
        for lane in Lane:
            self._commit_s.labels(lane.name.lower())
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for outcome in (Outcome.ANSWERED, Outcome.ABANDONED, Outcome.FAILED):
            for seen_by in SeenBy:
                self._emergencies.labels(outcome, seen_by, "false")
        self._recordings.labels(Trigger.NONE, "false", RecordingState.STOPPED)
        for cause in sorted(set(FAILURES.values())):
            self._failed.labels(cause)
        for session in ("express", "bulk"):
            self._blind_s.labels(session)
        self._registry.register(_AtScrape(snapshot))

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format."""
        return generate_latest(self._registry)

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:
        """Fold one commit in."""
        self._commit_s.labels(lane.name.lower()).observe(seconds)
        for record in records:
            self._committed.labels(record.KIND).inc()
            match record:
                case Emergency():
                    self._emergency(record)
                case Recording() if record.stopped_at is not None and self._first(record.id, "over"):
                    self._recordings.labels(record.trigger, str(record.opted_in).lower(), record.state).inc()
                case Failure():
                    self._failure(record)
                case Blind() if record.until_at is not None and self._first(record.id, "over"):
                    self._blind_s.labels(record.session).inc((record.until_at - record.from_at) / 1000)

    def _emergency(self, record: Emergency) -> None:
        if record.ended_at is None or not self._first(record.id, "over"):
            return
        self._emergencies.labels(record.outcome, record.seen_by, str(record.test).lower()).inc()
        if not record.test:
            self._attempts.inc(record.attempts)
            if record.ring_ms is not None:
                self._ring_s.observe(record.ring_ms / 1000)

    def _failure(self, record: Failure) -> None:
        counted = self._failures[record.id]
        self._failed.labels(record.cause).inc(record.count - counted)
        self._failures[record.id] = record.count
        if len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def _first(self, id: str, what: str) -> bool:
        if self._seen.get(id) == what:
            return False
        self._seen[id] = what
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


class _AtScrape:
    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        now = self._snapshot()
        yield _gauge("telephony_agent_info", "The running version.", ["version"], [((now.version,), 1)])
        yield _gauge("telephony_agent_ready", "1 when store and both AMI sessions are in step.", [], [((), now.ready)])
        yield _gauge("telephony_store_writable", "0 while the store refuses records.", [], [((), now.storing)])
        yield _gauge(
            "telephony_lane_depth",
            "Records waiting for the store.",
            ["lane"],
            [((lane.name.lower(),), depth) for lane, depth in now.lane_depths.items()],
        )
        yield _gauge(
            "telephony_registrations",
            "Phones registered now, by vendor.",
            ["vendor"],
            [((vendor,), count) for vendor, count in sorted(now.registered.items())],
        )
        yield _gauge(
            "telephony_emergencies_in_progress", "Emergency calls up now.", [], [((), now.emergencies_in_progress)]
        )
        running = [((trigger,), now.recordings_running.get(trigger, 0)) for trigger in Trigger]
        yield _gauge("telephony_recordings_running", "Recordings running now.", ["trigger"], running)
        shed = [((kind,), now.shed.get(kind, 0)) for kind in _SHEDDABLE]
        yield _total("telephony_records_shed", "Records lost to overload.", ["kind"], shed)
        yield _total("telephony_store_errors", "Commits that the store refused.", [], [((), now.store_errors)])
        yield _total("telephony_part_failures", "Failures of a view, sink or duty.", [], [((), now.failures)])
        yield from _of_sessions(now.sessions)


def _of_sessions(sessions: Sequence[SessionState]) -> Iterator[Metric]:
    def rows(value: Callable[[SessionState], float]) -> list[tuple[tuple[str, ...], float]]:
        return [((session.name,), value(session)) for session in sessions]

    label = ["session"]
    yield _gauge("telephony_ami_session_in_step", "1 when logged in and in step.", label, rows(lambda s: s.in_step))
    yield _gauge("telephony_ami_session_filtered", "1 when Asterisk filters it.", label, rows(lambda s: s.filtered))
    yield _total("telephony_ami_messages", "AMI messages received.", label, rows(lambda s: s.messages))
    yield _total("telephony_ami_messages_wanted", "AMI messages parsed.", label, rows(lambda s: s.wanted))
    yield _total("telephony_ami_received_bytes", "Bytes received over AMI.", label, rows(lambda s: s.bytes))
    yield _total("telephony_ami_oversized", "AMI messages dropped for their size.", label, rows(lambda s: s.oversized))
    yield _total("telephony_ami_faults", "AMI messages that the core failed on.", label, rows(lambda s: s.faults))
    yield _total("telephony_ami_reconnects", "Reconnections.", label, rows(lambda s: s.reconnects))


def _gauge(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def _total(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family
