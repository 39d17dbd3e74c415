"""What must never be kept: a distinct marker in everything that a SIP peer can send, searched for everywhere."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Callee, Dial, Phone, Talk, Trunk

MARK = "kingfisher"
#: Too many digits to stand by chance in what is random or encrypted.
PRESSED = "5375692841"


async def test_no_marker_of_a_call_or_registration_is_kept_anywhere(
    lab: Asterisk, agent: AgentProcess, tmp_path: Path
) -> None:
    agent_header = "Yealink SIP-T46U 108.86.0.45 805ec0ffee01 kingfisher-user-agent"
    caller = Phone(lab, "201", user_agent=agent_header, local_ip="127.0.5.1", name="kingfisher-caller-name")
    caller.call_id = "kingfisher-call-id@kingfisher-host"
    colleague = Phone(lab, "202", user_agent="kingfisher-unknown-make/1.0 805ec0ffee02", local_ip="127.0.5.2")
    await caller.register()
    await colleague.register()
    await agent.some("registration", 2, ip_source="security")
    async with Trunk(lab, "trunk-a"), Callee(colleague):
        await caller.call("999", steps=[Talk(1), Dial(PRESSED)])
        # an ordinary call: its number is nobody's business here, recorded or not
        await caller.call("01134960753", steps=[Talk(0.3)])
        await caller.call("*1202", steps=[Talk(1), Dial(PRESSED), Talk(0.5)])
        # while all of it is up, it is in the files of a running agent
        call = await caller.start_call("112", steps=[Talk(2)])
        await agent.one("emergency", outcome="in_progress", answered_at=bool)
        identifiers = await _identifiers(lab)
        assert identifiers, "no live channel to look for"
        _assert_clean(_everything(agent, tmp_path), [MARK, *identifiers])
        await call.done()
    await agent.some("emergency", 2, outcome="answered")
    await agent.one("recording", state="stopped")
    await agent.one("content", state="kept")
    everything = _everything(agent, tmp_path)
    await agent.stop()
    everything += [(str(path), path.read_bytes()) for path in agent.folder.rglob("*") if path.is_file()]
    wanted = [MARK, "805ec0ffee", "01134960753", "34960753", PRESSED, caller.call_id, "PJSIP/", *identifiers]
    _assert_clean(everything, wanted)
    # the proof that the search would find something: what may be kept is there
    assert any(b"127.0.5.1" in data for _, data in everything)
    assert any(b"T46U" in data for _, data in everything)


async def test_the_dialplans_events_carry_no_text_of_the_callers(lab: Asterisk, agent: AgentProcess) -> None:
    """A display name that looks like a header forges no stage (seen without FILTER on Asterisk 16 and 22)."""
    hostile = Phone(lab, "203", local_ip="127.0.5.3", name="Bob,Stage: Ended,Trunk: forged")
    await hostile.register()
    async with Trunk(lab, "trunk-a"):
        call = await hostile.start_call("999", steps=[Talk(2)])
        up = await agent.one("emergency", answered_at=bool)
        assert (up["outcome"], up["trunk"]) == ("in_progress", "trunk-a")
        await call.done()
    ended = await agent.one("emergency", outcome="answered")
    assert ended["talk_ms"] >= 1500


def _everything(agent: AgentProcess, folder: Path) -> list[tuple[str, bytes]]:
    """Every file, page and command output in which a value could have come to rest."""
    found = [
        (str(path), path.read_bytes()) for path in agent.folder.rglob("*") if path.is_file() and path.suffix != ".toml"
    ]
    found += [(path, agent.get(path)[1].encode()) for path in ("/metrics", "/readyz", "/healthz")]
    for kind in (
        "registrations",
        "emergencies",
        "recordings",
        "failures",
        "blind",
        "alarms",
        "notices",
        "paths",
        "looks",
        "optins",
        "contents",
        "accesses",
        "purges",
        "calls",
        "texts",
    ):
        for form in ([], ["--json"]):
            command = [sys.executable, "-m", "agent", "list", kind, *form, "--config", str(agent.config)]
            found.append((kind, subprocess.run(command, capture_output=True, check=True).stdout))
    # a backup, as an operator would make one
    backup = folder / "backup.sqlite"
    with sqlite3.connect(agent.store) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    found.append(("backup", backup.read_bytes()))
    return found


def _assert_clean(everything: list[tuple[str, bytes]], markers: list[str]) -> None:
    for where, data in everything:
        for marker in markers:
            assert marker.lower().encode() not in data.lower(), f"{marker} in {where}"


async def _identifiers(lab: Asterisk) -> list[str]:
    """Channel names, Uniqueids and Linkedids of the channels that are up."""
    found: list[str] = []
    async with asyncio.timeout(60):
        for channel in await lab.channels():
            if channel["Channel"].startswith("PJSIP/"):
                found += [channel["Channel"], channel["Uniqueid"]]
    return found
