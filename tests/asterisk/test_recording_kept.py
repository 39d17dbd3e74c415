"""Each trigger from the phone's SIP to the encrypted file and back to a wave, and nothing readable on the way."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from tests.lab import tone
from tests.lab.conversation import Consult, Dial, Listen, RecordButton, Say, Step, Talk, Transfer
from tests.lab.recorded import Office


def captured_s(tape: dict[str, Any]) -> float:
    """How long the recording captured, by its record."""

    def between(begin: str, end: str) -> float:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()

    pauses = sum(between(pause["paused_at"], pause["resumed_at"]) for pause in tape["pauses"])
    return between(tape["started_at"], tape["stopped_at"]) - pauses


async def test_the_phones_record_button(office: Office) -> None:
    await office.call("201", "202", [RecordButton(True), Say(2), RecordButton(False), Talk(0.3)])
    content = await office.kept()
    tape = await office.agent.one("recording", id=content["id"])
    optin = await office.agent.one("optin", id=tape["optin"])
    assert (tape["line"], tape["leg"], tape["trigger"], tape["opted_in"]) == ("201", "caller", "button", True)
    assert (optin["line"], optin["trigger"], optin["calls"], optin["how"]) == ("201", "button", "one", "press")
    assert optin["given_at"] <= tape["started_at"] <= tape["stopped_at"] == optin["withdrawn_at"]
    assert (content["line"], content["kept_as"], content["size_bytes"] > 1_000) == ("201", "user", True)
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert await office.nothing_readable()


async def test_the_callee_presses(office: Office) -> None:
    await office.call("201", "202", [Say(3)], [Talk(0.5), RecordButton(True), Talk(3)])
    content = await office.kept(line="202")
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert await office.nothing_readable()


@pytest.mark.parametrize(
    ("dialled", "steps"),
    [("202", [Dial("*31"), Say(2), Dial("*30"), Talk(0.3)]), ("*1202", [Say(2)])],
    ids=["in the call", "with the number"],
)
async def test_a_feature_code(office: Office, dialled: str, steps: Sequence[Step]) -> None:
    await office.call("201", dialled, steps)
    content = await office.kept(line="201", kept_as="user")
    assert (await office.agent.one("recording", id=content["id"]))["trigger"] == "code"
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert await office.nothing_readable()


@pytest.mark.parametrize(
    ("trigger", "line", "calls", "caller", "dialled", "kept_as"),
    [
        ("service", "201", "outgoing", "201", "202", "user"),
        ("service", "203", "incoming", "201", "203", "user"),
        ("pa", "204", "all", "201", "204", "pa"),
        ("customer_service", "290", "all", "201", "290", "customer_service"),
    ],
)
async def test_a_service_that_a_line_has_switched_on(
    office: Office, trigger: str, line: str, calls: str, caller: str, dialled: str, kept_as: str
) -> None:
    await office.call(caller, dialled, [Say(1)])
    assert office.agent.stored("recording") == [], "the default is off"
    optin = await office.opt_in(line, trigger, calls)
    await office.call(caller, dialled, [Say(3)])
    content = await office.kept(line=line, kept_as=kept_as)
    tape = await office.agent.one("recording", id=content["id"])
    assert tape["trigger"] == trigger
    if trigger == "customer_service":
        assert (await office.agent.one("optin", id=tape["optin"]))["how"] == "announced"
        assert "recording-announcement" in office.asterisk_said()
    else:
        assert tape["optin"] == optin["id"]
    assert tone.heard_s(await office.exported(content)) > 0.2
    await office.withdraw(optin["id"])
    await office.call(caller, dialled, [Say(1)])
    assert len(office.agent.stored("recording")) == 1
    assert await office.nothing_readable()


async def test_a_service_of_one_direction_leaves_the_other_alone(office: Office) -> None:
    await office.opt_in("201", "service", "incoming")
    await office.call("201", "202", [Say(1)])
    assert office.agent.stored("recording") == []
    assert await office.nothing_readable()


async def test_a_withdrawn_opt_in_ends_what_is_recorded_by_it(office: Office) -> None:
    optin = await office.opt_in("201", "service", "all")
    async with office.call_up("201", "202", [Say(20)]):
        await office.agent.one("recording", state="recording")
        await office.withdraw(optin["id"])
        await office.agent.one("recording", state="stopped")
    content = await office.kept()
    assert tone.heard_s(await office.exported(content)) < 15


async def test_nothing_is_captured_in_a_pause(office: Office) -> None:
    paused: list[Step] = [Dial("*32"), Talk(1.5), Say(2), Dial("*33"), Talk(1.5)]
    await office.call("201", "202", [RecordButton(True), Talk(1.5), Say(2), *paused, Say(2)])
    content = await office.kept()
    tape = await office.agent.one("recording", id=content["id"])
    (pause,) = tape["pauses"]
    assert pause["paused_at"] < pause["resumed_at"]
    assert said_in(await office.exported(content)) == {0, 2}, "not of what was said in the pause"
    # Nor does it leave silence of its length: what is kept is as long as what was captured.
    assert abs(content["duration_ms"] / 1000 - captured_s(tape)) < 1.5
    assert await office.nothing_readable()


@pytest.mark.parametrize("how", ["blind", "attended"])
async def test_a_pause_survives_a_transfer(office: Office, how: str) -> None:
    """202 records and pauses; 201, to whom it talks, hands it to 205; it resumes with that one."""
    records: list[Step] = [
        Talk(0.5),
        RecordButton(True),
        Talk(1),
        Say(1.5),
        Dial("*32"),
        Talk(1.5),
        Say(4),
        Dial("*33"),
        Talk(1.5),
        Say(1.5),
        RecordButton(False),
    ]
    hand_over: Step = Transfer("205") if how == "blind" else Consult("205", 1)
    async with office.answering("205"), office.call_up("201", "202", [Talk(4), hand_over], [*records, Talk(1)]):
        content = await office.kept(line="202")
    tape = await office.agent.one("recording", id=content["id"])
    (pause,) = tape["pauses"]
    assert pause["paused_at"] < pause["resumed_at"] < tape["stopped_at"]
    assert said_in(await office.exported(content)) == {0, 2}, "not of what was said in the pause"
    assert await office.nothing_readable()


async def test_an_ordinary_call_leaves_nothing(office: Office) -> None:
    await office.call("201", "202", [Say(2)])
    assert office.agent.stored("recording") == []
    assert await office.nothing_readable()
    assert list(office.lab.recordings.iterdir()) == []


async def test_the_desk_starts_pauses_resumes_and_stops(office: Office) -> None:
    await office.opt_in("202", "service", "incoming")
    async with office.call_up("201", "202", [Listen(20)], [Say(20)]):
        begun = await office.command("recording", "start", "202", "--by", "Ann")
        await office.agent.one("recording", id=begun["id"], state="recording")
        await office.command("recording", "pause", begun["id"])
        await office.agent.one("recording", id=begun["id"], state="paused")
        await office.command("recording", "resume", begun["id"])
        await office.agent.one("recording", id=begun["id"], state="recording")
        await office.command("recording", "stop", begun["id"])
        await office.agent.one("recording", id=begun["id"], state="stopped")
    content = await office.kept(line="202")
    assert tone.heard_s(await office.exported(content)) < 15


def said_in(wave: bytes) -> set[int]:
    """Which Says of the phone, counted from 0, a wave holds anything of."""
    return {int(part.said_s // tone.NEXT_S) for part in tone.heard(wave)}


async def test_the_phone_pauses_resumes_and_stops_what_the_desk_began(office: Office) -> None:
    await office.opt_in("202", "service", "incoming")
    pauses: list[Step] = [Dial("*32"), Talk(1), Say(2), Dial("*33"), Talk(1), Say(2)]
    async with office.call_up(
        "201", "202", [Listen(30)], [Talk(6), Say(1), *pauses, Dial("*30"), Talk(1), Say(2), Listen(9)]
    ):
        begun = await office.command("recording", "start", "202", "--by", "Ann")
        tape = await office.agent.one("recording", id=begun["id"], state="stopped")
    (pause,) = tape["pauses"]
    assert pause["paused_at"] < pause["resumed_at"] < tape["stopped_at"]
    assert said_in(await office.exported(await office.kept(id=begun["id"]))) == {0, 2}
    assert await office.nothing_readable()


async def test_the_phone_resumes_what_the_desk_paused(office: Office) -> None:
    steps: list[Step] = [Dial("*31"), Say(3), Talk(6), Say(2), Dial("*33"), Talk(1), Say(2)]
    async with office.call_up("201", "202", steps):
        begun = await office.agent.one("recording", state="recording")
        await office.command("recording", "pause", begun["id"])
        tape = await office.agent.one("recording", id=begun["id"], state="stopped")
    (pause,) = tape["pauses"]
    assert pause["paused_at"] < pause["resumed_at"] < tape["stopped_at"]
    assert said_in(await office.exported(await office.kept())) == {0, 2}
    assert await office.nothing_readable()


async def test_the_phone_pauses_again_what_the_desk_resumed(office: Office) -> None:
    steps: list[Step] = [Dial("*31"), Say(3), Dial("*32"), Talk(6), Say(2), Dial("*32"), Talk(1), Say(2)]
    async with office.call_up("201", "202", steps):
        begun = await office.agent.one("recording", state="paused")
        await office.command("recording", "resume", begun["id"])
        tape = await office.agent.one("recording", id=begun["id"], state="stopped")
    first, second = tape["pauses"]
    assert first["resumed_at"] < second["paused_at"] < tape["stopped_at"]
    assert second["resumed_at"] is None
    assert said_in(await office.exported(await office.kept())) == {0, 1}
    assert await office.nothing_readable()


async def test_the_other_codes_begin_nothing_and_what_is_not_paused_is_not_resumed(office: Office) -> None:
    await office.lab.cli("dialplan set global RECORDING_SAY_stop recording-stop")
    codes: list[Step] = [step for code in ("*33", "*32", "*33", "*30") for step in (Dial(code), Talk(1))]
    await office.call("201", "202", codes)
    assert office.agent.stored("recording") == []
    assert list(office.lab.recordings.iterdir()) == []
    assert "Playing 'recording-stop." not in office.asterisk_said(), "nothing was recorded"
    over: list[Step] = [Dial("*30"), Talk(3), Dial("*33"), Talk(1), Say(2), Dial("*30"), Talk(1)]
    await office.call("201", "202", [Dial("*31"), Talk(1), Say(2), Dial("*33"), Talk(1), Say(2), *over])
    tape = await office.agent.one("recording", state="stopped")
    assert tape["pauses"] == []
    assert said_in(await office.exported(await office.kept(id=tape["id"]))) == {0, 1}
    assert office.asterisk_said().count("Playing 'recording-stop.") == 2, "once to either party"
    assert await office.nothing_readable()


async def test_deleting_destroys_key_and_file(office: Office) -> None:
    await office.call("201", "*1202", [Say(2)])
    content = await office.kept()
    assert len(list(office.store.glob("*.sealed"))) == 1
    await office.command("recording", "delete", content["id"], "--why", "customer", "--reason", "asked by letter")
    gone = await office.agent.one("content", id=content["id"])
    assert (gone["state"], gone["reason"]) == ("deleted", "customer")
    assert list(office.store.glob("*.sealed")) == []
    uses = [use["use"] for use in office.agent.stored("access")]
    assert uses == ["deleted"]
