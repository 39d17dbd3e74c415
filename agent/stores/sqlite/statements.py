"""The named statements of queries.sql."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load() -> dict[str, str]:
    """Each statement of ``queries.sql`` by its name."""
    _, *parts = _NAME.split(files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


STATEMENTS = load()
