"""Ordinary calls and texts in numbers: how they ended, what may be billed, and whether all that was written is in."""

from collections import OrderedDict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Total
from prometheus_client.core import Metric

from agent.core.records import Call, CallOutcome, Direction, Text, TextOutcome
from agent.views.metrics.families import gauge, total
from agent.views.metrics.snapshot import CallsState

#: Calls and texts remembered, so that one read again is not counted again.
_REMEMBERED = 10_000


class History:
    """Counts committed calls, a leg each, and texts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._calls = Total(
            "telephony_call_legs",
            "Legs of ordinary calls, as Asterisk's CDRs tell them.",
            ["direction", "outcome"],
            registry=registry,
        )
        self._seconds = Total(
            "telephony_call_billable_seconds",
            "Billable seconds of legs of ordinary calls, as Asterisk counted them.",
            ["direction"],
            registry=registry,
        )
        self._texts = Total(
            "telephony_texts",
            "Texts, by what became of them; refused: to the emergency services.",
            ["direction", "outcome"],
            registry=registry,
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for direction in Direction:
            self._seconds.labels(direction)
            for outcome in CallOutcome:
                self._calls.labels(direction, outcome)
            for became in TextOutcome:
                self._texts.labels(direction, became)

    def fold(self, record: Call | Text) -> None:
        """One call or text."""
        if record.id in self._seen:
            return
        self._seen[record.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if isinstance(record, Text):
            self._texts.labels(record.direction, record.outcome).inc()
            return
        self._calls.labels(record.direction, record.outcome).inc()
        self._seconds.labels(record.direction).inc(record.billable_s)


def reading(now: CallsState) -> Iterator[Metric]:
    """The file that the calls are read from, at the scrape."""
    read_at = 0 if now.read_at is None else now.read_at / 1000
    text = "When the agent last had stored all calls and texts that Asterisk had written; 0: not yet in this run."
    yield gauge("telephony_call_file_read_timestamp_seconds", text, [], [((), read_at)])
    text = "Size of what Asterisk has written of calls and texts and the agent has not stored, at the last look."
    yield gauge("telephony_call_file_waiting_bytes", text, [], [((), float(now.waiting_bytes))])
    text = "0 while the file of calls and texts cannot be read or removed."
    yield gauge("telephony_call_file_usable", text, [], [((), float(now.usable))])
    text = "Lines of that file that are no CDR or text as the agent has Asterisk write them."
    yield total("telephony_call_lines_unreadable", text, [], [((), float(now.unreadable))])
    text = "CDRs in which the PBX talked to itself, and which are no calls."
    yield total("telephony_call_lines_internal", text, [], [((), float(now.plumbing))])
