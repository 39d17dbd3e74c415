"""Where the phones are: one that has moved is flagged before it calls, and the desk is told where help has to go."""

from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Phone, Talk, Trunk

SITES = """
[sites.leeds]
name = "Example Ltd, Leeds"
number = "12"
street = "Wellington Street"
town = "Leeds"
postcode = "LS1 4AP"
contact = "Reception"

[sites.london]
name = "Example Ltd, London"
number = "221B"
street = "Baker Street"
town = "London"
postcode = "NW1 6XE"

[networks]
"127.1.0.0/16" = { site = "leeds" }
"127.1.2.0/24" = { site = "leeds", floor = "2" }
"127.2.0.0/16" = { site = "london" }

[lines]
"201" = { site = "leeds", room = "2.14" }
"""


def beside(lab: Asterisk, folder: Path) -> AgentProcess:
    agent = AgentProcess(lab, folder=folder, settings='[emergency]\nsites_file = "sites.toml"\n')
    (folder / "sites.toml").write_text(SITES)
    return agent


async def test_a_moved_phone_is_flagged_before_it_calls(lab: Asterisk, tmp_path: Path) -> None:
    async with beside(lab, tmp_path / "agent") as agent:
        await Phone(lab, "201", local_ip="127.1.2.5").register()
        at_home = await agent.one("registration", line="201", ended_at=None, certainty="expected")
        assert at_home["site"] == "leeds"
        assert [alarm for alarm in agent.stored("alarm") if alarm["cause"] == "location"] == []
        phone = Phone(lab, "201", local_ip="127.2.0.5")
        await phone.register()
        moved = await agent.one("alarm", cause="location")
        assert (moved["subject"], moved["closed_at"]) == ("london", None)
        away = await agent.one("registration", line="201", ended_at=None, certainty="moved")
        assert away["site"] == "london"
        assert agent.stored("emergency") == []
        async with Trunk(lab, "trunk-a"):
            await phone.call("999", steps=[Talk(0.3)])
        call = await agent.one("emergency", outcome="answered")
        assert (call["ip"], call["site"], call["certainty"]) == ("127.2.0.5", "london", "moved")
        detail = await agent.one("detail", emergency=call["id"])
        assert "Baker Street" in detail["address"]
        assert detail["until_at"] > call["ended_at"]


async def test_a_phone_in_no_known_network_is_flagged_and_calls_with_the_address_on_file(
    lab: Asterisk, tmp_path: Path
) -> None:
    async with beside(lab, tmp_path / "agent") as agent:
        phone = Phone(lab, "201", local_ip="127.9.0.5")
        await phone.register()
        await agent.one("alarm", cause="location", subject="127.9.0.0/24")
        async with Trunk(lab, "trunk-a"):
            await phone.call("112", steps=[Talk(0.3)])
        call = await agent.one("emergency", outcome="answered")
        assert (call["site"], call["certainty"]) == ("leeds", "unknown")
        detail = await agent.one("detail", emergency=call["id"])
        assert "Wellington Street" in detail["address"]
        assert detail["contact"] == "Reception"
