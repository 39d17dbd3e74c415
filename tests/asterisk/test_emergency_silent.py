"""An emergency call stays up and untouched, however silent it is and whatever is pressed during it."""

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Callee, Consult, Dial, Hold, Phone, RecordButton, Talk, Transfer, Trunk
from tests.lab.traffic import idle


async def registered(lab: Asterisk, line: str) -> Phone:
    phone = Phone(lab, line, local_ip=f"127.0.5.{int(line[1:])}")
    await phone.register()
    return phone


async def without_options(lab: Asterisk) -> None:
    """The lab adds Dial's option T for a test of its own; a PBX has none unless its settings say so."""
    await lab.cli('dialplan set global EMERGENCY_DIAL_OPTIONS ""')


def digits(trunk: Trunk) -> str:
    """What the emergency services heard pressed."""
    return "".join(info.body.partition("Signal=")[2][:1] for info in trunk.received("INFO"))


async def unrecorded(lab: Asterisk, agent: AgentProcess) -> bool:
    """Whether nothing was granted, though the agent is there, who would have on an ordinary call, nor captured."""
    await agent.one("emergency", ended_at=bool)
    return agent.stored("recording") == [] and list(lab.recordings.iterdir()) == []


#: Blind and attended transfer, start and end of a recording, and an answer to a question.
CODES = "#1*2*31*305"


async def test_every_digit_reaches_the_emergency_services(lab: Asterisk, agent: AgentProcess) -> None:
    await without_options(lab)
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a") as trunk:
        await phone.call("999", steps=[Talk(0.3), Dial(CODES), Talk(4)])
        await idle(lab)
    assert digits(trunk) == CODES
    assert await unrecorded(lab, agent)


async def test_the_record_button_is_refused(lab: Asterisk, agent: AgentProcess) -> None:
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a") as trunk:
        await phone.call("999", steps=[Talk(0.3), RecordButton(True, expect=403), Talk(0.5)])
        await idle(lab)
    assert digits(trunk) == ""
    assert await unrecorded(lab, agent)


@pytest.mark.parametrize("form", ["999", "9112", "141999", "91470112", "18000", "999;phone-context=+44"])
async def test_the_recording_code_before_the_number_records_nothing(
    lab: Asterisk, agent: AgentProcess, form: str
) -> None:
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a") as trunk:
        await phone.call(f"*1{form}", steps=[Talk(0.3)])
        await idle(lab)
    assert trunk.invites[0].number in ("999", "112", "18000")
    assert await unrecorded(lab, agent)


@pytest.mark.parametrize("hand_over", [Transfer("203"), Consult("203", 0.3)], ids=["blind", "attended"])
async def test_nobody_it_is_handed_to_records_it(
    lab: Asterisk, agent: AgentProcess, hand_over: Transfer | Consult
) -> None:
    phone, colleague = await registered(lab, "202"), await registered(lab, "203")
    pressing = (Talk(1.5), Dial("*31"), Talk(2))
    async with Trunk(lab, "trunk-a", steps=[Talk(6)]), Callee(colleague, steps=pressing):
        await phone.call("999", steps=[Talk(0.3), hand_over])
        await idle(lab)
    assert await unrecorded(lab, agent)


async def test_no_time_limit_of_the_phone_ends_it(lab: Asterisk) -> None:
    etc = lab.folder / "etc" / "pjsip.conf"
    etc.write_text(etc.read_text().replace("auth=202\n", "auth=202\nset_var=TIMEOUT(absolute)=2\n"))
    await lab.cli("module reload res_pjsip.so")
    phone = await registered(lab, "202")
    async with Trunk(lab, "trunk-a", steps=[Talk(4)]) as trunk:
        await phone.call("01134960123", steps=[Talk(30)])
        assert len(trunk.received("BYE")) == 1, "the limit does not even end an ordinary call"
        # the trunk hangs up, and is not hung up
        await phone.call("999", steps=[Talk(30)])
        assert len(trunk.received("BYE")) == 1


async def test_a_phone_on_hold_plays_no_music_to_the_emergency_services(lab: Asterisk) -> None:
    (lab.folder / "etc" / "musiconhold.conf").write_text("[default]\nmode=files\ndirectory=en\n")
    music = lab.folder / "lib" / "en"
    music.mkdir()
    (music / "beep.alaw").write_bytes(b"\xd5" * 8000)
    await lab.restart()
    phone = await registered(lab, "202")
    starts = []
    for number in ("01134960123", "999"):
        async with (
            AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
            Trunk(lab, "trunk-a", ring_s=0) as trunk,
        ):
            await phone.call(number, steps=[Talk(0.2), Hold(), Talk(0.5)])
            await idle(lab)
            await ami.action("Ping")
            starts.append(ami.raw.count(b"Event: MusicOnHoldStart"))
            assert len(trunk.received("INVITE")) == 1
    assert starts == [1, 0]
