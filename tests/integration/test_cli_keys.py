"""The commands about keys: a site key is made once and safely, and its state is told without showing it."""

import json
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import load
from agent.core.instants import from_rfc3339
from agent.core.personal import STANDING
from agent.stores.vault import Keyring, Locks
from tests.integration.commands import one_sentence, told
from tests.integration.test_vault import fill, small_disk

VARIABLE = "TELEPHONY_AGENT_KEYS__SITE_KEY"
SITE = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.toml").write_text(
        '[store]\nurl = "sqlite:///./agent.sqlite"\n[keys]\nsite_key_file = "site-key"\n'
    )
    return tmp_path


def keyring(folder: Path, recordings: int = 3) -> None:
    with closing(Keyring(folder / "agent.sqlite.keys", SITE)) as keys:
        for number in range(recordings):
            keys.seal(f"{number:016x}", f"line-{number % 2}")


def use(folder: Path, key: bytes) -> None:
    (folder / "site-key").write_text(key.hex())
    (folder / "site-key").chmod(0o600)


def test_a_new_site_key_is_the_agents_alone_and_what_it_takes(folder: Path) -> None:
    done = told("keys", "init", cwd=folder)

    path = folder / "site-key"
    assert done.returncode == 0
    assert "cannot be opened without it" in done.stdout
    assert "Only an escrow survives its loss" in done.stdout
    assert "site_key_file =" not in done.stdout  # it stands there already
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", path.read_text())
    assert path.read_text().strip() not in done.stdout + done.stderr
    key = load(folder / "agent.toml", {"TELEPHONY_AGENT_AMI__SECRET": "x"}).keys.site_key()
    assert key == bytes.fromhex(path.read_text())


def test_each_site_key_is_another(folder: Path) -> None:
    for name in ("a", "b"):
        done = told("keys", "init", name, cwd=folder)
        assert f'site_key_file = "{folder / name}"' in done.stdout
    assert (folder / "a").read_text() != (folder / "b").read_text()


def test_a_site_key_is_never_overwritten(folder: Path) -> None:
    (folder / "site-key").write_text("precious")
    (folder / "link").symlink_to("nowhere")
    for arguments in (("keys", "init"), ("keys", "init", "site-key"), ("keys", "init", "link")):
        one_sentence(told(*arguments, cwd=folder), 2, "is there already")
    assert (folder / "site-key").read_text() == "precious"
    assert not (folder / "nowhere").exists()


def test_a_site_key_that_cannot_be_made_is_one_sentence(folder: Path) -> None:
    one_sentence(told("keys", "init", "none/key", cwd=folder), 2, "none/key cannot be made: No such file")
    one_sentence(told("keys", "init", "agent.toml/key", cwd=folder), 2, "cannot be made: Not a directory")
    (folder / "agent.toml").write_text("")
    one_sentence(told("keys", "init", cwd=folder), 2, "no file is named")
    assert sorted(path.name for path in folder.iterdir()) == ["agent.toml"]


def test_a_full_disk_leaves_no_half_of_a_key(folder: Path) -> None:
    with small_disk(folder / "disk", 64):
        fill(folder / "disk")
        one_sentence(told("keys", "init", "disk/key", cwd=folder), 2, "No space left")
        assert [path.name for path in (folder / "disk").iterdir()] == ["ballast"]


def status(folder: Path, code: int, **environ: str) -> object:
    done = told("keys", "status", "--json", cwd=folder, **environ)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


EMPTY: dict[str, object] = {"periods": [], "epochs": [], "escrowed_at": None, "interrupted": False}
HELD = {"accounts": 2, "recordings": 3}


def test_the_state_of_the_keys_is_told(folder: Path) -> None:
    use(folder, SITE)
    none = {"site_key": True, "keyring": False, "opens": None, "accounts": 0, "recordings": 0}
    assert status(folder, 0) == none | EMPTY
    assert not (folder / "agent.sqlite.keys").exists()
    keyring(folder)
    right = {"site_key": True, "keyring": True, "opens": True} | HELD
    assert status(folder, 0) == right | EMPTY
    shown = told("keys", "status", cwd=folder)
    assert "the site key opens it" in shown.stdout
    assert "2 of accounts and lines, 3 of recordings" in shown.stdout
    assert "escrow: none of this site key" in shown.stdout
    assert "line-" not in shown.stdout
    assert SITE.hex() not in shown.stdout


def test_periods_and_epochs_are_told(folder: Path) -> None:
    use(folder, SITE)
    with closing(Keyring(folder / "agent.sqlite.keys", SITE)) as keys:
        locks = Locks(keys, lambda: from_rfc3339("2026-11-22T20:44:40Z"))
        for month in ("09", "10", "11"):
            locks.lock("line-1", from_rfc3339(f"2026-{month}-15T00:00:00Z"), "+447700900123")
        locks.lock("line-1", STANDING, "line-1")
        locks.index("+447700900123")
    seen = status(folder, 0)
    assert isinstance(seen, dict)
    assert seen["periods"] == ["2026-09", "2026-10", "2026-11", "9998-12"]
    assert seen["epochs"] == ["2026-11"]
    shown = told("keys", "status", cwd=folder)
    assert "of fields 3 (2026-09 to 2026-11) and of what stands, of their index 2026-11" in shown.stdout


def test_a_site_key_that_opens_nothing_is_a_problem(folder: Path) -> None:
    keyring(folder)
    use(folder, bytes(32))
    assert status(folder, 1) == {"site_key": True, "keyring": True, "opens": False} | HELD | EMPTY
    assert "another than it was made with" in told("keys", "status", cwd=folder).stdout
    (folder / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    assert status(folder, 1) == {"site_key": False, "keyring": True, "opens": False} | HELD | EMPTY
    assert status(folder, 0, **{VARIABLE: SITE.hex()})["opens"] is True  # type: ignore[index]


def test_a_rotation_puts_everything_under_a_new_site_key(folder: Path) -> None:
    use(folder, SITE)
    keyring(folder)
    done = told("keys", "rotate", cwd=folder)
    assert done.returncode == 0, done.stderr
    new = (folder / "site-key").read_text().strip()
    assert re.fullmatch(r"[0-9a-f]{64}", new)
    assert new != SITE.hex()
    assert new not in done.stdout + done.stderr
    assert "3 keys were put under it" in done.stdout  # of two accounts, and the one to hash with
    assert status(folder, 0) == {"site_key": True, "keyring": True, "opens": True} | HELD | EMPTY
    assert f"{folder / 'site-key.old'} is still there" in told("keys", "status", cwd=folder).stdout


def test_a_rotation_that_was_cut_off_is_told_and_ended(folder: Path) -> None:
    use(folder, SITE)
    keyring(folder)
    (folder / "site-key").rename(folder / "site-key.old")
    use(folder, bytes(range(1, 33)))
    assert status(folder, 1)["interrupted"] is True  # type: ignore[index]
    assert "a rotation was interrupted; run `telephony-agent keys rotate`" in told("keys", "status", cwd=folder).stdout
    done = told("keys", "rotate", cwd=folder)
    assert (done.returncode, "is complete" in done.stdout) == (0, True)
    assert (folder / "site-key").read_text() == bytes(range(1, 33)).hex()
    assert status(folder, 0)["opens"] is True  # type: ignore[index]


def test_what_cannot_be_rotated_is_one_sentence_and_stays(folder: Path) -> None:
    one_sentence(told("keys", "rotate", cwd=folder), 2, "cannot be read")
    use(folder, SITE)
    one_sentence(told("keys", "rotate", cwd=folder), 3, "there is no keyring")
    keyring(folder)
    before = (folder / "agent.sqlite.keys").read_bytes()
    use(folder, bytes(32))
    one_sentence(told("keys", "rotate", cwd=folder), 3, "the site key is not the one")
    (folder / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    one_sentence(told("keys", "rotate", cwd=folder, **{VARIABLE: SITE.hex()}), 2, "no file of the site key is named")
    with closing(sqlite3.connect(folder / "agent.sqlite.keys", isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        use(folder, SITE)
        done = told("keys", "rotate", cwd=folder, **{f"{VARIABLE}_FILE": str(folder / "site-key")})
        one_sentence(done, 3, "is locked by another program")
    assert (folder / "site-key").read_text() == SITE.hex()
    assert (folder / "agent.sqlite.keys").read_bytes() == before
    assert not (folder / "site-key.old").exists()


def test_without_any_key_it_says_what_that_means(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    done = told("keys", "status", cwd=tmp_path)
    assert done.returncode == 0
    assert "none; nothing is recorded or encrypted" in done.stdout


def test_what_cannot_be_read_is_one_sentence(folder: Path) -> None:
    one_sentence(told("keys", "status", cwd=folder), 2, "site_key_file", "cannot be read")
    use(folder, SITE)
    (folder / "agent.sqlite.keys").write_bytes(b"no database " * 1000)
    one_sentence(told("keys", "status", cwd=folder), 3, "is no keyring")
    (folder / "site-key").chmod(0o644)
    one_sentence(told("keys", "status", cwd=folder), 2, "mode 0644")
