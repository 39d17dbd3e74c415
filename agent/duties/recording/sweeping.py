"""Looks after both folders: files of no recording, recordings without a file, and those whose time is over.

Nothing is ever deleted for want of room.
"""

import asyncio
from collections.abc import Callable

import structlog

from agent.core.records import Content, ContentClass, ContentState, Reason, Severity
from agent.duties.recording.parts import Books, Folder, Vault
from agent.duties.recording.sealing import Sealer, gone
from agent.ports import StoreError

log = structlog.get_logger()

EVERY_S = 30.0
HOURLY_ROUNDS = 120
DAILY_ROUNDS = 2880
_DAY_MS = 86_400_000
#: Asterisk opens a file a moment before it tells, and the agent may hear of it late.
_FRESH_S = 10.0
#: Sealed files that no record names are held so long: the records may have been restored from an old copy.
_HELD_MS = 7 * _DAY_MS
_BATCH = 100

STRAYS, SEALED, ROOM = "monitor", "sealed", "room"


class Sweeper:
    """``running`` are the ids of the recordings that are granted or captured now; ``days`` the terms of contents."""

    def __init__(
        self,
        *,
        folder: Folder,
        vault: Vault | None,
        books: Books,
        sealer: Sealer | None,
        running: Callable[[], frozenset[str]],
        room: Callable[[], bool],
        days: Callable[[ContentClass], int],
        quarantine_s: float,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._folder = folder
        self._vault = vault
        self._books = books
        self._sealer = sealer
        self._running = running
        self._room = room
        self._days = days
        self._quarantine_s = quarantine_s
        self._clock = clock
        self._new_id = new_id
        self._due = asyncio.Event()
        #: Sealed files of no record: since when they are known (ms).
        self._unnamed: dict[str, int] = {}
        self.strays = self.shredded = self.expired = self.lost = self.failures = 0

    def soon(self) -> None:
        """Look at the monitor folder at once."""
        self._due.set()

    async def run(self) -> None:
        """Sweep at the start and every half minute, expire hourly, compare the store daily, until cancelled."""
        rounds = 0
        while True:
            self._due.clear()
            try:
                await self.sweep()
                if self._vault is not None and rounds % HOURLY_ROUNDS == 0:
                    await self.expire(self._vault)
                if self._vault is not None and rounds % DAILY_ROUNDS == 0:
                    await self.compare(self._vault)
            except (OSError, StoreError) as error:
                self.failures += 1
                log.error("sweep_failed", exception=type(error).__name__)
            rounds += 1
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._due.wait()
            except TimeoutError:
                pass

    # -- the monitor folder -----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Take up recordings that an earlier run left, put away and destroy what is nobody's, and look at the room."""
        in_memory = await asyncio.to_thread(self._folder.in_memory)
        known = set(self._running())
        for id in await asyncio.to_thread(self._folder.named):
            if id not in known and await self._taken_up(id):
                known.add(id)
        known |= self._running() | (self._sealer.busy_with if self._sealer is not None else frozenset())
        fresh = 0.0 if self._due.is_set() else _FRESH_S
        for stray in await asyncio.to_thread(self._folder.strays, known):
            if stray.age_s < fresh:
                continue
            self.strays += 1
            log.warning("stray_recording", in_memory=in_memory)
            if in_memory and self._quarantine_s > 0:
                await asyncio.to_thread(self._folder.isolate, stray)
            else:
                # On a disk every moment is one too many.
                await self._destroyed(stray.path, stray.size_bytes)
        held = await asyncio.to_thread(self._folder.isolated)
        for stray in held:
            if stray.age_s >= self._quarantine_s:
                await self._destroyed(stray.path, stray.size_bytes)
        waiting = sum(stray.age_s < self._quarantine_s for stray in held)
        text = f"{waiting} files in the monitor folder belong to no recording: they are put away, and will be destroyed"
        self._books.condition(STRAYS, text if waiting else None)
        room = await asyncio.to_thread(self._room)
        self._books.condition(
            ROOM, None if room else "there is no room for recordings: no new one is granted", Severity.CRITICAL
        )

    async def _taken_up(self, id: str) -> bool:
        """Whether a recording of this id was granted; one that is over is sealed now."""
        record = await asyncio.to_thread(self._books.recording, id)
        if record is None or not record.opted_in or self._sealer is None:
            return False
        self._sealer.take(record)
        return True

    async def _destroyed(self, path: object, size_bytes: int) -> None:
        await asyncio.to_thread(self._folder.shred, path)  # type: ignore[arg-type]
        self.shredded += 1
        now = self._clock()
        self._books.put(
            [
                Content(
                    id=self._new_id(),
                    state=ContentState.SHREDDED,
                    stored_at=now,
                    size_bytes=size_bytes,
                    deleted_at=now,
                    reason=Reason.ORPHAN,
                )
            ]
        )

    # -- the store of recordings ------------------------------------------------------------------------------------

    async def expire(self, vault: Vault) -> int:
        """Destroy the contents whose time is over, and their keys; how many."""
        expired = 0
        for kept_as in ContentClass:
            before = self._clock() - self._days(kept_as) * _DAY_MS
            while contents := await asyncio.to_thread(self._books.kept, kept_as, before, _BATCH):
                for content in contents:
                    await asyncio.to_thread(vault.destroy, content.id)
                # Stored before the next batch is read, which would be the same else.
                await self._books.keep([gone(content, self._clock(), Reason.EXPIRED) for content in contents])
                expired += len(contents)
        self.expired += expired
        if expired:
            log.info("recordings_expired", count=expired)
        return expired

    async def compare(self, vault: Vault) -> None:
        """Find records without a file, and files without a record."""
        files = set(await asyncio.to_thread(vault.ids))
        kept = {content.id: content for content in await asyncio.to_thread(lambda: list(self._books.all_kept()))}
        busy = self._sealer.busy_with if self._sealer is not None else frozenset()
        missing = [content for id, content in kept.items() if id not in files and id not in busy]
        for content in missing:
            # Written meanwhile, or deleted: looked at once more before it is called lost.
            now = await asyncio.to_thread(self._books.content, content.id)
            if now is not None and now.state is ContentState.KEPT and content.id not in set(vault.ids()):
                self.lost += 1
                self._books.put([gone(now, self._clock(), Reason.MISSING, ContentState.LOST)])
        await self._unnamed_files(vault, files - kept.keys() - busy)
        unfinished = await asyncio.to_thread(vault.strays)
        parts = f"{self.lost} recordings that were kept are missing from the store" if self.lost else ""
        names = f"{len(self._unnamed)} files of the store belong to no record" if self._unnamed else ""
        other = f"{len(unfinished)} files in the store are none of the agent's" if unfinished else ""
        self._books.condition(SEALED, "; ".join(filter(None, (parts, names, other))) or None)

    async def _unnamed_files(self, vault: Vault, unnamed: set[str]) -> None:
        now = self._clock()
        self._unnamed = {id: self._unnamed.get(id, now) for id in unnamed}
        for id, since in list(self._unnamed.items()):
            if now - since >= _HELD_MS:
                await asyncio.to_thread(vault.destroy, id)
                del self._unnamed[id]
                self.shredded += 1
