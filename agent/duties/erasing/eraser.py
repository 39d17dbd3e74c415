"""Erases an account, and again what the ledger names."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from agent.core.accounts import Span
from agent.core.erasing import GOES, STAYS, Fate, Tally, begun_at
from agent.core.holds import Holds
from agent.core.personal import class_of, owners_of_account
from agent.core.records import (
    Account,
    Content,
    ContentState,
    Deletion,
    Ground,
    Line,
    OptIn,
    Record,
    RetentionClass,
)
from agent.duties.erasing.finding import Finder, Ledger
from agent.ports import Reader, Store, StoreError

log = structlog.get_logger()

EVERY_S, RETRY_S = 86_400.0, 600.0
#: Records that are deleted together.
_BATCH = 64
#: Between two transactions: so most emergencies that come beside an erasure meet none of them.
_PAUSE_S = 0.02
#: How often, and how long apart, a reader is waited for that keeps the store's log from being emptied.
_TRIES, _TRY_S = 30, 1.0


@dataclass(slots=True, kw_only=True)
class Eraser:
    """``destroy`` takes a recording out of the vault (it blocks), None: there is no vault. ``withdraw`` takes back a
    standing opt-in, which is stored on return. ``holds`` are those that stand; who changes them has ``gate`` meanwhile.

    ``retire`` lets what comes of lines, each with when it passed, from an instant (ms) on have other handles.
    ``forget`` destroys the key of a handle or an account, and with it whatever was locked with that, in every copy
    there is (it blocks); None: nothing is locked.
    """

    store: Store
    reader: Callable[[], AbstractContextManager[Reader]]
    ledger: Ledger
    destroy: Callable[[str], object] | None
    withdraw: Callable[[OptIn], Awaitable[object]]
    retire: Callable[[Mapping[str, int], int], Awaitable[object]]
    forget: Callable[[str], object] | None
    holds: Callable[[], Holds]
    gate: asyncio.Lock
    days: Callable[[RetentionClass], int]
    clock: Callable[[], int]
    new_id: Callable[[], str]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        self._finder = Finder(
            reader=self.reader, ledger=self.ledger, holds=self.holds, days=self.days, clock=self.clock
        )

    async def outlook(self, account: str) -> list[Fate]:
        """What an erasure would do now; it changes nothing.

        Raises:
            StoreError: the store cannot be read.
        """
        tally = Tally()
        for span in await asyncio.to_thread(self._finder.spans, account):
            for kind in (*GOES, *STAYS):
                async for page in self._finder.pages(kind, span):
                    for record in page:
                        tally.add(record, self._finder.stays(record))
        for beside in (self._finder.contract, self._finder.proofs):
            for record, stays in await asyncio.to_thread(beside, account):
                tally.add(record, stays)
        return tally.fates()

    async def erase(self, account: str) -> list[Fate]:
        """Erase ``account``; what went, and what stays.

        Raises:
            StoreError: the store, the ledger or the vault failed; what the ledger has by then goes with the next pass.
        """
        lines = await asyncio.to_thread(self._finder.spans, account)
        await self.announce([account], lines)
        return await self.take(account, lines)

    async def announce(self, accounts: Iterable[str], lines: Iterable[Span]) -> None:
        """Write into the ledger what is going to be erased.

        Raises:
            StoreError: it may not be there: nothing must be erased.
        """
        await asyncio.to_thread(self.ledger.write, accounts, lines, self.clock())

    async def take(self, account: str, lines: Sequence[Span], *, counted: bool = True) -> list[Fate]:
        """Erase what was announced; what went, and what stays. ``counted``: it is on record how many there were.

        Raises:
            StoreError: the store or the vault failed; it goes with the next pass.
        """
        async with self._turn:
            # What is withdrawn is stored anew, so it is before the handles are retired.
            await self._withdrawn(lines)
            await self._retired(lines)
            gone = await self._taken(lines, counted=counted)
            await self._forgotten(lines)
            # Before the account: what says which lines it had goes with it.
            left = [fate for fate in await self.outlook(account) if fate.why is not None]
            gone += await self._account(account, self.clock(), counted=counted)
        await self._emptied()
        return [*(Fate(kind=kind, count=count) for kind, count in gone.items()), *left]

    async def replay(self) -> int:
        """Take away what the ledger names and the store has; how many records.

        Raises:
            StoreError: the store, the ledger or the vault failed.
        """
        async with self._turn:
            entries = await asyncio.to_thread(self.ledger.read)
            if not entries:
                return 0
            lines, accounts = await asyncio.to_thread(self._finder.named, entries)
            gone = await self._taken(lines)
            await self._forgotten(lines)
            for account, end in accounts.items():
                gone += await self._account(account, end)
        if gone.total():
            await self._emptied()
            log.warning("erased_again", records=gone.total())
        return gone.total()

    async def run(self) -> None:
        """Replay at the start, and once a day, until cancelled."""
        while True:
            wait_s = EVERY_S
            try:
                await self.replay()
            except StoreError as error:
                log.error("erasure_failed", reason=str(error), hint=error.hint)
                wait_s = RETRY_S
            await asyncio.sleep(wait_s)

    # -- what goes ------------------------------------------------------------------------------------------------

    async def _taken(self, lines: Sequence[Span], *, counted: bool = True) -> Counter[str]:
        gone: Counter[str] = Counter()
        for span in lines:
            for kind in GOES:
                async for page in self._finder.pages(kind, span):
                    for start in range(0, len(page), _BATCH):
                        gone[kind.KIND] += await self._batch(page[start : start + _BATCH], counted=counted)
        return +gone

    async def _batch(self, records: Sequence[Record], *, counted: bool) -> int:
        removed = 0
        async with self.gate:
            goes = [record for record in records if self._finder.stays(record) is None]
            for record in goes:
                if isinstance(record, OptIn) and record.withdrawn_at is None:
                    await self.withdraw(record)
                elif isinstance(record, Content) and record.state in (ContentState.KEPT, ContentState.LOST):
                    await self._destroyed(record.id)
            for retention, some in groupby(sorted(goes, key=class_of), key=class_of):
                removed += await self._removed(list(some), retention, counted=counted)
        await asyncio.sleep(_PAUSE_S)
        return removed

    async def _destroyed(self, recording: str) -> None:
        if self.destroy is None:
            raise StoreError("there is no site key, so no recording can be destroyed", "see [keys]")
        await asyncio.to_thread(self.destroy, recording)

    async def _removed(self, records: Sequence[Record], retention: RetentionClass, *, counted: bool) -> int:
        begins = [begun_at(record) for record in records]
        told = Deletion(
            id=self.new_id(),
            at=self.clock(),
            of=records[0].KIND,
            retention=retention,
            ground=Ground.ERASURE,
            count=len(records),
            oldest_at=min(begins),
            newest_at=max(begins),
        )
        cut = retention is RetentionClass.CALL
        ids = [record.id for record in records]
        return await self.store.remove(told.of, ids, cut=cut, told=[told] if counted else [])

    async def _withdrawn(self, lines: Sequence[Span]) -> None:
        for span in lines:
            async for page in self._finder.pages(OptIn, span):
                async with self.gate:
                    for given in page:
                        if (
                            isinstance(given, OptIn)
                            and given.withdrawn_at is None
                            and self._finder.stays(given) is None
                        ):
                            await self.withdraw(given)

    async def _retired(self, lines: Sequence[Span]) -> None:
        """From here on other handles stand for ``lines``; the ledger has those until now, to tell them by."""
        at = self.clock()
        await self.retire({span.line: at for span in lines}, at)
        found = await asyncio.to_thread(self._finder.handles, lines)
        await asyncio.to_thread(self.ledger.write, [], found, at)

    async def _forgotten(self, lines: Sequence[Span]) -> None:
        """Destroy the keys of handles that stand for nobody any more, once no record of them is left."""
        for handle in await asyncio.to_thread(self._finder.left_over, lines):
            await asyncio.to_thread(self._forgets, handle)
            await self.store.remove(Line.KIND, [handle])

    async def _account(self, account: str, before: int, *, counted: bool = True) -> Counter[str]:
        """Delete an account that is closed, as it was ``before`` (ms), what says which lines it had, and its key."""
        gone: Counter[str] = Counter()
        found = await asyncio.to_thread(self._finder.contract, account)
        whole = all(stays is None and begun_at(record) <= before for record, stays in found)
        for record, stays in found:
            if stays is not None or begun_at(record) > before:
                continue
            # Before what says that there was an account: else a kill could leave the key for ever.
            if isinstance(record, Account) and whole:
                for owner in owners_of_account(account):
                    await asyncio.to_thread(self._forgets, owner)
                if await asyncio.to_thread(self._finder.nobodys, account):
                    await asyncio.to_thread(self._forgets, account)
            gone[record.KIND] += await self._removed([record], record.RETENTION, counted=counted)
        return gone

    def _forgets(self, owner: str) -> None:
        if self.forget is not None:
            self.forget(owner)

    async def _emptied(self) -> None:
        """Let nothing of what went stand in the store's log either."""
        for _ in range(_TRIES):
            if await self.store.checkpoint():
                return
            await asyncio.sleep(_TRY_S)
        log.warning("log_not_emptied", hint="a reader is in the way; the next purge tries again")
