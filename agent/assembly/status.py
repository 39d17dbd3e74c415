"""How the running agent stands: what ``/readyz`` and a scrape show of its source, its pipeline and its recordings."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from agent import __version__
from agent.config import Config
from agent.core.lanes import Lane
from agent.core.records import Purge, RecordingState
from agent.core.tapes import Tapes
from agent.duties.alerting import Alerting
from agent.duties.assurance import Address, Handle, Reach, Rehearsals, TrunkState, Watch
from agent.duties.recording.captures import Captures
from agent.duties.recording.granting import Granting
from agent.duties.recording.marks import Marks
from agent.duties.recording.sealing import Sealer
from agent.duties.recording.sweeping import Sweeper
from agent.duties.storing import Storing
from agent.pipeline import Pipeline
from agent.ports import Reader, StoreError
from agent.sources.ami import AmiSource, State
from agent.stores.monitor import Monitor
from agent.stores.vault import Vault
from agent.views.door import Door
from agent.views.metrics import (
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

_LOOK_EVERY_S = 15.0
_MEGABYTE = 1 << 20
_MONITOR, _STORE = "monitor", "store"


class Recording(Protocol):
    """The parts of `agent.assembly.recorder.Recorder` that a scrape shows."""

    @property
    def tapes(self) -> Tapes: ...
    @property
    def captures(self) -> Captures: ...
    @property
    def granting(self) -> Granting: ...
    @property
    def marks(self) -> Marks: ...
    @property
    def folder(self) -> Monitor | None: ...
    @property
    def vault(self) -> Vault | None: ...
    @property
    def sealer(self) -> Sealer | None: ...
    @property
    def sweeper(self) -> Sweeper | None: ...
    @property
    def door(self) -> Door | None: ...


class Folders:
    """The folders of recordings as they were at the last look, which no scrape waits for: a disk may not answer."""

    def __init__(self, recording: Recording, config: Config) -> None:
        self._folder = recording.folder
        self._vault = recording.vault
        wanted = config.recording.store_dir is not None
        #: None where none is configured.
        self.vault_usable: bool | None = recording.vault is not None if wanted else None
        self.in_memory: bool | None = None
        self.free_bytes: dict[str, int] = {}
        self.min_free_bytes = config.recording.min_free_mb * _MEGABYTE

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self) -> None:
        """Look now; it may block."""
        if self._folder is not None:
            self.in_memory = self._folder.in_memory()
            self.free_bytes[_MONITOR] = self._folder.free_bytes()
        if self._vault is not None:
            try:
                self.free_bytes[_STORE] = self._vault.free_bytes()
                self.vault_usable = True
            except StoreError:
                self.free_bytes[_STORE] = 0
                self.vault_usable = False


def readiness(source: AmiSource, pipeline: Pipeline) -> dict[str, bool]:
    """The conditions of ``/readyz``."""
    sessions = {session.name: session.state is State.IN_STEP for session in source.sessions}
    conditions = {"store": pipeline.storing, **sessions}
    # Which Asterisk each of them reached is known once both are in.
    return conditions | ({"same_asterisk": source.in_step} if all(sessions.values()) else {})


def snapshot(
    source: AmiSource,
    pipeline: Pipeline,
    alerting: Alerting,
    path: PathState,
    recorder: RecorderState | None = None,
    purged_every_s: float | None = None,
    calls_read: CallsState | None = None,
    promises: PromisesState | None = None,
    subjects: SubjectsState | None = None,
    retention: RetentionState | None = None,
    unlocked: int | None = None,
    storing: Storing | None = None,
    clock_jumps: int = 0,
) -> Snapshot:
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
        coalesced=dict(pipeline.lanes.coalesced),
        store_errors=pipeline.store_errors,
        failures=pipeline.failures.total() + alerting.failures,
        registered=_summed((vendor, count) for (vendor, _), count in engine.registrar.counts.items()),
        certain=_summed((certainty or "none", count) for (_, certainty), count in engine.registrar.counts.items()),
        emergencies_in_progress=sum(call.ended_at is None and not call.test for call in calls),
        recordings_running=Counter(tape.trigger for tape in tapes if tape.state is RecordingState.RECORDING),
        strange=engine.desk.strange,
        callbacks_missed=engine.desk.missed,
        refusals=alerting.refused,
        journal=_journal(source, pipeline),
        path=path,
        recorder=recorder,
        purged_every_s=purged_every_s,
        unlocked=unlocked,
        reserve_held=None if storing is None else storing.reserve_held,
        clock_jumps=clock_jumps,
        last_resort_bytes=None if storing is None else storing.last_resort_bytes,
        calls=calls_read,
        promises=promises,
        subjects=subjects,
        retention=retention,
    )


def recorder_state(recording: Recording, folders: Folders) -> RecorderState:
    """What a scrape shows of recordings."""
    captures, sealer, sweeper, door = recording.captures, recording.sealer, recording.sweeper, recording.door
    refused = {why.value: count for why, count in recording.granting.refused.items()}
    return RecorderState(
        granted=recording.granting.granted,
        refused=refused | {"odd": 0 if door is None else door.odd},
        standing=Counter(given.trigger for given in recording.tapes.consents.standing()),
        unbelieved=recording.tapes.unbelieved,
        unasked=captures.unasked,
        unstopped=captures.unstopped,
        undestroyed=captures.undestroyed,
        orders_failed=captures.failures,
        sealed=0 if sealer is None else sealer.sealed,
        sealing=0 if sealer is None else len(sealer.busy_with),
        seal_failures=0 if sealer is None else sealer.failures,
        keeping=sealer is None or sealer.working,
        strays=0 if sweeper is None else sweeper.strays,
        sweep_failures=0 if sweeper is None else sweeper.failures,
        vault_usable=folders.vault_usable,
        door_open=None if door is None else door.open,
        in_memory=folders.in_memory,
        free_bytes=dict(folders.free_bytes),
        min_free_bytes=folders.min_free_bytes,
        marks_refused=recording.marks.refused,
    )


def purges(reader: Callable[[], AbstractContextManager[Reader]]) -> list[Purge]:
    """The purges of voicemail on record; none where these cannot be read."""
    try:
        with reader() as records:
            return [record for record in records.read(Purge.KIND) if isinstance(record, Purge)]
    except StoreError:
        return []


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
