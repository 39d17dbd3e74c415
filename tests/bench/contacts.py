"""What 100,000 registered phones cost: the snapshot of them, memory, and a process that has nothing to do."""

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from agent.ports import StoreError
from tests.bench.figures import Figure, of_samples
from tests.integration.fake_asterisk import event
from tests.lab.agent import AgentProcess
from tests.lab.events import REFRESHES, busy, made
from tests.lab.flood import Flood

CONTACTS, FEWEST = 100_000, 1_000
LIVE_CALLS = 2_000
TIMES = 5
IDLE_S = 60.0
#: Of a call's events those of its beginning: what else there is the agent's filters keep away, or ends it.
_BEGIN = tuple(f"Event: {name}\r\n".encode() for name in ("Newchannel", "DialBegin", "DialEnd", "BridgeEnter"))


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """Of 100,000 contacts, or ``calls`` where that is 1,000 or more, each of a line of its own; lines and addresses are
    encrypted.

    `resync_first_<n>` (s): from the question for the list of contacts to all of it stored, at an agent that knew none
    of them; `resync_<n>`: to the agent's being in step again, after each of some reconnects, with nothing left to
    store, and `resync_cpu_<n>` its processor time; `start_<n>`: from an agent's start to that. `memory_start`,
    `memory_<n>`, `memory_<n>_live`, `memory_<n>_restarted` (MB): resident, with nothing, with the contacts, with 2,000
    calls up as well, and after a restart. `idle_cpu_<n>` (%): of one core, over a minute in which nothing happens.
    """
    contacts = calls if calls >= FEWEST else CONTACTS
    n = f"{contacts // 1000}k"
    async with Flood(phones=0) as nobody, _agent(nobody, folder / "nobody") as agent:
        figures = [_megabytes("memory_start", agent)]
    async with Flood(phones=contacts) as flood:
        async with _agent(flood, folder / "agent") as agent:
            await known(agent, contacts)
            first_s = (time.monotonic_ns() - await flood.listed()) / 1e9
            again = [await _again(flood, agent) for _ in range(TIMES)]
            figures += [
                Figure(name=f"resync_first_{n}", value=round(first_s, 3), unit="s", n=1),
                of_samples(f"resync_{n}", [took for took, _ in again], "s"),
                of_samples(f"resync_cpu_{n}", [cpu for _, cpu in again], "s"),
                _megabytes(f"memory_{n}", agent),
                await _idle(f"idle_cpu_{n}", agent),
            ]
            for begun in _live(min(LIVE_CALLS, contacts // REFRESHES)):
                await flood.inject("bulk", begun)
            await flood.inject("bulk", _refused())
            await _stored(agent, "failure", 1)
            figures.append(_megabytes(f"memory_{n}_live", agent))
        began = time.monotonic()
        async with _agent(flood, folder / "agent") as agent:
            figures += [
                Figure(name=f"start_{n}", value=round(time.monotonic() - began, 3), unit="s", n=1),
                _megabytes(f"memory_{n}_restarted", agent),
            ]
    return figures


def _agent(flood: Flood, folder: Path) -> AgentProcess:
    return AgentProcess(flood, folder=folder, site_key=True, log_level="info")


async def _again(flood: Flood, agent: AgentProcess) -> tuple[float, float]:
    """How long (s) the snapshot after a cut connection took, and how much of that the agent's processor time."""
    before, cpu_s = await flood.listed(), agent.processor_s
    await flood.cut("bulk")
    asked_ns = await flood.listed(before)
    await agent.until(lambda: agent.get("/readyz")[0] == 200, "in step")
    return (time.monotonic_ns() - asked_ns) / 1e9, agent.processor_s - cpu_s


async def known(agent: AgentProcess, contacts: int) -> None:
    """Return when so many registrations are in its store."""
    for percent in range(2, 101, 2):  # Each step may take a minute.
        await _stored(agent, "registration", contacts * percent // 100)


async def _stored(agent: AgentProcess, kind: str, count: int) -> None:
    def counted() -> bool:
        with suppress(StoreError), agent.reader() as reader:
            return reader.count(kind) >= count
        return False  # So busy that there was no way in.

    await agent.until(counted, f"{count} × {kind}")


async def _idle(name: str, agent: AgentProcess) -> Figure:
    began, before = time.monotonic(), agent.processor_s
    await asyncio.sleep(IDLE_S)
    share = (agent.processor_s - before) / (time.monotonic() - began)
    return Figure(name=name, value=round(share * 100, 2), unit="% of a core", n=1)


def _live(calls: int) -> Iterator[bytes]:
    """So many calls between two phones each, from their beginning until they talk."""
    for unit in busy([made(number) for number in range(calls * REFRESHES)]):
        events = unit.at_second(int(time.time())).split(b"\r\n\r\n")
        yield b"".join(raw + b"\r\n\r\n" for raw in events if raw.startswith(_BEGIN))


def _refused() -> bytes:
    """A registration that is refused: once that is stored, all before it was heard."""
    stamp = {"Privilege": "security,all", "Timestamp": f"{time.time():.6f}"}
    return event("ChallengeResponseFailed", **stamp, Service="PJSIP")


def _megabytes(name: str, agent: AgentProcess) -> Figure:
    found = re.search(r"^VmRSS:\s*(\d+) kB$", Path(f"/proc/{agent.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return Figure(name=name, value=round(int(found[1]) * 1024 / 1e6, 1), unit="MB", n=1)
