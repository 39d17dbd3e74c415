"""What a command loads before it does anything."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("heavy", ["fastapi", "apprise"])
def test_a_command_loads_nothing_that_only_the_running_agent_needs(heavy: str) -> None:
    """Each of these takes longer to load than most commands take."""
    loaded = "import sys, agent.cli; sys.exit(sys.argv[1] in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded, heavy], check=False).returncode == 0
