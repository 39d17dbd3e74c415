"""The named statements of queries.sql, and how one of them writes many rows at once."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from operator import itemgetter
from typing import Any

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_VALUES = re.compile(r"VALUES \((\s*:\w+(?:,\s*:\w+)+\s*)\)")
_PARAMETER = re.compile(r":(\w+)")

#: Rows of one statement, most first: few different ones, so that SQLite reads the text of each only once, and none that
#: an emergency would have to wait for as long as for its own commit.
_SIZES = (16, 4)


def load() -> dict[str, str]:
    """Each statement of ``queries.sql`` by its name."""
    _, *parts = _NAME.split(files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


STATEMENTS = load()


def at_once(
    statement: str, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Sequence[Any] | Mapping[str, Any]]]:
    """``statement`` for each of ``rows``, in their order, as few statements with their values.

    Between two statements a thread waits for its turn to run Python, behind a flood for 5 ms; within one for nobody.
    """
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size and (many := _of_rows(statement, size)) is not None:
            sql, values_of = many
            yield sql, [*chain.from_iterable(map(values_of, rows[start : start + size]))]
            start += size
    for row in rows[start:]:
        yield statement, row


@lru_cache(maxsize=256)
def _of_rows(statement: str, count: int) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]] | None:
    """An INSERT of one row of VALUES as one of so many; None of any other statement."""
    found = _VALUES.search(statement)
    if found is None or _PARAMETER.search(statement[: found.start()] + statement[found.end() :]):
        return None
    names = _PARAMETER.findall(found[1])
    row = f"({', '.join('?' * len(names))})"
    return _VALUES.sub(f"VALUES {', '.join([row] * count)}", statement), itemgetter(*names)
