"""The event loop: uvloop's, in which a name waits for no other name that nobody resolves, nor for a disk that hangs."""

import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import uvloop

#: Names alone: in the loop's own threads files are read too, and a disk that does not answer would take all of them.
_NAMES = ThreadPoolExecutor(64, "names")


class Loop(uvloop.Loop):
    """Of libuv's own threads two look up names at the most: two channels of a dead name server, and no desk is told."""

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """See `asyncio.loop.getaddrinfo`: in a thread, as in asyncio's own loop."""
        return await self.run_in_executor(_NAMES, partial(socket.getaddrinfo, host, port, family, type, proto, flags))
