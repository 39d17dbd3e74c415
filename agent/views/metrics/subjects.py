"""Customers' requests in numbers, and whether what was erased is gone."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from agent.views.metrics.families import gauge
from agent.views.metrics.snapshot import SubjectsState


def subjects(now: SubjectsState) -> Iterator[Metric]:
    """What is made at the scrape."""
    text = "Customers' requests that wait for an answer; of them those whose time stands still, or is over."
    yield gauge("telephony_agent_requests", text, ["state"], [((state,), float(n)) for state, n in now.counts.items()])
    if now.canary_every_s is None:
        return
    text = "1 where nothing was left of the last customer that never was, once it was erased; 0 where something was."
    ok = [] if now.canary_at is None else [((), float(now.canary_ok))]
    yield gauge("telephony_agent_erasure_canary_ok", text, [], ok)
    text = "When that was last looked for; 0: not in this run, or it could not be."
    yield gauge("telephony_agent_erasure_canary_timestamp_seconds", text, [], [((), (now.canary_at or 0) / 1000)])
    text = "How often it is looked for."
    yield gauge("telephony_agent_erasure_canary_interval_seconds", text, [], [((), now.canary_every_s)])
