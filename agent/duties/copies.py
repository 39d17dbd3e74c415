"""Deletes copies that were made for customers when their time is over."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from agent.core.instants import from_rfc3339

log = structlog.get_logger()

EVERY_S = 3600.0
_MANIFEST = "manifest.json"
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
    """Delete each copy in ``folder`` whose manifest says that its time is over at ``now`` (ms); how many. It blocks.

    What has no manifest is no copy, and is left alone.

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
        if until is not None and until <= now:
            shutil.rmtree(path)
            gone += 1
    return gone


def _delete_by(manifest: Path) -> int | None:
    try:
        if manifest.stat().st_size > _MOST_BYTES:
            return None
        return from_rfc3339(json.loads(manifest.read_bytes())["delete_by"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
