"""What a command that ran in the tests' own process may not leave to the next test."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """`agent run` hardens its process, which is the tests' own where it is called and not started."""
    before = os.umask(0o022)
    yield
    os.umask(before)
