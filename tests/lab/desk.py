"""The desk of the demonstration: where its phones are, who is told of an alarm, and what the desk does about it."""

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from agent.cli.views import ANSWERS
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import die_with_parent
from tests.lab.sip import Callee, Phone, Talk, Trunk, trunk_call
from tests.lab.traffic import Say, demonstrate, phones_of

#: What is told of one alarm: its title and the lines below it.
Hear = Callable[[str, list[str]], None]

SETTINGS = '[emergency]\nsites_file = "sites.toml"\n[alerts]\nchannels_file = "channels.toml"\n'

_SITES = """[sites.leeds]
name = "Leeds office"
number = "12"
street = "Wellington Street"
town = "Leeds"
postcode = "LS1 4AP"
contact = "Reception, 0113 496 0000"

[sites.london]
name = "London office"
number = "221B"
street = "Baker Street"
town = "London"
postcode = "NW1 6XE"

[networks]
"127.0.2.0/24" = { site = "leeds" }
"127.0.5.0/24" = { site = "london", floor = "1" }

[lines]
"201" = { site = "leeds", floor = "2", room = "2.14" }
"205" = { site = "leeds", floor = "2" }
"""
#: 205 has been carried to London, 206 to somebody's home.
_ELSEWHERE = {"205": "127.0.5.5", "206": "127.0.9.6"}

_CHANNELS = """[channels.desk]
kind = "webhook"
url = "http://127.0.0.1:{port}/desk"
secret = "{secret}"
"""

#: Rehearsals leave by the third trunk, which brings them back.
_GLOBALS = {
    "TRUNKS": "trunk-a,trunk-b,loopback",
    "CLI_loopback": "+441134960201",
    "REHEARSAL_NUMBER": "01134960998",
}
_SHOWN_ON_TRUNK_B = "01134960999"


class Desk:
    """Takes each emergency on when it hears of it, and closes it when the call is over."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._agent: AgentProcess | None = None
        self._doing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def beside(
        self, lab: Asterisk, folder: Path, settings: str = "", listen: int = 0
    ) -> AsyncIterator[AgentProcess]:
        """An agent that tells this desk, with these lines more in its configuration, and HTTP on this port."""
        for name, value in _GLOBALS.items():
            await lab.cli(f'dialplan set global EMERGENCY_{name} "{value}"')
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        (folder / "sites.toml").write_text(_SITES)
        channels = folder / "channels.toml"
        channels.touch(mode=0o600)
        port = server.sockets[0].getsockname()[1]
        channels.write_text(_CHANNELS.format(port=port, secret=secrets.token_hex(16)))
        try:
            settings = SETTINGS + settings
            async with AgentProcess(lab, folder=folder, settings=settings, recording="", listen=listen) as self._agent:
                yield self._agent
        finally:
            for task in self._doing:
                task.cancel()
            await asyncio.gather(*self._doing, return_exceptions=True)
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].split()[0])
            told = json.loads(await reader.readexactly(length))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
            self._hear(told["title"], told["text"].splitlines())
            if told["alarm"]["cause"] == "emergency" and not told["alarm"]["test"]:
                self._do(told["notice"]["news"], told["alarm"]["id"])
        writer.close()

    def _do(self, news: str, alarm: str) -> None:
        words = {"raised": ("ack", alarm), "cleared": ("close", alarm, "--comment", "rung back, all is well")}.get(news)
        if words is not None:
            task = asyncio.create_task(self._acted(*words))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    async def _acted(self, *words: str) -> None:
        await self.command(*words, "--by", "the desk")

    async def command(self, *words: str) -> list[dict[str, Any]]:
        """What `telephony-agent emergency …` answers."""
        assert self._agent is not None
        process = await asyncio.create_subprocess_exec(
            *(*die_with_parent(), sys.executable, "-m", "agent", "emergency", *words),
            *("--json", "--config", str(self._agent.config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # a Ctrl-C at the terminal is for who started it all
            start_new_session=True,
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return [json.loads(line) for line in out.splitlines()]


async def demonstrate_desk(
    lab: Asterisk, agent: AgentProcess, desk: Desk, say: Say, phones: dict[str, Phone] | None = None
) -> dict[str, Phone]:
    """About 45 s: the ordinary demonstration, and after it what the desk has of it, told to `say` line by line.

    Returns its phones, to be passed in again.
    """
    if phones is None:
        phones = phones_of(lab)
        for line, address in _ELSEWHERE.items():
            phones[line].local_ip = address
        say("the agent looks at what 999 does in each context: that of 301 and 302 has its own, which tells nobody")
    phones = await demonstrate(lab, say, phones)
    say("the emergency services ring back the number that 201 showed: its own phone rings")
    async with Callee(phones["201"], ring_s=0.5):
        await trunk_call(lab, "trunk-b", _SHOWN_ON_TRUNK_B, steps=[Talk(2)])
    say("telephony-agent emergency phones: can each reach 999 with the right address?")
    for phone in await desk.command("phones"):
        if phone["answer"] != "yes":
            say(f"  {phone['line']}: {ANSWERS[phone['answer']]}")
    say("telephony-agent emergency test: a rehearsal, over a trunk that brings it back")
    told = await desk.command("test", "--line", "201", "--trunk", "loopback")
    proved = [step["proof"] for step in told if step.get("ok")]
    say(f"  proved: {', '.join(proved) or 'nothing'}")
    say("the agent is stopped; 202 calls 999 all the same, and the emergency services answer")
    await agent.stop()
    async with Trunk(lab, "trunk-a", ring_s=0.5):
        await phones["202"].call("999", steps=[Talk(2)])
    say("the agent is started, and reads of that call in Asterisk's journal: seen by journal")
    await agent.start()
    return phones
