"""Instants as the core counts them: whole milliseconds since 1970 UTC, and their RFC 3339 form."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS, _SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
_YEAR_10000_S = 253_402_300_800
_FIRST_MS, _LAST_MS = -62_135_596_800_000, _YEAR_10000_S * 1000 - 1


def rfc3339(at: int) -> str:
    """``1795380280123`` as ``2026-11-22T20:44:40.123Z``: sorts as text in the order of time."""
    seconds, ms = divmod(at, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + seconds * _SECOND).strftime("%Y-%m-%dT%H:%M:%S")


def from_rfc3339(text: str) -> int:
    """The instant that ``text`` names, in milliseconds.

    Raises:
        ValueError: the text is no RFC 3339 date-time with an offset, or has no such form in UTC (year 0, or 10000).
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: write …Z or …+01:00")
    at = (moment - _EPOCH) // _MS
    if not _FIRST_MS <= at <= _LAST_MS:
        raise ValueError(f"{text!r} is before or behind what can be written")
    return at


def from_epoch(text: str) -> int | None:
    """AMI's ``Timestamp: 1795380280.123456`` (with ``timestampevents=yes``) in milliseconds, or None."""
    if text[10:11] == "." and (digits := text[:10] + text[11:14]).isdigit() and digits.isascii() and len(digits) == 13:
        return int(digits)  # As Asterisk writes it.
    seconds, _, fraction = text.partition(".")
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 11 or int(seconds) >= _YEAR_10000_S:
        return None
    fraction = fraction[:3].ljust(3, "0")
    return int(seconds) * 1000 + (int(fraction) if fraction.isascii() and fraction.isdigit() else 0)
