"""Personal fields in the store: locked as they are written, opened as they are read, and in nobody's way."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.core.audit import Trail
from agent.core.engine import Engine
from agent.core.lanes import Lane
from agent.core.normalise import Linker
from agent.core.personal import PERSONAL, owners_of_account
from agent.core.policy import Policy
from agent.core.records import (
    RECORDS,
    Audit,
    AuditUse,
    Call,
    Detail,
    Emergency,
    Hold,
    Look,
    Record,
    RetentionClass,
    Service,
    Text,
)
from agent.duties.locking import Locking
from agent.people.auditing import Auditing
from agent.people.control import Keeping
from agent.people.holds import Holding
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.sqlite.lines import Held
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.vault import Keyring
from agent.stores.vault.ring import Ring
from tests.contract.stored import AT, call, content, emergency, failure, optin, registration, text
from tests.core.test_disclosure import consent
from tests.integration.purging import hold, holds, purger

SITE_KEY = bytes(range(32))
NUMBER, FORWARDED = "01134960753", "07700900123"
WAIT_S = 60.0


class Ledger:
    """A store with a keyring, whose ``opening`` a test may put in the way."""

    def __init__(self, folder: Path) -> None:
        self.path, self.keys_path = folder / "store.db", folder / "keys"
        self.keyring = Keyring(self.keys_path, SITE_KEY)
        self.opening: Callable[[], Keyring] = lambda: self.keyring
        self.fields = Fields(self.path, lambda: self.opening(), lambda: AT)

    async def __aenter__(self) -> "Ledger":
        self.store = await SqliteStore.open(self.path, fields=self.fields)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()
        self.keyring.close()

    def read(self, kind: str = "call", *, fields: Fields | None = None) -> list[Record]:
        with SqliteReader(self.path, fields) as reader:
            return list(reader.read(kind))

    def handles(self, line: str) -> list[Held]:
        with SqliteReader(self.path, self.fields) as reader:
            return reader.handles_of(line)

    def bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.path.parent.iterdir() if path.is_file())


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(tmp_path) as ledger:
        yield ledger


async def test_what_may_be_held_stays_while_nobody_can_tell_whose_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.duties.retention.RESTS", 0)
    spans = [registration(line, line=line, ended_at=AT) for line in ("201", "202")]
    await ledger.store.commit([*spans, emergency("e", ended_at=AT, links=())], durable=True)
    standing = holds(hold("h", "201"))
    now = AT + 400 * DAY_MS
    without_key = purger(ledger.store, ledger.path, now, lambda: standing)
    await without_key.purge()
    assert len(ledger.read("registration")) == 2
    # of what no hold is on it does not matter whose it is
    assert ledger.read("emergency") == []
    with_key = purger(ledger.store, ledger.path, now, lambda: standing, fields=ledger.fields)
    await with_key.purge()
    assert ledger.read("registration", fields=ledger.fields) == [spans[0]]


CALL = call("c1", number=NUMBER, forwarded=FORWARDED)


async def test_a_number_stands_in_no_file_and_is_read_back(ledger: Ledger) -> None:
    await ledger.store.commit([CALL], durable=True)
    assert ledger.read(fields=ledger.fields) == [CALL]
    assert await ledger.store.checkpoint()
    for written in (NUMBER, FORWARDED):
        assert written.encode() not in ledger.bytes()


async def test_who_has_no_site_key_sees_that_it_is_locked(ledger: Ledger) -> None:
    await ledger.store.commit([CALL], durable=True)
    (seen,) = ledger.read()
    assert seen == replace(CALL, line="locked", number="locked", forwarded="locked")

    def closed() -> Keyring:
        raise StoreError("permission denied")

    assert ledger.read(fields=Fields(ledger.path, closed, lambda: AT)) == [seen]


async def test_a_destroyed_key_takes_the_number_and_leaves_the_rest(ledger: Ledger) -> None:
    other = call("c2", line="202", number=NUMBER)
    await ledger.store.commit([CALL, other], durable=True)
    (held,) = ledger.handles("201")
    ledger.keyring.destroy_account(held.handle)
    assert ledger.read(fields=ledger.fields) == [replace(CALL, line="erased", number=None, forwarded=None), other]
    assert ledger.handles("201") == []
    again = call("c3", number=NUMBER)
    await ledger.store.commit([again], durable=True)
    assert ledger.read(fields=ledger.fields)[2] == again
    assert [each.handle for each in ledger.handles("201")] != [held.handle]


async def test_what_costs_nothing_expires_apart_from_what_is_billed(ledger: Ledger) -> None:
    free = call("c2", number=NUMBER, itemised=False)
    await ledger.store.commit([CALL, free], durable=True)
    assert ledger.keyring.expire_periods(AT + 40 * 86_400_000, "unbilled") == ["2026-11"]
    assert ledger.read(fields=ledger.fields) == [CALL, replace(free, number=None)]


async def test_values_of_before_there_were_keys_are_read_as_they_are(tmp_path: Path) -> None:
    plain = await SqliteStore.open(tmp_path / "store.db")
    await plain.commit([CALL], durable=True)
    await plain.close()
    async with Ledger(tmp_path) as ledger:
        later = call("c2", number=NUMBER)
        await ledger.store.commit([later], durable=True)
        assert ledger.read(fields=ledger.fields) == [CALL, later]


async def test_a_value_that_was_moved_to_another_field_does_not_open(ledger: Ledger) -> None:
    await ledger.store.commit([CALL], durable=True)
    database = ledger.store.writer.database
    await database.execute("UPDATE calls SET number = forwarded")
    assert ledger.read(fields=ledger.fields) == [replace(CALL, number="locked")]


class Slow:
    """A keyring that is not to be had before ``go``."""

    def __init__(self, ledger: Ledger) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self._ledger = ledger

    def __call__(self) -> Keyring:
        self.asked.set()
        assert self.go.wait(WAIT_S)
        return self._ledger.keyring


class Flow:
    """A pipeline into the ledger's store, and what was stored, in order."""

    def __init__(self, ledger: Ledger) -> None:
        self.pipeline = Pipeline(Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: "id"), ledger.store)
        self.stored: list[str] = []
        self._told = asyncio.Event()
        self.pipeline.observers.append(self._observe)

    async def __aenter__(self) -> "Flow":
        self._running = asyncio.create_task(self.pipeline.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    def _observe(self, lane: Lane, records: object, seconds: float) -> None:
        assert isinstance(records, list | tuple)
        self.stored += [record.id for record in records]
        self._told.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.stored) < count:
                self._told.clear()
                await self._told.wait()


async def test_an_emergency_goes_before_calls_that_wait_for_their_keys(ledger: Ledger) -> None:
    slow = Slow(ledger)
    ledger.opening = slow
    async with Flow(ledger) as flow:
        flow.pipeline.put([CALL, failure("f1")])
        assert await asyncio.to_thread(slow.asked.wait, WAIT_S)
        flow.pipeline.put([emergency("e1")])
        await flow.until(1)
        assert flow.stored == ["e1"]
        slow.go.set()
        await flow.until(3)
        assert sorted(flow.stored[1:]) == ["c1", "f1"]
    assert ledger.read(fields=ledger.fields) == [CALL]


async def test_an_emergency_goes_before_calls_whose_keys_were_destroyed_as_they_were_about_to_be_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    destroyed, asked, go = False, threading.Event(), threading.Event()
    lock, fetch = ledger.fields.lock, ledger.fields.fetch

    def destroying(record: Record, row: dict[str, Any]) -> bool | None:
        nonlocal destroyed
        if not destroyed and record.KIND == "call":
            destroyed = True
            with Keyring(ledger.keys_path, SITE_KEY).ring.change(destroys=True) as connection:
                connection.execute("UPDATE accounts SET fields_until = NULL")
        return lock(record, row)

    def slow(records: Iterable[Record]) -> None:
        if destroyed:
            asked.set()
            assert go.wait(WAIT_S)
        fetch(records)

    monkeypatch.setattr(ledger.fields, "lock", destroying)
    monkeypatch.setattr(ledger.fields, "fetch", slow)
    async with Flow(ledger) as flow:
        flow.pipeline.put([CALL])
        assert await asyncio.to_thread(asked.wait, WAIT_S)
        flow.pipeline.put([emergency("e1")])
        await flow.until(1)
        assert flow.stored == ["e1"]
        go.set()
        await flow.until(2)
    assert ledger.read(fields=ledger.fields) == [CALL]
    assert flow.pipeline.store_errors == 0


async def test_without_its_keyring_calls_wait_and_nothing_is_stored_in_clear(ledger: Ledger) -> None:
    def broken() -> Keyring:
        raise StoreError("the keyring is damaged", "restore it")

    whole, ledger.opening = ledger.opening, broken
    async with Flow(ledger) as flow:
        refused = asyncio.Event()
        flow.pipeline.refusals.append(lambda error, records: refused.set())
        flow.pipeline.put([CALL])
        async with asyncio.timeout(WAIT_S):
            await refused.wait()
        flow.pipeline.put([emergency("e1")])
        await flow.until(1)
        assert flow.stored == ["e1"]
        assert flow.pipeline.lanes.depth(Lane.ORDINARY) or not ledger.read()
        ledger.opening = whole
        await flow.until(2)
    assert ledger.read(fields=ledger.fields) == [CALL]
    assert NUMBER.encode() not in ledger.bytes()


async def test_a_look_at_an_emergency_is_not_refused_because_its_entry_in_the_audit_waits_for_keys(
    ledger: Ledger,
) -> None:
    def broken() -> Keyring:
        raise StoreError("the keyring is damaged", "restore it")

    ledger.opening = broken
    trail = Trail(key=bytes(32), new_id=lambda: "a1", new_salt=lambda: "0f" * 16)
    entry = trail.note(at=AT, by="sam", use=AuditUse.VIEWED, subject="e1", reason="they rang")
    refused: list[str] = []
    async with Flow(ledger) as flow:
        flow.pipeline.refusals.append(lambda error, records: refused.extend(record.id for record in records))
        keeping = Keeping(flow.pipeline)
        flow.pipeline.put(entry)
        await keeping.keep([Look(id="l1", at=AT, by="sam", emergency="e1", reason="they rang")])
        assert "l1" not in refused
        assert set(refused) == {"a1"}
    assert [each.id for each in ledger.read("look")] == ["l1"]


async def test_a_commit_without_keys_writes_nothing_but_an_emergency(ledger: Ledger) -> None:
    def broken() -> Keyring:
        raise StoreError("the keyring is damaged", "restore it")

    ledger.opening = broken
    for record in (CALL, SPAN, optin("o1"), content("c1")):
        with pytest.raises(StoreError, match="damaged"):
            await ledger.store.commit([emergency("e1"), record], durable=True)
    await ledger.store.commit([emergency("e2")], durable=True)
    assert [each.id for kind in ("call", "registration", "optin", "content") for each in ledger.read(kind)] == []
    assert [each.id for each in ledger.read("emergency")] == ["e2"]


async def test_a_key_that_goes_while_calls_are_written_is_made_anew(ledger: Ledger) -> None:
    await ledger.store.commit([CALL], durable=True)
    with Keyring(ledger.keys_path, SITE_KEY).ring.change(destroys=True) as connection:
        connection.execute("UPDATE accounts SET fields_until = NULL")
    later = call("c2", number=NUMBER)
    assert isinstance(later, Call)
    await ledger.store.commit([later], durable=True)
    assert ledger.read(fields=ledger.fields) == [CALL, later]


# Lines


SPAN = registration("r1", line="201", ip="203.0.113.7")


async def test_a_line_stands_in_no_file_and_its_records_are_found_by_it(ledger: Ledger) -> None:
    name = "line-of-somebody"
    span, other = replace(SPAN, line=name), replace(SPAN, id="r2", line="202")
    await ledger.store.commit([span, other, replace(CALL, line=name)], durable=True)
    with SqliteReader(ledger.path, ledger.fields) as reader:
        assert list(reader.read("registration", line=name)) == [span]
        assert list(reader.read("call", line=name, limit=1)) == [replace(CALL, line=name)]
        assert sorted(reader.lines("registration")) == ["202", name]
    assert await ledger.store.checkpoint()
    for written in (name, "203.0.113.7"):
        assert written.encode() not in ledger.bytes()


async def test_a_line_that_passes_on_has_another_handle_and_all_of_it_is_found(ledger: Ledger) -> None:
    await ledger.store.commit([SPAN], durable=True)
    (first,) = ledger.handles("201")
    await ledger.store.retire_lines({"201": AT + 1}, AT + 1)
    later = replace(SPAN, id="r2", first_seen=AT + 2)
    await ledger.store.commit([later], durable=True)
    ended, current = ledger.handles("201")
    assert (ended.handle, ended.until_at, current.until_at) == (first.handle, AT + 1, None)
    ledger.keyring.destroy_account(ended.handle)
    with SqliteReader(ledger.path, ledger.fields) as reader:
        assert list(reader.read("registration", line="201")) == [later]
        erased, kept = reader.read("registration")
    assert (erased, kept) == (replace(SPAN, line="erased", ip=None), later)


async def test_the_next_start_takes_up_the_same_handles_and_what_is_open(tmp_path: Path) -> None:
    async with Ledger(tmp_path) as ledger:
        await ledger.store.commit([SPAN], durable=True)
        before = ledger.handles("201")
    async with Ledger(tmp_path) as ledger:
        assert await ledger.store.open_records() == [SPAN]
        await ledger.store.commit([replace(SPAN, id="r2")], durable=True)
        assert ledger.handles("201") == before


async def test_a_start_looks_at_the_keyring_once_for_hundreds_of_phones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at each value of each of 100,000 phones was a third of the seconds in which nobody hears a 999."""
    spans = [replace(SPAN, id=f"r{number}", line=f"l{number}") for number in range(600)]
    async with Ledger(tmp_path) as ledger:
        await ledger.store.commit(spans, durable=True)
    async with Ledger(tmp_path) as ledger:
        looks, look = 0, Ring._counter

        def counted(ring: Ring) -> bytes:
            nonlocal looks
            looks += 1
            return look(ring)

        monkeypatch.setattr(Ring, "_counter", counted)
        assert {record.id for record in await ledger.store.open_records()} == {span.id for span in spans}
        assert looks < 60


async def test_a_start_without_the_keyring_spoils_nothing_that_is_locked(tmp_path: Path) -> None:
    open_call = emergency("e1", ip="203.0.113.7")
    async with Ledger(tmp_path) as ledger:
        await ledger.store.commit([SPAN], durable=True)
        await ledger.store.commit([open_call], durable=True)

    def broken() -> Keyring:
        raise StoreError("the keyring is damaged")

    async with Ledger(tmp_path) as ledger:
        whole, ledger.opening = ledger.opening, broken
        (restored,) = (each for each in await ledger.store.open_records() if isinstance(each, Emergency))
        await ledger.store.commit([replace(restored, attempts=1)], durable=True)
        ledger.opening = whole
        assert ledger.read("emergency", fields=ledger.fields) == [replace(open_call, attempts=1)]


async def test_a_hold_that_cannot_be_read_at_a_start_keeps_everything_and_is_spoilt_by_nothing(tmp_path: Path) -> None:
    placed = hold("h1", "202", from_at=AT)
    async with Ledger(tmp_path) as ledger:
        await ledger.store.commit([placed], durable=True)

    def broken() -> Keyring:
        raise StoreError("the keyring is damaged")

    async with Ledger(tmp_path) as ledger:
        whole, ledger.opening = ledger.opening, broken
        engine = Engine(policy=Policy(), link=Linker(bytes(32)), new_id=lambda: "0" * 16)
        pipeline = Pipeline(engine, ledger.store)
        holding = Holding(
            pipeline=pipeline,
            keeping=Keeping(pipeline),
            auditing=cast(Auditing, None),
            reader=lambda: SqliteReader(ledger.path, ledger.fields),
            clock=lambda: AT,
            new_id=lambda: "0" * 16,
        )
        await holding.restore(await ledger.store.open_records())
        assert holding.holds.keeps("call", "201", AT, AT), "it may be on this line"
        (unread,) = holding.holds.unread()
        ledger.opening = whole
        await ledger.store.commit([replace(unread, review_at=AT + DAY_MS)], durable=True)
        await holding.locate()
        assert not holding.holds.keeps("call", "201", AT, AT)
        assert holding.holds.keeps("call", "202", AT, AT)
        assert ledger.read("hold", fields=ledger.fields) == [replace(placed, review_at=AT + DAY_MS)]
        with SqliteReader(ledger.path) as reader:
            assert [each.lines for each in reader.open(Hold)] == [("locked",)]


async def test_what_an_accounts_lines_are_is_never_guessed(ledger: Ledger) -> None:
    theirs = Service(id="s1", account="A1", line="201", from_at=AT)
    await ledger.store.commit([theirs], durable=True)
    with SqliteReader(ledger.path, ledger.fields) as reader:
        assert reader.of(Service, "A1") == list(reader.read("service", line="201")) == [theirs]
    with SqliteReader(ledger.path) as reader, pytest.raises(StoreError, match="cannot be read now"):
        reader.of(Service, "A1")
    ledger.keyring.destroy_account("account A1")
    with SqliteReader(ledger.path, ledger.fields) as reader:
        assert reader.services(line="201") == list(reader.read("service", line="201")) == []
        assert reader.of(Service, "A1") == [replace(theirs, line=None)]


async def test_an_account_and_whom_the_audit_is_about_have_keys_of_their_own_though_all_are_called_the_same(
    ledger: Ledger,
) -> None:
    theirs = Service(id="s1", account="201", line="205", from_at=AT)
    trail = Trail(key=bytes(32), new_id=lambda: "a1", new_salt=lambda: "0f" * 16)
    looked = trail.note(at=AT, by="sam", use=AuditUse.SHOWN, subject="201", reason="asked")
    ledger.keyring.seal("ab" * 8, "201")
    await ledger.store.commit([theirs, *looked, CALL], durable=True)
    for owner in owners_of_account("201"):
        assert ledger.keyring.destroy_account(owner) == [], "the recording of the line is in nobody's way"
    (audited,) = (each for each in ledger.read("audit", fields=ledger.fields) if isinstance(each, Audit))
    assert (audited.subject, audited.reason) == (None, "erased")
    assert ledger.read("service", fields=ledger.fields) == [replace(theirs, line=None)]
    assert ledger.read(fields=ledger.fields) == [CALL]


# What stands in clear


async def test_an_emergency_is_stored_at_once_and_locked_later(ledger: Ledger) -> None:
    slow = Slow(ledger)
    ledger.opening = slow
    called = emergency("e1", ip="203.0.113.7")
    told = Detail(id="d1", emergency="e1", cli="+441134960000", address="Wellington Street", contact="porter")
    await ledger.store.commit([called, told], durable=True)
    assert not slow.asked.is_set(), "it waits for no key"
    assert ledger.read("emergency") == [called]
    slow.go.set()
    locking = Locking(ledger.store, ledger.store.checkpoint)
    await locking.once()
    assert locking.left == 0
    assert ledger.read("emergency", fields=ledger.fields) == [called]
    assert ledger.read("detail", fields=ledger.fields) == [told]
    for written in ("203.0.113.7", "Wellington", "+441134960000", "porter"):
        assert written.encode() not in ledger.bytes()


async def test_what_was_stored_before_there_were_keys_is_locked(tmp_path: Path) -> None:
    given = optin("o1", by="sam", purpose="for training")
    sent, called = text("t1", number=NUMBER), emergency("e1", ip="203.0.113.9")
    kept = hold("h1", "203-hold", authority="the court at Leeds", reviewer="kim")
    told = consent(lines="203-told", by="alex")
    theirs = Service(id="s1", account="A1", line="203-line", from_at=AT, correction="said so")
    written: list[Record] = [SPAN, called, CALL, given, content("c1"), sent, kept, told, theirs]
    plain = await SqliteStore.open(tmp_path / "store.db")
    await plain.commit(written, durable=True)
    await plain.close()
    async with Ledger(tmp_path) as ledger:
        assert await ledger.store.unlocked() == len(written)
        locking = Locking(ledger.store, ledger.store.checkpoint)
        await locking.once()
        assert locking.left == 0
        for record in written:
            assert ledger.read(record.KIND, fields=ledger.fields) == [record]
        with SqliteReader(ledger.path, ledger.fields) as reader:
            assert list(reader.having(Call, NUMBER)) == [CALL]
            assert list(reader.having(Text, NUMBER)) == [sent]
            assert reader.services(line="203-line") == [theirs]
            assert reader.services(line="203") == []
    clear = (NUMBER, FORWARDED, "203.0.113.7", "203.0.113.9", "for training", "203-", "Leeds", "kim", "alex")
    for value in clear:
        assert value.encode() not in ledger.bytes()


async def test_a_state_that_came_meanwhile_is_not_put_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    called = emergency("e1", ip="203.0.113.7")
    await ledger.store.commit([called], durable=True)
    fetch = ledger.fields.fetch

    def later(records: Iterable[Record]) -> None:
        fetch(records)
        with closing(sqlite3.connect(ledger.path)) as other:
            other.execute("UPDATE emergencies SET ip = '203.0.113.8'")
            other.commit()

    monkeypatch.setattr(ledger.fields, "fetch", later)
    await ledger.store.lock_some()
    monkeypatch.undo()
    await ledger.store.lock_some()
    assert ledger.read("emergency", fields=ledger.fields) == [replace(called, ip="203.0.113.8")]


# Expiry


DAY_MS = 86_400_000


async def test_a_key_expires_once_no_record_of_its_month_is_left(ledger: Ledger) -> None:
    free = call("c2", number=NUMBER, itemised=False)
    held = call("c3", at=AT + 1, number=NUMBER, itemised=False)
    await ledger.store.commit([CALL, free, held], durable=True)
    after = AT + 40 * DAY_MS
    await ledger.store.remove("call", ["c2"])
    assert await ledger.store.expire(RetentionClass.UNBILLED, after) == []
    await ledger.store.remove("call", ["c3"])
    assert await ledger.store.expire(RetentionClass.UNBILLED, after) == ["2026-11"]
    assert ledger.read(fields=ledger.fields) == [CALL]


async def test_what_stands_for_years_outlives_every_month(ledger: Ledger) -> None:
    given = optin("o1", by="sam", purpose="for training")
    await ledger.store.commit([given, SPAN], durable=True)
    years = AT + 4000 * DAY_MS
    for retention in RetentionClass:
        await ledger.store.expire(retention, years)
    assert ledger.read("optin", fields=ledger.fields) == [given]
    assert ledger.read("registration", fields=ledger.fields) == [SPAN]


@pytest.mark.parametrize("record", [kind for kind in RECORDS if PERSONAL[kind]], ids=lambda kind: kind.KIND)
def test_every_kind_with_personal_fields_tells_its_oldest(record: type[Record]) -> None:
    assert f"oldest_{record.KIND}" in STATEMENTS, f"queries.sql: with which month's key is the oldest {record.KIND}?"
