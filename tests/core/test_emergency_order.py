"""An emergency is told on two sessions that overtake one another: their order must not matter."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from hypothesis import event, given
from hypothesis import strategies as st

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Alarm, Emergency, Entry, Notice, Outcome, Record, SeenBy
from agent.core.signals import (
    CaptureOrder,
    EmergencyStage,
    Gone,
    LiveChannel,
    LiveChannelsListed,
    Lookup,
    Signal,
    Stage,
)
from tests.core.emergency_calls import NOON, Told, interleaved, told


def engine(first_id: int = 0) -> Engine:
    ids = count(first_id)
    return Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}")


def records(running: Engine, signals: Iterable[Signal]) -> dict[str, Record]:
    """The last state of each record."""
    return {
        record.id: record
        for signal in signals
        for record in running.step(signal)
        if not isinstance(record, Lookup | CaptureOrder | Alarm | Notice | Entry)
    }


def bare(found: Iterable[Record]) -> list[Record]:
    """The records as others see them, in an order of their own."""
    return sorted((_bare(record) for record in found), key=repr)


def _bare(record: Record) -> Record:
    return replace(record, id="", links=()) if isinstance(record, Emergency) else replace(record, id="")


def final(signals: Iterable[Signal]) -> list[Record]:
    return bare(records(engine(), signals).values())


@given(st.data(), told())
def test_any_interleaving_gives_the_same_record(data: st.DataObject, call: Told) -> None:
    one = data.draw(interleaved(call.dialplan, call.calls))
    (record,) = final(one)
    assert isinstance(record, Emergency)
    event(record.outcome)
    assert [record] == final(sorted([*call.dialplan, *call.calls], key=lambda signal: signal.at))
    assert [record] == final([*call.dialplan, *call.calls])
    assert [record] == final([*call.calls, *call.dialplan])
    assert record.ended_at is not None
    assert record.seen_by is SeenBy.DIALPLAN
    assert not record.blind


@given(st.data(), told("a"), told("b"), told("c", line="202"))
def test_simultaneous_calls_do_not_mix(data: st.DataObject, one: Told, two: Told, three: Told) -> None:
    alone = [record for call in (one, two, three) for record in final([*call.dialplan, *call.calls])]
    express = data.draw(interleaved(one.dialplan, two.dialplan, three.dialplan))
    bulk = data.draw(interleaved(one.calls, two.calls, three.calls))
    assert final(data.draw(interleaved(express, bulk))) == sorted(alone, key=repr)


@given(told())
def test_each_session_alone_tells_the_outcome(call: Told) -> None:
    (by_dialplan,) = final(call.dialplan)
    (by_calls,) = final(call.calls)
    assert isinstance(by_dialplan, Emergency)
    assert isinstance(by_calls, Emergency)
    assert (by_dialplan.attempts, by_dialplan.trunk) == (by_calls.attempts, by_calls.trunk)
    assert (by_dialplan.outcome is Outcome.ANSWERED) == (by_calls.outcome is Outcome.ANSWERED)
    for record in (by_dialplan, by_calls):
        assert record.ended_at is not None


@given(st.data(), told())
def test_a_restart_at_any_moment_changes_nothing(data: st.DataObject, call: Told) -> None:
    """Every signal is heard, by one agent or by the next; the links in the open record join the two."""
    signals = data.draw(st.sampled_from([call.calls, call.dialplan, sorted([*call.dialplan, *call.calls], key=_at)]))
    cut = data.draw(st.integers(1, len(signals) - 1))
    first, second = engine(), engine()
    kept = records(first, signals[:cut])
    up = any(isinstance(record, Emergency) and record.ended_at is None for record in kept.values())
    event("restarted while it was up" if up else "restarted after it")
    second.restore(kept.values())
    kept |= records(second, signals[cut:])
    assert bare(kept.values()) == final(signals)


@given(st.data(), told())
def test_gone_while_nobody_listened_states_no_duration_that_was_not_witnessed(data: st.DataObject, call: Told) -> None:
    cut = data.draw(st.integers(1, len(call.calls)))
    running = engine()
    before = records(running, call.calls[:cut])
    running.synchronise()
    after = before | records(running, [LiveChannelsListed(at=NOON + 900_000)])
    (record,) = after.values()
    assert isinstance(record, Emergency)
    assert record.ended_at is not None
    assert record.outcome is not Outcome.IN_PROGRESS
    if record.ended_at == NOON + 900_000:
        assert record.blind
        assert record.talk_ms is None


@given(st.data(), told(), st.lists(st.integers(-3_600_000, 3_600_000), min_size=60, max_size=60))
def test_no_duration_is_negative_whatever_the_clock_does(data: st.DataObject, call: Told, steps: list[int]) -> None:
    signals = data.draw(interleaved(call.dialplan, call.calls))
    for record in final(replace(signal, at=signal.at + by) for signal, by in zip(signals, steps, strict=False)):
        assert isinstance(record, Emergency)
        assert record.ring_ms is None or record.ring_ms >= 0
        assert record.talk_ms is None or record.talk_ms >= 0


@given(st.data(), told())
def test_the_live_list_has_no_order(data: st.DataObject, call: Told) -> None:
    """An emergency first heard of in a list of the channels that are up is the same whatever channel comes first."""
    up = {
        signal.channel: LiveChannel(
            at=NOON + 800_000,
            channel=signal.channel,
            linked="call",
            line=signal.line,
            number="999" if signal.channel == "call" else "",
            began_at=NOON,
            bridged=True,
        )
        for signal in call.calls
        if signal.channel in ("call", "calltrunk-1")
    }
    lists = [[*data.draw(st.permutations(list(up.values()))), LiveChannelsListed(at=NOON + 800_001)] for _ in "12"]
    assert final(lists[0]) == final(lists[1])
    assert [record.outcome for record in final(lists[0]) if isinstance(record, Emergency)] == [Outcome.IN_PROGRESS]


def test_a_call_whose_dialplan_runs_on_a_local_channel_is_that_of_the_phone_found_up() -> None:
    """The agent was away when the phone dialled, and is restarted before it sees the list of what is up."""
    stage = EmergencyStage(
        at=NOON,
        channel="local2",
        linked="phone",
        line=None,
        stage=Stage.DIALLED,
        call="local2",
        number="999",
        trunk=None,
        attempt=0,
        test=False,
    )
    found = LiveChannel(
        at=NOON + 9, channel="phone", linked="phone", line="201", number="999", began_at=NOON, bridged=True
    )
    kept = records(engine(), [stage])
    later = engine(first_id=100)
    later.restore(kept.values())
    later.synchronise()
    kept |= records(later, [found, LiveChannelsListed(at=NOON + 10)])
    (record,) = kept.values()
    assert isinstance(record, Emergency)
    assert (record.line, record.trunk, record.attempts) == ("201", None, 0)
    assert record.outcome is Outcome.IN_PROGRESS


def _at(signal: Signal) -> int:
    return signal.at


def test_gone_is_the_only_signal_that_nobody_sends() -> None:
    assert final([Gone(at=NOON)]) == []
