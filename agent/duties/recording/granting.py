"""Grants a recording: only what can be kept safe, only by an opt-in, and only once that is written down."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from agent.core.lanes import Lane
from agent.core.records import Record, Recording, RecordingState
from agent.core.signals import Ask, Wish
from agent.core.tapes import Grant, Tapes, Why
from agent.duties.recording.parts import Books, Folder, Vault
from agent.duties.recording.threads import on_disk
from agent.ports import StoreError

log = structlog.get_logger()

#: What a call may wait for, folders and store together; the AGI script gives up a little later.
GRANT_S = 0.8
#: A call that ends sooner may have been too short for what was granted to begin.
_SHORT_MS = 5_000

START = "start"


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
        #: What was granted and has neither begun nor ended: since when (ms).
        self._waiting: dict[str, int] = {}
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
        tape = self._tapes.book.states.get(answer)
        if tape is not None and tape.state is RecordingState.OPTED_IN:  # Else its call ended while it was stored.
            self._waiting[answer] = wish.at
        log.info("recording_granted", id=answer, trigger=wish.trigger.value)
        return answer

    async def possible(self, by: float | None = None) -> Why | None:
        """Why nothing can be kept safe now; None when it can. It is known ``by`` then (s, the event loop's time)."""
        if self._folder is None or self._vault is None:
            return Why.OFF
        try:
            async with asyncio.timeout_at(_deadline() if by is None else by):
                return await on_disk(self._fit, self._folder, self._vault)
        except TimeoutError:
            return Why.NOT_SAFE

    def _fit(self, folder: Folder, vault: Vault) -> Why | None:
        if not folder.in_memory() or not self._safe():
            return Why.NOT_SAFE
        try:
            room = folder.has_room() and vault.free_bytes() >= self._min_free_bytes
        except StoreError:
            return Why.NOT_SAFE
        return None if room else Why.NO_SPACE

    async def _granted(self, wish: Wish) -> str | Why:
        by = _deadline()
        if (why := await self.possible(by)) is not None:
            return why
        answer = self._tapes.grant(wish)
        if not isinstance(answer, Grant):
            return answer
        if not await self.stored(answer, by):
            self.given_up(answer.id, wish.at)
            return Why.NOT_STORED
        return answer.id

    async def stored(self, grant: Grant, by: float | None = None) -> bool:
        """Whether the opt-in is stored, within the time that a call can wait: ``by`` then, as in `possible`."""
        by = _deadline() if by is None else by
        try:
            async with asyncio.timeout_at(by):
                await self._books.keep(grant.records)
        except (TimeoutError, StoreError):
            return False
        # Behind a busy event loop it may have come too late all the same.
        return asyncio.get_running_loop().time() < by

    def given_up(self, id: str, at: int) -> None:
        """End a grant that nobody was told of: it may be stored yet, and nothing will begin by it."""
        tape = self._tapes.book.states.get(id)
        if tape is not None and tape.state is RecordingState.OPTED_IN:
            self._books.put(self._tapes.ask(id, Ask.OPT_OUT, at)[1])

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed; tells when what was granted never begins, see `agent.pipeline.Observer`."""
        for record in records:
            if not isinstance(record, Recording) or not record.opted_in or record.state is RecordingState.OPTED_IN:
                continue
            since = self._waiting.pop(record.id, None)
            if record.state is RecordingState.RECORDING:
                self._books.condition(START, None)
            elif since is not None and _never_began(record, since):
                text = "a recording that was granted never began, though its call went on: see Asterisk's log"
                self._books.condition(START, text)


def _deadline() -> float:
    return asyncio.get_running_loop().time() + GRANT_S


def _never_began(record: Recording, since: int) -> bool:
    """Whether nothing came of a grant, while its call went on and was listened to."""
    over = record.stopped_at is not None and record.started_at is None and not record.blind
    return over and (record.stopped_at or 0) - since > _SHORT_MS
