"""More registrations than the store can take, for a minute, with emergencies among them; and how it recovers."""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.integration.fake_asterisk import event
from tests.lab.agent import AgentProcess
from tests.lab.flood import Flood
from tests.torture.rounds import BrokenError, Counts, Round, Torment

#: Phones that come and go, each time a record of its own, of two states.
PHONES: Final = 1_000
FLOOD_S: Final = 60.0
#: Events told to be sent together, as fast as the agent takes them.
AT_ONCE: Final = 10_000
#: Between two emergencies.
EVERY_S: Final = 0.5
#: So much the agent may hold at the most: the ordinary lane full, and all else.
MOST_MB: Final = 500.0
_POLL_S: Final = 0.25
_RESIDENT = re.compile(r"^(VmHWM|VmRSS):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """What the agent's metrics tell of registrations, in states of records; ``waiting``: in the ordinary lane."""

    written: int
    coalesced: int
    shed: int
    waiting: int

    @classmethod
    def of(cls, agent: AgentProcess) -> "_Books":
        status, text = agent.get("/metrics")
        if status != 200:
            raise BrokenError(f"/metrics: {status}")

        def value(metric: str) -> int:
            found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
            return 0 if found is None else int(float(found[1]))

        return cls(
            written=value('telephony_records_committed_total{kind="registration"}'),
            coalesced=value('telephony_records_coalesced_total{kind="registration"}'),
            shed=value('telephony_records_shed_total{kind="registration"}'),
            waiting=value('telephony_lane_depth{lane="ordinary"}'),
        )


@asynccontextmanager
async def overload(folder: Path) -> AsyncIterator[Torment]:
    """See `tests.torture.rounds.Part`: each round has an agent of its own, with an encrypted store."""
    yield _round


async def _round(turn: Round) -> Counts:
    agent_folder = turn.folder / "agent"
    async with (
        Flood(phones=0, flapping=PHONES) as flood,
        AgentProcess(flood, folder=agent_folder, site_key=True, log_level="info") as agent,
    ):
        await flood.both()
        steady_mb = _resident_mb(agent, "VmRSS")
        offered, seconds, called = await _flooded(flood, agent, FLOOD_S * turn.size)
        left = (await asyncio.to_thread(_Books.of, agent)).waiting
        began = time.monotonic()
        await _emptied(agent)
        recovery_s = time.monotonic() - began
        books = await asyncio.to_thread(_Books.of, agent)
        _exact(books, offered)
        _whole(agent, called)
        peak_mb, after_mb = _resident_mb(agent, "VmHWM"), _resident_mb(agent, "VmRSS")
        late = _late_s(agent, called)
        text = agent.get("/metrics")[1]
    if peak_mb > MOST_MB:
        raise BrokenError(f"the agent held {peak_mb:.0f} MB")
    if other := re.findall(r'^telephony_records_shed_total\{kind="(?!registration)\w+"\} [1-9].*$', text, re.MULTILINE):
        raise BrokenError(f"shed: {other}")
    return {
        "offered": offered,
        "written": books.written,
        "coalesced": books.coalesced,
        "shed": books.shed,
        "emergencies": len(called),
        "offered_per_s": [offered / seconds],
        "sustainable_per_s": [left / recovery_s * 2 if recovery_s > 1 else 0.0],
        "emergency_s": late,
        "recovery_s": [recovery_s],
        "steady_mb": [steady_mb],
        "peak_mb": [peak_mb],
        "after_mb": [after_mb],
    }


async def _flooded(flood: Flood, agent: AgentProcess, seconds: float) -> tuple[int, float, list[float]]:
    """How many states of registrations were sent, in how many seconds; and when each of the emergencies was told."""
    called: list[float] = []
    offered, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        flooding = await flood.begin(AT_ONCE)
        while not flooding.done():
            await asyncio.wait({flooding}, timeout=EVERY_S)
            called.append((await flood.inject("express", _emergency(len(called)))).at)
        offered += flooding.result().events
    return offered, time.monotonic() - began, called


def _emergency(number: int) -> bytes:
    unique = f"1795380280.{number}"
    channel = {"Channel": f"PJSIP/{_line(number)}-{number:08x}", "Uniqueid": unique, "Linkedid": unique}
    told = {"UserEvent": "Emergency", "Call": unique, "Number": "999"}
    return b"".join(
        event("UserEvent", Privilege="user,all", Timestamp=f"{time.time():.6f}", **channel, **told, Stage=stage)
        for stage in ("Dialled", "Ended")
    )


def _line(number: int) -> str:
    return f"desk{number}"


async def _emptied(agent: AgentProcess) -> None:
    """Return when nothing waits for the store any more, and nothing more is on the wire."""
    last = None
    while True:
        books = await asyncio.to_thread(_Books.of, agent)
        if not books.waiting and books == last:
            return
        last = books
        await asyncio.sleep(_POLL_S)


def _exact(books: _Books, offered: int) -> None:
    told = books.written + books.coalesced + books.shed
    if told != offered:
        raise BrokenError(f"{offered} states were offered, the metrics tell of {told}: {books}")


def _whole(agent: AgentProcess, called: list[float]) -> None:
    """Each emergency is stored, once, and over."""
    with closing(sqlite3.connect(f"file:{agent.store}?mode=ro", uri=True)) as database:
        over = database.execute("SELECT count(*), count(ended_at) FROM emergencies").fetchone()
    if over != (len(called), len(called)):
        raise BrokenError(f"of {len(called)} emergencies {over[0]} are stored, {over[1]} of them over")


def _late_s(agent: AgentProcess, called: list[float]) -> list[float]:
    """How long after it was told each emergency was on the disk; they come in the order in which they were told."""
    first: dict[str, float] = {}
    for line in agent.log.splitlines():
        if '"kept"' in line and (entry := json.loads(line))["kind"] == "emergency":
            first.setdefault(entry["id"], datetime.fromisoformat(entry["timestamp"]).timestamp())
    return [kept - told for kept, told in zip(sorted(first.values()), called, strict=True)]


def _resident_mb(agent: AgentProcess, what: str) -> float:
    found = dict(_RESIDENT.findall(Path(f"/proc/{agent.pid}/status").read_text()))
    return int(found[what]) / 1024
