"""The parts of the agent side by side: what breaks in one costs the others nothing, and keeps nobody from the end."""

import asyncio
from collections import Counter

import pytest

from agent.assembly import parts
from agent.assembly.parts import together


async def test_a_part_that_breaks_runs_again_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "RESTART_S", 0)
    stop, failures = asyncio.Event(), Counter[str]()
    began = 0

    async def breaks() -> None:
        nonlocal began
        began += 1
        if began == 3:
            stop.set()
        raise ValueError

    async def goes_on() -> None:
        await asyncio.Event().wait()

    await together({"breaks": breaks, "goes_on": goes_on}, failures, stop)
    assert failures["breaks"] >= 3


async def test_a_part_that_breaks_as_it_is_ended_is_not_begun_again() -> None:
    stop, failures = asyncio.Event(), Counter[str]()
    began = 0

    async def breaks_at_its_end() -> None:
        nonlocal began
        began += 1
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    async with asyncio.timeout(10):
        await together({"breaks": breaks_at_its_end}, failures, stop)
    assert (began, failures) == (1, {"breaks": 1})


async def test_a_part_in_whose_group_a_task_breaks_late_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Python 3.13 such a task counts as one that is being cancelled from then on."""
    monkeypatch.setattr(parts, "RESTART_S", 0)
    stop, failures = asyncio.Event(), Counter[str]()
    began = 0

    async def breaks() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def grouped() -> None:
        nonlocal began
        began += 1
        if began == 3:
            stop.set()
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(breaks())

    async with asyncio.timeout(10):
        await together({"grouped": grouped}, failures, stop)
    assert (began, failures) == (3, {"grouped": 2})
