"""A rehearsal without an Asterisk: what it asks for, when none can be held, and what each proof says of its records."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from agent.core.lanes import Lane
from agent.core.records import (
    Alarm,
    Cause,
    Delivery,
    Detail,
    Emergency,
    News,
    Notice,
    Outcome,
    Record,
    SeenBy,
    Severity,
)
from agent.core.signals import Proved
from agent.duties.assurance import Condition, NoRehearsal, NoSuch, Rehearsals, rehearsal
from agent.sources.ami import Answer, SessionDown

CALL = Emergency(
    id="e1",
    line="201",
    number="999",
    ip=None,
    vendor=None,
    model=None,
    started_at=1,
    answered_at=2,
    ended_at=3,
    outcome=Outcome.ANSWERED,
    trunk="carrier",
    attempts=1,
    seen_by=SeenBy.DIALPLAN,
    blind=False,
    test=True,
)
DETAIL = Detail(id="d1", emergency="e1", cli="+441134960999")
ALARM = Alarm(id="a1", cause=Cause.REHEARSAL, subject="e1", severity=Severity.WARNING, test=True, raised_at=1)
NOTICE = Notice(
    id="n1",
    alarm="a1",
    cause=Cause.REHEARSAL,
    channel="desk",
    news=News.RAISED,
    state=Delivery.SENT,
    raised_at=1,
    try_at=1,
)
PROOF = Proved(
    at=2,
    call="c",
    trunk="carrier",
    cli="01134960999",
    priority="emergency",
    resource_priority="esnet.1",
    location=True,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEGIN_S", "CALL_S", "TOLD_S"):
        monkeypatch.setattr(rehearsal, name, 0.05)


class Bench:
    """Rehearsals whose call comes about as ``records`` say, as soon as it is asked for."""

    def __init__(self, *records: Record, proof: Proved | None = PROOF, **settings: str) -> None:
        self.records = records
        self.settings = {
            "EMERGENCY_REHEARSAL_NUMBER": "01134960998",
            "EMERGENCY_TRUNKS": "carrier, other",
            "PJSIP_ENDPOINT(201,context)": "phones",
            **settings,
        }
        self.asked: list[Mapping[str, str]] = []
        self.told: dict[str, Condition] = {}
        self.passed = 0
        self.acknowledges = True
        self.answer: Callable[[], Answer] = lambda: Answer(ok=True, headers={})
        self.rehearsals = Rehearsals(
            every_h=0,
            ask=self.ask,
            registered=list,
            proof=lambda id: proof if id == "e1" else None,
            acknowledge=self.acknowledge,
            report=lambda condition: self.told.update({condition.subject: condition}),
            passed=self.count,
            clock=lambda: 1000,
        )

    def count(self) -> None:
        self.passed += 1

    def acknowledge(self, id: str, by: str) -> None:
        assert (id, by) == ("e1", "rehearsal")
        if self.acknowledges:
            self.commit(replace(ALARM, acknowledged_at=4, acknowledged_by=by))

    def commit(self, *records: Record) -> None:
        self.rehearsals(Lane.EMERGENCY, records, 0.01)

    async def ask(self, action: Mapping[str, str]) -> Answer:
        self.asked.append(action)
        if action["Action"] == "Getvar":
            return Answer(ok=True, headers={"Value": self.settings.get(action["Variable"], "")})
        answer = self.answer()
        if answer.ok:
            self.commit(*self.records)
        return answer

    async def hold(self, line: str | None = "201", trunk: str | None = None) -> dict[str, bool | None]:
        steps = [dict(step) async for step in self.rehearsals.rehearse("porter", line, trunk)]
        proofs = {str(step["proof"]): step["ok"] for step in steps if "proof" in step}
        assert steps[-1] == {"passed": all(ok is not False for ok in proofs.values())}
        return proofs  # type: ignore[return-value]


async def test_all_is_proved() -> None:
    wanted = {f"EMERGENCY_{name}_carrier": "yes" for name in ("PRIORITY", "LOCATION")}
    bench = Bench(CALL, DETAIL, ALARM, NOTICE)
    bench.settings.update(wanted, EMERGENCY_RESOURCE_PRIORITY_carrier="esnet.1")
    assert set((await bench.hold(trunk="carrier")).values()) == {True}
    (placed,) = (action for action in bench.asked if action["Action"] == "Originate")
    assert placed["Channel"] == "Local/place@emergency-rehearsal/n"
    assert placed["Variable"] == "LINE=201,EMERGENCY_REHEARSAL_TRUNK=carrier"
    assert (bench.passed, bench.told["rehearsal"].what) == (1, None)
    assert bench.rehearsals.last is not None
    assert (bench.rehearsals.last.by, bench.rehearsals.last.trunk) == ("porter", "carrier")


@pytest.mark.parametrize(
    ("records", "proof", "settings", "name", "ok"),
    [
        ((replace(CALL, outcome=Outcome.FAILED), DETAIL, ALARM, NOTICE), PROOF, {}, "routing", False),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, trunk="other"), {}, "routing", False),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, cli="01134960000"), {}, "cli", False),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, cli=""), {}, "cli", False),
        ((CALL, ALARM, NOTICE), PROOF, {}, "cli", False),
        ((CALL, DETAIL, ALARM, NOTICE), None, {}, "cli", None),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, priority=""), {"PRIORITY": "yes"}, "priority", False),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, priority=""), {}, "priority", None),
        ((CALL, DETAIL, ALARM, NOTICE), replace(PROOF, location=False), {"LOCATION": "yes"}, "location", False),
        ((CALL, DETAIL, ALARM, replace(NOTICE, state=Delivery.PENDING)), PROOF, {}, "alert", False),
        ((CALL, DETAIL, ALARM), PROOF, {}, "alert", None),
        ((CALL, DETAIL), PROOF, {}, "alert", False),
        ((CALL, DETAIL), PROOF, {}, "acknowledgement", False),
        ((), PROOF, {}, "routing", False),
    ],
)
async def test_each_thing_that_can_be_missing(
    records: tuple[Record, ...], proof: Proved | None, settings: dict[str, str], name: str, ok: bool | None
) -> None:
    bench = Bench(*records, proof=proof)
    bench.settings.update({f"EMERGENCY_{key}_carrier": value for key, value in settings.items()})
    assert (await bench.hold())[name] is ok
    alarm = bench.told["rehearsal"]
    if ok is False:
        assert name in (alarm.what or "")
        assert alarm.severity is (Severity.CRITICAL if name == "routing" else Severity.WARNING)
        assert bench.passed == 0


async def test_an_acknowledgement_that_does_not_hold_is_seen() -> None:
    bench = Bench(CALL, DETAIL, ALARM, NOTICE)
    bench.acknowledges = False
    assert (await bench.hold())["acknowledgement"] is False


async def test_the_end_of_the_alarm_may_be_on_its_way_still() -> None:
    """A webhook and an Alertmanager are told that the rehearsal is over, too: after its alarm was taken on."""
    over = replace(NOTICE, id="n2", news=News.CLOSED, state=Delivery.PENDING)
    bench = Bench(CALL, DETAIL, ALARM, NOTICE, over)
    assert (await bench.hold())["alert"] is True


async def test_a_real_emergency_meanwhile_is_not_taken_for_the_rehearsal() -> None:
    bench = Bench(replace(CALL, test=False), DETAIL, replace(ALARM, test=False))
    assert await bench.hold() == {"routing": False}


async def test_when_none_can_be_held() -> None:
    async def refused(bench: Bench, **asked: str | None) -> str:
        with pytest.raises(NoRehearsal) as error:
            await bench.hold(**asked)
        return str(error.value)

    assert "EMERGENCY_REHEARSAL_NUMBER is not set" in await refused(Bench(EMERGENCY_REHEARSAL_NUMBER=" "))
    assert "name a line" in await refused(Bench(), line=None)
    bench = Bench()
    for hostile in ("201,EMERGENCY_TRUNKS=x", "201\r\nAction: x", "a b", "${EVAL(x)}"):
        assert "letters, digits" in await refused(bench, line=hostile)
        assert "letters, digits" in await refused(bench, trunk=hostile)
    assert bench.asked == []
    bench.answer = lambda: Answer(ok=False, headers={"Message": "Permission denied"})
    assert "no write class originate" in await refused(bench)

    def gone() -> Answer:
        raise SessionDown("closed")

    bench.answer = gone
    assert "Asterisk does not answer" in await refused(bench)


@pytest.mark.parametrize(
    ("line", "trunk", "settings", "words"),
    [
        ("nope", None, {}, "no PJSIP endpoint nope"),
        ("201", "nope", {}, "nope is none of EMERGENCY_TRUNKS (carrier, other)"),
        ("201", "carrier", {"EMERGENCY_TRUNKS": ""}, "carrier is none of EMERGENCY_TRUNKS (it is not set)"),
    ],
)
async def test_what_is_not_there_is_refused_and_alarms_nobody(
    line: str, trunk: str | None, settings: dict[str, str], words: str
) -> None:
    bench = Bench()
    bench.settings.update(settings)
    with pytest.raises(NoSuch) as error:
        await bench.hold(line, trunk)
    assert words in str(error.value)
    assert "Originate" not in {action["Action"] for action in bench.asked}
    assert bench.told == {}
    bench = Bench(CALL, DETAIL, ALARM, NOTICE)
    assert (await bench.hold("201", "other"))["routing"] is not None, "a blank in the list is none of the name"


async def test_only_one_at_a_time() -> None:
    bench = Bench(CALL, DETAIL, ALARM, NOTICE)
    first = bench.rehearsals.rehearse("porter", "201", None)
    await anext(first)
    with pytest.raises(NoRehearsal, match="held already"):
        await bench.hold()
    assert [step async for step in first][-1] == {"passed": True}
    assert await bench.hold()


async def test_on_the_clock_and_a_failure_to_hold_one_is_told() -> None:
    bench = Bench(EMERGENCY_REHEARSAL_NUMBER="")
    told = asyncio.Event()

    def report(condition: Condition) -> None:
        bench.told[condition.subject] = condition
        told.set()

    scheduled = Rehearsals(
        every_h=1,
        ask=bench.ask,
        registered=list,
        proof=lambda _: None,
        acknowledge=bench.acknowledge,
        report=report,
        passed=bench.count,
        clock=lambda: 10 * 3_600_000,
    )

    async def last_at() -> int:
        return 8 * 3_600_000

    running = asyncio.create_task(scheduled.run(last_at))
    async with asyncio.timeout(60):
        await told.wait()
    running.cancel()
    assert "no rehearsal could be held: no PJSIP phone is registered" in (bench.told["rehearsal"].what or "")
