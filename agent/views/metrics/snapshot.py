"""The running agent as a scrape sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.core.lanes import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """One AMI session."""

    name: str
    in_step: bool
    filtered: bool
    messages: int
    wanted: int
    bytes: int
    oversized: int
    faults: int
    forged: int
    reconnects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """The dialplan's journal: entries ``recovered`` told something new, ``waiting`` are those in it at the last reading
    (``read_at``, ms since 1970 UTC, None before the first), ``odd`` those that our dialplan did not write.
    """

    recovered: int
    waiting: int
    odd: int
    read_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathState:
    """What is known of the way of the next 999 call; instants are ms since 1970 UTC, None where there was none.

    ``trunks`` has each emergency trunk's state by its name, ``trunk_states``, ``addresses`` (of the emergency CLIs in
    the carrier's export) and ``phones`` (by their answer to "can it reach 999 with the right address?") have a count
    for every state there is, zeros too. ``addresses`` is empty where no export is configured, and ``export_at`` is
    when the file was last changed. Asterisk is asked every ``every_s`` what it would do, last at ``checked_at``.
    ``probe_late_after_s`` is 0 where no probes are sent. ``proofs`` has what the last rehearsal of this run was to
    show, and whether it did.
    """

    every_s: float
    checked_at: int | None
    probe_late_after_s: float
    proved_at: int | None
    proofs: Mapping[str, bool]
    trunks: Mapping[str, str]
    trunk_states: Mapping[str, int]
    addresses: Mapping[str, int]
    export_at: int | None
    export_faults: int
    phones: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderState:
    """What the agent does about recordings, in counts since its start, and what it has for it.

    ``refused`` has every reason there is, ``standing`` counts opt-ins by trigger, ``free_bytes`` is by folder
    (``monitor``, ``store``). What is None, or has no folder there, is not configured.
    """

    granted: int
    refused: Mapping[str, int]
    standing: Mapping[str, int]
    unbelieved: int
    unasked: int
    unstopped: int
    undestroyed: int
    orders_failed: int
    sealed: int
    sealing: int
    seal_failures: int
    keeping: bool
    strays: int
    sweep_failures: int
    vault_usable: bool | None
    door_open: bool | None
    in_memory: bool | None
    free_bytes: Mapping[str, int]
    min_free_bytes: int
    marks_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsState:
    """The file of CDRs, and what was read of it since the start; ``read_at`` (ms) None: not all was in, ever."""

    read_at: int | None
    waiting_bytes: int
    unreadable: int
    plumbing: int
    usable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisesState:
    """The promises that were ``kept`` or not at the last verification, by id; ``at`` (ms) None: none in this run."""

    at: int | None
    kept: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionState:
    """Records that went in this run by kind and ground, and that are ``held`` past their term, by kind.

    ``purged_at`` is when a purge was last through (ms); ``holds`` are by state.
    """

    gone: Mapping[tuple[str, str], int]
    held: Mapping[str, int]
    purged_at: int | None
    holds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsState:
    """Customers' requests that wait for an answer: ``open``, ``paused`` and ``overdue`` ones.

    ``canary_at`` is when what erasure leaves was last searched for (ms; None: not in this run, or it failed),
    ``canary_ok`` whether nothing was found; ``canary_every_s`` None: nobody looks.
    """

    counts: Mapping[str, int]
    canary_every_s: float | None
    canary_at: int | None
    canary_ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole of it.

    ``registered`` counts open spans by vendor, ``certain`` by certainty ("none": no table of sites),
    ``recordings_running`` captures by trigger; ``refusals`` has every channel of notice, and how often it took none.
    Voicemail is purged ``purged_every_s``, None where it is not; ``calls`` is None where none are read, ``promises``
    where nobody verifies them; ``unlocked`` where there are no keys; ``reserve_held`` where there is to be no reserve,
    and ``last_resort_bytes`` where no last resort is configured.
    """

    version: str
    ready: bool
    storing: bool
    sessions: Sequence[SessionState]
    lane_depths: Mapping[Lane, int]
    shed: Mapping[str, int]
    coalesced: Mapping[str, int]
    store_errors: int
    failures: int
    registered: Mapping[str, int]
    certain: Mapping[str, int]
    emergencies_in_progress: int
    recordings_running: Mapping[str, int]
    strange: int
    callbacks_missed: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    journal: JournalState | None = None
    path: PathState | None = None
    recorder: RecorderState | None = None
    purged_every_s: float | None = None
    calls: CallsState | None = None
    promises: PromisesState | None = None
    subjects: SubjectsState | None = None
    retention: RetentionState | None = None
    unlocked: int | None = None
    reserve_held: bool | None = None
    last_resort_bytes: int | None = None
    clock_jumps: int = 0
