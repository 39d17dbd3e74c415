"""The journal tells again what was heard, or for the first time what was not: once, whole, and with the true times."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from agent.core.engine import Engine, Output
from agent.core.normalise import Linker, normalise
from agent.core.normalise.journal import entry_of
from agent.core.policy import Policy
from agent.core.records import Emergency, Outcome, Record, SeenBy
from agent.core.signals import CaptureOrder, EmergencyStage, LiveChannelsListed, Lookup, OnChannel, Signal, Stage
from agent.core.wire import Message
from tests.core.emergency_calls import NOON, Told, interleaved, told

LINK = Linker(b"key")
HOUR = 3_600_000


class Agents:
    """One agent after another on the same store."""

    def __init__(self) -> None:
        self._ids = count()
        self.kept: dict[str, Record] = {}
        self.start()

    def start(self) -> None:
        self.engine = Engine(policy=Policy(), link=LINK, new_id=lambda: f"id-{next(self._ids)}")
        self.engine.restore(self.kept.values())
        self.engine.synchronise()

    def hear(self, *signals: Signal) -> list[Record]:
        return self._keep(output for signal in signals for output in self.engine.step(signal))

    def tick(self, at: int) -> None:
        self._keep(self.engine.tick(at))

    def _keep(self, outputs: Iterable[Output]) -> list[Record]:
        records = [output for output in outputs if not isinstance(output, Lookup | CaptureOrder)]
        self.kept.update((record.id, record) for record in records)
        return records

    def read(self, entries: Iterable[OnChannel], *, cleared: bool = False) -> list[Record]:
        """The journal, as a source reads it."""
        entries = sorted(entries, key=lambda entry: entry.at)
        self.engine.desk.reading()
        heard = self.hear(*map(journal, entries))
        calls = {entry.call for entry in entries if isinstance(entry, EmergencyStage)}
        self.engine.desk.read([] if cleared else calls)
        return heard

    @property
    def emergencies(self) -> list[Emergency]:
        return [record for record in self.kept.values() if isinstance(record, Emergency)]


def journal(stage: Signal) -> Signal:
    """The same stage, as the journal tells it."""
    assert isinstance(stage, EmergencyStage)
    return replace(stage, journal=True)


def bare(record: Emergency) -> Emergency:
    """As others see it, whoever told of it."""
    return replace(record, id="", links=(), seen_by=SeenBy.DIALPLAN)


def heard_whole(signals: Iterable[Signal]) -> Emergency:
    agents = Agents()
    agents.hear(*signals)
    (record,) = agents.emergencies
    return record


@given(st.data(), told(), st.booleans())
def test_any_mixture_of_live_events_readings_and_restarts_gives_one_record(
    data: st.DataObject, call: Told, bulk: bool
) -> None:
    """Each stage is heard live or missed; the journal is read at any moment, and once when all is over."""
    stages = call.dialplan
    heard_by_bulk = call.calls if bulk else []
    live = data.draw(interleaved(stages, heard_by_bulk))
    agents, written = Agents(), []
    missed = 0
    for signal in live:
        if isinstance(signal, EmergencyStage):
            written.append(signal)
            if not bulk and data.draw(st.booleans(), "missed"):
                missed += 1
                continue
        agents.hear(signal)
        match data.draw(st.sampled_from(["", "", "", "read", "restart"]), "then"):
            case "read":
                agents.read(written)
            case "restart":
                agents.start()
    agents.read(written)
    event(f"{min(missed, 3)} missed")
    (record,) = agents.emergencies
    assert bare(record) == bare(heard_whole(live))
    assert not record.blind
    live_stages = missed < len(stages)
    assert record.seen_by is (SeenBy.DIALPLAN if live_stages else SeenBy.JOURNAL)


@given(st.data(), told())
def test_a_call_that_is_over_is_told_again_without_a_word(data: st.DataObject, call: Told) -> None:
    agents = Agents()
    agents.hear(*data.draw(interleaved(call.dialplan, call.calls)))
    for _ in data.draw(st.lists(st.none(), min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            agents.start()
        assert agents.read(call.dialplan) == []


@given(told(), told("b", line="202"))
def test_two_calls_of_one_journal_stay_apart(one: Told, two: Told) -> None:
    agents = Agents()
    agents.read([*one.dialplan, *two.dialplan])
    alone = [heard_whole(map(journal, call.dialplan)) for call in (one, two)]
    assert sorted(map(bare, agents.emergencies), key=repr) == sorted(map(bare, alone), key=repr)


@given(told())
def test_live_events_after_the_journal_upgrade_what_told_of_it(call: Told) -> None:
    agents = Agents()
    voices = []
    agents.read(call.dialplan[:1])
    voices.append(agents.emergencies[0].seen_by)
    for session in (call.calls, call.dialplan):
        agents.hear(*session)
        voices.append(agents.emergencies[0].seen_by)
    assert voices == [SeenBy.JOURNAL, SeenBy.CALLS, SeenBy.DIALPLAN]
    assert len(agents.emergencies) == 1


@given(told())
def test_cut_off_by_asterisks_death_it_is_closed_by_the_live_list(call: Told) -> None:
    """Only what lives shows that a call is up: the journal alone does not."""
    agents = Agents()
    agents.read(call.dialplan[: max(1, len(call.dialplan) - 2)])
    before = agents.emergencies[0]
    agents.hear(LiveChannelsListed(at=NOON + HOUR))
    (record,) = agents.emergencies
    if before.ended_at is None:
        assert (record.ended_at, record.blind, record.talk_ms) == (NOON + HOUR, True, None)
        # … and what turns up later still is the truth
        agents.read(call.dialplan)
        assert bare(agents.emergencies[0]) == bare(heard_whole(call.dialplan))


@given(st.data(), told())
def test_a_call_is_remembered_while_its_journal_may_tell_of_it(data: st.DataObject, call: Told) -> None:
    agents = Agents()
    agents.hear(*call.dialplan)
    at = NOON + HOUR
    for hours in range(data.draw(st.integers(1, 8))):
        agents.read(call.dialplan)
        agents.tick(at + hours * HOUR)
    assert len(agents.emergencies) == 1
    assert agents.emergencies[0].links, "told of by the journal still"
    agents.read([])
    agents.tick(at + 10 * HOUR)
    agents.tick(at + 14 * HOUR)
    (record,) = agents.emergencies
    assert record.links == ()
    assert bare(record) == bare(heard_whole(call.dialplan))
    assert not agents.engine.desk.book.states


def test_a_stage_told_while_the_journal_is_read_is_waited_for() -> None:
    """It is written right behind the reading: the call must not be forgotten before the next."""
    agents = Agents()
    stage = normalise(stored({**FACTS, "Stage": "Dialled"}), NOON, LINK)
    assert isinstance(stage, EmergencyStage)
    agents.engine.desk.reading()
    live = replace(stage, journal=False)
    agents.hear(live, replace(live, at=NOON + 5, stage=Stage.ENDED))
    agents.engine.desk.read([])
    agents.tick(NOON + 1_000)
    agents.tick(NOON + 5 * HOUR)
    assert agents.emergencies[0].links
    agents.engine.desk.reading()
    agents.engine.desk.read([])
    agents.tick(NOON + 6 * HOUR)
    assert not agents.emergencies[0].links


@given(told())
def test_where_the_journal_is_never_read_a_call_is_remembered_for_a_day(call: Told) -> None:
    agents = Agents()
    agents.hear(*call.dialplan)
    for hours in range(1, 40):
        agents.engine.desk.reading()  # And Asterisk refuses it.
        agents.tick(NOON + hours * HOUR)
        assert bool(agents.emergencies[0].links) == (hours < 1 + 3 + 24), "a hash of a channel is nobody's for ever"
    assert not agents.engine.desk.book.states


@given(told())
def test_what_the_journal_held_when_it_could_be_read_does_not_begin_anew(call: Told) -> None:
    agents = Agents()
    agents.hear(*call.dialplan)
    agents.read(call.dialplan)
    for hours in range(1, 100):
        agents.engine.desk.reading()
        agents.tick(NOON + hours * HOUR)
    assert agents.read(call.dialplan) == []
    agents.read([])
    agents.tick(NOON + 101 * HOUR)
    assert not agents.engine.desk.book.states


# -- entries as AstDB holds them ----------------------------------------------------------------------------------

FACTS = {
    "Stage": "Answered",
    "Call": "1795348800.1",
    "Number": "999",
    "At": "1795348803.250",
    "Trunk": "trunk-a",
    "Attempt": "1",
    "Uniqueid": "1795348800.2",
    "Linkedid": "1795348800.1",
    "Line": "trunk-a",
}


def stored(facts: dict[str, str], key: str = "1795348800.1/1795348800.2-Answered-1") -> Message:
    value = "|".join(f"{name}={text}" for name, text in facts.items())
    return Message("DBGetTreeResponse", {"Key": f"/emergency-journal/{key}", "Val": value})


def test_an_entry_is_the_very_event_that_it_was_told_with() -> None:
    told = {name: value for name, value in FACTS.items() if name != "Line"}
    channel = {"Channel": "PJSIP/trunk-a-00000001", "Uniqueid": FACTS["Uniqueid"], "Linkedid": FACTS["Linkedid"]}
    live = normalise(Message("UserEvent", {**channel, "UserEvent": "Emergency", **told}), NOON, LINK)
    again = normalise(stored(FACTS), NOON + HOUR, LINK)
    assert isinstance(live, EmergencyStage)
    assert again == replace(live, journal=True)
    assert live.at == NOON + 3_250


@pytest.mark.parametrize(
    "entry",
    [
        stored({**FACTS, "At": "soon"}),
        stored({**FACTS, "Call": ""}),
        stored({**FACTS, "Uniqueid": ""}),
        stored({**FACTS, "Stage": ""}),
        stored(FACTS, key="1795348800.9/1795348800.2-Answered-1"),
        stored(FACTS, key=""),
        stored({**FACTS, "Cli": "9" * 5000}),
        Message("DBGetTreeResponse", {"Key": "/emergency-journal/1795348800.1/x", "Val": "||=|=|\x00"}),
        Message("DBGetTreeResponse", {"Key": "/emergency-journal/1795348800.1/x"}),
        Message("DBGetTreeResponse", {"Key": "/cidname/201", "Val": stored(FACTS).get("Val")}),
    ],
)
def test_what_no_dialplan_of_ours_wrote_is_no_entry(entry: Message) -> None:
    assert entry_of(entry) is None
    assert normalise(entry, NOON, LINK) is None


@given(st.text(max_size=60), st.text(max_size=200))
def test_no_entry_makes_it_raise(key: str, value: str) -> None:
    normalise(Message("DBGetTreeResponse", {"Key": f"/emergency-journal/{key}", "Val": value}), NOON, LINK)


def test_an_entry_shows_no_identifier_when_it_is_printed() -> None:
    assert "1795348800.1" not in repr(entry_of(stored(FACTS)))


def test_a_call_back_to_a_call_that_is_long_forgotten_is_no_emergency() -> None:
    agents = Agents()
    facts = {**FACTS, "Stage": "CallbackAnswered"}
    signal = normalise(stored(facts), NOON, LINK)
    assert signal is not None
    assert agents.hear(signal) == []
    assert agents.engine.desk.over(LINK(FACTS["Call"]))


def test_the_outcome_of_a_call_that_only_its_journal_tells_of() -> None:
    agents = Agents()
    agents.hear(
        *(
            signal
            for stage, seconds in (("Dialled", 0), ("Failed", 1), ("Ended", 2))
            if (signal := normalise(stored({**FACTS, "Stage": stage, "At": f"{NOON // 1000 + seconds}.5"}), 0, LINK))
        )
    )
    (record,) = agents.emergencies
    assert (record.outcome, record.seen_by, record.blind) == (Outcome.FAILED, SeenBy.JOURNAL, False)
