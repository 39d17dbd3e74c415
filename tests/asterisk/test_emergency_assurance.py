"""The way of a 999 on a real Asterisk: dialplan, trunks and addresses watched, the probe, a rehearsal."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from agent.views.unix import beside
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Phone, Talk, Trunk

OFTEN = "[assurance]\npaths_every_s = 1\nprobe_every_s = 1\n"
#: One number is taken away, as an update of the dialplan might.
OURS = re.compile(r"^exten => _?112,.*$", re.MULTILINE)
PATIENCE_S = 90.0

Record = dict[str, Any]


@pytest.fixture
async def lab(version: str) -> AsyncIterator[Asterisk]:
    """A running Asterisk on which a line was called 999."""
    lab = Asterisk(installation(version, print))
    pjsip = lab.folder / "etc" / "pjsip.conf"
    text = pjsip.read_text()
    pjsip.write_text(text + text[text.index("[209]") : text.index("[301]")].replace("209", "999"))
    async with lab:
        yield lab


class Answers(asyncio.DatagramProtocol):
    """The far end of a trunk that answers OPTIONS."""

    def __init__(self, lab: Asterisk, trunk: str) -> None:
        self._address = ("127.0.0.1", lab.trunk_ports[trunk])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        lines = data.decode().split("\r\n")
        kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
        answer = ["SIP/2.0 200 OK", *(f"{line};tag=up" if line.startswith("To:") else line for line in kept)]
        self._transport.sendto("\r\n".join([*answer, "Content-Length: 0", "", ""]).encode(), addr)


async def until(agent: AgentProcess, kind: str, **wanted: object) -> Record:
    """The first stored record with these values, waited for much longer than it may take."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for record in await asyncio.to_thread(agent.stored, kind):
                if all(
                    value(record[key]) if callable(value) else record[key] == value for key, value in wanted.items()
                ):
                    return record
            await asyncio.sleep(0.1)


async def phones(agent: AgentProcess) -> list[tuple[str, str, str]]:
    """Line, context, and whether 999 can be reached with the right address, of each registered phone."""
    told = [json.loads(line) for line in (await asked(agent, "GET", "/phones")).splitlines()]
    return [(phone["line"], phone["context"], phone["answer"]) for phone in told]


def there(value: object) -> bool:
    return value is not None


async def test_a_dialplan_edit_that_breaks_999_is_alarmed_and_its_mending_clears_it(
    lab: Asterisk, tmp_path: Path
) -> None:
    numbers = lab.folder / "etc" / "telephony-agent" / "emergency-numbers.conf"
    good = numbers.read_text()
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        await until(agent, "path", context="phones", number="112", verdict="ours")
        await until(agent, "alarm", cause="path", subject="context unmodified")
        assert [alarm["subject"] for alarm in agent.stored("alarm") if alarm["severity"] == "critical"] == [
            "context unmodified"
        ]
        numbers.write_text(OURS.sub("", good))
        # of which Asterisk tells nobody
        await lab.cli("dialplan reload")
        path = await until(agent, "path", context="phones", number="112", verdict="broken")
        alarm = await until(agent, "alarm", cause="path", subject="context phones", severity="critical")
        assert alarm["what"].startswith("112 in context phones has no extension: nothing answers it")
        assert "; before: 112 of [phones] runs Gosub to [emergency]" in alarm["what"]
        assert {each["number"] for each in agent.stored("path") if each["verdict"] == "broken"} >= {"112", "18000"}
        (still,) = (each for each in agent.stored("path") if (each["context"], each["number"]) == ("phones", "999"))
        assert still["verdict"] == "ours"
        numbers.write_text(good)
        await lab.cli("dialplan reload")
        assert (await until(agent, "alarm", id=alarm["id"], cleared_at=there))["what"]
        assert (await until(agent, "path", id=path["id"], gone_at=there))["verdict"] == "broken"
        await until(agent, "path", context="phones", number="112", verdict="ours", gone_at=None)


async def test_a_reload_that_asterisk_tells_of_is_looked_at_at_once(lab: Asterisk, tmp_path: Path) -> None:
    extensions = lab.folder / "etc" / "extensions.conf"
    async with AgentProcess(lab, folder=tmp_path / "agent", settings="[assurance]\npaths_every_s = 3600\n") as agent:
        await until(agent, "path", context="emergency", verdict="ours")
        extensions.write_text(extensions.read_text().replace("EMERGENCY_DIAL_OPTIONS=T", "EMERGENCY_TRUNKS="))
        await lab.cli("module reload pbx_config.so")
        alarm = await until(agent, "alarm", cause="path", subject="emergency.conf", severity="critical")
        assert "EMERGENCY_TRUNKS is empty: every emergency call fails at once" in alarm["what"]
        # The way that all have in common is broken, so every number of every context is.
        await until(agent, "path", context="phones", number="999", verdict="broken")


async def test_what_changed_while_the_agent_was_away_is_told_when_it_comes_back(lab: Asterisk, tmp_path: Path) -> None:
    extensions = lab.folder / "etc" / "extensions.conf"
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        await until(agent, "path", context="phones", number="999", verdict="ours")
        paths = len(agent.stored("path"))
        await agent.stop()
        await agent.start()
        # Nothing has changed: nothing is written, nobody is told.
        await until(agent, "probe")
        assert len(agent.stored("path")) == paths
        assert not [alarm for alarm in agent.stored("alarm") if "changed" in alarm["subject"]]
        await agent.kill()
        extensions.write_text(
            extensions.read_text().replace(
                "[phones]\n", "[phones]\nexten => 999,1,Verbose(1,dialled)\n same => n,Gosub(emergency,999,1)\n"
            )
        )
        await lab.cli("dialplan reload")
        await agent.start()
        alarm = await until(agent, "alarm", cause="path", subject="context phones changed")
        assert alarm["severity"] == "warning"
        assert alarm["what"].startswith(
            "999 in context phones has changed: 999 of [phones] runs Gosub to [emergency] #"
        )
        assert "→ 999 of [phones] runs Verbose to [emergency] #" in alarm["what"]


async def test_a_dead_trunk_is_alarmed_and_worse_when_it_was_the_last(lab: Asterisk, tmp_path: Path) -> None:
    pjsip = lab.folder / "etc" / "pjsip.conf"
    qualified = "type=aor\nqualify_frequency=1\nqualify_timeout=0.5\ncontact=sip:127.0.0.1:"
    pjsip.write_text(pjsip.read_text().replace("type=aor\ncontact=sip:127.0.0.1:", qualified))
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        async with Answers(lab, "trunk-b"):
            await lab.cli("module reload res_pjsip.so")
            alarm = await until(agent, "alarm", cause="trunk", subject="trunk-a")
            assert (alarm["severity"], alarm["what"]) == (
                "warning",
                "emergency trunk trunk-a does not answer; trunk-b would carry the calls",
            )
        await until(agent, "alarm", cause="trunk", subject="trunk-b", severity="critical")
        worse = await until(agent, "alarm", id=alarm["id"], severity="critical")
        assert "no other does" in worse["what"]
        async with Answers(lab, "trunk-a"):
            await until(agent, "alarm", id=alarm["id"], cleared_at=there)


async def test_a_probe_comes_through_and_its_loss_is_alarmed(lab: Asterisk, tmp_path: Path) -> None:
    """The express session's own user is one that hears no UserEvent: for the bulk session all looks well."""
    async with AgentProcess(lab, folder=tmp_path / "well", settings=OFTEN) as agent:
        first = await until(agent, "probe")
        await until(agent, "probe", at=lambda at: at > first["at"])
        assert agent.stored("emergency") == []
    manager = lab.folder / "etc" / "manager.conf"
    manager.write_text(manager.read_text().replace("read=user\neventfilter=^Event", "read=call\neventfilter=^Event"))
    await lab.cli("manager reload")
    deaf = f'express_username = "agent-express"\nexpress_secret_file = "{tmp_path}/well/ami-secret"\n'
    async with AgentProcess(lab, folder=tmp_path / "deaf", settings=OFTEN, ami=deaf) as agent:
        alarm = await until(agent, "alarm", cause="probe")
        assert (alarm["severity"], "it is sent, and does not come back" in alarm["what"]) == ("critical", True)
        assert agent.stored("probe") == []


async def test_without_the_right_to_send_a_probe_nobody_is_alarmed(lab: Asterisk, tmp_path: Path) -> None:
    manager = lab.folder / "etc" / "manager.conf"
    manager.write_text(manager.read_text().replace("write=system,reporting,user,originate", "write=system,reporting"))
    await lab.cli("manager reload")
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        await agent.until(lambda: agent.log.count('"no_probe"') == 1, "one line in the log")
        await until(agent, "path", context="phones")
        assert agent.stored("probe") == []
        assert not [alarm for alarm in agent.stored("alarm") if alarm["cause"] == "probe"]


async def test_addresses_and_phones(lab: Asterisk, tmp_path: Path) -> None:
    export = tmp_path / "addresses.csv"
    export.write_text("number,name,postcode,carrier,updated\n01134960998,Example,LS1 4AP,Example,2026-11-01\n")
    settings = f'{OFTEN}[emergency]\naddress_export = "{export}"\n'
    phone = Phone(lab, "201")
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=settings) as agent:
        await phone.register()
        alarm = await until(agent, "alarm", cause="address", subject="trunk trunk-b")
        assert (alarm["severity"], "is not in the address export" in alarm["what"]) == ("critical", True)
        assert "0999" not in alarm["what"]
        # the alarm says nothing of the phone, whose registration and context are heard and looked at beside it
        async with asyncio.timeout(PATIENCE_S):
            while await phones(agent) != [("201", "phones", "wrong_address")]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        export.write_text("number,name,postcode,carrier,updated\n+441134960999,Example,LS1 4AP,Example,2026-11-01\n")
        await until(agent, "alarm", id=alarm["id"], cleared_at=there)
        export.unlink()
        missing = await until(agent, "alarm", cause="address", subject="address export")
        assert "No such file or directory" in missing["what"]


async def test_nobody_may_register_as_an_emergency_number(lab: Asterisk, tmp_path: Path) -> None:
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        phone = Phone(lab, "999")
        await phone.register()
        alarm = await until(agent, "alarm", cause="path", subject="line 999", severity="critical")
        await phone.register(expires=0)
        await until(agent, "alarm", id=alarm["id"], cleared_at=there)


async def test_a_rehearsal_proves_the_way_and_that_the_desk_is_told(lab: Asterisk, tmp_path: Path) -> None:
    """The call leaves by a trunk that leads back into this PBX, as a carrier's that has a test number would."""
    settings = {
        "TRUNKS": "trunk-a,loopback",
        "REHEARSAL_NUMBER": "01134960998",
        "CLI_loopback": "+441134960999",
        "PRIORITY_loopback": "yes",
        "RESOURCE_PRIORITY_loopback": "esnet.1",
    }
    for name, value in settings.items():
        await lab.cli(f'dialplan set global EMERGENCY_{name} "{value}"')
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        await Phone(lab, "201").register()
        await until(agent, "registration", line="201")
        lines = [json.loads(line) for line in (await asked(agent, "POST", "/rehearse", {"by": "porter"})).splitlines()]
        proofs = {line["proof"]: line["ok"] for line in lines if "proof" in line}
        assert lines[-1] == {"passed": True}, lines
        # No channel of notice is set up, and no location.
        assert proofs == {
            **dict.fromkeys(("routing", "cli", "priority", "resource-priority", "acknowledgement"), True),
            **dict.fromkeys(("location", "alert")),
        }
        call = await until(agent, "emergency", test=True, outcome="answered")
        assert (call["trunk"], call["attempts"]) == ("loopback", 2)
        alarm = await until(agent, "alarm", cause="rehearsal", acknowledged_by="rehearsal")
        assert alarm["test"]
        assert not [each for each in agent.stored("alarm") if each["cause"] == "emergency"]
        # One that cannot get through is alarmed, and says where it broke.
        lines = [
            json.loads(line)
            for line in (await asked(agent, "POST", "/rehearse", {"by": "porter", "trunk": "trunk-a"})).splitlines()
        ]
        assert lines[-1] == {"passed": False}
        failed = await until(agent, "alarm", cause="path", subject="rehearsal", severity="critical")
        assert "did not prove routing" in failed["what"]


async def test_a_rehearsal_is_no_emergency_and_a_real_one_meanwhile_is(lab: Asterisk, tmp_path: Path) -> None:
    await lab.cli('dialplan set global EMERGENCY_REHEARSAL_NUMBER ""')
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        phone = Phone(lab, "202")
        await phone.register()
        async with Trunk(lab, "trunk-a", answers=200):
            await phone.call("999", steps=[Talk(0.2)])
        call = await until(agent, "emergency", outcome="answered")
        assert not call["test"]
        refused = json.loads(await asked(agent, "POST", "/rehearse", {"by": "porter"}))
        assert "EMERGENCY_REHEARSAL_NUMBER is not set" in refused["error"]


async def asked(agent: AgentProcess, method: str, path: str, body: object = None) -> str:
    """What the running agent answers on its control socket."""
    reader, writer = await asyncio.open_unix_connection(str(beside(agent.store)))
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.0\r\nHost: agent\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    async with asyncio.timeout(PATIENCE_S):
        answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]


async def test_an_asterisk_that_starts_anew_is_no_broken_path(lab: Asterisk, tmp_path: Path) -> None:
    """While it loads it answers over AMI already, with an empty dialplan."""
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=OFTEN) as agent:
        await until(agent, "path", context="phones", number="999", verdict="ours")
        await lab.restart()
        await lab.cli('dialplan set global EMERGENCY_TRUNKS "trunk-b,trunk-a"')
        # That is seen only by a look at the new one.
        await until(agent, "path", context="emergency", route=lambda route: route.endswith("trunks trunk-b,trunk-a"))
        assert {each["verdict"] for each in agent.stored("path") if each["context"] != "unmodified"} == {"ours"}
