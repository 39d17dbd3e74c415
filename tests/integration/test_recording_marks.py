"""The marks in Asterisk's database follow the opt-ins that stand, whatever happens to the database."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from agent.core.records import Calls, OptIn, Trigger
from agent.duties.recording import marks as module
from tests.integration.fake_asterisk import Action, Peer, event, list_of, response
from tests.integration.taped import DENIED, Taped, taped, until


class Database:
    """Asterisk's, as far as the family of the marks goes."""

    def __init__(self, run: Taped) -> None:
        self.run = run
        self.values: dict[str, str] = {}
        self.families: set[str] = set()
        self.denied = False
        run.asterisk.replies.update(DBGetTree=self._tree, DBPut=self._put, DBDel=self._delete)

    def _tree(self, peer: Peer, action: Action) -> list[bytes]:
        if self.denied:
            return [response(action, "Error", DENIED)]
        if action["Family"] != module.FAMILY:
            return list_of(action, "DBGetTreeComplete")
        rows = [
            event("DBGetTreeResponse", Key=f"/{module.FAMILY}/{key}", Val=value) for key, value in self.values.items()
        ]
        return list_of(action, "DBGetTreeComplete", *rows)

    def _put(self, peer: Peer, action: Action) -> list[bytes]:
        if self.denied:
            return [response(action, "Error", DENIED)]
        self.families.add(action["Family"])
        self.values[action["Key"]] = action["Val"]
        return [response(action, "Success", "Message: Updated database successfully")]

    def _delete(self, peer: Peer, action: Action) -> list[bytes]:
        self.families.add(action["Family"])
        del self.values[action["Key"]]
        return [response(action, "Success", "Message: Key deleted successfully")]


def opted_in(run: Taped, line: str, trigger: Trigger, calls: Calls) -> OptIn:
    records = run.engine.consents.add(line, trigger, calls, "", "ann", 1)
    run.pipeline.put(records)
    (given,) = records
    assert isinstance(given, OptIn)
    return given


@pytest.fixture
def marking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.02)


async def test_each_opt_in_has_its_mark_until_it_is_withdrawn(tmp_path: Path, marking: None) -> None:
    async with taped(tmp_path) as run:
        database = Database(run)
        task = asyncio.create_task(run.recorder.marks.run())
        opted_in(run, "201", Trigger.SERVICE, Calls.INCOMING)
        given = opted_in(run, "201", Trigger.SERVICE, Calls.OUTGOING)
        opted_in(run, "202", Trigger.PA, Calls.ALL)
        await until(lambda: database.values == {"service/201": "incoming-outgoing", "pa/202": "all"})
        run.pipeline.put(run.engine.withdraw(given.id, "ann", 2))
        await until(lambda: database.values == {"service/201": "incoming", "pa/202": "all"})
        assert database.families == {module.FAMILY}
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_mark_that_somebody_made_allows_nothing_and_goes(tmp_path: Path) -> None:
    async with taped(tmp_path) as run:
        database = Database(run)
        database.values = {"service/999": "all"}
        assert await run.recorder.marks.mend()
        assert database.values == {}


async def test_a_database_that_was_lost_is_filled_again(
    tmp_path: Path, marking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.02)
    async with taped(tmp_path) as run:
        database = Database(run)
        opted_in(run, "201", Trigger.SERVICE, Calls.ALL)
        task = asyncio.create_task(run.recorder.marks.run())
        await until(lambda: database.values)
        run.asterisk.cut()
        database.values.clear()
        await until(lambda: database.values == {"service/201": "all"})
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_rights_that_are_missing_are_told_until_they_are_there(tmp_path: Path, marking: None) -> None:
    async with taped(tmp_path) as run:
        database = Database(run)
        database.denied = True
        opted_in(run, "201", Trigger.SERVICE, Calls.ALL)
        task = asyncio.create_task(run.recorder.marks.run())
        await until(lambda: run.recorder.marks.refused)
        database.denied = False
        await until(lambda: database.values == {"service/201": "all"})
        await until(lambda: not run.recorder.marks.refused)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_line_that_is_no_header_is_nobodys(tmp_path: Path) -> None:
    """An opt-in with a line break in its line smuggles nothing into AMI, and costs the others nothing."""
    async with taped(tmp_path) as run:
        database = Database(run)
        opted_in(run, "201\r\nAction: Originate", Trigger.SERVICE, Calls.ALL)
        opted_in(run, "202", Trigger.SERVICE, Calls.ALL)
        assert await run.recorder.marks.mend()
        assert (database.values, run.asterisk.asked("Originate")) == ({"service/202": "all"}, [])
