"""Looks after the store of recordings: those whose time is over, and what of record, file and key lacks another.

Nothing is ever deleted for want of room.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from agent.core.records import Content, ContentClass, ContentState, Reason, Severity
from agent.duties.recording.parts import Books, Sightings, Vault
from agent.duties.recording.sealing import Sealer, gone
from agent.duties.recording.threads import on_disk
from agent.ports import StoreError

log = structlog.get_logger()

_DAY_MS = 86_400_000
#: Sealed files and keys that no record names are held so long: the records may have been restored from an old copy.
_HELD_MS = 7 * _DAY_MS
_BATCH = 100

SEALED, EXPIRY, KEYS = "sealed", "expiry", "keys"


class Stock:
    """``days`` are the terms of contents, ``held`` tells those that must not go, and who has ``destroying``
    destroys the others; ``keys`` are the recordings that the keyring has a key to (it blocks).

    ``sightings`` remembers the sealed files and keys that no record names.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        books: Books,
        sealer: Sealer | None,
        keys: Callable[[], Sequence[str]],
        sightings: Sightings,
        days: Callable[[ContentClass], int],
        held: Callable[[Content], bool],
        destroying: asyncio.Lock,
        clock: Callable[[], int],
    ) -> None:
        self._vault = vault
        self._books = books
        self._sealer = sealer
        self._keys = keys
        self._sightings = sightings
        self._days = days
        self._held = held
        self._destroying = destroying
        self._clock = clock
        #: Sealed files and keys of no record: since when they are known (ms).
        self._unnamed: dict[str, int] = {}
        self.expired = self.lost = self.shredded = self.failures = 0

    async def expire(self) -> int:
        """Destroy the contents whose time is over, and their keys; how many."""
        expired, failures = 0, self.failures
        for kept_as in ContentClass:
            before, after = self._clock() - self._days(kept_as) * _DAY_MS, None
            while contents := await on_disk(self._books.kept, kept_as, before, _BATCH, after):
                destroyed = [content for content in contents if await self._went(content)]
                if destroyed:
                    await self._books.keep([gone(content, self._clock(), Reason.EXPIRED) for content in destroyed])
                expired += len(destroyed)
                # One that is held, or cannot be destroyed, holds up none of those behind it.
                after = contents[-1]
        self.expired += expired
        if expired:
            log.info("recordings_expired", count=expired)
        text = "recordings whose time is over cannot be destroyed: see the log"
        self._books.condition(EXPIRY, text if self.failures > failures else None, Severity.CRITICAL)
        return expired

    async def _went(self, content: Content) -> bool:
        """Destroy it; False where it is held, or cannot be destroyed."""
        # A hold may have been placed a moment ago.
        async with self._destroying:
            if self._held(content):
                return False
            try:
                await on_disk(self._vault.destroy, content.id)
            except StoreError as error:
                self.failures += 1
                log.error("expiry_failed", id=content.id, reason=str(error), hint=error.hint)
                return False
        return True

    async def compare(self) -> None:
        """Find records without a file, files and keys without a record, and files without a key."""
        files = set(await on_disk(self._vault.ids))
        kept = {content.id: content for content in await on_disk(lambda: list(self._books.all_kept()))}
        busy = self._sealer.busy_with if self._sealer is not None else frozenset()
        missing = kept.keys() - files - busy
        # Written meanwhile, or deleted: looked at once more before it is called lost.
        missing -= set(await on_disk(self._vault.ids)) if missing else set()
        for id in missing:
            now = await on_disk(self._books.content, id)
            if now is not None and now.state is ContentState.KEPT:
                self.lost += 1
                self._books.put([gone(now, self._clock(), Reason.MISSING, ContentState.LOST)])
        keys = set(await on_disk(self._keys))
        await self._beside_records((files | keys) - kept.keys() - busy, files)
        keyless = files & kept.keys() - busy - keys
        unfinished = await on_disk(self._vault.strays)
        parts = f"{self.lost} recordings that were kept are missing from the store" if self.lost else ""
        nobodys = self._unnamed.keys() & files
        names = f"{len(nobodys)} files of the store belong to no record" if nobodys else ""
        other = f"{len(unfinished)} files in the store are none of the agent's" if unfinished else ""
        self._books.condition(SEALED, "; ".join(filter(None, (parts, names, other))) or None)
        text = f"the keyring has no key to {len(keyless)} recordings that are kept: restore its backup"
        self._books.condition(KEYS, text if keyless else None, Severity.CRITICAL)
        # An agent that is restarted each week must not begin to count anew.
        await on_disk(self._sightings.write, self._unnamed)

    async def _beside_records(self, unnamed: set[str], files: set[str]) -> None:
        """Look after the ``files`` and keys that no record of what is kept names."""
        now = self._clock()
        for id in list(unnamed):
            content = await on_disk(self._books.content, id)
            if content is None or content.kept_as is None:
                continue
            unnamed.discard(id)
            if content.state is ContentState.LOST and id in files:
                # Its disk had not been there.
                self.lost = max(0, self.lost - 1)
                self._books.put([replace(content, state=ContentState.KEPT, deleted_at=None, reason=None)])
            elif content.state is ContentState.LOST:
                await self._given_up(content, now)
            elif content.state is ContentState.DELETED:
                # A copy of the folder or the keyring was put back: what was deleted stays deleted.
                await on_disk(self._vault.destroy, id)
                self.shredded += 1
        # A clock that was set back makes nothing older.
        seen = {**await on_disk(self._sightings.read), **self._unnamed}
        self._unnamed = {id: min(seen.get(id, now), now) for id in unnamed}
        for id, since in list(self._unnamed.items()):
            if now - since >= _HELD_MS:
                await on_disk(self._vault.destroy, id)
                del self._unnamed[id]
                self.shredded += 1

    async def _given_up(self, content: Content, now: int) -> None:
        """Destroy the key of a lost recording whose time is over: it opens the file in every backup."""
        over = content.kept_as is not None and content.stored_at < now - self._days(content.kept_as) * _DAY_MS
        if over and await self._went(content):
            await self._books.keep([gone(content, now, Reason.EXPIRED)])
            self.expired += 1
