"""The purge: all that is due goes, in small transactions and exactly once, and nothing that is held."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.accounts.spans import spans
from agent.core.holds import Holds
from agent.core.instants import rfc3339
from agent.core.records import (
    Account,
    Call,
    CallOutcome,
    Deletion,
    Direction,
    Emergency,
    IpSource,
    NumberClass,
    Outcome,
    Record,
    Registration,
    RetentionClass,
    SeenBy,
    Service,
    Total,
)
from agent.duties import retention
from agent.duties.retention import BATCH, PAGE, outlook
from agent.ports import StoreError
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.vault import Keyring
from tests.integration.customers import account
from tests.integration.purging import DAY_MS, days, hold, holds, purger
from tests.scenarios.made import AT

YEAR_MS = 365 * DAY_MS


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RESTS", 0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    yield store
    await store.close()


def call(id: str, at: int = AT, *, line: str = "201", itemised: bool = True, area: str = "0113") -> Call:
    return Call(
        id=id,
        call="0f",
        line=line,
        direction=Direction.OUTGOING if itemised else Direction.INCOMING,
        number_class=NumberClass.GEOGRAPHIC,
        number="01134960100",
        started_at=at,
        duration_s=70,
        billable_s=60,
        outcome=CallOutcome.ANSWERED,
        itemised=itemised,
        area=area if itemised else None,
    )


def span(id: str, ended_at: int, line: str = "201") -> Registration:
    return Registration(
        id=id,
        line=line,
        ip="192.0.2.1",
        ip_source=IpSource.SECURITY,
        transport="tls",
        vendor="Yealink",
        model="T46U",
        firmware="108",
        first_seen=ended_at - 1000,
        last_seen=ended_at,
        refreshes=1,
        ended_at=ended_at,
    )


def customer(reference: str, line: str) -> list[Account | Service]:
    """One whose contract has ended."""
    return account(reference, line, until=AT + DAY_MS)


def left(path: Path, kind: str) -> list[str]:
    with SqliteReader(path) as reader:
        return sorted(record.id for record in reader.read(kind))


def totals(path: Path) -> dict[tuple[str, str | None, str | None], tuple[int, int]]:
    with SqliteReader(path) as reader:
        found = [record for record in reader.read("total") if isinstance(record, Total)]
    return {(rfc3339(each.month_at)[:7], each.line, each.area): (each.calls, each.billable_s) for each in found}


def summed(deletions: Sequence[Deletion]) -> dict[tuple[str, str, str], int]:
    return {(each.of, each.retention, each.ground): each.count for each in deletions}


async def test_each_class_goes_by_its_term_and_what_went_is_on_record(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    now = AT + YEAR_MS
    await store.commit(
        [
            call("cut", AT - 5),
            call("cut too", AT - 4, area="07"),
            call("billed", AT + 1),
            call("missed", now - 31 * DAY_MS, itemised=False),
            call("missed late", now - 29 * DAY_MS, itemised=False),
            span("old", AT - 1),
            span("young", AT + 1),
        ],
        durable=True,
    )
    told: list[Deletion] = []
    at = purger(store, path, now, tell=told.extend)
    went = await at.purge()
    assert (left(path, "call"), left(path, "registration")) == (["billed", "missed late"], ["young"])
    assert summed(went) == {
        ("call", "call", "cut"): 2,
        ("call", "unbilled", "expired"): 1,
        ("registration", "registration", "expired"): 1,
    }
    assert told == went
    assert at.gone == {("call", "cut"): 2, ("call", "expired"): 1, ("registration", "expired"): 1}
    assert at.purged_at == now
    assert totals(path) == {("2026-11", "201", "0113"): (1, 60), ("2026-11", "201", "07"): (1, 60)}
    with SqliteReader(path) as reader:
        stored = [record for record in reader.read("deletion") if isinstance(record, Deletion)]
    assert sorted(stored, key=lambda each: each.id) == sorted(went, key=lambda each: each.id)
    (cut,) = [each for each in went if each.ground == "cut"]
    assert (cut.oldest_at, cut.newest_at, cut.at) == (AT - 5, AT - 4, now)


async def test_of_a_call_that_was_cut_no_number_is_left(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    await store.commit([call("c", AT - 5)], durable=True)
    await purger(store, path, AT + YEAR_MS).purge()
    assert await store.checkpoint()
    with closing(sqlite3.connect(path)) as database:
        assert "01134960100" not in "\n".join(database.iterdump())
    for file in tmp_path.iterdir():
        assert b"01134960100" not in file.read_bytes(), file


async def test_what_is_held_stays_and_is_counted_and_goes_once_the_hold_is_lifted(
    store: SqliteStore, tmp_path: Path
) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    each = 5 * BATCH
    records = [call(f"{line}{n}", AT - 1 - n, line=line) for line in ("201", "202") for n in range(each)]
    await store.commit([*records, span("held", AT - 9), span("other", AT - 9, line="202")], durable=True)
    standing = holds(hold("h", "201", from_at=AT - each // 2))
    at = purger(store, path, now, lambda: standing)
    went = summed(await at.purge())
    kept = sorted(f"201{n}" for n in range(each // 2))
    assert (left(path, "call"), left(path, "registration")) == (kept, ["held"])
    assert went["call", "call", "held"] == each // 2
    assert went["call", "call", "cut"] == 2 * each - each // 2
    assert went["registration", "registration", "held"] == 1
    standing = Holds()
    await at.purge()
    assert (left(path, "call"), left(path, "registration")) == ([], [])
    assert totals(path)["2026-11", "201", "0113"] == (each, 60 * each)


async def test_a_customer_who_wants_a_history_keeps_what_is_on_no_bill_for_as_long_as_the_rest(
    store: SqliteStore, tmp_path: Path
) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    old = now - 60 * DAY_MS
    await store.commit(
        [
            Account(id="a", account="A1", history_consent=True, opened_at=0),
            Account(id="b", account="A2", opened_at=0),
            Service(id="s", account="A1", line="201", from_at=0, until_at=old + 5),
            Service(id="t", account="A2", line="202", from_at=0),
            call("wanted", old, itemised=False),
            call("another's by then", old + 5, itemised=False),
            call("not asked for", old, line="202", itemised=False),
            call("nobody's", old, line="203", itemised=False),
            call("past all terms", AT - 1, itemised=False),
        ],
        durable=True,
    )
    at = purger(store, path, lambda: now)
    assert summed(await at.purge()) == {("call", "unbilled", "expired"): 4, ("call", "unbilled", "held"): 1}
    assert left(path, "call") == ["wanted"]
    assert at.held == {"call": 1}
    with SqliteReader(path) as reader:
        seen = {each.step.retention: each for each in outlook(reader, Holds(), days, now) if each.step.kind == "call"}
    unbilled = seen[RetentionClass.UNBILLED]
    assert (unbilled.goes, unbilled.held and unbilled.held.records) == (None, 1)
    now = old + YEAR_MS + DAY_MS
    await at.purge()
    assert left(path, "call") == []


async def test_a_line_that_cannot_be_looked_up_keeps_its_own_as_long_as_the_rest_and_holds_up_no_other(
    tmp_path: Path,
) -> None:
    path = tmp_path / "agent.sqlite"
    with closing(Keyring(tmp_path / "keys", bytes(32))) as keyring:
        fields = Fields(path, lambda: keyring, lambda: AT)
        store = await SqliteStore.open(path, fields=fields)
        await store.commit(
            [
                Account(id="a", account="A1", opened_at=0),
                Service(id="s", account="A1", line="201", from_at=0),
                call("doubted", itemised=False),
                call("nobody's", line="202", itemised=False),
            ],
            durable=True,
        )
        with closing(sqlite3.connect(path)) as damaged, damaged:
            damaged.execute("UPDATE services SET line = substr(line, 1, length(line) - 6) || 'AAAAAA'")
        await purger(store, path, AT + 60 * DAY_MS, fields=fields).purge()
        assert left(path, "call") == ["doubted"]
        await purger(store, path, AT + 2 * YEAR_MS, fields=fields).purge()
        assert left(path, "call") == []
        await store.close()


async def test_what_is_held_is_counted_on_and_told_when_it_is_more(store: SqliteStore, tmp_path: Path) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    standing = holds(hold("h"))
    at = purger(store, path, now, lambda: standing)
    await store.commit([span("a", AT - 9), span("b", AT - 8)], durable=True)
    assert [each.count for each in await at.purge()] == [2]
    assert await at.purge() == []
    await store.commit([span("c", AT - 7)], durable=True)
    assert [(each.ground, each.count) for each in await at.purge()] == [("held", 3)]
    assert at.held == {"registration": 3}


async def test_what_is_held_is_not_walked_through_again_before_the_next_day(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    await store.commit([span(f"{n:04d}", AT - 5000 + n) for n in range(3 * PAGE)], durable=True)
    looked = 0
    due = SqliteReader.due

    def counting(self: SqliteReader, kind: str, *values: object, **named: object) -> object:
        nonlocal looked
        found = due(self, kind, *values, **named)  # type: ignore[arg-type]
        looked += len(found)
        return found

    monkeypatch.setattr(SqliteReader, "due", counting)
    standing = holds(hold("h"))
    at = purger(store, path, lambda: now, lambda: standing)
    await at.purge()
    assert looked == 3 * PAGE
    # what becomes due behind it is seen, and goes where it is not held
    await store.commit([span("new", AT - 1), span("others", AT - 1, line="202")], durable=True)
    looked = 0
    assert summed(await at.purge())["registration", "registration", "expired"] == 1
    assert looked <= 3
    assert "others" not in left(path, "registration")
    # a day later, or with other holds, everything is looked at again
    now += DAY_MS
    looked = 0
    await at.purge()
    assert looked == 3 * PAGE + 1
    standing = holds(hold("h", "202"))
    await at.purge()
    assert left(path, "registration") == []


@pytest.mark.parametrize("on", ["account", "line"])
async def test_whose_what_is_held_was_stays_known_for_as_long_as_the_hold_stands(
    store: SqliteStore, tmp_path: Path, on: str
) -> None:
    """A hold may stand for longer than accounts are kept for."""
    path = tmp_path / "agent.sqlite"
    await store.commit([*customer("A1001", "201"), *customer("A1002", "202"), call("held")], durable=True)
    kept = hold(kinds=("calls",))
    kept = replace(kept, account="A1001", lines=()) if on == "account" else kept

    async def purged(standing: Holds) -> list[str]:
        with SqliteReader(path) as reader:
            standing = standing.of({"A1001": spans(reader.of(Service, "A1001"), 0, None)})
        await purger(store, path, AT + 7 * YEAR_MS, lambda: standing).purge()
        return [id for kind in ("account", "service", "call") for id in left(path, kind)]

    for _ in range(2):
        assert await purged(holds(kept)) == ["a-A1001", "l-A1001", "n-A1001", "held"]
    assert await purged(Holds()) == []


async def test_what_tells_an_accounts_lines_stays_under_any_hold_while_they_cannot_be_read(
    store: SqliteStore, tmp_path: Path
) -> None:
    path = tmp_path / "agent.sqlite"
    locked = [
        replace(each, line=f"1.{'a' * 16}.{'b' * 16}.Zm9vYmFy") if isinstance(each, Service) and each.line else each
        for each in customer("A1001", "201")
    ]
    await store.commit(locked, durable=True)
    await purger(store, path, AT + 7 * YEAR_MS, lambda: holds(hold())).purge()
    assert left(path, "account") == ["a-A1001"]
    await purger(store, path, AT + 7 * YEAR_MS).purge()
    assert left(path, "account") == []


async def test_the_name_of_a_line_stays_for_as_long_as_anything_that_is_held_is_left(tmp_path: Path) -> None:
    path, times = tmp_path / "agent.sqlite", [AT]
    with closing(Keyring(tmp_path / "keys", bytes(32))) as keyring:
        fields = Fields(path, lambda: keyring, lambda: times[0])
        store = await SqliteStore.open(path, fields=fields)
        await store.commit([call("held")], durable=True)
        await store.retire_lines({"201": AT + DAY_MS}, AT + DAY_MS)
        held = [holds(hold(kinds=("calls",)))]
        at = purger(store, path, lambda: times[0], lambda: held[0], fields=fields)
        times[0] = AT + 7 * YEAR_MS
        for _ in range(2):
            await at.purge()
            await store.expire(RetentionClass.CONSENT, times[0] - days(RetentionClass.CONSENT) * DAY_MS)
            with SqliteReader(path, fields) as reader:
                assert [each.line for each in reader.read("call") if isinstance(each, Call)] == ["201"]
            times[0] += DAY_MS
        held[0] = Holds()
        for _ in range(3):  # the call, its total, and then the line
            await at.purge()
        with SqliteReader(path, fields) as reader:
            assert [*reader.read("call"), *reader.read("total"), *reader.read("line")] == []
        await store.close()


async def test_nothing_goes_that_is_held_while_the_purge_is_at_it(store: SqliteStore, tmp_path: Path) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    await store.commit([span(f"{n:04d}", AT - 5000 + n) for n in range(2 * PAGE)], durable=True)
    standing = Holds()
    removed: list[str] = []
    remove = store.remove

    async def holding(kind: str, ids: Sequence[str], **named: object) -> int:
        nonlocal standing
        removed.extend(ids)
        # somebody places a hold after the first transaction
        standing = holds(hold("h"))
        return await remove(kind, ids, **named)  # type: ignore[arg-type]

    store.remove = holding  # type: ignore[method-assign]
    await purger(store, path, now, lambda: standing).purge()
    assert len(removed) == BATCH
    assert len(left(path, "registration")) == 2 * PAGE - BATCH


async def test_a_purge_goes_in_small_transactions_and_an_emergency_goes_between_them(
    store: SqliteStore, tmp_path: Path
) -> None:
    path = tmp_path / "agent.sqlite"
    await store.commit([span(f"{n:04d}", AT - 5000 + n) for n in range(4 * BATCH)], durable=False)
    order: list[str] = []
    transaction = store.writer.transaction

    async def noted(begin: str, batch: list[tuple[str, list[dict[str, object]]]], *, urgent: bool) -> int:
        changed = await transaction(begin, batch, urgent=urgent)  # type: ignore[arg-type]
        order.append("emergency" if begin == "begin_durable" else "purge")
        if order == ["purge"]:
            calling.append(asyncio.create_task(store.commit([emergency("e")], durable=True)))
        assert all(len(rows) <= BATCH for _, rows in batch)
        return changed

    calling: list[asyncio.Task[None]] = []
    store.writer.transaction = noted  # type: ignore[method-assign, assignment]
    await purger(store, path, AT + YEAR_MS).purge()
    await asyncio.gather(*calling)
    assert order.count("purge") == 4
    # it waits for the transaction that is under way at the most
    assert order.index("emergency") <= 2
    assert left(path, "emergency") == ["e"]


def emergency(id: str) -> Emergency:
    return Emergency(
        id=id,
        line="201",
        number="999",
        ip=None,
        vendor=None,
        model=None,
        started_at=AT,
        seen_by=SeenBy.DIALPLAN,
        outcome=Outcome.IN_PROGRESS,
    )


async def test_a_store_that_refuses_leaves_the_rest_for_later(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    await store.commit([call(f"{n:04d}", AT - 5000 + n) for n in range(3 * BATCH)], durable=True)
    remove, turns = store.remove, 0

    async def refusing(kind: str, ids: Sequence[str], **named: object) -> int:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise StoreError("the disk is full", everything=True)
        return await remove(kind, ids, **named)  # type: ignore[arg-type]

    store.remove = refusing  # type: ignore[method-assign]
    at = purger(store, path, AT + YEAR_MS)
    with pytest.raises(StoreError):
        await at.purge()
    assert len(left(path, "call")) == 2 * BATCH
    await at.purge()
    assert left(path, "call") == []
    assert totals(path) == {("2026-11", "201", "0113"): (3 * BATCH, 180 * BATCH)}
    with SqliteReader(path) as reader:
        counts = [record.count for record in reader.read("deletion") if isinstance(record, Deletion)]
    assert sorted(counts) == [BATCH, 2 * BATCH], "what went before the refusal is on record"


async def test_an_outlook_counts_and_changes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    records: list[Record] = [call(f"{n:04d}", AT - 5000 + n, line=f"20{1 + n % 2}") for n in range(PAGE + 7)]
    await store.commit([*records, call("next", AT + 5)], durable=True)
    before = path.stat().st_mtime_ns
    with SqliteReader(path) as reader:
        found = {(each.step.kind, str(each.step.retention)): each for each in outlook(reader, holds(hold()), days, now)}
    calls = found["call", "call"]
    assert calls.goes is not None
    assert calls.held is not None
    assert calls.goes.records + calls.held.records == PAGE + 7
    assert calls.held.records == (PAGE + 8) // 2
    assert (calls.held.oldest_at, calls.goes.oldest_at) == (AT - 5000, AT - 4999)
    assert calls.next_at == AT + 5 + YEAR_MS
    assert found["registration", "registration"].goes is None
    assert found["registration", "registration"].next_at is None
    assert path.stat().st_mtime_ns == before
    # and it is what the purge then does
    went = summed(await purger(store, path, now, lambda: holds(hold())).purge())
    assert went == {("call", "call", "cut"): calls.goes.records, ("call", "call", "held"): calls.held.records}


PURGING = """
import asyncio, sys
from pathlib import Path
from agent.stores.sqlite import SqliteStore
from agent.duties import retention
from tests.integration.purging import purger, holds, hold

retention.RESTS = 0
async def run(path, now):
    store = await SqliteStore.open(path)
    remove = store.remove
    async def told(kind, ids, **named):
        done = await remove(kind, ids, **named)
        print(kind, flush=True)
        return done
    store.remove = told
    await purger(store, path, now, lambda: holds(hold("h", "203"))).purge()

asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
"""


def purge_until_killed(path: Path, now: int, transactions: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PURGING, str(path), str(now)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for _ in range(transactions):
            running.stdout.readline()
        running.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("seed", range(4))
async def test_a_purge_that_is_killed_goes_on_where_it_was_and_counts_nothing_twice(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    draw = random.Random(seed)
    path, now = tmp_path / "agent.sqlite", AT + YEAR_MS
    store = await SqliteStore.open(path)
    calls = [
        call(f"{n:05d}", AT - 90_000 + n, line=f"20{1 + n % 3}", area=f"011{3 + n % 2}") for n in range(30 * BATCH)
    ]
    await store.commit(calls, durable=True)
    await store.close()
    expected: dict[tuple[str, str | None, str | None], tuple[int, int]] = {}
    for each in calls:
        if each.line != "203":
            count, seconds = expected.get(("2026-11", each.line, each.area), (0, 0))
            expected["2026-11", each.line, each.area] = (count + 1, seconds + 60)
    for _ in range(3):
        purge_until_killed(path, now, draw.randint(1, 8))
    store = await SqliteStore.open(path)
    gone = 30 * BATCH - len(left(path, "call"))
    assert gone > 0
    assert sum(count for count, _ in totals(path).values()) == gone, "each call is there, or in a total"
    await purger(store, path, now, lambda: holds(hold("h", "203"))).purge()
    await store.close()
    assert totals(path) == expected
    assert len(left(path, "call")) == 10 * BATCH
    with SqliteReader(path) as reader:
        deletions = [record for record in reader.read("deletion") if isinstance(record, Deletion)]
    assert sum(each.count for each in deletions if each.ground == "cut") == 20 * BATCH
