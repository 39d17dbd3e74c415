"""One purge of the whole spool: mailbox after mailbox in a thread, so that nothing else waits for a disk."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.duties.voicemail import files
from agent.duties.voicemail.asterisk import Asterisk
from agent.duties.voicemail.lock import WAIT_S, AnotherPurge, Lock, only
from agent.duties.voicemail.mailbox import Done, Purger
from agent.duties.voicemail.message import Terms
from agent.duties.voicemail.report import Counts

T = TypeVar("T")

#: A mailbox: its context and its name.
Box = tuple[str, str]


class SpoolError(Exception):
    """The spool folder cannot be purged; the message is one sentence without a path of it."""


class SpoolBusy(SpoolError):
    """It is being purged already."""


class _Stopped(Exception):
    """Somebody wants the purge to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be purged, at which time (ms), and how.

    ``boxes`` None: all. ``warned_at``: what became due since then is warned of, where ``warn`` says so. ``pace`` is
    called in the thread before each change of a file; what it raises ends the purge there. ``wait_s`` is how long a
    locked folder is waited for.
    """

    spool: Path
    terms: Terms
    at: int
    boxes: Collection[Box] | None = None
    dry_run: bool = False
    warn: bool = False
    warned_at: int = 0
    pace: Callable[[], None] = lambda: None
    wait_s: float = WAIT_S


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done so far; ``in_use`` are the mailboxes that were put off."""

    counts: Counts = field(default_factory=Counts)
    in_use: list[Box] = field(default_factory=list)


async def purge(order: Order, asterisk: Asterisk, say: Callable[[Report, int], None] = lambda *_: None) -> Report:
    """Delete what has been there for too long; ``say`` is told after each mailbox how far it is, and of how many.

    Cancelled, it ends between two files, and the next one goes on.

    Raises:
        SpoolError: the spool folder cannot be used, or is being purged already.
    """
    report = Report()
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def pace() -> None:
        if stop.is_set():
            raise _Stopped
        order.pace()

    def somebody_since() -> int:
        return asyncio.run_coroutine_threadsafe(asterisk.somebody_since(), loop).result()

    with _spool(order) as (spool, lock):
        purger = Purger(
            terms=order.terms,
            at=order.at,
            warned_at=order.warned_at,
            lock=lock,
            somebody_since=somebody_since,
            pace=pace,
        )
        boxes = await _in_thread(partial(_boxes, spool, order.boxes, report.counts), stop)
        for context, name in boxes:
            done = await _in_thread(partial(_purged, spool, purger, context, name), stop)
            report.counts.add(done.counts)
            if done.counts.in_use:
                report.in_use.append((context, name))
            if done.changed and not await asterisk.refreshed(context, name):
                report.counts.unlit += 1
            if order.warn and done.going and not order.dry_run and not await asterisk.warned(name, done.going):
                report.counts.unwarned += 1
            say(report, len(boxes))
    return report


@contextlib.contextmanager
def _spool(order: Order) -> Iterator[tuple[int, Lock | None]]:
    try:
        with files.opened(str(order.spool)) as spool:
            if order.dry_run:
                yield spool, None
                return
            with only(spool, order.wait_s) as lock:
                yield spool, lock
    except AnotherPurge:
        raise SpoolBusy("the voicemail spool is being purged already") from None
    except OSError as error:
        raise SpoolError(f"the voicemail spool cannot be used: {error.strerror or 'it failed'}") from None


def _boxes(spool: int, wanted: Collection[Box] | None, counts: Counts) -> list[Box]:
    """Every mailbox that is to be looked at; what cannot be read or is a link counts as failed."""
    found: list[Box] = []
    for context, is_folder, is_link in files.names(spool):
        counts.failed += is_link
        if not is_folder:
            continue
        try:
            with files.opened(context, spool) as within:
                for name, is_box, is_link in files.names(within):
                    counts.failed += is_link
                    if is_box and (wanted is None or (context, name) in wanted):
                        found.append((context, name))
        except OSError:
            counts.failed += 1
    return found


def _purged(spool: int, purger: Purger, context: str, name: str) -> Done:
    try:
        with files.opened(context, spool) as within:
            return purger.purge(within, name, context)
    except OSError:
        return Done(counts=Counts(mailboxes=1, failed=1))


async def _in_thread(work: Callable[[], T], stop: threading.Event) -> T:
    """Run ``work`` in a thread; cancelled, wait until it has stopped and unlocked what it had locked."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(_Stopped):
            await running
        raise
