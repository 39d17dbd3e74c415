"""Runs the parts of the agent side by side: what breaks in one costs the others nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from agent.sources.ami import LoginRefused, NotAmi, TlsRefused

log = structlog.get_logger()

#: What ends a start: only the operator can mend it.
FATAL = (LoginRefused, NotAmi, TlsRefused)

Part = Callable[[], Coroutine[Any, Any, None]]

RESTART_S = 1.0


async def together(parts: Mapping[str, Part], failures: Counter[str], stop: asyncio.Event) -> None:
    """Run ``parts`` until ``stop`` is set; ``failures`` counts what broke in which.

    Raises:
        LoginRefused, NotAmi, TlsRefused: it could not start.
    """
    stopping = asyncio.create_task(_set(stop))
    tasks = [asyncio.create_task(kept_up(name, part, failures)) for name, part in parts.items()]
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        for task in done:
            task.result()
    finally:
        await _cancelled([stopping, *tasks])


async def kept_up(name: str, part: Part, failures: Counter[str]) -> None:
    """Run one part of the agent for ever: what breaks in it is counted, and costs the other parts nothing.

    Raises:
        LoginRefused, NotAmi, TlsRefused: it could not start.
    """
    while True:
        try:
            await part()
        except FATAL:
            raise
        except Exception:  # the one broad catch at the top of each task: a part may break in any way, the others go on
            failures[name] += 1
            log.exception("part_failed", part=name)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from None  # It broke on its way to the end that was asked for.
        await asyncio.sleep(RESTART_S)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.debug("task_ended", exception=type(outcome).__name__)
