"""Without the key of recordings a 999 is heard all the same, and somebody is told that no call can be recorded."""

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.commands import Desk, desk, one_sentence

RECORDING = '[recording]\nstore_dir = "recordings"\nmonitor_dir = "monitor"\nsocket = "door.sock"\n'

_LOCKED = "telephony-agent: lines, addresses and numbers are locked, since there is no site key (docker/"


async def test_whom_an_emergency_is_of_the_agent_tells_who_has_no_site_key(tmp_path: Path) -> None:
    """As with the systemd unit: the key is the service's alone."""
    (tmp_path / "site-key").write_text("ab" * 32)
    (tmp_path / "site-key").chmod(0o600)
    async with desk(tmp_path, '[keys]\nsite_key_file = "site-key"\n') as agents:
        id = await agents.call("Dialled", "Answered")
        await agents.agent.until(lambda: _locked(agents.agent.store), "the line locked")
        keyless = {"TELEPHONY_AGENT_KEYS__SITE_KEY_FILE": "gone"}
        for words in (("emergency", "list"), ("emergency", "show", id[:8])):
            done = await agents.run(*words, **keyless)
            assert (done.returncode, done.stderr) == (0, "")
            assert " 201 " in done.stdout
            assert "192.0.2.7" in done.stdout or words[1] == "list"
            machine = json.loads((await agents.run(*words, "--json", **keyless)).stdout)
            assert machine.get("emergency", machine)["line"] == "201"
            assert (await agents.run(*words)).stdout == done.stdout, "as with the key"
        done = await agents.run("list", "emergencies", **keyless)
        assert (done.returncode, "201" in done.stdout) == (0, False)
        assert done.stderr.startswith(_LOCKED), "nobody takes it for what is stored"
        assert (await agents.run("list", "failures", **keyless)).stderr == "no failures\n", "nothing in it is locked"
        assert agents.agent.pid is not None
        os.kill(agents.agent.pid, signal.SIGSTOP)
        try:
            await _from_the_file(agents, keyless)
        finally:
            os.kill(agents.agent.pid, signal.SIGCONT)
        assert await agents.agent.stop() == 0
        await _from_the_file(agents, keyless)


async def _from_the_file(agents: Desk, keyless: dict[str, str]) -> None:
    """No agent answers: what is stored is shown all the same, as far as it can be read."""
    done = await agents.run("emergency", "list", **keyless)
    assert (done.returncode, "locked" in done.stdout) == (0, True)
    assert done.stderr.startswith(_LOCKED)


def _locked(store: Path) -> bool:
    with closing(sqlite3.connect(store)) as database:
        return database.execute("SELECT 1 FROM emergencies WHERE line = '201'").fetchone() is None


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("", "there is no site key"),
        ('[keys]\nsite_key_file = "gone"\n', "cannot be taken"),
        ('[keys]\nsite_key_file = "open"\n', "cannot be taken"),
        ('[keys]\nsite_key_file = "short"\n', "cannot be taken"),
    ],
)
async def test_an_agent_without_a_usable_site_key_runs_and_says_so(tmp_path: Path, keys: str, why: str) -> None:
    for name, mode, text in (("open", 0o644, "00" * 32), ("short", 0o600, "00")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "monitor").mkdir()
    async with desk(tmp_path, RECORDING + keys) as agents:
        alarm = await agents.agent.one("alarm", cause="recording", subject="vault", severity="critical")
        assert "no call can be recorded" in alarm["what"]
        assert why in alarm["what"]
        await agents.call("Dialled", "Answered")
        emergency = await agents.agent.one("emergency", number="999")
        done = await agents.run("emergency", "show", emergency["id"], "--full", "--reason", "they rang")
        assert (done.returncode, "Wellington Street" in done.stdout) == (0, True), "help waits for no key"
        assert "telephony_recording_vault_usable 0.0" in agents.agent.get("/metrics")[1]
        if keys:
            one_sentence(await agents.run("check"), 2, "site_key_file")
