"""The erasure canary: a customer that never was is stored, read, erased and searched for in every file there is.

It goes straight into the store, past everything that counts or tells of records, and lives for about a second. What
erases it is in the ledger before it is stored, so that one whose agent was killed meanwhile is erased by the next.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.core import canary
from agent.core.accounts import Span
from agent.core.erasing import GOES
from agent.core.records import Account, Record, Service, Severity
from agent.duties.erasing import Eraser
from agent.duties.traces import traces_elsewhere
from agent.ports import Reader, Store, StoreError

log = structlog.get_logger()

SUBJECT = "canary"
FIRST_S = 60.0


class Unproved(Exception):
    """The canary could not do its work; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of the canary at ``at`` (ms): the files in which it was ``found``."""

    at: int
    found: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        """Whether it is nowhere."""
        return not self.found


@dataclass(slots=True, kw_only=True)
class Canary:
    """``places`` are the files and folders that are searched; ``tell`` hears what is wrong (None: nothing is)."""

    store: Store
    reader: Callable[[], AbstractContextManager[Reader]]
    eraser: Eraser
    places: Sequence[Path]
    every_s: float
    clock: Callable[[], int]
    tell: Callable[[str | None, Severity], None]
    #: Of this run; None: there was none yet, or it could not be proved.
    last: Result | None = None

    async def run(self) -> None:
        """Try it a while after the start, and then every ``every_s``, until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.fly()
            except (Unproved, StoreError) as error:
                log.error("canary_failed", reason=str(error))
            await asyncio.sleep(self.every_s)

    async def fly(self) -> Result:
        """Store, read, erase and search for it.

        Raises:
            Unproved: it could not be stored or read, or not every file can be searched.
            StoreError: it could not be stored, read or erased.
        """
        token, at = secrets.token_hex(12), self.clock()
        account, lines = canary.account_of(token), [Span(line=canary.line_of(token), begin=at, end=at + 1)]
        try:
            await self.eraser.announce([account], lines)
            records = canary.records(token, at)
            # What is locked waits for its keys in here, off the event loop.
            await self.store.commit(records, durable=False)
            await asyncio.to_thread(self._read, token, records)
            await self.eraser.take(account, lines, counted=False)
            found = await asyncio.to_thread(_found, self.places, token)
        except OSError as error:
            self._unproved("a file could not be searched for what was erased")
            raise Unproved(f"a file cannot be searched: {error.strerror}") from None
        except (Unproved, StoreError):
            self._unproved("a customer that never was could not be stored and erased")
            raise
        self.last = Result(at=at, found=found)
        names = ", ".join(sorted({path.name for path in found}))
        self.tell(f"what was erased is still in {names}" if names else None, Severity.CRITICAL)
        log.info("canary", ok=self.last.ok, found=len(found))
        return self.last

    def _read(self, token: str, records: Sequence[Record]) -> None:
        """Use it, as any other customer's data are used."""
        line, account = canary.line_of(token), canary.account_of(token)
        with self.reader() as reader:
            found = {record.id for kind in GOES for record in reader.read(kind.KIND, line=line)}
            found |= {record.id for record in reader.of(Account, account)}
            found |= {record.id for record in reader.of(Service, account)}
        if found != {record.id for record in records}:
            raise Unproved("the canary was not stored as it should be")

    def _unproved(self, why: str) -> None:
        self.last = None
        self.tell(f"nobody knows whether what is erased is gone: {why}, see the log", Severity.WARNING)


def _found(places: Sequence[Path], token: str) -> tuple[Path, ...]:
    for place in places:
        if place.is_dir():
            os.scandir(place).close()  # A folder that cannot be read must not count as one that has nothing in it.
    return tuple(dict.fromkeys(trace.file for trace in traces_elsewhere(places, [token])))
