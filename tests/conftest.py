"""Every test runs on the event loop that the agent runs on."""

import asyncio
from collections.abc import Callable, Mapping

from agent.loop import Loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """See pytest-asyncio."""
    return {"agent": Loop}
