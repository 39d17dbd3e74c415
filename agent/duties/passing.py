"""Ends with a line's time with an account what was of that account: its opt-ins, and the line's handle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice

import structlog

from agent.core.accounts import stays_until
from agent.core.consents import Consents
from agent.core.records import OptIn, Service
from agent.pacing import rested
from agent.ports import Reader, StoreError

log = structlog.get_logger()

#: How often it is looked whether a line's time with an account, whose end was told before, is over.
EVERY_S = 60.0
#: Lines that are seen to together.
_BATCH = 64


@dataclass(slots=True, kw_only=True)
class Passing:
    """``retire`` ends the handles of lines, each with when it passed, at an instant (ms), and says how many that were.

    What was stored under a former handle stays under it, and is found by the line's name as before. ``withdraw`` takes
    back one of the opt-ins of ``consents``, if it still stands, which is stored on return. ``reader`` opens the store
    for reading. ``tell`` is given in a sentence why opt-ins that stand record nothing, None when they do.
    """

    consents: Consents
    withdraw: Callable[[OptIn], Awaitable[None]]
    retire: Callable[[Mapping[str, int], int], Awaitable[int]]
    reader: Callable[[], AbstractContextManager[Reader]]
    tell: Callable[[str | None], None]
    clock: Callable[[], int]
    #: Until when (ms) all that has passed was seen to; at a start nothing was.
    _seen_until: int = field(default=0, init=False)
    #: By its id, what has passed of lines of which an opt-in is to be withdrawn first.
    _put_off: dict[str, Service] = field(default_factory=dict, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def run(self) -> None:
        """See to every line that has passed, also while the agent was down, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """See to the lines that have passed since the last look.

        Where the store or the keyring cannot be used now, a later look sees to all; by an opt-in of which it cannot be
        told whose the line is nothing is recorded until then.
        """
        async with self._turn:
            await self._look(())

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Callable[[Iterable[Service]], None]]:
        """While services are changed: whoever does so tells what was stored, also what was wrong, bit by bit.

        It is seen to at the end, whenever its lines passed, since half of a change says that a line is nobody's.
        Nothing is recorded meanwhile by an opt-in of theirs. What breaks off is left to a later look.
        """
        changed: list[Service] = []

        def stored(services: Iterable[Service]) -> None:
            some = [each for each in services if each.line is not None]
            changed.extend(some)
            self.consents.doubt(self.consents.doubtful(self.clock(), {each.line for each in some}))

        async with self._turn:
            seen_until, self._seen_until = self._seen_until, 0
            yield stored
            self._seen_until = seen_until
            if changed:
                await self._look(changed)

    async def _look(self, changed: Iterable[Service]) -> None:
        now, count = self.clock(), 0
        changed, self._put_off = sorted([*changed, *self._put_off.values()], key=_until), {}
        # What is withdrawn is stored anew, so it is before another handle stands for the line.
        left = await self._withdrawn({each.line for each in changed}, now)
        passed = self._passed(changed, now, left)
        try:
            while some := await asyncio.to_thread(lambda: dict(islice(passed, _BATCH))):
                count += await self.retire(some, now)
        except StoreError as error:
            self._seen_until = 0
            log.error("handles_not_retired", reason=str(error), hint=error.hint)
            return
        finally:
            # Where this was cancelled the thread reads on, and lets go of the store at its end.
            with suppress(ValueError):
                passed.close()
        self._seen_until = now
        if count:
            log.info("handles_retired", handles=count)

    async def _withdrawn(self, lines: Collection[str | None], now: int) -> set[str]:
        """Withdraw the opt-ins of who has the line no longer, as far as ``lines`` changed; the lines of those left."""
        doubtful = self.consents.doubtful(now, lines)
        left, error = {given.id: given for given in doubtful}, None
        try:
            for begin in range(0, len(doubtful), _BATCH):
                some = doubtful[begin : begin + _BATCH]
                until, unread = await asyncio.to_thread(self._looked_up, some)
                error = unread or error
                self.consents.settle(until)
                for given in some:
                    if (end := until.get(given.id)) is not None and end <= now:
                        await self.withdraw(given)
                        log.info("optin_passed", optin=given.id)
                for id in until:
                    del left[id]
        except StoreError as failed:
            error = failed
        self.consents.doubt(left.values())
        if error is not None:
            log.error("optins_not_withdrawn", optins=len(left), reason=str(error), hint=error.hint)
        self.tell(None if error is None else f"nothing is recorded by some opt-ins that stand: {error}")
        return {given.line for given in left.values()}

    def _looked_up(self, optins: Sequence[OptIn]) -> tuple[dict[str, int | None], StoreError | None]:
        """Until when the line is whose it was, by the opt-in's id; and why that cannot be told of those not there."""
        until: dict[str, int | None] = {}
        unread = None
        with self.reader() as reader:
            for given in rested(optins):
                try:
                    until[given.id] = stays_until(reader.services(line=given.line), given.given_at)
                except StoreError as error:
                    unread = error
        return until, unread

    def _passed(
        self, changed: Iterable[Service], now: int, left: Collection[str]
    ) -> Generator[tuple[str, int], None, None]:
        with self.reader() as reader:
            for service in rested(chain(changed, reader.ended(self._seen_until, now))):
                if service.line is None or service.corrected_at is not None or not 0 < _until(service) <= now:
                    continue
                if service.line in left:
                    self._put_off[service.id] = service  # Once, however often all that has ended is read again.
                else:
                    yield service.line, _until(service)


def _until(service: Service) -> int:
    return service.until_at or 0
