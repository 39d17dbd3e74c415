"""When files come into a folder and leave it, as the kernel tells."""

import asyncio
import ctypes
import os
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_CREATE, _MOVED_FROM, _DELETE = 0x100, 0x40, 0x200
_HEAD = struct.Struct("iIII")
_LIBC = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """By the name of each file when (seconds since 1970) it came and went; one that is moved away has gone.

    with FolderWatch(lab.recordings) as files:
        ...
    lived_s = files.went["a.wav"] - files.came["a.wav"]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.came: dict[str, float] = {}
        self.went: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._handle = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        _checked(_LIBC.inotify_add_watch(self._handle, os.fsencode(self._folder), _CREATE | _MOVED_FROM | _DELETE))
        asyncio.get_running_loop().add_reader(self._handle, self._told)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)

    def _told(self) -> None:
        at = time.time()
        data = os.read(self._handle, 1 << 16)
        while data:
            _, mask, _, length = _HEAD.unpack_from(data)
            name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
            (self.came if mask & _CREATE else self.went).setdefault(name, at)
            data = data[_HEAD.size + length :]


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
