"""`telephony-agent promises`: beside a running agent, without one, its signed reports, and the agent's own look."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from agent.assembly import promises
from agent.core.records import Blind
from agent.duties.promises import PROMISES
from agent.stores.sqlite import SqliteStore
from agent.stores.vault.signing import Signer, proves
from tests.integration.commands import desk, one_sentence, told
from tests.scenarios.made import AT


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A store that no agent runs on."""
    tmp_path.chmod(0o700)
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    await (await SqliteStore.open(tmp_path / "agent.sqlite")).close()
    return tmp_path


def states(output: str) -> dict[str, str]:
    found = [json.loads(line) for line in output.splitlines()]
    assert all(each.keys() == {"id", "state", "evidence"} for each in found)
    return {each["id"]: each["state"] for each in found}


async def test_beside_a_running_agent(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "desk").mkdir(mode=0o700)
    async with desk(tmp_path / "desk", "[assurance]\nprobe_every_s = 0\n") as running:
        await running.call("Dialled", "Trying", "Answered", "Ended")
        found = states((await running.run("promises", "verify", "--json")).stdout)
        evidence = (await running.run("promises", "verify")).stdout
        _, metrics = await asyncio.to_thread(running.agent.get, "/metrics")
    assert list(found) == list(PROMISES)
    for kept in ("P06", "P10", "P11", "P12", "P13", "P14", "P18", "P20"):
        assert found[kept] == "ok", evidence
    assert found["P05"] == "broken"
    assert "no agent is running" not in evidence
    assert "has not shown what it would do" in evidence
    assert "1 listener of the running agent" in evidence
    assert "4 of 4 addresses answered" in evidence
    # its own look is on its way: a quarter of an hour after the start
    assert "telephony_agent_promises_verified_timestamp_seconds 0.0" in metrics


def test_without_an_agent_what_needs_it_is_broken(folder: Path) -> None:
    done = told("promises", "verify", "--json", cwd=folder)
    assert done.returncode == 1
    found = states(done.stdout)
    assert found["P05"] == "broken"
    assert found["P18"] == "ok"
    assert "no agent is running" in done.stdout
    assert "respond safely and quickly" in told("promises", "verify", cwd=folder).stdout


def test_without_a_store_there_is_nothing_to_prove(folder: Path) -> None:
    (folder / "agent.sqlite").unlink()
    one_sentence(told("promises", "verify", cwd=folder), 3, "no store")
    assert not (folder / "agent.sqlite").exists()


# Reports


def test_a_report_is_signed_and_checked(folder: Path) -> None:
    report = folder / "report.json"
    told("promises", "verify", "--report", str(report), cwd=folder)
    public = Signer(folder / "agent.sqlite.keys").public
    assert report.stat().st_mode & 0o777 == 0o600
    assert (folder / "agent.sqlite.keys.signing").stat().st_mode & 0o777 == 0o600
    done = told("promises", "check-report", str(report), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"signed by {public}" in done.stdout
    assert states(told("promises", "check-report", str(report), "--json", cwd=folder).stdout).keys() == PROMISES.keys()
    # who has the public key alone can check it too, in another place
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    assert told("promises", "check-report", str(report), "--public-key", public.upper(), cwd=elsewhere).returncode == 0
    one_sentence(told("promises", "check-report", str(report), cwd=elsewhere), 3, "key")
    one_sentence(told("promises", "check-report", str(report), "--public-key", "0" * 64, cwd=folder), 1, "another key")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"broken"', '"ok"', 1),
        lambda text: text.replace("no agent is running", "an agent is running"),
        lambda text: text.replace('"at": "20', '"at": "19'),
        lambda text: text.replace('"report": {', '"note": "all is well",\n  "report": {'),
        lambda text: text.replace('"report": {', '"report": {},\n  "report": {'),
        lambda text: text + " ",
    ],
)
def test_a_report_that_was_changed_proves_nothing(folder: Path, change: Callable[[str], str]) -> None:
    report = folder / "report.json"
    told("promises", "verify", "--report", str(report), cwd=folder)
    whole = report.read_text()
    assert change(whole) != whole
    report.write_text(change(whole))
    one_sentence(told("promises", "check-report", str(report), cwd=folder), 1, "not as it was signed")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"null", b"\xff\xfe", b'{"report": {"at": 1}}', b"{" * 9999])
def test_what_is_no_report_is_refused(folder: Path, content: bytes) -> None:
    Signer(folder / "agent.sqlite.keys")
    (folder / "report.json").write_bytes(content)
    one_sentence(told("promises", "check-report", "report.json", cwd=folder), 1, "no report")


def test_a_file_that_is_there_is_not_overwritten(folder: Path) -> None:
    report = folder / "report.json"
    report.write_text("precious")
    one_sentence(told("promises", "verify", "--report", str(report), cwd=folder), 2, "there already")
    assert report.read_text() == "precious"
    one_sentence(told("promises", "verify", "--report", "none/report.json", cwd=folder), 2, "cannot be written")
    one_sentence(told("promises", "check-report", "none.json", cwd=folder), 2, "cannot be read")


def test_a_damaged_key_is_told(folder: Path) -> None:
    (folder / "agent.sqlite.keys.signing").write_text("zz")
    one_sentence(told("promises", "verify", "--report", "r.json", cwd=folder), 3, "damaged")


def test_a_signature_is_of_one_key_and_one_text(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "keys")
    signature = signer.sign(b"text")
    assert proves(signer.public, signature, b"text")
    assert not proves(signer.public, signature, b"texts")
    assert not proves(Signer(tmp_path / "others").public, signature, b"text")
    assert not proves("no key", signature, b"text")
    assert Signer(tmp_path / "keys").public == signer.public


# The agent's own look


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "FIRST_AFTER_S", 0)
    monkeypatch.setattr(promises, "EVERY_S", 0.01)


async def verified(
    command: list[str], enough: Callable[[promises.Verified, Sequence[Mapping[str, object]]], bool]
) -> None:
    """Run the daily part until ``enough`` is true of what it found and logged."""
    found = promises.Verified()
    with structlog.testing.capture_logs() as logged:
        part = asyncio.create_task(promises.run(command, found, lambda: AT))
        async with asyncio.timeout(60):
            while not enough(found, logged):  # noqa: ASYNC110 - another process tells nobody that it is done
                await asyncio.sleep(0.01)
        part.cancel()
        with suppress(asyncio.CancelledError):
            await part


async def test_the_agent_verifies_by_the_command_itself(folder: Path) -> None:
    def enough(found: promises.Verified, logged: Sequence[Mapping[str, object]]) -> bool:
        kept = promises.state(found).kept
        return found.at == AT and kept.get("P05") is False and kept.get("P18") is True and "P17" not in kept

    await verified(promises.command(folder / "agent.toml"), enough)


@pytest.mark.parametrize("script", ["print('{')", "print('[]')", "raise SystemExit(3)", "print('{\"id\": 1}')"])
async def test_a_verification_that_fails_is_told_and_tried_again(script: str) -> None:
    def enough(found: promises.Verified, logged: Sequence[Mapping[str, object]]) -> bool:
        assert found.at is None
        return [line["event"] for line in logged].count("promises_not_verified") > 1

    await verified([sys.executable, "-c", script], enough)


async def test_a_part_that_is_stopped_leaves_no_process(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"import pathlib, os, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(600)"
    await verified([sys.executable, "-c", script], lambda *_: started.exists() and bool(started.read_text()))
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


async def test_what_is_only_in_the_log_of_an_open_store_is_seen(folder: Path) -> None:
    store = await SqliteStore.open(folder / "agent.sqlite")
    await store.commit([Blind(id="b", session="bulk", cause="lost", from_at=AT)], durable=True)
    done = await asyncio.to_thread(told, "promises", "verify", "--json", cwd=folder)
    assert "does not listen" in done.stdout
    await store.close()
