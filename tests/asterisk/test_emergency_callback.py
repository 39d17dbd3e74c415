"""The emergency services ring back: the very phone that called is reached, whatever stands in between."""

import re

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.journal import stages
from tests.lab.sip import Callee, Phone, RecordButton, SipError, Talk, Trunk, trunk_call
from tests.lab.traffic import idle

#: Reception's number, which every 999 call shows.
CLI = "01134960209"
SHORT = [Talk(0.3)]


async def pbx(lab: Asterisk, **settings: str) -> None:
    """Shows CLI on trunk-a, and lets each phone ring for 2 s."""
    for name, value in {"CLI_trunk-a": "+441134960209", "CALLBACK_RING": "2", **settings}.items():
        await lab.cli(f'dialplan set global EMERGENCY_{name} "{value}"')


async def registered(lab: Asterisk, line: str, host: int, *, contact_host: str = "") -> Phone:
    phone = Phone(lab, line, local_ip=f"127.0.7.{host}", contact_host=contact_host)
    await phone.register()
    return phone


async def emergency(lab: Asterisk, *phones: Phone) -> None:
    """A call to 999 by each, one after another."""
    async with Trunk(lab, "trunk-a"):
        for phone in phones:
            await phone.call("999", steps=[Talk(0.1)])


async def entries(lab: Asterisk) -> list[str]:
    """What is noted: the keys of its family in AstDB."""
    return re.findall(r"^/emergency-callback/(\S+?) *: ", await lab.cli("database show emergency-callback"), re.M)


class Forwarding(Callee):
    """A phone whose Contact is its colleague 202, whom a 302 forwards the call to."""

    def __init__(self, phone: Phone, *, answers: int, ring_s: float) -> None:
        super().__init__(phone, answers=answers, ring_s=ring_s)
        self._scenario = self._scenario.replace("Contact: <sip:lab@", "Contact: <sip:202@")


@pytest.mark.parametrize("rung", ["01134960209", "+441134960209", "441134960209", "00441134960209"])
async def test_the_very_phone_of_a_line_with_two(lab: Asterisk, rung: str) -> None:
    """Past the do-not-disturb and the forwarding of the PBX, which the number's ordinary handling heeds."""
    await pbx(lab)
    desk, other = await registered(lab, "209", 1), await registered(lab, "209", 2)
    await lab.cli("database put dnd 209 yes")
    await lab.cli("database put forward 209 202")
    await trunk_call(lab, "trunk-a", rung, expect=486)
    await emergency(lab, desk)
    async with Callee(desk) as answering, Callee(other) as silent:
        await trunk_call(lab, "trunk-a", rung, steps=SHORT)
    (invite,) = answering.invites
    assert invite.header("Priority") == "psap-callback"
    assert silent.invites == []
    told = await stages(lab, "Dialled", "Callback", "CallbackAnswered", "CallbackEnded")
    assert [stage["Stage"] for stage in told] == ["Dialled", "Callback", "CallbackAnswered", "CallbackEnded"]
    assert {(stage["Call"], stage["Number"]) for stage in told} == {(told[0]["Call"], "999")}
    assert [stage["Line"] for stage in told] == ["209", "trunk-a", "209", "trunk-a"]


@pytest.mark.parametrize("does", [486, 480, 302, None], ids=["busy", "do not disturb", "forwards", "rings on"])
async def test_then_the_other_phones_of_its_line(lab: Asterisk, does: int | None) -> None:
    await pbx(lab)
    desk, other = await registered(lab, "201", 1), await registered(lab, "201", 2)
    elsewhere = await registered(lab, "202", 3)
    await emergency(lab, desk)
    async with (
        Forwarding(desk, answers=does or 200, ring_s=0 if does else 30) as first,
        Callee(other) as second,
        Callee(elsewhere) as third,
    ):
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert first.invites[0].at < second.invites[0].at
    assert third.invites == []
    assert [stage["Line"] for stage in await stages(lab, "CallbackAnswered")] == ["201"]


async def test_a_phone_that_has_restarted_since(lab: Asterisk) -> None:
    """Its address tells it from the line's other phone, though its port is another."""
    await pbx(lab)
    desk, other = await registered(lab, "201", 1), await registered(lab, "201", 2)
    await emergency(lab, desk)
    await desk.unregister()
    desk = await registered(lab, "201", 1)
    async with Callee(other) as silent, Callee(desk) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert (len(answering.invites), silent.invites) == (1, [])


async def test_callers_behind_one_number_are_kept_apart(lab: Asterisk) -> None:
    """The latest is rung first; one that called twice is rung once."""
    await pbx(lab)
    first, second = await registered(lab, "201", 1), await registered(lab, "202", 2)
    await emergency(lab, first, second, second)
    assert len(await entries(lab)) == 3
    async with Callee(first) as earlier, Callee(second, ring_s=30) as latest:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert (len(latest.invites), len(earlier.invites)) == (1, 1)
    assert latest.invites[0].at < earlier.invites[0].at
    calls = {stage["Line"]: stage["Call"] for stage in await stages(lab, "Dialled")}
    told = await stages(lab, "Callback", "CallbackAnswered", "CallbackEnded")
    of = {line: [stage["Stage"] for stage in told if stage["Call"] == call] for line, call in calls.items()}
    assert of == {
        "202": ["Callback", "CallbackEnded"],
        "201": ["Callback", "CallbackAnswered", "CallbackEnded"],
    }


async def test_nobody_takes_it(lab: Asterisk) -> None:
    """Then the number's ordinary handling has it: here, reception."""
    await pbx(lab)
    desk, reception = await registered(lab, "201", 1), await registered(lab, "209", 9)
    await emergency(lab, desk)
    async with Callee(desk, answers=486), Callee(reception) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert answering.invites[0].header("Priority") == ""
    assert [stage["Stage"] for stage in await stages(lab, "Callback", "CallbackAnswered", "CallbackEnded")] == [
        "Callback",
        "CallbackEnded",
    ]


async def test_after_the_window_it_is_an_ordinary_call(lab: Asterisk) -> None:
    await pbx(lab)
    desk, reception = await registered(lab, "201", 1), await registered(lab, "209", 9)
    await emergency(lab, desk)
    (key,) = await entries(lab)
    number, _, name = key.partition("/")
    begun = int(name[:10])
    await lab.cli("database deltree emergency-callback")
    noted = "PJSIP/201|127.0.7.1:5060|999"
    for age in (3 * 3600 - 60, 3 * 3600 + 1):
        await lab.cli(f'database put emergency-callback {number}/{begun - age}{name[10:]} "{noted}"')
    async with Callee(desk) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert len(answering.invites) == 1
    # the one that was too old went when it was looked at
    assert await entries(lab) == [f"{number}/{begun - 3 * 3600 + 60}{name[10:]}"]
    await pbx(lab, CALLBACK_HOURS="1.5")
    async with Callee(desk) as silent, Callee(reception) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert (silent.invites, len(answering.invites)) == ([], 1)
    assert await entries(lab) == []


async def test_what_is_too_old_goes_after_the_next_emergency_whoever_made_it(lab: Asterisk) -> None:
    await pbx(lab)
    old = "01134960777/1000000000.000-1.0"
    await lab.cli(f'database put emergency-callback {old} "PJSIP/202|127.0.7.2:5060|999"')
    desk = await registered(lab, "201", 1)
    assert await entries(lab) == [old]
    await emergency(lab, desk)
    await idle(lab)
    (key,) = await entries(lab)
    assert key.startswith(f"{CLI}/")


async def test_it_outlives_a_restart(lab: Asterisk) -> None:
    await pbx(lab)
    desk = await registered(lab, "201", 1)
    await emergency(lab, desk)
    await lab.restart()
    async with Callee(desk) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert len(answering.invites) == 1


async def test_nothing_records_it_and_no_code_works(lab: Asterisk, agent: AgentProcess) -> None:
    """On an ordinary call from outside the same button records."""
    await pbx(lab)
    desk = await registered(lab, "201", 1)
    async with Callee(desk, steps=[Talk(0.3), RecordButton(True), Talk(3)]):
        await trunk_call(lab, "trunk-a", "201", steps=[Talk(20)])
        await agent.one("content", state="kept")
        await emergency(lab, desk)
        await trunk_call(lab, "trunk-a", CLI, steps=[Talk(20)])
        await agent.one("emergency", callbacks=1)
    assert len(agent.stored("recording")) == 1
    assert list(lab.recordings.glob("*.wav")) == []


async def test_a_contact_that_says_more_than_where_the_phone_is(lab: Asterisk) -> None:
    """What a phone registers is its own text: nothing in it is dialled that is not its own line."""
    await pbx(lab)
    other = await registered(lab, "202", 2)
    hostile = await registered(lab, "201", 1, contact_host=f"127.0.7.1:9;x=&PJSIP/202/sip:127.0.7.2:{other.port};y=")
    await emergency(lab, hostile)
    reception = await registered(lab, "209", 9)
    async with Callee(other) as silent, Callee(reception) as answering:
        await trunk_call(lab, "trunk-a", CLI, steps=SHORT)
    assert (silent.invites, len(answering.invites)) == ([], 1)


@pytest.mark.parametrize(
    "rung",
    ["0%2C0113", "01134960209%26PJSIP%2F202", "0$%7BSHELL(id)%7D", "0%0D%0AX:%20y", "0" * 400, "0/../209", "0%22)"],
)
async def test_a_hostile_number_reaches_nobody(lab: Asterisk, rung: str) -> None:
    await pbx(lab)
    desk, other = await registered(lab, "201", 1), await registered(lab, "202", 2)
    await emergency(lab, desk)
    before = await entries(lab)
    async with Callee(desk) as first, Callee(other) as second:
        with pytest.raises(SipError):
            await trunk_call(lab, "trunk-a", rung, caller="x%2C;y", steps=SHORT)
    assert (first.invites, second.invites) == ([], [])
    assert await entries(lab) == before
    assert await stages(lab, "Callback") == []
