"""The figures for planning are made once, before the calls go, whatever is cut off when."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from agent.core.instants import from_rfc3339
from agent.core.records import Aggregate, Record, Traffic
from agent.duties import retention
from agent.duties.aggregating import Aggregating
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.integration.commands import one_sentence, told
from tests.integration.purging import DAY_MS, days, purger
from tests.integration.test_purge import call, left, span

DAY = from_rfc3339("2026-10-05T00:00:00Z")
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RESTS", 0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    yield store
    await store.close()


def aggregating(store: SqliteStore, path: Path, now: int) -> Aggregating:
    return Aggregating(store=store, reader=lambda: SqliteReader(path), days=days, clock=lambda: now)


def day(at: int, lines: int = 12) -> list[Record]:
    """Each of so many lines calls at 9 and is called at 10 that day."""
    return [
        each
        for n in range(lines)
        for each in (
            call(f"{at} o {n:02d}", at + 9 * HOUR_MS + n, line=f"2{n:02d}"),
            call(f"{at} i {n:02d}", at + 10 * HOUR_MS + n, line=f"2{n:02d}", itemised=False),
        )
    ]


def figures(path: Path, kind: str = "traffic") -> list[str]:
    with SqliteReader(path) as reader:
        return sorted(record.id for record in reader.read(kind))


async def test_each_day_is_made_once_two_days_after_its_end(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    await store.commit([*day(DAY), *day(DAY + DAY_MS), *day(DAY + 2 * DAY_MS, 3)], durable=True)
    assert await aggregating(store, path, DAY + 3 * DAY_MS - 1).build() == 0
    assert await aggregating(store, path, DAY + 3 * DAY_MS).build() == 1
    assert figures(path) == ["2026-10-05 10 incoming geographic", "2026-10-05 9 outgoing geographic"]
    assert await aggregating(store, path, DAY + 5 * DAY_MS).build() == 2
    assert len(figures(path)) == 4, "of the third day there are too few lines for any"
    assert await aggregating(store, path, DAY + 5 * DAY_MS).build() == 0
    with SqliteReader(path) as reader:
        made = [each for each in reader.read("aggregate") if isinstance(each, Aggregate)]
    assert [(each.of, each.period_at, each.cells) for each in made] == [
        ("traffic", DAY, 2),
        ("traffic", DAY + DAY_MS, 2),
        ("traffic", DAY + 2 * DAY_MS, 0),
    ]


async def test_what_is_told_later_changes_no_figure(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    await store.commit(day(DAY), durable=True)
    await aggregating(store, path, DAY + 9 * DAY_MS).build()
    with SqliteReader(path) as reader:
        before = list(reader.read("traffic"))
    await store.commit([call("late", DAY + 9 * HOUR_MS, line="299")], durable=True)
    await aggregating(store, path, DAY + 9 * DAY_MS).build()
    with SqliteReader(path) as reader:
        assert list(reader.read("traffic")) == before


async def test_no_call_goes_before_its_day_is_made(store: SqliteStore, tmp_path: Path) -> None:
    path, now = tmp_path / "agent.sqlite", DAY + 400 * DAY_MS
    await store.commit(day(DAY), durable=True)
    made = aggregating(store, path, now)

    async def refused() -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        await purger(store, path, now, before=refused).purge()
    assert len(left(path, "call")) == 24
    await purger(store, path, now, before=made.build).purge()
    assert left(path, "call") == []
    assert len(figures(path)) == 2


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_day_that_was_cut_off_is_made_anew_from_the_same(
    store: SqliteStore, tmp_path: Path, after: int
) -> None:
    path, now = tmp_path / "agent.sqlite", DAY + 9 * DAY_MS
    # several transactions of figures
    await store.commit([each for n in range(12) for each in day(DAY + n * HOUR_MS)], durable=True)
    commit, turns = store.commit, 0

    async def killed(records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        nonlocal turns
        turns += 1
        if turns > after:
            raise StoreError("killed")
        await commit(records, durable=durable, prepared=prepared)

    store.commit = killed  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        await aggregating(store, path, now).build()
    store.commit = commit  # type: ignore[method-assign]
    assert figures(path, "aggregate") == []
    assert await aggregating(store, path, now).build() == 9 - 2
    with SqliteReader(path) as reader:
        whole = [each for each in reader.read("traffic") if isinstance(each, Traffic)]
    assert sum(each.attempts for each in whole) == 12 * 24
    assert len(whole) == 24


async def test_the_devices_of_a_month_are_made_when_it_is_over(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    spans = [span(f"{n}", DAY + 9 * DAY_MS, line=f"2{n:02d}") for n in range(10)]
    await store.commit([*spans, span("november", DAY + 40 * DAY_MS, line="299")], durable=True)
    november = from_rfc3339("2026-11-01T00:00:00Z")
    assert await aggregating(store, path, november + 2 * DAY_MS - 1).build() == 0
    assert await aggregating(store, path, november + 2 * DAY_MS).build() == 1
    assert figures(path, "devices") == ["2026-10-01 Yealink T46U 108"]


async def test_traffic_is_shown_by_day_with_its_busy_hour(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    await store.commit([*day(DAY), *(span(f"{n}", DAY, line=f"2{n:02d}") for n in range(10))], durable=True)
    await aggregating(store, tmp_path / "agent.sqlite", DAY + 60 * DAY_MS).build()
    (row,) = [json.loads(each) for each in told("traffic", "--json", cwd=tmp_path).stdout.splitlines()]
    assert row == {
        "day": "2026-10-05",
        "attempts": 24,
        "asr": 1.0,
        "erlangs": 0.019,
        "busy_hour": 9,
        "busy_erlangs": 0.233,
        "unplaced": 0,
    }
    cells = [json.loads(each) for each in told("traffic", "--cells", "--json", cwd=tmp_path).stdout.splitlines()]
    assert [(each["clock_hour"], each["direction"], each["lines"]) for each in cells] == [
        (10, "incoming", 12),
        (9, "outgoing", 12),
    ]
    made = told("traffic", "--devices", cwd=tmp_path)
    assert "T46U" in made.stdout
    assert "2026-10-05" in told("traffic", cwd=tmp_path).stdout
    assert told("traffic", "--since", "2026-10-06", "--json", cwd=tmp_path).stdout == ""
    one_sentence(told("traffic", "--since", "soon", cwd=tmp_path), 2)
