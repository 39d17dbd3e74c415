"""The clock of the agent's machine, which is the PBX's as well, set at random moments of emergencies."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event
from tests.lab.agent import AgentProcess
from tests.torture.rounds import BrokenError, Counts, Round, Torment

_HOUR_MS: Final = 3_600_000
_STAGES: Final = ("Dialled", "Trying", "Answered", "LegEnded", "Ended")
#: What every Python program that finds it on its path reads the clock by.
_SHIFTED: Final = """
import os, time
_read, _file = time.time_ns, os.open(os.environ["SHIFTED_BY"], os.O_RDONLY)
def _shifted():
    return _read() + int(os.pread(_file, 32, 0)) * 1_000_000
time.time_ns = _shifted
time.time = lambda: _shifted() / 1e9
"""


class _Clock:
    """By how much a program that is started `within` it sees the clock shifted."""

    def __init__(self, folder: Path) -> None:
        self.jumps = 0
        self._folder = folder
        self._shift_ms = 0
        (folder / "sitecustomize.py").write_text(_SHIFTED)
        self._file = os.open(folder / "shift", os.O_RDWR | os.O_CREAT)
        self.put(0)

    def put(self, by_ms: int) -> None:
        """Set it."""
        self._shift_ms += by_ms
        self.jumps += bool(by_ms)
        os.pwrite(self._file, f"{self._shift_ms:+032d}".encode(), 0)

    def __call__(self) -> float:
        """What it says: seconds since 1970."""
        return time.time() + self._shift_ms / 1000

    @contextmanager
    def within(self) -> Iterator[None]:
        """Programs that are started here have it."""
        more = {"PYTHONPATH": str(self._folder), "SHIFTED_BY": str(self._folder / "shift")}
        before = {name: os.environ.get(name) for name in more}
        os.environ.update(more)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def close(self) -> None:
        """No program needs it any more."""
        os.close(self._file)


@asynccontextmanager
async def clock(folder: Path) -> AsyncIterator[Torment]:
    """See `tests.torture.rounds.Part`: each round has an agent of its own."""
    yield _round


async def _round(turn: Round) -> Counts:
    shifted = _Clock(turn.folder)
    async with FakeAsterisk() as fake:
        pbx = SimpleNamespace(agent_user="agent", agent_secret=SECRET, ami_port=fake.port)
        agent = AgentProcess(pbx, folder=turn.folder / "agent", log_level="info")
        with shifted.within():
            await agent.start()
        try:
            calls = turn.of(20)
            for number in range(calls):
                await _call(turn, fake, agent, shifted, number)
            await agent.some("emergency", calls, ended_at=bool)
            text = (await asyncio.to_thread(agent.get, "/metrics"))[1]
            found = re.search(r"^telephony_clock_jumps_total (\S+)$", text, re.M)
            if found is None or float(found[1]) != shifted.jumps:
                raise BrokenError(f"the clock was set {shifted.jumps} times, the agent tells {found and found[1]}")
            if shifted.jumps:
                await agent.some("alarm", 1, cause="clock", subject="this machine")
        finally:
            await agent.stop()
            shifted.close()
    return {"emergencies": calls, "jumps": shifted.jumps}


async def _call(turn: Round, fake: FakeAsterisk, agent: AgentProcess, shifted: _Clock, number: int) -> None:
    """One call, in which the clock may be set once.

    Raises BrokenError for a duration that is wrong.
    """
    draw, line = turn.draw, str(200 + number)
    by_ms = draw.choice((_HOUR_MS, -_HOUR_MS, draw.randint(1_500, 90_000), -draw.randint(1_500, 90_000)))
    before = draw.choice((*_STAGES, None))
    told: dict[str, float] = {}
    for stage in _STAGES:
        await asyncio.sleep(draw.uniform(0, 0.3))
        if stage == before:
            shifted.put(by_ms)
        told[stage] = time.monotonic()
        at = f"{shifted():.6f}"
        headers = {"UserEvent": "Emergency", "Stage": stage, "Call": f"{number}.0", "Number": "999"}
        channel = {"Channel": f"PJSIP/{line}-00000001", "Uniqueid": f"{number}.0", "Linkedid": f"{number}.0"}
        if stage in ("Answered", "LegEnded"):
            channel |= {"Channel": "PJSIP/trunk-a-00000002", "Uniqueid": f"{number}.1"}
        attempt = {} if stage in ("Dialled", "Ended") else {"Trunk": "trunk-a", "Attempt": "1"}
        await fake.emit(event("UserEvent", Privilege="user,all", Timestamp=at, **channel, **headers, **attempt, At=at))
    record = await agent.one("emergency", line=line, ended_at=bool)
    spans = {"ring_ms": ("Dialled", "Answered"), "talk_ms": ("Answered", "LegEnded")}
    for name, (begin, end) in spans.items():
        true_ms, stages = (told[end] - told[begin]) * 1000, list(_STAGES)
        jumped = before is not None and stages.index(begin) < stages.index(before) <= stages.index(end)
        wrong = record[name] is not None if jumped else record[name] is None or abs(record[name] - true_ms) > 100
        if wrong:
            raise BrokenError(f"{name} is {record[name]}, it took {true_ms:.0f} ms; set by {by_ms} ms before {before}")
