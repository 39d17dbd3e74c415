"""Seals each recording when its capture is over: encrypted, written down, and only then is the plain file destroyed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from agent.core import recording
from agent.core.lanes import Lane
from agent.core.recording import Tape
from agent.core.records import CONTENT_CLASS, Content, ContentState, Reason, Record, Recording, Severity
from agent.duties.recording.parts import Books, Folder, Vault
from agent.ports import StoreError

log = structlog.get_logger()

#: A stop may turn out to be a pause, and Asterisk closes its file a moment after it says so.
_LOOK_S, _QUIET_LOOKS = 0.25, 4
#: How long a file is waited for that was to be written, and one that is written to after its call has ended.
_MISSING_LOOKS, _LATE_LOOKS = 20, 120
_RETRY_FIRST_S, _RETRY_LAST_S = 1.0, 60.0
#: A wave's header alone: nothing was captured.
_HEADER_BYTES = 44
_AT_ONCE = 4

STORE = "store"


class Sealer:
    """An observer of the pipeline: what was granted and is over is sealed, each in a task of its own."""

    def __init__(
        self,
        *,
        folder: Folder,
        vault: Vault,
        books: Books,
        running: Callable[[str], Tape | None],
        met_anybody: Callable[[str], bool],
        clock: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._vault = vault
        self._books = books
        self._running = running
        self._met_anybody = met_anybody
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.sealed = self.failures = 0
        #: Whether the last attempt to keep something went well.
        self.working = True

    @property
    def busy_with(self) -> frozenset[str]:
        """The ids of the recordings that are being sealed."""
        return frozenset(self._tasks)

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed."""
        for record in records:
            if isinstance(record, Recording):
                self.take(record)

    def take(self, record: Recording) -> None:
        """Seal ``record``, if it was granted and is over."""
        over = record.state in recording.ENDED and record.opted_in and record.started_at is not None
        if over and record.id not in self._tasks:
            task = asyncio.create_task(self._seal(record))
            self._tasks[record.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(record.id, None))

    async def finish(self) -> None:
        """Give up what is being sealed: the next start takes it up again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _seal(self, record: Recording) -> None:
        async with self._turn:
            if not await self._quiet(record):
                return
            retry_s = _RETRY_FIRST_S
            while True:
                try:
                    await self._kept(record)
                    break
                except StoreError as error:
                    self.failures += 1
                    self.working = False
                    self._books.condition(STORE, f"recordings cannot be kept: {error}", Severity.CRITICAL)
                    log.error("seal_failed", id=record.id, reason=str(error), hint=error.hint)
                await asyncio.sleep(retry_s)
                retry_s = min(_RETRY_LAST_S, retry_s * 2)
            self.working = True
            self._books.condition(STORE, None)

    async def _quiet(self, record: Recording) -> bool:
        """Wait until Asterisk writes no more; False when the recording goes on, or there is nothing to seal."""
        before, quiet, looks = None, 0, 0
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(_LOOK_S)
            tape = self._running(record.id)
            if tape is not None and tape.state not in recording.ENDED:
                return False
            state = await asyncio.to_thread(self._folder.state, record.id)
            looks += 1
            if state is None:
                if looks >= _MISSING_LOOKS:
                    await self._lost(record)
                    return False
                continue
            quiet, before = (quiet + 1 if state == before else 0), state
            if looks == _LATE_LOOKS:
                self._books.condition(record.id, "a recording is still written to after its call has ended")
        if looks >= _LATE_LOOKS:
            self._books.condition(record.id, None)
        return True

    async def _kept(self, record: Recording) -> None:
        plain = self._folder.path(record.id)
        state = await asyncio.to_thread(self._folder.state, record.id)
        known = await asyncio.to_thread(self._books.content, record.id)
        if state is None:
            return
        if state[0] <= _HEADER_BYTES:
            await self._ended(record, Reason.EMPTY, ContentState.SHREDDED)
        elif known is None or known.state is ContentState.KEPT:
            sealed = await asyncio.to_thread(self._vault.seal, plain, record.id, record.line or "")
            content = Content(
                id=record.id,
                line=record.line,
                kept_as=CONTENT_CLASS[record.trigger],
                state=ContentState.KEPT,
                stored_at=self._clock(),
                size_bytes=sealed.size_bytes,
                duration_ms=sealed.duration_ms,
                sha256=sealed.sha256,
                key=sealed.key,
            )
            await self._books.keep([content])
            self.sealed += 1
            log.info("recording_kept", id=record.id)
        try:
            await asyncio.to_thread(self._folder.shred, plain)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(
                f"a recording's plain file cannot be destroyed: {error.strerror}", "look at monitor_dir"
            ) from None

    async def _lost(self, record: Recording) -> None:
        """Nothing was written: nobody ever talked, or what was captured is gone (a reboot, a person)."""
        try:
            known = await asyncio.to_thread(self._books.content, record.id)
        except StoreError:
            return  # The next start looks again.
        if known is not None:
            return
        if not self._met_anybody(record.id):
            await self._ended(record, Reason.EMPTY, ContentState.SHREDDED)
            return
        await self._ended(record, Reason.MISSING, ContentState.LOST)
        self._books.condition(record.id, "what was recorded is not there: its file is missing")
        self._books.condition(record.id, None)

    async def _ended(self, record: Recording, reason: Reason, state: ContentState) -> None:
        now = self._clock()
        content = Content(id=record.id, line=record.line, state=state, stored_at=now, deleted_at=now, reason=reason)
        self._books.put([content])


def gone(content: Content, at: int, reason: Reason, state: ContentState = ContentState.DELETED) -> Content:
    """``content`` once it is not there any more."""
    return replace(content, state=state, deleted_at=at, reason=reason)
