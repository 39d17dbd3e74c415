"""What is on record of a recording: who asked, on which leg, when it captured and when not, from SIP to the store."""

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Callee, Dial, Phone, RecordButton, Talk


async def pair(lab: Asterisk) -> tuple[Phone, Phone]:
    caller = Phone(lab, "201", user_agent="Yealink SIP-T46U 108.86.0.45", local_ip="127.0.5.1")
    colleague = Phone(lab, "202", user_agent="snomD785/10.1.184.14", local_ip="127.0.5.2")
    await caller.register()
    await colleague.register()
    return caller, colleague


async def test_the_phones_record_button(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague):
        await caller.call("202", steps=[Talk(0.5), RecordButton(True), Talk(1), RecordButton(False), Talk(0.3)])
    tape = await agent.one("recording", state="stopped")
    assert (tape["line"], tape["leg"], tape["trigger"], tape["opted_in"]) == ("201", "caller", "button", True)
    assert tape["started_at"] < tape["stopped_at"]
    assert tape["pauses"] == []


async def test_the_callee_presses(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague, steps=[Talk(0.5), RecordButton(True), Talk(2)]):
        await caller.call("202", steps=[Talk(3)])
    tape = await agent.one("recording", state="stopped")
    assert (tape["line"], tape["leg"], tape["trigger"], tape["opted_in"]) == ("202", "callee", "button", True)


async def test_the_dial_time_code_with_a_pause(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague):
        await caller.call("*1202", steps=[Talk(1), Dial("*32"), Talk(1), Dial("*33"), Talk(1)])
    tape = await agent.one("recording", state="stopped")
    assert (tape["line"], tape["leg"], tape["trigger"], tape["opted_in"]) == ("201", "caller", "code", True)
    (pause,) = tape["pauses"]
    assert tape["started_at"] < pause["paused_at"] < pause["resumed_at"] < tape["stopped_at"]


async def test_hung_up_while_paused(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague):
        await caller.call("*1202", steps=[Talk(1), Dial("*32"), Talk(1)])
    tape = await agent.one("recording", state="stopped")
    (pause,) = tape["pauses"]
    assert pause["resumed_at"] is None


async def test_the_in_call_code_starts_and_stops(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague):
        await caller.call("202", steps=[Talk(0.5), Dial("*31"), Talk(1), Dial("*30"), Talk(0.5)])
    tape = await agent.one("recording", state="stopped")
    assert (tape["trigger"], tape["opted_in"]) == ("code", True)


async def test_an_agent_restart_while_recording(lab: Asterisk, agent: AgentProcess) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague):
        call = await caller.start_call("*1202", steps=[Talk(6)])
        before = await agent.one("recording", state="recording")
        await agent.kill()
        await agent.start()
        await call.done()
    after = await agent.one("recording", state="stopped")
    assert (after["id"], after["started_at"], after["opted_in"]) == (before["id"], before["started_at"], True)
    assert not after["blind"]
