"""A TCP relay that keeps every byte which passes: what somebody on the wire would have overheard."""

import asyncio
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536


class Relay:
    """Listens on a free port of 127.0.0.1 and passes all on to `port`; the bytes of both ways stay in `heard`.

    async with Relay(lab.ami_port) as relay, AgentProcess(lab, ami_port=relay.port) as agent:
        ...
    assert b"secret" not in relay.heard
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        #: One for each way of each connection, so that two streams never tear what one of them said.
        self._streams: list[bytearray] = []
        self._open = asyncio.Event()
        self._open.set()

    def block(self) -> None:
        """Lets nothing through any more; the connections stay open."""
        self._open.clear()

    def unblock(self) -> None:
        """Lets through what waits, and whatever comes."""
        self._open.set()

    @property
    def heard(self) -> bytes:
        """Every byte so far, stream after stream."""
        return b"\n".join(bytes(stream) for stream in self._streams)

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
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, far_writer))
            group.create_task(self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = bytearray()
        self._streams.append(stream)
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._open.wait()
                stream += chunk
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
