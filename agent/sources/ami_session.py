"""One AMI session that keeps itself up: log in, filter, resynchronise, watch for silence, reconnect with back-off."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from agent.core.wire import LAST_WINS, Message, name_of, parse
from agent.ports import Listener
from agent.sources.ami_connection import Answer, Connection, NotAmi, SessionDown
from agent.sources.ami_filters import OWN_EVENTS, PROBE, Filters
from agent.sources.ami_login import Address, Credentials, InUse, LoginRefused, Mute, TlsRefused, connected, log_in

log = logging.getLogger(__name__)


_CAUSES = {
    "ConnectionRefusedError": "nothing listens there",
    "ConnectionResetError": "the connection was reset",
    "gaierror": "no such host",
    "TimeoutError": "no answer",
    "OSError": "no way there",
    "SessionDown": "the connection ended",
    "LoginRefused": "the login is refused: wrong name, wrong secret or an address that manager.conf does not permit",
    "InUse": "the user is logged in still and manager.conf has allowmultiplelogin=no",
    "NotAmi": "what answers there is not AMI",
    "Mute": "what answers there says nothing",
    "TlsRefused": "the TLS handshake failed",
    "silent": "it fell silent",
    "stalled": "it did not answer the snapshot in time",
    "closed": "Asterisk closed the connection",
    "reset": "the connection was reset",
    "shutdown": "Asterisk is shutting down",
}


class State(Enum):
    """How far a session has got."""

    DOWN = "down"
    CONNECTING = "connecting"
    LOGGED_IN = "logged_in"
    IN_STEP = "in_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. A peer silent for ``ping_after_s`` has ``ping_timeout_s`` to answer: together below 10."""

    connect_s: float = 5.0
    greeting_s: float = 5.0
    answer_s: float = 5.0
    list_s: float = 60.0
    ping_after_s: float = 3.0
    ping_timeout_s: float = 5.0
    backoff_first_s: float = 0.2
    #: Short: while the agent is away nobody hears a 999, and an attempt costs Asterisk nothing.
    backoff_last_s: float = 3.0
    refused_s: float = 60.0
    #: A session that held this long starts its next back-off from the beginning.
    steady_s: float = 10.0
    #: Between two full lists of contacts, where single look-ups tell nothing.
    relist_s: float = 30.0
    #: Between two readings of the journal of emergencies; after the end of one it is read sooner, once all is written.
    journal_s: float = 60.0
    journal_after_s: float = 1.0
    #: How long a store that refuses keeps a reading of the journal waiting: cleared is nothing until the next.
    journal_kept_s: float = 30.0


def _plain(cause: str) -> str:
    """A cause in the operator's words."""
    return _CAUSES.get(cause, cause)


class Session:
    """One AMI connection that keeps itself up, and hands what is wanted to ``listener`` in the order it came.

    ``wanted`` are event names; ``clock`` gives ms since 1970 UTC; ``resync`` asks for a full snapshot after each login
    and each later FullyBooted, and tells whether it got all of it. Counters run over all connections.
    """

    def __init__(
        self,
        *,
        name: str,
        address: Address,
        credentials: Credentials,
        wanted: frozenset[bytes],
        filters: Filters,
        listener: Listener,
        clock: Callable[[], int],
        resync: "Callable[[Session], Awaitable[bool]] | None" = None,
        timing: Timing | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.name = name
        self.timing = timing or Timing()
        self.state = State.DOWN
        self.filtered = False
        #: When Asterisk says that it started, as its CoreStatus words it; "" where that is not permitted.
        self.startup = ""
        self.received_messages = self.wanted_messages = self.unwanted_messages = 0
        self.received_bytes = self.oversized = self.faults = self.forged = self.reconnects = 0
        self._address = address
        self._credentials = credentials
        # Answers are no events: they belong to whoever asked.
        self._wanted = wanted - {b"Response"} - OWN_EVENTS
        self._filters = filters
        self._listener = listener
        self._clock = clock
        self._resync = resync
        self._chance = chance or random.Random()  # noqa: S311 - spreads reconnects, guards nothing
        self._connection: Connection | None = None
        self._booted = asyncio.Event()
        self._known_good = False
        self._heard_at = 0

    async def run(self) -> None:
        """Stay logged in until cancelled.

        Raises:
            LoginRefused, NotAmi, TlsRefused: before the first login ever; afterwards they too are retried.
        """
        tries = -1
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            pause = 0.0
            try:
                cause = await self._hold()
            except (LoginRefused, NotAmi, TlsRefused) as error:
                if not self._known_good:
                    raise
                cause = type(error).__name__
                if not isinstance(error, InUse | Mute):  # An Asterisk that hung, or was cut off, is well at any moment.
                    pause = self.timing.refused_s
            except (OSError, SessionDown) as error:
                cause = type(error).__name__
            finally:
                self.state = State.DOWN
            tries = 0 if loop.time() - began > self.timing.steady_s else tries + 1
            pause = pause or self._backoff_s(tries)
            log.warning(
                "AMI session %s at %s is down: %s; next try in %.1f s", self.name, self._address, _plain(cause), pause
            )
            await asyncio.sleep(pause)

    async def ask(self, action: Mapping[str, str], timeout_s: float | None = None) -> Answer:
        """Send one action and wait for its answer.

        Raises:
            SessionDown: not logged in, or the connection went away meanwhile.
            TimeoutError: no answer in time.
            ValueError: a key or value holds a line break.
        """
        return await self._up().ask(action, timeout_s or self.timing.answer_s)

    async def ask_list(self, action: Mapping[str, str], complete: str, timeout_s: float | None = None) -> Answer:
        """As ``ask``, for an action answered by events: they are heard as they come, ``complete`` ends them."""
        return await self._up().ask(action, timeout_s or self.timing.list_s, complete)

    async def collect(self, action: Mapping[str, str], complete: str) -> Answer:
        """As ``ask_list``, but nobody hears the events: they are the answer's ``items``, in the order they came."""
        return await self._up().ask(action, self.timing.list_s, complete, collects=True)

    def hear(self, message: Message, at: int | None = None) -> None:
        """Pass one message on; a fault in hearing it costs this message alone."""
        self.wanted_messages += 1
        try:
            self._listener.hear(self.name, message, self._clock() if at is None else at)
        except Exception as error:  # noqa: BLE001 - one bad message must not cost the rest of the chunk
            self.faults += 1
            log.error("AMI session %s: %s at %s", self.name, type(error).__name__, _place(error))

    def hold(self) -> None:
        """Read nothing until `release`: what Asterisk sends waits in the kernel, which takes some MB of it."""
        if self._connection is not None:
            self._connection.reading.hold()

    def release(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.reading.release()

    def _up(self) -> Connection:
        if self._connection is None or self.state is State.CONNECTING:
            raise SessionDown("down")
        return self._connection

    def _backoff_s(self, tries: int) -> float:
        longest = min(self.timing.backoff_last_s, self.timing.backoff_first_s * 2.0 ** min(tries, 20))
        return longest * self._chance.uniform(0.5, 1.0)

    async def _hold(self) -> str:
        """One connection from its beginning to its end; the cause of the end, in one word."""
        self.state = State.CONNECTING
        limits = {"connect_s": self.timing.connect_s, "greeting_s": self.timing.greeting_s}
        async with connected(self._address, self._take, **limits) as connection:
            cause = "stopped"
            try:
                await self._open(connection)
                async with asyncio.TaskGroup() as group:
                    side = [group.create_task(self._keep_alive(connection)), group.create_task(self._stay_in_step())]
                    await connection.gone.wait()
                    for task in side:
                        task.cancel()
                cause = connection.cause
            finally:
                self._connection = None
                if self.state is not State.CONNECTING:
                    # Whoever fell silent has told us nothing since its last byte.
                    at = self._heard_at if connection.cause == "silent" else self._clock()
                    self._listener.lost(self.name, connection.cause or cause, at)
                self.state = State.DOWN
            return cause

    async def _open(self, connection: Connection) -> None:
        await log_in(connection, self._address, self._credentials, self.timing.answer_s)
        self.filtered = await self._install_filters(connection)
        self.startup = await self._startup(connection)
        self._connection = connection
        # Only now: between login and filter nothing unwanted is sent, however busy Asterisk is.
        await connection.ask({"Action": "Events", "EventMask": "on"}, self.timing.answer_s)

    def _settled(self, action: str, at: int) -> None:
        # Here and not after the await: the events behind this answer may lie in the same chunk.
        if action == "Events" and self.state is State.CONNECTING:
            self.reconnects += self._known_good
            self._known_good = True
            self.state = State.LOGGED_IN
            self._listener.regained(self.name, at)

    async def _install_filters(self, connection: Connection) -> bool:
        """False where Asterisk refuses (no write class ``system``): manager.conf may hold them instead."""
        limit_s = self.timing.answer_s
        probe = await connection.ask(PROBE, limit_s)
        if "denied" in probe.message:
            log.warning("AMI session %s goes unfiltered: action Filter needs write class system", self.name)
            return False
        actions = self._filters.regexes() if probe.ok else self._filters.criteria()
        answers = await asyncio.gather(*(connection.ask(action, limit_s) for action in actions))
        if all(answer.ok for answer in answers):
            return True
        # Some includes without the others would cut wanted events away: let everything through.
        await connection.ask({"Action": "Filter", "Operation": "Add", "Filter": "."}, limit_s)
        log.warning("AMI session %s goes unfiltered: Asterisk refused its filters", self.name)
        return False

    async def _startup(self, connection: Connection) -> str:
        status = await connection.ask({"Action": "CoreStatus"}, self.timing.answer_s)
        return " ".join(status.headers.get(key, "") for key in ("CoreStartupDate", "CoreStartupTime")).strip()

    async def _keep_alive(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            quiet_s = loop.time() - connection.heard_at
            if quiet_s < self.timing.ping_after_s:
                await asyncio.sleep(self.timing.ping_after_s - quiet_s)
                continue
            asked_at = loop.time()
            try:
                await connection.ask({"Action": "Ping"}, self.timing.ping_timeout_s)
            except TimeoutError:
                if connection.heard_at < asked_at:
                    connection.abort("silent")
                    return
            except SessionDown:
                return

    async def _stay_in_step(self) -> None:
        while True:
            self._booted.clear()
            self.state = State.LOGGED_IN
            try:
                whole = self._resync is None or await self._resync(self)
            except SessionDown:
                return
            except TimeoutError:
                self._up().abort("stalled")
                return
            if whole and not self._booted.is_set():
                self.state = State.IN_STEP
            await self._booted.wait()

    def _take(self, connection: Connection, chunk: bytes) -> None:
        self._heard_at = at = self._clock()
        self.received_bytes += len(chunk)
        framer = connection.framer
        oversized, dull = framer.oversized, framer.dull
        raws = framer.feed(chunk, connection.dull)
        for raw in raws:
            name = name_of(raw)
            if name in self._wanted:
                connection.heard += 1
                message = parse(raw)
                if not connection.vouched(raw, message) or not _sound(message):
                    self.forged += 1
                elif not connection.collected(message) and self._filters.admit(message):
                    self.hear(message, at)
            else:
                self.unwanted_messages += name != b"Response"
            if name == b"Response" or name in connection.ends:
                self._settled(connection.settle(parse(raw), raw), at)
            elif name in OWN_EVENTS:
                if connection.vouched(raw, parse(raw)):
                    self._note(connection, name)
            elif name not in self._wanted:
                connection.skip(raw)
        self.oversized += framer.oversized - oversized
        self.unwanted_messages += framer.dull - dull
        self.received_messages += len(raws) + framer.dull - dull

    def _note(self, connection: Connection, name: bytes) -> None:
        if name == b"FullyBooted":
            self._booted.set()
        else:
            connection.expect_end("shutdown")


def _sound(message: Message) -> bool:
    """Whether nobody has put headers of his own into it; of a new channel and an emergency what is real is told apart.

    Those are not given up for it: a 999 is a 999, however strange its caller's name.
    """
    return not message.doubtful or message.name in LAST_WINS or message.get("UserEvent").startswith("Emergency")


def _place(error: BaseException) -> str:
    """Function and line where it was raised: the message of an exception may hold a personal value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
