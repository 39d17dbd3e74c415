"""The calls and texts that Asterisk wrote down: read no faster than they are stored, and destroyed once they are."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog

from agent.core.call import Calls, Legs
from agent.core.cdr import Cdr, parse
from agent.core.lines import Lines
from agent.core.records import Call, Text
from agent.core.text import Sent, Texts
from agent.core.text import parse as parse_text
from agent.sources.cdr_file import CallFile, CallFileError

log = structlog.get_logger()

#: Asterisk tells nobody of a new line.
EVERY_S = 2.0
#: Calls and texts in one go to the store: as many as go into one ordinary transaction.
BATCH = 64
_PIECE = 64 * 1024


class CallSource:
    """Reads calls and texts no faster than ``keep`` takes them: it returns when they are stored durably."""

    def __init__(
        self,
        file: CallFile,
        calls: Calls,
        texts: Texts,
        keep: Callable[[Sequence[Call | Text]], Awaitable[None]],
        clock: Callable[[], int],
    ) -> None:
        self.file = file
        self._calls = calls
        self._texts = texts
        self._keep = keep
        self._clock = clock
        self._legs = Legs()
        #: Since the start: lines that are no CDR or text of ours, and legs in which the PBX talked to itself.
        self.unreadable = 0
        self.plumbing = 0
        #: When all that there was had been stored, in ms; None before the first time.
        self.read_at: int | None = None
        self.waiting_bytes = 0
        self.fault = ""

    async def run(self) -> None:
        """Read what comes, until cancelled."""
        while True:
            try:
                while await self.once():
                    pass
                self._faulty("")
                self.read_at = self._clock()
            except CallFileError as error:
                self._faulty(str(error))
            self.waiting_bytes = await asyncio.to_thread(self._waiting)
            await asyncio.sleep(EVERY_S)

    async def once(self) -> bool:
        """Take, store and destroy one file; False: there was none.

        Raises:
            CallFileError: it cannot be read, and stays.
        """
        if not self._calls.trunks:
            # Each would count as internal, and nothing would be left of it that could be billed.
            raise CallFileError("[calls] names no trunks: no calls are read")
        descriptor = await asyncio.to_thread(self.file.take)
        if descriptor is None:
            return False
        try:
            # A run that was killed as it destroyed the file had stored all of it; it destroys from the beginning on.
            gone = os.pread(descriptor, 1, 0) == b"\0"
            readable, unreadable = (0, 0) if gone else await asyncio.to_thread(self._first_look, descriptor)
            if unreadable and not readable:
                raise CallFileError(f"{self.file.taken} holds no line that cdr_custom.conf.example has Asterisk write")
            kept = 0
            for batch in () if gone else _batches(descriptor):
                records = list(self._records(batch))
                kept += len(records)
                if records:
                    await self._keep(records)
                await asyncio.sleep(0)
            await asyncio.to_thread(self.file.remove)
        finally:
            os.close(descriptor)
        self._legs.forget()
        self.unreadable += unreadable
        self.plumbing += readable - kept
        return True

    def _records(self, batch: list[Cdr | Sent]) -> Iterator[Call | Text]:
        yield from self._calls.records((each for each in batch if isinstance(each, Cdr)), self._legs)
        yield from self._texts.records(each for each in batch if isinstance(each, Sent))

    def _first_look(self, descriptor: int) -> tuple[int, int]:
        """Note what the legs tell of each other; how many lines can be read, and how many not."""
        lines, readable, bad = Lines(), 0, 0
        for line in _lines(descriptor, lines):
            read = _read(line)
            if read is None:
                bad += 1
                continue
            readable += 1
            if isinstance(read, Cdr):
                self._calls.note(read, self._legs)
        return readable, bad + lines.stray

    def _waiting(self) -> int:
        try:
            return self.file.waiting_bytes()
        except OSError:
            return 0

    def _faulty(self, fault: str) -> None:
        if fault and fault != self.fault:
            log.error("calls_not_read", reason=fault)
        self.fault = fault


def _read(line: bytes) -> Cdr | Sent | None:
    return parse(line) or parse_text(line)


def _lines(descriptor: int, lines: Lines) -> Iterator[bytes]:
    offset = 0
    while piece := os.pread(descriptor, _PIECE, offset):
        offset += len(piece)
        yield from lines.feed(piece)
    yield from lines.rest()


def _batches(descriptor: int) -> Iterator[list[Cdr | Sent]]:
    batch: list[Cdr | Sent] = []
    for line in _lines(descriptor, Lines()):
        if (read := _read(line)) is not None:
            batch.append(read)
            if len(batch) >= BATCH:
                yield batch
                batch = []
    if batch:
        yield batch
