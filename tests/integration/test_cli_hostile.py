"""Every command of the tree refuses what is wrong with one sentence, and changes nothing that is stored."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration import hostile

#: So many of all wrong ones; `make torture ONLY=fuzz` goes through them all.
SAMPLE = 150


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[hostile.Beside]:
    async with hostile.beside(tmp_path) as running:
        yield running


async def test_what_is_no_command_line(beside: hostile.Beside) -> None:
    """Options that are none, without their value, or missing."""
    said = [each for each in beside.every() if each.malformed]
    assert len(said) > 500
    await _no_fault(beside, random.Random(112).sample(said, SAMPLE))


async def test_what_no_command_takes(beside: hostile.Beside) -> None:
    said = [each for each in beside.every() if not each.malformed]
    odd = [each for each in said if each.what in ("bottomless", "unreadable") and each.of != "--config"]
    assert len(odd) > 20
    await _no_fault(beside, odd + random.Random(999).sample(said, SAMPLE))


async def _no_fault(beside: hostile.Beside, said: list[hostile.Wrong]) -> None:
    found = await asyncio.to_thread(lambda: list(beside.faults(said)))
    assert not found, "\n".join(found)
    assert beside.desk.agent.get("/readyz")[0] == 200


def test_an_endless_argument(tmp_path: Path) -> None:
    told = hostile.tell(["list", "9" * 100_000], tmp_path, {})
    assert told.code == 2
    assert len(told.error) < 200
