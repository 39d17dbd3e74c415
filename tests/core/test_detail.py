"""The fuller view of an emergency goes an hour after the call, however late, or by whose clock, that was told."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Detail, Record
from agent.core.signals import EmergencyStage, Stage
from agent.core.sites import Site, Sites, Spot
from tests.core.emergency_calls import NOON

HOUR = 3_600_000
HQ = Site(id="hq", name="HQ", street="Park Row", town="Leeds", postcode="LS1 5HN", contact="reception")


class Agents:
    """One agent after another on the same store, and their clock."""

    def __init__(self) -> None:
        self.kept: dict[str, Record] = {}
        self.now = NOON
        self.start()

    def start(self) -> None:
        ids = iter(range(1000))
        sites = Sites(sites={"hq": HQ}, networks={ip_network("10.0.0.0/8"): Spot(site=HQ)}, lines={})
        new_id = lambda: f"{self.now}-{next(ids)}"  # noqa: E731
        self.engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=new_id, sites=sites)
        self.engine.restore(self.kept.values())
        self.tick()

    def tick(self) -> None:
        self.kept.update((output.id, output) for output in self.engine.tick(self.now) if isinstance(output, Record))

    def hear(self, stage: Stage, at: int, *, journal: bool = False) -> None:
        signal = EmergencyStage(
            at=at, channel="a", linked="a", line="201", stage=stage, call="a", number="999", trunk="trunk-a",
            attempt=1, test=False, ip="10.0.0.1", cli="+441134960000", journal=journal,
        )  # fmt: skip
        self.kept.update(
            (output.id, output) for output in self.engine.step(signal, self.now) if isinstance(output, Record)
        )

    @property
    def detail(self) -> Detail:
        (found,) = (record for record in self.kept.values() if isinstance(record, Detail))
        return found


@pytest.fixture
def agents() -> Agents:
    return Agents()


def gone(detail: Detail) -> Detail:
    return replace(detail, cli=None, address=None, contact=None)


def test_of_a_call_that_the_journal_tells_hours_late_nothing_stays(agents: Agents) -> None:
    for second, stage in enumerate((Stage.DIALLED, Stage.TRYING, Stage.ENDED)):
        agents.hear(stage, NOON - 3 * HOUR + second * 1000, journal=True)
    assert agents.detail == gone(agents.detail)
    assert agents.detail.until_at == NOON - 2 * HOUR + 2000


def test_nor_of_one_that_ended_while_the_agent_was_away_for_long(agents: Agents) -> None:
    agents.hear(Stage.TRYING, NOON)
    assert (agents.detail.cli, agents.detail.until_at) == ("+441134960000", None)
    agents.now = NOON + 3 * HOUR
    agents.start()
    agents.hear(Stage.ENDED, NOON + 1000, journal=True)
    assert agents.detail == gone(agents.detail)
    assert agents.detail.until_at == NOON + HOUR + 1000


def test_a_pbx_whose_clock_is_a_year_ahead_keeps_it_no_longer(agents: Agents) -> None:
    ahead = NOON + 365 * 24 * HOUR
    agents.hear(Stage.TRYING, ahead)
    agents.hear(Stage.ENDED, ahead + 1000)
    agents.tick()
    assert agents.detail.until_at == NOON + HOUR
    agents.now += 2 * HOUR
    agents.tick()
    agents.hear(Stage.LEG_ENDED, ahead + 2000)
    assert agents.detail.until_at == NOON + HOUR
    emergency = agents.detail.emergency
    assert agents.engine.desk.known(emergency)[1] is None
