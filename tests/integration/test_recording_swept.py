"""Both folders are looked after: what is nobody's goes, what is somebody's never does, and what fails is told."""

import asyncio
import os
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.records import Content, ContentClass, ContentState, Reason, Recording, RecordingState, Severity
from agent.core.signals import Capture
from agent.duties.recording import sealing
from agent.duties.recording.stock import Stock
from agent.duties.recording.sweeping import DAILY_ROUNDS, HOURLY_ROUNDS, Sweeper
from agent.people.control import Keeping
from agent.ports import StoreError
from tests.integration.recorded import content, recording
from tests.integration.taped import DAY_MS, SPOKEN, Taped, forgotten, memory, taped, until
from tests.integration.test_vault_memory import mounted
from tests.scenarios.made import AT

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
NOW = "quarantine_minutes = 0"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_LOOK_S", 0.01)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    yield memory(tmp_path / "monitor")
    forgotten(tmp_path / "monitor")


def sweeper(run: Taped) -> Sweeper:
    assert run.recorder.sweeper is not None
    return run.recorder.sweeper


def stock(run: Taped) -> Stock:
    found = sweeper(run)._stock
    assert found is not None
    return found


def shredded(run: Taped) -> list[Content]:
    return [each for each in run.read(Content) if each.state == "shredded"]


async def sealed(run: Taped, id: str = ID, **changes: object) -> Content:
    """A recording that is kept."""
    assert run.recorder.vault is not None
    plain = run.folder / "plain.wav"
    plain.write_bytes(SPOKEN)
    found = run.recorder.vault.seal(plain, id, "201")
    plain.unlink()
    kept = replace(content(id, found.size_bytes, sha256=found.sha256, key=found.key, stored_at=AT), **changes)  # type: ignore[arg-type]
    await Keeping(run.pipeline).keep([recording(id, AT - 9000), kept])
    await until(lambda: run.recorder.sealer and not run.recorder.sealer.busy_with)
    return kept


# -- the monitor folder -----------------------------------------------------------------------------------------


async def test_a_stray_is_put_away_told_and_destroyed_when_its_time_is_over(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        path = monitor / "Call of Mrs X.wav"
        path.write_bytes(SPOKEN)
        os.utime(path, (1, 1))  # what anybody can set makes it no older
        await sweeper(run).sweep()
        assert run.plain() == ["Call of Mrs X.wav"]  # written a moment ago: Asterisk may be about to tell
        await sweeper(run).sweep(at_once=True)
        (held,) = run.put_away()
        assert (run.plain(), held.read_bytes()) == ([], SPOKEN)
        assert held.parent.stat().st_mode & 0o777 == 0o700
        assert "1 files in the monitor folder" in await until(lambda: run.stands("monitor"))
        assert shredded(run) == []
    async with taped(tmp_path, more=NOW) as run:
        with held.open("rb") as open_still:
            await sweeper(run).sweep()
            assert open_still.read() == bytes(len(SPOKEN))
        assert run.put_away() == []
        (gone,) = await until(lambda: shredded(run))
        assert (gone.reason, gone.size_bytes, gone.line) == ("orphan", len(SPOKEN), None)
        await until(lambda: not run.stands("monitor"))


async def test_a_date_that_somebody_set_saves_no_stray(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, more=NOW) as run:
        path = monitor / "x.wav"
        path.write_bytes(SPOKEN)
        os.utime(path, (4e9, 4e9))
        await sweeper(run).sweep(at_once=True)
        assert run.plain() == []


async def test_on_a_disk_nothing_is_touched_and_what_lies_there_is_told(tmp_path: Path) -> None:
    """It may be the folder above, with all voicemail in it, or what a mount that failed should have hidden."""
    monitor = tmp_path / "monitor"
    names = ["x.wav", "voicemail/default/201/greet.wav", "voicemail/default/201/INBOX/msg0000.WAV", "outgoing/a.call"]
    for name in [*names, ".quarantine/0123"]:
        (monitor / name).parent.mkdir(parents=True, exist_ok=True)
        (monitor / name).write_bytes(SPOKEN)
    async with taped(tmp_path, more=NOW) as run:
        await sweeper(run).sweep(at_once=True)
        assert all((monitor / name).read_bytes() == SPOKEN for name in [*names, ".quarantine/0123"])
        assert shredded(run) == []
        told = await until(lambda: run.stands("memory"))
        assert "on a disk" in told
        assert "3 files there look like recordings" in told
        assert (alarm := run.alarm("memory")) is not None
        assert alarm.severity is Severity.CRITICAL
        memory(run.monitor)
        try:
            await sweeper(run).sweep()
            await until(lambda: not run.stands("memory"))
        finally:
            forgotten(run.monitor)


async def test_in_memory_only_what_looks_like_sound_goes(tmp_path: Path, monitor: Path) -> None:
    sound = ["x.wav", "deeper/x.WAV", "x.sln16", "x.g729", "x.ULAW", ".wav", "two.dots.gsm"]
    other = ["x.call", "voicemail.txt", "wav", "x.wav~", "deeper/README"]
    (monitor / "deeper").mkdir()
    async with taped(tmp_path, more=NOW) as run:
        for name in sound + other:
            (monitor / name).write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        left = {str(path.relative_to(monitor)) for path in monitor.rglob("*") if path.is_file()}
        assert left == set(other)
        assert "5 other files" in await until(lambda: run.stands("monitor"))
        for name in other:
            (monitor / name).unlink()
        await sweeper(run).sweep(at_once=True)
        await until(lambda: not run.stands("monitor"))


async def test_without_enforcement_strays_are_told_and_stay(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, more=f"{NOW}\nenforce = false") as run:
        (monitor / "x.wav").write_bytes(SPOKEN)
        (monitor / ".quarantine").mkdir()
        (monitor / ".quarantine" / "0123").write_bytes(SPOKEN)  # put away before it was switched off
        await sweeper(run).sweep(at_once=True)
        assert (run.plain(), len(run.put_away()), shredded(run)) == (["x.wav"], 1, [])
        told = await until(lambda: run.stands("monitor"))
        assert "1 files in the monitor folder belong to no recording; [recording] enforce is off" in told
        assert "will be destroyed" not in told
    async with taped(tmp_path, more=NOW) as run:
        await sweeper(run).sweep(at_once=True)
        assert (run.plain(), run.put_away()) == ([], [])


async def test_what_is_no_plain_file_goes_and_what_it_names_stays(tmp_path: Path, monitor: Path) -> None:
    """Of a link only the name is the folder's; a pipe must not hold up the sweep."""
    precious, folder = tmp_path / "precious", tmp_path / "folder"
    precious.write_bytes(b"precious")
    folder.mkdir()
    (folder / "precious").write_bytes(b"precious")
    async with taped(tmp_path, more=NOW) as run:
        (monitor / "link.wav").symlink_to(precious)
        (monitor / "linked.wav").symlink_to(folder)
        os.mkfifo(monitor / "pipe.wav")
        (monitor / "deeper" / "still").mkdir(parents=True)
        (monitor / "deeper" / "still" / f"{ID}.wav").write_bytes(SPOKEN)
        (monitor / "z.wav").write_bytes(SPOKEN)
        (monitor / "y.wav").hardlink_to(monitor / "z.wav")
        (monitor / "\udcff.wav").write_bytes(SPOKEN)
        (monitor / ".hidden.wav").write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        assert [path for path in monitor.rglob("*") if not path.is_dir()] == []
        assert precious.read_bytes() == (folder / "precious").read_bytes() == b"precious"


async def test_a_quarantine_that_leads_elsewhere_is_not_used(tmp_path: Path, monitor: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_bytes(b"precious")
    async with taped(tmp_path) as run:
        (monitor / ".quarantine").symlink_to(tmp_path / "elsewhere")
        (monitor / "x.wav").write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        assert os.listdir(tmp_path / "elsewhere") == ["precious"]
        assert [path.read_bytes() for path in run.put_away()] == [SPOKEN]


async def test_one_that_cannot_be_put_away_is_destroyed(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        (monitor / ".quarantine").write_bytes(b"")
        (monitor / "x.wav").write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        assert "x.wav" not in run.plain()


async def test_one_that_cannot_be_destroyed_is_told_and_holds_up_no_other(tmp_path: Path, monitor: Path) -> None:
    (tmp_path / "fixed").mkdir()
    (tmp_path / "fixed" / "a.wav").write_bytes(SPOKEN)
    (monitor / "mount").mkdir()
    async with taped(tmp_path, more=NOW) as run:
        with mounted(monitor / "mount", "--bind", "-o", "ro", str(tmp_path / "fixed")):
            (monitor / "z.wav").write_bytes(SPOKEN)
            await sweeper(run).sweep(at_once=True)
            assert run.plain() == ["mount"]
            assert "cannot be destroyed" in await until(lambda: run.stands("monitor"))
            assert sweeper(run).failures == 1
        await sweeper(run).sweep(at_once=True)
        await until(lambda: not run.stands("monitor"))


async def test_a_recording_that_runs_is_nobodys_stray(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, more=NOW) as run:
        granted = await run.granted("201-1")
        (monitor / f"{granted}.wav").write_bytes(SPOKEN)
        runs = await run.recording("202-1")
        (monitor / f"{runs}.gsm").write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        assert run.plain() == sorted([f"{granted}.wav", f"{runs}.wav"])


async def test_a_recording_that_is_granted_during_the_look_is_nobodys_stray(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path, more=NOW) as run:
        folder = run.recorder.folder
        assert folder is not None
        real, loop = folder.strays, asyncio.get_running_loop()
        granted: list[str] = []

        def strays(known: Collection[str]) -> object:
            id = asyncio.run_coroutine_threadsafe(run.recording("201-1"), loop).result(20)
            granted.append(id)
            return real(known)

        monkeypatch.setattr(folder, "strays", strays)
        await sweeper(run).sweep(at_once=True)
        assert run.plain() == [f"{granted[0]}.wav"]


async def test_what_an_earlier_run_left_is_taken_up(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        # Killed while it recorded: the call has gone on, and ended.
        id = await run.recording("201-1")
        open_records = run.read(Recording)
    assert open_records[0].state == "recording"
    async with taped(tmp_path, more=NOW) as run:
        await until(lambda: run.state(id) == "stopped")
        await sweeper(run).sweep(at_once=True)
        assert (await until(lambda: run.content(id))).state == "kept"
        await until(lambda: not run.plain())


async def test_what_runs_still_after_a_restart_goes_on(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
    async with taped(tmp_path, more=NOW, logged_in=False) as run:
        await sweeper(run).sweep(at_once=True)
        assert run.plain() == [f"{id}.wav"]
        run.capture("201-1", Capture.STOPPED)
        assert (await until(lambda: run.content(id))).state == "kept"


@pytest.mark.parametrize("state", [RecordingState.STOPPED, RecordingState.NOT_STARTED])
async def test_a_file_by_an_opt_in_that_was_none_is_a_stray(
    tmp_path: Path, monitor: Path, state: RecordingState
) -> None:
    """Unasked, or told no and begun all the same."""
    async with taped(tmp_path, more=NOW) as run:
        unasked = state is RecordingState.STOPPED
        started = AT if unasked else None
        run.pipeline.put([recording(ID, AT, state=state, opted_in=not unasked, started_at=started)])
        await until(lambda: run.state(ID))
        (monitor / f"{ID}.wav").write_bytes(SPOKEN)
        await sweeper(run).sweep(at_once=True)
        assert run.plain() == []
        assert run.content(ID) is None
        assert list(run.sealed.iterdir()) == []


async def test_what_was_granted_waits_for_a_site_key_that_is_wrong_now(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        assert run.recorder.sealer is not None
        await run.recorder.sealer.finish()
    keyring = tmp_path / "agent.sqlite.keys"
    keyring.rename(tmp_path / "mine")
    keyring.write_bytes((tmp_path / "agent.sqlite").read_bytes())
    async with taped(tmp_path, more=NOW) as run:
        await until(lambda: run.state(id) == "stopped")
        await sweeper(run).sweep(at_once=True)
        assert (monitor / f"{id}.wav").read_bytes() == SPOKEN
    (tmp_path / "mine").rename(keyring)
    async with taped(tmp_path, more=NOW) as run:
        await sweeper(run).sweep(at_once=True)
        assert (await until(lambda: run.content(id))).state == "kept"


# -- the store of recordings ------------------------------------------------------------------------------------


async def test_each_class_goes_when_its_own_time_is_over(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        ids = {kind: f"{number:016x}" for number, kind in enumerate(ContentClass, 1)}
        for kind, id in ids.items():
            await sealed(run, id, kept_as=kind)
        terms = {ContentClass.PA: 30, ContentClass.USER: 90, ContentClass.CUSTOMER_SERVICE: 180}
        for kind, days in terms.items():
            run.clock["now"] = AT + days * DAY_MS
            assert await stock(run).expire() == 0
            run.clock["now"] += 1
            assert await stock(run).expire() == 1
            gone = run.content(ids[kind])
            assert gone is not None
            assert (gone.state, gone.reason, gone.deleted_at) == ("deleted", "expired", run.clock["now"])
            assert not (run.sealed / f"{ids[kind]}.sealed").exists()
        assert run.keys.keyring().counts().recordings == 0


async def test_what_is_held_stays_and_is_in_nobodys_way(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, held=["207"]) as run:
        held = [content(f"{number:016x}", 9, stored_at=AT, line="207") for number in range(120)]
        run.pipeline.put([*held, content("fe" * 8, 9, stored_at=AT + 1)])
        await until(lambda: len(run.read(Content)) == 121)
        run.clock["now"] = AT + 91 * DAY_MS
        assert await stock(run).expire() == 1
        assert await stock(run).expire() == 0
        assert {each.line for each in run.read(Content) if each.state == "kept"} == {"207"}
        assert not run.stands("expiry")


async def test_what_is_held_while_others_expire_stays(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    async with taped(tmp_path, held=held) as run:
        for id in (ID, OTHER):
            await sealed(run, id)
        vault, gate = run.recorder.vault, stock(run)._destroying
        assert vault is not None
        real, loop = vault.destroy, asyncio.get_running_loop()
        placing: list[Future[None]] = []

        async def place() -> None:
            async with gate:
                held.append("201")

        def destroy(id: str) -> bool:
            placing.append(asyncio.run_coroutine_threadsafe(place(), loop))
            return real(id)

        monkeypatch.setattr(vault, "destroy", destroy)
        run.clock["now"] = AT + 91 * DAY_MS
        assert await stock(run).expire() == 1
        assert [each.done() for each in placing] == [True]
        assert sorted(each.state for each in run.read(Content)) == ["deleted", "kept"]
        assert not run.stands("expiry")


async def test_more_than_a_batch_expires_at_once(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.pipeline.put([content(f"{number:016x}", 9, stored_at=AT) for number in range(250)])
        await until(lambda: len(run.read(Content)) == 250)
        run.clock["now"] = AT + 91 * DAY_MS
        assert await stock(run).expire() == 250
        assert {each.state for each in run.read(Content)} == {ContentState.DELETED}


async def test_one_that_cannot_be_destroyed_is_told_and_the_others_go(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path) as run:
        for id in (ID, OTHER):
            await sealed(run, id)
        vault = run.recorder.vault
        assert vault is not None
        real = vault.destroy

        def destroy(id: str) -> bool:
            if id == ID:
                raise StoreError("the disk failed", "look")
            return real(id)

        run.clock["now"] = AT + 91 * DAY_MS
        with monkeypatch.context() as patch:
            patch.setattr(vault, "destroy", destroy)
            assert await stock(run).expire() == 1
        assert "cannot be destroyed" in await until(lambda: run.stands("expiry"))
        kept, gone = run.content(ID), run.content(OTHER)
        assert kept is not None
        assert gone is not None
        assert (kept.state, gone.state) == ("kept", "deleted")
        assert await stock(run).expire() == 1
        await until(lambda: not run.stands("expiry"))


async def test_a_file_that_went_is_lost_and_one_that_comes_back_is_kept(tmp_path: Path, monitor: Path) -> None:
    """Its disk may not have been there; what is kept must not be destroyed for that a week later."""
    async with taped(tmp_path) as run:
        kept = await sealed(run)
        file = run.sealed / f"{ID}.sealed"
        file.rename(tmp_path / "away")
        await stock(run).compare()
        found = await until(lambda: (now := run.content(ID)) is not None and now.state == "lost" and now)
        assert (found.reason, found.sha256) == (Reason.MISSING, kept.sha256)
        assert "missing from the store" in await until(lambda: run.stands("sealed"))
        (tmp_path / "away").rename(file)
        await stock(run).compare()
        await until(lambda: run.content(ID) == kept)
        run.clock["now"] += 8 * DAY_MS
        await stock(run).compare()
        assert file.exists()


async def test_the_key_of_a_lost_one_goes_when_its_time_is_over(tmp_path: Path, monitor: Path) -> None:
    """Else the file in an old backup would open for ever."""
    async with taped(tmp_path) as run:
        await sealed(run)
        await sealed(run, OTHER, line="207")
        vault = run.recorder.vault
        assert vault is not None
        (run.sealed / f"{ID}.sealed").rename(tmp_path / "backup")
        (run.sealed / f"{OTHER}.sealed").unlink()
        await stock(run).compare()
        await until(lambda: [each.state for each in run.read(Content)] == ["lost", "lost"])
    async with taped(tmp_path, held=["207"]) as run:
        run.clock["now"] = AT + 90 * DAY_MS
        await stock(run).compare()
        assert run.keys.keyring().ids() == [ID, OTHER]
        run.clock["now"] += 1
        await stock(run).compare()
        assert run.keys.keyring().ids() == [OTHER]
        gone = run.content(ID)
        assert gone is not None
        assert (gone.state, gone.reason, gone.deleted_at) == ("deleted", "expired", run.clock["now"])
        (tmp_path / "backup").rename(run.sealed / f"{ID}.sealed")
        with pytest.raises(StoreError, match="key"):
            next(vault.read(ID))
        await stock(run).compare()
        assert not (run.sealed / f"{ID}.sealed").exists()


async def test_a_key_of_no_record_goes_after_a_week_as_a_file_does(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await sealed(run)
        run.keys.keyring().seal(OTHER, "201")
        for day in range(8):
            run.clock["now"] = AT + day * DAY_MS
            await stock(run).compare()
            assert (OTHER in run.keys.keyring().ids()) == (day < 7)
        assert run.keys.keyring().ids() == [ID]
        assert not run.stands("sealed")


async def test_a_fresh_database_beside_a_full_store_destroys_nothing_for_a_week(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await sealed(run)
    for path in tmp_path.glob("agent.sqlite*"):
        if path.suffix != ".keys":
            path.unlink()
    async with taped(tmp_path) as run:
        file = run.sealed / f"{ID}.sealed"
        for day in range(7):
            run.clock["now"] = AT + day * DAY_MS
            await stock(run).expire()
            await stock(run).compare()
            assert file.exists()
        assert "belong to no record" in await until(lambda: run.stands("sealed"))
        run.clock["now"] = AT + 7 * DAY_MS
        await stock(run).compare()
        assert not file.exists()


async def test_an_agent_that_is_restarted_daily_destroys_what_no_record_names_all_the_same(
    tmp_path: Path, monitor: Path
) -> None:
    async with taped(tmp_path) as run:
        assert run.recorder.vault is not None
        (run.folder / "plain").write_bytes(SPOKEN)
        run.recorder.vault.seal(run.folder / "plain", ID, "201")
        file = run.sealed / f"{ID}.sealed"
    for day in range(8):
        async with taped(tmp_path, at=AT + day * DAY_MS) as run:
            await stock(run).compare()
            assert file.exists() == (day < 7)
    assert not (tmp_path / "agent.sqlite.unnamed").exists()


async def test_one_whose_record_was_there_again_has_its_week_again(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        kept = await sealed(run)
        file = run.sealed / f"{ID}.sealed"
    for path in tmp_path.glob("agent.sqlite*"):
        if path.suffix != ".keys":
            path.rename(tmp_path / f"right-{path.name}")
    async with taped(tmp_path) as run:
        await stock(run).compare()
        assert (tmp_path / "agent.sqlite.unnamed").stat().st_mode & 0o777 == 0o600
        run.pipeline.put([kept])
        await until(lambda: run.content(ID) == kept)
        await stock(run).compare()
        assert not (tmp_path / "agent.sqlite.unnamed").exists()
    (tmp_path / "agent.sqlite").unlink()
    async with taped(tmp_path, at=AT + 9 * DAY_MS) as run:
        await stock(run).compare()
        assert file.exists()


@pytest.mark.parametrize("content", [b"", b"[1]", b"[" * 100_000, b'{"%s": "1"}' % ID.encode(), b"\xff"])
async def test_what_cannot_be_read_of_first_sights_makes_nothing_older(
    tmp_path: Path, monitor: Path, content: bytes
) -> None:
    async with taped(tmp_path) as run:
        await sealed(run)
        (tmp_path / "agent.sqlite.unnamed").write_bytes(content)
    for path in tmp_path.glob("agent.sqlite*"):
        if path.suffix not in (".keys", ".unnamed"):
            path.unlink()
    async with taped(tmp_path, at=AT + 9 * DAY_MS) as run:
        await stock(run).compare()
        assert (run.sealed / f"{ID}.sealed").exists()


async def test_a_copy_of_what_was_deleted_does_not_come_back(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        kept = await sealed(run)
        file = run.sealed / f"{ID}.sealed"
        copy = file.read_bytes()
        assert run.recorder.vault is not None
        run.recorder.vault.destroy(ID)
        gone = replace(kept, state=ContentState.DELETED, deleted_at=AT, reason=Reason.CUSTOMER)
        run.pipeline.put([gone])
        await until(lambda: run.content(ID) == gone)
        file.write_bytes(copy)
        await stock(run).compare()
        assert not file.exists()
        assert run.content(ID) == gone


async def test_recordings_to_which_there_is_no_key_any_more_are_told(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await sealed(run)
    keyring = tmp_path / "agent.sqlite.keys"
    keyring.rename(tmp_path / "backup")
    async with taped(tmp_path) as run:  # which makes a new keyring
        await stock(run).compare()
        assert "no key to 1 recordings" in await until(lambda: run.stands("keys"))
        assert (run.sealed / f"{ID}.sealed").exists()
    (tmp_path / "backup").rename(keyring)
    async with taped(tmp_path) as run:
        await stock(run).compare()
        await until(lambda: not run.stands("keys"))


# -- round after round ------------------------------------------------------------------------------------------


async def test_a_duty_that_fails_costs_the_others_nothing_and_is_told(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped(tmp_path) as run:
        await sealed(run)
        assert run.recorder.folder is not None

        def broken() -> None:
            raise PermissionError(13, "Permission denied")

        run.clock["now"] = AT + 91 * DAY_MS
        with monkeypatch.context() as patch:
            patch.setattr(run.recorder.folder, "named", broken)
            await sweeper(run)._round(0, at_once=False)
        assert "Permission denied" in await until(lambda: run.stands("sweep"))
        gone = run.content(ID)
        assert gone is not None
        assert gone.reason == "expired"
        await sweeper(run)._round(1, at_once=False)
        await until(lambda: not run.stands("sweep"))


async def test_a_store_of_recordings_that_goes_is_told(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.sealed.rename(tmp_path / "away")
        await sweeper(run)._round(HOURLY_ROUNDS * DAILY_ROUNDS, at_once=False)
        assert "cannot be looked after" in await until(lambda: run.stands("sweep"))
        assert "no room" in await until(lambda: run.stands("room"))
        (tmp_path / "away").rename(run.sealed)
        await sweeper(run)._round(HOURLY_ROUNDS * DAILY_ROUNDS, at_once=False)
        await until(lambda: not run.stands("sweep") and not run.stands("room"))


async def test_what_may_be_left_is_looked_for_at_once(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, more=NOW) as run:
        task = asyncio.create_task(sweeper(run).run())
        try:
            (monitor / "first.wav").write_bytes(SPOKEN)
            await until(lambda: run.stands("monitor") or run.plain() == ["first.wav"])
            sweeper(run).soon()
            await until(lambda: run.plain() == [])
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_nothing_is_deleted_for_want_of_room(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        await sealed(run)
        (monitor / "much").write_bytes(bytes(7_500_000))
        await sweeper(run).sweep()
        assert "no room" in await until(lambda: run.stands("room"))
        assert (run.plain(), run.content(ID) is not None) == (sorted([f"{id}.wav", "much"]), True)
