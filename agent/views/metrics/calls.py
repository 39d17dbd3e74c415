"""Emergency calls in numbers: each call counted once, whatever its record goes through, and corrected in the open.

A counter cannot go down, and yet what is told late (by the other AMI session, or by the journal after hours) can change
how a call ended. Therefore

    telephony_emergencies_total               has the outcome with which a call was first known to be over, for ever;
    telephony_emergencies_corrected_total     has each later change of it, from ``was`` to ``outcome``, so that
                                              total{outcome=X} + corrected{outcome=X} - corrected{was=X} is the truth;
    telephony_emergencies_unconnected_total   and its own _corrected_total go by the same rule;
    durations and certainty                   are taken as first told, and stay.

A rehearsal counts with test="true" in the two metrics that have this label, and in no other. A call that turns out to
be one later is corrected to ``rehearsal``.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Total
from prometheus_client.core import Metric

from agent.core.records import Certainty, Emergency, Entry, Outcome, SeenBy
from agent.views.metrics.families import total

_SECONDS = (0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60)
_FIRST_TRUNK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: A caller who gave up after so long (ms) is taken not to have got through; before that, to have thought better of it.
WAITED_MS = 10_000

#: Calls remembered, so that a record written again is not counted again.
_REMEMBERED = 10_000

_OUTCOMES = (Outcome.ANSWERED, Outcome.ABANDONED, Outcome.FAILED)
_REHEARSAL = "rehearsal"
_UNPLACED = "none"

#: A line of a timeline -> what it says of a trunk.
_RESULTS = {"trying": "tried", "answered": "answered", "refused": "refused"}
_OTHER = "other"
_MOST_TRUNKS = 64


@dataclass(slots=True)
class _Call:
    """What was counted of one call; ``dialled_at`` (ms) is None where that was not told."""

    test: bool
    dialled_at: int | None = None
    attempts: int = 0
    tried: bool = False
    rung: bool = False
    preempted: bool = False
    callbacks: int = 0
    outcome: Outcome | None = None
    unconnected: bool = False


class Calls:
    """Counts committed emergencies, and the lines of their timelines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls: OrderedDict[str, _Call] = OrderedDict()
        self._by_trunk: Counter[tuple[str, str]] = Counter()
        self._shown: Counter[tuple[str, str]] = Counter()
        self._dialled = Total("telephony_emergencies_dialled", "Emergency calls begun.", ["test"], registry=registry)
        self._over = Total(
            "telephony_emergencies",
            "Emergency calls that are over, by the outcome first known.",
            ["outcome", "seen_by", "test"],
            registry=registry,
        )
        self._corrected = Total(
            "telephony_emergencies_corrected",
            "Emergency calls whose outcome turned out to be another.",
            ["was", "outcome"],
            registry=registry,
        )
        self._unconnected = Total(
            "telephony_emergencies_unconnected",
            f"Emergency calls that no trunk took, or given up after {WAITED_MS // 1000} s.",
            registry=registry,
        )
        self._connected = Total(
            "telephony_emergencies_unconnected_corrected",
            "Emergency calls counted as unconnected that turned out otherwise.",
            registry=registry,
        )
        self._certainty = Total(
            "telephony_emergencies_by_certainty",
            "Emergency calls that are over, by how sure the caller's place was; none: no table of sites.",
            ["certainty"],
            registry=registry,
        )
        self._attempts = Total("telephony_emergency_attempts", "Trunks tried by emergency calls.", registry=registry)
        self._failovers = Total(
            "telephony_emergency_failovers", "Trunks tried by emergency calls after their first one.", registry=registry
        )
        self._preemptions = Total(
            "telephony_emergency_preemptions",
            "Emergency calls that an ordinary call was given up for.",
            registry=registry,
        )
        self._callbacks = Total(
            "telephony_emergency_callbacks_reached",
            "Calls back of the emergency services that reached the caller.",
            registry=registry,
        )
        self._ring_s = Histogram(
            "telephony_emergency_ring_seconds",
            "Time from dialling to answer of emergency calls.",
            registry=registry,
            buckets=_SECONDS,
        )
        self._abandoned_s = Histogram(
            "telephony_emergency_abandoned_seconds",
            "Time from dialling to hang-up of emergency calls that were not answered.",
            registry=registry,
            buckets=_SECONDS,
        )
        self._first_trunk_s = Histogram(
            "telephony_emergency_first_trunk_seconds",
            "Time from dialling until the first trunk was tried.",
            registry=registry,
            buckets=_FIRST_TRUNK_S,
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for outcome in _OUTCOMES:
            for was in _OUTCOMES:
                if was is not outcome:
                    self._corrected.labels(was, outcome)
            self._corrected.labels(outcome, _REHEARSAL)
            for seen_by in SeenBy:
                for test in ("false", "true"):
                    self._over.labels(outcome, seen_by, test)
        for test in ("false", "true"):
            self._dialled.labels(test)
        for certainty in (*Certainty, _UNPLACED):
            self._certainty.labels(certainty)

    def restore(self, record: Emergency) -> None:
        """An emergency of an earlier run, which counted what is known of it."""
        over = record.ended_at is not None
        self._calls[record.id] = _Call(
            test=record.test,
            dialled_at=None if record.blind else record.started_at,
            attempts=record.attempts,
            tried=record.attempts > 0,
            rung=record.ring_ms is not None,
            preempted=record.preempted,
            callbacks=record.callbacks,
            outcome=record.outcome if over else None,
            unconnected=over and _is_unconnected(record),
        )

    def fold(self, record: Emergency) -> None:
        """An emergency's record as it is now."""
        call = self._calls.get(record.id)
        if call is None:
            call = self._calls[record.id] = _Call(test=record.test)
            self._dialled.labels(_word(record.test)).inc()
            if len(self._calls) > _REMEMBERED:
                self._calls.popitem(last=False)
        self._calls.move_to_end(record.id)
        if record.test and not call.test:
            self._turned_out_rehearsed(call)
        if not record.blind:
            call.dialled_at = record.started_at
        if not call.test:
            self._grown(call, record)
        if record.ended_at is not None:
            self._ended(call, record)

    def entry(self, entry: Entry) -> None:
        """A line of an emergency's timeline, after the record that it is of."""
        call, result = self._calls.get(entry.emergency), _RESULTS.get(entry.what)
        if call is None or call.test or result is None:
            return
        trunk = entry.detail
        if not trunk or ((trunk, result) not in self._by_trunk and len(self._by_trunk) >= _MOST_TRUNKS):
            trunk = _OTHER
        self._by_trunk[trunk, result] += 1
        if entry.what == "trying" and not call.tried:
            call.tried = True
            if call.dialled_at is not None:
                self._first_trunk_s.observe(max(0, entry.at - call.dialled_at) / 1000)

    def by_trunk(self, trunks: Collection[str] | None) -> Metric:
        """What became of the attempts on each of the emergency ``trunks``; None: they are not known yet.

        Any other name may be an extension, or forged, and is counted as ``other``.
        """
        if trunks is not None:
            for name in trunks:
                for result in _RESULTS.values():
                    self._shown[name, result] += 0
            for (name, result), count in self._by_trunk.items():
                self._shown[name if (name, result) in self._shown else _OTHER, result] += count
            self._by_trunk.clear()
        rows = sorted(self._shown.items())
        text = "Attempts of emergency calls on each trunk, and what became of them."
        return total("telephony_emergency_trunk_attempts", text, ["trunk", "result"], rows)

    def _grown(self, call: _Call, record: Emergency) -> None:
        if record.attempts > call.attempts:
            self._attempts.inc(record.attempts - call.attempts)
            self._failovers.inc(max(record.attempts, 1) - max(call.attempts, 1))
            call.attempts = record.attempts
        if record.ring_ms is not None and not call.rung:
            self._ring_s.observe(record.ring_ms / 1000)
            call.rung = True
        if record.preempted and not call.preempted:
            self._preemptions.inc()
            call.preempted = True
        if record.callbacks > call.callbacks:
            self._callbacks.inc(record.callbacks - call.callbacks)
            call.callbacks = record.callbacks

    def _ended(self, call: _Call, record: Emergency) -> None:
        was, call.outcome = call.outcome, record.outcome
        if was is None:
            self._over.labels(record.outcome, record.seen_by, _word(call.test)).inc()
        if call.test:
            return
        if was is None:
            self._certainty.labels(record.certainty or _UNPLACED).inc()
            if record.outcome is Outcome.ABANDONED and (waited := _waited_ms(record)) is not None:
                self._abandoned_s.observe(waited / 1000)
        elif was is not record.outcome:
            self._corrected.labels(was, record.outcome).inc()
        if (unconnected := _is_unconnected(record)) is not call.unconnected:
            (self._unconnected if unconnected else self._connected).inc()
            call.unconnected = unconnected

    def _turned_out_rehearsed(self, call: _Call) -> None:
        self._dialled.labels("true").inc()
        if call.outcome is not None:
            self._corrected.labels(call.outcome, _REHEARSAL).inc()
        if call.unconnected:
            self._connected.inc()
        call.test, call.outcome, call.unconnected = True, None, False


def _word(flag: bool) -> str:
    return str(flag).lower()


def _waited_ms(record: Emergency) -> int | None:
    """From dialling to hang-up; None where either was not witnessed."""
    return None if record.blind or record.ended_at is None else record.ended_at - record.started_at


def _is_unconnected(record: Emergency) -> bool:
    if record.outcome is Outcome.ABANDONED:
        return (_waited_ms(record) or 0) >= WAITED_MS
    return record.outcome is Outcome.FAILED
