"""An AMI server over real TCP that misbehaves on demand, and otherwise answers as Asterisk 16 and 22 were seen to."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Self

SECRET = "s3cret"
UNKNOWN = "Message: Invalid/unknown command: {}. Use Action: ListCommands to show available commands."
LISTS = {
    "PJSIPShowRegistrationInboundContactStatuses": "ContactStatusDetailComplete",
    "IAXpeerlist": "PeerlistComplete",
    "CoreShowChannels": "CoreShowChannelsComplete",
    "PJSIPShowEndpoint": "EndpointDetailComplete",
    "DBGetTree": "DBGetTreeComplete",
}

Action = dict[str, str]
Reply = Callable[["Peer", Action], list[bytes]]


def event(name: str, **headers: str) -> bytes:
    """The bytes of one event."""
    lines = [f"Event: {name}", *(f"{key}: {value}" for key, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def response(action: Mapping[str, str], status: str, *lines: str) -> bytes:
    """The bytes of one answer."""
    given = [f"ActionID: {action['ActionID']}"] if "ActionID" in action else []
    return "\r\n".join([f"Response: {status}", *given, *lines]).encode() + b"\r\n\r\n"


def list_of(action: Mapping[str, str], complete: str, *events: bytes) -> list[bytes]:
    """The answer to a list action: its start, the events, its end."""
    own = f"\r\nActionID: {action['ActionID']}\r\n\r\n".encode()
    start = response(action, "Success", "EventList: start", "Message: A list will follow")
    return [start, *(item.removesuffix(b"\r\n\r\n") + own for item in events), event(complete)[:-4] + own]


class Peer:
    """One client, as the server sees it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.actions: list[Action] = []
        self.listens = False
        self.includes: list[Callable[[bytes], bool]] = []

    def asked(self, name: str) -> list[Action]:
        """The actions of this name so far."""
        return [action for action in self.actions if action["Action"] == name]


class FakeAsterisk:
    """Listens on a free port of 127.0.0.1; ``replies`` and the flags bend how it answers.

    async with FakeAsterisk() as fake:
        ...
        await fake.emit(event("Newchannel"))
    """

    def __init__(self, *, port: int = 0, tls: SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.banner = b"Asterisk Call Manager/11.0.0\r\n"
        self.challenge = "497622202"
        self.match_criteria = True
        self.filter_allowed = True
        self.silent = False
        self.dribble = False
        self.startup = "21:03:42"
        #: By the action's name: what is sent instead of Asterisk's own answer.
        self.replies: dict[str, Reply] = {}
        self.peers: list[Peer] = []
        self.connections = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the port of the last time, if there was one."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self.tls, limit=1 << 16, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """Close every connection at once."""
        for peer in self.peers:
            peer.writer.transport.abort()
        self.peers.clear()

    def hang_up(self, peer: Peer, action: Action) -> list[bytes]:
        """A reply: cut the client that asked instead of answering it."""
        peer.writer.transport.abort()
        return []

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that clients do has made ``true`` true."""
        async with self._changed:
            await self._changed.wait_for(true)

    async def emit(self, *messages: bytes) -> None:
        """Send events to every client that is logged in and whose filters let them through."""
        for peer in self.peers:
            if peer.listens:
                kept = [raw for raw in messages if not peer.includes or any(include(raw) for include in peer.includes)]
                await self.send(peer, b"".join(kept))

    async def send(self, peer: Peer, data: bytes) -> None:
        """Send bytes as they are, one at a time if it dribbles."""
        step = 1 if self.dribble else len(data) or 1
        for start in range(0, len(data), step):
            peer.writer.write(data[start : start + step])
            await peer.writer.drain()
            if self.dribble:
                await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(writer)
        self.peers.append(peer)
        self.connections += 1
        try:
            await self.send(peer, self.banner)
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in text.split("\r\n") if line)
                peer.actions.append(action)
                if not self.silent:
                    for message in self._answer(peer, action):
                        await self.send(peer, message)
                async with self._changed:
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            if peer in self.peers:
                self.peers.remove(peer)
            self._tasks.discard(task)
            async with self._changed:
                self._changed.notify_all()

    def _answer(self, peer: Peer, action: Action) -> list[bytes]:
        name = action["Action"]
        if name in self.replies:
            return self.replies[name](peer, action)
        match name:
            case "Challenge" if self.challenge:
                return [response(action, "Success", f"Challenge: {self.challenge}")]
            case "Login":
                return self._log_in(peer, action)
            case "Filter":
                return [self._filter(peer, action)]
            case "Events":
                peer.listens = action["EventMask"] == "on"
                return [response(action, "Success", f"Events: {action['EventMask'].title()}")]
            case "Ping":
                return [response(action, "Success", "Ping: Pong", "Timestamp: 1795381452.301172")]
            case "CoreStatus":
                started = "CoreStartupDate: 2026-11-22", f"CoreStartupTime: {self.startup}"
                return [response(action, "Success", *started)]
            case _ if name in LISTS:
                return list_of(action, LISTS[name])
        return [response(action, "Error", UNKNOWN.format(name))]

    def _log_in(self, peer: Peer, action: Action) -> list[bytes]:
        digest = hashlib.md5((self.challenge + SECRET).encode()).hexdigest()
        good = action.get("Key") == digest if "AuthType" in action else action.get("Secret") == SECRET
        if not good:
            peer.writer.write(response(action, "Error", "Message: Authentication failed"))
            peer.writer.close()
            return []
        peer.listens = action.get("Events", "on") == "on"
        return [response(action, "Success", "Message: Authentication accepted")]

    def _filter(self, peer: Peer, action: Action) -> bytes:
        if not self.filter_allowed:
            return response(action, "Error", "Message: Permission denied")
        criteria = action.get("MatchCriteria", "")
        # Asterisk 16 never looks at MatchCriteria, and takes Filter as a regex, an empty one if it is missing.
        if not self.match_criteria or not criteria:
            pattern = action.get("Filter", "").replace("[[:space:]]", r"\s").encode()
            peer.includes.append(lambda raw: re.search(pattern, raw, re.DOTALL) is not None)
        elif found := re.search(
            r"^action\(include\),name\((\w+)\)(,header\(UserEvent\),method\(starts_with\))?$", criteria
        ):
            head = f"Event: {found[1]}\r\n".encode()
            value = f"\r\nUserEvent: {action['Filter']}".encode() if found[2] else b""
            peer.includes.append(lambda raw: raw.startswith(head) and value in raw)
        else:
            return response(action, "Error", "Message: Filter was formatted incorrectly.")
        return response(action, "Success", "Message: Success")
