"""Prometheus' own programs, which judge the rules, the dashboard and the metrics."""

import shutil

import pytest


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: apt-get install prometheus")
    return path


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool."""
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """The path of Prometheus."""
    return _program("prometheus")
