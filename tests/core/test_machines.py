"""Whatever is heard, in whatever order: no machine raises, no evidence is lost, no duration is negative."""

from itertools import count, product

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from agent.core import emergency, evidence, recording
from agent.core.engine import Engine
from agent.core.evidence import Call
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.recording import Input, Tape
from agent.core.records import (
    Certainty,
    Emergency,
    Outcome,
    Record,
    Recording,
    RecordingState,
    Registration,
    SeenBy,
    Trigger,
    document,
)
from agent.core.signals import CaptureOrder, ChannelDown, ContactHeard, DialBegun, EmergencyStage, Lookup, Signal
from tests.core.any_signal import KINDS, SIGNALS

CHANNELS = st.sampled_from(["", "c1", "c2", "c3", "c4"])
LEGS = st.frozensets(CHANNELS, max_size=3)
AT = st.integers(1_795_348_795_000, 1_795_349_500_000)

ANSWERS = st.none() | st.tuples(AT, st.sampled_from(["", "trunk-a", "trunk:b"]))

CALLS = st.builds(
    Call,
    id=st.just("id"),
    caller=CHANNELS,
    line=st.sampled_from([None, "201"]),
    number=st.just("999"),
    ip=st.sampled_from([None, "203.0.113.7"]),
    ip_told=st.booleans(),
    site=st.sampled_from([None, "leeds"]),
    certainty=st.none() | st.sampled_from(Certainty),
    cli_of=st.tuples(AT, st.integers(0, 3)),
    voices=st.frozensets(st.sampled_from(SeenBy), min_size=1),
    test=st.booleans(),
    dialled_at=st.none() | AT,
    seen_at=AT,
    tried=st.integers(0, 3),
    refused=st.integers(0, 3),
    legs=LEGS,
    refused_legs=LEGS,
    tried_on=st.none() | st.tuples(AT, st.integers(0, 3), st.sampled_from(["trunk-a", "trunk:b"])),
    all_failed=st.booleans(),
    preempted=st.booleans(),
    answer=ANSWERS,
    found=ANSWERS,
    answered_legs=LEGS,
    down=st.dictionaries(CHANNELS, AT, max_size=3).map(lambda down: tuple(sorted(down.items()))),
    gone_at=st.none() | AT,
    called_back=LEGS,
)
TAPES = st.builds(
    Tape,
    id=st.just("id"),
    channel=CHANNELS,
    linked=CHANNELS,
    line=st.sampled_from([None, "201"]),
    leg=st.sampled_from([None, "caller", "callee"]),
    trigger=st.sampled_from(Trigger),
    opted_in=st.booleans(),
    state=st.sampled_from([state for state in RecordingState if state is not RecordingState.PAUSED]),
    pausing=st.booleans(),
    over=st.booleans(),
    started_at=st.none() | AT,
    stopped_at=st.none() | AT,
)


def test_every_kind_of_signal_is_tried() -> None:
    assert {EmergencyStage, ContactHeard, DialBegun, ChannelDown} <= set(KINDS)
    assert len(KINDS) > 15


@given(CALLS, SIGNALS)
def test_an_emergency_never_raises_and_its_record_can_always_be_made(call: Call, signal: Signal) -> None:
    after = emergency.step(call, signal)
    record = emergency.minimise(after)
    assert document(record)["kind"] == "emergency"
    assert all(duration is None or duration >= 0 for duration in (record.ring_ms, record.talk_ms))
    assert (record.outcome is Outcome.IN_PROGRESS) == (record.ended_at is None)


@given(CALLS)
def test_a_restart_takes_up_all_of_an_emergency(call: Call) -> None:
    """Over or not: the record and its links are the whole of the evidence."""
    assert evidence.restore(emergency.minimise(call)) == call


@given(CALLS, SIGNALS)
def test_the_same_signal_again_changes_nothing(call: Call, signal: Signal) -> None:
    once = emergency.step(call, signal)
    assert emergency.step(once, signal) is once


@given(CALLS, SIGNALS)
def test_no_evidence_of_an_emergency_is_ever_taken_away(call: Call, signal: Signal) -> None:
    after = emergency.step(call, signal)
    assert after.legs >= call.legs
    assert after.refused_legs >= call.refused_legs
    assert after.answered_legs >= call.answered_legs
    assert after.attempts >= call.attempts
    assert after.called_back >= call.called_back
    assert after.voices >= call.voices
    assert dict(after.down).keys() >= dict(call.down).keys()
    assert after.seen_at <= call.seen_at
    if call.dialled_at is not None:
        assert after.dialled_at is not None
        assert after.dialled_at <= call.dialled_at
    assert after.test >= call.test
    assert after.all_failed >= call.all_failed
    assert after.preempted >= call.preempted
    if call.line is not None:
        assert after.line == call.line
    if call.answered_at is not None:
        assert after.answered_at is not None
        if call.outcome is Outcome.ANSWERED and after.answered_legs == call.answered_legs:
            assert after.outcome is Outcome.ANSWERED


@given(CALLS, SIGNALS)
def test_a_finished_emergency_is_reopened_by_late_answer_evidence_only(call: Call, signal: Signal) -> None:
    after = emergency.step(call, signal)
    if call.ended_at is not None and after.ended_at is None:
        assert after.answered_legs > call.answered_legs


@given(TAPES, st.lists(SIGNALS, max_size=8))
def test_a_recording_never_raises_and_goes_only_where_the_table_says(tape: Tape, heard: list[Signal]) -> None:
    allowed = {(before, after) for (before, _), after in recording.TRANSITIONS.items()}
    for signal in heard:
        after = recording.step(tape, signal)
        assert after.state is tape.state or (tape.state, after.state) in allowed
        assert document(recording.minimise(after))["kind"] == "recording"
        assert len(after.pauses) >= len(tape.pauses)
        if tape.over:
            assert after is tape
        tape = after


@pytest.mark.parametrize(("state", "what"), list(product(RecordingState, Input)))
def test_the_recording_table_leaves_no_ended_state_by_capture(state: RecordingState, what: Input) -> None:
    """A stopped recording never captures again: what is captured after it is another recording."""
    if state in recording.ENDED:
        assert recording.TRANSITIONS.get((state, what)) in (None, RecordingState.PAUSED)


def engine(salt: bytes = b"salt") -> Engine:
    ids = count()
    return Engine(policy=Policy(), link=Linker(salt), new_id=lambda: f"id-{next(ids)}")


def heard(engine: Engine, signals: list[Signal]) -> list[Record]:
    outputs = (output for signal in signals for output in engine.step(signal))
    return [output for output in outputs if not isinstance(output, Lookup | CaptureOrder)]


@given(st.lists(SIGNALS, max_size=40))
def test_the_engine_never_raises_and_every_state_of_a_record_goes_on_from_the_last(signals: list[Signal]) -> None:
    running = engine()
    last: dict[str, Record] = {}
    for signal in signals:
        for record in running.step(signal):
            if isinstance(record, Lookup | CaptureOrder):
                continue
            before = last.get(record.id)
            if before is not None:
                assert type(record) is type(before)
                _goes_on(before, record)
            last[record.id] = record
        list(running.tick(signal.at))
    event(f"{min(len(last), 10)} records")
    # What is open is what can be taken up again.
    for record in last.values():
        if isinstance(record, Emergency):
            assert record.links, "its journal and a call-back may still tell of it"
            continue
        if _is_open(record) and not isinstance(record, (Recording, Registration)):
            continue
        assert bool(getattr(record, "links", ())) == (_is_open(record) and isinstance(record, Recording | Registration))


def _goes_on(before: Record, after: Record) -> None:
    match before, after:
        case Emergency(), Emergency():
            assert before.answered_at is None or after.answered_at is not None
            assert after.started_at <= before.started_at or before.blind
            assert after.callbacks >= before.callbacks
            assert after.attempts >= before.attempts
        case Registration(), Registration():
            assert before.ended_at is None, "a span that ended stays so"
            assert (after.line, after.first_seen) == (before.line, before.first_seen)
            assert after.last_seen >= before.last_seen
            assert after.ended_at is None or after.ended_at >= after.last_seen
        case Recording(), Recording():
            assert before.opted_in == after.opted_in
            assert len(after.pauses) >= len(before.pauses)


def _is_open(record: Record) -> bool:
    if isinstance(record, Recording):
        return record.state not in recording.ENDED
    return getattr(record, "ended_at", None) is None and getattr(record, "until_at", None) is None


@given(st.lists(SIGNALS, max_size=40))
def test_one_open_span_a_contact_and_the_books_agree(signals: list[Signal]) -> None:
    running = engine()
    heard(running, signals)
    registrar = running.registrar
    indexed = {contact for contacts in registrar._of_line.values() for contact in contacts}
    assert indexed == set(registrar.spans)
    assert all(registrar._of_line.values())
    assert set(registrar._of_call_id.values()) <= set(registrar.spans)
