"""A purge over a store of a test's, with the holds and at the time that the test says."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent.config import Config
from agent.core.holds import Holds
from agent.core.records import Deletion, Hold
from agent.duties.retention import Purger
from agent.ports import Store
from agent.stores.sqlite import Fields, SqliteReader
from tests.scenarios.made import AT

DAY_MS = 86_400_000
days = Config().retention.days


def hold(id: str = "5a" * 8, *lines: str, **changes: object) -> Hold:
    """One on the calls and registrations of line 201, unless told otherwise."""
    values: dict[str, object] = {
        "kinds": ("calls", "registrations"),
        "authority": "the county court at Leeds",
        "reference": "X-1",
        "placed_at": AT,
        "placed_by": "kim",
        "reviewer": "sam",
        "review_at": AT + 30 * DAY_MS,
    }
    return Hold(id=id, lines=lines or ("201",), **(values | changes))  # type: ignore[arg-type]


def holds(*standing: Hold) -> Holds:
    """These stand."""
    return Holds().taken_up(standing)


async def nothing() -> None:
    """What is done before a call goes."""


def purger(
    store: Store,
    path: Path,
    now: int | Callable[[], int],
    standing: Callable[[], Holds] = Holds,
    tell: Callable[[Sequence[Deletion]], None] = lambda _: None,
    before: Callable[[], Awaitable[object]] = nothing,
    fields: Fields | None = None,
) -> Purger:
    """One with the default terms."""
    return Purger(
        store=store,
        reader=lambda: SqliteReader(path, fields),
        days=days,
        holds=standing,
        gate=asyncio.Lock(),
        clock=now if callable(now) else lambda: now,
        new_id=lambda: os.urandom(8).hex(),
        before=before,
        tell=tell,
    )
