"""From the first INVITE of a 999 call on the wire to the durable record, and to the first alert handed over."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from tests.bench.calls import one_by_one, ordinary
from tests.bench.desk import Desk
from tests.bench.figures import Figure, of_samples, ratio
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Callee, Phone, Trunk

#: Far more than any PBX has, and yet each finds the agent idle but for what a busy one adds.
EMERGENCIES_PER_SECOND = 4
ORDINARY_PER_SECOND = 40


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`call_to_disk_<what>` and `call_to_desk_<what>`, each of an idle PBX and a busy one."""
    figures = []
    for name in ("idle", "busy"):
        async with AsyncExitStack() as stack:
            lab = await stack.enter_async_context(Asterisk(installation(version, print)))
            desk = await stack.enter_async_context(Desk())
            agent = await stack.enter_async_context(_agent(lab, folder / name, desk))
            phone, customer = Phone(lab, "201", local_ip="127.0.7.1"), Phone(lab, "202", local_ip="127.0.7.2")
            await phone.register()
            await customer.register()
            await stack.enter_async_context(Trunk(lab, "trunk-a", ring_s=0))
            await stack.enter_async_context(Callee(customer, ring_s=0))
            if name == "busy":
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
                of_samples(f"call_to_disk_{name}", _ms(invited, stored)),
                of_samples(f"call_to_desk_{name}", _ms(invited, reached)),
            ]
    idle, _, busy, _ = figures
    return [*figures, ratio("call_busy_to_idle", busy, idle)]


def _agent(lab: Asterisk, folder: Path, desk: Desk) -> AgentProcess:
    agent = AgentProcess(lab, folder=folder, settings='[alerts]\nchannels_file = "channels.toml"\n')
    desk.write(folder / "channels.toml")
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
