"""A file with a table of accounts, CSV or TOML by its name: rows of text, none of them looked at yet."""

import csv
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from io import StringIO
from pathlib import Path

from agent.cli.common import USAGE, fail
from agent.core.accounts import COLUMNS
from agent.core.printable import printable
from agent.core.spreadsheet import original

#: 100,000 rows are 8 MB.
_MOST_BYTES = 1 << 26
_REQUIRED = ("account", "from")

Row = tuple[int, dict[str, str]]


def rows(file: str) -> Iterator[Row]:
    """Each row with its number, in a CSV that of its line; ends the command where the file is no table.

    A row of another length than the header has what is too much, or missing, under a name of no column.
    """
    text = _text(file)
    return _of_toml(file, text) if file.endswith(".toml") else _of_csv(file, text)


def _text(file: str) -> str:
    try:
        # What its size says holds of a regular file alone.
        with Path(file).open("rb") as table:
            content = table.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            fail(USAGE, f"{printable(file)} has more than {_MOST_BYTES} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        fail(USAGE, f"{printable(file)}: row {row} is not UTF-8", "save it as CSV UTF-8")
    except (OSError, ValueError) as error:
        fail(USAGE, f"{printable(file)} cannot be read: {getattr(error, 'strerror', None) or 'it is no path'}")


def _of_csv(file: str, text: str) -> Iterator[Row]:
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _checked(file, header)
        begin = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begin, _named(header, cells)
            begin = reader.line_num + 1
    except csv.Error as error:
        fail(USAGE, f"{printable(file)}: row {reader.line_num} is no CSV: {error}", "separate cells by commas")


def _checked(file: str, header: list[str]) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        fail(USAGE, f"{printable(file)}: {unknown[0][:40]!a} is no column", f"there are {', '.join(COLUMNS)}")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        fail(USAGE, f"{printable(file)}: the column {twice[0]} stands there twice")
    missing = [name for name in _REQUIRED if name not in header]
    if not {"line", "number"} & set(header):
        missing.append("line or number")
    if missing:
        fail(USAGE, f"{printable(file)}: there is no column {missing[0]}", "the first row names the columns")


def _named(header: list[str], cells: list[str]) -> dict[str, str]:
    named = dict(zip(header, map(original, cells), strict=False))
    if len(cells) != len(header):
        named[f"{len(cells)} cells"] = ""
    return named


def _of_toml(file: str, text: str) -> Iterator[Row]:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        fail(USAGE, f"{printable(file)} is no TOML: {printable(str(error))}")
    services = content.get("service")
    if list(content) != ["service"] or not isinstance(services, list):
        fail(USAGE, f"{printable(file)}: holds nothing but [[service]] tables", "each has an account, a line or number")
    for number, service in enumerate(services, 1):
        cells = service.items() if isinstance(service, dict) else [("no table", "")]
        yield number, {str(name): _written(value) for name, value in cells}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if isinstance(value, str) else repr(value)[:80]
