"""What every store promises of the audit: written once, and deleted by whole months."""

from dataclasses import replace

from agent.core.records import (
    Audit,
    SegmentRoot,
)
from agent.stores.sqlite import SqliteStore
from tests.contract.stored import AT, HOUR, Backend, month_of_audit, purged


async def test_an_entry_of_the_audit_is_written_once(store: SqliteStore, backend: Backend) -> None:
    written = month_of_audit("2026-11", AT, 3)
    await store.commit(written, durable=True)
    changed = [replace(record, chain="another") for record in written]
    await store.commit(changed, durable=True)
    with backend.reader() as reader:
        assert [*reader.of(Audit, "2026-11"), *reader.read("segment_root")] == written


async def test_an_audit_goes_on_from_its_last_entry_and_its_last_root(store: SqliteStore) -> None:
    before, now = month_of_audit("2026-10", AT, 3), month_of_audit("2026-11", AT + 2 * HOUR, 12, closed=False)
    await store.commit([*now, *before, *month_of_audit("2026-09", AT - 2 * HOUR, 1)], durable=True)
    assert set(await store.open_records()) == {before[-1], now[-1]}


async def test_the_audit_goes_by_whole_months_from_the_first_entry_on(store: SqliteStore, backend: Backend) -> None:
    old, new = month_of_audit("2026-10", AT, 5), month_of_audit("2026-11", AT + 2 * HOUR, 5, closed=False)
    await store.commit([*old, *new], durable=True)
    assert await purged(store, backend, "audit", AT + HOUR) == 0, "not before its month has been closed for so long"
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 0, "no root goes before its entries"
    left = [5]
    while await purged(store, backend, "audit", AT + 9 * HOUR, limit=2):
        with backend.reader() as reader:
            of_old = reader.of(Audit, "2026-10")
            assert of_old == old[5 - len(of_old) : 5], "what is left leads to the root"
            left.append(len(of_old))
            assert reader.of(Audit, "2026-11") == new
    assert left == [5, 3, 1, 0]
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 0, "the last root begins what follows"
    later = SegmentRoot(
        id="later", segment="2026-11", entries=5, head="h", closed_at=AT + 20 * HOUR, previous="", chain=""
    )
    await store.commit([later], durable=True)
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 1
