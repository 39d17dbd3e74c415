"""An agent whose store cannot be opened: emergencies are heard, told and kept aside, and stored once it can be."""

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench.desk import Desk
from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event
from tests.lab.agent import AgentProcess


@dataclass(frozen=True, slots=True)
class Site:
    """One agent that has run before, its PBX, and its desk."""

    asterisk: FakeAsterisk
    desk: Desk
    agent: AgentProcess

    def aside(self) -> dict[str, str]:
        """The outcome, by its id, of each emergency in the last resort."""
        batches = map(json.loads, (self.agent.folder / "aside").read_text().splitlines())
        return {row["id"]: row["outcome"] for batch in batches for row in batch.get("upsert_emergency", [])}

    async def dial(self, call: str, *stages: str) -> None:
        for stage in stages:
            headers = {"UserEvent": "Emergency", "Stage": stage, "Call": call, "Number": "999"}
            await self.asterisk.emit(
                event("UserEvent", Channel=f"PJSIP/201-{call}", Uniqueid=call, Linkedid=call, **headers)
            )

    async def hears(self) -> None:
        """Start the agent, and return when it is logged in."""
        await self.agent.start(ready=False)

        def logged_in() -> bool:
            status, body = self.agent.get("/readyz")
            return status > 0 and all(json.loads(body).get(session) for session in ("express", "bulk"))

        await self.agent.until(logged_in, "logged in")

    async def told(self, emergencies: int) -> None:
        await self.agent.until(lambda: self.desk.told(emergencies), f"{emergencies} emergencies told")

    @contextmanager
    def damaged(self) -> Iterator[None]:
        """The store's first page is noise, until the backup is put back."""
        whole = shutil.copy2(self.agent.store, self.agent.folder / "backup")
        with self.agent.store.open("r+b") as file:
            file.write(b"\xff" * 4096)
        noise = self.agent.store.read_bytes()
        yield
        assert self.agent.store.read_bytes() == noise, "a damaged store is not touched"
        shutil.copy2(whole, self.agent.store)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another program writes into the store, and does not come to an end."""
        with closing(sqlite3.connect(self.agent.store, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with FakeAsterisk() as asterisk, Desk() as desk:
        desk.write(folder / "channels.toml")
        pbx = SimpleNamespace(agent_user="agent", agent_secret=SECRET, ami_port=asterisk.port)
        settings = f'[alerts]\nchannels_file = "{folder / "channels.toml"}"\n'
        agent = AgentProcess(pbx, folder=folder / "agent", site_key=True, settings=settings)
        last_resort = f'last_resort_file = "{agent.folder / "aside"}"\n[http]'
        agent.config.write_text(agent.config.read_text().replace("[http]", last_resort, 1))
        async with agent:
            pass
        try:
            yield Site(asterisk, desk, agent)
        finally:
            await agent.stop()


@pytest.mark.parametrize(
    ("refusing", "why"), [(Site.damaged, "is not an SQLite database"), (Site.locked, "is locked by another program")]
)
async def test_a_999_is_told_and_kept_beside_a_store_that_cannot_be_opened_and_stored_once_it_can(
    refusing: Callable[[Site], AbstractContextManager[None]], why: str, tmp_path: Path
) -> None:
    async with site(tmp_path) as at:
        with refusing(at):
            await at.hears()
            assert at.agent.get("/readyz")[0] == 503
            await at.dial("1.0", "Dialled", "Failed", "Ended")
            await at.dial("2.0", "Dialled")
            await at.told(2)
            await at.agent.until(lambda: [*at.aside().values()] == ["failed", "in_progress"], "kept aside")
            assert json.loads(at.agent.get("/readyz")[1])["store"] is False
            assert "telephony_store_writable 0.0" in at.agent.get("/metrics")[1]
        await at.agent.one("emergency", outcome="failed")
        await at.agent.until(lambda: at.agent.get("/readyz")[0] == 200, "ready again")
        await at.dial("2.0", "Failed", "Ended")
        await at.agent.some("emergency", 2, outcome="failed")
        assert len(at.desk.emergencies) == 2, "nobody is told of a call again"
        alarm = await at.agent.one("alarm", cause="store", cleared_at=lambda at: at is not None)
        assert f"{why}; emergencies are in the last resort" in alarm["what"]
        assert not at.aside()
        gaps = at.agent.stored("blind")
        blind = {gap["session"] for gap in gaps if gap["from_at"] < alarm["raised_at"] < (gap["until_at"] or "")}
        assert blind == {"express", "bulk"}, "nothing else was kept meanwhile"


async def test_what_was_kept_aside_outlives_a_kill(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        with at.damaged():
            await at.hears()
            await at.dial("1.0", "Dialled")
            await at.told(1)
            await at.agent.until(at.aside, "kept aside")
            await at.agent.kill()
            at.asterisk.cut()
            await at.hears()
            await at.dial("1.0", "Failed", "Ended")
            await at.agent.until(lambda: [*at.aside().values()] == ["failed"], "its end kept aside")
        await at.agent.one("emergency", outcome="failed")
        assert len(at.desk.emergencies) == 1


@pytest.mark.parametrize("dialled", [False, True])
async def test_stopped_it_says_why_it_was_no_whole_agent(tmp_path: Path, *, dialled: bool) -> None:
    async with site(tmp_path) as at:
        with at.damaged():
            await at.hears()
            if dialled:
                await at.dial("1.0", "Dialled")
                await at.told(1)
            assert await at.agent.stop() == 3
            assert "is not an SQLite database" in at.agent.log.splitlines()[-1]
            assert len(at.aside()) == dialled
