"""Makes the figures of each day's traffic and each month's devices, once, before the purge takes what they are of."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import structlog

from agent.core.aggregates import SETTLED_MS, devices, settled, traffic
from agent.core.purging import DAY_MS
from agent.core.records import (
    Aggregate,
    Aggregated,
    Call,
    Devices,
    Record,
    Registration,
    RetentionClass,
    Traffic,
    retentions,
)
from agent.pacing import rested
from agent.ports import Due, Reader, Store

log = structlog.get_logger()

#: Figures in one transaction, and the pause after it: a first start on a year's calls has thousands to make, and most
#: emergencies that come meanwhile are to meet none of them.
BATCH, PAUSE_S = 16, 0.02
_LAST_MS = 253_402_300_799_999


class Aggregating:
    """A day or month counts as aggregated once its `Aggregate` is stored, which comes last.

    Until then the same figures are made of the same records again: nothing of these goes before.
    """

    def __init__(
        self,
        *,
        store: Store,
        reader: Callable[[], AbstractContextManager[Reader]],
        days: Callable[[RetentionClass], int],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._reader = reader
        self._days = days
        self._clock = clock

    async def build(self) -> int:
        """Make the figures that are due; of how many days and months.

        Raises:
            StoreError: the store refused; what is missing is made the next time.
        """
        now = self._clock()
        count = 0
        for of, period_at in await asyncio.to_thread(lambda: list(self._due(now))):
            cells = await asyncio.to_thread(self._made, of, period_at)
            for start in range(0, len(cells), BATCH):
                await self._store.commit(cells[start : start + BATCH], durable=False)
                await asyncio.sleep(PAUSE_S)
            id = f"{of} {_day(period_at):%Y-%m-%d}"
            done = Aggregate(id=id, of=of, period_at=period_at, at=now, cells=len(cells))
            await self._store.commit([done], durable=False)
            count += 1
        if count:
            log.info("aggregated", periods=count)
        return count

    def _due(self, now: int) -> Iterator[tuple[Aggregated, int]]:
        """The days and months that are to be aggregated, oldest first."""
        with self._reader() as reader:
            made = {of: _latest(reader, of) for of in Aggregated}
            first_call = _first(reader, Call)
            first_span = _first(reader, Registration)
        term_ms = min(self._days(retention) for retention in retentions(Call)) * DAY_MS
        day_at = _begin(made[Aggregated.TRAFFIC], first_call, lambda at: at - at % DAY_MS, lambda at: at + DAY_MS)
        while day_at is not None and settled(day_at, term_ms, now):
            yield Aggregated.TRAFFIC, day_at
            day_at += DAY_MS
        month_at = _begin(made[Aggregated.DEVICES], first_span, _month, _next_month)
        while month_at is not None and now >= _next_month(month_at) + SETTLED_MS:
            yield Aggregated.DEVICES, month_at
            month_at = _next_month(month_at)

    def _made(self, of: Aggregated, period_at: int) -> Sequence[Record]:
        with self._reader() as reader:
            if of is Aggregated.TRAFFIC:
                found: list[Traffic] = traffic(period_at, rested(reader.calls_of(period_at, period_at + DAY_MS)))
                return found
            makes: list[Devices] = devices(period_at, rested(reader.makes_of(period_at, _next_month(period_at))))
            return makes


def _latest(reader: Reader, of: Aggregated) -> int | None:
    made = (each for each in reader.read(Aggregate.KIND) if isinstance(each, Aggregate) and each.of is of)
    return max((each.period_at for each in made), default=None)


def _first(reader: Reader, kind: type[Call] | type[Registration]) -> int | None:
    """When the oldest record of ``kind`` began that has ended."""
    classes = retentions(kind)
    of_class = [retention if len(classes) > 1 else None for retention in classes]
    found: list[Due] = [due for each in of_class for due in reader.due(kind.KIND, _LAST_MS, 1, retention=each)]
    return min((due.begun_at for due in found), default=None)


def _begin(
    made: int | None, first: int | None, floor: Callable[[int], int], following: Callable[[int], int]
) -> int | None:
    """The period that comes next: behind the last one that was made, else that of the first record."""
    if made is not None:
        return following(made)
    return None if first is None else floor(first)


def _day(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


def _month(at: int) -> int:
    """The first instant of the month that ``at`` is in."""
    return int(_day(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000


def _next_month(at: int) -> int:
    return _month(_month(at) + 32 * DAY_MS)
