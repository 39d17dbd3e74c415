"""A recording is granted only where it can be kept safe, by an opt-in, and once that is on the disk."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.core.lanes import Lane
from agent.core.records import Calls, Emergency, OptIn, Record, Recording, Trigger
from agent.core.signals import Capture, ChannelUp
from agent.core.tapes import Why
from agent.duties.recording import granting
from agent.stores.vault import Keyring
from tests.integration.taped import FULL, Taped, forgotten, memory, taped, until


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    yield memory(tmp_path / "monitor")
    forgotten(tmp_path / "monitor")


def calling(run: Taped, number: str) -> ChannelUp:
    link = run.engine.link("202-9")
    return ChannelUp(at=run.clock["now"], channel=link, linked=link, line="202", number=number)


async def refused(run: Taped, channel: str = "201-1") -> Why:
    answer = await run.recorder.granting.grant(run.wish(channel))
    assert isinstance(answer, Why)
    return answer


async def test_an_opt_in_is_on_the_disk_before_the_answer(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.store.slow = asyncio.Event()
        asking = asyncio.create_task(run.recorder.granting.grant(run.wish("201-1")))
        await until(lambda: run.recorder.tapes.book.states)
        assert (run.read(Recording), run.read(OptIn), asking.done()) == ([], [], False)
        run.store.slow.set()
        id = await asking
        # Another connection to the store reads what no power cut takes.
        (tape,), (given,) = run.read(Recording), run.read(OptIn)
        assert (tape.id, tape.state, tape.optin) == (id, "opted_in", given.id)
        assert (given.line, given.trigger, given.calls) == ("201", Trigger.BUTTON, Calls.ONE)


async def test_a_store_that_takes_nothing_grants_nothing(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.store.refuses = FULL
        assert await refused(run) is Why.NOT_STORED
        assert run.read(Recording) == []


async def test_what_is_stored_too_late_ends_as_not_started(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call was told no: when the store answers at last, nothing is left that a capture could rest on."""
    monkeypatch.setattr(granting, "GRANT_S", 0.05)
    async with taped(tmp_path) as run:
        run.store.slow = asyncio.Event()
        assert await refused(run) is Why.NOT_STORED
        run.store.slow.set()
        (tape,) = await until(lambda: [each for each in run.read(Recording) if each.state == "not_started"])
        await until(lambda: run.read(OptIn)[0].withdrawn_at)
        assert (tape.started_at, len(run.read(Recording))) == (None, 1)
        run.asterisk.captured("PJSIP/201-1", f"{tape.id}.wav")
        run.capture("201-1", Capture.STARTED)
        await until(lambda: not run.asterisk.captures["PJSIP/201-1"] and not run.plain())


async def test_folders_and_store_have_one_time_between_them(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script gives up a moment after it: what is granted later would be told to nobody."""
    async with taped(tmp_path) as run:
        loop = asyncio.get_running_loop()
        deadlines: list[float] = []
        real = asyncio.timeout_at

        def timeout_at(when: float) -> asyncio.Timeout:
            deadlines.append(when)
            return real(when)

        before = loop.time()
        monkeypatch.setattr(asyncio, "timeout_at", timeout_at)
        await run.granted("201-1")
        assert deadlines[0] == deadlines[1]
        assert before + granting.GRANT_S <= deadlines[0] <= loop.time() + granting.GRANT_S


async def test_what_is_granted_too_late_ends_as_not_started(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event loop that was held up has told no timeout when the store has answered."""
    async with taped(tmp_path) as run:
        keep = run.recorder.granting._books.keep

        async def held_up(records: Sequence[Record]) -> None:
            await keep(records)
            monkeypatch.setattr(loop, "time", lambda: real() + 1)

        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(run.recorder.granting, "_books", SimpleNamespace(keep=held_up, put=run.pipeline.put))
        assert await refused(run) is Why.NOT_STORED
        monkeypatch.undo()
        (tape,) = await until(lambda: [each for each in run.read(Recording) if each.state == "not_started"])
        assert tape.started_at is None


async def test_a_call_that_ends_while_its_opt_in_is_stored_leaves_nothing_behind(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.store.slow = asyncio.Event()
        run.pipeline.put(run.engine.lost("express", "test", 1))
        await until(lambda: not run.pipeline.lanes.depth(Lane.RECORDING))  # The store is at it.
        asking = asyncio.create_task(run.recorder.granting.grant(run.wish("201-1")))
        await until(lambda: run.recorder.tapes.book.states)
        run.hang_up("201-1")
        run.store.slow.set()
        id = await asking
        await until(lambda: run.state(id) == "not_started")
        assert not run.recorder.granting._waiting
        assert (await run.granted("201-2")) in run.recorder.granting._waiting


async def test_nothing_is_granted_on_a_disk(tmp_path: Path) -> None:
    (tmp_path / "monitor").mkdir()
    async with taped(tmp_path) as run:
        assert await refused(run) is Why.NOT_SAFE


async def test_nothing_is_granted_into_what_is_no_folder(tmp_path: Path, monitor: Path) -> None:
    (monitor / "file").write_bytes(b"")
    async with taped(tmp_path, monitor=monitor / "file") as run:
        assert await refused(run) is Why.NOT_SAFE


async def test_nothing_is_granted_without_room_for_it(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        (monitor / "much").write_bytes(bytes(7_500_000))
        assert await refused(run) is Why.NO_SPACE
        (monitor / "much").unlink()
        await run.granted("201-1")


async def test_nothing_is_granted_when_the_store_of_recordings_is_gone(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.sealed.rename(tmp_path / "elsewhere")
        assert await refused(run) is Why.NOT_SAFE


@pytest.mark.parametrize("wrong", ["site key", "keyring", "store", "mode"])
async def test_what_cannot_be_used_is_told_and_stops_nothing_else(tmp_path: Path, monitor: Path, wrong: str) -> None:
    """An emergency needs no recordings: the agent starts without them."""
    async with taped(tmp_path) as run:
        await run.granted("201-1")
    keyring, sealed = tmp_path / "agent.sqlite.keys", tmp_path / "sealed"
    if wrong == "site key":
        another(keyring)
    elif wrong == "keyring":
        keyring.rename(tmp_path / "mine")
        keyring.write_bytes((tmp_path / "agent.sqlite").read_bytes())
    elif wrong == "store":
        sealed.rename(tmp_path / "mine")
        sealed.write_bytes(b"")
    else:
        sealed.chmod(0o755)
    async with taped(tmp_path) as run:
        assert await refused(run, "201-2") is Why.OFF
        assert "no call can be recorded" in await until(lambda: run.stands("vault"))
        run.hear(calling(run, "999"))
        assert await until(lambda: run.read(Emergency))
    if wrong in ("site key", "keyring"):
        (tmp_path / "mine").rename(keyring)
    elif wrong == "store":
        sealed.unlink()
    else:
        sealed.chmod(0o700)
    async with taped(tmp_path) as run:
        await run.granted("201-3")
        await until(lambda: not run.stands("vault"))


def another(keyring: Path) -> None:
    """A keyring that was made with another site key."""
    keyring.rename(keyring.with_name("mine"))
    Keyring(keyring, bytes(range(32))).close()


async def test_what_already_runs_is_not_granted_again(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await run.recording("201-1")
        assert await refused(run) is Why.RUNNING


async def test_a_service_records_by_an_opt_in_that_stands(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        wish = run.wish("201-1", Trigger.SERVICE)
        assert await run.recorder.granting.grant(wish) is Why.NOBODY_OPTED_IN
        run.pipeline.put(run.engine.consents.add("201", Trigger.SERVICE, Calls.OUTGOING, "", "ann", 1))
        assert len(await run.recorder.granting.grant(wish)) == 16
        assert run.recorder.granting.refused[Why.NOBODY_OPTED_IN] == 1


async def test_a_grant_of_which_nothing_came_is_told_until_one_begins(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.granted("201-1")
        run.clock["now"] += 4_000
        run.hang_up("201-1")
        await until(lambda: run.state(id) == "not_started")
        id = await run.granted("201-2")
        assert run.alarm("start") is None  # too short a call
        run.clock["now"] += 9_000
        run.hang_up("201-2")
        await until(lambda: run.state(id) == "not_started")
        assert "never began" in await until(lambda: run.stands("start"))
        await run.recording("201-3")
        await until(lambda: not run.stands("start"))


async def test_a_disk_that_hangs_grants_nothing_and_holds_up_nothing_else(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert of an emergency may need a thread, and what nobody asked for must go from memory all the same."""
    monkeypatch.setattr(granting, "GRANT_S", 0.05)
    async with taped(tmp_path) as run:
        back = threading.Event()
        assert run.recorder.vault is not None
        monkeypatch.setattr(run.recorder.vault, "free_bytes", lambda: back.wait(60) and 1 << 30)
        try:
            asked = [run.recorder.granting.grant(run.wish(f"20{number}-1")) for number in range(20)]
            assert set(await asyncio.gather(*asked)) == {Why.NOT_SAFE}
            run.asterisk.captured("PJSIP/201-9", "unasked.wav")
            run.capture("201-9", Capture.STARTED)
            await until(lambda: not run.plain())
            async with asyncio.timeout(60):
                assert await asyncio.gather(*(asyncio.to_thread(int, 7) for _ in range(20))) == [7] * 20
        finally:
            back.set()
        monkeypatch.setattr(granting, "GRANT_S", 5)
        await run.granted("201-1")
