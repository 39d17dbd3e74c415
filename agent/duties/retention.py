"""Deletes each record when its class's term is over: a fuller view of an emergency to the minute, the rest hourly."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog

from agent.core.accounts.spans import holds as is_theirs
from agent.core.holds import Holds
from agent.core.personal import LOCKED
from agent.core.purging import DAY_MS, Count, Step, counted, plan
from agent.core.records import RECORDS, Account, Call, Deletion, Detail, Ground, Record, RetentionClass, Service
from agent.ports import Due, Reader, Store, StoreError

log = structlog.get_logger()

DETAILS_EVERY_S, EVERY_S = 60.0, 3600.0
#: Records that are looked at together, on a connection that holds nobody up, and of these deleted together.
PAGE, BATCH = 500, 16
#: So many times as long as a look or a transaction took nothing is done after it: 99 of 100 emergencies beside a purge
#: meet nothing of it, and a disk that has enough to do is left alone. LONGEST_S at the most: 16 rows a second go then.
RESTS, LONGEST_S = 100, 1.0

_LAST_MS = 253_402_300_799_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a purge would do to one kind of record of one class; ``next_at`` (ms): when it has the next to do."""

    step: Step
    goes: Count | None
    held: Count | None
    next_at: int | None


class Purger:
    """Deletes in small transactions, between which whatever else the store is asked goes first.

    A kill between two of them leaves nothing undone that the next run would not find: what is to go is read from the
    store, and each transaction holds all that belongs to it, with the counts of the run so far.

    ``holds`` are those that stand; who changes them has ``gate`` meanwhile, so that nothing goes that was just held.
    ``before`` is what has to be done before a call goes; ``tell`` hears what a run has deleted.
    """

    def __init__(
        self,
        *,
        store: Store,
        reader: Callable[[], AbstractContextManager[Reader]],
        days: Callable[[RetentionClass], int],
        holds: Callable[[], Holds],
        gate: asyncio.Lock,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        before: Callable[[], Awaitable[object]],
        tell: Callable[[Sequence[Deletion]], None],
    ) -> None:
        self._store = store
        self._reader = reader
        self._days = days
        self._holds = holds
        self._gate = gate
        self._clock = clock
        self._new_id = new_id
        self._before = before
        self._tell = tell
        #: How many records went in this run of the agent, by kind and ground; when all kinds were last through (ms).
        self.gone: Counter[tuple[str, str]] = Counter()
        self.purged_at: int | None = None
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: What is held stays at the old end of the store: it is walked through once a day, and when the holds change;
        #: in between a run begins behind it, and counts on from there.
        self._behind: dict[tuple[str, RetentionClass], tuple[Due, Count]] = {}
        self._walked_for: tuple[Holds, int] | None = None

    async def purge(self, kinds: Collection[type[Record]] = RECORDS) -> list[Deletion]:
        """Delete what ended longer ago than its class allows and is not held; what went, and what was kept back.

        Raises:
            StoreError: the store refused; what was deleted until then is gone.
        """
        now = self._clock()
        walk = (self._holds(), now // DAY_MS)
        if self._walked_for != walk:
            self._behind.clear()
            self._walked_for = walk
        if Call in kinds:
            await self._before()
        deletions: list[Deletion] = []
        for step in plan(self._days, now, kinds):
            # Two at once would both count what went.
            async with self._turns[step.kind]:
                deletions += await self._taken(step, now)
        self._tell(deletions)
        for each in deletions:
            if each.ground is not Ground.HELD:
                self.gone[each.of, each.ground] += each.count
        if Call in kinds:
            self.purged_at = self._clock()
        return deletions

    @property
    def held(self) -> Counter[str]:
        """How many records are past their term and held, or kept on for their customer, by kind."""
        found: Counter[str] = Counter()
        for (kind, _), (_, count) in self._behind.items():
            found[kind] += count.records
        return found

    async def checkpoint(self) -> bool:
        """Let nothing of what went stand in the store's log either; False: try again later."""
        return await self._store.checkpoint()

    async def run(self) -> None:
        """Purge at the start, then details every minute and the rest every hour, until cancelled."""
        others = tuple(record for record in RECORDS if record is not Detail)
        async with asyncio.TaskGroup() as rounds:
            # A year's backlog must not keep a fuller view a minute longer.
            rounds.create_task(self._rounds((Detail,), DETAILS_EVERY_S))
            rounds.create_task(self._rounds(others, EVERY_S))

    async def _rounds(self, kinds: Sequence[type[Record]], every_s: float) -> None:
        # An earlier run may have been killed between deleting and emptying the store's log.
        logged = True
        while True:
            try:
                gone = [each for each in await self.purge(kinds) if each.ground is not Ground.HELD]
                if gone or logged:
                    log.info("purged", records=sum(each.count for each in gone), details=Detail in kinds)
                if (logged := logged or bool(gone)) and await self.checkpoint():
                    logged = False
                await self._expire(kinds)
            except StoreError as error:
                # It may have deleted some before it failed.
                logged = True
                log.error("purge_failed", reason=str(error), hint=error.hint)
            await asyncio.sleep(DETAILS_EVERY_S if logged else every_s)

    async def _expire(self, kinds: Sequence[type[Record]]) -> None:
        """Destroy the keys of what went, so that it is unreadable in every older copy as well."""
        terms = {step.retention: step.before for step in plan(self._days, self._clock(), kinds)}
        for retention, before in terms.items():
            if months := await self._store.expire(retention, before):
                log.info("keys_expired", retention=retention, months=len(months))

    async def _taken(self, step: Step, now: int) -> Iterable[Deletion]:
        """What is due of one kind and class, from behind what was held at the last look."""
        where = (step.kind, step.retention)
        after, held = self._behind.get(where, (None, None))
        run = _Run(step=step, id=self._new_id(), at=now, held=held)
        while page := await self._page(run, after):
            for start in range(0, len(page), BATCH):
                await self._batch(run, page[start : start + BATCH])
            after = page[-1]
            if len(page) < PAGE:
                break
        if after is not None and run.held is not None:
            self._behind[where] = (after, run.held)
        if run.held is None or run.held == held:
            return run.told()
        kept = run.deletion(self._new_id(), Ground.HELD, run.held)
        await self._store.commit([kept], durable=False)
        return [*run.told(), kept]

    async def _page(self, run: "_Run", after: Due | None) -> list[Due]:
        began = time.perf_counter()
        page = await asyncio.to_thread(_page, self._reader, run, after)
        if page:
            await _rest(began)
        return page

    async def _batch(self, run: "_Run", due: Sequence[Due]) -> None:
        async with self._gate:
            goes, held = run.sorted_out(self._holds(), due)
            run.held = counted((each.ended_at for each in held), run.held)
            if not goes:
                return
            run.gone = counted((each.ended_at for each in goes), run.gone)
            cut = run.step.ground is Ground.CUT
            began = time.perf_counter()
            await self._store.remove(run.step.kind, [each.id for each in goes], cut=cut, told=run.told())
        await _rest(began)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run through one kind and class."""

    step: Step
    id: str
    at: int
    gone: Count | None = None
    held: Count | None = None
    #: What a line may have consented to, as far as it was asked for in this run; None where that cannot be told.
    consents: dict[str, list[Service] | None] = field(default_factory=dict)
    #: The lines of accounts, as far as they were asked for in this run.
    lines: dict[str, list[str]] = field(default_factory=dict)

    def look_up(self, records: Reader, due: Sequence[Due]) -> None:
        """Have at hand what `sorted_out` will ask about the lines and accounts of ``due``."""
        for account in {each.account for each in due if each.account is not None} - self.lines.keys():
            self.lines[account] = _lines_of(records, account)
        if self.step.consented_before is None:
            return
        for line in {each.line for each in due if each.line is not None and not each.hidden} - self.consents.keys():
            self.consents[line] = _consenting(records, line)

    def sorted_out(self, holds: Holds, due: Sequence[Due]) -> tuple[list[Due], list[Due]]:
        """What goes, and what is held, or kept on because its customer wants to see it."""
        goes: list[Due] = []
        kept: list[Due] = []
        for each in due:
            (kept if self._held(holds, each) or self._consented(each) else goes).append(each)
        return goes, kept

    def _held(self, holds: Holds, due: Due) -> bool:
        if due.account is not None:
            # It says whose what is held was.
            return holds.keeps_account(due.account, self.lines[due.account])
        return holds.keeps(self.step.kind, due.line, due.begun_at, due.ended_at)

    def _consented(self, due: Due) -> bool:
        before = self.step.consented_before
        if before is None or due.ended_at < before:
            return False
        services = None if due.hidden else self.consents.get(due.line or "", [])
        # Of one that cannot be told who it was of may have consented.
        return services is None or any(is_theirs(each, due.begun_at) for each in services)

    def told(self) -> list[Deletion]:
        """What went so far."""
        return [] if self.gone is None else [self.deletion(self.id, self.step.ground, self.gone)]

    def deletion(self, id: str, ground: Ground, count: Count) -> Deletion:
        """So much went, or did not."""
        return Deletion(
            id=id,
            at=self.at,
            of=self.step.kind,
            retention=self.step.retention,
            ground=ground,
            count=count.records,
            oldest_at=count.oldest_at,
            newest_at=count.newest_at,
        )


def outlook(reader: Reader, holds: Holds, days: Callable[[RetentionClass], int], now: int) -> Iterator[Outlook]:
    """What a purge would do at ``now`` (ms); it blocks, and changes nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    for step in plan(days, now):
        run = _Run(step=step, id="", at=now)
        goes = held = after = None
        while page := reader.due(step.kind, step.before, PAGE, after=after, retention=step.of_class):
            run.look_up(reader, page)
            going, kept = run.sorted_out(holds, page)
            goes = counted((each.ended_at for each in going), goes)
            held = counted((each.ended_at for each in kept), held)
            after = page[-1]
        border = Due(id="", line=None, begun_at=step.before, ended_at=step.before)
        coming = reader.due(step.kind, _LAST_MS, 1, after=border, retention=step.of_class)
        next_at = coming[0].ended_at + days(step.retention) * DAY_MS if coming else None
        yield Outlook(step=step, goes=goes, held=held, next_at=next_at)


def _consenting(records: Reader, line: str) -> list[Service] | None:
    try:
        return [
            service
            for service in records.services(line=line)
            if any(account.history_consent for account in records.of(Account, service.account))
        ]
    except StoreError:
        return None


def _lines_of(records: Reader, account: str) -> list[str]:
    try:
        return [service.line for service in records.of(Service, account) if service.line is not None]
    except StoreError:
        return [LOCKED]


async def _rest(began: float) -> None:
    await asyncio.sleep(min(RESTS * (time.perf_counter() - began), LONGEST_S))


def _page(reader: Callable[[], AbstractContextManager[Reader]], run: _Run, after: Due | None) -> list[Due]:
    step = run.step
    with reader() as records:
        due = records.due(step.kind, step.before, PAGE, after=after, retention=step.of_class)
        run.look_up(records, due)
        return due
