"""A TOML file with the line of each of its keys, which Python's own parser does not tell."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

#: One piece of TOML (v1.0.0): only what tells a key's line from the inside of a string, an array or a comment. Each
#: letter can match in one way only, so that no text is slow. (No possessive quantifiers: Python 3.11.2, which is
#: Debian 12's, gets nested ones wrong.)
_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<string> \"{3} (?: [^"\\] | \\. | "{1,2}(?!") )* "{3,5}
                | '{3}  (?: [^'] | '{1,2}(?!') )* '{3,5}
                | "(?!"") (?: [^"\\\n] | \\. )* "
                | '(?!'') [^'\n]* ' )
    | (?P<newline>\n)
    | (?P<opening>[\[{])
    | (?P<closing>[\]}])
    | (?P<equals>=)
    | (?P<text>[^\n"'\#\[\]{}=]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_AT_LINE = re.compile(r"(.*) \(at line (\d+), column \d+\)", re.DOTALL)
_MOST_ERRORS = 20
_MANY_BYTES = 1 << 20  # reading again after an error takes seconds in a text longer than this
_PLAIN = re.compile(r"""([A-Za-z0-9_-]+)|"([^"\\]*)"|'([^']*)'""")
_DEEPEST = 8  # of a key's path: a hostile one may have 100,000 parts

Path = tuple[str, ...]


def statements(text: str) -> Iterator[tuple[int, str]]:
    """The first line of each statement with its head: ``[a.b]`` of a table, ``a.b`` of a key and its value.

    Ends early at a string that never closes.
    """
    line, depth, begin, position = 1, 0, None, 0
    seen = False  # this statement's head is out
    while (token := _TOKEN.match(text, position)) is not None:
        kind = token.lastgroup
        if (kind == "newline" and depth == 0) or kind == "comment":
            if begin is not None and not seen and depth == 0:
                yield line, text[begin:position].strip()
            if depth == 0:
                begin, seen = None, False
        elif begin is None and not token.group().isspace():
            begin = position
        header = begin is not None and text[begin] == "["
        if kind == "equals" and depth == 0 and not seen and begin is not None:
            yield line, text[begin:position].strip()
            seen = True
        elif kind == "opening" and not header:
            depth += 1
        elif kind == "closing" and not header:
            depth = max(0, depth - 1)
        line += token.group().count("\n")
        position = token.end()
    if position == len(text) and begin is not None and not seen:
        yield line, text[begin:].strip()


def lines(text: str) -> dict[Path, int]:
    """The first line of each table and key of the valid document ``text``, those in inline tables left out."""
    found: dict[Path, int] = {}
    table: Path = ()
    for line, head in statements(text):
        if head.startswith("["):
            path = table = _path(tomllib.loads(head))
        else:
            plain = _PLAIN.fullmatch(head)  # the parser would take seconds for 100,000
            path = table + ((plain[plain.lastindex or 0],) if plain else _path(tomllib.loads(head + " = 0")))
        for length in range(1, min(len(path), _DEEPEST) + 1):
            found.setdefault(path[:length], line)
    return found


def _path(document: Any) -> Path:
    names: list[str] = []
    while document:
        if isinstance(document, list):
            document = document[0]
        else:
            ((name, document),) = document.items()
            names.append(name)
    return tuple(names)


def parse(text: str) -> tuple[dict[str, Any], str, list[tuple[int | None, str]]]:
    """What ``text`` says, the text it was read from, and the line (None: unknown) and message of each syntax error.

    A line with an error is blanked and the rest read on, so that one slip does not hide the next mistake. Where the
    extent of the error cannot be known, nothing is read.
    """
    errors: list[tuple[int | None, str]] = []
    most = _MOST_ERRORS if len(text) < _MANY_BYTES else 3
    while len(errors) < most:
        try:
            return tomllib.loads(text), text, errors
        except tomllib.TOMLDecodeError as error:
            message = str(error)
        except RecursionError:
            return {}, "", [*errors, (None, "nested too deeply")]
        begun = dict(statements(text))
        if (at := _AT_LINE.fullmatch(message)) is None:
            last = max(begun, default=1)
            return {}, "", [*errors, (last, message.removesuffix(" (at end of document)") + ", begun here")]
        line = int(at[2])
        errors.append((line, at[1]))
        if line not in begun or begun[line].startswith("["):
            break
        rows = text.split("\n")
        rows[line - 1] = ""
        text = "\n".join(rows)
    return {}, "", errors
