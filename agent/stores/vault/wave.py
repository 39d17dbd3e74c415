"""How long a RIFF/WAVE file plays."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

from agent.ports import StoreError
from agent.stores.vault.regular import open_regular

_MOST_HEADER_BYTES = 4096
_LEAST_BYTES_A_SECOND = 1000  # Asterisk's most compressed, WAV49, has 1,625.
_FORMAT = struct.Struct("<HHIIHH")  # kind, channels, samples a second, bytes a second, bytes a frame, bits a sample


def wave_ms(path: Path) -> int | None:
    """How long the wave file at ``path`` plays, in ms; None when it is none, or is not there.

    It is what the file holds, not what its header says: Asterisk writes the length there when it closes the file.
    """
    try:
        descriptor = open_regular(path)
    except (StoreError, OSError, ValueError):  # ValueError: no path at all.
        return None
    with open(descriptor, "rb") as file:
        return duration_ms(file)


def duration_ms(file: BinaryIO) -> int | None:
    """The same of an open regular file, whose position stays."""
    try:
        head = os.pread(file.fileno(), _MOST_HEADER_BYTES, 0)
        size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    return _duration(head, size)


def _duration(head: bytes, size: int) -> int | None:
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at, rate = 12, 0
    while at + 8 <= len(head):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            return (size - at) * 1000 // rate if rate else None
        if name == b"fmt ":
            if length < _FORMAT.size or at + _FORMAT.size > len(head):
                return None
            rate = _FORMAT.unpack_from(head, at)[3]
            if rate < _LEAST_BYTES_A_SECOND:
                return None
        at += length + length % 2
    return None
