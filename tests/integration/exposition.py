"""What `/metrics` says, for tests: a snapshot of an agent that is well, and every sample by name and labels."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from agent.core.lanes import Lane
from agent.core.records import Emergency, Outcome, Record, SeenBy
from agent.views.metrics import (
    CallsState,
    JournalState,
    Metrics,
    PathState,
    PromisesState,
    RecorderState,
    SessionState,
    Snapshot,
)

Samples = dict[tuple[str, tuple[str, ...]], float]

EMERGENCY = Emergency(
    id="1",
    line="201",
    number="999",
    ip="203.0.113.7",
    vendor="snom",
    model="D785",
    started_at=0,
    answered_at=1_500,
    ended_at=9_000,
    outcome=Outcome.ANSWERED,
    trunk="trunk-b",
    attempts=2,
    ring_ms=1_500,
    talk_ms=7_500,
    seen_by=SeenBy.DIALPLAN,
)

PATH = PathState(
    every_s=30,
    checked_at=1_000,
    probe_late_after_s=15,
    proved_at=None,
    proofs={},
    trunks={"trunk-a": "up", "trunk-b": "down"},
    trunk_states={"up": 1, "down": 1, "unqualified": 0},
    addresses={},
    export_at=None,
    export_faults=0,
    phones={"yes": 5, "no_path": 1},
)

RECORDER = RecorderState(
    granted=21,
    refused={"emergency": 0, "unsafe": 22, "odd": 23},
    standing={"service": 24},
    unbelieved=25,
    unasked=26,
    unstopped=27,
    undestroyed=28,
    orders_failed=29,
    sealed=30,
    sealing=31,
    seal_failures=32,
    keeping=True,
    strays=33,
    sweep_failures=34,
    vault_usable=True,
    door_open=True,
    in_memory=True,
    free_bytes={"monitor": 35, "store": 36},
    min_free_bytes=37,
    marks_refused=False,
)

SNAPSHOT = Snapshot(
    version="1",
    ready=True,
    storing=True,
    sessions=[
        SessionState(
            name="bulk",
            in_step=True,
            filtered=True,
            messages=7,
            wanted=5,
            bytes=900,
            oversized=1,
            faults=0,
            forged=0,
            reconnects=2,
        )
    ],
    lane_depths={lane: lane.value for lane in Lane},
    shed={"registration": 3},
    coalesced={"registration": 5},
    store_errors=4,
    failures=5,
    registered={"snom": 6},
    certain={"expected": 4, "none": 2},
    emergencies_in_progress=1,
    recordings_running={"button": 2},
    strange=8,
    callbacks_missed=9,
    refusals={"desk": 0, "pager": 2},
    journal=JournalState(recovered=3, waiting=4, odd=1, read_at=2_000),
    path=PATH,
    recorder=RECORDER,
    purged_every_s=86_400,
    calls=CallsState(read_at=70_000, waiting_bytes=411, unreadable=2, plumbing=3, usable=True),
    promises=PromisesState(at=80_000, kept={"P05": True, "P18": False}),
)


def snapshot() -> Snapshot:
    """Of an agent that is well."""
    return SNAPSHOT


def without_trunks() -> Snapshot:
    """Of an agent that does not know its trunks yet."""
    return replace(SNAPSHOT, path=None)


def samples(metrics: Metrics) -> Samples:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def after(*commits: Record, restored: tuple[Record, ...] = ()) -> Samples:
    """What it says after each of ``commits`` was committed alone."""
    metrics = Metrics(snapshot)
    metrics.restore(restored)
    for record in commits:
        metrics(Lane.EMERGENCY, [record], 0.001)
    return samples(metrics)
