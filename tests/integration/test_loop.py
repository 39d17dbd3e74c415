"""The agent's event loop: what hangs in it, and what does not wait for that."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

#: Of a pool of libuv's as many would hang, and all behind them.
NAMES = 4


async def test_names_that_nobody_resolves_keep_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    hang, resolve = threading.Event(), socket.getaddrinfo

    def slow(host: str, *rest: Any) -> Any:
        if host == "dead.test":
            hang.wait()
            raise socket.gaierror
        return resolve(host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    loop = asyncio.get_running_loop()
    dead = [asyncio.create_task(loop.getaddrinfo("dead.test", 443)) for _ in range(NAMES)]
    try:
        async with asyncio.timeout(60):
            found = await loop.getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)
        assert ("127.0.0.1", 443) in [address for *_, address in found]
        assert not any(task.done() for task in dead)
    finally:
        hang.set()
        outcomes = await asyncio.gather(*dead, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {socket.gaierror}


async def test_a_name_is_looked_up_while_files_take_every_thread_of_the_loop() -> None:
    hang, loop = threading.Event(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    reading = asyncio.create_task(asyncio.to_thread(hang.wait))
    try:
        async with asyncio.timeout(60):
            await loop.getaddrinfo("localhost", 443)
    finally:
        hang.set()
        await reading
