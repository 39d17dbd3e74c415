"""Asterisk's own CDRs as `dialplan/cdr_custom.conf.example` has it write them: bytes to fields, each line for itself.

A line begins with a mark that nothing in a field can look like: `CSV_QUOTE` doubles every quote that a caller brings,
so that no field has a single quote with a digit behind it. Whatever is broken between two marks (half a line, a full
disk, another program's text) is one unreadable line, and costs its neighbours nothing.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

#: CDR(…) of each field, in the order of the line; ``start`` in seconds since 1970 UTC, with microseconds.
FIELDS = tuple(
    "sequence uniqueid linkedid start,u duration billsec disposition src dst channel dstchannel lastdata"
    " accountcode".split()
)
#: What `cdr_custom.conf` needs, but for the file's name.
TEMPLATE = ",".join(["call1", *(f"${{CSV_QUOTE(${{CDR({field})}})}}" for field in FIELDS), "end"])
#: A longer line is no call of a PBX; it is passed over unread.
LONGEST = 256 * 1024

_MARK = re.compile(rb'call1,"(?=\d)')
_MARK_BYTES = len(b'call1,"0')
_FIELD = rb',"([^"]*(?:""[^"]*)*)"'
_LINE = re.compile(rb"call1" + _FIELD * len(FIELDS) + rb",end\r?\n?")
_SECONDS = re.compile(r"(\d{1,11})\.(\d{6})")
_COUNT = re.compile(r"\d{1,9}")
#: Of a channel's name or of a number Asterisk keeps at most so much; whatever is longer was made to be.
_MOST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdr:
    """One CDR, still with all that is in it: never to be stored, queued or logged. ``start_ms`` is since 1970 UTC."""

    sequence: str
    uniqueid: str
    linkedid: str
    start_ms: int
    duration_s: int
    billable_s: int
    disposition: str
    src: str
    dst: str
    channel: str
    dstchannel: str
    lastdata: str
    accountcode: str


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


def parse(line: bytes) -> Cdr | None:
    """The CDR in one line of `Lines`; None where it is not one that Asterisk wrote whole."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    text = [field.replace(b'""', b'"').decode("utf-8", "replace") for field in found.groups()]
    sequence, uniqueid, linkedid, start, duration, billsec, disposition, src, dst, channel, dest, last, account = text
    seconds = _SECONDS.fullmatch(start)
    if seconds is None or not _COUNT.fullmatch(duration) or not _COUNT.fullmatch(billsec) or not uniqueid:
        return None
    return Cdr(
        sequence=sequence[:_MOST_NAME],
        uniqueid=uniqueid[:_MOST_NAME],
        linkedid=linkedid[:_MOST_NAME],
        start_ms=int(seconds[1]) * 1000 + int(seconds[2]) // 1000,
        duration_s=int(duration),
        billable_s=int(billsec),
        disposition=disposition[:_MOST_NAME],
        src=src[:_MOST_NAME],
        dst=dst[:_MOST_NAME],
        channel=channel[:_MOST_NAME],
        dstchannel=dest[:_MOST_NAME],
        lastdata=last,
        accountcode=account[:_MOST_NAME],
    )
