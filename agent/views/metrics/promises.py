"""What became of the published promise, as last verified."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from agent.views.metrics.families import gauge
from agent.views.metrics.snapshot import PromisesState


def promises(now: PromisesState) -> Iterator[Metric]:
    """A series for each promise that was proved or found broken; none for what is not built."""
    text = "1 where the last verification proved the promise, 0 where it found it broken; no series where not built."
    kept = [((id,), float(kept)) for id, kept in sorted(now.kept.items())]
    yield gauge("telephony_agent_promise_ok", text, ["promise"], kept)
    text = "When the promises were last verified; 0: not in this run."
    yield gauge("telephony_agent_promises_verified_timestamp_seconds", text, [], [((), (now.at or 0) / 1000)])
