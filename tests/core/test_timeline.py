"""The timeline: every fact once, with its own instant, and no line that can be changed without being seen."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.alarms import AlarmPolicy, ChannelRule
from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Alarm, Cause, Emergency, Entry, News, Notice, Record, Severity
from agent.core.signals import CaptureOrder, EmergencyStage, Lookup, Signal, Stage
from agent.core.timeline import verify
from tests.core.any_signal import SIGNALS
from tests.core.emergency_calls import NOON, Told, interleaved, told

KEY = bytes(range(32))
RULES = tuple(
    ChannelRule(name=name, level=level, causes=frozenset(Cause), news=frozenset(News))
    for name, level in (("desk", 1), ("manager", 2))
)


def engine(first_id: int = 0) -> Engine:
    ids = count(first_id)
    return Engine(
        policy=Policy(),
        link=Linker(b"key"),
        new_id=lambda: f"id-{next(ids)}",
        alarm_policy=AlarmPolicy(channels=RULES),
        timeline_key=KEY,
    )


def stored(outputs: Iterable[object], store: dict[str, Record]) -> dict[str, Record]:
    for record in outputs:
        if not isinstance(record, Lookup | CaptureOrder):
            assert isinstance(record, Record)
            assert not isinstance(record, Entry) or record.id not in store, "no line is ever rewritten"
            store[record.id] = record
    return store


def heard(running: Engine, signals: Iterable[Signal], store: dict[str, Record] | None = None) -> dict[str, Record]:
    store = {} if store is None else store
    for signal in signals:
        stored(running.step(signal), store)
    return store


def lines(store: dict[str, Record], emergency: str | None = None) -> list[Entry]:
    found = [record for record in store.values() if isinstance(record, Entry)]
    return sorted(
        (entry for entry in found if emergency in (None, entry.emergency)),
        key=lambda entry: (entry.emergency, entry.seq),
    )


def wrong(store: dict[str, Record], entries: list[Entry] | None = None) -> list[str]:
    (emergency,) = (record for record in store.values() if isinstance(record, Emergency))
    return verify(
        lines(store) if entries is None else entries,
        KEY,
        emergency=emergency,
        alarms=[record for record in store.values() if isinstance(record, Alarm)],
        notices=[record for record in store.values() if isinstance(record, Notice)],
    )


def whole(call: Told, signals: Iterable[Signal]) -> tuple[Engine, dict[str, Record]]:
    """A call, told on its channels, taken on and closed."""
    running = engine()
    store = heard(running, signals)
    at = max(signal.at for signal in [*call.dialplan, *call.calls]) + 1_000
    for notice in running.due(at):
        stored(running.handed(notice.id, at), store)
    (emergency,) = (record for record in store.values() if isinstance(record, Emergency))
    stored(running.acknowledge(emergency.id, "Ann", at + 1_000), store)
    stored(running.close(emergency.id, "Bob", "well", at + 2_000), store)
    return running, store


@given(st.data(), told())
def test_whatever_the_order_every_fact_is_told_once_and_the_chain_holds(data: st.DataObject, call: Told) -> None:
    _, store = whole(call, data.draw(interleaved(call.dialplan, call.calls)))
    assert wrong(store) == []
    (emergency,) = (record for record in store.values() if isinstance(record, Emergency))
    said = [line.what for line in lines(store)]
    assert said[0] == "dialled"
    assert said.count("dialled") == 1
    assert said.count("answered") == (emergency.answered_at is not None)
    assert said.count("ended") - said.count("reopened") in (1, 2)
    assert said.count("trying") <= emergency.attempts
    assert said.count("refused") <= emergency.attempts
    assert [said.count(what) for what in ("raised", "acknowledged", "closed")] == [1, 1, 1]
    (taken,) = (line for line in lines(store) if line.what == "acknowledged")
    (closed,) = (line for line in lines(store) if line.what == "closed")
    assert (taken.by, closed.by) == ("Ann", "Bob")


@given(told())
def test_each_line_has_the_instant_of_what_it_tells(call: Told) -> None:
    store = heard(engine(), call.dialplan)
    of = {(line.what, line.detail): line.at for line in lines(store)}
    stages = [signal for signal in call.dialplan if isinstance(signal, EmergencyStage)]
    for signal in stages:
        match signal.stage:
            case Stage.DIALLED:
                assert of["dialled", signal.number] == signal.at
            case Stage.TRYING:
                assert of["trying", signal.trunk or ""] == signal.at
            case Stage.REFUSED:
                assert of["refused", signal.trunk or ""] == signal.at
            case Stage.ANSWERED:
                assert of["answered", signal.trunk or ""] == signal.at
            case Stage.FAILED:
                assert of["failed", ""] == signal.at


@given(st.data(), told())
def test_a_restart_at_any_moment_goes_on_from_the_last_line(data: st.DataObject, call: Told) -> None:
    signals = data.draw(interleaved(call.dialplan, call.calls))
    cut = data.draw(st.integers(1, len(signals)))
    store = heard(engine(), signals[:cut])
    second = engine(1_000)
    second.restore(store.values())
    heard(second, signals[cut:], store)
    (alarm,) = (record for record in store.values() if isinstance(record, Alarm))
    stored(second.acknowledge(alarm.id, "Ann", NOON + 10**6), store)
    assert wrong(store) == []
    unbroken = heard(engine(), signals)
    facts = [(line.at, line.what, line.detail) for line in lines(unbroken)]
    assert [(line.at, line.what, line.detail) for line in lines(store) if line.what != "acknowledged"] == facts


TAMPERED = ("at", "what", "detail", "by", "chain", "seq", "emergency")


@given(st.data(), told())
def test_a_line_that_was_changed_is_seen(data: st.DataObject, call: Told) -> None:
    _, store = whole(call, call.dialplan)
    entries = lines(store)
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(TAMPERED))
    old = getattr(entries[place], name)
    new = old + 1 if isinstance(old, int) else f"{old or ''}x"
    entries[place] = replace(entries[place], **{name: new})  # type: ignore[arg-type]
    assert wrong(store, entries)


@given(st.data(), told())
def test_a_line_that_is_missing_added_or_out_of_its_place_is_seen(data: st.DataObject, call: Told) -> None:
    _, store = whole(call, call.dialplan)
    entries = lines(store)
    place = data.draw(st.integers(0, len(entries) - 2))
    match data.draw(st.sampled_from(["missing", "twice", "exchanged"])):
        case "missing":
            del entries[place]
        case "twice":
            entries.insert(place, entries[place])
        case _:
            entries[place], entries[place + 1] = entries[place + 1], entries[place]
    assert verify(entries, KEY)


@given(st.data(), told())
def test_an_end_that_was_cut_off_is_seen_by_what_else_tells_of_it(data: st.DataObject, call: Told) -> None:
    _, store = whole(call, call.dialplan)
    entries = lines(store)
    cut = entries[: data.draw(st.integers(0, len(entries) - 1))]
    # The afterword alone can go without a trace: that the channels were told of the closing.
    lost = {line.what for line in entries[len(cut) :]}
    assume(lost != {"sent"})
    assert wrong(store, cut)


def test_a_line_renumbered_after_the_gap_is_seen() -> None:
    entries = [
        Entry(id=str(seq), emergency="e", seq=seq, at=NOON, what="dialled", chain=chain)
        for seq, chain in ((1, "0" * 32), (2, "1" * 32))
    ]
    assert len(verify(entries, KEY)) == 2


@given(told())
def test_who_has_another_key_can_neither_check_nor_forge(call: Told) -> None:
    _, store = whole(call, call.dialplan)
    problems = verify(lines(store), bytes(32))
    assert len(problems) == len(lines(store))


def test_the_words_of_two_lines_cannot_be_moved_between_their_fields() -> None:
    """``trying`` + ``trunk-a`` is not ``tryingt`` + ``runk-a``, and nobody is not somebody without a name."""
    running = engine()
    signal = _stage(Stage.TRYING, trunk="trunk-a", attempt=1)
    entries = lines(heard(running, [_stage(Stage.DIALLED), signal]))
    place = next(place for place, line in enumerate(entries) if line.what == "trying")
    line = entries[place]
    for forged in (replace(line, what="tryingt", detail="runk-a"), replace(line, by="")):
        assert verify([*entries[:place], forged, *entries[place + 1 :]], KEY)


def _stage(stage: Stage, at: int = NOON, **more: object) -> EmergencyStage:
    values: dict[str, object] = {"trunk": None, "attempt": 0, "test": False, **more}
    return EmergencyStage(
        at=at,
        channel="c",
        linked="c",
        line="201",
        stage=stage,
        call="c",
        number="999",
        **values,  # type: ignore[arg-type]
    )


def test_what_the_journal_tells_says_when_it_was_learnt() -> None:
    running = engine()
    store: dict[str, Record] = {}
    for stage in (Stage.DIALLED, Stage.FAILED, Stage.ENDED):
        stored(running.step(_stage(stage, journal=True), NOON + 3_600_000), store)
    said = {line.what: line.at for line in lines(store)}
    assert (said["dialled"], said["ended"]) == (NOON, NOON)
    assert (said["told"], said["raised"]) == (NOON + 3_600_000, NOON + 3_600_000)


def test_what_turns_out_differently_is_a_line_of_its_own() -> None:
    running = engine()
    store = heard(running, [_stage(Stage.ANSWERED, at=NOON + 5_000, trunk="trunk-a", attempt=1)])
    heard(running, [_stage(Stage.DIALLED), _stage(Stage.ANSWERED, at=NOON + 2_000, trunk="trunk-a")], store)
    said = [(line.what, line.detail, line.at - NOON) for line in lines(store) if line.what == "corrected"]
    assert said == [("corrected", "dialled", 0), ("corrected", "answered", 2_000)]
    assert verify(lines(store), KEY) == []


def test_who_was_told_is_on_it_with_what_failed() -> None:
    running = engine()
    store = heard(running, [_stage(Stage.DIALLED)])
    (desk,) = running.due(NOON)
    stored(running.failed(desk.id, "timeout", NOON + 1_000), store)
    stored(running.failed(desk.id, "timeout", NOON + 3_000), store)
    stored(running.handed(desk.id, NOON + 9_000, receipt=True), store)
    stored(running.received(desk.id, NOON + 9_500), store)
    stored(running.tick(NOON + 60_000), store)
    said = [(line.what, line.detail, line.at - NOON) for line in lines(store)]
    assert said[-5:] == [
        ("raised", "critical", 0),
        ("undelivered", "raised on desk: timeout", 1_000),
        ("sent", "raised on desk", 9_000),
        ("received", "raised on desk", 9_500),
        ("escalated", "to level 2", 60_000),
    ]


def test_an_operational_alarm_has_no_timeline() -> None:
    running = engine()
    records = running.condition(Cause.PATH, "phones", "999 leads nowhere", Severity.CRITICAL, NOON)
    assert [type(record) for record in records] == [Alarm, Notice]


@given(st.lists(SIGNALS, max_size=30))
def test_nothing_that_can_be_heard_breaks_a_chain_or_a_step(signals: list[Signal]) -> None:
    running = engine()
    store: dict[str, Record] = {}
    for signal in signals:
        stored(running.step(signal), store)
        stored(running.tick(signal.at), store)
        for notice in running.due(signal.at):
            stored(running.handed(notice.id, signal.at), store)
    for emergency in {line.emergency for line in lines(store)}:
        assert verify(lines(store, emergency), KEY, emergency=store[emergency]) == []  # type: ignore[arg-type]
    assert {line.emergency for line in lines(store)} == {
        record.id for record in store.values() if isinstance(record, Emergency)
    }


@pytest.mark.parametrize("restarted", [False, True])
def test_a_timeline_is_forgotten_when_its_call_is_over_and_its_alarm_closed(restarted: bool) -> None:
    running = engine()
    store = heard(running, [_stage(Stage.DIALLED), _stage(Stage.ENDED, at=NOON + 1_000)])
    if restarted:
        running = engine(1_000)
        running.restore(store.values())
    for hour in range(60):
        running.desk.reading()
        running.desk.read([])
        stored(running.tick(NOON + hour * 3_600_000), store)
    assert [line.what for line in lines(store)][-1] == "closed"
    assert running.timeline._heads == {}
    assert running.timeline._of_alarm == {}
