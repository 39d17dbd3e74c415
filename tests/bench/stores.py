"""Stores as they are after a year: accounts, their lines, and calls, written as the agent's own rows."""

import random
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.core.instants import from_rfc3339
from agent.core.records import Account, Call, CallOutcome, Direction, NumberClass, Record, Service
from agent.stores.sqlite import Fields
from agent.stores.sqlite.opening import prepare
from agent.stores.sqlite.rows import to_row
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.vault import Keyring
from agent.stores.vault.sealed import KEY_BYTES
from tests.lab.roots import cache_folder

DAY_MS = 86_400_000
STORE = "agent.sqlite"
#: When the youngest call of a new store was placed: midnight, so that a day of it is a day of the calendar.
NOW = 1_795_392_000_000
#: A day longer than each class is kept.
DAYS, FREE_DAYS = 366, 31
#: Calls that a line has in a year, and lines that an account has.
CALLS_A_LINE, LINES_AN_ACCOUNT = 2_000, 4
_ROWS = 20_000
_SHARE_BILLED = 0.7
_AREAS = {NumberClass.GEOGRAPHIC: ("0113", "020", "01632"), NumberClass.MOBILE: ("07",)}


def lines(calls: int) -> list[str]:
    """The lines of a store of so many calls."""
    return [f"L{number:06}" for number in range(max(10, calls // CALLS_A_LINE))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A store of a year's calls; ``fields`` opens and locks what is personal in it.

    At ``now`` (ms) one day of calls of each class is past its term, as it is once a day.
    """

    path: Path
    fields: Fields
    now: int


@contextmanager
def year_of(calls: int) -> Iterator[Year]:
    """The store of so many calls: filled once, and kept in the user's cache folder for the next run. Whoever opens it
    brings it to the schema of today.

    What is purged from it leaves it whole, a day shorter: its ``now`` is a day later the next time.
    """
    folder = cache_folder() / "stores" / f"{calls}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        with _fields_of(partial, NOW) as fields:
            fill(partial / STORE, calls, NOW, fields)
        partial.rename(folder)
    with closing(sqlite3.connect(folder / STORE)) as database:
        database.execute("DELETE FROM emergencies")  # Another run's; each would be an open call by now.
        database.commit()
        ((oldest,),) = database.execute("SELECT min(started_at) FROM calls WHERE itemised")
    now = from_rfc3339(oldest) // DAY_MS * DAY_MS + DAYS * DAY_MS
    with _fields_of(folder, now) as fields:
        yield Year(path=folder / STORE, fields=fields, now=now)


@contextmanager
def _fields_of(folder: Path, now: int) -> Iterator[Fields]:
    """What locks and opens in the store in ``folder``, with a keyring and a site key of its own there."""
    path, site_key = folder / STORE, folder / "site-key"
    if not site_key.exists():
        site_key.touch(mode=0o600)
        site_key.write_bytes(secrets.token_bytes(KEY_BYTES))
    with closing(Keyring(path.with_name(path.name + ".keys"), site_key.read_bytes())) as keyring:
        yield Fields(path, lambda: keyring, lambda: now)


def fill(path: Path, calls: int, now: int, fields: Fields | None = None, *, seed: int = 5) -> None:
    """Make the store at ``path``: calls of the last DAYS days before ``now`` (ms), those that cost nothing of 31.

    So it is what a day of the agent finds: of each class one day is past its term. ``fields`` locks what is personal.
    The calls are sorted into their table, and its indexes made, at the end: a tenth of the writing, and no page that is
    written twice. Their pages are full for that, as after a VACUUM.
    """
    prepare(path).release()
    names = lines(calls)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            database.execute(f"PRAGMA {pragma}")
        _written(database, _accounts(names, now - DAYS * DAY_MS), fields)
        indexes = database.execute(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = 'calls' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        database.execute("CREATE TEMP TABLE unsorted AS SELECT * FROM calls LIMIT 0")
        columns = [name for _, name, *_ in database.execute("PRAGMA temp.table_info(unsorted)")]
        appended = f"INSERT INTO unsorted VALUES ({', '.join(f':{name}' for name in columns)})"
        _written(database, _calls(calls, names, now, random.Random(seed)), fields, {Call.KIND: appended})
        database.execute("INSERT INTO calls SELECT * FROM unsorted ORDER BY id")
        database.execute("DROP TABLE unsorted")
        for _, made in indexes:
            database.execute(made)
        database.execute("PRAGMA journal_mode = WAL")


def _written(
    database: sqlite3.Connection,
    records: Iterable[Record],
    fields: Fields | None,
    instead: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write ``records`` as the store does; ``instead`` of its statement for a kind, another."""
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
            statement = instead.get(kind, STATEMENTS[f"upsert_{kind}"])
            database.executemany(statement, (row for record, row in rows if kind == record.KIND))
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


def _calls(count: int, names: Sequence[str], now: int, draw: random.Random) -> Iterator[Call]:
    """Oldest first, as they come."""
    billed = int(count * _SHARE_BILLED)
    for day in range(DAYS):
        begin = now - (DAYS - day) * DAY_MS
        instants = [(begin + draw.randrange(DAY_MS), True) for _ in range(_part(billed, day, DAYS))]
        if day >= DAYS - FREE_DAYS:
            of_day = _part(count - billed, day - (DAYS - FREE_DAYS), FREE_DAYS)
            instants += [(begin + draw.randrange(DAY_MS), False) for _ in range(of_day)]
        for at, itemised in sorted(instants):
            yield _call(at, names[draw.randrange(len(names))], draw, itemised=itemised)


def _part(whole: int, n: int, parts: int) -> int:
    """The ``n``-th of ``parts`` as equal as can be, which come to ``whole``."""
    return whole * (n + 1) // parts - whole * n // parts


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
