"""The door for Asterisk's scripts: hostile questions get one answer, cost nobody else theirs, and open nothing."""

import asyncio
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.core.normalise import Linker
from agent.core.recording import Tape
from agent.core.records import Calls, RecordingState, Trigger
from agent.core.signals import Wish
from agent.core.tapes import Why
from agent.views import door as module
from agent.views.door import MOST_ASKING, MOST_BYTES, Door
from tests.integration.taped import PATIENCE_S, until

ID = "00112233445566aa"
LINK = Linker(bytes(32))
PRESS = {"trigger": "button", "channel": "PJSIP/201-0000001a", "uniqueid": "1.7", "linkedid": "1.7"}
RESUME = PRESS | {"trigger": "resume"}
SERVICE = {"trigger": "service", "channel": "PJSIP/trunk-1", "uniqueid": "1.7", "line": "203", "calls": "incoming"}
PAUSED = Tape(
    id=ID,
    channel=LINK("1.7"),
    linked=LINK("1.7"),
    line="201",
    leg="caller",
    trigger=Trigger.BUTTON,
    opted_in=True,
    state=RecordingState.PAUSED,
)


class Agent:
    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.answer: str | Why = ID
        self.may: asyncio.Event | None = None
        self.tapes: dict[str, Tape] = {}
        self.impossible: Why | None = None

    async def possible(self) -> Why | None:
        return self.impossible

    async def grant(self, wish: Wish) -> str | Why:
        self.wishes.append(wish)
        if self.may is not None:
            await self.may.wait()
        return self.answer


@asynccontextmanager
async def serving(place: Path, group: str | None = None) -> AsyncIterator[tuple[Agent, Door]]:
    agent = Agent()
    door = Door(
        grant=agent.grant,
        possible=agent.possible,
        find=agent.tapes.get,
        is_phone=lambda line: line == "201",
        link=LINK,
        clock=lambda: 7,
    )
    task = asyncio.create_task(door.serve(place, group))
    try:
        yield agent, door
    finally:
        task.cancel()
        await asyncio.wait([task])


async def opened(place: Path, group: str | None = None) -> None:
    await until(lambda: place.is_socket() and (group is None or stat.S_IMODE(place.stat().st_mode) == 0o660))


async def said(place: Path, data: bytes, *, ends: bool = True) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(place))
    writer.write(data)
    if ends:
        writer.write_eof()
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def asked(place: Path, **question: Any) -> Any:
    return json.loads(await said(place, json.dumps(question).encode() + b"\n"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "door.sock"


async def test_a_press_is_of_the_line_whose_channel_it_is_and_of_no_other(place: Path) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        assert await asked(place, **PRESS, line="999") == {"id": ID}
        (wish,) = agent.wishes
        assert (wish.line, wish.trigger, wish.leg, wish.calls) == ("201", Trigger.BUTTON, "caller", Calls.OUTGOING)
        assert (wish.channel, wish.linked, wish.at) == (LINK("1.7"), LINK("1.7"), 7)


async def test_a_service_names_its_line(place: Path) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        assert await asked(place, **SERVICE, linkedid="1.5") == {"id": ID}
        assert (agent.wishes[0].line, agent.wishes[0].leg, agent.wishes[0].calls) == ("203", "callee", Calls.INCOMING)


@pytest.mark.parametrize("trigger", ["button", "code", "resume"])
@pytest.mark.parametrize("channel", ["PJSIP/trunk-a-0000001b", "PJSIP/2011-00000001", "PJSIP/anonymous-00000001"])
async def test_a_press_of_who_is_no_phone_of_ours_is_refused(place: Path, trigger: str, channel: str) -> None:
    async with serving(place) as (agent, door):
        await opened(place)
        agent.tapes[LINK("1.7")] = PAUSED
        assert await asked(place, **PRESS | {"trigger": trigger, "channel": channel}, line="201") == {"why": "nobody"}
        assert (agent.wishes, door.odd) == ([], 0)


async def test_what_is_paused_on_that_channel_goes_on_under_its_own_name(place: Path) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        agent.tapes[LINK("1.7")] = PAUSED
        assert await asked(place, **RESUME) == {"id": ID}
        assert await asked(place, **RESUME | {"uniqueid": "1.8"}) == {"why": "nobody"}
        agent.impossible = Why.NO_SPACE
        assert await asked(place, **RESUME) == {"why": "full"}
        assert agent.wishes == [], "nothing is granted anew"


@pytest.mark.parametrize(
    ("tape", "why"),
    [
        ({"state": RecordingState.RECORDING}, "running"),
        ({"state": RecordingState.OPTED_IN}, "nobody"),
        ({"state": RecordingState.STOPPED}, "nobody"),
        ({"state": RecordingState.NOT_STARTED}, "nobody"),
        ({"state": RecordingState.PAUSED, "opted_in": False}, "nobody"),
        ({"state": RecordingState.PAUSED, "over": True}, "nobody"),
    ],
)
async def test_what_is_not_paused_is_not_resumed(place: Path, tape: dict[str, Any], why: str) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        agent.tapes[LINK("1.7")] = replace(PAUSED, **tape)
        for agent.impossible in (None, Why.NOT_SAFE):
            assert await asked(place, **RESUME) == {"why": why}


async def test_a_refusal_is_one_word(place: Path) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        agent.answer = Why.NOT_SAFE
        assert await asked(place, **PRESS) == {"why": "unsafe"}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"rubbish\n",
        b"[]\n",
        b"null\n",
        b"\xff\xfe{}\n",
        b'{"trigger":"button"}\n',
        json.dumps(PRESS | {"trigger": "none"}).encode() + b"\n",
        json.dumps(PRESS | {"trigger": "service"}).encode() + b"\n",
        json.dumps(PRESS | {"trigger": ["button"]}).encode() + b"\n",
        json.dumps(PRESS | {"channel": "Local/201@phones-1;1\r\nx"}).encode() + b"\n",
        json.dumps(PRESS | {"channel": ""}).encode() + b"\n",
        json.dumps(RESUME | {"channel": "Local/201@phones-1;1"}).encode() + b"\n",
        json.dumps(PRESS | {"trigger": "pause"}).encode() + b"\n",
        json.dumps(PRESS | {"channel": "x" * 257}).encode() + b"\n",
        json.dumps(PRESS | {"uniqueid": ""}).encode() + b"\n",
        json.dumps(PRESS | {"uniqueid": 7}).encode() + b"\n",
        json.dumps(PRESS | {"id": "1"}).encode() + b"\n",
        json.dumps(SERVICE | {"line": "20 3"}).encode() + b"\n",
        json.dumps(SERVICE | {"line": ""}).encode() + b"\n",
        json.dumps(SERVICE | {"calls": "all"}).encode() + b"\n",
        b'{"trigger":"button","channel":"PJSIP/201-1","uniqueid":"\\ud800"}\n',
        b"[" * 4000 + b"\n",
    ],
)
async def test_what_makes_no_sense_is_refused_and_the_next_is_answered(place: Path, line: bytes) -> None:
    async with serving(place) as (agent, door):
        await opened(place)
        assert json.loads(await said(place, line)) == {"why": "odd"}
        assert (agent.wishes, door.odd) == ([], 1)
        assert await asked(place, **PRESS) == {"id": ID}


@pytest.mark.parametrize("data", [b"", b'{"trigger"', b"x" * (MOST_BYTES * 20) + b"\n"])
async def test_what_is_no_line_gets_no_answer(place: Path, data: bytes) -> None:
    async with serving(place) as (agent, door):
        await opened(place)
        assert await said(place, data) == b""
        await until(lambda: door.odd == 1)
        assert agent.wishes == []


async def test_who_says_nothing_is_sent_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUESTION_S", 0.05)
    async with serving(place) as (_, door):
        await opened(place)
        assert await said(place, b'{"trigger":', ends=False) == b""
        assert door.odd == 1


async def test_a_crowd_is_told_to_come_again_and_leaves_room_for_the_next(place: Path) -> None:
    async with serving(place) as (agent, _):
        await opened(place)
        agent.may = asyncio.Event()
        asking = [asyncio.create_task(asked(place, **PRESS)) for _ in range(MOST_ASKING)]
        await until(lambda: len(agent.wishes) == MOST_ASKING)
        assert await asked(place, **PRESS) == {"why": "busy"}
        agent.may.set()
        assert await asyncio.gather(*asking) == [{"id": ID}] * MOST_ASKING
        assert await asked(place, **PRESS) == {"id": ID}


async def test_only_its_owner_may_ask(place: Path) -> None:
    async with serving(place):
        await opened(place)
        assert stat.S_IMODE(place.stat().st_mode) == 0o600


async def test_or_a_group_that_is_named(place: Path) -> None:
    group = grp.getgrall()[-1]
    async with serving(place, group.gr_name):
        await opened(place, group.gr_name)
        assert place.stat().st_gid == group.gr_gid


async def test_a_group_that_comes_later_is_taken_then(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A door that could not be set up stands in nobody's way, least of all in its own."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    real, known = grp.getgrnam, list[str]()

    def getgrnam(name: str) -> Any:
        if not known:
            raise KeyError(name)
        return real(grp.getgrgid(os.getgid()).gr_name)

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    with capture_logs() as log:
        async with serving(place, "later"):
            await until(lambda: len(log) > 2)
            assert {line.get("reason") for line in log} == {"no group later"}
            assert not place.exists()
            known.append("later")
            await opened(place, "later")
            assert await asked(place, **PRESS) == {"id": ID}


def left(place: Path) -> socket.socket:
    """As a killed agent leaves it."""
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(place))
    old.close()
    return old


def file(place: Path) -> None:
    place.write_bytes(b"precious")


async def test_a_socket_that_a_killed_agent_left_is_replaced(place: Path) -> None:
    left(place)
    async with serving(place):
        await until(lambda: stat.S_IMODE(place.stat().st_mode) == 0o600)
        assert await asked(place, **PRESS) == {"id": ID}
    assert not place.exists()


async def test_what_is_anothers_is_left_alone_until_it_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    with capture_logs() as log:
        file(place)
        async with serving(place):
            await until(lambda: log)
            assert place.read_bytes() == b"precious"
            place.unlink()
            await opened(place)
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(place))
        other.listen()
        async with serving(place) as (agent, _):
            await until(lambda: any(line.get("reason") == "another program answers there" for line in log))
            other.close()
            place.unlink()
            await opened(place)
            assert await asked(place, **PRESS) == {"id": ID}
    assert len(agent.wishes) == 1
    assert all(str(place) not in str(line) for line in log)
