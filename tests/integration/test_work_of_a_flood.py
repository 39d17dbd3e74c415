"""What a flood costs, counted and never timed: looks, parsings, statements and commits; `make bench` has the times."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from agent.core.engine import Engine
from agent.core.lanes import BATCH, Lane
from agent.core.normalise import WANTED, Linker
from agent.core.policy import Policy
from agent.core.records import Call, CallOutcome, Direction, NumberClass, Registration
from agent.pipeline import Pipeline
from agent.sources import ami_session
from agent.sources.ami import Address, AmiSource, Credentials
from agent.sources.ami_connection import Connection
from agent.stores.sqlite import SqliteStore
from tests.lab.events import Unit, busy, made

NOON_S = 1_795_348_800
PHONES = 500
#: Rows of one statement; see `agent.stores.sqlite.statements`.
ROWS = 16


class NoTransport(asyncio.Transport):
    """A connection that ends nowhere."""

    def is_closing(self) -> bool:
        return False


@dataclass
class Flooded:
    """A bulk session whose bytes come from here, and what comes of them."""

    pipeline: Pipeline
    source: AmiSource
    units: list[Unit] = field(default_factory=lambda: list(busy([made(number) for number in range(PHONES)])))

    def __post_init__(self) -> None:
        self.connection = Connection(self.source.bulk._take)
        self.connection.connection_made(NoTransport())
        self.connection.data_received(b"Asterisk Call Manager/11.0.0\r\n")
        for number in range(PHONES):
            self.connection.data_received(made(number).described(NOON_S + 3600))
        self.round(NOON_S)

    def round(self, second: int) -> None:
        """All of the flood's events once, in chunks as they come from the kernel."""
        data = b"".join(unit.at_second(second) for unit in self.units)
        for start in range(0, len(data), 1 << 15):
            self.connection.data_received(data[start : start + (1 << 15)])
        self.pipeline.tick(second * 1000)

    @property
    def events(self) -> int:
        """In one round."""
        return sum(unit.events for unit in self.units)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def flooded(store: SqliteStore) -> Flooded:
    ids: Iterator[int] = count()
    engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"{next(ids):08}")
    pipeline = Pipeline(engine, store)
    login = Credentials(username="agent", secret="s3cret")
    source = AmiSource(
        address=Address(host="127.0.0.1", port=1),
        credentials=login,
        wanted=WANTED,
        listener=pipeline,
        clock=lambda: NOON_S * 1000,
    )
    return Flooded(pipeline, source)


async def test_only_what_is_wanted_is_parsed_and_hardly_anything_else_looked_at(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: Counter[str] = Counter()

    def counted(name: str) -> None:
        does = getattr(ami_session, name)

        def does_so(raw: bytes) -> object:
            work[name] += 1
            return does(raw)

        monkeypatch.setattr(ami_session, name, does_so)

    counted("parse")
    counted("name_of")
    heard, seen = flooded.source.bulk.wanted_messages, flooded.source.bulk.received_messages
    flooded.round(NOON_S + 1)
    wanted = sum(unit.wanted for unit in flooded.units)
    assert (flooded.source.bulk.received_messages - seen, flooded.source.bulk.wanted_messages - heard) == (
        flooded.events,
        wanted,
    )
    assert work == {"parse": wanted, "name_of": wanted}


async def test_a_flood_leaves_nothing_behind_in_memory(flooded: Flooded) -> None:
    def held(rounds: range) -> int:
        for number in rounds:
            # A minute apart: what is remembered of calls that are over has its time.
            flooded.round(NOON_S + 61 * number)
            flooded.pipeline.lanes.take(1_000_000)
        return sys.getallocatedblocks()

    before = held(range(1, 4))
    assert held(range(4, 12)) - before < flooded.events / 10, "blocks of memory, of eight times so many events"


async def test_a_phone_that_registers_again_waits_once_in_its_latest_state(flooded: Flooded) -> None:
    for number in (1, 2, 3):
        flooded.round(NOON_S + number)
    assert flooded.pipeline.lanes.depth(Lane.ORDINARY) == PHONES
    lane = flooded.pipeline.lanes.waiting(Lane.ORDINARY)
    assert {record.refreshes for record in lane if isinstance(record, Registration)} == {4}


async def test_a_thousand_records_are_so_few_commits_and_statements(flooded: Flooded, store: SqliteStore) -> None:
    records = 1_000
    flooded.pipeline.lanes.take(1_000_000)
    flooded.pipeline.put(_call(number) for number in range(records))
    statements: list[str] = []
    await store.writer.database.set_trace_callback(statements.append)
    await flooded.pipeline.drain()
    kinds = Counter(statement.split(maxsplit=1)[0] for statement in statements)
    commits = -(-records // BATCH)
    assert kinds["COMMIT"] == kinds["BEGIN"] == commits
    # A whole batch is four statements of 16 rows; the last one, of 40, is two of 16 and two of 4.
    assert kinds["INSERT"] == (commits - 1) * BATCH // ROWS + 4
    assert len(statements) <= kinds["INSERT"] + 3 * commits


def _call(number: int) -> Call:
    return Call(
        id=f"{number:032}",
        call=f"{number:032}",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number="07700900123",
        started_at=NOON_S * 1000 + number,
        duration_s=9,
        billable_s=7,
        outcome=CallOutcome.ANSWERED,
        itemised=True,
    )
