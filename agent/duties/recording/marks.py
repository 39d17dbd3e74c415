"""Keeps a mark in Asterisk's database for each opt-in that stands: calls of other lines then wait for no question."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from agent.core.records import OptIn
from agent.ports import Collector

log = structlog.get_logger()

FAMILY: Final = "recording-optin"
#: Asterisk may come back with another database, and says nothing of that.
_EVERY_S = 60.0
_RETRY_S = 10.0


def wanted(standing: list[OptIn]) -> dict[str, str]:
    """Key and value of each mark: ``service/201`` is ``all``, ``incoming`` or ``outgoing``, or several of them."""
    marks: dict[str, set[str]] = {}
    for given in standing:
        marks.setdefault(f"{given.trigger.value}/{given.line}", set()).add(given.calls.value)
    return {key: "-".join(sorted(calls)) for key, calls in marks.items()}


class Marks:
    """The marks as they should be; the dialplan reads them, and the agent alone decides."""

    def __init__(self, *, asterisk: Collector, standing: Callable[[], list[OptIn]], up: Callable[[], bool]) -> None:
        self._asterisk = asterisk
        self._standing = standing
        self._up = up
        self._due = asyncio.Event()
        #: Whether Asterisk would not let a mark be read or written, when that was tried last.
        self.refused = False

    def changed(self) -> None:
        """An opt-in was given or withdrawn, or Asterisk is back."""
        self._due.set()

    async def run(self) -> None:
        """Compare and mend, when something changed and every minute, until cancelled."""
        while True:
            self._due.clear()
            pause_s = _EVERY_S
            try:
                if not self._up() or not await self.mend():
                    pause_s = _RETRY_S
            except (ConnectionError, TimeoutError):
                pause_s = _RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def mend(self) -> bool:
        """Write the marks that are missing, and remove those that stand for nothing; False when that was refused."""
        tree = await self._asterisk.collect({"Action": "DBGetTree", "Family": FAMILY}, "DBGetTreeComplete")
        if "denied" in tree.message.lower():
            return self._refused()
        found = {item.get("Key").removeprefix(f"/{FAMILY}/"): item.get("Val") for item in tree.items}
        marks = wanted(self._standing())
        for key, value in marks.items():
            if found.get(key) != value and not await self._done({"Action": "DBPut", "Key": key, "Val": value}):
                return self._refused()
        for key in found.keys() - marks.keys():
            await self._done({"Action": "DBDel", "Key": key})
        self.refused = False
        return True

    async def _done(self, action: Mapping[str, str]) -> bool:
        try:
            answer = await self._asterisk.ask({**action, "Family": FAMILY})
        except ValueError:
            return True  # Such a name would not stay one AMI header: it is nobody's line.
        return answer.ok

    def _refused(self) -> bool:
        if not self.refused:
            self.refused = True
            log.warning("marks_refused", hint="without write class system no recording service is asked for")
        return False
