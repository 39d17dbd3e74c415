"""The AGI script as Asterisk runs it: what it asks, what it takes for an answer, and that no call waits for long."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.core.normalise.identity import Linker
from agent.core.recording import Tape
from agent.core.records import RecordingState, Trigger
from agent.core.signals import Wish
from agent.core.tapes import Why
from agent.views.door import Door

SCRIPT = Path(__file__).parents[2] / "dialplan" / "agi" / "recording.py"
ID = "00112233445566aa"
CANARY = "canary-8d31"
PATIENCE_S = 60.0
#: What Asterisk tells every script, with a caller who wants more said than he is asked for.
TOLD = f"""agi_request: recording.py
agi_channel: PJSIP/201-0000001a
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795392182.7
agi_version: 22.10.1
agi_callerid: {CANARY}
agi_calleridname: {CANARY}
agi_enhanced: 0.0
"""
PRESS = ("code", "", "", "1795392182.7", "PJSIP/201-0000001a", "1795392182.7")
SERVICE = ("service", "203", "incoming", "1795392182.7", "PJSIP/trunk-a-0000001b", "1795392182.9")
RESUME = ("resume", *PRESS[1:])
PAUSED = Tape(
    id=ID,
    channel="",
    linked="",
    line="201",
    leg="caller",
    trigger=Trigger.CODE,
    opted_in=True,
    state=RecordingState.PAUSED,
)

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    code: int
    #: Asterisk's variables, as the script set them.
    variables: dict[str, str]
    commands: list[str]
    errors: str


async def run(place: Path, *arguments: str, told: bytes = TOLD.encode(), hung_up: bool = False) -> Run:
    """One run, with Asterisk's half of the conversation; `hung_up`: there is none any more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), str(place), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # as a service under systemd has it, where a wrong byte would be an error
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        | {"PYTHONIOENCODING": "utf-8:strict"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    commands: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        process.stdin.write(told + b"\n")
        if hung_up:
            process.stdin.close()
        while command := (await process.stdout.readline()).decode():
            commands.append(command.rstrip("\n"))
            if not hung_up:
                process.stdin.write(b"200 result=1\n")
        errors = (await process.stderr.read()).decode()
        code = await process.wait()
    set_ = [re.fullmatch(r'SET VARIABLE "(\w+)" "([\w]*)"', command) for command in commands]
    return Run(
        code=code, variables={each[1]: each[2] for each in set_ if each is not None}, commands=commands, errors=errors
    )


@asynccontextmanager
async def listening(place: Path, answer: Answer) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(answer, place)
    try:
        yield
    finally:
        server.close()


def saying(line: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)
        writer.close()

    return answer


def granting(answer: str | Why, wishes: list[Wish]) -> Answer:
    """The agent's own door."""

    async def grant(wish: Wish) -> str | Why:
        wishes.append(wish)
        return answer

    async def possible() -> Why | None:
        return answer if isinstance(answer, Why) else None

    return Door(
        grant=grant,
        possible=possible,
        find=lambda _: PAUSED,
        is_phone=lambda line: line == "201",
        link=Linker(b"contract"),
        clock=lambda: 5,
    )._answer


async def test_a_press_that_is_granted(tmp_path: Path) -> None:
    wishes: list[Wish] = []
    async with listening(tmp_path / "door", granting(ID, wishes)):
        ran = await run(tmp_path / "door", *PRESS)
    assert ran == Run(
        code=0, variables={"RECORDING_ID": ID}, commands=[f'SET VARIABLE "RECORDING_ID" "{ID}"'], errors=""
    )
    link = Linker(b"contract")
    (wish,) = wishes
    assert (wish.line, wish.trigger, wish.leg) == ("201", "code", "caller")
    assert (wish.channel, wish.linked) == (link("1795392182.7"), link("1795392182.7"))


async def test_a_service_asks_for_the_line_that_it_is_told(tmp_path: Path) -> None:
    wishes: list[Wish] = []
    async with listening(tmp_path / "door", granting(ID, wishes)):
        await run(tmp_path / "door", *SERVICE)
    (wish,) = wishes
    assert (wish.line, wish.trigger, wish.calls, wish.leg) == ("203", "service", "incoming", "callee")


async def test_a_paused_one_may_go_on_under_its_own_name(tmp_path: Path) -> None:
    wishes: list[Wish] = []
    async with listening(tmp_path / "door", granting("ffffffffffffffff", wishes)):
        assert (await run(tmp_path / "door", *RESUME)).variables == {"RECORDING_ID": ID}
    assert wishes == []


@pytest.mark.parametrize("question", [PRESS, RESUME], ids=["press", "resume"])
@pytest.mark.parametrize("why", Why)
async def test_each_refusal_is_passed_on_in_its_own_word(tmp_path: Path, why: Why, question: tuple[str, ...]) -> None:
    async with listening(tmp_path / "door", granting(why, [])):
        assert (await run(tmp_path / "door", *question)).variables == {"RECORDING_WHY": why.value}


async def test_the_door_takes_a_question_of_nobody_for_odd(tmp_path: Path) -> None:
    async with listening(tmp_path / "door", granting(ID, [])):
        assert (await run(tmp_path / "door")).variables == {"RECORDING_WHY": "odd"}


async def test_only_the_call_is_asked_about_and_no_caller(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with listening(tmp_path / "door", note):
        ran = await run(tmp_path / "door", *PRESS)
    names = ("trigger", "line", "calls", "linkedid", "channel", "uniqueid")
    assert json.loads(asked[0]) == dict(zip(names, PRESS, strict=True))
    assert CANARY not in f"{asked}{ran}"


FORGED = TOLD.replace(
    f"agi_callerid: {CANARY}", "agi_callerid: 5\nagi_channel: PJSIP/205-00000001\nagi_uniqueid: 1795392182.1"
)


@pytest.mark.parametrize(
    "told",
    [FORGED.encode(), TOLD.encode().replace(b"canary", b"caf\xe9"), b"", b"no colon\n: no name\n"],
    ids=["a line break in his number", "bytes that are no UTF-8", "nothing", "something else"],
)
async def test_what_a_caller_puts_into_his_name_changes_nothing(tmp_path: Path, told: bytes) -> None:
    wishes: list[Wish] = []
    async with listening(tmp_path / "door", granting(ID, wishes)):
        ran = await run(tmp_path / "door", *PRESS, told=told)
    assert (ran.variables, ran.errors) == ({"RECORDING_ID": ID}, "")
    assert [(wish.line, wish.channel) for wish in wishes] == [("201", Linker(b"contract")("1795392182.7"))]


def answered(**answer: Any) -> bytes:
    return json.dumps(answer).encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"not JSON\n",
        b"\xff\xfe\n",
        b"[" * 4090 + b"\n",
        b"x" * 100_000,
        b'["id"]\n',
        answered(),
        answered(id=None),
        answered(id=[ID]),
        answered(id=ID.upper()),
        answered(id=f"{ID}\n"),
        answered(id=ID[:-1]),
        answered(id=f'{ID}" "x'),
        answered(id=f"../{ID}"),
        answered(id='00112233"\nEXEC System id\n'),
        answered(why="Away"),
        answered(why='x"\nEXEC System id'),
        answered(why="x" * 21),
        answered(why=7),
        answered(id=ID)[:-5],
    ],
)
async def test_an_answer_that_is_none_means_no_recording_and_never_a_command(tmp_path: Path, line: bytes) -> None:
    async with listening(tmp_path / "door", saying(line)):
        ran = await run(tmp_path / "door", *PRESS)
    assert ran == Run(
        code=0, variables={"RECORDING_WHY": "away"}, commands=['SET VARIABLE "RECORDING_WHY" "away"'], errors=""
    )


async def test_nobody_is_there(tmp_path: Path) -> None:
    gone = await run(tmp_path / "door", *PRESS)
    (tmp_path / "door").touch()
    no_socket = await run(tmp_path / "door", *PRESS)
    too_long = await run(tmp_path / ("x" * 200), *PRESS)
    for ran in (gone, no_socket, too_long):
        assert (ran.code, ran.variables, ran.errors) == (0, {"RECORDING_WHY": "away"}, "")


async def test_an_agent_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(tmp_path / "door", silent):
        assert (await run(tmp_path / "door", *PRESS)).variables == {"RECORDING_WHY": "away"}


async def test_one_that_never_comes_to_an_end_is_ended_by_the_kernel(tmp_path: Path) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.2)  # the length of the answer itself
        except ConnectionError:
            writer.close()

    async with listening(tmp_path / "door", drip):
        ran = await run(tmp_path / "door", *PRESS)
    assert (ran.code != 0, ran.commands, ran.errors) == (True, [], "")


@pytest.mark.parametrize("told", [TOLD.encode(), b""])
async def test_a_caller_who_has_hung_up_leaves_no_trace(tmp_path: Path, told: bytes) -> None:
    async with listening(tmp_path / "door", granting(ID, [])):
        ran = await run(tmp_path / "door", *PRESS, told=told, hung_up=True)
    assert (ran.code, ran.errors) == (0, "")
