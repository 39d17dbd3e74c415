"""The erasure canary: it finds what erasure leaves, tells nobody of anything but that, and leaves nothing itself."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.core import canary as needles
from agent.core.erasing import GOES
from agent.core.personal import PERSONAL
from agent.core.records import Account, Deletion, Service, Severity, Total
from agent.duties import canary
from agent.duties.canary import Canary, Unproved
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader
from tests.integration.commands import desk, one_sentence
from tests.integration.customers import KINDS, Erased, Killed, erasing
from tests.scenarios.made import AT


@dataclass
class Flown:
    """What erases, the canary, and what was told of it."""

    erased: Erased
    canary: Canary
    told: list[tuple[str | None, Severity]]


@asynccontextmanager
async def flying(folder: Path, *places: Path) -> AsyncIterator[Flown]:
    async with erasing(folder) as erased:
        store = folder / "agent.sqlite"
        beside = [store.with_name(store.name + end) for end in ("", "-wal", "-shm", "-journal")]
        told: list[tuple[str | None, Severity]] = []
        yield Flown(
            erased=erased,
            told=told,
            canary=Canary(
                store=erased.store,
                reader=lambda: SqliteReader(store),
                eraser=erased.eraser,
                places=[*beside, folder / "agent.keys.erasures", *places],
                every_s=3600.0,
                clock=lambda: AT,
                tell=lambda what, severity: told.append((what, severity)),
            ),
        )


@pytest.fixture
async def flown(tmp_path: Path) -> AsyncIterator[Flown]:
    (tmp_path / "agent").mkdir()
    (tmp_path / "backups").mkdir()
    async with flying(tmp_path / "agent", tmp_path / "backups", tmp_path / "agent.log") as found:
        yield found


async def test_of_a_customer_that_never_was_nothing_is_left_and_nothing_told(flown: Flown) -> None:
    result = await flown.canary.fly()
    assert result.ok
    assert flown.told == [(None, Severity.CRITICAL)]
    assert flown.erased.left(*KINDS, Deletion, Total) == []
    assert flown.canary.last == result


#: Tries to take for itself what SQLite's every connection to a WAL holds a share of (its "dead man's switch").
_TAKE = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)"


async def test_the_search_gives_up_no_lock_of_the_store(flown: Flown) -> None:
    """Else the next command that closes the store would delete the log that the agent writes to."""
    await flown.canary.fly()
    index = flown.erased.folder / "agent.sqlite-shm"
    taken = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _TAKE, str(index), stderr=asyncio.subprocess.PIPE
    )
    _, said = await taken.communicate()
    assert b"BlockingIOError" in said


async def test_a_copy_of_the_store_that_lies_beside_is_found(flown: Flown) -> None:
    folder = flown.erased.folder
    eraser = flown.erased.eraser

    class Copying:
        """An eraser beside which somebody makes a copy."""

        def __getattr__(self, name: str) -> Any:
            return getattr(eraser, name)

        async def take(self, *args: Any, **more: Any) -> Any:
            shutil.copy(folder / "agent.sqlite-wal", folder.parent / "backups" / "copy")
            return await eraser.take(*args, **more)

    flown.canary.eraser = Copying()  # type: ignore[assignment]
    result = await flown.canary.fly()
    assert not result.ok
    assert [path.name for path in result.found] == ["copy"]
    assert flown.told == [("what was erased is still in copy", Severity.CRITICAL)]
    flown.canary.eraser = flown.erased.eraser
    assert (await flown.canary.fly()).ok
    assert flown.told[-1] == (None, Severity.CRITICAL)


async def test_what_writes_down_who_the_customer_is_is_found(flown: Flown) -> None:
    read = flown.canary.reader

    def logging() -> SqliteReader:
        with read() as reader:
            names = {record.account for record in reader.read("account") if isinstance(record, Account)}
            (flown.erased.folder.parent / "agent.log").write_text(str(names))
        return SqliteReader(flown.erased.folder / "agent.sqlite")

    flown.canary.reader = logging
    result = await flown.canary.fly()
    assert [path.name for path in result.found] == ["agent.log"]


async def test_what_is_not_deleted_is_found_in_the_store(flown: Flown) -> None:
    async def nothing(*_: object, **__: object) -> int:
        return 0

    flown.erased.eraser.store.remove = nothing  # type: ignore[method-assign]
    result = await flown.canary.fly()
    assert "agent.sqlite" in {path.name for path in result.found}
    assert flown.told[-1][1] is Severity.CRITICAL


async def test_a_canary_whose_agent_was_killed_is_erased_by_the_next(tmp_path: Path) -> None:
    async with flying(tmp_path) as flown:
        flown.erased.kills_at = 3  # The ledger has it, and so has the store.
        with pytest.raises(Killed):
            await flown.canary.fly()
        assert len(flown.erased.left(*KINDS)) > 5
    async with erasing(tmp_path) as again:
        await again.eraser.replay()
        assert again.left(*KINDS) == []


async def test_what_cannot_be_proved_is_told_as_such_and_is_no_proof(flown: Flown) -> None:
    await flown.canary.fly()

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    flown.canary.store.commit = refuse  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        await flown.canary.fly()
    assert flown.canary.last is None
    assert flown.told[-1][1] is Severity.WARNING


async def test_a_place_that_cannot_be_searched_is_no_proof(flown: Flown, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(canary, "traces_elsewhere", broken)
    with pytest.raises(Unproved, match="Permission denied"):
        await flown.canary.fly()
    assert flown.canary.last is None


async def test_it_goes_on_after_a_failure_and_by_its_own_clock(flown: Flown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "FIRST_S", 0.0)
    flown.canary.every_s = 0.0
    flights, enough = 0, asyncio.Event()

    async def fly(_: Canary) -> None:
        nonlocal flights
        flights += 1
        if flights == 3:
            enough.set()
        raise Unproved("no")

    monkeypatch.setattr(Canary, "fly", fly)
    task = asyncio.create_task(flown.canary.run())
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()


def test_a_needle_is_in_every_personal_field_and_in_every_id() -> None:
    found = needles.records("t0ken", AT)
    assert {type(record) for record in found} == {*GOES, Account, Service}
    for record in found:
        assert "t0ken" in record.id
    for kind, personal in PERSONAL.items():
        of_kind = [record for record in found if type(record) is kind]
        for one in personal if of_kind else ():
            assert any("t0ken" in (getattr(record, one.name) or "") for record in of_kind), one.place


# -- the command ----------------------------------------------------------------------------------------------------


async def test_the_command_tells_what_the_running_agent_has_found(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "site-key").write_text("0f" * 32)
    (folder / "site-key").chmod(0o600)
    async with desk(folder, '[keys]\nsite_key_file = "site-key"\n') as running:
        (result,) = await running.json("subject", "canary")
        assert (result["ok"], result["found"]) == (True, [])
        for kind in ("call", "registration", "account", "service", "line"):
            assert running.agent.stored(kind) == []
        done = await running.run("subject", "canary")
        assert (done.returncode, "nothing is left" in done.stderr) == (0, True)


async def test_without_a_site_key_there_is_none(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent") as running:
        one_sentence(await running.run("subject", "canary"), 1, "no canary", "site key")
