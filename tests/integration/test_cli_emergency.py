"""The desk's commands as people and programs use them."""

import asyncio
import getpass
import json
import os
import pty
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.cli import views
from agent.cli.shown import cell
from agent.core.records import Alarm, Cause, Outcome, SeenBy, Severity, document
from agent.duties.assurance import Reach
from agent.ports import StoreError
from agent.stores.sqlite import SqliteStore
from agent.views import control, unix
from agent.views.api import Http
from agent.views.control import Refusal
from tests.integration.commands import COMMAND, ROOT, SITES, Desk, desk, one_sentence, told
from tests.scenarios.made import AT, emergency

SECOND = 1000


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path / "agent") as running:
        yield running


@pytest.fixture
async def stored(tmp_path: Path) -> Path:
    """A configuration, and a store that no agent is running on: two calls, a rehearsal, two alarms."""
    (tmp_path / "agent.toml").write_text(
        '[store]\nurl = "sqlite:///./agent.sqlite"\n[emergency]\nsites_file = "sites.toml"\n'
    )
    (tmp_path / "sites.toml").write_text(SITES)
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    alarm = Alarm(
        id="aa00000000000001",
        cause=Cause.EMERGENCY,
        subject="ab00000000000001",
        what="call to 999",
        severity=Severity.CRITICAL,
        raised_at=AT,
    )
    await store.commit(
        [
            emergency(id="ab00000000000001", outcome=Outcome.ANSWERED),
            emergency(id="ab00000000000002", outcome=Outcome.FAILED, seen_by=SeenBy.CALLS),
            _rehearsal("ac00000000000003"),
            alarm,
        ],
        durable=True,
    )
    await store.close()
    (tmp_path / "agent.sqlite.key").write_bytes(bytes(32))
    return tmp_path


def _rehearsal(id: str) -> Any:
    return replace(emergency(id=id, outcome=Outcome.ANSWERED), test=True, started_at=AT + SECOND)


def listed(folder: Path, *options: str) -> list[dict[str, Any]]:
    done = told("emergency", "list", "--json", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# list


def test_list_shows_alarms_and_keeps_rehearsals_apart(stored: Path) -> None:
    first, second = listed(stored)
    assert (first["id"], first["alarm"]["id"]) == ("ab00000000000001", "aa00000000000001")
    assert (second["id"], second["alarm"]) == ("ab00000000000002", None)
    assert [call["id"] for call in listed(stored, "--open")] == ["ab00000000000001"]
    assert [(call["id"], call["test"]) for call in listed(stored, "--tests")][-1] == ("ac00000000000003", True)
    assert listed(stored, "--since=2990-01-01") == []
    shown = told("emergency", "list", "--tests", cwd=stored).stdout
    assert "rehearsal" in shown
    assert "rehearsal" not in told("emergency", "list", cwd=stored).stdout


def test_what_is_shown_of_an_alarm_says_whose_it_is() -> None:
    alarm = Alarm(id="a", cause=Cause.EMERGENCY, subject="e", severity=Severity.CRITICAL, raised_at=AT)
    said = [
        views.state(None),
        views.state(document(alarm)),
        views.state(_with(alarm, escalated_at=AT, level=2)),
        views.state(_with(alarm, acknowledged_at=AT, acknowledged_by="Sam (desk)")),
        views.state(_with(alarm, acknowledged_at=AT, acknowledged_by="Sam", closed_at=AT, closed_by="Kim (desk)")),
        views.state(_with(alarm, closed_at=AT)),
    ]
    assert said == [
        "none",
        "open",
        "open, escalated to level 2",
        "acknowledged by Sam (desk)",
        "closed by Kim (desk)",
        "closed by the agent",
    ]


def _with(alarm: Alarm, **changes: Any) -> dict[str, Any]:
    return document(replace(alarm, **changes))


# show


async def test_show_puts_together_all_that_is_kept(running: Desk) -> None:
    id = await running.call("Dialled", "Trying", "Answered")
    assert (await running.run("emergency", "ack", id[:12], "--by", "Sam Brown")).returncode == 0
    (shown,) = await running.json("emergency", "show", id[:10])
    assert shown["emergency"]["id"] == id
    assert shown["alarm"]["acknowledged_by"].startswith("Sam Brown (")
    assert shown["timeline"]["whole"] is True
    told = [line["what"] for line in shown["timeline"]["entries"]]
    assert told[:1] + told[-1:] == ["dialled", "acknowledged"]
    assert "detail" not in shown
    text = (await running.run("emergency", "show", id)).stdout
    for words in ("Sam Brown", "the timeline is whole", "emergency-1", "acknowledged"):
        assert words in text
    assert "Wellington" not in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE entries SET by = 'nobody' WHERE what = 'acknowledged'", "was changed"),
        ("DELETE FROM entries WHERE seq = 2", "missing"),
        ("DELETE FROM entries WHERE what = 'acknowledged'", "who took it on"),
    ],
)
async def test_a_timeline_that_somebody_changed_is_shown_as_broken(running: Desk, change: str, told: str) -> None:
    id = await running.call("Dialled", "Trying")
    await running.run("emergency", "ack", id)
    await running.agent.stop()
    with closing(sqlite3.connect(running.agent.store)) as database:
        assert database.execute(change).rowcount == 1
        database.commit()
    done = await running.run("emergency", "show", id)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    assert told in done.stdout
    machine = json.loads((await running.run("emergency", "show", id, "--json")).stdout)
    assert machine["timeline"]["whole"] is False
    assert told in str(machine["timeline"]["problems"])


async def test_the_fuller_view_takes_a_reason_and_a_running_agent(running: Desk) -> None:
    id = await running.call("Dialled", "Trying")
    done = await running.run("emergency", "show", id, "--full")
    assert (done.returncode, done.stdout) == (2, "")
    one_sentence(done, 2, "--reason")
    one_sentence(await running.run("emergency", "show", id, "--reason", "x"), 2, "--full")
    done = await running.run("emergency", "show", id, "--full", "--reason", "the police asked", "--by", "Sam")
    assert done.returncode == 0, done.stderr
    assert "Wellington Street" in done.stdout
    assert "+441134960000" in done.stdout
    (look,) = await running.json("list", "looks")
    assert (look["emergency"], look["reason"]) == (id, "the police asked")
    (machine,) = await running.json("emergency", "show", id, "--full", "--reason", "again")
    assert machine["detail"]["contact"] == "Reception, 0113 496 0000"
    assert [look["reason"] for look in machine["looks"]] == ["the police asked", "again"]
    await running.agent.stop()
    done = await running.run("emergency", "show", id, "--full", "--reason", "later")
    one_sentence(done, 7, "no agent is running")
    assert done.stdout == ""


# ids


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("ab", "several ids begin with 'ab'"),
        ("ff", "no emergency"),
        ("", "no emergency"),
        ("'; DROP TABLE emergencies; --", "no emergency"),
        ("\x1b[2J\r\n", "no emergency"),
        ("%", "no emergency"),
        ("AB00000000000001", "no emergency"),
        ("a" * 100_000, "no emergency"),
        ("\udce4", "no emergency"),
    ],
    ids=lambda value: ascii(value)[:12],
)
@pytest.mark.parametrize("command", [("show",), ("ack",), ("close", "--comment=x")], ids=lambda words: str(words[0]))
def test_what_is_no_id_is_one_sentence(stored: Path, command: tuple[str, ...], id: str, words: str) -> None:
    done = told("emergency", *command, "--", id, cwd=stored)
    one_sentence(done, 6, words)
    assert done.stderr.rstrip("\n").isprintable()
    assert done.stdout == ""


def test_a_whole_id_is_itself_though_another_begins_with_it(stored: Path) -> None:
    done = told("emergency", "show", "ab00000000000002", "--json", cwd=stored)
    assert json.loads(done.stdout)["emergency"]["id"] == "ab00000000000002"


# without an agent


@pytest.mark.parametrize(
    "words",
    [
        ("emergency", "ack", "ab00000000000001"),
        ("emergency", "ack", "aa"),
        ("emergency", "close", "ab00000000000001", "--comment", "x"),
        ("emergency", "test"),
        ("emergency", "phones"),
        ("emergency", "show", "ab00000000000001", "--full", "--reason", "x"),
        ("reload",),
    ],
    ids=lambda words: words[1] if len(words) > 1 else words[0],
)
def test_what_needs_the_agent_says_that_none_is_running(stored: Path, words: tuple[str, ...]) -> None:
    done = told(*words, cwd=stored)
    one_sentence(done, 7, "no agent is running on this store", "agent.sqlite.sock")
    assert done.stdout == ""


async def test_what_answers_but_is_no_agent_is_told(stored: Path) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_unix_server(speak, stored / "agent.sqlite.sock"):
        done = await asyncio.to_thread(told, "emergency", "phones", cwd=stored)
    one_sentence(done, 7)


# how it looks


async def test_piped_text_is_not_folded_and_steers_no_terminal(running: Desk) -> None:
    id = await running.call("Dialled", "Failed", "Ended")
    comment = "[red]x[/nothing] " + "a long comment " * 30
    assert (await running.run("emergency", "close", id, "--comment", comment)).returncode == 0
    for words in (("emergency", "show", id), ("list", "alarms")):
        done = await running.run(*words)
        assert done.returncode == 0, done.stderr
        assert comment.strip() in done.stdout
    assert str(cell("a\x1b[31mb\x9bc\r\nd")) == r"a\x1b[31mb\x9bc\r\nd"


def test_colours_are_for_terminals_and_off_when_unwanted(stored: Path) -> None:
    assert "\x1b[" in _on_a_terminal(stored, {})
    # bold and dim are no colours, so rich leaves them
    assert "\x1b[31m" not in _on_a_terminal(stored, {"NO_COLOR": "1"})
    assert "\x1b" not in told("emergency", "list", cwd=stored, NO_COLOR="").stdout


def test_an_id_can_be_copied_from_a_narrow_terminal(stored: Path) -> None:
    assert "aa00000000000001" in _on_a_terminal(stored, {"COLUMNS": "80", "NO_COLOR": "1"}, "list", "alarms")
    assert "ab00000000000001" in _on_a_terminal(stored, {"COLUMNS": "80", "NO_COLOR": "1"})


def _on_a_terminal(folder: Path, environ: Mapping[str, str], *words: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *(words or ("emergency", "list"))],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environ},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
        except OSError:  # its last reader of a terminal whose process has ended gets EIO
            pass
        assert process.wait() == 0
    os.close(ours)
    return shown.decode()


# phones and rehearsals, as the agent tells of them


def test_each_answer_about_a_phone_is_in_words() -> None:
    assert set(views.ANSWERS) == {reach.value for reach in Reach}


PHONES: list[dict[str, Any]] = [
    {"line": "201", "technology": "PJSIP", "context": "phones", "site": "leeds", "answer": "yes"},
    {"line": "2\x1b[2J", "technology": "PJSIP", "context": "lobby", "site": None, "answer": "no_path"},
]
STEPS: list[dict[str, Any]] = [
    {"step": "a call is placed as 201"},
    {"proof": "routing", "ok": True, "what": "answered over trunk emergency-1"},
    {"proof": "cli", "ok": False, "what": "another number arrived"},
    {"proof": "location", "ok": None, "what": "not set for this trunk"},
    {"passed": False},
]


class Told:
    """An agent of which only what it tells matters; it waits before the last step until it is let go on."""

    def __init__(self, steps: list[dict[str, Any]], phones: list[dict[str, Any]]) -> None:
        self.steps, self.known = steps, phones
        self.go_on = asyncio.Event()
        self.asked: list[tuple[str, str | None, str | None]] = []

    async def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[dict[str, Any]]:
        self.asked.append((by, line, trunk))
        for step in self.steps[:-1]:
            yield step
        await self.go_on.wait()
        if not self.steps:
            raise Refusal(409, "a rehearsal is being held already")
        if "error" in self.steps[-1]:
            raise StoreError(self.steps[-1]["error"], "wait")
        yield self.steps[-1]

    async def phones(self) -> list[dict[str, Any]]:
        return self.known


@asynccontextmanager
async def telling(folder: Path, told: Told) -> AsyncIterator[None]:
    app = control.application(cast(control.Controls, told))
    serving = asyncio.create_task(
        Http(app, unix.listen(folder / "agent.sqlite.sock"), protocol=unix.PeerProtocol).run()
    )
    yield
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


@pytest.mark.parametrize("passed", [True, False])
async def test_a_rehearsal_is_told_as_it_goes_and_its_proofs_at_the_end(stored: Path, passed: bool) -> None:
    steps = [step for step in STEPS[:-1] if not passed or step.get("ok") is not False] + [{"passed": passed}]
    agent = Told(steps, [])
    async with telling(stored, agent):
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "emergency", "test", "--line", "201", "--by", "Sam"),
            cwd=stored,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        # while it is still being held
        assert b"a call is placed as 201" in await process.stderr.readline()
        assert process.returncode is None
        agent.go_on.set()
        out, _ = await process.communicate()
        assert process.returncode == (0 if passed else 1)
        held = {line.split()[0]: line.split()[1] for line in out.decode().splitlines() if " " in line.strip()}
        expected = {"routing": "yes", "location": "not"} | ({} if passed else {"cli": "NO"})
        assert held.items() >= expected.items()
        done = await asyncio.to_thread(told, "emergency", "test", "--json", cwd=stored)
        assert [json.loads(line) for line in done.stdout.splitlines()] == steps
    assert agent.asked == [(f"Sam ({getpass.getuser()})", "201", None), (getpass.getuser(), None, None)]


async def test_a_rehearsal_that_breaks_off_is_no_success(stored: Path) -> None:
    for steps, code, words in (
        ([], 1, "already"),
        ([STEPS[0], {"error": "the disk is full"}], 3, "the disk is full (wait)"),
        ([STEPS[0], STEPS[1]], 1, None),
    ):
        agent = Told(steps, [])
        agent.go_on.set()
        async with telling(stored, agent):
            done = await asyncio.to_thread(told, "emergency", "test", cwd=stored)
        if words is None:
            assert done.returncode == code
        else:
            one_sentence(done, code, words)


async def test_phones_are_told_apart_by_whether_they_can(stored: Path) -> None:
    async with telling(stored, Told([], PHONES)):
        done = await asyncio.to_thread(told, "emergency", "phones", cwd=stored)
        assert done.returncode == 1
        assert "leeds" in done.stdout
        assert "NO: its context does not lead" in done.stdout
        assert "\x1b" not in done.stdout
        done = await asyncio.to_thread(told, "emergency", "phones", "--problems", "--json", cwd=stored)
        assert [json.loads(line) for line in done.stdout.splitlines()] == PHONES[1:]
    async with telling(stored, Told([], PHONES[:1])):
        done = await asyncio.to_thread(told, "emergency", "phones", "--problems", cwd=stored)
        assert (done.returncode, done.stdout, "all of 1 can" in done.stderr) == (0, "", True)
    async with telling(stored, Told([], [])):
        done = await asyncio.to_thread(told, "emergency", "phones", cwd=stored)
        assert (done.returncode, done.stdout, "no phone is registered" in done.stderr) == (0, "", True)


# sites


def test_a_table_of_sites_is_checked(stored: Path) -> None:
    done = told("sites", "check", "sites.toml", cwd=stored)
    assert (done.returncode, done.stdout) == (0, "1 sites, 1 networks, 1 lines\n")
    done = told("sites", "check", "sites.toml", "--json", cwd=stored)
    assert json.loads(done.stdout) == {"sites": 1, "networks": 1, "lines": 1}
    (stored / "sites.toml").write_text(SITES.replace("LS1 4AP", "nowhere"))
    one_sentence(told("sites", "check", "sites.toml", cwd=stored), 2, "sites.toml:7", "postcode")
    one_sentence(told("sites", "check", "none.toml", cwd=stored), 2, "No such file")


def test_where_a_phone_would_be(stored: Path) -> None:
    done = told("sites", "where", "192.0.2.7", "--line", "201", "--json", cwd=stored)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "certainty": "expected",
        "site": "leeds",
        "address": "Leeds office, floor 2, 12 Wellington Street, Leeds, LS1 4AP",
        "contact": "Reception, 0113 496 0000",
        "home": None,
        "confirmed": None,
    }
    done = told("sites", "where", "198.51.100.7", cwd=stored)
    assert (done.returncode, "unknown" in done.stdout) == (1, True)
    for wrong in ("192.0.2.0/24", "leeds", "1.2.3", "\x1b[2J"):
        one_sentence(told("sites", "where", "--", wrong, cwd=stored), 2, "no IP address")
    (stored / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    one_sentence(told("sites", "where", "192.0.2.7", cwd=stored), 2, "sites_file")


# help


@pytest.mark.parametrize(
    ("group", "commands"),
    [("emergency", ("list", "show", "ack", "close", "test", "phones")), ("sites", ("check", "where"))],
)
def test_help_names_every_command(tmp_path: Path, group: str, commands: tuple[str, ...]) -> None:
    help_text = told(group, "--help", cwd=tmp_path).stdout
    for command in commands:
        assert command in help_text
        own = told(group, command, "--help", cwd=tmp_path).stdout
        assert "--config" in own
        assert "--json" in own
