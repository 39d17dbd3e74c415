"""How long a capture that nobody asked for runs, by Asterisk's own clock, and how long its file is there."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.figures import Figure, of_samples
from tests.bench.folder_watch import FolderWatch
from tests.lab.ami import AmiSession, Message
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Say
from tests.lab.provision import installation
from tests.lab.recorded import Office

#: One call after another, each with so many captures: none of them lasts as long as SIPp would wait.
PER_CALL = 20
#: The file of a capture comes with its first sound, if it is not stopped before.
_WITHIN_S = 10.0


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """From `MixMonitorStart` to `MixMonitorStop` (`unasked_stopped`), and to the end of the file.

    `unasked_destroyed` has those captures alone of which any sound reached the folder: `unasked_wrote` says how many.
    """
    stopped: list[float] = []
    destroyed: list[float] = []
    wrote = 0
    async with Asterisk(installation(version, print)) as lab, Office(lab, folder) as office, ears(lab) as ami:
        with FolderWatch(lab.recordings) as files:
            for first in range(0, calls, PER_CALL):
                async with office.call_up("201", "202", [Say(60)]):
                    channel = value(await until(ami, "BridgeEnter", "BridgeNumChannels", "2"), "Channel")
                    for number in range(first, min(first + PER_CALL, calls)):
                        started_at, stopped_at = await _captured(ami, channel, f"{number}.wav")
                        stopped.append((stopped_at - started_at) * 1000)
                        # the agent has then given up looking for a file that never came
                        await office.agent.some("content", number + 1, state="shredded", reason="unasked")
                        if (name := f"{number}.wav") in files.came:
                            wrote += 1
                            destroyed.append((files.went[name] - started_at) * 1000)
                    await ami.send("Hangup", Channel=channel)
                    await until(ami, "Hangup", "Channel", channel)
    figures = [of_samples("unasked_stopped", stopped)]
    if destroyed:
        figures.append(of_samples("unasked_destroyed", destroyed))
    return [*figures, Figure(name="unasked_wrote", value=wrote, unit="files", n=calls)]


async def _captured(ami: AmiSession, channel: str, file: str) -> tuple[float, float]:
    """Start one as any AMI user may; when it began and ended."""
    await ami.send("MixMonitor", Channel=channel, File=file)
    started = await until(ami, "MixMonitorStart", "Channel", channel)
    stopped = await until(ami, "MixMonitorStop", "Channel", channel)
    return at(started), at(stopped)


@asynccontextmanager
async def ears(lab: Asterisk) -> AsyncIterator[AmiSession]:
    """A login beside the agent's, which hears everything."""
    async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami:
        yield ami


async def until(ami: AmiSession, event: str, header: str, wanted: str) -> Message:
    """The next event of this kind with this header.

    Raises TimeoutError after 10 s.
    """
    async with asyncio.timeout(_WITHIN_S):
        async for message in ami.messages():
            if ("Event", event) in message and (header, wanted) in message:
                return message
    raise AssertionError("the session ended")


def value(message: Message, header: str) -> str:
    """Of the first header of this name."""
    return next(value for name, value in message if name == header)


def at(message: Message) -> float:
    """When Asterisk wrote an event (seconds since 1970)."""
    return float(value(message, "Timestamp"))
