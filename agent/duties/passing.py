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
    back one of the opt-ins of ``consents``, which is stored on return. ``reader`` opens the store for reading.
    """

    consents: Consents
    withdraw: Callable[[OptIn], Awaitable[None]]
    retire: Callable[[Mapping[str, int], int], Awaitable[int]]
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]
    #: Until when (ms) all that has passed was seen to; at a start nothing was.
    _seen_until: int = field(default=0, init=False)
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
        now, count, changed = self.clock(), 0, sorted(changed, key=_until)
        # What is withdrawn is stored anew, so it is before another handle stands for the line.
        if not await self._withdrawn({each.line for each in changed}, now):
            self._seen_until = 0
            return
        passed = self._passed(changed, now)
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

    async def _withdrawn(self, lines: Collection[str | None], now: int) -> bool:
        """Withdraw the opt-ins of who has the line no longer, as far as ``lines`` changed; False: some may be left."""
        doubtful = self.consents.doubtful(now, lines)
        try:
            until = await asyncio.to_thread(self._looked_up, doubtful) if doubtful else {}
            self.consents.settle(until)
            for given in self.consents.doubtful(now):
                if given.id in until:  # Else it was withdrawn, or given, meanwhile.
                    await self.withdraw(given)
                    log.info("optin_passed", optin=given.id)
        except StoreError as error:
            self.consents.doubt(doubtful)
            log.error("optins_not_withdrawn", reason=str(error), hint=error.hint)
            return False
        return True

    def _looked_up(self, optins: Sequence[OptIn]) -> dict[str, int | None]:
        with self.reader() as reader:
            return {given.id: stays_until(reader.services(line=given.line), given.given_at) for given in rested(optins)}

    def _passed(self, changed: Iterable[Service], now: int) -> Generator[tuple[str, int], None, None]:
        with self.reader() as reader:
            for service in rested(chain(changed, reader.ended(self._seen_until, now))):
                if service.line is not None and service.corrected_at is None and 0 < _until(service) <= now:
                    yield service.line, _until(service)


def _until(service: Service) -> int:
    return service.until_at or 0
