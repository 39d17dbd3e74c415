"""A rehearsal: a real call through the real dialplan to a number of one's own, told as a test from end to end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.journal import stages
from tests.lab.sip import Phone, Talk, Trunk, trunk_call
from tests.lab.traffic import idle

NUMBER = "01134960998"


@pytest.fixture
async def ami(lab: Asterisk) -> AsyncIterator[AmiSession]:
    """A session that may originate; the number is set, and the loopback trunk comes last."""
    await setting(lab, "REHEARSAL_NUMBER", NUMBER)
    await setting(lab, "TRUNKS", "trunk-a, trunk-b, loopback")
    async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami:
        yield ami


async def setting(lab: Asterisk, name: str, value: str) -> None:
    await lab.cli(f'dialplan set global EMERGENCY_{name} "{value}"')


async def rehearse(ami: AmiSession, *, line: str = "201", trunk: str = "") -> None:
    """Places one, as the agent does; its Call is "rehearsal"."""
    variables = {"LINE": line, "EMERGENCY_REHEARSAL_TRUNK": trunk}
    await ami.send(
        "Originate",
        Channel="Local/place@emergency-rehearsal/n",
        Context="emergency-rehearsal",
        Exten="listen",
        Priority="1",
        Variable=",".join(f"{name}={value}" for name, value in variables.items()),
        Async="true",
        Timeout="120000",
        ChannelId="listener",
        OtherChannelId="rehearsal",
    )


async def proof(ami: AmiSession) -> dict[str, str]:
    """The next EmergencyProof, without what Asterisk adds of the channel."""
    async with asyncio.timeout(60):
        event = dict(await ami.until("UserEvent", "EmergencyProof"))
    return {name: event[name] for name in ("Call", "Trunk", "Cli", "SipPriority", "ResourcePriority", "Location")}


async def refused(ami: AmiSession) -> bool:
    """Whether the one that was just placed came to nothing."""
    async with asyncio.timeout(60):
        return ("Response", "Failure") in await ami.until("Event", "OriginateResponse")


async def test_from_end_to_end(lab: Asterisk, ami: AmiSession) -> None:
    """The loopback trunk sends the number back into this PBX, as a carrier would."""
    await setting(lab, "CLI_loopback", "+441134960201")
    await setting(lab, "PRIORITY_loopback", "yes")
    await setting(lab, "RESOURCE_PRIORITY_loopback", "esnet.1")
    await setting(lab, "LOCATION_loopback", "yes")
    await rehearse(ami, trunk="loopback")
    assert await proof(ami) == {
        "Call": "rehearsal",
        "Trunk": "loopback",
        "Cli": "+441134960201",
        "SipPriority": "emergency",
        "ResourcePriority": "esnet.1",
        # Asterisk 16 has no location that could be sent
        "Location": "yes" if lab.installation.version.startswith("22") else "no",
    }
    await idle(lab)
    told = await stages(lab)
    assert {stage["Stage"] for stage in told} == {"Dialled", "Trying", "Answered", "LegEnded", "Ended"}
    assert {(stage["Test"], stage["Call"], stage["Number"]) for stage in told} == {("1", "rehearsal", "999")}
    assert "0 results" in await lab.cli("database show emergency-callback")


async def test_over_the_trunks_in_their_order(lab: Asterisk, ami: AmiSession) -> None:
    """With the identity of the line, and two headers that a real emergency does not have."""
    async with Trunk(lab, "trunk-a", answers=503) as first, Trunk(lab, "trunk-b", steps=[Talk(0.2)]) as second:
        await rehearse(ami, line="203")
        await ami.until("Stage", "Ended")
        await Phone(lab, "204").call("999", steps=[Talk(3)])
    invite, real = second.invites
    assert (invite.number, real.number) == (NUMBER, "999")
    assert (invite.header("X-Emergency-Call"), invite.header("X-Emergency-Trunk")) == ("rehearsal", "trunk-b")
    assert (real.header("X-Emergency-Call"), real.header("X-Emergency-Trunk")) == ("", "")
    assert [request.number for request in first.invites] == [NUMBER, "999"]
    assert first.invites[0].cli == "203"


async def test_a_carrier_that_passes_on_no_header(lab: Asterisk, ami: AmiSession) -> None:
    """The call that comes back is that of the rehearsal that is up; with none up it proves nothing."""
    await trunk_call(lab, "trunk-b", NUMBER, caller="01134960555", steps=[Talk(0.2)])
    async with Trunk(lab, "trunk-a", ring_s=3):
        await rehearse(ami, trunk="trunk-a")
        await ami.until("Event", "DialBegin")
        (_, arrived) = await asyncio.gather(
            trunk_call(lab, "trunk-b", NUMBER, caller="01134960201", steps=[Talk(0.2)]), proof(ami)
        )
    assert (arrived["Call"], arrived["Trunk"], arrived["Cli"]) == ("rehearsal", "trunk-a", "01134960201")
    assert (arrived["SipPriority"], arrived["Location"]) == ("", "no")
    assert ami.raw.count(b"UserEvent: EmergencyProof") == 1


async def test_no_trunk_takes_it(lab: Asterisk, ami: AmiSession) -> None:
    async with Trunk(lab, "trunk-a", answers=403):
        await rehearse(ami, trunk="trunk-a")
        assert await refused(ami)
    await idle(lab)
    told = await stages(lab, "Answered", "Refused", "Failed")
    assert {(stage["Stage"], stage["Test"]) for stage in told} == {("Refused", "1"), ("Failed", "1")}


@pytest.mark.parametrize(
    "numbers",
    [
        ("", "999", "112", "18000", "+44999", "9999", "91470112", "141999", "00449991", "18000999"),
        ("911", "101", "sos", "0113x", "01134960998&PJSIP/202", "urn:service:sos", "9" * 20),
    ],
    ids=["emergency services", "no numbers"],
)
async def test_never_to_the_emergency_services(lab: Asterisk, ami: AmiSession, numbers: tuple[str, ...]) -> None:
    async with Trunk(lab, "trunk-a") as trunk:
        for number in numbers:
            await setting(lab, "REHEARSAL_NUMBER", number)
            await rehearse(ami)
            assert await refused(ami), number
        assert trunk.invites == []
    assert await stages(lab) == []


@pytest.mark.parametrize(("line", "trunk"), [("201", "trunk-z"), ("201", "201"), ("999", "trunk-a"), ("", "trunk-a")])
async def test_an_unknown_line_or_trunk(lab: Asterisk, ami: AmiSession, line: str, trunk: str) -> None:
    async with Trunk(lab, "trunk-a") as carrier:
        await rehearse(ami, line=line, trunk=trunk)
        assert await refused(ami)
        assert carrier.invites == []


@pytest.mark.parametrize("number", ["emergency-rehearsal", "place", "listen"])
async def test_no_phone_can_begin_one(lab: Asterisk, ami: AmiSession, number: str) -> None:
    await Phone(lab, "201").call(number, expect=404)
    assert await stages(lab) == []


async def test_where_a_global_unmarks_every_call_none_reaches_the_emergency_services(
    lab: Asterisk, ami: AmiSession
) -> None:
    await setting(lab, "TEST", "1")
    async with Trunk(lab, "trunk-a") as trunk:
        await rehearse(ami)
        assert await refused(ami)
        await idle(lab)
    assert trunk.invites == []
