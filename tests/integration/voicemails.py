"""A voicemail spool as app_voicemail lays it out, messages of any age in it, and what Asterisk would count."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from agent.duties.voicemail import Asterisk, Order, Report, Terms, purge

DAY_MS = 86_400_000
NOW = 1_795_380_280_000

_INDEX = """;
; Message Information file
;
[message]
origmailbox=201
context=phones
exten=*98
callerid="A Caller" <+441134960123>
origdate=Sun Nov 22 08:44:40 PM UTC 2026
origtime={origtime}
msg_id=1795380280-00000001
flag=
duration=7
"""
ENDINGS = ("gsm", "wav", "WAV")


def leave(folder: Path, number: int, *, days: float, text: str | None = None, saved_days: float | None = None) -> bytes:
    """A message of ``days`` days, in this folder since ``saved_days``; what its recordings hold, which is its own."""
    folder.mkdir(parents=True, exist_ok=True)
    origtime = (NOW - int(days * DAY_MS)) // 1000
    sound = os.urandom(64)
    index = folder / f"msg{number:04d}.txt"
    index.write_text(_INDEX.format(origtime=origtime) if text is None else text)
    for ending in ENDINGS:
        index.with_suffix(f".{ending}").write_bytes(sound)
    since = origtime if saved_days is None else (NOW - int(saved_days * DAY_MS)) // 1000
    for path in [index, *(index.with_suffix(f".{ending}") for ending in ENDINGS)]:
        os.utime(path, (since, since))
    rest(folder)
    return sound


def rest(folder: Path) -> None:
    """Nobody has opened this folder for days."""
    os.utime(folder, (NOW // 1000 - 2 * 86_400,) * 2)


def counted(folder: Path) -> list[int]:
    """The numbers that Asterisk counts, each with every recording that it needs."""
    found = sorted(int(path.stem[3:]) for path in folder.glob("msg*.txt"))
    for number in found:
        for ending in ENDINGS:
            assert (folder / f"msg{number:04d}.{ending}").exists(), f"message {number} is not whole"
    return found


def sounds(folder: Path) -> list[bytes]:
    """What the counted messages hold, by number; all recordings of one are alike."""
    out = []
    for number in counted(folder):
        (sound,) = {(folder / f"msg{number:04d}.{ending}").read_bytes() for ending in ENDINGS}
        out.append(sound)
    return out


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Nobody(Asterisk):
    """An Asterisk without a login of which it is known since when somebody is in a mailbox."""

    def __init__(self, since: int = NOW) -> None:
        super().__init__(None, lambda: NOW)
        self.since = since
        self.refreshes: list[tuple[str, str]] = []

    async def somebody_since(self) -> int:
        return self.since

    async def refreshed(self, context: str, mailbox: str) -> bool:
        self.refreshes.append((context, mailbox))
        return True


def purged(
    spool: Path,
    *,
    terms: Terms | None = None,
    asterisk: Asterisk | None = None,
    dry_run: bool = False,
    pace: Callable[[], None] = lambda: None,
) -> Report:
    """One purge at NOW."""
    order = Order(spool=spool, terms=terms or Terms(), at=NOW, dry_run=dry_run, pace=pace, wait_s=0.1)
    return asyncio.run(purge(order, asterisk or Nobody()))


def killed(spool: Path, step: int) -> None:
    """A purge at NOW by a process that is killed before this change of a file."""
    left = step

    def pace() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            purged(spool, pace=pace)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
