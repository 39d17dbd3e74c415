"""Clears what the dialplan noted for call backs when its time is over: a number, a phone and its address, in AstDB."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from agent.core.wire import Message
from agent.ports import Collector

log = structlog.get_logger()

FAMILY: Final = "emergency-callback"
EVERY_S = 600.0
#: The dialplan's own limit is of the same hours: what it may still look at is not taken from under it.
_GRACE_MS = 60_000


def outlived(items: list[Message], kept_ms: int, now: int) -> Iterator[str]:
    """The keys, without their family, of notes that are older than ``kept_ms``.

    ``/emergency-callback/<number>/<epoch seconds>-<Call>``; whatever else stands there is not the dialplan's.
    """
    for item in items:
        key = item.get("Key").removeprefix(f"/{FAMILY}/")
        begun = key.rpartition("/")[2].partition("-")[0]
        seconds, _, thousandths = begun.partition(".")
        if (seconds + thousandths).isascii() and seconds.isdigit() and (thousandths or "0").isdigit():
            at = int(seconds) * 1000
            if len(seconds) < 12 and now - at > kept_ms + _GRACE_MS:
                yield key


async def clear(asterisk: Collector, kept_ms: int, now: int) -> int:
    """Remove what has outlived its time; how many notes.

    Raises:
        ConnectionError, TimeoutError: Asterisk is away.
    """
    tree = await asterisk.collect({"Action": "DBGetTree", "Family": FAMILY}, "DBGetTreeComplete")
    cleared = 0
    for key in outlived(list(tree.items), kept_ms, now):
        try:
            answer = await asterisk.ask({"Action": "DBDel", "Family": FAMILY, "Key": key})
        except ValueError:
            continue  # Such a key would not stay one AMI header: no dialplan wrote it.
        cleared += answer.ok
    return cleared


async def run(asterisk: Collector, kept_ms: int, clock: Callable[[], int]) -> None:
    """Clear every ten minutes, until cancelled; while Asterisk is away it waits for the next time."""
    while True:
        try:
            cleared = await clear(asterisk, kept_ms, clock())
            if cleared:
                log.info("callback_notes_cleared", count=cleared)
        except (ConnectionError, TimeoutError) as error:
            log.debug("callback_notes_unread", exception=type(error).__name__)
        await asyncio.sleep(EVERY_S)
