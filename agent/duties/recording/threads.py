"""Threads for what blocks about recordings: a disk that hangs holds up no emergency, and no shred in memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_MEMORY = ThreadPoolExecutor(4, "recording-memory")
_DISK = ThreadPoolExecutor(8, "recording-disk")


async def in_memory(work: Callable[[*Arguments], T], *args: *Arguments) -> T:
    """``work`` in a thread, which touches nothing but the monitor folder."""
    return await asyncio.get_running_loop().run_in_executor(_MEMORY, work, *args)


async def on_disk(work: Callable[[*Arguments], T], *args: *Arguments) -> T:
    """``work`` in a thread, which may wait for a disk."""
    return await asyncio.get_running_loop().run_in_executor(_DISK, work, *args)
