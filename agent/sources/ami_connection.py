"""One TCP connection to AMI: bytes framed, questions matched with their answers, panoramisk's traps kept out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from panoramisk.actions import Action  # noqa: TID251
from panoramisk.ami_protocol import AMIProtocol  # noqa: TID251

from agent.core.wire import BANNER, BANNER_LIMIT_BYTES, Framer, Message, head_of, stamped
from agent.sources.ami_reading import Reading

#: Asterisk 22 has some 200 kinds of event.
_MOST_DULL = 1_000

# panoramisk's Manager and CallManager are not used: retries at a fixed 2 s for ever, unchecked pings, actions that hang
# or leak while it is down, and reconnects after close() would all have to be overridden. Its Action (ids, wire form,
# future) and AMIProtocol (sending, the table of open actions) are sound enough to build upon.


class SessionDown(ConnectionError):
    """There is no logged-in AMI connection, or it went away before the answer came; ``args[0]`` is the cause."""


class NotAmi(Exception):
    """What answers at the address is no Asterisk Manager Interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Asterisk's ``Response`` to an action; ``output`` holds the lines of a ``Command``.

    ``events`` is how many wanted events a list held: its ``ListItems`` says 1 of an empty one (DBGetTree, Asterisk 16);
    ``items`` are they, where whoever asked wanted them to himself.
    """

    ok: bool
    headers: Mapping[str, str] = field(repr=False)
    output: list[str] = field(default_factory=list, repr=False)
    events: int = 0
    items: list[Message] = field(default_factory=list, repr=False)

    @property
    def message(self) -> str:
        """The ``Message`` header: the reason, where ``ok`` is False."""
        return self.headers.get("Message", "").strip()


class Question(Action):  # type: ignore[misc]
    """An action on its way; of a list action ``complete`` names the event that ends the list."""

    def __init__(self, headers: Mapping[str, str], complete: str = "", *, collects: bool = False) -> None:
        super().__init__({str(key): str(value) for key, value in headers.items()})
        self.complete = complete
        self.events = 0
        self.listed: list[Message] | None = [] if collects else None

    # Action.add_message never resolves a list that an Error answers, raises KeyError for an Originate without Async,
    # and waits for ever on answers whose text says "will follow" or "Added … to queue".
    def add_message(self, message: Message, output: list[str]) -> bool:
        """Take an answer or the list's last event; True when the question needs no more."""
        if message.name == "Response":
            ok = message.get("Response") not in ("Error", "Fail", "Failure")
            if ok and self.complete:
                return False
            answer = Answer(ok=ok, headers=message.headers, output=output)
        elif message.name == self.complete:
            answer = Answer(ok=True, headers=message.headers, events=self.events, items=self.listed or [])
        else:
            return False
        if not self.future.done():
            self.future.set_result(answer)
        return True


class Connection(AMIProtocol):  # type: ignore[misc]
    """One connection: hands each chunk of bytes to ``take`` and keeps the questions that wait for an answer.

    Whoever takes counts in ``heard`` the messages that took time; ``reading`` goes by it. ``greeted`` becomes the
    greeting line, or raises NotAmi. ``gone`` is set when it has ended, of ``cause`` (one word).
    """

    # AMIProtocol encodes as ASCII, and logs the whole action (the login's secret too) when a value does not fit.
    encoding = "utf-8"

    def __init__(self, take: Callable[["Connection", bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self._take = take
        self._loop = loop
        self._announced = ""
        self._timed = False
        self.cause = ""
        self._opening = b""
        self.heard = 0
        #: What the event loop is to be given as its protocol.
        self.reading = Reading(self)
        self.framer = Framer()
        self.ends: dict[bytes, int] = {}
        #: The heads of events that nobody here wants; see `agent.core.wire.head_of`.
        self.dull: set[bytes] = set()
        self.heard_at = loop.time()
        self.greeted: asyncio.Future[str] = loop.create_future()
        # Seen here once, so that a session cancelled before it looks leaves no "exception was never retrieved".
        self.greeted.add_done_callback(lambda greeted: greeted.cancelled() or greeted.exception())
        self.gone = asyncio.Event()

    # AMIProtocol decodes each chunk by itself (a split UTF-8 character vanishes), joins and splits strings without any
    # bound, parses every message, and raises out of here on two Event headers, which closes the socket.
    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._take(self, data)
        if not self.greeted.done():
            self._greet(data)

    def _greet(self, data: bytes) -> None:
        self._opening = (self._opening + data)[:BANNER_LIMIT_BYTES]
        if self.framer.banner is not None:
            self.greeted.set_result(self.framer.banner)
        elif not BANNER.startswith(self._opening[: len(BANNER)]) or len(self._opening) == BANNER_LIMIT_BYTES:
            self.greeted.set_exception(NotAmi())
            self.abort("foreign")

    # AMIProtocol tells a Manager, and queues what was open for a later connection, the password in its log line.
    def connection_lost(self, exc: BaseException | None) -> None:
        self.closed = True
        self.cause = self.cause or self._announced or ("reset" if exc else "closed")
        for question in self.responses.values():
            if not question.future.done():
                question.future.set_exception(SessionDown(self.cause))
        self.responses.clear()
        if not self.greeted.done():
            self.greeted.set_exception(SessionDown(self.cause))
        self.gone.set()

    def abort(self, cause: str) -> None:
        """End the connection at once, unsent bytes dropped; the first ``cause`` is the one that counts."""
        self.cause = self.cause or cause
        self.transport.abort()

    def expect_end(self, cause: str) -> None:
        """The peer announced that it is about to go."""
        self._announced = cause

    async def ask(
        self, headers: Mapping[str, str], timeout_s: float, complete: str = "", *, collects: bool = False
    ) -> Answer:
        """Send an action and wait for its answer, or for the event ``complete`` of a list action.

        Where it ``collects``, the list's events are its answer's ``items``, and nobody else hears them.

        Raises:
            ValueError: a key or value holds a line break or NUL (it could smuggle in a second action).
            SessionDown: the connection is closed, or closes before the answer.
            TimeoutError: no answer in ``timeout_s`` seconds.
        """
        refuse_line_breaks(headers)
        if self.closed or self.transport.is_closing():
            raise SessionDown(self.cause or "closed")
        question = Question(headers, complete, collects=collects)
        end = complete.encode()
        if end:
            self.ends[end] = self.ends.get(end, 0) + 1
            self.dull.clear()  # This event is awaited now.
        try:
            async with asyncio.timeout(timeout_s):
                answer: Answer = await self.send(question)
                return answer
        finally:
            # AMIProtocol keeps an action that timed out, and every ping, for ever.
            self.responses.pop(question.id, None)
            if end in self.ends:
                self.ends[end] -= 1
                if not self.ends[end]:
                    del self.ends[end]

    def skip(self, raw: bytes) -> None:
        """Nobody here wants events of this name: the next ones are not looked at."""
        if (head := head_of(raw)) and len(self.dull) < _MOST_DULL:
            self.dull.add(head)

    def vouched(self, raw: bytes, message: Message) -> bool:
        """Whether Asterisk itself can be taken to have sent this event: an answer to a question, or stamped as all are
        since the first that was.
        """
        if message.headers.get("ActionID", "") in self.responses:
            return True
        stamp = stamped(raw)
        self._timed = self._timed or stamp
        return stamp or not self._timed

    def collected(self, message: Message) -> bool:
        """Count an event for the question whose list it is part of (its end is none); whether it is its alone."""
        question: Any = self.responses.get(message.headers.get("ActionID", ""))
        if question is None or message.name == question.complete:
            return False
        question.events += 1
        if question.listed is None:
            return False
        question.listed.append(message)
        return True

    def settle(self, message: Message, raw: bytes) -> str:
        """Give an answer, or a list's last event, to its question; the action that this ends, or ""."""
        question: Any = self.responses.get(message.get("ActionID"))
        if question is None:
            return ""
        output = [_value(line) for line in raw.split(b"\r\n") if line.startswith(b"Output:")]
        if not question.add_message(message, output):
            return ""
        self.responses.pop(question.id, None)
        return str(question["Action"])


def refuse_line_breaks(headers: Mapping[str, str]) -> None:
    """Raise ValueError for a key or value that would not stay one header line."""
    for key, value in headers.items():
        if not key or any(character in f"{key}{value}" for character in "\r\n\0") or ":" in key:
            raise ValueError("an AMI header's key or value may hold no line break, and a key no colon")


def _value(line: bytes) -> str:
    return line[len("Output:") :].decode("utf-8", "backslashreplace").removeprefix(" ")
