"""Destroys the file of a capture that nobody asked for, or tells that a person has to look for it."""

import asyncio
from collections.abc import Callable

import structlog

from agent.core.records import Content, ContentState, Reason, Severity
from agent.core.signals import CaptureOrder
from agent.duties.recording.parts import Books, Folder
from agent.duties.recording.sealing import may_have_file
from agent.duties.recording.threads import in_memory, on_disk
from agent.ports import StoreError

log = structlog.get_logger()

#: MixMonitor's file may come a little after its start, with the first sound.
_LOOKS, _LOOK_S = 40, 0.05

UNASKED = "a recording that nobody asked for"
_GRANTED = "it wrote into the file of one that was granted, which is kept"
_LEFT = "its file could not be destroyed, or is not in [recording] monitor_dir: look for it and destroy it"


class _Granted(Exception):
    """A capture that nobody asked for wrote into a recording that was granted."""


class Destroying:
    """``stray`` is called where a file may be left that belongs to nobody."""

    def __init__(
        self, *, books: Books, folder: Folder | None, clock: Callable[[], int], stray: Callable[[], None]
    ) -> None:
        self._books = books
        self._folder = folder
        self._clock = clock
        self._stray = stray
        self.undestroyed = 0
        #: The captures of which a file may be left: that stays told when they have ended.
        self.left: set[str] = set()

    async def destroyed(self, order: CaptureOrder, file: str) -> None:
        """Destroy what an unasked capture wrote; it is in the monitor folder, or a person has to look for it."""
        log.warning("recording_unasked", id=order.recording)
        try:
            size = None if self._folder is None else await self._shredded(self._folder, file)
        except _Granted:
            self._books.condition(order.recording, f"{UNASKED} was stopped; {_GRANTED}")
            self._books.condition(order.recording, None)
            self._stray()  # The sealer takes it up, if it has not.
            return
        if size is None:
            self.undestroyed += 1
            self.left.add(order.recording)
            self._books.condition(order.recording, f"{UNASKED} was stopped; {_LEFT}", Severity.CRITICAL)
            self._stray()
            return
        now = self._clock()
        content = Content(
            id=order.recording,
            state=ContentState.SHREDDED,
            began_at=now,
            stored_at=now,
            size_bytes=size,
            deleted_at=now,
            reason=Reason.UNASKED,
        )
        self._books.put([content])
        self._books.condition(order.recording, f"{UNASKED} was stopped, and its file destroyed")
        self._books.condition(order.recording, None)

    async def _shredded(self, folder: Folder, file: str) -> int | None:
        """The size of what was destroyed, 0 where no sound came before the stop; None where it may be left.

        Raises:
            _Granted: it is the file of a recording that was granted, and of which nothing is kept yet.
        """
        in_folder = folder.wrote(file)
        path = None
        for _ in range(_LOOKS if file else 1):
            if (path := await in_memory(folder.find, file)) is not None:
                break
            await asyncio.sleep(_LOOK_S)
        if path is None:
            return 0 if in_folder else None
        id = folder.id_of(path)
        if id is not None and await on_disk(self._granted, id, in_folder):
            if in_folder:
                raise _Granted
            return None  # It has a granted recording's name, and is another file, elsewhere.
        try:
            size = path.stat().st_size
            await in_memory(folder.shred, path)
        except FileNotFoundError:
            return 0
        except (OSError, StoreError) as error:
            log.error("shred_failed", exception=type(error).__name__)
            return None
        return size

    def _granted(self, id: str, in_folder: bool) -> bool:
        """Whether the recording ``id`` was granted and, in the folder, its file is still to be kept.

        True when that cannot be known.
        """
        try:
            record = self._books.recording(id)
            if record is None or not record.opted_in:
                return False
            return not in_folder or (may_have_file(record) and self._books.content(id) is None)
        except StoreError:
            return True
