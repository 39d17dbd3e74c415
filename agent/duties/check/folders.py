"""What recordings need of this machine: where they are captured and kept, the door for Asterisk, the keys."""

import getpass
import grp
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.duties.check.evidence import Recordings

#: Files of Asterisk's that are tried.
_MOST_FILES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the configuration names; None is named nowhere. ``key`` says why the keys will not do ("": they will)."""

    monitor: Path | None
    store: Path | None
    socket: Path | None
    group: str | None
    key: str


def look_at_recordings(
    places: Places, *, in_memory: Callable[[Path], bool], never_swapped: Callable[[Path], bool]
) -> Recordings | None:
    """Try each, changing nothing; None where none of them is configured."""
    monitor = places.monitor
    if monitor is None and places.store is None and places.socket is None:
        return None
    return Recordings(
        monitor="" if monitor is None else str(monitor),
        monitor_fault="" if monitor is None else _monitor_fault(monitor),
        in_memory=monitor is not None and in_memory(monitor),
        never_swapped=monitor is not None and never_swapped(monitor),
        store="" if places.store is None else str(places.store),
        store_fault="" if places.store is None else _store_fault(places.store),
        socket="" if places.socket is None else str(places.socket),
        socket_fault="" if places.socket is None else _socket_fault(places.socket, places.group),
        group=places.group or "",
        key_fault=places.key,
    )


def script_fault(etc: Path) -> str | None:
    """Why Asterisk cannot run the script beside recording.conf ("": it can), by its folder ``etc``; None: not seen."""
    beside = etc / "telephony-agent"
    if not beside.is_dir():
        return None
    script = beside / "agi" / "recording.py"
    if not script.is_file():
        return f"there is no {script}"
    if not script.stat().st_mode & 0o111:
        return f"{script} is not executable"
    if not all((script.parent / name).is_file() for name in ("asterisk/agi.py", "six.py")):
        return f"pyst2 does not lie beside {script}, and may be out of its reach"
    return ""


def user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _monitor_fault(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"this user ({user()}) may not read it and write to it"
    files = itertools.islice((path for path in folder.iterdir() if path.is_file()), _MOST_FILES)
    shut = sum(not os.access(path, os.R_OK | os.W_OK) for path in files)
    return f"this user ({user()}) may not read and overwrite {shut} of the files in it" if shut else ""


def _store_fault(folder: Path) -> str:
    if not folder.exists():
        if folder.parent.is_dir() and os.access(folder.parent, os.W_OK | os.X_OK):
            return ""  # The agent makes it.
        return f"this user ({user()}) cannot make it"
    if not folder.is_dir():
        return "it is no folder"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"this user ({user()}) may not read it and write to it"
    if folder.stat().st_mode & 0o077:
        return "others than its owner may enter it"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "its disk is mounted read-only"
    return ""


def _socket_fault(socket: Path, group: str | None) -> str:
    folder = socket.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"this user ({user()}) may not write to the folder {folder}"
    if group is None:
        return ""
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        return f"there is no group {group}"
    if os.getuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        return f"this user ({user()}) is not in the group {group}, and cannot give it the socket"
    return ""
