"""What takes AMI's bytes off the wire: so few at once that whatever else waits has its turn."""

import asyncio
from typing import Protocol, cast

#: Bytes taken from the kernel at once: few, so that whatever else waits gets its turn, and more while little of them is
#: wanted, so that a flood is skipped fast. Messages that may be wanted of them before they become fewer again.
READ_BYTES, MOST_READ_BYTES = 1 << 13, 1 << 16
HEARD_AT_ONCE = 32


class Taker(Protocol):
    """An `asyncio.Protocol` that counts in ``heard`` the messages that took time."""

    heard: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """See `asyncio.BaseProtocol`."""

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""


# An event loop reads 256 KiB at once for any other protocol: 600 events, behind which a 999 on the express session
# waits. It is none itself, for uvloop asks nothing that is an asyncio.Protocol too where its bytes are to go.
class Reading(asyncio.BufferedProtocol):
    """Reads for ``taker``, about `HEARD_AT_ONCE` messages that it hears at a time."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._room = memoryview(bytearray(MOST_READ_BYTES))
        self._read_bytes = READ_BYTES
        self._transport: asyncio.Transport | None = None
        self._held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class.
        self._taker.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = None
        self._room = memoryview(b"")
        self._taker.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Where the next bytes go; see `asyncio.BufferedProtocol`."""
        return self._room[: self._read_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        filled, before = nbytes == self._read_bytes, self._taker.heard
        self._taker.data_received(bytes(self._room[:nbytes]))
        heard = self._taker.heard - before
        if not filled or heard > HEARD_AT_ONCE:
            self._read_bytes = max(READ_BYTES, self._read_bytes // 2)
        elif heard <= HEARD_AT_ONCE // 2:
            self._read_bytes = min(MOST_READ_BYTES, self._read_bytes * 2)
        if filled and self._transport is not None:
            # libuv, which uvloop is made of, reads up to 32 times in a row while there is more.
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def hold(self) -> None:
        """Read nothing until `release`: what comes waits in the kernel."""
        self._held = True
        if self._transport is not None:
            self._transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        self._held = False
        self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and not self._held:
            self._transport.resume_reading()
