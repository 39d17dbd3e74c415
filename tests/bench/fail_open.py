"""How long a 999 call takes from its first INVITE to its answer, with a healthy agent and with each fault of it."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.calls import one_by_one
from tests.bench.figures import Figure, of_samples, ratio
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.faults import FAULTS, small_disk
from tests.lab.provision import installation
from tests.lab.relay import Relay
from tests.lab.sip import Phone, Trunk


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`connect_<fault>` of every fault, one after another beside one Asterisk, and its ratio to `connect_none`."""
    figures = []
    async with Asterisk(installation(version, print)) as lab:
        phone = Phone(lab, "201", local_ip="127.0.8.1")
        await phone.register()
        async with (
            Trunk(lab, "trunk-a", ring_s=0),
            small_disk(folder / "disk", megabytes=32) as disk,
            Relay(lab.ami_port) as relay,
            AgentProcess(lab, folder=disk, ami_port=relay.port) as agent,
        ):
            before = 0
            for name, fault in FAULTS.items():
                async with fault(agent, relay):
                    placed = await one_by_one(phone, "999", calls)
                times = [(call.answered_at - call.invited_at) * 1000 for call in placed]
                figures.append(of_samples(f"connect_{name}", times))
                before += calls
                await agent.some("emergency", before, outcome="answered", ended_at=bool)
    return [*figures, *(ratio(f"{each.name}_to_none", each, figures[0]) for each in figures[1:])]
