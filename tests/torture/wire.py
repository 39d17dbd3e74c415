"""The wire between the agent and AMI: cut, silent, slow, and one session later than the other."""

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.world import now_ms
from tests.lab.agent import AgentProcess
from tests.torture.office import Office, beset, hold, played, real, running, tormented, until_told
from tests.torture.rounds import Counts, Round, Torment
from tests.torture.truth import Outage

_CHUNK_BYTES: Final = 65_536
#: What only one of the sessions says of itself, when it asks Asterisk for its events.
_SAYS: Final = {b"Filter: Emergency\r\n": "express", b"UserEvent: Emergency\r\n": "express", b"(Newchannel)": "bulk"}
_SESSIONS: Final = ("express", "bulk")
#: Shorter than the agent's own ten seconds, so that a round sees more of it.
_AMI: Final = "silent_after_s = 4\n"


@dataclass(slots=True)
class Link:
    """One connection of the agent's through the wire: which session it is, and what is wrong with its way back."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    session: str = ""
    #: Seconds that each byte takes, bytes a second, bytes at once.
    late_s: float = 0.0
    rate: float = 0.0
    most: int = _CHUNK_BYTES
    #: The connection goes when so many bytes more have passed, with or without a FIN.
    left: int | None = None
    finish: bool = False
    listens: bool = False
    dead: bool = False
    _said: bytearray = field(default_factory=bytearray)

    def says(self, chunk: bytes) -> None:
        """Learn from what the agent asks which of its sessions this is, and whether it hears events already."""
        self._said += chunk
        for words, session in _SAYS.items():
            if words in self._said:
                self.session = session
        if b"EventMask: on" in self._said:
            self.listens = True
        del self._said[:-4096]

    def cut(self) -> None:
        """Ends it, both ways."""
        self.dead = True
        for writer in (self.client, self.server):
            if self.finish:
                writer.close()
            else:
                writer.transport.abort()

    def mend(self) -> None:
        """Passes on all that waits, and what comes, at once."""
        self.late_s, self.rate, self.most = 0.0, 0.0, _CHUNK_BYTES


class Wire:
    """Passes what comes to a port of its own on to AMI; faults are set on its links.

    async with Wire(lab.ami_port) as wire, AgentProcess(lab, ami_port=wire.port):
        wire.strike(...)
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = 0
        self.links: list[Link] = []
        self.refuses = False
        self.outages: list[Outage] = []
        self._down: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def of(self, session: str) -> Link | None:
        """The link of a session that hears events now."""
        return next((link for link in self.links if link.session == session and link.listens and not link.dead), None)

    def deaf(self) -> str:
        """Which sessions have not come back, in words; nothing where all have."""
        return " and ".join(self._down) + " has not come back" if self._down else ""

    def down(self, session: str) -> None:
        """From now on this session can hear nothing, until it has logged in anew."""
        self._down.setdefault(session, now_ms())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.refuses:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        link = Link(client=writer, server=far_writer)
        self.links.append(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._there(reader, link))
                group.create_task(self._back(far_reader, link))
        except* (ConnectionError, _EndedError):
            pass
        finally:
            for each in (writer, far_writer):
                each.transport.abort()
            self.links.remove(link)

    async def _there(self, reader: asyncio.StreamReader, link: Link) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if link.dead:
                continue
            link.says(chunk)
            if link.listens and link.session in self._down:
                self.outages.append((link.session, self._down.pop(link.session), now_ms()))
            link.server.write(chunk)
        raise _EndedError

    async def _back(self, reader: asyncio.StreamReader, link: Link) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        passing = asyncio.create_task(self._deliver(waiting, link))
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                waiting.put_nowait((asyncio.get_running_loop().time(), chunk))
            if not link.dead:
                await waiting.join()
                link.client.close()
                raise _EndedError
            # half-open: whoever ends it now, nobody is told
            await asyncio.Event().wait()
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async def _deliver(self, waiting: "asyncio.Queue[tuple[float, bytes]]", link: Link) -> None:
        loop = asyncio.get_running_loop()
        while True:
            came, chunk = await waiting.get()
            while (wait_s := came + link.late_s - loop.time()) > 0:  # noqa: ASYNC110 - it may be mended meanwhile
                await asyncio.sleep(min(wait_s, 0.05))
            while chunk and not link.dead:
                piece, chunk = chunk[: link.most], chunk[link.most :]
                if link.left is not None:
                    piece = piece[: link.left]
                    link.left -= len(piece)
                link.client.write(piece)
                if link.left == 0:
                    self.down(link.session)
                    link.cut()
                elif link.rate:
                    await asyncio.sleep(len(piece) / link.rate)
            waiting.task_done()


class _EndedError(Exception):
    """One side of a link has ended it."""


# -- faults: each is set on one link and lasts for as long as it likes ---------------------------------------------


async def _cut(wire: Wire, link: Link, draw: random.Random) -> None:
    """Within the next bytes, perhaps within an event; with a FIN or without; and perhaps nobody answers for a while."""
    link.finish = draw.random() < 0.5
    link.left = draw.choice((0, draw.randrange(1, 400)))
    if link.left == 0:
        wire.down(link.session)
        link.cut()
    if draw.random() < 0.4:
        wire.refuses = True
        await asyncio.sleep(draw.uniform(0, 3))
        wire.refuses = False


async def _half_open(wire: Wire, link: Link, draw: random.Random) -> None:
    """Nothing passes any more, and nobody is told."""
    wire.down(link.session)
    link.dead = True


async def _slow(wire: Wire, link: Link, draw: random.Random) -> None:
    """A few thousand bytes a second."""
    link.rate, link.most = draw.uniform(1000, 20_000), draw.choice((64, 512))
    await asyncio.sleep(draw.uniform(1, 4))
    link.mend()


async def _dribbled(wire: Wire, link: Link, draw: random.Random) -> None:
    """A few bytes at a time."""
    link.rate, link.most = 5000, draw.randrange(1, 9)
    await asyncio.sleep(draw.uniform(1, 3))
    link.mend()


async def _late(wire: Wire, link: Link, draw: random.Random) -> None:
    """Everything comes, later than on the other session."""
    link.late_s = draw.uniform(0.3, 2.5)
    await asyncio.sleep(draw.uniform(2, 6))
    link.mend()


_FAULTS: Final = {
    "cuts": _cut,
    "half_open": _half_open,
    "slowed": _slow,
    "dribbled": _dribbled,
    "late": _late,
}


async def _round(office: Office, turn: Round) -> Counts:
    """One fault after another, on the express session, on the bulk session, or on both."""
    counts = dict.fromkeys(_FAULTS, 0)
    async with office.opened(turn), Wire(office.pbx.ami_port) as wire:
        agent = AgentProcess(office.pbx, folder=turn.folder / "agent", ami=_AMI, ami_port=wire.port)

        async def fault(traffic: "asyncio.Task[int]") -> None:
            while not traffic.done():
                await until_told(office, turn.draw.uniform(0, 2))
                name = turn.draw.choice(list(_FAULTS))
                struck = turn.draw.choice((("express",), ("bulk",), _SESSIONS))
                links = [link for session in struck if (link := wire.of(session)) is not None]
                counts[name] += len(links)
                draws = [random.Random(turn.draw.random()) for _ in links]
                await asyncio.gather(
                    *(_FAULTS[name](wire, link, draw) for link, draw in zip(links, draws, strict=True))
                )

        async with running(agent):
            placed = await beset(office, turn, agent, fault, wire.deaf)
        hold(office, agent, wire.outages)
    return {"emergencies": placed, **counts, "outages": len(wire.outages)}


def wire(folder: Path) -> AbstractAsyncContextManager[Torment]:
    """To a PBX that is played."""
    return tormented(played, _round)


def wire_real(folder: Path) -> AbstractAsyncContextManager[Torment]:
    """To a real Asterisk."""
    return tormented(real, _round)
