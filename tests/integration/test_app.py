"""The composition root: what breaks in one part costs the others nothing."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from agent import app
from agent.assembly import parts
from agent.config import Config, load
from agent.core.records import Outcome
from agent.duties import retention
from agent.ports import StoreError
from agent.sources.ami import LoginRefused
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.views import api
from agent.views.metrics import Metrics
from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "RESTART_S", 0.01)


async def test_a_part_that_breaks_is_counted_and_starts_again() -> None:
    failures: Counter[str] = Counter()
    went_on = asyncio.Event()

    async def breaks_twice() -> None:
        if failures["http"] < 2:
            raise ValueError("a value that Asterisk sent")
        went_on.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(parts.kept_up("http", breaks_twice, failures))
    async with asyncio.timeout(60):
        await went_on.wait()
    assert failures == {"http": 2}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_only_the_operator_can_mend_ends_the_start() -> None:
    async def refused() -> None:
        raise LoginRefused("one sentence")

    with pytest.raises(LoginRefused, match="one sentence"):
        await parts.kept_up("source", refused, Counter())


async def test_an_emergency_is_kept_while_every_edge_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("an edge that breaks")

    monkeypatch.setattr(api.Http, "run", broken)
    monkeypatch.setattr(retention.Purger, "run", broken)
    monkeypatch.setattr(Metrics, "__call__", lambda *_: 1 / 0)
    async with FakeAsterisk() as fake:
        agent = app.Agent(_config(tmp_path, fake.port))
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(60):
            await fake.until(lambda: sum(peer.listens for peer in fake.peers) == 2)
            stages = ("Dialled", "Failed", "Ended")
            await fake.emit(*(_stage(stage) for stage in stages))
            while not _over(tmp_path):  # noqa: ASYNC110 - a file tells nobody that it has changed
                await asyncio.sleep(0.02)
            agent.stop()
            await running


async def test_what_could_not_be_stored_before_the_stop_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    async with FakeAsterisk() as fake:
        agent = app.Agent(_config(tmp_path, fake.port))
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(60):
            await fake.until(lambda: sum(peer.listens for peer in fake.peers) == 2)
            monkeypatch.setattr(SqliteStore, "commit", full)
            await fake.emit(_stage("Dialled"))
            agent.stop()
            with pytest.raises(StoreError, match="records could not be stored"):
                await running


def _config(folder: Path, port: int) -> Config:
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    file = folder / "agent.toml"
    file.write_text(
        f'[ami]\nport = {port}\nsecret_file = "secret"\n[store]\nurl = "sqlite:///./agent.sqlite"\n'
        '[http]\nlisten = "127.0.0.1:0"\n'
    )
    return load(file, {})


def _stage(stage: str) -> bytes:
    headers = {"UserEvent": "Emergency", "Stage": stage, "Call": "1.0", "Number": "999"}
    return event("UserEvent", Channel="PJSIP/201-00000001", Uniqueid="1.0", Linkedid="1.0", **headers)


def _over(folder: Path) -> bool:
    with SqliteReader(folder / "agent.sqlite") as reader:
        return any(getattr(record, "outcome", None) is Outcome.FAILED for record in reader.read("emergency"))
