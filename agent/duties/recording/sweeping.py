"""Looks after the monitor folder: takes up what an earlier run left, puts away and destroys what is nobody's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from agent.core.records import Content, ContentState, Reason, Severity
from agent.duties.recording.parts import Books, Folder, Stray
from agent.duties.recording.sealing import Sealer, may_have_file
from agent.duties.recording.stock import Stock
from agent.duties.recording.threads import in_memory, on_disk
from agent.ports import StoreError

log = structlog.get_logger()

EVERY_S = 30.0
HOURLY_ROUNDS = 120
DAILY_ROUNDS = 2880
_DAY_MS = 86_400_000
#: Asterisk opens a file a moment before it tells, and the agent may hear of it late.
_FRESH_S = 10.0
#: How far back recordings are looked for whose fate an earlier run did not write down.
_SETTLED_MS = 7 * _DAY_MS

STRAYS, ROOM, MEMORY, SWEEP = "monitor", "room", "memory", "sweep"


class Sweeper:
    """``running`` are the ids of the recordings that are granted or captured now; ``stock`` is looked after as well.

    Without ``enforce`` what is nobody's is told only.
    """

    def __init__(
        self,
        *,
        folder: Folder,
        stock: Stock | None,
        books: Books,
        sealer: Sealer | None,
        running: Callable[[], frozenset[str]],
        room: Callable[[], bool],
        enforce: bool,
        quarantine_s: float,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._folder = folder
        self._stock = stock
        self._books = books
        self._sealer = sealer
        self._running = running
        self._room = room
        self._enforce = enforce
        self._quarantine_s = quarantine_s
        self._clock = clock
        self._new_id = new_id
        self._due = asyncio.Event()
        self.strays = self.shredded = self._failures = 0

    @property
    def failures(self) -> int:
        """What went wrong so far, in either folder."""
        return self._failures + (self._stock.failures if self._stock is not None else 0)

    def soon(self) -> None:
        """Look at the monitor folder at once."""
        self._due.set()

    async def run(self) -> None:
        """Sweep at the start and every half minute, expire hourly, compare the store daily, until cancelled."""
        rounds = 0
        while True:
            at_once = self._due.is_set()
            self._due.clear()
            await self._round(rounds, at_once=at_once)
            # What somebody asks for in between comes beside the rounds: else days would be hours.
            rounds += not at_once
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def _round(self, rounds: int, *, at_once: bool) -> None:
        duties: list[Callable[[], Awaitable[object]]] = [lambda: self.sweep(at_once=at_once)]
        if rounds == 0:
            duties.append(self.settle)
        if self._stock is not None and not at_once:
            duties += [self._stock.expire] * (rounds % HOURLY_ROUNDS == 0)
            duties += [self._stock.compare] * (rounds % DAILY_ROUNDS == 0)
        wrong = ""
        for duty in duties:
            # One that fails costs the others nothing.
            try:
                await duty()
            except (OSError, StoreError) as error:
                self._failures += 1
                wrong = str(error) if isinstance(error, StoreError) else f"{error.strerror}"
                log.error("sweep_failed", exception=type(error).__name__)
        self._books.condition(SWEEP, f"the folders of recordings cannot be looked after: {wrong}" if wrong else None)

    # -- the monitor folder -----------------------------------------------------------------------------------------

    async def sweep(self, *, at_once: bool = False) -> None:
        """Take up recordings that an earlier run left, put away and destroy what is nobody's, and look at the room.

        ``at_once``: also what was written a moment ago.
        """
        safe = await in_memory(self._folder.in_memory)
        taken_up = {id for id in await in_memory(self._folder.named) if await self._taken_up(id)}
        if self._sealer is not None:
            self._sealer.looked(seen=bool(taken_up))
        strays = await in_memory(self._folder.strays, taken_up | self._mine())
        # Granted while the folder was looked through.
        strays = [stray for stray in strays if self._folder.id_of(stray.path) not in self._mine()]
        sound = [stray for stray in strays if stray.is_sound]
        looks = f", and {len(sound)} files there look like recordings: see what they are" if sound else ""
        text = f"[recording] monitor_dir is on a disk, or not there: nothing is granted{looks}"
        self._books.condition(MEMORY, None if safe else text, Severity.CRITICAL)
        # What lies on a disk is not Asterisk's monitor folder, or not yet: it may be anybody's.
        if safe:
            await self._cleared(sound, len(strays) - len(sound), at_once=at_once)
        room = await on_disk(self._room)
        self._books.condition(
            ROOM, None if room else "there is no room for recordings: no new one is granted", Severity.CRITICAL
        )

    async def _cleared(self, strays: Sequence[Stray], others: int, *, at_once: bool) -> None:
        """Put away ``strays`` and destroy those whose time is over, if anything is enforced; and tell of them."""
        old = [stray for stray in strays if at_once or stray.age_s >= _FRESH_S]
        failed = 0
        for stray in old if self._enforce else ():
            self.strays += 1
            log.warning("stray_recording")
            if not (self._quarantine_s > 0 and await self._put_away(stray)):
                failed += not await self._destroyed(stray.path, stray.size_bytes)
        held = await in_memory(self._folder.isolated)
        over = [stray for stray in held if self._enforce and stray.age_s >= self._quarantine_s]
        for stray in over:
            failed += not await self._destroyed(stray.path, stray.size_bytes)
        self._tell(failed=failed, waiting=len(held) - len(over), others=others, left=0 if self._enforce else len(old))

    def _mine(self) -> frozenset[str]:
        return self._running() | (self._sealer.busy_with if self._sealer is not None else frozenset())

    def _tell(self, *, failed: int, waiting: int, others: int, left: int) -> None:
        nobodys = "files in the monitor folder belong to no recording"
        texts = (
            f"{failed} {nobodys} and cannot be destroyed: see the log" if failed else "",
            f"{left} {nobodys}; [recording] enforce is off" if left else "",
            f"{waiting} {nobodys}: they are put away{', and will be destroyed' * self._enforce}" if waiting else "",
            f"{others} other files are there that look like no recording, and stay" if others else "",
        )
        text = "; ".join(filter(None, texts))
        self._books.condition(STRAYS, text or None, Severity.CRITICAL if failed else Severity.WARNING)

    async def _taken_up(self, id: str) -> bool:
        """Whether a recording of this id was granted; one that is over is sealed now.

        Without a vault it stays where it is: the site key may only be missing.
        """
        if id in self._mine():
            return True
        record = await on_disk(self._books.recording, id)
        if record is None or not may_have_file(record):
            return False
        if self._sealer is not None:
            self._sealer.take(record)
        return True

    async def settle(self) -> None:
        """Take up the recordings of earlier runs of whose content nothing is known, also where its file is gone."""
        if self._sealer is not None:
            for record in await on_disk(self._books.unsettled, self._clock() - _SETTLED_MS):
                self._sealer.take(record)

    async def _put_away(self, stray: Stray) -> bool:
        try:
            await in_memory(self._folder.isolate, stray)
        except OSError as error:
            log.warning("stray_not_put_away", exception=type(error).__name__)
            return False
        return True

    async def _destroyed(self, path: Path, size_bytes: int) -> bool:
        try:
            await in_memory(self._folder.shred, path)
        except (OSError, StoreError) as error:
            self._failures += 1
            log.error("stray_not_destroyed", exception=type(error).__name__)
            return False
        self.shredded += 1
        now = self._clock()
        self._books.put(
            [
                Content(
                    id=self._new_id(),
                    state=ContentState.SHREDDED,
                    began_at=now,
                    stored_at=now,
                    size_bytes=size_bytes,
                    deleted_at=now,
                    reason=Reason.ORPHAN,
                )
            ]
        )
        return True
