"""Deletes each record when its class's term is over."""

import asyncio
from collections.abc import Callable

import structlog

from agent.core.records import RECORDS, RetentionClass
from agent.ports import Store, StoreError

log = structlog.get_logger()

_DAY_MS = 86_400_000
EVERY_S = 3600.0


async def purge(store: Store, days: Callable[[RetentionClass], int], now: int) -> int:
    """Delete, in small transactions, what ended longer ago than its class allows; how many records went.

    Raises:
        StoreError: the store refused; what was deleted until then is gone.
    """
    gone = 0
    for record in RECORDS:
        before = now - days(record.RETENTION) * _DAY_MS
        while deleted := await store.delete_before(record.KIND, before):
            gone += deleted
    if gone:
        await store.checkpoint()
    return gone


async def run(store: Store, days: Callable[[RetentionClass], int], clock: Callable[[], int]) -> None:
    """Purge at the start and every hour, until cancelled."""
    while True:
        try:
            log.info("purged", records=await purge(store, days, clock()))
        except StoreError as error:
            log.error("purge_failed", reason=str(error), hint=error.hint)
        await asyncio.sleep(EVERY_S)
