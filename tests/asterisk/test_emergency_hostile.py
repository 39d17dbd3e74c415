"""What a caller may say of itself, and what may be wrong with the PBX: the call goes out, and no stage is forged."""

import re

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.ami import AmiSession, Message
from tests.lab.asterisk import Asterisk
from tests.lab.faults import small_disk
from tests.lab.journal import stages
from tests.lab.sip import Callee, Phone, Talk, Trunk
from tests.lab.traffic import idle

STAGES = ["Answered", "Dialled", "Ended", "LegEnded", "Trying"]

# A line break within a display name never gets here: Asterisk's SIP parser drops the whole packet (16, 22).  One that
# is escaped in the user part of From does.
NAMES = (
    "Bob,Stage: Failed",
    "Bob,Stage: Failed,Call: 1.1,Number: 112",
    "Bob;Stage=Failed|Call=1.1|Test=1",
    'Bob\\" <sip:999@evil>,Stage: Failed',
    "Bob%0d%0aStage: Failed",
    "${HANGUPCAUSE}${SHELL(id)}",
    "])},Stage: Failed)",
    "Zoë\x07\x1b",
    "B" * 3000,
)
#: The user part of From of a phone that is known by its credentials; and what is left of it to be shown.
CALLERS = {
    "201,Stage%3A%20Failed": "201StageFailed",
    "209;Stage=Failed": "209",
    "1%7CTest=1%7CStage=Failed": "1Test1StageFailed",
    "%0D%0AStage%3A%20Failed": "StageFailed",
    "%0D%0A%0D%0AEvent%3A%20UserEvent%0D%0AUserEvent%3A%20Emergency": "EventUserEventUserEventEmergency",
    "%22%3E&PJSIP/202": "PJSIP202",
    "$%7BHANGUPCAUSE%7D": "HANGUPCAUSE",
    "*21%23": "21",
    "+441134960209": "+441134960209",
    "9" * 3000: "9" * 79,
}


async def listened(ami: AmiSession) -> list[Message]:
    """The UserEvents of emergencies that came so far."""
    await ami.action("Ping")
    blocks = ami.raw.decode("utf-8", "replace").split("\r\n\r\n")
    events = [[(key, value) for key, _, value in (line.partition(": ") for line in b.split("\r\n"))] for b in blocks]
    return [event for event in events if ("Event", "UserEvent") in event and ("UserEvent", "Emergency") in event]


def every(events: list[Message], header: str) -> list[str]:
    return [value for event in events for key, value in event if key == header]


async def unloaded(lab: Asterisk, module: str) -> None:
    """Takes a module away; AMI's Command refuses that."""
    async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami:
        answer = await ami.action("ModuleLoad", Module=f"{module}.so", LoadType="unload")
    assert ("Response", "Success") in answer


async def test_no_display_name_forges_a_stage(lab: Asterisk, agent: AgentProcess) -> None:
    async with (
        AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
        Trunk(lab, "trunk-a", ring_s=0) as trunk,
    ):
        for name in NAMES:
            await Phone(lab, "202", name=name).call("999", steps=[Talk(0.05)])
        await idle(lab)
        events = await listened(ami)
    assert [invite.number for invite in trunk.invites] == ["999"] * len(NAMES)
    assert sorted(every(events, "Stage")) == sorted(STAGES * len(NAMES))
    assert set(every(events, "Number")) == {"999"}
    assert every(events, "Test") == []
    await agent.some("emergency", len(NAMES), outcome="answered", number="999", attempts=1, line="202", test=False)


async def test_no_number_of_the_caller_forges_a_stage_or_stops_the_call(lab: Asterisk) -> None:
    async with (
        AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
        Trunk(lab, "trunk-a", ring_s=0) as trunk,
    ):
        for caller in CALLERS:
            await Phone(lab, "209", caller=caller).call("999", steps=[Talk(0.05)])
        await idle(lab)
        events = await listened(ami)
    assert [invite.cli for invite in trunk.invites] == list(CALLERS.values())
    assert sorted(every(events, "Stage")) == sorted(STAGES * len(CALLERS))
    assert every(events, "Cli") == list(CALLERS.values())
    assert every(events, "Test") == []
    assert sorted(stage["Stage"] for stage in await stages(lab)) == sorted(STAGES * len(CALLERS))


async def test_a_number_of_10_kb_harms_nobody_elses_call(lab: Asterisk) -> None:
    long = await Phone(lab, "202").start_call("999" + "9" * 10_000)
    async with Trunk(lab, "trunk-a") as trunk:
        await Phone(lab, "203").call("999", steps=[Talk(0.1)])
        await idle(lab)
    await long.stop()
    assert [invite.number for invite in trunk.invites] == ["999"]


async def test_a_phone_called_999_takes_no_emergency_call(lab: Asterisk) -> None:
    """An endpoint and AOR of that name, a hint for it, and the phones' own context as regcontext."""
    etc = lab.folder / "etc" / "pjsip.conf"
    text = etc.read_text()
    section = re.search(r"^\[208\]\ntype=endpoint.*?(?=^\[209\])", text, re.M | re.S)
    assert section is not None
    text = text.replace("type=global\n", "type=global\nregcontext=phones\n")
    etc.write_text(text + "\n" + section[0].replace("208", "999"))
    await lab.restart()
    await lab.cli("dialplan add extension 999,hint,PJSIP/999 into phones")
    impostor = Phone(lab, "999", local_ip="127.0.5.99")
    # to unregister takes 999,1 out of the context, whoever wrote it there
    await impostor.register()
    await impostor.unregister()
    await impostor.register()
    async with Trunk(lab, "trunk-a") as trunk:
        await Phone(lab, "202").call("999", steps=[Talk(0.1)])
        # it may call for help itself
        await impostor.call("999", steps=[Talk(0.1)])
        await idle(lab)
    assert len(trunk.invites) == 2
    assert [stage["Line"] for stage in await stages(lab, "Dialled")] == ["202", "999"]


async def test_asterisks_own_disk_is_full(lab: Asterisk) -> None:
    await lab.stop()
    async with small_disk(lab.folder / "db", 1) as disk:
        await lab.start()
        await Phone(lab, "202", local_ip="127.0.5.2").register()
        with (disk / "filler").open("wb", buffering=0) as filler:
            for size in (4096, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError:
                    continue
        async with Trunk(lab, "trunk-a", answers=503, ring_s=0), Trunk(lab, "trunk-b") as second:
            for _ in range(2):
                await Phone(lab, "202").call("999", steps=[Talk(1.5)])
            await idle(lab)
        assert len(second.invites) == 2
        await lab.stop()


@pytest.mark.parametrize(
    "module",
    [
        *("app_userevent", "app_originate", "app_softhangup", "func_db", "func_timeout", "func_holdintercept"),
        *("func_hangupcause", "func_version", "func_module", "func_lock", "res_pjsip_geolocation"),
        "res_pjsip_header_funcs",
    ],
)
async def test_an_asterisk_without_a_module_that_the_call_can_do_without(lab: Asterisk, module: str) -> None:
    await lab.cli("dialplan set global EMERGENCY_PRIORITY_trunk-b yes")
    await unloaded(lab, module)
    async with Trunk(lab, "trunk-a", answers=503, ring_s=0), Trunk(lab, "trunk-b", ring_s=0) as second:
        await Phone(lab, "202").call("999", steps=[Talk(0.05)])
        await idle(lab)
    assert [invite.number for invite in second.invites] == ["999"]


async def test_the_journal_can_be_switched_off(lab: Asterisk, agent: AgentProcess) -> None:
    await lab.cli("dialplan set global EMERGENCY_JOURNAL no")
    async with Trunk(lab, "trunk-a"):
        await Phone(lab, "202").call("999", steps=[Talk(0.1)])
    await agent.one("emergency", outcome="answered", number="999")
    assert await stages(lab) == []


async def test_no_global_makes_a_rehearsal_of_a_real_call(lab: Asterisk) -> None:
    await lab.cli("dialplan set global EMERGENCY_TEST 1")
    await lab.cli("dialplan set global EMERGENCY_REHEARSAL_NUMBER 01134960998")
    async with Trunk(lab, "trunk-a") as trunk:
        await Phone(lab, "202").call("999", steps=[Talk(0.1)])
        await idle(lab)
    assert [invite.number for invite in trunk.invites] == ["999"]
    # nor is it told as one: the desk would not come for it
    assert [entry for entry in await stages(lab) if "Test" in entry] == []


async def test_the_two_ways_of_telling_say_the_same(lab: Asterisk) -> None:
    async with (
        AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
        Trunk(lab, "trunk-a", answers=503),
        Trunk(lab, "trunk-b"),
    ):
        await Phone(lab, "202", local_ip="127.0.5.2").call("112", steps=[Talk(0.1)])
        await idle(lab)
        events = [dict(event) for event in await listened(ami)]
    journal = await stages(lab)
    names = {"Stage", "Call", "Number", "At", "Address", "Trunk", "Cli", "Attempt", "Status", "Uniqueid", "Linkedid"}
    told = [{name: event[name] for name in names & event.keys()} for event in events]
    assert {"Address": "127.0.5.2"}.items() <= told[0].items()
    # the line is in the event's channel name
    lines = [event["Channel"].removeprefix("PJSIP/").rpartition("-")[0] for event in events]
    written = sorted(journal, key=lambda entry: (entry["Uniqueid"], entry["Stage"], entry.get("Attempt", "")))
    heard = [event | {"Line": line} for event, line in zip(told, lines, strict=True)]
    # of a leg that did not answer nothing is written but that it was tried and refused
    heard = [event for event in heard if (event["Stage"], event.get("Trunk")) != ("LegEnded", "trunk-a")]
    assert written == sorted(heard, key=lambda entry: (entry["Uniqueid"], entry["Stage"], entry.get("Attempt", "")))
    assert all(re.fullmatch(r"\d{10}\.\d{3}", entry["At"]) for entry in journal)


#: In the user part of From: the begin of an event of the caller's own, and headers within the real one.
FORGERIES = (
    "%0D%0A%0D%0AEvent%3A%20Newchannel%0D%0AUniqueid%3A%207%0D%0AExten%3A%20999",
    "%0D%0A%0D%0AEvent%3A%20Newchannel%0D%0APrivilege%3A%20call%2Call%0D%0AExten%3A%20112",
    "%0D%0A%0D%0AEvent%3A%20UserEvent%0D%0AUserEvent%3A%20Emergency%0D%0AUniqueid%3A%207",
    "%0D%0AExten%3A%20999",
    "%0D%0AUniqueid%3A%207",
)


async def test_nothing_that_a_caller_puts_onto_the_wire_becomes_an_emergency(
    lab: Asterisk, agent: AgentProcess
) -> None:
    callee = Phone(lab, "203", local_ip="127.0.5.203")
    await callee.register()
    async with Callee(callee), Trunk(lab, "trunk-a", ring_s=0):
        for caller in FORGERIES:
            await Phone(lab, "209", caller=caller).call("203", steps=[Talk(0.05)])
        for caller in FORGERIES:
            await Phone(lab, "209", caller=caller).call("999", steps=[Talk(0.05)])
        await idle(lab)
    calls = await agent.some("emergency", len(FORGERIES), ended_at=bool)
    assert {(call["line"], call["number"], call["outcome"]) for call in calls} == {("209", "999", "answered")}
