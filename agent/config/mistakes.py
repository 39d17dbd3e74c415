"""A mistake in the configuration as one line for the operator: where, what was found, what was expected, an example."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from agent.core.printable import printable

_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake; no field ever holds a secret.

    ``origin`` is a file's path or an environment variable's name, ``line`` counts from 1 (None: the whole file, or no
    file), ``key`` is dotted (``ami.port``, ``ami`` for a section, empty for the whole file).
    """

    origin: str
    line: int | None = None
    key: str = ""
    found: str
    expected: str
    example: str = ""

    def __str__(self) -> str:
        place = self.origin if self.line is None else f"{self.origin}:{self.line}"
        section, _, key = self.key.partition(".")
        subject = " ".join(part for part in (f"[{section}]" if section else "", key) if part)
        text = ": ".join(part for part in (place, subject, self.found) if part) + f"; {self.expected}"
        text += "" if text.endswith("?") else "."
        return printable(f"{text} Example: {self.example}" if self.example else text)


class ConfigError(Exception):
    """The configuration cannot be used; ``mistakes`` holds every one of them, ``str()`` prints one a line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


def shown(value: object, *, private: bool = False) -> str:
    """``value`` in a form for the operator's eyes: short, on one line; only its type if it is ``private``."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array" if value else "an empty array"
    if private:
        return "a text" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    if isinstance(value, bool):
        return str(value).lower()
    text = ascii(value[: _SHOWN + 1]) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def named(name: str) -> str:
    """A key's or section's name as it may be printed: anything unusual in it is escaped."""
    return name if name.replace("_", "").replace("-", "").isalnum() and len(name) <= _SHOWN else shown(name)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name in ``known`` that was most likely meant, if one is near."""
    found = get_close_matches(name[:_SHOWN].lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
