"""A passphrase comes from the terminal, from a file or from a file descriptor, and never by the command line."""

import os
import sys
from getpass import GetPassWarning, getpass
from pathlib import Path
from typing import Annotated
from warnings import catch_warnings, simplefilter

import typer

from agent.cli.common import USAGE, fail
from agent.config.credentials import Refused, alone

_MOST_BYTES = 1024
#: A C int.
_MOST_FD = (1 << 31) - 1

File = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file that holds the passphrase alone, for you alone.")
]
Fd = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd", min=0, max=_MOST_FD, help="An open file descriptor from which to read the passphrase."
    ),
]


def passphrase(file: Path | None, descriptor: int | None, *, twice: bool = False) -> str:
    """The passphrase, from one of the two or else from the terminal, there ``twice``; ends the command without one."""
    if file is not None and descriptor is not None:
        fail(USAGE, "the passphrase is given twice", "either --passphrase-file or --passphrase-fd, not both")
    if file is not None:
        try:
            return alone(file, str(file))
        except (Refused, ValueError) as error:  # ValueError: no path at all.
            expected = error.expected if isinstance(error, Refused) else "name a file"
            fail(USAGE, f"the passphrase cannot be taken: {error}", expected)
    if descriptor is not None:
        return _checked(_from(descriptor))
    if not sys.stdin.isatty():
        fail(USAGE, "there is no terminal to ask for the passphrase", "use --passphrase-file or --passphrase-fd")
    secret = _asked("Passphrase: ")
    if twice and _asked("Once more: ") != secret:
        fail(USAGE, "the two passphrases are not the same", "try again; nothing was written")
    return _checked(secret)


def _asked(prompt: str) -> str:
    with catch_warnings():
        simplefilter("error", GetPassWarning)  # Never echoed.
        try:
            return getpass(prompt)
        except (EOFError, UnicodeDecodeError, GetPassWarning):
            fail(USAGE, "no passphrase could be read from the terminal", "use --passphrase-file or --passphrase-fd")


def _from(descriptor: int) -> str:
    content = b""
    try:
        while len(content) <= _MOST_BYTES and (more := os.read(descriptor, _MOST_BYTES)):
            content += more
        return content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        fail(USAGE, f"the file descriptor {descriptor} cannot be read: {os.strerror(error.errno or 0)}")
    except UnicodeDecodeError:
        fail(USAGE, "the passphrase is not UTF-8 text")


def _checked(secret: str) -> str:
    if not secret or not secret.isprintable() or len(secret.encode()) > _MOST_BYTES:
        fail(USAGE, f"a passphrase is one line of at most {_MOST_BYTES} bytes, and not empty")
    return secret
