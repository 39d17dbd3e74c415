"""The audit and the register of an agent as it runs, with a site key: nothing personal of them stands in any file."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.stores.vault import Keyring
from tests.integration.commands import Desk, desk, told

ACCOUNT, LINE = "A-MARSUPIAL", "numbat"
PARTY, REFERENCE, REASON = "Zanzibar Constabulary", "REF-QUOKKA", "operation wombat"
WHY = ("--reason", REASON)
SINCE = ("--since", "2026-11-20", "--until", "2026-11-25")


@pytest.fixture
def site_key(tmp_path: Path) -> Path:
    path = tmp_path / "site-key"
    path.touch(0o600)
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture
async def running(tmp_path: Path, site_key: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path / "agent", f'[keys]\nsite_key_file = "{site_key}"\n') as running:
        yield running


def written(folder: Path) -> bytes:
    """Every byte of every file, but of the bundles, which are what left."""
    files = (path for path in folder.rglob("*") if path.is_file() and "disclosures" not in str(path))
    return b"".join(path.read_bytes() for path in files)


async def test_a_disclosure_goes_its_whole_way_and_stands_in_clear_nowhere_else(
    running: Desk, tmp_path: Path, site_key: Path
) -> None:
    given = ("--line", LINE, "--party", PARTY, "--kind", "call", "--purpose", REASON, "--expires", "2099-01-01")
    (consent,) = await running.json("disclose", "consent", "add", "A1", *given)
    asked = ("--line", LINE, *SINCE, "--kind", "call", "--party", PARTY, "--reference", REFERENCE, *WHY)
    (proposal,) = await running.json("disclose", "propose", *asked, "--consent", consent["id"], "--by", "Sam")
    (release,) = await running.json("disclose", "release", proposal["id"], *WHY, "--by", "Kim")
    assert REFERENCE in (Path(release["folder"]) / "disclosure.json").read_text()
    listed = await running.json("disclose", "list", *WHY)
    assert [(each["step"], each["party"], each["lines"]) for each in listed] == [
        ("proposed", PARTY, LINE),
        ("released", PARTY, LINE),
    ]
    found = await running.json("audit", "list", "--subject", ACCOUNT, *WHY)
    assert [(each["use"], each["subject"]) for each in found] == [("listed", ACCOUNT)]
    for command in ("audit", "register"):
        assert (await running.run(command, "verify")).returncode == 0
    await running.agent.stop()

    in_clear = written(running.agent.folder)
    assert release["bundle"].encode() in in_clear, "that there was something to find"
    for marker in (ACCOUNT, LINE, PARTY, REFERENCE, REASON):
        assert marker.encode() not in in_clear, marker

    keyring = Keyring(running.agent.folder / "agent.sqlite.keys", bytes.fromhex(site_key.read_text()))
    keyring.destroy_account(f"subject {ACCOUNT}")
    keyring.close()
    erased = told("audit", "verify", "--json", cwd=running.agent.folder, TELEPHONY_AGENT_CONFIG="agent.toml")
    assert json.loads(erased.stdout)["problems"] == [], "the chain outlives the subject"
    assert json.loads(erased.stdout)["erased"] == 1

    config = running.agent.config.read_text()
    running.agent.config.write_text(config[: config.index("[keys]")])
    for command, unread in (("audit", 0), ("register", 2)):
        done = told(command, "verify", "--json", cwd=running.agent.folder, TELEPHONY_AGENT_CONFIG="agent.toml")
        assert json.loads(done.stdout)["problems"] == [], "and who has no site key can check it"
        assert json.loads(done.stdout).get("unread", 0) == unread


async def test_the_register_and_the_audit_go_on_after_a_restart(running: Desk) -> None:
    asked = ("--line", LINE, *SINCE, "--kind", "call", "--party", PARTY, "--reference", REFERENCE, *WHY, "--by", "Sam")
    order = ("--power", "court_order", "--authority", "court")
    for _ in range(2):
        await running.json("disclose", "propose", *asked, *order)
        await running.agent.stop()
        await running.agent.start()
    (head,) = await running.json("register", "root")
    assert head["size"] == 2
    for command in ("audit", "register"):
        assert (await running.run(command, "verify")).returncode == 0
