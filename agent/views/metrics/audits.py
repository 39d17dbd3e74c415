"""The audit in numbers: how often people used customers' data, by what they did."""

from collections import OrderedDict

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Total

from agent.core.records import Audit, AuditUse

#: Entries remembered, so that one written again is not counted again.
_REMEMBERED = 10_000


class Audits:
    """Counts committed entries of the audit."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._entries = Total(
            "telephony_audit_entries",
            "Uses of customers' data by people, by what they did.",
            ["use"],
            registry=registry,
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for use in AuditUse:
            self._entries.labels(use)

    def fold(self, entry: Audit) -> None:
        """One use."""
        if entry.id in self._seen:
            return
        self._seen[entry.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self._entries.labels(entry.use).inc()
