"""What was granted is sealed once its capture is over, and its plain file stays exactly until that is on record."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.records import Content, ContentState, Recording, Severity
from agent.core.signals import Ask, Capture, Joined, LiveChannel, LiveChannelsListed, RecordingAsked
from agent.core.tapes import Why
from agent.duties.recording import sealing as module
from agent.ports import StoreError
from agent.stores.vault import Sealed, Vault
from tests.integration.recorded import content
from tests.integration.taped import DAY_MS, SPOKEN, Taped, forgotten, memory, taped, until
from tests.integration.waves import wave
from tests.scenarios.made import AT

REFUSED = StoreError("the disk failed", "look at it")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_S", "_RETRY_FIRST_S", "_RETRY_LAST_S"):
        monkeypatch.setattr(module, name, 0.01)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    yield memory(tmp_path / "monitor")
    forgotten(tmp_path / "monitor")


class Flawed:
    """A vault of which a test breaks a part."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.fails: Exception | None = None
        self.seals = 0
        self.sealed: asyncio.Event | None = None
        self.loop = asyncio.get_running_loop()

    def seal(self, plain: Path, id: str, account: str) -> Sealed:
        self.seals += 1
        if self.fails is not None:
            raise self.fails
        done = self.vault.seal(plain, id, account)
        if self.sealed is not None:
            self.loop.call_soon_threadsafe(self.sealed.set)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vault, name)


def flawed(run: Taped) -> Flawed:
    assert run.recorder.sealer is not None
    assert run.recorder.vault is not None
    found = Flawed(run.recorder.vault)
    run.recorder.sealer._vault = found
    return found


def opened(run: Taped, id: str) -> bytes:
    assert run.recorder.vault is not None
    return b"".join(run.recorder.vault.read(id))


async def idle(run: Taped) -> None:
    sealer = run.recorder.sealer
    assert sealer is not None
    await until(lambda: not sealer.busy_with)


async def over(run: Taped, channel: str = "201-1") -> str:
    """A recording, and its end."""
    id = await run.recording(channel)
    run.capture(channel, Capture.STOPPED)
    run.hang_up(channel)
    return id


async def test_what_is_over_is_sealed_and_no_plain_byte_stays(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        with (monitor / f"{id}.wav").open("rb") as held:
            run.clock["now"] += 9_000
            run.capture("201-1", Capture.STOPPED)
            kept = await until(lambda: run.content(id))
            await until(lambda: not run.plain())
            assert held.read() == bytes(len(SPOKEN))
        assert (kept.state, kept.kept_as, kept.line) == ("kept", "user", "201")
        assert (kept.size_bytes, kept.duration_ms) == (len(SPOKEN), 1000)
        assert (kept.began_at, kept.stored_at) == (AT, AT + 9_000)
        assert opened(run, id) == SPOKEN
        assert all(SPOKEN[44:544] not in path.read_bytes() for path in run.folder.rglob("*") if path.is_file())


async def test_a_stop_that_turns_out_to_be_a_pause_seals_nothing(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.1)
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        link = run.engine.link("201-1")
        run.capture("201-1", Capture.STOPPED)
        await until(lambda: run.state(id) == "stopped")
        paused = RecordingAsked(
            at=run.clock["now"],
            channel=link,
            linked=link,
            line="201",
            ask=Ask.PAUSE,
            trigger=run.read(Recording)[0].trigger,
        )
        run.hear(paused)
        await until(lambda: run.state(id) == "paused")
        await idle(run)
        assert (run.content(id), run.plain()) == (None, [f"{id}.wav"])
        run.capture("201-1", Capture.STARTED)
        run.hang_up("201-1")
        assert (await until(lambda: run.content(id))).state == "kept"


async def test_a_file_that_grows_after_the_end_is_waited_for_and_told(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LATE_LOOKS", 5)
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        size = len(SPOKEN)
        run.capture("201-1", Capture.STOPPED)
        with (monitor / f"{id}.wav").open("ab", buffering=0) as asterisk:
            while not run.stands(id):
                size += asterisk.write(bytes(320))
                await asyncio.sleep(0.005)
                assert run.content(id) is None
        assert "still written to" in run.stands(id)
        kept = await until(lambda: run.content(id))
        assert (kept.size_bytes, len(opened(run, id))) == (size, size)
        await until(lambda: not run.stands(id))


@pytest.mark.parametrize("size", [0, 44])
async def test_a_file_in_which_nothing_is_goes(tmp_path: Path, monitor: Path, size: int) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1", wave(0)[:size])
        run.capture("201-1", Capture.STOPPED)
        gone = await until(lambda: run.content(id))
        assert (gone.state, gone.reason) == ("shredded", "empty")
        await until(lambda: not run.plain())
        assert list(run.sealed.iterdir()) == []


@pytest.mark.parametrize("met", [False, True])
async def test_a_file_that_is_missing_is_lost_only_if_somebody_talked(tmp_path: Path, monitor: Path, met: bool) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        (monitor / f"{id}.wav").unlink()
        me = run.engine.link("201-1")
        for channel in (me, "other") if met else ():
            run.hear(Joined(at=1, channel=channel, linked=me, line="201", name=f"PJSIP/{channel}", bridge="b"))
        run.capture("201-1", Capture.STOPPED)
        found = await until(lambda: run.content(id))
        assert (found.state, found.reason) == (("lost", "missing") if met else ("shredded", "empty"))
        alarm = await until(lambda: run.alarm(id)) if met else run.alarm(id)
        assert (alarm is not None and alarm.severity is Severity.CRITICAL) == met


async def talked(run: Taped, channel: str = "201-1", ms: int = 9_000) -> str:
    """A recording in which two talk for so long, which is over, and whose file is not in the folder."""
    id = await run.recording(channel)
    (run.monitor / f"{id}.wav").unlink()
    me = run.engine.link(channel)
    for other in (me, f"other of {channel}"):
        run.hear(Joined(at=1, channel=other, linked=me, line="201", name=f"PJSIP/{other}", bridge=channel))
    run.clock["now"] += ms
    run.capture(channel, Capture.STOPPED)
    run.hang_up(channel)
    return id


async def test_when_asterisk_writes_elsewhere_nothing_more_is_granted(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        running = await run.recording("209-1")
        (monitor / f"{running}.wav").unlink()
        id = await talked(run)
        assert (await until(lambda: run.content(id))).state == "lost"
        assert "another folder" in await until(lambda: run.stands("elsewhere"))
        assert await run.recorder.granting.grant(run.wish("202-1")) is Why.NOT_SAFE
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep(at_once=True)
        assert await run.recorder.granting.grant(run.wish("202-1")) is Why.NOT_SAFE
        assert run.stands("elsewhere")
        # Asterisk writes here again.
        (monitor / f"{running}.wav").write_bytes(SPOKEN)
        await run.recorder.sweeper.sweep()
        await until(lambda: not run.stands("elsewhere"))
        await run.granted("202-1")


async def test_a_restart_grants_again_what_elsewhere_has_stopped(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await talked(run)
        await until(lambda: run.stands("elsewhere"))
    async with taped(tmp_path) as run:
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        await until(lambda: not run.stands("elsewhere"))
        await run.granted("202-1")


async def test_a_press_too_short_for_any_sound_stops_nothing_else(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await talked(run, ms=300)
        await until(lambda: run.content(id))
        await run.granted("202-1")
        assert run.alarm("elsewhere") is None


def still_up(run: Taped) -> None:
    """The call that an earlier run had recorded, in which two talk."""
    me = run.engine.link("201-1")
    call = {"at": run.clock["now"], "linked": me, "line": "201", "bridge": "b"}
    run.hear(LiveChannel(channel=me, number="", began_at=AT, bridged=True, name="PJSIP/201-1", **call))  # type: ignore[arg-type]
    run.hear(LiveChannelsListed(at=run.clock["now"]))
    for channel in (me, "other"):
        run.hear(Joined(channel=channel, name=f"PJSIP/{channel}", **call))  # type: ignore[arg-type]


@pytest.mark.parametrize("open_still", [False, True])
async def test_what_a_reboot_took_stops_nothing_else(tmp_path: Path, monitor: Path, open_still: bool) -> None:
    """Memory is gone; the folder is the right one all the same."""
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        if not open_still:
            flawed(run).fails = REFUSED
            run.capture("201-1", Capture.STOPPED)
            await until(lambda: run.stands("store"))
    forgotten(monitor)
    memory(monitor)
    async with taped(tmp_path, logged_in=False, at=AT + 60_000) as run:
        if open_still:
            still_up(run)
            run.clock["now"] += 9_000
            run.capture("201-1", Capture.STOPPED)
        run.hear(LiveChannelsListed(at=run.clock["now"]))
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.settle()
        assert (await until(lambda: run.content(id))).state == "lost"
        await run.granted("202-1")
        assert run.alarm("elsewhere") is None


async def test_a_vault_that_fails_costs_nothing_but_time(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        vault.fails = REFUSED
        id = await over(run)
        assert "the disk failed" in await until(lambda: run.stands("store"))
        assert (run.plain(), run.content(id)) == ([f"{id}.wav"], None)
        assert await run.recorder.granting.grant(run.wish("202-1")) is Why.NOT_SAFE
        vault.fails = None
        assert (await until(lambda: run.content(id))).state == "kept"
        await until(lambda: not run.stands("store"))
        assert opened(run, id) == SPOKEN
        await run.granted("202-1")


async def test_more_failures_than_are_sealed_at_once_keep_none_of_the_others(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        running = await run.recording("209-1")
        stuck = [await run.recording(f"20{number}-1") for number in range(1, 7)]
        vault.fails = REFUSED
        for number in range(1, 7):
            run.capture(f"20{number}-1", Capture.STOPPED)
        sealer = run.recorder.sealer
        assert sealer is not None
        await until(lambda: len(sealer._failing) == 6)
        real = vault.vault.seal

        def seal(plain: Path, id: str, account: str) -> Sealed:
            if id in stuck:
                raise REFUSED
            return real(plain, id, account)

        vault.seal = seal  # type: ignore[method-assign]
        run.capture("209-1", Capture.STOPPED)
        assert (await until(lambda: run.content(running))).state == "kept"
        assert not sealer.working


async def test_the_plain_file_stays_until_its_record_is_stored(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        run.store.unwanted = {"content"}
        id = await over(run)
        assert "the store does not take that" in await until(lambda: run.stands("store"))
        assert (run.plain(), run.content(id)) == ([f"{id}.wav"], None)
        run.store.unwanted = set()
        kept = await until(lambda: run.content(id))
        await until(lambda: not run.plain())
        assert (kept.state, opened(run, id), vault.seals) == ("kept", SPOKEN, 1)
        assert run.recorder.vault is not None
        assert run.recorder.vault.verify(id, kept.sha256)


async def test_a_plain_file_that_cannot_be_destroyed_is_told_and_tried_again(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        assert run.recorder.folder is not None

        def broken(path: Path) -> None:
            raise REFUSED

        with monkeypatch.context() as patch:
            patch.setattr(run.recorder.folder, "shred", broken)
            id = await over(run)
            assert "the disk failed" in await until(lambda: run.stands("store"))
            assert await run.recorder.granting.grant(run.wish("202-1")) is Why.NOT_SAFE
        await until(lambda: not run.plain())
        await until(lambda: not run.stands("store"))
        assert (opened(run, id), vault.seals) == (SPOKEN, 1)


async def test_an_agent_that_ends_between_the_seal_and_its_record_goes_on_later(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        vault.sealed = asyncio.Event()
        id = await run.recording("201-1")
        run.store.unwanted = {"content"}
        run.capture("201-1", Capture.STOPPED)
        await vault.sealed.wait()
        await run.recorder.close()
        # Killed: what waited in memory is gone.
        run.pipeline.lanes.__init__()  # type: ignore[misc]
        run.store.unwanted = set()
    async with taped(tmp_path) as run:
        assert (run.content(id), run.plain()) == (None, [f"{id}.wav"])
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        kept = await until(lambda: run.content(id))
        await until(lambda: not run.plain())
        assert (kept.state, opened(run, id)) == ("kept", SPOKEN)


async def test_an_agent_that_ends_before_the_plain_file_is_destroyed_does_that_later(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path) as run:
        id = await over(run)
        first = await until(lambda: run.content(id))
        await until(lambda: not run.plain())
    (monitor / f"{id}.wav").write_bytes(SPOKEN)
    async with taped(tmp_path) as run:
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        await until(lambda: not run.plain())
        assert (run.content(id), opened(run, id)) == (first, SPOKEN)


@pytest.mark.parametrize("size", [44, 2_000])
async def test_a_smaller_file_of_the_same_name_takes_nothings_place(tmp_path: Path, monitor: Path, size: int) -> None:
    """What is kept is not given up for a file that somebody lets lie in the monitor folder."""
    async with taped(tmp_path) as run:
        id = await over(run)
        first = await until(lambda: run.content(id))
        await until(lambda: not run.plain())
        (monitor / f"{id}.wav").write_bytes(wave(2_000)[:size])
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        await until(lambda: not run.plain())
        assert (run.content(id), opened(run, id)) == (first, SPOKEN)


async def test_a_plain_file_of_what_was_deleted_is_destroyed_and_stays_deleted(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await over(run)
        await until(lambda: run.content(id))
        await until(lambda: not run.plain())
        gone = content(id, 9, state=ContentState.DELETED, deleted_at=AT + DAY_MS)
        run.pipeline.put([gone])
        await until(lambda: run.content(id) == gone)
        (monitor / f"{id}.wav").write_bytes(SPOKEN)
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        await until(lambda: not run.plain())
        assert run.content(id) == gone


async def test_what_began_and_ended_while_nobody_listened_is_kept(tmp_path: Path, monitor: Path) -> None:
    """The grant does not need AMI; a press while AMI is away is a press."""
    async with taped(tmp_path, logged_in=False) as run:
        id = await run.granted("201-1")
        run.asterisk.captured("PJSIP/201-1", f"{id}.wav")
    async with taped(tmp_path) as run:  # its first list of channels is empty
        kept = await until(lambda: run.content(id))
        tape = next(each for each in run.read(Recording) if each.id == id)
        assert (kept.state, tape.state, tape.blind, tape.started_at is None) == ("kept", "stopped", True, False)
        await until(lambda: not run.plain())


async def test_what_never_began_leaves_no_content(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, logged_in=False) as run:
        id = await run.granted("201-1")
    async with taped(tmp_path) as run:
        await until(lambda: run.state(id) == "not_started")
        await idle(run)
        assert run.content(id) is None
        assert run.state(id) == "not_started"


async def test_a_file_whose_recording_a_reboot_took_is_on_record_as_lost(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        vault.fails = REFUSED
        id = await over(run)
        await until(lambda: run.stands("store"))
    forgotten(monitor)
    memory(monitor)
    async with taped(tmp_path) as run:
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.settle()
        found = await until(lambda: run.content(id))
        assert (found.state, found.reason) == ("lost", "missing")


async def test_fifty_that_end_at_once_are_all_kept(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        ids = [await run.recording(f"{number}-1", wave(16_000 + number * 2)) for number in range(50)]
        for number in range(50):
            run.capture(f"{number}-1", Capture.STOPPED)
        await until(lambda: len(run.read(Content)) == 50)
        await until(lambda: not run.plain())
        assert [opened(run, id) for id in ids] == [wave(16_000 + number * 2) for number in range(50)]
        assert {each.state for each in run.read(Content)} == {ContentState.KEPT}


async def test_a_second_look_at_one_that_is_being_sealed_begins_nothing(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault = flawed(run)
        id = await over(run)
        assert run.recorder.sweeper is not None
        for _ in range(5):
            await run.recorder.sweeper.sweep()
        await until(lambda: run.content(id))
        await idle(run)
        assert vault.seals == 1


async def test_a_folder_that_cannot_be_looked_at_is_told_and_looked_at_again(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        assert run.recorder.folder is not None

        def broken(recording: str) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(run.recorder.folder, "state", broken)
            run.capture("201-1", Capture.STOPPED)
            assert "Permission denied" in await until(lambda: run.stands("store"))
        assert (await until(lambda: run.content(id))).state == "kept"
        await until(lambda: not run.stands("store"))


async def test_an_agent_that_is_stopped_in_the_middle_of_a_seal_seals_it_later(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        vault, may, began = flawed(run), threading.Event(), threading.Event()
        real = vault.vault.seal

        def seal(plain: Path, id: str, account: str) -> Sealed:
            began.set()
            assert may.wait(20)
            return real(plain, id, account)

        vault.seal = seal  # type: ignore[method-assign]
        id = await over(run)
        await until(began.is_set)
        await run.recorder.close()
        may.set()
    async with taped(tmp_path) as run:
        assert (run.content(id), run.plain()) == (None, [f"{id}.wav"])
        assert run.recorder.sweeper is not None
        await run.recorder.sweeper.sweep()
        assert (await until(lambda: run.content(id))).state == "kept"
        assert opened(run, id) == SPOKEN
