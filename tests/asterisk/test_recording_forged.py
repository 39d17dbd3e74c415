"""A caller writes what he likes into his number and name: whose recording it is he does not choose by that."""

from tests.lab import tone
from tests.lab.conversation import Say
from tests.lab.recorded import Office
from tests.lab.sip import Phone


async def test_a_line_break_in_the_number_makes_it_nobody_elses(office: Office) -> None:
    forged = Phone(office.lab, "209", caller="%0D%0Aagi_channel%3A%20PJSIP%2F205-00000001", local_ip="127.0.6.209")
    async with office.answering("203"):
        await forged.call("*1203", steps=[Say(3)])
    content = await office.kept()
    tape = await office.agent.one("recording", id=content["id"])
    assert (content["line"], tape["line"]) == ("209", "209")
    assert tone.heard_s(await office.exported(content)) > 0.2
    assert await office.nothing_readable()
