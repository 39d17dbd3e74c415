"""The dialplan's journal of emergencies in AstDB: read while nobody listened or not, cleared when all of it is kept."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.core.normalise.journal import COMPLETE, FAMILY, Entry, entry_of, key_of
from agent.core.wire import Message
from agent.ports import Ledger
from agent.sources.ami_connection import Answer, SessionDown
from agent.sources.ami_session import Session

log = logging.getLogger(__name__)

#: Entries handed on before others get their turn: 10,000 of them must not hold up a 999.
_AT_ONCE: Final = 8
_IN_FLIGHT: Final = 8

#: An entry that our dialplan did not write tells nothing; it may be looked at for so long.
_ODD_MS: Final = 86_400_000


_UNANSWERED: Final = "the journal of emergencies: no answer from Asterisk, or none from the store"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the journal held: its entries by call, and the keys that are no entry's. Raw ids live in memory only.

    ``unheard`` are the calls of which an entry met a fault of the agent's own.
    """

    calls: dict[str, list[str]]
    odd: list[str]
    unheard: set[str]


class Journal:
    """Reads the journal over the bulk session and clears what is kept; `run` beside the session, for ever.

    Entry by entry it is cleared, and not call by call: what is written behind a reading stays for the next one.
    """

    def __init__(self, session: Session, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._session = session
        self._ledger = ledger
        self._clock = clock
        self._turn = asyncio.Lock()
        self._due = asyncio.Event()
        self._reading: Reading | None = None
        #: key -> since when it is known to be odd (ms)
        self._odd: dict[str, int] = {}
        self._refused: set[str] = set()
        #: Entries of emergencies that are not cleared yet, as far as was read; and when it was last read (ms).
        self.waiting = 0
        self.read_at: int | None = None

    @property
    def odd(self) -> int:
        """Entries that our dialplan did not write."""
        return len(self._odd)

    def ended(self) -> None:
        """An emergency is over and kept: its entries may soon be cleared."""
        self._reading = None
        self._due.set()

    async def run(self) -> None:
        """Read and clear every minute, and after each emergency, for ever."""
        timing = self._session.timing
        while True:
            try:
                async with asyncio.timeout(timing.journal_s):
                    await self._due.wait()
                # The dialplan tells first and writes then, and the legs of a call end one by one.
                await asyncio.sleep(timing.journal_after_s)
            except TimeoutError:
                pass
            try:
                await self._round()
            except SessionDown:
                continue  # The snapshot after the next login reads it.
            except TimeoutError:
                log.warning(_UNANSWERED)

    async def read(self) -> None:
        """Have all of the journal heard, oldest first; what was heard before is heard again and changes nothing.

        What is over and kept is cleared soon, not now. A database that does not answer is asked again within a minute.

        Raises:
            SessionDown: as Session.ask_list.
        """
        try:
            self._reading = await self._read()
            self._due.set()
        except TimeoutError:
            log.warning(_UNANSWERED)

    async def _read(self) -> Reading:
        async with self._turn:
            self._ledger.reading()
            answer = await self._session.collect({"Action": "DBGetTree", "Family": FAMILY}, COMPLETE)
            if not answer.ok and not _empty(answer):
                # That it is empty is not known: nothing may be forgotten, or it would begin anew by an entry of it.
                self._say_refused("DBGetTree")
                return Reading({}, [], set())
            reading = await self._told(answer.items)
            self._ledger.read(reading.calls)
            self.waiting = sum(map(len, reading.calls.values()))
            self.read_at = self._clock()
            return reading

    async def _round(self) -> None:
        self._due.clear()
        reading, self._reading = self._reading, None
        if reading is None:
            reading = await self._read()
        # What the agent could not take in is nowhere else: it stays for a version that can.
        over = [call for call in reading.calls.keys() - reading.unheard if self._ledger.over(call)]
        if over:
            async with asyncio.timeout(self._session.timing.journal_kept_s):
                await self._ledger.kept()
        cleared = await self._clear([key for call in over for key in reading.calls[call]])
        self.waiting = max(0, self.waiting - cleared)
        await self._clear(list(self._outlived(reading.odd)))

    async def _told(self, items: list[Message]) -> Reading:
        entries: list[tuple[Entry, Message]] = []
        reading = Reading({}, [], set())
        for item in items:
            entry, key = entry_of(item), key_of(item)
            if entry is not None:
                entries.append((entry, item))
                reading.calls.setdefault(entry.call, []).append(entry.key)
            elif key is not None:
                reading.odd.append(key)
        for number, (entry, item) in enumerate(sorted(entries, key=lambda told: told[0].at)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            faults = self._session.faults
            self._session.hear(item)
            if self._session.faults > faults:
                reading.unheard.add(entry.call)
        if entries:
            log.info("the journal of emergencies: %d entries of %d calls", len(entries), len(reading.calls))
        return reading

    def _outlived(self, odd: list[str]) -> Iterator[str]:
        """Of the keys that are no entry's, those that have been there for a day."""
        now = self._clock()
        fresh = len(odd) - len(self._odd.keys() & odd)
        if fresh:
            log.warning("the journal of emergencies: %d entries are not our dialplan's, and are not read", fresh)
        self._odd = {key: self._odd.get(key, now) for key in odd}
        return (key for key, since in self._odd.items() if now - since >= _ODD_MS)

    async def _clear(self, keys: list[str]) -> int:
        """How many of ``keys`` are cleared."""
        waiting = iter(keys)
        return sum(await asyncio.gather(*(self._delete(waiting) for _ in range(_IN_FLIGHT))))

    async def _delete(self, keys: Iterator[str]) -> int:
        cleared = 0
        for key in keys:
            try:
                answer = await self._session.ask({"Action": "DBDel", "Family": FAMILY, "Key": key})
            except ValueError:
                continue  # Such a key would not stay one AMI header: no dialplan wrote it.
            if "denied" in answer.message:
                self._say_refused("DBDel")
                break
            cleared += answer.ok
        return cleared

    def _say_refused(self, action: str) -> None:
        if action not in self._refused:
            self._refused.add(action)
            log.warning("the journal of emergencies: Asterisk refuses %s; it needs write class system", action)


def _empty(answer: Answer) -> bool:
    return "not found" in answer.message.lower() or "unknown command" in answer.message.lower()
