"""The control socket of a running agent: whose it is, what it takes, and that nothing is done before it is stored."""

import asyncio
import getpass
import json
import os
import shutil
import socket
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.views import unix
from agent.views.control import MOST_BYTES
from tests.integration.commands import SITES, Desk, desk, one_sentence, telephony_agent

NOBODY = 65_534


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path / "agent") as running:
        yield running


def place(running: Desk) -> Path:
    return unix.beside(running.agent.store)


async def asked(running: Desk, path: str, content: Any = None, *, method: str = "POST") -> httpx.Response:
    """The answer to a request: to JSON, or to these very bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
    transport = httpx.AsyncHTTPTransport(uds=str(place(running)))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=20) as client:
        return await client.request(method, path, content=body)


# The socket


async def test_its_owner_alone_may_use_it_and_nothing_of_it_is_on_the_network(running: Desk) -> None:
    mode = place(running).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.agent.http_port}") as client:
        for path in ("/acknowledge", "/close", "/emergencies", "/emergency", "/look", "/rehearse", "/reload"):
            assert (await client.post(path, json={})).status_code == 404
        assert (await client.get("/phones")).status_code == 404
    assert (await asked(running, "/metrics", method="GET")).status_code == 404


async def test_it_goes_when_the_agent_stops_and_one_that_a_killed_agent_left_is_taken_away(running: Desk) -> None:
    assert await running.agent.stop() == 0
    assert not place(running).exists()
    await running.agent.start()
    await running.agent.kill()
    assert place(running).exists()
    await running.agent.start()
    assert (await asked(running, "/phones", method="GET")).status_code == 200


async def test_another_program_in_its_place_costs_no_emergency(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    with unix.listen(folder / "agent.sqlite.sock"):
        async with desk(folder) as running:
            await running.call("Dialled", "Failed", "Ended")
            await running.agent.until(lambda: '"event": "control_refused"' in running.agent.log, "the refusal told")
            assert "another program answers there" in running.agent.log
            assert running.agent.get("/readyz")[0] == 200


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that every user may pass through, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_another_user_is_refused_whatever_the_umask_was(shelf: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with unix.listen(shelf / "s.sock"):
            assert stat.S_IMODE((shelf / "s.sock").stat().st_mode) == 0o600
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(str(shelf / "s.sock"))
                except PermissionError:
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        os.umask(before)


def test_what_is_no_socket_stays_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    path.write_text("somebody's notes")
    with pytest.raises(OSError, match="something else than a socket"):
        unix.listen(path)
    assert path.read_text() == "somebody's notes"


def test_a_store_may_lie_deeper_than_the_address_of_a_socket_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = folder / "agent.sqlite.sock"
    with unix.listen(path), unix.address(path) as name, socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
    # a stale one, too
    with unix.listen(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# What is asked


async def test_who_takes_an_alarm_on_is_the_login_that_the_kernel_tells(running: Desk) -> None:
    login = getpass.getuser()
    for by, kept in (
        (None, login),
        ("Sam Brown", f"Sam Brown ({login})"),
        ("nobody (nobody)", f"nobody (nobody) ({login})"),
        ("x" * 40, f"{'x' * 40} ({login})"),
    ):
        id = await running.call("Dialled")
        answer = await asked(running, "/acknowledge", {"id": id} | ({} if by is None else {"by": by}))
        assert answer.status_code == 200, answer.text
        assert answer.json()["acknowledged_by"] == kept
        assert (await running.agent.one("alarm", subject=id))["acknowledged_by"] == kept
        (line,) = [
            line for line in running.agent.stored("entry") if (line["emergency"], line["what"]) == (id, "acknowledged")
        ]
        assert line["by"] == kept
    for written in running.agent.log.splitlines():
        assert "Sam" not in written
        assert "xxxx" not in written


def _emergencies(running: Desk) -> list[dict[str, Any]]:
    # Beside them an alarm that the store was locked may be there.
    return [alarm for alarm in running.agent.stored("alarm") if alarm["cause"] == "emergency"]


async def test_an_answer_comes_after_the_commit_and_a_store_that_refuses_is_told(running: Desk) -> None:
    id = await running.call("Dialled")
    with closing(sqlite3.connect(running.agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await asked(running, "/acknowledge", {"id": id, "by": "Sam"})
        assert answer.status_code == 503
        assert "locked by another program" in answer.json()["error"]
        assert "stored as soon as" in answer.json()["hint"]
        one_sentence(await running.run("emergency", "ack", id, "--by", "Sam"), 3, "locked by another program")
        assert [alarm["acknowledged_at"] for alarm in _emergencies(running)] == [None]
        other.execute("ROLLBACK")
    answer = await asked(running, "/acknowledge", {"id": id, "by": "Sam"})
    assert answer.status_code == 200
    # in the very moment of the answer
    (alarm,) = _emergencies(running)
    assert alarm["acknowledged_by"].startswith("Sam (")
    # what else the store had refused follows at once
    await running.agent.some("entry", 1, what="acknowledged")


async def test_what_cannot_be_is_one_sentence(running: Desk) -> None:
    id = await running.call("Dialled")
    for path, content, status, words in (
        ("/acknowledge", {"id": "00" * 8}, 404, "no open alarm"),
        ("/close", {"id": id, "comment": "hung up"}, 409, "still up"),
        ("/look", {"id": "00" * 8, "reason": "asked"}, 404, "no emergency"),
        ("/rehearse", {"line": "201"}, 409, "EMERGENCY_REHEARSAL_NUMBER"),
        ("/rehearse", {"line": "2 01"}, 422, "line takes the name of an endpoint"),
        ("/nothing", {}, 404, "Not Found"),
    ):
        answer = await asked(running, path, content)
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert (await asked(running, "/acknowledge", {"id": id})).status_code == 200
    answer = await asked(running, "/acknowledge", {"id": id, "by": "Kim"})
    assert (answer.status_code, "has taken it on already" in answer.json()["error"]) == (409, True)
    assert (await asked(running, "/acknowledge", method="GET")).status_code == 405


HOSTILE: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 60_000,
    b'{"id": "\\ud800"}',
    {"id": "'; DROP TABLE alarms; --"},
    {"id": "00\r\n\x1b[2J"},
    {"id": "00\n"},
    {"id": ""},
    {"id": "a" * 65},
    {"id": 7},
    {"id": ["00"]},
    {"id": None},
    {"id": "00", "by": ""},
    {"id": "00", "by": " \t\n "},
    {"id": "00", "by": "x" * 41},
    {"id": "00", "by": "\x1b[31mred"},
    {"id": "00", "by": "\u202egnipyt"},
    {"id": "00", "by": 0},
    {"id": "00", "admin": True},
]


async def test_hostile_requests_are_refused_in_one_sentence_that_repeats_nothing(running: Desk) -> None:
    for content in HOSTILE:
        for path in ("/acknowledge", "/close", "/look"):
            answer = await asked(running, path, content)
            assert answer.status_code == 422, (path, content, answer.text)
            sentence = answer.json()["error"]
            assert sentence.isprintable()
            assert len(sentence) < 200
            assert "DROP" not in sentence
    huge = {"id": "00", "comment": "x" * (1 << 20)}
    assert (await asked(running, "/close", huge)).status_code == 413
    just = {"id": "00", "comment": "x" * (MOST_BYTES - 100)}
    assert (await asked(running, "/close", just)).status_code == 422
    assert (await asked(running, "/" + "x" * 10_000)).status_code == 404
    assert running.agent.stored("look") == []
    assert "part_failed" not in running.agent.log
    assert "ASGI" not in running.agent.log


async def test_what_people_write_becomes_one_line(running: Desk) -> None:
    id = await running.call("Dialled", "Failed", "Ended")
    comment = "  false\talarm:\r\n child played  [bold]with[/] the phone' OR 1 --  "
    answer = await asked(running, "/close", {"id": id, "comment": comment})
    assert answer.status_code == 200, answer.text
    (alarm,) = running.agent.stored("alarm")
    assert alarm["comment"] == "false alarm: child played [bold]with[/] the phone' OR 1 --"


async def test_clients_that_hang_hold_nobody_up(running: Desk) -> None:
    hanging = []
    for sent in (b"", b"POST /close HTTP/1.1\r\n", b"POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"):
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(place(running))
            writer.write(sent)
            hanging.append(writer)
    id = await running.call("Dialled")
    assert (await asked(running, "/acknowledge", {"id": id})).status_code == 200
    # nor does one of them keep the agent from stopping in order
    assert await running.agent.stop() == 0
    for writer in hanging:
        writer.close()


# The fuller view


async def test_a_look_is_on_record_before_anything_is_shown(running: Desk) -> None:
    id = await running.call("Dialled", "Trying")
    with closing(sqlite3.connect(running.agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await asked(running, "/look", {"id": id, "reason": "the police asked"})
        assert answer.status_code == 503
        assert "Wellington" not in answer.text
        other.execute("ROLLBACK")
    answer = await asked(running, "/look", {"id": id, "by": "Sam", "reason": "the police asked"})
    assert answer.status_code == 200, answer.text
    looks = running.agent.stored("look")
    assert [(look["by"], look["emergency"], look["reason"]) for look in looks][-1] == (
        f"Sam ({getpass.getuser()})",
        id,
        "the police asked",
    )
    assert answer.json()["address"] == "Leeds office, floor 2, 12 Wellington Street, Leeds, LS1 4AP"
    assert answer.json()["cli"] == "+441134960000"
    audited = [(each["use"], each["subject"], each["reason"]) for each in running.agent.stored("audit")]
    assert audited.count(("viewed", id, "the police asked")) == len(looks)
    assert (await running.run("audit", "verify")).returncode == 0
    assert (await asked(running, "/look", {"id": id})).status_code == 422
    assert "Wellington" not in running.agent.log
    assert "police" not in running.agent.log


async def test_once_its_time_is_up_the_fuller_view_is_gone_even_if_it_could_not_be_deleted_yet(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent", "[retention]\ndetail_minutes = 0\n") as running:
        id = await running.call("Dialled", "Failed", "Ended")
        await running.agent.one("emergency", id=id, outcome="failed")
        answer = await asked(running, "/look", {"id": id, "reason": "the police asked"})
        assert (answer.status_code, "gone" in answer.json()["error"]) == (410, True), answer.text
        assert running.agent.stored("look") == []


# The tables


@pytest.mark.parametrize("way", ["command", "signal"])
async def test_a_table_of_sites_is_read_again(running: Desk, way: str) -> None:
    async def reload() -> None:
        if way == "command":
            done = await running.run("reload")
            assert (done.returncode, done.stdout) == (0, "1 sites, 0 channels\n"), done.stderr
        else:
            told = running.agent.log.count('"event": "reloaded"')
            assert running.agent._process is not None
            running.agent._process.send_signal(1)
            await running.agent.until(lambda: running.agent.log.count('"event": "reloaded"') > told, "reloaded")

    first = await running.call("Dialled")
    table = running.agent.folder / "sites.toml"
    table.write_text(SITES.replace("leeds", "york"))
    await reload()
    second = await running.call("Dialled")
    table.write_text(SITES.replace("LS1 4AP", "nowhere"))
    if way == "command":
        one_sentence(await running.run("reload"), 2, "sites.toml:7", "postcode")
    third = await running.call("Dialled")
    sites = {record["id"]: record["site"] for record in running.agent.stored("emergency")}
    assert sites == {first: "leeds", second: "york", third: "york"}


async def test_a_table_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent") as running:
        await running.agent.stop()
        (running.agent.folder / "sites.toml").write_text(SITES.replace("LS1 4AP", "nowhere"))
        done = await asyncio.to_thread(telephony_agent, "run", cwd=running.agent.folder)
        one_sentence(done, 2, "sites.toml:7", "postcode")
