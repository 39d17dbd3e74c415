"""What the AMI tests listen with, and sessions with impatient timing."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from agent.core.wire import Message
from agent.sources.ami import Address, AmiSource, Credentials, Filters, Session, Timing
from tests.integration.fake_asterisk import SECRET

WANTED = frozenset(
    {
        *(b"ContactStatus", b"ContactStatusDetail", b"ContactStatusDetailComplete", b"DBGetTreeResponse"),
        *(b"UserEvent", b"Hangup"),
    }
)
SEED = 20261122
PATIENCE_S = 60.0

QUICK = Timing(
    ping_after_s=0.1,
    ping_timeout_s=0.2,
    answer_s=2.0,
    greeting_s=0.3,
    backoff_first_s=0.01,
    backoff_last_s=0.05,
    refused_s=0.2,
)


class Ear:
    """A listener that remembers; ``until`` waits for what it heard to fulfil a condition."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.states: list[tuple[str, str]] = []
        self.deaf_to = ""
        self._changed = asyncio.Event()

    def hear(self, session: str, message: Message, at: int) -> None:
        self._changed.set()
        if message.name == self.deaf_to:
            raise KeyError(message.headers)
        self.heard.append((session, message))

    def lost(self, session: str, cause: str, at: int) -> None:
        self.states.append((session, cause))
        self._changed.set()

    def regained(self, session: str, at: int) -> None:
        self.states.append((session, "regained"))
        self._changed.set()

    def names(self, session: str = "bulk") -> list[str]:
        """The names of what one session handed on, in order."""
        return [message.name for of, message in self.heard if of == session]

    def all(self, name: str) -> list[Message]:
        """Every message of this name, in order."""
        return [message for _, message in self.heard if message.name == name]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until ``true``, looked at after everything that is heard and on each turn of a clock tick.

        Raises TimeoutError when it does not come true.
        """
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.02)


def session_to(
    port: int,
    ear: Ear,
    *,
    name: str = "bulk",
    secret: str = SECRET,
    wanted: frozenset[bytes] = WANTED,
    filters: Filters | None = None,
    timing: Timing = QUICK,
    resync: Callable[[Session], Awaitable[bool]] | None = None,
    clock: Callable[[], int] = lambda: 1795380280123,
) -> Session:
    """One session with this ear, and a seeded back-off."""
    return Session(
        name=name,
        address=Address(host="127.0.0.1", port=port),
        credentials=Credentials(username="agent", secret=secret),
        wanted=wanted,
        filters=filters or Filters.bulk(wanted),
        listener=ear,
        clock=clock,
        timing=timing,
        resync=resync,
        chance=random.Random(SEED),
    )


def source_to(port: int, ear: Ear, *, secret: str = SECRET, timing: Timing = QUICK) -> AmiSource:
    """Both sessions with this ear."""
    return AmiSource(
        address=Address(host="127.0.0.1", port=port),
        credentials=Credentials(username="agent", secret=secret),
        wanted=WANTED,
        listener=ear,
        clock=lambda: 1795380280123,
        timing=timing,
        chance=random.Random(SEED),
    )


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """``work`` as a task for the length of the block; if it failed, its error is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
