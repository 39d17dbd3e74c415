"""The configuration file's sections and keys, each with its line, and what is wrong with their names."""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config import toml
from agent.config.environment import SECRETS, variable
from agent.config.mistakes import Mistake, named, nearest, shown
from agent.config.model import key, sections

MOST_BYTES = 1 << 16
LONGEST_LINE = 2048  # the standard parser takes quadratic memory for a key of very many dotted parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file sets: known keys by section; ``sound`` when nothing of it had to be left out."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[toml.Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    sound: bool = True


def read(path: Path) -> Document:
    """The file at ``path``; every mistake in it is told in the result."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            content = opened.read(MOST_BYTES + 1) if regular else b""
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        return _unreadable(path, f"cannot be read: {os.strerror(number or 0)}")
    if not regular:
        return _unreadable(path, "not a regular file")
    if len(content) > MOST_BYTES:
        return _unreadable(path, f"longer than {MOST_BYTES} bytes")
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unreadable(path, "not UTF-8 text", line)
    for line, row in enumerate(text.split("\n"), 1):
        if len(row) > LONGEST_LINE:
            return _unreadable(path, f"longer than {LONGEST_LINE} characters", line)
    return _named(path, text)


def _unreadable(path: Path, found: str, line: int | None = None) -> Document:
    mistake = Mistake(origin=str(path), line=line, found=found, expected="a text file in TOML is expected")
    return Document(mistakes=[mistake], sound=False)


def _named(path: Path, text: str) -> Document:
    content, text, errors = toml.parse(text)
    lines = toml.lines(text)
    mistakes = [
        Mistake(
            origin=str(path),
            line=line,
            found=f"not TOML: {message[:1].lower()}{message[1:]}",
            expected="write [section], or key = value with every text in quotes",
            example='host = "127.0.0.1"',
        )
        for line, message in errors
    ]
    keys: dict[str, dict[str, Any]] = {}
    for section, table in content.items():
        origin, line = str(path), lines.get((section,))
        if section not in sections():
            mistakes.append(_unknown_section(origin, line, section, table))
        elif not isinstance(table, dict):
            expected = f"a section is a table, a line [{section}] above its keys"
            found = f"{shown(table)} in place of a section"
            mistakes.append(Mistake(origin=origin, line=line, key=section, found=found, expected=expected))
        else:
            known = sections()[section].model_fields
            keys[section] = {name: value for name, value in table.items() if name in known}
            mistakes += [
                _unknown_key(origin, lines.get((section, name), line), section, name)
                for name in table
                if name not in known
            ]
    return Document(keys=keys, lines=lines, mistakes=mistakes, sound=not errors)


def _unknown_section(origin: str, line: int | None, section: str, table: object) -> Mistake:
    if not isinstance(table, dict):
        homes = [name for name, model in sections().items() if section in model.model_fields]
        expected = f"did you mean it to stand under [{homes[0]}]?" if homes else "every key stands under a [section]"
        return Mistake(origin=origin, line=line, found=f"{named(section)} outside of any section", expected=expected)
    likely = nearest(section, sections())
    expected = f"did you mean [{likely}]?" if likely else f"sections are {', '.join(sections())}"
    return Mistake(origin=origin, line=line, key=named(section), found="unknown section", expected=expected)


def _unknown_key(origin: str, line: int | None, section: str, name: str) -> Mistake:
    known = sections()[section].model_fields
    found, expected, example = "unknown key", f"keys are {', '.join(known)}" if known else "it has no keys", ""
    if section == "ami" and name in SECRETS:
        file_key = SECRETS[name]
        found = "a secret never stands in this file"
        expected = f"put it into a file of mode 600 and name that, or set {variable('ami', name)}"
        example = f"{file_key} = {key('ami', file_key).example}"
    elif (likely := nearest(name, known)) is not None:
        expected = f"did you mean `{likely}`?"
        example = f"{likely} = {key(section, likely).example}"
    return Mistake(
        origin=origin, line=line, key=f"{section}.{named(name)}", found=found, expected=expected, example=example
    )
