"""The carrier's export of emergency addresses: is every number that the emergency services are shown in it, and right?

A CSV with the columns number, name, postcode, carrier, updated. It comes from outside, so nothing in it is trusted: its
size is bounded, a bad row is told by its line and costs no other, and of what it says only what is judged here is kept.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from agent.core.records import Cause, Severity
from agent.duties.assurance.condition import Condition

MOST_BYTES = 32 << 20
_COLUMNS = ("number", "name", "postcode", "carrier", "updated")
_FIELD_LIMIT = 200
_ROWS_SHOWN = 5
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
FILE, ROWS = "address export", "address export, rows"


class Address(StrEnum):
    """How the entry of one number stands."""

    GOOD = "good"
    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: ``number`` in E.164, the postcode without spaces; whose it is was not kept."""

    number: str
    postcode: str
    carrier: str
    updated: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file as it was read: entries by number, the lines of bad rows with what is wrong, or why there is nothing."""

    entries: dict[str, tuple[Entry, ...]]
    bad: tuple[tuple[int, str], ...] = ()
    fault: str = ""

    @property
    def faults(self) -> int:
        """Bad rows; a file that cannot be used counts as one."""
        return 1 if self.fault else len(self.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A number that the emergency services are shown: ``subject`` says by whom it is set, ``postcode`` is on file."""

    subject: str
    number: str
    postcode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is asked of every entry: not older than this, and of this carrier (None: of any)."""

    stale_days: int
    carrier: str | None = None


def e164(number: str) -> str | None:
    """A number as it is dialled in the UK, or written for people, in E.164; None for what is none."""
    digits = re.sub(r"[\s().-]", "", number)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif digits.startswith("0"):
        digits = "+44" + digits[1:]
    elif not digits.startswith("+"):
        digits = "+" + digits
    return digits if _E164.fullmatch(digits) else None


class File:
    """The file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._export = Export(entries={}, fault="it has not been read yet")

    @property
    def changed_at(self) -> int | None:
        """When it was last changed (ms), as of the last reading; None where it cannot be read."""
        return None if self._stamp is None else self._stamp[0] // 1_000_000

    def read(self) -> Export:
        """What it holds now; never raises."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._export = parsed(file.read(MOST_BYTES + 1))
                    self._stamp = stamp
        except OSError as error:
            self._stamp = None
            self._export = Export(entries={}, fault=error.strerror or "it cannot be read")
        return self._export


def parsed(content: bytes) -> Export:
    """The entries of a file; a row that cannot be understood is told, and no other is lost by it."""
    if len(content) > MOST_BYTES:
        return Export(entries={}, fault=f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Export(entries={}, fault=f"line {content[: error.start].count(10) + 1} is not UTF-8")
    if "\0" in text:
        return Export(entries={}, fault="it is not text")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    bad: list[tuple[int, str]] = []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if missing := [name for name in _COLUMNS if name not in header]:
            return Export(entries={}, fault=f"its first line names no column {', '.join(missing)}")
        entries = _entries(header, rows, bad)
    except csv.Error:
        return Export(entries={}, fault=f"line {rows.line_num} is no CSV")
    return Export(entries=entries, bad=tuple(bad))


def _entries(header: list[str], rows: Iterator[list[str]], bad: list[tuple[int, str]]) -> dict[str, tuple[Entry, ...]]:
    entries: dict[str, list[Entry]] = {}
    for row in rows:
        line = rows.line_num  # type: ignore[attr-defined]
        if not any(field.strip() for field in row):
            continue
        try:
            entry = _entry(header, row)
        except ValueError as error:
            bad.append((line, str(error)))
            continue
        # A million rows of one number must not take the time of their square.
        entries.setdefault(entry.number, []).append(entry)
    return {number: tuple(found) for number, found in entries.items()}


def _entry(header: list[str], row: list[str]) -> Entry:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} fields instead of {len(header)}")
    if any(len(field) > _FIELD_LIMIT for field in row):
        raise ValueError(f"a field of more than {_FIELD_LIMIT} characters")
    fields = {name: field.strip() for name, field in zip(header, row, strict=True)}
    number = e164(fields["number"])
    if number is None:
        raise ValueError("no telephone number")
    if not fields["postcode"]:
        raise ValueError("no postcode")
    return Entry(
        number=number,
        postcode=plain_postcode(fields["postcode"]),
        carrier=fields["carrier"],
        updated=_date(fields["updated"]),
    )


def _date(text: str) -> date:
    """2026-11-22, with or without a time, or 22/11/2026 as it is written in the UK."""
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise ValueError("no date") from None


def plain_postcode(postcode: str) -> str:
    """For comparing: in capitals and without spaces."""
    return "".join(postcode.split()).upper()


def judged(shown: Shown, export: Export, demands: Demands, today: date) -> tuple[Address, str, Severity]:
    """How the entry of one number stands, and what is wrong in words ("" where nothing is)."""
    if export.fault:
        return Address.UNKNOWN, "", Severity.WARNING
    found = export.entries.get(e164(shown.number) or "")
    if found is None:
        text = "is not in the address export: the emergency services find no address for it"
        return Address.MISSING, text, Severity.CRITICAL
    postcodes = {entry.postcode for entry in found}
    if shown.postcode is not None and postcodes != {plain_postcode(shown.postcode)}:
        return Address.WRONG, "has another postcode in the address export than its site has", Severity.CRITICAL
    if len(postcodes) > 1:
        text = f"is {len(found)} times in the address export, with different postcodes"
        return Address.WRONG, text, Severity.CRITICAL
    if demands.carrier is not None and any(entry.carrier != demands.carrier for entry in found):
        return Address.WRONG, "is given to another carrier in the address export", Severity.WARNING
    age = (today - max(entry.updated for entry in found)).days
    if age > demands.stale_days:
        return Address.STALE, f"has an entry in the address export that is {age} days old: confirm it", Severity.WARNING
    if len(found) > 1:
        return Address.GOOD, f"is {len(found)} times in the address export", Severity.WARNING
    return Address.GOOD, "", Severity.WARNING


def file_conditions(export: Export) -> Iterator[Condition]:
    """What is wrong with the file itself."""
    what = f"the address export cannot be used: {export.fault}" if export.fault else None
    yield Condition(cause=Cause.ADDRESS, subject=FILE, what=what)
    bad = None
    if export.bad:
        rows = "; ".join(f"line {line}: {why}" for line, why in export.bad[:_ROWS_SHOWN])
        more = f"; and {len(export.bad) - _ROWS_SHOWN} more" if export.bad[_ROWS_SHOWN:] else ""
        bad = f"the address export has {len(export.bad)} bad rows ({rows}{more})"
    yield Condition(cause=Cause.ADDRESS, subject=ROWS, what=bad)


def conditions(
    shown: Iterable[Shown], export: Export, demands: Demands, today: date
) -> Iterator[tuple[str, Address, Condition]]:
    """For each number by its subject: how its entry stands, and the condition. No number is ever in a text."""
    for one in shown:
        address, text, severity = judged(one, export, demands, today)
        what = f"the emergency CLI of {one.subject} {text}" if text else None
        yield one.subject, address, Condition(cause=Cause.ADDRESS, subject=one.subject, what=what, severity=severity)
