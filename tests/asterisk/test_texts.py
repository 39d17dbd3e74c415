"""Texts from a phone's MESSAGE to the stored row: each exactly once, and of what it says nothing anywhere."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.test_calls import checked
from tests.lab.agent import AgentProcess
from tests.lab.calls import CallsLab
from tests.lab.inbox import Inbox
from tests.lab.provision import installation
from tests.lab.sip import Callee, Phone, Talk, Trunk, trunk_text

OUTSIDE, MOBILE = "01134960100", "07700900456"
BODY = "CANARY meet me at 01134960111"
HOSTILE = 'x, \\"<sip:9@y>,end)${EXTEN}'


@pytest.fixture
async def pbx(version: str) -> AsyncIterator[CallsLab]:
    async with CallsLab(installation(version, print)) as lab:
        yield lab


async def all_in(lab: CallsLab, agent: AgentProcess, count: int) -> list[dict[str, Any]]:
    """So many texts, once the file is gone."""
    taken = lab.file.with_name(lab.file.name + ".taken")
    await agent.until(
        lambda: len(agent.stored("text")) >= count and not lab.file.exists() and not taken.exists(), f"{count} texts"
    )
    return agent.stored("text")


def seen(texts: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(t["line"], t["direction"], t["number_class"], t["size"], t["outcome"], t["itemised"]) for t in texts]


async def test_each_text_is_one_record_and_arrives(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent:
        async with Inbox(phones["202"]) as inbox, Inbox(phones["202"], trunk="trunk-a") as carrier:
            await phones["201"].text("202", BODY)
            await phones["201"].text("202", BODY)
            await phones["201"].text("202", BODY + "x" * 140)
            await phones["201"].text(OUTSIDE, BODY)
            await phones["201"].text("+447700900456", BODY + "x" * 900)
            await phones["201"].text("08001111", BODY)
            await trunk_text(pbx, "trunk-a", "01134960202", BODY, caller=MOBILE)
            # Nobody is there; more than Asterisk keeps of a text; a number that leads nowhere.
            await phones["201"].text("209", BODY)
            await phones["201"].text("202", BODY + "x" * 1_000)
            await phones["201"].text("777", BODY, expect=404)
            texts = await all_in(pbx, agent, 9)
            await agent.until(lambda: len(inbox.texts) >= 4 and len(carrier.texts) >= 3, "what was sent")
        assert [text.body for text in inbox.texts] == [BODY, BODY, BODY + "x" * 140, BODY]
        assert {(text.number, text.cli) for text in carrier.texts} == {
            (OUTSIDE, "01134960201"),
            ("+447700900456", "01134960201"),
            ("08001111", "01134960201"),
        }
        metrics = agent.get("/metrics")[1]
    assert sorted(seen(texts), key=str) == sorted(
        [
            ("201", "internal", "internal", "short", "sent", False),
            ("201", "internal", "internal", "short", "sent", False),
            ("201", "internal", "internal", "medium", "sent", False),
            ("201", "outgoing", "geographic", "short", "sent", True),
            ("201", "outgoing", "mobile", "long", "sent", True),
            ("201", "outgoing", "helpline", "short", "sent", False),
            ("202", "incoming", "mobile", "short", "sent", False),
            ("201", "internal", "internal", "short", "failed", False),
            ("201", "internal", "internal", "long", "failed", False),
        ],
        key=str,
    )
    assert len({text["id"] for text in texts}) == 9
    command = [sys.executable, "-m", "agent", "list", "texts", "--json", "--config", str(agent.config)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    listed = Counter(json.loads(line)["number"] for line in done.stdout.splitlines())
    assert listed == {"202": 4, OUTSIDE: 1, MOBILE: 2, "08001111": 1, "209": 1}
    assert 'telephony_texts_total{direction="outgoing",outcome="sent"} 3.0' in metrics
    assert "telephony_call_lines_unreadable_total 0.0" in metrics
    _nowhere(agent, [BODY[:12], "01134960111", OUTSIDE, MOBILE[1:]])


async def test_texts_while_the_agent_is_down_and_calls_beside_them(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent:
        await agent.kill()
        async with Inbox(phones["202"]), Callee(phones["203"]):
            await phones["201"].call("203", steps=[Talk(0.5)])
            await asyncio.gather(*(phones[line].text("202", BODY) for line in ("201", "203", "204", "205")))
            await pbx.quiet()
        held = await pbx.written_texts(4)
        assert b"CANARY" not in held
        await pbx.restart()
        await agent.start()
        texts = await all_in(pbx, agent, 4)
        assert len(agent.stored("call")) == 1
    assert {text["line"] for text in texts} == {"201", "203", "204", "205"}
    _nowhere(agent, ["CANARY"])


async def test_a_text_to_999_rings_nobody_and_is_answered_and_alarmed(pbx: CallsLab, tmp_path: Path) -> None:
    """Also where texts land in the context of calls, as those of 208 do."""
    phones = await pbx.phones()
    phones["208"] = Phone(pbx, "208", local_ip="127.0.8.8")
    await phones["208"].register()
    async with (
        pbx.agent(tmp_path / "agent") as agent,
        Inbox(phones["201"]) as inbox,
        Inbox(phones["208"]) as other,
        Trunk(pbx, "trunk-a") as services,
    ):
        await phones["201"].text("999", BODY)
        await phones["208"].text("9112", BODY)
        texts = await all_in(pbx, agent, 2)
        alarms = await agent.some("alarm", 2, cause="text")
        await agent.until(lambda: inbox.texts and other.texts, "the answers")
        assert services.invites == []
        assert agent.stored("emergency") == []
        # and a call goes out as ever
        await phones["201"].call("999", steps=[Talk(0.5)])
        assert len(services.invites) == 1
    assert inbox.texts[0].body.startswith("NOT SENT.")
    assert seen(texts) == [
        ("201", "outgoing", "emergency", "short", "refused", False),
        ("208", "outgoing", "emergency", "short", "refused", False),
    ]
    assert {(alarm["subject"], alarm["severity"]) for alarm in alarms} == {(each["id"], "critical") for each in texts}
    assert BODY not in str(alarms)


async def test_what_a_sender_writes_adds_no_field_and_no_line(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    phones["201"].name = HOSTILE
    async with pbx.agent(tmp_path / "agent") as agent, Inbox(phones["202"]) as inbox:
        await phones["201"].text("202", 'a")}${EXTEN},(\r\ntext1,"1.000000","x"')
        forged = "%22%0D%0Atext1,%221.000000%22,%22outgoing%22"
        await trunk_text(pbx, "trunk-a", "01134960202", BODY, caller=forged, name=HOSTILE)
        await trunk_text(pbx, "trunk-a", "01134960202", BODY, caller="0" * 300)
        texts = await all_in(pbx, agent, 3)
        await agent.until(lambda: len(inbox.texts) >= 1, "the text")
        metrics = agent.get("/metrics")[1]
    assert inbox.texts[0].cli == "201"
    assert seen(texts) == [
        ("201", "internal", "internal", "short", "sent", False),
        ("202", "incoming", "unknown", "short", "failed", False),
        ("202", "incoming", "unknown", "short", "failed", False),
    ]
    assert "telephony_call_lines_unreadable_total 0.0" in metrics


async def test_check_knows_where_texts_land(pbx: CallsLab) -> None:
    found = await checked(pbx)
    assert "texts.module" not in found
    severity, text = found["texts.contexts"]
    assert severity == "warning"
    assert "PJSIP/208" in text
    assert "PJSIP/201" not in text


def _nowhere(agent: AgentProcess, said: list[str]) -> None:
    """In no file of the agent's: store, WAL, log."""
    for path in agent.folder.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [each for each in said if each.encode() in held], path
