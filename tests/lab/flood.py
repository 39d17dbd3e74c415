"""An AMI server in a process of its own that floods the agent's sessions, and says when it sent what.

    async with Flood(phones=5_000) as flood, AgentProcess(flood) as agent:
        await flood.both()
        flooding = await flood.begin(1_000_000)
        sent = await flood.inject("express", event("UserEvent", UserEvent="Emergency", ...))
        flooded = await flooding

It dies with whoever started it, and answers logins and filters as `tests.integration.fake_asterisk` does.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, list_of
from tests.lab.events import Contact, Unit, busy, captured, flapping, made
from tests.lab.provision import die_with_parent

SESSIONS = ("express", "bulk")
#: A registration that the server describes is good for so long (s).
_LASTS_S = 3600
_LINE_LIMIT = 1 << 24
#: Phones that flap in one write.
_TOGETHER = 50
#: So many of the phones talk and refresh at the most: a round of all of 100,000 would be 400 MB.
_MOST_BUSY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """When bytes were handed to the kernel: seconds since 1970, and `time.monotonic_ns` of this machine."""

    at: float
    monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """A flood that is over: what was sent, and when it began and ended by `time.monotonic_ns`.

    ``rounds`` is how often all units were sent, the last time as of ``second`` (since 1970).
    """

    events: int
    wanted: int
    bytes: int
    rounds: int
    second: int
    began_ns: int
    ended_ns: int


class Flood:
    """The server: ``phones`` are registered with it; ``wanted`` is the share of events that the agent wants.

    ``capture``: a captured session is sent in place of the made traffic; ``flapping``: so many phones that register and
    are gone again, and are never told of otherwise. It has what `AgentProcess` asks of a PBX.
    """

    def __init__(
        self, *, phones: int = 1_000, wanted: float = 0.2, capture: Path | None = None, flapping: int = 0
    ) -> None:
        self.agent_user, self.agent_secret = "agent", SECRET
        self.ami_port = 0
        self._parts = [phones, wanted, None if capture is None else str(capture), flapping]
        #: What the server knows and sends, in the order of its sending.
        self.contacts, self.units = _traffic(phones, wanted, capture, flapping)
        self._process: asyncio.subprocess.Process | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()

    @property
    def pid(self) -> int:
        """Of the server's process."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(*die_with_parent(), sys.executable, "-m", "tests.lab.flood", json.dumps(self._parts)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        self._listening = asyncio.create_task(self._listen())
        self.ami_port = (await self._ask("port"))["port"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._listening

    async def both(self) -> None:
        """Return when an agent's two sessions are logged in and listen."""
        for session in SESSIONS:
            await self.listens(session)

    async def listens(self, session: str) -> None:
        """Return when a client with the filters of this session listens."""
        await self._ask("listens", session=session)

    async def begin(self, events: int, *, session: str = "bulk", rate: float | None = None) -> "asyncio.Task[Flooded]":
        """Send so many events (in whole rounds, so perhaps some more) on ``session``, at most ``rate`` a second.

        The task is done when the last of them has been handed to the kernel; it raises ConnectionError when the session
        ends before.
        """

        async def flooded() -> Flooded:
            return Flooded(**await self._ask("flood", events=events, session=session, rate=rate))

        return asyncio.create_task(flooded())

    async def inject(self, session: str, data: bytes) -> Sent:
        """Send these bytes on ``session``, behind whatever waits there, never within an event of the flood."""
        return Sent(**await self._ask("inject", session=session, data=data.decode("latin-1")))

    async def listed(self, after: int = 0) -> int:
        """Return when the list of contacts has been asked for after ``after``; when it was last, both by
        `time.monotonic_ns`.
        """
        asked: int = (await self._ask("listed", after=after))["asked_ns"]
        return asked

    async def cut(self, session: str) -> None:
        """End the connection of ``session`` at once."""
        await self._ask("cut", session=session)

    async def _ask(self, what: str, **more: Any) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        id = next(self._ids)
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": id, "do": what, **more}).encode() + b"\n")
        told: dict[str, Any] = await answer
        if "failed" in told:
            raise ConnectionError(told["failed"])
        return told

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._answers.pop(told.pop("id")).set_result(told)
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("the flood's server has ended"))


class _Server:
    """What runs in the process of its own."""

    def __init__(self, contacts: Sequence[Contact], units: Sequence[Unit]) -> None:
        self._contacts = {contact.id: contact for contact in contacts}
        self._units = units
        expires = int(time.time()) + _LASTS_S
        self._described = [contact.described(expires) for contact in contacts]
        self._asked_ns = 0
        self._fake = FakeAsterisk()
        self._fake.replies |= {
            "PJSIPShowRegistrationInboundContactStatuses": self._listed,
            "DBGetTree": self._tree,
        }

    async def serve(self) -> None:
        """Do what standard input says, until it ends."""
        reader = asyncio.StreamReader(limit=_LINE_LIMIT)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with self._fake, asyncio.TaskGroup() as group:
            async for line in reader:
                group.create_task(self._obey(json.loads(line)))

    async def _obey(self, order: dict[str, Any]) -> None:
        try:
            answer = await self._done(order)
        except ConnectionError as error:
            answer = {"failed": f"{order['do']}: {error}"}
        sys.stdout.write(json.dumps({"id": order["id"], **answer}) + "\n")
        sys.stdout.flush()

    async def _done(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "port":
                return {"port": self._fake.port}
            case "listens":
                await self._fake.until(lambda: self._peer(order["session"]) is not None)
            case "flood":
                return await self._flood(self._found(order["session"]), order["events"], order["rate"])
            case "inject":
                writer = self._found(order["session"]).writer
                sent = {"at": time.time(), "monotonic_ns": time.monotonic_ns()}
                writer.write(order["data"].encode("latin-1"))
                await writer.drain()
                return sent
            case "listed":
                await self._fake.until(lambda: self._asked_ns > order["after"])
                return {"asked_ns": self._asked_ns}
            case "cut":
                self._found(order["session"]).writer.transport.abort()
        return {}

    async def _flood(self, peer: Peer, events: int, rate: float | None) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        second = sent = wanted = size = rounds = 0
        peer.writer.transport.set_write_buffer_limits(high=1 << 20)
        began, began_ns = loop.time(), time.monotonic_ns()
        while sent < events:
            # Another one each round: in it are its calls' ids.
            second = max(second + 1, int(time.time()))
            for unit in self._units:
                data = unit.at_second(second)
                peer.writer.write(data)
                sent, wanted, size = sent + unit.events, wanted + unit.wanted, size + len(data)
                await peer.writer.drain()
                if rate is not None and (ahead_s := began + sent / rate - loop.time()) > 0:
                    await asyncio.sleep(ahead_s)
            rounds += 1
        times = {"began_ns": began_ns, "ended_ns": time.monotonic_ns()}
        return {"events": sent, "wanted": wanted, "bytes": size, "rounds": rounds, "second": second, **times}

    def _found(self, session: str) -> Peer:
        peer = self._peer(session)
        if peer is None:
            raise ConnectionError(f"no session {session}")
        return peer

    def _peer(self, session: str) -> Peer | None:
        """The latest listening client whose filters are those of ``session``."""
        return next((peer for peer in reversed(self._fake.peers) if peer.listens and _is(peer, session)), None)

    def _listed(self, peer: Peer, action: Action) -> list[bytes]:
        self._asked_ns = time.monotonic_ns()
        begin, *items, end = list_of(action, "ContactStatusDetailComplete", *self._described)
        return [begin, b"".join(items), end]

    def _tree(self, peer: Peer, action: Action) -> list[bytes]:
        contact = self._contacts.get(action["Family"].removeprefix("registrar/contact/"))
        stored = [] if contact is None else [contact.stored(int(time.time()) + _LASTS_S)]
        return list_of(action, "DBGetTreeComplete", *stored)


def _is(peer: Peer, session: str) -> bool:
    filters = " ".join(f"{action.get('MatchCriteria')} {action.get('Filter')}" for action in peer.asked("Filter"))
    return ("Newchannel" in filters) if session == "bulk" else ("Emergency" in filters and "Newchannel" not in filters)


def _traffic(phones: int, wanted: float, capture: Path | None, flaps: int) -> tuple[list[Contact], list[Unit]]:
    contacts = [made(number) for number in range(phones)]
    if flaps:
        unknown = [made(number) for number in range(phones, phones + flaps)]
        return contacts, [flapping(unknown[first : first + _TOGETHER]) for first in range(0, flaps, _TOGETHER)]
    if capture is None:
        return contacts, list(busy(contacts[:_MOST_BUSY], wanted=wanted))
    unit, heard = captured(capture)
    return [*heard, *contacts], [unit]


def main() -> None:
    """The process."""
    phones, wanted, capture, flaps = json.loads(sys.argv[1])
    contacts, units = _traffic(phones, wanted, None if capture is None else Path(capture), flaps)
    asyncio.run(_Server(contacts, units).serve())


if __name__ == "__main__":
    main()
