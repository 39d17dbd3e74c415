"""Promises for which nothing is built yet: they are never called kept."""

from agent.duties.promises.result import Result, not_built

#: What is missing for each.
MISSING = {
    "P17": "there are no backups yet",
}


def unbuilt(id: str) -> Result:
    """That nothing makes it true."""
    return not_built(id, MISSING[id])
