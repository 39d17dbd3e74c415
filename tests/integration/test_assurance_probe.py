"""The dead man's handle: when a missing probe is news, and when it cannot be; and what a dead trunk is."""

import asyncio
from collections.abc import Mapping

import pytest

from agent.core.lanes import Lane
from agent.core.numbers import forms
from agent.core.records import Probe, Severity
from agent.duties.assurance import trunks
from agent.duties.assurance.condition import Condition
from agent.duties.assurance.probe import Handle
from agent.duties.assurance.trunks import TrunkState, state_of
from agent.duties.check.evidence import Reachability, Trunk
from agent.sources.ami import Answer, SessionDown

NUMBERS = ("999", "112", "18000")


class Bench:
    """A probe whose clock, Asterisk and listener are at hand."""

    def __init__(self, *, every_s: float = 5.0) -> None:
        self.now = 1_000_000
        self.told: list[Condition] = []
        self.asked: list[Mapping[str, str]] = []
        self.answer: Answer | Exception = Answer(ok=True, headers={})
        self.why = ""
        self.spoken = asyncio.Event()
        self.handle = Handle(
            every_s=every_s, ask=self.ask, report=self.report, clock=lambda: self.now, why=lambda: self.why
        )

    def report(self, condition: Condition) -> None:
        self.told.append(condition)
        self.spoken.set()

    async def ask(self, action: Mapping[str, str]) -> Answer:
        self.asked.append(action)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def send(self) -> None:
        """One turn of what runs for ever."""
        task = asyncio.create_task(self.handle.run())
        async with asyncio.timeout(60):
            await self.spoken.wait()
        task.cancel()

    def watched(self, *, after_s: float) -> Condition:
        self.now += round(after_s * 1000)
        self.handle.watch()
        return self.told[-1]

    def comes(self) -> None:
        self.handle(Lane.EMERGENCY, [Probe(id="probe", at=1)], 0.01)


async def test_a_probe_is_a_user_event_that_says_nothing() -> None:
    bench = Bench()
    await bench.send()
    (probe,) = bench.asked
    assert (probe["Action"], probe["UserEvent"]) == ("UserEvent", "EmergencyProbe")
    assert probe.keys() == {"Action", "UserEvent", "Probe"}
    assert int(probe["Probe"], 16) >= 0


def test_one_that_is_late_is_critical_and_says_where_it_broke() -> None:
    bench = Bench()
    bench.comes()
    assert bench.watched(after_s=15).what is None
    late = bench.watched(after_s=0.1)
    assert late.severity is Severity.CRITICAL
    assert "it is sent, and does not come back" in (late.what or "")
    bench.why = "AMI session express is not logged in"
    assert bench.why in (bench.watched(after_s=1).what or "")
    bench.comes()
    assert bench.watched(after_s=0).what is None
    assert bench.handle.came_at == bench.now


def test_rare_probes_may_be_older() -> None:
    bench = Bench(every_s=60)
    assert bench.watched(after_s=180).what is None
    assert bench.watched(after_s=1).what is not None


@pytest.mark.parametrize("gone", [SessionDown("down"), TimeoutError()])
async def test_one_that_cannot_be_sent_is_missed_like_any_other(gone: Exception) -> None:
    bench = Bench()
    bench.answer = gone
    await bench.send()
    assert bench.watched(after_s=16).what is not None


async def test_without_the_right_there_is_nothing_to_miss() -> None:
    bench = Bench()
    bench.answer = Answer(ok=False, headers={"Message": "Permission denied"})
    await bench.send()
    assert bench.handle.denied
    assert bench.watched(after_s=3600).what is None
    bench.answer = Answer(ok=True, headers={})
    bench.spoken.clear()
    await bench.send()
    # It begins to count when probes can be sent.
    assert bench.watched(after_s=10).what is None
    assert bench.watched(after_s=6).what is not None


REACHABLE, DEAD, UNQUALIFIED = Reachability.REACHABLE, Reachability.UNREACHABLE, Reachability.NOT_QUALIFIED


@pytest.mark.parametrize(
    ("contacts", "exists", "state"),
    [
        ((REACHABLE,), True, TrunkState.UP),
        ((DEAD, REACHABLE), True, TrunkState.UP),
        ((DEAD, DEAD), True, TrunkState.DOWN),
        ((DEAD, UNQUALIFIED), True, TrunkState.UNQUALIFIED),
        ((UNQUALIFIED,), True, TrunkState.UNQUALIFIED),
        ((Reachability.UNKNOWN,), True, TrunkState.UNKNOWN),
        ((), True, TrunkState.DOWN),
        ((), None, TrunkState.UNKNOWN),
    ],
)
def test_how_a_trunk_stands(contacts: tuple[Reachability, ...], exists: bool | None, state: TrunkState) -> None:
    assert state_of(Trunk(name="a", exists=exists, contacts=contacts)) is state


def test_a_dead_trunk_is_worse_where_no_other_carries_the_calls() -> None:
    def told(*contacts: Reachability) -> list[Severity | None]:
        seen = [Trunk(name=str(place), exists=True, contacts=(each,)) for place, each in enumerate(contacts)]
        return [each.severity if each.what else None for each in trunks.conditions(seen)]

    assert told(REACHABLE, REACHABLE) == [None, None]
    assert told(DEAD, REACHABLE) == [Severity.WARNING, None]
    assert told(DEAD, UNQUALIFIED) == [Severity.WARNING, None]
    assert told(DEAD, DEAD) == [Severity.CRITICAL, Severity.CRITICAL]
    assert [each.what for each in trunks.conditions([], gone=["old"])] == [None]


def test_every_form_in_which_a_number_may_be_dialled() -> None:
    found = forms(NUMBERS, ("9", "141", "1470"))
    assert found[:3] == NUMBERS
    assert {"9999", "9112", "141999", "1470999", "141112", "9141999", "91470112", "+44999", "918000", "sos"} <= set(
        found
    )
    assert len(found) == len(set(found)) == 3 * 7 + 1
    assert forms(("112",), ()) == ("112", "+44112", "sos")
