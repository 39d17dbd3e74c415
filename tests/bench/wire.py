"""A flood of AMI events from the wire into the store, beside what others and the bounds make of the same flood."""

import asyncio
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from tests.bench.figures import Figure, ratio
from tests.bench.wire_peers import LAST, PEERS
from tests.lab.agent import AgentProcess
from tests.lab.events import SECOND
from tests.lab.flood import Flood, Flooded
from tests.lab.provision import die_with_parent

PHONES = 5_000
CAPTURE = Path(__file__).parents[1] / "scenarios" / "captures" / "asterisk-22-unmodified.ami"
#: Fewer would be over before anything is warm.
LEAST_EVENTS = 100_000
#: Of those that need longest for an event.
_MOST_SLOW = 200_000
_POLL_S = 0.01
_AGAINST = {"panoramisk_callback": "panoramisk", "parse_all_bound": "parse_all", "parse_bound": "parse"}


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """Events a second: `wire_to_durable` and `wire_to_durable_capture` until the last record of a flood is stored, the
    bounds, and `panoramisk_callback`; `…_cpu` is the processor time of an event.

    ``calls`` is the number of events, 100,000 at the least.

    Raises AssertionError when a record is missing in the store, or anything was shed.
    """
    events = max(calls, LEAST_EVENTS)
    figures = await _durable("wire_to_durable", Flood(phones=PHONES + 1), events, folder / "made")
    figures += await _durable("wire_to_durable_capture", Flood(phones=1, capture=CAPTURE), events, folder / "captured")
    for name in PEERS:
        slow = name in ("panoramisk_callback", "parse_all_bound")
        figures += await _peer(name, min(events, _MOST_SLOW) if slow else events)
    by_name = {figure.name: figure for figure in figures}
    durable = by_name["wire_to_durable"]
    return [
        *figures,
        *(ratio(f"wire_to_durable_to_{short}", durable, by_name[name]) for name, short in _AGAINST.items()),
    ]


async def _durable(name: str, server: Flood, events: int, folder: Path) -> list[Figure]:
    """The agent itself, with its configuration, its keys and its store."""
    async with server as flood, AgentProcess(flood, folder=folder, site_key=True, log_level="info") as agent:
        await flood.both()
        await agent.some("registration", len(flood.contacts))
        before = {record["line"]: record for record in agent.stored("registration")}
        spare = flood.contacts[-1]  # Nothing in the flood is of it.
        used = agent.processor_s
        flooded = await (await flood.begin(events))
        mark = spare.refreshed().replace(SECOND, b"%010d" % flooded.second)
        await flood.inject("bulk", mark)
        ended_ns = await asyncio.to_thread(_stored, agent, before[spare.line])
        used = agent.processor_s - used
        _whole(agent, flood, flooded, before)
    return [
        _rate(name, flooded.events, ended_ns - flooded.began_ns),
        _cpu(name, flooded.events, used),
    ]


def _whole(agent: AgentProcess, flood: Flood, flooded: Flooded, before: dict[str, dict[str, object]]) -> None:
    """Each registration stands in the store with every refresh of it, and nothing was shed, refused or held forged."""
    stored = {record["line"]: record for record in agent.stored("registration")}
    refreshed = Counter(line for unit in flood.units for line in unit.refreshed)
    for line, times in refreshed.items():
        counted = stored[line]["refreshes"] - int(str(before[line]["refreshes"]))
        assert counted == times * flooded.rounds, f"{line}: {counted} of {times * flooded.rounds} refreshes are stored"
    said = agent.get("/metrics")[1]
    for metric in ("telephony_records_shed_total", "telephony_ami_faults_total", "telephony_ami_forged_total"):
        values = re.findall(rf"^{metric}(?:\{{[^}}]*\}})? (\S+)$", said, re.MULTILINE)
        assert all(float(value) == 0 for value in values), f"{metric}: {values}"


def _stored(agent: AgentProcess, before: Mapping[str, object]) -> int:
    """When the next refresh of this registration is in the store, and with it all that was heard before."""
    find, id = "SELECT refreshes FROM registrations WHERE id = ?", before["id"]
    with closing(sqlite3.connect(f"file:{agent.store}?mode=ro", uri=True)) as database:
        while database.execute(find, (id,)).fetchone() == (before["refreshes"],):
            time.sleep(_POLL_S)
    return time.monotonic_ns()


async def _peer(name: str, events: int) -> list[Figure]:
    async with Flood(phones=PHONES) as flood:
        process = await asyncio.create_subprocess_exec(
            *(*die_with_parent(), sys.executable, "-m", "tests.bench.wire_peers", name, str(flood.ami_port)),
            stdout=asyncio.subprocess.PIPE,
        )
        await flood.listens("bulk")
        flooded = await (await flood.begin(events))
        await flood.inject("bulk", LAST)
        told = json.loads((await process.communicate())[0])
    return [
        _rate(name, flooded.events, told["ended_ns"] - flooded.began_ns),
        _cpu(name, flooded.events, told["cpu_s"]),
    ]


def _rate(name: str, events: int, took_ns: int) -> Figure:
    return Figure(name=name, value=round(events / took_ns * 1e9), unit="events/s", n=events)


def _cpu(name: str, events: int, seconds: float) -> Figure:
    return Figure(name=f"{name}_cpu", value=round(seconds / events * 1e6, 3), unit="us/event", n=events)
