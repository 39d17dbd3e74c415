"""The command `check` beside real Asterisks, as they are and with one thing wrong each."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.etc import PHONES, password
from tests.lab.provision import installation

Found = dict[str, dict[str, str]]

EAGER = """
[eager]
exten => _9.,1,Dial(PJSIP/${EXTEN}@trunk-a)
include => numbers

[numbers]
#include telephony-agent/emergency-numbers.conf
"""
USERS = """
[template](!)
secret=@SECRET@
writetimeout=5000

[no-security](template)
read=system,call,user
write=system,reporting

[greedy](template)
read=all
write=all

[digits](template)
read=system,call,security,user,dtmf
write=system,reporting,user,originate,message

[mute](template)
read=call,security,user
write=
"""


@pytest.fixture
async def lab(version: str) -> AsyncIterator[Asterisk]:
    """A running Asterisk with users of several rights, and phone 209 in a context where `_9.` beats an included 999."""
    lab = Asterisk(installation(version, print))
    etc = lab.folder / "etc"
    append(etc / "extensions.conf", EAGER)
    append(etc / "manager.conf", USERS.replace("@SECRET@", lab.agent_secret))
    pjsip = (etc / "pjsip.conf").read_text()
    (etc / "pjsip.conf").write_text(
        pjsip.replace("[209]\ntype=endpoint\ncontext=phones", "[209]\ntype=endpoint\ncontext=eager")
    )
    async with lab:
        yield lab


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


async def check(
    lab: Asterisk, folder: Path, *options: str, recording: str | None = None, **environment: str
) -> tuple[int, str]:
    """Exit code and all output of one run; no secret of this Asterisk stands in it."""
    agent = AgentProcess(lab, folder=folder / "agent", recording=recording)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "check", "--config", str(agent.config), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    out = (await process.communicate())[0].decode()
    for secret in (lab.agent_secret, lab.check_secret, *map(password, PHONES)):
        assert secret not in out
    assert "Traceback" not in out
    return process.returncode or 0, out


async def findings(
    lab: Asterisk, folder: Path, *options: str, user: str = "agent", recording: str | None = None
) -> Found:
    code, out = await check(lab, folder, "--json", *options, recording=recording, TELEPHONY_AGENT_AMI__USERNAME=user)
    found: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert code == any(finding["severity"] == "problem" for finding in found)
    assert len({finding["id"] for finding in found}) == len(found)
    return {finding["id"]: finding for finding in found}


def wrong(found: Found) -> dict[str, str]:
    return {id: finding["severity"] for id, finding in found.items() if finding["severity"] != "ok"}


async def test_only_what_is_wrong_is_reported(lab: Asterisk, tmp_path: Path) -> None:
    found = await findings(lab, tmp_path)
    assert wrong(found) == {
        "number.18000.unmodified": "problem",
        "number.999.eager": "problem",
        "number.999.unmodified": "warning",
        "number.112.unmodified": "warning",
        "number.112.eager": "warning",
        "number.18000.eager": "warning",
        "number.forms.unmodified": "warning",
        "number.forms.eager": "warning",
        "emergency.trunk.trunk-a": "warning",
        "emergency.trunk.trunk-b": "warning",
        "store.keys": "warning",
    }
    assert found["number.forms.phones"]["severity"] == "ok"
    assert "is not qualified" in found["emergency.trunk.trunk-a"]["text"]
    assert "_9. of [eager] (it runs Dial) beats 999 of [numbers]" in found["number.999.eager"]["text"]
    assert "nothing answers it" in found["number.18000.unmodified"]["text"]
    assert "the PBX's own 999 of [unmodified] (it runs Dial)" in found["number.999.unmodified"]["text"]
    assert [found[f"number.{number}.phones"]["severity"] for number in ("999", "112", "18000")] == ["ok"] * 3
    form = "MatchCriteria" if lab.installation.version.startswith("22") else "a regular expression"
    assert form in found["filter.agent"]["text"]
    # What this version lacks is said, and no fault of the PBX.
    assert ("version.dial-timer" in found) == lab.installation.version.startswith("16")


async def test_every_right_that_is_missing_or_too_many(lab: Asterisk, tmp_path: Path) -> None:
    usual = wrong(await findings(lab, tmp_path)).keys()
    found = await findings(lab, tmp_path, user="no-security")
    assert wrong(found).keys() - usual == {
        *("rights.no-security.read.security", "registrations.refresh", "feature.user"),
    }
    assert "the IP address that the phone really registered from" in found["rights.no-security.read.security"]["text"]
    greedy = wrong(await findings(lab, tmp_path, user="greedy"))
    assert {id: greedy[id] for id in greedy.keys() - usual} == {
        "rights.greedy.read.all": "problem",
        "rights.greedy.write.all": "problem",
    }
    digits = await findings(lab, tmp_path, user="digits")
    assert wrong(digits).keys() - usual == {"rights.digits.read.dtmf"}
    assert digits["rights.digits.read.dtmf"]["severity"] == "problem"
    assert "card digits and PINs" in digits["rights.digits.read.dtmf"]["text"]


async def test_what_stands_in_the_way_of_a_999_is_told_before_one_is_dialled(lab: Asterisk, tmp_path: Path) -> None:
    etc = lab.folder / "etc"
    pjsip = (etc / "pjsip.conf").read_text()
    phone = pjsip[pjsip.index("[208]") : pjsip.index("[209]")]
    append(etc / "pjsip.conf", phone.replace("208", "112") + phone.replace("208", "silent"))
    text = (etc / "pjsip.conf").read_text()
    (etc / "pjsip.conf").write_text(text.replace("[silent]\ntype=endpoint", "[silent]\ntype=endpoint\nrtp_timeout=30"))
    extensions = (etc / "extensions.conf").read_text()
    (etc / "extensions.conf").write_text(
        extensions.replace("EMERGENCY_DIAL_OPTIONS=T", "EMERGENCY_CLI_trunk-z=+441134960000\nEMERGENCY_TRUNKS=trunk-a")
    )
    numbers = etc / "telephony-agent" / "emergency.conf"
    numbers.write_text(numbers.read_text().replace("emergency-leg^s^1", "emergency-log^s^1"))
    await lab.cli("module reload res_pjsip.so")
    await lab.cli("dialplan reload")
    found = await findings(lab, tmp_path)
    told = wrong(found)
    for what in ("endpoint", "auth", "AOR"):
        assert told[f"identity.{what}.112"] == "problem"
    assert "(silent)" in found["phones.rtp-timeout"]["text"]
    assert "'trunk-z', which is no endpoint" in found["emergency.setting.EMERGENCY_CLI_trunk-z"]["text"]
    assert (told["emergency.trunks"], told["emergency.way"]) == ("warning", "problem")
    assert "sent into emergency-log, which is not there" in found["emergency.way"]["text"]


async def test_without_a_write_class_the_files_are_read_and_the_rest_is_unknown(lab: Asterisk, tmp_path: Path) -> None:
    blind = wrong(await findings(lab, tmp_path, user="mute"))
    assert (blind["rights.mute.write.system"], blind["rights.mute.write.reporting"]) == ("problem", "problem")
    assert (blind["rights.mute.read"], blind["numbers"], blind["filter.mute"]) == ("unknown", "unknown", "warning")
    # A live event shows it, with no right to read the configuration.
    assert "ami.timestampevents" not in blind
    seeing = wrong(await findings(lab, tmp_path, "--asterisk-etc", str(lab.folder / "etc"), user="mute"))
    assert seeing["rights.mute.read.system"] == "problem"
    assert blind.keys() - seeing.keys() == {
        *("rights.mute.read", "rights.mute.read.dtmf", "ami.writetimeout.mute", "ami.bindaddr", "recording.features"),
    }


async def test_what_stands_in_the_way_of_a_recording_is_told(lab: Asterisk, tmp_path: Path) -> None:
    usual = wrong(await findings(lab, tmp_path)).keys()
    found = await findings(lab, tmp_path, recording="")
    # The machine that the tests run on may swap.
    assert wrong(found).keys() - usual <= {"recording.monitor"}
    assert "is on a disk" not in found["recording.monitor"]["text"]
    for id in ("recording.monitor.asterisk", "recording.store", "recording.keys", "recording.socket"):
        assert found[id]["severity"] == "ok"
    assert [found[f"recording.{id}"]["severity"] for id in ("prompts", "party", "announcement")] == ["ok"] * 3
    extensions = (lab.folder / "etc" / "extensions.conf").read_text()
    moved = extensions.replace("RECORDING_SOCKET=", "RECORDING_SOCKET=/other").replace("RECORDING_SAY_party", "OTHER")
    (lab.folder / "etc" / "extensions.conf").write_text(moved)
    await lab.cli("dialplan reload")
    await lab.cli("dialplan set global RECORDING_SAY_party no")
    (tmp_path / "agent" / "site-key").write_text("0" * 63)
    code, out = await check(lab, tmp_path, "--json", recording="")
    assert (code, "site-key" in out) == (2, True)
    (tmp_path / "agent" / "site-key").write_text("0" * 64)
    told = wrong(await findings(lab, tmp_path, recording=""))
    assert {id: severity for id, severity in told.items() if id not in usual and id != "recording.monitor"} == {
        "recording.socket": "problem",
        "recording.party": "warning",
    }


async def test_the_running_agent_holds_its_http_address(lab: Asterisk, tmp_path: Path) -> None:
    async with AgentProcess(lab, folder=tmp_path / "running") as agent:
        listen = f"127.0.0.1:{agent.http_port}"
        code, out = await check(lab, tmp_path, "--json", TELEPHONY_AGENT_HTTP__LISTEN=listen)
    assert code == 1
    assert f"the agent runs here already, at {listen}" in out


async def test_a_wrong_password_and_another_port(lab: Asterisk, tmp_path: Path) -> None:
    secret = tmp_path / "wrong"
    secret.write_text("canary-wrong")
    secret.chmod(0o600)
    code, out = await check(lab, tmp_path, TELEPHONY_AGENT_AMI__SECRET_FILE=str(secret))
    assert code == 4
    assert "refused the login of user 'agent': wrong name, wrong secret" in out
    assert "canary-wrong" not in out
    code, out = await check(lab, tmp_path, TELEPHONY_AGENT_AMI__PORT=str(lab.sip_port))
    assert code == 4
    assert "is not Asterisk's Manager Interface" in out
