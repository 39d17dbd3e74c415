"""A configuration file as text, or the one mistake that says why it is none; and what is wrong with its TOML."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from agent.config.mistakes import Mistake

LONGEST_LINE = 2048  # the standard parser takes quadratic memory for a key of very many dotted parts


def read(path: Path, *, most_bytes: int, private: bool = False) -> str | Mistake:
    """The text of the file at ``path``, without a byte order mark, its lines ended by LF.

    ``private``: nobody but its owner may use the file. ``most_bytes`` bounds what is read of it.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(most_bytes + 1) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        return _unfit(path, f"cannot be read: {os.strerror(number or 0)}")
    if not stat.S_ISREG(mode):
        return _unfit(path, "not a regular file")
    # systemd, and compose, guard the folder of the credentials that they pass, not each file in it
    guarded = private and str(path.parent) != os.environ.get("CREDENTIALS_DIRECTORY")
    if guarded and mode & 0o077:
        return Mistake(
            origin=str(path),
            found=f"it has mode {stat.S_IMODE(mode):04o}: others than its owner may use it",
            expected="a file for the agent's user alone is expected",
            example=f"chmod 600 {quote(str(path))}",
        )
    if len(content) > most_bytes:
        return _unfit(path, f"longer than {most_bytes} bytes")
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return _unfit(path, "not UTF-8 text", content.count(b"\n", 0, error.start) + 1)
    for line, row in enumerate(text.split("\n"), 1):
        if len(row) > LONGEST_LINE:
            return _unfit(path, f"longer than {LONGEST_LINE} characters", line)
    return text


def _unfit(path: Path, found: str, line: int | None = None) -> Mistake:
    return Mistake(origin=str(path), line=line, found=found, expected="a text file in TOML is expected")


def not_toml(path: Path, errors: Iterable[tuple[int | None, str]], *, example: str = "") -> list[Mistake]:
    """The syntax errors that `agent.config.toml.parse` told; none of them repeats a value of the file."""
    return [
        Mistake(
            origin=str(path),
            line=line,
            found=f"not TOML: {message[:1].lower()}{message[1:]}",
            expected="write [section], or key = value with every text in quotes",
            example=example,
        )
        for line, message in errors
    ]
