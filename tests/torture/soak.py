"""A day of a PBX's traffic, an hour a round: whether the agent's memory, files, threads and WAL stay as they were."""

import asyncio
import os
import re
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration.fake_asterisk import event
from tests.lab.agent import AgentProcess
from tests.lab.flood import Flood
from tests.torture.rounds import BrokenError, Counts, Round, Torment

#: Phones, and what an hour of theirs is: events of registrations and calls, and emergencies among them.
PHONES: Final = 500
EVENTS: Final = 100_000
EMERGENCIES: Final = 10
#: Hours in which caches fill; then what may be added in a day, and how large the WAL may ever be.
_WARM: Final = 4
_MB_A_DAY, _FILES, _THREADS, _WAL_MB = 24.0, 8, 8, 64.0
_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    rss_mb: float
    files: int
    threads: int
    wal_mb: float

    @classmethod
    def of(cls, agent: AgentProcess) -> "_Sample":
        process = Path(f"/proc/{agent.pid}")
        status = dict(re.findall(r"^(\w+):\s+(\d+)", (process / "status").read_text(), re.M))
        wal = agent.store.with_name(agent.store.name + "-wal")
        return cls(
            rss_mb=int(status["VmRSS"]) / 1024,
            files=len(os.listdir(process / "fd")),
            threads=int(status["Threads"]),
            wal_mb=wal.stat().st_size / 1e6,
        )


@asynccontextmanager
async def soak(folder: Path) -> AsyncIterator[Torment]:
    """One agent, with an encrypted store, for all rounds."""
    samples: list[_Sample] = []
    async with (
        Flood(phones=PHONES) as flood,
        AgentProcess(flood, folder=folder / "agent", site_key=True, log_level="info") as agent,
    ):
        await flood.both()

        async def hour(turn: Round) -> Counts:
            flooding = await flood.begin(turn.of(EVENTS))
            for number in range(EMERGENCIES):
                await asyncio.sleep(turn.draw.uniform(0, 0.3))
                for stage in ("Dialled", "Failed", "Ended"):
                    await flood.inject("express", _stage(f"{turn.number}.{number}", stage))
            events = (await flooding).events
            await agent.some("emergency", (len(samples) + 1) * EMERGENCIES, outcome="failed", ended_at=bool)
            sample = await asyncio.to_thread(_Sample.of, agent)
            samples.append(sample)
            slope = _flat(samples)
            counts: dict[str, float | list[float]] = {
                "events": events,
                "emergencies": EMERGENCIES,
                "rss_mb": [sample.rss_mb],
                "files": [sample.files],
                "threads": [sample.threads],
                "wal_mb": [sample.wal_mb],
            }
            return counts if slope is None else counts | {"rss_mb_a_day": [slope]}

        yield hour


def _flat(samples: list[_Sample]) -> float | None:
    """By how many MB a day the memory grows; None while it is too early to say.

    Raises BrokenError for what grows.
    """
    first, last = samples[min(_WARM, len(samples)) - 1], samples[-1]
    if last.wal_mb > _WAL_MB:
        raise BrokenError(f"the WAL has {last.wal_mb:.0f} MB")
    if last.files > first.files + _FILES or last.threads > first.threads + _THREADS:
        raise BrokenError(f"files and threads grow: {first}, later {last}")
    warm = samples[_WARM - 1 :]
    if len(warm) < _HOURS // 2:
        return None
    slope = statistics.linear_regression(range(len(warm)), [sample.rss_mb for sample in warm]).slope * _HOURS
    if slope > _MB_A_DAY:
        raise BrokenError(f"the memory grows by {slope:.1f} MB a day: {[round(each.rss_mb, 1) for each in samples]}")
    return slope


def _stage(call: str, stage: str) -> bytes:
    headers = {"Uniqueid": call, "Linkedid": call, "UserEvent": "Emergency", "Stage": stage, "Call": call}
    at = f"{time.time():.6f}"
    return event(
        "UserEvent", Privilege="user,all", Timestamp=at, Channel="PJSIP/201-00000001", **headers, Number="999", At=at
    )
