"""One login that only asks: for a look at the PBX, beside the sessions that listen."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from agent.core.wire import Message, name_of, parse
from agent.sources.ami_connection import Answer, Connection, SessionDown
from agent.sources.ami_login import Address, Credentials, connected, log_in

CONNECT_S = GREETING_S = 5.0
ANSWER_S = 10.0
LIST_S = 60.0
#: How long an event that may never come is waited for.
EVENT_S = 0.5
#: What is heard unasked. Asterisk says Reload for `module reload`, `core reload` and the action, and nothing at all for
#: `dialplan reload` (seen on 16 and 22).
_KEPT = frozenset((b"FullyBooted", b"RequestBadFormat"))
_RELOAD = b"Reload"


class Unreachable(Exception):
    """There is no connection to Asterisk, or it went away; the message is one sentence for the operator."""


class Inquiry:
    """A logged-in connection. Besides answers it hears few events, of the classes that it asked for at its login.

    Any number of questions may be open at once: Asterisk answers one after the other, without a round trip for each.
    """

    def __init__(self, events: str) -> None:
        self._events = events
        self._connection: Connection | None = None
        self._asked = 0
        self._wanted: Counter[bytes] = Counter()
        self._lists: dict[str, list[Message]] = {}
        self._heard: dict[str, Message] = {}
        self._news = asyncio.Event()
        self._reloaded = asyncio.Event()

    def take(self, connection: Connection, chunk: bytes) -> None:
        """Bytes as they come."""
        for raw in connection.framer.feed(chunk):
            name = name_of(raw)
            if name == b"Response" or name in connection.ends:
                connection.settle(parse(raw), raw)
            elif self._wanted[name]:
                message = parse(raw)
                self._lists.get(message.get("ActionID"), []).append(message)
            elif name in _KEPT:
                self._heard.setdefault(name.decode(), parse(raw))
                self._news.set()
            elif name == _RELOAD:
                self._reloaded.set()

    async def ask(self, action: Mapping[str, str]) -> Answer:
        """One action and its answer.

        Raises:
            SessionDown, TimeoutError: Asterisk went away.
        """
        return await self._up().ask(action, ANSWER_S)

    async def ask_list(
        self, action: Mapping[str, str], complete: str, items: frozenset[str]
    ) -> tuple[Answer, list[Message]]:
        """An action answered by events up to ``complete``: those whose name is in ``items``.

        Raises:
            SessionDown, TimeoutError: Asterisk went away.
        """
        self._asked += 1
        id, names = f"inquiry-{self._asked}", [name.encode() for name in items]
        listed = self._lists[id] = []
        self._wanted.update(names)
        try:
            return await self._up().ask({**action, "ActionID": id}, LIST_S, complete), listed
        finally:
            del self._lists[id]
            self._wanted.subtract(names)

    async def heard(self, name: str) -> Message | None:
        """The first FullyBooted or RequestBadFormat since the login, waited for at most EVENT_S."""
        try:
            async with asyncio.timeout(EVENT_S):
                while name not in self._heard:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self._heard[name]

    async def reloaded(self, within_s: float) -> bool:
        """Wait until Asterisk says that it has loaded something anew; False if it does not within ``within_s``.

        Raises:
            SessionDown: Asterisk went away.
        """
        gone = asyncio.ensure_future(self._up().gone.wait())
        news = asyncio.ensure_future(self._reloaded.wait())
        try:
            await asyncio.wait((gone, news), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise SessionDown("gone")
            return news.done()
        finally:
            gone.cancel()
            news.cancel()
            self._reloaded.clear()

    async def log_in(self, connection: Connection, address: Address, credentials: Credentials) -> None:
        """Log in over ``connection``; raises as `agent.sources.ami_login.log_in`."""
        await log_in(connection, address, credentials, ANSWER_S, events=self._events)
        self._connection = connection

    def _up(self) -> Connection:
        if self._connection is None:
            raise SessionDown("down")
        return self._connection


@asynccontextmanager
async def inquiry(
    address: Address, credentials: Credentials, *, events: str = "system,security"
) -> AsyncIterator[Inquiry]:
    """A login for the length of the block, that hears ``events`` (classes).

    Raises:
        LoginRefused, NotAmi, TlsRefused: as the listening sessions' login.
        Unreachable: no connection, or it was lost within the block.
    """
    asker = Inquiry(events)
    try:
        async with connected(address, asker.take, connect_s=CONNECT_S, greeting_s=GREETING_S) as connection:
            await asker.log_in(connection, address, credentials)
            yield asker
    except SessionDown:
        raise Unreachable(f"Asterisk at {address} closed the connection") from None
    except TimeoutError:
        raise Unreachable(f"Asterisk at {address} does not answer") from None
    except OSError as error:
        raise Unreachable(f"no connection to Asterisk at {address}: {error.strerror or error}") from None
