"""Deletes copies that were made for customers when their time is over, and halves of such copies."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from agent.core.instants import from_rfc3339

log = structlog.get_logger()

EVERY_S = 3600.0
_MANIFEST = "manifest.json"
#: What a copy is called while it is made.
_PART = ".part"
#: Half a copy to which nothing was written for so long was cut off: by a kill, or the power.
_CUT_OFF_MS = 86_400_000
#: Of a manifest that is longer, nothing is believed.
_MOST_BYTES = 1 << 26


async def run(folder: Path, clock: Callable[[], int]) -> None:
    """Sweep ``folder`` once an hour, until cancelled."""
    while True:
        try:
            gone = await asyncio.to_thread(sweep, folder, clock())
        except OSError as error:
            log.error("copies_left", reason=error.strerror, hint="check bundle_dir under [subjects]")
        else:
            if gone:
                log.info("copies_deleted", count=gone)
        await asyncio.sleep(EVERY_S)


def sweep(folder: Path, now: int) -> int:
    """Delete each copy in ``folder`` whose manifest says that its time is over at ``now`` (ms), and each that was cut
    off while it was made; how many. It blocks.

    What else has no manifest is no copy, and is left alone.

    Raises:
        OSError: one of them may be left.
    """
    if not folder.is_dir():
        return 0
    gone = 0
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_dir():
            continue
        until = _delete_by(path / _MANIFEST)
        if (until is not None and until <= now) or is_cut_off(path, now):
            shutil.rmtree(path)
            gone += 1
    return gone


def is_cut_off(folder: Path, now: int) -> bool:
    """Whether ``folder`` is half a copy that nobody makes any more at ``now`` (ms).

    Raises:
        OSError: it cannot be told.
    """
    if folder.suffix != _PART:
        return False
    inside = (Path(root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files))
    try:
        written = max(path.lstat().st_mtime for path in (folder, *inside))
    except FileNotFoundError:
        # Somebody is at work in it.
        return False
    return now - written * 1000 >= _CUT_OFF_MS


def _delete_by(manifest: Path) -> int | None:
    try:
        if manifest.stat().st_size > _MOST_BYTES:
            return None
        return from_rfc3339(json.loads(manifest.read_bytes())["delete_by"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
