"""The commands for recordings as people and programs use them."""

import asyncio
import getpass
import json
import os
import pty
import shlex
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.records import Calls, How, OptIn, RecordingState, Trigger
from tests.integration.commands import COMMAND, ROOT, one_sentence, told
from tests.integration.recorded import PIECE, Running, recording, running
from tests.scenarios.made import AT

ONE, TWO = "1a" * 8, "1b" * 8
LOGIN = getpass.getuser()
WHY = ("--reason", "the customer asked")


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "agent") as agent:
        yield agent


def uses(agent: Running) -> list[tuple[str, str]]:
    return [(each["use"], each["recording"]) for each in agent.stored("access")]


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELEPHONY_AGENT_")}
    return clean | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


async def process(agent: Running, *command: str) -> tuple[int, bytes, str]:
    """Run ``command`` as a process of its own; its exit code, output and errors."""
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=agent.folder,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out, err.decode()


# Opt-ins


async def test_opt_ins_are_added_listed_and_withdrawn(agent: Running) -> None:
    added = await agent.run(
        *("recording", "optin", "add", "201", "--trigger", "service", "--purpose", "training", "--by", "Sam")
    )
    assert (added.returncode, added.stdout.startswith("opted in: ")) == (0, True), added.stderr
    id = added.stdout.split()[-1]
    (other,) = await agent.json(
        *(
            "recording",
            "optin",
            "add",
            "queue-1",
            "--trigger",
            "customer_service",
            "--calls",
            "incoming",
            "--purpose",
            "x",
        )
    )
    pressed = OptIn(id="ff" * 8, line="201", trigger=Trigger.BUTTON, calls=Calls.ONE, how=How.PRESS, given_at=AT)
    await agent.keep(pressed)
    listed = await agent.json("recording", "optin", "list")
    assert [(each["id"], each["line"], each["calls"]) for each in listed] == [
        (id, "201", "all"),
        (other["id"], "queue-1", "incoming"),
    ]
    assert [each["id"] for each in await agent.json("recording", "optin", "list", "--line", "201")] == [id]
    again = ("recording", "optin", "add", "201", "--trigger", "service", "--purpose", "y")
    one_sentence(await agent.run(*again), 1, "already")
    gone = await agent.run("recording", "optin", "withdraw", id, "--by", "Kim")
    assert (gone.returncode, gone.stdout) == (0, f"withdrawn by Kim ({LOGIN})\n"), gone.stderr
    one_sentence(await agent.run("recording", "optin", "withdraw", id), 6, "no opt-in with this id stands")
    assert [each["id"] for each in await agent.json("recording", "optin", "list")] == [other["id"]]
    everything = await agent.json("recording", "optin", "list", "--all")
    assert {each["id"]: each["withdrawn_by"] for each in everything} == {
        id: f"Kim ({LOGIN})",
        other["id"]: None,
        pressed.id: None,
    }
    table = (await agent.run("recording", "optin", "list", "--all")).stdout
    assert "training" in table
    assert "button" in table


@pytest.mark.parametrize("trigger", ["button", "code", "none"])
async def test_a_press_cannot_be_added(agent: Running, trigger: str) -> None:
    done = await agent.run("recording", "optin", "add", "201", "--trigger", trigger, "--purpose", "x")
    assert done.returncode == 2
    assert agent.stored("optin") == []


# Lists


async def test_a_list_shows_what_became_of_each(agent: Running) -> None:
    await agent.recorded(ONE)
    await agent.recorded(TWO, line="2\x1b[2J", started_at=AT + 5)
    await agent.run("recording", "delete", TWO, "--why", "mistake", *WHY)
    found = await agent.json("recording", "list", *WHY)
    assert [(each["id"], each["content"]["state"]) for each in found] == [(ONE, "kept"), (TWO, "deleted")]
    done = await agent.run("recording", "list", *WHY)
    assert "deleted (mistake)" in done.stdout
    assert "0:09" in done.stdout
    assert "\x1b" not in done.stdout
    assert (await agent.json("recording", "list", "--line", "201", "--since", "2000-01-01", *WHY))[0]["id"] == ONE
    done = await agent.run("recording", "list", "--since", "2990-01-01", *WHY)
    assert (done.returncode, done.stdout, "no recordings" in done.stderr) == (0, "", True)
    assert uses(agent).count(("listed", "")) == 4
    done = await agent.run("recording", "list")
    assert done.returncode == 2
    assert "--reason" in done.stderr


async def test_each_kind_of_record_can_be_listed(agent: Running) -> None:
    await agent.recorded(ONE)
    await agent.run("recording", "optin", "add", "201", "--trigger", "pa", "--purpose", "minutes")
    await agent.run("recording", "delete", ONE, "--why", "erasure", *WHY)
    for kind, words in (
        ("optins", "minutes"),
        ("contents", "erasure"),
        ("accesses", "the customer asked"),
        ("recordings", "button"),
    ):
        assert words in (await agent.run("list", kind)).stdout
        assert len(await agent.json("list", kind)) == 1
    assert (await agent.run("list", "purges")).returncode == 0


async def test_each_use_of_a_recording_is_in_the_audit_and_that_proves_whole(agent: Running) -> None:
    await agent.recorded(ONE)
    await agent.run("recording", "list", *WHY)
    await agent.run("recording", "list", "--line", "201", *WHY)
    await agent.run("recording", "export", ONE, "--to", "call.wav", *WHY)
    await agent.run("recording", "delete", ONE, "--why", "erasure", *WHY)
    said = [("listed", None), ("listed", "201"), ("exported", ONE), ("deleted", ONE)]
    assert agent.audited() == said
    assert len(agent.stored("access")) == len(said)
    done = await agent.run("audit", "verify")
    assert (done.returncode, "4 entries" in done.stderr) == (0, True), done.stdout
    with closing(sqlite3.connect(agent.store)) as other, other:
        other.execute("DROP TRIGGER audits_written_once")
        other.execute("UPDATE audits SET by = 'nobody' WHERE use = 'exported'")
    assert (await agent.run("audit", "verify")).returncode == 1


# Export


async def test_an_export_is_the_wave_and_nobody_elses_to_read(agent: Running) -> None:
    plain = await agent.recorded(ONE, 3 * PIECE + 5)
    before = os.umask(0)
    try:
        done = await agent.run("recording", "export", ONE[:6], "--to", "call.wav", *WHY, "--by", "Sam")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    file = agent.folder / "call.wav"
    assert file.read_bytes() == plain
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (access,) = agent.stored("access")
    assert access | {"use": "exported", "recording": ONE, "by": f"Sam ({LOGIN})", "reason": WHY[1]} == access
    (machine,) = await agent.json("recording", "export", ONE, "--to", "again.wav", *WHY)
    assert machine == {"id": ONE, "file": "again.wav", "bytes": len(plain)}


async def test_an_export_goes_to_standard_output_as_it_is(agent: Running) -> None:
    plain = await agent.recorded(ONE, 3 * PIECE + 5)
    code, out, err = await process(agent, *COMMAND, "recording", "export", ONE, "--to", "-", *WHY)
    assert (code, out, err) == (0, plain, "")
    done = await agent.run("recording", "export", ONE, "--to", "-", *WHY, "--json")
    one_sentence(done, 2, "standard output")


async def test_who_reads_only_the_beginning_of_an_export_gets_one_sentence(agent: Running) -> None:
    await agent.recorded(ONE, 100 * PIECE)
    export = shlex.join([*COMMAND, "recording", "export", ONE, "--to", "-", *WHY])
    code, out, err = await process(agent, "bash", "-c", f"set -o pipefail; {export} | head -c 4")
    assert (code, out) == (1, b"RIFF")
    assert err.splitlines() == ["telephony-agent: standard output cannot be written: Broken pipe"]


async def test_an_output_that_takes_nothing_gets_one_sentence(agent: Running) -> None:
    await agent.recorded(ONE, 100)
    export = shlex.join([*COMMAND, "recording", "export", ONE, "--to", "-", *WHY])
    code, _, err = await process(agent, "bash", "-c", f"{export} >/dev/full")
    assert code == 1
    assert err.splitlines() == ["telephony-agent: standard output cannot be written: No space left on device"]


@pytest.mark.parametrize("there", ["file", "folder", "link"])
async def test_what_stands_there_already_is_left_alone(agent: Running, there: str) -> None:
    await agent.recorded(ONE)
    place = agent.folder / "call.wav"
    (agent.folder / "elsewhere").write_text("somebody's notes")
    if there == "folder":
        place.mkdir()
    elif there == "link":
        place.symlink_to("elsewhere")
    else:
        place.write_text("somebody's notes")
    done = await agent.run("recording", "export", ONE, "--to", "call.wav", *WHY)
    one_sentence(done, 2, "call.wav cannot be made: File exists")
    assert (agent.folder / "elsewhere").read_text() == "somebody's notes"
    if there == "file":
        assert place.read_text() == "somebody's notes"
    # nothing was given out
    assert uses(agent) == []


@pytest.mark.parametrize("to", ["", "none/call.wav", "a\0b", "x" * 300, "\x1b[2J/\n"])
async def test_a_file_that_cannot_be_made_is_one_sentence(agent: Running, to: str) -> None:
    await agent.recorded(ONE)
    done = await agent.run("recording", "export", ONE, "--to", to, *WHY)
    one_sentence(done, 2, "cannot be made")
    assert done.stderr.rstrip("\n").isprintable()
    assert agent.vault.given == []


async def test_an_export_that_breaks_off_leaves_no_file(agent: Running) -> None:
    await agent.recorded(ONE, 4 * PIECE)
    agent.vault.breaks_after = 3 * PIECE
    done = await agent.run("recording", "export", ONE, "--to", "call.wav", *WHY)
    one_sentence(done, 7, "hung up before the end")
    assert not (agent.folder / "call.wav").exists()
    agent.vault.breaks_after = 0
    one_sentence(await agent.run("recording", "export", ONE, "--to", "call.wav", *WHY), 3, "damaged (restore it)")
    one_sentence(await agent.run("recording", "export", TWO, "--to", "call.wav", *WHY), 6, "no recording has this id")
    assert not (agent.folder / "call.wav").exists()


async def test_a_disk_that_is_full_leaves_no_file(agent: Running) -> None:
    await agent.recorded(ONE, 20 * PIECE)
    export = shlex.join([*COMMAND, "recording", "export", ONE, "--to", "call.wav", *WHY])
    code, out, err = await process(agent, "bash", "-c", f"ulimit -f 512; {export}")
    assert (code, out) == (1, b"")
    assert err.splitlines() == ["telephony-agent: call.wav cannot be written: File too large"]
    assert not (agent.folder / "call.wav").exists()


class Held:
    """A vault that gives a few pieces, and the rest once it is let go on."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def read(self, id: str) -> Iterator[bytes]:
        plain = self.held[id]
        for start in range(0, len(plain), PIECE):
            if start >= 4 * PIECE:
                self.waits.set()
                assert self.go_on.wait(180)
            yield plain[start : start + PIECE]

    def destroy(self, id: str) -> bool:
        return self.held.pop(id, None) is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_an_export_that_is_ended_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    vault = Held()
    async with running(tmp_path / "agent", vault=vault) as agent:
        await agent.recorded(ONE, 8 * PIECE)
        command = [*COMMAND, "recording", "export", ONE, "--to", "call.wav", *WHY]
        child = await asyncio.create_subprocess_exec(
            *command, cwd=agent.folder, env=environment(), stderr=asyncio.subprocess.PIPE
        )
        file = agent.folder / "call.wav"
        assert await asyncio.to_thread(vault.waits.wait, 120)
        assert file.exists()
        child.send_signal(number)
        await child.communicate()
        assert child.returncode not in (0, -number)
        assert not file.exists()
        vault.go_on.set()


async def test_progress_is_for_terminals(agent: Running) -> None:
    plain = await agent.recorded(ONE, 40 * PIECE)
    ours, theirs = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        *(*COMMAND, "recording", "export", ONE, "--to", "call.wav", *WHY),
        cwd=agent.folder,
        env=environment() | {"TERM": "xterm"},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_read, ours)
    assert await child.wait() == 0
    os.close(ours)
    assert "/2.6 MB" in shown
    assert (agent.folder / "call.wav").read_bytes() == plain


def _read(terminal: int) -> str:
    shown = b""
    try:
        while chunk := os.read(terminal, 1 << 16):
            shown += chunk
    except OSError:  # its last reader of a terminal whose process has ended gets EIO
        pass
    return shown.decode()


# Play


def program(folder: Path, code: str) -> str:
    """A player: a program of this test's."""
    file = folder / "player.py"
    file.write_text(code)
    return shlex.join([sys.executable, str(file)])


async def test_a_player_hears_the_whole_wave(agent: Running) -> None:
    plain = await agent.recorded(ONE, 3 * PIECE + 5)
    player = program(agent.folder, "import sys; open('heard', 'wb').write(sys.stdin.buffer.read())")
    done = await agent.run("recording", "play", ONE, *WHY, "--player", player)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (agent.folder / "heard").read_bytes() == plain
    assert uses(agent) == [("played", ONE)]
    (machine,) = await agent.json("recording", "play", ONE, *WHY, "--player", player)
    assert machine == {"id": ONE, "bytes": len(plain)}


async def test_who_has_heard_enough_ends_the_player(agent: Running) -> None:
    await agent.recorded(ONE, 100 * PIECE)
    player = program(agent.folder, "import sys; sys.stdin.buffer.read(10)")
    done = await agent.run("recording", "play", ONE, *WHY, "--player", player)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_player_that_fails_is_told(agent: Running) -> None:
    await agent.recorded(ONE)
    player = program(agent.folder, "import sys; sys.stdin.buffer.read(); sys.exit(9)")
    one_sentence(await agent.run("recording", "play", ONE, *WHY, "--player", player), 1, "exit code 9")


async def test_a_wave_that_breaks_off_ends_the_player_and_fails(agent: Running) -> None:
    await agent.recorded(ONE, 4 * PIECE)
    agent.vault.breaks_after = 3 * PIECE
    player = program(agent.folder, "import sys; sys.stdin.buffer.read(); open('heard it all', 'w')")
    one_sentence(await agent.run("recording", "play", ONE, *WHY, "--player", player), 7, "hung up before the end")
    assert not (agent.folder / "heard it all").exists()


@pytest.mark.parametrize(
    ("player", "words"),
    [
        ("", "takes a program"),
        ("'", "takes a program"),
        ("no-such-player -x", "no program no-such-player"),
        ("cat; touch pwned", "no program cat;"),
        ("$(touch pwned)", "no program $(touch"),
        ("a\0b", "takes a program"),
        ("\x1b[2J", r"no program \x1b[2J"),
    ],
)
async def test_a_player_that_is_none_is_one_sentence_and_no_shell_sees_it(
    agent: Running, player: str, words: str
) -> None:
    await agent.recorded(ONE)
    one_sentence(await agent.run("recording", "play", ONE, *WHY, "--player", player), 2, words)
    assert not (agent.folder / "pwned").exists()
    assert uses(agent) == []


async def test_a_machine_without_any_player_says_so_and_one_with_aplay_needs_no_option(agent: Running) -> None:
    plain = await agent.recorded(ONE)
    programs = agent.folder / "bin"
    programs.mkdir()
    done = await agent.run("recording", "play", ONE, *WHY, PATH=str(programs))
    one_sentence(done, 2, "none of aplay, play and ffplay", "--player")
    assert uses(agent) == []
    (programs / "aplay").write_text(f'#!/bin/sh\necho "$*" >args; exec {shlex.quote("/bin/cat")} >heard\n')
    (programs / "aplay").chmod(0o755)
    done = await agent.run("recording", "play", ONE, *WHY, PATH=str(programs))
    assert done.returncode == 0, done.stderr
    assert (agent.folder / "heard").read_bytes() == plain
    assert (agent.folder / "args").read_text() == "-q -\n"


# Delete


async def test_deleting_destroys_and_cannot_be_done_twice(agent: Running) -> None:
    await agent.recorded(ONE)
    done = await agent.run("recording", "delete", ONE[:5], "--why", "customer", *WHY, "--by", "Sam")
    assert (done.returncode, done.stdout) == (0, f"deleted by Sam ({LOGIN})\n"), done.stderr
    assert agent.vault.held == {}
    one_sentence(await agent.run("recording", "delete", ONE, "--why", "mistake", *WHY), 6, "gone: deleted (customer)")
    one_sentence(await agent.run("recording", "export", ONE, "--to", "x", *WHY), 6, "gone: deleted (customer)")
    for wrong in ("expired", "unasked", "empty", ""):
        assert (await agent.run("recording", "delete", ONE, "--why", wrong, *WHY)).returncode == 2


# Captures


async def test_captures_are_started_paused_resumed_and_stopped(agent: Running) -> None:
    await agent.keep(recording(ONE, state=RecordingState.RECORDING, stopped_at=None))
    said = [
        (await agent.run("recording", "start", "201", "--by", "Sam")).stdout,
        *[(await agent.run("recording", what, ONE[:4])).stdout for what in ("pause", "resume", "stop")],
    ]
    assert said == [f"started: {'5a' * 8}\n", "paused\n", "resumed\n", "stopped\n"]
    assert agent.capturing.asked == [
        ("start", "201", f"Sam ({LOGIN})"),
        ("pause", ONE, LOGIN),
        ("resume", ONE, LOGIN),
        ("stop", ONE, LOGIN),
    ]
    (machine,) = await agent.json("recording", "pause", ONE)
    assert (machine["kind"], machine["state"]) == ("recording", "paused")
    agent.capturing.refusal = ConnectionResetError()
    one_sentence(await agent.run("recording", "stop", ONE), 4, "Asterisk does not answer")
    agent.capturing.refusal = ValueError("it is paused already")
    one_sentence(await agent.run("recording", "pause", ONE), 1, "it is paused already")


# Ids, and no agent

USES = [
    ("play", "--player", "cat", *WHY),
    ("export", "--to", "call.wav", *WHY),
    ("delete", "--why", "mistake", *WHY),
    ("stop",),
    ("pause",),
    ("resume",),
    ("optin", "withdraw"),
]


@pytest.mark.parametrize("command", USES, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("", "has an id that begins with ''"),
        ("1", "several ids begin with '1'"),
        ("99", "has an id that begins with '99'"),
        ("'; DROP TABLE contents; --", "has an id that begins with"),
        ("../../etc/passwd", "has an id that begins with"),
        ("\x1b[2J\r\n", "has an id that begins with"),
        ("%", "has an id that begins with"),
        (ONE.upper(), "has an id that begins with"),
        ("a" * 100_000, "has an id that begins with"),
    ],
    ids=lambda value: ascii(value)[:12],
)
async def test_what_is_no_id_is_one_sentence(agent: Running, command: tuple[str, ...], id: str, words: str) -> None:
    for each in (ONE, TWO):
        await agent.recorded(each)
        given = OptIn(id=each, line="201", trigger=Trigger.PA, calls=Calls.ALL, how=How.COMMAND, given_at=AT)
        await agent.keep(given)
    done = await agent.run("recording", *command, "--", id)
    one_sentence(done, 6, words)
    assert done.stderr.rstrip("\n").isprintable()
    assert (done.stdout, uses(agent), agent.capturing.asked) == ("", [], [])
    assert not (agent.folder / "call.wav").exists()


async def test_a_recording_that_the_store_has_not_got_yet_is_the_agents_to_know(agent: Running) -> None:
    done = await agent.run("recording", "stop", "77" * 8)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


async def test_what_needs_the_agent_says_that_none_is_running(tmp_path: Path) -> None:
    async with running(tmp_path / "agent") as agent:
        await agent.recorded(ONE)
        given = OptIn(id=ONE, line="201", trigger=Trigger.PA, calls=Calls.ALL, how=How.COMMAND, given_at=AT)
        await agent.keep(given)
    for words in (
        *[(*command[:2], ONE) if command[0] == "optin" else (command[0], ONE, *command[1:]) for command in USES],
        ("list", *WHY),
        ("start", "201"),
        ("optin", "add", "201", "--trigger", "pa", "--purpose", "x"),
    ):
        done = await asyncio.to_thread(told, "recording", *words, cwd=tmp_path / "agent")
        one_sentence(done, 7, "no agent is running on this store")
        assert done.stdout == ""
    assert not (tmp_path / "agent" / "call.wav").exists()
    # what stands is known without one
    done = await asyncio.to_thread(told, "recording", "optin", "list", "--json", cwd=tmp_path / "agent")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [ONE]


# Help


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        (("recording",), ("list", "play", "export", "delete", "start", "stop", "pause", "resume", "optin")),
        (("recording", "optin"), ("add", "withdraw", "list")),
    ],
    ids=lambda words: words[-1],
)
def test_help_names_every_command(tmp_path: Path, group: tuple[str, ...], commands: tuple[str, ...]) -> None:
    help_text = told(*group, "--help", cwd=tmp_path).stdout
    for command in commands:
        assert command in help_text
        if command == "optin":
            continue
        own = told(*group, command, "--help", cwd=tmp_path).stdout
        assert "--config" in own
        assert "--json" in own
