"""The agent killed at random moments of emergencies, played and real ones."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from agent.world import now_ms
from tests.bench.desk import Desk
from tests.lab.agent import AgentProcess
from tests.torture.office import Office, beset, hold, played, real, running, tormented, until_told
from tests.torture.rounds import Counts, Round, Torment
from tests.torture.truth import Outage


async def _round(office: Office, turn: Round) -> Counts:
    """Kills, each with a restart, while calls come and go; the desk is told of every emergency at least once.

    Half of the rounds have an encrypted store.
    """
    restarts: list[float] = []
    worked: list[float] = []
    dead: list[Outage] = []
    async with office.opened(turn), Desk() as desk:
        agent = _agent(office, turn)
        desk.write(agent.folder / "channels.toml")

        def untold() -> str:
            alarms = {alarm["id"] for alarm in agent.stored("alarm") if alarm["cause"] == "emergency"}
            return "" if alarms <= desk.reached.keys() else "the desk has not been told of every emergency"

        async def fault(traffic: "asyncio.Task[int]") -> None:
            while not traffic.done():
                await _moment(office, turn)
                while True:
                    await agent.kill()
                    killed_at = now_ms()
                    await asyncio.sleep(turn.draw.choice((0.0, turn.draw.uniform(0, 1), turn.draw.uniform(0, 6))))
                    began = time.monotonic()
                    dead.extend((session, killed_at, now_ms()) for session in ("express", "bulk"))
                    if turn.draw.random() < 0.8:
                        break
                    # and once more before it is ready
                    await agent.start(ready=False)
                    await asyncio.sleep(turn.draw.uniform(0, 2))
                await agent.start()
                restarts.append(time.monotonic() - began)
                worked.append(agent.processor_s)

        async with running(agent):
            placed = await beset(office, turn, agent, fault, untold)
        hold(office, agent, dead)
    return {"emergencies": placed, "kills": len(dead) // 2, "ready_s": restarts, "ready_cpu_s": worked}


async def _moment(office: Office, turn: Round) -> None:
    """Some time goes by: any, or until an emergency event and a few milliseconds more, in which it is on its way."""
    if turn.draw.random() < 0.5:
        await asyncio.sleep(turn.draw.uniform(0, 4))
    else:
        await asyncio.sleep(turn.draw.uniform(0, 2))
        await until_told(office, 5)
        await asyncio.sleep(turn.draw.choice((0.0, turn.draw.uniform(0, 0.02))))


def _agent(office: Office, turn: Round) -> AgentProcess:
    return AgentProcess(
        office.pbx,
        folder=turn.folder / "agent",
        settings='[alerts]\nchannels_file = "channels.toml"\n',
        site_key=turn.draw.random() < 0.5,
    )


def kills(folder: Path) -> AbstractAsyncContextManager[Torment]:
    """On a PBX that is played."""
    return tormented(played, _round)


def kills_real(folder: Path) -> AbstractAsyncContextManager[Torment]:
    """On a real Asterisk."""
    return tormented(real, _round)
