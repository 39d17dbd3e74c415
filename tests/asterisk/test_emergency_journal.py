"""999 dialled while the agent is away: its journal in Asterisk's database tells of it, once, with the true times."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from agent.core.instants import from_rfc3339
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.journal import stages
from tests.lab.sip import Callee, Phone, Talk, Trunk, start_trunk_call
from tests.lab.traffic import idle

YEALINK = "Yealink SIP-T46U 108.86.0.45"


async def registered(lab: Asterisk, line: str, *, last: int = 1) -> Phone:
    phone = Phone(lab, line, user_agent=YEALINK, local_ip=f"127.0.5.{last}")
    await phone.register()
    return phone


async def until(met: Callable[[], Awaitable[object]]) -> None:
    """Wait for what Asterisk's database does not announce."""
    async with asyncio.timeout(60):
        while not await met():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def empty(lab: Asterisk) -> None:
    """Wait until the journal holds nothing any more."""

    async def is_empty() -> bool:
        return not await stages(lab)

    await until(is_empty)


async def told(lab: Asterisk, stage: str) -> list[int]:
    """When the dialplan says that this happened, in ms."""
    return [round(float(entry["At"]) * 1000) for entry in await stages(lab, stage)]


def ms(record: dict[str, Any], name: str) -> int:
    return from_rfc3339(record[name])


async def test_calls_while_the_agent_was_dead_are_recorded_once(lab: Asterisk, agent: AgentProcess) -> None:
    first, second, third = [await registered(lab, line, last=int(line) - 200) for line in ("201", "202", "203")]
    await agent.some("registration", 3, vendor="Yealink")
    await agent.kill()
    async with Trunk(lab, "trunk-a", ring_s=0.5):
        await first.call("999", steps=[Talk(2)])
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b", ring_s=1):
        await second.call("112", steps=[Talk(1)])
    async with Trunk(lab, "trunk-a", ring_s=30):
        await third.abandon("999", ring_s=1)
    await idle(lab)
    dialled, answered, ended = [await told(lab, stage) for stage in ("Dialled", "Answered", "Ended")]
    assert (len(dialled), len(answered), len(ended)) == (3, 2, 3)

    await agent.start()
    calls = sorted(await agent.some("emergency", 3, ended_at=bool), key=lambda call: str(call["started_at"]))
    assert [call["line"] for call in calls] == ["201", "202", "203"]
    assert [call["ip"] for call in calls] == ["127.0.5.1", "127.0.5.2", "127.0.5.3"]
    assert {(call["vendor"], call["model"], call["seen_by"], call["blind"]) for call in calls} == {
        ("Yealink", "T46U", "journal", False)
    }
    assert [call["outcome"] for call in calls] == ["answered", "answered", "abandoned"]
    assert [(call["trunk"], call["attempts"]) for call in calls] == [("trunk-a", 1), ("trunk-b", 2), ("trunk-a", 1)]
    # what the dialplan said while it happened, to the millisecond, and SIPp's own durations
    assert [ms(call, "started_at") for call in calls] == dialled
    assert [ms(call, "answered_at") for call in calls[:2]] == answered
    assert ms(calls[2], "ended_at") == ended[2]
    assert [call["ring_ms"] >= least for call, least in zip(calls[:2], (500, 1000), strict=True)] == [True, True]
    assert [least <= call["talk_ms"] < least + 1500 for call, least in zip(calls[:2], (2000, 1000), strict=True)] == [
        True,
        True,
    ]
    await empty(lab)

    await agent.stop()
    await agent.start()
    await idle(lab)
    assert agent.stored("emergency") == sorted(agent.stored("emergency"), key=lambda call: str(call["started_at"]))
    assert sorted(agent.stored("emergency"), key=str) == sorted(calls, key=str)


async def test_killed_between_commit_and_clearing_it_is_still_one_call(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    await agent.kill()
    async with Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(0.5)])
    await idle(lab)
    await agent.start(ready=False)
    before = await agent.one("emergency", ended_at=bool)
    await agent.kill()
    assert await stages(lab), "it was killed before it had cleared the journal"
    await agent.start()
    await empty(lab)
    # The phone's make is asked for beside the call's record, and may have come after it.
    device = {"vendor": "Yealink", "model": "T46U"}
    assert [{**stored, **device} for stored in agent.stored("emergency")] == [{**before, **device}]


async def test_a_call_heard_live_leaves_nothing_in_the_journal(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(2)])
        await agent.one("emergency", answered_at=bool)
        assert await stages(lab)
        await call.done()
    heard = await agent.one("emergency", outcome="answered")
    assert (heard["seen_by"], heard["blind"]) == ("dialplan", False)
    await empty(lab)
    await agent.stop()
    await agent.start()
    await idle(lab)
    assert agent.stored("emergency") == [heard]


async def test_a_call_that_is_up_keeps_its_journal(lab: Asterisk, agent: AgentProcess) -> None:
    first, second = await registered(lab, "201"), await registered(lab, "202", last=2)
    async with Trunk(lab, "trunk-a"):
        call = await first.start_call("999", steps=[Talk(6)])
        up = await agent.one("emergency", answered_at=bool)
        await second.call("112", steps=[Talk(0.2)])

        async def alone() -> bool:
            return [entry["Line"] for entry in await stages(lab, "Dialled")] == ["201"]

        await until(alone)
        # its end is told by nothing but the journal
        await agent.kill()
        await call.done()
    await idle(lab)
    (ended_at,) = await told(lab, "LegEnded")
    await agent.start()
    ended = await agent.one("emergency", line="201", outcome="answered")
    assert (ended["id"], ended["started_at"], ended["answered_at"]) == (up["id"], up["started_at"], up["answered_at"])
    assert (ms(ended, "ended_at"), ended["blind"], ended["seen_by"]) == (ended_at, False, "dialplan")
    assert ended["talk_ms"] >= 5500
    assert len(agent.stored("emergency")) == 2


async def test_asterisk_restarts_before_the_agent_is_back(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    await agent.kill()
    async with Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(1)])
    await idle(lab)
    (dialled,) = await told(lab, "Dialled")
    await lab.restart()
    await agent.start()
    call = await agent.one("emergency", outcome="answered")
    assert (ms(call, "started_at"), call["blind"], call["seen_by"]) == (dialled, False, "journal")
    assert call["talk_ms"] >= 900
    await empty(lab)


async def test_asterisk_dies_in_mid_call_while_the_agent_is_away(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    await agent.kill()
    async with Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(20)])
        await until(lambda: stages(lab, "Answered"))
        # Asterisk commits its database about once a second
        await asyncio.sleep(2)
        await lab.kill()
        await lab.start()
        await call.stop()
    await agent.start()
    ended = await agent.one("emergency", ended_at=bool)
    assert (ended["outcome"], ended["blind"], ended["talk_ms"]) == ("answered", True, None)
    assert ended["ring_ms"] is not None
    await empty(lab)


async def test_who_rang_back_while_the_agent_was_away_is_counted(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-b") as psap:
        async with Trunk(lab, "trunk-a", answers=503):
            await phone.call("999", steps=[Talk(0.2)])
        cli = psap.invites[0].cli
    heard = await agent.one("emergency", outcome="answered")
    await empty(lab)
    await agent.kill()
    async with Callee(phone):
        await (await start_trunk_call(lab, "trunk-a", cli, steps=[Talk(0.5)])).done()
    await idle(lab)
    assert await stages(lab, "CallbackAnswered")
    await agent.start()
    assert await agent.one("emergency", callbacks=1) == {**heard, "callbacks": 1}
    await empty(lab)
