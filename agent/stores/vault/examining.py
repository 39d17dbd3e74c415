"""What can be told of a keyring without its site key, and without changing anything."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from agent.stores.vault.errors import FAILURES, explained
from agent.stores.vault.months import Kind
from agent.stores.vault.opening import connect, head, schema_of
from agent.stores.vault.wrapping import SiteKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many keys there are."""

    accounts: int
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a keyring is like.

    ``opens``: the site key is its. ``periods`` and ``epochs`` are the months that have a key, in order, as ``2026-11``
    or ``2026-11 term``;
    ``escrowed_at`` (ms since 1970) is when this site key was last put in escrow, None if never.
    """

    counts: Counts
    opens: bool
    periods: tuple[str, ...] = ()
    epochs: tuple[str, ...] = ()
    escrowed_at: int | None = None


def examine(path: Path, site_key: bytes | None) -> Examined | None:
    """What the keyring at ``path`` is like, and whether ``site_key`` opens it; None when there is no keyring.

    Raises:
        StoreError: it cannot be read, or is none.
    """
    if not path.exists():
        return None
    connection = connect(path)
    try:
        schema = schema_of(connection, path)
        if schema == 0:
            return None
        salt, proof, _ = head(connection, path)
        opens = site_key is not None and SiteKeys(site_key, salt).proves(proof)
        if schema == 1:  # The next start brings it to this agent's.
            return Examined(counts=counts(connection), opens=opens)
        (escrowed_at,) = connection.execute("SELECT escrowed_at FROM keyring").fetchone()
        return Examined(
            counts=counts(connection),
            opens=opens,
            periods=_months(connection, Kind.PERIOD),
            epochs=_months(connection, Kind.EPOCH),
            escrowed_at=escrowed_at,
        )
    except FAILURES as error:
        raise explained(error, path) from None
    finally:
        connection.close()


def counts(connection: sqlite3.Connection) -> Counts:
    """How many keys there are."""
    accounts, recordings = connection.execute(
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM recordings)"
    ).fetchone()
    return Counts(accounts=accounts, recordings=recordings)


def _months(connection: sqlite3.Connection, kind: Kind) -> tuple[str, ...]:
    rows = connection.execute("SELECT month, term FROM months WHERE kind = ? ORDER BY month, term", (kind,)).fetchall()
    return tuple(f"{month} {term}".rstrip() for month, term in rows)
