"""This machine: can the store be written, and is the HTTP address free."""

import errno
import itertools
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

from agent.duties.check.evidence import CallFile, Evidence, Host, Recordings
from agent.duties.check.finding import Finding, ok, problem, warning
from agent.duties.check.folders import user

_PATIENCE_S = 2.0


def look(
    store: Path,
    listen: tuple[str, int] | None,
    spool: Path | None = None,
    recordings: Recordings | None = None,
    calls: CallFile | None = None,
    key_fault: str = "",
) -> Host:
    """Try each, changing nothing; ``listen`` None: HTTP is off, ``spool`` None: no voicemail is to go."""
    fault, runs = _listen_fault(*listen) if listen is not None else ("", False)
    return Host(
        store=str(store),
        store_fault=_store_fault(store),
        listen=_address(*listen) if listen is not None else "",
        listen_fault=fault,
        agent_runs=runs,
        spool="" if spool is None else str(spool),
        spool_fault="" if spool is None else _spool_fault(spool),
        recordings=recordings,
        calls=calls,
        key_fault=key_fault,
    )


def judge(evidence: Evidence) -> Iterator[Finding]:
    """What `look` saw."""
    seen = evidence.host
    if seen.store_fault:
        fix = "in agent.toml, under [store]: url = a file in a folder that exists and the agent's user may write"
        yield problem("store", f"the store {seen.store} cannot be written: {seen.store_fault}", fix)
    else:
        yield ok("store", f"the store {seen.store} can be written by this user ({user()})")
    if seen.key_fault:
        fix = "telephony-agent keys init, and in agent.toml, under [keys]: site_key_file = its file"
        yield warning("store.keys", f"nothing personal can be encrypted in the store: {seen.key_fault}", fix)
    if seen.agent_runs:
        yield ok("http", f"the agent runs here already, at {seen.listen}")
    elif seen.listen_fault:
        text = f"HTTP cannot be served at {seen.listen}: {seen.listen_fault}"
        yield problem("http", text, 'in agent.toml, under [http]: listen = "127.0.0.1:<a free port>"')
    elif seen.listen.endswith(":0"):
        yield ok("http", "HTTP takes any free port")
    elif seen.listen:
        yield ok("http", f"{seen.listen} is free to serve HTTP")


def _store_fault(path: Path) -> str:
    if path.is_dir():
        return "it is a folder"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "this user may not write the file"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    # SQLite keeps its log and lock beside the file.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"this user may not write to the folder {path.parent}"
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        return "its disk is mounted read-only"
    return ""


def _spool_fault(spool: Path) -> str:
    """Why voicemail cannot be deleted there ("": it can)."""
    if not spool.is_dir():
        return "there is no such folder"
    folders = itertools.chain([spool], spool.glob("*/"), spool.glob("*/*/"), spool.glob("*/*/INBOX/"))
    shut = sum(not os.access(folder, os.R_OK | os.W_OK | os.X_OK) for folder in folders)
    return f"this user ({user()}) may not write to {shut} of its folders" if shut else ""


def _listen_fault(host: str, port: int) -> tuple[str, bool]:
    """Why it cannot be listened at ("": it can), and whether that is because the agent does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            runs = error.errno == errno.EADDRINUSE and _is_agent(host, port)
            return error.strerror or "refused", runs
    return "", False


def _is_agent(host: str, port: int) -> bool:
    url = f"http://{_address(host, port)}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:
            return b"telephony_agent_" in answer.read(1 << 20)
    except (OSError, HTTPException):
        return False


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
