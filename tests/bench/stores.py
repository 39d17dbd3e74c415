"""Stores as they are after a year: accounts, their lines, and calls, written as the agent's own rows."""

import random
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from agent.core.records import Account, Call, CallOutcome, Direction, NumberClass, Record, Service
from agent.stores.sqlite import Fields
from agent.stores.sqlite.opening import prepare
from agent.stores.sqlite.rows import to_row
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.vault import Keyring
from agent.stores.vault.sealed import KEY_BYTES

DAY_MS = 86_400_000
#: Calls that a line has in a year, and lines that an account has.
CALLS_A_LINE, LINES_AN_ACCOUNT = 2_000, 4
_ROWS = 20_000
_SHARE_BILLED = 0.7
_AREAS = {NumberClass.GEOGRAPHIC: ("0113", "020", "01632"), NumberClass.MOBILE: ("07",)}


def lines(calls: int) -> list[str]:
    """The lines of a store of so many calls."""
    return [f"L{number:06}" for number in range(max(10, calls // CALLS_A_LINE))]


@contextmanager
def fields_of(path: Path, now: int) -> Iterator[Fields]:
    """What locks the personal fields of the store at ``path``, with a keyring of its own beside it."""
    with closing(Keyring(path.with_name(path.name + ".keys"), secrets.token_bytes(KEY_BYTES))) as keyring:
        yield Fields(path, lambda: keyring, lambda: now)


def fill(path: Path, calls: int, now: int, fields: Fields | None = None, *, days: int = 366, seed: int = 5) -> None:
    """Make the store at ``path``: calls of the last ``days`` days before ``now`` (ms), those that cost nothing of 31.

    So it is what a day of the agent finds: of each class one day is past its term. ``fields`` locks what is personal.
    """
    prepare(path).release()
    names = lines(calls)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -262144")
        _written(database, _accounts(names, now - days * DAY_MS), fields)
        _written(database, _calls(calls, names, now, days, random.Random(seed)), fields)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _written(database: sqlite3.Connection, records: Iterable[Record], fields: Fields | None) -> None:
    for chunk in _chunks(records):
        rows = [(record, to_row(record)) for record in chunk]
        handles: list[dict[str, Any]] = []
        if fields is not None:
            fields.fetch(chunk)
            for record, row in rows:
                assert fields.lock(record, row)
            handles = fields.new_lines(row for _, row in rows)
        database.execute("BEGIN IMMEDIATE")
        database.executemany(STATEMENTS["upsert_line"], handles)
        for kind in dict.fromkeys(record.KIND for record in chunk):
            database.executemany(STATEMENTS[f"upsert_{kind}"], (row for record, row in rows if kind == record.KIND))
        database.execute("COMMIT")
        if fields is not None:
            fields.saved(handles)


def _chunks(records: Iterable[Record]) -> Iterator[Sequence[Record]]:
    each = iter(records)
    while chunk := list(islice(each, _ROWS)):
        yield chunk


def _accounts(names: Sequence[str], since: int) -> Iterator[Record]:
    for number, name in enumerate(names):
        account = f"A{number // LINES_AN_ACCOUNT:06}"
        if number % LINES_AN_ACCOUNT == 0:
            yield Account(id=f"{number:016x}", account=account, opened_at=since)
        yield Service(id=f"{number:016x}", account=account, line=name, from_at=since)


def _calls(count: int, names: Sequence[str], now: int, days: int, draw: random.Random) -> Iterator[Call]:
    """Oldest first, as they come."""
    billed = int(count * _SHARE_BILLED)
    instants = [now - draw.randrange(days * DAY_MS) for _ in range(billed)]
    free = {now - draw.randrange(31 * DAY_MS) for _ in range(count - billed)}
    for at in sorted((*instants, *free)):
        yield _call(at, names[draw.randrange(len(names))], draw, itemised=at not in free)


def _call(at: int, line: str, draw: random.Random, *, itemised: bool) -> Call:
    kind = draw.choice((NumberClass.GEOGRAPHIC, NumberClass.MOBILE))
    area = draw.choice(_AREAS[kind])
    seconds = int(draw.expovariate(1 / 180)) + 1 if itemised else 0
    return Call(
        id=f"{draw.getrandbits(128):032x}",
        call=f"{draw.getrandbits(128):032x}",
        line=line,
        direction=Direction.OUTGOING if itemised else Direction.INCOMING,
        number_class=kind,
        number=area + f"{draw.randrange(10**9):09}"[: 11 - len(area)],
        started_at=at,
        duration_s=seconds + draw.randrange(30),
        billable_s=seconds,
        outcome=CallOutcome.ANSWERED if itemised else CallOutcome.NO_ANSWER,
        itemised=itemised,
        area=area if itemised else None,
    )
