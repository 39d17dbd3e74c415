"""Recordings in numbers: what was granted, kept, destroyed and used, and whether all is in place for the next."""

from collections import OrderedDict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Total
from prometheus_client.core import Metric

from agent.core.records import Access, Content, ContentClass, ContentState, Reason, Trigger, Use
from agent.views.metrics.families import Rows, gauge, total
from agent.views.metrics.snapshot import RecorderState

_STOP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: Contents remembered, so that one written again is not counted again.
_REMEMBERED = 10_000

_STANDING = (Trigger.SERVICE, Trigger.PA, Trigger.CUSTOMER_SERVICE)
#: Why content goes, by what becomes of it.
_GONE = {
    ContentState.DELETED: (Reason.EXPIRED, Reason.CUSTOMER, Reason.ERASURE, Reason.MISTAKE),
    ContentState.SHREDDED: (Reason.UNASKED, Reason.ORPHAN, Reason.EMPTY),
    ContentState.LOST: (Reason.MISSING,),
}
_NOT_TOLD = "none"


class Recordings:
    """Counts committed contents and accesses, and times how soon what nobody asked for is stopped."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seen: OrderedDict[tuple[str, ContentState], None] = OrderedDict()
        self._kept = Total(
            "telephony_recording_contents_kept",
            "Recordings encrypted and kept, by how long they may stay.",
            ["kept_as"],
            registry=registry,
        )
        self._gone = Total(
            "telephony_recording_contents_gone",
            "Recordings and strays that are not there any more: deleted, shredded before they were kept, or lost.",
            ["state", "reason"],
            registry=registry,
        )
        self._accesses = Total(
            "telephony_recording_accesses", "Uses of recordings by people.", ["use"], registry=registry
        )
        self._stop_s = Histogram(
            "telephony_recording_unasked_stop_seconds",
            "Time from hearing of a capture that nobody asked for until Asterisk said that it is stopped.",
            registry=registry,
            buckets=_STOP_S,
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for kept_as in ContentClass:
            self._kept.labels(kept_as)
        for state, reasons in _GONE.items():
            for reason in reasons:
                self._gone.labels(state, reason)
        for use in Use:
            self._accesses.labels(use)

    def content(self, content: Content) -> None:
        """A content as it is now: that it is kept counts once, and that it went once more."""
        if (content.id, content.state) in self._seen:
            return
        self._seen[content.id, content.state] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if content.state is ContentState.KEPT:
            self._kept.labels(content.kept_as or _NOT_TOLD).inc()
        else:
            self._gone.labels(content.state, content.reason or _NOT_TOLD).inc()

    def access(self, access: Access) -> None:
        """Somebody used a recording."""
        self._accesses.labels(access.use).inc()

    def stopped(self, after_s: float) -> None:
        """A capture that nobody asked for was stopped, so long after it was heard of."""
        self._stop_s.observe(after_s)


def recorder(now: RecorderState) -> Iterator[Metric]:
    """What is read off the running agent at each scrape."""
    text = "Questions of Asterisk whether a call may be recorded that were answered with yes."
    yield total("telephony_recording_grants", text, [], _one(now.granted))
    text = "Questions of Asterisk whether a call may be recorded that were answered with no, and why."
    refused = [((why,), count) for why, count in sorted(now.refused.items())]
    yield total("telephony_recording_refusals", text, ["why"], refused)
    text = "Opt-ins of lines that stand until they are withdrawn."
    standing = [((trigger,), now.standing.get(trigger, 0)) for trigger in _STANDING]
    yield gauge("telephony_recording_optins_standing", text, ["trigger"], standing)
    text = "Opt-ins that the dialplan told of, and that the agent had not granted."
    yield total("telephony_recording_optins_unbelieved", text, [], _one(now.unbelieved))
    yield from _captures(now)
    yield from _kept(now)
    yield from _in_place(now)


def _captures(now: RecorderState) -> Iterator[Metric]:
    text = "Captures that nobody asked for."
    yield total("telephony_recordings_unasked", text, [], _one(now.unasked))
    text = "Captures that nobody asked for, and that Asterisk would not stop."
    yield total("telephony_recordings_unasked_unstopped", text, [], _one(now.unstopped))
    text = "Captures that nobody asked for, and whose file the agent could not destroy."
    yield total("telephony_recordings_unasked_undestroyed", text, [], _one(now.undestroyed))
    text = "Orders about recordings that Asterisk did not take, or files that could not be destroyed."
    yield total("telephony_recording_order_failures", text, [], _one(now.orders_failed))


def _kept(now: RecorderState) -> Iterator[Metric]:
    yield total("telephony_recordings_sealed", "Recordings encrypted and kept in this run.", [], _one(now.sealed))
    text = "Recordings that are over, and are being encrypted or wait for it."
    yield gauge("telephony_recordings_sealing", text, [], _one(now.sealing))
    text = "Attempts to encrypt and keep a recording that failed; each is made again."
    yield total("telephony_recording_seal_failures", text, [], _one(now.seal_failures))
    text = "0 while recordings that are over cannot be kept."
    yield gauge("telephony_recording_keeping", text, [], _one(now.keeping))
    text = "Files that were found in the monitor folder and belong to no recording."
    yield total("telephony_recording_strays", text, [], _one(now.strays))
    text = "Rounds through the folders of recordings that failed."
    yield total("telephony_recording_sweep_failures", text, [], _one(now.sweep_failures))


def _in_place(now: RecorderState) -> Iterator[Metric]:
    """What a recording needs; of what is not configured there is no series."""
    text = "Whether the encrypted store of recordings and its keys can be used; no series where none is configured."
    yield gauge("telephony_recording_vault_usable", text, [], _some(now.vault_usable))
    text = "Whether Asterisk can ask for a recording; no series where no socket is configured."
    yield gauge("telephony_recording_door_open", text, [], _some(now.door_open))
    text = "Whether the monitor folder is in memory, and reaches no disk; no series where none is configured."
    yield gauge("telephony_recording_monitor_in_memory", text, [], _some(now.in_memory))
    text = "What may still be written: to the monitor folder, to the store of recordings."
    free = [((folder,), count) for folder, count in sorted(now.free_bytes.items())]
    yield gauge("telephony_recording_free_bytes", text, ["folder"], free)
    text = "With less free than this no recording is granted."
    needed = [((folder,), now.min_free_bytes) for folder in sorted(now.free_bytes)]
    yield gauge("telephony_recording_free_needed_bytes", text, ["folder"], needed)
    text = "Whether Asterisk refuses the marks by which the dialplan knows of standing opt-ins."
    yield gauge("telephony_recording_marks_refused", text, [], _one(now.marks_refused))


def _one(number: float) -> Rows:
    return [((), number)]


def _some(number: float | None) -> Rows:
    return [] if number is None else _one(number)
