"""Deletes each record when its class's term is over: a fuller view of an emergency to the minute, the rest hourly."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from agent.core.records import RECORDS, Detail, Record, RetentionClass, retentions
from agent.ports import Store, StoreError

log = structlog.get_logger()

_DAY_MS = 86_400_000
DETAILS_EVERY_S = 60.0
#: Of so many rounds, one is for every kind.
_ROUNDS = 60


async def purge(
    store: Store, days: Callable[[RetentionClass], int], now: int, kinds: Iterable[type[Record]] = RECORDS
) -> Counter[str]:
    """Delete, in small transactions, what ended longer ago than its class allows; how many records went, by kind.

    Raises:
        StoreError: the store refused; what was deleted until then is gone.
    """
    gone: Counter[str] = Counter()
    for record in kinds:
        classes = retentions(record)
        for retention in classes:
            before, of_class = now - days(retention) * _DAY_MS, retention if len(classes) > 1 else None
            while deleted := await store.delete_before(record.KIND, before, retention=of_class):
                gone[record.KIND] += deleted
    return gone


async def run(store: Store, days: Callable[[RetentionClass], int], clock: Callable[[], int]) -> None:
    """Purge at the start, then details every minute and the rest every hour, until cancelled."""
    # An earlier run may have been killed between deleting and emptying the store's log.
    logged = True
    rounds = 0
    while True:
        everything = rounds % _ROUNDS == 0
        try:
            gone = await purge(store, days, clock(), RECORDS if everything else (Detail,))
            if gone or everything:
                log.info("purged", records=gone.total(), details=gone[Detail.KIND])
            if (logged := logged or bool(gone)) and await store.checkpoint():
                logged = False
        except StoreError as error:
            # It may have deleted some before it failed.
            logged = True
            log.error("purge_failed", reason=str(error), hint=error.hint)
        rounds += 1
        await asyncio.sleep(DETAILS_EVERY_S)
