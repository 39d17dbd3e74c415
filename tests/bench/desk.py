"""A web server of the desk's, and when each emergency first reached it."""

import asyncio
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Desk:
    """When each first came (seconds since 1970): ``reached`` by the alarm's id, ``emergencies`` by the emergency's."""

    def __init__(self) -> None:
        self.port = 0
        self.reached: dict[str, float] = {}
        self.emergencies: dict[str, float] = {}

    def write(self, channels: Path) -> None:
        """A file of channels in which this desk is the one that is told of emergencies."""
        channels.touch(0o600)
        channels.write_text(
            f'[channels.desk]\nkind = "webhook"\nurl = "http://127.0.0.1:{self.port}/"\n'
            'secret = "of-the-bench-alone"\ncauses = ["emergency"]\n'
        )

    def told(self, emergencies: int) -> bool:
        """Whether it was told of so many."""
        return len(self.emergencies) >= emergencies

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                at = time.time()
                headers = dict(line.partition(b": ")[::2] for line in head.lower().split(b"\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(headers[b"content-length"])))
                self.reached.setdefault(body["alarm"]["id"], at)
                self.emergencies.setdefault(body["alarm"]["subject"], at)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
