"""The site key changes beside a running agent, and the old one goes when the agent has started with the new one."""

import json
from contextlib import closing
from pathlib import Path

from agent.config import site_key_in
from agent.stores.vault import Keyring
from tests.integration.commands import Desk, desk

OLD = bytes(range(32))


def settings(folder: Path) -> str:
    """An agent that may record, with a recording's key in its keyring."""
    folder.mkdir()
    (folder / "monitor").mkdir()
    (folder / "site-key").write_text(OLD.hex() + "\n")
    (folder / "site-key").chmod(0o600)
    with closing(Keyring(folder / "agent.sqlite.keys", OLD)) as keys:
        keys.seal("0123456789abcdef", "201")
    return '[recording]\nmonitor_dir = "monitor"\nstore_dir = "kept"\n[keys]\nsite_key_file = "site-key"\n'


async def opens(desk: Desk) -> dict[str, object]:
    """What `keys status` tells."""
    done = await desk.run("keys", "status", "--json")
    told: dict[str, object] = json.loads(done.stdout)
    return told


async def test_a_rotation_beside_the_agent_is_over_at_its_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with desk(folder, settings(folder)) as here:
        done = await here.run("keys", "rotate")
        assert done.returncode == 0, done.stderr
        assert (folder / "site-key.old").exists()
        assert (await opens(here))["opens"] is True
        await here.agent.stop()
        await here.agent.start()
        assert not (folder / "site-key.old").exists()
        assert "old_site_key_destroyed" in here.agent.log
        assert "vault_unusable" not in here.agent.log
        assert (await opens(here))["recordings"] == 1
        for key in (OLD.hex(), (folder / "site-key").read_text().strip()):
            assert key not in here.agent.log


async def test_an_agent_starts_with_a_rotation_that_was_cut_off(tmp_path: Path) -> None:
    """The new key is in the file already, the keyring still under the old one."""
    folder = tmp_path / "agent"
    written = settings(folder)
    (folder / "site-key").rename(folder / "site-key.old")
    (folder / "site-key").write_text("ab" * 32)
    (folder / "site-key").chmod(0o600)
    async with desk(folder, written) as here:
        assert "vault_unusable" not in here.agent.log
        assert site_key_in(folder / "site-key.old") == OLD
        assert (await opens(here))["interrupted"] is True
        assert "recordings are encrypted under the site key" in (await here.run("check")).stdout
        assert "is complete" in (await here.run("keys", "rotate")).stdout
        assert (await opens(here))["opens"] is True
        await here.agent.stop()
        await here.agent.start()
        assert "vault_unusable" not in here.agent.log
        assert not (folder / "site-key.old").exists()


async def test_an_agent_of_another_site_key_records_nothing_and_check_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    written = settings(folder)
    (folder / "site-key").write_text("ab" * 32)
    async with desk(folder, written) as here:
        assert "vault_unusable" in here.agent.log
        assert "the site key is another than the keyring" in (await here.run("check")).stdout


async def test_an_old_one_that_cannot_be_destroyed_keeps_nobody_from_recording(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    written = settings(folder)
    (folder / "site-key.old").mkdir()
    async with desk(folder, written) as here:
        assert "old_site_key_left" in here.agent.log
        assert "vault_unusable" not in here.agent.log
