"""How the running agent stands: what ``/readyz`` and a scrape show of its source and its pipeline."""

from collections import Counter

from agent import __version__
from agent.core.lanes import Lane
from agent.core.records import RecordingState
from agent.pipeline import Pipeline
from agent.sources.ami import AmiSource, State
from agent.views.metrics import SessionState, Snapshot


def readiness(source: AmiSource, pipeline: Pipeline) -> dict[str, bool]:
    """The conditions of ``/readyz``."""
    sessions = {session.name: session.state is State.IN_STEP for session in source.sessions}
    conditions = {"store": pipeline.storing, **sessions}
    # Which Asterisk each of them reached is known once both are in.
    return conditions | ({"same_asterisk": source.in_step} if all(sessions.values()) else {})


def snapshot(source: AmiSource, pipeline: Pipeline) -> Snapshot:
    """What a scrape shows of the running agent."""
    engine = pipeline.engine
    calls, tapes = engine.desk.book.states.values(), engine.tapes.book.states.values()
    return Snapshot(
        version=__version__,
        ready=all(readiness(source, pipeline).values()),
        storing=pipeline.storing,
        sessions=[
            SessionState(
                name=session.name,
                in_step=session.state is State.IN_STEP,
                filtered=session.filtered,
                messages=session.received_messages,
                wanted=session.wanted_messages,
                bytes=session.received_bytes,
                oversized=session.oversized,
                faults=session.faults,
                reconnects=session.reconnects,
            )
            for session in source.sessions
        ],
        lane_depths={lane: pipeline.lanes.depth(lane) for lane in Lane},
        shed=dict(pipeline.lanes.shed),
        store_errors=pipeline.store_errors,
        failures=pipeline.failures.total(),
        registered=Counter(span.device.vendor for span in engine.registrar.spans.values()),
        emergencies_in_progress=sum(call.ended_at is None for call in calls),
        recordings_running=Counter(tape.trigger for tape in tapes if tape.state is RecordingState.RECORDING),
    )
