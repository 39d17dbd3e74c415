"""The lanes against a model: strict priority, the latest state only, nothing lost that was not counted."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.core.lanes import LANE_OF, Lane, Lanes, lane_of
from agent.core.records import (
    RECORDS,
    Access,
    Account,
    Aggregate,
    Aggregated,
    Alarm,
    Asks,
    Audit,
    AuditUse,
    Blind,
    Call,
    CallOutcome,
    Calls,
    Cause,
    Consent,
    Content,
    ContentState,
    Deletion,
    Detail,
    Devices,
    Direction,
    Disclosure,
    Emergency,
    Entry,
    Failure,
    Ground,
    Hold,
    How,
    IpSource,
    Leaf,
    Line,
    Look,
    News,
    Notice,
    NumberClass,
    OptIn,
    Path,
    Probe,
    Purge,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    SeenBy,
    SegmentRoot,
    Service,
    Severity,
    Step,
    Text,
    TextOutcome,
    TextSize,
    Total,
    Traffic,
    Trigger,
    Use,
    Verdict,
)

LIMIT, BATCH = 4, 2

SAMPLES: dict[type[Record], Record] = {
    Emergency: Emergency(
        id="", line="201", number="999", ip=None, vendor=None, model=None, started_at=0, seen_by=SeenBy.CALLS
    ),
    Recording: Recording(
        id="", line="201", leg=None, trigger=Trigger.CODE, opted_in=True, state=RecordingState.OPTED_IN
    ),
    Registration: Registration(
        id="",
        line="201",
        ip=None,
        ip_source=IpSource.CONTACT,
        transport=None,
        vendor="snom",
        model="",
        firmware="",
        first_seen=0,
        last_seen=0,
        refreshes=0,
    ),
    Failure: Failure(id="", hour=0, cause="overload", count=1),
    Blind: Blind(id="", session="bulk", cause="closed", from_at=0),
    Detail: Detail(id="", emergency="e"),
    Entry: Entry(id="", emergency="e", seq=1, at=0, what="dialled", chain=""),
    Alarm: Alarm(id="", cause=Cause.EMERGENCY, subject="e", severity=Severity.CRITICAL, raised_at=0),
    Notice: Notice(id="", alarm="a", cause=Cause.EMERGENCY, channel="c", news=News.RAISED, raised_at=0, try_at=0),
    Look: Look(id="", at=0, by="sam", emergency="e", reason="asked"),
    Path: Path(id="", context="phones", number="999", verdict=Verdict.OURS, route="", since_at=0),
    Probe: Probe(id="", at=0),
    OptIn: OptIn(id="", line="201", trigger=Trigger.CODE, calls=Calls.ONE, how=How.PRESS, by=None, given_at=0),
    Content: Content(id="", state=ContentState.SHREDDED, began_at=0, stored_at=0),
    Access: Access(id="", at=0, by="sam", recording="r", use=Use.PLAYED, reason="asked"),
    Purge: Purge(id="", at=0),
    Audit: Audit(
        id="", segment="", seq=1, at=0, by="sam", use=AuditUse.LISTED, commitment="", reason="asked", chain=""
    ),
    Consent: Consent(id="", account="", lines="", party="", kinds=(), purpose="", by="sam", given_at=0, expires_at=1),
    Disclosure: Disclosure(
        id="",
        disclosure="",
        step=Step.PROPOSED,
        at=0,
        by="sam",
        login="",
        party="",
        authority="",
        power="",
        consent="",
        reference="",
        emergency="",
        account="",
        lines="",
        since_at=0,
        until_at=1,
        kinds=(),
        fields=(),
        reason="",
        salt="",
    ),
    Leaf: Leaf(id="", seq=0, at=0, commitment="", root="", signature=""),
    Line: Line(id="", name="", since_at=0),
    SegmentRoot: SegmentRoot(id="", segment="", entries=1, head="", closed_at=0, previous="", chain=""),
    Call: Call(
        id="",
        call="",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        started_at=0,
        duration_s=9,
        billable_s=7,
        outcome=CallOutcome.ANSWERED,
    ),
    Account: Account(id="", account="A1", opened_at=0),
    Request: Request(id="", account="A1", asks=Asks.ACCESS, received_at=0, opened_by="sam", due_at=0),
    Service: Service(id="", account="A1", line="201", from_at=0),
    Text: Text(
        id="",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        at=0,
        size=TextSize.SHORT,
        outcome=TextOutcome.SENT,
    ),
    Deletion: Deletion(id="", at=0, of="call", retention="call", ground=Ground.CUT, count=1, oldest_at=0, newest_at=0),
    Total: Total(id="", line="201", month_at=0, number_class=NumberClass.MOBILE, area="07", calls=1, billable_s=1),
    Traffic: Traffic(
        id="", day_at=0, clock_hour=0, direction=None, number_class=None, lines=10, attempts=1, answered=1, carried_s=1
    ),
    Devices: Devices(id="", month_at=0, vendor="Yealink", model=None, firmware=None, lines=10),
    Aggregate: Aggregate(id="", of=Aggregated.TRAFFIC, period_at=0, at=0, cells=1),
    Hold: Hold(
        id="",
        lines=("201",),
        kinds=("calls",),
        authority="a court",
        reference="X-1",
        placed_at=0,
        placed_by="kim",
        reviewer="sam",
        review_at=1,
    ),
}


def record(kind: type[Record], number: int) -> Record:
    """Record ``number`` of its kind; every call gives a new object, as a later state would be."""
    return replace(SAMPLES[kind], id=f"{kind.KIND}-{number}")


def test_every_kind_has_a_lane_and_emergencies_have_their_own() -> None:
    assert set(LANE_OF) == set(RECORDS) == set(SAMPLES)
    of_emergencies = {Emergency, Detail, Entry, Alarm, Notice, Probe}
    assert {kind for kind, lane in LANE_OF.items() if lane is Lane.EMERGENCY} == of_emergencies
    assert min(Lane) is Lane.EMERGENCY


def test_an_alarm_about_something_else_does_not_go_in_an_emergencys_way() -> None:
    for sample in (SAMPLES[Alarm], SAMPLES[Notice]):
        assert isinstance(sample, Alarm | Notice)
        assert lane_of(sample) is Lane.EMERGENCY
        assert lane_of(replace(sample, cause=Cause.STORE)) is Lane.EMERGENCY, "emergencies wait for it"
        for cause in set(Cause) - {Cause.EMERGENCY, Cause.STORE}:
            assert lane_of(replace(sample, cause=cause)) is Lane.RECORDING


class LanesMachine(RuleBasedStateMachine):
    """Everything that can be done to the lanes, beside the simplest thing that could be right."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(ordinary_limit=LIMIT)
        self.waiting: dict[str, Record] = {}
        self.taken: list[Record] = []
        self.shed: Counter[str] = Counter()
        self.puts = self.written = 0

    @rule(kind=st.sampled_from(RECORDS), number=st.integers(0, 6))
    def put(self, kind: type[Record], number: int) -> None:
        one = record(kind, number)
        self.lanes.put(one)
        self.puts += 1
        full = sum(LANE_OF[type(other)] is Lane.ORDINARY for other in self.waiting.values()) >= LIMIT
        if LANE_OF[kind] is Lane.ORDINARY and kind not in (Call, Text) and full and one.id not in self.waiting:
            self.shed[kind.KIND] += 1
        else:
            self.waiting[one.id] = one

    @rule()
    def take(self) -> None:
        work = self.lanes.take(BATCH)
        if work is None:
            assert not self.waiting
            return
        lane, records = work
        assert lane == min(LANE_OF[type(one)] for one in self.waiting.values())
        of_lane = [one for one in self.waiting.values() if LANE_OF[type(one)] is lane]
        assert len(records) == (min(BATCH, len(of_lane)) if lane is Lane.ORDINARY else len(of_lane))
        for one in records:
            assert self.waiting.pop(one.id) is one, "the latest state, once"
        self.taken = records
        self.written += len(records)

    @rule()
    def put_back(self) -> None:
        self.lanes.put_back(self.taken)
        for one in self.taken:
            self.waiting.setdefault(one.id, one)
        self.written -= len(self.taken)
        self.taken = []

    @invariant()
    def agree(self) -> None:
        assert self.lanes.shed == self.shed
        assert set(self.shed) <= {Registration.KIND, Failure.KIND}
        for lane in Lane:
            assert self.lanes.depth(lane) == sum(LANE_OF[type(one)] is lane for one in self.waiting.values())
        calls = sum(isinstance(one, Call | Text) for one in self.waiting.values())
        assert self.lanes.depth(Lane.ORDINARY) <= LIMIT + BATCH + calls

    @invariant()
    def each_state_is_accounted_for(self) -> None:
        gone = self.lanes.coalesced.total() + self.lanes.shed.total()
        assert self.puts == self.written + gone + len(self.waiting)


TestLanes = LanesMachine.TestCase


@given(st.integers(0, 20))
def test_a_flood_of_ordinary_records_sheds_no_emergency(emergencies: int) -> None:
    lanes = Lanes(ordinary_limit=3)
    for number in range(50):
        lanes.put(record(Registration, number))
        if number < emergencies:
            lanes.put(record(Emergency, number))
    assert lanes.shed == {"registration": 47}
    assert lanes.depth(Lane.EMERGENCY) == emergencies
    work = lanes.take()
    assert work is not None
    assert work[0] is (Lane.EMERGENCY if emergencies else Lane.ORDINARY)


def test_two_records_of_one_id_are_two_records() -> None:
    """What became of a recording's content has the recording's own id."""
    recording = Recording(
        id="one",
        line="201",
        leg="caller",
        trigger=Trigger.NONE,
        opted_in=False,
        state=RecordingState.STOPPED,
    )
    content = Content(id="one", state=ContentState.SHREDDED, began_at=1, stored_at=1)
    lanes = Lanes()
    lanes.put(recording)
    lanes.put(content)
    assert lanes.take() == (Lane.RECORDING, [recording, content])
