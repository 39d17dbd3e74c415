"""Cells of a CSV that no spreadsheet takes for a formula."""

import csv
from collections.abc import Iterable
from io import StringIO

#: What a spreadsheet takes for the begin of a formula, or skips before one (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK = "'"


def row(cells: Iterable[object]) -> str:
    """One line of a CSV (RFC 4180), its end included; None is an empty cell, text is `safe`."""
    written = StringIO()
    csv.writer(written).writerow(safe(cell) if isinstance(cell, str) else cell for cell in cells)
    return written.getvalue()


def safe(text: str) -> str:
    """``text`` with a quote before it, where it could be taken for a formula."""
    return _MARK + text if text.lstrip(_MARK).startswith(_FORMULA) else text


def original(text: str) -> str:
    """What `safe` was given."""
    return text.removeprefix(_MARK) if text.lstrip(_MARK).startswith(_FORMULA) else text
