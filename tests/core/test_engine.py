"""One step of the engine: the emergency first, what follows from it with it, and nothing of that for anything else."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import count

import pytest

from agent.core.alarms import AlarmPolicy, ChannelRule
from agent.core.engine import Engine, Output
from agent.core.lanes import Lane, Lanes
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Alarm, Cause, Detail, Emergency, Entry, News, Notice, Record, Registration
from agent.core.signals import CaptureOrder, Lookup, Signal
from agent.core.sites import Network, Site, Sites, Spot
from agent.core.tapes import Output as TapesOutput
from agent.core.tapes import Tapes
from agent.core.wire import parse
from tests.scenarios.transcript import NOON, raw

DESK = ChannelRule(name="desk", level=1, causes=frozenset(Cause), news=frozenset(News))
LEEDS = Site(id="leeds", name="Leeds office", number="12", street="Wellington Street", town="Leeds", postcode="LS1 4AP")
YORK = Site(id="york", name="York office", number="1", street="Micklegate", town="York", postcode="YO1 6LG")
SITES = Sites(sites={"leeds": LEEDS, "york": YORK}, networks={}, lines={"301": Spot(site=LEEDS)})


def engine(sites: Sites | None = None) -> Engine:
    ids = count()
    return Engine(
        policy=Policy(),
        link=Linker(b"key"),
        new_id=lambda: f"id-{next(ids)}",
        sites=sites,
        alarm_policy=AlarmPolicy(channels=(DESK,)),
        timeline_key=b"key",
    )


def hear(running: Engine, line: str, at: int = NOON) -> list[Output]:
    name, *headers = line.split()
    return list(running.hear(parse(raw(name, headers, at)), at))


def kinds(outputs: Iterable[Output]) -> list[type]:
    return [type(output) for output in outputs]


DIALLED = "UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999"
ENDED = "UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1 Number=999"


def test_the_emergency_comes_first_and_its_timeline_alarm_and_notice_in_the_same_step() -> None:
    outputs = hear(engine(), DIALLED)
    assert isinstance(outputs[0], Emergency)
    assert {Entry, Alarm, Notice} <= set(kinds(outputs))
    assert kinds(outputs).count(Notice) == 1


def test_all_of_it_is_one_transaction() -> None:
    lanes = Lanes()
    outputs = [output for output in hear(engine(SITES), DIALLED) if not isinstance(output, Lookup | CaptureOrder)]
    for record in outputs:
        lanes.put(record)
    work = lanes.take()
    assert work is not None
    assert work[0] is Lane.EMERGENCY
    assert {record.id for record in work[1]} == {record.id for record in outputs}
    assert {Emergency, Entry, Alarm, Notice, Detail} >= set(kinds(work[1]))


@pytest.mark.parametrize(
    "line",
    [
        "Newchannel on=201#1 Exten=202",
        "DialBegin on=201#1 to=202#2~1 DialString=202",
        "Hangup on=201#1",
        "ContactStatus ContactStatus=NonQualified aor=301 URI=sip:301@203.0.113.7",
        "SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7",
        "InvalidPassword Service=PJSIP AccountID=201",
        "UserEvent on=201#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1",
    ],
)
def test_nothing_else_has_an_alarm_or_a_timeline(line: str) -> None:
    running = engine()
    outputs = hear(running, line)
    assert not {Entry, Alarm, Notice} & set(kinds(outputs))
    assert kinds(running.tick(NOON + 1_000)).count(Alarm) == 0


def test_the_agents_own_clock_counts_for_who_takes_it_on_not_the_pbxs() -> None:
    """A PBX whose clock is an hour behind: nobody is told an hour late that nobody took the call on."""
    running = engine()
    name, *headers = DIALLED.split()
    outputs = list(running.hear(parse(raw(name, headers, NOON - 3_600_000)), NOON))
    (alarm,) = (output for output in outputs if isinstance(output, Alarm))
    assert alarm.raised_at == NOON


def test_what_people_do_is_on_the_timeline() -> None:
    running = engine()
    (emergency,) = (output for output in hear(running, DIALLED) if isinstance(output, Emergency))
    assert kinds(running.acknowledge(emergency.id, "Ann", NOON + 1)) == [Alarm, Entry]
    hear(running, ENDED, NOON + 2)
    assert Entry in kinds(running.close(emergency.id, "Ann", "well", NOON + 3))
    with pytest.raises(LookupError):
        running.close("nothing", "Ann", "well", NOON)


def test_a_phone_in_an_unknown_network_is_an_alarm_before_it_calls_and_a_better_table_ends_it() -> None:
    running = engine(SITES)
    hear(running, "SuccessfulAuth AccountID=301 SessionID=reg-1 from=203.0.113.7")
    hear(running, "ContactStatus ContactStatus=NonQualified aor=301 URI=sip:301@203.0.113.7")
    described = "ContactStatusDetail aor=301 URI=sip:301@203.0.113.7 CallID=reg-1 expires=60 UserAgent=snomD785/10.1"
    outputs = hear(running, described)
    assert any(isinstance(output, Registration) and output.certainty == "unknown" for output in outputs)
    list(running.tick(NOON))
    raised = [output for output in running.tick(NOON + 10_000) if isinstance(output, Alarm)]
    assert [(alarm.cause, alarm.subject) for alarm in raised] == [(Cause.LOCATION, "203.0.113.0/24")]
    assert running.alarms.lines(raised[0]) == ("301",)
    networks: dict[Network, Spot] = {IPv4Network("203.0.113.0/24"): Spot(site=LEEDS)}
    better = Sites(sites=SITES.sites, networks=networks, lines=SITES.lines)
    assert [output.certainty for output in running.relocate(better, NOON) if isinstance(output, Registration)]
    outputs = list(running.tick(NOON + 3_600_000))
    assert [output.cleared_at for output in outputs if isinstance(output, Alarm)] == [NOON + 3_600_000]


def test_after_a_restart_the_same_call_has_no_second_alarm() -> None:
    first, second = engine(), engine()
    heard = [output for output in hear(first, DIALLED) if not isinstance(output, Lookup | CaptureOrder)]
    store: dict[str, Record] = {output.id: output for output in heard}
    second.new_id = second.timeline.new_id = lambda: "after"
    second.restore(store.values())
    outputs = [*second.tick(NOON + 1), *hear(second, ENDED, NOON + 5_000)]
    told = [output for output in outputs if isinstance(output, Alarm)]
    assert {alarm.id for alarm in told} == {alarm.id for alarm in store.values() if isinstance(alarm, Alarm)}
    assert [notice.id for notice in second.due(NOON)] == [one.id for one in store.values() if isinstance(one, Notice)]


def test_an_emergency_is_on_its_way_before_anything_else_can_fail() -> None:
    """Whatever breaks behind it, in the same message or the same tick, takes nothing of it along."""

    class Broken(Tapes):
        def hear(self, signal: Signal) -> Iterator[TapesOutput]:
            raise RuntimeError

        def tick(self, at: int) -> Iterator[TapesOutput]:
            raise RuntimeError

    running = engine()
    running.tapes = Broken(running.policy, running.new_id)
    name, *headers = DIALLED.split()
    taken: list[Output] = []
    with pytest.raises(RuntimeError):
        taken.extend(running.hear(parse(raw(name, headers, NOON)), NOON))
    assert {Emergency, Alarm} <= set(map(type, taken))
    escalated = engine()
    escalated.adopt(AlarmPolicy(channels=(DESK, replace(DESK, name="night", level=2))))
    escalated.restore([output for output in taken if not isinstance(output, Lookup | CaptureOrder)])
    escalated.tapes = running.tapes
    told: list[Output] = []
    with pytest.raises(RuntimeError):
        told.extend(escalated.tick(NOON + 3_600_000))
    assert Alarm in map(type, told)
