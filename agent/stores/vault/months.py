"""Keys of calendar months: what a month's key locked is gone with it, in every copy."""

import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from agent.stores.vault.ring import Ring
from agent.stores.vault.sealed import KEY_BYTES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


class Kind(StrEnum):
    """What a month's key is for: fields, or the index by which they are found."""

    PERIOD = "period"
    EPOCH = "epoch"


def month_of(at: int) -> str:
    """The calendar month, in UTC, of an instant in ms since 1970: 2026-11.

    Raises:
        ValueError: no calendar has that instant.
    """
    return _month_of_day(at // _DAY_MS)


@lru_cache(maxsize=1024)
def _month_of_day(day: int) -> str:
    try:
        moment = _EPOCH + timedelta(days=day)
    except OverflowError:
        raise ValueError("no calendar has that instant") from None
    return f"{moment.year:04}-{moment.month:02}"


def a_year_after(month: str) -> str:
    """The same month of the next year."""
    return f"{int(month[:4]) + 1:04}{month[4:]}"


def find(ring: Ring, kind: Kind, term: str, month: str) -> tuple[str, bytes] | None:
    """The id and the key of a month of ``term``, None where it has none; within `Ring.reading` or `Ring.change`."""
    rows = _rows(ring, kind, term=term, month=month)
    return rows[0] if rows else None


def get(ring: Ring, kind: Kind, term: str, month: str) -> tuple[str, bytes]:
    """The id and the key of a month of ``term``, made if it has none; within `Ring.change`."""
    found = find(ring, kind, term, month)
    if found is not None:
        return found
    id, key = secrets.token_hex(8), secrets.token_bytes(KEY_BYTES)
    slot = ring.put(key, context(kind, term, month, id))
    ring.connection.execute("INSERT INTO months VALUES (?, ?, ?, ?, ?)", (kind, term, month, id, slot))
    return id, key


def by_id(ring: Ring, kind: Kind, id: str) -> bytes | None:
    """The key with this id, None when it is gone; within `Ring.reading`."""
    rows = _rows(ring, kind, id=id)
    return rows[0][1] if rows else None


def every(ring: Ring, kind: Kind, term: str) -> list[tuple[str, bytes]]:
    """Every key of ``term`` with its id, the latest month first; within `Ring.reading`."""
    return _rows(ring, kind, term=term)


def expire(ring: Ring, kind: Kind, term: str, month: str) -> list[str]:
    """Destroy the keys of all months of ``term`` before ``month``; those months, in order; within `Ring.change`."""
    which = (kind, term, month)
    rows = ring.connection.execute(
        "SELECT month FROM months WHERE kind = ? AND term = ? AND month < ? ORDER BY month", which
    ).fetchall()
    ring.clear("DELETE FROM months WHERE kind = ? AND term = ? AND month < ? RETURNING slot", *which)
    return [str(row[0]) for row in rows]


def any_before(ring: Ring, kind: Kind, term: str, month: str) -> bool:
    """Whether `expire` would destroy anything; within `Ring.reading`."""
    which = (kind, term, month)
    row = ring.connection.execute("SELECT 1 FROM months WHERE kind = ? AND term = ? AND month < ? LIMIT 1", which)
    return row.fetchone() is not None


def first(ring: Ring, kind: Kind) -> str | None:
    """The earliest month, of any term, that still has a key; within `Ring.reading` or `Ring.change`."""
    (month,) = ring.connection.execute("SELECT min(month) FROM months WHERE kind = ?", (kind,)).fetchone()
    return None if month is None else str(month)


def context(kind: str, term: str, month: str, id: str) -> str:
    """What a month's key is wrapped for."""
    return f"{kind} {month} {id} {term}"


def _rows(
    ring: Ring, kind: Kind, *, term: str | None = None, month: str | None = None, id: str | None = None
) -> list[tuple[str, bytes]]:
    rows = ring.connection.execute(
        "SELECT term, month, id, wrapped FROM months JOIN slots USING (slot) WHERE kind = ?1"
        " AND term = coalesce(?2, term) AND month = coalesce(?3, month) AND id = coalesce(?4, id) ORDER BY month DESC",
        (kind, term, month, id),
    ).fetchall()
    return [(str(id), ring.unwrapped(wrapped, context(kind, term, month, id))) for term, month, id, wrapped in rows]
