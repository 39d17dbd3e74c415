"""P18, P21: what holds data is its owner's alone, who listens is reached from here only, and no cookie is set."""

import os
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from agent.core.instants import from_rfc3339
from agent.core.personal import HANDLED, PERSONAL, is_locked
from agent.core.records import INSTANTS
from agent.duties.promises.contents import beside, logs
from agent.duties.promises.result import HOUR_MS, Result, Scene, Survey, counted, judged, not_built, some

_LISTENING = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_OTHERS = 0o077
#: What stands for the name of a line, and says nothing.
_HANDLE = re.compile(r"~[0-9a-f]{16}")
_WAIT_S = 10.0
_MOST_NAMED = 3
#: Where a page would be.
PAGES = ("/", "/metrics", "/healthz", "/readyz")


def p18(scene: Scene) -> Result:
    """Modes of store, keys, secrets, sockets, logs and recordings; the running agent's listeners."""
    places = scene.places
    known = [*beside(places.store), *beside(places.keyring), places.socket, *places.secrets, *logs(scene.pid)]
    # What is named of each: below a root a name may be somebody's.
    files = {path: path for path in known}
    folders = {path: path for path in (places.store.parent, places.keyring.parent)}
    for root in (places.sealed, places.bundles, places.copies):
        if root is not None and root.is_dir():
            for path in (root, *root.rglob("*")):
                (folders if path.is_dir() else files).setdefault(path, root)
    # Before the store is opened: SQLite gives its empty journals the store's own mode.
    used, entered = ([name for path, name in each.items() if _open_to_others(path)] for each in (files, folders))
    listeners = [] if scene.pid is None else list(listening(scene.pid))
    reachable = [] if scene.remote else [address for address, _ in listeners if not address.is_loopback]
    with scene.survey() as survey:
        locked, clear = _personal(survey, scene.at)
    faults = [
        some(clear, "personal values or names of lines lie in clear"),
        _open(used, "file can be used", "files can be used"),
        _open(entered, "folder can be entered", "folders can be entered"),
        f"{counted(len(reachable), 'listener', 'listeners')} can be reached from other machines" if reachable else "",
    ]
    heard = counted(len(listeners), "listener", "listeners")
    runs = "no agent runs" if scene.pid is None else f"{heard} of the running agent"
    there = f"{counted(len(files), 'file', 'files')}, {counted(len(folders), 'folder', 'folders')}"
    looked = f"{there}, {counted(locked, 'encrypted value', 'encrypted values')} and {runs} looked at"
    return judged("P18", faults, looked)


def _open(found: list[Path], one: str, several: str) -> str:
    """A fault that names the first of them, "" for none."""
    if not found:
        return ""
    owner = "its owner" if len(found) == 1 else "their owner"
    names = [str(name) for name in dict.fromkeys(found)]
    more = " …" if len(names) > _MOST_NAMED else ""
    return f"{counted(len(found), one, several)} by others than {owner}: {', '.join(names[:_MOST_NAMED])}{more}"


def _personal(survey: Survey, at: int) -> tuple[int, int]:
    """How many personal values and names of lines are opaque, and how many are not that were kept an hour ago."""
    locked = clear = 0
    for record, personal in PERSONAL.items():
        names = [*(field.name for field in personal), *HANDLED[record]]
        instants = [item.name for item in fields(record) if item.name in INSTANTS]
        for row in survey.raw(record.KIND, *names, *instants) if names else ():
            values = [str(value) for value in row[: len(names)] if value is not None]
            opaque = sum(is_locked(value) or _HANDLE.fullmatch(value) is not None for value in values)
            locked += opaque
            if any(when is not None and from_rfc3339(str(when)) < at - HOUR_MS for when in row[len(names) :]):
                clear += len(values) - opaque
    return locked, clear


def _open_to_others(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)
    except FileNotFoundError:
        return False


def listening(pid: int) -> Iterator[tuple[IPv4Address | IPv6Address, int]]:
    """Addresses and ports that a process listens on (proc_pid_net(5)); of one that is gone or another user's, none."""
    inodes = set(_sockets(pid))
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENING and words[9] in inodes:
                    host, _, port = words[1].partition(":")
                    yield _address(host), int(port, 16)


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def _address(text: str) -> IPv4Address | IPv6Address:
    """The kernel writes words of 32 bits in the machine's own order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, "little") for start in range(0, len(text), 8)]
    packed = b"".join(words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def p21(scene: Scene) -> Result:
    """What the running agent's pages set and load."""
    if not scene.page:
        return not_built("P21", "no page is served")
    cookies = answered = 0
    page = False
    for path in PAGES:
        try:
            with urllib.request.urlopen(scene.page + path, timeout=_WAIT_S) as answer:  # noqa: S310 - always http://
                answered += 1
                cookies += len(answer.headers.get_all("Set-Cookie", []))
                page = page or "html" in answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            answered += 1
            cookies += len(error.headers.get_all("Set-Cookie", []))
        except OSError:
            continue
    looked = f"{answered} of {len(PAGES)} addresses answered"
    if cookies or page:
        return judged("P21", [some(cookies, "cookies are set without need")], looked)
    return not_built("P21", f"there is no page yet, and no cookie is set ({looked})")
