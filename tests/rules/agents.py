"""The agent's own metrics with made-up traffic behind them: of an agent that is well, and of one that is ill."""

from dataclasses import dataclass, replace

from agent.core.lanes import LANE_OF, Lane
from agent.core.normalise import FAILURES
from agent.core.records import (
    Blind,
    Emergency,
    Failure,
    IpSource,
    Outcome,
    Record,
    Recording,
    RecordingState,
    Registration,
    SeenBy,
    Trigger,
)
from agent.views.metrics import Metrics, SessionState, Snapshot

BEGIN = 1_795_000_000_000


@dataclass(kw_only=True)
class MadeUpAgent:
    """An agent in whose every `step` some of everything happens.

    Ill, it has no AMI session and no writable store, its lanes grow, and its emergency calls end badly.
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
            reconnects=3 * trouble,
        )
        return Snapshot(
            version="1.2.3",
            ready=not self.ill,
            storing=not self.ill,
            sessions=[session, replace(session, name="bulk", messages=4_000 * self.steps)],
            lane_depths=dict.fromkeys(Lane, 5000 * trouble),
            shed={"registration": 100 * trouble, "failure": 0},
            store_errors=trouble,
            failures=trouble,
            registered={"Yealink": 12, "snom": 3, "other": 1},
            emergencies_in_progress=int(self.ill),
            recordings_running={"button": 1, "none": int(self.ill)},
        )

    def _records(self) -> list[Record]:
        others: list[Record] = [self._registration(), self._blind(), self._recording(Trigger.BUTTON)]
        calls = [self._emergency(Outcome.ANSWERED, SeenBy.DIALPLAN), self._emergency(Outcome.FAILED, test=True)]
        if self.ill:
            others += [self._recording(Trigger.NONE)]
            calls += [self._emergency(outcome) for outcome in (Outcome.FAILED, Outcome.ABANDONED)]
            calls += [self._emergency(Outcome.ANSWERED, SeenBy.CALLS)]
        return [*others, *calls, *self._failures()]

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
            ended_at=BEGIN + 60_000,
            outcome=outcome,
            attempts=2 if outcome is Outcome.FAILED else 1,
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
