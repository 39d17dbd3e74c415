"""Asterisk's own CDRs as `dialplan/cdr_custom.conf.example` has it write them, out of the lines of their file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.lines import shape, unquoted

#: CDR(…) of each field, in the order of the line; ``start`` in seconds since 1970 UTC, with microseconds.
#: ``presentation`` is set by `dialplan/emergency-callback.conf`, where a caller from a trunk withholds his number.
FIELDS = tuple(
    "sequence uniqueid linkedid start,u duration billsec disposition src dst channel dstchannel lastdata"
    " accountcode presentation".split()
)


def _template(fields: Sequence[str]) -> str:
    return ",".join(["call1", *(f"${{CSV_QUOTE(${{CDR({field})}})}}" for field in fields), "end"])


#: What `cdr_custom.conf` needs, but for the file's name.
TEMPLATE = _template(FIELDS)
#: What it was before, which does not tell of a number that is withheld.
FORMER = _template(FIELDS[:-1])

_LINE, _FORMER_LINE = shape("call1", len(FIELDS)), shape("call1", len(FIELDS) - 1)
_SECONDS = re.compile(r"(\d{1,11})\.(\d{6})")
_COUNT = re.compile(r"\d{1,9}")
#: Of a channel's name or of a number Asterisk keeps at most so much; whatever is longer was made to be.
_MOST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdr:
    """One CDR, still with all that is in it: never to be stored, queued or logged. ``start_ms`` is since 1970 UTC.

    ``withheld``: its caller withholds his number; None where the line does not tell.
    """

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
    withheld: bool | None = None


def parse(line: bytes) -> Cdr | None:
    """The CDR in one line of `Lines`; None where it is not one that Asterisk wrote whole."""
    found = _LINE.fullmatch(line) or _FORMER_LINE.fullmatch(line)
    if found is None:
        return None
    sequence, uniqueid, linkedid, start, duration, billsec, disposition, src, dst, *more = unquoted(found)
    channel, dest, last, account, *presentation = more
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
        withheld=presentation[0].startswith("prohib") if presentation else None,
    )
