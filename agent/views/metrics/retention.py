"""What the purge deleted, when it was last through, and which legal holds stand."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from agent.views.metrics.families import gauge, total
from agent.views.metrics.snapshot import RetentionState


def retained(now: RetentionState) -> Iterator[Metric]:
    """The purge and the holds; nobody in them."""
    text = "Records that the purge deleted, by kind and ground."
    yield total("telephony_agent_purged_records", text, ["kind", "ground"], sorted(now.gone.items()))
    text = "Records past their term that a legal hold, or a customer's consent to a history, keeps."
    yield gauge("telephony_agent_held_records", text, ["kind"], [((kind,), n) for kind, n in sorted(now.held.items())])
    text = "When the purge was last through with every kind of record; 0: not in this run."
    yield gauge("telephony_agent_purge_timestamp_seconds", text, [], [((), (now.purged_at or 0) / 1000)])
    text = "Legal holds that stand, and those of them whose review date has passed."
    yield gauge("telephony_agent_holds", text, ["state"], [((state,), count) for state, count in now.holds.items()])
