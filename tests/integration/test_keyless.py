"""Without the key of recordings a 999 is heard all the same, and somebody is told that no call can be recorded."""

from pathlib import Path

import pytest

from tests.integration.commands import desk, one_sentence

RECORDING = '[recording]\nstore_dir = "recordings"\nmonitor_dir = "monitor"\nsocket = "door.sock"\n'


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
