"""The tone that tests of recordings search for: found wherever a real Asterisk wrote it, and nowhere else."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Step
from tests.lab.provision import installation
from tests.lab.sip import Callee, Listen, Phone, Say, Talk
from tests.lab.tone import found_in, found_open, heard, heard_s


async def pair(lab: Asterisk) -> tuple[Phone, Phone]:
    caller = Phone(lab, "201", local_ip="127.0.8.1")
    colleague = Phone(lab, "202", local_ip="127.0.8.2")
    await caller.register()
    await colleague.register()
    return caller, colleague


async def channel(lab: Asterisk) -> str:
    """The caller's channel, once the two are connected."""
    async with asyncio.timeout(60):
        while True:
            for row in await lab.channels():
                if row["Channel"].startswith("PJSIP/201-") and row["ChannelStateDesc"] == "Up":
                    return row["Channel"]
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("other", [Listen(30), Talk(30)], ids=["silent", "speaking"])
async def test_it_is_found_in_every_form_that_asterisk_writes(lab: Asterisk, other: Step) -> None:
    caller, colleague = await pair(lab)
    names = [f"said.{form}" for form in ("wav", "alaw", "ulaw")]
    async with Callee(colleague, steps=[other]):
        call = await caller.start_call("202", steps=[Say(3)])
        recorded = await channel(lab)
        for name in names:
            await lab.cli(f"mixmonitor start {recorded} {name}")
        await call.done()

    assert 1.5 < heard_s((await lab.written("said.wav")).read_bytes()) < 3.5
    for name in names:
        await lab.written(name)
    found = [path.name for path in found_in(lab.folder)]
    assert found == sorted(names)
    assert found_in(lab.folder, except_=[lab.recordings]) == []


async def test_a_call_that_nobody_recorded_leaves_it_nowhere(lab: Asterisk) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague, steps=[Listen(30)]):
        await caller.call("202", steps=[Say(2)])
    assert found_in(lab.folder) == []


async def test_a_gap_is_a_jump_in_the_tone_and_silence_is_not(lab: Asterisk) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague, steps=[Listen(30)]):
        call = await caller.start_call("202", steps=[Say(9)])
        recorded = await channel(lab)
        await lab.cli(f"mixmonitor start {recorded} cut.wav")
        await asyncio.sleep(1.5)
        await lab.cli(f"mixmonitor stop {recorded}")
        await asyncio.sleep(2)
        await lab.cli(f"mixmonitor start {recorded} cut.wav,a")
        await call.done()

    parts = heard((await lab.written("cut.wav")).read_bytes())
    gaps = [after.said_s - before.said_until_s for before, after in pairwise(parts)]
    silences = [after.at_s - before.end_s for before, after in pairwise(parts)]
    assert len([gap for gap in gaps if gap > 1.5]) == 1
    assert max(silences) < 1


async def test_a_wave_tells_which_part_was_said_while_it_was_captured(lab: Asterisk) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague, steps=[Listen(30)]):
        call = await caller.start_call("202", steps=[Listen(1), Say(1), Listen(0.5), Say(1)])
        await lab.cli(f"mixmonitor start {await channel(lab)} both.wav")
        await call.done()

    parts = heard((await lab.written("both.wav")).read_bytes())
    first, second = ([part for part in parts if begin <= part.said_s < begin + 10] for begin in (0, 10))
    assert first
    assert second
    assert [*first, *second] == parts
    assert first[-1].said_until_s < 2
    assert second[-1].said_until_s < 12


async def test_a_deleted_file_that_is_still_open_is_found(lab: Asterisk) -> None:
    caller, colleague = await pair(lab)
    async with Callee(colleague, steps=[Listen(30)]):
        call = await caller.start_call("202", steps=[Say(4)])
        await lab.cli(f"mixmonitor start {await channel(lab)} gone.wav")
        tape = lab.recordings / "gone.wav"
        async with asyncio.timeout(60):
            while not found_in(lab.recordings):  # noqa: ASYNC110 - Asterisk does not say when it has written
                await asyncio.sleep(0.05)
        assert lab.pid is not None
        assert found_open(lab.pid) == []
        tape.unlink()
        assert [Path(name).name for name in found_open(lab.pid)] == ["gone.wav (deleted)"]
        await call.done()


async def test_recordings_lie_in_memory_unless_it_is_said_otherwise(version: str) -> None:
    for megabytes in (1, 0):
        async with Asterisk(installation(version, print), memory_mb=megabytes) as lab:
            device = lab.recordings.stat().st_dev
            assert (device == lab.folder.stat().st_dev) == (megabytes == 0)
        assert not lab.folder.exists()
