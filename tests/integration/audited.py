"""What writes the audit of an agent that a test puts together."""

import secrets
from collections.abc import Callable
from pathlib import Path

from agent import world
from agent.core.audit import Trail
from agent.people.auditing import Auditing
from agent.people.control import Keeping
from agent.pipeline import Pipeline
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore


async def auditing(
    store: SqliteStore,
    path: Path,
    pipeline: Pipeline,
    keeping: Keeping,
    clock: Callable[[], int],
    fields: Fields | None = None,
) -> Auditing:
    """It goes on where the audit in the store at ``path`` stopped."""
    trail = Trail(key=world.link_key(path), new_id=world.new_id, new_salt=lambda: secrets.token_hex(16))
    trail.restore(await store.open_records())
    return Auditing(
        trail=trail,
        keep=keeping.keep,
        put=pipeline.put,
        reader=lambda: SqliteReader(path, fields),
        clock=clock,
    )
