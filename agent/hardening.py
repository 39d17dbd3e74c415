"""What the agent takes from itself before it reads its first secret."""

import contextlib
import os
import resource
from pathlib import Path

_FILTER = Path("/proc/self/coredump_filter")


def harden() -> None:
    """Have files made for the user alone, whatever the umask was, and no memory, where secrets are, in a core dump."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A dump that is piped to a program (core_pattern) asks for no limit: then nothing of the memory goes into it.
    with contextlib.suppress(OSError):
        _FILTER.write_text("0")
