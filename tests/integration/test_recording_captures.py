"""What the agent does to captures over AMI: the granted one runs, every other is stopped and its file destroyed."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.core.records import Alarm, Calls, Content, OptIn, Recording, Severity, Trigger
from agent.core.signals import Capture, Joined, LiveChannel, LiveChannelsListed
from agent.core.tapes import Why
from agent.duties.recording import destroying as module
from tests.integration.fake_asterisk import event, list_of
from tests.integration.taped import FULL, SPOKEN, Taped, forgotten, memory, taped, until

CHANNEL = "PJSIP/201-1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.01)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    yield memory(tmp_path / "monitor")
    forgotten(tmp_path / "monitor")


def unasked(run: Taped) -> Recording | None:
    return next((each for each in run.read(Recording) if not each.opted_in), None)


def live(run: Taped, name: str = CHANNEL) -> LiveChannel:
    """As Asterisk lists the channel ``201-1``, if it is not called otherwise."""
    link = run.engine.link("201-1")
    return LiveChannel(
        at=1, channel=link, linked=link, line="201", number="", began_at=1, bridged=False, bridge="", name=name
    )


async def done(run: Taped) -> None:
    """Wait until nothing is being asked of Asterisk."""
    await until(lambda: not run.recorder.captures._tasks)


async def test_the_granted_capture_goes_on(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        await until(lambda: run.asterisk.asked("Getvar"))
        await done(run)
        assert (run.asterisk.asked("StopMixMonitor"), run.plain()) == ([], [f"{id}.wav"])


async def test_a_capture_that_nobody_asked_for_is_stopped_and_destroyed(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        took: list[float] = []
        run.recorder.captures.watchers.append(took.append)
        path = run.asterisk.captured(CHANNEL, "unasked.wav")
        with path.open("rb") as held:
            run.capture("201-1", Capture.STARTED)
            tape = await until(lambda: unasked(run))
            gone = await until(lambda: run.content(tape.id))
            assert held.read() == bytes(len(SPOKEN))
        assert (gone.state, gone.reason, gone.size_bytes) == ("shredded", "unasked", len(SPOKEN))
        assert (run.plain(), run.asterisk.captures[CHANNEL], len(took)) == ([], 0, 1)
        alarm = await until(lambda: run.alarm(tape.id))
        assert "was stopped, and its file destroyed" in alarm.what
        assert alarm.cleared_at is not None


async def test_the_file_of_one_that_ends_before_it_wrote_is_waited_for(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        path = run.asterisk.captured(CHANNEL, "late.wav")
        path.unlink()
        run.capture("201-1", Capture.STARTED)
        await until(lambda: run.asterisk.captures[CHANNEL] == 0)
        path.write_bytes(SPOKEN)
        tape = await until(lambda: unasked(run))
        await until(lambda: run.content(tape.id))
        assert run.plain() == []


async def test_a_capture_under_another_name_than_the_granted_one_ends(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.granted("201-1")
        run.asterisk.captured(CHANNEL, "other.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        gone = await until(lambda: run.content(tape.id))
        assert (gone.state, run.plain(), run.recorder.captures.unasked) == ("shredded", [], 1)
        assert run.state(id) == "stopped"


async def test_a_capture_that_names_no_file_is_not_the_granted_one(tmp_path: Path, monitor: Path) -> None:
    """MixMonitor can write each direction to a file of its own, and then says nothing of a file."""
    async with taped(tmp_path) as run:
        await run.granted("201-1")
        run.asterisk.captured(CHANNEL, "one-direction.wav")
        run.asterisk.files[CHANNEL] = ""
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "look for it" in run.stands(tape.id))
        assert run.asterisk.captures[CHANNEL] == 0


async def test_one_of_a_single_direction_that_nobody_heard_begin_ends_as_well(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.captured(CHANNEL, "one-direction.wav")
        run.asterisk.files[CHANNEL] = ""
        run.hear(live(run))
        tape = await until(lambda: unasked(run))
        await until(lambda: "look for it" in run.stands(tape.id))
        assert run.asterisk.captures[CHANNEL] == 0


async def test_a_channel_that_nothing_captures_is_told_to_nobody(tmp_path: Path, monitor: Path) -> None:
    for enforce in ("true", "false"):
        async with taped(tmp_path, more=f"enforce = {enforce}") as run:
            run.asterisk.files[CHANNEL] = ""
            run.hear(live(run))
            await until(lambda: run.asterisk.asked("Getvar"))
            await done(run)
            assert (run.read(Recording), run.alarm("unasked")) == ([], None)


async def test_a_granted_one_that_has_not_begun_is_not_stopped_beforehand(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await run.granted("201-1")
        run.asterisk.files[CHANNEL] = ""
        run.hear(live(run))
        await until(lambda: run.asterisk.asked("Getvar"))
        await done(run)
        assert run.asterisk.asked("StopMixMonitor") == []


async def test_one_beside_the_granted_one_is_seen_by_its_file(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        run.asterisk.captured(CHANNEL, "beside.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: run.content(tape.id))
        assert run.asterisk.captures[CHANNEL] == 0
        assert run.plain() == [f"{id}.wav"]


async def test_a_file_elsewhere_has_to_be_looked_for_and_no_granted_one_goes_for_it(
    tmp_path: Path, monitor: Path
) -> None:
    """A file of the same name elsewhere is another file."""
    async with taped(tmp_path) as run:
        id = await run.recording("202-1")
        (tmp_path / "elsewhere").mkdir()
        left = run.asterisk.captured(CHANNEL, f"{id}.wav", under=tmp_path / "elsewhere")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        assert "look for it and destroy it" in await until(
            lambda: "look" in run.stands(tape.id) and run.stands(tape.id)
        )
        alarm = run.alarm(tape.id)
        assert alarm is not None
        assert alarm.severity is Severity.CRITICAL
        assert (run.plain(), left.exists(), run.recorder.captures.undestroyed) == ([f"{id}.wav"], True, 1)
        assert (monitor / f"{id}.wav").read_bytes() == SPOKEN


async def test_a_granted_name_in_another_folder_is_not_the_granted_one(tmp_path: Path, monitor: Path) -> None:
    """And what is granted next would be written there too, in clear."""
    (tmp_path / "elsewhere").mkdir()
    async with taped(tmp_path) as run:
        id = await run.granted("201-1")
        left = run.asterisk.captured(CHANNEL, f"{id}.wav", under=tmp_path / "elsewhere")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "look for it" in run.stands(tape.id))
        assert (run.asterisk.captures[CHANNEL], left.exists()) == (0, True)
        assert "another folder" in await until(lambda: run.stands("elsewhere"))
        assert await run.recorder.granting.grant(run.wish("202-1")) is Why.NOT_SAFE


async def ends_and_waits(run: Taped) -> str:
    """A recording that is over and cannot be sealed yet."""
    assert run.recorder.sealer is not None
    id = await run.recording("201-1")
    run.recorder.sealer._quiet = never  # type: ignore[method-assign]
    run.capture("201-1", Capture.STOPPED)
    await until(lambda: run.state(id) == "stopped")
    return id


async def never(record: Recording) -> bool:
    await asyncio.Event().wait()
    return False


async def test_a_capture_that_goes_on_in_a_granted_file_ends_and_the_file_stays(tmp_path: Path, monitor: Path) -> None:
    """The desk has stopped it, and the phone resumes: MixMonitor appends to what is to be sealed."""
    async with taped(tmp_path) as run:
        id = await ends_and_waits(run)
        run.asterisk.captured(CHANNEL, f"{id}.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        alarm = await until(lambda: (now := run.alarm(tape.id)) and now.cleared_at and now)
        assert "the file of one that was granted" in alarm.what
        await done(run)
        assert (run.asterisk.captures[CHANNEL], run.content(tape.id)) == (0, None)
        assert (monitor / f"{id}.wav").read_bytes() == SPOKEN


async def test_another_leg_that_writes_into_a_granted_file_ends_and_the_file_stays(
    tmp_path: Path, monitor: Path
) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("202-1")
        run.asterisk.captured(CHANNEL, f"{id}.wav")
        run.capture("201-1", Capture.STARTED)
        await until(lambda: run.asterisk.captures[CHANNEL] == 0)
        await done(run)
        assert (monitor / f"{id}.wav").read_bytes() == SPOKEN
        assert run.state(id) == "recording"


async def test_under_the_name_of_what_is_kept_already_it_is_destroyed(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        run.capture("201-1", Capture.STOPPED)
        kept = await until(lambda: run.content(id))
        await until(lambda: not run.plain())
        run.asterisk.captured(CHANNEL, f"{id}.wav", SPOKEN * 2)
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        assert (await until(lambda: run.content(tape.id))).state == "shredded"
        assert (run.plain(), run.content(id)) == ([], kept)


async def test_a_folder_that_asterisk_sees_elsewhere_is_known_by_its_name(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.asterisk.files[CHANNEL] = "/var/spool/asterisk/monitor/unasked.wav"
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: run.content(tape.id))
        assert run.plain() == []


async def test_a_file_that_cannot_be_destroyed_is_told(
    tmp_path: Path, monitor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing shred is told, and the orders behind it are carried out."""
    async with taped(tmp_path) as run:
        assert run.recorder.folder is not None

        def broken(path: Path) -> None:
            raise FULL

        with monkeypatch.context() as patch:
            patch.setattr(run.recorder.folder, "shred", broken)
            run.asterisk.captured(CHANNEL, "unasked.wav")
            run.capture("201-1", Capture.STARTED)
            tape = await until(lambda: unasked(run))
            await until(lambda: "look for it" in run.stands(tape.id))
        assert run.recorder.captures.undestroyed == 1


async def test_asterisk_that_refuses_to_stop_is_told(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.denied = {"StopMixMonitor"}
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "cannot be stopped" in run.stands(tape.id))
        assert "StopMixMonitor" in await until(lambda: run.stands("rights"))
        run.asterisk.denied = set()
        run.asterisk.captured("PJSIP/202-1", "unasked2.wav")
        run.capture("202-1", Capture.STARTED)
        await until(lambda: not run.stands("rights"))


async def test_asterisk_that_tells_no_file_is_told_and_granted_ones_go_on(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.denied = {"Getvar"}
        id = await run.recording("201-1")
        assert "Getvar" in await until(lambda: run.stands("rights"))
        await done(run)
        assert run.state(id) == "recording"
        run.asterisk.captured("PJSIP/202-1", "unasked.wav")
        run.capture("202-1", Capture.STARTED)
        await until(lambda: run.asterisk.captures["PJSIP/202-1"] == 0)


async def test_asterisk_that_goes_in_the_middle_is_asked_again_when_it_is_back(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        up = {"Channel": CHANNEL, "Uniqueid": "201-1", "Linkedid": "201-1", "ChannelStateDesc": "Up"}
        row = event("CoreShowChannel", **up, Exten="202", Duration="00:00:05", BridgeId="")
        run.asterisk.replies["CoreShowChannels"] = lambda peer, action: list_of(action, "CoreShowChannelsComplete", row)
        stop = run.asterisk.replies["StopMixMonitor"]
        run.asterisk.replies["StopMixMonitor"] = run.asterisk.hang_up
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "does not answer" in run.stands(tape.id))
        run.asterisk.replies["StopMixMonitor"] = stop
        gone = await until(lambda: run.content(tape.id))
        assert (gone.state, run.plain()) == ("shredded", [])


async def test_a_recording_that_began_while_nobody_listened_is_known_to_have_begun(
    tmp_path: Path, monitor: Path
) -> None:
    async with taped(tmp_path) as run:
        id = await run.granted("201-1")
        run.asterisk.captured(CHANNEL, f"{id}.wav")
        run.engine.synchronise()
        run.hear(live(run))
        await until(lambda: run.state(id) == "recording")
        assert run.asterisk.asked("StopMixMonitor") == []


async def test_without_enforcement_it_is_told_and_goes_on(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path, more="enforce = false") as run:
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "enforce is off" in run.stands(tape.id))
        await done(run)
        assert (run.asterisk.asked("StopMixMonitor"), run.plain()) == ([], ["unasked.wav"])
        run.hang_up("201-1")
        await until(lambda: not run.stands(tape.id))


async def test_that_one_could_not_be_stopped_is_told_until_it_ends(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.denied = {"StopMixMonitor"}
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "cannot be stopped" in run.stands(tape.id))
        # for good: a list of channels, which the first is not in, would end its alarm
        run.asterisk.replies["Challenge"] = run.asterisk.hang_up
        run.asterisk.replies["StopMixMonitor"] = run.asterisk.hang_up
        run.capture("202-1", Capture.STARTED)
        other = await until(lambda: next((each for each in run.read(Recording) if each.id != tape.id), None))
        await until(lambda: "does not answer" in run.stands(other.id))
    async with taped(tmp_path, logged_in=False) as run:
        assert run.stands(tape.id)
        assert run.stands(other.id)
        run.hear(LiveChannelsListed(at=1))  # both calls are over
        await until(lambda: not run.stands(tape.id) and not run.stands(other.id))


async def test_that_a_file_has_to_be_looked_for_is_told_when_it_has_ended_too(tmp_path: Path, monitor: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with taped(tmp_path) as run:
        run.asterisk.heard = lambda channel, capture: None
        run.asterisk.captured(CHANNEL, "unasked.wav", under=tmp_path / "elsewhere")
        run.capture("201-1", Capture.STARTED)
        tape = await until(lambda: unasked(run))
        await until(lambda: "look for it" in run.stands(tape.id))
        run.capture("201-1", Capture.STOPPED)
        await until(lambda: run.state(tape.id) == "stopped")
        run.capture("202-1", Capture.STARTED)  # one more commit, so that the first has been told
        await until(lambda: len(run.read(Recording)) > 1)
        assert "look for it" in run.stands(tape.id)


async def test_no_channel_is_named_in_an_alarm(tmp_path: Path, monitor: Path) -> None:
    """`SIP/201-0000001a` is as long as an id."""
    async with taped(tmp_path, more="enforce = false") as run:
        run.asterisk.captured("SIP/201-0000001a", "unasked.wav")
        run.hear(live(run, "SIP/201-0000001a"))
        assert await until(lambda: run.stands("unasked"))
        assert run.alarm("SIP/201-0000001a") is None


async def test_a_welcome_that_is_not_allowed_is_asked_for_once(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.denied = {"Originate"}
        await run.recording("201-1")
        me = run.engine.link("201-1")

        def joined(channel: str, number: int) -> Joined:
            return Joined(at=1, channel=channel, linked=me, line="201", name=f"PJSIP/{number}", bridge="b")

        run.hear(joined(me, 201))
        run.hear(joined("other", 202))
        alarm = await until(lambda: run.alarm("rights"))
        run.hear(joined("third", 203))
        await done(run)
        assert (len(run.asterisk.asked("Originate")), alarm.severity) == (1, Severity.WARNING)


# -- what people ask for ----------------------------------------------------------------------------------------


async def test_a_person_pauses_resumes_and_stops(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        captures = run.recorder.captures
        assert (await captures.pause(id, "ann")).state == "paused"
        assert (await captures.resume(id, "ann")).state == "recording"
        assert run.asterisk.asked("MixMonitor")[-1]["Options"] == "ab"
        tape = await captures.stop(id, "ann")
        assert (tape.state, len(tape.pauses), run.asterisk.captures[CHANNEL]) == ("stopped", 1, 0)


async def refusal(doing: Callable[[], object]) -> str:
    with pytest.raises((ValueError, LookupError)) as caught:
        await doing()  # type: ignore[misc]
    return str(caught.value.args[0])


async def test_each_refusal_says_why_and_changes_nothing(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        captures = run.recorder.captures
        assert "no recording with this id" in await refusal(lambda: captures.stop("ff" * 8, "ann"))
        assert "in no call now" in await refusal(lambda: captures.start("201", "ann"))
        id = await run.granted("201-1")
        assert "which channel" in await refusal(lambda: captures.pause(id, "ann"))
        run.asterisk.captured(CHANNEL, f"{id}.wav")
        run.capture("201-1", Capture.STARTED)
        assert "not paused" in await refusal(lambda: captures.resume(id, "ann"))
        run.asterisk.denied = {"StopMixMonitor"}
        assert "refused to stop" in await refusal(lambda: captures.stop(id, "ann"))
        assert "refused to stop" in await refusal(lambda: captures.pause(id, "ann"))
        run.asterisk.denied = {"MixMonitor"}
        assert (await captures.pause(id, "ann")).state == "paused"
        assert "nothing to pause" in await refusal(lambda: captures.pause(id, "ann"))
        assert "refused to record" in await refusal(lambda: captures.resume(id, "ann"))
        run.asterisk.denied = set()
        (monitor / "much").write_bytes(bytes(7_500_000))
        assert "(full)" in await refusal(lambda: captures.resume(id, "ann"))
        (monitor / "much").unlink()
        assert (await captures.resume(id, "ann")).state == "recording"


async def test_a_stop_that_was_refused_is_no_pause_later(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        id = await run.recording("201-1")
        run.asterisk.denied = {"StopMixMonitor"}
        await refusal(lambda: run.recorder.captures.pause(id, "ann"))
        run.capture("201-1", Capture.STOPPED)
        await until(lambda: run.state(id) == "stopped")


async def in_a_call(run: Taped) -> None:
    me = run.engine.link("201-1")
    run.hear(Joined(at=1, channel=me, linked=me, line="201", name=CHANNEL, bridge="b"))
    run.pipeline.put(run.engine.consents.add("201", Trigger.SERVICE, Calls.ALL, "", "ann", 1))
    await until(lambda: run.read(OptIn))


async def test_a_person_starts_what_a_line_has_opted_in_to(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await in_a_call(run)
        tape = await run.recorder.captures.start("201", "ann")
        await until(lambda: run.state(tape.id) == "recording")
        assert run.plain() == [f"{tape.id}.wav"]


@pytest.mark.parametrize("why", ["denied", "store"])
async def test_a_start_that_comes_to_nothing_ends_as_not_started(tmp_path: Path, monitor: Path, why: str) -> None:
    async with taped(tmp_path) as run:
        await in_a_call(run)
        run.asterisk.denied = {"MixMonitor"} if why == "denied" else set()
        run.store.refuses = FULL if why == "store" else None
        assert ("refused" if why == "denied" else "stored") in await refusal(
            lambda: run.recorder.captures.start("201", "ann")
        )
        run.store.refuses = None
        (tape,) = await until(lambda: [each for each in run.read(Recording) if each.state == "not_started"])
        assert (tape.started_at, run.plain()) == (None, [])


async def test_an_opt_in_that_is_withdrawn_ends_what_it_records(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await in_a_call(run)
        tape = await run.recorder.captures.start("201", "ann")
        await until(lambda: run.state(tape.id) == "recording")
        (given,) = run.engine.consents.standing()
        run.pipeline.put(run.engine.withdraw(given.id, "ann", run.clock["now"]))
        await until(lambda: run.state(tape.id) == "stopped")
        assert run.asterisk.captures[CHANNEL] == 0


async def test_one_that_must_end_and_cannot_be_stopped_is_told(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        await in_a_call(run)
        tape = await run.recorder.captures.start("201", "ann")
        await until(lambda: run.state(tape.id) == "recording")
        run.asterisk.denied = {"StopMixMonitor"}
        (given,) = run.engine.consents.standing()
        run.pipeline.put(run.engine.withdraw(given.id, "ann", run.clock["now"]))
        assert "must not go on" in await until(lambda: run.stands(tape.id))


async def test_a_stop_of_the_agent_leaves_no_order_behind(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.silent = True
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.capture("201-1", Capture.STARTED)
        await run.recorder.captures.finish()
        assert not run.recorder.captures._tasks


async def test_the_list_of_channels_finds_what_was_begun_while_nobody_listened(tmp_path: Path, monitor: Path) -> None:
    async with taped(tmp_path) as run:
        run.asterisk.captured(CHANNEL, "unasked.wav")
        run.hear(live(run))
        run.hear(LiveChannelsListed(at=1))
        tape = await until(lambda: unasked(run))
        gone = await until(lambda: run.content(tape.id))
        assert (gone.state, run.plain()) == ("shredded", [])
        assert [each.id for each in run.read(Content)] == [tape.id]


async def test_no_log_line_and_no_alarm_says_whose_call_it_was(tmp_path: Path, monitor: Path) -> None:
    number = "441632960001"
    channel = f"PJSIP/{number}-0000001a"
    with capture_logs() as lines:
        async with taped(tmp_path) as run:
            run.asterisk.captured(channel, f"from {number}.wav")
            link = run.engine.link("c")
            run.hear(replace(live(run, channel), channel=link, linked=link, line=number))
            tape = await until(lambda: unasked(run))
            assert tape.line is None
            await until(lambda: run.content(tape.id))
            (tmp_path / number).mkdir()
            run.asterisk.captured(channel, f"{number}.wav", under=tmp_path / number)
            run.hear(replace(live(run, channel), channel=link, linked=link, line=number))
            await until(lambda: len(run.read(Recording)) == 2 and run.recorder.captures.undestroyed)
            run.asterisk.denied = {"Getvar", "StopMixMonitor"}
            run.hear(replace(live(run, channel), channel=link, linked=link, line=number))
            await until(lambda: run.stands("rights"))
            (monitor / f"{number}.wav").write_bytes(SPOKEN)
            assert run.recorder.sweeper is not None
            await run.recorder.sweeper.sweep(at_once=True)
            await until(lambda: run.stands("monitor"))
            kept = [*run.read(Alarm), *run.read(Recording), *run.read(Content)]
    assert lines
    assert number not in repr(lines)
    assert number not in repr(kept)
