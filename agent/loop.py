"""The event loop: uvloop's, in which a name that nobody resolves keeps no other name waiting."""

import socket
from functools import partial
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """Of libuv's own threads two look up names at the most: two channels of a dead name server, and no desk is told."""

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """See `asyncio.loop.getaddrinfo`: here in a thread of the executor, as in asyncio's own loop."""
        return await self.run_in_executor(None, partial(socket.getaddrinfo, host, port, family, type, proto, flags))
