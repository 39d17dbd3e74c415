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
        # In a task of its own: one whose TaskGroup broke goes on saying that it is being cancelled, before Python 3.13.
        task = asyncio.create_task(part())
        try:
            await asyncio.wait([task])
        finally:
            await _ended(name, task, failures)
        await asyncio.sleep(RESTART_S)


async def _ended(name: str, task: asyncio.Task[None], failures: Counter[str]) -> None:
    """Bring ``task`` to its end where it goes on; what broke in it is counted."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass  # Its end, as asked for.
    except FATAL:
        raise
    except Exception:  # the one broad catch at the top of each task: a part may break in any way, the others go on
        failures[name] += 1
        log.exception("part_failed", part=name)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.debug("task_ended", exception=type(outcome).__name__)
