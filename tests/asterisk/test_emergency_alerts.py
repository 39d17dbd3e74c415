"""A real 999 is told to a web server, to a phone by text, to one that rings; also by an agent that was killed."""

import asyncio
import hashlib
import hmac
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.web_ear import WebEar, listening
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.inbox import Inbox
from tests.lab.sip import Callee, Phone, Talk, Trunk

SECRET = "correct-horse-battery"

#: The way of a 999 in the lab is watched as well, and is not what is asked here.
ONLY = 'causes = ["emergency", "channel"]\n'


@pytest.fixture
def ear() -> Iterator[WebEar]:
    with listening() as ear:
        yield ear


def told(lab: Asterisk, folder: Path, channels: str) -> AgentProcess:
    """An agent, not started yet, that tells these channels."""
    folder = folder / "agent"
    folder.mkdir()
    file = folder / "channels.toml"
    file.write_text(channels)
    file.chmod(0o600)
    return AgentProcess(lab, folder=folder, settings=f'[alerts]\nchannels_file = "{file}"\n')


def webhook(url: str, name: str = "desk") -> str:
    return f'[channels.{name}]\nkind = "webhook"\nurl = "{url}"\nsecret = "{SECRET}"\n{ONLY}'


def posts(ear: WebEar, **wanted: object) -> list[dict[str, Any]]:
    """What was posted about alarms with these values."""
    bodies: list[dict[str, Any]] = [json.loads(request.body) for request in ear.requests]
    return [body for body in bodies if wanted.items() <= (body["alarm"] | body["notice"]).items()]


async def caller(lab: Asterisk, line: str = "201", last: int = 1) -> Phone:
    phone = Phone(lab, line, local_ip=f"127.0.6.{last}")
    await phone.register()
    return phone


async def test_the_first_and_the_second_emergency_reach_the_web_server(
    lab: Asterisk, tmp_path: Path, ear: WebEar
) -> None:
    first, second = await caller(lab, "201", 1), await caller(lab, "202", 2)
    async with told(lab, tmp_path, webhook(ear.url())) as agent, Trunk(lab, "trunk-a", ring_s=0.2):
        one = await first.start_call("999", steps=[Talk(3)])
        await agent.until(lambda: len(posts(ear, cause="emergency", news="raised")) == 1, "the first alert")
        two = await second.start_call("112", steps=[Talk(1)])
        await agent.until(lambda: len(posts(ear, cause="emergency", news="raised")) == 2, "the second alert")
        await one.done()
        await two.done()
        calls = {record["id"]: record for record in await agent.some("emergency", 2, outcome="answered")}
        await agent.some("notice", 2, channel="desk", news="raised", state="delivered")
    raised = posts(ear, cause="emergency", news="raised")
    assert [calls[body["alarm"]["subject"]]["line"] for body in raised] == ["201", "202"]
    assert "999" in raised[0]["title"]
    assert "line 201" in raised[0]["title"]
    assert raised[0]["alarm"]["severity"] == "critical"
    for request in ear.requests:
        at, _, signed = request.headers["telephony-agent-signature"].removeprefix("t=").partition(",v1=")
        expected = hmac.new(SECRET.encode(), f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signed, expected)
    # what the desk was told stands nowhere in the log
    for personal in ("line 201", "127.0.6.1", SECRET, ear.url()):
        assert personal not in agent.log


async def test_a_phone_gets_a_text(lab: Asterisk, tmp_path: Path) -> None:
    phone, desk = await caller(lab, "201", 1), await caller(lab, "203", 3)
    text = f'[channels.text]\nkind = "message"\nendpoint = "203"\n{ONLY}'
    async with told(lab, tmp_path, text) as agent, Trunk(lab, "trunk-a"), Inbox(desk) as inbox:
        await phone.call("999", steps=[Talk(0.5)])
        await agent.until(lambda: inbox.texts, "a text")
        notice = await agent.one("notice", channel="text", state="sent")
    (message,) = inbox.texts
    assert message.body.startswith("999 CALL: line 201")
    assert len(message.body) <= 300
    assert '"999 desk"' in message.header("From")
    # Asterisk does not tell whether the phone took it, and so nobody says that it did
    assert notice["delivered_at"] is None


async def test_a_text_to_a_phone_that_is_not_there_is_refused_and_told_elsewhere(
    lab: Asterisk, tmp_path: Path, ear: WebEar
) -> None:
    phone = await caller(lab)
    text = f'[channels.text]\nkind = "message"\nendpoint = "209"\n{ONLY}'
    async with told(lab, tmp_path, text + webhook(ear.url())) as agent, Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(0.5)])
        await agent.until(lambda: posts(ear, cause="channel", subject="text", news="raised"), "the dead channel told")
        notice = await agent.one("notice", channel="text", cause="emergency", state="pending")
    assert notice["error"] == "refused"
    assert len(posts(ear, cause="emergency", news="raised")) == 1


async def test_a_phone_rings_and_who_answers_has_received_it(lab: Asterisk, tmp_path: Path) -> None:
    phone, desk = await caller(lab, "201", 1), await caller(lab, "204", 4)
    ring = f'[channels.bell]\nkind = "ring"\nendpoint = "204"\nring_s = 10\n{ONLY}'
    async with told(lab, tmp_path, ring) as agent, Trunk(lab, "trunk-a"), Callee(desk, ring_s=0.5) as bell:
        await phone.call("999", steps=[Talk(0.5)])
        notice = await agent.one("notice", channel="bell", state="delivered")
        assert len(bell.invites) == 1
    assert notice["delivered_at"] is not None
    assert '"999 desk"' in bell.invites[0].header("From")
    # the bell is no emergency, nor anything else that is kept
    assert len(agent.stored("emergency")) == 1


async def test_a_phone_that_refuses_is_rung_again(lab: Asterisk, tmp_path: Path) -> None:
    phone, desk = await caller(lab, "201", 1), await caller(lab, "204", 4)
    ring = f'[channels.bell]\nkind = "ring"\nendpoint = "204"\nring_s = 5\n{ONLY}'
    async with told(lab, tmp_path, ring) as agent, Trunk(lab, "trunk-a"):
        async with Callee(desk, ring_s=0.1, answers=486):
            await phone.call("999", steps=[Talk(0.5)])
            await agent.one("notice", channel="bell", state="pending", error="refused")
        async with Callee(desk, ring_s=0.1):
            notice = await agent.one("notice", channel="bell", state="delivered")
    assert notice["attempts"] >= 2


async def test_killed_right_after_the_999_it_is_told_after_the_restart(
    lab: Asterisk, tmp_path: Path, ear: WebEar
) -> None:
    phone = await caller(lab)
    ear.answers = [503]
    agent = told(lab, tmp_path, webhook(ear.url()))
    async with agent, Trunk(lab, "trunk-a"):
        call = await phone.start_call("999", steps=[Talk(1)])
        await agent.until(lambda: ear.requests, "the first attempt")
        await agent.kill()
        await call.done()
        await agent.start()
        await agent.until(lambda: len(ear.requests) >= 2, "the second attempt")
        await agent.one("notice", channel="desk", news="raised", state="delivered")
        await agent.one("emergency", line="201")
    raised = posts(ear, news="raised")
    assert len({body["alarm"]["id"] for body in raised}) == 1
    assert ear.requests[0].headers["idempotency-key"] == ear.requests[1].headers["idempotency-key"]


async def test_an_agent_that_was_dead_during_the_call_tells_of_it(lab: Asterisk, tmp_path: Path, ear: WebEar) -> None:
    phone = await caller(lab)
    agent = told(lab, tmp_path, webhook(ear.url()))
    async with agent, Trunk(lab, "trunk-a"):
        await agent.kill()
        await phone.call("999", steps=[Talk(0.5)])
        await agent.start()
        await agent.until(lambda: posts(ear, cause="emergency", news="raised"), "the late alert")
        await agent.one("emergency", seen_by="journal")
    (raised,) = posts(ear, cause="emergency", news="raised")
    assert "late" in raised["alarm"]["what"]


async def test_the_table_is_read_again_without_a_restart(lab: Asterisk, tmp_path: Path, ear: WebEar) -> None:
    phone = await caller(lab)
    agent = told(lab, tmp_path, webhook("http://127.0.0.1:9/"))
    file = agent.folder / "channels.toml"
    async with agent, Trunk(lab, "trunk-a"):
        file.write_text(f"{webhook(ear.url())}level = 7\n")
        code, errors = await reload(agent)
        assert code != 0
        assert "channels.toml:6: [channels] desk.level" in errors
        file.write_text(webhook(ear.url()))
        assert await reload(agent) == (0, "")
        await phone.call("999", steps=[Talk(0.5)])
        await agent.one("notice", channel="desk", news="raised", state="delivered", attempts=1)
    assert len(posts(ear, cause="emergency", news="raised")) == 1


async def reload(agent: AgentProcess) -> tuple[int | None, str]:
    """What `telephony-agent reload` ends with, and says on standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "reload", "--config", str(agent.config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_a_mistake_in_the_table_ends_the_start_with_its_line(lab: Asterisk, tmp_path: Path) -> None:
    agent = told(lab, tmp_path, f"{webhook('https://desk.example.com')}level = 7\n")
    await agent.start(ready=False)
    assert await agent.exited() == 2
    assert "channels.toml:6: [channels] desk.level" in agent.log
    assert SECRET not in agent.log
    shutil.rmtree(agent.folder)
