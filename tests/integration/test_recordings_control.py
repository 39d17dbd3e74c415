"""Recordings on the control socket: each use is on record before anything is shown, given out or destroyed."""

import asyncio
import getpass
import json
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.core.records import Audit, Calls, ContentState, How, OptIn, Reason, RecordingState, Trigger
from agent.people.auditing import Auditing
from agent.people.recordings import PAGE
from agent.ports import StoreError
from agent.views import unix
from tests.integration.recorded import PIECE, Running, SealedVault, content, recording, running, wave
from tests.scenarios.made import AT

ONE, TWO, NONE = "1a" * 8, "2b" * 8, "00" * 8
LOGIN = getpass.getuser()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "agent") as agent:
        yield agent


def uses(agent: Running) -> list[tuple[str, str, str, str]]:
    return [(each["use"], each["recording"], each["by"], each["reason"]) for each in agent.stored("access")]


def audited(agent: Running) -> list[tuple[str, str, str]]:
    entries = sorted(agent.stored("audit"), key=lambda entry: int(entry["seq"]))
    return [(each["use"], each["subject"], each["by"]) for each in entries]


# What is given out


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7])
@pytest.mark.parametrize(("path", "use"), [("play", "played"), ("export", "exported")])
async def test_a_wave_comes_whole_and_its_use_is_on_record(agent: Running, path: str, use: str, size: int) -> None:
    plain = await agent.recorded(ONE, size)
    await agent.recorded(TWO, size)
    answer = await agent.asked(f"/recordings/{path}", {"id": ONE, "reason": "the customer asked", "by": "Sam"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content == plain
    assert uses(agent) == [(use, ONE, f"Sam ({LOGIN})", "the customer asked")]
    for written in map(str, agent.log):
        assert "Sam" not in written
        assert "customer" not in written


async def test_nothing_is_given_out_or_destroyed_before_its_use_is_on_disk(agent: Running) -> None:
    plain = await agent.recorded(ONE)
    with closing(sqlite3.connect(agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for path, asked in (
            ("/recordings/list", {"reason": "asked"}),
            ("/recordings/play", {"id": ONE, "reason": "asked"}),
            ("/recordings/export", {"id": ONE, "reason": "asked"}),
            ("/recordings/delete", {"id": ONE, "reason": "asked", "why": "customer"}),
        ):
            answer = await agent.asked(path, asked)
            assert answer.status_code == 503, path
            assert "locked by another program" in answer.json()["error"]
            assert ONE not in answer.text
        other.execute("ROLLBACK")
    assert agent.vault.given == []
    assert agent.vault.held == {ONE: plain}
    assert agent.stored("content")[0]["state"] == "kept"


async def test_what_breaks_off_never_looks_like_a_shorter_recording(agent: Running) -> None:
    await agent.recorded(ONE, 4 * PIECE)
    agent.vault.breaks_after = 2 * PIECE
    with pytest.raises(httpx.RemoteProtocolError):
        await agent.asked("/recordings/export", {"id": ONE, "reason": "asked"})
    agent.vault.breaks_after = 0
    answer = await agent.asked("/recordings/export", {"id": ONE, "reason": "asked"})
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "the sealed file is damaged", "hint": "restore it"},
    )
    agent.vault.breaks_after = None
    assert (await agent.asked("/recordings/export", {"id": ONE, "reason": "asked"})).status_code == 200


@pytest.mark.parametrize("held", [2 * PIECE - 1, 2 * PIECE + 1, 3 * PIECE])
async def test_a_wave_of_another_length_than_its_record_says_is_no_answer(agent: Running, held: int) -> None:
    await agent.recorded(ONE, 2 * PIECE)
    agent.vault.held[ONE] = wave(1, held)
    with pytest.raises(httpx.RemoteProtocolError):
        await agent.asked("/recordings/play", {"id": ONE, "reason": "asked"})


async def test_who_hangs_up_in_the_middle_costs_nobody_else(agent: Running) -> None:
    plain = await agent.recorded(ONE, 300 * PIECE)
    body = json.dumps({"id": ONE, "reason": "asked"}).encode()
    for _ in range(5):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, str(unix.beside(agent.store)))
        head = f"POST /recordings/play HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        await loop.sock_sendall(client, head.encode() + body)
        assert await loop.sock_recv(client, 100)
        client.close()
    answer = await agent.asked("/recordings/play", {"id": ONE, "reason": "asked"})
    assert answer.content == plain


# What there is not


async def test_what_is_not_to_be_had_says_why(agent: Running) -> None:
    await agent.recorded(ONE)
    await agent.keep(
        recording("3c" * 8, state=RecordingState.RECORDING, stopped_at=None),
        recording("4d" * 8, state=RecordingState.NOT_STARTED),
        recording("5e" * 8),
    )
    await agent.keep(
        content("5e" * 8, 9, state=ContentState.LOST, reason=Reason.MISSING, deleted_at=AT),
    )
    for id, status, words in (
        (NONE, 404, "no recording has this id"),
        (ONE[:8], 404, "no recording has this id"),
        ("3c" * 8, 409, "not ended yet"),
        ("4d" * 8, 410, "nothing is kept"),
        ("5e" * 8, 410, "lost (missing)"),
    ):
        for path in ("play", "export", "delete"):
            asked = {"id": id, "reason": "asked"} | ({"why": "mistake"} if path == "delete" else {})
            answer = await agent.asked(f"/recordings/{path}", asked)
            assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert uses(agent) == []


async def test_without_a_site_key_nothing_is_opened(tmp_path: Path) -> None:
    async with running(tmp_path / "agent", vault=None) as agent:
        await agent.keep(recording(ONE))
        await agent.keep(content(ONE, 9))
        for path, more in (("play", {}), ("export", {}), ("delete", {"why": "mistake"})):
            answer = await agent.asked(f"/recordings/{path}", {"id": ONE, "reason": "asked", **more})
            assert (answer.status_code, "no site key" in answer.json()["error"]) == (503, True)
            assert "keys init" in answer.json()["hint"]
        assert uses(agent) == []
        # what is known of it may be seen all the same
        assert (await agent.asked("/recordings/list", {"reason": "asked"})).json()["id"] == ONE


# Deleting


async def test_deleting_destroys_the_content_and_says_who_did_and_why(agent: Running) -> None:
    await agent.recorded(ONE)
    kept = await agent.recorded(TWO)
    answer = await agent.asked("/recordings/delete", {"id": ONE, "why": "erasure", "reason": "ticket 7", "by": "Kim"})
    assert answer.status_code == 200, answer.text
    assert agent.vault.held == {TWO: kept}
    (gone, other) = agent.stored("content")
    assert gone | {"id": ONE, "state": "deleted", "deleted_by": f"Kim ({LOGIN})", "reason": "erasure"} == gone
    assert gone["deleted_at"] is not None
    assert other["state"] == "kept"
    assert uses(agent) == [("deleted", ONE, f"Kim ({LOGIN})", "ticket 7")]
    for path, more in (("play", {}), ("export", {}), ("delete", {"why": "mistake"})):
        answer = await agent.asked(f"/recordings/{path}", {"id": ONE, "reason": "again", **more})
        assert (answer.status_code, answer.json()["error"]) == (
            410,
            "the content of this recording is gone: deleted (erasure)",
        )
    assert agent.stored("content")[0] == gone


async def test_what_is_held_is_not_deleted_by_hand_either(tmp_path: Path) -> None:
    async with running(tmp_path / "agent", held=["201"]) as agent:
        await agent.recorded(ONE)
        answer = await agent.asked("/recordings/delete", {"id": ONE, "why": "customer", "reason": "asked"})
        assert answer.status_code == 409
        assert "for a legal reason" in answer.json()["error"]
        assert agent.stored("content")[0]["state"] == "kept"
        assert ONE in agent.vault.held


async def test_a_hold_that_is_placed_while_a_deletion_is_being_written_down_keeps_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    async with running(tmp_path / "agent", held=held) as agent:
        await agent.recorded(ONE)
        note = Auditing.note

        async def noted(*args: Any, **more: Any) -> Audit:
            async with agent.served.destroying:
                held.append("201")
            return await note(*args, **more)

        monkeypatch.setattr(Auditing, "note", noted)
        answer = await agent.asked("/recordings/delete", {"id": ONE, "why": "customer", "reason": "asked"})
        assert answer.status_code == 409
        assert "for a legal reason" in answer.json()["error"]
        assert agent.stored("content")[0]["state"] == "kept"
        assert ONE in agent.vault.held


async def test_a_hold_waits_for_a_recording_that_is_being_destroyed(tmp_path: Path) -> None:
    slow = Slow()
    async with running(tmp_path / "agent", vault=slow) as agent:
        await agent.recorded(ONE)
        asked = asyncio.create_task(agent.asked("/recordings/delete", {"id": ONE, "why": "customer", "reason": "x"}))
        assert await asyncio.to_thread(slow.begun.wait, 20)
        assert agent.served.destroying.locked()
        slow.go_on.set()
        assert (await asked).status_code == 200
        assert not agent.served.destroying.locked()


class Slow:
    """A vault whose destroying waits until it is let go on, or fails."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.destroyed: list[str] = []
        self.refusal: StoreError | None = None

    def read(self, id: str) -> Iterator[bytes]:
        yield self.held[id]

    def destroy(self, id: str) -> bool:
        self.begun.set()
        assert self.go_on.wait(20)
        if self.refusal is not None:
            raise self.refusal
        self.destroyed.append(id)
        return self.held.pop(id, None) is not None


async def test_of_two_who_delete_the_same_one_did_it(tmp_path: Path) -> None:
    slow = Slow()
    async with running(tmp_path / "agent", vault=slow) as agent:
        await agent.recorded(ONE)
        both = [
            asyncio.create_task(
                agent.asked("/recordings/delete", {"id": ONE, "why": why, "reason": "asked", "by": why})
            )
            for why in ("customer", "mistake")
        ]
        slow.go_on.set()
        answers = await asyncio.gather(*both)
        assert sorted(answer.status_code for answer in answers) == [200, 410]
        (done,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert agent.stored("content")[0]["deleted_by"] == done["deleted_by"]
        assert [use[:2] for use in uses(agent)] == [("deleted", ONE)]
        assert slow.destroyed == [ONE]


async def test_what_could_not_be_destroyed_is_not_said_to_be_gone(tmp_path: Path) -> None:
    slow = Slow()
    slow.go_on.set()
    slow.refusal = StoreError("the disk is read-only", "mount it read-write")
    async with running(tmp_path / "agent", vault=slow) as agent:
        await agent.recorded(ONE)
        asked = {"id": ONE, "why": "customer", "reason": "asked"}
        answer = await agent.asked("/recordings/delete", asked)
        assert (answer.status_code, answer.json()["error"]) == (503, "the disk is read-only")
        assert agent.stored("content")[0]["state"] == "kept"
        slow.refusal = None
        assert (await agent.asked("/recordings/delete", asked)).status_code == 200


async def test_what_is_destroyed_while_the_agent_is_stopped_is_on_record_as_such(tmp_path: Path) -> None:
    slow = Slow()
    async with running(tmp_path / "agent", vault=slow) as agent:
        await agent.recorded(ONE)
        deleting = asyncio.create_task(agent.served.delete(ONE, Reason.CUSTOMER, "asked", "Sam"))
        assert await asyncio.to_thread(slow.begun.wait, 20)
        deleting.cancel()
        slow.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await deleting
        await agent.keep(recording(TWO))
        assert agent.stored("content")[0]["state"] == "deleted"


# With the agent's own vault


@pytest.fixture
async def sealing(tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "vault").mkdir()
    async with running(tmp_path / "agent", vault=SealedVault(tmp_path / "vault")) as agent:
        yield agent
        agent.vault.keyring.close()


@pytest.mark.parametrize("size", [1, PIECE, 5 * PIECE + 7])
async def test_what_was_sealed_comes_back_and_once_deleted_neither_file_nor_key_is_left(
    sealing: Running, size: int
) -> None:
    plain = await sealing.recorded(ONE, size)
    other = await sealing.recorded(TWO, size)
    assert (await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})).content == plain
    answer = await sealing.asked("/recordings/delete", {"id": ONE, "reason": "asked", "why": "customer"})
    assert answer.status_code == 200, answer.text
    assert [path.name for path in sealing.vault.folder.iterdir()] == [f"{TWO}.sealed"]
    assert sealing.vault.keyring.ids() == [TWO]
    assert (await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})).status_code == 410
    assert (await sealing.asked("/recordings/export", {"id": TWO, "reason": "asked"})).content == other


async def test_what_somebody_changed_on_the_disk_is_never_given_out(sealing: Running) -> None:
    plain = await sealing.recorded(ONE, 6 * PIECE)
    file = sealing.vault.folder / f"{ONE}.sealed"
    whole = file.read_bytes()
    for place in (len(whole) - 1, 5 * PIECE):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(httpx.RemoteProtocolError):
            await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})
    file.write_bytes(whole[: 3 * PIECE])
    with pytest.raises(httpx.RemoteProtocolError):
        await sealing.asked("/recordings/play", {"id": ONE, "reason": "asked"})
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    answer = await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})
    assert answer.status_code == 503
    assert plain[:100] not in answer.content
    file.unlink()
    assert (await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})).status_code == 503
    file.write_bytes(whole)
    assert (await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})).content == plain
    sealing.vault.keyring.destroy(ONE)
    assert (await sealing.asked("/recordings/export", {"id": ONE, "reason": "asked"})).status_code == 503


# Lists


async def test_a_list_has_what_became_of_each_and_is_itself_on_record(agent: Running) -> None:
    await agent.recorded(TWO, line="202", started_at=AT + 5)
    await agent.recorded(ONE)
    await agent.keep(recording("3c" * 8, at=AT + 9, line="202"))

    async def listed(**asked: Any) -> list[tuple[str, str | None]]:
        answer = await agent.asked("/recordings/list", {"reason": "a complaint", **asked})
        assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
        return [(each["id"], each["content"] and each["content"]["state"]) for each in found]

    assert await listed() == [(ONE, "kept"), (TWO, "kept"), ("3c" * 8, None)]
    assert await listed(line="202", since=AT + 6) == [("3c" * 8, None)]
    assert await listed(line="nobody") == []
    assert uses(agent) == [("listed", "", LOGIN, "a complaint")] * 3


async def test_a_long_list_comes_whole(agent: Running) -> None:
    ids = [f"{n:016x}" for n in range(2 * PAGE + 1)]
    await agent.keep(*(recording(id, at=AT + n) for n, id in enumerate(ids)))
    answer = await agent.asked("/recordings/list", {"reason": "asked"})
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ids


# Opt-ins


async def test_an_opt_in_stands_until_it_is_withdrawn(agent: Running) -> None:
    asked = {"line": "201", "trigger": "service", "calls": "incoming", "purpose": "training", "by": "Sam"}
    answer = await agent.asked("/optins/add", asked)
    assert answer.status_code == 200, answer.text
    (given,) = agent.stored("optin")
    assert given == answer.json()
    assert given | {"how": "command", "by": f"Sam ({LOGIN})", "withdrawn_at": None, "calls": "incoming"} == given
    again = await agent.asked("/optins/add", asked | {"purpose": "another"})
    assert (again.status_code, "already" in again.json()["error"]) == (409, True)
    assert (await agent.asked("/optins/add", asked | {"calls": "outgoing"})).status_code == 200
    answer = await agent.asked("/optins/withdraw", {"id": given["id"], "by": "Kim"})
    assert answer.json()["withdrawn_by"] == f"Kim ({LOGIN})"
    assert [each["withdrawn_by"] for each in agent.stored("optin")] == [f"Kim ({LOGIN})", None]
    assert (await agent.asked("/optins/withdraw", {"id": given["id"]})).status_code == 404
    assert (await agent.asked("/optins/add", asked)).status_code == 200


async def test_an_opt_in_counts_once_it_is_on_disk_and_a_withdrawal_at_once(agent: Running) -> None:
    asked = {"line": "201", "trigger": "pa", "purpose": "minutes"}
    given = (await agent.asked("/optins/add", asked)).json()
    assert not [written for written in map(str, agent.log) if "'201'" in written or "minutes" in written]
    with closing(sqlite3.connect(agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await agent.asked("/optins/add", asked | {"line": "202"})).status_code == 503
        assert (await agent.asked("/optins/withdraw", {"id": given["id"]})).status_code == 503
        assert [each.line for each in agent.pipeline.engine.consents.standing()] == ["202"]
        other.execute("ROLLBACK")
    await agent.keep(recording(ONE))
    assert [(each["line"], each["withdrawn_at"] is None) for each in agent.stored("optin")] == [
        ("201", False),
        ("202", True),
    ]


async def test_a_press_is_nothing_that_can_be_written_down(agent: Running) -> None:
    for trigger in ("button", "code", "none", ""):
        answer = await agent.asked("/optins/add", {"line": "201", "trigger": trigger, "purpose": "x"})
        assert (answer.status_code, "trigger takes service, pa or customer_service" in answer.text) == (422, True)
    answer = await agent.asked("/optins/add", {"line": "201", "trigger": "pa", "calls": "one", "purpose": "x"})
    assert answer.status_code == 422
    pressed = OptIn(
        id="77" * 8, line="201", trigger=Trigger.BUTTON, calls=Calls.ONE, how=How.PRESS, by=None, given_at=AT
    )
    agent.pipeline.engine.consents.restore([pressed])
    assert (await agent.asked("/optins/withdraw", {"id": pressed.id})).status_code == 404


# Captures


async def test_captures_are_asked_for_by_who_asks(agent: Running) -> None:
    answers = [
        await agent.asked("/recordings/start", {"line": "201", "by": "Sam"}),
        *[await agent.asked(f"/recordings/{what}", {"id": ONE}) for what in ("pause", "resume", "stop")],
    ]
    assert [answer.json()["state"] for answer in answers] == ["opted_in", "paused", "recording", "stopped"]
    assert agent.capturing.asked == [
        ("start", "201", f"Sam ({LOGIN})"),
        ("pause", ONE, LOGIN),
        ("resume", ONE, LOGIN),
        ("stop", ONE, LOGIN),
    ]
    await agent.keep(recording(ONE))
    assert audited(agent) == [
        ("started", "201", f"Sam ({LOGIN})"),
        ("paused", ONE, LOGIN),
        ("resumed", ONE, LOGIN),
        ("stopped", ONE, LOGIN),
    ]


async def test_nothing_is_captured_that_nobody_is_on_record_for_and_stopping_waits_for_no_record(
    agent: Running,
) -> None:
    with closing(sqlite3.connect(agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for what, asked in (("start", {"line": "201"}), ("resume", {"id": ONE})):
            assert (await agent.asked(f"/recordings/{what}", asked)).status_code == 503
        assert agent.capturing.asked == []
        for what in ("pause", "stop"):
            assert (await agent.asked(f"/recordings/{what}", {"id": ONE})).status_code == 200
        assert agent.capturing.asked == [("pause", ONE, LOGIN), ("stop", ONE, LOGIN)]
        other.execute("ROLLBACK")
    await agent.keep(recording(ONE))
    assert [use for use, _, _ in audited(agent)] == ["started", "resumed", "paused", "stopped"]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (LookupError("no recording with this id runs now"), 404, "no recording with this id runs now"),
        (KeyError("this line is in no call now"), 404, "this line is in no call now"),
        (ValueError("it is paused already"), 409, "it is paused already"),
        (ConnectionResetError(), 502, "Asterisk does not answer"),
        (TimeoutError(), 502, "Asterisk does not answer"),
        (StoreError("the disk is full", "make room"), 503, "the disk is full"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_cannot_be_captured_is_one_sentence(
    agent: Running, error: Exception, status: int, words: str
) -> None:
    agent.capturing.refusal = error
    for path, asked in (
        ("start", {"line": "201"}),
        ("pause", {"id": ONE}),
        ("resume", {"id": ONE}),
        ("stop", {"id": ONE}),
    ):
        answer = await agent.asked(f"/recordings/{path}", asked)
        assert answer.status_code == status
        assert answer.json()["error"].startswith(words)


# Hostile requests

HOSTILE: list[Any] = [
    b"{",
    b"[]",
    b"\xff",
    {"id": "'; DROP TABLE contents; --"},
    {"id": "../../etc/passwd"},
    {"id": "00\n"},
    {"id": "a" * 65},
    {"id": 7},
    {"reason": ""},
    {"reason": "\x1b[31mred"},
    {"reason": "x" * 100_000},
    {"reason": "a\u202eb"},
    {"why": "expired"},
    {"why": "unasked"},
    {"line": "2 01"},
    {"line": "201\r\nAction: Hangup"},
    {"line": "x" * 81},
    {"since": -1},
    {"since": 1 << 60},
    {"since": "yesterday"},
    {"purpose": "\0"},
    {"calls": "one"},
    {"trigger": "button"},
    {"by": "x" * 41},
    {"admin": True},
]
RIGHT: dict[str, dict[str, Any]] = {
    "/recordings/list": {"reason": "asked", "line": "201", "since": 0},
    "/recordings/play": {"id": ONE, "reason": "asked"},
    "/recordings/export": {"id": ONE, "reason": "asked"},
    "/recordings/delete": {"id": ONE, "reason": "asked", "why": "customer"},
    "/recordings/start": {"line": "201"},
    "/recordings/stop": {"id": ONE},
    "/recordings/pause": {"id": ONE},
    "/recordings/resume": {"id": ONE},
    "/optins/add": {"line": "201", "trigger": "pa", "purpose": "x"},
    "/optins/withdraw": {"id": ONE},
}


@pytest.mark.parametrize("path", RIGHT)
async def test_hostile_requests_change_nothing_and_are_not_repeated(agent: Running, path: str) -> None:
    await agent.recorded(ONE)
    before = {kind: agent.stored(kind) for kind in ("recording", "content", "optin", "access")}
    for wrong in HOSTILE:
        answer = await agent.asked(path, wrong if isinstance(wrong, bytes) else RIGHT[path] | wrong)
        assert answer.status_code in (413, 422), (wrong, answer.text)
        sentence = answer.json()["error"]
        assert sentence.isprintable()
        assert len(sentence) < 200
        assert "DROP" not in sentence
    for name in set(RIGHT[path]) - {"line", "since"}:
        answer = await agent.asked(path, {key: value for key, value in RIGHT[path].items() if key != name})
        assert (answer.status_code, f"{name} is missing" in answer.json()["error"]) == (422, True)
    assert {kind: agent.stored(kind) for kind in before} == before
    assert agent.vault.given == []
    assert agent.capturing.asked == []
