"""Customers' requests from the command line: the clock, who does what with them, and what is said of mistakes."""

import getpass
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.core.instants import from_rfc3339, rfc3339
from agent.people import subjects
from agent.ports import StoreError
from tests.integration.commands import desk, one_sentence
from tests.integration.requested import DAY_MS, WHY, Requested, requested
from tests.scenarios.made import AT

LOGIN = getpass.getuser()


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Requested]:
    async with requested(tmp_path / "agent") as found:
        yield found


async def test_a_request_goes_its_way_and_each_step_is_in_the_audit(asked: Requested) -> None:
    id = await asked.opened("access", "--by", "Sam")
    opened = await asked.request(id)
    assert (opened["asks"], opened["opened_by"], opened["identity"]) == ("access", f"Sam ({LOGIN})", None)
    assert opened["due_at"] > opened["received_at"]

    for step in (
        ("pause", id, "--for", "identity"),
        ("identify", id[:6], "--how", "called back on the number on file", "--by", "Sam"),
        ("pause", id, "--for", "clarification"),
        ("resume", id),
        ("extend", id, "--why", "many lines"),
        ("close", id, "--outcome", "granted", "--answer", "sent by post"),
    ):
        done = await asked.agent.run("subject", *step)
        assert done.returncode == 0, done.stderr

    closed = await asked.request(id)
    assert (closed["outcome"], closed["answer"], closed["identity_by"]) == ("granted", "sent by post", f"Sam ({LOGIN})")
    assert len(closed["pauses"]) == 2
    assert closed["waits_for"] is None
    audited = [(each["use"], each["subject"], each["reason"]) for each in asked.agent.stored("audit")]
    assert audited == [
        ("requested", "A1001", reason)
        for reason in (
            "opened: access",
            "paused for identity",
            "identified",
            "paused for clarification",
            "resumed",
            "extended",
            "closed: granted",
        )
    ]
    assert asked.requests.waiting == {}


async def test_what_waits_is_listed_and_that_somebody_looked_is_kept(asked: Requested) -> None:
    first = await asked.opened("access", "--received", rfc3339(AT - 40 * DAY_MS))
    second = await asked.opened("erasure", account="A1002")
    await asked.agent.run("subject", "close", second, "--outcome", "withdrawn", "--answer", "changed their mind")

    (overdue,) = await asked.agent.json("subject", "list", *WHY)
    assert (overdue["id"], overdue["overdue"]) == (first, True)
    assert [each["id"] for each in await asked.agent.json("subject", "list", "--all", *WHY)] == [first, second]
    (shown,) = await asked.agent.json("subject", "show", second, *WHY)
    assert shown["answer"] == "changed their mind"
    table = await asked.agent.run("subject", "list", *WHY)
    assert first in table.stdout
    words = await asked.agent.run("subject", "show", first, *WHY)
    assert "overdue: yes" in words.stdout
    uses = [(each["use"], each["subject"]) for each in asked.agent.stored("audit") if each["reason"] == WHY[1]]
    listed = ("listed", "request")
    assert uses == [listed, listed, ("shown", "A1002"), listed, ("shown", "A1001")]


async def test_what_is_due_is_an_alarm_and_worse_when_it_is_overdue(asked: Requested) -> None:
    id = await asked.opened()
    due = from_rfc3339((await asked.request(id))["due_at"])

    def alarms() -> list[tuple[str, str, bool]]:
        known = asked.agent.pipeline.engine.alarms.alarms.values()
        return [(alarm.subject, alarm.severity.value, alarm.cleared_at is not None) for alarm in known]

    asked.agent.now = due - 8 * DAY_MS
    asked.requests.look()
    assert alarms() == []
    asked.agent.now = due - 2 * DAY_MS
    asked.requests.look()
    assert alarms() == [(id, "warning", False)]
    asked.agent.now = due + 1
    asked.requests.look()
    assert alarms() == [(id, "critical", False)]
    await asked.agent.run("subject", "close", id, "--outcome", "refused", "--answer", "unfounded, as we told them")
    assert alarms() == [(id, "critical", True)]


async def test_a_request_that_stands_still_is_no_alarm(asked: Requested) -> None:
    id = await asked.opened()
    await asked.agent.run("subject", "pause", id, "--for", "clarification")
    asked.agent.now += 90 * DAY_MS
    asked.requests.look()
    assert not asked.agent.pipeline.engine.alarms.alarms


async def test_what_waits_is_taken_up_again_after_a_restart(tmp_path: Path) -> None:
    async with requested(tmp_path / "agent") as asked:
        id = await asked.opened()
    async with requested(tmp_path / "agent") as again:
        done = await again.agent.run("subject", "identify", id, "--how", "by letter")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("open", "A9999", "--asks", "access"), 6, ("no account has this reference",)),
        (("open", "A 1", "--asks", "access"), 2, ("account takes",)),
        (("open", "A1001", "--asks", "access", "--received", "yesterday"), 2, ("--received", "is no time")),
        (("open", "A1001", "--asks", "access", "--received", "2031-01-01"), 1, ("later than now",)),
        (("open", "A1001", "--asks", "access", "--identity", "\x1b[2J"), 2, ("identity takes",)),
        (("pause", "0123456789abcdef", "--for", "identity"), 6, ("no request",)),
        (("show", "'; DROP TABLE requests; --", *WHY), 6, ("no request",)),
        (("list", "--reason", " "), 2, ("reason takes",)),
    ],
)
async def test_a_mistake_is_one_sentence_and_changes_nothing(
    asked: Requested, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    one_sentence(await asked.agent.run("subject", *arguments), code, *words)
    assert asked.agent.stored("request") == []
    assert asked.agent.stored("audit") == []


async def test_what_cannot_be_done_now_says_why_and_changes_nothing(asked: Requested) -> None:
    id = await asked.opened()
    before = await asked.request(id)
    one_sentence(await asked.agent.run("subject", "resume", id), 1, "its time runs")
    granted = ("close", id, "--outcome", "granted", "--answer", "sent")
    one_sentence(await asked.agent.run("subject", *granted), 1, "nobody has checked who asks")
    assert await asked.request(id) == before
    assert len(asked.agent.stored("audit")) == 1


async def test_nothing_counts_that_the_audit_does_not_have(asked: Requested, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk is full", "make room")

    monkeypatch.setattr("agent.people.auditing.Auditing.note", refuse)
    one_sentence(await asked.agent.run("subject", "open", "A1001", "--asks", "access"), 3, "the disk is full")
    assert asked.agent.stored("request") == []
    one_sentence(await asked.agent.run("subject", "list", *WHY), 3, "the disk is full")


async def test_the_log_has_ids_and_no_account(asked: Requested) -> None:
    id = await asked.opened("erasure", "--identity", "passport seen by Sam")
    assert id in str(asked.agent.log)
    assert "A1001" not in str(asked.agent.log)
    assert "passport" not in str(asked.agent.log)


async def test_the_running_agent_takes_requests(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent") as running:
        one_sentence(await running.run("subject", "open", "A1001", "--asks", "access"), 6, "no account")
        done = await running.run("subject", "list", *WHY)
        assert (done.returncode, "no requests" in done.stderr) == (0, True)


async def test_metrics_count_what_waits_stands_still_and_is_overdue(asked: Requested) -> None:
    await asked.opened("access", "--received", rfc3339(AT - 40 * DAY_MS))
    paused = await asked.opened()
    await asked.agent.run("subject", "pause", paused, "--for", "clarification")
    found = subjects.state(asked.requests.waiting.values(), None, asked.agent.now)
    assert found.counts == {"open": 2, "paused": 1, "overdue": 1}
    assert (found.canary_every_s, found.canary_at, found.canary_ok) == (None, None, False)
