"""The agent's own metrics with made-up traffic behind them: of an agent that is well, and of one that is ill."""

import time
from dataclasses import dataclass, replace

from agent.core.lanes import LANE_OF, Lane
from agent.core.normalise import FAILURES
from agent.core.records import (
    Access,
    Alarm,
    Blind,
    Call,
    CallOutcome,
    Cause,
    Certainty,
    Content,
    ContentClass,
    ContentState,
    Delivery,
    Direction,
    Emergency,
    Entry,
    Failure,
    IpSource,
    News,
    Notice,
    NumberClass,
    Outcome,
    Path,
    Probe,
    Purge,
    Reason,
    Record,
    Recording,
    RecordingState,
    Registration,
    SeenBy,
    Severity,
    Trigger,
    Use,
    Verdict,
)
from agent.core.tapes import Why
from agent.duties.assurance import Address, Reach, TrunkState
from agent.views.metrics import (
    CallsState,
    JournalState,
    Metrics,
    PathState,
    PromisesState,
    RecorderState,
    RetentionState,
    SessionState,
    Snapshot,
    SubjectsState,
)

BEGIN = 1_795_000_000_000
TRUNKS = ("carrier-a", "carrier-b")
LONG_AGO_MS = 40 * 86_400_000


def now_ms() -> int:
    """The clock that Prometheus goes by."""
    return time.time_ns() // 1_000_000


@dataclass(kw_only=True)
class MadeUpAgent:
    """An agent in whose every `step` some of everything happens.

    Ill, it has no AMI session and no writable store, its lanes grow, its emergency calls end badly, nobody is told of
    them, and the next one would not get through. It records unasked and cannot keep what was asked for, and voicemail
    stays.
    """

    ill: bool
    steps: int = 0

    def __post_init__(self) -> None:
        self.metrics = Metrics(self._snapshot)

    def step(self) -> None:
        """Time for a few calls and registrations passes."""
        self.steps += 1
        for record in self._records():
            self.metrics(LANE_OF[type(record)], [record], 2.0 if self.ill else 0.003)

    def _snapshot(self) -> Snapshot:
        trouble = self.steps if self.ill else 0
        session = SessionState(
            name="express",
            in_step=not self.ill,
            filtered=True,
            messages=40 * self.steps,
            wanted=30 * self.steps,
            bytes=16_000 * self.steps,
            oversized=trouble,
            faults=trouble,
            forged=trouble,
            reconnects=3 * trouble,
        )
        return Snapshot(
            version="1.2.3",
            ready=not self.ill,
            storing=not self.ill,
            sessions=[session, replace(session, name="bulk", messages=4_000 * self.steps)],
            lane_depths=dict.fromkeys(Lane, 5000 * trouble),
            shed={"registration": 100 * trouble, "failure": 0},
            coalesced={"registration": 0, "failure": 0},
            store_errors=trouble,
            failures=trouble,
            registered={"Yealink": 12, "snom": 3, "other": 1},
            certain={"expected": 6},
            emergencies_in_progress=int(self.ill),
            recordings_running={"button": 1, "none": int(self.ill)},
            strange=trouble,
            callbacks_missed=trouble,
            refusals={"desk": 0, "pager": trouble},
            journal=JournalState(recovered=trouble, waiting=6 * int(self.ill), odd=0, read_at=now_ms()),
            path=self._path(),
            recorder=self._recorder(),
            purged_every_s=86_400,
            calls=CallsState(
                read_at=now_ms() - LONG_AGO_MS * int(self.ill),
                waiting_bytes=10_000_000 * trouble,
                unreadable=trouble,
                plumbing=trouble,
                usable=not self.ill,
            ),
            subjects=SubjectsState(
                counts={"open": 2, "paused": 1, "overdue": int(self.ill)},
                canary_every_s=86_400.0,
                canary_at=now_ms() - LONG_AGO_MS * int(self.ill),
                canary_ok=not self.ill,
            ),
            retention=RetentionState(
                gone={("call", "cut"): 100 * self.steps},
                held={"call": 3},
                purged_at=now_ms() - LONG_AGO_MS * int(self.ill),
                holds={"standing": 2, "overdue": int(self.ill)},
            ),
            unlocked=2 * int(self.ill),
            reserve_held=not self.ill,
            last_resort_bytes=900 * int(self.ill),
            clock_jumps=trouble,
            promises=PromisesState(at=now_ms() - LONG_AGO_MS * int(self.ill), kept={"P05": True, "P18": not self.ill}),
        )

    def _recorder(self) -> RecorderState:
        trouble = self.steps if self.ill else 0
        well = not self.ill
        return RecorderState(
            granted=self.steps,
            refused={why.value: trouble if why is Why.NOT_SAFE else 0 for why in Why} | {"odd": trouble},
            standing={Trigger.SERVICE: 3},
            unbelieved=trouble,
            unasked=trouble,
            unstopped=trouble,
            undestroyed=trouble,
            orders_failed=trouble,
            sealed=self.steps,
            sealing=trouble,
            seal_failures=trouble,
            keeping=well,
            strays=trouble,
            sweep_failures=trouble,
            vault_usable=well,
            door_open=well,
            in_memory=well,
            free_bytes={"monitor": 1 << 28, "store": 1 << 34 if well else 0},
            min_free_bytes=1 << 26,
            marks_refused=self.ill,
        )

    def _path(self) -> PathState:
        state = TrunkState.DOWN if self.ill else TrunkState.UP
        some = int(self.ill)
        last_at = now_ms() - LONG_AGO_MS * some
        return PathState(
            every_s=30,
            checked_at=last_at,
            probe_late_after_s=15,
            proved_at=last_at,
            proofs={"routing": True, "cli": not self.ill},
            trunks=dict.fromkeys(TRUNKS, state),
            trunk_states={each: 2 if each is state else 0 for each in TrunkState},
            addresses={each: 1 if each is Address.GOOD else some for each in Address},
            export_at=last_at,
            export_faults=some,
            phones={each: 12 if each is Reach.YES else some for each in Reach},
        )

    def _records(self) -> list[Record]:
        others: list[Record] = [self._registration(), self._blind(), self._recording(Trigger.BUTTON), *self._desk()]
        others += [*self._contents(), *self._purged(), self._call()]
        calls = [self._emergency(Outcome.ANSWERED, SeenBy.DIALPLAN), self._emergency(Outcome.FAILED, test=True)]
        if self.ill:
            others += [self._recording(Trigger.NONE)]
            calls += [self._emergency(outcome) for outcome in (Outcome.FAILED, Outcome.ABANDONED)]
            calls += [
                self._emergency(Outcome.ANSWERED, SeenBy.CALLS),
                self._emergency(Outcome.ANSWERED, SeenBy.JOURNAL),
            ]
        lines = [line for call in calls for line in self._lines(call)]
        # told one step, made, the next: so that each has its correction
        again = [replace(call, outcome=Outcome.ANSWERED) for call in calls if call.outcome is Outcome.FAILED]
        return [*others, *calls, *(again if self.steps == 1 else ()), *lines, *self._failures(), *self._paths()]

    def _lines(self, call: Emergency) -> list[Record]:
        what = ["trying", "refused"] * (call.attempts - 1) + ["trying"]
        what += ["answered" if call.outcome is Outcome.ANSWERED else "refused"]
        return [
            Entry(
                id=f"{call.id}-{seq}",
                emergency=call.id,
                seq=seq,
                at=BEGIN + 20 * seq,
                what=word,
                detail=TRUNKS[(seq - 1) // 2 % 2],
                chain="",
            )
            for seq, word in enumerate(what, 1)
        ]

    def _desk(self) -> list[Record]:
        at = now_ms()
        self.metrics.handed("desk", Cause.EMERGENCY, 60_000 if self.ill else 40)
        alarm = Alarm(
            id=f"{self.steps}-alarm",
            cause=Cause.EMERGENCY,
            subject=f"{self.steps}-answered-dialplan-False",
            severity=Severity.CRITICAL,
            raised_at=at - (3_600_000 if self.ill else 2_000),
            acknowledged_at=None if self.ill else at,
            closed_at=None if self.ill else at,
        )
        trunk = replace(alarm, id="trunk", cause=Cause.TRUNK, raised_at=at - 2 * 3_600_000)
        notice = Notice(
            id=f"{self.steps}-notice",
            alarm=alarm.id,
            cause=Cause.EMERGENCY,
            channel="pager" if self.ill else "desk",
            news=News.RAISED,
            state=Delivery.PENDING if self.ill else Delivery.SENT,
            raised_at=at,
            try_at=at,
            sent_at=None if self.ill else at,
            done_at=None if self.ill else at,
        )
        return [alarm, trunk, notice]

    def _paths(self) -> list[Record]:
        verdicts = (Verdict.BROKEN, Verdict.WEAK) if self.ill else (Verdict.OURS,)
        paths: list[Record] = [
            Path(id=verdict, context="phones", number="999", verdict=verdict, route="", since_at=BEGIN)
            for verdict in verdicts
        ]
        return [*paths, Probe(id="probe", at=now_ms() - LONG_AGO_MS * self.ill)]

    def _emergency(self, outcome: Outcome, seen_by: SeenBy = SeenBy.DIALPLAN, *, test: bool = False) -> Emergency:
        ring_ms = 9_000 if self.ill else 2_100
        return Emergency(
            id=f"{self.steps}-{outcome}-{seen_by}-{test}",
            line="201",
            number="999",
            ip="203.0.113.7",
            vendor="Yealink",
            model="T46U",
            started_at=BEGIN,
            ended_at=BEGIN + (3_000 if outcome is Outcome.ABANDONED else 60_000),
            outcome=outcome,
            attempts=2 if outcome is Outcome.FAILED else 1,
            certainty=Certainty.EXPECTED,
            preempted=outcome is Outcome.FAILED,
            ring_ms=ring_ms if outcome is Outcome.ANSWERED else None,
            seen_by=seen_by,
            test=test,
        )

    def _recording(self, trigger: Trigger) -> Recording:
        return Recording(
            id=f"{self.steps}-{trigger}",
            line="202",
            leg="caller",
            trigger=trigger,
            opted_in=trigger is not Trigger.NONE,
            started_at=BEGIN,
            stopped_at=BEGIN + 30_000,
            state=RecordingState.STOPPED,
        )

    def _contents(self) -> list[Record]:
        if self.ill:
            self.metrics.stopped(0.2)
        kept = Content(
            id=f"{self.steps}-kept",
            line="202",
            kept_as=ContentClass.USER,
            state=ContentState.KEPT,
            began_at=BEGIN,
            stored_at=BEGIN,
            size_bytes=480_044,
        )
        expired = replace(kept, state=ContentState.DELETED, deleted_at=BEGIN, reason=Reason.EXPIRED)
        lost = replace(kept, state=ContentState.LOST, deleted_at=BEGIN, reason=Reason.MISSING)
        played = Access(id=f"{self.steps}-a", at=BEGIN, by="Ann", recording=kept.id, use=Use.PLAYED, reason="asked")
        return [kept, lost if self.ill else expired, played]

    def _purged(self) -> list[Record]:
        at = now_ms() - LONG_AGO_MS * self.ill
        begun = Purge(id=f"{self.steps}-purge", at=at)
        return [begun, replace(begun, done_at=at, mailboxes=4, heard=3, kept=9, due=2, failed=int(self.ill))]

    def _call(self) -> Call:
        return Call(
            id=f"{self.steps}-call",
            call=f"{self.steps}-linked",
            line="202",
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            started_at=BEGIN,
            duration_s=70,
            billable_s=60,
            outcome=CallOutcome.ANSWERED,
            itemised=True,
        )

    def _registration(self) -> Registration:
        return Registration(
            id=f"{self.steps}-registration",
            line="203",
            ip="203.0.113.8",
            ip_source=IpSource.SECURITY,
            transport="udp",
            vendor="snom",
            model="D785",
            firmware="10",
            first_seen=BEGIN,
            last_seen=BEGIN,
            refreshes=0,
        )

    def _failures(self) -> list[Record]:
        count = 40 * self.steps if self.ill else 1
        return [Failure(id=cause, hour=BEGIN, cause=cause, count=count) for cause in sorted(set(FAILURES.values()))]

    def _blind(self) -> Blind:
        return Blind(id=f"{self.steps}-blind", session="bulk", cause="silent", from_at=BEGIN, until_at=BEGIN + 1_500)
