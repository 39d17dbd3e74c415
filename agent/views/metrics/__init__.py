"""Prometheus metrics: folds over committed records, and gauges read at the scrape; never a personal label."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import Metric

from agent.core.lanes import Lane
from agent.core.records import (
    Access,
    Alarm,
    Audit,
    Call,
    Cause,
    Content,
    Emergency,
    Entry,
    Notice,
    Path,
    Probe,
    Purge,
    Record,
    Text,
)
from agent.views.metrics import scrape
from agent.views.metrics.alerts import Alerts
from agent.views.metrics.audits import Audits
from agent.views.metrics.calls import Calls
from agent.views.metrics.history import History, reading
from agent.views.metrics.operations import Operations
from agent.views.metrics.paths import Paths
from agent.views.metrics.promises import promises
from agent.views.metrics.recordings import Recordings, recorder
from agent.views.metrics.retention import retained
from agent.views.metrics.snapshot import (
    CallsState,
    JournalState,
    PathState,
    PromisesState,
    RecorderState,
    RetentionState,
    SessionState,
    Snapshot,
    SubjectsState,
)
from agent.views.metrics.subjects import subjects
from agent.views.metrics.voicemail import Voicemail

__all__ = [
    "CallsState",
    "JournalState",
    "Metrics",
    "PathState",
    "PromisesState",
    "RecorderState",
    "RetentionState",
    "SessionState",
    "Snapshot",
    "SubjectsState",
]

# A second series for every counter, of which Prometheus makes nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """An observer of commits, and the text of ``/metrics``."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._now: Snapshot | None = None
        self._registry = CollectorRegistry()
        self._operations = Operations(self._registry)
        self._calls = Calls(self._registry)
        self._alerts = Alerts(self._registry)
        self._paths = Paths()
        self._recordings = Recordings(self._registry)
        self._voicemail = Voicemail(self._registry)
        self._history = History(self._registry)
        self._audits = Audits(self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format."""
        self._now = self._snapshot()
        self._alerts.expect(self._now.refusals.keys())
        return generate_latest(self._registry)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what an earlier run left open, without counting it again; before the first commit."""
        for record in records:
            match record:
                case Emergency():
                    self._calls.restore(record)
                case Alarm() | Notice():
                    self._alerts.restore(record)
                case Path():
                    self._paths.path(record)
                case Purge():
                    self._voicemail.restore(record)

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:
        """Fold one commit in."""
        self._operations.commit(lane, seconds)
        for record in records:
            self._operations.fold(record)
            match record:
                case Emergency():
                    self._calls.fold(record)
                case Alarm():
                    self._alerts.alarm(record)
                case Notice():
                    self._alerts.notice(record)
                case Path():
                    self._paths.path(record)
                case Probe():
                    self._paths.probe(record)
                case Content():
                    self._recordings.content(record)
                case Audit():
                    self._audits.fold(record)
                case Access():
                    self._recordings.access(record)
                case Purge():
                    self._voicemail.fold(record)
                case Call() | Text():
                    self._history.fold(record)
        for record in records:
            if isinstance(record, Entry):
                self._calls.entry(record)

    def handed(self, channel: str, cause: Cause, since_dialled_ms: int | None) -> None:
        """A channel took a notice; ``since_dialled_ms`` where it was an emergency's first on that channel."""
        self._alerts.handed(channel, cause, since_dialled_ms)

    def stopped(self, after_s: float) -> None:
        """A capture that nobody asked for was stopped, so long after it was heard of."""
        self._recordings.stopped(after_s)

    def collect(self) -> Iterator[Metric]:
        """What is made at the scrape; the registry calls it for `text`."""
        if (now := self._now) is None:
            return
        yield from scrape.agent(now)
        yield from scrape.calls(now)
        yield self._calls.by_trunk(None if now.path is None else now.path.trunks.keys())
        yield from self._alerts.series(now.refusals)
        yield from self._paths.series()
        if now.journal is not None:
            yield from scrape.journal(now.journal)
        if now.path is not None:
            yield from scrape.path(now.path)
        if now.recorder is not None:
            yield from recorder(now.recorder)
        if now.purged_every_s is not None:
            yield from self._voicemail.series(now.purged_every_s)
        if now.calls is not None:
            yield from reading(now.calls)
        if now.subjects is not None:
            yield from subjects(now.subjects)
        if now.retention is not None:
            yield from retained(now.retention)
        if now.promises is not None:
            yield from promises(now.promises)
