"""A real Asterisk of each version, fresh for each test, and the agent beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.recorded import Office

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs a real Asterisk."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asterisk)


@pytest.fixture(params=["22", "16"])
def version(request: pytest.FixtureRequest) -> str:
    """The Asterisk versions that the agent is held to."""
    return str(request.param)


@pytest.fixture
async def lab(version: str) -> AsyncIterator[Asterisk]:
    """A running Asterisk; where none can be had the test fails, it is never skipped."""
    async with Asterisk(installation(version, print)) as lab:
        yield lab


@pytest.fixture
async def agent(lab: Asterisk, tmp_path: Path) -> AsyncIterator[AgentProcess]:
    """The agent, ready."""
    async with AgentProcess(lab, folder=tmp_path / "agent", recording="") as agent:
        yield agent


@pytest.fixture
async def office(lab: Asterisk, tmp_path: Path) -> AsyncIterator[Office]:
    """Phones, and the agent that may record their calls."""
    async with Office(lab, tmp_path) as office:
        yield office
