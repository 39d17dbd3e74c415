"""A PBX full of emergencies, played or real, and whether the agent beside it has all of them to show in the end."""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, Protocol

from agent.core.canary import line_of
from tests.lab.agent import AgentProcess, Pbx
from tests.lab.ami import AmiError, AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Phone, Talk, Trunk
from tests.lab.traffic import MAKES
from tests.torture.rounds import BrokenError, Counts, Round, Torment
from tests.torture.switchboard import Plan, Switchboard
from tests.torture.truth import Ledger, Outage, complete, judged

_LINES: Final = tuple(str(number) for number in range(201, 241))
#: How long an agent may take, once nothing hinders it, until all is in its store and the journal is empty.
_SETTLED_S: Final = 60.0
_POLL_S: Final = 0.25
_NUMBERS: Final = ("999", "112", "18000")
_JOURNALED: Final = re.compile(r"^/emergency-journal/", re.M)


class Office(Protocol):
    """A PBX with phones that call the emergency services; `told` is woken by each emergency event."""

    ledger: Ledger
    told: asyncio.Condition

    @property
    def pbx(self) -> Pbx:
        """What an agent has to know of the PBX."""

    def opened(self, turn: Round) -> AbstractAsyncContextManager[None]:
        """Everything ready for `traffic`, and nothing told of yet."""

    async def traffic(self, turn: Round) -> int:
        """Emergencies and other traffic, from the first to the last; how many emergencies were placed."""

    async def journal_is_empty(self) -> bool:
        """Whether the PBX's database holds nothing of emergencies."""

    def judged(self, agent: AgentProcess) -> Iterator[str]:
        """What an agent that does not run any more has not stored right of the rest of the traffic."""


class PlayedOffice:
    """One whose PBX is played, with up to forty lines."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.told = asyncio.Condition()
        self.pbx = Switchboard(self.ledger, self.told)

    @asynccontextmanager
    async def opened(self, turn: Round) -> AsyncIterator[None]:
        """A PBX that listens, with no call up."""
        self.ledger = Ledger()
        async with Switchboard(self.ledger, self.told) as self.pbx:
            yield

    async def traffic(self, turn: Round) -> int:
        """Emergencies of every kind, phones that register and go, calls that are recorded unasked."""
        lines = _LINES[: max(4, turn.of(len(_LINES)))]
        draws = [random.Random(turn.draw.random()) for _ in lines]
        placed = await asyncio.gather(
            *(self._line(line, each, turn.of(2)) for line, each in zip(lines, draws, strict=True))
        )
        return sum(placed)

    async def _line(self, line: str, draw: random.Random, calls: int) -> int:
        host = f"127.0.2.{int(line) - 200}"
        await self.pbx.register(line, host)
        for _ in range(calls):
            await asyncio.sleep(draw.uniform(0, 5))
            match draw.choice(("refresh", "leave", "captured", "")):
                case "refresh":
                    await self.pbx.register(line, host)
                case "leave":
                    await self.pbx.unregister(line)
                case "captured":
                    await self.pbx.captured(line, draw.uniform(0, 2))
            await self.pbx.emergency(Plan.drawn(draw, line))
        return calls

    async def journal_is_empty(self) -> bool:
        """Whether the PBX's database holds nothing of emergencies."""
        return not self.pbx.journal

    def judged(self, agent: AgentProcess) -> Iterator[str]:
        """Who is registered has one open span, nobody else has; no capture was taken for one that was asked for."""
        spans = Counter(record["line"] for record in agent.stored("registration") if record["ended_at"] is None)
        here = Counter(contact["endpoint"] for contact in self.pbx.contacts.values())
        if spans != here:
            yield f"registered: {spans - here} too many, {here - spans} missing"
        # the erasure canary's own goes with the next start, where this stop came in between
        recordings = [record for record in agent.stored("recording") if not record["line"].startswith(line_of(""))]
        if len(recordings) > self.pbx.captures:
            yield f"{len(recordings)} recordings of {self.pbx.captures} captures"
        for record in recordings:
            if record["opted_in"] or record["state"] != "stopped":
                yield f"captured unasked and over: {record}"


@asynccontextmanager
async def played() -> AsyncIterator[PlayedOffice]:
    """An office whose PBX is played."""
    yield PlayedOffice()


class RealOffice:
    """One whose PBX is a real Asterisk; an AMI session of the lab's own hears what its dialplan tells."""

    def __init__(self, lab: Asterisk) -> None:
        self.pbx = lab
        self.ledger = Ledger()
        self.told = asyncio.Condition()
        self._listens = asyncio.Event()
        #: Whether every trunk refuses in this round; whether the first one rings until the caller gives up.
        self.refused = self._abandoned = False

    @asynccontextmanager
    async def opened(self, turn: Round) -> AsyncIterator[None]:
        """Trunks that answer, refuse or let it ring, and somebody who listens."""
        self.ledger = Ledger()
        first = turn.draw.choice((200, 200, 503))
        self.refused = first == 503 and turn.draw.random() < 0.3
        self._abandoned = first == 200 and turn.draw.random() < 0.3
        ring_s = 60.0 if self._abandoned else turn.draw.uniform(0.05, 3)
        async with AsyncExitStack() as stack:
            second = 486 if self.refused else 200
            await stack.enter_async_context(Trunk(self.pbx, "trunk-a", answers=first, ring_s=ring_s))
            await stack.enter_async_context(Trunk(self.pbx, "trunk-b", answers=second, ring_s=ring_s))
            listening = asyncio.create_task(self._listen())
            stack.callback(listening.cancel)
            await self.listens()
            yield

    async def traffic(self, turn: Round) -> int:
        """Seven phones that call 999."""
        draws = [random.Random(turn.draw.random()) for _ in MAKES]
        placed = await asyncio.gather(
            *(self._phone(line, each, turn.of(3)) for line, each in zip(MAKES, draws, strict=True))
        )
        # the last stages come behind the end that SIPp sees
        async with asyncio.timeout(30), self.told:
            await self.told.wait_for(lambda: len(self.ledger.calls) >= sum(placed) and self.ledger.over)
        return sum(placed)

    def phone(self, line: str) -> Phone:
        """One of the phones, at an address of its own."""
        return Phone(self.pbx, line, user_agent=MAKES[line], local_ip=f"127.0.2.{int(line) - 200}")

    async def listens(self) -> None:
        """Return when what is told is heard."""
        await self._listens.wait()

    async def _phone(self, line: str, draw: random.Random, calls: int) -> int:
        phone = self.phone(line)
        await phone.register()
        for _ in range(calls):
            await asyncio.sleep(draw.uniform(0, 4))
            number = draw.choice(_NUMBERS)
            talk_s = draw.choice((draw.uniform(0, 0.5), draw.uniform(0.5, 6)))
            if self.refused:
                await phone.call(number, expect=503)
            elif self._abandoned:
                await phone.abandon(number, ring_s=talk_s)
            else:
                await phone.call(number, steps=[Talk(talk_s)])
        await phone.unregister()
        return calls

    async def _listen(self) -> None:
        """Hears what is told of emergencies, and after a restart of Asterisk's goes on."""
        while True:
            with contextlib.suppress(OSError, AmiError):
                async with AmiSession("127.0.0.1", self.pbx.ami_port, "check", self.pbx.check_secret) as ami:
                    self._listens.set()
                    async for message in ami.messages():
                        await self._hear(dict(message))
            self._listens.clear()
            await asyncio.sleep(0.05)

    async def _hear(self, headers: dict[str, str]) -> None:
        if headers.get("UserEvent") == "Emergency":
            self.ledger.hear(headers | {"Line": headers["Channel"].removeprefix("PJSIP/").rpartition("-")[0]})
            async with self.told:
                self.told.notify_all()

    async def journal_is_empty(self) -> bool:
        """Whether the PBX's database holds nothing of emergencies."""
        return _JOURNALED.search(await self.pbx.cli("database show emergency-journal")) is None

    def judged(self, agent: AgentProcess) -> Iterator[str]:
        """Each phone was registered, and none is any more."""
        spans = agent.stored("registration")
        if {span["line"] for span in spans} != set(MAKES) or any(span["ended_at"] is None for span in spans):
            yield f"registered: {spans}"


@asynccontextmanager
async def real() -> AsyncIterator[RealOffice]:
    """An office with an Asterisk 22 of its own."""
    async with Asterisk(installation("22", print)) as lab:
        yield RealOffice(lab)


@asynccontextmanager
async def tormented(
    office: Callable[[], AbstractAsyncContextManager[Office]],
    carry_out: Callable[[Office, Round], Coroutine[Any, Any, Counts]],
) -> AsyncIterator[Torment]:
    """What carries out rounds in one office."""
    async with office() as opened:
        yield partial(carry_out, opened)


async def until_told(office: Office, seconds: float) -> None:
    """Return at the next emergency event, or when none has come for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), office.told:
            await office.told.wait()


async def _left(office: Office, agent: AgentProcess, deaths: Sequence[int], more: Callable[[], str]) -> str:
    """What is still to be done, in words."""
    if not await asyncio.to_thread(complete, office.ledger, agent, deaths):
        return "not everything is stored"
    return await asyncio.to_thread(more) if await office.journal_is_empty() else "the journal is not cleared"


async def settled(
    office: Office, agent: AgentProcess, deaths: Sequence[int] = (), more: Callable[[], str] = lambda: ""
) -> None:
    """Wait, with an agent that nothing hinders any more, until it has done all that it has to.

    `more` says what else is left of that, or nothing.

    Raises BrokenError when it does not get there; `hold` says what is missing.
    """
    left = ""
    try:
        async with asyncio.timeout(_SETTLED_S):
            while left := await _left(office, agent, deaths, more):  # noqa: ASYNC110 - none of it is announced
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        await agent.stop()
        hold(office, agent, deaths=deaths)
        raise BrokenError(f"after {_SETTLED_S:.0f} s {left}") from None


async def beset(
    office: Office,
    turn: Round,
    agent: AgentProcess,
    fault: Callable[["asyncio.Task[int]"], Awaitable[None]],
    more: Callable[[], str] = lambda: "",
) -> int:
    """Traffic, with `fault` at work until it is over; then the agent does what it has to, and is stopped.

    How many emergencies were placed. Raises BrokenError.
    """
    async with asyncio.TaskGroup() as group:
        traffic = group.create_task(office.traffic(turn))
        await fault(traffic)
    placed = traffic.result()
    if len(office.ledger.calls) != placed:
        raise BrokenError(f"{placed} emergencies were placed, and the PBX told of {len(office.ledger.calls)}")
    await settled(office, agent, more=more)
    await agent.stop()
    return placed


def hold(office: Office, agent: AgentProcess, outages: Iterable[Outage] = (), *, deaths: Sequence[int] = ()) -> None:
    """Hold what an agent, which does not run any more, has stored to what it was told; `deaths` are the PBX's (ms).

    Raises BrokenError with all that is wrong.
    """
    problems = [*judged(office.ledger, agent, outages, deaths), *office.judged(agent)]
    if problems:
        raise BrokenError("\n".join(problems[:20]))


@asynccontextmanager
async def running(agent: AgentProcess) -> AsyncIterator[None]:
    """An agent that is started, and that does not run any more when the block is left."""
    await agent.start()
    try:
        yield
    finally:
        if agent.pid is not None:
            await agent.kill()
