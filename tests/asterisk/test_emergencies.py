"""999 and 112 dialled over SIP; one minimal record each is in the store."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Callee, Consult, Phone, Talk, Transfer, Trunk
from tests.lab.traffic import idle

YEALINK = "Yealink SIP-T46U 108.86.0.45"

#: A PBX with our dialplan, and one without.
BOTH = pytest.mark.parametrize(("line", "seen_by"), [("201", "dialplan"), ("301", "calls")])


async def registered(lab: Asterisk, line: str, *, last: int = 1) -> Phone:
    phone = Phone(lab, line, user_agent=YEALINK, local_ip=f"127.0.5.{last}")
    await phone.register()
    return phone


@BOTH
async def test_answered(lab: Asterisk, agent: AgentProcess, line: str, seen_by: str) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a", ring_s=0.5):
        await phone.call("999", steps=[Talk(1)])
    call = await agent.one("emergency", outcome="answered")
    assert (call["line"], call["number"], call["trunk"], call["attempts"]) == (line, "999", "trunk-a", 1)
    assert (call["ip"], call["vendor"], call["model"]) == ("127.0.5.1", "Yealink", "T46U")
    assert (call["seen_by"], call["test"], call["blind"]) == (seen_by, False, False)
    assert 400 <= call["ring_ms"] <= 5000
    assert 900 <= call["talk_ms"] <= 5000
    assert call["started_at"] < call["answered_at"] < call["ended_at"]


@BOTH
async def test_abandoned(lab: Asterisk, agent: AgentProcess, line: str, seen_by: str) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a", ring_s=30):
        await phone.abandon("999", ring_s=0.5)
    call = await agent.one("emergency", outcome="abandoned")
    assert (call["line"], call["seen_by"], call["attempts"]) == (line, seen_by, 1)
    assert (call["answered_at"], call["ring_ms"], call["talk_ms"]) == (None, None, None)


@BOTH
async def test_the_second_trunk_takes_it(lab: Asterisk, agent: AgentProcess, line: str, seen_by: str) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b"):
        await phone.call("112", steps=[Talk(0.5)])
    call = await agent.one("emergency", outcome="answered")
    assert (call["number"], call["trunk"], call["attempts"], call["seen_by"]) == ("112", "trunk-b", 2, seen_by)


@BOTH
async def test_no_trunk_takes_it(lab: Asterisk, agent: AgentProcess, line: str, seen_by: str) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a", answers=486), Trunk(lab, "trunk-b", answers=404):
        await phone.call("112", expect=503)
    call = await agent.one("emergency", outcome="failed")
    assert (call["attempts"], call["answered_at"], call["seen_by"]) == (2, None, seen_by)


async def test_text_relay(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-a"):
        await phone.call("18000", steps=[Talk(0.2)])
    assert (await agent.one("emergency", outcome="answered"))["number"] == "18000"


async def test_simultaneous_emergencies_stay_apart(lab: Asterisk, agent: AgentProcess) -> None:
    phones = [await registered(lab, str(line), last=line - 200) for line in range(201, 207)]
    async with Trunk(lab, "trunk-a", ring_s=0.3):
        # two of them from one phone
        await asyncio.gather(*(phone.call("999", steps=[Talk(1)]) for phone in [*phones, phones[0]]))
    calls = await agent.some("emergency", 7, outcome="answered")
    assert sorted(call["line"] for call in calls) == ["201", *(str(line) for line in range(201, 207))]
    assert all(call["attempts"] == 1 and call["talk_ms"] >= 900 for call in calls)


@BOTH
@pytest.mark.parametrize("hand_over", [Transfer("202"), Consult("202", 0.5)], ids=["blind", "attended"])
async def test_a_transfer_keeps_one_call_up(
    lab: Asterisk, agent: AgentProcess, line: str, seen_by: str, hand_over: Transfer | Consult
) -> None:
    phone = await registered(lab, line)
    colleague = await registered(lab, "202", last=2)
    async with Trunk(lab, "trunk-a", steps=[Talk(4)]), Callee(colleague):
        await phone.call("999", steps=[Talk(0.5), hand_over])
        in_progress = await agent.one("emergency", outcome="in_progress")
        await idle(lab)
    call = await agent.one("emergency", outcome="answered")
    assert call["id"] == in_progress["id"]
    assert (call["line"], call["attempts"], call["seen_by"]) == (line, 1, seen_by)
    # the emergency services hung up after 4 s, long after the caller had handed over
    assert call["talk_ms"] >= 3500


Stop = Callable[[AgentProcess], Coroutine[Any, Any, object]]


@BOTH
@pytest.mark.parametrize("stop", [AgentProcess.stop, AgentProcess.kill], ids=["sigterm", "sigkill"])
async def test_an_agent_restart_in_mid_call_loses_nothing(
    lab: Asterisk, agent: AgentProcess, line: str, seen_by: str, stop: Stop
) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a"):
        # an agent that starts on a busy machine takes seconds, and must be back before the end
        call = await phone.start_call("999", steps=[Talk(10)])
        before = await agent.one("emergency", outcome="in_progress", answered_at=bool)
        await stop(agent)
        await agent.start()
        await call.done()
    after = await agent.one("emergency", outcome="answered")
    assert (after["id"], after["started_at"], after["answered_at"]) == (
        before["id"],
        before["started_at"],
        before["answered_at"],
    )
    assert after["talk_ms"] >= 9500
    assert not after["blind"]


@BOTH
async def test_a_call_that_ended_while_the_agent_was_away_is_closed(
    lab: Asterisk, agent: AgentProcess, line: str, seen_by: str
) -> None:
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(1)])
        before = await agent.one("emergency", answered_at=bool)
        await agent.kill()
        await call.done()
        await idle(lab)
    await agent.start()
    after = await agent.one("emergency", outcome="answered")
    assert (after["id"], after["seen_by"]) == (before["id"], seen_by)
    gaps = await agent.some("blind", 2, cause="killed", until_at=bool)
    assert all(gap["from_at"] < gap["until_at"] for gap in gaps)
    assert after["ring_ms"] == before["ring_ms"]
    if seen_by == "dialplan":  # its journal told the end
        assert not after["blind"]
        assert 900 <= after["talk_ms"] <= 5000
    else:  # nobody witnessed the end, so no length is claimed
        assert after["blind"]
        assert after["talk_ms"] is None


@BOTH
async def test_a_call_that_began_before_the_agent_is_taken_up(
    lab: Asterisk, agent: AgentProcess, line: str, seen_by: str
) -> None:
    await agent.stop()
    phone = await registered(lab, line)
    async with Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(10)])
        await asyncio.sleep(1)
        await agent.start()
        found = await agent.one("emergency", outcome="in_progress")
        # the dialplan's journal tells when it began, a list of channels does not
        assert (found["line"], found["number"], found["blind"]) == (line, "999", seen_by == "calls")
        await call.done()
    ended = await agent.one("emergency", outcome="answered")
    assert (ended["id"], ended["trunk"], ended["seen_by"]) == (found["id"], "trunk-a", seen_by)
    if seen_by == "calls":
        assert (ended["ring_ms"], ended["talk_ms"]) == (None, None)
    else:
        assert not ended["blind"]
        assert 9900 <= ended["talk_ms"] <= 15000


async def test_asterisk_killed_in_mid_call(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(20)])
        await agent.one("emergency", answered_at=bool)
        await lab.kill()
        await lab.start()
        ended = await agent.one("emergency", outcome="answered")
        await call.stop()
    assert ended["blind"]
    assert ended["talk_ms"] is None


async def test_an_ordinary_call_is_no_emergency(lab: Asterisk, agent: AgentProcess) -> None:
    phone, colleague = await registered(lab, "201"), await registered(lab, "202", last=2)
    async with Callee(colleague):
        await phone.call("202", steps=[Talk(0.2)])
    async with Trunk(lab, "trunk-a"):
        await phone.call("01134960999", steps=[Talk(0.2)])
        await phone.call("999", steps=[Talk(0.2)])
    assert (await agent.one("emergency", outcome="answered"))["number"] == "999"
    assert len(agent.stored("emergency")) == 1
