"""What the agent is given of the world: the time, ids by chance, and the key that lies beside its store."""

import contextlib
import os
import secrets
import time
from pathlib import Path

from agent.ports import StoreError


def now_ms() -> int:
    """The clock: ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """A random record id that says nothing."""
    return secrets.token_hex(8)


def link_key(path: Path) -> bytes:
    """The key of `read_key`, made at the first start; it lies beside the store, not in it.

    Raises:
        StoreError: it cannot be read or made.
    """
    file = _key_file(path)
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as fresh:
                fresh.write(secrets.token_bytes(32))
                fresh.flush()
                os.fsync(fresh.fileno())
    except OSError as error:
        raise StoreError(f"the key file {file} cannot be made: {error.strerror}", "check its folder") from None
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key that lies beside the store at ``path``: of restart links, timelines, audit and ledger of erasures.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    file = _key_file(path)
    try:
        key = file.read_bytes()
    except OSError as error:
        raise StoreError(f"the key file {file} cannot be used: {error.strerror}", "check its owner and mode") from None
    if len(key) != 32:
        hint = "restore it; without it the next start takes up no open call, and no timeline can be checked"
        raise StoreError(f"the key file {file} is damaged", hint)
    return key


def _key_file(path: Path) -> Path:
    return path.with_name(path.name + ".key")
