"""Asterisk itself killed at random moments, alone or in the same moment as the agent."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from agent.world import now_ms
from tests.lab.agent import AgentProcess
from tests.lab.sip import Phone, SipError, Talk
from tests.lab.traffic import MAKES
from tests.torture.office import RealOffice, hold, real, running, settled
from tests.torture.rounds import Counts, Round, Torment

#: Noticed so long after it at the most, that Asterisk is there again; then all has to be in step.
_BACK_S: Final = 30.0


@asynccontextmanager
async def pbx(folder: Path) -> AsyncIterator[Torment]:
    """A real Asterisk, killed and started again with what its database has of before."""
    async with real() as office:
        yield partial(_round, office)


async def _round(office: RealOffice, turn: Round) -> Counts:
    deaths: list[int] = []
    both = 0
    ready: list[float] = []
    agent = AgentProcess(office.pbx, folder=turn.folder / "agent")
    async with office.opened(turn), running(agent):
        phones = [office.phone(line) for line in MAKES]
        for phone in phones:
            await phone.register()
        for _ in range(turn.of(3)):
            dying = asyncio.Event()
            draws = [random.Random(turn.draw.random()) for _ in phones]
            calls = [_calls(phone, each, office.refused, dying) for phone, each in zip(phones, draws, strict=True)]
            at_work = [asyncio.create_task(each) for each in calls]
            await asyncio.sleep(turn.draw.uniform(0.5, 6))
            dying.set()
            together = turn.draw.random() < 0.4
            await asyncio.gather(office.pbx.kill(), *([agent.kill()] if together else []))
            deaths.append(now_ms())
            both += together
            for task in at_work:
                task.cancel()
            for done in await asyncio.gather(*at_work, return_exceptions=True):
                if isinstance(done, Exception):
                    raise done
            await asyncio.sleep(turn.draw.choice((0.0, turn.draw.uniform(0, 4))))
            agent_first = turn.draw.random() < 0.5
            if together and agent_first:
                await agent.start(ready=False)
            await office.pbx.start()
            began = time.monotonic()
            if together and not agent_first:
                await agent.start(ready=False)
            await office.listens()
            async with asyncio.timeout(_BACK_S):
                while (await asyncio.to_thread(agent.get, "/readyz"))[0] != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            ready.append(time.monotonic() - began)
        for phone in phones:
            await phone.unregister()
        await settled(office, agent, deaths)
        await agent.stop()
    hold(office, agent, deaths=deaths)
    return {"emergencies": len(office.ledger.calls), "kills_of_asterisk": len(deaths), "of_both": both, "back_s": ready}


async def _calls(phone: Phone, draw: random.Random, refused: bool, dying: asyncio.Event) -> None:
    """One call after another, until cancelled; none may fail before Asterisk is `dying`."""
    while True:
        await asyncio.sleep(draw.uniform(0, 3))
        expect, steps = (503, ()) if refused else (200, [Talk(draw.uniform(0, 4))])
        run = await phone.start_call("999", steps=steps, expect=expect)
        try:
            await run.done()
        except SipError:
            if not dying.is_set():
                raise
        finally:
            await run.stop()
