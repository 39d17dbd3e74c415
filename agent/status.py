"""How the running agent stands: what ``/readyz`` and a scrape show of its source and its pipeline."""

from collections import Counter
from collections.abc import Iterable

from agent import __version__
from agent.core.lanes import Lane
from agent.core.records import RecordingState
from agent.duties.alerting import Alerting
from agent.duties.assurance import Address, Handle, Reach, Rehearsals, TrunkState, Watch
from agent.pipeline import Pipeline
from agent.sources.ami import AmiSource, State
from agent.views.metrics import JournalState, PathState, SessionState, Snapshot


def readiness(source: AmiSource, pipeline: Pipeline) -> dict[str, bool]:
    """The conditions of ``/readyz``."""
    sessions = {session.name: session.state is State.IN_STEP for session in source.sessions}
    conditions = {"store": pipeline.storing, **sessions}
    # Which Asterisk each of them reached is known once both are in.
    return conditions | ({"same_asterisk": source.in_step} if all(sessions.values()) else {})


def snapshot(source: AmiSource, pipeline: Pipeline, alerting: Alerting, path: PathState) -> Snapshot:
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
                forged=session.forged,
                reconnects=session.reconnects,
            )
            for session in source.sessions
        ],
        lane_depths={lane: pipeline.lanes.depth(lane) for lane in Lane},
        shed=dict(pipeline.lanes.shed),
        store_errors=pipeline.store_errors,
        failures=pipeline.failures.total(),
        registered=_summed((vendor, count) for (vendor, _), count in engine.registrar.counts.items()),
        certain=_summed((certainty or "none", count) for (_, certainty), count in engine.registrar.counts.items()),
        emergencies_in_progress=sum(call.ended_at is None and not call.test for call in calls),
        recordings_running=Counter(tape.trigger for tape in tapes if tape.state is RecordingState.RECORDING),
        strange=engine.desk.strange,
        callbacks_missed=engine.desk.missed,
        refusals=alerting.refused,
        journal=_journal(source, pipeline),
        path=path,
    )


def path_state(watch: Watch, probe: Handle, rehearsals: Rehearsals) -> PathState:
    """What a scrape shows of the way of the next 999 call."""
    seen = watch.state()
    trunks, addresses = Counter(seen.trunks.values()), Counter(seen.addresses.values())
    last = rehearsals.last
    return PathState(
        every_s=watch.every_s,
        checked_at=seen.seen_at,
        probe_late_after_s=probe.late_after_s if probe.every_s and not probe.denied else 0,
        proved_at=rehearsals.proved_at,
        proofs={} if last is None else {proof.name: proof.ok for proof in last.proofs if proof.ok is not None},
        trunks=seen.trunks,
        trunk_states={state: trunks[state] for state in TrunkState},
        addresses={} if seen.export_faults is None else {state: addresses[state] for state in Address},
        export_at=seen.export_at,
        export_faults=seen.export_faults or 0,
        phones={answer: seen.phones[answer] for answer in Reach},
    )


def _journal(source: AmiSource, pipeline: Pipeline) -> JournalState | None:
    journal = source.journal
    if journal is None:
        return None
    return JournalState(
        recovered=pipeline.engine.desk.recovered, waiting=journal.waiting, odd=journal.odd, read_at=journal.read_at
    )


def _summed(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for word, count in counts:
        found[word] += count
    return found
