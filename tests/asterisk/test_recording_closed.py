"""A recording fails closed: unasked ones, an agent that is away or killed, a full disk, and emergency calls."""

import asyncio
from pathlib import Path

from tests.lab import tone
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Dial, Listen, RecordButton, Say, Step, Talk, Transfer
from tests.lab.memory import Disk
from tests.lab.provision import installation
from tests.lab.recorded import Office
from tests.lab.sip import Trunk, trunk_call

AWAY, REFUSED, PARTY = "recording-away", "recording-refused", "recording-party"


def playing(office: Office, prompt: str) -> bool:
    """Whether Asterisk has played it to somebody."""
    return f"Playing '{prompt}." in office.asterisk_said()


async def channel_of(lab: Asterisk, line: str) -> str:
    """The name of the channel by which a line talks."""
    async with asyncio.timeout(60):
        while True:
            for channel in await lab.channels():
                if channel["Channel"].startswith(f"PJSIP/{line}-") and channel["ChannelStateDesc"] == "Up":
                    return channel["Channel"]
            await asyncio.sleep(0.05)


async def test_a_capture_that_nobody_asked_for_is_stopped_and_destroyed(office: Office) -> None:
    async with office.call_up("201", "202", [Say(20)]):
        channel = await channel_of(office.lab, "201")
        await office.lab.cli(f"mixmonitor start {channel} unasked.wav")
        tape = await office.agent.one("recording", state="stopped", opted_in=False)
        destroyed = await office.agent.one("content", id=tape["id"])
        assert (destroyed["state"], destroyed["reason"], tape["trigger"]) == ("shredded", "unasked", "none")
        assert f"{channel} " not in await office.lab.cli("mixmonitor list " + channel)
    alarm = await office.agent.one("alarm", cause="recording", subject=tape["id"])
    assert "nobody asked for" in alarm["what"]
    assert await office.nothing_readable()
    assert not list(office.lab.recordings.rglob("*unasked*"))


async def test_one_that_writes_elsewhere_is_stopped_and_told(office: Office) -> None:
    elsewhere = office.lab.folder / "spool" / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    async with office.call_up("201", "202", [Say(20)]):
        channel = await channel_of(office.lab, "202")
        await office.lab.cli(f"mixmonitor start {channel} {office.lab.inside(elsewhere)}/unasked.wav")
        tape = await office.agent.one("recording", state="stopped", opted_in=False)
        alarm = await office.agent.one("alarm", cause="recording", subject=tape["id"], severity="critical")
        assert "look for it and destroy it" in alarm["what"]


async def test_one_beside_a_granted_one_ends_both(office: Office) -> None:
    async with office.call_up("201", "*1202", [Say(20)]):
        granted = await office.agent.one("recording", state="recording", opted_in=True)
        await asyncio.sleep(1)  # so that something was said
        await office.lab.cli(f"mixmonitor start {await channel_of(office.lab, '201')} beside.wav")
        await office.agent.one("recording", opted_in=False, state="stopped")
        await office.agent.one("recording", id=granted["id"], state="stopped")
        await office.kept(id=granted["id"])
    assert await office.nothing_readable()
    assert not list(office.lab.recordings.rglob("*beside*"))


async def test_one_that_began_while_the_agent_was_away_is_found(office: Office) -> None:
    await office.agent.stop()
    async with office.call_up("201", "202", [Say(30)]):
        await office.lab.cli(f"mixmonitor start {await channel_of(office.lab, '201')} unasked.wav")
        await office.agent.start()
        tape = await office.agent.one("recording", state="stopped", opted_in=False, blind=True)
        await office.agent.one("content", id=tape["id"], state="shredded")
    assert await office.nothing_readable()


async def test_told_and_not_stopped_where_enforcement_is_off(lab: Asterisk, tmp_path: Path) -> None:
    async with Office(lab, tmp_path, recording="enforce = false\n") as office, office.call_up("201", "202", [Say(6)]):
        await lab.cli(f"mixmonitor start {await channel_of(lab, '201')} unasked.wav")
        tape = await office.agent.one("recording", state="recording", opted_in=False)
        alarm = await office.agent.one("alarm", cause="recording", subject=tape["id"])
        assert "enforce is off" in alarm["what"]
        assert (lab.recordings / "unasked.wav").exists()


async def test_a_press_while_the_agent_is_away(office: Office) -> None:
    await office.agent.stop()
    await office.call("201", "202", [RecordButton(True), Say(2), RecordButton(False), Talk(1)])
    assert playing(office, AWAY)
    assert list(office.lab.recordings.iterdir()) == []
    await office.agent.start()
    assert office.agent.stored("recording") == []
    assert await office.nothing_readable()


async def test_a_caller_from_outside_opts_nobody_in(office: Office) -> None:
    """P11: it is the customer who presses, not whoever rings him."""
    presses: list[Step] = [Talk(0.5), Dial("*31"), Say(2), RecordButton(True, expect=403), Dial("*33"), Talk(1)]
    async with office.answering("202"):
        await trunk_call(office.lab, "trunk-a", "202", caller="01134960123", steps=presses)
    assert playing(office, REFUSED)
    assert office.agent.stored("recording") == office.agent.stored("optin") == []
    assert list(office.lab.recordings.iterdir()) == []
    assert await office.nothing_readable()


async def test_a_resume_while_the_agent_is_away(office: Office) -> None:
    """What is said after it is in no file, though the pause had been granted once."""
    steps: list[Step] = [Dial("*31"), Say(2), Dial("*32"), Talk(4), Dial("*33"), Say(5)]
    async with office.call_up("201", "202", steps) as call:
        paused = await office.agent.one("recording", state="paused")
        await office.agent.stop()
        assert not playing(office, AWAY)
        await call.done()
    assert playing(office, AWAY)
    await office.agent.start()
    assert 0.2 < tone.heard_s(await office.exported(await office.kept(id=paused["id"]))) < 2.4
    assert await office.nothing_readable()


async def test_the_agent_killed_while_it_records(office: Office) -> None:
    async with office.call_up("201", "*1202", [Say(4)]) as call:
        running = await office.agent.one("recording", state="recording")
        await asyncio.sleep(1)  # so that something was said
        await office.agent.kill()
        await call.done()
    assert tone.found_in(office.lab.folder, except_=[office.lab.recordings]) == []
    assert tone.found_in(office.folder) == []
    await office.agent.start()
    content = await office.kept(id=running["id"])
    tape = await office.agent.one("recording", id=running["id"], state="stopped")
    assert (tape["opted_in"], tape["trigger"]) == (True, "code")
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert await office.nothing_readable()


async def test_the_agent_killed_and_back_in_the_middle_of_it(office: Office) -> None:
    async with office.call_up("201", "*1202", [Say(8)]) as call:
        running = await office.agent.one("recording", state="recording")
        await office.agent.kill()
        await office.agent.start()
        await call.done()
    content = await office.kept(id=running["id"])
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert office.agent.stored("alarm") == [] or all(a["cause"] != "recording" for a in office.agent.stored("alarm"))
    assert await office.nothing_readable()


async def test_a_full_disk_refuses_new_ones_and_loses_none(lab: Asterisk, tmp_path: Path) -> None:
    office = Office(lab, tmp_path)
    with Disk(office.store, megabytes=4) as disk:
        async with office:
            async with office.call_up("201", "*1202", [Say(4)]) as call:
                running = await office.agent.one("recording", state="recording")
                disk.fill()
                await call.done()
            await office.agent.one("alarm", cause="recording", subject="store", severity="critical")
            await office.call("202", "201", [RecordButton(True), Say(1)])
            assert playing(office, REFUSED)
            assert [tape["id"] for tape in office.agent.stored("recording")] == [running["id"]]
            assert tone.found_in(office.store) == []
            disk.free()
            content = await office.kept(id=running["id"])
            assert tone.heard_s(await office.exported(content)) > 0.2
            assert await office.nothing_readable()


async def test_a_monitor_folder_on_a_disk_is_refused(version: str, tmp_path: Path) -> None:
    async with Asterisk(installation(version, print), memory_mb=0) as lab, Office(lab, tmp_path) as office:
        await office.call("201", "202", [RecordButton(True), Say(1), Talk(0.5)])
        assert playing(office, REFUSED)
        assert office.agent.stored("recording") == []
        assert await office.nothing_readable()


async def test_an_emergency_call_is_recorded_by_no_trigger(office: Office) -> None:
    await office.opt_in("201", "service", "all")
    async with Trunk(office.lab, "trunk-a", ring_s=0.1):
        await office.call("201", "999", [Talk(0.5), Dial("*31"), Say(2)])
        await office.call("201", "*1999", [Say(2)])
    await office.agent.some("emergency", 2, outcome="answered")
    assert office.agent.stored("recording") == []
    assert await office.nothing_readable()


async def test_one_that_somebody_starts_on_an_emergency_is_stopped(office: Office) -> None:
    async with Trunk(office.lab, "trunk-a", ring_s=0.1), office.call_up("201", "999", [Say(20)]):
        channel = await channel_of(office.lab, "201")
        await office.lab.cli(f"mixmonitor start {channel} unasked.wav")
        tape = await office.agent.one("recording", opted_in=False, state="stopped")
        await office.agent.one("content", id=tape["id"], state="shredded")
    assert await office.nothing_readable()


async def test_an_emergency_is_recorded_only_on_a_stated_basis(lab: Asterisk, tmp_path: Path) -> None:
    basis = 'emergency_basis = "contract with the site operator"\n'
    async with Office(lab, tmp_path, recording=basis) as office, Trunk(lab, "trunk-a", ring_s=0.1):
        await office.call("201", "999", [Say(1)])
        assert office.agent.stored("recording") == []
        await office.opt_in("201", "service", "all")
        await office.call("201", "999", [Say(4)])
        content = await office.kept(line="201")
        assert tone.heard_s(await office.exported(content)) > 0.2
        assert await office.nothing_readable()


async def test_who_comes_into_a_recorded_call_is_told(office: Office) -> None:
    first: list[Step] = [Talk(0.5), RecordButton(True), Talk(1), Say(6)]
    async with office.answering("205", [Listen(4)]), office.call_up("201", "202", [Talk(3), Transfer("205")], first):
        await office.agent.until(lambda: playing(office, PARTY), "a prompt for the new party")
    said = office.asterisk_said()
    assert said.count(f"Playing '{PARTY}.") == 1
