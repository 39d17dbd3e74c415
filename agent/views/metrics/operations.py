"""Commits, recordings, refused authentications and blind times in numbers: each record counted once."""

from collections import Counter, OrderedDict

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Total

from agent.core.lanes import Lane
from agent.core.normalise import FAILURES
from agent.core.records import Blind, Failure, Record, Recording, RecordingState, Trigger

_COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)

#: Records remembered, so that one written again is not counted again.
_REMEMBERED = 10_000


class Operations:
    """Counts commits, and the records in them that are no emergency's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._failures: Counter[str] = Counter()
        self._committed = Total(
            "telephony_records_committed", "Records written, each state counted.", ["kind"], registry=registry
        )
        self._commit_s = Histogram(
            "telephony_commit_duration_seconds",
            "Time to commit one transaction.",
            ["lane"],
            registry=registry,
            buckets=_COMMIT_S,
        )
        self._recordings = Total(
            "telephony_recordings",
            "Recordings and opt-ins that are over.",
            ["trigger", "opted_in", "state"],
            registry=registry,
        )
        self._failed = Total(
            "telephony_authentication_failures", "Refused authentication attempts.", ["cause"], registry=registry
        )
        self._blind_s = Total(
            "telephony_ami_blind_seconds", "Time without this AMI session.", ["session"], registry=registry
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for lane in Lane:
            self._commit_s.labels(lane.name.lower())
        self._recordings.labels(Trigger.NONE, "false", RecordingState.STOPPED)
        for cause in sorted(set(FAILURES.values())):
            self._failed.labels(cause)
        for session in ("express", "bulk"):
            self._blind_s.labels(session)

    def commit(self, lane: Lane, seconds: float) -> None:
        """One transaction."""
        self._commit_s.labels(lane.name.lower()).observe(seconds)

    def fold(self, record: Record) -> None:
        """One record of it."""
        self._committed.labels(record.KIND).inc()
        match record:
            case Recording() if record.stopped_at is not None and self._first(record.id):
                self._recordings.labels(record.trigger, str(record.opted_in).lower(), record.state).inc()
            case Failure():
                self._failure(record)
            case Blind() if record.until_at is not None and self._first(record.id):
                self._blind_s.labels(record.session).inc(max(0, record.until_at - record.from_at) / 1000)

    def _failure(self, record: Failure) -> None:
        self._failed.labels(record.cause).inc(record.count - self._failures[record.id])
        self._failures[record.id] = record.count
        if len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def _first(self, id: str) -> bool:
        if id in self._seen:
            return False
        self._seen[id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True
