"""Since when something strange has been seen, in a small file that outlives the agent."""

import json
import os
from collections.abc import Mapping
from pathlib import Path


class Sightings:
    """The file at ``path``, of which nothing is lost that matters: without it everything is seen for the first time.

    Blocking. Every method raises OSError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, int]:
        """What was seen when it was written last, and since when (ms); nothing where that makes no sense."""
        try:
            found = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {name: since for name, since in found.items() if type(since) is int}

    def write(self, seen: Mapping[str, int]) -> None:
        """Keep ``seen`` in place of what was there, for the agent's user alone; a file of nothing goes."""
        if not seen:
            self._path.unlink(missing_ok=True)
            return
        part = self._path.with_name(self._path.name + ".part")
        part.unlink(missing_ok=True)  # Left by a crash.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(dict(seen), file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._path)
