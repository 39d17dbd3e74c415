"""The file of calls and texts as bytes, cut into its lines: whatever stands in their fields, each line for itself.

A line begins with a mark that nothing in a field can look like: `CSV_QUOTE` doubles every quote that a caller brings,
so that no field has a single quote with a digit behind it. Whatever is broken between two marks (half a line, a full
disk, another program's text) is one unreadable line, and costs its neighbours nothing.
"""

import re
from itertools import pairwise

#: A longer line is none of a PBX's; it is passed over unread.
LONGEST = 256 * 1024

_MARK = re.compile(rb'(?:call|text)1,"(?=\d)')
_MARK_BYTES = len(b'call1,"0')
_FIELD = rb'"([^"]*(?:""[^"]*)*)"'
_LINE = re.compile(rb"(?:call|text)1(?:,%s)+,end\r?\n?" % _FIELD)


def shape(mark: str, count: int) -> re.Pattern[bytes]:
    """A whole line with ``mark`` and so many fields, each a group."""
    return re.compile(mark.encode() + (b"," + _FIELD) * count + rb",end\r?\n?")


def unquoted(found: re.Match[bytes]) -> list[str]:
    """The fields of a line as they were before `CSV_QUOTE`."""
    return [field.replace(b'""', b'"').decode("utf-8", "replace") for field in found.groups()]


class Lines:
    """Cuts a file that comes in pieces into its lines, whatever stands in their fields."""

    def __init__(self) -> None:
        self._held = b""
        #: Pieces of the file that belong to no line.
        self.stray = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are complete with ``piece``."""
        text = self._held + piece
        starts = [found.start() for found in _MARK.finditer(text)]
        if not starts:
            # A mark may lie across the edge of two pieces.
            edge = max(0, len(text) - _MARK_BYTES)
            self._dropped(text[:edge])
            self._held = text[edge:]
            return []
        self._dropped(text[: starts[0]])
        lines = [self._trimmed(text[begin:end]) for begin, end in pairwise(starts)]
        self._held = text[starts[-1] :]
        if len(self._held) > LONGEST:
            self._held = b""
            self.stray += 1
        return lines

    def rest(self) -> list[bytes]:
        """The last line, once there is no more."""
        held, self._held = self._held, b""
        if _MARK.match(held):
            return [self._trimmed(held)]
        self._dropped(held)
        return []

    def _trimmed(self, line: bytes) -> bytes:
        """Without what another program, or half a line without its mark, left behind its end."""
        found = _LINE.match(line)
        if found is None:
            return line
        self._dropped(line[found.end() :])
        return found[0]

    def _dropped(self, text: bytes) -> None:
        self.stray += bool(text.strip())
