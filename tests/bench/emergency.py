"""From the first INVITE of a 999 call on the wire to the durable record, and to the first alert handed over."""

import asyncio
import json
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.calls import one_by_one, ordinary
from tests.bench.figures import Figure, of_samples, ratio
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Callee, Phone, Trunk

#: Far more than any PBX has, and yet each finds the agent idle but for what `emergency_busy` adds.
EMERGENCIES_PER_SECOND = 4
ORDINARY_PER_SECOND = 40


class Desk:
    """A web server of the desk's: the instant (seconds since 1970) at which each alarm first reached it."""

    def __init__(self) -> None:
        self.port = 0
        self.reached: dict[str, float] = {}

    def told(self, alarms: int) -> bool:
        """Whether so many have."""
        return len(self.reached) >= alarms

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
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`emergency_idle` and `emergency_busy`, each to the durable record and to the desk."""
    figures = []
    for name in ("emergency_idle", "emergency_busy"):
        async with AsyncExitStack() as stack:
            lab = await stack.enter_async_context(Asterisk(installation(version, print)))
            desk = await stack.enter_async_context(Desk())
            agent = await stack.enter_async_context(_agent(lab, folder / name, desk.port))
            phone, customer = Phone(lab, "201", local_ip="127.0.7.1"), Phone(lab, "202", local_ip="127.0.7.2")
            await phone.register()
            await customer.register()
            await stack.enter_async_context(Trunk(lab, "trunk-a", ring_s=0))
            await stack.enter_async_context(Callee(customer, ring_s=0))
            if name == "emergency_busy":
                await stack.enter_async_context(ordinary(lab, "202", ORDINARY_PER_SECOND))
                # a second of warming up, so that the first call finds the full load
                await asyncio.sleep(1)
            placed = await one_by_one(phone, "999", calls, per_second=EMERGENCIES_PER_SECOND)
            await agent.some("emergency", calls, outcome="answered")
            await agent.until(partial(desk.told, calls), f"{calls} alerts")
            # both in the order of the calls, of which there is never more than one
            stored, reached = _stored(agent), sorted(desk.reached.values())
            invited = [call.invited_at for call in placed]
            figures += [
                of_samples(name, _ms(invited, stored)),
                of_samples(f"{name}_alert", _ms(invited, reached)),
            ]
    idle, _, busy, _ = figures
    return [*figures, ratio("emergency_busy_to_idle", busy, idle)]


def _agent(lab: Asterisk, folder: Path, port: int) -> AgentProcess:
    agent = AgentProcess(lab, folder=folder, settings='[alerts]\nchannels_file = "channels.toml"\n')
    channels = folder / "channels.toml"
    channels.write_text(
        f'[channels.desk]\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
        'secret = "of-the-bench-alone"\ncauses = ["emergency"]\n'
    )
    channels.chmod(0o600)
    return agent


def _stored(agent: AgentProcess) -> list[float]:
    """When the agent first said of each emergency that it is on the disk."""
    first: dict[str, float] = {}
    for line in agent.log.splitlines():
        if '"kept"' not in line:
            continue
        entry = json.loads(line)
        if entry["kind"] == "emergency":
            first.setdefault(entry["id"], datetime.fromisoformat(entry["timestamp"]).timestamp())
    return sorted(first.values())


def _ms(begin: list[float], end: list[float]) -> list[float]:
    return [(late - early) * 1000 for early, late in zip(begin, end, strict=True)]
