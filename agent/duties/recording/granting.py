"""Grants a recording: only what can be kept safe, only by an opt-in, and only once that is written down."""

import asyncio
from collections.abc import Callable

import structlog

from agent.core.signals import Wish
from agent.core.tapes import Grant, Tapes, Why
from agent.duties.recording.parts import Books, Folder, Vault
from agent.ports import StoreError

log = structlog.get_logger()

#: What a call may wait for; the AGI script gives up a little later.
STORE_S = 0.8


class Granting:
    """``folder`` and ``vault`` are None where none is configured: then nothing is granted."""

    def __init__(
        self,
        *,
        tapes: Tapes,
        books: Books,
        folder: Folder | None,
        vault: Vault | None,
        min_free_bytes: int,
        safe: Callable[[], bool],
    ) -> None:
        self._tapes = tapes
        self._books = books
        self._folder = folder
        self._vault = vault
        self._min_free_bytes = min_free_bytes
        #: Whether what was captured could be kept of late.
        self._safe = safe
        self.granted = 0
        #: How often each reason was given.
        self.refused: dict[Why, int] = dict.fromkeys(Why, 0)

    async def grant(self, wish: Wish) -> str | Why:
        """The id under which it may be recorded; the opt-in is stored durably on return. Or why not."""
        answer = await self._granted(wish)
        if isinstance(answer, Why):
            self.refused[answer] += 1
            log.info("recording_refused", why=answer.value, trigger=wish.trigger.value)
            return answer
        self.granted += 1
        log.info("recording_granted", id=answer, trigger=wish.trigger.value)
        return answer

    async def possible(self) -> Why | None:
        """Why nothing can be kept safe now; None when it can."""
        if self._folder is None or self._vault is None:
            return Why.OFF
        return await asyncio.to_thread(self._fit, self._folder, self._vault)

    def _fit(self, folder: Folder, vault: Vault) -> Why | None:
        if not folder.in_memory() or not self._safe():
            return Why.NOT_SAFE
        if not folder.has_room() or vault.free_bytes() < self._min_free_bytes:
            return Why.NO_SPACE
        return None

    async def _granted(self, wish: Wish) -> str | Why:
        if (why := await self.possible()) is not None:
            return why
        answer = self._tapes.grant(wish)
        if not isinstance(answer, Grant):
            return answer
        return answer.id if await self.stored(answer) else Why.NOT_STORED

    async def stored(self, grant: Grant) -> bool:
        """Whether the opt-in is stored, within the time that a call can wait."""
        try:
            async with asyncio.timeout(STORE_S):
                await self._books.keep(grant.records)
        except (TimeoutError, StoreError):
            return False
        return True
