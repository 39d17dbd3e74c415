"""A store of each kind for each test of what every store promises."""

from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import pytest

from agent.stores.sqlite import SqliteStore
from tests.contract.stored import BACKENDS, Backend


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: FilePath) -> Backend:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[SqliteStore]:
    store = await backend.open()
    yield store
    await store.close()
