"""From an emergency's bytes on the AMI wire to its row on the disk and its alert at the desk, whatever else goes on."""

import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.contacts import known
from tests.bench.desk import Desk
from tests.bench.figures import Figure, of_samples, p99_ratio
from tests.bench.stores import DAY_MS, DAYS, year_of
from tests.integration.commands import telephony_agent
from tests.lab.agent import AgentProcess
from tests.lab.events import Contact
from tests.lab.flood import Flood
from tests.lab.provision import die_with_parent

#: Between the dialling of two calls (s); in the middle of it the one before is over.
EVERY_S = 0.05
PHONES = 1_000
#: For each emergency that is measured, so many calls in the store, and phones in a snapshot: 1,000,000 and 100,000 for
#: 2,000 emergencies.
CALLS_EACH, PHONES_EACH = 500, 50
_SEED = 6
_ALERTS = '[alerts]\nchannels_file = "channels.toml"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An agent that runs, the server that it listens to, and the desk that it tells."""

    agent: AgentProcess
    flood: Flood
    desk: Desk


@asynccontextmanager
async def _place(folder: Path, kind: "Busy", emergencies: int) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        phones = PHONES_EACH * emergencies if kind.many_phones else PHONES
        flood = await stack.enter_async_context(Flood(phones=phones))
        desk = await stack.enter_async_context(Desk())
        folder.mkdir()
        if kind.stored:
            await asyncio.to_thread(_stored, folder, CALLS_EACH * emergencies)
        settings = _ALERTS + kind.settings
        agent = AgentProcess(flood, folder=folder, settings=settings, site_key=True, log_level="info")
        desk.write(folder / "channels.toml")
        await stack.enter_async_context(agent)
        await flood.both()
        if kind.many_phones:
            await known(agent, phones)
        yield Place(agent=agent, flood=flood, desk=desk)


def _stored(folder: Path, calls: int) -> None:
    """Copy the store of a year's calls there, with its keys."""
    with year_of(calls) as year:
        for file in year.path.parent.iterdir():
            shutil.copy(file, folder / file.name)
    site_key = folder / "site-key"
    site_key.write_text(site_key.read_bytes().hex())


# -- what else goes on ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def _nothing(_: Place) -> AsyncIterator[None]:
    yield


def _again(once: Callable[[Place], Awaitable[object]]) -> Callable[[Place], AbstractAsyncContextManager[None]]:
    """``once`` over and over for as long as the block lasts."""

    @asynccontextmanager
    async def over_and_over(place: Place) -> AsyncIterator[None]:
        stop = asyncio.Event()

        async def again() -> None:
            while not stop.is_set():
                await once(place)

        async with asyncio.TaskGroup() as group:
            group.create_task(again())
            await asyncio.sleep(1)  # So that the first emergency finds it under way.
            yield
            stop.set()

    return over_and_over


async def _flooded(place: Place) -> None:
    """Events on the bulk session, as fast as the agent reads them."""
    await (await place.flood.begin(20_000))


async def _snapshot(place: Place) -> None:
    """Every phone's registration, as after each login."""
    asked = time.monotonic_ns()
    await place.flood.inject("bulk", _event("FullyBooted", "system", "Status: Fully Booted"))
    await place.flood.listed(asked)
    await place.agent.until(lambda: place.agent.get("/readyz")[0] == 200, "in step")


async def _checkpoint(place: Place) -> None:
    """The WAL is emptied, as after each purge, beside ordinary traffic that fills it."""
    await (await place.flood.begin(2_000, rate=4_000))
    await asyncio.to_thread(_command, place, "purge")


async def _export(place: Place) -> None:
    """An account's history of a year: 8,000 calls."""
    begin, end = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d") for at in (time.time() - DAYS * DAY_MS / 1000, time.time())
    )
    words = ("--from", begin, "--until", end, "--reason", "a measurement", "--format", "csv", "--to", "history.csv")
    await asyncio.to_thread(_command, place, "history", "A000000", *words)
    (place.agent.folder / "history.csv").unlink()


async def _backup(place: Place) -> None:
    """SQLite's own online backup, by another program."""
    to = place.agent.folder / "backup.sqlite"
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
    words = (*die_with_parent(), sys.executable, "-c", script, str(place.agent.store), str(to))
    copying = await asyncio.create_subprocess_exec(*words)
    assert await copying.wait() == 0
    to.unlink()


def _command(place: Place, *words: str) -> None:
    done = telephony_agent(*words, cwd=place.agent.folder)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """What goes on beside the emergencies; ``stored``: in a store of a year's calls."""

    doing: Callable[[Place], AbstractAsyncContextManager[None]]
    stored: bool = False
    many_phones: bool = False
    settings: str = ""


#: By the end of the figures' names. A snapshot is that of phones which are known and stored. A year's store is purged
#: from the agent's start on; of two months of calls where that is what is measured.
BUSY = {
    "idle": Busy(doing=_nothing),
    "flood": Busy(doing=_again(_flooded)),
    "busy_purge": Busy(doing=_nothing, stored=True, settings="[retention]\ncall_days = 300\n"),
    "busy_snapshot": Busy(doing=_again(_snapshot), many_phones=True),
    "busy_checkpoint": Busy(doing=_again(_checkpoint)),
    "busy_backup": Busy(doing=_again(_backup), stored=True),
    "busy_export": Busy(doing=_again(_export), stored=True),
}


# -- the bounds of this machine --------------------------------------------------------------------------------------


class Bounds:
    """What the disk itself takes, between two emergencies (ms): to sync a page, and for a bare commit of SQLite's."""

    def __init__(self, folder: Path) -> None:
        self.syncs: list[float] = []
        self.commits: list[float] = []
        self._page = (folder / "bound-page").open("wb", buffering=0)
        self._database = sqlite3.connect(folder / "bound.sqlite", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE bound (at INTEGER, what BLOB);"
        )

    def sample(self) -> None:
        """One of each."""
        began = time.perf_counter()
        os.pwrite(self._page.fileno(), os.urandom(4096), 0)
        os.fdatasync(self._page.fileno())
        synced = time.perf_counter()
        self._database.execute("INSERT INTO bound VALUES (?, ?)", (time.time_ns(), b"\0" * 300))
        self.syncs.append((synced - began) * 1000)
        self.commits.append((time.perf_counter() - synced) * 1000)

    def close(self) -> None:
        """Let go of the files."""
        self._page.close()
        self._database.close()


# -- emergencies ---------------------------------------------------------------------------------------------------


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`emergency_<what>` and `emergency_<what>_alert` (ms) for each of BUSY, and `…_to_idle_p99` of the former.

    Beside each, by the disk as it was between the same emergencies: `…_fsync_bound` and `…_commit_bound`.
    """
    figures: list[Figure] = []
    idle: Figure | None = None
    for name, kind in BUSY.items():
        async with _place(folder / name, kind, calls) as place, kind.doing(place):
            with closing(Bounds(place.agent.folder)) as bounds:
                kept, told = await _emergencies(place, calls, bounds)
        figure = of_samples(f"emergency_{name}", kept)
        figures += [
            of_samples(f"emergency_{name}_fsync_bound", bounds.syncs),
            of_samples(f"emergency_{name}_commit_bound", bounds.commits),
            figure,
            of_samples(f"emergency_{name}_alert", told),
        ]
        idle = idle or figure
        if figure is not idle:
            figures.append(p99_ratio(f"emergency_{name}_to_idle_p99", figure, idle))
        shutil.rmtree(folder / name)
    return figures


async def _emergencies(place: Place, calls: int, bounds: Bounds) -> tuple[list[float], list[float]]:
    """How long each took to be on the disk, and to be told to the desk (ms)."""
    draw = random.Random(_SEED)
    sent: list[float] = []
    contacts = place.flood.contacts
    for number in range(calls):
        call = f"{int(time.time())}.{1_000_000 + number}"  # No channel of the flood has it.
        for stage in ("Dialled", "Ended"):
            told = await place.flood.inject("express", _stage(stage, call, contacts[number % len(contacts)]))
            if stage == "Dialled":
                sent.append(told.at)
            await asyncio.sleep(EVERY_S * draw.uniform(0.25, 0.75))
        await asyncio.to_thread(bounds.sample)
        await asyncio.sleep(EVERY_S / 4)
    await place.agent.until(lambda: place.desk.told(calls), f"{calls} alerts")
    await place.agent.some("emergency", calls)
    kept = _kept(place.agent.log)
    with place.agent.reader() as reader:
        found = [each.id for each in reader.read("emergency")]
    # One after another, so both are in one order.
    return (
        [(kept[each] - at) * 1000 for each, at in zip(found, sent, strict=True)],
        [(place.desk.emergencies[each] - at) * 1000 for each, at in zip(found, sent, strict=True)],
    )


def _stage(stage: str, call: str, phone: Contact) -> bytes:
    return _event(
        "UserEvent",
        "user",
        f"Channel: PJSIP/{phone.line}-000f4240",
        "ChannelState: 4",
        "ChannelStateDesc: Ring",
        f"CallerIDNum: {phone.line}",
        f"CallerIDName: Phone {phone.line}",
        "ConnectedLineNum: <unknown>",
        "ConnectedLineName: <unknown>",
        "Language: en",
        "AccountCode: ",
        "Context: emergency",
        "Exten: 999",
        "Priority: 12",
        f"Uniqueid: {call}",
        f"Linkedid: {call}",
        "UserEvent: Emergency",
        f"Stage: {stage}",
        f"Call: {call}",
        "Number: 999",
        f"At: {time.time():.3f}",
        f"Address: {phone.ip}",
        "Cli: 01134960222",
    )


def _event(name: str, privilege: str, *headers: str) -> bytes:
    first = (f"Event: {name}", f"Privilege: {privilege},all", f"Timestamp: {time.time():.6f}")
    return "\r\n".join((*first, *headers, "\r\n")).encode()


def _kept(log: str) -> dict[str, float]:
    """When the agent first said of each emergency that it is on the disk (s since 1970)."""
    first: dict[str, float] = {}
    for line in log.splitlines():
        if '"kept"' in line and (entry := json.loads(line))["kind"] == "emergency":
            first.setdefault(entry["id"], datetime.fromisoformat(entry["timestamp"]).timestamp())
    return first
