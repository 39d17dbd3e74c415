"""The audit of a running agent: on disk before anything is shown; what is done to it behind its back is seen."""

import asyncio
import getpass
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.records import AuditUse
from agent.ports import StoreError
from tests.integration.commands import one_sentence, told
from tests.integration.registered import Registered, registered
from tests.scenarios.made import AT

LOGIN = getpass.getuser()
WHY = ("--reason", "the customer asked")


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Registered]:
    async with registered(tmp_path / "agent") as agent:
        yield agent


async def used(agent: Registered, *subjects: str) -> None:
    for subject in subjects:
        await agent.auditing.note(by="kim", use=AuditUse.LOOKED_UP, subject=subject, reason="a fault")


def changed(agent: Registered, *statements: str) -> None:
    """What somebody with the file does to it, triggers or not."""
    with closing(sqlite3.connect(agent.store)) as database:
        database.executescript(";".join(statements))


async def test_to_look_at_the_audit_is_an_entry_of_it(agent: Registered) -> None:
    await used(agent, "A1001", "A1002")
    listed = await agent.json("audit", "list", *WHY, "--by", "Sam")
    assert [(each["use"], each["subject"], each["by"], each["reason"]) for each in listed] == [
        ("looked_up", "A1001", "kim", "a fault"),
        ("looked_up", "A1002", "kim", "a fault"),
        ("listed", None, f"Sam ({LOGIN})", "the customer asked"),
    ]
    assert "salt" not in listed[0], "with it anybody could try who a subject was"
    one = await agent.json("audit", "list", *WHY, "--subject", "A1002")
    assert [(each["use"], each["subject"]) for each in one] == [("looked_up", "A1002"), ("listed", "A1002")]
    table = await agent.run("audit", "list", *WHY)
    assert "A1001" in table.stdout
    for written in map(str, agent.log):
        assert "A1001" not in written
        assert "Sam" not in written


async def test_nothing_is_shown_that_is_not_on_disk_before(agent: Registered) -> None:
    await used(agent, "A1001")
    with closing(sqlite3.connect(agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            await used(agent, "A1002")
        answer = await agent.asked("/audit/list", {"reason": "asked"})
        assert (answer.status_code, "A1001" in answer.text) == (503, False)
        other.execute("ROLLBACK")


def test_where_no_agent_has_run_there_is_nothing_to_prove(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    one_sentence(told("audit", "verify", cwd=tmp_path), 3, "no store at", "has the agent run yet?")


async def test_an_untouched_audit_proves_whole(agent: Registered) -> None:
    await used(agent, "A1001")
    agent.now = AT + 40 * 86_400_000
    await used(agent, "A1002", "A1003")
    done = await agent.run("audit", "verify")
    assert (done.returncode, "3 entries and the roots of 1 closed months prove whole" in done.stderr) == (0, True)
    (told,) = await agent.json("audit", "verify")
    assert (told["entries"], told["roots"], told["problems"]) == (3, 1, [])
    await used(agent, "A1004")
    again = await agent.run("audit", "verify", "--head", told["head"])
    assert again.returncode == 0, again.stdout


TRIGGERS = ("audits_written_once", "audits_deleted_whole", "segment_roots_written_once")
DROPPED = [f"DROP TRIGGER {trigger}" for trigger in TRIGGERS]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE audits SET reason = 'another' WHERE seq = 2",
            "the subject or the reason of entry 2",
        ),
        ("UPDATE audits SET by = 'another' WHERE seq = 2", "entry 2 of 2026-11 was changed"),
        (
            "UPDATE audits SET subject = 'another' WHERE seq = 2",
            "the subject or the reason of entry 2",
        ),
        ("DELETE FROM audits WHERE seq = 2", "entry 3 of 2026-11 comes where entry 2 should"),
        ("DELETE FROM audits WHERE segment = '2026-11'", "the last entries of 2026-11 are missing"),
        ("DELETE FROM audits WHERE segment = '2026-11' AND seq = 3", "the last entries of 2026-11 are missing"),
        ("DELETE FROM segment_roots", "was changed, or the one before it"),
        ("UPDATE segment_roots SET entries = 2", "the root of 2026-11 was changed"),
        (
            "INSERT INTO audits SELECT 'f', segment, 9, at, by, use, subject, salt, commitment, reason, chain"
            " FROM audits WHERE segment = '2026-11' AND seq = 3",
            "entry 9 of 2026-11 comes where entry 4 should",
        ),
        (
            "INSERT INTO audits SELECT 'f', '2020-01', 9, at, by, use, subject, salt, commitment, reason, chain"
            " FROM audits WHERE segment = '2026-11' AND seq = 3",
            "1 entries stand in no segment",
        ),
    ],
)
async def test_what_is_done_to_it_is_told(agent: Registered, statement: str, words: str) -> None:
    await used(agent, "A1001", "A1002", "A1003")
    agent.now = AT + 40 * 86_400_000
    await used(agent, "A1004")
    changed(agent, *DROPPED, statement)
    done = await agent.run("audit", "verify")
    assert (done.returncode, words in done.stdout) == (1, True), done.stdout
    (told,) = [json.loads(line) for line in (await agent.run("audit", "verify", "--json")).stdout.splitlines()]
    assert any(words in problem for problem in told["problems"])


async def test_the_last_entries_cut_off_are_told_by_a_noted_head_alone(agent: Registered) -> None:
    await used(agent, "A1001", "A1002")
    (told,) = await agent.json("audit", "verify")
    changed(agent, *DROPPED, "DELETE FROM audits WHERE seq = 2")
    assert (await agent.run("audit", "verify")).returncode == 0
    cut = await agent.run("audit", "verify", "--head", told["head"])
    assert (cut.returncode, cut.stdout.splitlines()[0]) == (1, "entry 2 of 2026-11 is not the one that was noted")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audits SET reason = 'another'",
        "UPDATE audits SET seq = 7 WHERE seq = 1",
        "DELETE FROM audits WHERE seq = 1",
        "DELETE FROM audits",
    ],
)
async def test_the_store_itself_refuses_to_change_it(agent: Registered, statement: str) -> None:
    await used(agent, "A1001", "A1002")
    with closing(sqlite3.connect(agent.store)) as database, pytest.raises(sqlite3.IntegrityError, match="audit"):
        database.execute(statement)
    assert [each["subject"] for each in agent.stored("audit")] == ["A1001", "A1002"]


async def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    for subject in ("A1001", "A1002"):
        async with registered(tmp_path / "agent") as agent:
            await used(agent, subject)
            assert (await agent.run("audit", "verify")).returncode == 0


async def test_a_month_is_closed_though_nobody_uses_anything_after_it(agent: Registered) -> None:
    await used(agent, "A1001")
    agent.now = AT + 40 * 86_400_000
    running = asyncio.create_task(agent.auditing.run())
    await agent.written("segment_root")
    running.cancel()
    assert [root["segment"] for root in agent.stored("segment_root")] == ["2026-11"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("list", "--reason", ""), 2, "reason takes 1 to"),
        (("list", "--reason", "a\x1b[31m"), 2, "reason takes"),
        (("list", *WHY, "--subject", "x" * 900), 2, "subject takes"),
        (("list", *WHY, "--since", "soon"), 2, "is no time"),
        (("verify", "--head", "\x1b[31m"), 2, "--head"),
    ],
)
async def test_a_mistake_is_one_sentence_and_no_entry(
    agent: Registered, arguments: tuple[str, ...], code: int, words: str
) -> None:
    one_sentence(await agent.run("audit", *arguments), code, words)
    assert agent.stored("audit") == []


async def test_no_store_and_no_key_are_told(agent: Registered) -> None:
    agent.store.with_name("agent.sqlite.key").unlink()
    one_sentence(await agent.run("audit", "verify"), 3, "key file")
