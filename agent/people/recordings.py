"""Carries out what people ask of recordings: who used one, and why, is stored durably before anything is shown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol, TypeVar

import structlog

from agent.core.accounts import stays_until
from agent.core.records import (
    Access,
    AuditUse,
    Calls,
    Content,
    ContentState,
    OptIn,
    Reason,
    Record,
    Recording,
    RecordingState,
    Trigger,
    Use,
    document,
)
from agent.core.signals import CaptureOrder, Lookup
from agent.people.auditing import Auditing
from agent.people.control import Keeping
from agent.pipeline import Pipeline
from agent.ports import Reader, StoreError
from agent.views.asking import Answer, Refusal
from agent.views.recordings import Wave

log = structlog.get_logger()

#: Recordings that are read at once for a list.
PAGE = 200

T = TypeVar("T", bound=Record)

_BY_HAND = "of a call that is up, by hand"
_OVER = (RecordingState.STOPPED, RecordingState.NOT_STARTED)


class Vault(Protocol):
    """Where the content of recordings is kept, encrypted. Every call blocks."""

    def read(self, id: str) -> Iterator[bytes]:
        """What was captured, decrypted and verified, piece by piece.

        Raises:
            StoreError: it is gone or damaged, or its key was destroyed; perhaps after some of it was given.
        """

    def destroy(self, id: str) -> bool:
        """The key, then the file; False when neither was there.

        Raises:
            StoreError: it may be there still.
        """


class Capturing(Protocol):
    """Starts, stops, pauses and resumes captures in Asterisk. Each raises LookupError when there is no such recording
    or call, ValueError when it cannot be done now, ConnectionError or TimeoutError when Asterisk is away.
    """

    async def start(self, line: str, by: str) -> Recording:
        """Record the call that ``line`` is in, by an opt-in of it that stands."""

    async def stop(self, id: str, by: str) -> Recording:
        """End a recording."""

    async def pause(self, id: str, by: str) -> Recording:
        """Capture nothing until it is resumed."""

    async def resume(self, id: str, by: str) -> Recording:
        """Capture again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """`agent.views.recordings.RecordingControls` of one running agent.

    ``vault`` is None where there is no site key to open it with; ``reader`` opens the store for reading; ``held`` tells
    the content that must not be destroyed, and who has ``destroying`` destroys others.
    """

    pipeline: Pipeline
    keeping: Keeping
    auditing: Auditing
    vault: Vault | None
    capturing: Capturing
    reader: Callable[[], AbstractContextManager[Reader]]
    held: Callable[[Content], bool]
    destroying: asyncio.Lock
    clock: Callable[[], int]
    new_id: Callable[[], str]
    #: One deletion after another: a second one of the same recording finds it gone.
    _deleting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    # -- opt-ins --------------------------------------------------------------------------------------------------

    async def opt_in(self, line: str, trigger: Trigger, calls: Calls, purpose: str, by: str) -> OptIn:
        """See `agent.views.recordings.RecordingControls`."""
        at = self.clock()
        until = await asyncio.to_thread(self._stays_until, line, at)
        if until is not None and until <= at:
            raise Refusal(409, "this line is no account's now, so nobody can opt in for it")
        try:
            records = self.pipeline.engine.consents.add(line, trigger, calls, purpose, by, at, until)
        except ValueError as error:
            raise Refusal(409, str(error)) from None
        return await self._written(records, "opted_in")

    async def withdraw(self, id: str, by: str) -> OptIn:
        """See `agent.views.recordings.RecordingControls`; what is being recorded by it ends, stored or not."""
        try:
            outputs = self.pipeline.engine.withdraw(id, by, self.clock())
        except LookupError as error:
            raise Refusal(404, str(error)) from None
        self.pipeline.put(output for output in outputs if isinstance(output, CaptureOrder))
        return await self._written(
            [output for output in outputs if not isinstance(output, CaptureOrder | Lookup)], "withdrawn"
        )

    def _stays_until(self, line: str, at: int) -> int | None:
        with self.reader() as reader:
            return stays_until(reader.services(line=line), at)

    async def _written(self, records: list[Record], what: str) -> OptIn:
        await self.keeping.keep(records)
        (optin,) = (record for record in records if isinstance(record, OptIn))
        log.info(what, optin=optin.id, trigger=optin.trigger)
        return optin

    # -- content --------------------------------------------------------------------------------------------------

    async def listed(self, line: str | None, since: int | None, reason: str, by: str) -> AsyncIterator[Answer]:
        """See `agent.views.recordings.RecordingControls`."""
        await self._used("", Use.LISTED, reason, by, whose=line)
        rows = _rows(self.reader, line, since)
        while page := await asyncio.to_thread(lambda: list(islice(rows, PAGE))):
            for row in page:
                yield row

    async def open(self, id: str, use: Use, reason: str, by: str) -> Wave:
        """See `agent.views.recordings.RecordingControls`."""
        vault = self._vault()
        await asyncio.to_thread(self._kept, id)
        await self._used(id, use, reason, by)
        content = await asyncio.to_thread(self._kept, id)
        pieces = _pieces(vault, content)
        # What cannot be opened at all is told in a sentence; what breaks off later can only be cut short.
        first = await asyncio.to_thread(next, pieces, b"")
        return Wave(size_bytes=content.size_bytes, chunks=_chunks(first, pieces))

    async def delete(self, id: str, why: Reason, reason: str, by: str) -> Content:
        """See `agent.views.recordings.RecordingControls`."""
        vault = self._vault()
        await asyncio.to_thread(self._kept, id)
        async with self._deleting:
            content = await asyncio.to_thread(self._kept, id)
            self._check_free(content)
            await self._used(id, Use.DELETED, reason, by)
            async with self.destroying:
                # A hold may have been placed while that was written down.
                self._check_free(content)
                at = max(self.clock(), content.stored_at)
                gone = replace(content, state=ContentState.DELETED, deleted_at=at, deleted_by=by, reason=why)
                await self._destroyed(vault, gone)
            await self.keeping.keep([gone])
        log.info("content_deleted", recording=id, reason=why)
        return gone

    def _check_free(self, content: Content) -> None:
        if self.held(content):
            raise Refusal(409, "the content of this recording may not be destroyed now, for a legal reason")

    async def _destroyed(self, vault: Vault, gone: Content) -> None:
        destroying = asyncio.create_task(asyncio.to_thread(vault.destroy, gone.id))
        try:
            await asyncio.shield(destroying)
        finally:
            # Also when the agent is being stopped: what is destroyed is on record as such.
            await asyncio.wait([destroying])
            if destroying.exception() is None:
                self.pipeline.put([gone])

    async def _used(self, id: str, use: Use, reason: str, by: str, *, whose: str | None = None) -> None:
        """Have it on record; ``whose``: the line whose recordings are listed."""
        access = Access(id=self.new_id(), at=self.clock(), by=by, recording=id, use=use, reason=reason)
        await self.auditing.note(by=by, use=AuditUse(use.value), subject=id or whose, reason=reason, beside=[access])
        log.info("recording_used", use=use, recording=id, access=access.id)

    def _kept(self, id: str) -> Content:
        with self.reader() as reader:
            content = _exactly(reader.find(Content, id), id)
            recording = _exactly(reader.find(Recording, id), id)
        if content is None and recording is None:
            raise Refusal(404, "no recording has this id")
        if content is None and recording is not None and recording.state not in _OVER:
            raise Refusal(409, "this recording has not ended yet")
        if content is None:
            raise Refusal(410, "nothing is kept of this recording")
        if content.state is not ContentState.KEPT:
            why = "" if content.reason is None else f" ({content.reason})"
            raise Refusal(410, f"the content of this recording is gone: {content.state}{why}")
        return content

    def _vault(self) -> Vault:
        if self.vault is None:
            raise StoreError(
                "there is no site key, so no recording can be opened or destroyed",
                "see [keys]; telephony-agent keys init makes the first one",
            )
        return self.vault

    # -- captures -------------------------------------------------------------------------------------------------

    async def start(self, line: str, by: str) -> Recording:
        """See `agent.views.recordings.RecordingControls`."""
        await self.auditing.note(by=by, use=AuditUse.STARTED, subject=line, reason=_BY_HAND)
        return await _captured(self.capturing.start(line, by))

    async def stop(self, id: str, by: str) -> Recording:
        """See `agent.views.recordings.RecordingControls`."""
        # That somebody is recorded no more waits for no store.
        self.auditing.note_at_once(by=by, use=AuditUse.STOPPED, subject=id, reason=_BY_HAND)
        return await _captured(self.capturing.stop(id, by))

    async def pause(self, id: str, by: str) -> Recording:
        """See `agent.views.recordings.RecordingControls`."""
        self.auditing.note_at_once(by=by, use=AuditUse.PAUSED, subject=id, reason=_BY_HAND)
        return await _captured(self.capturing.pause(id, by))

    async def resume(self, id: str, by: str) -> Recording:
        """See `agent.views.recordings.RecordingControls`."""
        await self.auditing.note(by=by, use=AuditUse.RESUMED, subject=id, reason=_BY_HAND)
        return await _captured(self.capturing.resume(id, by))


async def _captured(doing: Awaitable[Recording]) -> Recording:
    try:
        recording = await doing
    except LookupError as error:
        raise Refusal(404, str(error.args[0]) if error.args else "no such recording runs now") from None
    except ValueError as error:
        raise Refusal(409, str(error)) from None
    except (ConnectionError, TimeoutError):
        raise Refusal(502, "Asterisk does not answer now, so nothing was changed that is known of") from None
    log.info("capture_asked", recording=recording.id, state=recording.state)
    return recording


def _rows(open_: Callable[[], AbstractContextManager[Reader]], line: str | None, since: int | None) -> Iterator[Answer]:
    """Recordings with what became of their content; closes the store when nobody wants more."""
    with open_() as reader:
        for recording in reader.read(Recording.KIND, since=since, line=line):
            content = _exactly(reader.find(Content, recording.id), recording.id)
            yield document(recording) | {"content": None if content is None else document(content)}


def _exactly(found: list[T], id: str) -> T | None:
    return next((record for record in found if record.id == id), None)


def _pieces(vault: Vault, content: Content) -> Iterator[bytes]:
    """What was captured; where that is more or less than is on record, its end is not given out."""
    left = content.size_bytes
    last = b""
    for piece in vault.read(content.id):
        left -= len(piece)
        if left < 0:
            break
        if last:
            yield last
        last = piece
    if left:
        raise StoreError("the content of this recording has another length than its record says", "report this")
    yield last


async def _chunks(first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
