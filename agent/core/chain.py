"""Keyed hashes that tie each line of something to the line before it."""

from collections.abc import Iterable
from hashlib import blake2b


def chained(key: bytes, person: bytes, parts: Iterable[str | int | None]) -> str:
    """The BLAKE2b hash of ``parts`` under ``key`` (64 bytes at the most); ``person`` (16) tells one use from others."""
    hashed = blake2b(key=key, digest_size=16, person=person)
    for part in parts:
        # Each with its length, so that no two lines are written alike; nobody is not a name that is empty.
        text = b"" if part is None else str(part).encode("utf-8", "surrogatepass")
        hashed.update(b"-:" if part is None else b"%d:" % len(text))
        hashed.update(text)
    return hashed.hexdigest()
