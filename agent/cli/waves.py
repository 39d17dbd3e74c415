"""What comes of a recording's wave: a list, a player that it is piped into, or a file of which there is no half."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, BinaryIO, NoReturn

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table

from agent.cli.common import PROBLEMS, USAGE, fail
from agent.cli.files import fresh, words
from agent.cli.shown import cell, grid
from agent.core.printable import printable

#: What plays a wave from its standard input, the best first.
_KNOWN = ("aplay -q -", "play -q -t wav -", "ffplay -nodisp -autoexit -loglevel error -i -")
PLAYERS = "; by default aplay, play or ffplay"

_LIST = "id line trigger state started_at stopped_at pauses content kept_as duration".split()


def listed(found: Iterable[dict[str, Any]]) -> Table:
    """Recordings, one a line."""
    table = grid(_LIST)
    for each in found:
        content = each["content"] or {}
        reason = content.get("reason")
        values = each | {
            "content": None if not content else content["state"] + (f" ({reason})" if reason else ""),
            "kept_as": content.get("kept_as"),
            "duration": _length(content.get("duration_ms")),
        }
        style = "dim" if content and content["state"] != "kept" else None
        table.add_row(*(cell(values[column]) for column in _LIST), style=style)
    return table


def _length(duration_ms: int | None) -> str | None:
    if duration_ms is None:
        return None
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes}:{seconds:02d}"


def player(wanted: str | None) -> list[str]:
    """The program that plays, and its arguments; ends the command where there is none."""
    if wanted is None:
        for known in _KNOWN:
            if shutil.which(known.split()[0]):
                return known.split()
        fail(USAGE, f"none of aplay, play and ffplay is on this machine{_HOW}")
    try:
        command = shlex.split(wanted)
    except ValueError:
        command = []
    if not command or "\0" in wanted:
        fail(USAGE, "--player takes a program and its arguments")
    if shutil.which(command[0]) is None:
        fail(USAGE, f"there is no program {printable(command[0])}{_HOW}")
    return command


_HOW = ": name a player with --player, or export the recording"


def play(command: list[str], wave: Iterator[bytes]) -> None:
    """Pipe ``wave`` into ``command`` and wait for it; ends the command where it fails."""
    try:
        # No shell; and its own words are not of the command's.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2)  # noqa: S603
    except OSError as error:
        fail(USAGE, f"{printable(command[0])} cannot be run: {error.strerror}")
    assert process.stdin is not None
    whole = False
    try:
        with suppress(BrokenPipeError):  # Who has heard enough ends the player.
            for piece in wave:
                process.stdin.write(piece)
            process.stdin.close()
        whole = True
    finally:
        if not whole:
            process.terminate()
        with suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait()
    if code:
        fail(PROBLEMS, f"{printable(command[0])} failed: exit code {code}")


@contextmanager
def target(to: str) -> Iterator[BinaryIO]:
    """The new file ``to``, for its owner alone, whole on disk at the end; where that is not reached there is none."""
    if to == "-":
        if sys.stdout.isatty():
            fail(USAGE, "a wave is not for a terminal: --to FILE, or a pipe behind --to -")
        yield sys.stdout.buffer
        return
    with fresh(to) as file:
        yield file


def write(file: BinaryIO, to: str, wave: Iterable[bytes]) -> None:
    """Write ``wave``, and return when it is on disk; ends the command where that fails."""
    try:
        for piece in wave:
            file.write(piece)
        file.flush()
        if to != "-":
            os.fsync(file.fileno())
    except OSError as error:
        if to == "-":
            # What waits in the buffer would be tried again at the exit, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        name = "standard output" if to == "-" else printable(to)
        fail(PROBLEMS, f"{name} cannot be written: {words(error)}")


def watched(wave: Iterator[bytes], size: int, *, quiet: bool) -> Iterator[bytes]:
    """``wave`` itself, with its progress on a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from wave
        return
    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=size)
        for piece in wave:
            yield piece
            progress.advance(task, len(piece))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a signal that would end the command at once unwind it instead, so that it leaves no half file."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
