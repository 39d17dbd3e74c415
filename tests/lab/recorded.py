"""An office whose calls may be recorded: phones, the agent with its folders and keys, and a search of every disk."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import tone
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Step
from tests.lab.sip import Callee, Phone, Talk
from tests.lab.sipp import SippRun

_LINES = ("201", "202", "203", "205", "209")


class CommandError(Exception):
    """A command of the agent ended otherwise than well; says what it printed."""


class Office:
    """Phones 201, 202, 203, 205 and 209 of one Asterisk, and the agent beside it.

    async with Office(lab, tmp_path) as office:
        await office.call("201", "*1202", [Say(2)])
        wave = await office.exported(await office.kept())
    """

    def __init__(self, lab: Asterisk, folder: Path, *, recording: str = "") -> None:
        self.lab = lab
        self.folder = folder
        self.agent = AgentProcess(lab, folder=folder / "agent", recording=f"min_free_mb = 1\n{recording}")
        self.store = self.agent.recordings
        self._phones: dict[str, Phone] = {}

    async def __aenter__(self) -> Self:
        # what it plays to whom
        await self.lab.cli("logger add channel said verbose")
        await self.lab.cli("core set verbose 3")
        await self.agent.start()
        for number, line in enumerate(_LINES, 1):
            self._phones[line] = Phone(
                self.lab, line, user_agent="Yealink SIP-T46U 108.86.0.45", local_ip=f"127.0.6.{number}"
            )
            await self._phones[line].register()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.agent.stop()

    @asynccontextmanager
    async def answering(self, line: str, steps: Sequence[Step] = ()) -> AsyncIterator[None]:
        """One phone takes calls."""
        async with Callee(self._phones[line], steps=steps):
            yield

    @asynccontextmanager
    async def call_up(
        self, caller: str, number: str, steps: Sequence[Step], answers: Sequence[Step] = ()
    ) -> AsyncIterator[SippRun]:
        """A call for the length of the block; every other phone answers it, as `answers` says."""
        async with AsyncExitStack() as stack:
            for line in _LINES:
                if line not in (caller, "205"):
                    await stack.enter_async_context(self.answering(line, answers))
            run = await self._phones[caller].start_call(number, steps=[Talk(0.3), *steps])
            try:
                yield run
            finally:
                await run.stop()

    async def call(self, caller: str, number: str, steps: Sequence[Step], answers: Sequence[Step] = ()) -> None:
        """A whole call."""
        async with self.call_up(caller, number, steps, answers) as run:
            await run.done()

    async def kept(self, **wanted: object) -> dict[str, Any]:
        """The one content that is kept."""
        return await self.agent.one("content", state="kept", **wanted)

    async def exported(self, content: dict[str, Any]) -> bytes:
        """The wave, as a customer gets it."""
        words = ("recording", "export", content["id"], "--to", "-", "--reason", "a customer asked")
        return await self._output(*words)

    async def command(self, *words: str) -> dict[str, Any]:
        """What a command of the agent answers."""
        found: dict[str, Any] = json.loads(await self._output(*words, "--json"))
        return found

    async def opt_in(self, line: str, trigger: str, calls: str) -> dict[str, Any]:
        """A standing opt-in, and its mark in Asterisk."""
        words = ("--trigger", trigger, "--calls", calls, "--purpose", "a customer asked", "--by", "Ann")
        optin = await self.command("recording", "optin", "add", line, *words)
        await self._marked(f"{trigger}/{line}", True)
        return optin

    async def withdraw(self, id: str) -> None:
        """Take it back."""
        optin = await self.command("recording", "optin", "withdraw", id)
        await self._marked(f"{optin['trigger']}/{optin['line']}", False)

    async def _marked(self, mark: str, there: bool) -> None:
        async with asyncio.timeout(60):
            while (mark in await self.lab.cli("database show recording-optin")) is not there:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # Asterisk's database tells nobody of a change

    async def nothing_readable(self) -> bool:
        """Whether no piece of what was said is on a disk, nor in the monitor folder any more."""
        await self.agent.until(lambda: not list(self.lab.recordings.glob("*.wav")), "an empty monitor folder")
        return not tone.found_in(self.lab.folder) and not tone.found_in(self.folder) and not tone.found_in(self.store)

    def asterisk_said(self) -> str:
        """What Asterisk did in the dialplan: each prompt that it played, too."""
        return (self.lab.folder / "log" / "said").read_text(errors="replace")

    async def _output(self, *words: str) -> bytes:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TELEPHONY_AGENT_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent", *words, "--config", str(self.agent.config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise CommandError(f"{' '.join(words)} ended with {process.returncode}: {err.decode()}{out[:500]!r}")
        return out
