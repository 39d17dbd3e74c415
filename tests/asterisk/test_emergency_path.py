"""999 in every form, over each trunk in turn, with the number that the emergency services are meant to see."""

import asyncio
import re

import pytest

from tests.lab.asterisk import DIALPLAN, Asterisk
from tests.lab.journal import stages
from tests.lab.sip import Phone, Talk, Trunk
from tests.lab.traffic import idle

SERVICES = ("999", "112", "18000")
#: What a phone can dial, and the number that has to leave on the trunk.
FORMS = {
    **{f"{prefix}{service}": service for service in SERVICES for prefix in ("", "9", "141", "1470", "9141", "91470")},
    **{f"+44{service}": service for service in SERVICES},
    **{f"{service};phone-context=+44": service for service in SERVICES},
    "sos": "999",
    "sos;phone-context=+44": "999",
    "+44999;phone-context=+44": "999",
}
#: Outbound patterns of the phones' own context, from the plainest to the most specific that a PBX may have.
PATTERNS = (
    "_.",
    "_!",
    "_X.",
    "_9.",
    "_99.",
    "_1XX",
    "_9XXX",
    "_[19]XXXXX",
    "_+.",
    "_+44X.",
    "_[a-z].",
    "_999!",
    "_112!",
)


async def registered(lab: Asterisk, line: str, **more: str) -> Phone:
    phone = Phone(lab, line, local_ip=f"127.0.5.{int(line[1:])}", **more)  # type: ignore[arg-type]
    await phone.register()
    return phone


async def settings(lab: Asterisk, **values: str) -> None:
    """Sets globals of the dialplan; `__` in a name stands for the hyphen of a trunk's name."""
    for name, value in values.items():
        await lab.cli(f'dialplan set global {name.replace("__", "-")} "{value}"')


@pytest.mark.parametrize("ignored", ["yes", "no"], ids=["options-ignored", "options-kept"])
async def test_every_form_leaves_as_the_bare_number(lab: Asterisk, ignored: str) -> None:
    etc = lab.folder / "etc" / "pjsip.conf"
    etc.write_text(re.sub("(ignore_uri_user_options)=.*", rf"\1={ignored}", etc.read_text()))
    await lab.cli("module reload res_pjsip.so")
    for pattern in PATTERNS:
        await lab.cli(f"dialplan add extension {pattern},1,Hangup,21 into phones")
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", ring_s=0) as trunk:
        for form in FORMS:
            await phone.call(form, steps=[Talk(0.05)])
        await idle(lab)
    assert [invite.number for invite in trunk.invites] == list(FORMS.values())
    assert [stage["Number"] for stage in await stages(lab, "Dialled")] == list(FORMS.values())


def test_the_forms_are_those_of_the_file() -> None:
    text = (DIALPLAN / "emergency-numbers.conf").read_text()
    exact = dict(re.findall(r"^exten => ([^_]\S*?),1,Gosub\(emergency,(\d+),1\(", text, re.M))
    assert exact == {form: number for form, number in FORMS.items() if ";" not in form}


#: SIP answers of a trunk that does not take the call.
REFUSALS = (400, 403, 404, 408, 480, 486, 488, 500, 503, 600, 603)


async def test_a_refusal_of_any_kind_leads_to_the_next_trunk(lab: Asterisk) -> None:
    phone = await registered(lab, "202")
    reached = {}
    for code in REFUSALS:
        async with Trunk(lab, "trunk-a", answers=code, ring_s=0) as first, Trunk(lab, "trunk-b", ring_s=0) as second:
            await phone.call("999", steps=[Talk(0.05)])
        reached[code] = (len(first.invites), len(second.invites))
    assert reached == dict.fromkeys(REFUSALS, (1, 1))


async def test_a_trunk_that_says_nothing_is_given_up_early(lab: Asterisk) -> None:
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", answers=None) as first, Trunk(lab, "trunk-b") as second:
        await phone.call("999", steps=[Talk(0.2)])
        await idle(lab)
    # SIP alone would repeat its INVITE for 32 s
    assert second.invites[0].at - first.invites[0].at < 10
    (refused,) = await stages(lab, "Refused")
    assert (refused["Trunk"], refused["Status"], refused["Attempt"]) == ("trunk-a", "CHANUNAVAIL", "1")


@pytest.mark.parametrize("progress", [180, 183])
async def test_a_trunk_that_has_said_something_has_its_time(lab: Asterisk, progress: int) -> None:
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", ring_s=6, progress=progress), Trunk(lab, "trunk-b") as second:
        await phone.call("999", steps=[Talk(0.2)])
        await idle(lab)
    assert not second.invites
    assert [stage["Trunk"] for stage in await stages(lab, "Answered")] == ["trunk-a"]


async def test_a_trunk_known_to_be_dead_is_passed_over_at_once(lab: Asterisk) -> None:
    etc = lab.folder / "etc" / "pjsip.conf"
    port = lab.trunk_ports["trunk-a"]
    contact = f"contact=sip:127.0.0.1:{port}\n"
    etc.write_text(etc.read_text().replace(contact, f"{contact}qualify_frequency=1\nqualify_timeout=0.5\n"))
    await lab.restart()
    phone = await registered(lab, "202")
    async with asyncio.timeout(60):
        while "Unavail" not in await lab.cli("pjsip show aor trunk-a"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    async with Trunk(lab, "trunk-b") as second:
        await phone.call("999", steps=[Talk(0.2)])
        await idle(lab)
    trying, again = await stages(lab, "Trying")
    assert (trying["Trunk"], again["Trunk"]) == ("trunk-a", "trunk-b")
    assert second.invites[0].at - float(trying["At"]) < 1


async def test_a_list_of_trunks_written_carelessly_still_holds_all_of_them(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_TRUNKS=" trunk-a,, no-such-trunk, trunk-b ,")
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", answers=503, ring_s=0), Trunk(lab, "trunk-b"):
        await phone.call("999", steps=[Talk(0.1)])
        await idle(lab)
    tried = [(stage["Trunk"], stage["Attempt"]) for stage in await stages(lab, "Trying")]
    assert tried == [("trunk-a", "1"), ("no-such-trunk", "2"), ("trunk-b", "3")]


async def test_a_site_of_its_own_has_trunks_and_numbers_by_its_endpoints(lab: Asterisk) -> None:
    """As dialplan/README.md has a second site do it: a variable of the endpoint beats the global."""
    await settings(lab, EMERGENCY_CLI_trunk__a="+441134960998")
    etc = lab.folder / "etc" / "pjsip.conf"
    own = "set_var=EMERGENCY_TRUNKS=trunk-b,trunk-a\nset_var=EMERGENCY_CLI_trunk-a=+442079460000\n"
    etc.write_text(etc.read_text().replace("auth=202\n", f"auth=202\n{own}"))
    await lab.cli("module reload res_pjsip.so")
    there, here = await registered(lab, "202"), await registered(lab, "203")
    async with Trunk(lab, "trunk-a") as first, Trunk(lab, "trunk-b", answers=503) as second:
        await there.call("999", steps=[Talk(0.2)])
        await here.call("999", steps=[Talk(0.2)])
    assert [invite.cli for invite in second.invites] == ["+441134960999"], "the trunk's own, as laid down for all"
    assert [invite.cli for invite in first.invites] == ["+442079460000", "+441134960998"]


async def test_every_trunk_shows_its_own_number_or_the_phones(lab: Asterisk) -> None:
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", answers=503) as first, Trunk(lab, "trunk-b") as second:
        await phone.call("999", steps=[Talk(0.1)])
        await idle(lab)
    assert first.invites[0].cli == "202"
    assert second.invites[0].cli == "+441134960999"
    assert "sip:202@" in first.invites[0].header("P-Asserted-Identity")
    assert "sip:+441134960999@" in second.invites[0].header("P-Asserted-Identity")
    assert [stage["Cli"] for stage in await stages(lab, "Trying")] == ["202", "+441134960999"]


@pytest.mark.parametrize("number", ["999", "141999"])
async def test_a_withheld_number_is_shown(lab: Asterisk, number: str) -> None:
    asserted = ("P-Asserted-Identity: <sip:01134960209@127.0.0.1>", "Privacy: id")
    phone = Phone(lab, "209", caller="anonymous", name="Anonymous", headers=asserted)
    async with Trunk(lab, "trunk-a") as trunk:
        # what an ordinary call of this phone withholds
        await phone.call("01134960123", steps=[Talk(0.1)])
        await phone.call(number, steps=[Talk(0.1)])
    ordinary, emergency = trunk.invites
    assert (ordinary.cli, ordinary.header("Privacy")) == ("anonymous", "id")
    assert (emergency.cli, emergency.header("Privacy")) == ("01134960209", "")
    assert "sip:01134960209@" in emergency.header("P-Asserted-Identity")


async def test_marks_and_location_go_to_the_trunks_that_are_set_to_have_them(lab: Asterisk) -> None:
    await settings(
        lab,
        EMERGENCY_TRUNKS="emergency-trunk-a,emergency-trunk-b",
        EMERGENCY_PRIORITY_emergency__trunk__a="yes",
        EMERGENCY_RESOURCE_PRIORITY_emergency__trunk__a="esnet.1",
        EMERGENCY_LOCATION_emergency__trunk__a="yes",
    )
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-a", answers=503) as first, Trunk(lab, "trunk-b") as second:
        await phone.call("999", steps=[Talk(0.1)])
    marked, plain = first.invites[0], second.invites[0]
    assert (marked.header("Priority"), marked.header("Resource-Priority")) == ("emergency", "esnet.1")
    assert [plain.header(name) for name in ("Priority", "Resource-Priority", "Geolocation")] == ["", "", ""]
    assert plain.body.startswith("v=0")
    # Asterisk 16 has no location that could be sent
    located = lab.installation.version.startswith("22")
    assert bool(marked.header("Geolocation")) == located
    assert ("<ca:HNO>1</ca:HNO>" in marked.body, "<ca:PC>LS1 5HN</ca:PC>" in marked.body) == (located, located)


async def test_a_phone_without_a_location_gets_through_to_a_trunk_that_takes_them(lab: Asterisk) -> None:
    await settings(
        lab, EMERGENCY_TRUNKS="emergency-trunk-a,emergency-trunk-b", EMERGENCY_LOCATION_emergency__trunk__a="yes"
    )
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a") as trunk:
        await phone.call("999", steps=[Talk(0.1)])
    assert [invite.header("Geolocation") for invite in trunk.invites] == [""]


async def test_an_ordinary_call_carries_nothing_of_an_emergency(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_PRIORITY_trunk__a="yes", EMERGENCY_RESOURCE_PRIORITY_trunk__a="esnet.1")
    phone = await registered(lab, "201")
    async with Trunk(lab, "trunk-a") as trunk:
        await phone.call("01134960123", steps=[Talk(0.1)])
    (invite,) = trunk.invites
    assert [invite.header(name) for name in ("Priority", "Resource-Priority", "Geolocation")] == ["", "", ""]
    assert await stages(lab) == []


async def test_a_chan_sip_phone_is_told_with_its_address(version: str, lab: Asterisk) -> None:
    """chan_sip left Asterisk after 20; where it is there, its phones call by the same dialplan."""
    if version == "22":
        assert "chan_sip.so" not in lab.installation.modules
        return
    phone = Phone(lab, "401", local_ip="127.0.4.1", secret="secret-of-401", server_port=lab.chan_sip_port)
    await phone.register()
    async with Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(0.1)])
        await idle(lab)
    (dialled,) = await stages(lab, "Dialled")
    assert (dialled["Address"], dialled["Line"]) == ("127.0.4.1", "401")
