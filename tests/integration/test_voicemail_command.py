"""The command `voicemail purge`: what it prints, how it ends, and that it changes nothing when it should not."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.commands import COMMAND, ROOT, one_sentence, told
from tests.integration.voicemails import counted, files, leave

DAY_S = 86_400


def left(folder: Path, number: int, days: float) -> None:
    """A message of so many days before now."""
    leave(folder, number, days=days)
    at = time.time() - days * DAY_S
    for part in folder.glob(f"msg{number:04d}.*"):
        part.write_bytes(part.read_bytes().replace(b"origtime", b"origtime_"))
        os.utime(part, (at, at))
    os.utime(folder, (at, at))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder whose configuration names a spool and an Asterisk that is away."""
    secret = tmp_path / "secret"
    secret.write_text("canary-secret")
    secret.chmod(0o600)
    (tmp_path / "agent.toml").write_text(
        '[ami]\nport = 9\nsecret_file = "secret"\n[store]\nurl = "sqlite:///./agent.sqlite"\n'
        '[voicemail]\nspool_dir = "spool"\n'
    )
    left(tmp_path / "spool" / "default" / "201" / "INBOX", 0, 31)
    left(tmp_path / "spool" / "default" / "201" / "INBOX", 1, 28)
    left(tmp_path / "spool" / "default" / "202" / "Old", 0, 15)
    return tmp_path


def test_counts_by_reason_for_people(folder: Path) -> None:
    before = files(folder)
    dry = told("voicemail", "purge", "--dry-run", cwd=folder)
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "what would be done" in dry.stdout
    assert files(folder) == before
    done = told("voicemail", "purge", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    shown = {row[1].strip(): row[0] for row in rows if len(row) == 2 and row[0].isdigit()}
    assert shown["mailboxes looked at"] == "2"
    assert shown["heard messages deleted"] == "1"
    assert shown["messages deleted that nobody had heard"] == "1"
    assert shown["of these, messages that go soon"] == "1"
    assert shown["mailboxes whose lamp Asterisk was not told to refresh"] == "2"
    assert "mailboxes put off: somebody may be listening to them" not in shown


def test_counts_by_reason_for_programs(folder: Path) -> None:
    done = told("voicemail", "purge", "--json", cwd=folder)
    assert done.returncode == 0
    (found,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert found["at"] <= found["done_at"]
    expected = {"dry_run": False, "mailboxes": 2, "heard": 1, "unheard": 1, "kept": 1, "due": 1, "failed": 0}
    assert expected.items() <= found.items()
    assert "201" not in done.stdout


def test_what_could_not_be_deleted_is_exit_1(folder: Path) -> None:
    (folder / "spool" / "default" / "203").symlink_to(folder)
    done = told("voicemail", "purge", cwd=folder)
    assert done.returncode == 1
    assert "messages or mailboxes that could not be purged" in done.stdout


def test_without_a_spool_configured(folder: Path) -> None:
    (folder / "agent.toml").write_text("")
    one_sentence(told("voicemail", "purge", "--dry-run", cwd=folder), 2, "no voicemail is to be deleted", "spool_dir")


def test_a_spool_that_is_not_there(folder: Path) -> None:
    (folder / "spool").rename(folder / "elsewhere")
    before = files(folder)
    for more in ([], ["--dry-run"]):
        done = told("voicemail", "purge", *more, cwd=folder)
        one_sentence(done, 3, "the voicemail spool cannot be used", "No such file or directory")
    assert files(folder) == before


def test_a_term_that_is_none(folder: Path) -> None:
    before = files(folder / "spool")
    for name, value in (("heard_days", "0"), ("every_h", "0"), ("warn", '"fax"'), ("spool_dir", "7")):
        (folder / "agent.toml").write_text(f"[voicemail]\n{name} = {value}\n")
        one_sentence(told("voicemail", "purge", "--dry-run", cwd=folder), 2, "agent.toml:2", name)
    assert files(folder / "spool") == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_between_two_files(folder: Path, number: signal.Signals) -> None:
    # Asterisk has locked every mailbox but the first: at each of them it waits for 5 s, long enough for this test.
    others = [folder / "spool" / "default" / f"{number}" / "Old" for number in range(202, 214)]
    held = others[0]
    for other in others:
        left(other, 0, 15)
        (other / ".lock").write_bytes(b"")
        os.utime(other, (time.time() - DAY_S,) * 2)
    running = subprocess.Popen(
        [*COMMAND, "voicemail", "purge"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a shell has what it starts in the background ignore SIGINT, and whatever that starts
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    gone = folder / "spool" / "default" / "201" / "INBOX" / "msg0001.txt"
    while gone.exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode in (128 + number, -number)
    assert b"Traceback" not in out + err
    assert counted(held) == [0]
    assert (held / ".lock").exists()
    assert not list((folder / "spool").glob(".telephony*"))
