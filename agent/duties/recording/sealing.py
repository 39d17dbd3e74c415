"""Seals each recording when its capture is over: encrypted, written down, and only then is the plain file destroyed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from agent.core import recording
from agent.core.lanes import Lane
from agent.core.recording import Tape
from agent.core.records import CONTENT_CLASS, Content, ContentState, Reason, Record, Recording, RecordingState, Severity
from agent.duties.recording.parts import Books, Folder, Vault
from agent.duties.recording.threads import in_memory, on_disk
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

#: Who was captured so long and talked has left a file, wherever Asterisk writes.
_LONG_MS = 5_000

STORE, ELSEWHERE = "store", "elsewhere"
_ELSEWHERE = (
    "Asterisk writes recordings to another folder than [recording] monitor_dir: nothing is granted"
    " until one is seen there, or the agent is restarted"
)


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
        self._failing: set[str] = set()
        self._since = clock()
        self._elsewhere = False

    @property
    def busy_with(self) -> frozenset[str]:
        """The ids of the recordings that are being sealed."""
        return frozenset(self._tasks)

    @property
    def working(self) -> bool:
        """Whether everything could be kept that was tried last, and was where it was to be."""
        return not self._failing and not self._elsewhere

    def found_elsewhere(self) -> None:
        """Asterisk captures, and not into the monitor folder: what was granted next would be lost as well."""
        self._elsewhere = True
        self._books.condition(ELSEWHERE, _ELSEWHERE, Severity.CRITICAL)

    def looked(self, *, seen: bool) -> None:
        """Somebody looked into the monitor folder, and there has ``seen`` the file of a recording or not."""
        if seen:
            self._elsewhere = False
        if not self._elsewhere:
            self._books.condition(ELSEWHERE, None)

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed."""
        for record in records:
            if isinstance(record, Recording):
                self.take(record)

    def take(self, record: Recording) -> None:
        """Seal ``record``, if it was granted and is over; one that was not heard to begin, if there is a file of it."""
        over = record.state in recording.ENDED and record.opted_in
        if over and (record.started_at is not None or record.blind) and record.id not in self._tasks:
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
        retry_s = _RETRY_FIRST_S
        sealed: list[Content] = []
        while True:
            try:
                if await self._quiet(record):
                    async with self._turn:
                        await self._kept(record, sealed)
                break
            except (StoreError, OSError) as error:
                self._failed(record, error)
            await asyncio.sleep(retry_s)
            retry_s = min(_RETRY_LAST_S, retry_s * 2)
        self._failing.discard(record.id)
        if not self._failing:
            self._books.condition(STORE, None)

    def _failed(self, record: Recording, error: StoreError | OSError) -> None:
        self.failures += 1
        self._failing.add(record.id)
        if isinstance(error, StoreError):
            reason, hint = str(error), error.hint
        else:
            reason, hint = f"the monitor folder cannot be used: {error.strerror}", "look at monitor_dir"
        self._books.condition(STORE, f"recordings cannot be kept: {reason}", Severity.CRITICAL)
        log.error("seal_failed", id=record.id, reason=reason, hint=hint)

    async def _quiet(self, record: Recording) -> bool:
        """Wait until Asterisk writes no more; False when the recording goes on, or there is nothing to seal."""
        before, quiet, looks = None, 0, 0
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(_LOOK_S)
            tape = self._running(record.id)
            if tape is not None and tape.state not in recording.ENDED:
                break
            state = await in_memory(self._folder.state, record.id)
            looks += 1
            if state is None:
                if looks >= _MISSING_LOOKS:
                    await self._lost(record)
                    break
                continue
            self.looked(seen=True)
            quiet, before = (quiet + 1 if state == before else 0), state
            if looks == _LATE_LOOKS:
                self._books.condition(record.id, "a recording is still written to after its call has ended")
        if looks >= _LATE_LOOKS:
            self._books.condition(record.id, None)
        return quiet >= _QUIET_LOOKS

    async def _kept(self, record: Recording, sealed: list[Content]) -> None:
        """Bring it where it is to be kept; ``sealed`` holds what an earlier attempt had sealed, and not yet stored."""
        plain = self._folder.path(record.id)
        state = await in_memory(self._folder.state, record.id)
        if state is None:
            return
        known = await on_disk(self._books.content, record.id)
        if known is None or (known.state is ContentState.KEPT and known.size_bytes < state[0]):
            if state[0] <= _HEADER_BYTES:
                await self._ended(record, Reason.EMPTY, ContentState.SHREDDED)
            else:
                if not sealed or sealed[0].size_bytes < state[0]:
                    sealed[:] = [await self._sealed(record, plain)]
                await self._books.keep([*_begun(record), *sealed])
                self.sealed += 1
                log.info("recording_kept", id=record.id)
        # Of what is kept, or was deleted by a person, nothing readable stays.
        await in_memory(self._folder.shred, plain)

    async def _sealed(self, record: Recording, plain: Path) -> Content:
        found = await on_disk(self._vault.seal, plain, record.id, record.line or "")
        now = self._clock()
        return Content(
            id=record.id,
            line=record.line,
            kept_as=CONTENT_CLASS[record.trigger],
            state=ContentState.KEPT,
            began_at=_began_at(record, now),
            stored_at=now,
            size_bytes=found.size_bytes,
            duration_ms=found.duration_ms,
            sha256=found.sha256,
            key=found.key,
        )

    async def _lost(self, record: Recording) -> None:
        """Nothing was written: nobody ever talked, or what was captured is gone (a reboot, a person)."""
        if record.started_at is None or await on_disk(self._books.content, record.id) is not None:
            return
        if self._running(record.id) is not None and not record.blind and not self._met_anybody(record.id):
            await self._ended(record, Reason.EMPTY, ContentState.SHREDDED)
            return
        if self._is_elsewhere(record):
            self.found_elsewhere()
        await self._ended(record, Reason.MISSING, ContentState.LOST)
        text = "what was recorded is not there: see whether Asterisk writes elsewhere than in [recording] monitor_dir"
        self._books.condition(record.id, text, Severity.CRITICAL)
        self._books.condition(record.id, None)

    def _is_elsewhere(self, record: Recording) -> bool:
        """Whether a file that is missing has gone elsewhere: a reboot takes only those that began before this run."""
        began, ended = record.started_at or 0, record.stopped_at or 0
        paused_ms = sum((pause.resumed_at or ended) - pause.paused_at for pause in record.pauses)
        long = ended - began - paused_ms >= _LONG_MS
        return long and began >= self._since and self._met_anybody(record.id)

    async def _ended(self, record: Recording, reason: Reason, state: ContentState) -> None:
        now = self._clock()
        content = Content(
            id=record.id,
            line=record.line,
            state=state,
            began_at=_began_at(record, now),
            stored_at=now,
            deleted_at=now,
            reason=reason,
        )
        self._books.put([content])


def may_have_file(record: Recording) -> bool:
    """Whether a file of its name may be what was granted: it began, or may have while nobody listened."""
    return record.opted_in and (record.state is not RecordingState.NOT_STARTED or record.blind)


def gone(content: Content, at: int, reason: Reason, state: ContentState = ContentState.DELETED) -> Content:
    """``content`` once it is not there any more."""
    return replace(content, state=state, deleted_at=at, reason=reason)


def _began_at(record: Recording, now: int) -> int:
    """When the capture began, or at least when it was over (ms): the line may have passed since."""
    known = record.started_at if record.started_at is not None else record.stopped_at
    return now if known is None else known


def _begun(record: Recording) -> list[Recording]:
    """What is to be mended in ``record``, of which there is content: nobody heard it begin."""
    if record.state is not RecordingState.NOT_STARTED:
        return []
    return [replace(record, state=RecordingState.STOPPED, started_at=record.stopped_at)]
