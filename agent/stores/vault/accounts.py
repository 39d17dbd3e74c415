"""Keys of accounts: under each are the recordings and the locked fields of one account, and with it all of them go."""

import secrets

from agent.stores.vault.ring import Ring
from agent.stores.vault.sealed import KEY_BYTES


def find(ring: Ring, account: str) -> tuple[str, bytes, str] | None:
    """The id and the key of ``account``, and until which month it may lock fields ("": none); None if it has no key.

    Within `Ring.reading` or `Ring.change`.
    """
    hashed = ring.hashed(account)
    row = ring.connection.execute(
        "SELECT id, wrapped, fields_until FROM accounts JOIN slots USING (slot) WHERE account = ?", (hashed,)
    ).fetchone()
    if row is None:
        return None
    id, wrapped, until = row
    return str(id), ring.unwrapped(wrapped, context(id, hashed)), str(until or "")


def get(ring: Ring, account: str) -> tuple[str, bytes, str]:
    """What `find` tells of ``account``, which is given a key if it has none; within `Ring.change`."""
    found = find(ring, account)
    if found is not None:
        return found
    id, key, hashed = secrets.token_hex(8), secrets.token_bytes(KEY_BYTES), ring.hashed(account)
    slot = ring.put(key, context(id, hashed))
    ring.connection.execute("INSERT INTO accounts VALUES (?, ?, ?, NULL)", (id, hashed, slot))
    return id, key, ""


def by_id(ring: Ring, id: str) -> bytes | None:
    """The key with this id, None when it is gone; within `Ring.reading`."""
    row = ring.connection.execute(
        "SELECT account, wrapped FROM accounts JOIN slots USING (slot) WHERE id = ?", (id,)
    ).fetchone()
    return None if row is None else ring.unwrapped(row[1], context(id, row[0]))


def lock_until(ring: Ring, id: str, month: str) -> None:
    """Let the account's key outlive its recordings for as long as the fields of ``month`` do; within `Ring.change`."""
    ring.connection.execute("UPDATE accounts SET fields_until = ? WHERE id = ?", (month, id))


def any_before(ring: Ring, month: str) -> bool:
    """Whether `unlock_before` would change anything; within `Ring.reading`."""
    row = ring.connection.execute("SELECT 1 FROM accounts WHERE fields_until < ? LIMIT 1", (month,)).fetchone()
    return row is not None


def unlock_before(ring: Ring, month: str) -> None:
    """Destroy the keys of accounts with no recording, and no field of ``month`` or later; within `Ring.change`."""
    ring.connection.execute("UPDATE accounts SET fields_until = NULL WHERE fields_until < ?", (month,))
    ring.clear(
        "DELETE FROM accounts WHERE fields_until IS NULL AND id NOT IN (SELECT account FROM recordings) RETURNING slot"
    )


def release(ring: Ring, id: str) -> None:
    """Destroy the key of an account that has neither a recording nor a field any more; within `Ring.change`."""
    ring.clear(
        "DELETE FROM accounts WHERE id = ? AND fields_until IS NULL"
        " AND id NOT IN (SELECT account FROM recordings) RETURNING slot",
        id,
    )


def context(id: str, hashed: object) -> str:
    """What an account's key is wrapped for."""
    return f"account {id} {hashed.hex() if isinstance(hashed, bytes) else ''}"
