"""Whatever befalls the agent, a 999 connects, and afterwards the store has it exactly once."""

from pathlib import Path

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.faults import FAULTS, small_disk
from tests.lab.relay import Relay
from tests.lab.sip import Phone, Talk, Trunk
from tests.lab.traffic import idle


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_call_connects_and_is_stored_once(lab: Asterisk, tmp_path: Path, fault: str) -> None:
    phone, colleague = Phone(lab, "201", local_ip="127.0.6.1"), Phone(lab, "202", local_ip="127.0.6.2")
    await phone.register()
    await colleague.register()
    async with (
        small_disk(tmp_path / "disk") as disk,
        Relay(lab.ami_port) as relay,
        AgentProcess(lab, folder=disk, ami_port=relay.port) as agent,
    ):
        async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b"):
            await phone.call("999", steps=[Talk(0.3)])
            async with FAULTS[fault](agent, relay):
                await phone.call("999", steps=[Talk(0.3)])
                await colleague.call("112", steps=[Talk(0.3)])
                await idle(lab)
            await phone.call("18000", steps=[Talk(0.3)])
        calls = await agent.some("emergency", 4, outcome="answered", ended_at=bool)
    assert [(call["line"], call["number"]) for call in sorted(calls, key=lambda call: call["started_at"])] == [
        ("201", "999"),
        ("201", "999"),
        ("202", "112"),
        ("201", "18000"),
    ]
    assert all((call["trunk"], call["attempts"]) == ("trunk-b", 2) for call in calls)
    assert all(call["talk_ms"] >= 250 for call in calls)
