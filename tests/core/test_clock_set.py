"""The clock put forward or back in the middle of things: no duration is wrong, nothing goes early, somebody is told."""

import pytest

from agent.core.alarms import DAY_MS, AlarmPolicy
from agent.core.notices import LONGEST_MS
from agent.core.records import Alarm, Blind, Cause, Emergency, Record, Severity
from agent.core.signals import Probed, Stage
from tests.core.alarmed import DESK
from tests.core.emergency_calls import NOON
from tests.core.test_detail import HOUR, Agents

JUMPS = pytest.mark.parametrize("by_ms", [HOUR, -HOUR, 2_000, -2_000])


class Set(Agents):
    """An agent whose clock, which is the PBX's as well, is set now and then."""

    def stages(self, *stages: Stage, every_ms: int = 1_000) -> None:
        for stage in stages:
            self.hear(stage, self.now)
            self.now += every_ms

    def set_clock(self, by_ms: int) -> None:
        self.now += by_ms
        outputs = self.engine.clock_set(by_ms, self.now)
        self.kept.update((output.id, output) for output in outputs if isinstance(output, Record))

    @property
    def call(self) -> Emergency:
        (found,) = (record for record in self.kept.values() if isinstance(record, Emergency))
        return found

    @property
    def emergency(self) -> Alarm:
        (found,) = (one for one in self.kept.values() if isinstance(one, Alarm) and one.cause is Cause.EMERGENCY)
        return found

    def alarms(self, subject: str) -> list[Alarm]:
        found = (record for record in self.kept.values() if isinstance(record, Alarm))
        return [alarm for alarm in found if (alarm.cause, alarm.subject) == (Cause.CLOCK, subject)]


@JUMPS
def test_how_long_it_rang_is_not_known_when_the_clock_was_set_meanwhile(by_ms: int) -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.TRYING)
    agent.set_clock(by_ms)
    agent.stages(Stage.ANSWERED, Stage.LEG_ENDED, Stage.ENDED)
    assert (agent.call.ring_ms, agent.call.talk_ms, agent.call.outcome) == (None, 1_000, "answered")


@JUMPS
def test_how_long_they_talked_is_not_known_either_also_after_a_restart(by_ms: int) -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.TRYING, Stage.ANSWERED)
    agent.set_clock(by_ms)
    agent.start()
    agent.stages(Stage.LEG_ENDED, Stage.ENDED)
    assert (agent.call.ring_ms, agent.call.talk_ms, agent.call.outcome) == (2_000, None, "answered")


@JUMPS
def test_a_call_that_was_over_keeps_its_durations(by_ms: int) -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.TRYING, Stage.ANSWERED, Stage.LEG_ENDED, Stage.ENDED)
    before = agent.call
    agent.set_clock(by_ms)
    agent.tick()
    assert agent.call == before


def test_a_clock_that_was_put_back_while_nobody_looked_gives_no_duration_of_nothing() -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.TRYING)
    agent.now -= HOUR
    agent.stages(Stage.ANSWERED, Stage.LEG_ENDED, Stage.ENDED)
    assert (agent.call.ring_ms, agent.call.talk_ms) == (None, 1_000)


@JUMPS
def test_the_fuller_view_stays_for_its_hour(by_ms: int) -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.TRYING, Stage.ANSWERED, Stage.LEG_ENDED, Stage.ENDED)
    agent.tick()
    agent.tick()
    ended_at, elapsed_ms = agent.call.ended_at or 0, 1_000
    agent.set_clock(by_ms)
    agent.tick()
    until_at = agent.detail.until_at or 0
    assert until_at - ended_at - by_ms == pytest.approx(HOUR, abs=2 * elapsed_ms + 1_000)
    assert agent.detail.cli is not None


def closes_in_a_day(agent: Set) -> None:
    for more_ms, closes in ((DAY_MS - 10_000, False), (10_000, True)):
        agent.now += more_ms
        agent.tick()
        assert (agent.emergency.closed_at is not None) == closes


@pytest.mark.parametrize("by_ms", [2 * DAY_MS, -2 * DAY_MS])
def test_an_emergency_waits_for_somebody_for_its_day(by_ms: int) -> None:
    """The machine was started with a dead clock, and the network that sets it is what the notice waits for."""
    agent = Set()
    agent.engine.adopt(AlarmPolicy(channels=(DESK,)))
    agent.stages(Stage.DIALLED, Stage.FAILED, Stage.ENDED)
    (notice,) = agent.engine.due(agent.now)
    agent.engine.failed(notice.id, "unreachable", agent.now)
    agent.set_clock(by_ms)
    agent.now += 1_000
    agent.tick()
    assert agent.emergency.closed_at is None
    assert notice.id in {due.id for due in agent.engine.due(agent.now + LONGEST_MS)}
    closes_in_a_day(agent)


@pytest.mark.parametrize("by_ms", [2 * DAY_MS, -2 * DAY_MS])
def test_also_where_the_agent_is_restarted_after_that(by_ms: int) -> None:
    agent = Set()
    agent.stages(Stage.DIALLED, Stage.FAILED, Stage.ENDED)
    agent.set_clock(by_ms)
    agent.start()
    assert agent.emergency.closed_at is None
    closes_in_a_day(agent)


@pytest.mark.parametrize("by_ms", [-2_000, -LONGEST_MS, -HOUR])
def test_an_emergency_is_told_at_once_though_the_clock_was_put_back(by_ms: int) -> None:
    agent = Set()
    agent.engine.adopt(AlarmPolicy(channels=(DESK,)))
    agent.hear(Stage.DIALLED, agent.now)
    agent.set_clock(by_ms)
    notice = agent.engine.due(agent.now)[0]
    assert notice.cause is Cause.EMERGENCY
    agent.engine.failed(notice.id, "timeout", agent.now)
    agent.set_clock(by_ms)
    assert notice.id in {due.id for due in agent.engine.due(agent.now + 1_000)}, "nor does the next try wait longer"


@JUMPS
def test_a_time_without_a_session_is_as_long_as_it_was(by_ms: int) -> None:
    agent = Set()
    agent.engine.lost("bulk", "closed", agent.now)
    agent.now += 1_000
    agent.set_clock(by_ms)
    agent.now += 1_000
    (blind,) = agent.engine.regained("bulk", agent.now)
    assert isinstance(blind, Blind)
    assert (blind.until_at or 0) - blind.from_at == 2_000


def test_somebody_is_told_and_after_ten_minutes_it_is_over() -> None:
    agent = Set()
    agent.set_clock(HOUR)
    (alarm,) = agent.alarms("this machine")
    assert (alarm.severity, alarm.cleared_at) == (Severity.CRITICAL, None)
    assert "put forward by 3600 s" in alarm.what
    agent.now += 600_000
    agent.tick()
    assert agent.alarms("this machine")[0].cleared_at is not None


def test_nor_is_it_news_for_longer_where_the_agent_was_restarted_meanwhile() -> None:
    agent = Set()
    agent.set_clock(HOUR)
    agent.now += 60_000
    agent.start()
    assert agent.alarms("this machine")[0].cleared_at is None
    agent.now += 540_000
    agent.tick()
    assert agent.alarms("this machine")[0].cleared_at == agent.now


@pytest.mark.parametrize(("ahead_ms", "words"), [(10_000, "10 s ahead of"), (-HOUR, "3600 s behind")])
def test_clocks_that_differ_are_an_alarm_until_they_agree(ahead_ms: int, words: str) -> None:
    agent = Set()

    def probed(at: int) -> None:
        outputs = agent.engine.step(Probed(at=at), agent.now)
        agent.kept.update((output.id, output) for output in outputs if isinstance(output, Record))

    probed(NOON + 1_000)
    assert agent.alarms("Asterisk") == []
    probed(NOON + ahead_ms)
    (alarm,) = agent.alarms("Asterisk")
    assert words in alarm.what
    probed(NOON)
    assert agent.alarms("Asterisk")[0].cleared_at is not None
