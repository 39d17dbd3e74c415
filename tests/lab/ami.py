"""A plain AMI session that keeps every byte it was sent."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

Message = list[tuple[str, str]]


class AmiError(Exception):
    """The other side is no AMI, refused the login, or went away."""


class AmiSession:
    """One login; messages come as lists of (header, value), and all bytes stay in `raw`.

    async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami:
        await ami.until("Event", "FullyBooted")
        answer = await ami.action("Command", Command="core show uptime")
    """

    def __init__(self, host: str, port: int, username: str, secret: str) -> None:
        self._address = (host, port)
        self._login = (username, secret)
        self._actions = 0
        self._unread = bytearray()
        self.raw = bytearray()

    async def __aenter__(self) -> Self:
        """Connects and logs in.

        Raises AmiError (login refused, not an AMI) and OSError (nobody listens).
        """
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        greeting = await self._reader.readline()
        self.raw += greeting
        if not greeting.startswith(b"Asterisk Call Manager/"):
            raise AmiError(f"not an AMI: {greeting!r}")
        await self.send("Login", Username=self._login[0], Secret=self._login[1])
        answer = await self.until("ActionID", str(self._actions))
        if ("Response", "Success") not in answer:
            raise AmiError(f"login refused: {dict(answer).get('Message')}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def send(self, action: str, **headers: str) -> str:
        """Sends an action, waits for nothing; returns its ActionID."""
        self._actions += 1
        lines = {"Action": action, "ActionID": str(self._actions), **headers}
        self._writer.write("".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n")
        await self._writer.drain()
        return str(self._actions)

    async def action(self, action: str, **headers: str) -> Message:
        """Sends an action and returns its answer; what comes before it is passed over (but kept in `raw`)."""
        action_id = await self.send(action, **headers)
        while True:
            answer = await self.until("ActionID", action_id)
            if answer[0][0] == "Response":
                return answer

    async def until(self, header: str, value: str) -> Message:
        """The first message from now on with this header and value.

        Raises AmiError when the session ends before.
        """
        async for message in self.messages():
            if (header, value) in message:
                return message
        raise AmiError(f"the session ended before {header}: {value}")

    async def messages(self) -> AsyncIterator[Message]:
        """Every message from now on, until the session ends."""
        while True:
            end = self._unread.find(b"\r\n\r\n")
            if end >= 0:
                # Behind some of its events (TestEvent, seen on 22) Asterisk sends an empty line too many.
                block = bytes(self._unread[:end]).lstrip(b"\r\n")
                del self._unread[: end + 4]
                if block:
                    yield [_header(line) for line in block.decode("utf-8", "replace").split("\r\n")]
                continue
            chunk = await self._reader.read(65536)
            if not chunk:
                return
            self.raw += chunk
            self._unread += chunk


def _header(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key, value.removeprefix(" ")
