"""Locks what was stored in clear: what came of an emergency before its key was at hand, and rows of before the keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from agent.ports import StoreError

log = structlog.get_logger()

EVERY_S = 15.0
#: Between two transactions: so most emergencies that come meanwhile meet none of them.
PAUSE_S = 0.02


class Store(Protocol):
    """A store that locks personal fields."""

    async def lock_some(self, limit: int = 64) -> int:
        """Lock what stands in clear of at most ``limit`` records; how many it was.

        Raises:
            StoreError: they stay as they are.
        """

    async def unlocked(self) -> int:
        """How many records have personal fields in clear.

        Raises:
            StoreError: they cannot be counted.
        """


class Locking:
    """``left`` is how many records were in clear at the last look, None before it.

    ``checkpoint`` empties the store's log, in which stands what was in clear; False: to be tried again.
    """

    def __init__(self, store: Store, checkpoint: Callable[[], Awaitable[bool]]) -> None:
        self.left: int | None = None
        self._store = store
        self._checkpoint = checkpoint
        self._logged = self._failing = False

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Lock all that can be locked now."""
        try:
            count = 0
            while some := await self._store.lock_some():
                count += some
                self._logged = True
                await asyncio.sleep(PAUSE_S)
            self.left = await self._store.unlocked()
            if self._logged and await self._checkpoint():
                self._logged = False
        except StoreError as error:
            if not self._failing:
                log.error("fields_not_locked", reason=str(error), hint=error.hint)
            self._failing = True
            return
        self._failing = False
        if count:
            log.info("fields_locked", records=count)
