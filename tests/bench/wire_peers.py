"""What others make of the same flood, each in a process of its own: `python -m tests.bench.wire_peers NAME PORT`."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import cast

import uvloop
from panoramisk.manager import Manager  # noqa: TID251

from agent.core.normalise import WANTED
from agent.core.wire import Framer, name_of, parse
from tests.integration.fake_asterisk import SECRET

#: Behind the last event of the flood.
LAST = b"Event: FloodOver\r\n\r\n"
#: By this filter the server knows who is to be flooded.
_FILTER = {"Operation": "Add", "MatchCriteria": "action(include),name(Newchannel)"}
_LOGIN = (
    f"Action: Login\r\nUsername: agent\r\nSecret: {SECRET}\r\n\r\n"
    f"Action: Filter\r\n{''.join(f'{key}: {value}' + chr(13) + chr(10) for key, value in _FILTER.items())}\r\n"
).encode()
_RECV_BYTES = 1 << 20


def _recv_bound(port: int) -> int:
    """The bytes alone, looked at by nobody; how many."""
    buffer = bytearray(_RECV_BYTES)
    size, tail = 0, b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_LOGIN)
        while not tail.endswith(LAST):
            count = connection.recv_into(buffer)
            size += count
            tail = (tail + buffer[max(0, count - len(LAST)) : count])[-len(LAST) :]
    return size


class _Parsing(asyncio.Protocol):
    """Frames, looks at each event's name, and parses those that are wanted."""

    def __init__(self, wanted: Callable[[bytes], bool]) -> None:
        self._wanted = wanted
        self._framer = Framer()
        self.parsed = 0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(_LOGIN)

    def data_received(self, data: bytes) -> None:
        for raw in self._framer.feed(data):
            name = name_of(raw)
            if self._wanted(name):
                parse(raw)
                self.parsed += 1
            if name == b"FloodOver":
                self.over.set_result(None)


async def _parse(port: int, wanted: Callable[[bytes], bool]) -> int:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: _Parsing(wanted), "127.0.0.1", port)
    await protocol.over
    return protocol.parsed


async def _panoramisk(port: int) -> int:
    """Its Manager with one callback for everything, which only counts."""
    loop = asyncio.get_running_loop()
    manager = Manager(loop=loop, host="127.0.0.1", port=port, username="agent", secret=SECRET)
    heard, over = 0, loop.create_future()

    def counted(manager: Manager, message: object) -> None:
        nonlocal heard
        heard += 1

    manager.register_event("*", counted)
    manager.register_event("FloodOver", lambda manager, message: over.set_result(None))
    manager.on_login = lambda manager: manager.send_action({"Action": "Filter", **_FILTER})
    manager.connect()
    await over
    manager.close()
    return heard


PEERS: dict[str, Callable[[int], int]] = {
    "recv_bound": _recv_bound,
    "parse_bound": lambda port: uvloop.run(_parse(port, WANTED.__contains__)),
    "parse_all_bound": lambda port: uvloop.run(_parse(port, lambda name: True)),
    "panoramisk_callback": lambda port: uvloop.run(_panoramisk(port)),
}


def main() -> None:
    """Print what was counted, the processor time it took (s), and when the last event was there."""
    before_s = time.process_time()
    count = PEERS[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps({"count": count, "cpu_s": time.process_time() - before_s, "ended_ns": time.monotonic_ns()}))


if __name__ == "__main__":
    main()
