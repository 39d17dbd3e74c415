"""The configuration file's sections and keys, each with its line, and what is wrong with their names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config import text, toml
from agent.config.environment import SECRETS, variable
from agent.config.mistakes import Mistake, named, nearest, shown
from agent.config.model import key, sections

MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file sets: known keys by section; ``sound`` when nothing of it had to be left out."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[toml.Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    sound: bool = True


def read(path: Path) -> Document:
    """The file at ``path``; every mistake in it is told in the result."""
    found = text.read(path, most_bytes=MOST_BYTES)
    return Document(mistakes=[found], sound=False) if isinstance(found, Mistake) else _named(path, found)


def _named(path: Path, written: str) -> Document:
    content, written, errors = toml.parse(written)
    lines = toml.lines(written)
    mistakes = text.not_toml(path, errors, example='host = "127.0.0.1"')
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
    found, expected, example = "unknown key", f"keys are {', '.join(known)}", ""
    if name in SECRETS and SECRETS[name][0] == section:
        file_key = SECRETS[name][1]
        found = "a secret never stands in this file"
        expected = f"put it into a file of mode 600 and name that, or set {variable(section, name)}"
        example = f"{file_key} = {key(section, file_key).example}"
    elif (likely := nearest(name, known)) is not None:
        expected = f"did you mean `{likely}`?"
        example = f"{likely} = {key(section, likely).example}"
    return Mistake(
        origin=origin, line=line, key=f"{section}.{named(name)}", found=found, expected=expected, example=example
    )
