"""Legal holds and the purge for people: what is said, what is refused, what stays secret."""

import asyncio
import getpass
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from agent import world
from agent.config import Config
from agent.core.instants import from_rfc3339, rfc3339
from agent.core.records import Account, Alarm, Content, ContentState, Hold, Reason, Recording, Service
from agent.duties import retention
from agent.duties.retention import Purger
from agent.people.holds import Holding, Purging, retention_state
from agent.stores.sqlite import SqliteReader
from agent.views import holds as views
from tests.integration.commands import one_sentence, told
from tests.integration.customers import recording
from tests.integration.purging import DAY_MS, nothing
from tests.integration.registered import Registered, registered
from tests.integration.test_purge import call, left, span
from tests.scenarios.made import AT

LOGIN = getpass.getuser()
WHY = ("--reason", "asked by the court")
ORDER = ("--authority", "County Court at Leeds", "--reference", "CANARY-7", "--reviewer", "sam", "--review", "30d")
PLACE = ("hold", "place", "--line", "201", *ORDER)


class Held:
    """An agent of which the holds and the purge matter."""

    def __init__(self) -> None:
        self.holding: Holding
        self.purger: Purger
        self.agent: Registered

    def routes(self, routes: FastAPI, agent: Registered) -> None:
        def reader() -> SqliteReader:
            return SqliteReader(agent.store)

        self.agent = agent
        self.holding = Holding(
            pipeline=agent.pipeline,
            keeping=agent.keeping,
            auditing=agent.auditing,
            reader=reader,
            clock=agent.tick,
            new_id=world.new_id,
        )
        with reader() as left:
            self.holding.holds = self.holding.holds.taken_up(left.open(Hold))
        self.purger = Purger(
            store=agent.pipeline._store,
            reader=reader,
            days=Config().retention.days,
            holds=lambda: self.holding.holds,
            gate=self.holding.gate,
            clock=agent.tick,
            new_id=world.new_id,
            before=nothing,
            tell=agent.pipeline.put,
        )
        views.add(routes, self.holding, Purging(self.purger))

    def alarms(self) -> list[tuple[str, str, bool]]:
        alarms = self.agent.pipeline.engine.alarms.alarms.values()
        return [(each.subject, each.severity, each.cleared_at is None) for each in alarms if isinstance(each, Alarm)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RESTS", 0)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    held = Held()
    async with registered(tmp_path / "agent", held.routes) as agent:
        # the commands have the clock of the machine
        agent.now = world.now_ms()
        yield held


async def test_a_hold_is_placed_listed_reviewed_and_lifted(held: Held) -> None:
    run = held.agent
    (placed,) = await run.json(*PLACE, "--line", "202", "--kind", "calls", "--from", "2026-01-01", "--by", "Kim")
    assert (placed["lines"], placed["kinds"]) == (["201", "202"], ["calls"])
    assert (placed["from_at"], placed["until_at"]) == ("2026-01-01T00:00:00.000Z", None)
    assert placed["placed_by"] == f"Kim ({LOGIN})"
    assert await run.json("hold", "list", *WHY) == [placed]
    (shown,) = await run.json("hold", "show", placed["id"][:6], *WHY)
    assert shown == placed
    table = await run.run("hold", "show", placed["id"], *WHY)
    assert "County Court at Leeds" in table.stdout
    (reviewed,) = await run.json("hold", "review", placed["id"][:6], "--next", "60d")
    assert reviewed["reviewed_by"] == LOGIN
    assert from_rfc3339(reviewed["review_at"]) > from_rfc3339(placed["review_at"])
    (lifted,) = await run.json("hold", "lift", placed["id"], "--why", "settled")
    assert lifted["lifted_why"] == "settled"
    assert await run.json("hold", "list", *WHY) == []
    assert await run.json("hold", "list", "--lifted", *WHY) == [lifted]
    assert [(each["use"], each["subject"]) for each in run.stored("audit")] == [
        ("held", placed["id"]),
        ("listed", "hold"),
        ("listed", "hold"),
        ("listed", "hold"),
        ("held", placed["id"]),
        ("lifted", placed["id"]),
        ("listed", "hold"),
        ("listed", "hold"),
    ]


async def test_a_hold_is_in_force_and_the_purge_goes_on_while_a_disk_hangs_in_what_it_destroys(
    held: Held,
) -> None:
    async with held.holding.destroying:
        placing = asyncio.create_task(held.agent.json(*PLACE))
        async with asyncio.timeout(60):
            await held.agent.written("hold")
        async with asyncio.timeout(60), held.holding.gate:
            assert [each.lines for each in held.holding.holds.standing.values()] == [("201",)]
        assert not placing.done(), "what it may have come too late for is not over"
    (placed,) = await placing
    assert placed["lines"] == ["201"]


async def test_a_hold_is_in_no_other_output_and_in_no_log(held: Held) -> None:
    run = held.agent
    (placed,) = await run.json(*PLACE)
    held.holding.look()
    for command in (("list", "deletions"), ("list", "alarms"), ("audit", "list", *WHY), ("purge", "--dry-run")):
        done = await run.run(*command, "--json")
        assert done.returncode == 0, done.stderr
        assert "CANARY" not in done.stdout
        assert "Leeds" not in done.stdout
    refused = await run.run("list", "holds")
    assert refused.returncode == 2
    assert "CANARY" not in str(run.log)
    assert placed["id"] not in str(run.log)


async def test_the_sound_of_a_call_is_held_with_its_record(held: Held) -> None:
    # It ends while the call is up, so that the sound is sealed behind it.
    tape, sound = recording(at=AT, stopped_at=AT + 2 * DAY_MS)
    await held.agent.json(*PLACE, "--kind", "recordings", "--until", rfc3339(AT + DAY_MS))
    assert isinstance(tape, Recording)
    assert isinstance(sound, Content)
    assert held.holding.holds.keeps(Recording.KIND, "201", AT, AT + 2 * DAY_MS)
    assert held.holding.keeps(sound)
    gone = replace(sound, state=ContentState.DELETED, deleted_at=sound.stored_at, reason=Reason.MISSING)
    await held.agent.keep(gone)
    await held.purger.purge()
    assert held.agent.stored("content"), "what became of it is held as well"
    assert not held.holding.keeps(replace(sound, began_at=AT + 2 * DAY_MS))


async def test_a_hold_is_in_force_after_a_restart(tmp_path: Path) -> None:
    first, second = Held(), Held()
    async with registered(tmp_path / "agent", first.routes) as agent:
        agent.now = world.now_ms()
        await agent.json(*PLACE)
    async with registered(tmp_path / "agent", second.routes):
        assert second.holding.holds.keeps("call", "201", 0, 0)


async def test_what_is_held_is_kept_by_the_purge_until_the_hold_is_lifted(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = held.agent
    old = run.now - 400 * DAY_MS
    await run.pipeline._store.commit([call("a", old), call("b", old, line="202"), span("s", old)], durable=True)
    (placed,) = await run.json(*PLACE, "--kind", "calls")
    rows = {(row["kind"], row["class"]): row for row in await run.json("purge", "--dry-run")}
    calls = rows["call", "call"]
    assert (calls["ground"], calls["goes"], calls["held"], calls["oldest"]) == ("cut", 1, 1, rfc3339(old))
    assert (rows["registration", "registration"]["goes"], rows["emergency", "emergency"]["goes"]) == (1, 0)
    # it takes longer than anybody waits in silence
    monkeypatch.setattr("agent.views.asking.BEAT_S", 0.0001)
    *went, emptied = await run.json("purge")
    assert [(each["of"], each["ground"], each["count"]) for each in went] == [
        ("registration", "expired", 1),
        ("call", "cut", 1),
        ("call", "held", 1),
    ]
    assert emptied == {"emptied": True}
    assert left(run.store, "call") == ["a"]
    await run.json("hold", "lift", placed["id"], "--why", "settled")
    done = await run.run("purge")
    assert "cut" in done.stdout
    assert left(run.store, "call") == []


async def test_a_hold_on_an_account_is_on_each_line_that_is_its(held: Held) -> None:
    run = held.agent
    old = run.now - 400 * DAY_MS
    await run.pipeline._store.commit(
        [
            Account(id="a", account="A1001", opened_at=0),
            Service(id="s", account="A1001", line="201", from_at=0, until_at=old + 2),
            call("a", old),
            call("b", old + 5),
            call("c", old, line="202"),
        ],
        durable=True,
    )
    one_sentence(await run.run("hold", "place", "--account", "A9", *ORDER), 6, "no account")
    await run.json("hold", "place", "--account", "A1001", *ORDER)
    await run.json("purge")
    assert left(run.store, "call") == ["a"]
    # a line that becomes its later
    await run.pipeline._store.commit(
        [Service(id="t", account="A1001", line="203", from_at=0), call("d", old, line="203")], durable=True
    )
    await held.holding.locate()
    await run.json("purge")
    assert left(run.store, "call") == ["a", "d"]


async def test_past_its_review_date_a_hold_is_an_alarm_until_it_is_reviewed_and_is_in_force_all_the_while(
    held: Held,
) -> None:
    run = held.agent
    (placed,) = await run.json(*PLACE)
    id = placed["id"]
    held.holding.look()
    assert held.alarms() == []
    run.now += 31 * DAY_MS
    held.holding.look()
    assert held.alarms() == [(id, "warning", True)]
    assert held.holding.holds.keeps("call", "201", 0, 0)
    assert retention_state(held.holding, held.purger, run.now).holds == {"standing": 1, "overdue": 1}
    run.now += 8 * DAY_MS
    held.holding.look()
    assert held.alarms() == [(id, "critical", True)]
    assert held.holding.holds.keeps("call", "201", 0, 0)
    await run.json("hold", "review", id, "--next", "60d")
    assert held.alarms() == [(id, "critical", False)]
    run.now += 70 * DAY_MS
    held.holding.look()
    assert held.alarms()[-1] == (id, "critical", True)
    await run.json("hold", "lift", id, "--why", "settled")
    assert not any(raised for _, _, raised in held.alarms())


BAD = {
    "no such line": (*PLACE[:2], "--line", "two words", *ORDER),
    "a line break": (*PLACE, "--authority", "a\nb\x07"),
    "neither line nor account": ("hold", "place", *ORDER),
    "no authority": (*PLACE, "--authority", "  "),
    "a review that was": (*PLACE, "--review", "2020-01-01"),
    "a review that is far": (*PLACE, "--review", "400d"),
    "no date": (*PLACE, "--review", "soon"),
    "an end before the begin": (*PLACE, "--from", "2026-02-01", "--until", "2026-01-01"),
    "none such to lift": ("hold", "lift", "ab", "--why", "x"),
    "none such to review": ("hold", "review", "ab", "--next", "9d"),
    "none such to show": ("hold", "show", "ab", *WHY),
    "no id": ("hold", "lift", "' OR 1", "--why", "x"),
    "no reason": ("hold", "list", "--reason", ""),
    "a long reason": ("hold", "list", "--reason", "x" * 10_000),
}


@pytest.mark.parametrize("command", BAD.values(), ids=BAD)
async def test_what_is_wrong_is_told_in_one_sentence_and_changes_nothing(held: Held, command: Sequence[str]) -> None:
    done = await held.agent.run(*command)
    assert done.returncode in (1, 2, 6)
    one_sentence(done, done.returncode)
    assert held.agent.stored("hold") == []
    assert held.holding.holds.standing == {}


@pytest.mark.parametrize("command", [PLACE, ("hold", "list", *WHY), ("purge",)], ids=lambda command: command[-1])
def test_without_an_agent_nothing_is_done(tmp_path: Path, command: Sequence[str]) -> None:
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    one_sentence(told(*command, cwd=tmp_path), 7)


def test_a_dry_run_needs_no_agent_but_a_store(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    one_sentence(told("purge", "--dry-run", cwd=tmp_path), 3)
    assert told("migrate", cwd=tmp_path).returncode == 0
    done = told("purge", "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no deletions due\n")


async def test_the_holds_of_a_store_are_whole(held: Held) -> None:
    (placed,) = await held.agent.json(*PLACE)
    with SqliteReader(held.agent.store) as reader:
        (stored,) = reader.open(Hold)
    assert stored.id == placed["id"]
    assert json.loads(json.dumps(stored.lines)) == ["201"]
